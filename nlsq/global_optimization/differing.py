"""Local fits by differences, for a model that costs: in lanes, so that many curves are asked for
together, and few in all.

A pass evaluates one curve for each fit, or, to solve what is linear, one more than that has
parameters. Only where the cost fell are derivatives asked for, a curve for each parameter that is
not linear. The ends have the digits that a search needs; the fit that follows it has all of them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from nlsq.core.drive.batch import algebra
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model import differences
from nlsq.core.model.sharing import OutOfTime
from nlsq.global_optimization.problem import Problem
from nlsq.global_optimization.projecting import Normal, Projected, unit_curves

# relative step: integrators have noise of some 1e-8, and a place may be far from 0
_EPS = 1e-14


class Differing(Projected):
    """Lanes whose slopes are forward differences of curves of a problem.

    Parameters
    ----------
    problem : Problem
        Evaluates curves, and counts them.
    many, lot, x
        As those of `Projected`, whose `linear` may have none.
    """

    linear = np.empty(0, int)

    def __init__(self, problem: Problem, many: Many, lot: Lot, x: Any):
        super().__init__(many, lot, x)
        self.problem = problem
        self._best = np.full(len(lot), np.inf)
        self._at = lot.start[:, self._free]

    def take(self, kept: np.ndarray) -> Differing:
        """The fits of these indices."""
        part = super().take(kept)
        part._best, part._at = self._best[kept], self._at[kept]
        return part

    def reduce(self, trial: tuple) -> tuple:
        """(cost, g, G) of every fit at `trial`, as `passes.reduce`; 0 for g and G where it rose.

        The cost is NaN, so that the step is made shorter, where a parameter has another sign than
        at the start and is larger: a rate of the wrong sign makes an integrator explode, or run
        for ever.
        """
        p = np.stack(trial, axis=1)
        k, n = p.shape
        cost, g, G = np.full(k, np.nan), np.zeros((k, n)), np.zeros((k, n, n))
        wild = ((p * self._at < 0) & (np.abs(p) > np.abs(self._at))).any(axis=1)
        rows = np.flatnonzero(~wild)
        if rows.size:
            with np.errstate(all="ignore"), suppress(OutOfTime):  # the lanes stay where they are
                cost[rows], g[rows], G[rows] = self._reduced(p[rows], rows)
        triangle = [G[:, i, j] for i, j in algebra.pairs(n)]
        return cost, tuple(g.T), tuple(triangle)

    def _reduced(self, p: np.ndarray, rows: np.ndarray) -> tuple:
        """(cost (k,), g (k, n), G (k, n, n)) of the fits `rows` at p (k, n)."""
        params, linear, y = self.lot.start[rows], self.linear, self.lot.y[rows]
        params[:, self._free] = p
        normal = values = None
        if len(linear):
            base, phi = unit_curves(self.problem, linear, params)
            normal = Normal(self._weighted(phi), self._weighted(y - base))
            lb, ub = self.problem.lb[linear], self.problem.ub[linear]
            params[:, linear] = beta = normal.solution(lb, ub)
            r = normal.residuals(beta)
        else:
            values = self.problem.values(params)
            r = self._weighted(values - y)
        cost = self.problem.cost_of_whitened(r)
        fell = np.flatnonzero(cost < self._best[rows])
        self._best[rows[fell]] = cost[fell]
        J = np.zeros((*p.shape, y.shape[1]))
        if fell.size:
            before = None if values is None else values[fell]
            J[fell] = self._weighted(self._slopes(params[fell], before))
        if normal is not None:
            return cost, *normal.complement(J, r, (beta <= lb) | (beta >= ub))
        loss, f_scale = self._robust
        if loss is not None:
            _, r, K = scale_rows(loss, f_scale, r, J.swapaxes(0, 1), np)
            J = np.asarray(K).swapaxes(0, 1)
        return cost, (J @ r[..., None])[..., 0], J @ J.swapaxes(1, 2)

    def _slopes(self, params: np.ndarray, values: np.ndarray | None) -> np.ndarray:
        """Derivatives (k, n, m) by the parameters that are fitted, at params (k, N)."""
        problem, free = self.problem, np.flatnonzero(self._free)
        lb, ub = problem.lb, problem.ub
        h = differences.steps(params, "2-point", problem.model.rel_step, lb, ub, _EPS)
        every = np.repeat(params[:, None], free.size + 1, axis=1)
        for i, j in enumerate(free):
            every[:, i, j] = np.clip(params[:, j] + h[:, j], lb[j], ub[j])
        first = slice(0, free.size if values is not None else free.size + 1)
        found = problem.values(every[:, first].reshape(-1, params.shape[1]))
        found = found.reshape(len(params), -1, found.shape[1])
        if values is None:
            found, values = found[:, :-1], found[:, -1]
        taken = np.stack([every[:, i, j] - params[:, j] for i, j in enumerate(free)], axis=1)
        return (found - values[:, None]) / np.where(taken != 0, taken, np.inf)[..., None]
