"""One fit's data and parameters, validated once and laid out for the engine."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.given import (
    ONE_THREAD,
    apply_nan_policy,
    hidden_points,
    numeric,
    require_finite,
    spread,
)
from nlsq.interfaces.orchestration_protocol import PreprocessedData

COMPLEX_MODEL = (
    "The model returns complex values but ydata is real. Return its real part, modulus or phase, "
    "or give complex ydata."
)

_LARGEST_COPY = 1 << 22  # bytes


@dataclasses.dataclass
class Observations:
    """Data of one fit.

    A point of weight 0 (sigma = inf, or masked) is left out of every sum and count. Only the model
    sees it, among the others.

    Attributes
    ----------
    x : Abscissae
    y : ndarray, shape (m,), float or complex
    sigma : None, scalar, (m,) or (m, m), as given after omitting NaN rows
    weights : ndarray (m,) or None, 1 / sigma
    factor : ndarray (m, m) or None, lower Cholesky factor of a covariance sigma
    """

    x: Abscissae
    y: np.ndarray
    sigma: Any
    weights: np.ndarray | None
    factor: np.ndarray | None

    @classmethod
    def of(cls, data: PreprocessedData) -> Observations:
        """The data as the engine takes them."""
        x = Abscissae(data.xdata, data.ydata.size, data.shape)
        made = cls(x, data.ydata, data.sigma, data.weights, data.factor)
        if data.weights is not None:
            made._idle = data.idle
        return made

    @property
    def idle(self) -> np.ndarray | None:
        """(m,) True for the points of weight 0; None when there are none."""
        return None if self.weights is None else self._idle

    @functools.cached_property
    def _idle(self) -> np.ndarray | None:
        return None if self.weights.all() else self.weights == 0

    @property
    def n_residuals(self) -> int:
        """Number of real residuals; a complex point counts twice, one of weight 0 not at all."""
        count = self.y.size - (0 if self.idle is None else np.count_nonzero(self.idle))
        return int(count) * (2 if self.is_complex else 1)

    def counted(self, values: np.ndarray, fill: float = 0.0) -> np.ndarray:
        """`values` (m, ...) with `fill` for the points of weight 0."""
        if self.idle is None:
            return values
        return np.where(self.idle.reshape(-1, *[1] * (values.ndim - 1)), fill, values)

    @property
    def is_complex(self) -> bool:
        """Whether the dependent data are complex."""
        return self.y.dtype.kind == "c"

    def spread(self) -> float:
        """Sum of squares of the whitened data about their mean."""
        y = self.y
        if self.factor is None and self.weights is None and not self.is_complex:
            small = y.size <= ONE_THREAD  # of these a sum costs more than a product
            total, square = float(y.dot(_ones(y.size)) if small else y.sum()), float(y.dot(y))
            rest = square - total * total / y.size
            if rest > 1e-6 * square:  # has digits left
                return rest
        y = self.counted(y)
        count = y.size if self.idle is None else y.size - np.count_nonzero(self.idle)
        around = self.whiten(self.counted(y - y.sum() / max(count, 1)))
        return float(around.dot(around))

    def sample(self, size: int) -> Observations:
        """One point from each of `size` strata of equal length, the same at every call."""
        at = sample_places(self.y.size, size)
        weights = None if self.weights is None else self.weights[at]
        return Observations(self.x.take(at), self.y[at], None, weights, None)

    def whiten(self, difference: np.ndarray) -> np.ndarray:
        """Whitened residual (or rows) of shape (m,) or (m, n) as real numbers."""
        if self.factor is not None:
            from scipy.linalg import solve_triangular

            difference = solve_triangular(self.factor, difference, lower=True, check_finite=False)
        elif self.weights is not None:
            shape = (-1,) + (1,) * (difference.ndim - 1)
            difference = self.counted(difference) * self.weights.reshape(shape)
        if self.is_complex:
            difference = np.concatenate([difference.real, difference.imag])
        return difference


@functools.lru_cache(maxsize=8)
def _ones(m: int) -> np.ndarray:
    return np.ones(m)


def sample_places(m: int, size: int) -> np.ndarray:
    """One of m points from each of `size` strata of equal length, in order."""
    if size >= m:
        return np.arange(m)
    return ((np.arange(size) + np.random.default_rng(0).random(size)) * (m / size)).astype(int)


def parse_observations(xdata, ydata, sigma, check_finite, nan_policy) -> Observations:
    """`checked_data` as the engine takes them."""
    return Observations.of(checked_data(xdata, ydata, sigma, check_finite, nan_policy))


def checked_data(xdata, ydata, sigma, check_finite, nan_policy) -> PreprocessedData:
    """Validate data as `scipy.optimize.curve_fit` does, with messages that say what to do.

    Raises
    ------
    ValueError
        Empty, not finite, mismatched, or `sigma` of the wrong shape or sign.
    TypeError
        Data that are not numbers.
    """
    if check_finite is None:
        check_finite = nan_policy is None
    hidden = hidden_points(xdata, ydata, sigma)
    y = numeric(ydata, "ydata")
    shape = y.shape
    y = _own(y.ravel())
    if y.size == 0:
        raise ValueError("`ydata` must not be empty!")
    if isinstance(xdata, list | tuple | np.ndarray):
        xdata = _own(numeric(xdata, "xdata"))
    if hidden is not None:
        sigma = _mask_sigma(sigma, hidden)
    if not check_finite and nan_policy is not None:
        bad, xdata = apply_nan_policy(xdata, y.reshape(shape), nan_policy, hidden)
        if bad is not None:
            y, sigma, shape = y[~bad], _without(sigma, bad), ()
    sigma = _own(sigma)
    weights, factor = _parse_sigma(sigma, y.size)
    idle = None if weights is None or weights.all() else weights == 0
    if idle is not None and idle.all():
        raise TypeError("No point is left: every one is masked or has an infinite sigma.")
    data = PreprocessedData(xdata, y, sigma, weights, factor, idle, shape)
    if check_finite:
        _require_finite_data(data, hidden, shape)
    return data


def _require_finite_data(data: PreprocessedData, hidden: np.ndarray | None, shape: tuple) -> None:
    """SciPy's ValueError for a NaN or inf, but in masked points."""
    x, y = data.xdata, data.ydata
    # of more points the first pass tells, at no cost (`finished.check_start`)
    if y.size <= ONE_THREAD or data.idle is not None:
        require_finite(y if hidden is None else np.where(hidden, 0.0, y), "ydata")
    if isinstance(x, np.ndarray):
        flags = None if hidden is None else spread(hidden, x.shape, shape)
        require_finite(x if flags is None else np.where(flags, 0.0, x), "xdata")
    elif hasattr(x, "to_numpy"):
        require_finite(np.asarray(x.to_numpy()), "xdata")


def _mask_sigma(sigma, hidden: np.ndarray) -> np.ndarray:
    """`sigma` with inf, which is weight 0, for the points that are masked."""
    if np.ndim(sigma) == 2:
        raise ValueError(
            "Masked data and a covariance matrix: leave the masked points out of both, "
            "x[keep], y[keep], sigma[np.ix_(keep, keep)] with keep = ~mask."
        )
    return np.where(hidden, np.inf, 1.0 if sigma is None else numeric(sigma, "sigma"))


def _without(sigma, bad: np.ndarray):
    """`sigma` of the points that are left."""
    if sigma is None:
        return None
    sigma = np.asarray(sigma)
    if sigma.shape == (bad.size, bad.size):
        return sigma[np.ix_(~bad, ~bad)]
    return sigma[~bad] if sigma.shape == bad.shape else sigma


def _own(data):
    """A copy that later changes of the user's array do not reach; large data are not doubled."""
    if isinstance(data, np.ndarray) and data.nbytes <= _LARGEST_COPY:
        return data.copy()
    return data


def require_enough_points(n: int, data: Observations) -> None:
    """Raise SciPy's TypeError when there are fewer residuals than parameters."""
    if n > data.n_residuals:
        raise TypeError(
            f"The number of func parameters={n} must not exceed the number of data points="
            f"{data.n_residuals}. Measure more points, hold parameters (`fixed`), or pass "
            "method='trf', which then leaves directions undetermined."
        )


def _parse_sigma(sigma, m: int):
    """(weights, lower Cholesky factor), at most one of them not None."""
    if sigma is None:
        return None, None
    try:
        sigma = numeric(sigma, "sigma")
    except ValueError as error:
        raise TypeError(str(error)) from None
    if sigma.dtype.kind == "c":
        raise TypeError("`sigma` must be real.")
    if sigma.size == 1 or sigma.shape == (m,):
        if not (sigma > 0).all():
            bad = int(np.argmin(sigma.ravel() > 0))
            raise ValueError(
                f"`sigma` must be positive and not NaN; element {bad} is {sigma.ravel()[bad]:g}. "
                "Leave a point without a finite uncertainty out, or give it sigma=inf: weight 0."
            )
        return np.broadcast_to(1 / sigma.ravel(), m), None
    if sigma.shape == (m, m):
        if not np.isfinite(sigma).all():
            raise ValueError("`sigma` must not contain infs or NaNs.")
        from scipy.linalg import cholesky

        try:
            factor = cholesky(sigma, lower=True)
        except np.linalg.LinAlgError as error:
            raise ValueError(
                f"`sigma` must be positive definite: {error}. A covariance matrix is symmetric "
                "with positive eigenvalues; standard deviations go in as a 1-D array."
            ) from error
        return None, factor
    raise ValueError(
        f"`sigma` has incorrect shape {sigma.shape}: expected a scalar, ({m},) standard deviations "
        f"or a ({m}, {m}) covariance matrix."
    )


def labels_of(xdata: Any, ydata: Any, x_name: str | None = None) -> dict[str, str]:
    """What pandas or xarray call the data, by axis; what has no name is not in it.

    x_name: what x is called, where that is known already.

    Examples
    --------
    >>> labels_of([1, 2], [3, 4])
    {}
    """
    columns = getattr(xdata, "columns", None)
    x = getattr(xdata, "name", None)
    if columns is not None and len(columns) in (1, 2):
        x = ", ".join(str(c) for c in columns if isinstance(c, (str, int)))
    names = {"x": x_name or x, "y": getattr(ydata, "name", None)}
    return {axis: str(name) for axis, name in names.items() if isinstance(name, (str, int))}
