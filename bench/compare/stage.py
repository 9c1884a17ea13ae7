"""What the rows share: inputs, programs that stand, and how turns are taken."""

import shutil
import sys
import time

import payload
from machine import MIB, Failed
from payload import GIB
from peers import PlainCopy, PythonWormhole, Rsync, RustWormhole, Sealift

# What each competitor needs beside the project's own programs.
NEEDS = {
    PlainCopy: ("haproxy", "socat", "tar"),
    Rsync: ("haproxy", "rsync", "ssh", "ssh-keygen", "sshd"),
    PythonWormhole: ("python",),
    RustWormhole: ("python", "wormhole-rs"),
}


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


class Stage:
    def __init__(self, machine, tools, rounds, quick, long, without=()):
        self.machine, self.tools, self.rounds, self.long, self.without = machine, tools, rounds, long, without
        self.share = machine.folder / "share"
        self.big_size, self.many_count = (128 * MIB, 1000) if quick else (GIB, 10_000)
        self.big_name = "128 MiB" if quick else "1 GiB"
        self.start_gib = 2 if quick else 10
        self.stream_gib = (1, 2) if quick else (1, 4, 16, 64) if long else (1, 4, 16)
        self.made, self.standing, self.skipped = {}, None, []

    def big(self):
        return self._once("big", lambda: payload.one_file(self.share / "large.bin", self.big_size))

    def many(self):
        return self._once("many", lambda: payload.many_files(self.share / "many", self.many_count, 4096))

    def small(self):
        # A folder of its own, so that the row of round trips can share it alone.
        return self._once("small", lambda: payload.one_file(self.share / "letters" / "small.bin", 1024))

    def _once(self, name, make):
        if name not in self.made:
            self.made[name] = make()
        return self.made[name]

    def own(self, tag):
        """Sealift over all inputs."""
        for make in (self.big, self.many, self.small):
            make()
        return Sealift(self.machine, self.tools, self.share, tag)

    def tool(self, name):
        if name not in self.tools:
            raise Failed(f"{name} is missing")
        return self.tools[name]

    def everybody(self, what, rounds):
        """Samples of Sealift and all competitors that can be had, by name."""
        if self.standing is None:
            self.standing = [self._stand(self.own("sealift"))]
            for kind, needs in NEEDS.items():
                self._competitor(kind, needs)
        samples = self.interleaved(self.standing, what, rounds)
        if not samples["Sealift"]:
            raise Failed("Sealift did not bring it: see above")
        return samples

    def _competitor(self, kind, needs):
        missing = [name for name in needs if name not in self.tools]
        if kind.name in self.without:
            missing = ["left out on request"]
        try:
            if missing:
                raise Failed(f"missing: {', '.join(missing)}")
            self.standing.append(self._stand(kind(self.machine, self.tools)))
        except Failed as failed:
            self.skip(kind.name, failed)

    def _stand(self, peer):
        say(f"starting {peer.name}")
        try:
            peer.start()
        except Failed:
            peer.stop()
            raise
        return peer

    def skip(self, name, reason):
        say(f"SKIPPED {name}: {reason}")
        self.skipped.append(f"{name}: {reason}")

    def interleaved(self, peers, what, rounds):
        """Turns are taken, another one first each time. Who fails is out of it from then on. First outputs are compared."""
        samples = {peer.name: [] for peer in peers}
        for number in range(rounds):
            turn = number % len(peers)
            for peer in list(peers[turn:] + peers[:turn]):
                if number and len(samples[peer.name]) < number:
                    continue
                try:
                    sample, landed = peer.fetch(what)
                    if number == 0:
                        self.machine.quietly(["diff", "-r", "-q", what.path, landed])
                except Failed as failed:
                    self.skip(f"{peer.name}, {what.name}", failed)
                    continue
                samples[peer.name].append(sample)
                say(f"{what.name}  {peer.name:<24} {sample.wall:7.3f} s  processor {sample.cpu:6.2f} s")
        return samples

    def distance(self, delay, rate=None):
        """Something that puts a fault proxy with a one-way `delay` in seconds before an address."""

        def between(address):
            command = [self.machine.binary("fault-proxy"), "--to", address, "--delay", f"{delay * 1000:g}ms"]
            command += ["--rate", rate] if rate else []
            proxy = self.machine.start("fault-proxy", command)
            return proxy.wait_for(r"fault-proxy ready: (\S+)")[1]

        return between

    def fits(self, size, disk=False):
        """Whether so much, and what the programs need, fits into memory, and onto the disk with as much left."""
        with open("/proc/meminfo") as lines:
            free = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
        room = shutil.disk_usage(self.machine.folder).free
        return size * 11 // 10 + GIB < free * 1024 and (not disk or 2 * size < room)
