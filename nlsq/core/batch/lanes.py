r"""Many small fits side by side: one Levenberg-Marquardt iteration for LANES fits at a time.

A fit of a few parameters to some ten points is too small for vectors of its own. So LANES fits
share them: every number of a fit is a *lane*, an element of a (LANES,) vector, and everything done
to the fits is elementwise on such vectors. A pass runs over the points and adds up the Gram matrix
of [J r] pair by pair; the step is an unrolled factorisation L diag(d) L^T. A lane that is done
stands still until the block leaves, which it does when only a few lanes have been running for some
passes; those are gathered into new blocks (see `run`).

With D the running maximum of the column norms of J and lambda the damping, a step solves

    (J^T J + lambda D^2) s = -J^T r

over the parameters that are free: not fixed, and not at a bound that -g points out of. The trial is
projected into the bounds, and lambda follows the gain ratio (Nielsen 1999). The tests of
convergence are those of `loop`, and so is what follows them: Gauss-Newton steps with Anderson
acceleration until the error they leave is negligible.

The Gram matrix halves the digits, and unlike the loop a lane has no preconditioner to get them
back: `pivot`, the root of the least element of d for the matrix scaled to unit diagonal, says how
many are left, about eps / pivot^2. A fit with too few is not a lane's answer; `exact` finishes it.

References: H. B. Nielsen, "Damping parameter in Marquardt's method", IMM-REP-1999-05 (1999);
C. Kanzow, N. Yamashita, M. Fukushima, "Levenberg-Marquardt methods with strong local convergence
properties for solving nonlinear equations with convex constraints", J. Comput. Appl. Math. 172
(2004).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.core.dense import once
from nlsq.core.loop import (
    COST_NOISE,
    LEAP,
    NEGLIGIBLE,
    POLISH_LIMIT,
    POLISH_REACH,
    RIDGE,
    Evidence,
    judge,
)  # fmt: skip
from nlsq.core.loss_functions import scale_rows
from nlsq.core.status import Status

LANES = 128
START_DAMPING = 1e-2
LEAST_DAMPING = 500  # times eps: keeps the factorisation real where J is singular
ACCEPT_RATIO = 1e-4
UNROLL, UNROLLED = 4, 5  # points in one turn of the loop over them, up to 5 parameters

ITERATE, POLISH, DONE = range(3)


class Form(NamedTuple):
    """What a lanes program depends on besides the model and the loss: static and hashable."""

    free: tuple  # one bool per parameter of the model: whether it is fitted
    bounded: bool
    weighted: str  # "" | "shared" | "lanes": weights (capacity,) or one row for each lane
    axes: tuple  # per x leaf: the axis of the points, None for a leaf without one
    per_fit_x: bool  # each lane has abscissae of its own
    treedef: Any
    capacity: int  # points in the buffers
    pointwise: bool

    @property
    def n(self) -> int:
        """Number of fitted parameters."""
        return sum(self.free)


class Numbers(NamedTuple):
    """Run-time numbers that all lanes share."""

    m: Any  # points
    ftol: Any
    xtol: Any
    gtol: Any
    max_nfev: Any
    f_scale: Any
    leave: Any  # a block returns when no more lanes than this are running,
    patience: Any  # after as many passes more


class Data(NamedTuple):
    """A block's data, lanes along the last axis."""

    leaves: tuple  # with the lanes as last axis when each has its own
    y: Any  # (capacity, LANES)
    weights: Any  # (capacity, LANES), (capacity, 1) or None
    fixed: tuple  # values (LANES,) of the parameters that are not fitted
    lb: Any  # (n, LANES), or None
    ub: Any


class Lanes(NamedTuple):
    """State of a block; every array (LANES,), vectors as tuples of n, matrices of pairs."""

    x: tuple
    cost: Any
    g: tuple
    G: tuple  # lower triangle of J^T J, row by row
    scale: tuple  # D^2
    damping: Any
    growth: Any  # what the next rejection multiplies the damping by
    trial: tuple
    predicted: Any
    phase: Any
    status: Any
    nfev: Any
    njev: Any
    nit: Any
    rounds: Any  # passes in the present phase
    last: Any  # scaled length of the last accepted step
    optimality: Any
    known: Any  # 1.0: `before` and `step` hold the last point of the polish and its step
    before: tuple
    step: tuple


class Answer(NamedTuple):
    """What a block knows about its fits beside the state."""

    pivot: Any
    inverse: tuple  # lower triangle of (J^T J)^{-1}
    active: tuple  # -1 / 0 / 1 per parameter: at its lower bound, inside, at its upper bound


def pairs(n: int) -> list[tuple[int, int]]:
    """(row, column) of a lower triangle, row by row."""
    return [(i, j) for i in range(n) for j in range(i + 1)]


def _place(i: int, j: int) -> int:
    return i * (i + 1) // 2 + j if i >= j else _place(j, i)


def triangle_of_square(n: int) -> list[int]:
    """For each element of a symmetric matrix, row by row, its place in the lower triangle."""
    return [_place(i, j) for i in range(n) for j in range(n)]


def start(state: np.ndarray, x: np.ndarray) -> None:
    """Make `state` (size, lanes) that before the first pass, for starts x (n, lanes)."""
    at = places(len(x))
    state[:] = 0
    state[list(at.x)] = state[list(at.trial)] = x
    state[at.cost] = state[at.optimality] = np.inf
    state[at.damping], state[at.growth] = START_DAMPING, 2
    state[at.status] = int(Status.RUNNING)


@functools.lru_cache
def places(n: int) -> Lanes:
    """Rows of the state vectors, by name."""
    vector, triangle = (0,) * n, (0,) * len(pairs(n))
    form = Lanes(*(
        vector if name in ("x", "g", "scale", "trial", "before", "step")
        else triangle if name == "G" else 0
        for name in Lanes._fields
    ))  # fmt: skip
    treedef = jax.tree.structure(form)
    return jax.tree.unflatten(treedef, range(treedef.num_leaves))


# ------------------------------------------------------------------------------------ the pass


def reduce(call: Callable, form: Form, loss, data: Data, numbers: Numbers, trial):
    """(cost, g, G) of every lane at `trial`, from one pass over its points.

    The model sees one point at a time, of all lanes; a model that couples points sees all.
    """
    n, dtype = form.n, data.y.dtype

    def rows(leaves, y, weights, points, inside):
        """Whitened residual and derivatives (n + 1 of them), each (points, LANES)."""
        axes = tuple(-1 if form.per_fit_x else None for _ in leaves)

        def one(leaves, params):
            x = jax.tree.unflatten(form.treedef, leaves)
            return call(x, list(params), points).astype(dtype)

        lanes = jax.vmap(one, in_axes=(axes, 0), out_axes=-1)

        def value(fit):
            fitted, fixed = iter(fit), iter(data.fixed)
            return lanes(leaves, tuple(next(fitted if free else fixed) for free in form.free))

        f, push = jax.linearize(value, trial)
        nothing = jnp.zeros_like(trial[0])
        unit = [tuple(jnp.ones_like(t) if i == j else nothing for i, t in enumerate(trial))
                for j in range(n)]  # fmt: skip
        found = [push(u) for u in unit] + [f - y]
        if weights is not None:
            found = [jnp.where(weights > 0, row * weights, 0) for row in found]
        if inside is not None:
            found = [jnp.where(inside, row, 0) for row in found]
        return once(*found)  # each is read many times: compute it once

    def add(total, found):
        cost, triangle = total
        if loss is not None:
            *KT, r = found
            costs, r, KT = scale_rows(loss, numbers.f_scale, r, jnp.stack(KT), jnp)
            cost, found = cost + jnp.sum(costs, 0).astype(dtype), [*KT, r]
        products = (found[i] * found[j] for i, j in pairs(n + 1))
        return cost, tuple(t + jnp.sum(p, 0) for t, p in zip(triangle, products, strict=True))

    nothing = jnp.zeros_like(trial[0])
    total = nothing, (nothing,) * len(pairs(n + 1))
    if form.pointwise:
        unroll = UNROLL if n <= UNROLLED else 1  # the program grows with n^2

        def turn(k, total):
            for point in range(unroll):
                i = k * unroll + point
                leaves = tuple(
                    leaf if axis is None
                    else jax.lax.dynamic_slice_in_dim(leaf, i, 1, axis)
                    for leaf, axis in zip(data.leaves, form.axes, strict=True)
                )  # fmt: skip
                y = jax.lax.dynamic_slice_in_dim(data.y, i, 1)
                weights = data.weights
                if weights is not None:
                    weights = jax.lax.dynamic_slice_in_dim(weights, i, 1)
                total = add(total, rows(leaves, y, weights, 1, i < numbers.m))
            return total

        total = jax.lax.fori_loop(0, (numbers.m + unroll - 1) // unroll, turn, total)
    else:
        total = add(total, rows(data.leaves, data.y, data.weights, form.capacity, None))
    cost, triangle = total
    size = len(pairs(n))
    if loss is None:
        cost = 0.5 * triangle[-1]
    return cost, triangle[size : size + n], triangle[:size]


# ------------------------------------------------------------------------------- n-sized algebra


def _sum(terms):
    return functools.reduce(lambda a, b: a + b, terms)


def _norm(squares, vector):
    """Length of D v, for the squares of D."""
    return jnp.sqrt(_sum(d * v * v for d, v in zip(squares, vector, strict=True)))


def _factor(A, n: int):
    """({(i, j): L_ij}, [1 / d_i]) of A = L diag(d) L^T, L below its ones; NaN where d <= 0."""
    L, C, inverse = {}, {}, []  # C = L diag(d)
    for j in range(n):
        column = [A[_place(i, j)] - sum(L[i, k] * C[j, k] for k in range(j)) for i in range(j, n)]
        inverse.append(1 / jnp.where(column[0] > 0, column[0], jnp.nan))
        for i, c in enumerate(column[1:], j + 1):
            C[i, j], L[i, j] = once(c, c * inverse[j])
    return L, inverse


def _solve(factors, b):
    """x with L diag(d) L^T x = b."""
    L, inverse = factors
    n = len(b)
    z = []
    for i in range(n):
        z.append(once(b[i] - sum(L[i, k] * z[k] for k in range(i))))
    x = [zi * d for zi, d in zip(z, inverse, strict=True)]
    for i in reversed(range(n)):
        x[i] = once(x[i] - sum(L[k, i] * x[k] for k in range(i + 1, n)))
    return x


def _inverse(factors, n: int):
    """Lower triangle of (L diag(d) L^T)^{-1}."""
    L, inverse = factors
    M = {(i, i): 1.0 for i in range(n)}  # L^{-1}
    for i, j in pairs(n):
        if i > j:
            M[i, j] = once(-_sum(L[i, k] * M[k, j] for k in range(j, i)))
    return [_sum(M[k, i] * M[k, j] * inverse[k] for k in range(i, n)) for i, j in pairs(n)]


def _times(G, v):
    n = len(v)
    return [_sum(G[_place(i, j)] * v[j] for j in range(n)) for i in range(n)]


def _select(chosen, a, b):
    return jax.tree.map(lambda one, other: jnp.where(chosen, one, other), a, b)


def _step(state: Lanes, data: Data, form: Form, damping, scale):
    """(target, s): where the damped step leads, and the step after projection into the bounds."""
    n, A, b = form.n, list(state.G), [-g for g in state.g]
    if form.bounded:
        free = [
            jnp.where(((x <= lb) & (g > 0)) | ((x >= ub) & (g < 0)), 0, 1).astype(x.dtype)
            for x, g, lb, ub in zip(state.x, state.g, data.lb, data.ub, strict=True)
        ]
        A = [a * (free[i] * free[j]) for a, (i, j) in zip(A, pairs(n), strict=True)]
        b = [bi * f for bi, f in zip(b, free, strict=True)]
    for i in range(n):  # what is not free, or changes nothing, stays
        a = A[_place(i, i)]
        A[_place(i, i)] = jnp.where(a > 0, a + damping * scale[i], 1)
    solved = _solve(_factor(A, n), b)
    target = tuple(x + s for x, s in zip(state.x, solved, strict=True))
    if form.bounded:
        target = tuple(map(jnp.clip, target, data.lb, data.ub))
    return target, tuple(t - x for t, x in zip(target, state.x, strict=True))


def _optimality(x, g, G, cost, data: Data, form: Form):
    """`geometry.scaled_optimality` in lanes."""
    rss = 2 * cost
    size = jnp.sqrt(rss)
    worst = jnp.zeros_like(cost)
    for i in range(form.n):
        column = jnp.sqrt(G[_place(i, i)])
        measure = jnp.abs(g[i]) / jnp.maximum(column * size, jnp.finfo(cost.dtype).tiny)
        if form.bounded:
            below, above = x[i] - data.lb[i], data.ub[i] - x[i]
            room = jnp.where(g[i] > 0, below, above)
            share = jnp.abs(g[i]) * room / jnp.maximum(rss, jnp.finfo(cost.dtype).tiny)
            measure = jnp.where(jnp.isfinite(room), jnp.minimum(measure, share), measure)
        worst = jnp.maximum(worst, jnp.where((g[i] == 0) | (rss == 0), 0, measure))
    return worst


# ------------------------------------------------------------------------------------ the loop


def _absorb(state: Lanes, found, data: Data, form: Form, numbers: Numbers, robust: bool) -> Lanes:
    """Judge the trial whose pass arrived, and move there or stay; `loop.absorb` in lanes.

    A lane that is done keeps its answer; what only serves the next step may change.
    """
    cost, g, G = found
    active = state.phase < DONE
    first = state.nfev == 0
    iterating = state.phase == ITERATE
    finite = jnp.isfinite(cost + _sum(g) + _sum(G))
    actual = jnp.where(finite, state.cost - cost, -jnp.inf)
    tiny = jnp.finfo(cost.dtype).tiny
    ratio = actual / jnp.where(state.predicted > 0, state.predicted, jnp.inf)
    squares = [jnp.where(d > 0, d, 1) for d in state.scale]
    moves = [t - x for t, x in zip(state.trial, state.x, strict=True)]
    step, length = _norm(squares, moves), _norm(squares, state.x)
    measure = _optimality(state.trial, g, G, cost, data, form)
    finite, actual, ratio, step, length, measure = once(
        finite, actual, ratio, step, length, measure
    )

    better = (actual > 0) & (ratio > ACCEPT_RATIO)
    level = (actual >= -COST_NOISE * state.cost) & (measure <= 2 * state.optimality)
    near = step <= POLISH_REACH * length
    moved = finite & (first | jnp.where(iterating, better, near & ((actual > 0) | level)))
    moved = once(moved & active)

    nfev = state.nfev + jnp.where(active, 1, 0).astype(cost.dtype)
    stuck = functools.reduce(
        jnp.logical_and, [t == x for t, x in zip(state.trial, state.x, strict=True)]
    )
    optimality = once(jnp.where(moved, measure, state.optimality))
    evidence = Evidence(
        first, finite, nfev, state.cost, actual, state.predicted, ratio, step, length, stuck,
        optimality,
    )  # fmt: skip
    status = jnp.where(iterating, judge(evidence, numbers), state.status).astype(cost.dtype)
    status = once(status)

    rounds = state.rounds + 1
    contraction = jnp.where(state.last > 0, step / jnp.maximum(state.last, tiny), 1)
    left = step * contraction / (1 - jnp.clip(contraction, 0, 0.9))
    negligible = max(NEGLIGIBLE, 4 * float(jnp.finfo(cost.dtype).eps))
    settled = (
        (left <= negligible * length)
        | (rounds >= POLISH_LIMIT)
        | (~moved & (state.known == 0))
        | ((contraction > 1) & (state.rounds > 0) & (state.known == 0))
    )
    running = int(Status.RUNNING)
    over = (status == int(Status.NOT_FINITE)) | (nfev >= numbers.max_nfev)
    phase = jnp.where(
        iterating,
        jnp.where(status != running, POLISH, ITERATE),
        jnp.where(settled, DONE, POLISH),
    )
    phase = once(jnp.where(over | ~active, DONE, phase).astype(cost.dtype))

    least = LEAST_DAMPING * float(jnp.finfo(cost.dtype).eps)
    gained = jnp.maximum(1 / 3, 1 - (2 * jnp.minimum(ratio, 1) - 1) ** 3)
    damping = jnp.where(better, state.damping * gained, state.damping * state.growth)
    damping = jnp.where(iterating & ~first, jnp.maximum(damping, least), state.damping)
    growth = jnp.where(better | first, 2, state.growth * 2)
    scale = tuple(jnp.maximum(d, G[_place(i, i)]) for i, d in enumerate(state.scale))
    stepped = moved & ~first
    if robust:  # as in `loop.absorb`
        grown = _norm([jnp.where(d > 0, d, 1) for d in scale], moves)
        leap = stepped & iterating & (grown > LEAP * step)
        damping = jnp.where(leap, jnp.maximum(damping * (step / grown) ** 2, least), damping)
    return state._replace(
        x=_select(moved, state.trial, state.x),
        cost=jnp.where(moved | (first & active), cost, state.cost),
        g=_select(moved, g, state.g),
        G=_select(moved, G, state.G),
        scale=_select(moved, scale, state.scale),
        damping=damping,
        growth=growth.astype(cost.dtype),
        phase=phase,
        status=status,
        nfev=nfev,
        njev=state.njev + jnp.where(moved, 1, 0).astype(cost.dtype),
        nit=state.nit + jnp.where(stepped & (step > 0), 1, 0).astype(cost.dtype),
        rounds=jnp.where(phase == state.phase, rounds, 0),
        last=jnp.where(stepped, step, state.last),
        optimality=optimality,
        known=jnp.where(moved | iterating, state.known, 0),
    )


def _propose(state: Lanes, data: Data, form: Form) -> Lanes:
    """Choose the next trial: a damped step, or an accelerated Gauss-Newton step of the polish."""
    polishing = state.phase == POLISH
    damping = jnp.where(polishing, 0, state.damping)
    target, s = _step(state, data, form, damping, state.scale)
    predicted = -_sum(
        si * (gi + 0.5 * hi) for si, gi, hi in zip(s, state.g, _times(state.G, s), strict=True)
    )
    # Anderson acceleration with one point of history, in the metric of G (see `loop`)
    dx = [a - b for a, b in zip(state.x, state.before, strict=True)]
    ds = [a - b for a, b in zip(s, state.step, strict=True)]
    Gds = _times(state.G, ds)
    square = _sum(a * b for a, b in zip(ds, Gds, strict=True))
    gamma = _sum(a * b for a, b in zip(s, Gds, strict=True)) / (square * (1 + RIDGE**2))
    usable = polishing & (state.known > 0) & (square > 0) & jnp.isfinite(gamma)
    gamma = once(jnp.where(usable, gamma, 0))
    trial = tuple(t - gamma * (a + b) for t, a, b in zip(target, dx, ds, strict=True))
    if form.bounded:
        trial = tuple(
            jnp.where((t == lb) | (t == ub), t, jnp.clip(a, lb, ub))
            for a, t, lb, ub in zip(trial, target, data.lb, data.ub, strict=True)
        )
    finite = once(jnp.isfinite(_sum(trial)))
    trial = _select(finite, trial, state.x)
    return state._replace(
        trial=trial,
        predicted=jnp.where(finite, predicted, 0),
        known=jnp.where(polishing, 1, 0).astype(predicted.dtype),
        before=state.x,
        step=s,
    )


def _answer(state: Lanes, data: Data, form: Form, numbers: Numbers) -> Answer:
    """Pivot, inverse of J^T J and bounds at the point of every lane."""
    n = form.n
    columns = [jnp.sqrt(state.G[_place(i, i)]) for i in range(n)]
    D = [jnp.where(c > 0, c, 1) for c in columns]
    factors = _factor([state.G[_place(i, j)] / (D[i] * D[j]) for i, j in pairs(n)], n)
    _, inverse = factors
    pivot = 1 / jnp.sqrt(functools.reduce(jnp.maximum, inverse))
    pivot = jnp.where(jnp.isfinite(_sum(inverse)), pivot, 0)
    inverse = _inverse(factors, n)
    triangle = tuple(inverse[_place(i, j)] / (D[i] * D[j]) for i, j in pairs(n))
    active = ()
    if form.bounded:
        size = numbers.xtol * jnp.sqrt(2 * state.cost)
        below = [x - lb for x, lb in zip(state.x, data.lb, strict=True)]
        above = [ub - x for x, ub in zip(state.x, data.ub, strict=True)]
        near = [jnp.where(c > 0, size / d, 0) for c, d in zip(columns, D, strict=True)]
        active = tuple(
            jnp.where((a <= r) & (a <= b), -1, jnp.where((b <= r) & (b < a), 1, 0))
            for a, b, r in zip(below, above, near, strict=True)
        )
    return Answer(pivot, triangle, active)


def _flat(state: Lanes, form: Form):
    """`Finished.is_flat` in lanes."""
    least = 1e-4 * jnp.sqrt(2 * state.cost)
    every = []
    for i, x in enumerate(state.x):
        column = jnp.sqrt(state.G[_place(i, i)])
        every.append((column == 0) | ((x != 0) & (column * jnp.abs(x) <= least)))
    return functools.reduce(jnp.logical_and, every) & (state.cost > 0)


def _running(state: Lanes):
    return jnp.sum(jnp.where(state.phase < DONE, 1, 0))


def fit_block(call, form: Form, loss, data: Data, numbers: Numbers, state: Lanes):
    """(state, answer) of a block when all lanes are done, or few are running for long."""

    def unfinished(carry):
        _, running, waited = carry
        return (running > numbers.leave) | ((running > 0) & (waited < numbers.patience))

    def advance(carry):
        state, running, waited = carry
        found = reduce(call, form, loss, data, numbers, state.trial)
        state = _absorb(state, found, data, form, numbers, loss is not None)
        state = _propose(state, data, form)
        return state, _running(state), waited + jnp.where(running > numbers.leave, 0, 1)

    state, *_ = jax.lax.while_loop(unfinished, advance, (state, _running(state), 0))
    idle = (state.phase == DONE) & (state.status > 0) & (state.nit == 0) & _flat(state, form)
    status = jnp.where(idle, int(Status.NO_PROGRESS), state.status).astype(state.cost.dtype)
    return state._replace(status=status), _answer(state, data, form, numbers)
