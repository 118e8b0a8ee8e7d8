#!/bin/sh
# Builds the programs of the image for one processor, on a machine of the same or the other:
#   deploy/container/build.sh amd64|arm64 DIRECTORY
# The stripped programs come into DIRECTORY. For the other processor it needs Debian's
# cross compiler (gcc-aarch64-linux-gnu or gcc-x86-64-linux-gnu) and rustup.
set -eu

arch=$1
into=$2
case "$arch" in
    amd64) target=x86_64-unknown-linux-gnu tools=x86_64-linux-gnu ;;
    arm64) target=aarch64-unknown-linux-gnu tools=aarch64-linux-gnu ;;
    *) echo "build.sh: no image for $arch, only for amd64 and arm64" >&2; exit 2 ;;
esac

objcopy=objcopy
if [ "$(rustc -vV | sed -n 's/^host: //p')" != "$target" ]; then
    rustup target add "$target"
    name=$(echo "$target" | tr - _)
    upper=$(echo "$name" | tr '[:lower:]' '[:upper:]')
    export "CARGO_TARGET_${upper}_LINKER=$tools-gcc" "CC_$name=$tools-gcc" "AR_$name=$tools-ar"
    objcopy=$tools-objcopy
fi

cargo build --locked --release --target "$target" -p axepool -p demo
mkdir -p "$into"
for program in axepool axepool-demo; do
    "$objcopy" --strip-debug "${CARGO_TARGET_DIR:-target}/$target/release/$program" "$into/$program"
done
