#!/usr/bin/env bash
# All tests. The runner's summary is the last thing that it prints.
#   AXEPOOL_NIGHTLY, set to anything: also the long ones
. "$(dirname "$0")/lib.sh"

say "documentation examples"
cargo test --quiet --locked --workspace --doc

say "tests${AXEPOOL_NIGHTLY+, the long ones too}"
# Ignored are tests that need packages of npm and of Python, which scripts/setup.sh has
# installed.
exec cargo nextest run --locked --workspace --no-fail-fast --run-ignored all \
    ${AXEPOOL_NIGHTLY+--profile nightly} "$@"
