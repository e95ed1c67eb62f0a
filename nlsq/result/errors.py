"""The exception of a fit that did not converge."""

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
