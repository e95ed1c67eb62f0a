"""Tables, targets and plot of what `fits` measured.

``python -m benchmarks.report a.json b.json --plot fits.png`` joins runs: a cell that was measured
twice counts as in the last file.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmarks.peers import PEERS
from benchmarks.problems import MODELS, VARIANTS

QUIET = 0.05  # share of the machine that others may use before the numbers are doubted
SAME_MINIMUM = 1e-6  # relative excess of the cost above which an answer is another one
NO_SLOWER = 1.0


@dataclass(frozen=True)
class Cell:
    """One problem's measurements; None where a peer did not take part."""

    model: str
    variant: str
    points: int
    parameters: int
    peers: dict[str, dict]
    lines: dict[str, list[float]]
    others: float  # share of the machine that other processes used meanwhile

    def times(self, name: str) -> list[float] | None:
        """Seconds of the turns of a peer or a limit line."""
        return self.lines.get(name) or self.peers.get(name, {}).get("times")

    def seconds(self, name: str) -> float | None:
        return statistics.median(times) if (times := self.times(name)) else None

    def ratio(self, name: str, other: str) -> float | None:
        """Median over the rounds of the quotient of two turns."""
        ours, theirs = self.times(name), self.times(other)
        if not ours or not theirs:
            return None
        return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))

    def agreed(self, name: str) -> bool:
        """Whether a peer found the minimum."""
        return self.peers[name]["excess"] < SAME_MINIMUM

    def comparison(self, name: str) -> float | None:
        """Our time as a multiple of a peer's where both found the minimum."""
        found = [self.times(who) and self.agreed(who) for who in ("nlsq", name)]
        return self.ratio("nlsq", name) if all(found) else None

    def __str__(self) -> str:
        return f"{self.model}, {self.variant}, {points(self.points)}"


def join(records: Iterable[dict]) -> dict:
    """One record of several."""
    cells, joined = {}, {"memory": []}
    for record in records:
        joined |= {"environment": record["environment"]}
        joined["memory"] += record["memory"]
        cells |= {(c["model"], c["variant"], c["points"]): c for c in record["cells"]}
    models, variants = list(MODELS), list(VARIANTS)
    order = sorted(cells, key=lambda k: (variants.index(k[1]), models.index(k[0]), k[2]))
    return joined | {"cells": [cells[key] for key in order]}


def points(m: int) -> str:
    """A number of points in words: 10^k where it is one."""
    k = len(str(m)) - 1
    return (
        f"10{str(k).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}" if m == 10**k else f"{m}"
    )


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 * size else f"{seconds:.0f} s"
    return f"{seconds * 1e6:.2g} µs"


Row = list[str]


def speed_table(cells: list[Cell]) -> tuple[Row, list[Row]]:
    """Headings and rows: our time, in passes, and as a multiple of each peer's."""
    others = [name for name in PEERS if name != "nlsq" and any(name in c.peers for c in cells)]
    head = ["model", "variant", "points", "nlsq", "/ cost pass", "/ fused pass"]
    head += [f"/ {PEERS[name].label}" for name in others]

    def row(cell: Cell) -> Row:
        ours = cell.seconds("nlsq")
        shown = [duration(ours) if ours else "—"]
        for line in ("cost pass", "fused pass"):
            shown.append(f"{ratio:.3g}" if (ratio := cell.ratio("nlsq", line)) else "—")
        for name in others:
            ratio, both = cell.ratio("nlsq", name), cell.comparison(name)
            mark = "" if both or not ratio else " †"
            shown.append(f"{ratio:.2g}{mark}" if ratio else "" if name not in cell.peers else "—")
        return [MODELS[cell.model].name, cell.variant, points(cell.points), *shown]

    return head, [row(cell) for cell in cells]


def work_table(cells: list[Cell]) -> tuple[Row, list[Row]]:
    """Headings and rows: digits / evaluations of each peer, our compilations while timed."""
    names = [name for name in PEERS if any(name in c.peers for c in cells)]
    head = ["model", "variant", "points", *(PEERS[name].label for name in names), "compilations"]

    def shown(facts: dict | None) -> str:
        if not facts or "times" not in facts:
            return "" if facts is None else "—"
        return f"{facts['digits']:.1f} / {facts['evaluations']}"

    def row(cell: Cell) -> Row:
        per_peer = [shown(cell.peers.get(name)) for name in names]
        count = cell.peers.get("nlsq", {}).get("compilations", "—")
        return [MODELS[cell.model].name, cell.variant, points(cell.points), *per_peer, f"{count}"]

    return head, [row(cell) for cell in cells]


@dataclass(frozen=True)
class Target:
    """A sentence of the plan with what was measured; `value` None when it was not."""

    sentence: str
    most: float
    value: float | None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return "met" if self.value <= self.most else "missed"

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.sentence} ≤ {self.most:g}{self.note and f' ({self.note})'}"
        note = f" ({self.note})" if self.note else ""
        return f"{self.sentence} ≤ {self.most:g}: {self.value:.3g}{note}"


def _median_target(cells: list[Cell], m: int, most: float, peer: str, variant: str) -> Target:
    ratios = [c.comparison(peer) for c in cells if (c.points, c.variant) == (m, variant)]
    ratios = [r for r in ratios if r is not None]
    note = f"{len(ratios)} of {len(MODELS)} models" if ratios else ""
    sentence = f"{variant} fit, {points(m)} points / {PEERS[peer].label}"
    return Target(sentence, most, statistics.median(ratios) if ratios else None, note)


def targets(record: dict) -> list[Target]:
    """Every target that `fits` measures."""
    cells = [Cell(**cell) for cell in record["cells"]]
    free = {100: 1.0, 1000: 0.8, 10**4: 0.4, 10**5: 0.15, 10**6: 0.1, 10**7: 0.1}
    bounded = {100: 0.15, 10**5: 0.04, 10**6: 0.04, 10**7: 0.04}
    found = [_median_target(cells, m, most, "scipy", "free") for m, most in free.items()]
    found += [_median_target(cells, m, most, "scipy-trf", "bounded") for m, most in bounded.items()]

    def at(model: str, m: int, value: Callable[[Cell], float | None]) -> float | None:
        chosen = [c for c in cells if (c.model, c.variant, c.points) == (model, "free", m)]
        return value(chosen[0]) if chosen else None

    for peer, most in (("scipy", 0.2), ("scipy-jac", 0.6)):
        value = at("gaussians", 10**5, lambda c, peer=peer: c.comparison(peer))
        found.append(Target(f"30 parameters, 10⁵ points / {PEERS[peer].label}", most, value))
    for m in (10**6, 10**7):
        value = at("decay", m, lambda c: c.ratio("fused pass", "cost pass"))
        found.append(Target(f"fused / cost pass, 3 parameters, {points(m)} points", 2.5, value))

    def over_passes(cell: Cell) -> float | None:
        ours, fused = cell.seconds("nlsq"), cell.seconds("fused pass")
        passes = cell.peers.get("nlsq", {}).get("evaluations")
        return (ours - 0.003) / (passes * fused) if ours and fused and passes else None

    value = at("decay", 10**6, over_passes)
    found.append(Target("(fit − 3 ms) / (full passes × fused pass), 10⁶ points", 1.3, value))
    beyond = [entry["beyond data"] for entry in record["memory"] if entry["points"] == 10**7]
    found.append(Target("peak memory − data, 10⁷ points, MB", 100, beyond[-1] if beyond else None))
    found += [_worst(cells, "optimistix"), _compilations(cells)]
    return found


def _worst(cells: list[Cell], peer: str) -> Target:
    """Our largest multiple of a peer's time, and the cells that miss."""
    ratios = {str(c): r for c in cells if (r := c.comparison(peer)) is not None}
    slower = [f"{name}: {r:.2f}" for name, r in ratios.items() if r > NO_SLOWER]
    note = f"{len(slower)} of {len(ratios)} cells slower" if ratios else ""
    note += f": {'; '.join(slower)}" if slower else ""
    sentence = f"every cell / {PEERS[peer].label}"
    return Target(sentence, NO_SLOWER, max(ratios.values()) if ratios else None, note)


def _compilations(cells: list[Cell]) -> Target:
    counts = [c.peers["nlsq"]["compilations"] for c in cells if c.times("nlsq")]
    return Target("compilations in timed fits", 0, sum(counts) if counts else None)


_COLOURS = {"met": "green", "missed": "red", "not measured": "dim"}
_ELSEWHERE = (
    "Measured by other commands: benchmarks.cold (start-up), benchmarks.steady (1 000 fits)."
)
_BUSY = "{} of {} cells were measured while other processes used more than {:.0%} of the machine."
_DAGGER = "† one of the two ended in another minimum; — left out. Ratios: nlsq's time / theirs."


def print_targets(found: Iterable[Target], console: Console) -> None:
    """A line per target."""
    for target in found:
        verdict = f"{target.verdict:>12}"
        line = Text.assemble((verdict, _COLOURS[target.verdict]), "  ", str(target))
        console.print(line, highlight=False)


def _rich(title: str, head: Row, rows: list[Row]) -> Table:
    table = Table(title=title)
    for i, heading in enumerate(head):
        table.add_column(heading, justify="left" if i < 2 else "right", no_wrap=True)
    for i, row in enumerate(rows):
        last = i + 1 == len(rows) or rows[i + 1][:2] != row[:2]
        table.add_row(*row, end_section=last)
    return table


def _markdown(head: Row, rows: list[Row]) -> str:
    rule = ["---"] * 2 + ["---:"] * (len(head) - 2)
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


SPEED, WORK = "Warm fits, nlsq's time / each peer's", "Digits / evaluations"


def show(record: dict, arguments: argparse.Namespace, console: Console) -> None:
    """Print tables and targets; write what was asked for."""
    record = join([record])
    cells = [Cell(**cell) for cell in record["cells"]]
    console.print(_rich(SPEED, *speed_table(cells)))
    console.print(_DAGGER, style="dim")
    if busy := sum(cell.others > QUIET for cell in cells):
        console.print(_BUSY.format(busy, len(cells), QUIET), style="yellow")
    if arguments.work:
        console.print(_rich(WORK, *work_table(cells)))
    sizes = sorted({(cell.variant, cell.points) for cell in cells})
    for variant, m in sizes:
        peer = "scipy" if variant == "free" else "scipy-trf"
        middle = _median_target(cells, m, 0, peer, variant)
        if middle.value is not None:
            console.print(
                f"{variant}, {points(m)} points: median ratio to {PEERS[peer].label} "
                f"{middle.value:.2f} ({middle.note})",
                highlight=False,
            )
    if arguments.targets:
        print_targets(targets(record), console)
        console.print(_ELSEWHERE, style="dim")
    if arguments.markdown:
        lines = [_markdown(*speed_table(cells)), _DAGGER, _markdown(*work_table(cells))]
        lines.append("\n".join(f"- {t.verdict}: {t}" for t in targets(record)))
        arguments.markdown.write_text("\n\n".join(lines) + "\n")
    if arguments.plot:
        from benchmarks.plot import draw

        for path in draw(cells, arguments.plot):
            console.print(f"Wrote {path}", highlight=False)


def console() -> Console:
    """A console wide enough for the table where the output is a file."""
    known = Console()
    return known if known.is_terminal else Console(width=180)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What to do with the measurements."""
    parser.add_argument("--plot", type=Path, help="write a PNG, one for each variant")
    parser.add_argument("--markdown", type=Path, help="write the tables and targets for the README")
    parser.add_argument(
        "--no-work", dest="work", action="store_false", help="skip the second table"
    )
    parser.add_argument("--no-targets", dest="targets", action="store_false")


def main() -> None:
    """Report on files that `fits` wrote."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description=__doc__.splitlines()[0]
    )
    parser.add_argument("files", type=Path, nargs="+")
    add_options(parser)
    arguments = parser.parse_args()
    record = join(json.loads(path.read_text()) for path in arguments.files)
    show(record, arguments, console())


if __name__ == "__main__":
    main()
