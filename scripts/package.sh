#!/usr/bin/env bash
# The Debian package, from a release build, into target/debian.
. "$(dirname "$0")/lib.sh"

say "release build"
cargo build --locked --release -p axepool
say "package"
cargo deb --no-build --no-strip -p axepool
