"""One fit's data and parameters, validated once and laid out for the engine."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np

from nlsq.core.model.abscissae import Abscissae
from nlsq.interfaces.orchestration_protocol import PreprocessedData
from nlsq.utils.given import ONE_THREAD
from nlsq.utils.validators import InputValidator

COMPLEX_MODEL = (
    "The model returns complex values but ydata is real. Return its real part, modulus or phase, "
    "or give complex ydata."
)


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
    """Checked data as the engine takes them."""
    return Observations.of(InputValidator(check_finite, nan_policy).validate(xdata, ydata, sigma))


def require_enough_points(n: int, data: Observations) -> None:
    """Raise SciPy's TypeError when there are fewer residuals than parameters."""
    if n > data.n_residuals:
        raise TypeError(
            f"The number of func parameters={n} must not exceed the number of data points="
            f"{data.n_residuals}. Measure more points, hold parameters (`fixed`), or pass "
            "method='trf', which then leaves directions undetermined."
        )


def labels_of(xdata: Any, ydata: Any, x_name: str | None = None) -> dict[str, str]:
    """What pandas or xarray call the data, by axis; what has no name is not in it.

    x_name: what x is called, where that is known already.

    Examples
    --------
    >>> labels_of([1, 2], [3, 4])
    {}
    """
    if type(xdata) is type(ydata) is np.ndarray and x_name is None:
        return {}
    columns = getattr(xdata, "columns", None)
    x = getattr(xdata, "name", None)
    if columns is not None and len(columns) in (1, 2):
        x = ", ".join(str(c) for c in columns if isinstance(c, (str, int)))
    names = {"x": x_name or x, "y": getattr(ydata, "name", None)}
    return {axis: str(name) for axis, name in names.items() if isinstance(name, (str, int))}
