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

from collections.abc import Callable

import numpy as np

from nlsq.core.drive.batch import algebra
from nlsq.core.drive.batch.stacked import Stack, column
from nlsq.global_optimization.problem import Problem

_RANK = 1e-12  # least eigenvalue of the scaled normal equations that is none of rounding
_POOR = 1e-7  # from which on it has lost digits that A has
_SQUARED = 1e-200, 1e200  # sums of squares, beyond which they lose what a column has
_NULL = 1e-13  # least singular value of the scaled A, relative, that is none of rounding


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
    base, phi = unit_curves(problem, linear, P)
    lb, ub = problem.lb[linear], problem.ub[linear]
    beta, r = solved(base, phi, problem.data.y, problem.whiten, lb, ub)
    cost = np.full(len(P), np.inf)
    good = np.isfinite(r).all(axis=-1)
    cost[good] = problem.cost_of_whitened(r[good])
    return beta, cost


def unit_curves(problem: Problem, linear: np.ndarray, P: np.ndarray) -> tuple:
    """(f_0 (k, m), phi (q, k, m)) at vectors P (k, n), whose linear parameters do not matter."""
    q = len(linear)
    every = np.repeat(P[None], q + 1, axis=0)
    every[:, :, linear] = 0.0
    every[np.arange(1, q + 1), :, linear] = 1.0
    curves = problem.values(every.reshape(-1, P.shape[1])).reshape(q + 1, len(P), -1)
    with np.errstate(all="ignore"):
        return curves[0], curves[1:] - curves[0]


def solved(
    base: np.ndarray, phi: np.ndarray, y: np.ndarray, whiten: Callable, lb, ub
) -> tuple[np.ndarray, np.ndarray]:
    """(beta (k, q), whitened residuals (k, m)), NaN where the curves are not finite.

    base, phi: as of `unit_curves`; y: (m,), or (k, m).
    """
    with np.errstate(all="ignore"):
        normal = Normal(whiten(phi), whiten(y - base))
        beta = normal.solution(lb, ub)
        return beta, normal.residuals(beta)


class Normal:
    """The normal equations G beta = h of many linear problems A^T beta = b, in units of |A_i|.

    Parameters
    ----------
    A : ndarray (q, k, m)
        Whitened phi.
    b : ndarray (k, m)

    Attributes
    ----------
    A : ndarray (k, q, m)
        Columns whose squares are no numbers, as exp(-500), times a power of two.
    good : ndarray of bool (k,)
        Whether all numbers are finite; the others are zero here.
    """

    def __init__(self, A: np.ndarray, b: np.ndarray):
        self.A, self.b = _rows(A), b
        self._exponents: np.ndarray | None = None  # (k, q) of the powers that A is divided by
        self.G = self.A @ self.A.swapaxes(1, 2)
        squares = np.einsum("kii->ki", self.G)
        odd = ~((squares > _SQUARED[0]) & (squares < _SQUARED[1]))
        if odd.any():
            self._rescale(*np.nonzero(odd))
        self.h = (self.A @ b[..., None])[..., 0]
        self.good = np.isfinite(self.G).all(axis=(1, 2)) & np.isfinite(self.h).all(axis=1)
        if not self.good.all():
            self.G[~self.good] = self.h[~self.good] = 0.0
        size = np.sqrt(np.einsum("kii->ki", self.G))
        self.size = np.where(size > 0, size, np.inf)

    def _rescale(self, k: np.ndarray, i: np.ndarray) -> None:
        """Divide columns by powers of two, which changes none of their digits."""
        exponents, scaled = powers_of_two(self.A[k, i])
        if not exponents.any():  # columns of zeros
            return
        self.A = self.A.copy()
        self._exponents = np.zeros(self.A.shape[:2], int)
        self.A[k, i], self._exponents[k, i] = scaled, exponents
        self.G[k] = self.A[k] @ self.A[k].swapaxes(1, 2)

    def _factors(self, held: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(sizes, eigenvectors, inverse eigenvalues) of the scaled G without what is `held`."""
        size = self.size if held is None else np.where(held, np.inf, self.size)
        values, vectors = np.linalg.eigh(self.G / (size[:, :, None] * size[:, None, :]))
        large = values > _RANK
        return size, vectors, np.where(large, 1 / np.where(large, values, 1.0), 0.0)

    def _solved(self, held: np.ndarray | None, at: np.ndarray) -> np.ndarray:
        """beta (k, q), what is `held` at its value in `at`; a null direction stays at 0."""
        h = self.h
        if held is None:
            size, vectors, inverse = self._free
        else:
            size, vectors, inverse = self._factors(held)
            h = h - (self.G @ np.where(held, at, 0.0)[..., None])[..., 0]
        along = (vectors.swapaxes(1, 2) @ (h / size)[..., None])[..., 0]
        beta = (vectors @ (inverse * along)[..., None])[..., 0] / size
        poor = self.good & ((inverse == 0) | (inverse > 1 / _POOR)).any(axis=1)
        for k in np.flatnonzero(poor):
            beta[k] = self._by_rows(
                k, size[k], None if held is None else np.where(held[k], at[k], 0)
            )
        return beta if held is None else np.where(held, at, beta)

    def _by_rows(self, k: int, size: np.ndarray, held: np.ndarray | None) -> np.ndarray:
        """beta (q,) of one problem from A itself, which has twice the digits of G."""
        b = self.b[k] if held is None else self.b[k] - held @ self.A[k]
        return np.linalg.lstsq((self.A[k] / size[:, None]).T, b, rcond=_NULL)[0] / size

    def solution(self, lb: np.ndarray, ub: np.ndarray) -> np.ndarray:
        """beta (k, q) within bounds (q,) or (k, q): what would leave them is held there."""
        if self._exponents is None:
            return self._within(lb, ub)
        lb, ub = np.ldexp(lb, self._exponents), np.ldexp(ub, self._exponents)
        return np.ldexp(self._within(lb, ub), -self._exponents)

    def residuals(self, beta: np.ndarray) -> np.ndarray:
        """A^T beta - b (k, m) at `solution`, NaN where a number is not finite."""
        if self._exponents is not None:
            beta = np.ldexp(beta, self._exponents)
        r = (beta[:, None] @ self.A)[:, 0] - self.b
        r[~self.good] = np.nan
        return r

    def _within(self, lb: np.ndarray, ub: np.ndarray) -> np.ndarray:
        self._free = self._factors()
        held, at = None, np.zeros_like(self.h)
        for _ in range(len(at[0]) + 1):
            beta = self._solved(held, at)
            out = (beta < lb) | (beta > ub)
            if not out.any():
                return beta
            held = out if held is None else held | out
            at = np.where(out, np.clip(beta, lb, ub), at)
        return np.clip(beta, lb, ub)

    def complement(self, J: np.ndarray, r: np.ndarray, held: np.ndarray) -> tuple:
        """(g (k, n), G (k, n, n)) of J (k, n, m) and r (k, m) less their part along A.

        held: (k, q) whose coefficient is on a bound, and which stay out of it.
        """
        size, vectors, inverse = self._factors(held) if held.any() else self._free
        W = vectors.swapaxes(1, 2) @ ((self.A @ J.swapaxes(1, 2)) / size[:, :, None])
        v = vectors.swapaxes(1, 2) @ ((self.A @ r[..., None]) / size[:, :, None])
        W_inverse = inverse[:, :, None] * W
        G = J @ J.swapaxes(1, 2) - W.swapaxes(1, 2) @ W_inverse
        g = J @ r[..., None] - W_inverse.swapaxes(1, 2) @ v
        return g[..., 0], G


def powers_of_two(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(exponents (...), rows (..., m) / 2**exponents, of the size of 1); 0 where all is 0 or odd.

    Examples
    --------
    >>> powers_of_two(np.array([[3e-300, 1e-300], [0.0, 0.0]]))[0].tolist()
    [-994, 0]
    """
    top = np.abs(rows).max(axis=-1)
    exponents = np.frexp(np.where(np.isfinite(top), top, 1.0))[1]
    return exponents, np.ldexp(rows, -exponents[..., None])


def _rows(A: np.ndarray) -> np.ndarray:
    """(q, k, m) as (k, q, m)."""
    return np.ascontiguousarray(A.swapaxes(0, 1))


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
        normal = Normal(self._weighted(phi), self._weighted(lot.y - base))
        lb, ub = lot.lb[:, linear], lot.ub[:, linear]
        beta = normal.solution(lb, ub)
        lot.start[:, linear] = params[:, linear] = beta
        values, slopes = self._slopes(params, np.flatnonzero(self._free))
        self._watch(p, values, slopes)
        r, J = self._weighted(values - lot.y), _rows(self._weighted(slopes))
        cost = 0.5 * np.einsum("km,km->k", r, r)
        cost[~normal.good] = np.nan
        g, G = normal.complement(J, r, (beta <= lb) | (beta >= ub))
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
