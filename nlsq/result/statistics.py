"""Statistics of a fit: pure functions of arrays, none of which knows a result object.

Symbols: N real residuals (a complex point counts twice), k free parameters, dof = N - k,
r the whitened residual (f - y) / sigma, chi2 = sum |r|^2. Nothing is invented when dof <= 0:
a quantity that divides by the degrees of freedom is nan, an uncertainty inf.

References: Bevington & Robinson, Data Reduction and Error Analysis, 3rd ed., ch. 6-7 and 11;
Burnham & Anderson, Model Selection and Multimodel Inference, 2nd ed., ch. 2 (AICc);
Seber & Wild, Nonlinear Regression, ch. 5.1 (bands).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from nlsq.result import quantiles

LEVEL = float("0.95")  # the default of confidence levels; not the constant that a caller writes
_BLOCK = 1 << 16  # points


def check_level(level: float) -> float:
    """Return the confidence level, or raise ValueError when it is not inside (0, 1)."""
    try:
        number = math.nan if isinstance(level, str) else float(level)
    except (TypeError, ValueError):  # also of an array
        number = math.nan
    if not 0.0 < number < 1.0:
        raise ValueError(
            f"the confidence level is between 0 and 1 (level=0.95 is 95 %), not {level!r}"
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


def whitening(sigma: np.ndarray | float | None) -> Callable[[np.ndarray], np.ndarray]:
    """Division of differences (m,) or rows (m, n) by sigma: None, scalar, (m,) or (m, m)."""
    if sigma is None:
        return lambda values: values
    sigma = np.asarray(sigma, float)
    if sigma.ndim < 2:
        return lambda values: (values.T / sigma).T
    from scipy.linalg import cholesky, solve_triangular

    lower = functools.cache(lambda: cholesky(sigma, lower=True))
    return lambda values: solve_triangular(lower(), values, lower=True)


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
    whiten = whitening(sigma)
    wy, w1 = whiten(y), whiten(np.ones(len(y)))
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


def aic(misfit: float, n_points: int, k: int, known_sigma: bool = False) -> float:
    """Akaike's criterion -2 ln L + 2 k, up to a constant of the data.

    -2 ln L is the `misfit` itself where sigma is known, else N ln(misfit / N).
    """
    return _deviance(misfit, n_points, known_sigma) + 2.0 * k


def aicc(misfit: float, n_points: int, k: int, known_sigma: bool = False) -> float:
    """AIC with the small-sample correction 2K(K+1)/(N-K-1); inf when N <= K + 1.

    K counts the scale of the noise too, where that is not known: k + 1.

    Examples
    --------
    >>> round(aicc(12.0, 20, 3, known_sigma=True), 6)
    19.5
    """
    counted = k + (not known_sigma)
    spare = n_points - counted - 1
    if spare <= 0:
        return math.inf
    return aic(misfit, n_points, k, known_sigma) + 2.0 * counted * (counted + 1) / spare


def bic(misfit: float, n_points: int, k: int, known_sigma: bool = False) -> float:
    """Schwarz's criterion -2 ln L + k ln N, up to a constant of the data."""
    penalty = k * math.log(n_points) if n_points else math.nan
    return _deviance(misfit, n_points, known_sigma) + penalty


def _deviance(misfit: float, n_points: int, known_sigma: bool) -> float:
    if not misfit >= 0:
        return math.nan
    if known_sigma:
        return misfit
    return n_points * math.log(misfit / n_points) if misfit > 0 else -math.inf


def akaike_weights(criteria: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Differences to the lowest criterion, and each model's share of the evidence.

    nan where a criterion is nan, and everywhere when none is below inf.

    Examples
    --------
    >>> delta, weights = akaike_weights([12.0, 10.0])
    >>> delta.tolist(), weights.round(3).tolist()
    ([2.0, 0.0], [0.269, 0.731])
    """
    values = np.asarray(criteria, dtype=float)
    best = min((v for v in values if v < math.inf), default=math.nan)
    with np.errstate(invalid="ignore"):  # inf - inf
        delta = np.where(values == best, 0.0, values - best)
    shares = np.exp(-delta / 2)
    return delta, shares / (np.nansum(shares) or math.nan)


def evidence_ratio(delta: float) -> float:
    """How many times likelier the best model is than one whose criterion is larger by `delta`."""
    return math.exp(min(delta / 2, 700.0))


def nested_test(
    small: tuple[float, int], large: tuple[float, int], known_sigma: bool = False
) -> tuple[float, float]:
    """Statistic and p-value of the hypothesis that the smaller of two nested models is true.

    Parameters
    ----------
    small, large : (chi2, dof)
    known_sigma : bool
        False: F = (fall of chi2 / fall of dof) / (chi2 / dof of the larger). True: the fall of
        chi2, which then is distributed as chi-squared.

    Examples
    --------
    >>> F, p = nested_test((30.0, 12), (20.0, 10))
    >>> F, round(p, 6)
    (2.5, 0.131687)
    """
    from scipy.special import chdtrc, fdtrc

    fall, freed = small[0] - large[0], small[1] - large[1]
    if known_sigma:
        return fall, float(chdtrc(freed, fall))
    if large[0] == 0:
        return (math.inf, 0.0) if fall > 0 else (math.nan, math.nan)
    ratio = (fall / freed) / (large[0] / large[1])
    return ratio, float(fdtrc(freed, large[1], ratio))


def masked(values: Any) -> bool:
    """Whether there are masked ones among them, which NumPy's functions would not leave out."""
    mask = getattr(values, "mask", None)  # of pandas a method
    return isinstance(mask, np.ndarray | np.bool_) and bool(np.any(mask))
