#!/usr/bin/env bash
# Counts the instructions of one share and of one payout of 1,000 miners with callgrind, and
# compares them with those in scripts/instructions.txt: a guard against a slow change that no
# busy machine disturbs. Fails where one is above by more than two of a hundred.
#   --write    writes the counts down instead, after a change that is meant to cost more or less
. "$(dirname "$0")/lib.sh"

readonly kept=scripts/instructions.txt
write=
for option in "$@"; do
    case "$option" in
        --write) write=yes ;;
        *) die "unknown option '$option': --write" ;;
    esac
done
have valgrind || die "valgrind is missing: run scripts/setup.sh build bench"

# The path of a bench as cargo has built it.
built() {
    cargo bench --locked --quiet -p "$1" --bench "$2" --no-run --message-format json |
        grep -o '"executable":"[^"]*"' | tail -1 | cut -d'"' -f4
}

# The instructions of so many of a bench's items, with its start and end.
counted() {
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" "$2" 2>&1 |
        sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p'
}

# Two runs tell what an item costs without the start: ROOM BENCH FEW MANY.
each() {
    local path few many
    path=$(built "$1" "$2")
    [ -x "$path" ] || die "cargo has built no bench $2 of $1"
    few=$(counted "$path" "$3") many=$(counted "$path" "$4")
    [ -n "$few" ] && [ -n "$many" ] || die "callgrind counted nothing of $path"
    echo $(((many - few) / ($4 - $3)))
}

say "instructions of a share, from its line to the answer"
share=$(each proxy lines 1000 11000)
say "instructions of a payout of 1,000 miners, with its epoch"
payout=$(each accounting payouts 10 30)
counts=$(printf 'share %s\npayout %s\n' "$share" "$payout")

if [ -n "$write" ]; then
    printf '%s\n' "$counts" >"$kept"
    say "written to $kept"
fi
failed=
while read -r name now; do
    before=$(sed -n "s/^$name //p" "$kept")
    [ -n "$before" ] || die "$kept has no line for $name: run scripts/instructions.sh --write"
    printf '%-8s %12d instructions, %12d before (%+d of a thousand)\n' \
        "$name" "$now" "$before" $(((now - before) * 1000 / before))
    if [ $((now * 100)) -gt $((before * 102)) ]; then failed="$failed $name"; fi
done <<<"$counts"
[ -z "$failed" ] || die "more than before:$failed. If that is meant, run scripts/instructions.sh --write"
