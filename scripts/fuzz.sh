#!/bin/sh
# Fuzzes each target for so many seconds: scripts/fuzz.sh [SECONDS] [TARGET...].
# A crash leaves its input in fuzz/artifacts/<target>/ and a failing exit code.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- request pool_message share_check username session proxy_header forwarded onion_request websocket
# The version that everybody fuzzes with is in one place.
scripts/setup.sh fuzz
cd fuzz
# The SQLite in the mint has two objects of one name in its one file, which is no fault.
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_odr_violation=0}"
for target in "$@"; do
    mkdir -p "corpus/$target"
    # The parsers' limits are far below this; longer inputs only cost time.
    cargo +nightly fuzz run "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=1024
done
