#!/usr/bin/env bash
# Sealift beside other programs, all on this machine in one run: bench/compare.sh > table.md
#
#   bench/compare.sh [--rounds N] [--only ROW]... [--without PROGRAM]... [--quick] [--long]
#
# Rows: large, folder, small, trips, far, start, stream. All of them take about ten minutes on two cores, 12 GiB of memory and 16
# GiB of disk in $TMPDIR; `--quick` a minute. What is measured, and how, is said in bench/README.md.
#
# haproxy, socat, rsync and sshd come from the system, and are installed by apt-get where that is permitted. The two
# wormholes and b3sum are installed once, by pip and cargo, into $XDG_CACHE_HOME/sealift-bench. What cannot be had is
# skipped, and named. Everything else lies in one temporary folder and is gone afterwards.
set -eu
cd "$(dirname "$0")/.."
peers=${XDG_CACHE_HOME:-$HOME/.cache}/sealift-bench

say() { printf '%s\n' "$*" >&2; }

install_packages() {
    local wanted=()
    command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || wanted+=(haproxy)
    command -v socat >/dev/null || wanted+=(socat)
    command -v rsync >/dev/null || wanted+=(rsync)
    command -v ssh >/dev/null || wanted+=(openssh-client)
    command -v sshd >/dev/null || [ -x /usr/sbin/sshd ] || wanted+=(openssh-server)
    [ ${#wanted[@]} -gt 0 ] || return 0
    say "installing ${wanted[*]}"
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    { "${as_root[@]}" apt-get update -qq && "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${wanted[@]}"; } >&2 ||
        say "cannot install ${wanted[*]}: what needs them is skipped"
}

install_python_wormhole() {
    "$peers/python/bin/python" -c 'import wormhole, wormhole_mailbox_server, wormhole_transit_relay' 2>/dev/null && return 0
    say "installing magic-wormhole by pip into $peers"
    { python3 -m venv "$peers/python" &&
        "$peers/python/bin/pip" install -q magic-wormhole magic-wormhole-mailbox-server magic-wormhole-transit-relay; } >&2 || {
        say 'cannot install magic-wormhole: it is skipped, and its Rust version too, which uses its servers'
        rm -rf "$peers/python"
    }
}

# install_crate CRATE COMMAND
install_crate() {
    [ ! -x "$peers/rust/bin/$2" ] || return 0
    say "installing $1 by cargo into $peers: this takes minutes, once"
    CARGO_TARGET_DIR=$peers/cargo-target nice -n 19 cargo install --quiet --locked --root "$peers/rust" "$1" >&2 ||
        say "cannot install $1: what needs it is skipped"
    rm -rf "$peers/cargo-target"
}

case " $* " in
*' -h '* | *' --help '*) exec python3 -B bench/compare --peers "$peers" --help ;;
esac

mkdir -p "$peers"
install_packages
install_python_wormhole
install_crate magic-wormhole-cli wormhole-rs
install_crate b3sum b3sum

cargo build --quiet --release -p sealift-relay -p sealift-seeder -p sealift-leecher
cargo build --quiet --release -p sealift-bench --bin measure
cargo build --quiet --release -p sealift-tests --bin fault-proxy || say 'no fault proxy: rows that need it fail'
target=$(cargo metadata --format-version 1 --no-deps | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')

# sshd gives up its rights in this folder, which nobody has made where it is not started by the system.
[ -d /run/sshd ] || [ "$(id -u)" != 0 ] || mkdir -m 755 /run/sshd

run=(python3 -B bench/compare --peers "$peers" --binaries "$target/release")
# With interfaces and processes of its own nothing of the machine interferes, and nothing is left behind, however it ends.
if unshare --net --pid --fork --kill-child --mount-proc ip link set lo up 2>/dev/null; then
    # shellcheck disable=SC2016
    exec unshare --net --pid --fork --kill-child --mount-proc \
        sh -c 'ip link set lo up && exec "$@"' sh "${run[@]}" --network 'network namespace with loopback alone' "$@"
fi
say 'no network namespace can be had: the loopback interface of the machine is used'
exec "${run[@]}" "$@"
