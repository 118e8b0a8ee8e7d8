#!/usr/bin/env bash
# Installs what a make target needs and this machine lacks; does nothing when all is
# there. It begins from a Debian machine with nothing but Rust by rustup.
#
#   scripts/setup.sh build          the compiler's own needs
#   scripts/setup.sh build test     and the test runner
#   scripts/setup.sh build lint     and the dependency check
#   scripts/setup.sh build fuzz     and the fuzzer with its nightly toolchain
#   scripts/setup.sh build bench    and what makes the benchmark's certificate and counts
#                                   instructions
#   scripts/setup.sh build package  and what makes the Debian package
. "$(dirname "$0")/lib.sh"

# Used only when the tool is missing: whatever version is there already is fine.
readonly NEXTEST_VERSION=0.9.151
readonly DENY_VERSION=0.20.2
readonly FUZZ_VERSION=0.13.1
readonly DEB_VERSION=3.8.0

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

apt_update_done=
apt_install() {
    local why=$1; shift
    have apt-get || die "missing: $* ($why). This is no Debian: install them by hand, then run the same command again"
    [ "$(id -u)" -eq 0 ] || have sudo \
        || die "missing: $* ($why). Neither root nor sudo: ask an administrator for 'apt-get install $*'"
    say "installing $* with apt-get: $why"
    if [ -z "$apt_update_done" ]; then
        as_root apt-get update -qq
        apt_update_done=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >&2
}

cargo_install() {
    local command=$1 version=$2 why=$3; shift 3
    have "$command" && return
    say "installing $command $version (some minutes, once): $why"
    cargo install --quiet --locked "$command" --version "$version" "$@"
}

# What a lock file says, unless it is there already.
npm_install() {
    local dir=$1 what=$2 installed=$1/node_modules/.package-lock.json
    [ -e "$installed" ] && [ ! "$dir/package-lock.json" -nt "$installed" ] && return
    say "installing $what for the tests, as its lock file says"
    # The machine's node may be older than what runs the test.
    npm ci --prefix "$dir" --no-audit --no-fund --loglevel error >&2
}

# What a list of pinned packages says, unless it is there already.
python_install() {
    local dir=$1 what=$2 done=$1/venv/installed
    [ -e "$done" ] && [ ! "$dir/requirements.txt" -nt "$done" ] && return
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install "$what is written in Python" python3-venv
    say "installing $what for the tests, as its list says"
    python3 -m venv --clear "$dir/venv"
    "$dir/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$dir/requirements.txt" >&2
    touch "$done"
}

need_build() {
    have cargo || die "cargo is missing: install Rust with rustup (see rustup.rs), then run the same command again"
    # rust-toolchain.toml names the compiler; rustup fetches it at its first use.
    if ! cargo --version >/dev/null 2>&1; then
        say "installing the compiler that rust-toolchain.toml names"
        rustup toolchain install || die "rustup could not install the compiler of rust-toolchain.toml"
    fi
    local missing=()
    have cc || missing+=(build-essential)
    have pkg-config || missing+=(pkg-config)
    [ ${#missing[@]} -eq 0 ] || apt_install "the linker and the C parts of secp256k1 and ring" "${missing[@]}"
    # Only rooms whose build scripts compile protocol buffers need it.
    if grep -q '^name = "prost-build"' Cargo.lock && ! have protoc; then
        apt_install "build scripts in Cargo.lock compile protocol buffers" protobuf-compiler
    fi
}

need_test() {
    # cashu-ts, a wallet's library, is tried against the mint. The node that it runs on
    # comes with it, except on processors that npm has none for.
    have npm || apt_install "another implementation of Cashu is tried against the mint" nodejs npm
    npm_install mint/tests/interop "cashu-ts, another implementation of Cashu"
    # Nutshell, a wallet that people use, is tried against the mint.
    python_install mint/tests/nutshell "Nutshell, a wallet for the command line"
    # The pages are looked at in a browser, by playwright-core and axe.
    have chromium || [ -n "${CHROMIUM:-}" ] || apt_install "the pages are tried in a browser" chromium
    npm_install axepool/tests/browser "what drives the browser"
    python3 -c 'import yaml' 2>/dev/null || apt_install "the files of the home servers' packages are read" python3-yaml
    have curl || apt_install "the lines that an epoch's page has people paste are run" curl
    if ! have prometheus || ! have promtool; then
        # Only the programs are wanted: masked before it comes, the package's service runs
        # neither now nor after the machine's next start.
        if have systemctl && { [ "$(id -u)" -eq 0 ] || have sudo; }; then
            as_root systemctl mask --quiet prometheus.service
            say "the service prometheus stays masked: 'systemctl unmask prometheus' if you want it"
        fi
        apt_install "dashboards and alert rules are tried with the real one" prometheus
    fi
    cargo_install cargo-nextest "$NEXTEST_VERSION" "it runs the tests in parallel, each in its own process" \
        --no-default-features --features default-no-update
    # The package and its units are tried, too.
    need_package
    have systemd-analyze || apt_install "it reads the unit files as systemd does" systemd
    have adduser || apt_install "the package makes its user with it" adduser
}

need_package() {
    have dpkg-deb || die "missing: dpkg-deb. Debian packages are made and tried on Debian"
    have objcopy || apt_install "it puts the package's debug symbols apart" binutils
    cargo_install cargo-deb "$DEB_VERSION" "it makes the Debian package"
}

need_lint() {
    cargo_install cargo-deny "$DENY_VERSION" "it checks the licences and the origin of every dependency"
}

need_bench() {
    have openssl || apt_install "it makes the certificate of the benchmark with TLS" openssl
    have valgrind || apt_install "it counts instructions" valgrind
}

need_fuzz() {
    cargo_install cargo-fuzz "$FUZZ_VERSION" "it drives the fuzz targets"
    if ! cargo +nightly --version >/dev/null 2>&1; then
        say "installing the nightly compiler: the fuzzer's instrumentation is not in stable"
        rustup toolchain install nightly --profile minimal
    fi
    have c++ || apt_install "libFuzzer is C++" build-essential
}

[ $# -gt 0 ] || set -- build
for part in "$@"; do
    case "$part" in
        build | test | lint | fuzz | bench | package) "need_$part" ;;
        *) die "unknown part '$part': build, test, lint, fuzz, bench or package" ;;
    esac
done
