"""The statistics of a fit, as properties of its result."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result import statistics
from nlsq.result.optimize_result import OptimizeResult
from nlsq.result.statistics import LEVEL

if TYPE_CHECKING:
    from nlsq.result.params import FitParameters


class FitStatistics(OptimizeResult):
    """Fields of a fit and what follows from them; nothing here needs the model at new points.

    Parameters
    ----------
    mapping, lazy
        As for `CurveFitResult`, which is the class to use.
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        if key in ("x", "xdata", "model"):
            self.__dict__.pop("_predictions", None)

    # -- fields with a default -------------------------------------------------------------------

    @property
    def popt(self) -> np.ndarray:
        """Best parameters, shape (n,); the same array as ``x``."""
        return self._field("x")

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names; p0, p1, ... when the fit had none."""
        names = self.get("param_names")
        return tuple(names) if names is not None else tuple(f"p{i}" for i in range(len(self.x)))

    @property
    def n_free(self) -> int:
        """Number of free parameters."""
        return len(self.x) - len(self.get("fixed") or ())

    @property
    def n_points(self) -> int:
        """Number of real residuals: a complex point counts twice, one of sigma = inf not at all."""
        if "n_points" in self:
            return int(self._field("n_points"))
        y = self._counted(self.ydata)
        return int(np.size(y) * (2 if np.iscomplexobj(y) else 1))

    @property
    def dof(self) -> int:
        """Degrees of freedom: residuals less free parameters."""
        return int(self._field("dof")) if "dof" in self else self.n_points - self.n_free

    @property
    def knows_dof(self) -> bool:
        """Whether the fields tell the degrees of freedom; a bare popt, pcov pair does not."""
        return any(name in self for name in ("dof", "n_points", "ydata"))

    def quantile(self, level: float = LEVEL, *, alpha: float | None = None) -> float:
        """Half-width of a two-sided interval of confidence `level`, in standard errors.

        Student's t with the fit's degrees of freedom (nan when there are none), or the normal
        distribution when ``absolute_sigma`` says that the noise is known.
        """
        level = statistics.level_of(level, alpha)
        return statistics.quantile(level, self.dof, bool(self.get("absolute_sigma", False)))

    # -- parameters ------------------------------------------------------------------------------

    @property
    def params(self) -> FitParameters:
        """The parameters by name: ``fit.params["tau"].value``, ``.stderr``, ``.interval(0.95)``.

        A mapping in the parameters' order, a table as text, ``to_dataframe()`` for pandas. See
        `FitParameter` for all that each knows.
        """
        from nlsq.result.params import FitParameters

        return FitParameters(self)

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

    def confidence_intervals(
        self, level: float = LEVEL, *, alpha: float | None = None
    ) -> np.ndarray:
        """Confidence intervals of the parameters.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level; `alpha` is another name for it.

        Returns
        -------
        ndarray, shape (n, 2)
            Lower and upper ends, in the parameters' units. Student's t with the fit's degrees of
            freedom; the normal distribution when ``absolute_sigma`` says that the noise is known.
            (-inf, inf) where the data determine nothing.

        Raises
        ------
        ValueError
            When the level is not between 0 and 1, or is an `alpha` below 0.5.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq.result import CurveFitResult
        >>> fit = CurveFitResult(x=np.array([2.0]), pcov=np.array([[0.01]]), dof=10)
        >>> fit.confidence_intervals().round(3)
        array([[1.777, 2.223]])
        """
        return statistics.intervals(self.popt, self.perr, self.quantile(level, alpha=alpha))

    # -- what is known of the data ---------------------------------------------------------------

    @property
    def sigma_dimensions(self) -> int | None:
        """Dimensions of sigma: 0 one for all, 1 one per point, 2 a covariance; None without."""
        sigma = self.get("sigma")
        return None if sigma is None else np.ndim(sigma)

    @property
    def complex_values(self) -> bool:
        """Whether the data are complex."""
        return np.iscomplexobj(self.get("ydata"))

    @property
    def has_statistics(self) -> bool:
        """Whether chi-squared and what follows from it are known."""
        return {"fun", "ydata"} <= set(self.keys())

    # -- residuals -------------------------------------------------------------------------------

    def _counted(self, values: np.ndarray) -> np.ndarray:
        """Those of the points that are not of weight 0 (sigma = inf, masked)."""
        weighted = statistics.weighted(self.get("sigma"))
        return values if weighted is None else np.asarray(values)[weighted]

    @property
    def predictions(self) -> np.ndarray:
        """Model at the data and the solution, shape (m,), in the units of ``ydata``."""
        stored = self.__dict__.get("_predictions")
        if stored is None:
            if self.get("model") is not None:
                stored = np.asarray(self.model.predict(self.xdata, self.popt))
            else:
                stored = self.ydata + self.unwhiten(np.asarray(self.fun))
            self.__dict__["_predictions"] = stored
        return stored

    @property
    def residuals(self) -> np.ndarray:
        """``ydata`` - model, shape (m,), unweighted, in the units of ``ydata``."""
        return self.ydata - self.predictions

    def _residual_blocks(self) -> Iterator[np.ndarray]:
        """The residuals that count, part by part."""
        y = np.asarray(self.ydata)
        pair = y, np.broadcast_to(self.predictions, y.shape)
        for part, fitted in statistics.blocks(*map(self._counted, pair)):
            yield part - fitted

    def unwhiten(self, values: np.ndarray) -> np.ndarray:
        """Undo the division by sigma: L @ values, or sigma * values along the first axis."""
        if len(values) != np.size(self.ydata):
            raise RuntimeError(self.no_model())
        sigma = self.get("sigma")
        if sigma is None:
            return values
        if np.ndim(sigma) == 2:
            return np.linalg.cholesky(np.asarray(sigma)) @ values
        sigma = np.where(np.isfinite(sigma), sigma, np.nan)  # of weight 0: not told
        return values * sigma.reshape(sigma.shape + (1,) * (values.ndim - 1) * sigma.ndim)

    @property
    def chi_squared(self) -> float:
        """Sum of squared whitened residuals; with ``sigma=None`` the plain sum of squares."""
        return statistics.sum_of_squares(np.asarray(self.fun))

    @property
    def reduced_chi_squared(self) -> float:
        """`chi_squared` per degree of freedom; nan when there are none."""
        dof = self.dof
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
        return statistics.adjusted_r_squared(self.r_squared, self.n_points, self.dof, means)

    @property
    def rmse(self) -> float:
        """Root of the mean squared residual, unweighted, in the units of ``ydata``."""
        total = sum(statistics.sum_of_squares(part) for part in self._residual_blocks())
        return math.sqrt(total / self.n_points) if self.n_points else math.nan

    @property
    def mae(self) -> float:
        """Mean absolute residual, unweighted, in the units of ``ydata``."""
        total, count = 0.0, 0
        for part in self._residual_blocks():
            parts = statistics.real_parts(part)
            total, count = total + float(np.abs(parts).sum()), count + parts.size
        return total / count if count else math.nan

    @property
    def misfit(self) -> float:
        """What the fit made least: `chi_squared`, or with a loss rho the sum of rho(r^2)."""
        return 2.0 * float(self.cost) if "cost" in self else self.chi_squared

    @property
    def aic(self) -> float:
        """Akaike's information criterion, N ln(misfit/N) + 2k; misfit + 2k if absolute_sigma."""
        return self._criterion(statistics.aic)

    @property
    def aicc(self) -> float:
        """`aic` with the small-sample correction, which counts an unknown noise as a parameter."""
        return self._criterion(statistics.aicc)

    @property
    def bic(self) -> float:
        """Bayesian information criterion, N ln(misfit/N) + k ln N; misfit + ... as for `aic`."""
        return self._criterion(statistics.bic)

    def _criterion(self, formula: Any) -> float:
        known = bool(self.get("absolute_sigma", False))
        return formula(self.misfit, self.n_points, self.n_free, known)

    # -- the model -------------------------------------------------------------------------------

    def require_model(self) -> Any:
        """The model, or RuntimeError saying why it is missing and how to bring it back."""
        model = self.get("model")
        if model is None:
            raise RuntimeError(self.no_model())
        return model

    def no_model(self) -> str:
        """Why there is no model and what to do."""
        lost = self.__dict__.get("_model_lost", "none was given")
        return (
            f"this result has no model: {lost}. Call result.attach(f) with the function "
            "f(x, *params) of the fit; the data points themselves need no model"
        )
