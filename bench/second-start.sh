#!/usr/bin/env bash
# How long a seeder takes from its start to a current head at the relay, over 100,000 small files in 1,010 folders: the first
# time, when all are read, and again, when nothing changed. Real programs, relay included: bench/second-start.sh [FILES]
set -eu
cd "$(dirname "$0")/.."
files=${1:-100000}
cargo build --quiet --release -p sealift-relay -p sealift-seeder
bin=${CARGO_TARGET_DIR:-$PWD/target}/release
work=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$work"' EXIT

for ((folder = 0; folder < files / 100; folder++)); do
    place="$work/share/folder $((folder / 10))/part $((folder % 10))"
    mkdir -p "$place"
    for ((file = 0; file < 100; file++)); do
        echo "content $folder $file" >"$place/file number $file.txt"
    done
done
# A file that changed a moment ago is waited for; these are to be as old as a user's files are.
find "$work/share" -type f -exec touch -d '2 days ago' {} +
sleep 4

"$bin/relay" --listen 127.0.0.1:0 --home "$work/relay" >"$work/relay.out" 2>"$work/relay.err" &
pids+=($!)
until grep -q 'relay ready: ' "$work/relay.out"; do sleep 0.05; done
relay=$(sed -n 's/relay ready: //p' "$work/relay.out" | head -n 1)

for round in first second third; do
    start=$(date +%s%N)
    "$bin/seeder" --watch "$work/share" --relay "$relay" --home "$work/ana" 2>"$work/$round.err" &
    seeder=$!
    until grep -q '^offering' "$work/$round.err"; do sleep 0.02; done
    took=$((($(date +%s%N) - start) / 1000000))
    memory=$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$seeder/status")
    printf '%-7s %6d ms to a current head   %4d MiB at most   %s\n' "$round" "$took" "$memory" "$(grep '^offering' "$work/$round.err")"
    kill "$seeder"
    wait "$seeder"
done
