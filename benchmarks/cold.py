"""How soon a fit starts: ``python -m benchmarks.cold [process running ...]``.

process   scripts that fit one NumPy model or five, beside the same with SciPy and lmfit
running   first fits of new models in a process that has fitted before, beside the others' warm ones
buying    10, 1 000 and 20 000 calls of one new model, interpreted, compiled and as we choose
many      the first `fit_many` of a process, beside loops
program   `nlsq fit` of 80 points, table and plot, and `nlsq --help`
warm      compiled and interpreted fits of twelve models, 100 points
bits      mixed fits, with an empty and a filled cache of programs: the same bytes
start     a compiled fit in a new process, beside JAX adding two arrays

Every process has a user cache of its own, which is thrown away. What is compared ran in turns; a
ratio is the median of the turns' ratios. Where elapsed and CPU time (all threads) are measured, the
larger ratio counts.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import site
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from benchmarks.cold_fits import ADD, FIVE, fitting, libraries, program_of, reading
from benchmarks.report import Target, console, print_targets

# an installed package has its byte code, as JAX here has
_DROPPED = (
    "JAX_COMPILATION_CACHE_DIR", "NLSQ_DISABLE_PERSISTENT_CACHE", "NLSQ_BACKEND",
    "PYTHONDONTWRITEBYTECODE",
)  # fmt: skip
COUNTS = 10, 1000, 20_000
_SOON = 1500  # calls that --quick makes of the most


class Spent(NamedTuple):
    """Seconds of one process, and the last line that it printed."""

    wall: float
    cpu: float
    said: str


def spend(arguments: list[str], cache: str | None = None) -> Spent:
    """Run Python with the user cache in the directory `cache`, or an empty one."""
    if cache is None:
        with tempfile.TemporaryDirectory() as fresh:
            return spend(arguments, fresh)
    environment = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    environment |= {"HOME": cache, "XDG_CACHE_HOME": cache, "PYTHONUSERBASE": site.getuserbase()}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(wall, cpu, (done.stdout.splitlines() or [""])[-1])


def ask(name: str, *arguments: Any, cache: str | None = None) -> Any:
    """What a function of `benchmarks.cold_fits` answers in a process of its own."""
    call = ["-m", "benchmarks.cold_fits", name, json.dumps(arguments)]
    return json.loads(spend(call, cache).said)


def in_turns(runs: int, turns: dict[str, Callable[[], Any]]) -> dict[str, list]:
    """The answers of `runs` rounds; one before them, whose answers do not count, warms disks."""
    rounds = [{name: turn() for name, turn in turns.items()} for _ in range(runs + 1)]
    return {name: [answers[name] for answers in rounds[1:]] for name in turns}


def ratio(ours: Iterable[float], theirs: Iterable[float]) -> float:
    """Median of the turns' ratios."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def show(title: str, head: str, rows: Iterable[Iterable]) -> None:
    """Print a table; `head` has its headings, between bars."""
    table = Table(title=title)
    for i, heading in enumerate(head.split("|")):
        table.add_column(heading.strip(), justify="right" if i else "left")
    for row in rows:
        table.add_row(*(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row))
    console().print(table)


def _processes(title: str, spent: dict[str, list[Spent]], peer: str) -> dict[str, float]:
    """Print seconds and ratios to `peer` of processes; the larger ratio of each."""
    rows, larger = [], {}
    for name, runs in spent.items():
        columns = [[run[i] for run in runs] for i in (0, 1)]
        base = [[run[i] for run in spent[peer]] for i in (0, 1)]
        ratios = [ratio(*pair) for pair in zip(columns, base, strict=True)]
        heavy = " ".join(json.loads(runs[0].said)) if runs[0].said.startswith("[") else ""
        rows.append([name, *map(statistics.median, columns), *ratios, heavy])
        larger[name] = max(ratios)
    show(title, f"process | elapsed s | CPU s | elapsed / {peer} | CPU / {peer} | loaded", rows)
    return larger


def process(asked: argparse.Namespace) -> list[Target]:
    """Scripts of one and of five models."""
    targets = []
    for names, most in ((FIVE[:1], 0.7), (FIVE, 0.75)):
        scripts = {name: ["-c", fitting(name, names)] for name in libraries()}
        spent = in_turns(asked.runs, {k: lambda v=v: spend(v) for k, v in scripts.items()})
        title = f"{len(names)} NumPy model(s), 200 points, empty cache"
        larger = _processes(title, spent, "scipy")
        jax = sum("jax" in json.loads(run.said) for run in spent["nlsq"])
        targets.append(Target(f"script of {len(names)} model(s) / SciPy", most, larger["nlsq"]))
        targets.append(Target(f"scripts of {len(names)} model(s) that load JAX", 0, jax))
    return targets


def running(asked: argparse.Namespace) -> list[Target]:
    """First fits of new models."""
    sizes = [100, 1000, 10_000]
    cells = ask("first", sizes, asked.runs)
    peers = list(cells[0][-1])
    rows, worst = [], {m: (0.0, "") for m in (*sizes, 260)}
    for name, n, m, times in cells:
        warm = ratio(times["nlsq"], times["scipy"])
        medians = [1e3 * statistics.median(times[peer]) for peer in peers]
        rows.append([name, n, m, *medians, warm])
        worst[m] = max(worst[m], (medians[0] if m in (100, 1000) else warm, name))
    heads = [f"{peer} ms" for peer in peers]
    show("First fits of new models", " | ".join(["model | n | points", *heads, "/ scipy"]), rows)
    traced = [ask("traced") for _ in range(min(asked.runs, 3))]
    at_once, next_one = (statistics.median(column) for column in zip(*traced, strict=True))
    limits = [("first fit, 100 points, ms", 5, 100), ("first fit, 1 000 points, ms", 5, 1000)]
    limits += [("first fit, 10⁴ points / SciPy's warm", 6, 10_000)]
    limits += [("first fit, loop over 260 points / SciPy's warm", 5, 260)]
    targets = [Target(what, most, *worst[m]) for what, most, m in limits]
    note = f"a second model {next_one:.2f}"
    return [*targets, Target("first fit in jax.numpy, JAX imported, s", 0.5, at_once, note)]


def _totals(times: list[float]) -> list[float]:
    """Seconds of the first so many calls; those not made go on like the last 200."""
    last, made = statistics.median(times[-200:]), len(times)
    return [sum(times[:count]) + max(count - made, 0) * last for count in COUNTS]


def buying(asked: argparse.Namespace) -> list[Target]:
    """Calls of one new model under each choice, each in its own process."""
    count = _SOON if asked.quick else COUNTS[-1]
    turns = {name: ("nlsq", {"backend": name}) for name in ("auto", "numpy", "jax")}
    turns["scipy"] = ("scipy", {})
    ask("calls", *turns["jax"], 1)  # writes the byte code
    spent: dict[str, list[list[float]]] = {name: [] for name in turns}
    for _ in range(1 if asked.quick else min(asked.runs, 3)):
        for name, of in turns.items():
            spent[name].append(_totals(ask("calls", *of, count)))
    rows, targets = [], []
    for i, calls in enumerate(COUNTS):
        columns = {name: [run[i] for run in runs] for name, runs in spent.items()}
        better = [min(pair) for pair in zip(columns["numpy"], columns["jax"], strict=True)]
        worse = ratio(columns["auto"], better)
        note = "extrapolated" if calls > count else ""
        rows.append([f"{calls} {note}", *map(statistics.median, columns.values()), worse])
        targets.append(Target(f"{calls} calls / the better choice", 2.2, worse, note))
    heads = " | ".join(["calls", *(f"{name} s" for name in spent), "auto / better"])
    show("Calls of one new model, 200 points", heads, rows)
    return targets


def many(asked: argparse.Namespace) -> list[Target]:
    """The first `fit_many` of a process, also where all that it loads was loaded before."""
    loaded = ask("many", asked.fits, [])["loaded"]
    turns = {"whole": lambda: ask("many", asked.fits, [])["times"]}
    turns["beyond"] = lambda: ask("many", asked.fits, loaded)["times"]
    spent = in_turns(asked.runs, turns)
    runs, ours = spent["beyond"], [run["nlsq"] for run in spent["beyond"]]
    whole = statistics.median(run["nlsq"] for run in spent["whole"])
    rows = [["fit_many, once imported", whole, ""]]
    for name in runs[0]:
        times = [run[name] for run in runs]
        what = "fit_many, all it loads imported" if name == "nlsq" else f"a loop over {name}"
        rows.append([what, statistics.median(times), ratio(ours, times)])
    show(f"First batch, {asked.fits} x 50 points", "call | s | fit_many / it", rows)
    return [
        Target("first fit_many, beyond importing, s", 0.3, statistics.median(ours)),
        Target("first fit_many / SciPy's loop", 0.5, ratio(ours, (run["scipy"] for run in runs))),
    ]


def program(asked: argparse.Namespace) -> list[Target]:
    """`nlsq fit` and `nlsq --help`, beside scripts that read the file and fit."""
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder) / "data.csv")
        t = np.linspace(0, 8, 80)
        v = 3 * np.exp(-t / 2) + 0.5 + 0.05 * np.random.default_rng(0).standard_normal(t.size)
        np.savetxt(file, np.column_stack([t, v]), delimiter=",", header="t,v", comments="")
        codes = {"nlsq fit": program_of("fit", file, "-m", "a*exp(-t/tau)+c")}
        codes |= {"nlsq --help": program_of("--help")}
        codes |= {name: reading(name, file) for name in libraries() if name != "nlsq"}
        spent = in_turns(asked.runs, {k: lambda v=v: spend(["-c", v]) for k, v in codes.items()})
    _processes("The program, 80 points", spent, "scipy")
    wall, cpu = (statistics.median(run[i] for run in spent["nlsq fit"]) for i in (0, 1))
    shown = statistics.median(run.cpu for run in spent["nlsq --help"])
    targets = [Target("nlsq fit, elapsed s", 0.6, wall), Target("nlsq fit, CPU s", 0.5, cpu)]
    return [*targets, Target("nlsq --help, CPU s", 0.3, shown)]


def warm(asked: argparse.Namespace) -> list[Target]:
    """Warm fits of every model."""
    found = ask("warm", 100, 20 if asked.quick else 200)
    names = list(next(iter(found.values())))
    rows, ratios = [], {"jax": {}, "numpy": {}}
    for model, times in found.items():
        for name, of in ratios.items():
            of[model] = ratio(times[name], times["scipy"])
        medians = [1e6 * statistics.median(times[name]) for name in names]
        rows.append([model, *medians, *(of[model] for of in ratios.values())])
    heads = " | ".join(["model", *(f"{name} µs" for name in names), "jax / scipy", "numpy / scipy"])
    show("Warm fits, 100 points", heads, rows)
    compiled, interpreted = ratios.values()
    worst, slowest = max(compiled, key=compiled.get), max(interpreted, key=interpreted.get)
    return [
        Target("compiled / SciPy, median", 0.9, statistics.median(compiled.values())),
        Target("compiled / SciPy, worst", 1.2, compiled[worst], worst),
        Target("interpreted / SciPy, worst", 10, interpreted[slowest], slowest),
    ]


def bits(asked: argparse.Namespace) -> list[Target]:
    """The same script three times: empty cache, the cache it filled, another empty one."""
    count = 3000 if asked.full else 300
    with tempfile.TemporaryDirectory() as kept:
        empty, filled = (ask("mixed", count, cache=kept) for _ in range(2))
    again = ask("mixed", count)
    print(f"{count} mixed fits, by backend:", dict(Counter(backend for _, backend in empty)))
    pairs = (("a filled cache", filled), ("another empty cache", again))
    return [
        Target(f"fits with other bits or backend, {what}", 0, different)
        for what, other in pairs
        for different in [sum(a != b for a, b in zip(empty, other, strict=True))]
    ]


def start(asked: argparse.Namespace) -> list[Target]:
    """The first compiled fit of a process."""
    fit = ["-c", fitting("nlsq", FIVE[:1], ", backend='jax'")]
    with tempfile.TemporaryDirectory() as kept:
        turns = {
            "JAX adds": lambda: spend(["-c", ADD]),
            "empty cache": lambda: spend(fit),
            "filled cache": lambda: spend(fit, kept),
        }
        spent = in_turns(asked.runs, turns)
    larger = _processes("A compiled fit, 200 points", spent, "JAX adds")
    limits = {"empty cache": 2.5, "filled cache": 1.6}
    return [Target(f"compiled fit, {k} / JAX adds", most, larger[k]) for k, most in limits.items()]


SECTIONS = {call.__name__: call for call in (process, running, buying, many, program, warm, bits)}
SECTIONS |= {"start": start}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cold", description=__doc__.splitlines()[0]
    )
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    parser.add_argument("--runs", type=int, default=7, help="rounds (7)")
    parser.add_argument("--fits", type=int, default=1000, help="rows of the batch (1 000)")
    parser.add_argument("--quick", action="store_true", help="fewer calls, some extrapolated")
    parser.add_argument("--full", action="store_true", help="3 000 mixed fits instead of 300")
    asked = parser.parse_args()
    if unknown := set(asked.sections) - set(SECTIONS):
        parser.error(f"unknown section {', '.join(sorted(unknown))}; choose from {list(SECTIONS)}")
    if "lmfit" not in libraries():
        print("lmfit is not installed and is left out; pip install lmfit adds it.")
    targets = [t for name in asked.sections or SECTIONS for t in SECTIONS[name](asked)]
    print_targets(targets, console())


if __name__ == "__main__":
    main()
