"""Statistics of a fit: pure functions of arrays, none of which knows a result object.

Symbols: N real residuals (a complex point counts twice), k free parameters, dof = N - k,
r the whitened residual (f - y) / sigma, chi2 = sum |r|^2. Nothing is invented when dof <= 0:
a quantity that divides by the degrees of freedom is nan, an uncertainty inf.

References: Bevington & Robinson, Data Reduction and Error Analysis, 3rd ed., ch. 6-7 and 11;
Burnham & Anderson, Model Selection and Multimodel Inference, 2nd ed., ch. 2 (AICc);
Seber & Wild, Nonlinear Regression, ch. 5.1 (bands).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from nlsq.result import quantiles

LEVEL = float("0.95")  # the default of confidence levels; not the constant that a caller writes
_BLOCK = 1 << 16  # points


def check_level(level: float) -> float:
    """Return the confidence level, or raise ValueError when it is not inside (0, 1)."""
    number = float(level)
    if not 0.0 < number < 1.0:
        raise ValueError(
            f"the confidence level is between 0 and 1 (level=0.95 is 95 %), not {level}"
        )
    return number


def level_of(level: float, alpha: float | None) -> float:
    """The confidence level of a call that knows `alpha` as another name of `level`.

    Raises
    ------
    ValueError
        When it is no level, or an `alpha` below 0.5, which elsewhere means 1 - level.
    TypeError
        When both are given.
    """
    if alpha is None:
        return check_level(level)
    if level is not LEVEL:  # the default is known by its identity: a 0.95 that is given is another
        raise TypeError("level and alpha are two names of one thing: give level alone")
    if check_level(alpha) < 0.5:
        raise ValueError(
            f"alpha is the confidence level here, and {alpha} is hardly one: say "
            f"level={1 - alpha:.12g}"
        )
    return float(alpha)


def quantile(level: float, dof: int, normal: bool) -> float:
    """Half-width in standard errors of a two-sided interval of a confidence level.

    Student's t with `dof` degrees of freedom, or the normal distribution (known noise). nan when
    t is asked for and there are no degrees of freedom.
    """
    level = check_level(level)
    if normal:
        return quantiles.normal(level)
    return quantiles.student(level, dof) if dof > 0 else math.nan


def standard_errors(pcov: np.ndarray) -> np.ndarray:
    """Square roots of the variances; inf stays inf, a negative variance (rounding) is nan."""
    variance = np.array(np.diag(pcov), dtype=float)
    variance[variance < 0] = np.nan
    return np.sqrt(variance)


def correlation(pcov: np.ndarray) -> np.ndarray:
    """Correlation matrix (n, n); nan where a variance is zero (fixed), infinite or nan."""
    pcov = np.asarray(pcov, dtype=float)
    stderr = standard_errors(pcov)
    usable = np.isfinite(stderr) & (stderr > 0)
    out = np.full(pcov.shape, np.nan)
    pick = np.ix_(usable, usable)
    # Divide twice: the product of two tiny standard errors may underflow.
    out[pick] = np.clip(pcov[pick] / stderr[usable, None] / stderr[usable], -1.0, 1.0)
    out[usable, usable] = 1.0
    return out


def intervals(x: np.ndarray, stderr: np.ndarray, t: np.ndarray | float) -> np.ndarray:
    """Intervals x -/+ t stderr, shape (..., 2); infinite where the error or t is not known.

    x, stderr, t: of shapes (...) that broadcast.
    """
    with np.errstate(invalid="ignore"):
        half = np.asarray(t * stderr)
        half = np.where(np.isfinite(half), half, np.inf)
        half = np.where(np.equal(stderr, 0), 0.0, half)  # fixed: no interval, whatever t
        return np.stack([x - half, x + half], axis=-1)


def real_parts(values: np.ndarray) -> np.ndarray:
    """Real numbers of an array: itself, or real and imaginary parts one after the other."""
    values = np.asarray(values)
    return np.concatenate([values.real, values.imag]) if np.iscomplexobj(values) else values


def weighted(sigma: np.ndarray | float | None) -> np.ndarray | None:
    """(m,) False for the points of weight 0, whose sigma is inf; None when there are none."""
    if np.ndim(sigma) != 1:
        return None
    finite = np.isfinite(sigma)
    return None if finite.all() else finite


def blocks(*arrays: np.ndarray) -> Iterator[Any]:
    """Parts of long arrays that stay in the cache: of one array its parts, of several tuples."""
    for first in range(0, len(arrays[0]), _BLOCK):
        parts = tuple(array[first : first + _BLOCK] for array in arrays)
        yield parts if len(parts) > 1 else parts[0]


def sum_of_squares(values: np.ndarray) -> float:
    """Sum of |values|^2."""
    parts = real_parts(values).ravel()
    return float(parts @ parts)


def total_sum_of_squares(y: np.ndarray, sigma: np.ndarray | float | None) -> float:
    """Weighted sum of squares of `y` about its weighted mean.

    Parameters
    ----------
    y : ndarray, shape (m,), real or complex
    sigma : None, scalar, (m,) or covariance (m, m)
        With a matrix S the mean is (1'S^-1 y)/(1'S^-1 1) and the sum (y-mean)'S^-1(y-mean).
    """
    y = np.asarray(y)
    if (counts := weighted(sigma)) is not None:
        y, sigma = y[counts], np.asarray(sigma)[counts]
    if sigma is None:
        if not y.size:
            return 0.0
        mean = y.mean(axis=0)
        return sum(sum_of_squares(part - mean) for part in blocks(y))
    ones = np.ones(len(y))
    if np.ndim(sigma) < 2:
        wy, w1 = y / sigma, ones / sigma
    else:
        from scipy.linalg import cholesky, solve_triangular

        lower = cholesky(np.asarray(sigma), lower=True)
        wy = solve_triangular(lower, y, lower=True)
        w1 = solve_triangular(lower, ones, lower=True)
    # Centre before subtracting: y may be a large constant with small variation.
    if not wy.size:
        return 0.0
    return sum_of_squares(wy - (w1 @ wy) / (w1 @ w1) * w1)


def r_squared(chi2: float, total: float) -> float:
    """1 - chi2 / total; nan for 0/0, -inf when only the data are constant."""
    if total == 0:
        return math.nan if chi2 == 0 else -math.inf
    return 1.0 - chi2 / total


def adjusted_r_squared(r2: float, n_points: int, dof: float, n_mean: int = 1) -> float:
    """1 - (1 - R^2) (N - n_mean) / dof, n_mean = 2 for complex data (two means).

    A model with fewer parameters than means has nothing to be corrected for: never above R^2.
    """
    return 1.0 - (1.0 - r2) * max(n_points - n_mean, dof) / dof if dof > 0 else math.nan


def aic(chi2: float, n_points: int, k: int) -> float:
    """Akaike's criterion N ln(chi2 / N) + 2 k, up to a constant of the data."""
    return _log_likelihood_term(chi2, n_points) + 2.0 * k


def aicc(chi2: float, n_points: int, k: int) -> float:
    """AIC with the small-sample correction 2k(k+1)/(N-k-1); inf when N <= k + 1."""
    spare = n_points - k - 1
    return aic(chi2, n_points, k) + 2.0 * k * (k + 1) / spare if spare > 0 else math.inf


def bic(chi2: float, n_points: int, k: int) -> float:
    """Schwarz's criterion N ln(chi2 / N) + k ln N, up to a constant of the data."""
    penalty = k * math.log(n_points) if n_points else math.nan
    return _log_likelihood_term(chi2, n_points) + penalty


def _log_likelihood_term(chi2: float, n_points: int) -> float:
    if not chi2 >= 0:
        return math.nan
    return n_points * math.log(chi2 / n_points) if chi2 > 0 else -math.inf
