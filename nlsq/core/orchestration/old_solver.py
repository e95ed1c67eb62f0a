"""The reference's solver: SciPy's, and Gauss-Newton steps until rounding stops them.

Reference: G. A. F. Seber, C. J. Wild, "Nonlinear Regression", section 14.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize

from nlsq.core.orchestration.textbook import LOSSES, Problem


@dataclass
class Solution:
    """Where the solver ended; `status` as SciPy's, or negative for a stop from outside."""

    p: np.ndarray
    status: int
    nfev: int
    njev: int


class _Stopped(Exception):
    pass


def solve(problem: Problem, settings: Any, report: Callable[..., int | None]) -> Solution:
    """SciPy's method from p0, then Gauss-Newton steps until rounding stops them.

    report(accepted points so far, nfev, p, cost) says after each whether to stop, and by which
    status.
    """
    free, p = problem.free, problem.p0.copy()
    last = Solution(p, -3, 1, 0)
    if not np.isfinite(problem.residual(p)).all():
        return last
    problem.derivative.choose(problem.x, p)

    def expand(q):
        full = problem.p0.copy()
        full[free] = q
        return full

    def residual(q):
        last.nfev += 1
        return problem.residual(expand(q))

    def jacobian(q):
        last.p = expand(q)
        stop = report(last.njev, last.nfev, last.p, problem.cost(last.p))
        if stop is not None:
            last.status = stop
            raise _Stopped
        last.njev += 1
        return problem.jacobian(last.p)[:, free]

    last.nfev = 0
    wished = settings.x_scale
    if not isinstance(wished, str):
        wished = np.broadcast_to(np.asarray(wished, float), p.shape)[free]
    given = {k: getattr(settings, k) for k in ("ftol", "xtol", "gtol", "loss", "f_scale")}
    given |= {"tr_solver": settings.tr_solver, "tr_options": settings.tr_options or {}}
    given |= {"bounds": (problem.lb[free], problem.ub[free]), "verbose": 2 * (settings.verbose > 1)}
    given |= {"method": settings.method, "max_nfev": settings.max_nfev or 200 * (p.size + 1)}
    for x_scale in (wished, 1.0):  # without a budget of the user's, the other scale gets a try too
        try:
            found = scipy.optimize.least_squares(
                residual, p[free], jacobian, x_scale=x_scale, **given
            )
        except _Stopped:
            return last
        last.p, last.status = expand(found.x), found.status
        if last.status > 0 or settings.max_nfev is not None:
            break
    if last.status > 0:
        problem.derivative.choose(problem.x, last.p)
        last.p = polish(problem, last.p)
    return last


def polish(problem: Problem, p) -> np.ndarray:
    """Gauss-Newton steps, halved where the cost rises, until rounding stops them."""
    before, size = np.inf, np.linalg.norm(problem.whiten(problem.y))
    for _ in range(200):
        cost, r, J = problem.folded(p)
        g = J.T @ r
        outward = ((p <= problem.lb) & (g > 0)) | ((p >= problem.ub) & (g < 0))
        moving = problem.free & ~outward
        lengths = np.linalg.norm(J, axis=0)
        D = np.where(lengths > 0, lengths, 1.0)[moving]
        U, w, VT = np.linalg.svd(J[:, moving] / D, full_matrices=False)
        keep = w > problem.derivative.rank_tolerance * w.max(initial=0.0)
        # a loss makes an outlier's row r / s with s near 0, in which the others' digits would drown
        along = U.T @ r if problem.loss is LOSSES["linear"] else VT @ (g[moving] / D) / w
        step = np.zeros(p.size)
        step[moving] = -VT[keep].T @ (along[keep] / w[keep]) / D
        onto = np.clip(p + step, problem.lb, problem.ub)
        on_face = np.where(onto == p + step, p, onto)  # SciPy's end is short of the bounds
        if (on_face != p).any() and problem.cost(on_face) <= cost:
            p, before = on_face, np.inf
            continue
        length = np.linalg.norm(J @ step)
        if length >= before and length < 1e-6 * np.sqrt(2 * cost):
            break
        trials = (np.clip(p + step / 2**k, problem.lb, problem.ub) for k in range(20))
        most = cost + 1e-15 * size * np.sqrt(2 * cost)  # what rounding of y makes of it
        lower = (t for t in trials if problem.cost(t) <= most)
        trial = next(lower, p)
        if (trial == p).all():
            break
        p, before = trial, length
    return p
