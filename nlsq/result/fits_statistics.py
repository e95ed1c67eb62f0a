"""The statistics of many fits, as arrays over the fits."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result import statistics
from nlsq.result.statistics import LEVEL

if TYPE_CHECKING:
    from nlsq.result.curve_fit_result import CurveFitResult
    from nlsq.result.params import FitsParameters


class FitsStatistics:
    """Arrays over many fits and what follows from them.

    Parameters
    ----------
    arrays : dict of str to ndarray, shape (size, ...)
    facts : dict
        What is the same for all fits; JSON holds it.
    make : callable, optional
        ``make(place)`` is the fit at a place, with its model and data.
    totals : callable, optional
        Weighted sums of squares of the data about their means, (size,).
    """

    def __init__(
        self,
        arrays: dict[str, np.ndarray],
        facts: dict[str, Any],
        make: Callable[[int], CurveFitResult] | None = None,
        totals: Callable[[], np.ndarray] | None = None,
    ):
        self._arrays, self._facts, self._make, self._totals = arrays, facts, make, totals
        self.shape: tuple[int, ...] = tuple(facts["shape"])
        self.param_names: tuple[str, ...] = tuple(facts["param_names"])

    # -- arrays ----------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> np.ndarray:
        found = getattr(type(self), name, None)
        if isinstance(found, property):  # which lacks something: let it say what
            return found.__get__(self)
        arrays = self.__dict__.get("_arrays", {})
        if name not in arrays:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self._over_fits(arrays[name])

    def __dir__(self) -> list[str]:
        names = {name for name in super().__dir__() if not name.startswith("_")}
        return sorted(names | self._arrays.keys())

    def _over_fits(self, array: np.ndarray) -> np.ndarray:
        return array.reshape(self.shape + array.shape[1:])

    def _kept(self, name: str, make: Callable[[], Any]) -> np.ndarray:
        """An array that is computed when it is first asked for, and from then on stored too."""
        if name not in self._arrays:
            self._arrays[name] = np.asarray(make(), dtype=float)
        return self._over_fits(self._arrays[name])

    @property
    def size(self) -> int:
        """Number of fits."""
        return len(self._arrays["status"])

    @property
    def success(self) -> np.ndarray:
        """True where a fit converged (...)."""
        return self.status > 0

    # -- parameters ------------------------------------------------------------------------------

    @property
    def params(self) -> FitsParameters:
        """The parameters by name: ``fits.params["tau"].value`` (...), ``.stderr``, ``.interval()``.

        A mapping in the parameters' order, and a table as text; see `FitsParameter`.
        """
        from nlsq.result.params import FitsParameters

        return FitsParameters(self)

    @property
    def perr(self) -> np.ndarray:
        """Standard errors (..., n)."""
        return np.sqrt(np.diagonal(self.pcov, axis1=-2, axis2=-1))

    def confidence_intervals(
        self, level: float = LEVEL, *, alpha: float | None = None
    ) -> np.ndarray:
        """Confidence intervals of the parameters (..., n, 2), as those of each fit.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level; `alpha` is another name for it.

        Returns
        -------
        ndarray, shape (..., n, 2)
            Lower and upper ends; NaN where there was no fit.

        Raises
        ------
        ValueError
            When the level is not between 0 and 1, or is an `alpha` below 0.5.
        """
        level, normal = statistics.level_of(level, alpha), bool(self._facts["absolute_sigma"])
        dofs, which = np.unique(self.dof, return_inverse=True)
        t = np.array([statistics.quantile(level, int(dof), normal) for dof in dofs])
        t = t[which].reshape(*self.shape, 1)
        return statistics.intervals(self.popt, self.perr, t)

    # -- statistics ------------------------------------------------------------------------------

    @property
    def dof(self) -> np.ndarray:
        """Degrees of freedom (...): residuals less free parameters that the data determine."""
        return self.n_points.astype(int) - self.rank

    @property
    def chi_squared(self) -> np.ndarray:
        """Sums of squared whitened residuals (...).

        With a loss other than least squares they take a pass over each fit.

        Raises
        ------
        AttributeError
            When such fits were stored without them: the data stay behind.
        """
        if self._facts.get("least_squares", True):
            return 2 * self.cost
        return self._kept("chi_squared", self._squares)

    def _squares(self) -> list[float]:
        make = self._make
        if make is None:
            raise AttributeError(_STORED.format("chi_squared"))
        blank = np.isnan(self._arrays["cost"])
        return [np.nan if none else make(i).chi_squared for i, none in enumerate(blank)]

    @property
    def reduced_chi_squared(self) -> np.ndarray:
        """`chi_squared` per degree of freedom (...); NaN where there are none."""
        dof = self.dof
        return np.where(dof > 0, self.chi_squared / np.where(dof > 0, dof, 1), np.nan)

    @property
    def r_squared(self) -> np.ndarray:
        """Shares of the (weighted) variation of the data that the fits explain (...).

        They take a pass over the data when they are first asked for, and are stored from then on.

        Raises
        ------
        AttributeError
            When the fits were stored before that: the data stay behind.
        """
        return self._kept("r_squared", self._explained)

    def _explained(self) -> np.ndarray:
        if self._totals is None:
            raise AttributeError(_STORED.format("r_squared"))
        total, squares = self._totals(), self.chi_squared.ravel()
        with np.errstate(divide="ignore", invalid="ignore"):  # constant data: -inf, or nan for 0/0
            return 1.0 - squares / total


_STORED = (
    "{0} needs the data, which are not stored with the fits. Read fits.{0} before saving them: "
    "it is stored from then on"
)
