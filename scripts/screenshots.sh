#!/usr/bin/env bash
# Screenshots of each page into docs/screenshots, of the demonstration's pool: on a phone
# and at a desk, light and dark.
. "$(dirname "$0")/lib.sh"

readonly PATIENCE_SECS=600

say "the programs"
cargo build --locked -p axepool -p demo
axepool="${CARGO_TARGET_DIR:-target}/debug/axepool"

work=$(mktemp -d "${TMPDIR:-/tmp}/axepool-screenshots-XXXXXX")
demo_pid=''
end() {
    if [ -n "$demo_pid" ]; then
        kill -INT "$demo_pid" 2>/dev/null || true
        wait "$demo_pid" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap end EXIT

say "the demonstration: some minutes, until it was paid for three blocks"
"$axepool-demo" --keep-running --data-dir "$work/data" >"$work/said" 2>"$work/log" &
demo_pid=$!
url=
for ((second = 0; second < PATIENCE_SECS; second++)); do
    url=$(grep -F 'until Ctrl-C' "$work/said" | grep -oE 'http://[0-9.:]+' | head -n 1 || true)
    [ -n "$url" ] && break
    kill -0 "$demo_pid" 2>/dev/null || break
    sleep 1
done
if [ -z "$url" ]; then
    cat "$work/said" "$work/log" >&2
    die "the demonstration did not come so far within $PATIENCE_SECS s"
fi

say "the pages at $url"
mkdir -p docs/screenshots
node=axepool/tests/browser/node_modules/.bin/node
[ -x "$node" ] || node=node
into=$(pwd)/docs/screenshots
operator=$("$axepool" status --data-dir "$work/data" | grep -oE 'http://[0-9.:]+/\?token=[^ ]+' | head -n 1 || true)
"$node" axepool/tests/browser/shots.mjs \
    "{\"url\": \"$url\", \"operator\": \"$operator\", \"into\": \"$into\"}" >"$work/report"
cat "$work/report"
