#!/usr/bin/env bash
# How long a whole `leecher search --offline` takes over 1,000,000 entries with paths of about 60 bytes, some of which came by
# small syncs: median and longest of 25 runs, and memory at most. bench/search.sh [ENTRIES]
set -eu
cd "$(dirname "$0")/.."
entries=${1:-1000000}
cargo build --quiet --release -p sealift-leecher --bin leecher --example fill_replica
bin=$PWD/target/release
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$bin/examples/fill_replica" "$work/home" "$entries"

search() {
    local start
    start=$(date +%s%N)
    # 3 says that nothing was found, which is an answer too.
    "$bin/leecher" --home "$work/home" search --offline "$1" >"$work/out" 2>&1 || [ $? = 3 ]
    echo $((($(date +%s%N) - start) / 1000)) >>"$work/times"
}

for pattern in holiday IMG_00121393.pdf zzzyq raport_00012345 '*.pdf' '*' e; do
    : >"$work/times"
    for _ in $(seq 25); do search "$pattern"; done
    sort -n "$work/times" >"$work/sorted"
    memory=none
    if [ -x /usr/bin/time ]; then
        /usr/bin/time -f %M -o "$work/memory" \
            "$bin/leecher" --home "$work/home" search --offline "$pattern" >"$work/out" 2>&1 || [ $? = 3 ]
        memory=$(($(tail -n 1 "$work/memory") / 1024))
    fi
    printf '%-18s median %4d ms   longest %4d ms   %s MiB\n' "$pattern" \
        $(($(sed -n 13p "$work/sorted") / 1000)) $(($(sed -n 25p "$work/sorted") / 1000)) "$memory"
done
