"""Sealift beside other programs. Run it by bench/compare.sh, which builds and installs what it needs."""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

from machine import Failed, Machine
from report import Report
from rows import ROWS
from stage import NEEDS, Stage, say


def main():
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    tools = find_tools(Path(arguments.peers))
    report, failed = Report(), False
    with Machine(arguments.binaries) as machine:
        rounds = arguments.rounds or (1 if arguments.quick else 5)
        stage = Stage(machine, tools, rounds, arguments.quick, arguments.long, arguments.without or ())
        for name in arguments.only or ROWS:
            say(f"row {name}: {ROWS[name].__doc__.splitlines()[0]}")
            try:
                ROWS[name](stage, report)
            except (Failed, OSError, ValueError, KeyError) as reason:
                # What the other rows have measured is not lost by it.
                say(f"ROW {name} DID NOT WORK: {reason!r}")
                report.failed(name, reason)
                failed = True
        for skipped in stage.skipped:
            report.note(f"Skipped: {skipped}")
        print(f"{os.cpu_count()} processors; {arguments.network}\n\n{report.text()}", flush=True)
        say("taking everything down")
    sys.exit(1 if failed else 0)


def parse():
    parser = argparse.ArgumentParser(prog="bench/compare.sh", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="rounds of each row (5)")
    parser.add_argument("--only", action="append", choices=list(ROWS), metavar="ROW", help=f"one of {', '.join(ROWS)}; repeatable")
    parser.add_argument("--without", action="append", choices=[kind.name for kind in NEEDS], metavar="PROGRAM", help="leave it out")
    parser.add_argument("--quick", action="store_true", help="one round over small inputs, to see whether all works")
    parser.add_argument("--long", action="store_true", help="a file of 64 GiB too")
    parser.add_argument("--binaries", default="target/release", help=argparse.SUPPRESS)
    parser.add_argument("--peers", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--network", default="loopback of the machine", help=argparse.SUPPRESS)
    return parser.parse_args()


def find_tools(peers):
    """Programs that can be had, by name."""
    tools = {name: shutil.which(name) for name in ("haproxy", "socat", "tar", "rsync", "ssh", "ssh-keygen")}
    # sshd wants to be started by its full path.
    tools["sshd"] = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    tools["haproxy"] = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    for name, path in (("python", "python/bin/python"), ("wormhole-rs", "rust/bin/wormhole-rs"), ("b3sum", "rust/bin/b3sum")):
        tools[name] = str(peers / path) if os.access(peers / path, os.X_OK) else None
    return {name: path for name, path in tools.items() if path}


if __name__ == "__main__":
    main()
