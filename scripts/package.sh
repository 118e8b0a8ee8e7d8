#!/usr/bin/env bash
# The Debian package, from a release build, into target/debian.
#   --profile dev    from the build of the tests: to try the package, not to ship it
. "$(dirname "$0")/lib.sh"

profile=release
case "${1-}" in
    '') ;;
    --profile) profile=$2 ;;
    *) die "unknown option '$1': --profile release or --profile dev" ;;
esac

say "build ($profile)"
cargo build --locked --profile "$profile" -p axepool
say "package"
cargo deb --no-build --no-strip --profile "$profile" -p axepool
