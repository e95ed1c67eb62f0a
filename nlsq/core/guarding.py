"""`curve_fit(..., stability=...)`: the guard of `nlsq.stability` at the front door.

'auto' takes nothing away from a fit that works. Where something tells against the start, the fit is
made from it all the same, and beside it from a start that is looked for in the units of the data
(`nlsq.global_optimization`), which is preferred where its cost is clearly lower.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.config import double_precision
from nlsq.core.drive import buying, host, tries
from nlsq.core.drive.roads import choose_road
from nlsq.core.loop.outcome import Outcome
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.duals import NoRule
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations, sample_places
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.core.verdict.finished import Finished
from nlsq.interfaces.orchestration_protocol import OptimizationConfig
from nlsq.stability.guard import OF_START, stability_guard
from nlsq.stability.looks import Action, Hazard, Look, StabilityReport
from nlsq.stability.numbers import with_factor
from nlsq.utils import interruption
from nlsq.utils.input_error import did_you_mean

_LOOKED = 4096  # points that are looked at, of a model whose points do not depend on each other
_CLEARLY = 1e-6  # relative difference of two costs that is no rounding
MODES = ("check", "auto")
_NO_REFERENCE = (
    "`stability` guards the engine's fits, not those of the plain reference. Unset the variable "
    "NLSQ_SELECTOR_IMPL=old, or leave it out."
)


class Guarding:
    """A companion of a fit (`nlsq.core.companions`): the guard, whose mode is one of `MODES`."""

    def __init__(self, mode: str):
        if mode not in MODES:
            near = did_you_mean(str(mode), MODES, ".")
            raise ValueError(f"`stability` must be False, 'check' or 'auto', got {mode!r}{near}")
        self.mode, self._actions, self._looked = mode, [], 0
        self._look: Callable[[], tuple[Hazard, ...]] = tuple

    def covariance(self, sigma: Any) -> Any:
        """`sigma`; a covariance without a Cholesky factor gets one, where little is needed."""
        if self.mode == "check" or np.ndim(sigma) != 2:
            return sigma
        K, added = np.asarray(sigma), 0.0
        if K.dtype.kind in "fiu" and K.shape[0] == K.shape[1] and np.isfinite(K).all():
            with contextlib.suppress(np.linalg.LinAlgError):  # which the fit refuses
                K, added = with_factor(K)
        if not added:
            return sigma
        reason = "the covariance of y has no Cholesky factor: points are all but copies of others."
        text = f"{added:.2g} is added to the variances, 1e-10 of their mean."
        self._actions.append(Action("sigma", text, reason, added))
        return K

    def fit(
        self, fit: Callable, model: Model, data: Observations, config: OptimizationConfig
    ) -> Finished:
        """The fit, or with 'auto' a better one from a start that is found."""
        if config.solver == "reference":
            raise ValueError(_NO_REFERENCE)

        def later() -> tuple[Hazard, ...]:
            model.require_unchanged()
            return self._seen(model.twin(), data, config)

        self._look = later
        if self.mode == "check":
            return fit(model, data, config)
        with interruption.deferred():
            choose_road(model, data, config.parameters, config.settings, at_once=True)
            findings = self._seen(model, data, config)  # which the fit takes over
        self._look = lambda: findings
        against = [f for f in findings if f.kind in OF_START]
        was_searched = not config.settings.tried_again
        if was_searched or not against or not config.n_free:
            return fit(model, data, config)
        reason = min(against, key=lambda f: (f.kind != "start", f.level != "fault"))
        given, begin = None, config.parameters
        if reason.kind == "start":
            begin = _aside(begin)
        else:
            given = fit(model, data, config)
            exact = 2 * given.outcome.cost <= tries.ROUNDED * data.spread()
            if exact or given.status.stopped_from_outside:
                return given
        found = self._elsewhere(fit, model, data, config._replace(parameters=begin))
        if found is None or not _is_better(found.outcome, given and given.outcome):
            return given or fit(model, data, config)
        self._note(config, found, given, reason.text)
        return found

    def tell(self, result: Any) -> None:
        """Let a result have the report, and among its warnings what may explain a bad end."""
        ended_well = result.success and not result.warnings
        if ended_well and self.mode == "check":
            result.defer("stability", self._report)
            return
        result["stability"] = report = self._report()
        moved = any(action.kind == "start" for action in self._actions)
        result["warnings"] += tuple(
            f"{f.kind}: {f.text.rstrip('.')}"
            for f in report.findings
            if f.level == "fault" and not (ended_well or (moved and f.kind in OF_START))
        )

    def _report(self) -> StabilityReport:
        findings = self._look()
        return StabilityReport(self.mode, findings, tuple(self._actions), self._looked)

    def _seen(
        self, model: Model, data: Observations, config: OptimizationConfig
    ) -> tuple[Hazard, ...]:
        parameters, options = config.parameters, config.settings
        part = _part(model, data)
        x, y = part.x.given, part.counted(part.y)
        numbers = isinstance(x, np.ndarray) and x.dtype.kind in "fiu" and x.ndim in (1, 2)
        self._looked = y.size

        def value(p):
            return part.counted(tries.values_or_nan(model, x, p))

        with double_precision(), np.errstate(all="ignore"):
            if self.mode == "auto" and _refuses(model, x, parameters.p0):
                f0, J = np.full(y.size, np.nan), None
            else:
                f0, J = _at_start(model, part, parameters, options)
            look = Look(
                x if numbers and x.shape[-1] == y.size else None,
                np.abs(y) if data.is_complex else y,
                parameters.p0, parameters.lb, parameters.ub, parameters.names, parameters.free,
                part.whiten(part.counted(f0)), None if J is None else part.whiten(J).T,
                value, part.weights, part.factor,
            )  # fmt: skip
            return stability_guard.check(look)

    def _elsewhere(
        self, fit: Callable, model: Model, data: Observations, config: OptimizationConfig
    ) -> Finished | None:
        """A fit from a start that is looked for in the units of x and y; None where there is none.

        Given scales were for another start, and its further tries are no better than a search.
        """
        from nlsq.global_optimization.config import GlobalOptimizationConfig
        from nlsq.global_optimization.problem import Problem
        from nlsq.global_optimization.strategies import MultiStart

        config = config.with_settings(x_scale="jac", tried_again=False)
        problem = Problem(model, data, config.parameters, config.settings)
        try:
            with interruption.deferred():
                p0 = MultiStart(GlobalOptimizationConfig()).find(problem, False).p0
        except ValueError:  # the model fails wherever it was looked for
            return None
        if config.settings.verbose > 1:
            print("Another start: found in the units of x and y.")
        sought = Parameters(p0, problem.lb, problem.ub, config.parameters.names)
        return fit(model, data, config._replace(parameters=sought))

    def _note(
        self, config: OptimizationConfig, found: Finished, given: Finished | None, reason: str
    ) -> None:
        before, p0, cost = config.parameters, found.parameters.p0, found.outcome.cost
        told = (
            f"{name}={old:g} -> {new:.4g}"
            for name, old, new in zip(before.names, before.p0, p0, strict=True)
            if old != new
        )
        text = f"{', '.join(told)}, found in the units of x and y."
        left = cost / given.outcome.cost if given is not None and given.outcome.cost > 0 else 0.0
        self._actions.append(Action("start", text, reason, left))
        if not isinstance(config.settings.x_scale, str):
            text = "'jac' takes the place of the given scales."
            self._actions.append(Action("x_scale", text, "they belonged to another start.", 1.0))


def _is_better(end: Outcome, given: Outcome | None) -> bool:
    """Whether an outcome is to be preferred to that from the given start, None for none."""
    if end.status <= 0 or not np.isfinite(end.cost):
        return False
    if given is None or given.status <= 0 or not np.isfinite(given.cost):
        return True
    return end.cost < given.cost * (1 - _CLEARLY)


def _aside(p: Parameters) -> Parameters:
    """Another start near p0, which is none: x**1 may have a value there and no derivative."""
    moved = np.clip(p.p0 * (1 + 1e-3 * p.free), p.lb, p.ub)
    return Parameters(moved, p.lb, p.ub, p.names)


def _refuses(model: Model, x: Any, p0: np.ndarray) -> bool:
    """Whether the user's function raises at p0, where 'auto' then looks for another start."""
    value = tries.values_or_nan(model, x, p0)
    return value.size == 1 and bool(np.isnan(value[0]))


def _part(model: Model, data: Observations) -> Observations:
    """Some of the points, where there are many and each value is of its own point alone."""
    m = data.y.size
    alone = buying.account_of(model).pointwise or (not model.on_host and model.info.pointwise)
    if m <= _LOOKED or not alone or data.factor is not None:
        return data
    at = np.unique(sample_places(m, _LOOKED))  # strata that share a point may both draw it
    x = data.x.some(at)
    if x is None:
        return data
    weights = None if data.weights is None else data.weights[at]
    return Observations(Abscissae(x, at.size), data.y[at], None, weights, None)


def _at_start(model: Model, part: Observations, parameters: Parameters, options: Options):
    """(f (m,), J (m, n)) at p0, J None where it is no array; a fit by NumPy takes both over."""
    p0 = parameters.p0
    if not model.on_host and not buying.account_of(model).writes_jax:
        model = model.twin()
        model.interpret("looked at", final=True)
    if not model.on_host:
        x = part.x.given
        return np.asarray(model.predict(x, p0)), model.jacobian(x, p0)
    evaluations = host.Evaluations(model, part, False)
    value = evaluations.value(p0)
    if options.tr_solver != "exact" or not np.isfinite(part.counted(value)).all():
        return value, None
    try:
        J = evaluations.jacobian(p0, options.schemes[0])
    except NoRule:
        buying.account_of(model).no_rule = True
        return value, None
    return value, J if isinstance(J, np.ndarray) else None
