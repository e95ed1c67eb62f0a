"""Where a fitted curve takes a given value: the x of a calibration curve, with its interval."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result import bands, derivatives, plotting, prediction, statistics
from nlsq.result.params import Quantity

if TYPE_CHECKING:
    from nlsq.result.fitted_curve import FittedCurve

_POINTS = 500  # of the grid on which crossings are looked for
_JUMP = 1e-6  # of the values beside a crossing is left of them at it
_PARTS = 32  # that a bracket is cut into, again and again
_GROWTH, _CHUNK, _STEPS = 1.2, 16, 160  # of the walk away from a solution, to the interval's ends


class Solution(Quantity):
    """An x at which a fitted curve has a given value, see `CurveFitResult.solve_for`.

    Attributes
    ----------
    value : float or ndarray (k,)
    stderr : float or ndarray (k,)
        By the delta method: that of y and of the curve, over the slope.
    """

    name = "x"

    def __init__(self, crossing: _Crossing, y: np.ndarray, value: np.ndarray):
        self._crossing, self._y = crossing, y
        self.value = value[()]

    @property
    def stderr(self) -> Any:
        """By the delta method: the error of y and of the curve, over the slope."""
        return self._each(lambda y, x: self._crossing.stderr(x))

    def interval(self, level: float = statistics.LEVEL) -> np.ndarray:
        """Lower and upper end (..., 2): all x around the solution whose band of this level holds y.

        For a straight line it is Fieller's interval. It need not be symmetric, and is infinite on
        a side where the band holds y for ever, as on the plateau of a saturation curve; it ends
        where the model ends.
        """
        return self._each(lambda y, x: self._crossing.ends(y, x, level))

    def _each(self, what: Callable) -> Any:
        pairs = zip(self._y.ravel(), np.ravel(self.value), strict=True)
        found = np.array([what(y, x) for y, x in pairs])
        return found.reshape(self._y.shape + found.shape[1:])[()]


def solve(
    fit: FittedCurve, y: Any, near: float | None, bracket: Any, replicates: float, sigma_new: Any
) -> Solution:
    """See `CurveFitResult.solve_for`."""
    given, y = y, np.asarray(y)
    if statistics.masked(given) or y.dtype.kind not in "biuf" or not np.isfinite(y).all():
        raise ValueError(f"solve_for takes finite real numbers for y, got {given}")
    replicates = _number(replicates, "replicates counts the measurements that y is the mean of")
    if not replicates >= 1:
        raise ValueError(
            f"replicates counts the measurements that y is the mean of, got {replicates:g}"
        )
    if near is not None:
        near = _number(near, what := "near is the x near which to look, one finite number")
        if not np.isfinite(near):
            raise ValueError(f"{what}, got {near:g}")
    noise = 0.0
    if replicates < np.inf:
        noise = prediction.noise_variance(fit, y, sigma_new) / replicates
    if np.ndim(noise):
        raise ValueError("sigma_new of solve_for is one number, of the new y")
    grid = _grid(_abscissae(fit), bracket)
    crossing = _Crossing(fit, grid, noise)
    found = [crossing.at(value, near) for value in y.astype(float).ravel()]
    return Solution(crossing, y.astype(float), np.array(found).reshape(y.shape))


def _number(value: Any, what: str) -> float:
    if not isinstance(value, str):
        try:
            return float(value)
        except (TypeError, ValueError):  # also of an array
            pass
    raise ValueError(f"{what}, got {value!r}")


def _abscissae(fit: FittedCurve) -> np.ndarray | None:
    """The x of the data; None where the fit has none.

    Raises
    ------
    ValueError
        When a point has no x that is one real number.
    """
    data = fit._data_to_look_at()
    if "xdata" not in data or "ydata" not in data:
        return None
    x = plotting.single_real_x(data)
    if x is None or np.ndim(data.xdata) != 1:
        raise ValueError(
            "solve_for reads curves over one real number x, given as an array (m,), with real y"
        )
    return x


def _grid(x: np.ndarray | None, bracket: Any) -> np.ndarray:
    """The x at which crossings are looked for: over the bracket, or over the data x."""
    if bracket is None:
        if x is None:
            raise ValueError(
                "this fit has no data for solve_for to look over: give bracket=(low, high)"
            )
        return plotting.grid_over(x, _POINTS)
    if np.shape(bracket) != (2,):
        raise ValueError(f"bracket is (low, high), two numbers; got {bracket}")
    low, high = (_number(b, "bracket is (low, high), two numbers") for b in bracket)
    if not -np.inf < low < high < np.inf:
        raise ValueError(f"bracket is (low, high), finite and in this order; got {bracket}")
    inside = np.array([low, high]) if x is None else x[(x > low) & (x < high)]
    return plotting.grid_over(np.unique(np.append(inside, [low, high])), _POINTS)


class _Crossing:
    """A fitted curve, and what is to be known of it where it has a value."""

    def __init__(self, fit: FittedCurve, grid: np.ndarray, noise: float):
        self._fit, self._grid, self._noise = fit, grid, noise
        self._variance = prediction.row_variance(fit)
        self._curve = self._at(grid)
        size = np.abs(self._curve[np.isfinite(self._curve)]).max(initial=0.0)
        if not np.allclose(
            self._at(grid[::2]), self._curve[::2], rtol=1e-8, atol=1e-9 * size, equal_nan=True
        ):
            raise ValueError(
                "solve_for needs a model whose value at a point depends on that x alone; this one "
                "gives others when it is asked for fewer points"
            )

    def _at(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # it may leave the domain
            values = np.broadcast_to(prediction.curve(self._fit, x), x.shape)
        if np.iscomplexobj(values):
            raise ValueError("solve_for needs a real curve; this one is complex")
        return values

    def at(self, y: float, near: float | None) -> float:
        """The x where the curve is y."""
        x, gap = self._grid, self._curve - y
        gap[np.abs(gap) <= 4 * np.finfo(float).eps * np.maximum(np.abs(y), np.abs(self._curve))] = 0
        roots = x[gap == 0].tolist()
        for i in np.flatnonzero(gap[:-1] * gap[1:] < 0):
            rising = gap[i] < 0
            root = _last(lambda t, up=rising: (self._at(t) < y) == up, x[i], x[i + 1])
            off = np.abs(self._at(np.array([root])) - y)[0]
            if off <= _JUMP * np.abs(gap[i : i + 2]).max():  # a pole has no y, nor has a jump
                roots.append(root)
        if not roots:
            raise ValueError(
                f"the fitted curve is nowhere {y:g} for x from {x[0]:g} to {x[-1]:g}, where "
                f"{self._range()}. Give bracket=(low, high) to look elsewhere"
            )
        if near is not None:
            return min(roots, key=lambda root: abs(root - near))
        if len(roots) > 1:
            listed = ", ".join(f"{root:g}" for root in sorted(roots)[:4])
            more = ", ..." if len(roots) > 4 else ""
            raise ValueError(
                f"the fitted curve is {y:g} at x = {listed}{more}. Give near= the one you mean, or "
                "bracket=(low, high) around it"
            )
        return roots[0]

    def _range(self) -> str:
        known = self._curve[np.isfinite(self._curve)]
        if not known.size:
            return "it has no values"
        return f"its values are {known.min():g} to {known.max():g}"

    def _half_widths(self, x: np.ndarray, t: float) -> np.ndarray:
        with np.errstate(all="ignore"):
            J = prediction.gradients(self._fit, x)
            return bands.half_widths(J, self._variance, t, self._noise)

    def stderr(self, x: float) -> float:
        """Of x, by the delta method."""
        span = float(self._grid[-1] - self._grid[0])
        slope = derivatives.difference(self._at, np.array([x]), 0, span)[0]
        error = self._half_widths(np.array([x]), 1.0)[0]
        return float(error / abs(slope)) if slope and error == error else np.inf

    def ends(self, y: float, x: float, level: float) -> tuple[float, float]:
        """Both ends of the interval about the solution x."""
        t = self._fit.quantile(level)
        stderr, span = self.stderr(x), float(self._grid[-1] - self._grid[0])
        step = min(span, t * stderr if np.isfinite(t * stderr) else span) / _PARTS
        step = max(step, 8 * np.finfo(float).eps * abs(x), 1e-12 * span)

        def holds(points: np.ndarray) -> np.ndarray:
            """Where the band holds y; not where the model has no value."""
            return np.abs(self._at(points) - y) <= self._half_widths(points, t)

        return _walk(holds, x, -step), _walk(holds, x, step)


def _walk(holds: Callable, x: float, step: float) -> float:
    """The end of the points around x that `holds`, in growing steps; infinite without one."""
    inner = x
    for first in range(1, _STEPS, _CHUNK):
        k = np.arange(first, first + _CHUNK)
        points = x + step * (_GROWTH**k - 1) / (_GROWTH - 1)
        inside = holds(points)
        if not inside.all():
            out = int(np.argmin(inside))
            return _last(holds, points[out - 1] if out else inner, points[out])
        inner = points[-1]
    return np.copysign(np.inf, step)


def _last(holds: Callable, inside: float, outside: float) -> float:
    """The last point from `inside`, where `holds` is true, towards `outside`, where it is not."""
    for _ in itertools.repeat(None, 14):  # 32**14 is more than numbers can tell apart
        points = np.linspace(inside, outside, _PARTS + 1)[1:]
        true = holds(points)
        out = int(np.argmin(true))
        if true[out]:  # of the last point, by rounding
            return float(points[-1])
        inside, outside = (points[out - 1] if out else inside), points[out]
    return float(inside)
