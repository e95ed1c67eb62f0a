"""How often the global minimum is found, ours beside others: ``python -m benchmarks.global 5``.

Every problem of `global_problems` is fitted with each of our searches and seeds 0, 1, ...: with
nothing but the model and the data, and with the box (``-box``). A search has succeeded where its
sum of squares is that of the global minimum or less. With ``--peers`` other libraries search the
same box for up to ten times our time; they are stopped as soon as they reach the minimum, so that
their times are of the first success, ours of the whole call.

`per success` are evaluations of the model by local fits that ended at the global minimum: those of
our whole call, and for SciPy's `trf` (``--local``) those of fits from starts uniform in the box,
once without and once with those of the differences (nfev and nfev + n · njev).
"""

from __future__ import annotations

import argparse
import math
import signal
import statistics
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import track
from rich.table import Table

import nlsq
from benchmarks import global_peers as peers
from benchmarks.global_problems import PROBLEMS, Problem
from benchmarks.report import console
from nlsq.global_optimization.config import GlobalOptimizationConfig

_LONGER = 10  # times our time is what a peer gets
_SHORTEST = 0.1  # seconds that a peer gets at least
_FAILURES = (RuntimeError, ValueError, ArithmeticError, TypeError, TimeoutError)
_SEARCHES: dict[str, dict] = {
    "global": {"method": "global"},
    "fast": {
        "method": "multistart",
        "search_config": GlobalOptimizationConfig.from_preset("fast"),
    },
    "cmaes": {"method": "cmaes"},
}
OURS = {name + box: options for box in ("", "-box") for name, options in _SEARCHES.items()}


class End(NamedTuple):
    """One search.

    Attributes
    ----------
    sse : float
    seconds : float
    evaluations : int
    fits, successes : int
        Local fits, and those that ended at the best minimum; 0 where not known.
    said : str
        What it stopped for, or the exception.
    reached : bool
        Whether it found the global minimum.
    """

    sse: float
    seconds: float
    evaluations: int
    fits: int
    successes: int
    said: str
    reached: bool


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def end(*_):
        raise TimeoutError(f"longer than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def ours(name: str, problem: Problem, seed: int, limit: float) -> End:
    """A search of ours."""
    options = OURS[name] | {"seed": seed}
    if name.endswith("-box"):
        options["bounds"] = (problem.lo, problem.hi)
    began = time.perf_counter()
    try:
        with _limited(limit):
            result = nlsq.curve_fit(problem.f, problem.x, problem.y, **options)
    except _FAILURES as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0][:150]
        return End(math.inf, time.perf_counter() - began, 0, 0, 0, said, False)
    seconds, sse, minima = time.perf_counter() - began, problem.sse(result.popt), result.minima
    reached = problem.reached(sse)
    if minima is None:
        return End(sse, seconds, result.nfev, 0, 0, "", reached)
    successes = minima[0].count if reached and len(minima) else 0
    said = minima.stopped
    if problem.minima > 1:
        equal = sum(problem.reached(2 * minimum.cost) for minimum in minima)
        said += f", {equal} of {problem.minima} equal minima"
    return End(sse, seconds, minima.n_evaluations, minima.n_fits, successes, said, reached)


def theirs(name: str, problem: Problem, seed: int, limit: float) -> End:
    """A search of a peer, stopped at the minimum."""
    began = time.perf_counter()
    found = peers.run(name, problem, seed, limit)
    seconds = time.perf_counter() - began
    reached = problem.reached(found.best)
    return End(found.best, seconds, found.evaluations, 0, 0, "", reached)


class Row(NamedTuple):
    """A problem's searches by solver, and SciPy's local fits where they were asked for."""

    problem: Problem
    ends: dict[str, list[End]]
    local: peers.LocalFits | None


def measure(problem: Problem, options: argparse.Namespace, tell: Callable[[str], None]) -> Row:
    """All searches of one problem."""
    ends: dict[str, list[End]] = {}
    for name in options.solvers:
        ends[name] = [ours(name, problem, seed, options.limit) for seed in range(options.seeds)]
        tell(_line(problem, name, ends[name]))
    if options.peers:
        allowed = _LONGER * max(_middle(e.seconds for e in ends[options.solvers[-1]]), _SHORTEST)
        for name in options.peers:
            ends[name] = [theirs(name, problem, seed, allowed) for seed in range(options.seeds)]
            tell(_line(problem, name, ends[name]))
    local = peers.local_fits(problem, options.local, 0) if options.local else None
    return Row(problem, ends, local)


def _middle(values: Iterable[float]) -> float:
    values = list(values)
    return statistics.median(values) if values else math.nan


def _line(problem: Problem, name: str, ends: list[End]) -> str:
    """What a solver did to a problem, for the log."""
    found = sum(end.reached for end in ends)
    worse = sorted({end.sse / problem.best for end in ends if not end.reached and problem.best})
    below = sum(end.sse < problem.best * (1 - problem.rtol) for end in ends)
    text = (
        f"{problem.name} {name}: {found}/{len(ends)}, evaluations "
        f"{_middle(e.evaluations for e in ends):.0f}, fits {_middle(e.fits for e in ends):.0f}, "
        f"{_middle(e.seconds for e in ends):.3f} s"
    )
    if worse:
        text += ", sse/best " + " ".join(f"{ratio:.7g}" for ratio in worse[:4])
    if below:
        text += f", {below} below the best of the box"
    said = {end.said for end in ends if end.said}
    return text + (f"; {' | '.join(sorted(said)[:2])}" if said else "")


def _short(count: float) -> str:
    if not math.isfinite(count):
        return "∞" if count > 0 else ""
    return f"{count:.0f}" if count < 1e4 else f"{count / 1e3:.0f}k"


def _per_success(ends: list[End]) -> float:
    """Our evaluations by local fits that ended at the global minimum."""
    spent = sum(end.evaluations for end in ends)
    successes = sum(end.successes for end in ends)
    return spent / successes if successes else math.inf


def _searches(rows: list[Row], solvers: list[str]) -> Table:
    labels = {name: peer.label for name, peer in peers.PEERS.items()}
    shown = Table(
        "problem", "n", "m", *(labels.get(name, name) for name in solvers),
        title="Global minimum found / searches, median evaluations, median time", box=SIMPLE_HEAD,
    )  # fmt: skip
    for column in shown.columns[1:]:
        column.justify = "right"
    for problem, ends, _ in rows:
        cells = []
        for name in solvers:
            mine = ends[name]
            found = sum(end.reached for end in mine)
            colour = "green" if found == len(mine) else "red"
            seconds = _middle(end.seconds for end in mine)
            evaluations = _short(_middle(end.evaluations for end in mine))
            cells.append(f"[{colour}]{found}/{len(mine)}[/] {evaluations} {seconds:.2f}s")
        shown.add_row(problem.name, f"{problem.lo.size}", f"{problem.y.size}", *cells)
    return shown


def _expectations(rows: list[Row], names: list[str]) -> Table:
    shown = Table(
        "problem", "trf fits", "trf nfev", "trf nfev + n njev", *names,
        *(f"{name} / trf" for name in names),
        title="Evaluations per success (> where no fit of trf succeeded)", box=SIMPLE_HEAD,
    )  # fmt: skip
    for column in shown.columns[1:]:
        column.justify = "right"
    for problem, ends, local in rows:
        if local:
            mine = [_per_success(ends[name]) for name in names]
            sign = "" if local.successes else ">"
            theirs = [sign + _short(value) for value in _trf(local)]
            ratios = [f"{one / _trf(local)[0]:.2f}" for one in mine]
            found = f"{local.successes}/{local.fits}"
            shown.add_row(problem.name, found, *theirs, *map(_short, mine), *ratios)
    return shown


def _trf(local: peers.LocalFits) -> tuple[float, float]:
    """Evaluations of SciPy's starts per success (one where there is none), and with differences."""
    successes = max(local.successes, 1)
    return local.nfev / successes, local.evaluations / successes


def _geometric(ratios: Iterable[float]) -> float:
    logs = [math.log(ratio) for ratio in ratios if 0 < ratio < math.inf]
    return math.exp(statistics.fmean(logs)) if logs else math.nan


def _summary(rows: list[Row], options: argparse.Namespace) -> Iterator[str]:
    for name in [*options.solvers, *options.peers]:
        ends = [end for row in rows for end in row.ends[name]]
        found = sum(end.reached for end in ends)
        lost = [row.problem.name for row in rows if not all(e.reached for e in row.ends[name])]
        text = (
            f"{name}: {found} of {len(ends)} searches ({found / len(ends):.1%}), median "
            f"{_short(_middle(e.evaluations for e in ends))} evaluations, "
            f"{_middle(e.seconds for e in ends):.3f} s"
        )
        if name in options.peers:
            last = options.solvers[-1]
            pairs = [(mine, its) for row in rows
                     for mine, its in zip(row.ends[last], row.ends[name], strict=True)]  # fmt: skip
            within = sum(its.reached and its.evaluations <= m.evaluations for m, its in pairs)
            ratio = _geometric(mine.seconds / its.seconds for mine, its in pairs)
            text += (
                f"; {within} within the evaluations of {last}, whose time / its own is {ratio:.2f} "
                "(geometric mean)"
            )
        yield text + (f"; not always: {', '.join(lost)}" if lost else "")
    for name in options.solvers if options.local else []:
        ratios = [_per_success(row.ends[name]) / _trf(row.local)[0] for row in rows if row.local]
        known = [ratio for ratio in ratios if math.isfinite(ratio)]
        if known:
            above = sum(ratio > 0.5 for ratio in ratios)
            yield (
                f"{name}: evaluations per success / SciPy's trf {_geometric(known):.2f} (geometric "
                f"mean of {len(known)}); above 0.5 in {above}"
            )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.global", description=__doc__.splitlines()[0]
    )
    listed = {"type": lambda text: text.split(","), "metavar": "A,B"}
    parser.add_argument("seeds", nargs="?", type=int, default=3, help="searches of a problem (3)")
    parser.add_argument("--problems", default=list(PROBLEMS), help="default: all", **listed)
    parser.add_argument(
        "--solvers",
        default=["global", "global-box"],
        help=f"of {', '.join(OURS)}; the last one limits the peers; default: global,global-box",
        **listed,
    )
    parser.add_argument(
        "--peers",
        nargs="?",
        const=list(peers.PEERS),
        default=[],
        help=f"of {', '.join(peers.PEERS)}; without names: all that are installed",
        **listed,
    )
    parser.add_argument("--local", type=int, default=0, help="local fits by SciPy's trf (0)")
    parser.add_argument("--limit", type=float, default=300, help="seconds for one of ours (300)")
    parser.add_argument("--log", type=Path, help="append a line for each problem and solver")
    options = parser.parse_args()
    known = ((options.problems, PROBLEMS), (options.solvers, OURS), (options.peers, peers.PEERS))
    for given, names in known:
        if unknown := [name for name in given if name not in names]:
            parser.error(f"{', '.join(unknown)}: not known; there are {', '.join(names)}.")
    return options


def main() -> None:
    options, shown = _options(), console()
    for name in [name for name in options.peers if not peers.PEERS[name].installed]:
        shown.print(f"{name} is left out: {peers.PEERS[name].package} is not installed.")
        options.peers.remove(name)

    def tell(line: str) -> None:
        if options.log:
            with options.log.open("a") as log:
                log.write(line + "\n")

    rows = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name in track(options.problems, "problems", console=Console(stderr=True)):
            rows.append(measure(PROBLEMS[name], options, tell))
    shown.print(_searches(rows, [*options.solvers, *options.peers]))
    if options.local:
        shown.print(_expectations(rows, options.solvers))
    for line in _summary(rows, options):
        shown.print(line, highlight=False)


if __name__ == "__main__":
    main()
