"""A tournament of 64 candidates on 10⁸ rows in HDF5: ``python -m benchmarks.tournament``.

The rows are sorted by x, contiguous and in compressed chunks (a file of 0.8 GB each time). In a
process of its own each tournament is held, whose rows read, peak memory and time are printed; then
the fit that looks for its own start, ``nlsq.fit(..., multistart=True)``, tournament and all.
Targets: each row read at most three times, memory ≤ 1 GB (of the tournament the whole process, of
the fit what is beyond the interpreter), the truth wins.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from benchmarks.report import Target, console, print_targets
from benchmarks.streaming import high_water

TRUE = np.array([2.0, 0.15, 3.0, 0.7])
NOISE = 0.5
CHUNK = 1 << 17
LAYOUTS = {"contiguous": {}, "chunks": {"chunks": (CHUNK,), "compression": "lzf"}}
BOUNDS = ([0.0, 0.0, 0.0, -4.0], [10.0, 2.0, 20.0, 4.0])


def ringing(x, a, k, w, phase):
    """A damped sine."""
    return a * np.exp(-k * x) * np.sin(w * x + phase)


def main() -> None:
    """Make the files one after the other, hold tournaments, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tournament", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--points", type=int, default=10**8)
    parser.add_argument("--candidates", type=int, default=64)
    parser.add_argument("--folder", help="where the file is made (the system's temporary folder)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--fit", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        found = fit(given.child) if given.fit else hold(given.child, given.candidates)
        print(json.dumps(found))
        return
    out, targets = console(), []
    for layout in LAYOUTS:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            path = Path(folder, "run.h5")
            make(path, given.points, layout)
            command = [sys.executable, "-m", "benchmarks.tournament", "--child", str(path),
                       "--candidates", str(given.candidates)]  # fmt: skip
            held, fitted = (
                json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE).stdout)
                for line in (command, [*command, "--fit"])
            )
        out.print(
            f"{layout}: {given.points:,} rows, {given.candidates} candidates, left after each "
            f"round {held['survivors']}: {held['seconds']:.1f} s; {held['judged']:,} rows judged, "
            f"{held['read']:,} read"
        )
        out.print(
            f"  fit: {fitted['seconds']:.1f} s, {fitted['phases']}, {fitted['candidates']} minima "
            f"of the sample, off by {fitted['off']:.1f} standard errors"
        )
        targets += [
            Target(f"{layout}: most often that a row is read", 3, held["most"]),
            Target(f"{layout}: memory of the process, GB", 1.0, held["memory"] / 1e9),
            Target(
                f"{layout}: memory of the fit beyond the interpreter, GB",
                1.0,
                fitted["memory"] / 1e9,
            ),
            Target(f"{layout}: winner's distance from the truth", 0.0, held["distance"]),
        ]
    print_targets(targets, out)


def make(path: Path, m: int, layout: str) -> None:
    """Write m rows, sorted by x."""
    import h5py

    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        x, y = (file.create_dataset(name, (m,), "f4", **LAYOUTS[layout]) for name in "xy")
        step = CHUNK * 32
        for first in range(0, m, step):
            t = np.arange(first, min(first + step, m)) * (20.0 / m)
            x[first : first + t.size] = t
            y[first : first + t.size] = ringing(t, *TRUE) + NOISE * rng.standard_normal(t.size)


def hold(path: str, count: int) -> dict:
    """A tournament of the truth and others drawn within the bounds."""
    from nlsq.core.drive.roads import choose_road
    from nlsq.core.model.calls import CurveCall
    from nlsq.core.model.model import Model
    from nlsq.core.problem.options import Options
    from nlsq.core.problem.parameters import parse_parameters
    from nlsq.global_optimization import GlobalOptimizationConfig, TournamentSelector
    from nlsq.global_optimization.batch_costs import BatchCosts
    from nlsq.streaming import HDF5Source
    from nlsq.streaming.feed import Feed
    from nlsq.streaming.spread import spread
    from nlsq.streaming.survey import PART, sample_alone, survey

    drawn = np.random.default_rng(1).uniform(*BOUNDS, (count - 1, TRUE.size))
    drawn[:8] = TRUE * (1 + 1e-2 * np.random.default_rng(2).standard_normal((8, TRUE.size)))
    candidates = np.insert(drawn, count // 2, TRUE, axis=0)
    source, ranges = HDF5Source(path), []
    read = source.read_into

    def counted(start, buffers):
        ranges.append((start, start + len(buffers.y)))
        read(start, buffers)

    found = sample_alone(source, True)
    found = found or survey(source, PART, False, True, lambda count: None)
    sample, options = found.sample, Options()
    model = Model(CurveCall(ringing), TRUE.size, "ringing")
    parameters = parse_parameters(ringing, TRUE, BOUNDS)
    choose_road(model, sample, parameters, options, source.n_points)
    source.read_into = counted
    config = GlobalOptimizationConfig()
    began = time.perf_counter()
    plan = spread(Feed(source, PART, PART, check=True), source.n_points, 3, 50)
    config = config.with_overrides(elimination_rounds=plan.rounds, batches_per_round=plan.per_round)
    selector = TournamentSelector(candidates, config)
    (best,) = selector.run_tournament(plan.batches(), BatchCosts(model, options, sample.x))
    seconds, memory, told = time.perf_counter() - began, high_water(), selector.get_diagnostics()
    edges = np.zeros(source.n_points + 1, np.int32)
    for start, stop in ranges:
        edges[start] += 1
        edges[stop] -= 1
    times = edges.cumsum()[:-1]
    return {
        "seconds": seconds, "memory": memory, "survivors": told["survivors"],
        "judged": told["n_rows"], "read": int(times.sum()), "most": int(times.max()),
        "distance": float(np.abs(best - TRUE).max()),
    }  # fmt: skip


def fit(path: str) -> dict:
    """The fit that looks for its start by itself."""
    import nlsq
    from nlsq.streaming import ArraySource, HDF5Source

    options = {"bounds": BOUNDS, "multistart": True, "n_starts": 64, "workflow": "chunked"}
    x = np.linspace(0, 20, 1 << 20)
    nlsq.fit(ringing, ArraySource(x, ringing(x, *TRUE)), **options)  # compiles
    del x
    base = psutil.Process().memory_info().rss
    began = time.perf_counter()
    result = nlsq.fit(ringing, HDF5Source(path), **options)
    off = np.abs((result.popt - TRUE) / result.perr).max()
    return {
        "seconds": time.perf_counter() - began, "memory": high_water() - base, "off": float(off),
        "phases": {k: round(v, 1) for k, v in result.streaming["phase_seconds"].items()},
        "candidates": len(result.minima),
    }  # fmt: skip


if __name__ == "__main__":
    main()
