r"""Many small fits side by side: one Levenberg-Marquardt iteration for LANES fits at a time.

A fit of a few parameters to some ten points is too small for vectors of its own. So LANES fits
share them: every number of a fit is a *lane*, an element of a (LANES,) vector, and everything done
to the fits is elementwise on such vectors. A pass runs over the points and adds up the Gram matrix
of [J r] pair by pair; the step is an unrolled factorisation L diag(d) L^T. A lane that is done
stands still until the block leaves, which it does when only a few lanes have been running for some
passes; those are gathered into new blocks (see `run`). The same functions run in NumPy, where a
block is as wide as a slab of the data (see `interpreted`).

The steps are those of `loop` with method 'trf', from the Gram matrix in place of its factor: in hat
space, with p = d^{-1} dx,

    (d J^T J d + C + alpha I) p = -d J^T r,     |p| <= Delta,

d and C of `trf`, alpha by the same Newton iteration as in `subproblem`, the same radius, the same
reflection at bounds, and the same tests of convergence. So a lane goes where the single fit goes,
and ends there. What follows is as there too: Gauss-Newton steps with Anderson acceleration until
the error they leave is negligible.

The Gram matrix halves the digits, and unlike the loop a lane has no preconditioner to get them
back: `pivot`, the root of the least element of d for the matrix scaled to unit diagonal, says how
many are left, about eps / pivot^2. A fit with too few at its minimum is not a lane's answer;
`exact` finishes it. One whose steps had too few on the way, or which looks as if the single fit
would do better (`_doubtful`), is `left` to that, which begins at its start.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nlsq.core import trf
from nlsq.core.algebra import geometry
from nlsq.core.algebra.namespace import cond, once, select, where, while_loop, xp
from nlsq.core.drive.batch import algebra
from nlsq.core.drive.batch.state import DONE, ITERATE, POLISH, Answer, Data, Form, Lanes, Numbers
from nlsq.core.loop.judging import NEGLIGIBLE, POLISH_LIMIT, Evidence, gain, judge
from nlsq.core.loop.loop import COST_NOISE, LEAP, POLISH_REACH  # fmt: skip
from nlsq.core.loop.polishing import RIDGE
from nlsq.core.loop.status import Status

# Relative errors, some eps / pivot^2: of a step from which on a path is no longer the single fit's
# where the model is not linear; of one that leads nowhere; and of a covariance that lanes may have.
ASTRAY = {np.dtype(np.float64): 1e-11, np.dtype(np.float32): 1e-2}
LOST = {np.dtype(np.float64): 1e-5, np.dtype(np.float32): 1e-1}
ACCURACY = {np.dtype(np.float64): 1e-11, np.dtype(np.float32): 1e-3}
TRF = trf.TrustRegionReflective()
VANISHED = 1e-6  # share of a column's norm that a step leaves
ROUNDING = 100  # times eps, as in `loop`
LINEAR = 0.25  # deviation of the gain from the predicted one


# ------------------------------------------------------------------------------------ the pass


def _optimality(x, g, G, cost, data: Data, form: Form):
    """`geometry.scaled_optimality` in lanes."""
    rss = 2 * cost
    size = xp.sqrt(rss)
    worst = xp.zeros_like(cost)
    for i in range(form.n):
        column = xp.sqrt(G[algebra.place(i, i)])
        measure = xp.abs(g[i]) / xp.maximum(column * size, np.finfo(cost.dtype).tiny)
        if form.bounded:
            below, above = x[i] - data.lb[i], data.ub[i] - x[i]
            room = where(g[i] > 0, below, above)
            share = xp.abs(g[i]) * room / xp.maximum(rss, np.finfo(cost.dtype).tiny)
            measure = where(xp.isfinite(room), xp.minimum(measure, share), measure)
        worst = xp.maximum(worst, where((g[i] == 0) | (rss == 0), 0, measure))
    return worst


# ------------------------------------------------------------------------------------ the loop


def _absorb(state: Lanes, found, data: Data, form: Form, numbers: Numbers) -> Lanes:
    """Judge the trial whose pass arrived, and move there or stay; `loop.absorb` in lanes.

    A lane that is done keeps its answer; what only serves the next step may change.
    """
    cost, g, G = found
    active = state.phase < DONE
    first = state.nfev == 0
    iterating = state.phase == ITERATE
    finite = xp.isfinite(cost + algebra.total(g) + algebra.total(G))
    actual, ratio = gain(state.cost, cost, finite, state)
    tiny = np.finfo(cost.dtype).tiny
    squares = algebra.or_one(state.scale)
    moves = [t - x for t, x in zip(state.trial, state.x, strict=True)]
    step, length = algebra.norm(moves, squares), algebra.norm(state.x, squares)
    measure = _optimality(state.trial, g, G, cost, data, form)
    finite, actual, ratio, step, length, measure = once(
        finite, actual, ratio, step, length, measure
    )

    better = (actual > 0) & (ratio > TRF.ACCEPT_RATIO)
    level = (actual >= -COST_NOISE * state.cost) & (measure <= 2 * state.optimality)
    near = step <= POLISH_REACH * length
    moved = finite & (first | where(iterating, better, near & ((actual > 0) | level)))
    moved = once(moved & active)

    nfev = state.nfev + where(active, 1, 0).astype(cost.dtype)
    stuck = functools.reduce(
        xp.logical_and, [t == x for t, x in zip(state.trial, state.x, strict=True)]
    )
    optimality = once(where(moved, measure, state.optimality))
    rounding, rest = ROUNDING * float(np.finfo(cost.dtype).eps), where(moved, cost, state.cost)
    evidence = Evidence(
        first, finite, nfev, state.cost, actual, state.predicted, ratio, step, length, stuck,
        optimality, rounding * length / xp.sqrt(where(rest > 0, 2 * rest, 1)),
    )  # fmt: skip
    status = where(iterating, judge(evidence, numbers), state.status).astype(cost.dtype)
    status = once(status)

    rounds = state.rounds + 1
    contraction = where(state.last > 0, step / xp.maximum(state.last, tiny), 1)
    left = step * contraction / (1 - xp.clip(contraction, 0, 0.9))
    negligible = max(NEGLIGIBLE, 4 * float(np.finfo(cost.dtype).eps))
    settled = (
        (left <= negligible * length)
        | (rounds >= POLISH_LIMIT)
        | (~moved & (state.known == 0))
        | ((contraction > 1) & (state.rounds > 0) & (state.known == 0))
    )
    running = int(Status.RUNNING)
    phase = where(
        iterating,
        where(status != running, POLISH, ITERATE),
        where(settled, DONE, POLISH),
    )
    new_squares = [where(moved, G[algebra.place(i, i)], xp.inf) for i in range(form.n)]
    scale = tuple(xp.maximum(d, G[algebra.place(i, i)]) for i, d in enumerate(state.scale))
    stepped = moved & ~first
    grown = algebra.norm(moves, algebra.or_one(scale))
    leap = once(stepped & iterating & (grown > LEAP * step))
    doubtful = _doubtful(state, evidence, new_squares, leap, numbers)
    doubtful |= status == int(Status.ASTRAY)
    doubtful = once(doubtful & active & iterating & ~first)
    over = (status == int(Status.NOT_FINITE)) | (nfev >= numbers.max_nfev) | doubtful
    phase = once(where(over | ~active, DONE, phase).astype(cost.dtype))

    radius, alpha = TRF.update_radius(state.radius, state.alpha, state, actual, ratio, None)
    judged = iterating & ~first
    radius = where(judged, radius, state.radius)
    alpha = where(judged & xp.isfinite(alpha), alpha, state.alpha)
    # read many times by what comes
    x, g, G, scale = algebra.stored(
        select(moved, (state.trial, g, G, scale), (state.x, state.g, state.G, state.scale))
    )
    return state._replace(
        x=x,
        cost=where(moved | (first & active), cost, state.cost),
        g=g,
        G=G,
        scale=scale,
        radius=radius,
        alpha=alpha,
        phase=phase,
        status=status,
        nfev=nfev,
        njev=state.njev + where(moved, 1, 0).astype(cost.dtype),
        nit=state.nit + where(stepped & (step > 0), 1, 0).astype(cost.dtype),
        rounds=where(phase == state.phase, rounds, 0),
        last=where(stepped, step, state.last),
        optimality=optimality,
        left=where(doubtful, 1, state.left),
        known=where(moved | iterating, state.known, 0),
    )


def _doubtful(state: Lanes, e: Evidence, squares, leap, numbers: Numbers):
    """Whether the single fit has means, or digits, for what happens here that lanes have not.

    D says nothing of a column that grew by `LEAP`; a column that all but vanished is, to the single
    fit, one that is computed from cancelling terms; and where the model is far from linear, what a
    step has lost in digits grows.
    """
    norms = [(new, state.G[algebra.place(i, i)]) for i, new in enumerate(squares)]
    vanished = [(old > 0) & (new <= VANISHED**2 * old) for new, old in norms]
    bent = (xp.abs(e.ratio - 1) > LINEAR) & (e.predicted > numbers.ftol * e.cost)
    astray = bent & (state.error > ASTRAY[np.dtype(e.ratio.dtype)])
    return leap | astray | functools.reduce(xp.logical_or, vanished)


def _propose(state: Lanes, data: Data, form: Form) -> Lanes:
    """Choose the next trial: a trust-region step, or an accelerated one of the polish."""
    n = form.n
    iterating, polishing = state.phase == ITERATE, state.phase == POLISH
    squares = algebra.stored(algebra.or_one(state.scale))
    first = state.nfev == 1

    def begin():  # as `trf.start_radius`
        length = algebra.norm(state.x, squares)
        start = TRF.FACTOR * where(length > 0, length, xp.sqrt(2 * state.cost))
        return where(first, start, state.radius)

    radius = cond(xp.any(first), begin, lambda: state.radius)
    if form.bounded:
        step, target, correction = _bounded_step(state, data, squares, radius)
    else:
        A = list(state.G)
        for i in range(n):  # what changes nothing stays
            a = A[algebra.place(i, i)]
            A[algebra.place(i, i)] = where(a > 0, a, 1)
        b = [-g for g in state.g]
        step = algebra.in_region(A, b, squares, radius, state.alpha, iterating)
        target = tuple(x + s for x, s in zip(state.x, step.s, strict=True))
        correction = xp.zeros_like(radius)
    s = tuple(t - x for t, x in zip(target, state.x, strict=True))

    # Anderson acceleration with one point of history, in the metric of G (see `loop`)
    dx = [a - b for a, b in zip(state.x, state.before, strict=True)]
    ds = [a - b for a, b in zip(s, state.step, strict=True)]
    Gds = algebra.times(state.G, ds)
    square = algebra.dot(ds, Gds)
    gamma = algebra.dot(s, Gds) / (square * (1 + RIDGE**2))
    usable = polishing & (state.known > 0) & (square > 0) & xp.isfinite(gamma)
    gamma = once(where(usable, gamma, 0))
    trial = tuple(t - gamma * (a + b) for t, a, b in zip(target, dx, ds, strict=True))
    if form.bounded:
        trial = tuple(
            where((t == lb) | (t == ub) | iterating, t, xp.clip(a, lb, ub))
            for a, t, lb, ub in zip(trial, target, data.lb, data.ub, strict=True)
        )
    finite = once(xp.isfinite(algebra.total(trial)))
    dtype = np.dtype(radius.dtype)
    lost = (state.phase < DONE) & ~(step.error <= LOST[dtype])
    inexact = polishing & ~(step.error <= ACCURACY[dtype])  # `exact` polishes it
    return state._replace(
        radius=radius,
        alpha=where(iterating, step.alpha, state.alpha),
        trial=select(finite, trial, state.x),
        norm=step.norm,
        predicted=where(finite, step.predicted, 0),
        correction=correction,
        error=step.error,
        phase=where(lost | inexact, DONE, state.phase).astype(radius.dtype),
        left=where(lost, 1, state.left),
        known=where(polishing, 1, 0).astype(radius.dtype),
        before=state.x,
        step=s,
    )


def _bounded_step(state: Lanes, data: Data, squares, radius):
    """(step, target, correction) with bounds, in hat space; `trf.propose` in lanes.

    A step of the polish is `trf.gauss_newton_on_face`, in the metric of D.
    """
    n, polishing = len(squares), state.phase == POLISH
    iterating = state.phase == ITERATE
    x, g, D = xp.stack(state.x), xp.stack(state.g), xp.sqrt(xp.stack(squares))
    hat, C = trf.hat_space(x, g, 1 / D, data.lb, data.ub)
    C = where(polishing, 0, xp.maximum(C, 0))
    diagonal = xp.stack([state.G[algebra.place(i, i)] for i in range(n)])
    reach = xp.abs(g) / xp.maximum(diagonal, np.finfo(x.dtype).tiny)
    low = polishing & (g > 0) & (x - data.lb <= reach)
    high = polishing & (g < 0) & (data.ub - x <= reach)
    shift = where(low, data.lb - x, where(high, data.ub - x, 0))
    d = where(low | high, 0, where(polishing, 1 / D, hat))
    *d, C = once(*d, C)
    A = [once(a * (d[i] * d[j])) for a, (i, j) in zip(state.G, algebra.pairs(n), strict=True)]
    for i in range(n):  # what stays where it is, or changes nothing
        a = A[algebra.place(i, i)] + C[i]
        A[algebra.place(i, i)] = where(a > 0, a, 1)
    moved = algebra.times(state.G, list(shift))
    b = [once(-di * (gi + h)) for di, gi, h in zip(d, state.g, moved, strict=True)]
    one = [xp.ones_like(radius)] * n
    step = algebra.in_region(A, b, one, radius, state.alpha, iterating)

    def gram(S):
        products = [xp.stack(algebra.times(A, list(s))) for s in S]
        return {(i, j): xp.sum(s * products[j], axis=0)
                for i, s in enumerate(S) for j in range(len(S))}  # fmt: skip

    model = trf.Quadratic(-xp.stack(b), gram)
    theta = xp.maximum(0.995, 1 - state.optimality)
    p, d, box = xp.stack(step.s), xp.stack(d), _Box(data.lb, data.ub)
    best, value = trf.reflect(x, model, where(iterating, p, 0), d, radius, box, theta)
    target = geometry.strictly_inside(x + d * best, data.lb, data.ub)
    pinned = where(low, data.lb, where(high, data.ub, x + d * p))
    target = where(polishing, xp.clip(pinned, data.lb, data.ub), target)
    target, correction = once(target, 0.5 * xp.sum(C * best**2, axis=0))
    return step._replace(norm=algebra.norm(best), predicted=-value), tuple(target), correction


class _Box(NamedTuple):
    lb: Any
    ub: Any


def _answer(state: Lanes, data: Data, form: Form, numbers: Numbers) -> Answer:
    """Pivot, inverse of J^T J and bounds at the point of every lane."""
    n = form.n
    columns = [xp.sqrt(state.G[algebra.place(i, i)]) for i in range(n)]
    D = [where(c > 0, c, 1) for c in columns]
    G = [state.G[k] / (D[i] * D[j]) for k, (i, j) in enumerate(algebra.pairs(n))]
    factors = algebra.factor(G, n)
    _, inverse = factors
    pivot = 1 / xp.sqrt(functools.reduce(xp.maximum, inverse))
    pivot = where(xp.isfinite(algebra.total(inverse)), pivot, 0)
    inverse = algebra.inverse(factors, n)
    triangle = tuple(inverse[algebra.place(i, j)] / (D[i] * D[j]) for i, j in algebra.pairs(n))
    active = ()
    if form.bounded:
        size = numbers.xtol * xp.sqrt(2 * state.cost)
        below = [x - lb for x, lb in zip(state.x, data.lb, strict=True)]
        above = [ub - x for x, ub in zip(state.x, data.ub, strict=True)]
        norms = zip(state.scale, algebra.or_one(state.scale), strict=True)
        near = [where(d > 0, size / xp.sqrt(one), 0) for d, one in norms]
        active = tuple(
            where((a <= r) & (a <= b), -1, where((b <= r) & (b < a), 1, 0))
            for a, b, r in zip(below, above, near, strict=True)
        )
    return Answer(pivot, triangle, active)


def _flat(state: Lanes, form: Form):
    """`Finished.is_flat` in lanes."""
    least = 1e-4 * xp.sqrt(2 * state.cost)
    every = []
    for i, x in enumerate(state.x):
        column = xp.sqrt(state.G[algebra.place(i, i)])
        every.append((column == 0) | ((x != 0) & (column * xp.abs(x) <= least)))
    return functools.reduce(xp.logical_and, every) & (state.cost > 0)


def _running(state: Lanes):
    return xp.sum(where(state.phase < DONE, 1, 0))


def fit_block(reduce: Callable, form: Form, data: Data, numbers: Numbers, state: Lanes):
    """(state, answer) of a block when all lanes are done, or few are running for long.

    reduce(trial) -> (cost, g, G) of every lane, from a pass over its points.
    """

    def unfinished(carry):
        _, running, waited = carry
        return (running > numbers.leave) | ((running > 0) & (waited < numbers.patience))

    def advance(carry):
        state, running, waited = carry
        state = _absorb(state, reduce(state.trial), data, form, numbers)
        state = _propose(state, data, form)
        return state, _running(state), waited + where(running > numbers.leave, 0, 1)

    state, *_ = while_loop(unfinished, advance, (state, _running(state), 0))
    idle = (state.phase == DONE) & (state.status > 0) & (state.nit == 0) & _flat(state, form)
    status = where(idle, int(Status.NO_PROGRESS), state.status).astype(state.cost.dtype)
    return state._replace(status=status), _answer(state, data, form, numbers)
