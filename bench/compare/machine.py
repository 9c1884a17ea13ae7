"""Processes, what they used, and the machine they run on."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from outputs import MIB, Outputs

TICKS = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    """Something that was to be measured did not work; the text says what and why."""


class Machine:
    """A work folder, and every process that was started from it. Use it with `with`: the end takes all down."""

    def __init__(self, binaries):
        self.binaries = Path(binaries).resolve()
        self.folder = Path(tempfile.mkdtemp(prefix="sealift-bench-"))
        self.processes = []
        self.outputs = Outputs(self.folder / "out", self.quietly, Failed)
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self.folder),
        }
        (self.folder / "home").mkdir()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            process.stop()
        try:
            self.outputs.give_up()
        finally:
            subprocess.run(["rm", "-rf", str(self.folder)], check=False)

    def binary(self, name):
        """The path of one of the project's own programs."""
        path = self.binaries / name
        if not path.exists():
            raise Failed(f"there is no program {name} yet")
        return str(path)

    def start(self, name, command, measured=False, **options):
        """Starts a process that stays; `measured` ones end by themselves and then tell all they used."""
        process = Process(self, name, command, measured, **options)
        self.processes.append(process)
        return process

    def run(self, command, timeout=600, **options):
        """Runs a command to its end and gives its `Use`."""
        process = self.start(Path(str(command[0])).name, command, measured=True, **options)
        return process.finish(timeout)

    def quietly(self, command, **options):
        """Runs a command that is not measured and gives what it printed."""
        done = subprocess.run(
            [str(part) for part in command], env=self.environment, capture_output=True, text=True, timeout=600, **options
        )
        if done.returncode != 0:
            raise Failed(f"{Path(str(command[0])).name} ended with {done.returncode}: {done.stderr.strip()[-400:]}")
        return done.stdout

    def touch(self, size):
        """Writes to as much memory as the next run will need, `size` bytes and some. A virtual machine gives freed memory back, and
        whoever touches it first would pay for getting it again."""
        os.sync()
        self.quietly([self.binary("measure"), "--touch", str(size * 5 // 4 // MIB + 256)])


class Use:
    """What one or more processes took: seconds, seconds of processor time, and the largest of them in MiB."""

    def __init__(self, wall, cpu, peak):
        self.wall, self.cpu, self.peak = wall, cpu, peak


class Process:
    """One process, with its output in files of the work folder."""

    def __init__(self, machine, name, command, measured=False, cwd=None, stdout=None, stdin=None):
        self.name, self.begun = name, time.monotonic()
        self.measured = measured
        number = len(machine.processes)
        self.log = machine.folder / f"{number:04}-{name}.log"
        self.report = machine.folder / f"{number:04}-{name}.json"
        command = [str(part) for part in command]
        if measured:
            command = [machine.binary("measure"), str(self.report), *command]
        with open(self.log, "wb") as log:
            self.handle = subprocess.Popen(
                command,
                env=machine.environment,
                cwd=cwd or machine.folder,
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self):
        """The process itself, not what measures it."""
        if not self.measured:
            return self.handle.pid
        own = self.handle.pid
        for _ in range(200):
            children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
            if children:
                return int(children[0])
            time.sleep(0.005)
        raise Failed(f"{self.name} did not start")

    def wait_for(self, pattern, timeout=60):
        """Waits for a line of the output that matches, and gives the match."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            ended = self.handle.poll() is not None
            found = re.search(pattern, self.log.read_text(errors="replace"))
            if found:
                return found
            if ended:
                raise Failed(f"{self.name} ended early: {self.tail()}")
            time.sleep(0.01)
        raise Failed(f"{self.name} did not say {pattern!r} within {timeout} s: {self.tail()}")

    def tail(self):
        return " / ".join(self.log.read_text(errors="replace").strip().splitlines()[-6:])

    def cpu(self):
        """Seconds of processor time so far, of the process, its children, and those of them that have ended."""
        return sum(_cpu(pid) for pid in _family(self.pid))

    def forget_peak(self):
        """Counts the memory peak from now on."""
        try:
            Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        except OSError:
            pass

    def memory(self, field="VmHWM"):
        """MiB at most since `forget_peak`, or now with `VmRSS`; the largest of the process and its children."""
        return max((_memory(pid, field) for pid in _family(self.pid)), default=0.0)

    def finish(self, timeout=600):
        """Waits for the end of a measured process and gives its `Use`."""
        try:
            code = self.handle.wait(timeout)
        except subprocess.TimeoutExpired:
            self.stop()
            raise Failed(f"{self.name} took longer than {timeout} s: {self.tail()}") from None
        if code != 0:
            raise Failed(f"{self.name} ended with {code}: {self.tail()}")
        report = json.loads(self.report.read_text())
        return Use(report["wall"], report["cpu"], report["peak_kib"] / 1024)

    def stop(self):
        """Ends the process and everything in its session."""
        if self.handle.poll() is not None:
            return
        for way, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
            try:
                os.killpg(self.handle.pid, way)
                self.handle.wait(patience)
                return
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue


def _family(pid):
    """A process and all below it."""
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _cpu(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    # User and system time, of the process and of the children it has waited for.
    return sum(int(ticks) for ticks in fields[11:15]) / TICKS


def _memory(pid, field):
    try:
        found = re.search(rf"{field}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1024 if found else 0.0


def loopback():
    """Bytes that the loopback interface has carried."""
    for line in Path("/proc/self/net/dev").read_text().splitlines():
        if line.strip().startswith("lo:"):
            return int(line.split(":")[1].split()[0])
    return 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(port, process, timeout=20):
    """Waits until somebody listens, without connecting: some listeners take one connection only."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        for table in ("tcp", "tcp6"):
            for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rsplit(":", 1)[1], 16) == port:
                    return
        if process.handle.poll() is not None:
            raise Failed(f"{process.name} ended early: {process.tail()}")
        time.sleep(0.01)
    raise Failed(f"{process.name} does not listen: {process.tail()}")
