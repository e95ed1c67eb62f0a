r"""Starts that many data sets share: their curves are evaluated once, for all of them.

Where the data sets y_b have the same x, the curves phi(x; theta_k) of starts theta_k do not depend
on b. Everything that screening needs is then a product of matrices: with weights w_b, the normal
equations of the linear parameters beta,

    G = sum_m w^2 phi_i phi_j,   h = sum_m w^2 (y - f_0) phi_i,

and the cost at their solution, (sum_m w^2 (y - f_0)^2 - 2 h beta + beta G beta) / 2. The model is
called for the starts alone, however many data sets there are.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.drive.batch.stacked import Stack
from nlsq.core.loss_functions import scale_rows
from nlsq.global_optimization.local import Ends, lanes, projecting_out
from nlsq.global_optimization.problem import Problem
from nlsq.global_optimization.projecting import powers_of_two, solved, unit_curves
from nlsq.global_optimization.ranges import Ranges
from nlsq.global_optimization.units import Units

_ELEMENTS = 1 << 21  # of an array that screening makes
_RANK = 1e-10  # least eigenvalue of scaled normal equations that screening solves along


class SharedStarts:
    """Starts for all data sets with the same x, and the model there.

    Parameters
    ----------
    problem : Problem
        With x, bounds and fixed values of all; its y does not matter.
    units : Units
    ranges : Ranges
    P : ndarray (K, n)
    """

    def __init__(self, problem: Problem, units: Units, ranges: Ranges, P: np.ndarray):
        self.problem, self.units, self.ranges = problem, units, ranges
        self.linear = units.linear
        q = len(self.linear)
        every = np.repeat(P[None], q + 1, axis=0)
        every[:, :, self.linear] = 0.0
        every[np.arange(1, q + 1), :, self.linear] = 1.0
        flat = every.reshape(-1, problem.n)
        curves = np.concatenate([problem.values(part) for part in problem.tiles(flat)])
        curves = curves.reshape(q + 1, len(P), -1)
        with np.errstate(all="ignore"):
            phi = curves[1:] - curves[0]
        good = np.isfinite(curves[0]).all(axis=-1) & np.isfinite(phi).all(axis=(0, 2))
        self.P, self.base = P[good], curves[0, good]
        self._exponents, self.phi = powers_of_two(phi[:, good])  # whose squares are numbers

    @property
    def size(self) -> int:
        """How many starts."""
        return len(self.P)

    def best(self, lot: Lot, count: int) -> np.ndarray:
        """The `count` starts (b, count, n) of least cost for each data set, beta solved."""
        cost, beta = self._screened(lot)
        # by seven digits: the order must not depend on what else a product of matrices has
        order = np.argsort(cost.astype(np.float32), axis=1, kind="stable")[:, :count]
        starts = self.P[order]
        starts[:, :, self.linear] = np.take_along_axis(beta, order[:, :, None], axis=1)
        return starts

    def _screened(self, lot: Lot) -> tuple[np.ndarray, np.ndarray]:
        """(costs (b, K), beta (b, K, q))."""
        step = max(1, _ELEMENTS // (len(self.P) * (1 + len(self.linear)) ** 2))
        parts = [
            self._screened_part(lot.take(np.arange(first, min(first + step, len(lot)))))
            for first in range(0, len(lot), step)
        ]
        cost, beta = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cost, beta

    def _screened_part(self, lot: Lot) -> tuple[np.ndarray, np.ndarray]:
        w = np.ones((1, lot.m)) if lot.weights is None else np.atleast_2d(lot.weights)
        w2, phi, base = w * w, self.phi, self.base
        with np.errstate(all="ignore"):
            y = np.where(w > 0, lot.y, 0.0)
            rest = (w2 * y * y).sum(axis=1)[:, None] - 2 * (w2 * y) @ base.T + w2 @ (base**2).T
            h = (
                np.stack([(w2 * y) @ p.T - w2 @ (base * p).T for p in phi], axis=-1)
                if len(phi)
                else np.empty((*rest.shape, 0))
            )
            G = np.empty((len(w2), *h.shape[1:], len(phi)))
            for i, p in enumerate(phi):
                for j, other in enumerate(phi[: i + 1]):
                    G[:, :, i, j] = G[:, :, j, i] = w2 @ (p * other).T
            beta = self._solution(G, h)
            if self.problem.options.loss_function is not None:
                cost = self._robust(y, w, beta)
            else:
                left = (beta[:, :, None] @ G)[:, :, 0] - 2 * h
                cost = 0.5 * np.maximum(rest + (left * beta).sum(axis=-1), 0.0)
        beta = np.ldexp(beta, -self._exponents.T)
        return np.where(np.isfinite(cost), cost, np.inf), beta

    def _solution(self, G: np.ndarray, h: np.ndarray) -> np.ndarray:
        """beta (b, K, q) of G (b or 1, K, q, q) beta = h, cut to its bounds: to rank by."""
        if not h.shape[-1]:
            return h
        size = np.sqrt(np.einsum("bkii->bki", G))
        size = np.where(np.isfinite(size) & (size > 0), size, np.inf)
        scaled = G / (size[..., None] * size[..., None, :])
        values, vectors = np.linalg.eigh(np.where(np.isfinite(scaled), scaled, 0.0))
        inverse = np.where(values > _RANK, 1 / np.where(values > _RANK, values, 1.0), 0.0)
        whole = (vectors * inverse[..., None, :]) @ vectors.swapaxes(-1, -2)
        whole /= size[..., None] * size[..., None, :]
        beta = (whole @ h[..., None])[..., 0]
        bounds = self.problem.lb[self.linear], self.problem.ub[self.linear]
        return np.clip(beta, *(np.ldexp(bound, self._exponents.T) for bound in bounds))

    def _robust(self, y: np.ndarray, w: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Costs (b, K) of a loss, which takes the residuals themselves."""
        loss, f_scale = self.problem.options.loss_function, self.problem.options.f_scale
        cost = np.empty(beta.shape[:2])
        for k in range(len(self.P)):
            r = w * (self.base[k] + beta[:, k] @ self.phi[:, k] - y)
            cost[:, k] = scale_rows(loss, f_scale, r, r[:0, None], np)[0].sum(axis=-1)
        return cost

    # ---------------------------------------------------------------------------------- fits

    def fits_from(self, many: Many, lot: Lot, starts: np.ndarray) -> Ends:
        """Local fits from starts (b, s, n); the ends of data set i are i s ... i s + s - 1.

        Raises
        ------
        Unstackable
            The model cannot be evaluated at many fits at once.
        """
        b, s, n = starts.shape
        each = lot.take(np.repeat(np.arange(b), s))
        each.start = starts.reshape(-1, n).copy()
        if not len(self.linear) or many.options.loss_function is not None:
            return lanes(many, each, Stack)
        free = tuple(f and j not in self.linear for j, f in enumerate(many.free))
        theta = dataclasses.replace(many, free=free)
        ends = lanes(theta, each, projecting_out(self.linear))
        ends.x, ends.cost = self._solved(each, ends)
        return ends

    def _solved(self, lot: Lot, ends: Ends) -> tuple[np.ndarray, np.ndarray]:
        """(ends (k, n) with their linear parameters solved, costs there)."""
        problem, linear, q = self.problem, self.linear, len(self.linear)
        x, cost = ends.x.copy(), ends.cost.copy()
        first = 0
        for P in problem.tiles(ends.x, q + 1):
            here, first = slice(first, first + len(P)), first + len(P)
            part = lot.take(np.arange(len(lot))[here])
            lb, ub = problem.lb[linear], problem.ub[linear]
            base, phi = unit_curves(problem, linear, P)
            x[here, linear], r = solved(base, phi, part.y, weighting(part), lb, ub)
            cost[here] = 0.5 * np.einsum("km,km->k", r, r)
        return x, np.where(np.isfinite(cost), cost, np.inf)

    def costs(self, lot: Lot, P: np.ndarray) -> np.ndarray:
        """Costs (k,) of a vector (k, n) for each data set."""
        return self.problem.cost_of_whitened(self.residuals(lot, P))

    def residuals(self, lot: Lot, P: np.ndarray) -> np.ndarray:
        """Whitened residuals (k, m) of a vector (k, n) for each data set."""
        curves = [self.problem.values(part) for part in self.problem.tiles(P)]
        return weighting(lot)(np.concatenate(curves) - lot.y)


def weighting(lot: Lot):
    """What weights rows (..., k, m) of a lot; 0 where there is no point."""
    if lot.weights is None:
        return lambda rows: rows
    return lambda rows: np.where(lot.weights > 0, rows * lot.weights, 0.0)
