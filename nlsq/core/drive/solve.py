"""Run the loop: choose the driver, feed it passes, hand back the numbers.

The whole fit runs as one device program unless something has to happen between passes: a callback,
`verbose`, a time limit, a model on the host, or passes so long that Ctrl-C should be answered
between them and that all cores should share them.

Many data are fitted from coarse to fine (see `sampling`).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from nlsq.caching.memory_manager import manager
from nlsq.config import backend, double_precision
from nlsq.core.drive import host, sparse, staging, tries
from nlsq.core.drive.chunks import layout_of, over_chunks
from nlsq.core.drive.sampling import MANY_POINTS, sample_size, start_on_sample
from nlsq.core.loop import iterative, programs
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.state import Method, Setup, pack_setup, start_vector, state_packing
from nlsq.core.loop.status import Status
from nlsq.core.loop.watch import Watch, drive_passes
from nlsq.core.model import differences
from nlsq.core.model.calls import ResidualCall
from nlsq.core.model.identity.walk import content_key, model_key
from nlsq.core.model.model import Model
from nlsq.core.model.tracing import TraceFailed
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.core.problem.setup import make_setup
from nlsq.device import in_calling_thread
from nlsq.utils import interruption

# Points, and points times parameters, above which a pass takes milliseconds and the host drives.
_LONG_PASS = 1 << 18, 400_000


@interruption.deferred()
def solve(model: Model, data: Observations, parameters: Parameters, options: Options) -> Outcome:
    """Fit and return the outcome, whatever its status, or take it from `options.cache`.

    Where the model has a value at the start but no derivative (|p| at 0), differences take over.

    Raises
    ------
    ValueError
        When an iterative `tr_solver` meets a model it cannot make products with.
    MemoryError
        When data that must be evaluated whole do not fit into the memory allowed.
    """
    differs = model.on_host and model.jac is None
    with differences.shared_out(options.workers if differs else None) as mapped:
        model.mapped = mapped
        try:
            return _solve_once(model, data, parameters, options)
        finally:
            model.mapped = map


def _solve_once(model, data, parameters, options) -> Outcome:
    watched = options.callback is not None or options.verbose > 1
    if options.cache is None or watched or not data.x.in_full:
        return _solve_anew(model, data, parameters, options)
    plain = dataclasses.replace(options, cache=None, verbose=0, deadline=None, workers=None)
    content = (
        data.x.leaves, data.y, data.weights, data.factor,
        parameters.p0, parameters.lb, parameters.ub, tuple(vars(plain).values()),
        model.pattern and (model.pattern.rows, model.pattern.columns),
    )  # fmt: skip
    road = model.info  # a fit that changes it on its way is not kept
    return options.cache.get(
        (model.key, str(data.x.treedef), content_key(content)),
        lambda: _solve_anew(model, data, parameters, options),
        keep=lambda outcome: outcome.status > 0 and model.info is road,
    )


def _solve_anew(model, data, parameters, options) -> Outcome:
    try:
        outcome = best_of_tries(model, data, parameters, options, options.max_nfev)
    except TraceFailed as failure:
        if options.tr_solver != "exact":
            raise
        model.use_host(f"its trace fails in the fit: {failure.reason}", "finite differences")
        outcome = best_of_tries(model, data, parameters, options, options.max_nfev)
    if outcome.status == Status.NOT_FINITE and not model.on_host and options.tr_solver == "exact":
        with np.errstate(all="ignore"):
            value = model.evaluate(data.x.given, outcome.x)
        if np.isfinite(value).all() and np.isfinite(data.y).all():
            reason = "its exact derivatives are not finite at the start"
            model.use_host(reason, "finite differences")
            outcome = best_of_tries(model, data, parameters, options, options.max_nfev)
    if model.called or model.on_host:
        model.settle()
    return outcome


def best_of_tries(model, data, parameters, options, budget: int | None) -> Outcome:
    """The best of a fit from p0 and, where its end is suspicious, of further tries.

    budget: evaluations that all tries together may take.
    """
    outcome = _solve(model, data, parameters, options)
    sampled = data.y.size > MANY_POINTS and model.info.pointwise and options.tr_solver == "exact"
    spent = budget is not None and outcome.nfev >= budget
    if sampled or spent or not tries.is_suspicious(model, data, outcome):
        return outcome  # a sample is tried by itself (see `sampling`)
    total = tries.Tally(outcome)

    def run(parameters: Parameters, vary: Callable) -> Outcome:
        left = options.max_nfev if budget is None else budget - total.nfev
        again = dataclasses.replace(options, max_nfev=left)
        return total.add(_solve(model, data, parameters, again, vary))

    try:
        for one in tries.tries(model, data, parameters, run):
            if budget is not None and total.nfev >= budget:
                break
            if options.verbose > 1:
                print(f"Another try from p0: {one.name}.")
            outcome = run(one.parameters, one.vary)
            total.keep(one.name, outcome)
            if not tries.is_suspicious(model, data, outcome):
                break
    except tries.Stopped:
        pass
    except Exception:
        if not (model.on_host and model.take_refusal()):
            raise
        # the user's function refuses what lies where p0 did not lead: the ends so far remain
    return total.best()


def _solve(
    model: Model,
    data: Observations,
    parameters: Parameters,
    options: Options,
    vary: Callable[[Setup], Setup] = lambda setup: setup,
) -> Outcome:
    setup = vary(make_setup(parameters, options))
    bounded = parameters.bounded or options.method == "dogbox"
    method = Method(options.method, bounded, model.n)
    residual = functools.partial(host.residual, model, data)
    watch = Watch(options.callback, options.verbose, options.deadline, residual)
    watched = options.callback is not None or options.verbose > 1 or options.deadline is not None
    watched = watched or backend() == "numpy"
    m, x0 = data.y.size, setup.x0
    with double_precision():
        if model.on_host:
            return _on_host(model, data, options, setup, method, watch)

        iterates = options.tr_solver != "exact"
        long = m > _LONG_PASS[0] or m * model.n > _LONG_PASS[1]
        layout = layout_of(model, data, m, chunked=long and not iterates)
        loss = options.loss
        kind = loss if type(loss) is str else model_key(loss)
        key = (model.program_key, kind, data.is_complex)
        loss = options.loss_function

        def call():
            return model.traceable(data.x)

        if m > MANY_POINTS and layout.block and not iterates:
            sample = data.sample(sample_size(m))
            fit = functools.partial(best_of_tries, model)
            x0, setup = start_on_sample(fit, sample, parameters, options, setup)
        if layout.block and long and not iterates:
            flat = pack_setup(setup, m)
            program = programs.pass_program(key, call(), layout, loss, method)
            with over_chunks(program, staging.Chunks(data, layout), flat) as run:
                start = start_vector(x0, method)
                return drive_passes(run, method, flat, start, watch, ahead=0 if watched else 1)

        if not layout.block and not iterates:
            manager.require(24 * m * (model.n + 1), f"A model of {m} points that is taken whole")
        with staging.Staged(data, layout) as arrays:
            if iterates:
                task = iterative.Task(key, call(), layout, loss, method)
                return iterative.fit(task, arrays, setup, m, options)
            if not watched and not long:
                program = programs.fit_program(key, call, layout, loss, method)
                flat = pack_setup(setup, m, start_vector(x0, method))
                with in_calling_thread():
                    return Outcome(np.asarray(program(*arrays, flat)), method)
            flat = pack_setup(setup, m)
            program = programs.pass_program(key, call(), layout, loss, method)

            def run(vector):
                return program(*arrays, (np.array(m), None), flat, vector)

            return drive_passes(run, method, flat, start_vector(x0, method), watch)


def _on_host(model, data, options, setup: Setup, method: Method, watch: Watch):
    """A fit in NumPy; its `nfev` is the number of calls of the user's function, as SciPy's."""
    evaluations = host.Evaluations(model, data, options.max_nfev is None)
    watch.residual = evaluations.residual  # which asks the user's function for nothing twice
    start, counts = None, (0, 0)
    if options.tr_solver != "exact":
        evaluations.dense_only = not isinstance(model.call, ResidualCall)
        state = sparse.fit(evaluations, setup, options, method, watch)
        outcome, counts = sparse.Outcome(state), (state.njev, state.nit)
        if not outcome.is_dense:
            outcome.nfev = model.memo.take_count()
            return outcome
        # R at the last point, where a converged fit is polished
        status, left = Status(state.status), max(setup.max_nfev - state.nfev, 0) + 1
        gtol = np.inf if status.converged else setup.gtol
        setup = setup._replace(x0=outcome.x, gtol=gtol, max_nfev=left)
        start = iterative.finishing_vector(outcome.x, method, status)
        watch = Watch(None, 0, None)
    manager.require(16 * data.y.size * (model.n + 2), f"The Jacobian of {data.y.size} points")
    start = start_vector(setup.x0, method) if start is None else start
    run = _host_reduce(evaluations, options, setup, method)
    flat = pack_setup(setup, data.y.size)
    outcome = drive_passes(run, method, flat, start, watch)
    if options.tr_solver != "exact" and outcome.status != Status.INTERRUPTED:
        outcome.status = int(status)
    outcome.nfev = model.memo.take_count()
    outcome.njev, outcome.nit = outcome.njev + counts[0], outcome.nit + counts[1]
    return outcome


def _host_reduce(evaluations, options, setup, method):
    reduce = host.make_reduce(evaluations, options.loss_function, setup)
    memo = evaluations.model.memo
    packing = state_packing(method)

    def run(vector):
        state = packing.view(vector)
        memo.forget_others(state.point.x, state.trial)
        return reduce(state.trial, state.point.P, host.scheme_of(options, state))

    return run
