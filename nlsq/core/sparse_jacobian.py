"""`SparseJacobianComputer`: the Jacobian of residuals that each depend on few unknowns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.core.least_squares import AutoDiffJacobian
from nlsq.core.model import differences
from nlsq.core.model.jacobians import Pattern
from nlsq.utils.given import model_value


class SparseJacobianComputer:
    """Differences of several unknowns at once, as far as they share no residual.

    A `SparseJacobianProtocol`, of which nothing as large as (m, n) is made.

    Parameters
    ----------
    sparsity_pattern : array_like or sparse matrix (m, n), optional
        Not 0 where the Jacobian may be. Default: it is not known; the Jacobian is then exact, made
        dense, and what is 0 left out.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import least_squares
    >>> def residuals(x):
    ...     return np.concatenate([x**2 - np.arange(1, 6), 0.1 * np.diff(x)])
    >>> pattern = np.vstack([np.eye(5), np.eye(4, 5) + np.eye(4, 5, 1)])
    >>> jac = SparseJacobianComputer(pattern)
    >>> jac.compute_sparse(residuals, np.ones(5)).nnz
    13
    >>> least_squares(residuals, np.ones(5), jac=jac).x.round(3)
    array([1.001, 1.414, 1.732, 2.   , 2.236])
    """

    def __init__(self, sparsity_pattern: Any = None):
        self.sparsity_pattern = sparsity_pattern
        self._groups: Pattern | None = None

    def compute(self, fun: Callable, x: Any, args: tuple = ()) -> np.ndarray:
        """The Jacobian (m, n) of fun(x, *args) (m,) at x (n,), as an array."""
        return self.compute_sparse(fun, x, args).toarray()

    def compute_sparse(self, fun: Callable, x: Any, args: tuple = ()) -> Any:
        """The same as a CSR matrix.

        Raises
        ------
        ValueError
            The pattern has another shape.
        """
        from scipy.sparse import csr_array

        if self.sparsity_pattern is None:
            return csr_array(AutoDiffJacobian().compute(fun, x, args))
        x = np.atleast_1d(np.asarray(x, float))

        def values(p: np.ndarray) -> np.ndarray:
            return model_value(fun(p, *args), "`fun`")

        f0, free = values(x), np.full(x.size, np.inf)
        if self._groups is None:
            self._groups = Pattern(self.sparsity_pattern, f0.size, x.size)
        return differences.sparse_jacobian(
            values, x, f0, "3-point", None, -free, free, self._groups
        )
