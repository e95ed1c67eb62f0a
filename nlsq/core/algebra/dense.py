"""Dense n-sized linear algebra of the step: LAPACK's for NumPy, `traced` for JAX.

cholesky        L L^T = A; NaN where a pivot is not positive
solve_upper     R^{-1} b or R^{-T} b
triangularise   the R and Q^T b of a QR decomposition
least_squares   by the same
jacobi          the singular values and both sides' vectors
"""

from __future__ import annotations

import math
from operator import mul

import numpy as np

from nlsq.core.algebra.namespace import of_jax, xp

_FEW, _SMALL = 6, 80  # rows, and numbers, up to which plain numbers are quicker than NumPy


def _traced():
    from nlsq.core.algebra import traced

    return traced


def norm(x):
    """The Euclidean norm of a vector."""
    if type(x) is np.ndarray:
        return np.float64(math.sqrt(x.dot(x)))
    return xp.sqrt(xp.sum(x * x))


def dot(A, B):
    """A @ B of vectors or matrices."""
    if type(A) is type(B) is np.ndarray:
        return A.dot(B)
    return _traced().dot(A, B) if of_jax((A, B)) else A @ B


def diagonal(A):
    """The diagonal of A (n, n)."""
    return A.diagonal() if type(A) is np.ndarray else A.reshape(-1)[:: A.shape[0] + 1]


def cholesky(A):
    """Lower triangular L with L L^T = A, of symmetric A (n, n)."""
    if of_jax((A,)):
        return _traced().cholesky(A)
    try:
        return np.linalg.cholesky(A)
    except np.linalg.LinAlgError:
        return np.full_like(A, np.nan)


def solve_upper(R, b, transpose: bool = False):
    """R^{-1} b, or R^{-T} b, for upper triangular R (n, n) and b (n,) or (n, k)."""
    if of_jax((R, b)):
        return _traced().solve_upper(R, b, transpose)
    if len(R) <= _FEW:
        return _solve_few(R, b, transpose)
    x = np.array(b, float)
    for k in range(len(x)) if transpose else reversed(range(len(x))):
        x[k] = x[k] / R[k, k]
        if transpose:
            x[k + 1 :] -= np.multiply.outer(R[k, k + 1 :], x[k])
        else:
            x[:k] -= np.multiply.outer(R[:k, k], x[k])
    return x


def _solve_few(R, b, transpose: bool):
    """`solve_upper` in plain numbers, of which a few cost less than a call of NumPy."""
    rows = R.T.tolist() if transpose else R.tolist()
    n = len(rows)
    order = range(n) if transpose else range(n - 1, -1, -1)

    def substitute(x: list) -> list:
        for k in order:
            row, rest = rows[k], x[k]
            for j in range(k) if transpose else range(k + 1, n):
                rest -= row[j] * x[j]
            x[k] = rest / row[k] if row[k] else rest * math.inf
        return x

    if b.ndim == 1:
        return np.array(substitute(b.tolist()))
    return np.array([substitute(column) for column in b.T.tolist()]).T


def inverse_of_rows(R: list) -> list:
    """The inverse of an upper triangular matrix, both as rows of plain numbers."""
    n = len(R)
    P = [[0.0] * n for _ in R]
    for j in range(n):
        P[j][j] = 1 / R[j][j]
        for i in range(j - 1, -1, -1):
            row, rest = R[i], 0.0
            for k in range(i + 1, j + 1):
                rest -= row[k] * P[k][j]
            P[i][j] = rest / row[i]
    return P


def triangularise(A, b):
    """(T, Q^T b): upper triangular T (n, n) with T^T T = A^T A, for A (m, n) and b (m,), m >= n."""
    if of_jax((A, b)):
        return _traced().triangularise(A, b)
    Q, T = np.linalg.qr(A)
    return T, Q.T @ b


def least_squares(A, b):
    """(x, d): the x (n,) that minimises |A x + b|, and |T_jj| as in `triangularise`."""
    if of_jax((A, b)):
        return _traced().least_squares(A, b)
    if A.size <= _SMALL:
        return _least_squares_few(A.T.tolist(), b.tolist())
    T, c = triangularise(A, b)
    return -solve_upper(T, c), np.abs(diagonal(T))


def _least_squares_few(columns: list, b: list):
    """`least_squares` in plain numbers, by modified Gram-Schmidt as in `traced`."""
    n = len(columns)
    parts, rest, norms = [[0.0] * n for _ in columns], [0.0] * n, []
    for k in range(n):
        v = columns[k]
        square = sum(map(mul, v, v))
        norms.append(math.sqrt(square))
        if not square:
            continue
        for j in range(k + 1, n):
            part = parts[k][j] = sum(map(mul, columns[j], v)) / square
            if part:
                columns[j] = [a - part * c for a, c in zip(columns[j], v, strict=True)]
        part = rest[k] = sum(map(mul, b, v)) / square
        if part:
            b = [a - part * c for a, c in zip(b, v, strict=True)]
    x = [0.0] * n
    for k in range(n - 1, -1, -1):
        x[k] = -rest[k] - sum(map(mul, parts[k][k + 1 :], x[k + 1 :]))
    return np.array(x), np.array(norms)


def jacobi(A):
    """(W, s, V) of A (m, n): A V = W with orthogonal columns of norms s; V orthogonal."""
    if of_jax((A,)):
        return _traced().jacobi(A)
    if not np.isfinite(A).all():
        nothing = np.full(A.shape[1], np.nan)
        return np.full_like(A, np.nan), nothing, np.full((A.shape[1],) * 2, np.nan)
    U, s, VT = singular(A)
    return U * s, s, VT.T


def singular(A: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(U, s, V^T) of A (m, n), by LAPACK's other routine where the quick one does not converge."""
    try:
        return np.linalg.svd(A, full_matrices=False)
    except np.linalg.LinAlgError:
        from nlsq.stability.svd_fallback import compute_svd_with_fallback

        U, s, V = compute_svd_with_fallback(A)
        return U, s, V.T
