"""A fit of 10⁸ points in an HDF5 file: ``python -m benchmarks.streaming``.

The script makes the file (1.6 GB, a noisy decay) in a folder of its own and fits it in a process
that reports its time and memory, programs compiled beforehand on a small file. In the same run it
measures what a pass must take at least:

read    the whole file, once, by the fit's own source into the fit's own buffers, nothing else
fused   residual, Jacobian and normal equations of as many points in memory, on all cores

They take turns with the fits, and the ratio is the median over the rounds: the machine's speed
changes within seconds. Target: wall time ≤ 1.5 × full passes × max(read, fused), ≤ 1 GB beyond the
interpreter, ≤ 4 full passes from a start 50 % off.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from benchmarks.problems import NOISE, decay
from benchmarks.report import Target, console, print_targets

TRUE = np.array([2.5, 1.3, 0.5])
START = 1.5 * TRUE * np.array([1, 1 / 2.25, 1])  # 50 % off: above, below, above


def main() -> None:
    """Make the file, fit it in a process of its own, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.streaming", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--points", type=int, default=10**8)
    parser.add_argument("--rounds", type=int, default=5, help="fits; the median counts (5)")
    parser.add_argument("--workflow", default="chunked", choices=["chunked", "streaming"])
    parser.add_argument("--folder", help="where the file is made (the system's temporary folder)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measure(Path(arguments.child), arguments.rounds, arguments.workflow)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder, "run.h5")
        make(path, arguments.points)
        made = subprocess.run(
            [sys.executable, "-m", "benchmarks.streaming", "--child", str(path),
             "--rounds", str(arguments.rounds), "--workflow", arguments.workflow],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    report(json.loads(made.stdout), arguments)


def make(path: Path, m: int) -> None:
    """Write a noisy decay of m points."""
    import h5py

    f, rng = decay(np), np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        x, y = (file.create_dataset(name, (m,), "f8") for name in "xy")
        for first in range(0, m, 1 << 22):
            t = np.arange(first, min(first + (1 << 22), m)) * (6 / m)
            x[first : first + t.size] = t
            y[first : first + t.size] = f(t, *TRUE) + NOISE * rng.standard_normal(t.size)


def measure(path: Path, rounds: int, workflow: str) -> dict:
    """Times in seconds and memory in bytes, in this process."""
    import nlsq
    from nlsq.streaming import ArraySource, HDF5Source

    f, process = decay(np), psutil.Process()
    x = np.linspace(0, 6, 1 << 20)
    y = f(x, *TRUE) + NOISE * np.random.default_rng(1).standard_normal(x.size)
    nlsq.fit(f, ArraySource(x, y), p0=START, workflow=workflow)  # compiles
    del x, y
    base = process.memory_info().rss
    source = HDF5Source(path)
    result = nlsq.fit(f, source, p0=START, workflow=workflow)
    peak, fused_pass = high_water(), make_fused_pass(source.n_points)
    walls, reads, fused = [], [], []
    for _ in range(rounds):
        fused.append(fused_pass())
        reads.append(read(source))
        began = time.perf_counter()
        nlsq.fit(f, source, p0=START, workflow=workflow)
        walls.append(time.perf_counter() - began)
    return {
        "points": source.n_points, "walls": walls, "reads": reads, "fused": fused,
        "memory": peak - base, "passes": result.streaming["full_passes"],
        "popt": result.popt.tolist(), "perr": result.perr.tolist(),
        "phases": result.streaming["phase_seconds"],
    }  # fmt: skip


def high_water() -> int:
    """Largest resident memory of this process so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def read(source) -> float:
    """Seconds to read the whole source into the fit's buffers."""
    from nlsq.core.passes.layout import CHUNKS
    from nlsq.streaming.feed import allocate

    capacity = CHUNKS[-1][0]
    buffers = allocate(source.form, capacity)
    began = time.perf_counter()
    for start in range(0, source.n_points, capacity):
        source.read_into(start, buffers.part(0, min(capacity, source.n_points - start)))
    return time.perf_counter() - began


def make_fused_pass(m: int) -> Callable[[], float]:
    """A function that passes over m points in memory, 2^24 at a time, and returns the seconds."""
    import jax

    from benchmarks.limit import fused_pass
    from benchmarks.problems import make_problem

    size = min(m, 1 << 24)
    with jax.enable_x64(True):
        one = fused_pass(make_problem("decay", "free", size))

    def seconds() -> float:
        times = -(-m // size)
        with jax.enable_x64(True):
            began = time.perf_counter()
            for _ in range(times):
                one()
        return (time.perf_counter() - began) * m / (times * size)

    seconds()
    return seconds


def report(found: dict, arguments) -> None:
    """Print what was measured beside the targets."""
    times = np.array([found[k] for k in ("walls", "reads", "fused")])
    wall, reading, fused = np.median(times, axis=1)
    ratio = np.median(times[0] / (found["passes"] * times[1:].max(axis=0)))
    out = console()
    out.print(
        f"{found['points']:,} points, workflow {arguments.workflow}: {wall:.2f} s "
        f"({found['passes']} full passes and the sample); read {reading:.2f} s, fused pass "
        f"{fused:.2f} s, {found['points'] * found['passes'] / wall / 1e6:,.0f} million "
        "points a second"
    )
    off = np.abs((np.array(found["popt"]) - TRUE) / found["perr"]).max()
    out.print(f"largest deviation from the truth: {off:.1f} standard errors; {found['phases']}")
    targets = [
        Target("wall / (full passes × max(read, fused))", 1.5, float(ratio)),
        Target("full passes", 4, found["passes"]),
        Target("memory beyond the interpreter, GB", 1.0, found["memory"] / 1e9),
    ]
    print_targets(targets, out)


if __name__ == "__main__":
    main()
