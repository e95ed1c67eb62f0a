"""`CurveFitResult`: what `curve_fit` returns, with the statistics one asks for next."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from nlsq.result import bands, statistics
from nlsq.result.optimize_result import OptimizeResult

_UNKNOWN_NOISE = (
    "sigma holds one value per measured point, so the noise at other x is not known: pass "
    "sigma_new=, a scalar or one value per point of x, in the units of sigma"
)


class CurveFitResult(OptimizeResult):
    """Result of a curve fit: unpacks to ``popt, pcov`` and knows its own statistics.

    Iteration, ``len`` and integer indices see the pair (popt, pcov), so code written for SciPy's
    tuple runs; names, as keys or attributes, see the fields. All statistics are computed on demand.

    Parameters
    ----------
    mapping : mapping
        Fields: ``x`` (n,), ``pcov`` (n, n), ``xdata``, ``ydata`` (m,), ``sigma``, ``fun`` (the
        whitened residuals), ``param_names``, ``model`` (an object with ``predict(x, p)`` and
        ``jacobian(x, p)``) and the rest of a fit's record.
    lazy : mapping of str to callable, optional
        Fields computed on first access.

    Raises
    ------
    AttributeError
        When a statistic needs a field that is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> x = np.linspace(0, 4, 50)
    >>> y = 2.5 * np.exp(-1.3 * x) + 0.01 * np.cos(40 * x)
    >>> result = curve_fit(lambda x, a, b: a * np.exp(-b * x), x, y)
    >>> popt, pcov = result
    >>> bool(result.r_squared > 0.999)
    True
    >>> lower, upper = result.confidence_band(np.array([0.5, 1.0]))
    """

    # -- a pair ----------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.popt, self.pcov))

    def __len__(self) -> int:
        return 2

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return (self.popt, self.pcov)[key]
        if isinstance(key, (int, np.integer)):
            return (self.popt, self.pcov)[operator.index(key)]
        return super().__getitem__(key)

    def __missing__(self, key: Any) -> Any:
        # result["popt"], result["r_squared"]: what is an attribute can be asked for by name.
        if isinstance(getattr(type(self), str(key), None), property):
            return getattr(self, key)
        raise KeyError(key)

    # -- fields with a default -------------------------------------------------------------------

    @property
    def popt(self) -> np.ndarray:
        """Best parameters, shape (n,); the same array as ``x``."""
        return self["x"]

    def _names(self) -> tuple[str, ...]:
        names = self.get("param_names")
        return tuple(names) if names is not None else tuple(f"p{i}" for i in range(len(self.x)))

    def _is_fixed(self) -> np.ndarray:
        return np.isin(self._names(), list(self.get("fixed", ())))

    def _n_free(self) -> int:
        return int(len(self.x) - self._is_fixed().sum())

    def _n_points(self) -> int:
        n_points = self.get("n_points")
        if n_points is not None:
            return int(n_points)
        return int(np.size(self.ydata) * (2 if np.iscomplexobj(self.ydata) else 1))

    def _dof(self) -> int:
        dof = self.get("dof")
        return int(dof) if dof is not None else self._n_points() - self._n_free()

    def _quantile(self, alpha: float) -> float:
        return statistics.quantile(alpha, self._dof(), bool(self.get("absolute_sigma", False)))

    # -- parameters ------------------------------------------------------------------------------

    @property
    def perr(self) -> np.ndarray:
        """Standard errors, shape (n,), in the parameters' units; inf when undetermined, 0 fixed."""
        return statistics.standard_errors(self.pcov)

    @property
    def stderr(self) -> np.ndarray:
        """Another name of `perr`."""
        return self.perr

    @property
    def correlation(self) -> np.ndarray:
        """Correlation matrix (n, n); nan for fixed and undetermined parameters."""
        return statistics.correlation(self.pcov)

    def confidence_intervals(self, alpha: float = 0.95) -> np.ndarray:
        """Confidence intervals of the parameters.

        Parameters
        ----------
        alpha : float, default 0.95
            Confidence level.

        Returns
        -------
        ndarray, shape (n, 2)
            Lower and upper ends, in the parameters' units. Student's t with the fit's degrees of
            freedom; the normal distribution when ``absolute_sigma`` says that the noise is known.
            (-inf, inf) where the data determine nothing.

        Raises
        ------
        ValueError
            When `alpha` is not between 0 and 1.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq.result import CurveFitResult
        >>> fit = CurveFitResult(x=np.array([2.0]), pcov=np.array([[0.01]]), dof=10)
        >>> fit.confidence_intervals().round(3)
        array([[1.777, 2.223]])
        """
        return statistics.intervals(self.popt, self.perr, self._quantile(alpha))

    # -- residuals -------------------------------------------------------------------------------

    @property
    def predictions(self) -> np.ndarray:
        """Model at the data and the solution, shape (m,), in the units of ``ydata``."""
        stored = self.__dict__.get("_predictions")
        if stored is not None:
            return stored
        if self.get("model") is not None:
            values = np.asarray(self.model.predict(self.xdata, self.popt))
        else:
            values = self.ydata + self._unwhiten(np.asarray(self.fun))
        self.__dict__["_predictions"] = values
        return values

    @property
    def residuals(self) -> np.ndarray:
        """``ydata`` - model, shape (m,), unweighted, in the units of ``ydata``."""
        return self.ydata - self.predictions

    def _unwhiten(self, values: np.ndarray) -> np.ndarray:
        """Undo the division by sigma, along the first axis."""
        if len(values) != np.size(self.ydata):
            raise AttributeError(self._no_model())
        sigma = self.get("sigma")
        if sigma is None:
            return values
        if np.ndim(sigma) == 2:
            return np.linalg.cholesky(np.asarray(sigma)) @ values
        column = np.shape(sigma) + (1,) * (values.ndim - 1) if np.ndim(sigma) else ()
        return values * np.reshape(sigma, column)

    @property
    def chi_squared(self) -> float:
        """Sum of squared whitened residuals; with ``sigma=None`` the plain sum of squares."""
        return statistics.sum_of_squares(np.asarray(self.fun))

    @property
    def reduced_chi_squared(self) -> float:
        """`chi_squared` per degree of freedom; nan when there are none."""
        dof = self._dof()
        return self.chi_squared / dof if dof > 0 else math.nan

    @property
    def r_squared(self) -> float:
        """Share of the (weighted) variation of the data that the fit explains."""
        total = statistics.total_sum_of_squares(self.ydata, self.get("sigma"))
        return statistics.r_squared(self.chi_squared, total)

    @property
    def adj_r_squared(self) -> float:
        """`r_squared` corrected for the number of free parameters."""
        means = 2 if np.iscomplexobj(self.ydata) else 1
        return statistics.adjusted_r_squared(self.r_squared, self._n_points(), self._dof(), means)

    @property
    def rmse(self) -> float:
        """Root of the mean squared residual, unweighted, in the units of ``ydata``."""
        return math.sqrt(statistics.sum_of_squares(self.residuals) / self._n_points())

    @property
    def mae(self) -> float:
        """Mean absolute residual, unweighted, in the units of ``ydata``."""
        return float(np.abs(statistics.real_parts(self.residuals)).mean())

    @property
    def aic(self) -> float:
        """Akaike's information criterion, N ln(chi2/N) + 2k."""
        return statistics.aic(self.chi_squared, self._n_points(), self._n_free())

    @property
    def aicc(self) -> float:
        """`aic` with the small-sample correction."""
        return statistics.aicc(self.chi_squared, self._n_points(), self._n_free())

    @property
    def bic(self) -> float:
        """Bayesian information criterion, N ln(chi2/N) + k ln N."""
        return statistics.bic(self.chi_squared, self._n_points(), self._n_free())
