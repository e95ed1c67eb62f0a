r"""Trust Region Reflective without a Jacobian: truncated conjugate gradients on products with J.

At an accepted point x with whitened, loss-scaled residual r and Jacobian J (m, n), the step of
`trf` minimises in its variables x^ = d^{-1} x

    1/2 |J d p + r|^2 + 1/2 p^T C p   subject to |p| <= Delta,        g^ = d J^T r,
    B = d J^T J d + C,  C = diag(g dv D) >= 0.

Conjugate gradients need B only as p -> d J^T (J (d p)) + C p: one forward and one reverse product,
and no Jacobian is ever formed (see `products`). From p = 0 the iterates p_k grow in norm and
descend, so that the path is followed until it leaves the region, where it is cut at |p| = Delta
(Steihaug, Toint), until |B p + g^| <= eta |g^|, or for `maxiter` products. At least half of the
best possible reduction is reached (Yuan). A step that leaves the bounds is reflected as in `trf`;
its inner products come from one more forward pass. eta = min(0.1, sqrt(|g| / |g_0|)) makes the
outer iteration superlinear (Dembo, Eisenstat); D = 1 / column norms is the Jacobi preconditioner.

Method 'dogbox' takes its dogleg to the end of that path in a region without end; 'lm', whose region
is that of 'trf' without bounds, takes the step of 'trf'.

Judging and convergence tests are those of `loop`. Column norms, which the scale and the `gtol` test
need, cost n forward products: they are taken at the start and again only when a test has fired. The
fit goes on, with eta <= `TIGHT`, unless the tests still hold with fresh norms and a step that was
solved this well: a loosely solved step predicts little reduction where much is left.

Only what the covariance needs, R, is made by ordinary passes at the end. The loop's polishing and
sharpening do that, so that the answer does not depend on the solver.

References: T. Steihaug, "The conjugate gradient method and trust regions in large scale
optimization", SIAM J. Numer. Anal. 20 (1983); Y. Yuan, "On the truncated conjugate gradient
method", Math. Program. 87 (2000); R. S. Dembo, S. C. Eisenstat, T. Steihaug, "Inexact Newton
methods", SIAM J. Numer. Anal. 19 (1982); M. A. Branch, T. F. Coleman, Y. Li, SIAM J. Sci. Comput.
21 (1999).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.caching.programs import cache, compiled
from nlsq.core import dogbox, trf
from nlsq.core.algebra import geometry, subproblem
from nlsq.core.dogbox import Dogbox
from nlsq.core.loop import judging, outcome, programs
from nlsq.core.loop.products import Linearised, Task
from nlsq.core.loop.state import Setup, finishing_vector, pack_setup, unpack_setup
from nlsq.core.loop.status import Status
from nlsq.core.loop.watch import Watch, drive_passes
from nlsq.core.passes import blocks
from nlsq.core.trf import TrustRegionReflective
from nlsq.interfaces.step_protocol import Proposal

LOOSE, TIGHT = 0.1, 1e-6
FAR = 1e100  # a radius that nothing reaches
FEWEST, MOST = 20, 1000  # default products per step: 2 n, at least and at most
_TRANSPOSE_ERRORS = (ValueError, TypeError, NotImplementedError)
_NOT_TRANSPOSABLE = (
    "The iterative `tr_solver` needs reverse-mode products with the Jacobian, which JAX cannot "
    "make for this model ({error}). A loop with a variable number of turns is the usual reason: "
    "use lax.scan or a fixed trip count, or tr_solver='exact'."
)


class Point(NamedTuple):
    """An accepted point."""

    x: Any  # (n,)
    cost: Any
    g: Any  # (n,) gradient of the cost
    optimality: Any


class State(NamedTuple):
    """What the iteration carries; n-sized."""

    point: Point
    radius: Any
    norms: Any  # (n,) column norms of J where they were last taken
    columns: Any  # (n,) their running maximum, which scales
    start_slope: Any  # |D^{-1} g| at the start
    tight: Any  # bool: a test has fired, solve steps to TIGHT from here on
    status: Any
    last: Any  # scaled length of the last accepted step
    nfev: Any
    njev: Any
    nit: Any


def _scale(state: State, setup: Setup):
    return jnp.where(setup.x_scale > 0, setup.x_scale, 1 / judging.columns_or_one(state.columns))


def _optimality(x, cost, g, norms, setup):
    return geometry.scaled_optimality(x, g, norms, cost, setup.lb, setup.ub)


def _survey(task: Task, data, setup: Setup, state: State) -> State:
    """Take column norms at the accepted point, on the first call all else, and test there."""
    x = state.point.x
    here = Linearised(task, data, setup, x)
    cost, g = here.cost_and_gradient()
    norms = here.column_norms()
    finite = jnp.isfinite(cost) & jnp.all(jnp.isfinite(norms)) & jnp.all(jnp.isfinite(g))
    first = state.nfev == 0
    count = jnp.where(first, 1, 0)
    point = Point(x, cost, g, _optimality(x, cost, g, norms, setup))
    columns = jnp.maximum(state.columns, norms)
    state = state._replace(
        point=point, norms=norms, columns=columns, tight=~first,
        nfev=state.nfev + count, njev=state.njev + count,
    )  # fmt: skip
    scale = _scale(state, setup)
    rules = Dogbox() if task.method.name == "dogbox" else TrustRegionReflective()
    radius = rules.start_radius(x, scale, cost, setup.factor)
    slope = jnp.linalg.norm(scale * g)
    zero = jnp.zeros(())
    no, yes = jnp.zeros((), bool), jnp.ones((), bool)
    evidence = judging.Evidence(
        yes, finite | ~first, state.nfev, cost, *[zero] * 5, no, point.optimality
    )
    return state._replace(
        status=judging.judge(evidence, setup),
        radius=jnp.where(first, radius, state.radius),
        start_slope=jnp.where(first, slope, state.start_slope),
    )


def _accuracy(state: State, scale, tol):
    """The relative residual at which a step is solved."""
    share = jnp.linalg.norm(scale * state.point.g) / jnp.maximum(state.start_slope, geometry.TINY)
    eta = jnp.where(tol > 0, tol, jnp.clip(jnp.sqrt(share), TIGHT, LOOSE))
    return jnp.where(state.tight, jnp.minimum(eta, TIGHT), eta)


class _Products:
    """What a step by products has beside its method: J at the point, and how well it is solved.

    accuracy(scale): relative residual of a solved step; maxiter: products that it may take.
    """

    def __init__(self, here: Linearised, accuracy: Callable, maxiter):
        self._here, self._accuracy, self._maxiter = here, accuracy, maxiter


class TruncatedReflective(_Products, TrustRegionReflective):
    """The step of 'trf', and without bounds of 'lm', by truncated conjugate gradients."""

    def prepare(self, point, scale, setup, bounded):
        """Take the gradient to hat space."""
        d, C = trf.hat_space(point.x, point.g, scale, setup.lb, setup.ub)
        tolerance = self._accuracy(scale) * jnp.linalg.norm(d * point.g)
        return point, setup, d, d * point.g, C, tolerance, bounded

    def attempt(self, prepared, radius, alpha) -> Proposal:
        """Follow the path of conjugate gradients until it leaves the region."""
        point, setup, d, g, C, tolerance, bounded = prepared
        here = self._here

        def product(p):
            return d * here.product(d * p) + C * p

        p, rest, _ = subproblem.steihaug(product, g, radius, tolerance, self._maxiter)
        value = 0.5 * (g + rest) @ p
        if bounded:
            model = trf.Quadratic(g, lambda S: here.gram(S * d) + (S * C) @ S.T)
            theta = jnp.maximum(0.995, 1 - point.optimality)
            p, value = trf.reflect(point.x, model, p, d, radius, setup, theta)
        promised = jnp.where(jnp.isfinite(value), -value, 0.0)
        return Proposal(d * p, jnp.linalg.norm(p), promised, 0.5 * p @ (C * p), jnp.zeros(()))


class TruncatedDogleg(_Products, Dogbox):
    """The step of 'dogbox', its Gauss-Newton step by conjugate gradients."""

    def prepare(self, point, scale, setup, bounded):
        """Solve for the Gauss-Newton step of the parameters that may move."""
        x, _, g, _ = point
        held = ((x <= setup.lb) & (g > 0)) | ((x >= setup.ub) & (g < 0)) | (setup.free == 0)
        g, d = jnp.where(held, 0.0, g), jnp.where(held, 0.0, scale)
        tolerance = self._accuracy(scale) * jnp.linalg.norm(d * g)

        def product(p):
            return d * self._here.product(d * p)

        newton = d * subproblem.steihaug(product, d * g, FAR, tolerance, self._maxiter)[0]
        return x, scale, setup, held, g, newton

    def attempt(self, prepared, radius, alpha) -> Proposal:
        """The dogleg in the box of this radius."""
        x, scale, setup, held, g, newton = prepared
        low = jnp.maximum(setup.lb - x, -radius * scale)
        high = jnp.minimum(setup.ub - x, radius * scale)
        fits = jnp.all((newton >= low) & (newton <= high))
        step = dogbox.dogleg(g @ self._here.product(g), g, newton, low, high)
        step = jnp.where(held, 0.0, jnp.where(fits, newton, step))
        predicted = -(g @ step + 0.5 * step @ self._here.product(step))
        zero = jnp.zeros(())
        return Proposal(step, jnp.max(jnp.abs(step / scale)), predicted, zero, zero)


def _method(task: Task) -> type:
    return TruncatedDogleg if task.method.name == "dogbox" else TruncatedReflective


def _iterate(task: Task, data, setup: Setup, state: State, limits) -> State:
    """Solve for a step, judge where it leads, move or not."""
    old = state.point
    here = Linearised(task, data, setup, old.x)
    rules = _method(task)(here, partial(_accuracy, state, tol=limits[0]), limits[1])
    scale, bounded = _scale(state, setup), task.method.bounded
    proposal = rules.propose(old, state.radius, 0.0, scale, setup, bounded)
    trial = rules.land(old.x, proposal.step, setup.lb, setup.ub)
    trial = jnp.where(setup.free > 0, trial, setup.x0)
    cost, g = Linearised(task, data, setup, trial).cost_and_gradient()
    finite = jnp.isfinite(cost) & jnp.all(jnp.isfinite(g))
    actual, ratio = judging.gain(old.cost, cost, finite, proposal)
    moved = finite & (actual > 0) & (ratio > rules.ACCEPT_RATIO)
    new = Point(trial, cost, g, _optimality(trial, cost, g, state.norms, setup))
    point = jax.tree.map(lambda a, b: jnp.where(moved, a, b), new, old)
    radius, _ = rules.update_radius(state.radius, 0.0, proposal, actual, ratio, state.nit == 0)

    D = judging.columns_or_one(state.columns)
    step, length = jnp.linalg.norm(D * (trial - old.x)), jnp.linalg.norm(D * old.x)
    nfev = state.nfev + 1
    no, stuck = jnp.zeros((), bool), jnp.all(trial == old.x)
    # norms from the start must not veto a stop: the survey that follows decides with fresh ones
    above = jnp.nextafter(setup.gtol, jnp.inf)
    optimality = jnp.where(state.tight, point.optimality, jnp.minimum(point.optimality, above))
    evidence = judging.Evidence(
        no, finite, nfev, old.cost, actual, proposal.predicted, ratio, step, length, stuck,
        optimality, judging.rounding(state.norms, point.x, point.cost),
    )  # fmt: skip
    return state._replace(
        point=point,
        radius=radius,
        status=judging.judge(evidence, setup),
        last=jnp.where(moved, step, state.last),
        nfev=nfev,
        njev=state.njev + jnp.where(moved, 1, 0),
        nit=state.nit + jnp.where(moved & (step > 0), 1, 0),
    )


def program(name: str, task: Task) -> Callable:
    """Compiled 'survey' or 'iterate': (leaves, y, weights, cholesky, flat, state, ...) -> state."""
    body = {"survey": _survey, "iterate": _iterate}[name]

    def run(leaves, y, weights, cholesky, flat, state, *limits):
        setup, m = unpack_setup(flat, task.method.n)
        data = blocks.Data(leaves, y, weights, cholesky, m)
        return body(task, data, setup, state, *limits)

    key = (name, task.key, task.layout, task.method)
    return cache.get_or_make(key, lambda: compiled(run))


def start(setup: Setup) -> State:
    """State before the first survey."""
    x = np.array(setup.x0, float)
    n, zero, count = x.size, np.zeros(()), np.zeros((), int)
    point = Point(x, np.array(np.inf), np.zeros(n), np.array(np.inf))
    running = np.array(int(Status.RUNNING))
    flag = np.zeros((), bool)
    norms = np.zeros(n)
    return State(point, zero, norms, norms, zero, flag, running, zero, count, count, count)


def _renewed(state: State, renewals: int, setup: Setup) -> State:
    """The state with scale and radius taken anew, as in `loop.absorb`, or given up."""
    if renewals > judging.MOST_RENEWALS:
        return state._replace(status=np.array(int(Status.NO_PROGRESS)))
    norms, point = np.asarray(state.norms), state.point
    fresh = judging.fresh_radius(norms, point.x, point.cost, renewals, setup)
    return state._replace(columns=norms, radius=np.asarray(fresh))


def fit(task: Task, arrays: tuple, setup: Setup, m: int, options) -> outcome.Outcome:
    """Fit by truncated conjugate gradients; `arrays` as `staging.Staged` yields them.

    Raises
    ------
    ValueError
        When JAX cannot transpose the model's derivative.
    """
    flat = pack_setup(setup, m)
    limits = (
        np.array(float(options.tr_options.get("tol", 0.0))),
        np.array(options.tr_options.get("maxiter", int(np.clip(2 * task.method.n, FEWEST, MOST)))),
    )
    survey, iterate = program("survey", task), program("iterate", task)
    renewals = itertools.count(1)

    def first(state):
        try:
            return survey(*arrays, flat, state)
        except _TRANSPOSE_ERRORS as error:
            line = str(error).split("\n")[0]
            raise ValueError(_NOT_TRANSPOSABLE.format(error=line)) from error

    def advance(state):
        if int(state.nfev) == 0:
            return first(state)
        state = iterate(*arrays, flat, state, limits)
        status = Status(int(state.status))
        if status is Status.ASTRAY:
            return _renewed(survey(*arrays, flat, state), next(renewals), setup)
        fired = status is Status.GTOL or (status.converged and not bool(state.tight))
        return survey(*arrays, flat, state) if fired else state

    state, watch = start(setup), Watch(options)
    with watch:
        while int(state.status) == Status.RUNNING:
            state = advance(state)
            if watch.stops(state, int(state.status) == Status.RUNNING):
                break
    status = Status(int(state.status)) if watch.stop is None else watch.stop
    outcome = _finish(task, arrays, setup, m, state, status)
    outcome.status = int(status) if outcome.status != Status.INTERRUPTED else outcome.status
    outcome.nfev += int(state.nfev)
    outcome.njev += int(state.njev)
    outcome.nit += int(state.nit)
    return outcome


def _finish(task: Task, arrays, setup: Setup, m: int, state: State, status) -> outcome.Outcome:
    """R by ordinary passes at the last point; a converged fit is polished there."""
    # with gtol = inf the first pass ends the loop's iterations and polishing begins
    gtol = np.inf if status.converged else setup.gtol
    setup = setup._replace(x0=np.array(state.point.x), gtol=gtol)
    flat = pack_setup(setup, m)
    one_pass = programs.pass_program(task.key, task.call, task.layout, task.loss, task.method)
    start = finishing_vector(setup.x0, task.method, status)

    def run(vector):
        return one_pass(*arrays, (np.array(m), None), flat, vector)

    return drive_passes(run, task.method, flat, start, Watch())
