r"""Parameters that enter linearly, solved at every start: variable projection for many starts.

With the others held, a model that is linear in some parameters beta is

    f(x; beta, theta) = f_0(x; theta) + sum_i beta_i phi_i(x; theta),

f_0 its value at beta = 0 and phi_i = f(beta = e_i) - f_0. The best beta solves the normal equations
of the whitened phi, and what is left of the data is a function of theta alone: fewer parameters to
draw, and no minimum that only a wrong size of beta makes.

Reference: G. Golub, V. Pereyra, "Separable nonlinear least squares: the variable projection method
and its applications", Inverse Problems 19 (2003).
"""

from __future__ import annotations

import numpy as np

from nlsq.core.drive.batch import algebra
from nlsq.core.drive.batch.stacked import Stack, column
from nlsq.global_optimization.problem import Problem

_RANK = 1e-9  # least eigenvalue of the scaled normal equations that is none of rounding
_SWEEPS = 12  # of coordinate descent, where bounds hold a solution back


def project(problem: Problem, linear: np.ndarray, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(P with its linear parameters solved (k, n), costs there (k,)), inf where there is none.

    Parameters
    ----------
    linear : ndarray of int (q,)
        The parameters that enter linearly, all of them together.
    P : ndarray (k, n)
    """
    if not len(linear):
        return P, problem.costs(P)
    solved, costs = [], []
    for part in problem.tiles(P, len(linear) + 1):
        beta, cost = _solved(problem, linear, part)
        part = part.copy()
        part[:, linear] = beta
        solved.append(part)
        costs.append(cost)
    cost = np.concatenate(costs)
    lost = ~np.isfinite(cost)
    if lost.any():
        problem.note_failure("its values are not finite", int(lost.sum()))
        cost[lost] = np.inf
    return np.concatenate(solved), cost


def _solved(problem: Problem, linear: np.ndarray, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(beta (k, q), costs (k,)) of vectors that are evaluated in one call."""
    k, q = len(P), len(linear)
    every = np.repeat(P[None], q + 1, axis=0)
    every[:, :, linear] = 0.0
    every[np.arange(1, q + 1), :, linear] = 1.0
    curves = problem.values(every.reshape(-1, P.shape[1])).reshape(q + 1, k, -1)
    with np.errstate(all="ignore"):
        A = problem.whiten(curves[1:] - curves[0])
        b = problem.whiten(problem.data.y - curves[0])
        G = np.einsum("ikm,jkm->kij", A, A, optimize=True)
        h = np.einsum("ikm,km->ki", A, b)
    good = np.isfinite(G).all(axis=(1, 2)) & np.isfinite(h).all(axis=1)
    beta = np.zeros((k, q))
    beta[good] = bounded_solution(G[good], h[good], problem.lb[linear], problem.ub[linear])
    with np.errstate(all="ignore"):
        r = np.einsum("ki,ikm->km", beta, A) - b
    cost = np.full(k, np.inf)
    cost[good] = problem.cost_of_whitened(r[good])
    return beta, cost


def bounded_solution(G: np.ndarray, h: np.ndarray, lb: np.ndarray, ub: np.ndarray) -> np.ndarray:
    """The minima (k, q) of 1/2 b^T G b - h^T b with lb <= b <= ub; a null direction stays at 0."""
    size = np.sqrt(np.einsum("kii->ki", G))
    size = np.where(size > 0, size, 1.0)
    scaled = G / (size[:, :, None] * size[:, None, :])
    values, vectors = np.linalg.eigh(scaled)
    inverse = np.where(values > _RANK, 1 / np.where(values > _RANK, values, 1.0), 0.0)
    along = np.einsum("kji,kj->ki", vectors, h / size)
    beta = np.einsum("kij,kj->ki", vectors, inverse * along) / size
    out = ((beta < lb) | (beta > ub)).any(axis=1)
    if out.any():
        lb, ub = np.broadcast_to(lb, beta.shape)[out], np.broadcast_to(ub, beta.shape)[out]
        beta[out] = _descend(G[out], h[out], np.clip(beta[out], lb, ub), lb, ub)
    return beta


def _descend(G, h, beta, lb, ub) -> np.ndarray:
    """Projected coordinate descent from beta."""
    for _ in range(_SWEEPS):
        for i in range(beta.shape[1]):
            slope = h[:, i] - np.einsum("kj,kj->k", G[:, i], beta)
            curved = G[:, i, i] > 0
            step = slope / np.where(curved, G[:, i, i], 1.0)
            beta[:, i] = np.clip(beta[:, i] + np.where(curved, step, 0.0), lb[:, i], ub[:, i])
    return beta


class Projected(Stack):
    """Lanes of the parameters that are not linear, the linear ones solved in each pass.

    With A = [phi] and J = f_theta at the solved beta, the Gram matrix of the projected Jacobian is
    Kaufman's, the Schur complement J^T J - J^T A (A^T A)^-1 A^T J. The lanes see a problem of fewer
    parameters, whose valleys are gone.

    Reference: L. Kaufman, "A variable projection method for solving separable nonlinear least
    squares problems", BIT 15 (1975).
    """

    linear: np.ndarray

    def reduce(self, trial: tuple) -> tuple:
        """(cost, g, G) of every fit at `trial`, as `passes.reduce`."""
        p, lot, linear = np.stack(trial), self.lot, self.linear
        params = self._params(p)
        params[:, linear] = 0.0
        base, phi = self._slopes(params, linear)
        A, b = self._weighted(phi), self._weighted(lot.y - base)
        normal = np.einsum("ikm,jkm->kij", A, A, optimize=True)
        right = np.einsum("ikm,km->ki", A, b)
        good = np.isfinite(normal).all(axis=(1, 2)) & np.isfinite(right).all(axis=1)
        beta = np.zeros((len(lot), len(linear)))
        lb, ub = lot.lb[:, linear], lot.ub[:, linear]
        beta[good] = bounded_solution(normal[good], right[good], lb[good], ub[good])
        lot.start[:, linear] = params[:, linear] = beta
        values, slopes = self._slopes(params, np.flatnonzero(self._free))
        self._watch(p, values, slopes)
        r, J = self._weighted(values - lot.y), self._weighted(slopes)
        cost = 0.5 * np.einsum("km,km->k", r, r)
        cost[~good] = np.nan
        held = (beta <= lb) | (beta >= ub)
        g, G = _schur(A, J, r, normal, held)
        triangle = [G[:, i, j] for i, j in algebra.pairs(len(trial))]
        return cost, tuple(g.T), tuple(triangle)

    def _slopes(self, params: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The model (k, m) at params (k, N), and its derivatives (q, k, m) by those of `free`."""
        place = {int(j): i for i, j in enumerate(free)}
        rest = {j: column(params[:, j]) for j in range(params.shape[1]) if j not in place}

        def merged(duals) -> list:
            return [duals[place[j]] if j in place else rest[j] for j in range(params.shape[1])]

        return self.evaluated(merged, params[:, free].T)

    def _weighted(self, rows: np.ndarray) -> np.ndarray:
        weights = self.lot.weights
        return rows if weights is None else np.where(weights > 0, rows * weights, 0.0)


def _schur(A, J, r, normal, held) -> tuple[np.ndarray, np.ndarray]:
    """(g (k, n), G (k, n, n)) of rows J (n, k, m) and r (k, m) less their part in the span of A.

    held: (k, q) rows of A whose coefficient is on a bound, and which stay out of it.
    """
    g = np.einsum("ikm,km->ki", J, r)
    G = np.einsum("ikm,jkm->kij", J, J, optimize=True)
    C = np.einsum("ikm,jkm->kij", A, J, optimize=True)
    h = np.einsum("ikm,km->ki", A, r)
    moving = ~held
    size = np.sqrt(np.einsum("kii->ki", normal))
    size = np.where((size > 0) & moving, size, np.inf)
    with np.errstate(invalid="ignore"):
        scaled = np.nan_to_num(normal / (size[:, :, None] * size[:, None, :]))
        values, vectors = np.linalg.eigh(scaled)
        inverse = np.where(values > _RANK, 1 / np.where(values > _RANK, values, 1.0), 0.0)
        W = np.einsum("kji,kjn->kin", vectors, np.nan_to_num(C) / size[:, :, None])
        v = np.einsum("kji,kj->ki", vectors, np.nan_to_num(h) / size)
        G = G - np.einsum("kin,ki,kip->knp", W, inverse, W, optimize=True)
        g = g - np.einsum("kin,ki,ki->kn", W, inverse, v)
    return g, G
