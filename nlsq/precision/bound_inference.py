r"""Bounds of parameters, inferred from the data and from what the parameters are measured in.

The model is asked what each parameter is measured in (`units`). A length L of the model changes a
curve of span s by a share s / L or so, which m points of noise d (a share of the spread of y) show
as long as it is more than d / sqrt(m). So a parameter that is a length is bounded by

    reach * s,   reach = safety_factor * (sqrt(m) / d, but from 1e3 to 1 / sqrt(eps)),

a rate by reach over the shortest step of x, a place on x by reach spans around the data, a number
by the reach. Beyond that the curve no longer tells one value from another: what the data determine
lies within. Parameters that enter linearly need no bounds, since their best values follow from the
others', and may be of any size (a peak beside the data). Where nothing is known there is no bound.

A parameter whose sign changes nothing (the width of a Gaussian), or that is not defined below 0, is
bounded to the sign of its start.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from nlsq.constants import EPS
from nlsq.precision.curves import Curves, FunctionCurves
from nlsq.precision.units import Axis, Units, broad, heights, products, units_of

Bounds = tuple[np.ndarray, np.ndarray]
_LEAST, _MOST = 1e3, 1 / math.sqrt(EPS)  # share of a curve that can be seen, inverse
_ORDERS = range(1, 9)  # of the differences that noise is measured by
_FEW = 12  # points, below which differences say nothing of noise
_VECTORS = 16  # at which a sign is asked for
_SAME = 1e-9  # difference of two curves, relative to the largest value, that rounding may make
_POWER = 2  # the highest of x, and of 1 / x, that a parameter of an unknown model may have


class Inferred(NamedTuple):
    """What was inferred of one parameter: bounds, ±inf for none, and why."""

    lower: float
    upper: float
    reason: str


class BoundInference:
    """Bounds of a model's parameters from data x (m,) or (k, m) and y (m,).

    They contain the start p0 (n,), and are by `safety_factor` farther than the data can see.
    `enforce_positivity`: a parameter whose sign does not matter keeps that of its start. Without
    the model f(x, a, b, ...) nothing tells what a parameter is measured in, and each is bounded by
    the largest that a product of lengths and heights can be.

    Examples
    --------
    >>> t = np.linspace(0, 10, 50)
    >>> y = 3 * np.exp(-((t - 4) ** 2) / 2) + 0.01 * np.cos(1e3 * t)
    >>> gauss = lambda t, a, mu, s: a * np.exp(-(((t - mu) / s) ** 2) / 2)
    >>> for found in BoundInference(t, y, [1, 5, 1], f=gauss).parameters:
    ...     print(f"{found.lower:.2g} {found.upper:.2g} {found.reason}")
    -inf inf it enters linearly, its best value follows from the others
    -1.3e+05 1.3e+05 it is a place on x
    1.6e-05 3.8e+05 it is a length of x, and its sign changes nothing
    """

    def __init__(
        self,
        xdata: Any,
        ydata: Any,
        p0: Any,
        safety_factor: float = 10.0,
        enforce_positivity: bool = True,
        *,
        f: Callable | None = None,
    ):
        p0, self._y = np.atleast_1d(np.asarray(p0, float)), np.ravel(np.asarray(ydata))
        x = np.asarray(xdata) if isinstance(xdata, list | tuple) else xdata
        if not np.isfinite(p0).all():
            raise ValueError("p0 must be finite: the bounds are to contain it.")
        if not 1 <= safety_factor < math.inf:
            raise ValueError(f"safety_factor must be a number from 1 on, got {safety_factor!r}.")
        wide = np.full(p0.size, np.inf)
        self._asked = f is not None
        model = f or (lambda x, *p: np.full(self._y.size, np.nan))
        self._curves: Curves = FunctionCurves(model, x, p0, -wide, wide, self._y.size)
        self._safety, self._positive = float(safety_factor), enforce_positivity

    def infer(self) -> Bounds:
        """Lower and upper bounds (n,) each, ±inf where none was inferred."""
        lower, upper, _ = zip(*self.parameters, strict=True)
        return np.array(lower), np.array(upper)

    @cached_property
    def parameters(self) -> tuple[Inferred, ...]:
        """What was inferred of each parameter."""
        if not self._asked:
            return tuple(map(self._of_any, self._curves.p0))
        with np.errstate(all="ignore"):
            units = units_of(self._curves, np.random.default_rng(0))
        return tuple(self._signed(j, s, self._of(j, units)) for j, s in enumerate(self._signs()))

    @cached_property
    def reach(self) -> float:
        """How many times the scale of the data a parameter may be."""
        seen = math.sqrt(self._y.size) / max(noise_share(self._curves.x, self._y), EPS)
        return self._safety * min(max(seen, _LEAST), _MOST)

    @cached_property
    def _axes(self) -> list[Axis]:
        return [] if self._curves.x is None else [Axis(a) for a in np.atleast_2d(self._curves.x)]

    def _of_any(self, start: float) -> Inferred:
        """Of a parameter of which nothing is known: any product of lengths and heights."""
        most = max(0.0, *heights(self._y))
        largest = most + max([_POWER * max(-a.low, a.high) for a in self._axes], default=0.0)
        size = self._safety * max(_exp(largest) * self.reach, abs(start))
        return Inferred(-size, size, "what it is measured in is not known without the model")

    def _of(self, j: int, units: Units) -> Inferred:
        if j in units.linear:
            why = "it enters linearly, its best value follows from the others"
            return Inferred(-math.inf, math.inf, why)
        if (at := units.location[j]) >= 0:
            axis = self._axes[at]
            margin = self.reach * math.exp(axis.high) / 3
            return Inferred(axis.first - margin, axis.last + margin, "it is a place on x")
        y, far = heights(self._y), math.log(self.reach)
        if units.logarithm[j].any():
            low, high = products(units.logarithm[j], 0.0, self._axes, y, far)
            return Inferred(low, high, "it is the logarithm of a length of x")
        if not (self._axes and np.isfinite(units.length[j]).all()):
            return Inferred(-math.inf, math.inf, "nothing tells what it is measured in")
        if not (units.length[j].any() or units.height[j]):
            return Inferred(0.0, max(self.reach, self._safety * self._y.size), "it is a number")
        low, high = products(units.length[j], units.height[j], self._axes, y, far)
        return Inferred(_exp(low), _exp(high), f"it is {_named(units.length[j], units.height[j])}")

    def _signed(self, j: int, sign: str, found: Inferred) -> Inferred:
        """With both signs, or that of the start, and such that the start is well inside."""
        low, high, why = found
        start = self._curves.p0[j]
        if low >= 0 and high < math.inf:  # a size
            high = max(high, self._safety * abs(start))
            if sign and start:
                low = min(low, abs(start) / self._safety)
                low, high = (low, high) if start > 0 else (-high, -low)
                why = f"{why}, and {sign}"
            else:
                low = -high
        room = (self._safety - 1) * abs(start)
        return Inferred(min(low, start - room) if low < 0 else low, max(high, start + room)
                        if high > 0 else high, why)  # fmt: skip

    def _signs(self) -> list[str]:
        """Why each parameter may keep its sign; '' where it may not."""
        curves, n = self._curves, self._curves.n
        P = np.abs(broad(curves, np.random.default_rng(1), _VECTORS))
        values = curves.values(P)
        alive = np.isfinite(values).all(axis=1)
        P, values = P[alive], values[alive]
        if not (self._positive and len(P)):
            return [""] * n
        flipped = np.where(np.eye(n, dtype=bool)[:, None], -P, P).reshape(-1, n)
        others = np.concatenate([curves.values(p) for p in curves.tiles(flipped)])
        return [_sign(values, other) for other in others.reshape(n, len(P), -1)]


def _sign(values: np.ndarray, other: np.ndarray) -> str:
    """Why a sign may be kept: curves (k, m) with it and with the other one."""
    if not np.isfinite(other).any():
        return "the model is not defined with the other sign"
    with np.errstate(all="ignore"):
        same = np.abs(values - other) <= _SAME * np.abs(values).max(axis=1, keepdims=True)
    return "its sign changes nothing" if same.all() else ""


def _exp(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < 700 else math.inf


def _named(length: np.ndarray, height: float) -> str:
    """What a parameter is measured in, in words."""
    if not height and np.count_nonzero(length) == 1 and abs(length.sum()) == 1:
        return "a length of x" if length.sum() > 0 else "a rate, one over x"
    parts = [f"x{i if len(length) > 1 else ''}^{d:g}" for i, d in enumerate(length) if d]
    return "measured in " + " ".join(parts + ([f"y^{height:g}"] if height else []))


def noise_share(x: np.ndarray | None, y: np.ndarray) -> float:
    """The noise of y over x as a share of the spread of y; 0 where nothing tells.

    By differences of neighbours, of which a smooth curve leaves little; the least of some orders.

    Examples
    --------
    >>> x = np.linspace(0, 1, 1000)
    >>> round(noise_share(x, x + 0.01 * np.random.default_rng(0).standard_normal(1000)), 3)
    0.009
    """
    y = np.real(y)
    spread = float(np.ptp(y))
    if x is None or x.ndim > 1 or y.size < _FEW or not spread > 0:
        return 0.0
    rows, found = y[np.argsort(x, kind="stable")] / spread, []
    for order in _ORDERS:
        rows = np.diff(rows)
        square = math.comb(2 * order, order)  # sum of the squares of the coefficients
        found.append(float(np.median(np.abs(rows))) / (0.6745 * math.sqrt(square)))
    return min(found)


def infer_bounds(
    xdata: Any,
    ydata: Any,
    p0: Any,
    safety_factor: float = 10.0,
    enforce_positivity: bool = True,
    *,
    f: Callable | None = None,
) -> Bounds:
    """Lower and upper bounds, as `BoundInference` infers them.

    Examples
    --------
    >>> t = np.linspace(0, 5, 40)
    >>> low, high = infer_bounds(t, 2 * np.exp(-t), [1, 1], f=lambda t, a, k: a * np.exp(-k * t))
    >>> low[0], bool(low[1] < 1 < high[1] < 1e12)
    (np.float64(-inf), True)
    """
    return BoundInference(xdata, ydata, p0, safety_factor, enforce_positivity, f=f).infer()


def infer_bounds_for_multistart(
    xdata: Any,
    ydata: Any,
    p0: Any,
    user_bounds: Any = None,
    safety_factor: float = 20.0,
    enforce_positivity: bool = True,
    *,
    f: Callable | None = None,
) -> Bounds:
    """Bounds to draw starts between, those of the user kept: only `safety_factor` beyond the data.

    They may exclude the answer, as starts may. Parameters without any stay unbounded: a search of
    `nlsq.curve_fit` solves those that enter linearly.

    Examples
    --------
    >>> t = np.linspace(0, 5, 40)
    >>> gauss = lambda t, a, mu, s: a * np.exp(-(((t - mu) / s) ** 2))
    >>> low, high = infer_bounds_for_multistart(t, gauss(t, 1, 2, 0.5), [1, 1, 1], f=gauss)
    >>> low.round(3).tolist(), high.round(1).tolist()
    ([-inf, -100.0, 0.006], [inf, 105.0, 300.0])
    """
    inference = BoundInference(xdata, ydata, p0, safety_factor, enforce_positivity, f=f)
    inference.reach = inference._safety
    return merge_bounds(inference.infer(), user_bounds)


def merge_bounds(inferred_bounds: Bounds, user_bounds: Any = None) -> Bounds:
    """Bounds (n,) each: the user's where they are finite, the inferred ones elsewhere.

    An inferred bound that leaves nothing beside the user's is left out.

    Examples
    --------
    >>> merge_bounds(([0, -9], [5, 9]), ([-np.inf, 10], [2, np.inf]))
    (array([ 0., 10.]), array([ 2., inf]))
    """
    low, high = (np.array(b, float) for b in inferred_bounds)
    if user_bounds is None:
        return low, high
    lb, ub = (np.broadcast_to(np.asarray(b, float), low.shape) for b in user_bounds)
    lower = np.where(np.isfinite(lb), lb, np.where(low < ub, low, -np.inf))
    upper = np.where(np.isfinite(ub), ub, np.where(high > lb, high, np.inf))
    return lower, upper


def analyze_bounds_quality(bounds: Bounds, p0: Any) -> dict[str, Any]:
    """What bounds (n,) say, beside a start (n,).

    ``bounded`` (n,): whether both are finite; ``decades`` (n,): log10 of the larger over the
    smaller size, inf where 0 lies between or a bound is missing; ``p0_inside`` (n,); ``unbounded``
    and ``p0_outside``: how many parameters are.

    Examples
    --------
    >>> found = analyze_bounds_quality(([0.1, -1], [10, np.inf]), [1, -2])
    >>> found["decades"].tolist(), found["p0_outside"], found["unbounded"]
    ([2.0, inf], 1, 1)
    """
    low, high = (np.array(b, float) for b in bounds)
    p0 = np.asarray(p0, float)
    bounded, inside = np.isfinite(low) & np.isfinite(high), (low <= p0) & (p0 <= high)
    one_sign = bounded & (low * high > 0)
    ends = np.sort(np.abs(np.where(one_sign, [low, high], 1.0)), axis=0)
    decades = np.where(one_sign, np.log10(ends[1] / ends[0]), np.inf)
    return {
        "bounded": bounded, "decades": decades, "p0_inside": inside,
        "unbounded": int((~bounded).sum()), "p0_outside": int((~inside).sum()),
    }  # fmt: skip
