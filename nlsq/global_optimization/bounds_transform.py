"""Coordinates without units and without bounds, in which candidates are drawn.

Between finite bounds a sigmoid maps the whole line onto the open interval, so that no candidate is
ever outside and none has to be repaired. Where a bound is missing the range in which the parameter
is expected sets the scale, and nothing ends at its border.
"""

from __future__ import annotations

import math

import numpy as np

_DECADES = 30.0  # ratio of what is likely for a parameter from which on logarithms are searched
_HUGE = 1e3  # bounds further apart, in ranges of what is likely, are not searched evenly
_INSIDE = 1e-3  # of the range: how far inside a start is put that stands on a bound
_ON_BOUND = 1e-9  # of the range: what stands on a bound
_FAR = 1e6  # coordinate of a start beyond all that is likely
_LARGEST = 709.0  # exponent whose exponential is finite


def compute_default_popsize(n_params: int) -> int:
    """Candidates of a generation where nothing is said: 4 + ⌊3 ln n⌋ (Tutorial, table 1).

    Examples
    --------
    >>> compute_default_popsize(3), compute_default_popsize(10)
    (7, 10)
    """
    return 4 + int(3 * math.log(max(n_params, 1)))


def transform_to_bounds(
    x_unbounded: np.ndarray, lower_bounds: np.ndarray, upper_bounds: np.ndarray
) -> np.ndarray:
    """Map any real numbers between finite bounds: lb + (ub - lb) / (1 + exp(-x)).

    Parameters
    ----------
    x_unbounded : array_like, shape (..., n)
    lower_bounds, upper_bounds : array_like, shape (n,)

    Returns
    -------
    ndarray, shape (..., n)
        Never outside of the bounds, also by rounding.

    Examples
    --------
    >>> transform_to_bounds([0.0, 800.0, -800.0], 1.0, 3.0)
    array([2., 3., 1.])
    """
    lb, ub = np.asarray(lower_bounds, dtype=float), np.asarray(upper_bounds, dtype=float)
    part = 0.5 + 0.5 * np.tanh(0.5 * np.asarray(x_unbounded, dtype=float))
    return np.clip(lb * (1 - part) + ub * part, lb, ub)


def transform_from_bounds(
    x_bounded: np.ndarray,
    lower_bounds: np.ndarray,
    upper_bounds: np.ndarray,
    epsilon: float = 1e-8,
) -> np.ndarray:
    """Inverse of `transform_to_bounds`.

    Parameters
    ----------
    x_bounded : array_like, shape (..., n)
    lower_bounds, upper_bounds : array_like, shape (n,)
    epsilon : float
        What is nearer to a bound than this part of the range counts as that far inside, since the
        bounds themselves lie at infinity.

    Returns
    -------
    ndarray, shape (..., n)

    Examples
    --------
    >>> transform_from_bounds([2.0, 1.5], 1.0, 3.0).round(6)
    array([ 0.      , -1.098612])
    """
    lb, ub = np.asarray(lower_bounds, dtype=float), np.asarray(upper_bounds, dtype=float)
    half = np.where(ub > lb, 0.5 * ub - 0.5 * lb, 0.5)  # the whole may overflow
    part = (0.5 * np.asarray(x_bounded, dtype=float) - 0.5 * lb) / half
    part = np.clip(part, epsilon, 1 - epsilon)
    return np.log(part) - np.log1p(-part)


class Coordinates:
    """Some parameters of a problem as numbers of size 1, near 0 where a parameter is likely.

    The likely values, draws from where each parameter may lie, say how it is searched. One of which
    they span decades goes by its logarithm, or where its sign is open by asinh; others as they are.
    Finite bounds are closed by a sigmoid, and where one is missing nothing ends at its border.

    Parameters
    ----------
    lb, ub : array_like, shape (d,)
        Bounds, which may be infinite.
    likely : array_like, shape (k, d)
        Draws.

    Examples
    --------
    >>> import numpy as np
    >>> draws = np.geomspace([1.0, 1e-4], [1.5, 1e4], 51)
    >>> where = Coordinates([0, 0], [2, np.inf], draws)
    >>> where.to_parameters(np.zeros((1, 2))).round(6)
    array([[1., 1.]])
    >>> where.from_parameters([1.0, 1.0]).round(6) + 0.0
    array([0., 0.])
    """

    def __init__(self, lb, ub, likely):
        self._lb, self._ub = np.asarray(lb, dtype=float), np.asarray(ub, dtype=float)
        likely = np.asarray(likely, dtype=float)
        size = np.abs(likely)
        least = size.min(axis=0, where=size > 0, initial=np.inf)
        size = np.where(
            size > 0, size, np.where(least < np.inf, least, 1.0)
        )  # some on a bound of 0
        low, high = np.exp(np.quantile(np.log(size), [0.1, 0.9], axis=0))
        with np.errstate(over="ignore"):
            box, span = self._ub - self._lb, np.ptp(likely, axis=0)
            both = np.isfinite(self._lb) & np.isfinite(self._ub)  # though the box may overflow
            wide = (high > _DECADES * low) | (both & (box > _HUGE * span))
        positive = self._lb >= 0
        self._log, self._sinh = wide & positive, wide & ~positive
        self._scale = np.where(self._sinh, low, 1.0)
        self._warped = bool(wide.any())
        flat = self._flat(np.where(self._log, size, likely))
        ends = np.quantile(flat, [0.05, 0.95], axis=0)
        bounds = self._flat(np.stack([self._lb, self._ub]))
        self._closed = np.isfinite(bounds).all(axis=0)
        low, high = np.where(self._closed, bounds, ends)
        self._middle, self._half = 0.5 * low + 0.5 * high, 0.5 * high - 0.5 * low
        self._half[self._half == 0] = 1.0

    def _flat(self, x: np.ndarray) -> np.ndarray:
        if not self._warped:
            return x
        with np.errstate(divide="ignore", over="ignore"):
            log = np.log(np.where(self._log, x, 1.0))
            return np.where(self._log, log, np.where(self._sinh, _arcsinh(x, self._scale), x))

    def to_parameters(self, U: np.ndarray) -> np.ndarray:
        """Parameters (k, d) within the bounds, of coordinates (k, d)."""
        half = 0.5 * U
        x = self._middle + self._half * np.where(self._closed, np.tanh(half), half)
        if self._warped:
            safe = np.clip(x, -_LARGEST, _LARGEST)
            with np.errstate(over="ignore"):
                grown = np.where(self._log, np.exp(safe), self._scale * np.sinh(safe))
            x = np.where(self._log | self._sinh, grown, x)
        return np.minimum(np.maximum(x, self._lb), self._ub)

    def from_parameters(self, p: np.ndarray) -> np.ndarray:
        """Coordinates (d,) of parameters (d,); what stands on a bound goes a little inside."""
        near = np.exp(np.where(self._log, self._middle - self._half, 0.0))
        p = np.where(self._log & (np.asarray(p) <= 0), near, p)
        part = (self._flat(p) - self._middle) / self._half
        limit = np.where(np.abs(part) < 1 - _ON_BOUND, 1 - _ON_BOUND, 1 - _INSIDE)
        closed = 2 * np.arctanh(np.clip(part, -limit, limit))
        return np.where(self._closed, closed, np.clip(2 * part, -_FAR, _FAR))


def _arcsinh(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """arcsinh(x / scale), also where the ratio overflows."""
    ratio, size = x / scale, np.abs(x)
    large = np.log(np.where(size > 0, size, 1.0)) + math.log(2.0) - np.log(scale)
    return np.where(np.isfinite(ratio) | np.isinf(x), np.arcsinh(ratio), np.sign(x) * large)
