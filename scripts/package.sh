#!/usr/bin/env bash
# The Debian packages, from a release build, into target/debian: the pool with its
# demonstration, and the wallet of an owner, who needs nothing else. Each is stripped, with
# its line tables apart (-dbgsym), which make a backtrace name files and lines.
. "$(dirname "$0")/lib.sh"

say "release build"
cargo build --locked --release -p axepool -p demo -p owner
for room in axepool owner; do
    say "package of $room"
    cargo deb --no-build --dbgsym -p "$room"
done
