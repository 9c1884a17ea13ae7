"""The programs that are compared: each brings a file or folder through its own relay or proxy on this machine.

What is counted is the same for all: the sending side stands and has done whatever it does before it waits for a receiver (hashing,
packing); time runs from the start of the receiving command to the end of a `sync` of what it wrote; processor time is that of
all processes of both sides and of the relay in that time.
"""

import os
import shlex
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path

from machine import Failed, await_port, free_port, loopback


@dataclass
class Sample:
    """One transfer: seconds, processor seconds, MiB, and how often the payload went over the loopback interface."""

    wall: float
    # The last part of `wall`, for the `sync`. Sealift has flushed before, as a part of what it does.
    flush: float
    cpu: float
    relay_cpu: float
    peaks: dict = field(default_factory=dict)
    # What a standing process needed more than it held before, MiB.
    growth: dict = field(default_factory=dict)
    crossings: float = 0.0
    # Whether the program is of the same kind as Sealift.
    peer: bool = False


class Peer:
    """A competitor. Those below say how they are started; how they are measured is the same for all."""

    name = ""
    # Whether it is a program of the same kind: from person to person, encrypted end to end.
    peer = False
    # Its process that stands in the middle.
    relay = ""

    def __init__(self, machine, tools):
        self.machine, self.tools, self.servers = machine, tools, {}

    def start(self):
        """Starts what stays for all transfers."""

    def stop(self):
        for server in self.servers.values():
            server.stop()

    def offer(self, payload):
        """Starts a sender for one transfer, and returns it when it waits for its receiver."""

    def receive(self, payload, out):
        """The command that receives into the folder `out`."""
        raise NotImplementedError

    def receiver(self):
        """What to call the receiving process."""
        return "receiver"

    def fetch(self, payload, touched=True):
        """One measured transfer. Returns the sample and where the output is."""
        out = self.machine.outputs.fresh(payload)
        sender = self.offer(payload)
        standing = dict(self.servers)
        if sender:
            standing["sender"] = sender
        try:
            if touched:
                self.machine.touch(payload.size)
            before, held, crossed = {}, {}, loopback()
            for name, process in standing.items():
                process.forget_peak()
                before[name], held[name] = process.cpu(), process.memory("VmRSS")
            got = self.machine.run(self.receive(payload, out))
            landed = out / payload.name
            if not landed.exists():
                raise Failed(f"{self.name} left nothing at {landed.name}")
            flushed = self.machine.run(["sync", *(["-f"] if payload.many else []), landed])
            sent = sender.finish(60) if sender else None
        finally:
            if sender:
                sender.stop()
        used = {name: process.cpu() - before[name] for name, process in self.servers.items()}
        peaks = {name: process.memory() for name, process in self.servers.items()}
        peaks[self.receiver()] = got.peak
        if sent:
            used["sender"] = sent.cpu - before["sender"]
            peaks["sender"] = sent.peak
        sample = Sample(
            wall=got.wall + flushed.wall,
            flush=flushed.wall,
            cpu=got.cpu + flushed.cpu + sum(used.values()),
            relay_cpu=used.get(self.relay, 0.0),
            peaks=peaks,
            growth={name: peaks[name] - held[name] for name in self.servers},
            crossings=(loopback() - crossed) / payload.size,
            peer=self.peer,
        )
        return sample, landed


class Sealift(Peer):
    name, relay = "Sealift", "relay"

    def __init__(self, machine, tools, folder, tag="sealift"):
        super().__init__(machine, tools)
        self.folder, self.tag = Path(folder), machine.folder / tag
        self.address = self.pin = self.dialled = None

    def start(self, leecher_side=None, seeder_side=None):
        """Starts relay and seeder and lets a leecher in. `leecher_side` and `seeder_side` put something between a program and the
        relay: they are given its address and return the one to use."""
        self.start_relay()
        self.start_seeder(seeder_side)
        invite = self.machine.quietly([self.machine.binary("seeder"), "invite", "--home", self.tag / "ana"])
        self.join(invite)
        # Else the leecher would go where the invite says.
        self.dialled = f"{leecher_side(self.address) if leecher_side else self.address}#{self.pin}"

    def start_relay(self):
        command = [self.machine.binary("relay"), "--listen", "127.0.0.1:0", "--home", self.tag / "host", "--json"]
        relay = self.machine.start("relay", command)
        ready = relay.wait_for(r'"address":"([^"]+)","pin":"([^"]+)"')
        self.servers["relay"] = relay
        self.address, self.pin = ready[1], ready[2]

    def start_seeder(self, side=None, files=None):
        """Starts the seeder, waits until all files are hashed and published, and gives the seconds that took."""
        address = side(self.address) if side else self.address
        command = [self.machine.binary("seeder"), "--watch", self.folder, "--relay", f"{address}#{self.pin}"]
        # What is compared is the way through the relay.
        command += ["--home", self.tag / "ana", "--name", "ana", "--path", "relay", "--json"]
        files = files or sum(len(names) for _, _, names in os.walk(self.folder))
        self.servers["seeder"] = self.machine.start("seeder", command)
        self.servers["seeder"].wait_for(rf'"files":{files},"type":"offering"', 300)
        return time.monotonic() - self.servers["seeder"].begun

    def join(self, invite):
        with open(self.machine.folder / "invite", "w+") as file:
            file.write(invite)
            file.seek(0)
            self.machine.quietly([*self.leecher(), "join", "-", "--name", "ben"], stdin=file)

    def leecher(self):
        return [self.machine.binary("leecher"), "--home", self.tag / "ben"]

    def receiver(self):
        return "leecher"

    def receive(self, payload, out):
        path = f"{self.folder.name}/{payload.path.relative_to(self.folder)}"
        return [*self.leecher(), "download", path, "--out", out, "--relay", self.dialled]


class Proxied(Peer):
    """What goes through haproxy, its splicing forced."""

    relay = "haproxy"

    def start_haproxy(self, to):
        self.front = free_port()
        config = self.machine.folder / f"haproxy-{self.front}.cfg"
        config.write_text(
            f"""
global
    maxconn 64
    maxpipes 64
    nbthread 1
    tune.pipesize 1048576
defaults
    mode tcp
    option splice-request
    option splice-response
    timeout connect 5s
    timeout client 10m
    timeout server 10m
listen copy
    bind 127.0.0.1:{self.front}
    server it 127.0.0.1:{to}
"""
        )
        haproxy = self.machine.start("haproxy", [self.tools["haproxy"], "-db", "-q", "-f", config])
        await_port(self.front, haproxy)
        self.servers["haproxy"] = haproxy


class PlainCopy(Proxied):
    """socat at both ends, tar for a folder: no encryption, no verification, nothing but the copy."""

    name = "plain copy"
    # The fastest of those tried; with its own 8 KiB it would be far slower.
    buffer = 256 * 1024

    def start(self, side=None):
        self.back = free_port()
        self.start_haproxy(self.back)
        self.address = side(f"127.0.0.1:{self.front}") if side else f"127.0.0.1:{self.front}"

    def offer(self, payload):
        listen = f"TCP-LISTEN:{self.back},bind=127.0.0.1,reuseaddr"
        if payload.many:
            pack = f"tar -C '{payload.path.parent}' -cf - '{payload.name}' | socat -u -b {self.buffer} - {listen}"
            command = ["sh", "-c", pack]
        else:
            command = ["socat", "-u", "-b", self.buffer, f"OPEN:{payload.path}", listen]
        sender = self.machine.start("socat", command, measured=True)
        await_port(self.back, sender)
        return sender

    def receive(self, payload, out):
        if payload.many:
            return ["sh", "-c", f"socat -u -b {self.buffer} TCP:{self.address} - | tar -C '{out}' -xf -"]
        return ["socat", "-u", "-b", self.buffer, f"TCP:{self.address}", f"CREATE:{out / payload.name}"]


class Rsync(Proxied):
    """rsync over ssh, with an sshd, keys and settings of its own."""

    name = "rsync over ssh"

    def start(self):
        home = self.home = self.machine.folder / "ssh"
        home.mkdir(mode=0o700)
        for key in ("host", "user"):
            self.machine.quietly(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / key])
        shutil.copy(home / "user.pub", home / "authorized")
        back = free_port()
        (home / "sshd.conf").write_text(
            f"ListenAddress 127.0.0.1\nPort {back}\nHostKey {home}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
            f"AuthorizedKeysFile {home}/authorized\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
            "UseDNS no\nPrintMotd no\n"
        )
        self.servers["sshd"] = self.machine.start("sshd", [self.tools["sshd"], "-D", "-e", "-f", home / "sshd.conf"])
        await_port(back, self.servers["sshd"])
        self.start_haproxy(back)
        (home / "ssh.conf").write_text(
            f"Host there\nHostName 127.0.0.1\nPort {self.front}\nIdentityFile {home}/user\nIdentitiesOnly yes\n"
            f"UserKnownHostsFile {home}/known\nStrictHostKeyChecking accept-new\nCiphers aes256-gcm@openssh.com\n"
        )

    def receiver(self):
        return "rsync and ssh"

    def receive(self, payload, out):
        return ["rsync", "-rtW", "-e", f"ssh -F {self.home}/ssh.conf", f"there:{payload.path}", f"{out}/"]


class Wormhole(Peer):
    """What the two programs of this name share: a mailbox and a transit relay on this machine."""

    peer, relay = True, "transit relay"

    def start(self):
        python = self.tools["python"]
        self.mailbox, self.transit, self.number = free_port(), free_port(), 1
        mailbox = [python, "-m", "twisted", "wormhole-mailbox", "--port", f"tcp:{self.mailbox}:interface=127.0.0.1"]
        mailbox += ["--channel-db", self.machine.folder / f"mailbox-{self.mailbox}.sqlite"]
        transit = [python, "-m", "twisted", "transitrelay", "--port", f"tcp:{self.transit}:interface=127.0.0.1"]
        self.servers["mailbox"] = self.machine.start("mailbox", mailbox)
        self.servers["transit relay"] = self.machine.start("transit", transit)
        await_port(self.mailbox, self.servers["mailbox"])
        await_port(self.transit, self.servers["transit relay"])

    def code(self):
        self.number += 1
        return f"{self.number}-guitarist-revenge"

    def wait_for_code(self, sender, pattern):
        sender.wait_for(pattern)
        return sender


class PythonWormhole(Wormhole):
    name = "magic-wormhole (Python)"

    def command(self):
        return [
            *(self.tools["python"], "-m", "wormhole"),
            *("--relay-url", f"ws://127.0.0.1:{self.mailbox}/v1"),
            *("--transit-helper", f"tcp:127.0.0.1:{self.transit}"),
        ]

    def offer(self, payload):
        self.last = self.code()
        # Without a listening socket on either side the relay is the only way.
        command = [*self.command(), "send", "--no-listen", "--no-qr", "--hide-progress", "--code", self.last, payload.path]
        return self.wait_for_code(self.machine.start("wormhole", command, measured=True), "Wormhole code is")

    def receive(self, payload, out):
        return [*self.command(), "receive", "--no-listen", "--accept-file", "--hide-progress", "-o", out, self.last]


class RustWormhole(Wormhole):
    name = "magic-wormhole.rs"

    def ways(self):
        return [
            *("--rendezvous-server", f"ws://127.0.0.1:{self.mailbox}/v1"),
            *("--relay-server", f"tcp://127.0.0.1:{self.transit}", "--force-relay", "--no-color"),
        ]

    def offer(self, payload):
        self.last = self.code()
        command = [self.tools["wormhole-rs"], "send", *self.ways(), "--no-qr", "--code", self.last, payload.path]
        return self.wait_for_code(self.machine.start("wormhole-rs", command, measured=True), "[Cc]ode is")

    def receive(self, payload, out):
        command = [self.tools["wormhole-rs"], "receive", *self.ways(), "--noconfirm", "--out-dir", str(out), self.last]
        if not payload.many:
            return command
        # A folder arrives as an archive: unpacking it is a part of having the folder.
        archive = shlex.quote(f"{out / payload.name}.tar")
        unpack = f"{shlex.join(command)} && tar -C {shlex.quote(str(out))} -xf {archive} && rm {archive}"
        return ["sh", "-c", unpack]
