"""Tables in Markdown, and whether what must be reached is reached."""

import statistics


def median(values):
    return statistics.median(list(values))


def least(values):
    return min(values)


class Report:
    def __init__(self):
        self.parts, self.verdicts = [], []

    def table(self, title, head, rows):
        lines = [f"### {title}", "", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        self.parts.append("\n".join(lines))

    def note(self, text):
        self.parts.append(text)

    def transfers(self, title, samples, milliseconds=False):
        """One line for each program; `samples` has a list of them for each name."""
        unit, scale, digits = ("ms", 1000, 0) if milliseconds else ("s", 1, 2)
        plain = median(s.wall for s in samples["plain copy"]) if samples.get("plain copy") else None
        rows = []
        for name, taken in samples.items():
            if not taken:
                continue
            wall = median(s.wall for s in taken)
            peaks = {side: max(s.peaks[side] for s in taken) for side in taken[0].peaks}
            rows.append(
                [
                    name,
                    f"{wall * scale:.{digits}f}",
                    f"{least(s.wall for s in taken) * scale:.{digits}f}",
                    f"{median(s.flush for s in taken) * scale:.{digits}f}",
                    f"{plain / wall:.2f}" if plain else "–",
                    f"{median(s.cpu for s in taken):.2f}",
                    f"{median(s.relay_cpu for s in taken):.2f}",
                    ", ".join(f"{side} {peak:.0f}" for side, peak in peaks.items()),
                    f"{median(s.crossings for s in taken):.2f}",
                ]
            )
        rounds = max((len(taken) for taken in samples.values()), default=0)
        head = ["program", f"{unit}, median", "least", "of it `sync`", "speed of the plain copy", "processor s", "of them in the middle"]
        self.table(f"{title} ({rounds} rounds)", [*head, "MiB at most", "crossings"], rows)

    def ratio(self, what, samples, other, limit):
        """How fast we are as a part of `other`."""
        if not samples.get("Sealift") or not samples.get(other):
            self.verdicts.append((what, f"≥ {limit}", "not measured", "–"))
            return
        theirs, ours = (median(s.wall for s in samples[name]) for name in (other, "Sealift"))
        self.at_least(what, theirs / ours, limit)

    def ratio_to_peers(self, what, samples, limit):
        """How fast we are as a part of the fastest program of the same kind."""
        peers = {name: median(s.wall for s in taken) for name, taken in samples.items() if taken and taken[0].peer}
        fastest = min(peers, key=peers.get, default="none")
        self.ratio(f"{what} ({fastest})", samples, fastest, limit)

    def at_least(self, what, value, limit):
        self.verdicts.append((what, f"≥ {limit}", _number(value), "yes" if value >= limit else "**no**"))

    def at_most(self, what, value, limit):
        self.verdicts.append((what, f"≤ {limit}", _number(value), "yes" if value <= limit else "**no**"))

    def failed(self, row, reason):
        self.verdicts.append((f"row `{row}`", "", "did not work", "**no**"))
        self.note(f"**Row `{row}` did not work:** {reason}")

    def text(self):
        if self.verdicts:
            self.table("What must be reached", ["work", "limit", "measured", "reached"], [list(v) for v in self.verdicts])
            self.parts.insert(0, self.parts.pop())
            self.verdicts = []
        return "\n\n".join(self.parts)


def _number(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"
