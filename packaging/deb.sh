#!/usr/bin/env bash
# Builds the Debian packages `sealift-relay` (relay) and `sealift` (sealift, seeder and leecher), with programs that need no library:
#
#   packaging/deb.sh [FOLDER]        into FOLDER, else target/debian
#
# Needs the Rust target (`rustup target add x86_64-unknown-linux-musl`), a C compiler for it (`apt install musl-tools`) and
# `cargo install cargo-deb`. On another processor: TARGET=aarch64-unknown-linux-musl packaging/deb.sh
set -euo pipefail
cd "$(dirname "$0")/.."
target=${TARGET:-x86_64-unknown-linux-musl}
folder=$(realpath -m "${1:-target/debian}")
build=${CARGO_TARGET_DIR:-target}

cargo build --release --locked --target "$target" -p sealift-relay -p sealift-seeder -p sealift-leecher -p sealift
# What a shell and `man` want to know, told by the programs themselves; the metadata in the manifests names these folders.
extra=target/packaging
rm -rf "$extra"
for name in relay sealift seeder leecher; do
    program=$build/$target/release/$name
    mkdir -p "$extra/$name"
    "$program" man --dir "$extra/$name/man"
    for shell in bash zsh fish; do "$program" completions "$shell" >"$extra/$name/$name.$shell"; done
done
mkdir -p "$folder"
for package in sealift-relay sealift; do
    cargo deb --no-build --locked --target "$target" -p "$package" --output "$folder/"
done
