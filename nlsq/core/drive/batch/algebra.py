"""What is n-sized, of LANES fits side by side: vectors and matrices whose elements are (LANES,).

Vectors are sequences of n, symmetric matrices the pairs of their lower triangle, row by row, and
everything is unrolled. `in_region` solves the trust-region subproblem as `subproblem` does.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np

from nlsq.core.algebra.namespace import cond, once, select, where, while_loop, xp
from nlsq.core.algebra.packing import leaves_of, like
from nlsq.core.algebra.subproblem import SECULAR_ITERATIONS, SECULAR_RTOL


def pairs(n: int) -> list[tuple[int, int]]:
    """(row, column) of a lower triangle, row by row."""
    return [(i, j) for i in range(n) for j in range(i + 1)]


def place(i: int, j: int) -> int:
    """Of an element in the lower triangle."""
    return i * (i + 1) // 2 + j if i >= j else place(j, i)


def triangle_of_square(n: int) -> list[int]:
    """For each element of a symmetric matrix, row by row, its place in the lower triangle."""
    return [place(i, j) for i in range(n) for j in range(n)]


def total(terms):
    """The sum of arrays."""
    return functools.reduce(lambda a, b: a + b, terms)


def norm(vector, squares=None):
    """Length of a vector, or of D v for the squares of D."""
    if squares is None:
        return xp.sqrt(total(v * v for v in vector))
    return xp.sqrt(total(d * v * v for d, v in zip(squares, vector, strict=True)))


def scaled(D, vector):
    """D v."""
    return [d * v for d, v in zip(D, vector, strict=True)]


def dot(a, b):
    """a . b."""
    return total(ai * bi for ai, bi in zip(a, b, strict=True))


def or_one(squares):
    """A column that was always zero scales by 1."""
    return [where(d > 0, d, 1) for d in squares]


def factor(A, n: int):
    """({(i, j): L_ij}, [1 / d_i]) of A = L diag(d) L^T, L below its ones; NaN where d <= 0."""
    L, C, inverse = {}, {}, []  # C = L diag(d)
    for j in range(n):
        column = [A[place(i, j)] - sum(L[i, k] * C[j, k] for k in range(j)) for i in range(j, n)]
        inverse.append(1 / where(column[0] > 0, column[0], xp.nan))
        for i, c in enumerate(column[1:], j + 1):
            C[i, j], L[i, j] = once(c, c * inverse[j])
    return L, inverse


def below(factors, b):
    """z with L z = b."""
    L, _ = factors
    z = []
    for i in range(len(b)):
        z.append(once(b[i] - sum(L[i, k] * z[k] for k in range(i))))
    return z


def solve(factors, b):
    """x with L diag(d) L^T x = b."""
    L, inverse = factors
    n = len(b)
    x = scaled(inverse, below(factors, b))
    for i in reversed(range(n)):
        x[i] = once(x[i] - sum(L[k, i] * x[k] for k in range(i + 1, n)))
    return x


def inverse(factors, n: int):
    """Lower triangle of (L diag(d) L^T)^{-1}."""
    L, inverse = factors
    M = {(i, i): 1.0 for i in range(n)}  # L^{-1}
    for i, j in pairs(n):
        if i > j:
            M[i, j] = once(-total(L[i, k] * M[k, j] for k in range(j, i)))
    return [total(M[k, i] * M[k, j] * inverse[k] for k in range(i, n)) for i, j in pairs(n)]


def times(G, v):
    """G v for a lower triangle G."""
    n = len(v)
    return [total(G[place(i, j)] * v[j] for j in range(n)) for i in range(n)]


def stored(tree):
    """`once` of all arrays of nested sequences."""
    arrays = leaves_of(tree)
    return like(tree, once(*arrays) if len(arrays) > 1 else [once(arrays[0])])


class Step(NamedTuple):
    """A step and what is known of it."""

    s: tuple
    norm: Any
    alpha: Any
    predicted: Any  # reduction of the cost
    error: Any  # relative, of s


class Search(NamedTuple):
    """Along the curve of s(alpha); `subproblem._on_boundary` in lanes."""

    turns: Any
    going: Any
    alpha: Any
    low: Any
    high: Any


def in_region(A, b, squares, radius, alpha, bound) -> Step:
    """`subproblem.solve` in lanes: (A + alpha D^2) s = b with |D s| <= radius where `bound`."""
    n, eps = len(b), float(np.finfo(radius.dtype).eps)

    def at(alpha):
        damped = list(A)
        if alpha is not None:
            for i, square in enumerate(squares):
                damped[place(i, i)] = once(damped[place(i, i)] + alpha * square)
        factors = factor(damped, n)
        s = solve(factors, b)
        return damped, factors, s, once(norm(s, squares))

    def known(damped, factors, s):
        """(b . s, relative error of s)."""
        share = [damped[place(i, i)] * inverse for i, inverse in enumerate(factors[1])]
        return once(dot(b, s), eps * functools.reduce(xp.maximum, share))

    def newton(alpha, factors, s, length):
        """(next alpha, a lower bound of it, whether |D s| is near the radius)."""
        w = below(factors, [square * si for square, si in zip(squares, s, strict=True)])
        share = total(z * z * inverse for z, inverse in zip(w, factors[1], strict=True))
        phi = length - radius
        ratio = once(-phi * length / share)
        return once(alpha - length * ratio / radius), alpha - ratio, xp.abs(phi) < near

    near = SECULAR_RTOL * radius
    damped, factors, s, length = at(None)
    promised, error = known(damped, factors, s)
    zero = xp.zeros_like(radius)
    inside = Step(tuple(s), length, zero, 0.5 * promised, error)
    outside = bound & ~(length <= radius)

    def turn(search: Search) -> Search:
        last, low, high = search.alpha, search.low, search.high
        astray = search.going & ((last < low) | (last > high))
        alpha = once(where(astray, xp.maximum(0.001 * high, xp.sqrt(low * high)), last))
        _, factors, s, length = at(alpha)
        following, lower, close = newton(alpha, factors, s, length)
        finite = xp.isfinite(following)
        following = where(finite, following, 0.001 * high)
        return Search(
            search.turns + 1,
            search.going & ~close & (search.turns + 1 < SECULAR_ITERATIONS),
            where(search.going, following, last),
            where(finite, xp.maximum(low, lower), low),
            where(length < radius, alpha, high),
        )

    def boundary():
        squared = total(bi * bi / square for bi, square in zip(b, squares, strict=True))
        high = xp.sqrt(squared) / radius
        following, lower, close = newton(zero, factors, s, length)
        fresh = (alpha == 0) & xp.isfinite(following)  # the Gauss-Newton step was the first turn
        start = Search(
            0,
            outside & ~(fresh & close),
            where(fresh, following, alpha),
            where(fresh, xp.maximum(lower, 0), 0),
            high,
        )
        end = while_loop(lambda search: xp.any(search.going), turn, start).alpha
        solved = at(end)
        *_, p, size = solved
        promised, error = known(*solved[:3])
        c = radius / size  # SciPy's last touch: the length is exactly Delta
        predicted = c * promised * (1 - 0.5 * c) + 0.5 * end * radius * radius
        step = Step(tuple(c * pi for pi in p), radius, end, predicted, error)
        return select(outside, step, inside)

    return cond(xp.any(outside), boundary, lambda: inside)
