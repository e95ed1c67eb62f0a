r"""The one verb that touches the data: `reduce` a point p to an n-sized summary.

For whitened residual r (m,) and Jacobian J (m, n) at p, the solver needs the cost, the triangular
factor R of J (R^T R = J^T J) and z = Q^T r. Forming the Gram matrix J^T J is the cheapest pass
over the data but halves the digits: cond(J^T J) = cond(J)^2. We keep the cheap pass *and* the
digits by CholeskyQR with a carried preconditioner. With an upper triangular P = R_prev^{-1} from
the last accepted point,

    K = J P,   G = [K r]^T [K r]                             one pass, blocks stay in cache
    D = sqrt(diag G),   T^T T = D^{-1} G D^{-1} + s I,       n-sized
    R = C D R_prev,     T = [C  z / |r|; 0 .].

Near the solution J changes little, so K has nearly orthonormal columns, G is nearly the identity
and its Cholesky factor loses nothing: R is as good as a Householder QR of J. This is CholeskyQR2
spread over the iterations of the fit; the shift s ~ n eps keeps the factor real on the first
passes of an ill-conditioned problem (shifted CholeskyQR3), where accuracy is not yet needed.
`pivot`, the smallest diagonal element of C, says how many digits the pass had: R is exact to about
eps / pivot^2. The loop repeats the pass at the final point until the pivot is safe.

References: Y. Yamamoto et al., "Roundoff error analysis of the CholeskyQR2 algorithm", ETNA 44
(2015); T. Fukaya et al., "Shifted Cholesky QR for computing the QR factorization of
ill-conditioned matrices", SIAM J. Sci. Comput. 42 (2020).

`sums` adds up, on the device or on the host (`xp` is `jax.numpy` or `numpy`); `factor` is n-sized.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nlsq.constants import EPS
from nlsq.core.algebra import dense
from nlsq.core.algebra.namespace import cond, eye, where, xp

# A column whose norm falls below this share of its last one may be nothing but rounding.
COLLAPSE = 1e-11
# A column whose part outside the span of the earlier ones is below this share of its norm lies in
# it; it is then pinned by a row of PIN times its norm.
DEPENDENT = 1e-13
FEW = 7  # rows of G, up to which plain numbers are quicker than NumPy
PIN = 1e-8
_TOGETHER = 32  # points whose products BLAS adds up one after the other


class Sums(NamedTuple):
    """What one pass accumulates; adding two blocks' Sums adds their data."""

    cost: object  # scalar, None for half the sum of squares, which G holds
    G: object  # (n + 1, n + 1) Gram matrix of [K r]
    checksum: object = None  # (k,) of the data, where it is asked for


class Summary(NamedTuple):
    """Everything the solver knows about one point."""

    cost: object  # scalar, the objective
    R: object  # (n, n) upper triangular factor of the loss-scaled, whitened Jacobian
    P: object  # (n, n) its inverse
    z: object  # (n,) = Q^T r
    norms: object  # (n,) of the columns of R
    pivot: object  # scalar in (0, 1]: digits of R are about eps / pivot^2
    dead: object  # (n,) bool: the column of J is exactly zero
    dependent: object  # (n,) bool: the column lies in the span of the columns before it
    finite: object  # bool: all of this is


def sums(costs, r, KT, xp):
    """One block's Sums, from what `scale_rows` returns for r (b,) and KT = (J P)^T (n, b)."""
    rows = xp.concatenate([KT, r[None]])
    G = _gram(rows) if xp is np else rows @ rows.T
    return Sums(None if costs is None else xp.sum(costs), G)


def _gram(rows):
    """``rows @ rows.T`` of a few points at a time, to a few eps.

    BLAS adds up one point after the other. The sum of m equal numbers, as of a column of ones, is
    then off by up to m eps, and two parallel columns look further from parallel than s allows.
    """
    k, m = rows.shape
    whole = m // _TOGETHER * _TOGETHER
    rest = rows[:, whole:]
    G = rest @ rest.T
    if whole:
        tiles = rows[:, :whole].reshape(k, -1, _TOGETHER).swapaxes(0, 1)
        products = (tiles @ tiles.swapaxes(1, 2)).reshape(-1, k * k)
        G = G + np.ascontiguousarray(products.T).sum(1).reshape(k, k)  # pairs of pairs
    return G


def factor(total: Sums, R_prev) -> Summary:
    """Turn a pass's Sums into a Summary (see the module's formulas).

    The factor of the whole Gram matrix of [K r] holds z in its last column. A column of J that is
    exactly zero (a dead or a fixed parameter) gets the unit column in R and 0 in z, as if one more
    data row pinned that parameter; `dead` remembers it. While R_prev has the unit column, K_j is
    J_j itself, so that "zero" is exact. A column that has just collapsed is computed from
    cancelling terms: it gets the unit column too and pivot 0, which asks for one more pass.

    A column in the span of earlier ones leaves nothing but rounding in its own row of R, a
    direction that the next pass could not reproduce. It is pinned by one more data row, PIN times
    its norm, so that this direction is that row's: the other columns keep all their digits, R^T R
    is off only in that one diagonal element, and a step does not move the parameter by itself.
    """
    diagonal = dense.diagonal(total.G)
    cost = 0.5 * diagonal[-1] if total.cost is None else total.cost
    few = type(total.G) is np.ndarray and len(diagonal) <= FEW
    return (few and _factor_few(total.G, R_prev, cost)) or _factor(total.G, R_prev, cost)


def _factor(G, R_prev, cost) -> Summary:
    n = R_prev.shape[0]
    diagonal = dense.diagonal(G)
    zero = diagonal <= 0
    measured = xp.all(R_prev == eye(n, R_prev), axis=0)  # K_j is J_j, nothing cancels
    D = xp.sqrt(where(zero, 1.0, diagonal))
    last = np.arange(n + 1) == n  # whose pivot nobody reads: an exact fit's is 0 but for rounding
    shift = eye(n + 1, R_prev) * where(zero | last, 1.0, 10 * n * EPS)
    T = dense.cholesky(G / (D[:, None] * D) + shift).T
    C, z = T[:n, :n], T[:n, n] * D[n]
    dead = zero[:n] & measured
    cancelled = zero[:n] & ~measured
    R = dense.dot(C, where(cancelled, 0.0, D[:n])[:, None] * R_prev)
    collapsed = ~dead & ~measured & ((R * R).sum(0) <= COLLAPSE**2 * (R_prev * R_prev).sum(0))
    out = dead | collapsed
    R = where(out, eye(n, R), R)
    z = where(out, 0.0, z)
    norms = xp.sqrt((R * R).sum(0))
    dependent = ~out & (xp.abs(dense.diagonal(R)) <= DEPENDENT * norms)
    pivots = where(dead | dependent, 1.0, dense.diagonal(C))
    pivot = xp.min(where(collapsed, 0.0, pivots))
    R, z = cond(xp.any(dependent), lambda: _pin(R, z, dependent, norms), lambda: (R, z))
    finite = xp.isfinite(cost) & xp.all(xp.isfinite(R)) & xp.all(xp.isfinite(z))
    P, norms = dense.solve_upper(R, eye(n, R)), xp.sqrt(xp.sum(R * R, axis=0))
    return Summary(cost, R, P, z, norms, pivot, dead, dependent, finite)


def _pin(R, z, dependent, norms):
    """R and z with one more row for each column that is dependent."""
    rows = eye(len(z), R) * where(dependent, PIN * norms, 0.0)
    T, zt = dense.triangularise(xp.concatenate([R, rows]), xp.concatenate([z, xp.zeros_like(z)]))
    return T, where(dependent, 0.0, zt)


def _factor_few(G, R_prev, cost) -> Summary | None:
    """`_factor` in plain numbers, of which a few cost less than calls of NumPy.

    None where a column is zero, collapsed or dependent, or something is not finite.
    """
    n, rows, before = len(R_prev), G.tolist(), R_prev.tolist()
    squares = [row[i] for i, row in enumerate(rows)]
    if not min(squares) > 0:
        return None
    D = list(map(math.sqrt, squares))
    L: list[list[float]] = []  # L L^T = D^{-1} G D^{-1} + s I
    for i, row in enumerate(rows):
        new: list[float] = []
        for j in range(i):
            other = L[j]
            rest = row[j] / (D[i] * D[j])
            for k in range(j):
                rest -= new[k] * other[k]
            new.append(rest / other[j])
        L.append(new)
        if i == n:  # whose own pivot nobody reads
            break
        rest = 1 + 10 * n * EPS
        for value in new:
            rest -= value * value
        if not rest > 0:
            return None
        new.append(math.sqrt(rest))
    R = [[0.0] * n for _ in range(n)]
    for k in range(n):
        for i in range(k + 1):
            scale, to = L[k][i] * D[k], R[i]
            for j in range(k, n):
                to[j] += scale * before[k][j]
    norms, none = [], np.zeros(n, bool)
    for j in range(n):
        square = last = 0.0
        for i in range(j + 1):
            square += R[i][j] * R[i][j]
            last += before[i][j] * before[i][j]
        if not (square > COLLAPSE**2 * last and R[j][j] * R[j][j] > DEPENDENT**2 * square):
            return None
        norms.append(math.sqrt(square))
    z = [value * D[n] for value in L[n][:n]]
    if not math.isfinite(cost + sum(norms) + sum(z)):
        return None
    pivot = np.float64(min([L[i][i] for i in range(n)]))
    return Summary(
        cost, np.array(R), np.array(dense.inverse_of_rows(R)), np.array(z), np.array(norms), pivot,
        none, none, np.True_,
    )  # fmt: skip
