#!/usr/bin/env bash
# Honest transfers, devices that come and go, and hostile clients at once: bench/soak.sh [MINUTES], else an hour.
#
# Ends with 1 if memory or descriptors of the relay grow or an honest transfer fails. From 15 minutes on memory is judged by its slope
# (below 1 MB an hour), before by what it grew. SEALIFT_PROFILE=debug takes the programs as tests build them, which CI does.
set -eu
cd "$(dirname "$0")/.."
profile=${SEALIFT_PROFILE:-release}
flag=()
[ "$profile" = debug ] || flag=(--profile "$profile")

cargo build --quiet "${flag[@]}" -p sealift-relay -p sealift-seeder -p sealift-leecher
cargo build --quiet "${flag[@]}" -p sealift-bench --bin load
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
exec "$target/$profile/load" --soak "${1:-60}"
