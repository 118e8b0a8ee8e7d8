#!/usr/bin/env bash
# Everything that can be said about the tree without running it.
. "$(dirname "$0")/lib.sh"

say "formatting"
cargo fmt --all --check

if have shellcheck; then
    say "shell scripts"
    shellcheck scripts/*.sh .ci/run deploy/debian/*
else
    say "shell scripts: syntax only (shellcheck is not installed)"
    for script in scripts/*.sh .ci/run deploy/debian/*; do bash -n "$script"; done
fi

say "clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings

say "which room may import what (axepool/tests/repository/arrows.rs)"
cargo test --quiet --locked -p axepool --test repository arrows::

say "licences, bans and origins of the dependencies"
cargo deny --locked --log-level error check --hide-inclusion-graph bans licenses sources

# The list of known vulnerabilities comes from the network. Without it nothing is said
# about them, rather than failing a build on an aeroplane.
if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/*" >/dev/null; then
    say "known vulnerabilities, as of the local copy of the list"
    cargo deny --frozen --log-level error check --hide-inclusion-graph advisories
else
    say "known vulnerabilities: NOT checked, no local copy of the list ('cargo deny fetch db' gets it)"
fi
