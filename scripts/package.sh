#!/usr/bin/env bash
# The Debian packages, from a release build, into target/debian: the program, stripped, and
# its line tables apart (axepool-dbgsym), which make a backtrace name files and lines.
. "$(dirname "$0")/lib.sh"

say "release build"
cargo build --locked --release -p axepool
say "package"
cargo deb --no-build --dbgsym -p axepool
