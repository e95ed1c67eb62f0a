"""`MinimizeAdapter`: SciPy's minimisers before a fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.interfaces import ResultProtocol


class MinimizeAdapter:
    """Any function of `scipy.optimize.minimize`'s call as an `OptimizerProtocol`.

    Parameters
    ----------
    function : callable, optional
        ``function(fun, x0, args, bounds=pairs, **options)`` -> what has x, success and message.
        Default: `scipy.optimize.minimize`.
    **options
        Given to every call, unless the call gives its own.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> t = np.linspace(0, 5, 30)
    >>> simplex = MinimizeAdapter(method="Nelder-Mead", tol=1e-3)
    >>> y = 3 * np.exp(-t)
    >>> fit = curve_fit(lambda t, a, k: a * np.exp(-k * t), t, y, [9, 9], method=simplex)
    >>> fit.popt.round(9), fit.optimizer["success"]
    (array([3., 1.]), True)
    """

    def __init__(self, function: Callable | None = None, **options: Any):
        if function is None:
            from scipy.optimize import minimize as function
        if not callable(function):
            raise TypeError(f"`function` must be callable as `minimize` is, got {function!r}.")
        self.function, self.options = function, options

    def optimize(
        self,
        fun: Callable[..., float],
        x0: Any,
        args: tuple = (),
        *,
        bounds: Any = None,
        **options: Any,
    ) -> ResultProtocol:
        """Minimise fun(x, *args) from x0 (n,), within bounds: lower and upper (n,)."""
        if bounds is not None and np.isfinite(bounds).any():
            options["bounds"] = list(zip(*bounds, strict=True))
        return self.function(fun, x0, args, **(self.options | options))

    def __repr__(self) -> str:
        kept = "".join(f", {k}={v!r}" for k, v in self.options.items())
        return f"MinimizeAdapter({self.function.__name__}{kept})"
