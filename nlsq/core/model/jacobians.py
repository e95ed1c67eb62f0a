"""Jacobians on the host in the forms users give them: dense, sparse, or products only.

`form` takes what a user's `jac` returned; `Products` is what the iterative step needs of it. Sparse
ones stay sparse: nothing here is as large as (m, n), unless the user made it.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.interfaces import JacobianProtocol, SparseJacobianProtocol
from nlsq.utils.given import numeric

# Products of random signs with a LinearOperator, whose column norms cannot be had otherwise: each
# is right to about a quarter.
_PROBES = 8


class JacobianShapeError(TypeError, ValueError):
    """The user's `jac` has the wrong shape; SciPy's methods disagree on the type to raise."""


def of_curve(jac: Any, f: Callable) -> Any:
    """The derivative jac(x, *params) of the model f by a user's object; anything else as it is."""
    if callable(jac) or not isinstance(jac, JacobianProtocol):
        return jac
    own: JacobianProtocol = jac
    return lambda x, *params: own.compute(lambda p: f(x, *p), np.array(params))


def of_residuals(jac: Any, fun: Callable) -> Any:
    """The same of residuals fun(x, *args, **kwargs), sparse where the object makes it so."""
    if callable(jac) or not isinstance(jac, JacobianProtocol):
        return jac
    own: JacobianProtocol | SparseJacobianProtocol = jac
    compute = own.compute_sparse if isinstance(own, SparseJacobianProtocol) else own.compute
    return lambda x, *args, **kwargs: compute(functools.partial(fun, **kwargs), x, args)


def is_sparse(J: Any) -> bool:
    """Whether this is one of SciPy's sparse matrices or arrays."""
    return hasattr(J, "tocsr") and hasattr(J, "nnz")


def is_operator(J: Any) -> bool:
    """Whether J is known by its products only: a LinearOperator."""
    return not is_sparse(J) and hasattr(J, "matvec") and hasattr(J, "rmatvec")


def form(J: Any, m: int, n: int) -> Any:
    """What a user's `jac` returned: an array (m, n), a CSR matrix or a LinearOperator.

    One row, or one column, may come as a vector, and one number as such.

    Raises
    ------
    JacobianShapeError
        It has another shape.
    """
    if is_sparse(J):
        J = J.tocsr()
        J = J.astype(np.result_type(J.dtype, float), copy=False)  # squares of int8 overflow
    elif not is_operator(J):
        J = numeric(J, "jac")
        if J.ndim < 2 and J.size == m * n and 1 in (m, n):
            J = J.reshape(m, n)
    if J.shape != (m, n):
        raise JacobianShapeError(
            f"The return value of `jac` has wrong shape: it must be ({m}, {n}), one column per "
            f"parameter; got {J.shape}."
        )
    return J


class Products:
    """Products with diag(rows) J diag(free), for J in one of the forms.

    Parameters
    ----------
    rows : ndarray (m,) or None
        Factors of the rows, those of a loss.
    free : ndarray (n,)
        1.0, or 0.0 for a fixed parameter.
    """

    def __init__(self, J: Any, rows: np.ndarray | None, free: np.ndarray):
        self._rows, self._free = rows, None if free.all() else free
        self.matrix, self._T = J, None if is_operator(J) else J.T
        self.shape = J.shape

    def forward(self, v: np.ndarray) -> np.ndarray:
        """J v (m,) for v (n,), or (m, k) for (n, k)."""
        v = v if self._free is None else _times(self._free, v)
        product = self.matrix.dot(v)
        return product if self._rows is None else _times(self._rows, product)

    def back(self, u: np.ndarray) -> np.ndarray:
        """J^T u (n,) for u (m,)."""
        u = u if self._rows is None else self._rows * u
        product = self.matrix.rmatvec(u) if self._T is None else self._T.dot(u)
        return product if self._free is None else self._free * product

    def column_norms(self) -> np.ndarray:
        """Norms of the columns (n,); of a LinearOperator an estimate, mean_k (J^T s_k)^2."""
        if self._T is None:
            rng = np.random.default_rng(0)
            signs = (rng.choice((-1.0, 1.0), self.shape[0]) for _ in range(_PROBES))
            return np.sqrt(sum(self.back(s) ** 2 for s in signs) / _PROBES)
        rows, J, n = self._rows, self.matrix, self.shape[1]
        if is_sparse(J):
            squares = J.data**2
            if rows is not None:
                squares = squares * np.repeat(rows**2, np.diff(J.indptr))
            squares = np.bincount(J.indices, squares, n)
        else:
            squares = np.einsum("ij,ij,i->j", J, J, np.ones(len(J)) if rows is None else rows**2)
        return np.sqrt(squares) * (1.0 if self._free is None else self._free)


def _times(factors: np.ndarray, v: np.ndarray) -> np.ndarray:
    return factors * v if v.ndim == 1 else factors[:, None] * v


class Pattern:
    """Where a Jacobian may be nonzero, its columns in groups that share no row.

    One difference gives all columns of a group (Curtis, Powell & Reid, "On the estimation of sparse
    Jacobian matrices", 1974). Each column joins the first group that has none of its rows.

    Parameters
    ----------
    sparsity : array_like or sparse matrix, shape (m, n)
        Not 0 where J may be.
    """

    def __init__(self, sparsity: Any, m: int, n: int):
        from scipy.sparse import csc_array

        given = sparsity if is_sparse(sparsity) else np.atleast_2d(sparsity)
        pattern = csc_array(given, copy=True)  # the user's stays as it is
        if pattern.shape != (m, n):
            raise ValueError(
                f"`jac_sparsity` has wrong shape: it must be ({m}, {n}), one row per residual and "
                f"one column per parameter; got {pattern.shape}."
            )
        pattern.sum_duplicates()
        pattern.eliminate_zeros()
        self._csc = pattern
        self.columns = np.repeat(np.arange(n), np.diff(pattern.indptr))
        self.groups = _groups(pattern.indptr.tolist(), pattern.indices.tolist(), m)
        self.count = int(self.groups.max(initial=-1)) + 1

    def matrix(self, entries: np.ndarray) -> Any:
        """The CSR matrix with these entries, in the order of `rows` and `columns`."""
        from scipy.sparse import csc_array

        pattern = self._csc
        return csc_array((entries, pattern.indices, pattern.indptr), pattern.shape).tocsr()

    @property
    def rows(self) -> np.ndarray:
        """Rows of the entries."""
        return self._csc.indices


def _groups(starts: list[int], rows: list[int], m: int) -> np.ndarray:
    taken = [0] * m  # of each row, a bit for each group that has it
    groups = []
    for begin, end in itertools.pairwise(starts):
        mine = rows[begin:end]
        used = 0
        for i in mine:
            used |= taken[i]
        free = ~used & (used + 1)  # the lowest bit that is not set
        for i in mine:
            taken[i] |= free
        groups.append(free.bit_length() - 1)
    return np.array(groups)
