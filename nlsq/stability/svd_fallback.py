r"""The singular value decomposition where LAPACK's quick routine fails, or is slow.

gesdd        divide and conquer, as NumPy's
gesvd        QR iteration: slower, and may converge where gesdd does not
randomized   an orthonormal basis Q of A S with a Gaussian S, then the decomposition of the small
             Q^T A. With as many columns as A has it is exact to rounding (Halko, Martinsson &
             Tropp, SIAM Review 53, 217 (2011), algorithms 4.4 and 5.1)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from scipy.linalg import svd

from nlsq.stability.numbers import SVD_ELEMENTS as LARGE  # where the randomized one comes first

_OVERSAMPLED, _POWERS = 10, 2  # of a decomposition of fewer directions than there are


@dataclasses.dataclass(frozen=True, eq=False)
class Svd:
    """A = U diag(s) V^T; unpacks to U (m, k), s (k,), V (n, k).

    `used` is 'gesdd', 'gesvd' or 'randomized'; `failed` says what was tried before, and why not.
    """

    U: np.ndarray
    s: np.ndarray
    V: np.ndarray
    used: str
    failed: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.U, self.s, self.V))


def compute_svd_with_fallback(J_h: np.ndarray, full_matrices: bool = False) -> Svd:
    """Decompose a matrix (m, n) by the first routine that succeeds; the result says which it was.

    full_matrices: U and V are square. It is for LAPACK, whatever the size.

    Examples
    --------
    >>> U, s, V = found = compute_svd_with_fallback(np.diag([3.0, 2.0]))
    >>> s.tolist(), found.used
    ([3.0, 2.0], 'gesdd')
    """
    A = finite_matrix(J_h)
    failed: list[str] = []
    for driver in ("gesdd", "gesvd") if A.size <= LARGE or full_matrices else ():
        try:
            U, s, VT = svd(A, full_matrices, check_finite=False, lapack_driver=driver)
            return Svd(U, s, VT.T, driver, tuple(failed))
        except np.linalg.LinAlgError as error:
            failed.append(f"{driver}: {error}")
    if full_matrices:
        raise np.linalg.LinAlgError(f"{'; '.join(failed)}. full_matrices=False has another way.")
    return Svd(*randomized_svd(A), "randomized", tuple(failed))


def randomized_svd(A: np.ndarray, rank: int | None = None, seed: int = 0) -> tuple[np.ndarray, ...]:
    """(U, s, V) of the largest singular values of A (m, n), by default of all, exact to rounding.

    Of fewer they are approximations, the better the faster the values fall.
    """
    m, n = A.shape
    if n > m:
        V, s, U = randomized_svd(A.T, rank, seed)
        return U, s, V
    k = n if rank is None else min(rank, n)
    width = min(n, k + _OVERSAMPLED)
    Q, _ = np.linalg.qr(A @ np.random.default_rng(seed).standard_normal((n, width)))
    for _ in range(_POWERS if width < n else 0):
        Q, _ = np.linalg.qr(A @ np.linalg.qr(A.T @ Q)[0])
    W, s, VT = svd(Q.T @ A, full_matrices=False, check_finite=False, lapack_driver="gesvd")
    return (Q @ W)[:, :k], s[:k], VT[:k].T


def finite_matrix(given: np.ndarray) -> np.ndarray:
    """What was given as a matrix of float64; a ValueError where it is none, or not finite."""
    A = np.asarray(given, float)
    if A.ndim != 2:
        raise ValueError(f"a matrix has two dimensions, and this array has {A.ndim}.")
    if not np.isfinite(A).all():
        i, j = np.argwhere(~np.isfinite(A))[0]
        raise ValueError(f"the matrix has {A[i, j]} in row {i}, column {j}: all must be finite.")
    return A
