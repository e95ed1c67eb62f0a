"""What `starts` measured, in tables, in files and beside an earlier run."""

from __future__ import annotations

import argparse
import csv
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

OUTCOMES = ("best", "other", "honest", "false", "raised")
BEST = 1.001  # times the best cost


def is_ours(solver: str) -> bool:
    return solver.startswith("ours")


@dataclass(frozen=True)
class Row:
    """One fit, as the tables and the files of ``--dump`` know it.

    Attributes
    ----------
    model, unit, solver : str
    start : int
        Index; 0 is 1 everywhere.
    outcome : str
        best, other, honest, false or raised.
    ratio, cost, best : float
        Cost by the best cost; both in units of y's factor squared.
    slope : float
        The largest scaled gradient; NaN where the fit is the best or raised.
    dead : str
        Indices of parameters to which the model does not respond.
    """

    model: str
    unit: str
    solver: str
    start: int
    outcome: str
    ratio: float
    cost: float
    best: float
    nfev: int
    status: str
    claimed: bool
    retried: bool
    slope: float
    dead: str
    p0: str
    p: str


def _names(rows: list[Row], field: str) -> list[str]:
    return list(dict.fromkeys(getattr(row, field) for row in rows))


def _count(rows: list[Row], outcome: str, **fixed: str) -> int:
    return sum(
        row.outcome == outcome and all(getattr(row, k) == v for k, v in fixed.items())
        for row in rows
    )


def _ratio(rows: list[Row], **fixed: str) -> float:
    """How often the first of our solvers was the best, by the best single one of SciPy's."""
    solvers = _names(rows, "solver")
    found = {s: _count(rows, "best", solver=s, **fixed) for s in solvers}
    ours = [found[s] for s in solvers if is_ours(s)]
    theirs = [found[s] for s in solvers if not is_ours(s)]
    if not ours or not theirs:
        return float("nan")
    return ours[0] / max(theirs) if any(theirs) else float("inf") if ours[0] else 1.0


def table(rows: list[Row], field: str) -> Table:
    """A row for each model or unit, a column for each solver, the totals last.

    The last one says how often the first of our solvers was the best, by the best of SciPy's.
    """
    solvers = _names(rows, "solver")
    shown = Table(field, *solvers, "ours / SciPy", caption="/".join(OUTCOMES), box=SIMPLE_HEAD)
    for column in shown.columns:
        column.justify, column.no_wrap = "left" if column is shown.columns[0] else "right", True

    def add(label: str, **fixed: str) -> None:
        cells = [
            "/".join(str(_count(rows, o, solver=s, **fixed)) for o in OUTCOMES) for s in solvers
        ]
        ratio = _ratio(rows, **fixed)
        shown.add_row(
            label,
            *cells,
            "" if math.isnan(ratio) else f"{ratio:.2f}",
            style="red" if ratio < 1 else None,
        )

    for name in _names(rows, field):
        add(name, **{field: name})
    shown.add_section()
    add("all")
    return shown


def _summary(rows: list[Row]) -> Iterable[str]:
    solvers = _names(rows, "solver")
    ratios = {name: _ratio(rows, model=name) for name in _names(rows, "model")}
    if not math.isnan(_ratio(rows)):
        least = min(ratios, key=ratios.__getitem__)
        yield (
            f"Best minimum reached, by the best single method of SciPy: {_ratio(rows):.3f} over "
            f"all (wanted 1.15), least {ratios[least]:.2f} ({least}; wanted 1.0)."
        )
    for solver in solvers:
        own = [row for row in rows if row.solver == solver]
        evaluations = [row.nfev for row in own if row.outcome != "raised"]
        middle = statistics.median(evaluations) if evaluations else float("nan")
        text = f"{solver}: median evaluations {middle:g}, {_count(own, 'false')} false successes"
        if retried := [row for row in own if row.retried]:
            text += f", {len(retried)} tried again and {_count(retried, 'best')} of them best"
        yield text + "."


def _example(row: Row) -> str:
    dead = f", dead: {row.dead}" if row.dead else ""
    return (
        f"  {row.model}, unit {row.unit}, {row.solver}, start {row.start} [{row.p0}] -> [{row.p}], "
        f"status {row.status}, nfev {row.nfev}, cost / best {row.ratio:.4g}, "
        f"scaled gradient {row.slope:.2g}{dead}"
    )


def show(rows: list[Row], options: argparse.Namespace, console: Console) -> None:
    """Print everything that was asked for."""
    console.print(table(rows, "model"))
    if len(_names(rows, "unit")) > 1:
        console.print(table(rows, "unit"))
    for line in _summary(rows):
        console.print(line, highlight=False)
    wrong = [row for row in rows if is_ours(row.solver) and row.outcome == "false"]
    for row in wrong[: options.examples]:
        console.print(_example(row), highlight=False, markup=False, soft_wrap=True)
    if options.against:
        for line in _changes(load(options.against), rows, options.examples):
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def dump(rows: list[Row], path: Path) -> None:
    """Write a row for each fit."""
    names = [field.name for field in fields(Row)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(map(astuple, rows))


def load(path: Path) -> list[Row]:
    """Read what `dump` wrote."""
    read: dict[str, Callable] = {
        "str": str, "int": int, "float": float, "bool": "True".__eq__,
    }  # fmt: skip
    kinds = {field.name: read[str(field.type)] for field in fields(Row)}
    with path.open(newline="") as file:
        return [Row(**{k: kinds[k](v) for k, v in row.items()}) for row in csv.DictReader(file)]


def _changes(before: list[Row], now: list[Row], examples: int) -> Iterable[str]:
    """What became of the fits that are in both files, by one best cost for both."""
    best: dict[str, float] = {}
    for row in [*before, *now]:
        best[row.model] = min(row.best, best.get(row.model, row.best))

    def keyed(rows: list[Row]) -> dict[tuple, Row]:
        """Ours, what was the best in its own run and is not any more counted as other."""
        found = {}
        for row in rows:
            if is_ours(row.solver):
                if row.outcome == "best" and row.cost > BEST * best[row.model]:
                    row = replace(row, outcome="other", ratio=row.cost / best[row.model])
                found[row.model, row.unit, row.solver, row.start] = row
        return found

    old, new = keyed(before), keyed(now)
    both = [(old[key], new[key]) for key in old.keys() & new.keys()]
    both.sort(key=lambda pair: (pair[1].solver, pair[1].model, pair[1].unit, pair[1].start))
    if not both:
        yield "Against the earlier run: no fit of ours is in both."
        return
    for unit in [*sorted({b.unit for _, b in both}), "all"]:
        chosen = [(a, b) for a, b in both if unit in (b.unit, "all")]
        counts = Counter((a.outcome, b.outcome) for a, b in chosen)
        gained = sum(n for (a, b), n in counts.items() if b == "best" != a)
        lost = sum(n for (a, b), n in counts.items() if a == "best" != b)
        wrong = [sum(pair[i].outcome == "false" for pair in chosen) for i in (0, 1)]
        middle = [statistics.median(pair[i].nfev for pair in chosen) for i in (0, 1)]
        ratio = statistics.median(b.nfev / a.nfev for a, b in chosen if a.nfev and b.nfev)
        yield (
            f"Against the earlier run, unit {unit}: best {gained} gained, {lost} lost; false "
            f"{wrong[0]} -> {wrong[1]}; median evaluations {middle[0]:g} -> {middle[1]:g} "
            f"(median ratio of a fit {ratio:.3f}); {len(chosen)} fits"
        )
    for title, i in (("lost", 0), ("gained", 1)):
        moved = [p for p in both if p[i].outcome == "best" != p[1 - i].outcome]
        yield from (f"{title}: {_example(b).strip()}" for _, b in moved[:examples])


@dataclass(frozen=True)
class Noisy:
    """A fit of healthy but noisy data: whether it raised, tried again, named a parameter
    undetermined, and did so though the standard error is smaller than the parameter or the truth.
    """

    model: str
    raised: bool
    retried: bool
    named: bool
    falsely: bool


def noisy(fits: list[Noisy]) -> str:
    """The shares, and the models in which a fit was tried again or a parameter named falsely."""

    def share(what: str) -> str:
        return f"{sum(getattr(fit, what) for fit in fits) / len(fits):.1%}"

    models = Counter(fit.model for fit in fits if fit.retried or fit.falsely)
    return (
        f"{len(fits)} fits of noisy data: tried again {share('retried')} (wanted at most 2 %), "
        f"undetermined named in {share('named')}, falsely in {share('falsely')}, "
        f"raised {share('raised')}."
        + "".join(f"\n  {n} x {model}" for model, n in models.most_common())
    )
