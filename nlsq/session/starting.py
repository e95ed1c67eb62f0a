"""Where a fit begins, as a window shows it: its curve, its peaks, and the scales of its sliders."""

from __future__ import annotations

import dataclasses
import math
import sys
from typing import Any, NamedTuple

import numpy as np

from nlsq.session.model import LoadedModel, Start
from nlsq.session.points import Points

_FAR = 1e300  # beyond it no plot has a width
_POINTS = 1000  # of a smooth curve
_RESIDUALS = 1500  # of a start, which follow a slider
_MOST = sys.float_info.max
_NEAR = 0.1  # of the range of x: what a peak that was clicked is looked for in


def remembering(model: LoadedModel) -> LoadedModel:
    """The model, whose guess is made once for the same points."""
    if model.guess is None:
        return model
    return dataclasses.replace(model, guess=_Remembering(model.guess))


class _Remembering:
    def __init__(self, guess: Any):
        self.guess, self._known = guess, None

    def __call__(self, x: np.ndarray, y: np.ndarray) -> Any:
        if self._known is None or self._known[0] is not x or self._known[1] is not y:
            self._known = x, y, self.guess(x, y)
        return self._known[2]


Drawing = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_NOTHING = np.empty(0)
UNDRAWN: Drawing = (_NOTHING, _NOTHING, _NOTHING, _NOTHING)


def drawn(model: LoadedModel, points: Points, p: np.ndarray) -> Drawing:
    """(x, y) of the model at p over the range of the data, and (x, residual) of some points."""
    if points.x.ndim > 1 or not points.x.size or np.abs(points.x).max() > _FAR:
        return UNDRAWN
    x = np.linspace(points.x.min(), points.x.max(), _POINTS)
    few = slice(None, None, 1 + points.x.size // _RESIDUALS)
    at, y = points.x[few], points.y[few]
    with np.errstate(over="ignore"):  # a start may be anywhere
        return x, _values(model.function, x, p), at, y - _values(model.function, at, p)


def _values(function: Any, x: np.ndarray, p: Any) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.broadcast_to(np.asarray(function(x, *p), float), x.shape)


def added(
    old: str | None, peak: str, at: tuple[float, float], points: Points, begun: Start | None
) -> tuple[str, dict[str, float], dict[str, str]]:
    """A model with one more peak, whose top is where it was clicked.

    Returns
    -------
    name : str
    p0 : dict of str to float
        Its start: of its first members as it was.
    place : dict of str to str
        What the parameters that there were are called now.
    """
    from nlsq import models

    if old is None:
        name, below, before, first = peak, None, (), []
    else:
        model = models.get(old)
        name, before, first = f"{old} + {peak}", model.names, begun.p0.tolist()

        def below(x: np.ndarray) -> np.ndarray:
            return _values(model, x, first)

    names = models.get(name).names
    start = [*first, *peak_at(peak, *at, points, below)]
    return name, dict(zip(names, start, strict=True)), dict(zip(before, names, strict=False))


def peak_at(name: str, x: float, y: float, points: Points, below: Any) -> list[float]:
    """Parameters of a peak with its top at (x, y).

    Parameters
    ----------
    below : callable or None
        What is there already, as a function of x.
    """
    from nlsq import models

    peak = models.get(name)
    base = 0.0 if below is None else float(below(np.array([x]))[0])
    near = np.abs(points.x - x) <= _NEAR * np.ptp(points.x)
    rest = points.y[near] - (0.0 if below is None else below(points.x[near]))
    p = peak.guess(points.x[near], rest) if near.any() else peak.middle()
    return _topped(peak, p, x, y - base).tolist()


def _topped(peak: Any, p: np.ndarray, x: float, height: float) -> np.ndarray:
    """The parameters of a peak that is moved to x and made as high there."""
    p = np.array(p, float)
    p[_place(peak)] = x
    p[0] = p[0] or 1.0
    top = float(_values(peak, np.array([x]), p)[0])
    if top and np.isfinite(height / top):  # the first parameter of each is its height or area
        p[0] *= height / top
    return p


def _place(peak: Any) -> int:
    """Which parameter of a peak is its position."""
    return next(k for k, q in enumerate(peak.parameters) if q.name in ("mu", "x0"))


def _peaks_in(model: LoadedModel) -> list[tuple[Any, slice]]:
    """The members of a model that are peaks, with the places of their parameters."""
    from nlsq.models import Model

    first, found = 0, []
    if isinstance(model.function, Model):
        for member in getattr(model.function, "members", (model.function,)):
            if member.category == "peaks" and member.variables == ("x",):
                found.append((member, slice(first, first + member.n)))
            first += member.n
    return found


def summits(model: LoadedModel, p: np.ndarray) -> list[tuple[float, float]]:
    """Where the curve of a model is at the position of each of its peaks."""
    at = np.array([p[place][_place(peak)] for peak, place in _peaks_in(model)])
    heights = _values(model.function, at, p) if at.size else at
    return list(zip(at.tolist(), heights.tolist(), strict=True))


def dragged(model: LoadedModel, p: np.ndarray, k: int, x: float, y: float) -> dict[str, float]:
    """The parameters of peak k by name, once its summit is moved to (x, y)."""
    peak, place = _peaks_in(model)[k]
    here = np.array([x])
    below = float((_values(model.function, here, p) - _values(peak, here, p[place]))[0])
    moved = _topped(peak, p[place], x, y - below)
    changed = (0, _place(peak))
    return {model.names[place][k]: float(moved[k]) for k in changed}


class Scale(NamedTuple):
    """What a slider runs over, from 0 to 1."""

    low: float
    high: float
    log: bool

    def value(self, part: float) -> float:
        """The number at a place."""
        if self.log:
            return math.exp(math.log(self.low) * (1 - part) + math.log(self.high) * part)
        return self.low * (1 - part) + self.high * part  # no overflow of the difference

    def part(self, value: float) -> float:
        """The place of a number."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return (math.log(value) - low) / (high - low)
        half = self.high / 2 - self.low / 2
        return (value / 2 - self.low / 2) / half if half else 0.5

    def holds(self, values: list[float]) -> bool:
        """Whether all of them are on the scale."""
        return all(self.low <= v <= self.high for v in values)


def scale(values: list[float], lower: float, upper: float) -> Scale:
    """A scale with these values on it, the present one first, inside the bounds where they are."""
    size = max((abs(v) for v in values), default=1.0) or 1.0
    low = lower if math.isfinite(lower) else max(min(values) - size, -_MOST)
    high = upper if math.isfinite(upper) else min(max(values) + size, _MOST)
    low, high = min([low, *values]), max([high, *values])
    return Scale(low, high, low > 0 and high / 100 > low)
