"""Solve a fit: by programs or by NumPy, from p0, and by further tries if its end is suspicious."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable
from contextlib import nullcontext
from types import ModuleType

import numpy as np

from nlsq.caching.smart_cache import SmartCache, kept_fit
from nlsq.core.drive import buying, interpreted, tries, witness
from nlsq.core.drive.roads import choose_road
from nlsq.core.drive.sampling import MANY_POINTS
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.status import Status
from nlsq.core.model.duals import NoRule
from nlsq.core.model.facts import TraceFailed
from nlsq.core.model.identity.walk import content_key
from nlsq.core.model.model import Model
from nlsq.core.model.sharing import shared_out
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.core.problem.setup import make_setup
from nlsq.utils import interruption


def solve(model: Model, data: Observations, parameters: Parameters, options: Options) -> Outcome:
    """Fit and return the outcome, whatever its status, or take it from `options.cache`.

    Where a trace fails in the fit, or the model has a value at the start but no exact derivative
    (|p| at 0), differences take over.

    Raises
    ------
    ValueError
        When an iterative `tr_solver` meets a model it cannot make products with.
    MemoryError
        When data that must be evaluated whole do not fit into the memory allowed.
    """
    if options.cache is not None:
        anew = dataclasses.replace(options, cache=None)
        if not (options.callback or options.history is not None or options.verbose > 1) and (
            data.x.in_full
        ):
            road = model.info  # a fit that changes it on its way is not kept
            key = _content(model, data, parameters, anew)
            if not isinstance(options.cache, SmartCache):  # which may be of several processes
                key = _named(key)
            if key is None:
                return solve(model, data, parameters, anew)
            found = kept_fit(
                options.cache,
                key,
                lambda: solve(model, data, parameters, anew),
                keep=lambda outcome: outcome.status > 0 and model.info.agrees(road),
            )
            if np.shape(getattr(found, "x", None)) != parameters.p0.shape:
                raise TypeError(
                    f"`cache` must return what it was given under an equal key, or the default; "
                    f"for this fit get() returned {found!r:.80}."
                )
            return found
        options = anew
    outcome, budget = None, options.max_nfev
    with interruption.deferred():
        while outcome is None:
            workers = options.workers if model.differs else None
            with shared_out(workers) if workers else nullcontext(map) as model.mapped:
                try:
                    fit, setup = _fit_of(model), make_setup(parameters, options)
                    outcome = fit(model, data, parameters, options, setup, best_of_tries)
                    _leave_out_fixed(outcome, parameters)
                    if parameters.n_free and _is_doubtful(model, data, options, budget, outcome):
                        outcome = _tried_again(model, data, parameters, options, budget, outcome)
                    if _is_refuted(model, data, options, outcome):
                        outcome = None
                except NoRule:
                    buying.account_of(model).no_rule = True
                    choose_road(model, data, parameters, options, at_once=True)
                except TraceFailed as failure:
                    if options.tr_solver != "exact":
                        raise
                    reason = f"its trace fails in the fit: {failure.reason}"
                    model.use_host(reason, "finite differences")
            if outcome is not None and _has_no_derivative(model, data, options, outcome):
                reason = "its exact derivatives are not finite at the start"
                model.use_host(reason, "finite differences")
                outcome = None
        model.mapped = map
        if model.called or model.on_host:
            model.settle()
    return outcome


def _is_refuted(model, data: Observations, options: Options, outcome: Outcome) -> bool:
    """Whether the user's function contradicts a program, which no fit of it uses any more."""
    if model.on_host or options.tr_solver != "exact":
        return False
    account = buying.account_of(model)
    if account.writes_jax or witness.agrees(model, data, options, outcome):
        return False
    account.refuted = witness.OTHER
    model.interpret(witness.OTHER, final=True)
    return True


def _fit_of(model: Model) -> Callable:
    """What makes one fit of the model."""
    return interpreted.fit if model.on_host else _programs().fit


def _leave_out_fixed(outcome: Outcome, parameters: Parameters) -> Outcome:
    if parameters.n_free < outcome.x.size:
        outcome.leave_out(parameters.free == 0)
    return outcome


@functools.cache
def _programs() -> ModuleType:
    from nlsq.core.drive import compiled  # which loads JAX

    return compiled


def _content(model, data: Observations, parameters: Parameters, options: Options) -> Hashable:
    """What a kept fit is known by."""
    plain = dataclasses.replace(options, verbose=0, deadline=None, workers=None)
    content = (
        data.x.leaves, data.y, data.weights, data.factor,
        parameters.p0, parameters.lb, parameters.ub, tuple(vars(plain).values()),
        model.pattern and (model.pattern.rows, model.pattern.columns),
    )  # fmt: skip
    return (model.key, data.x.structure, content_key(content))


def _named(content: Hashable) -> str | None:
    """A text that is the same in every process of this version; None where there is none."""
    from nlsq import __version__
    from nlsq.core.model.identity.fingerprint import fingerprint

    digest = fingerprint(content)
    return digest and f"nlsq-{__version__}-{digest}"


def _has_no_derivative(model, data: Observations, options: Options, outcome: Outcome) -> bool:
    """Whether a fit ended at its start though the model is finite there."""
    exact = model.by_duals or not model.on_host
    if outcome.status != Status.NOT_FINITE or not exact or options.tr_solver != "exact":
        return False
    with np.errstate(all="ignore"):
        value = model.evaluate(data.x.given, outcome.x)
    return bool(np.isfinite(value).all() and np.isfinite(data.y).all())


def best_of_tries(
    model: Model,
    data: Observations,
    parameters: Parameters,
    options: Options,
    budget: int | None = None,
) -> Outcome:
    """The best of a fit from p0 and, where its end is suspicious, of further tries.

    budget: evaluations that all tries together may take.
    """
    fit, setup = _fit_of(model), make_setup(parameters, options)
    outcome = fit(model, data, parameters, options, setup, best_of_tries)
    _leave_out_fixed(outcome, parameters)
    if parameters.n_free and _is_doubtful(model, data, options, budget, outcome):
        return _tried_again(model, data, parameters, options, budget, outcome)
    return outcome


def _is_doubtful(model, data: Observations, options: Options, budget, outcome: Outcome) -> bool:
    """Whether to try a fit again; a sample's was (see `sampling`)."""
    if not options.tried_again:
        return False
    many = options.sampled and data.y.size > MANY_POINTS and not model.on_host
    if many and model.info.pointwise and options.tr_solver == "exact":
        return False
    spent = budget is not None and outcome.nfev >= budget
    return not spent and tries.is_suspicious(model, data, outcome)


def _tried_again(model, data, parameters, options, budget, outcome: Outcome) -> Outcome:
    """The best of an outcome and those of further tries."""
    total = tries.Tally(outcome)
    fit = _fit_of(model)

    def run(parameters: Parameters, vary: Callable) -> Outcome:
        left = options.max_nfev if budget is None else budget - total.nfev
        again = dataclasses.replace(options, max_nfev=left)
        setup = vary(make_setup(parameters, again))
        found = fit(model, data, parameters, again, setup, best_of_tries)
        return total.add(_leave_out_fixed(found, parameters))

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
