"""Decompositions that go on where the quick one fails, and say what they did.

Columns are first scaled to length 1, or the diagonal to 1, so that units decide nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from nlsq.stability.numbers import CONDITION, TIKHONOV, SafeFunctions
from nlsq.stability.svd_fallback import Svd, compute_svd_with_fallback, finite_matrix
from nlsq.utils.logging import get_logger


class Done(NamedTuple):
    """What a decomposition did: by which routine, at which rank, and what had failed before.

    `used` is 'cholesky', 'eigenvalue', 'tikhonov', 'qr', or what `Svd` says; `added` is what the
    scaled diagonal got.
    """

    used: str
    rank: int
    added: float = 0.0
    failed: tuple[str, ...] = ()


class RobustDecomposition:
    """Cholesky, QR and singular value decompositions with a way on for each failure.

    Its attribute `done` says what the last call did; `enable_logging` logs it, at the level INFO.

    Examples
    --------
    >>> robust = RobustDecomposition()
    >>> x = robust.solve_least_squares([[1.0, 1.0], [2.0, 2.0]], [2.0, 4.0])
    >>> x.round(12).tolist(), robust.done.used, robust.done.rank
    ([1.0, 1.0], 'gesdd', 1)
    """

    def __init__(self, enable_logging: bool = False):
        self.enable_logging = enable_logging
        self.done: Done | None = None

    def cholesky(self, matrix: np.ndarray, lower: bool = True) -> np.ndarray:
        """L with L L^T = A, or its transpose.

        Where Cholesky's fails, L comes from the eigenvalues; where these say that A is singular, A
        gets `TIKHONOV` added to its scaled diagonal. A LinAlgError says that some are negative.
        """
        A = finite_matrix(matrix)
        if not A.size or A.shape[0] != A.shape[1] or not np.allclose(A, A.T, rtol=1e-8, atol=0):
            raise ValueError(f"Cholesky's is for symmetric matrices, not for this {A.shape} one.")
        D = np.sqrt(np.where(A.diagonal() > 0, A.diagonal(), 1.0))
        S = A / np.multiply.outer(D, D)
        try:
            L, done = np.linalg.cholesky(S), Done("cholesky", len(S))
        except np.linalg.LinAlgError:
            w, V = np.linalg.eigh(S)
            if w[0] < -TIKHONOV * w[-1] or not w[-1] > 0:
                raise np.linalg.LinAlgError(
                    f"the matrix is not positive semidefinite: its scaled eigenvalues lie between "
                    f"{w[0]:.3g} and {w[-1]:.3g}."
                ) from None
            rank = int((w > w[-1] / CONDITION).sum())
            added = TIKHONOV + max(-w[0], 0.0) if rank < len(w) else 0.0
            R = np.linalg.qr((V * np.sqrt(np.maximum(w + added, 0.0))).T, mode="r")
            L = R.T * np.where(R.diagonal() < 0, -1.0, 1.0)
            failed = ("cholesky: a pivot is not positive",)
            done = Done("tikhonov" if added else "eigenvalue", rank, added, failed)
        self._say(done)
        L = D[:, None] * L
        return L if lower else L.T

    def qr(self, matrix: np.ndarray, mode: str = "reduced") -> tuple[np.ndarray, np.ndarray]:
        """(Q, R) of NumPy's QR decomposition, of which `done` knows the rank."""
        Q, R = np.linalg.qr(finite_matrix(matrix), mode=mode)
        pivots = R.diagonal()
        lengths = SafeFunctions.safe_norm(R, axis=0)[: pivots.size]
        self._say(Done("qr", int((np.abs(pivots) > lengths / CONDITION).sum())))
        return Q, R

    def svd(self, matrix: np.ndarray, full_matrices: bool = False) -> Svd:
        """`compute_svd_with_fallback`."""
        found = compute_svd_with_fallback(matrix, full_matrices)
        self._say(Done(found.used, int(_acting(found.s).sum()), failed=found.failed))
        return found

    def solve_least_squares(self, A: np.ndarray, b: np.ndarray) -> np.ndarray:
        """x (n,) that minimises |A x - b|, by QR.

        Where A is nearly singular: by its singular values above the largest / `CONDITION`, the
        shortest of all x that are as good, in units of the columns' lengths.
        """
        A, b = finite_matrix(A), np.asarray(b, float)
        lengths = SafeFunctions.safe_norm(A, axis=0)
        lengths = np.where(lengths > 0, lengths, 1.0)
        S = A / lengths
        if A.shape[0] >= A.shape[1]:
            Q, R = np.linalg.qr(S)
            if (np.abs(R.diagonal()) > 1 / CONDITION).all():
                self._say(Done("qr", len(R)))
                return solve_triangular(R, Q.T @ b) / lengths
        U, s, V = self.svd(S)
        keep = _acting(s)
        return (V[:, keep] / s[keep]) @ (U[:, keep].T @ b) / lengths

    def _say(self, done: Done) -> None:
        self.done = done
        if self.enable_logging:
            get_logger("stability").info("%s", done)


def _acting(s: np.ndarray) -> np.ndarray:
    """Which singular values are not rounding."""
    return s > s.max(initial=0.0) / CONDITION


robust_decomp = RobustDecomposition()
