"""The rows of the comparison. Each is given the stage, measures, and adds its tables and verdicts to the report."""

import re
import shutil
import subprocess
import time

import payload
from machine import Failed
from outputs import KINDS
from payload import GIB
from peers import PlainCopy, Sealift
from report import least, median

# Seconds after which the seeder takes a file as finished.
SETTLED = 5


def large(stage, report):
    """1 GiB of random bytes in one file."""
    samples = stage.everybody(stage.big(), stage.rounds)
    report.transfers(f"{stage.big_name}, one file of random bytes", samples)
    ours = samples["Sealift"]
    gib = stage.big().size / GIB
    report.ratio("1 GiB: speed of the plain copy", samples, "plain copy", 1.0)
    report.ratio_to_peers("1 GiB: speed of the fastest such peer", samples, 3.5)
    report.at_most("1 GiB: processor seconds of all three, per GiB", median(s.cpu for s in ours) / gib, 1.4)
    report.at_most("1 GiB: processor seconds of the relay, per GiB", median(s.relay_cpu for s in ours) / gib, 0.25)
    for side in ("leecher", "seeder"):
        report.at_most(f"1 GiB: MiB of the {side} at most", max(s.peaks[side] for s in ours), 64)
    report.at_most("1 GiB: MiB that the relay grew by", max(s.growth["relay"] for s in ours), 1)


def folder(stage, report):
    """10,000 files of 4 KiB in one folder."""
    samples = stage.everybody(stage.many(), stage.rounds)
    report.transfers(f"{stage.many().files:,} files of 4 KiB, one folder", samples)
    report.ratio_to_peers("Many files: speed of the fastest such peer", samples, 3)
    report.ratio("Many files: speed of rsync over ssh", samples, "rsync over ssh", 1.5)
    report.at_most("Many files: MiB of the seeder at most", max(s.peaks["seeder"] for s in samples["Sealift"]), 64)
    if not stage.machine.outputs.can_mount:
        report.note("Many files went into new folders of one file system, not each time onto a new one: mounting takes root.")


def small(stage, report):
    """A file of 1 KiB: the whole process."""
    samples = stage.everybody(stage.small(), 2 * stage.rounds + 1)
    report.transfers("1 KiB, the whole receiving process", samples, milliseconds=True)
    report.at_most("1 KiB: milliseconds", 1000 * median(s.wall for s in samples["Sealift"]), 60)


def trips(stage, report):
    """Round trips that a file of 1 KiB waits for: how much longer it takes when hops are slower, in round trips of a hop."""
    # One way; the round trip of a hop is twice this.
    delay = 0.05
    distances = {"near": (0, 0), "leecher": (delay, 0), "seeder": (0, delay), "both": (delay, delay)}
    peers, walls = {}, {name: [] for name in distances}
    try:
        for name, (leecher, seeder) in distances.items():
            peers[name] = Sealift(stage.machine, stage.tools, stage.small().path.parent, f"trips-{name}")
            peers[name].start(stage.distance(leecher), stage.distance(seeder))
        for _ in range(2 * stage.rounds + 1):
            for name, peer in peers.items():
                walls[name].append(peer.fetch(stage.small(), touched=False)[0].wall)
    finally:
        for peer in peers.values():
            peer.stop()
    walls = {name: least(taken) for name, taken in walls.items()}
    count = {name: (wall - walls["near"]) / (2 * delay) for name, wall in walls.items()}
    report.table(
        f"1 KiB, hops of {1000 * delay:.0f} ms one way: least time of the whole process, and what that is in round trips of a hop",
        ["no delay", "leecher to relay only", "seeder to relay only", "both"],
        [
            [f"{1000 * wall:.0f} ms" for wall in walls.values()],
            ["–", *(f"{count[name]:.1f} round trips" for name in ("leecher", "seeder", "both"))],
        ],
    )
    report.at_most("1 KiB, both hops far: round trips that it waits for", round(count["both"], 1), 8)


def far(stage, report):
    """At 100 ms and 200 Mbit/s between leecher and relay, beside a plain copy over the same way."""
    way = {"delay": 0.05, "rate": "200Mbit"}
    plain, ours = PlainCopy(stage.machine, stage.tools), stage.own("far")
    try:
        plain.start(stage.distance(**way))
        ours.start(stage.distance(**way))
        for what, limit, times in ((stage.big(), 0.9, 1), (stage.many(), 0.7, stage.rounds)):
            samples = stage.interleaved([plain, ours], what, times)
            if any(s.crossings < 2.5 for taken in samples.values() for s in taken):
                raise Failed("not everything went through the fault proxy")
            label = stage.big_name if what.files == 1 else f"{what.files:,} files of 4 KiB"
            report.transfers(f"{label} at 100 ms and 200 Mbit/s", samples)
            report.ratio(f"{label} at 100 ms, 200 Mbit/s: speed of the plain copy", samples, "plain copy", limit)
    finally:
        plain.stop()
        ours.stop()


def disks(stage, report):
    """1 GiB onto file systems of several kinds, each in a file of the machine's own (by mount, which takes root), beside a plain copy."""
    outputs = stage.machine.outputs
    plain, ours = PlainCopy(stage.machine, stage.tools), stage.own("disks")
    rows = []
    try:
        plain.start()
        ours.start()
        for outputs.kind in KINDS:
            samples = stage.interleaved([plain, ours], stage.big(), stage.rounds)
            if not all(samples.values()):
                continue
            walls, cpus = ([median(getattr(s, what) for s in samples[peer.name]) for peer in (plain, ours)] for what in ("wall", "cpu"))
            rows.append([outputs.kind, *(f"{wall:.2f}" for wall in walls), f"{walls[0] / walls[1]:.2f}", f"{cpus[0]:.2f} · {cpus[1]:.2f}"])
    finally:
        outputs.give_up()
        outputs.kind = None
        plain.stop()
        ours.stop()
    heads = ["file system", "plain copy, s", "Sealift, s", "speed of the plain copy", "processor s of both"]
    report.table(f"{stage.big_name} onto file systems of several kinds ({stage.rounds} rounds)", heads, rows)


def start(stage, report):
    """The first start of a seeder over large files in the page cache, beside b3sum."""
    b3sum = stage.tool("b3sum")
    folder = stage.machine.folder / "first"
    count = next((gib for gib in range(stage.start_gib, 1, -1) if stage.fits(gib * GIB, disk=True)), None)
    if count is None:
        raise Failed("2 GiB fit neither into free memory nor onto the disk")
    what = payload.large_files(folder, count)
    files = sorted(folder.iterdir())
    stage.machine.run(["cat", *files], stdout=subprocess.DEVNULL)
    # A file that was written a moment ago is waited for, whatever its date says.
    time.sleep(max(0.0, files[-1].stat().st_ctime + SETTLED - time.time()))
    times = {"seeder": [], "b3sum": []}
    for number in range(stage.rounds):
        took = stage.machine.run([b3sum, "--num-threads", "2", *files])
        times["b3sum"].append((took.wall, took.cpu, took.peak))
        ours = Sealift(stage.machine, stage.tools, folder, f"first-{number}")
        ours.start_relay()
        try:
            wall = ours.start_seeder(files=count)
            seeder = ours.servers["seeder"]
            times["seeder"].append((wall, seeder.cpu(), seeder.memory()))
        finally:
            ours.stop()
    shutil.rmtree(folder)
    rows = []
    for name, took in times.items():
        wall = median(wall for wall, _, _ in took)
        rate = what.size / wall / 1e9
        cpu, peak = median(cpu for _, cpu, _ in took), max(peak for _, _, peak in took)
        rows.append([name, f"{wall:.2f}", f"{least(w for w, _, _ in took):.2f}", f"{rate:.1f}", f"{cpu:.2f}", f"{peak:.0f}"])
    report.table(
        f"First start over {count} files of 1 GiB in the page cache, two threads each",
        ["program", "s", "least", "GB/s", "processor s", "MiB"],
        rows,
    )
    speed = median(w for w, _, _ in times["b3sum"]) / median(w for w, _, _ in times["seeder"])
    report.at_least("First start: speed of b3sum with as many threads", speed, 0.8)


def stream(stage, report):
    """Files of zeros into `--out -` and a null device: does each GiB cost the same, and does memory stay?"""
    _can_stream(stage)
    rows, costs, peaks = [], {}, {}
    for gib in stage.stream_gib:
        # What no longer fits the page cache is worth a look at the memory only.
        cached = stage.fits(gib * GIB)
        if not cached and not stage.long:
            report.note(f"{gib} GiB were left out: they do not fit the memory of this machine")
            continue
        wall, cpu, peak = _streamed(stage, gib, stage.rounds if cached and gib < 16 else 2)
        rows.append([f"{gib}", f"{wall / gib:.2f}", f"{cpu / gib:.2f}", *(f"{peak[side]:.0f}" for side in peak)])
        peaks[gib] = peak
        if cached:
            costs[gib] = cpu / gib
    report.table("Files of zeros into a null device", ["GiB", "s/GiB", "processor s/GiB", "leecher MiB", "seeder", "relay"], rows)
    if len(costs) > 1:
        apart = max(costs.values()) / min(costs.values()) - 1
        report.at_most(f"Into `--out -`: processor time of a GiB, {min(costs)} to {max(costs)} GiB: apart by", apart, 0.1)
    for side in ("leecher", "seeder"):
        report.at_most(f"Into `--out -`: MiB of the {side} at most, to {max(peaks)} GiB", max(peak[side] for peak in peaks.values()), 64)


def _can_stream(stage):
    """An older leecher would make a folder of that name and fill it."""
    helped = stage.machine.quietly([stage.machine.binary("leecher"), "download", "--help"])
    if not re.search(r"standard\s+output", helped):
        raise Failed("this leecher does not know `--out -`")


def _streamed(stage, gib, times):
    folder = stage.machine.folder / f"zeros-{gib}"
    what = payload.sparse_file(folder / "zeros.bin", gib * GIB)
    ours = Sealift(stage.machine, stage.tools, folder, f"stream-{gib}")
    ours.start()
    takes, peaks = [], {"leecher": 0.0, "seeder": 0.0, "relay": 0.0}
    try:
        for _ in range(times):
            before = {name: process.cpu() for name, process in ours.servers.items()}
            for process in ours.servers.values():
                process.forget_peak()
            got = stage.machine.run(ours.receive(what, "-"), stdout=subprocess.DEVNULL, timeout=600 + 10 * gib)
            used = sum(process.cpu() - before[name] for name, process in ours.servers.items())
            takes.append((got.wall, got.cpu + used))
            now = {name: process.memory() for name, process in ours.servers.items()} | {"leecher": got.peak}
            peaks = {side: max(peak, now[side]) for side, peak in peaks.items()}
    finally:
        ours.stop()
        shutil.rmtree(folder)
    return median(wall for wall, _ in takes), median(cpu for _, cpu in takes), peaks


ROWS = {row.__name__: row for row in (large, folder, small, trips, far, start, stream, disks)}
