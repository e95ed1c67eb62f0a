"""Warm fits beside other libraries: ``python -m benchmarks.fits``.

Each cell is one problem: a model, a variant and a number of points. Every peer prepares untimed and
makes a first fit that counts for its answer but not for its time: there JAX compiles, and there the
referee counts the calls of a NumPy model. Then the peers take turns, each round in another order; a
turn repeats the fit for `TURN` seconds and `LEAST_CALLS` times (not beyond `LONG_TURN`), and its
time is the median: cores that come from a rest are slow for some 30 ms. A ratio is the median over
the rounds of the quotient of two turns of one round, so that a machine that slows down for a while
slows both; what other processes take of the machine meanwhile is noted. A turn begins when the
threads of the last one have come to rest. The passes of the limit line (`limit`) take turns like
peers.

Of each answer the referee computes the cost itself and the digits of the worst parameter, against
its own tight fit. It counts XLA's compilations during the timed turns. What a library cannot do,
what is not installed, what failed, and what would take too long or too much memory is left out and
named.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import psutil
from rich.console import Console
from rich.progress import track

import nlsq
from benchmarks import limit, report
from benchmarks.peers import PEERS, Fit, Peer, double_precision
from benchmarks.problems import MODELS, VARIANTS, Problem, cost, digits, make_problem, reference

SIZES = [10**k for k in range(2, 8)]
TURN, LONG_TURN, LEAST_CALLS = 0.02, 0.3, 5
LEAST_ROUNDS = 3
FAILURES = (Exception,)  # a peer is foreign code and may raise anything; it is named with its error

_compilations: list[str] = []


def count_compilations() -> None:
    """Note every compilation of this process from now on."""

    def note(event: str, *_, **__) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            _compilations.append(event)

    jax.monitoring.register_event_duration_secs_listener(note)


def compilations() -> int:
    """How many there have been."""
    return len(_compilations)


class OtherLoad:
    """Share of the machine that other processes have used since this was made, 0 to 1."""

    def __init__(self) -> None:
        self._busy, self._own, self._wall = self._now()

    @staticmethod
    def _now() -> tuple[float, float, float]:
        times = psutil.cpu_times()
        busy = sum(times) - times.idle - getattr(times, "iowait", 0.0)
        return busy, time.process_time(), time.perf_counter()

    def share(self) -> float:
        busy, own, wall = self._now()
        others = busy - self._busy - (own - self._own)
        return max(0.0, others / (wall - self._wall) / (psutil.cpu_count() or 1))


def rest() -> None:
    """Wait until no thread of this process is busy.

    OpenBLAS's go on looking for work for some 30 ms after an SVD, at the cost of whoever comes
    next: a fit of 10^5 points after a turn of SciPy's `trf` took twice its time.
    """
    for _ in range(200):  # a second: some library may never rest
        cpu, start = time.process_time(), time.perf_counter()
        time.sleep(0.005)
        if time.process_time() - cpu < 0.1 * (time.perf_counter() - start):
            return


@dataclasses.dataclass
class Contestant:
    """A prepared peer or limit line, its turns and the compilations in them."""

    call: Callable[[], object]
    context: Callable[[], contextlib.AbstractContextManager]
    times: list[float] = dataclasses.field(default_factory=list)
    compilations: int = 0

    def take_turn(self) -> None:
        """Repeat the call, at least once, for `TURN` seconds or until there are enough."""
        rest()
        compiled, times = compilations(), []
        with self.context():
            while not times or sum(times) < (LONG_TURN if len(times) < LEAST_CALLS else TURN):
                start = time.perf_counter()
                self.call()
                times.append(time.perf_counter() - start)
        self.times.append(statistics.median(times))
        self.compilations += compilations() - compiled


def enter(peer: Peer, problem: Problem, answer: np.ndarray) -> tuple[Contestant, dict]:
    """Prepare a peer, let it fit once, and judge what it found."""
    calls = 0

    def counted(*arguments):
        nonlocal calls
        calls += 1
        return problem.f(*arguments)

    with peer.precision():
        call = peer.prepare(problem)
        fit: Fit = call()
        if fit.evaluations is None:
            fit = peer.prepare(dataclasses.replace(problem, f=counted))()
    facts = {
        "digits": digits(problem, fit.params, answer),
        "excess": cost(problem, fit.params) / cost(problem, answer) - 1,
        "evaluations": calls if fit.evaluations is None else fit.evaluations,
    }
    return Contestant(call, peer.precision), facts


def run_cell(problem: Problem, peers: dict[str, Peer], left_out: dict, seconds: float) -> dict:
    """All turns of one problem; `left_out` says why some peers do not take part."""
    answer = reference(problem)
    contestants: dict[str, Contestant] = {}
    results: dict[str, dict] = {name: {"left out": why} for name, why in left_out.items()}
    for name, peer in peers.items():
        if name in left_out or not peer.handles(problem):
            continue
        try:
            contestants[name], results[name] = enter(peer, problem, answer)
        except FAILURES as error:
            results[name] = {"left out": f"failed: {type(error).__name__}: {error}"[:200]}
    lines = {}
    with double_precision():
        for name, prepare in limit.LINES.items():
            lines[name] = Contestant(prepare(problem), double_precision)
    turns = [*contestants.values(), *lines.values()]
    gc.collect()
    others = OtherLoad()
    until, rounds = time.perf_counter() + seconds, 0
    while rounds < LEAST_ROUNDS or time.perf_counter() < until:
        for i in range(len(turns)):
            turns[(i + rounds) % len(turns)].take_turn()
        rounds += 1
    limit.close()
    for name, contestant in contestants.items():
        results[name] |= {"times": contestant.times, "compilations": contestant.compilations}
    return {
        "model": problem.key,
        "variant": problem.variant,
        "points": problem.x.size,
        "parameters": problem.model.n,
        "peers": results,
        "lines": {name: line.times for name, line in lines.items()},
        "others": others.share(),
    }


def too_much(peer: Peer, problem: Problem, before: dict | None, longest: float) -> str | None:
    """Why a peer should not try a problem, from its last smaller one and the free memory."""
    m, n = problem.x.size, problem.model.n
    if before and "left out" in before["facts"]:
        return before["facts"]["left out"]
    if before:
        expected = statistics.median(before["facts"]["times"]) * m / before["points"]
        if expected > longest:
            return f"would take {expected:.0f} s a fit"
    needed = peer.copies * m * n * 8
    if needed > 0.8 * psutil.virtual_memory().available:
        return f"would need {needed / 1e9:.0f} GB"
    return None


def environment(peers: dict[str, Peer]) -> dict:
    """What the numbers depend on besides the code."""
    packages = {"numpy", "jax"} | {peer.package for peer in peers.values()} - {"nlsq"}
    return {
        "python": platform.python_version(),
        "nlsq": nlsq.__version__,
        **{name: importlib.metadata.version(name) for name in sorted(packages)},
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "machine": platform.machine(),
    }


def measure(arguments: argparse.Namespace, console: Console) -> dict:
    """Run the cells that were asked for."""
    peers = {name: PEERS[name] for name in arguments.peers if PEERS[name].installed}
    if missing := [name for name in arguments.peers if name not in peers]:
        console.print(f"Not installed, left out: {', '.join(missing)}")
    count_compilations()
    record = {"environment": environment(peers), "cells": [], "memory": []}
    rows = [(key, variant) for key in arguments.models for variant in arguments.variants]
    cells = [(key, variant, m) for key, variant in rows for m in sorted(arguments.sizes)]
    before: dict[tuple, dict] = {}
    for key, variant, m in track(cells, "Fitting", console=console, transient=True):
        problem = make_problem(key, variant, m)
        left_out = {}
        for name, peer in peers.items():
            why = too_much(peer, problem, before.get((key, variant, name)), arguments.longest)
            if why and peer.handles(problem):
                left_out[name] = why
                console.print(f"{key}, {variant}, {m} points: {name} left out, {why}")
        cell = run_cell(problem, peers, left_out, arguments.seconds)
        record["cells"].append(cell)
        for name, facts in cell["peers"].items():
            if name not in left_out and "left out" in facts:
                console.print(f"{key}, {variant}, {m} points: {name} {facts['left out']}")
            elif "times" in facts:
                before[key, variant, name] = {"points": m, "facts": facts}
        if (key, variant, m) == ("decay", "free", 10**7):
            megabytes = limit.peak_memory(problem)
            record["memory"].append({"points": m, "beyond data": megabytes})
        if arguments.json:
            arguments.json.write_text(json.dumps(record, indent=1))
    return record


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fits", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=VARIANTS)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--seconds", type=float, default=3.0, help="of turns per cell (3)")
    parser.add_argument(
        "--longest", type=float, default=30.0, help="a fit that takes more is left out (30 s)"
    )
    parser.add_argument("--json", type=Path, help="write the measurements, after every cell")
    report.add_options(parser)
    arguments = parser.parse_args(argv)
    console = report.console()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # overflow on the way, covariances not determined
        record = measure(arguments, console)
    report.show(record, arguments, console)


if __name__ == "__main__":
    main()
