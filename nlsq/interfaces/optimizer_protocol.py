"""What an object must offer to minimise for a fit, or to be used as a curve fitter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from nlsq.interfaces.result_protocol import LeastSquaresResultProtocol, ResultProtocol


@runtime_checkable
class OptimizerProtocol(Protocol):
    """Something that minimises a number: ``curve_fit(..., method=optimizer)`` begins with it.

    The fit goes on from the point it finds, by 'trf', so that covariance and status are those of
    every fit. `nlsq.core.adapters.MinimizeAdapter` is one, with SciPy's minimisers.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> class Sweep:
    ...     def optimize(self, fun, x0, args=(), *, bounds, **options):
    ...         tried = np.linspace(*bounds, 101)
    ...         best = min(tried, key=lambda x: fun(x, *args))
    ...         return OptimizeResult(x=best, success=True, message="101 points were tried")
    >>> from scipy.optimize import OptimizeResult
    >>> t = np.linspace(0, 9, 60)
    >>> y = np.sin(5.02 * t)
    >>> fit = curve_fit(lambda t, w: np.sin(w * t), t, y, bounds=(0, 9), method=Sweep())
    >>> fit.popt.round(6), fit.optimizer["message"]
    (array([5.02]), '101 points were tried')
    """

    def optimize(
        self, fun: Callable[..., float], x0: Any, args: tuple = (), **options: Any
    ) -> ResultProtocol:
        """Minimise fun(x, *args) from x0 (n,); `options` have `bounds`, lower and upper (n,)."""


@runtime_checkable
class LeastSquaresOptimizerProtocol(Protocol):
    """Something that minimises a sum of squares: `nlsq.LeastSquares`; used as the one above."""

    def least_squares(
        self,
        fun: Callable[..., Any],
        x0: Any,
        jac: Callable[..., Any] | None = None,
        bounds: Any = None,
        args: tuple = (),
        **options: Any,
    ) -> LeastSquaresResultProtocol:
        """Minimise the squares of fun(x, *args) (m,); jac(x, *args) is its Jacobian (m, n)."""


@runtime_checkable
class CurveFitProtocol(Protocol):
    """Something that fits curves: `nlsq.CurveFit`, `nlsq.core.adapters.CurveFitAdapter`."""

    def curve_fit(self, f: Callable, xdata: Any, ydata: Any, *args: Any, **options: Any) -> Any:
        """Fit f(x, a, b, ...) and return what unpacks to popt and pcov."""
