"""The lengths and heights that data show: what parameters measured in x and y are compared with."""

from __future__ import annotations

import math

import numpy as np

_FAR = 10.0  # times its span, from which on x is far from 0


def is_far(axis: np.ndarray) -> bool:
    """Whether a coordinate is far from 0 for its span."""
    return bool(0 < _FAR * np.ptp(axis) < np.abs(axis).max())


class Axis:
    """A coordinate's ends, and the logarithms of its shortest and longest lengths.

    Parameters
    ----------
    x : ndarray
        The coordinate of all points, or of a sample of them.
    m : int, optional
        How many points there are in all.
    """

    def __init__(self, x: np.ndarray, m: int | None = None):
        places = np.unique(x[np.isfinite(x)])
        self.first, self.last = places[0], places[-1]
        span = self.last - self.first
        largest = max(span, abs(self.first), abs(self.last)) or 1.0
        if is_far(places):
            largest = span
        steps = np.diff(places)
        shortest = np.median(steps) if steps.size else largest
        if m is not None and places.size > 0.9 * x.size:  # each point has a place of its own
            shortest *= x.size / m
        positive = places[places > 0]
        if positive.size and positive[0] < shortest:
            shortest = positive[0]
        self.low = math.log(max(shortest, 1e-6 * largest))
        self.high = math.log(3 * largest)


def heights(y: np.ndarray) -> tuple[float, float]:
    """Logarithms of the least and the largest height of data y."""
    y = np.abs(y)
    largest, spread = float(y.max()), float(np.std(y))
    if not largest > 0:
        return math.log(0.1), math.log(10.0)
    return math.log(0.1 * (spread if spread > 0 else largest)), math.log(3 * largest)
