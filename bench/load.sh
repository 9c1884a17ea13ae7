#!/usr/bin/env bash
# Load on a relay, as an abused one has it, and what it costs: bench/load.sh [ROW]... [--quick] > table.md
#
# Rows and their targets are listed by `bench/load.sh --help`; all of them take about ten minutes. Each starts a relay of its own.
# Ends with 1 if a target was missed. As root everything runs in a network namespace of its own, and what needs root (a firewall
# that drops packets, a memory ceiling) is measured too; otherwise those rows are skipped and say so.
set -eu
cd "$(dirname "$0")/.."

cargo build --quiet --release -p sealift-relay -p sealift-seeder -p sealift-leecher
cargo build --quiet --release -p sealift-bench --bin load
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
ulimit -n "$(ulimit -H -n)"

run=("$target/release/load" "$@")
# Nothing of the machine interferes there, and no rule of a firewall is left behind.
if unshare --net ip link set lo up 2>/dev/null; then
    # shellcheck disable=SC2016
    exec unshare --net sh -c 'ip link set lo up && SEALIFT_OWN_NETWORK=1 exec "$@"' sh "${run[@]}"
fi
exec "${run[@]}"
