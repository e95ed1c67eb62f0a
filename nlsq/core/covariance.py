r"""Covariance of the parameters from the triangular factor at the solution.

With R the factor of the whitened Jacobian, C = (R^T R)^{-1} s^2, s^2 = 1 for absolute sigma and
2 cost / (m - n_free) otherwise. Columns are first scaled to length 1, R = S D, so that units do not
decide about rank; S = U diag(w) V^T, and

    C = s^2 D^{-1} V diag(1 / w^2) V^T D^{-1}      over the singular values above the tolerance.

A singular value below it, or a column that is exactly zero, is a direction D^{-1} v along which the
data say nothing: it is returned by name, and the parameters that take part get infinite variance.

Reference: G. A. F. Seber, C. J. Wild, "Nonlinear Regression", sections 2.1 and 3.
"""

from __future__ import annotations

import dataclasses

import numpy as np

RANK_TOLERANCE = 1e-13
# Share of a null direction from which a parameter counts as undetermined.
_TAKES_PART = 1e-5


@dataclasses.dataclass
class Covariance:
    """Covariance and what the data leave open.

    Attributes
    ----------
    pcov : ndarray (n, n)
        Infinite rows and columns for undetermined parameters, zero ones for fixed parameters.
    determined : ndarray (n, n)
        Covariance within the determined directions only; always finite.
    rank : int
        Number of determined directions.
    undetermined : ndarray (n,) of bool
    null_directions : ndarray (k, n)
        Unit vectors in parameter units.
    reason : str
        Why pcov is not finite; empty when it is.
    """

    pcov: np.ndarray
    determined: np.ndarray
    rank: int
    undetermined: np.ndarray
    null_directions: np.ndarray
    reason: str = ""


def from_factor(R, dead, free, scale: float, tolerance: float = RANK_TOLERANCE) -> Covariance:
    """Covariance from R (n, n).

    Parameters
    ----------
    dead : ndarray of bool (n,)
        Columns of the Jacobian that are exactly zero.
    free : ndarray of bool (n,)
        Parameters that were fitted.
    scale : float
        s^2; NaN or inf when there are no degrees of freedom to estimate it from.
    """
    n = R.shape[0]
    live = free & ~dead
    columns = R[:, live]
    D = np.sqrt((columns * columns).sum(0))
    _, w, VT = np.linalg.svd(columns / D) if live.any() else (None, np.zeros(0), np.zeros((0, 0)))
    keep = w > tolerance * (w[0] if w.size else 1.0)
    inverse = VT[keep] / w[keep, None] / D
    pinv = np.zeros((n, n))
    pinv[np.ix_(live, live)] = inverse.T @ inverse

    null = np.zeros((int((~keep).sum()), n))
    null[:, live] = np.where(np.abs(VT[~keep]) > _TAKES_PART, VT[~keep], 0.0) / D
    for j in np.flatnonzero(free & dead):
        null = np.vstack([null, np.eye(n)[j]])
    if len(null):
        null /= np.linalg.norm(null, axis=1, keepdims=True)
        largest = np.abs(null).argmax(1)
        null *= np.sign(null[np.arange(len(null)), largest])[:, None]
    undetermined = np.any(null != 0, axis=0)

    reason = "some parameters are not determined by the data" if len(null) else ""
    if not np.isfinite(scale):
        reason = "there are no degrees of freedom left to estimate the noise from"
        pcov = np.where(np.outer(free, free), np.inf, 0.0)
        return Covariance(pcov, pinv, int(keep.sum()), undetermined, null, reason)
    determined = pinv * scale
    pcov = determined.copy()
    pcov[undetermined, :] = np.inf
    pcov[:, undetermined] = np.inf
    pcov[~free, :] = 0.0
    pcov[:, ~free] = 0.0
    return Covariance(pcov, determined, int(keep.sum()), undetermined, null, reason)
