r"""What a model's parameters are measured in, found by asking the model.

If x is measured in another unit, s x, a model keeps its form when its lengths are multiplied by s,
its rates by 1/s, and so on, each parameter by s^d: for a model that is linear in beta

    f(s x; s^d theta, beta) lies in the span of the phi_i(x; theta),

and the derivative by log s at s = 1 says (Euler's theorem on homogeneous functions)

    x f_x + sum_j d_j theta_j f_j  in  span(phi).

The d_j come from a least squares problem at some parameter vectors; a solution counts where it
leaves nothing and is the same at most of them. In the same way f_x + sum_j t_j f_j in span(phi)
finds the locations, t = 1; a parameter that is a logarithm moves by a constant, theta + c log s;
and f = sum_j e_j theta_j f_j up to span(phi) tells who is measured in the units of y.

Where x is far from 0 for its span (years, times since an epoch), lengths are taken about its
center: x f_x and the derivative by a place are then larger than all others by |x| / span.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from nlsq.precision.curves import Curves

_FAR = 10.0  # times its span, from which on x is far from 0
_STEP = 1e-4  # relative, of the differences
_LEFT = 1e-3  # share of a derivative that a solution may leave
_STRAIGHT = 1e-9  # relative departure from a straight line that is rounding
_NEAR = 0.04  # of two exponents that are the same
_MOST = 0.6  # of the vectors have to agree
_VECTORS, _ALIVE = (64, 16), (12, 6)  # that are tried, and looked at, in one call or one by one
_WITHOUT = 0.3  # share of zeros where there is nothing to look at otherwise
_TWICE = 2  # vectors at which a parameter has to act
_TRIED = 4  # times that units are asked for, until all are known
_PROBED, _LOOKED = 6, 3  # at which the units, and linearity, are asked for


@dataclasses.dataclass
class Units:
    """What is known of n parameters.

    Attributes
    ----------
    linear : ndarray of int
        Parameters that enter linearly, all of them together.
    length : ndarray (n, c)
        Exponents d for each of c coordinates, NaN where nothing is known.
    logarithm : ndarray (n, c)
        The constant c of a parameter that is a logarithm of a length^c; else 0.
    location : ndarray of int (n,)
        The coordinate that the parameter is a place on, or -1.
    height : ndarray (n,)
        Exponents e of the unit of y; 0 where nothing is known.
    """

    linear: np.ndarray
    length: np.ndarray
    logarithm: np.ndarray
    location: np.ndarray
    height: np.ndarray


def units_of(problem: Curves, rng: np.random.Generator) -> Units:
    """The units of a problem's parameters, by evaluations of its model."""
    n, x = problem.n, problem.x
    count = 0 if x is None else 1 if x.ndim == 1 else len(x)
    found = Units(np.empty(0, int), np.full((n, count), np.nan), np.zeros((n, count)),
                  np.full(n, -1), np.zeros(n))  # fmt: skip
    near = np.clip(problem.p0 * [[1.0], [1.01]], problem.lb, problem.ub)
    problem.values(near)  # which tells whether many curves are evaluated by one call
    P, T = _lively(problem, rng)
    if not len(P):
        return found
    found.linear = _linear(problem, P[:_LOOKED])
    known: list = []
    for _ in range(_TRIED if count else 0):
        _find(problem, found, P, T, known)
        unknown = np.isnan(found.length).all(axis=1) & (found.location < 0) & problem.free
        if not np.setdiff1d(np.flatnonzero(unknown), found.linear).size:
            break
        P, T = _lively(problem, rng)
        if not len(P):
            break
    return found


def _lively(problem: Curves, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(vectors (k, n) at which the model shows most, theta_j f_j there), the liveliest first."""
    P = broad(problem, rng, _VECTORS[not problem.in_columns])
    alive = _alive(problem, P)
    if not alive.any():  # one term is nothing beside another: they are looked at without it
        zero = (problem.lb <= 0) & (problem.ub >= 0) & problem.free
        P = np.where(zero & (rng.random(P.shape) < _WITHOUT), 0.0, P)
        alive = _alive(problem, P)
    P = P[alive][: _ALIVE[not problem.in_columns]]
    if not len(P):
        return P, np.empty(0)
    T, size = _tangents(problem, P)
    strength = np.sqrt(np.einsum("jkm,jkm->kj", T, T)) / size[:, None]
    strength = np.where(problem.free, np.nan_to_num(strength), 1.0)
    chosen = _covering(strength > 1e-3, strength)
    return P[chosen], T[:, chosen]


def _alive(problem: Curves, P: np.ndarray) -> np.ndarray:
    """(k,) Whether the curve at a vector is one, in numbers that can be squared."""
    curves = problem.values(P)
    with np.errstate(all="ignore"):
        found = np.isfinite(curves).all(axis=1) & (np.abs(curves) < 1e100).all(axis=1)
        return found & (np.ptp(curves.real, axis=1) > 1e-6 * np.abs(curves).max(axis=1))


def _covering(acting: np.ndarray, strength: np.ndarray) -> list[int]:
    """Vectors, the liveliest first, such that each parameter (k, n) acts at two of them or more."""
    order = np.lexsort((-np.minimum(strength, 1).min(axis=1), -acting.sum(axis=1)))
    chosen = [int(i) for i in order[:_PROBED]]
    for i in order[_PROBED:]:
        if (acting[i] & (acting[chosen].sum(axis=0) < _TWICE)).any():
            chosen.append(int(i))
    return chosen


def broad(problem: Curves, rng: np.random.Generator, k: int) -> np.ndarray:
    """Vectors (k, n) from everywhere: places on x, and powers -1, 0 and 1 of its lengths."""
    n, x = problem.n, problem.x
    power = rng.integers(-1, 2, (k, n))
    size = 10 ** rng.uniform(-1, 1, (k, n))
    if x is not None:
        which = x if x.ndim == 1 else x[rng.integers(len(x))]
        scale = np.ptp(which) or abs(which[0]) or 1.0
        if is_far(which):
            scale = scale * (np.abs(which).max() / scale) ** rng.random((k, n))
        size = np.abs(size) * (0.3 * scale) ** power
        places = rng.random((k, n)) < 0.4
        size = np.where(places, which.min() + rng.random((k, n)) * np.ptp(which), size)
    # of the wrong sign an integrator may explode, and never return
    P = np.where(rng.random((k, n)) < (0.1 if problem.in_columns else 0.0), -size, size)
    P = np.where(rng.random((k, n)) < 0.5, P, np.clip(P, problem.lb, problem.ub))
    P = inside(P, problem.lb, problem.ub, rng)
    return np.where(problem.free, P, problem.p0)


def inside(P: np.ndarray, lb, ub, rng: np.random.Generator) -> np.ndarray:
    """P with what lies outside of its bounds drawn again between them, or put on the bound."""
    outside = (lb > P) | (ub < P)
    if not outside.any():
        return P
    box = np.isfinite(lb) & np.isfinite(ub)
    low, high = np.where(box, lb, 0.0), np.where(box, ub, 0.0)
    drawn = (1 - (u := rng.random(P.shape))) * low + u * high
    mirrored = np.clip(-P, lb, ub)  # one bound, and the other sign
    return np.where(outside, np.where(box, drawn, mirrored), P)


def _linear(problem: Curves, P: np.ndarray) -> np.ndarray:
    """The parameters that enter linearly at most of the vectors P, all of them together."""
    free = np.flatnonzero(problem.free)
    votes = np.mean([_straight(problem, p, free) for p in P], axis=0) > 0.5
    alone = np.flatnonzero(votes.diagonal())
    conflicts = ~votes[np.ix_(alone, alone)]
    np.fill_diagonal(conflicts, False)
    chosen = np.ones(alone.size, bool)
    while (conflicts & np.outer(chosen, chosen)).any():  # products: leave out who has most
        count = (conflicts & chosen).sum(axis=1) * chosen
        chosen[alone.size - 1 - np.argmax(count[::-1])] = False
    return free[alone[chosen]]


def _straight(problem: Curves, p: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(q, q) at p: whether the model is linear in two parameters together, or in one (j, j)."""
    q = free.size
    first, second = np.triu_indices(q)
    moves = np.zeros((1 + q + first.size, problem.n))
    size = np.where(p != 0, 0.37 * p, 1.0)
    moves[1 + np.arange(q), free] = size[free]
    pair = 1 + q + np.arange(first.size)
    np.add.at(moves, (pair, free[first]), size[free[first]])
    np.add.at(moves, (pair, free[second]), size[free[second]])
    curves = np.concatenate([problem.values(part) for part in problem.tiles(p + moves)])
    with np.errstate(all="ignore"):
        change = curves[1:] - curves[0]
        alone, together = change[:q], change[q:]
        most = np.abs(alone).max(axis=1)
        scale = np.maximum(np.abs(curves[0]).max(), np.maximum(most[first], most[second]))
        left = np.abs(together - alone[first] - alone[second]).max(axis=1)
        same = left <= _STRAIGHT * scale
        acting = most > _STRAIGHT * np.abs(curves[0]).max()
    found = np.zeros((q, q), bool)
    found[first, second] = found[second, first] = same & acting[first] & acting[second]
    return found


def _moved(problem: Curves, P: np.ndarray) -> np.ndarray:
    """What stands for theta (k, n) in theta_j f_j: no more than the span of an x far from 0."""
    axes = [] if problem.x is None else np.atleast_2d(problem.x)
    return np.clip(P, -(span := min((np.ptp(a) for a in axes if is_far(a)), default=np.inf)), span)


def _tangents(problem: Curves, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(theta_j f_j of every parameter (n, k, m), lengths of the curves (k,))."""
    n, k = problem.n, len(P)
    steps = np.concatenate([np.eye(n), -np.eye(n), np.zeros((1, n))]) * _STEP
    every = (P + _moved(problem, P) * steps[:, None]).reshape(-1, n)
    curves = np.concatenate([problem.values(p) for p in problem.tiles(every)]).real
    curves = curves.reshape(2 * n + 1, k, -1)
    size = np.sqrt(np.einsum("km,km->k", curves[-1], curves[-1]))
    return (curves[:n] - curves[n : 2 * n]) / (2 * _STEP), np.where(size > 0, size, 1.0)


def _find(problem: Curves, found: Units, P: np.ndarray, T: np.ndarray, known: list) -> None:
    """Fill in what is seen at the vectors P with their theta_j f_j, and at those `known` before."""
    nonlinear = np.setdiff1d(np.flatnonzero(problem.free), found.linear)
    if not nonlinear.size:
        return
    x, moved = np.atleast_2d(problem.x), _moved(problem, P)[:, nonlinear]
    share = np.divide(moved, P[:, nonlinear], out=np.ones_like(moved), where=moved != 0)
    rows = [_exponents(problem.values(P).real, T, nonlinear, found.linear, share), P]
    for i, axis in enumerate(x):
        span = np.ptp(axis) or 1.0
        about = axis - axis.mean() if is_far(axis) else axis
        wider = _difference(problem, P, x, i, about * _STEP) / (2 * _STEP)
        further = _difference(problem, P, x, i, np.full(axis.shape, span * _STEP))
        rows.append(_exponents(-wider, T, nonlinear, found.linear, share))
        places = -further / (2 * _STEP * span), T, nonlinear, found.linear
        rows.append(_exponents(*places, moved))
    known.append(rows)
    heights, P, *axes = (np.concatenate(parts) for parts in zip(*known, strict=True))
    for column, j in enumerate(nonlinear):
        found.height[j] = _agreed(heights[:, column]) or 0.0
        for i, (d, t) in enumerate(zip(axes[::2], axes[1::2], strict=True)):
            if _common(t[:, column], 1.0):
                found.location[j] = i
            value = _agreed(d[:, column])
            if value is not None:
                found.length[j, i] = value
            elif constant := _agreed(d[:, column] * P[:, j]):
                found.length[j, i], found.logarithm[j, i] = 0.0, constant


def _difference(problem: Curves, P, x: np.ndarray, i: int, step: np.ndarray) -> np.ndarray:
    """f at x_i + step less f at x_i - step (k, m)."""
    moved = []
    for sign in (1, -1):
        other = x.copy()
        other[i] += sign * step
        moved.append(problem.values(P, other[0] if problem.x.ndim == 1 else other).real)
    with np.errstate(all="ignore"):
        return moved[0] - moved[1]


def _exponents(rhs: np.ndarray, T: np.ndarray, nonlinear, linear, of) -> np.ndarray:
    """Coefficients (k, q) of the nonlinear T in rhs (k, m) up to the linear ones; NaN for none.

    of: (k, q) what they are multiplied by.
    """
    out = np.full((len(rhs), len(nonlinear)), np.nan)
    for k, b in enumerate(rhs):
        A, basis = T[nonlinear, k].T, T[linear, k].T
        if not (np.isfinite(b).all() and np.isfinite(A).all() and np.isfinite(basis).all()):
            continue
        before = np.linalg.norm(A, axis=0), np.linalg.norm(b)
        if basis.size:
            Q, R = np.linalg.qr(basis / np.maximum(np.linalg.norm(basis, axis=0), 1e-300))
            Q = Q[:, np.abs(np.diagonal(R)) > 1e-7]
            A, b = A - Q @ (Q.T @ A), b - Q @ (Q.T @ b)
        size = np.linalg.norm(A, axis=0)
        acts = size > 1e-5 * max(before[1], before[0].max())
        if acts.any():
            z, error = _resolved(A[:, acts] / size[acts], b, before[1])
            unit = size[acts] / of[k, acts]
            out[k, acts] = np.where(error <= _NEAR * np.abs(unit), z / unit, np.nan)
    return out


def _resolved(A: np.ndarray, b: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """(z of A z = b, errors by what is left); inf for what A does not tell, or if much is left.

    A has columns of length 1; scale: length of what b was made of.
    """
    U, S, Vt = np.linalg.svd(A, full_matrices=False)
    kept = 1e-5 * S[0] < S
    U, S, Vt = U[:, kept], S[kept], Vt[kept]
    z = Vt.T @ ((U.T @ b) / S)
    left = max(float(np.linalg.norm(A @ z - b)), 1e-8 * scale)
    told = (np.square(Vt).sum(axis=0) > 0.999) & (left <= _LEFT * scale)
    return z, np.where(told, left * np.sqrt(np.square(Vt / S[:, None]).sum(axis=0)), np.inf)


def _common(values: np.ndarray, wanted: float) -> bool:
    """Whether most of the values, those that are known, are `wanted`."""
    known = np.isfinite(values)
    return bool(known.any() and np.mean(np.abs(values[known] - wanted) < _NEAR) > _MOST)


def _agreed(values: np.ndarray) -> float | None:
    """The multiple of 1/2 that most of the known values are; None when there is none."""
    known = values[np.isfinite(values)]
    if not known.size:
        return None
    value = round(2 * float(np.median(known))) / 2
    return value if abs(value) <= 4 and _common(known, value) else None


# -- the lengths and heights that data show, with which parameters are compared --------------------


def is_far(axis: np.ndarray) -> bool:
    """Whether a coordinate is far from 0 for its span."""
    return bool(0 < _FAR * np.ptp(axis) < np.abs(axis).max())


class Axis:
    """A coordinate's ends, and the logarithms of its shortest and longest lengths.

    Parameters
    ----------
    x : ndarray
        The coordinate of all points, or of a sample of them.
    m : int, optional
        How many points there are in all.
    """

    def __init__(self, x: np.ndarray, m: int | None = None):
        places = np.unique(x[np.isfinite(x)])
        self.first, self.last = places[0], places[-1]
        span = self.last - self.first
        largest = max(span, abs(self.first), abs(self.last)) or 1.0
        if is_far(places):
            largest = span
        steps = np.diff(places)
        shortest = np.median(steps) if steps.size else largest
        if m is not None and places.size > 0.9 * x.size:  # each point has a place of its own
            shortest *= x.size / m
        positive = places[places > 0]
        if positive.size and positive[0] < shortest:
            shortest = positive[0]
        self.low = math.log(max(shortest, 1e-6 * largest))
        self.high = math.log(3 * largest)


def heights(y: np.ndarray) -> tuple[float, float]:
    """Logarithms of the least and the largest height of data y."""
    y = np.abs(y)
    largest, spread = float(y.max()), float(np.std(y))
    if not largest > 0:
        return math.log(0.1), math.log(10.0)
    return math.log(0.1 * (spread if spread > 0 else largest)), math.log(3 * largest)


def products(
    length: np.ndarray, height: float, axes: list[Axis], y: tuple[float, float], far: float = 0.0
) -> tuple[float, float]:
    """Logarithms of the least and largest product of powers of lengths of x and of a height y.

    far: by how much the logarithms of lengths and heights may be beyond those that data show.
    """
    low = high = 0.0
    seen = [*((axis.low, axis.high) for axis in axes), y]
    for power, (a, b) in zip([*length, height], seen, strict=True):
        ends = power * (a - far), power * (b + far)
        low, high = low + min(ends), high + max(ends)
    return low, high
