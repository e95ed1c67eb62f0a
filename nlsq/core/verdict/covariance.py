r"""Covariance of the parameters from the triangular factor at the solution.

With R the factor of the whitened Jacobian, C = (R^T R)^{-1} s^2, s^2 = 1 for absolute sigma and
2 cost / (m - rank) otherwise. Columns are first scaled to length 1, R = S D, so that units do not
decide about rank; S = U diag(w) V^T, and

    C = s^2 D^{-1} V diag(1 / w^2) V^T D^{-1}      over the singular values above the tolerance.

A singular value below it, or a column that is exactly zero, is a direction D^{-1} v along which the
data say nothing: it is returned by name, and the parameters that take part get infinite variance.

Reference: G. A. F. Seber, C. J. Wild, "Nonlinear Regression", sections 2.1 and 3.
"""

from __future__ import annotations

import math

import numpy as np

from nlsq.core.algebra.dense import singular

RANK_TOLERANCE = 1e-13
# Share of a null direction from which a parameter counts as undetermined.
_TAKES_PART = 1e-8


def _separated(rows):
    """Basis (k, n) of the same null space in which each vector has a parameter of its own."""
    if len(rows) < 2:
        return rows
    from scipy.linalg import qr

    own = qr(rows, mode="r", pivoting=True)[-1][: len(rows)]
    return np.linalg.solve(rows[:, own], rows)


class Spectrum:
    """What the data determine, from R (n, n).

    Parameters
    ----------
    inverse : ndarray (n, n) or None
        R^{-1}, when R is known to be far from singular, where parameters were fitted, and no column
        next to 0; nothing then needs to be found out.
    dead : ndarray of bool (n,)
        Columns of the Jacobian that are exactly zero.
    free : ndarray of bool (n,)
        Parameters that were fitted.
    tolerance : float
        Singular values of the scaled R below this share of the largest are noise.

    Attributes
    ----------
    rank : int
        Number of determined directions.
    null_directions : ndarray (k, n)
        Unit vectors, in parameter units, along which the model does not change.
    undetermined : ndarray of bool (n,)
        Parameters that take part in a null direction.
    """

    def __init__(self, R, dead, free, tolerance: float = RANK_TOLERANCE, inverse=None):
        self.free = free
        every = False not in free.tolist()
        self._regular = inverse is not None
        if self._regular:
            self._all, self._live = every, free
            self._inverse = inverse.T if every else inverse[free][:, free].T
            self.rank = len(self._inverse)
            self.null_directions = np.zeros((0, free.size))
            self.undetermined = np.zeros(free.size, bool)
            return
        self._all = every and True not in dead.tolist()
        self._live = live = free & ~dead
        columns = R[:, live]
        D = np.abs(columns).max(0, initial=0.0)  # squares of 1e-180 would be 0
        D = D * np.sqrt(((columns / D) ** 2).sum(0))
        _, w, VT = singular(columns / D)
        keep = w > tolerance * w.max(initial=0.0)
        self._inverse = VT[keep] / w[keep, None] / D
        self.rank = int(keep.sum())
        self.null_directions = self._null(_separated(VT[~keep]), D, free & dead)
        self.undetermined = np.any(self.null_directions != 0, axis=0)

    def _null(self, rows, D, dead):
        n = self.free.size
        null = np.zeros((len(rows) + int(dead.sum()), n))
        if not len(null):
            return null
        null[: len(rows), self._live] = np.where(np.abs(rows) > _TAKES_PART, rows, 0.0) / D
        null[len(rows) :] = np.eye(n)[dead]
        return null / np.linalg.norm(null, axis=1, keepdims=True)

    def covariance(self, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """(pcov, determined), both (n, n), for noise variance `scale`.

        pcov has infinite rows and columns for undetermined parameters, all infinite when `scale` is
        (no degrees of freedom), and zero ones for fixed parameters. `determined` is the covariance
        within the determined directions, which is finite.
        """
        n = self.free.size
        if not math.isfinite(scale):
            return np.where(np.outer(self.free, self.free), np.inf, 0.0), np.zeros((n, n))
        inverse = math.sqrt(scale) * self._inverse
        if self._regular:
            determined = inverse.T.dot(inverse)
        else:
            with np.errstate(over="ignore"):  # of a column next to 0 the variance is inf
                determined = inverse.T.dot(inverse)
        if not self._all:
            inner, determined = determined, np.zeros((n, n))
            determined[np.ix_(self._live, self._live)] = inner
        if not len(self.null_directions):
            return determined.copy(), determined
        pcov = determined.copy()
        pcov[self.undetermined, :] = np.inf
        pcov[:, self.undetermined] = np.inf
        pcov[~self.free, :] = 0.0
        pcov[:, ~self.free] = 0.0
        return pcov, determined
