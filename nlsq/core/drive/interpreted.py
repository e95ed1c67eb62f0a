"""A fit by NumPy, of a model that no program evaluates, or not yet: by passes with its whole
Jacobian, or by an iterative solver, whose last point such a pass then polishes."""

from __future__ import annotations

import numpy as np

from nlsq.caching.memory_manager import manager
from nlsq.config import double_precision
from nlsq.core.drive import buying, host
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.state import (
    Method,
    Setup,
    finishing_vector,
    numbers,
    start_state,
    state_packing,
)
from nlsq.core.loop.status import Status
from nlsq.core.loop.watch import Watch, interpret_passes
from nlsq.core.model.calls import ResidualCall
from nlsq.core.model.model import OTHER_VALUES, Model
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters


def fit(
    model: Model, data: Observations, parameters: Parameters, options: Options, setup: Setup, *_
) -> Outcome:
    """One fit from `setup.x0`; its `nfev` is the number of calls of the user's function."""
    method = Method(options.method, parameters.bounded or options.method == "dogbox", model.n)
    interpreted = model.interpreted  # until it turns out to have no exact derivatives
    repeat = options.max_nfev is None and not interpreted
    evaluations = host.Evaluations(model, data, repeat)
    watch = Watch(options, evaluations.residual)  # which asks for nothing twice
    with double_precision():
        if options.tr_solver != "exact":
            return _iteratively(evaluations, options, setup, method, watch)
        manager.require(16 * data.y.size * (model.n + 2), f"The Jacobian of {data.y.size} points")
        run = host.whole_pass(evaluations, options, setup)
        start = start_state(setup.x0, method)
        outcome = interpret_passes(run, method, numbers(setup), start, watch)
        if not evaluations.confirms(outcome.x):
            model.refuse_duals(data.x.given, outcome.x, OTHER_VALUES)
            return fit(model, data, parameters, options, setup)
    if model.interpreted:  # its nfev is of passes, as that of a program
        account = buying.account_of(model)
        account.pay(outcome.nfev, model.n, data.y.size)
        if account.pointwise is None:
            account.pointwise = model.acts_pointwise(data.x, outcome.x)
            model.interpret(model.info.reason, True, account.pointwise)
    else:
        outcome.nfev = model.memo.take_count()
        if interpreted:
            buying.account_of(model).refuted = model.info.derivative
    return outcome


def _iteratively(evaluations: host.Evaluations, options, setup: Setup, method: Method, watch):
    """A fit by an iterative solver; where J is dense its factor is made at the last point."""
    from nlsq.core.drive import sparse  # which few fits need

    model, m = evaluations.model, evaluations.data.y.size
    evaluations.dense_only = not isinstance(model.call, ResidualCall)
    state = sparse.fit(evaluations, setup, options, method, watch)
    outcome = sparse.Outcome(state)
    if outcome.is_dense:
        manager.require(16 * m * (model.n + 2), f"The Jacobian of {m} points")
        status, left = Status(state.status), max(setup.max_nfev - state.nfev, 0) + 1
        gtol = np.inf if status.converged else setup.gtol
        setup = setup._replace(x0=outcome.x, gtol=gtol, max_nfev=left)
        start = state_packing(method).tree(finishing_vector(outcome.x, method, status))
        run = host.whole_pass(evaluations, options, setup)
        outcome = interpret_passes(run, method, numbers(setup), start, Watch())
        if outcome.status != Status.INTERRUPTED:
            outcome.status = int(status)
        outcome.njev, outcome.nit = outcome.njev + state.njev, outcome.nit + state.nit
    outcome.nfev = model.memo.take_count()
    return outcome
