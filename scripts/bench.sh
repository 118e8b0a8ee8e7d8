#!/usr/bin/env bash
# Release build, the rooms' own benchmarks, then the real process under load: a
# simulated OCEAN, `axepool run` and `axepool-demo load`, each a process of its own, on this
# machine. The load generator shares the cores with what it measures. Shares are answered
# when they are on this machine's disk; TLS and disks that are slower have rows apart.
#   --big          more miners and longer, for the nightly run
#   --load-only    without the rooms' benchmarks
#   --small        few miners and a second each, with the day's build and without the rooms'
#                  benchmarks: whether it works, no figures
. "$(dirname "$0")/lib.sh"

seconds=10 profile=release
counts=(1000 10000)
tls_count=1000
rooms=yes
for option in "$@"; do
    case "$option" in
        --big) seconds=60 counts=(1000 10000 50000) ;;
        --load-only) rooms= ;;
        --small) seconds=1 counts=(50) tls_count=20 profile=dev rooms= ;;
        *) die "unknown option '$option': --big, --load-only or --small" ;;
    esac
done

say "build ($profile)"
cargo build --locked --profile "$profile" -p axepool -p demo
axepool="${CARGO_TARGET_DIR:-target}/${profile/dev/debug}/axepool"
demo="$axepool-demo"

if [ -n "$rooms" ]; then
    for bench in */benches/*.rs; do
        [ -e "$bench" ] || continue
        room=${bench%%/*}
        name=$(basename "$bench" .rs)
        # These two are for scripts/instructions.sh.
        case "$name" in lines | payouts) continue ;; esac
        say "benchmark $name of $room"
        cargo bench --locked -p "$room" --bench "$name"
    done
fi

if [ -n "$rooms" ]; then
    say "benchmark of the mint: quotes made, paid, minted over HTTP, tokens"
    cargo run --locked --release -p mint --example mint_bench
    say "from a payment that is booked to PAID at a subscriber (NUT-17)"
    cargo run --locked --release -p axepool --example paid_bench
fi

if [ -n "$rooms" ]; then
    say "the ledger on disks whose sync takes longer: 1,000 devices, one share in flight each"
    # Not a benchmark of cargo's: the store's file is only there for the room's own tests.
    cargo test --locked --release -p ledger --lib -- --nocapture --exact \
        tests::slow::slow_disks_make_answers_late_and_lose_none | grep -o 'sync + .*'
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/axepool-bench-XXXXXX")
ocean_pid='' pool_pid=''
end() {
    for pid in $pool_pid $ocean_pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}
trap end EXIT

# Tries a command for ten seconds until it succeeds.
within_10_s() {
    local what=$1; shift
    for _ in $(seq 200); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.05
    done
    cat "$work"/*.log >&2
    die "no $what within ten seconds"
}

# Each connection is a file on both sides.
ulimit -n "$(ulimit -Hn)" || true

say "a simulated OCEAN"
"$demo" sim pool --listen 127.0.0.1:0 --difficulty 0.000001 --job-interval 2 >"$work/ocean" 2>"$work/ocean.log" &
ocean_pid=$!
within_10_s "simulated OCEAN" grep -q '^listening on ' "$work/ocean"
ocean=$(sed -n 's/^listening on //p' "$work/ocean")

# For the rows with TLS; it lasts as long as they do.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
    -addext basicConstraints=critical,CA:FALSE \
    -keyout "$work/key.pem" -out "$work/certificate.pem" 2>"$work/openssl.log" \
    || { cat "$work/openssl.log" >&2; die "no certificate for TLS"; }

# A pool of its own for each row: memory that one load left allocated would hide what
# the next one takes. Shares so easy that the server is measured and not the hashing,
# no limit that the load would run into, and the defaults for everything else.
start_pool() {
    rm -rf "$work/data"
    cat >"$work/axepool.toml" <<TOML
[pool]
network = "regtest"
[upstream]
urls = ["stratum+tcp://$ocean"]
address = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
[stratum]
listen = "127.0.0.1:0"
min_difficulty = 0.0000000025
start_difficulty = 0.0000000025
target_shares_per_minute = 1000000
messages_per_second = 1000000
max_connections = $(($1 + 100))
tls_listen = ["127.0.0.1:0"]
tls_certificate = "$work/certificate.pem"
tls_key = "$work/key.pem"
[http]
listen = "127.0.0.1:0"
max_connections_per_address = 100000
requests_per_minute_per_address = 1000000
request_burst_per_address = 1000000
[metrics]
listen = "127.0.0.1:0"
[operator]
listen = []
TOML
    "$axepool" run --config "$work/axepool.toml" --log warn 2>>"$work/pool.log" &
    pool_pid=$!
    within_10_s "ready pool" "$axepool" status --config "$work/axepool.toml"
    "$axepool" status --config "$work/axepool.toml" >"$work/status"
    plain=$(sed -n 's/^stratum  *//p' "$work/status")
    tls=$(sed -n 's/^with TLS  *//p' "$work/status")
    pages=http://$(sed -n 's/^http  *//p' "$work/status")
}

stop_pool() {
    kill "$pool_pid"
    wait "$pool_pid" || { cat "$work/pool.log" >&2; die "axepool run did not stop well"; }
    pool_pid=''
}

# The value of a key of the load's JSON, which has one key per line.
value() { sed -n "s/^ *\"$1\": \([^,]*\),\{0,1\}$/\1/p" "$work/report" | head -n 1; }
format() { awk -v number="$1" -v scale="$2" -v digits="$3" 'BEGIN { if (number == "" || number == "null") print "-"; else printf "%.*f\n", digits, number / scale }'; }

row='%-6s %-7s %11s %9s %6s %12s %9s %9s %9s %13s %13s %11s\n'
# shellcheck disable=SC2059
table=$(printf "$row" over mode connections ramp/s lost accepted/s p50/ms p99/ms us/share notify/ms worst/ms KB/conn)
failed=

# One row of the table: plain or tls, the load's mode, how many miners.
measure() {
    local over=$1 mode=$2 count=$3
    if [ "$(ulimit -n)" -lt $((count + 256)) ]; then
        say "NOT measured: $count connections do not fit into the limit of open files, $(ulimit -n)"
        return
    fi
    start_pool "$count"
    local to=(--target "$plain")
    [ "$over" = plain ] || to=(--target "$tls" --tls "$work/certificate.pem")
    say "$over: $mode with $count connections, $seconds s"
    "$demo" load "${to[@]}" --connections "$count" --mode "$mode" --seconds "$seconds" \
        --pid "$pool_pid" --json >"$work/report" || failed="$failed $over/$mode/$count"
    stop_pool
    # shellcheck disable=SC2059
    table+=$'\n'$(printf "$row" "$over" "$mode" "$count" \
        "$(format "$(value ramp_secs)" 1 2)" "$(value lost_connections)" \
        "$(format "$(value accepted_per_sec)" 1 0)" \
        "$(format "$(value p50_us)" 1000 2)" "$(format "$(value p99_us)" 1000 2)" \
        "$(format "$(value cpu_us_per_share)" 1 2)" \
        "$(format "$(value median_ms)" 1 1)" "$(format "$(value max_ms)" 1 1)" \
        "$(format "$(value rss_bytes_per_connection)" 1024 2)")
}

for count in "${counts[@]}"; do
    for mode in shares notify idle; do
        measure plain "$mode" "$count"
    done
done
for mode in shares idle; do
    measure tls "$mode" "$tls_count"
done

# How many pages a second there are with nothing else to do; and what those who look at
# pages do to the miners: shares alone, then with so many views a second beside them.
views_table=$(printf '%-34s %9s %8s %9s %9s' pages views/s failed p50/ms p99/ms)
shares_table=$(printf '%-34s %11s %9s %9s' 'shares beside them' accepted/s p50/ms p99/ms)

look() {
    local name=$1 file=$2; shift 2
    "$demo" load "$@" --seconds "$seconds" --json >"$file" || failed="$failed views/$name"
}

views_row() {
    cp "$2" "$work/report"
    views_table+=$'\n'$(printf '%-34s %9s %8s %9s %9s' "$1" \
        "$(format "$(value views_per_sec)" 1 0)" \
        "$(value failures)" \
        "$(format "$(value p50_us)" 1000 2)" "$(format "$(value p99_us)" 1000 2)")
}

mine() {
    "$demo" load --target "$plain" --connections "$tls_count" --mode shares \
        --seconds "$seconds" --json >"$work/report" || failed="$failed shares/$1"
    shares_table+=$'\n'$(printf '%-34s %11s %9s %9s' "$1" \
        "$(format "$(value accepted_per_sec)" 1 0)" \
        "$(format "$(value p50_us)" 1000 2)" "$(format "$(value p99_us)" 1000 2)")
}

say "pages, and shares beside them"
start_pool "$tls_count"
mine 'no views'
"$axepool" miners --config "$work/axepool.toml" --json >"$work/miners"
miner=$(sed -n 's/.*"\(0[23][0-9a-f]\{64\}\)".*/\1/p;T;q' "$work/miners")
[ -n "$miner" ] || die "axepool miners tells of no miner"
for page in / "/miners/$miner" /epochs /epochs/1; do
    name=${page/$miner/KEY}
    look "$name" "$work/views" --views "$pages$page" --connections 16
    views_row "$name, as many as there can be" "$work/views"
done
look beside "$work/views" --views "$pages/" --views "$pages/miners/$miner" --views "$pages/epochs" \
    --views-per-second 500 --connections 64 &
looking=$!
mine '500 views a second'
wait "$looking"
views_row '500 a second of all, with shares' "$work/views"
stop_pool

printf '\n%s\n\n%s\n\n%s\n' "$table" "$views_table" "$shares_table"
cat "$work/pool.log" >&2
[ -z "$failed" ] || die "not all miners were served well:$failed (run axepool-demo load by hand to see why)"
