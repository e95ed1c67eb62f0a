"""A long session: ``python -m benchmarks.steady``.

One model, 1 000 fits of random length (10 to 10⁵ points, even in the logarithm), start, bounds and
sigma on or off. Counted: XLA's compilations, and the growth of resident memory over the last half,
as the difference of its medians over the first and the last fifth of that half.
"""

from __future__ import annotations

import argparse
import os
import warnings

import numpy as np
import psutil

import nlsq
from benchmarks.fits import compilations, count_compilations
from benchmarks.problems import NOISE, decay
from benchmarks.report import Target, console, print_targets

MOST_COMPILATIONS = 40
NO_GROWTH = 1.0  # MB; the allocator's own unrest


def main() -> None:
    """Fit, count, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.steady", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--longest", type=int, default=10**5, help="points (100 000)")
    arguments = parser.parse_args()
    os.environ["NLSQ_DISABLE_PERSISTENT_CACHE"] = "1"  # what comes from the disk is not counted
    count_compilations()
    f, true, rng = decay(np), np.array([2.5, 1.3, 0.5]), np.random.default_rng(0)
    process, resident, failed = psutil.Process(), [], 0
    for _ in range(arguments.fits):
        m = round(10 ** rng.uniform(1, np.log10(arguments.longest)))
        t = np.linspace(0, 6, m)
        y = f(t, *true) + NOISE * rng.standard_normal(m)
        p0 = true * (1 + rng.uniform(0.2, 0.5, 3) * rng.choice([-1, 1], 3))
        options = {"bounds": (0, 10)} if rng.random() < 0.5 else {}
        if rng.random() < 0.5:
            options |= {"sigma": rng.uniform(0.5, 2, m) * NOISE}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nlsq.OptimizeWarning)
            try:
                nlsq.curve_fit(f, t, y, p0, **options)
            except nlsq.FitError:
                failed += 1
        resident.append(process.memory_info().rss / 1e6)
    half = resident[len(resident) // 2 :]
    fifth = len(half) // 5
    growth = float(np.median(half[-fifth:]) - np.median(half[:fifth]))
    out = console()
    out.print(f"{arguments.fits} fits, {failed} failed, {resident[-1]:.0f} MB resident at the end")
    targets = [
        Target("compilations", MOST_COMPILATIONS, compilations()),
        Target("growth over the last half, MB", NO_GROWTH, growth),
    ]
    print_targets(targets, out)


if __name__ == "__main__":
    main()
