r"""The trust-region loop on the host for Jacobians known by their products, such as sparse ones.

The step at an accepted point solves, in the variables x^ = d^{-1} x of `trf`,

    minimise  1/2 |J d p + r|^2 + 1/2 p^T C p   subject to  |p| <= Delta

'lsmr'  in the plane of the gradient and the Gauss-Newton step, which SciPy's `lsmr` solves for
        from the rows [J d; C^{1/2}], as in SciPy's method. What is known of the plane serves for
        every radius that is tried at the point.
'cg'    by truncated conjugate gradients (see `iterative`).

Method 'dogbox' takes its dogleg to the same Gauss-Newton step in its box; 'lm', whose region is
that of 'trf' without bounds, takes the step of 'trf'.

A step is solved the better the smaller the gradient is, |A^T r| <= eta |A^T r_0| with eta from
`LOOSE` down to `TIGHT`, so that the outer steps converge quadratically where the residual is small.
Judging, convergence tests and renewals are those of `loop`; as in `iterative` a test that fires on
a loosely solved step must fire again on one solved to `TIGHT`. Further steps polish a fit that
converged, as far as they lower the cost. Nothing is (n, n), and nothing (m, n) that the user did
not make.

References: D. C.-L. Fong, M. Saunders, "LSMR: an iterative algorithm for sparse least-squares
problems", SIAM J. Sci. Comput. 33 (2011); R. H. Byrd, R. B. Schnabel, G. A. Shultz, "Approximate
solution of the trust region problem by minimization over two-dimensional subspaces", Math. Program.
40 (1988).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from nlsq.core import dogbox, trf
from nlsq.core.algebra import geometry, subproblem
from nlsq.core.drive.host import Evaluations
from nlsq.core.loop import judging
from nlsq.core.loop.loop import METHODS
from nlsq.core.loop.state import Method, Setup
from nlsq.core.loop.status import Status
from nlsq.core.loop.watch import Watch
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model.jacobians import Products
from nlsq.interfaces.step_protocol import Proposal

LOOSE, TIGHT = 0.03, 1e-4
FEWEST, MOST = 20, 10_000  # default products per step: 2 n, at least and at most
# Ratio of actual to predicted reduction from which on the region grows that much.
_EXACT, _LEAP = 0.9, 8.0
_FAR = 1e100  # a radius that nothing reaches


@dataclasses.dataclass
class Point:
    """An accepted point, its Jacobian with the loss folded in."""

    x: np.ndarray
    cost: float
    r: np.ndarray  # (m,) scaled by the loss
    J: Products | None  # None where r is not finite
    g: np.ndarray  # (n,)
    norms: np.ndarray  # (n,)
    optimality: float


@dataclasses.dataclass
class State:
    """What the loop carries; the names that `Watch` reads are those of `state.State`."""

    point: Point
    radius: float
    columns: np.ndarray
    step: Callable | None = None  # radius -> Proposal at the point
    tight: bool = False
    status: int = int(Status.RUNNING)
    last: float = 0.0
    nfev: int = 0
    njev: int = 0
    nit: int = 0
    renewals: int = 0
    reached: int = 0  # the status of a fit that converged and is polished
    rounds: int = 0  # of that


class Outcome:
    """A finished fit's numbers, as `outcome.Outcome`, without a factor of J."""

    precision = None

    def __init__(self, state: State):
        point = state.point
        self.is_dense = point.J is None or isinstance(point.J.matrix, np.ndarray)
        self.x, self.cost, self.optimality = point.x, float(point.cost), float(point.optimality)
        self.gradient = point.g
        self.columns, self.norms, self.lengths = state.columns, point.norms, point.norms
        self.dead = point.norms == 0
        self.status, self.nfev, self.njev, self.nit = (
            state.status, state.nfev, state.njev, state.nit,
        )  # fmt: skip
        self.pivot, self.lost = 1.0, bool(self.dead.any())
        self.tries: tuple = ()
        self.moved = state.nit > 0

    def leave_out(self, held: np.ndarray) -> None:
        """See `outcome.Outcome.leave_out`."""
        self.lost = bool((self.dead & ~held).any())


class _Fit:
    """What stays the same through a fit."""

    def __init__(self, evaluations: Evaluations, setup: Setup, options, method: Method):
        self.evaluations, self.setup, self.options = evaluations, setup, options
        self.loss, self.scheme = options.loss_function, options.schemes[0]
        self.box = method.name == "dogbox"
        self.rules = METHODS["dogbox" if self.box else "trf"]
        self.bounded = method.bounded
        self.given = {k: v for k, v in options.tr_options.items() if k != "regularize"}
        self.regularize = options.tr_options.get("regularize", True)
        self.start_slope: float | None = None

    # ----------------------------------------------------------------------------------- points

    def folded(self, x):
        """(cost, residual and row factors with the loss folded in) at x; inf where not finite."""
        r = self.evaluations.residual(x)
        if not np.isfinite(r).all():
            return math.inf, r, None
        if self.loss is None:
            return 0.5 * float(r @ r), r, None
        costs, r, rows = scale_rows(self.loss, self.setup.f_scale, r, np.ones((1, r.size)), np)
        return float(np.sum(costs)), np.asarray(r), np.asarray(rows)[0]

    def point(self, x, cost, r, rows) -> Point:
        J = self.evaluations.whitened_jacobian(x, self.scheme)
        J = Products(J, rows, self.setup.free)
        g, norms = J.back(r), J.column_norms()
        measure = geometry.scaled_optimality(
            x, g, norms, cost, self.setup.lb, self.setup.ub, self.bounded
        )
        return Point(x, cost, r, J, g, norms, float(measure))

    def scale(self, columns):
        given = self.setup.x_scale
        return np.where(given > 0, given, 1 / judging.columns_or_one(columns))

    # ------------------------------------------------------------------------------------ steps

    def stepper(self, state: State) -> Callable:
        """radius -> Proposal at the accepted point; what does not depend on it is done once."""
        scale = self.scale(state.columns)
        slope = float(np.linalg.norm(scale * state.point.g))
        self.start_slope = self.start_slope or slope
        eta = min(max(slope / max(self.start_slope, geometry.TINY), TIGHT), LOOSE)
        state.tight |= eta <= TIGHT
        eta = self.options.tr_options.get("tol", eta)
        eta = min(eta, TIGHT) if state.tight else eta
        eta = LOOSE if state.reached else eta  # a step that polishes is tiny already
        make = self._box_stepper if self.box else self._ball_stepper
        return make(state.point, scale, eta, state.radius)

    def _ball_stepper(self, point: Point, scale, eta, radius):
        x, g, J, setup = point.x, point.g, point.J, self.setup
        d, C = trf.hat_space(x, g, scale, setup.lb, setup.ub)
        C, hat_g = np.maximum(C, 0.0), d * g

        def gram(S):
            W = J.forward((S * d).T)
            return W.T @ W + (S * C) @ S.T

        def by_cg(radius):
            def product(p):
                return d * J.back(J.forward(d * p)) + C * p

            tolerance = eta * np.linalg.norm(hat_g)
            p, rest, _ = subproblem.steihaug(product, hat_g, radius, tolerance, self.most(x.size))
            return p, 0.5 * (hat_g + rest) @ p

        if self.options.tr_solver == "cg":
            inner = by_cg
        else:
            newton = self._lsmr(point, d, C, hat_g, eta, radius)
            S = _basis(hat_g, newton)
            B, slope = gram(S), S @ hat_g

            def inner(radius):
                q = _in_disc(B, slope, radius)
                return q @ S, slope @ q + 0.5 * q @ B @ q

        def step(radius) -> Proposal:
            p, value = inner(radius)
            if self.bounded:
                theta = max(0.995, 1 - point.optimality)
                model = trf.Quadratic(hat_g, gram)
                p, value = trf.reflect(x, model, p, d, radius, setup, theta)
            correction = 0.5 * float(p @ (C * p))
            promised = -value if np.isfinite(value) else 0.0
            return Proposal(d * p, np.linalg.norm(p), promised, correction, 0.0)

        return step

    def _box_stepper(self, point: Point, scale, eta, radius):
        x, g, J, setup = point.x, point.g, point.J, self.setup
        held = ((x <= setup.lb) & (g > 0)) | ((x >= setup.ub) & (g < 0)) | (setup.free == 0)
        g, d = np.where(held, 0.0, g), np.where(held, 0.0, scale)
        none = np.zeros_like(x)
        if self.options.tr_solver == "cg":
            tolerance = eta * np.linalg.norm(d * g)

            def product(p):
                return d * J.back(J.forward(d * p))

            newton = subproblem.steihaug(product, d * g, _FAR, tolerance, self.most(x.size))[0]
        else:
            newton = self._lsmr(point, d, none, d * g, eta, radius)
        newton, w = d * newton, J.forward(g)

        def step(radius) -> Proposal:
            low = np.maximum(setup.lb - x, -radius * scale)
            high = np.minimum(setup.ub - x, radius * scale)
            p = newton
            if not ((p >= low) & (p <= high)).all():
                p = np.where(held, 0.0, dogbox.dogleg(w @ w, g, newton, low, high))
            q = J.forward(p)
            return Proposal(p, np.abs(p / scale).max(), -(g @ p + 0.5 * q @ q), 0.0, 0.0)

        return step

    def most(self, n: int) -> int:
        """Products that a step may take."""
        return self.options.tr_options.get("maxiter", int(np.clip(2 * n, FEWEST, MOST)))

    def _lsmr(self, point: Point, d, C, hat_g, eta, radius) -> np.ndarray:
        """The Gauss-Newton step in hat space by SciPy's `lsmr`."""
        from scipy.sparse.linalg import LinearOperator, lsmr

        J, r, n = point.J, point.r, d.size
        slope = float(np.linalg.norm(hat_g))
        if slope == 0:
            return np.zeros(n)
        damp = self.given.get("damp", 0.0)
        if self.regularize and not self.box:  # as SciPy, by the descent along the gradient
            w = J.forward(d * hat_g)
            line = 0.5 * (w @ w + hat_g @ (C * hat_g)), -hat_g @ hat_g, 0.0
            _, value = geometry.minimise_on_interval(*line, 0.0, radius / slope)
            damp = math.sqrt(damp**2 - value / radius**2)
        root = np.sqrt(C) if C.any() else None
        m = r.size

        def forward(p):
            top = J.forward(d * p)
            return top if root is None else np.concatenate([top, root * p])

        def back(u):
            product = d * J.back(u[:m])
            return product if root is None else product + root * u[m:]

        rows = m if root is None else m + n
        A = LinearOperator((rows, n), matvec=forward, rmatvec=back, dtype=float)
        b = -r if root is None else np.concatenate([-r, np.zeros(n)])
        # lsmr's test is |A^T r| <= atol |A| |r|, and |A|, of columns about 1, at most sqrt(n)
        size = math.sqrt(float((d * point.norms) @ (d * point.norms) + C.sum()))
        atol = eta * slope / (max(size, geometry.TINY) * max(np.linalg.norm(r), geometry.TINY))
        options = {"atol": atol, "btol": 0.1 * eta, "conlim": 0.0, "maxiter": self.most(n)}
        return lsmr(A, b, **(options | self.given | {"damp": damp}))[0]


def _basis(*vectors: np.ndarray) -> np.ndarray:
    """Orthonormal rows (k, n) that span the vectors, without those that others span."""
    rows: list[np.ndarray] = []
    for v in vectors:
        size = np.linalg.norm(v)
        for _ in range(2):  # twice is enough
            for row in rows:
                v = v - (row @ v) * row
        rest = np.linalg.norm(v)
        if rest > 1e-10 * size:
            rows.append(v / rest)
    return np.array(rows).reshape(len(rows), vectors[0].size)


def _in_disc(B: np.ndarray, g: np.ndarray, radius: float) -> np.ndarray:
    """Minimise g.q + 1/2 q.B q in |q| <= radius, for a positive semidefinite B of 2 x 2 at most."""
    from scipy.optimize import brentq

    if not g.size:
        return g
    w, V = np.linalg.eigh(B)
    w, h = np.maximum(w, 1e-16 * w.max()), V.T @ g
    high = np.linalg.norm(g) / radius

    def excess(a):
        return np.linalg.norm(h / (w + a)) - radius

    a = 0.0
    if not (w.min() > 0 and excess(0.0) <= 0):
        low = 1e-16 * high
        a = brentq(excess, low, high, rtol=1e-12) if excess(low) * excess(high) < 0 else high
    return -V @ (h / (w + a))


def fit(evaluations: Evaluations, setup: Setup, options, method: Method, watch: Watch) -> State:
    """The last state, its status that of the stop."""
    one = _Fit(evaluations, setup, options, method)
    state = State(None, 0.0, np.zeros(method.n))  # type: ignore[arg-type]
    with np.errstate(all="ignore"), watch:
        while state.status == Status.RUNNING:
            state = _advance(one, state)
            if watch.stops(state, state.status == Status.RUNNING):
                break
    return state if watch.stop is None else dataclasses.replace(state, status=int(watch.stop))


def _advance(one: _Fit, state: State) -> State:
    """The state after one evaluation."""
    setup = one.setup
    if state.nfev == 0:
        return _begin(one)
    old = state.point
    state.step = state.step or one.stepper(state)
    proposal = state.step(state.radius)
    land = one.rules.land if one.bounded or one.box else lambda x, step, *_: x + step
    trial = np.where(setup.free > 0, land(old.x, proposal.step, setup.lb, setup.ub), setup.x0)
    one.evaluations.model.memo.forget_others(old.x)
    cost, r, rows = one.folded(trial)
    actual, ratio = judging.gain(old.cost, cost, math.isfinite(cost), proposal)
    moved = bool(actual > 0 and ratio > one.rules.ACCEPT_RATIO)
    there = one.point(trial, cost, r, rows) if moved else old
    if not np.isfinite(there.g).all():  # as where there is no value
        cost, moved = math.inf, False
        actual, ratio = judging.gain(old.cost, cost, moved, proposal)
    D = judging.columns_or_one(state.columns)
    length, size = np.linalg.norm(D * (trial - old.x)), np.linalg.norm(D * old.x)
    new = dataclasses.replace(state, nfev=state.nfev + 1)
    if moved:
        new.point = there
        new.columns = np.maximum(state.columns, new.point.norms)
        new.step, new.last, new.njev, new.nit = None, length, state.njev + 1, state.nit + 1
    radius, _ = one.rules.update_radius(state.radius, 0.0, proposal, actual, ratio, False)
    if ratio > _EXACT and radius > state.radius:
        radius = _LEAP * state.radius  # a step costs a Jacobian: make fewer
    new.radius = float(radius)
    point = new.point
    evidence = judging.Evidence(
        np.False_, np.isfinite(cost), new.nfev, old.cost, actual, proposal.predicted, ratio, length,
        size, bool((trial == old.x).all()), point.optimality,
        judging.rounding(point.norms, point.x, point.cost),
    )  # fmt: skip
    if state.reached:
        return _polished(new, moved, state.last, length, size, setup)
    return _judged(one, new, Status(int(judging.judge(evidence, setup))))


def _begin(one: _Fit) -> State:
    setup = one.setup
    x = np.array(setup.x0, float)
    cost, r, rows = one.folded(x)
    none = np.zeros(x.size)
    point = Point(x, cost, r, None, none, none, math.inf)
    if math.isfinite(cost):
        point = one.point(x, cost, r, rows)
    finite = np.isfinite(cost) & np.isfinite(point.g).all()
    evidence = judging.Evidence(np.True_, finite, 1, cost, *[0.0] * 5, False, point.optimality)
    radius = one.rules.start_radius(x, one.scale(point.norms), cost, setup.factor)
    status = int(judging.judge(evidence, setup))
    return State(point, float(radius), point.norms, status=status, nfev=1, njev=1)


def _judged(one: _Fit, state: State, status: Status) -> State:
    """The state with its status, where a test that fired does not ask for more."""
    point = state.point
    if status is Status.ASTRAY:
        state.renewals += 1
        state.columns, state.step = point.norms, None
        state.radius = float(
            judging.fresh_radius(point.norms, point.x, point.cost, state.renewals, one.setup)
        )
        lost = state.renewals > judging.MOST_RENEWALS
        status = Status.NO_PROGRESS if lost else Status.RUNNING
    elif status.converged:
        if state.tight or status is Status.GTOL:
            state.reached = int(status)
        if not state.tight:
            state.tight, state.step = True, None
        if point.cost > 0 and state.nfev < one.setup.max_nfev:
            status = Status.RUNNING
    state.status = int(status)
    return state


def _polished(state: State, moved: bool, last, step, size, setup: Setup) -> State:
    """The state after a further step of a fit that converged: done once little is left."""
    state.rounds += 1
    contraction = step / last if last > 0 else 1.0
    left = step * contraction / (1 - min(contraction, 0.9))
    spent = state.rounds >= judging.POLISH_LIMIT or state.nfev >= setup.max_nfev
    if not moved or spent or contraction > 1 or left <= judging.NEGLIGIBLE * size:
        state.status = state.reached
    return state
