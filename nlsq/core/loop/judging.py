r"""Whether a trial is better, whether the fit has converged, and what comes next.

Convergence tests, all free of units: with c the optimality (`geometry.scaled_optimality`) and
actual and predicted reduction a, e of the cost F,
  ftol:  |a| <= ftol F, e <= ftol F and a <= 2 e   (Moré 1978), and c <= 10 sqrt(ftol): a
         Gauss-Newton step from a point of optimality c gains about c^2 F / 2, so small gains at a
         large c come from a small trust region, for instance where a peak misses the data
  xtol:  |D dx| <= xtol |D x|, D the column norms of J, and c <= sqrt(xtol) or so
  gtol:  c <= gtol.
Rounding of the model's values alone can make c as large as `ROUNDING` |D x| / |r|, which suffices.

Where a step is short and c is not, the fit has gone astray: D was taken where J was another, or the
region shrank where the model bends. D is then taken from the present columns and the region anew,
max(|D x|, |r| / 1000), a tenth of it at each further time. After `MOST_RENEWALS` times the status
is NO_PROGRESS, which is no success. A column of J that collapsed is measured by a second pass at
the same point, before any test, and D is taken anew as well. An R that PREPARE made exact is asked
once more: where it tells c > 10 sqrt(tol) by far the fit goes back to ITERATE.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nlsq.core.algebra import dense
from nlsq.core.algebra.namespace import either, is_short, no, once, shortcut, where, xp
from nlsq.core.loop.state import DONE, ITERATE, POLISH, PREPARE, SHARPEN, Point, Setup, State
from nlsq.core.loop.status import Status

# plain numbers, which the enum's are only by a call
RUNNING, ASTRAY, NO_PROGRESS, NOT_FINITE, MAX_NFEV, GTOL, FTOL, XTOL, FTOL_XTOL = (
    int(Status[name])
    for name in "RUNNING ASTRAY NO_PROGRESS NOT_FINITE MAX_NFEV GTOL FTOL XTOL FTOL_XTOL".split()
)
POLISH_LIMIT = 10
SHARPEN_LIMIT = 3
SAFE_PIVOT = 0.1
NEGLIGIBLE = 1e-12
# Share of |D x| / |r| that rounding can make of the optimality, for large arguments too.
ROUNDING = 1e-10
# An exact R revokes a test only by much more: at a bound the model's derivatives may be noise.
RELAPSE = 30
# Times that the scale and the radius are taken anew, and the least radius as a share of |r|.
MOST_RENEWALS, LEAST_RADIUS = 6, 1e-3
# Optimality above which no fit has converged, however loose its tolerances are.
LEVEL = 1e-3
TINY = 1e-300


def guarded(state: State, point: Point, status, setup: Setup, reached: bool):
    """(status, whether the fit went astray, whether an exact R showed that it had)."""
    doubtful = (state.phase == PREPARE) & (point.pivot >= SAFE_PIVOT)

    def revoked():
        noise = rounding(point.norms, point.x, point.cost)
        believed = xp.maximum(RELAPSE * most_optimality(setup), noise)
        return doubtful & (point.optimality > believed)

    relapse = once(shortcut(no(doubtful), lambda: doubtful, revoked))
    astray = once((status == ASTRAY) | relapse)

    def renewed():
        lost = state.renewals >= (0 if reached else MOST_RENEWALS)
        return where(lost, NO_PROGRESS, RUNNING)

    return either(astray, renewed, lambda: status), astray, relapse


def holds(point: Point, trust, bounded: bool):
    """Whether a step from `point` gains no more than `trust` F, or moves nothing."""
    size = xp.sum(dense.dot(point.R, point.x) ** 2)
    promised = xp.sum(point.z**2)
    if bounded:  # what lies beyond an active bound does not count
        q = dense.dot(point.R, point.face - point.x)
        promised = -xp.sum((2 * point.z + q) * q)
    return (promised <= trust * point.cost) | (promised <= 1e-16 * size)


def rounding(columns, x, cost):
    """The optimality at x that rounding of the model's values may make."""
    size = xp.sqrt(2 * cost)
    return ROUNDING * dense.norm(columns * x) / where(size > 0, size, 1.0)


def fresh_radius(columns, x, cost, renewals, setup: Setup):
    """The radius of the `renewals`-th beginning at x, in the unit of the given or measured D."""
    given, rest = setup.x_scale > 0, xp.sqrt(2 * cost)
    D = where(given, 1 / where(given, setup.x_scale, 1.0), columns_or_one(columns))
    length = dense.norm(D * x)
    least = where(xp.any(given), where(length > 0, 0.0, 1.0), LEAST_RADIUS)  # D x is no residual
    return xp.maximum(length, least * rest) * 0.1 ** xp.maximum(renewals - 1, 0)


def columns_or_one(columns):
    """Column norms as a scale; a dead column scales by 1."""
    few = type(columns) is np.ndarray and is_short(columns)
    if few and False not in map((0.0).__lt__, columns.tolist()):
        return columns
    return where(columns > 0, columns, 1.0)


def gain(old_cost, cost, finite, proposal):
    """Actual reduction of the cost, and its ratio to the predicted one."""
    actual = where(finite, old_cost - cost, -xp.inf)
    share = actual - proposal.correction
    return actual, share / where(proposal.predicted > 0, proposal.predicted, xp.inf)


class Evidence(NamedTuple):
    """What the convergence tests see after a trial."""

    first: object  # bool: this was the start, there is no step to test
    finite: object  # bool: cost and derivatives at the trial are finite
    nfev: object
    cost: object  # before the trial
    actual: object
    predicted: object
    ratio: object
    step: object  # |D dx|
    length: object  # |D x|
    stuck: object  # bool: the trial is the point it started from
    optimality: object  # at the point that is now accepted
    rounding: object = 0.0  # what rounding alone can make of it there
    again: object = False  # bool: this was the same point again, there is no step either


def most_optimality(setup):
    """The optimality above which no fit has converged."""
    return xp.maximum(10 * xp.sqrt(xp.maximum(setup.ftol, setup.xtol)), LEVEL) + setup.gtol


def judge(e: Evidence, setup):
    """Status after a trial, RUNNING when no test fires."""
    stepped = no(e.first | e.again)
    small = (
        (xp.abs(e.actual) <= setup.ftol * e.cost)
        & (e.predicted <= setup.ftol * e.cost)
        & (e.ratio <= 2)
        & stepped
    )
    x = (e.step <= setup.xtol * e.length) & stepped
    stuck = e.stuck & stepped
    g = e.optimality <= setup.gtol
    status = where(e.nfev >= setup.max_nfev, MAX_NFEV, RUNNING)

    def tested():
        f = small & (e.optimality <= xp.maximum(10 * xp.sqrt(setup.ftol), e.rounding))
        agrees = e.optimality <= xp.maximum(0.1 * most_optimality(setup), e.rounding)
        by_step = where(x | stuck, where(agrees, XTOL, ASTRAY), status)
        by_cost = where(f, where(x, FTOL_XTOL, FTOL), by_step)
        return where(e.first & no(e.finite), NOT_FINITE, where(g, GTOL, by_cost))

    return shortcut(no(small | x | stuck | g | e.first), lambda: status, tested)


def next_phase(state, status, point, moved, step, length, over, relapse):
    """(phase, rounds) after this pass; `over` ends the fit, `relapse` takes it up again."""
    going_on = (state.phase == ITERATE) & (status == RUNNING) & no(over | relapse)
    return shortcut(
        going_on,
        lambda: (state.phase, state.rounds + 1),
        lambda: _next_phase(state, status, point, moved, step, length, over, relapse),
    )


def _next_phase(state, status, point, moved, step, length, over, relapse):
    rounds = state.rounds + 1
    safe = point.pivot >= SAFE_PIVOT
    finish = where(safe, DONE, SHARPEN)
    after_iterate = where(status > 0, where(safe, POLISH, PREPARE), finish)
    again = no(safe) & (rounds < SHARPEN_LIMIT)

    contraction = where(state.last > 0, step / xp.maximum(state.last, TINY), 1.0)
    # one step much shorter than the last tells little of the next where either is accelerated
    ratio = where(state.rounds > 0, xp.maximum(contraction, 0.5), contraction)
    left = step * ratio / (1 - xp.minimum(xp.maximum(ratio, 0.0), 0.9))
    worse = no(moved) | ((contraction > 1) & (state.rounds > 0))
    settled = (
        (left <= NEGLIGIBLE * length)
        | (rounds >= POLISH_LIMIT)
        | shortcut(no(worse), lambda: worse, lambda: worse & no(xp.any(state.secants.dx != 0)))
    )
    phase = where(again, SHARPEN, DONE)
    phase = where(state.phase == PREPARE, where(again, PREPARE, POLISH), phase)
    phase = where(state.phase == POLISH, where(settled, finish, POLISH), phase)
    after_iterate = where(status == RUNNING, ITERATE, after_iterate)
    over = over | (relapse & (status != RUNNING))
    phase = where(relapse, ITERATE, phase)
    phase = where(over, DONE, where(state.phase == ITERATE, after_iterate, phase))
    return phase, where(phase == state.phase, rounds, 0)
