"""Decompositions that go on where the quick one fails, and say what they did.

Columns are first scaled to length 1, or the diagonal to 1, so that units decide nothing.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.linalg import solve_triangular

from nlsq.stability.svd_fallback import Svd, compute_svd_with_fallback, finite_matrix
from nlsq.utils.logging import get_logger

CONDITION = 1e12  # above which a matrix counts as singular
TIKHONOV = 1e-10  # what is then added to a diagonal of ones


@dataclasses.dataclass(frozen=True)
class Done:
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

    Parameters
    ----------
    enable_logging : bool
        Log what was done, at the level INFO.

    Attributes
    ----------
    done : Done or None
        What the last call did.

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
        gets `TIKHONOV` added to its scaled diagonal.

        Raises
        ------
        LinAlgError
            When A has negative eigenvalues that are no rounding.
        """
        A = finite_matrix(matrix)
        diagonal = A.diagonal() if A.shape[0] == A.shape[1] else np.zeros(0)
        if not diagonal.size or not np.allclose(A, A.T, rtol=1e-8, atol=0):
            raise ValueError(f"Cholesky's is for symmetric matrices, not for this {A.shape} one.")
        D = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        S = A / np.multiply.outer(D, D)
        n, failed = len(S), ("cholesky: a pivot is not positive",)
        try:
            L, done = np.linalg.cholesky(S), Done("cholesky", n)
        except np.linalg.LinAlgError:
            w, V = np.linalg.eigh(S)
            if w[0] < -TIKHONOV * w[-1] or not w[-1] > 0:
                raise np.linalg.LinAlgError(
                    f"the matrix is not positive semidefinite: its scaled eigenvalues lie between "
                    f"{w[0]:.3g} and {w[-1]:.3g}."
                ) from None
            rank, added = int((w > w[-1] / CONDITION).sum()), 0.0
            if rank < n:
                added = TIKHONOV + max(-w[0], 0.0)
                failed += (f"eigenvalue: the condition is above {CONDITION:.0e}",)
            root = np.sqrt(np.maximum(w + added, 0.0))
            L = np.linalg.qr((V * root).T, mode="r").T
            L = L * np.where(L.diagonal() < 0, -1.0, 1.0)
            done = Done("tikhonov" if added else "eigenvalue", rank, added, failed)
        self._say(done)
        L = D[:, None] * L
        return L if lower else L.T

    def qr(self, matrix: np.ndarray, mode: str = "reduced") -> tuple[np.ndarray, np.ndarray]:
        """(Q, R) of NumPy's QR decomposition, of which `done` knows the rank."""
        A = finite_matrix(matrix)
        Q, R = np.linalg.qr(A, mode=mode)
        self._say(Done("qr", int((_shares(R) > 1 / CONDITION).sum())))
        return Q, R

    def svd(self, matrix: np.ndarray, full_matrices: bool = False) -> Svd:
        """`compute_svd_with_fallback`."""
        found = compute_svd_with_fallback(matrix, full_matrices)
        limit = found.s.max(initial=0.0) / CONDITION
        self._say(Done(found.used, int((found.s > limit).sum()), failed=found.failed))
        return found

    def solve_least_squares(self, A: np.ndarray, b: np.ndarray) -> np.ndarray:
        """x (n,) that minimises |A x - b|, by QR.

        Where A is nearly singular: by its singular values above the largest / `CONDITION`. Of all x
        that are as good this is the shortest, in units of the columns' lengths.
        """
        A, b = finite_matrix(A), np.asarray(b, float)
        largest = np.where(A.any(0), np.abs(A).max(0, initial=0.0), 1.0)  # squares might overflow
        lengths = largest * np.where(A.any(0), np.linalg.norm(A / largest, axis=0), 1.0)
        S = A / lengths
        if A.shape[0] >= A.shape[1]:
            Q, R = np.linalg.qr(S)
            if (_shares(R) > 1 / CONDITION).all():
                self._say(Done("qr", len(R)))
                return solve_triangular(R, Q.T @ b) / lengths
        U, s, V = found = compute_svd_with_fallback(S)
        keep = s > s.max(initial=0.0) / CONDITION
        failed = (f"qr: the condition is above {CONDITION:.0e}, or there are too few rows",)
        self._say(Done(found.used, int(keep.sum()), failed=failed + found.failed))
        return (V[:, keep] / s[keep]) @ (U[:, keep].T @ b) / lengths

    def _say(self, done: Done) -> None:
        self.done = done
        if self.enable_logging:
            get_logger("stability").info("%s", done)


def _shares(R: np.ndarray) -> np.ndarray:
    """|R_jj| as shares of the columns' lengths."""
    with np.errstate(invalid="ignore", divide="ignore"):
        d = np.abs(R.diagonal()) / np.linalg.norm(R[:, : min(R.shape)], axis=0)
    return np.nan_to_num(d)


robust_decomp = RobustDecomposition()
