"""A fit by the reference's solver, brought to the form that results are made of."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.config import double_precision
from nlsq.core.algebra.geometry import scaled_optimality
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.state import DONE, Method, Point, initial_state, state_packing
from nlsq.core.loop.status import Status
from nlsq.core.loop.watch import as_callback
from nlsq.core.model.model import Model
from nlsq.core.passes.reduction import DEPENDENT
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.core.verdict.finished import Finished
from nlsq.interfaces.orchestration_protocol import OptimizationConfig


def solve_by_reference(model: Model, data: Observations, config: OptimizationConfig) -> Finished:
    """Solve as a textbook does, and hand on what the engine would."""
    from nlsq.core.orchestration.old_solver import solve  # loads SciPy's
    from nlsq.core.orchestration.textbook import Problem

    wished = vars(config.settings)
    names, (lb, ub) = config.parameters.names, config.bounds
    parameters = Parameters(config.p0, lb, ub, names)
    problem = Problem(
        model.call.f, data.x.given, data.y, data.weights, data.factor, parameters, config.settings
    )
    with double_precision():
        solution = solve(problem, config.settings, _reporter(wished, problem))
        cost, r, J = problem.folded(solution.p)
    model.jac = model.call.derivative(problem.derivative)
    model.bounds = lb, ub
    scheme = problem.derivative.scheme
    derivative = "complex step" if scheme == "cs" else f"differences, {scheme}"
    derivative = "the user's jac" if callable(wished["jac"]) else derivative
    model.use_host("NLSQ_SELECTOR_IMPL chooses the reference", derivative)
    settings = Options(**{k: v for k, v in wished.items() if not k.startswith("tr_")})
    if scheme == "cs":  # exact
        settings = dataclasses.replace(settings, jac=problem.derivative)
    outcome = _outcome(solution, cost, r, J, parameters, Method(config.method, True, J.shape[1]))
    return Finished(model, data, parameters, settings, outcome)


def _reporter(wished: dict, problem: Any) -> Callable:
    """report(nit, nfev, p, cost) -> the status to stop with, or None."""
    stops = None
    if wished["callback"] is not None:
        stops = as_callback(wished["callback"], problem.residual)
    deadline = wished["deadline"]

    def report(nit, nfev, p, cost) -> int | None:
        if stops is not None and stops(nit, cost, p.copy(), {"nfev": nfev}):
            return int(Status.CALLBACK)
        if deadline is not None and time.monotonic() > deadline:
            return int(Status.TIME_LIMIT)
        return None

    return report


def _outcome(solution, cost: float, r, J, parameters: Parameters, method: Method) -> Outcome:
    """The loop's last state, had it ended where the reference did."""
    n = method.n
    dead = ~J.any(axis=0)
    pinned = np.eye(n)[dead]  # as if one more point had measured what acts on nothing
    Q, R = np.linalg.qr(np.concatenate([J, pinned, np.zeros((n, n))]))
    z = Q.T @ np.concatenate([r, np.zeros(len(pinned) + n)])
    norms = np.linalg.norm(R, axis=0)
    dependent = ~dead & (np.abs(np.diag(R)) <= DEPENDENT * norms)
    P = np.eye(n) if dependent.any() else np.linalg.inv(R)
    p, lb, ub = solution.p, parameters.lb, parameters.ub
    with double_precision(), np.errstate(all="ignore"):
        optimality = np.asarray(
            scaled_optimality(p, R.T @ z, norms, cost, lb, ub, parameters.bounded)
        )
    point = Point(p, cost, R, P, z, norms, 1.0, dead, dependent, optimality, p)
    state = initial_state(p, method)._replace(
        point=point, columns=norms, status=solution.status, nfev=solution.nfev,
        njev=solution.njev, nit=max(solution.njev - 1, 0), phase=DONE,
    )  # fmt: skip
    return Outcome(state_packing(method).vector(state, np), method)
