r"""Where each parameter is drawn: from its bounds, and from what it is measured in.

A parameter of the unit prod_i X_i^{d_i} Y^e (see `units`) is of the size that lengths of the data
make: X from the distance of neighbouring points to three times the span, Y from a tenth of the
spread of y to three times its largest value. Within that its logarithm is uniform; a fifth of the
draws goes two decades beyond, but not to what is shorter than the steps of x, where frequencies
have aliases. Some have the other sign. Places are uniform on x. What nothing
is known of is log-uniform between 1e-3 and 1e3, in the units of x or 1/x.

A box outranks nothing, it cuts: half of the draws come from the box alone, log-uniform where it
spans decades, the others from the scales of the data within it. Where the data oscillate, half of
the rates are frequencies of their spectrum. `vary` draws near ends that were found: some parameters
anew, the others as they are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np

from nlsq.core.drive.tries import ROUNDED
from nlsq.global_optimization.landmarks import spectrum, summits
from nlsq.global_optimization.problem import Problem
from nlsq.global_optimization.projecting import project
from nlsq.precision.units import Axis, Units, heights, inside, products

_WIDE = 1e3  # half a box, in the largest that is likely, from which on it says little
_DECADES = 100.0  # ratio of two positive bounds from which on logarithms are drawn
_NEGATIVE = 0.12  # of the draws, where the sign is open
_TAIL = 0.2  # of the draws, that leave the core
_BEYOND = math.log(1e2)  # how far they go
_ALIKE = 1e-3  # difference of two curves, as a share of their range, that is none


class Ranges:
    """Intervals of all parameters of a problem, to be drawn from.

    Parameters
    ----------
    problem : Problem
    units : Units
    width : float
        Factor on what is drawn around a center.

    Attributes
    ----------
    drawn : ndarray of int
        The parameters that are drawn: free and not linear.
    """

    def __init__(self, problem: Problem, units: Units):
        self.problem, self.units = problem, units
        self.drawn = np.setdiff1d(np.flatnonzero(problem.free), units.linear)
        n, x, m = problem.n, problem.x, problem.whole.data.y.size
        self._axes = [] if x is None else [Axis(a, m) for a in np.atleast_2d(x)]
        self._y = heights(problem.data.counted(problem.data.y))
        self._low, self._high = np.full(n, math.log(1e-3)), np.full(n, math.log(1e3))
        self._kind = np.full(n, "size", object)
        self._tails = np.full((n, 2), _TAIL / 2)
        for j in range(n):
            self._measure(j)
        self._spectrum = spectrum(problem, self._axes)
        self._places = [j for j in self.drawn if units.location[j] >= 0]
        self._widths = [j for j in self.drawn if self._is_width(j)] if self._places else []
        self._summits = summits(problem, self._axes) if self._places else None

    def _measure(self, j: int) -> None:
        """The core of parameter j: of its logarithm, or of itself."""
        units = self.units
        if (at := units.location[j]) >= 0:
            axis = self._axes[at]
            margin = 0.05 * (axis.last - axis.first)
            self._kind[j] = "place"
            self._low[j], self._high[j] = axis.first - margin, axis.last + margin
        elif self._axes and units.logarithm[j].any():
            self._kind[j] = "place"
            self._low[j], self._high[j] = products(units.logarithm[j], 0.0, self._axes, self._y)
        elif self._axes and np.isfinite(units.length[j]).all():
            low, high = products(units.length[j], units.height[j], self._axes, self._y)
            if low == high:  # a number
                low, high = math.log(0.1), math.log(10.0)
            elif len(self._axes) == 1:  # the data show nothing of lengths below their steps
                self._tails[j] = (_TAIL, 0.0) if units.length[j, 0] < 0 else (0.0, _TAIL)
            self._low[j], self._high[j] = low, high
        elif self._axes:  # unknown: lengths and rates
            reach = max(abs(self._axes[0].low), abs(self._axes[0].high), math.log(1e3))
            self._low[j], self._high[j] = -reach, reach

    # ---------------------------------------------------------------------------------- draws

    def draw(self, cube: np.ndarray, rng: np.random.Generator, first: int = 0) -> np.ndarray:
        """Starts (k, n), for points (k, len(drawn)) of the unit cube.

        first: place of the first of them among all, of which every second one comes from the box.
        """
        problem, k = self.problem, len(cube)
        P = np.tile(problem.p0, (k, 1))
        linear = self.units.linear
        P[:, linear] = np.where(problem.free[linear], 1.0, problem.p0[linear])
        boxed = np.isfinite(problem.lb) & np.isfinite(problem.ub)
        by_box = (first + np.arange(k)) % 2 == 1
        for column, j in enumerate(self.drawn):
            P[:, j] = self._by_scale(j, cube[:, column])
            if boxed[j]:
                P[by_box, j] = _by_box(cube[by_box, column], problem.lb[j], problem.ub[j])
        by_data = ~by_box if boxed.any() else np.ones(k, bool)
        self._oscillate(P, rng, by_data)
        self._peak(P, rng, by_data)
        if not problem.in_columns:
            P = np.where(self._may_explode(P), -P, P)
        free = np.isin(np.arange(problem.n), self.drawn)
        return np.where(free, inside(P, problem.lb, problem.ub, rng), P)

    def _may_explode(self, P: np.ndarray) -> np.ndarray:
        """(k, n) where a sign that needs not be may make an integrator run for ever."""
        return (P < 0) & (self._kind == "size") & (self.problem.ub > 0)

    def _by_scale(self, j: int, u: np.ndarray) -> np.ndarray:
        lb, ub = self.problem.lb[j], self.problem.ub[j]
        low, high = self._low[j], self._high[j]
        if self._kind[j] == "place":
            width = high - low
            if lb < high and ub > low:
                low, high = max(low, lb), min(high, ub)
            tail = u < 0.1
            far = low - width + u / 0.1 * (high - low + 2 * width)
            return np.where(tail, far, low + (u - 0.1) / 0.9 * (high - low))
        negative = 0.0 if lb >= 0 else 1.0 if ub <= 0 else _NEGATIVE
        sign = np.where(u < negative, -1.0, 1.0)
        rest = (u - negative) / max(1 - negative, 1e-9)
        v = np.where(u < negative, u / max(negative, 1e-9), rest)
        if negative in (0.0, 1.0):  # the core where the bounds allow it
            ends = sorted(np.abs([e for e in (lb, ub) if np.isfinite(e) and e]))
            top = ends[-1] if ends and np.isfinite(lb) and np.isfinite(ub) else np.inf
            bottom = ends[0] if len(ends) == 2 or (ends and top == np.inf) else 0.0
            if bottom < math.exp(high) and top > math.exp(low):
                low = max(low, math.log(bottom)) if bottom > 0 else low
                high = min(high, math.log(top)) if top < np.inf else high
        below, above = self._tails[j]
        size = low + (v - below) / (1 - below - above) * (high - low)
        size = np.where(v < below, low - _BEYOND * (1 - v / max(below, 1e-9)), size)
        size = np.where(v > 1 - above, high + _BEYOND * (v - 1 + above) / max(above, 1e-9), size)
        return sign * np.exp(size)

    def _oscillate(self, P: np.ndarray, rng: np.random.Generator, which: np.ndarray) -> None:
        """Put frequencies of the data's spectrum in the place of half of the rates."""
        if self._spectrum is None:
            return
        lines, weights = self._spectrum
        for j in self.drawn:
            if self._kind[j] == "place" or abs(self.units.length[j][0]) != 1:
                continue
            chosen = which & (rng.random(len(P)) < 0.5)
            line = rng.choice(lines, len(P), p=weights) * (1 + 0.02 * rng.standard_normal(len(P)))
            line = np.where(rng.random(len(P)) < 0.5, line, line / (2 * np.pi))
            P[chosen, j] = (line if self.units.length[j][0] < 0 else 1 / line)[chosen]

    def _is_width(self, j: int) -> bool:
        """Whether a parameter is the length of something that has a place."""
        one = len(self._axes) == 1 and self.units.location[j] < 0
        return one and bool(self.units.length[j, 0] == 1) and not self.units.height[j]

    def _peak(self, P: np.ndarray, rng: np.random.Generator, which: np.ndarray) -> None:
        """Put summits of the data in the place of half of the places, and make widths alike."""
        if self._summits is None:
            return
        places, weights = self._summits
        k, many = len(P), len(self._places)
        keys = -np.log(rng.random((k, places.size))) / weights  # drawn without replacement
        order = np.argsort(keys, axis=1)[:, :many]
        chosen = which[:, None] & (rng.random((k, order.shape[1])) < rng.choice([0.6, 1.0], (k, 1)))
        columns = np.array(self._places)[rng.permuted(np.tile(np.arange(many), (k, 1)), axis=1)]
        columns = columns[:, : order.shape[1]]
        row, column = np.nonzero(chosen)
        P[row, columns[row, column]] = places[order[row, column]]
        if not self._widths:
            return
        low, high = self._low[self._widths[0]], self._high[self._widths[0]] - math.log(10.0)
        width = np.exp(rng.uniform(low, max(low, high), (k, 1)))
        alike = width * np.exp(0.3 * rng.standard_normal((k, len(self._widths))))
        same = which & (rng.random(k) < 0.7)
        P[np.ix_(same, self._widths)] = alike[same]

    def around(self, cube: np.ndarray, center: np.ndarray, factor: float) -> np.ndarray:
        """Starts (k, n) around a center, `factor` boxes or scales wide.

        A box far wider than all that is likely says little: half of the starts go by the scale.
        """
        problem = self.problem
        P, half = np.tile(center, (len(cube), 1)), np.arange(len(cube)) % 2 == 1
        for column, j in enumerate(self.drawn):
            u, lb, ub = 2 * cube[:, column] - 1, problem.lb[j], problem.ub[j]
            if self._kind[j] == "place":
                size = self._high[j] - self._low[j]
                P[:, j] = center[j] + 0.5 * u * factor * size
            else:
                size = math.exp(self._high[j])
                if center[j] == 0:
                    P[:, j] = u * factor * math.exp(0.5 * (self._low[j] + self._high[j]))
                else:
                    P[:, j] = center[j] * np.exp(u * factor * math.log(10.0))
            if np.isfinite(lb) and np.isfinite(ub):
                width = 0.5 * ub - 0.5 * lb
                rows = half if width > _WIDE * max(size, abs(center[j])) else slice(None)
                P[rows, j] = center[j] + u[rows] * width * factor
        return np.clip(P, problem.lb, problem.ub)

    def aliases(self, P: np.ndarray, cost: np.ndarray) -> np.ndarray:
        """(k,) True for ends whose curve is the best one's at the data and another between them.

        Points in even steps cannot tell a frequency from those above that have the same values
        there; the lowest stays.
        """
        problem, found = self.problem, np.zeros(len(P), bool)
        if len(self._axes) != 1:
            return found
        rates = [
            j for j in self.drawn if self._kind[j] == "size" and abs(self.units.length[j, 0]) == 1
        ]
        least = cost.min(initial=np.inf)
        tied = np.flatnonzero(cost <= problem.tolerance(least))
        if not rates or tied.size < 2:
            return found
        with np.errstate(all="ignore"):
            speed = np.abs(P[np.ix_(tied, rates)]) ** -self.units.length[rates, 0]
        lowest = np.argmin(speed.sum(axis=1))
        at, between = problem.values(P[tied]), problem.values(P[tied], _between(problem.x))
        size = np.ptp(at[lowest].real)
        same = np.abs(at - at[lowest]).max(axis=1) <= _ALIKE * size
        found[tied] = same & ~(np.abs(between - between[lowest]).max(axis=1) <= 10 * _ALIKE * size)
        return found

    def plain(self, P: np.ndarray, cost: np.ndarray, costs: Callable | None = None) -> np.ndarray:
        """P (k, n) with signs, and turns of phases, left out where the costs are the same.

        costs: (P (j, n), which of the k they are) -> (j,), where each has data of its own.
        """
        P, rounding = P.copy(), 0.0 if costs else ROUNDED * self.problem.data.spread()
        for j in self.drawn:
            other = P.copy()
            if self._kind[j] == "size":
                other[:, j] = np.abs(other[:, j])
            if self._is_number(j):
                other[:, j] = np.where(np.abs(P[:, j]) > np.pi, _turned(P[:, j]), other[:, j])
            new = np.flatnonzero(other[:, j] != P[:, j])
            if not new.size:
                continue
            inside = (self.problem.lb <= other[new]).all(1) & (other[new] <= self.problem.ub).all(1)
            found = costs(other[new], new) if costs else self.problem.costs(other[new])
            with np.errstate(invalid="ignore"):  # inf less inf
                same = np.abs(found - cost[new]) <= 1e-9 * cost[new] + rounding
            P[new[inside & same]] = other[new[inside & same]]
        return P

    def upright(self, P: np.ndarray, cost: np.ndarray) -> np.ndarray:
        """P (k, n) with positive rates and heights, where that only asks for another phase.

        a sin(w x + p) is also -a sin(-w x - p) and -a sin(w x + p + pi).
        """
        numbers, linear = [j for j in self.drawn if self._is_number(j)], self.units.linear
        P = P.copy()
        for j, i in itertools.product(np.flatnonzero(self._kind == "size"), numbers):
            other = P.copy()
            other[:, [j, i]] *= -1
            self._take(P, other, cost, P[:, j] < 0)
        for i in numbers if linear.size else ():
            other = P.copy()
            other[:, i] = _turned(other[:, i] + np.pi)
            self._take(P, other, cost, (P[:, linear] < 0).any(axis=1))
        return P

    def _take(self, P: np.ndarray, other: np.ndarray, cost: np.ndarray, which: np.ndarray) -> None:
        """Put what is no worse and has fewer signs in the place of rows of P."""
        problem, linear = self.problem, self.units.linear
        rows = np.flatnonzero(which)
        if not rows.size:
            return
        new, found = project(problem, linear, other[rows])
        signs = (new < 0)[:, linear].sum(axis=1) <= (P[rows] < 0)[:, linear].sum(axis=1)
        inside = (problem.lb <= new).all(axis=1) & (new <= problem.ub).all(axis=1)
        fewer = (new < 0).sum(axis=1) < (P[rows] < 0).sum(axis=1)
        same = found <= cost[rows] * (1 + 1e-9) + ROUNDED * problem.data.spread()
        taken = signs & inside & fewer & same
        P[rows[taken]] = new[taken]

    def _is_number(self, j: int) -> bool:
        return bool(self._axes) and bool((self.units.length[j] == 0).all())

    def vary(self, ends: np.ndarray, fresh: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Starts from `fresh` ones (k, n) that are partly like one of the ends (e, n).

        A model of like parts (peaks, oscillations) keeps some of its parts whole. New places are
        where the end's residuals are largest, for half of the starts.
        """
        k = len(fresh)
        which = rng.integers(len(ends), size=k)
        period = self._period()
        parts = len(self.drawn) // period
        kept = rng.random((k, parts)) < rng.uniform(0.3, 0.9, (k, 1))
        if parts > 1:  # one of them is new, at least
            kept[np.arange(k), rng.integers(parts, size=k)] = False
        kept = np.repeat(kept, period, axis=1)
        near = ends[which][:, self.drawn]
        width = np.where(self._kind == "place", self._high - self._low, np.inf)[self.drawn]
        near = near + np.clip(near, -width, width) * np.expm1(0.1 * rng.standard_normal(kept.shape))
        P = fresh.copy()
        if self._summits is not None:
            self._place(P, ends, which, rng)
        P[:, self.drawn] = np.where(kept, near, P[:, self.drawn])
        return np.clip(P, self.problem.lb, self.problem.ub)

    def _period(self) -> int:
        """How many drawn parameters a part has, of the like parts that the model is made of."""
        kinds = [(self._kind[j], tuple(self.units.length[j])) for j in self.drawn]
        size = len(kinds)
        return next(
            (
                r for r in range(1, size // 2 + 1)
                if size % r == 0 and all(a == b for a, b in zip(kinds, kinds[r:], strict=False))
            ), 1,
        )  # fmt: skip

    def _place(self, P: np.ndarray, ends: np.ndarray, which, rng: np.random.Generator) -> None:
        """Put places of half of the starts where the residuals of their end are largest."""
        data = self.problem.data
        for i, curve in enumerate(self.problem.values(ends)):
            found = summits(self.problem, self._axes, data.y - curve)
            rows = np.flatnonzero((which == i) & (rng.random(len(P)) < 0.5))
            if found is not None and rows.size:
                drawn = rng.choice(found[0], (rows.size, len(self._places)), p=found[1])
                P[np.ix_(rows, self._places)] = drawn


def _between(x: np.ndarray) -> np.ndarray:
    """Places between neighbouring points, of the same number.

    At the golden section, since an alias may also have the curve's values halfway.
    """
    flat = np.ravel(x)
    order = np.argsort(flat, kind="stable")
    between = flat.copy()
    between[order[:-1]] += 0.381966 * (flat[order[1:]] - flat[order[:-1]])
    return between.reshape(x.shape)


def _turned(phase: np.ndarray) -> np.ndarray:
    """The same angle in [-pi, pi)."""
    return (phase + np.pi) % (2 * np.pi) - np.pi


def _by_box(u: np.ndarray, lb: float, ub: float) -> np.ndarray:
    """Points of an interval, log-uniform where its ends are decades apart."""
    for sign, low, high in ((1, lb, ub), (-1, -ub, -lb)):
        if low > 0 and high >= _DECADES * low:
            return sign * np.exp((1 - u) * math.log(low) + u * math.log(high))
    return (1 - u) * lb + u * ub
