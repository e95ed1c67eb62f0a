"""What the data show of the sizes of parameters: lengths, heights, frequencies and summits."""

from __future__ import annotations

import math

import numpy as np

from nlsq.global_optimization.problem import Problem
from nlsq.global_optimization.units import is_far

_LINES = 12  # of a spectrum, and summits of the data, that are tried
_EVEN = 2048  # points of a spectrum
_GRID = 1 << 22  # frequencies times points of a spectrum


class Axis:
    """A coordinate's ends, and the logarithms of its shortest and longest lengths.

    Parameters
    ----------
    x : ndarray
        The coordinate of all points, or of a sample of them.
    m : int
        How many points there are in all.
    """

    def __init__(self, x: np.ndarray, m: int):
        places = np.unique(x[np.isfinite(x)])
        self.first, self.last = places[0], places[-1]
        span = self.last - self.first
        largest = max(span, abs(self.first), abs(self.last)) or 1.0
        if is_far(places):
            largest = span
        steps = np.diff(places)
        shortest = np.median(steps) if steps.size else largest
        if places.size > 0.9 * x.size:  # each point has a place of its own
            shortest *= x.size / m
        positive = places[places > 0]
        if positive.size and positive[0] < shortest:
            shortest = positive[0]
        self.low = math.log(max(shortest, 1e-6 * largest))
        self.high = math.log(3 * largest)


def heights(problem: Problem) -> tuple[float, float]:
    """Logarithms of the least and the largest height of the data."""
    y = np.abs(problem.data.counted(problem.data.y))
    largest, spread = float(y.max()), float(np.std(y))
    if not largest > 0:
        return math.log(0.1), math.log(10.0)
    return math.log(0.1 * (spread if spread > 0 else largest)), math.log(3 * largest)


def spectrum(problem: Problem, axes: list) -> tuple[np.ndarray, np.ndarray] | None:
    """(angular frequencies of the data's strongest lines, their shares); None without lines."""
    problem = problem.whole  # a sample need not be even
    data = problem.data
    if len(axes) != 1 or data.is_complex or data.y.size < 12 or not axes[0].last > axes[0].first:
        return None
    at = np.linspace(0, data.y.size - 1, min(data.y.size, _EVEN)).round().astype(int)
    x, y = np.ravel(problem.x)[at], data.counted(data.y)[at]
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    line = np.polynomial.Polynomial.fit(x, y, 1)
    omega, power = _periodogram(x, y - line(x))
    inner = (power[1:-1] >= power[:-2]) & (power[1:-1] > power[2:])
    at = np.flatnonzero(inner) + 1
    at = at[omega[at] > 3 * np.pi / (x[-1] - x[0])]  # at least three half waves
    if not at.size or power[at].max() < 0.1 * power.max():
        return None
    strongest = at[np.argsort(power[at])[::-1][:_LINES]]
    weights = np.sqrt(power[strongest])
    return omega[strongest], weights / weights.sum()


def _periodogram(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(angular frequencies, power of the data there); x rises, in steps of any length."""
    steps, span = np.diff(x), x[-1] - x[0]
    if steps.max() < 1.5 * max(steps.min(), 1e-9 * span):
        even = np.linspace(x[0], x[-1], x.size)
        level = np.interp(even, x, y) * np.hanning(x.size)
        return (
            2 * np.pi * np.fft.rfftfreq(4 * x.size, even[1] - even[0]),
            np.abs(np.fft.rfft(level, 4 * x.size)) ** 2,
        )
    shortest = np.quantile(steps[steps > 0], 0.1)
    count = int(min(4 * span / shortest, _GRID // x.size))
    omega = np.arange(1, count + 1) * (np.pi / (2 * span))  # four to a line's width
    return omega, np.abs(np.exp(1j * np.outer(omega, x - x[0])) @ y) ** 2


def summits(
    problem: Problem, axes: list, y: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray] | None:
    """(places of the highest and lowest points of y, their shares); None for other than y(x)."""
    data = problem.data
    y = data.y if y is None else y
    if len(axes) != 1 or data.is_complex or y.size < 8 or not np.isfinite(y).all():
        return None
    x = np.ravel(problem.x)
    order = np.argsort(x, kind="stable")
    x, y = x[order], data.counted(y)[order]
    width = max(1, x.size // 100)
    level = np.convolve(np.pad(y, width, "edge"), np.ones(2 * width + 1) / (2 * width + 1), "valid")
    height = np.abs(level - np.median(level))
    inner = (height[1:-1] >= height[:-2]) & (height[1:-1] > height[2:])
    at = np.flatnonzero(inner) + 1
    if not at.size:
        return None
    highest = at[np.argsort(height[at])[::-1][:_LINES]]
    return x[highest], height[highest] / height[highest].sum()
