"""`StreamedFitResult`: a fit to data that were never all in memory."""

from __future__ import annotations

import math
from typing import Any, NoReturn

import numpy as np

from nlsq.result import statistics
from nlsq.result.curve_fit_result import CurveFitResult


class StreamedFitResult(CurveFitResult):
    """A `CurveFitResult` without the data: its statistics are those of all points.

    They come from sums over the data, which take one more pass when the first of them, or
    `summary`, is asked for (``print`` shows them from then on). What would be as long as the data
    (``xdata``, ``ydata``, ``fun``, ``jac``, `predictions`, `residuals`) is not there; plots draw
    the sample that the fit began with, one point from each of many equal parts of the data.

    Parameters
    ----------
    mapping, lazy
        As for `CurveFitResult`; besides, ``moments`` with the sums (see `nlsq.streaming`),
        ``sample`` a dict with ``xdata``, ``ydata``, ``sigma``, and ``streaming``, what the fit did.

    Raises
    ------
    AttributeError
        When something is asked for that is as long as the data.
    """

    @property
    def sigma_dimensions(self) -> int | None:
        """1 with a sigma for each point, None without."""
        return 1 if self.weighted else None

    @property
    def complex_values(self) -> bool:
        """Whether the data are complex."""
        return np.iscomplexobj(self.sample["ydata"])

    @property
    def has_statistics(self) -> bool:
        """Whether the sums over the data have been made."""
        return self.is_settled("moments")

    @property
    def chi_squared(self) -> float:
        """Sum of squared whitened residuals; with ``sigma=None`` the plain sum of squares."""
        return float(self.moments["chi_squared"])

    @property
    def r_squared(self) -> float:
        """Share of the (weighted) variation of the data that the fit explains."""
        return statistics.r_squared(self.chi_squared, self.moments["total"])

    @property
    def adj_r_squared(self) -> float:
        """`r_squared` corrected for the number of free parameters."""
        means = 2 if self.complex_values else 1
        return statistics.adjusted_r_squared(self.r_squared, self.n_points, self.dof, means)

    @property
    def rmse(self) -> float:
        """Root of the mean squared residual, unweighted, in the units of y."""
        return math.sqrt(self.moments["squares"] / self.n_points)

    @property
    def mae(self) -> float:
        """Mean absolute residual, unweighted, in the units of y."""
        return float(self.moments["absolute"] / self.n_points)

    @property
    def predictions(self) -> NoReturn:
        """Not there: as long as the data."""
        self._not_kept("predictions", "result.model.predict(x, result.popt) for some x")

    @property
    def residuals(self) -> NoReturn:
        """Not there: as long as the data."""
        self._not_kept("residuals", "y - result.model.predict(x, result.popt) for some x")

    def _not_kept(self, name: str, instead: str) -> NoReturn:
        raise AttributeError(
            f"{name}: the data of this fit are not in memory; use {instead}, or result.sample"
        )

    def _sample_title(self) -> str | None:
        drawn = len(self.sample["ydata"]) * (2 if self.complex_values else 1)
        return f"{drawn:,} of {self.n_points:,} points" if drawn < self.n_points else None

    def _data_to_look_at(self) -> CurveFitResult:
        """This fit with the sample as its data, for what wants points."""
        fields = {name: self.get(name) for name in dict.keys(self) if name != "moments"}
        return CurveFitResult(fields | self.sample)

    def _require_points(self, x: Any, of_what: str) -> None:
        if x is None:
            raise ValueError(f"the data of this fit are not in memory: give the x of the {of_what}")

    def summary(self, **options: Any) -> str:
        """See `CurveFitResult.summary`."""
        _ = self.moments
        return super().summary(**options)
