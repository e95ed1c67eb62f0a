"""Warm calls of small fits against SciPy, interleaved in one run: `make bench`.

Each cell fits the same data by `nlsq.curve_fit` and by `scipy.optimize.curve_fit` with default
options from the same start, in turns, and reports the medians of whole calls. The first call of
each (compilation, for us) is not counted; `compile` says what it took.
"""

from __future__ import annotations

import statistics
import time

import numpy as np
import scipy.optimize
from rich.console import Console
from rich.table import Table

import nlsq

SIZES = (100, 1_000, 10_000)
SECONDS = 1.5  # per cell


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


def gaussian(x, amplitude, centre, width, slope, offset):
    return amplitude * np.exp(-(((x - centre) / width) ** 2)) + slope * x + offset


def double_decay(t, a, tau, b, theta, c):
    return a * np.exp(-t / tau) + b * np.exp(-t / theta) + c


def damped_sine(t, a, tau, w, phase, c):
    return a * np.exp(-t / tau) * np.sin(w * t + phase) + c


def hill(x, bottom, top, half, n):
    return bottom + (top - bottom) * x**n / (half**n + x**n)


MODELS = {
    "decay": (decay, (2.5, 1.3, 0.5)),
    "gaussian on a slope": (gaussian, (3.0, 2.4, 0.6, 0.1, 1.0)),
    "double decay": (double_decay, (2.0, 0.4, 1.5, 2.5, 0.3)),
    "damped sine": (damped_sine, (2.0, 2.0, 3.0, 0.4, 0.1)),
    "hill": (hill, (0.2, 2.0, 1.7, 2.2)),
}


def measure(f, true, m: int) -> dict[str, float]:
    """Median seconds of a warm call of both, seconds of our first call, relative cost."""
    rng = np.random.default_rng(m)
    x = np.linspace(0.05, 6, m)
    y = f(x, *true) + 0.03 * rng.standard_normal(m)
    p0 = np.array(true) * rng.choice([0.8, 1.2], len(true))
    calls = {
        "ours": lambda: nlsq.curve_fit(f, x, y, p0),
        "scipy": lambda: scipy.optimize.curve_fit(f, x, y, p0),
    }
    start = time.perf_counter()
    cost = calls["ours"]().cost
    first = time.perf_counter() - start
    theirs = 0.5 * np.sum((f(x, *calls["scipy"]()[0]) - y) ** 2)
    times: dict[str, list[float]] = {name: [] for name in calls}
    until = time.perf_counter() + SECONDS
    while time.perf_counter() < until:
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in times.items()}
    return medians | {"first": first, "cost": cost / theirs - 1}


def main() -> None:
    """Print the table."""
    table = Table(title="Warm curve_fit, median of interleaved calls")
    for heading in ("model", "points", "nlsq µs", "SciPy µs", "nlsq / SciPy", "first call s",
                    "cost / SciPy's − 1"):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "model" else "right")
    ratios: dict[int, list[float]] = {m: [] for m in SIZES}
    for name, (f, true) in MODELS.items():
        for m in SIZES:
            cell = measure(f, true, m)
            ratio = cell["ours"] / cell["scipy"]
            ratios[m].append(ratio)
            table.add_row(
                name, f"{m}", f"{cell['ours'] * 1e6:.0f}", f"{cell['scipy'] * 1e6:.0f}",
                f"{ratio:.2f}", f"{cell['first']:.2f}", f"{cell['cost']:+.0e}",
            )  # fmt: skip
    console = Console()
    console.print(table)
    for m, values in ratios.items():
        console.print(f"{m:>6} points: median ratio {statistics.median(values):.2f}")


if __name__ == "__main__":
    main()
