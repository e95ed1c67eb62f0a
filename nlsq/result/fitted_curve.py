"""What a fit says of its curve away from the data: values and bands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from nlsq.result.fit_statistics import FitStatistics
from nlsq.result.sentences import cautions
from nlsq.result.statistics import LEVEL, level_of

if TYPE_CHECKING:
    from nlsq.diagnostics import DiagnosticsConfig
    from nlsq.diagnostics.health_report import HealthReport
    from nlsq.result.deriving import Derived, DerivedQuantities
    from nlsq.result.prediction import Band
    from nlsq.result.solving import Solution


class FittedCurve(FitStatistics):
    """A fit whose model can be evaluated at other points.

    Parameters
    ----------
    mapping, lazy
        As for `CurveFitResult`, which is the class to use.
    """

    def _require_points(self, x: Any, of_what: str) -> None:
        """Raise ValueError when `x` is None and the data are not here to stand for it."""

    def predict(self, x: Any = None) -> np.ndarray:
        """The fitted curve.

        Parameters
        ----------
        x : array_like, optional
            Points in the form the model takes, in the units of ``xdata``. Default: the data.

        Returns
        -------
        ndarray, shape (m,)
            In the units of ``ydata``.

        Raises
        ------
        RuntimeError
            When the model is gone and `x` is given; see `attach`.

        Examples
        --------
        >>> from nlsq import curve_fit
        >>> fit = curve_fit(lambda x, a, b: a * x + b, [0, 1, 2.0], [1, 3, 5.0])
        >>> fit.predict([1.5, 10]).round(6).tolist()
        [4.0, 21.0]
        """
        from nlsq.result import prediction

        self._require_points(x, "curve")
        return np.array(prediction.curve(self, x))

    def confidence_band(
        self, x: Any = None, level: float = LEVEL, *, alpha: float | None = None
    ) -> Band:
        """Pointwise confidence band of the fitted curve.

        f(x, popt) -/+ t sqrt(g' C g) with g the model's exact derivative by the parameters.

        Parameters
        ----------
        x : array_like, optional
            Points in the form the model takes, in the units of ``xdata``. Default: the data.
        level : float, default 0.95
            Confidence level; `alpha` is another name for it.

        Returns
        -------
        lower, upper : ndarray, shape (m,)
            A named pair, in the units of ``ydata``; complex (a band for each part) for a complex
            model. Infinite where the curve depends on a direction that the data leave
            undetermined.

        Raises
        ------
        ValueError
            When the level is not between 0 and 1, or is an `alpha` below 0.5.
        RuntimeError
            When the model is gone and `x` is given; see `attach`.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq import curve_fit
        >>> x = np.arange(6.0)
        >>> fit = curve_fit(lambda x, a, b: a * x + b, x, [1.0, 3.1, 4.9, 7.2, 8.8, 11.1])
        >>> lower, upper = fit.confidence_band([2.5])
        >>> bool(lower < fit.ydata.mean() < upper)
        True
        """
        from nlsq.result import prediction

        self._require_points(x, "band")
        return prediction.confidence_band(self, x, level_of(level, alpha))

    def prediction_interval(
        self,
        x: Any = None,
        level: float = LEVEL,
        sigma_new: Any = None,
        *,
        alpha: float | None = None,
    ) -> Band:
        """Interval that holds a new observation at `x`: the band's variance plus the noise.

        The noise variance is sigma squared, times the reduced chi-squared unless
        ``absolute_sigma``; without sigma it is the reduced chi-squared (1 with absolute_sigma).

        Parameters
        ----------
        x : array_like, optional
            Points in the form the model takes. Default: the data.
        level : float, default 0.95
            Confidence level; `alpha` is another name for it.
        sigma_new : float or array_like, shape (m,), optional
            Sigma of the new observations, in the units of the fit's sigma (which counts as ones
            when it was None). Needed with new `x` when sigma was given point by point.

        Returns
        -------
        lower, upper : ndarray, shape (m,)
            Its ends, in the units of ``ydata``; infinite without degrees of freedom.

        Raises
        ------
        ValueError
            When `level` is no level, `sigma_new` is missing, of another length or not positive.
        RuntimeError
            When the model is gone and `x` is given; see `attach`.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq import curve_fit
        >>> x = np.arange(6.0)
        >>> fit = curve_fit(lambda x, a, b: a * x + b, x, [1.0, 3.1, 4.9, 7.2, 8.8, 11.1])
        >>> lower, upper = fit.prediction_interval([2.5])
        >>> bool(lower < fit.confidence_band([2.5]).lower)
        True
        """
        from nlsq.result import prediction

        self._require_points(x, "interval")
        return prediction.prediction_interval(self, x, level_of(level, alpha), sigma_new)

    def profile_intervals(self, level: float = LEVEL, *, alpha: float | None = None) -> np.ndarray:
        """Confidence intervals that follow the bend of the model, not its tangent.

        Each parameter is moved away from its best value, the others fitted again at each place,
        until chi-square has risen by what the level allows. For a model that is linear in its
        parameters this is `confidence_intervals`; a fit takes some tens of evaluations for each.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level; `alpha` is another name for it.

        Returns
        -------
        ndarray, shape (n, 2)
            Lower and upper ends, in the parameters' units; infinite where chi-square never rises
            enough, a parameter's bound where it stops there, nan where the search found a lower
            chi-square than the fit.

        Raises
        ------
        ValueError
            When the level is none, the loss is robust, or model, data or noise are not known.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq import curve_fit
        >>> x = np.linspace(0, 4, 20)
        >>> y = 2 * np.exp(-x) + 0.1 * np.cos(20 * x)
        >>> fit = curve_fit(lambda x, a, k: a * np.exp(-k * x), x, y, p0=[1, 1])
        >>> low, high = fit.profile_intervals()[1]
        >>> bool(high - fit["k"] > fit["k"] - low)
        True
        """
        from nlsq.result import profiles

        found = profiles.profiles(self, level_of(level, alpha))
        return np.array([(one.low, one.high) for one in found])

    # -- what follows from the parameters --------------------------------------------------------

    @overload
    def derive(self, function: Callable | str, /) -> Derived: ...
    @overload
    def derive(self, **quantities: Callable | str) -> DerivedQuantities: ...
    def derive(self, function: Any = None, /, **quantities: Any) -> Any:
        """Quantities computed from the parameters, with the errors that follow from theirs.

        The variance is g' C g, with C the covariance of the parameters and g the derivatives of
        the function by them: exact ones (complex steps, confirmed by differences) where the
        function takes complex numbers, as NumPy's and formulas do; else differences, good to some
        eleven digits.

        Parameters
        ----------
        function : callable or str
            A function of parameters by their names, which may give an array, or a formula.
        **quantities : callable or str
            Several, by the names of what they give.

        Returns
        -------
        Derived or DerivedQuantities
            One quantity with ``value``, ``stderr``, ``interval(level)`` and
            ``covariance("tau")``; of several a mapping by name, which has their ``covariance``
            (k, k) and is a table as text. An error is infinite where the quantity depends on what
            the data leave undetermined; fixed parameters contribute none.

        Raises
        ------
        ValueError
            When the function asks for something that is no parameter, or the formula is none.
        TypeError
            When it does not tell the names of its arguments, or gives no real numbers.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq import curve_fit
        >>> x = np.arange(8.0)
        >>> y = 3 * np.exp(-x / 2) + 0.02 * np.cos(9 * x)
        >>> fit = curve_fit(lambda x, a, tau: a * np.exp(-x / tau), x, y, p0=[1, 1])
        >>> print(fit.derive(lambda tau: np.log(2) * tau))
        1.379 ± 0.012
        >>> both = fit.derive(half_life="log(2)*tau", area=lambda a, tau: a * tau)
        >>> bool(both["area"].covariance(both["half_life"]) == both.covariance[0, 1])
        True
        """
        from nlsq.result import deriving

        return deriving.derive(self, function, quantities)

    def solve_for(
        self,
        y: Any,
        *,
        near: float | None = None,
        bracket: Any = None,
        replicates: float = 1,
        sigma_new: float | None = None,
    ) -> Solution:
        """The x at which the fitted curve is `y`: reading a calibration curve backwards.

        Parameters
        ----------
        y : float or array_like, shape (k,)
            New measurements, in the units of ``ydata``.
        near : float, optional
            Where the curve is `y` more than once: the solution nearest to this x.
        bracket : (low, high), optional
            Where to look for x. Default: over the data.
        replicates : float, default 1
            How many measurements each `y` is the mean of; inf for a `y` that is known exactly.
        sigma_new : float, optional
            Standard deviation of a new measurement, as for `prediction_interval`.

        Returns
        -------
        Solution
            With ``value``, ``stderr`` (delta method) and ``interval(level)``: all x around the
            solution whose prediction interval (of the mean of `replicates`) holds `y`, for a
            straight line Fieller's.

        Raises
        ------
        ValueError
            When the curve is `y` nowhere, or more than once without `near`.

        Examples
        --------
        >>> from nlsq import curve_fit
        >>> known = [0, 1, 2, 3, 4.0]
        >>> fit = curve_fit(lambda x, a, b: a + b * x, known, [0.1, 1.9, 4.2, 5.9, 8.1])
        >>> x = fit.solve_for(5.0)
        >>> print(x, x.interval(0.95).round(2))
        2.480 ± 0.086 [2.21 2.76]
        """
        from nlsq.result import solving

        return solving.solve(self, y, near, bracket, replicates, sigma_new)

    # -- what to think of it ---------------------------------------------------------------------

    def diagnose(self, config: DiagnosticsConfig | None = None) -> HealthReport:
        """What is wrong with this fit, if anything, in at most twelve lines.

        What the data determine and what only in combination, by the parameters' names; whether the
        end is a minimum and explains the data; what the residuals say. Of a stored fit without its
        data it says what could not be looked at; of a streamed one it makes one pass at most.

        Parameters
        ----------
        config : DiagnosticsConfig, optional
            From where on something is an alarm.

        Returns
        -------
        HealthReport
            With ``summary()``, ``status`` ('healthy', 'warning', 'critical') and ``findings``.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq import curve_fit
        >>> x = np.linspace(0, 0.01, 40)
        >>> y = 3 * x / (5 + x) + 3e-5 * np.cos(1e4 * x)
        >>> fit = curve_fit(lambda x, vmax, km: vmax * x / (km + x), x, y, p0=[1, 1])
        >>> print(fit.diagnose().alarms[0].fact)
        vmax, km: only vmax/km is known well
        """
        from nlsq.result import diagnosing

        return diagnosing.diagnose(self, config)

    @property
    def diagnostics(self) -> HealthReport:
        """The report of ``compute_diagnostics=True``; of any other fit `diagnose`."""
        return self._field("diagnostics") if "diagnostics" in self else self.diagnose()

    def _data_to_look_at(self) -> FittedCurve:
        """A fit with these data, or with those of the sample where there is only that."""
        return self

    def correlated_values(self) -> tuple[Any, ...]:
        """The parameters as numbers of the package uncertainties, which carries errors along.

        Returns
        -------
        tuple of uncertainties.UFloat
            In the parameters' order, tagged with their names, with the covariance of the fit.

        Raises
        ------
        ImportError
            When uncertainties is not installed.
        ValueError
            When an error is not finite.
        """
        try:
            import uncertainties
        except ImportError as error:
            raise ImportError(
                "correlated_values needs uncertainties: pip install uncertainties"
            ) from error
        if not np.isfinite(self.pcov).all():
            open_ended = [n for n, e in zip(self.names, self.perr, strict=True) if not e < np.inf]
            why = "; ".join(cautions(self))
            raise ValueError(f"the errors of {', '.join(open_ended)} are not finite: {why}")
        return uncertainties.correlated_values(self.popt, self.pcov, tags=self.names)
