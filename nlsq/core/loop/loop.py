r"""The one loop of every fit: judge a trial point, move or not, propose the next.

`advance` is a pure function of n-sized state and the `Sums` of the pass at the trial point; a
rejected trial is an ordinary pass. It has three drivers. `watch.interpret_passes` calls it in
NumPy. `programs.device_fit` puts it in a `lax.while_loop` with the reduction, so that a whole fit
is one XLA call. `watch.drive_passes` calls it as a program where something has to happen between
passes (callback, verbose, time limit, long data).

Phases of a fit
  ITERATE  trust-region steps until a tolerance fires, which fixes the status (see `judging`).
  POLISH   Gauss-Newton steps from there. At a minimum the cost is flat, |dcost| ~ |dp|^2, so a cost
           test resolves p only to sqrt(eps); the gradient still knows better. See `polishing`.
  PREPARE  as SHARPEN, before POLISH where R is not yet exact.
  SHARPEN  passes at the final point until R is exact to working precision (see `reduction`).

A start other than the user's x0 comes from a fit to a sample of the data (see `sampling`). Where
the first pass shows that it does not hold for all of them, the fit begins again at x0.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from nlsq.core import trf
from nlsq.core.algebra import dense, geometry
from nlsq.core.algebra.namespace import choose, either, no, once, select, shortcut, where, xp
from nlsq.core.dogbox import Dogbox
from nlsq.core.lm import LevenbergMarquardt
from nlsq.core.loop.judging import (
    MAX_NFEV,
    NOT_FINITE,
    RUNNING,
    SAFE_PIVOT,
    Evidence,
    columns_or_one,
    fresh_radius,
    gain,
    guarded,
    holds,
    judge,
    next_phase,
    rounding,
)
from nlsq.core.loop.polishing import accelerate
from nlsq.core.loop.state import (
    ITERATE,
    POLISH,
    PREPARE,
    Method,
    Point,
    Secants,
    Setup,
    State,
)
from nlsq.core.passes.reduction import Sums, factor
from nlsq.core.trf import TrustRegionReflective
from nlsq.interfaces.step_protocol import StepProtocol

METHODS: dict[str, StepProtocol] = {
    "trf": TrustRegionReflective(),
    "lm": LevenbergMarquardt(),
    "dogbox": Dogbox(),
}

# Relative rise of the cost a polishing step may cause while the optimality does not double.
COST_NOISE = 1e-8
POLISH_REACH = 0.01
# Growth of a step's scaled length, by new columns, from which on the trust region keeps its size.
LEAP = 1e3


def absorb(state: State, total: Sums, setup: Setup, method: Method, reached: bool = False) -> State:
    """Judge the trial point whose pass arrived, and move there or stay.

    reached: as in `propose`.
    """
    rules = METHODS[method.name]
    summary = factor(total, state.point.R)
    first, iterating = state.nfev == 0, state.phase == ITERATE
    # a column collapsed in the last pass: this one, at the same point, measures it
    again = once(iterating & no(first) & (state.point.pivot == 0))
    finite = summary.finite
    old, proposal = state.point, state.proposal
    actual, ratio = gain(old.cost, summary.cost, finite, proposal)

    R, z, columns = summary.R, summary.z, summary.norms
    g = dense.dot(R.T, z)
    measure = geometry.scaled_optimality(
        state.trial, g, columns, summary.cost, setup.lb, setup.ub, method.bounded
    )
    new = Point(
        state.trial, summary.cost, R, summary.P, z, columns, summary.pivot, summary.dead,
        summary.dependent, measure, state.trial,
    )  # fmt: skip
    # while iterating nobody asks for the face, but beside a sample's end
    later = iterating & no(first) & no(xp.isfinite(setup.trust))
    new = shortcut(later, lambda: new, lambda: _with_face(new, setup, method))
    better = (actual > 0) & (ratio > rules.ACCEPT_RATIO)
    scale, change = columns_or_one(state.columns), state.trial - old.x
    step = dense.norm(scale * change)
    length = dense.norm(scale * old.x)
    # read by nearly everything below
    finite, actual, ratio, better, measure, step, length = once(
        finite, actual, ratio, better, measure, step, length
    )
    near = step <= POLISH_REACH * length  # a fit that has converged moves no further

    def closer():
        level = (actual >= -COST_NOISE * old.cost) & (measure <= 2 * old.optimality)
        return near & ((actual > 0) | level)

    moved = finite & (first | either(iterating, lambda: better, closer))
    moved = moved | (finite & (again | (state.phase >= PREPARE)))

    def beyond():  # a start other than x0 that is not to be believed
        held = holds(new, setup.trust, method.bounded)
        return first & xp.any(state.trial != setup.x0) & no(finite & held)

    doubted = shortcut(no(first), lambda: first, beyond)
    moved, doubted = once(moved & no(doubted), doubted)
    begun = old
    old = shortcut(
        no(doubted),
        lambda: begun,
        lambda: begun._replace(x=where(doubted, setup.x0, begun.x)),
    )
    point = select(moved, new, old)
    running_max = either(
        moved,
        lambda: xp.maximum(state.columns, where(summary.dead, 0.0, columns)),
        lambda: state.columns,
    )

    nfev = where(doubted, state.nfev, state.nfev + 1)
    stepped = iterating & no(first)

    def resized():
        radius, alpha = rules.update_radius(
            state.radius, state.alpha, proposal, actual, ratio, state.nit == 0
        )
        radius = where(no(again), radius, state.radius)
        # where J all but vanished (a peak beside the data, a loss far outside its inner region) and
        # comes back, the region that D measures would shrink to nothing
        grown = shortcut(
            no(moved) | first,
            lambda: step,
            lambda: dense.norm(columns_or_one(running_max) * change),
        )
        leap = stepped & (grown > LEAP * step)

        def kept_wide():
            measured = leap & xp.all(setup.x_scale == 0)
            return where(measured, radius * (grown / where(measured, step, 1.0)), radius)

        alpha = where(xp.isfinite(alpha), alpha, state.alpha)
        return shortcut(no(leap), lambda: radius, kept_wide), alpha

    def judged():
        stuck = shortcut(step > 0, lambda: no(step > 0), lambda: xp.all(state.trial == old.x))
        evidence = Evidence(
            first, finite, nfev, old.cost, actual, proposal.predicted, ratio, step, length, stuck,
            point.optimality, rounding(point.norms, point.x, point.cost), again,
        )  # fmt: skip
        status = judge(evidence, setup)
        blind = moved & (point.pivot == 0)  # its next pass is `again`
        return where(blind & (status != MAX_NFEV), RUNNING, status)

    radius, alpha = either(stepped, resized, lambda: (state.radius, state.alpha))
    status = either(iterating & no(doubted), judged, lambda: state.status)
    status, astray, relapse = guarded(state, point, status, setup, reached)
    spent = (status == RUNNING) & (nfev >= setup.max_nfev)
    status = once(where(spent, MAX_NFEV, status))
    renewals = where(astray, state.renewals + 1, state.renewals)
    anew = once(astray | again)
    running_max, radius, alpha = either(
        anew, lambda: _anew(point, renewals, setup), lambda: (running_max, radius, alpha)
    )

    over = (status == NOT_FINITE) | (nfev >= setup.max_nfev)
    phase, rounds = next_phase(state, status, point, moved, step, length, over, relapse)
    point = shortcut(
        later & (phase != ITERATE), lambda: _with_face(point, setup, method), lambda: point
    )
    # a rejected accelerated step: forget the history, a plain one gets its turn
    known = state.secants.known & moved
    last = where(moved & no(first), step, state.last)
    njev = where(moved, state.njev + 1, state.njev)
    nit = where(moved & no(first) & (step > 0), state.nit + 1, state.nit)
    secants = Secants(*state.secants[:-1], known)
    return State(  # by place, which takes a quarter of `_replace`
        point, state.trial, proposal, radius, alpha, running_max, phase, status, rounds, last,
        nfev, njev, nit, renewals, secants,
    )  # fmt: skip


def _with_face(point: Point, setup: Setup, method: Method) -> Point:
    face = trf.gauss_newton_on_face(point, setup, point.pivot < SAFE_PIVOT, method.bounded)
    return Point(*point[:-1], face)


def _anew(point: Point, renewals, setup: Setup):
    """(columns, radius, alpha) of a trust region that begins again at the point."""
    columns = where(point.dead, 0.0, point.norms)
    return (
        columns,
        fresh_radius(columns, point.x, point.cost, renewals, setup),
        xp.zeros_like(point.cost),
    )


def propose(state: State, setup: Setup, method: Method, reached: bool = False) -> State:
    """Choose the next trial point; `reached`: the fit is past ITERATE.

    Where a sample's fit leads to active bounds, the step is that of POLISH: it meets the bounds at
    once, and since they leave large residuals, the steps of ITERATE would contract only linearly.
    """
    rules = METHODS[method.name]
    point = state.point
    measured = 1 / columns_or_one(state.columns)
    scale = shortcut(
        no(xp.any(setup.x_scale)),
        lambda: measured,
        lambda: where(setup.x_scale > 0, setup.x_scale, measured),
    )
    radius = either(
        state.nfev == 1,
        lambda: rules.start_radius(point.x, scale, point.cost, setup.factor),
        lambda: state.radius,
    )

    iterating = state.phase == ITERATE
    trusted = iterating & xp.isfinite(setup.trust)
    direct = shortcut(
        no(trusted), lambda: state.proposal, lambda: trf.to_face(point, scale, state.alpha)
    )

    def near():
        beside = trusted & (direct.norm <= radius)
        beside = beside & (2 * direct.predicted <= setup.trust * point.cost) & (state.nfev > 0)
        return once(beside & xp.any((point.face == setup.lb) | (point.face == setup.ub)))

    beside = shortcut(no(trusted), lambda: trusted, near)

    iterate = partial(rules.propose, point, radius, state.alpha, scale, setup, method.bounded)

    def land():
        if not method.bounded:
            return point.x + proposal.step, state.secants
        return rules.land(point.x, proposal.step, setup.lb, setup.ub), state.secants

    def polish():
        target = point.face
        trial, learnt = accelerate(point, target, state.secants)
        taken = beside | (state.phase == POLISH)  # PREPARE does not take this step
        secants = select(taken, learnt, state.secants)
        if method.bounded:
            pinned = (target == setup.lb) | (target == setup.ub)
            trial = where(pinned, target, xp.clip(trial, setup.lb, setup.ub))
            inside = geometry.strictly_inside(trial, setup.lb, setup.ub)
            trial = where(iterating, inside, trial)
        return trial, secants

    other = select(iterating, direct, state.proposal)
    if reached:
        proposal, (trial, secants) = other, polish()
    else:
        ordinary = iterating & no(beside)
        proposal = choose(ordinary, iterate, lambda: other)()
        trial, secants = choose(ordinary, land, polish)()
    still = (state.phase >= PREPARE) | ((state.phase == ITERATE) & (point.pivot == 0))
    trial = where(still & (state.nfev > 0), point.x, trial)
    trial = shortcut(
        (state.nfev > 0) & xp.all(setup.free),
        lambda: trial,
        lambda: where((setup.free > 0) & (state.nfev > 0), trial, setup.x0),
    )
    alpha = where(state.nfev > 0, proposal.alpha, 0.0)
    return State(point, trial, proposal, radius, alpha, *state[5:-1], secants)


def advance(
    state: State, total: Sums, setup: Setup, method: Method, reached: bool = False
) -> State:
    """The n-sized part of one pass: judge, move, propose."""
    return propose(absorb(state, total, setup, method, reached), setup, method, reached)


def in_numpy(total: Sums) -> Sums:
    """A program's sums for the loop in NumPy."""
    return Sums(*(None if part is None else np.asarray(part) for part in total))
