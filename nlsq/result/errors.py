"""The exceptions of a fit that did not converge, or could not begin."""

from __future__ import annotations

from typing import Any


class FitError(RuntimeError):
    """A fit stopped before it converged, as SciPy's ``RuntimeError: Optimal parameters not found``.

    Parameters
    ----------
    message : str
        Which test stopped the fit and what to try next.
    result : CurveFitResult, optional
        The state at which the fit stopped; kept as the attribute ``result``.

    Examples
    --------
    >>> from nlsq.result import FitError
    >>> try:
    ...     raise FitError("the budget of 10 evaluations is spent; raise max_nfev")
    ... except RuntimeError as error:
    ...     print(error, error.result)
    the budget of 10 evaluations is spent; raise max_nfev None
    """

    def __init__(self, message: str = "", result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class StartError(ValueError):
    """A fit could not begin: the residuals are not finite at its start, as SciPy's ValueError.

    Parameters
    ----------
    message : str
        Where the start is and what the model gives there.
    result : CurveFitResult, optional
        The start, the bounds and the data; kept as the attribute ``result``.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> try:
    ...     curve_fit(lambda x, a: np.log(x - a), np.arange(1.0, 9.0), np.zeros(8), p0=[2.0])
    ... except ValueError as error:
    ...     error.result.p0
    array([2.])
    """

    def __init__(self, message: str = "", result: Any = None) -> None:
        super().__init__(message)
        self.result = result
