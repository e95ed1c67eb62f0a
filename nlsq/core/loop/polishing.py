"""Gauss-Newton steps from a point that has converged, combined by Anderson acceleration.

Where residuals are large Gauss-Newton contracts only linearly. So the steps are combined with the
last `MEMORY` points in the metric of R, a multisecant method (Walker & Ni 2011). Steps are taken
while they contract, until the error they leave, |step| q / (1 - q) with q the contraction factor,
is negligible. Parameters at a bound are put exactly on it.
"""

from __future__ import annotations

import numpy as np

from nlsq.core.algebra import dense
from nlsq.core.algebra.namespace import eye, no, shortcut, where, xp
from nlsq.core.loop.state import MEMORY, Secants

RIDGE = 1e-6  # keeps nearly parallel secants from cancelling each other


def accelerate(point, target, secants: Secants):
    """Anderson step from `point`, whose Gauss-Newton step leads to `target`.

    gamma minimises |R (s - dS gamma)|, with a ridge; the next point is x + s - (dX + dS) gamma.
    """
    s = target - point.x
    return shortcut(
        no(secants.known),
        lambda: (target, _learnt(point.x, s, 0 * secants.dx, 0 * secants.dstep)),
        lambda: _accelerate(point, target, s, secants),
    )


def _learnt(x, s, dx, ds) -> Secants:
    return Secants(x, s, dx, ds, np.bool_(True))


def _accelerate(point, target, s, secants: Secants):
    new_dx = xp.concatenate([(point.x - secants.x)[None], secants.dx[:-1]])
    new_ds = xp.concatenate([(s - secants.step)[None], secants.dstep[:-1]])
    dx, ds = where(secants.known, new_dx, 0.0), where(secants.known, new_ds, 0.0)
    M = dense.dot(ds, point.R.T)  # (MEMORY, n), rows R dS_i
    norms = xp.sqrt(xp.sum(M * M, axis=1))
    some = norms > 0
    M = M / where(some, norms, 1.0)[:, None]
    rows = xp.concatenate([M.T, RIDGE * eye(MEMORY, M)])
    rhs = xp.concatenate([-dense.dot(point.R, s), xp.zeros(MEMORY)])
    gamma = dense.least_squares(rows, rhs)[0] / where(some, norms, xp.inf)
    accelerated = target - dense.dot(gamma, dx + ds)
    accelerated = where(xp.all(xp.isfinite(accelerated)), accelerated, target)
    return accelerated, _learnt(point.x, s, dx, ds)
