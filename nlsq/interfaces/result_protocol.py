"""What the outcome of an optimisation has, whoever made it."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class ResultProtocol(Protocol):
    """The end of a minimisation, as an `nlsq.OptimizeResult` has it; SciPy's will do.

    Examples
    --------
    >>> from nlsq import least_squares
    >>> isinstance(least_squares(lambda x: x - 1, [0.0]), ResultProtocol)
    True
    """

    @property
    def x(self) -> Any:
        """The point (n,)."""

    @property
    def success(self) -> bool:
        """Whether it is a minimum."""

    @property
    def message(self) -> str:
        """Why the search ended."""


@runtime_checkable
class LeastSquaresResultProtocol(ResultProtocol, Protocol):
    """The end of a least-squares fit: `nlsq.least_squares` returns such."""

    @property
    def cost(self) -> float:
        """Half the sum of squares, or of the loss."""

    @property
    def fun(self) -> Any:
        """Residuals (m,)."""

    @property
    def jac(self) -> Any:
        """Jacobian (m, n)."""

    @property
    def nfev(self) -> int:
        """Evaluations of the function."""

    @property
    def njev(self) -> int:
        """Evaluations of the Jacobian."""


@runtime_checkable
class CurveFitResultProtocol(Protocol):
    """A fitted curve: `nlsq.curve_fit` returns such, and `p0` takes one.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> x = np.linspace(0, 1, 9)
    >>> fit = curve_fit(lambda x, a: a * x, x, 2 * x)
    >>> isinstance(fit, CurveFitResultProtocol), isinstance({}, CurveFitResultProtocol)
    (True, False)
    """

    @property
    def popt(self) -> Any:
        """Fitted parameters (n,)."""

    @property
    def pcov(self) -> Any:
        """Their covariance (n, n)."""

    @property
    def success(self) -> bool:
        """Whether the fit came to its end."""

    def get(self, key: str, default: Any = None) -> Any:
        """The field `key`, or `default`."""
