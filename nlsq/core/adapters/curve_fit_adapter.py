"""`CurveFitAdapter`: a function like `curve_fit` as an object with options kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nlsq.core.minpack import curve_fit
from nlsq.facades import OptimizationFacade


class CurveFitAdapter:
    """Any function of `curve_fit`'s call as a `CurveFitProtocol`.

    Code that takes a fitter then works with `nlsq.fit`, with SciPy's `curve_fit`, or with a
    function of the user's own.

    Parameters
    ----------
    function : callable
        ``function(f, xdata, ydata, **options)``, which returns what unpacks to popt and pcov.
        Default: `nlsq.curve_fit`.
    **options
        Given to every call, unless the call gives its own.

    Examples
    --------
    >>> import numpy as np, scipy.optimize
    >>> from nlsq.interfaces import CurveFitProtocol
    >>> t = np.linspace(0, 5, 30)
    >>> for function in (scipy.optimize.curve_fit, None):
    ...     fitter = CurveFitAdapter(*([function] if function else []), p0=[1, 2])
    ...     popt, pcov = fitter.curve_fit(lambda t, a, k: a * np.exp(-k * t), t, 3 * np.exp(-t))
    ...     print(isinstance(fitter, CurveFitProtocol), popt.round(6))
    True [3. 1.]
    True [3. 1.]
    """

    def __init__(self, function: Callable = curve_fit, **options: Any):
        if not callable(function):
            raise TypeError(f"`function` must be callable as `curve_fit` is, got {function!r}.")
        self.function, self.options = function, options

    @classmethod
    def with_global_optimization(cls, config: Any = None, **options: Any) -> CurveFitAdapter:
        """Fits from many starts, by the settings of a `GlobalOptimizationConfig`.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq.global_optimization import GlobalOptimizationConfig
        >>> t = np.linspace(0, 10, 80)
        >>> config = GlobalOptimizationConfig.from_preset("robust")
        >>> fitter = CurveFitAdapter.with_global_optimization(config)
        >>> fitter.curve_fit(lambda t, a, w: a * np.sin(w * t), t, 2 * np.sin(5 * t)).popt.round(6)
        array([2., 5.])
        """
        return cls(OptimizationFacade.get_multistart_optimizer()(config).fit, **options)

    def curve_fit(
        self,
        f: Callable,
        xdata: Any,
        ydata: Any = None,
        p0: Any = None,
        sigma: Any = None,
        bounds: Any = None,
        **options: Any,
    ) -> Any:
        """Fit f(x, a, b, ...); what is None here is left to what was kept."""
        given = {"p0": p0, "sigma": sigma, "bounds": bounds}
        given = {name: value for name, value in given.items() if value is not None}
        return self.function(f, xdata, ydata, **(self.options | given | options))

    def __repr__(self) -> str:
        kept = "".join(f", {k}={v!r}" for k, v in self.options.items())
        return f"CurveFitAdapter({self.function.__name__}{kept})"
