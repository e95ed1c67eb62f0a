r"""The one loop of every fit: judge a trial point, move or not, propose the next.

`advance` is a pure function of n-sized state and the `Sums` of the pass at the trial point; a
rejected trial is an ordinary pass. It has two drivers: `device_fit` puts it in a `lax.while_loop`
with the reduction, so that a whole fit is one XLA call, and `watch.drive_passes` calls it from
Python where something has to happen between passes (callback, verbose, time limit, a model or data
that live on the host).

Phases of a fit
  ITERATE  trust-region steps until a tolerance fires, which fixes the status.
  POLISH   Gauss-Newton steps from there. At a minimum the cost is flat, |dcost| ~ |dp|^2, so a cost
           test resolves p only to sqrt(eps); the gradient still knows better. Where residuals are
           large Gauss-Newton contracts only linearly, so steps are combined by Anderson
           acceleration (a multisecant method; Walker & Ni 2011) with the last `MEMORY` points, in
           the metric of R. Steps are taken while they contract, until the error they leave,
           |step| q / (1 - q) with q the contraction factor, is negligible. Parameters at a bound
           are put exactly on it.
  PREPARE  as SHARPEN, before POLISH where R is not yet exact.
  SHARPEN  passes at the final point until R is exact to working precision (see `reduction`).

A start other than the user's x0 comes from a fit to a sample of the data (see `solve`). Where the
first pass shows that it does not hold for all of them, the fit begins again at x0.

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

import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.caching.lowered import lowered
from nlsq.core import dense, dogbox, geometry, lm, trf
from nlsq.core.dense import where, xp
from nlsq.core.packing import Packing
from nlsq.core.reduction import Sums, factor
from nlsq.core.status import Status

METHODS = {"trf": trf, "lm": lm, "dogbox": dogbox}

ITERATE, POLISH, PREPARE, SHARPEN, DONE = range(5)
POLISH_LIMIT = 10
MEMORY = 4
RIDGE = 1e-6  # keeps nearly parallel secants from cancelling each other
SHARPEN_LIMIT = 3
SAFE_PIVOT = 0.1
NEGLIGIBLE = 1e-12
# Relative rise of the cost a polishing step may cause while the optimality does not double.
COST_NOISE = 1e-8
POLISH_REACH = 0.01
# Growth of a step's scaled length, by new columns, from which on the trust region keeps its size.
LEAP = 1e3
# Share of |D x| / |r| that rounding can make of the optimality, for large arguments too.
ROUNDING = 1e-10
# An exact R revokes a test only by much more: at a bound the model's derivatives may be noise.
RELAPSE = 30
# Times that the scale and the radius are taken anew, and the least radius as a share of |r|.
MOST_RENEWALS, LEAST_RADIUS = 6, 1e-3
# Optimality above which no fit has converged, however loose its tolerances are.
LEVEL = 1e-3
TINY = 1e-300


class Setup(NamedTuple):
    """Numbers of one fit that a compiled program takes as arguments."""

    x0: object  # (n,), the user's start; the trial of the first pass may be another
    lb: object  # (n,)
    ub: object  # (n,)
    x_scale: object  # (n,); 0 means "from the Jacobian"
    free: object  # (n,) 1.0, or 0.0 for a fixed parameter
    ftol: object
    xtol: object
    gtol: object
    max_nfev: object
    f_scale: object
    factor: object
    trust: object  # a start other than x0 needs |z|^2 <= trust F there (see `_holds`)


class Method(NamedTuple):
    """What a compiled program depends on besides the model: static and hashable."""

    name: str
    bounded: bool
    n: int


class Point(NamedTuple):
    """An accepted point."""

    x: object
    cost: object
    R: object
    P: object  # its inverse, the preconditioner of the next pass
    z: object
    norms: object  # column norms of R
    pivot: object
    dead: object
    dependent: object
    optimality: object


class Secants(NamedTuple):
    """History of the Gauss-Newton map while polishing: last point, its step, differences."""

    x: object  # (n,)
    step: object  # (n,)
    dx: object  # (MEMORY, n), newest first, zero rows where unused
    dstep: object  # (MEMORY, n)
    known: object  # bool: x and step are valid


class State(NamedTuple):
    """Everything the loop carries from pass to pass; n-sized."""

    point: Point
    trial: object
    proposal: trf.Proposal
    radius: object
    alpha: object
    columns: object  # running maximum of the column norms of J
    phase: object
    status: object
    rounds: object  # passes in the present phase
    last: object  # scaled length of the last accepted step
    nfev: object
    njev: object
    nit: object
    renewals: object  # how often the scale and the radius were taken anew
    secants: Secants


def initial_state(x0, method: Method) -> State:
    """State before the first pass, in NumPy: nothing is known, the trial is x0."""
    n = method.n
    zero, count, no = np.zeros(()), np.zeros((), int), np.zeros((), bool)
    vector, none, history = np.zeros(n), np.zeros(n, bool), np.zeros((MEMORY, n))
    x, eye, unknown = np.array(x0, float), np.eye(n), np.full((), np.inf)
    return State(
        point=Point(x, unknown, eye, eye, vector, vector, zero, none, none, unknown),
        trial=x,
        proposal=trf.Proposal(vector, zero, zero, zero, zero),
        radius=zero,
        alpha=zero,
        columns=vector,
        phase=count,
        status=np.full((), int(Status.RUNNING)),
        rounds=count,
        last=zero,
        nfev=count,
        njev=count,
        nit=count,
        renewals=count,
        secants=Secants(vector, vector, history, history, no),
    )


@functools.lru_cache
def state_packing(method: Method) -> Packing:
    """State <-> vector."""
    return Packing(initial_state(np.zeros(method.n), method))


@functools.lru_cache
def _start_template(method: Method) -> np.ndarray:
    return state_packing(method).vector(initial_state(np.zeros(method.n), method), np)


def start_vector(x0, method: Method, reached: Status = Status.RUNNING) -> np.ndarray:
    """`initial_state` as a vector; where another method has `reached` a minimum, at PREPARE."""
    vector, at = _start_template(method).copy(), state_packing(method).places
    vector[at.point.x] = vector[at.trial] = x0
    if reached is not Status.RUNNING:
        vector[at.phase], vector[at.status] = PREPARE, int(reached)
    return vector


@functools.lru_cache
def setup_packing(n: int) -> Packing:
    """Setup <-> vector."""
    return Packing(Setup(*[np.zeros(n)] * 5, *[np.zeros(())] * 7))


def running(state: State):
    """True while passes remain to be made."""
    return state.phase < DONE


def absorb(state: State, total: Sums, setup: Setup, method: Method, reached: bool = False) -> State:
    """Judge the trial point whose pass arrived, and move there or stay.

    reached: as in `propose`.
    """
    rules = METHODS[method.name]
    summary = factor(total, state.point.R)
    first = state.nfev == 0
    # a column collapsed in the last pass: this one, at the same point, measures it
    again = dense.once((state.phase == ITERATE) & ~first & (state.point.pivot == 0))
    finite = (
        jnp.isfinite(summary.cost)
        & jnp.all(jnp.isfinite(summary.R))
        & jnp.all(jnp.isfinite(summary.z))
    )
    old, proposal = state.point, state.proposal
    actual, ratio = gain(old.cost, summary.cost, finite, proposal)
    iterating = state.phase == ITERATE
    polishing = state.phase == POLISH

    R, z = summary.R, summary.z
    P = dense.solve_upper(R, jnp.eye(method.n))
    columns = jnp.sqrt(jnp.sum(R * R, axis=0))
    g = dense.dot(R.T, z)
    measure = geometry.scaled_optimality(
        state.trial, g, columns, summary.cost, setup.lb, setup.ub, method.bounded
    )
    new = Point(
        state.trial, summary.cost, R, P, z, columns, summary.pivot, summary.dead, summary.dependent,
        measure,
    )  # fmt: skip
    better = (actual > 0) & (ratio > rules.ACCEPT_RATIO)
    scale = columns_or_one(state.columns)
    step = dense.norm(scale * (state.trial - old.x))
    length = dense.norm(scale * old.x)
    # read by nearly everything below
    finite, actual, ratio, better, measure, step, length = dense.once(
        finite, actual, ratio, better, measure, step, length
    )
    near = step <= POLISH_REACH * length  # a fit that has converged moves no further
    level = (actual >= -COST_NOISE * old.cost) & (measure <= 2 * old.optimality)
    moved = finite & (first | where(iterating, better, near & ((actual > 0) | level)))
    moved = moved | (finite & (again | (state.phase >= PREPARE)))
    doubted = first & jnp.any(state.trial != setup.x0) & ~(finite & _holds(new, setup.trust))
    moved, doubted = dense.once(moved & ~doubted, doubted)
    old = old._replace(x=where(doubted, setup.x0, old.x))
    point = jax.tree.map(lambda a, b: where(moved, a, b), new, old)
    seen = where(summary.dead, 0.0, columns)
    running_max = where(moved, jnp.maximum(state.columns, seen), state.columns)

    radius, alpha = rules.update_radius(
        state.radius, state.alpha, proposal, actual, ratio, state.nit == 0
    )
    radius = where(iterating & ~first & ~again, radius, state.radius)
    # where J all but vanished (a peak beside the data, a loss far outside its inner region) and
    # comes back, the region that D measures would shrink to nothing
    grown = dense.norm(columns_or_one(running_max) * (state.trial - old.x))
    leap = iterating & ~first & (grown > LEAP * step) & jnp.all(setup.x_scale == 0)
    radius = where(leap, radius * (grown / where(leap, step, 1.0)), radius)
    alpha = where(iterating & ~first & jnp.isfinite(alpha), alpha, state.alpha)

    nfev = state.nfev + where(doubted, 0, 1)
    stuck = jnp.all(state.trial == old.x)
    evidence = Evidence(
        first, finite, nfev, old.cost, actual, proposal.predicted, ratio, step, length, stuck,
        point.optimality, rounding(point.norms, point.x, point.cost), again,
    )  # fmt: skip
    status = judge(evidence, setup)
    blind = iterating & moved & (point.pivot == 0)  # its next pass is `again`
    status = where(blind & (status != int(Status.MAX_NFEV)), int(Status.RUNNING), status)
    status = where(iterating & ~doubted, status, state.status)
    status, astray, relapse = _guarded(state, point, status, evidence.rounding, setup, reached)
    spent = (status == int(Status.RUNNING)) & (nfev >= setup.max_nfev)
    status = dense.once(where(spent, int(Status.MAX_NFEV), status))
    renewals = state.renewals + where(astray, 1, 0)
    anew = dense.once(astray | again)
    running_max = where(anew, where(point.dead, 0.0, point.norms), running_max)
    fresh = fresh_radius(running_max, point.x, point.cost, renewals, setup)
    radius = where(anew, fresh, radius)
    alpha = where(anew, 0.0, alpha)

    over = (status == int(Status.NOT_FINITE)) | (nfev >= setup.max_nfev)
    phase, rounds = _next_phase(state, status, point, moved, step, length, over, relapse)
    # a rejected accelerated step: forget the history, a plain one gets its turn
    known = state.secants.known & (moved | ~polishing)
    return state._replace(
        point=point,
        radius=radius,
        alpha=alpha,
        columns=running_max,
        renewals=renewals,
        phase=phase,
        status=status,
        rounds=rounds,
        last=where(moved & ~first, step, state.last),
        nfev=nfev,
        njev=state.njev + where(moved, 1, 0),
        nit=state.nit + where(moved & ~first & (step > 0), 1, 0),
        secants=state.secants._replace(known=known),
    )


def _guarded(state: State, point: Point, status, rounding, setup: Setup, reached: bool):
    """(status, whether the fit went astray, whether an exact R showed that it had)."""
    believed = jnp.maximum(RELAPSE * most_optimality(setup), rounding)
    relapse = (state.phase == PREPARE) & (point.pivot >= SAFE_PIVOT)
    relapse = dense.once(relapse & (point.optimality > believed))
    astray = dense.once((status == int(Status.ASTRAY)) | relapse)
    lost = state.renewals >= (0 if reached else MOST_RENEWALS)
    going_on = where(lost, int(Status.NO_PROGRESS), int(Status.RUNNING))
    return where(astray, going_on, status), astray, relapse


def _holds(point: Point, trust):
    """Whether a step from `point` gains no more than `trust` F, or moves nothing."""
    size = jnp.sum(dense.dot(point.R, point.x) ** 2)
    promised = jnp.sum(point.z**2)
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
    stepped = ~(e.first | e.again)
    f = (
        (xp.abs(e.actual) <= setup.ftol * e.cost)
        & (e.predicted <= setup.ftol * e.cost)
        & (e.ratio <= 2)
        & (e.optimality <= xp.maximum(10 * xp.sqrt(setup.ftol), e.rounding))
        & stepped
    )
    x = (e.step <= setup.xtol * e.length) & stepped
    stuck = e.stuck & stepped
    agrees = e.optimality <= xp.maximum(0.1 * most_optimality(setup), e.rounding)
    g = e.optimality <= setup.gtol
    status = xp.full((), int(Status.RUNNING))
    status = where(e.nfev >= setup.max_nfev, int(Status.MAX_NFEV), status)
    status = where(x | stuck, where(agrees, int(Status.XTOL), int(Status.ASTRAY)), status)
    status = where(f, where(x, int(Status.FTOL_XTOL), int(Status.FTOL)), status)
    status = where(g, int(Status.GTOL), status)
    return where(e.first & ~e.finite, int(Status.NOT_FINITE), status)


def _next_phase(state, status, point, moved, step, length, over, relapse):
    """(phase, rounds) after this pass; `over` ends the fit, `relapse` takes it up again."""
    rounds = state.rounds + 1
    safe = point.pivot >= SAFE_PIVOT
    finish = where(safe, DONE, SHARPEN)
    after_iterate = where(status > 0, where(safe, POLISH, PREPARE), finish)
    again = ~safe & (rounds < SHARPEN_LIMIT)

    contraction = where(state.last > 0, step / jnp.maximum(state.last, TINY), 1.0)
    accelerated = jnp.any(state.secants.dx != 0)
    # one step much shorter than the last tells little of the next where either is accelerated
    ratio = where(state.rounds > 0, jnp.maximum(contraction, 0.5), contraction)
    left = step * ratio / (1 - jnp.clip(ratio, 0.0, 0.9))
    settled = (
        (left <= NEGLIGIBLE * length)
        | (rounds >= POLISH_LIMIT)
        | (~moved & ~accelerated)
        | ((contraction > 1) & (state.rounds > 0) & ~accelerated)
    )
    phase = where(again, SHARPEN, DONE)
    phase = where(state.phase == PREPARE, where(again, PREPARE, POLISH), phase)
    phase = where(state.phase == POLISH, where(settled, finish, POLISH), phase)
    after_iterate = where(status == int(Status.RUNNING), ITERATE, after_iterate)
    over = over | (relapse & (status != int(Status.RUNNING)))
    phase = where(relapse, ITERATE, phase)
    phase = where(over, DONE, where(state.phase == ITERATE, after_iterate, phase))
    return phase, where(phase == state.phase, rounds, 0)


def _accelerate(point, target, secants: Secants):
    """Anderson step from `point`, whose Gauss-Newton step leads to `target`.

    gamma minimises |R (s - dS gamma)|, with a ridge; the next point is x + s - (dX + dS) gamma.
    """
    s = target - point.x
    new_dx = jnp.concatenate([(point.x - secants.x)[None], secants.dx[:-1]])
    new_ds = jnp.concatenate([(s - secants.step)[None], secants.dstep[:-1]])
    dx = where(secants.known, new_dx, 0.0)
    ds = where(secants.known, new_ds, 0.0)
    M = dense.dot(ds, point.R.T)  # (MEMORY, n), rows R dS_i
    norms = jnp.sqrt(jnp.sum(M * M, axis=1))
    M = M / where(norms > 0, norms, 1.0)[:, None]
    rows = jnp.concatenate([M.T, RIDGE * jnp.eye(MEMORY)])
    rhs = jnp.concatenate([-dense.dot(point.R, s), jnp.zeros(MEMORY)])
    gamma = dense.least_squares(rows, rhs)[0] / where(norms > 0, norms, jnp.inf)
    accelerated = target - dense.dot(gamma, dx + ds)
    accelerated = where(jnp.all(jnp.isfinite(accelerated)), accelerated, target)
    return accelerated, Secants(point.x, s, dx, ds, jnp.ones((), bool))


def propose(state: State, setup: Setup, method: Method, reached: bool = False) -> State:
    """Choose the next trial point; `reached`: the fit is past ITERATE."""
    rules = METHODS[method.name]
    point = state.point
    scale = where(setup.x_scale > 0, setup.x_scale, 1 / columns_or_one(state.columns))
    radius = where(
        state.nfev == 1, rules.start_radius(point.x, scale, point.cost, setup.factor), state.radius
    )

    def iterate():
        proposal = rules.propose(point, radius, state.alpha, scale, setup, method.bounded)
        if not method.bounded:
            return point.x + proposal.step, proposal, state.secants
        trial = rules.land(point.x, proposal.step, setup.lb, setup.ub)
        return trial, proposal, state.secants

    def polish():
        unsafe = point.pivot < SAFE_PIVOT
        target = trf.gauss_newton_on_face(point, setup, unsafe, method.bounded)
        trial, learnt = _accelerate(point, target, state.secants)
        polishing = state.phase == POLISH  # not PREPARE, which does not take this step
        secants = jax.tree.map(lambda a, b: where(polishing, a, b), learnt, state.secants)
        if method.bounded:
            pinned = (target == setup.lb) | (target == setup.ub)
            trial = where(pinned, target, jnp.clip(trial, setup.lb, setup.ub))
        return trial, state.proposal, secants

    chosen = polish() if reached else jax.lax.cond(state.phase == ITERATE, iterate, polish)
    trial, proposal, secants = chosen
    still = (state.phase >= PREPARE) | ((state.phase == ITERATE) & (point.pivot == 0))
    trial = where(still & (state.nfev > 0), point.x, trial)
    trial = where((setup.free > 0) & (state.nfev > 0), trial, setup.x0)
    alpha = where(state.nfev > 0, proposal.alpha, 0.0)
    return state._replace(
        trial=trial, proposal=proposal, radius=radius, alpha=alpha, secants=secants
    )


def advance(
    state: State, total: Sums, setup: Setup, method: Method, reached: bool = False
) -> State:
    """The n-sized part of one pass: judge, move, propose."""
    return propose(absorb(state, total, setup, method, reached), setup, method, reached)


def device_step(vector, total: Sums, constants, method: Method):
    """`advance` from state vector to state vector, compiled as one function where n allows."""
    packing, setups = state_packing(method), setup_packing(method.n)

    def step(vector, total, constants):
        state = advance(packing.tree(vector), total, setups.tree(constants), method)
        return packing.vector(state, jnp)

    operands = vector, total, constants
    step = dense.one_kernel(step, method.n)
    if method.n < dense.SMALL:  # no library is called
        step = lowered(step, repr(method), Path(__file__).parent, *operands)
    return step(*operands)


def device_fit(reduce, constants, vector, method: Method):
    """Whole fit as one traced program, from state vector to state vector. reduce(x, P) -> Sums.

    The state travels as one vector: XLA copies every carried array by itself, and a compiled
    function (`one_kernel`) must not hand an operand back unchanged.
    """
    packing = state_packing(method)

    def body(vector):
        state = packing.tree(vector)
        return device_step(vector, reduce(state.trial, state.point.P), constants, method)

    return jax.lax.while_loop(lambda vector: running(packing.tree(vector)), body, vector)
