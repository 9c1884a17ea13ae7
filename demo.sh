#!/usr/bin/env bash
# Everything once, on this machine: a relay, a seeder with a folder of real files, a second device that joins by invite,
# searches and downloads; then what the relay saw of it.
#
#   ./demo.sh             with a folder of files made for it
#   ./demo.sh FOLDER      with a folder of yours (it is only read)
#
# Needs a Rust toolchain and a C compiler. Everything it writes lies in one temporary folder that is removed at the end.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C.UTF-8
unset SEALIFT_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_CONFIG_HOME XDG_STATE_HOME XDG_RUNTIME_DIR

here=$PWD
exec 3>&1
work=$(mktemp -d "${TMPDIR:-/tmp}/sealift-demo.XXXXXX")
pids=()

finish() {
    local code=$?
    trap - EXIT
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    if [ "$code" != 0 ]; then
        printf '\nit did not work; what the programs said:\n'
        for log in "$work"/*.log; do [ -s "$log" ] && printf -- '--- %s\n' "${log##*/}" && tail -n 30 "$log"; done
    fi
    rm -rf "$work"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bold='' plain=''
[ -t 1 ] && bold=$'\033[1m' plain=$'\033[0m'
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
# typed HOME COMMAND...: shows a command as that person types it.
typed() {
    local who=${1##*/}
    shift
    printf '  %s$' "$who" >&3
    printf ' %q' "$@" >&3
    printf '\n' >&3
}
# run HOME COMMAND...: shows a command and runs it for that person.
run() {
    typed "$@"
    local home=$1
    shift
    HOME=$home "$@" 2>&1 >&4 | sed 's/^/      /' >&3
} 4>&1
# start NAME HOME COMMAND...: shows a command that stays, and runs it in the background, with its output in NAME.out and NAME.log.
start() {
    local name=$1 home=$2
    shift
    typed "$@"
    shift
    HOME=$home "$@" >"$work/$name.out" 2>"$work/$name.log" &
    pids+=($!)
}
# await FILE TEXT PID: waits for a line.
await() {
    for _ in $(seq 600); do
        grep -qF -- "$2" "$1" 2>/dev/null && return 0
        kill -0 "$3" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

say 'Build'
# With `--workspace` dependencies are built as the tests want them, so that nothing is built twice.
build=(cargo build --workspace --bin relay --bin seeder --bin leecher)
echo "  \$ ${build[*]}"
"${build[@]}" --quiet
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
PATH=$target/debug:$PATH

mkdir "$work/host" "$work/ana" "$work/ben"
if [ $# -gt 0 ]; then
    folder=$(cd "$1" && pwd)
    [ -n "$(find "$folder" -type f -print -quit)" ] || { echo "no file in $folder"; exit 2; }
else
    folder=$work/share
    mkdir -p "$folder/letters" "$folder/pictures"
    cp "$here"/docs/*.md "$folder/letters/"
    printf 'The meeting is on Thursday at the old harbour.\n' >"$folder/letters/meeting notes.txt"
    head -c 20000000 /dev/urandom >"$folder/pictures/panorama.raw"
    head -c 70000 /dev/urandom >"$folder/pictures/thumbnail.jpg"
    : >"$folder/empty"
fi
base=${folder##*/}

say 'A relay, on a public host in real life'
listen=127.0.0.1:7743
if (exec 3<>"/dev/tcp/127.0.0.1/7743") 2>/dev/null; then
    echo "  (port 7743 is in use here, so it takes another)"
    listen=127.0.0.1:0
fi
start relay "$work/host" relay --listen "$listen"
relay_pid=${pids[-1]}
await "$work/relay.out" 'relay ready: ' "$relay_pid"
ready=$(grep -m1 'relay ready: ' "$work/relay.out")
echo "  $ready"
relay=${ready#relay ready: }

say 'Ana shares a folder'
start seeder "$work/ana" seeder --watch "$folder" --relay "$relay" --name ana
seeder_pid=${pids[-1]}
await "$work/seeder.log" 'offering' "$seeder_pid"
sed 's/^/  /' "$work/seeder.log"

say 'Ana invites Ben: one line, good once'
invite=$(run "$work/ana" seeder invite)
echo "  $invite"

say 'Ben joins, finds and fetches'
run "$work/ben" leecher join "$invite" --name ben
run "$work/ben" leecher list
name=$(cd "$folder" && find . -type f -size +0 -not -path '*/.*' -printf '%s %P\n' | sort -rn | head -n 1 | cut -d' ' -f2-)
run "$work/ben" leecher search "${name##*/}"
run "$work/ben" leecher download "$base/$name" --out "$work/ben/Downloads"
run "$work/ben" leecher download "$base" --out "$work/ben/Everything"

say 'The same bytes?'
count=0
while IFS= read -r -d '' file; do
    path=${file#"$work/ben/Everything/$base/"}
    ours=$(sha256sum <"$file") theirs=$(sha256sum <"$folder/$path")
    if [ "$ours" != "$theirs" ]; then echo "  DIFFERENT: $path"; exit 1; fi
    count=$((count + 1))
    [ $count -le 5 ] && echo "  ${ours%% *}  $path  same on both sides"
done < <(find "$work/ben/Everything" -type f -print0)
[ $count -gt 0 ]
echo "  $count files compared"

say 'What the relay saw'
kill "$seeder_pid" && wait "$seeder_pid"
kill "$relay_pid" && wait "$relay_pid"
pids=()
echo '  it said, up to its end:'
sed 's/^/      /' "$work/relay.log"
echo '  it keeps:'
(cd "$work/host/.local/share/sealift/relay" && find . -type f -printf '      %s bytes  %P\n')
echo '  what of it contains the name of a file, in any case or in base64:'
found=0
while IFS= read -r word; do
    [ ${#word} -ge 8 ] || continue
    hits=$(grep -raicF -e "$word" -e "$(printf %s "$word" | base64 -w0 | tr -d =)" "$work/host" "$work/relay.log" |
        awk -F: '{ sum += $NF } END { print sum + 0 }') || true
    printf '      %3d lines  %s\n' "$hits" "$word"
    found=$((found + hits))
done < <(find "$folder" -type f -not -path '*/.*' -printf '%f\n' | head -n 6)
[ "$found" = 0 ]

say 'Done. Everything is taken down again.'
