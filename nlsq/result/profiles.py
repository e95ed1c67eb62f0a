"""Profile intervals: how far a parameter can go while the others, fitted again, still explain y.

With chi2(t) the least chi-square with the parameter held at t, the interval holds all t with
chi2(t) - chi2 <= q^2 s^2, where q is the quantile of `CurveFitResult.quantile` and s^2 the variance
of a residual. It needs no straight lines: for a linear model it is the interval of the standard
error, for a bent one it is lopsided as the data are (D. M. Bates, D. G. Watts, "Nonlinear
Regression Analysis and Its Applications", 1988, chapter 6.1).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.one_sided import chi_square
from nlsq.result import diagnosing

if TYPE_CHECKING:
    from nlsq.result.fitted_curve import FittedCurve

_FARTHEST = 2.0**20  # half-widths of the plain interval, after which there is no end
_EXACT = 1e-7  # of the quantile, to which an end is found
_FLAT = 1e-8  # of the noise: a chi-square that the others cannot lower by more is the least
_ROUNDING = 1e-13  # of chi-square
_ILL = 1e-9  # of the largest eigenvalue of J^T J
_STEPS, _TRIES = 60, 60  # of the others at one place; places on one side


@dataclasses.dataclass(frozen=True)
class Profile:
    """The interval of one parameter.

    Attributes
    ----------
    name : str
    low, high : float
        Infinite where chi-square never rises enough; nan where the fit was not the best.
    note : str
        Why an end is where it is, if the data alone do not say it.
    """

    name: str
    low: float
    high: float
    note: str = ""


class _Better(Exception):
    """The others found a lower chi-square than the fit had."""


def profiles(
    result: FittedCurve, level: float, watch: Callable[[], None] = lambda: None
) -> Iterator[Profile]:
    """The intervals of all parameters, one after the other.

    Parameters
    ----------
    watch : callable
        Called at each evaluation of the model; what it raises ends the search.

    Raises
    ------
    ValueError
        When the fit has a robust loss, or neither data and model nor degrees of freedom are known.
    """
    if result.get("model") is None:
        raise ValueError("profile intervals fit the model again, which is not here: see attach")
    evidence, _ = diagnosing.evidence_of(result)
    if not evidence.plain:
        raise ValueError("profile intervals are for the linear loss: a robust one has no χ²")
    if not evidence.has_model:
        raise ValueError("profile intervals need every residual, and the data are not here")
    reach = result.quantile(level)
    if not (math.isfinite(reach) and 0 < evidence.noise < math.inf):
        raise ValueError("profile intervals need residuals to measure the noise with")
    for place, name in enumerate(evidence.names):
        value = float(evidence.values[place])
        if not evidence.free[place]:
            yield Profile(name, value, value, "fixed")
            continue
        try:
            (low, below), (high, above) = (
                _Side(evidence, place, side, reach, watch).end() for side in (-1, 1)
            )
        except _Better as found:
            note = f"χ² is lower at {name} = {found.args[0]:.6g}: fit again from there"
            yield Profile(name, math.nan, math.nan, note)
        else:
            yield Profile(name, low, high, "; ".join(filter(None, (below, above))))


class _Side:
    """The search for one end."""

    def __init__(
        self, evidence: Evidence, place: int, side: int, reach: float, watch: Callable[[], None]
    ):
        self._evidence, self._place, self._side = evidence, place, side
        self._reach, self._watch = reach, watch
        self._value = float(evidence.values[place])
        self._least = chi_square(evidence, evidence.values)
        lower, upper = evidence.bounds or (-np.inf, np.inf)
        self._lower, self._upper = lower + 0 * evidence.values, upper + 0 * evidence.values
        self._bound = float((self._lower, self._upper)[side > 0][place])
        self._stop = f"stops at its {'upper' if side > 0 else 'lower'} bound"
        self._others = evidence.free.copy()
        self._others[place] = False
        error = float(evidence.errors[place])
        usable = math.isfinite(error) and error > 0
        self._width = reach * error if usable else abs(self._value) or 1.0

    def end(self) -> tuple[float, str]:
        """Where the rise of chi-square is the quantile's, and a note."""
        if self._value == self._bound:
            return self._bound, self._stop
        inner = (self._value, 0.0, np.array(self._evidence.values, float))
        before, distance = inner, self._width
        while True:
            at = self._value + self._side * distance
            held = self._side * (at - self._bound) >= 0
            outer = self._at(self._bound if held else at, inner, before)
            if self._is_end(outer):
                return outer[0], ""
            if outer[1] > self._reach:
                return self._between(inner, outer), ""
            if held:
                return self._bound, self._stop
            if distance > _FARTHEST * self._width:
                return self._side * math.inf, "no end " + ("above" if self._side > 0 else "below")
            before, inner = inner, outer
            grown = self._reach / outer[1] if outer[1] > 0 else math.inf
            distance *= min(max(1.1 * grown, 1.2), 4.0)

    def _between(self, inner: tuple, outer: tuple) -> float:
        """Regula falsi on the root of the rise, which is nearly straight; else halves."""
        weights = [1.0, 1.0]
        for turn in range(_TRIES):
            a, b = weights[0] * (inner[1] - self._reach), weights[1] * (outer[1] - self._reach)
            straight = math.isfinite(b) and turn % 4 < 3
            share = -a / (b - a) if straight else 0.5
            at = inner[0] + share * (outer[0] - inner[0])
            if at in (inner[0], outer[0]):
                break
            middle = self._at(at, inner, inner)
            if self._is_end(middle):
                return middle[0]
            if middle[1] < self._reach:
                inner, weights = middle, [1.0, weights[1] / 2]
            else:
                outer, weights = middle, [weights[0] / 2, 1.0]
        return inner[0]  # chi-square jumps here

    def _is_end(self, place: tuple) -> bool:
        return abs(place[1] - self._reach) <= _EXACT * self._reach

    def _at(self, at: float, near: tuple, before: tuple) -> tuple[float, float, np.ndarray]:
        """The place, the root of the rise in standard errors, and all parameters there."""
        gone = near[0] - before[0]
        p = near[2] + ((near[2] - before[2]) * ((at - near[0]) / gone) if gone else 0.0)
        p = np.clip(p, self._lower, self._upper)
        p[self._place] = at
        if gone and not chi_square(self._evidence, p) < math.inf:
            p = near[2].copy()
            p[self._place] = at
        p, square = self._others_fitted(p)
        rise = (square - self._least) / self._evidence.noise
        if rise < -1e-3:
            raise _Better(at)
        return at, math.sqrt(max(rise, 0.0)), p

    def _others_fitted(self, p: np.ndarray) -> tuple[np.ndarray, float]:
        """Levenberg and Marquardt's steps of the others, inside their bounds."""
        square, damping = chi_square(self._evidence, p), 0.0
        for _ in range(_STEPS):
            self._watch()
            if not math.isfinite(square):
                break
            trial, gain = self._step(p, damping)
            if gain <= _FLAT * self._evidence.noise + _ROUNDING * square:
                break
            new = chi_square(self._evidence, trial)
            if new < square:
                p, square, damping = trial, new, damping / 10 if damping > 1e-6 else 0.0
            elif damping > 1e8:
                break
            else:
                damping = max(10 * damping, 1e-3)
        return p, square

    def _step(self, p: np.ndarray, damping: float) -> tuple[np.ndarray, float]:
        """Where the others go, and by how much chi-square falls if all is straight."""
        with np.errstate(all="ignore"):
            J, r = self._evidence.jacobian_at(p), self._evidence.residual_at(p)
        downhill = J.T @ r
        stuck = ((p <= self._lower) & (downhill > 0)) | ((p >= self._upper) & (downhill < 0))
        moving = self._others & ~stuck
        if not np.isfinite(J).all() or not moving.any():
            return p, 0.0
        lengths = np.linalg.norm(J[:, moving], axis=0)
        lengths[lengths == 0] = 1.0
        w, rows, seen = _directions(J[:, moving] / lengths, r)
        kept = (w > 1e-12 * w.max(initial=0.0)) & (w * w > 0)
        gain = np.where(kept, w / np.where(kept, w * w + damping, 1.0), 0.0)
        trial = p.copy()
        trial[moving] -= (rows.T @ (gain * seen)) / lengths
        return np.clip(trial, self._lower, self._upper), float(seen[kept] @ seen[kept])


def _directions(J: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Singular values and right vectors (rows) of J, and r along its left vectors.

    Of J^T J, which is a tenth of the work, where that costs no digit that a step needs.
    """
    squares, V = np.linalg.eigh(J.T @ J)
    if squares[0] > _ILL * squares[-1]:
        w = np.sqrt(squares)
        return w, V.T, V.T @ (J.T @ r) / w
    U, w, VT = np.linalg.svd(J, full_matrices=False)
    return w, VT, U.T @ r
