"""What an object must offer to compute derivatives for a fit: ``jac=...``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class JacobianProtocol(Protocol):
    """A way to differentiate any function: `nlsq.core.least_squares.AutoDiffJacobian` is one.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> class Central:
    ...     def compute(self, fun, x, args=()):
    ...         steps = 1e-6 * np.eye(x.size)
    ...         return np.stack([(fun(x + h, *args) - fun(x - h, *args)) / 2e-6 for h in steps], 1)
    >>> t = np.linspace(0, 5, 30)
    >>> fit = curve_fit(lambda t, a, k: a * np.exp(-k * t), t, 3 * np.exp(-t), jac=Central())
    >>> fit.popt.round(6), fit.model_info.derivative
    (array([3., 1.]), "the user's jac")
    """

    def compute(self, fun: Callable[..., Any], x: Any, args: tuple = ()) -> Any:
        """The Jacobian (m, n) of fun(x, *args) (m,) at x (n,)."""


@runtime_checkable
class SparseJacobianProtocol(JacobianProtocol, Protocol):
    """A way to differentiate functions whose Jacobian is mostly 0, for `nlsq.least_squares`.

    `nlsq.core.sparse_jacobian.SparseJacobianComputer` is one.
    """

    @property
    def sparsity_pattern(self) -> Any:
        """Not 0 where the Jacobian may be, (m, n); None where that is not known."""

    def compute_sparse(self, fun: Callable[..., Any], x: Any, args: tuple = ()) -> Any:
        """`compute`, as one of SciPy's sparse matrices."""
