"""`curve_fit(..., stability=...)`: the guard of `nlsq.stability` at the front door.

'auto' takes nothing away from a fit that works. Where something tells against the start, the fit is
made from it all the same, and beside it from a start that is looked for in the units of the data
(`nlsq.global_optimization`), which is preferred where its cost is clearly lower.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from nlsq.config import double_precision
from nlsq.core.drive import buying, host, tries
from nlsq.core.drive.roads import choose_road
from nlsq.core.drive.solve import solve
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.duals import NoRule
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations, sample_places
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.interfaces.orchestration_protocol import OptimizationConfig
from nlsq.stability.guard import OF_START, Look, stability_guard
from nlsq.stability.numbers import tikhonov
from nlsq.stability.report import Action, Finding, StabilityReport
from nlsq.utils.input_error import did_you_mean

_LOOKED = 4096  # points that are looked at, of a model whose points do not depend on each other
_CLEARLY = 1e-6  # relative difference of two costs that is no rounding
MODES = ("check", "auto")


class Guarding:
    """One fit under guard.

    Parameters
    ----------
    mode : {'check', 'auto'}
    """

    def __init__(self, mode: str):
        if mode not in MODES:
            near = did_you_mean(str(mode), MODES, ".")
            raise ValueError(f"`stability` must be False, 'check' or 'auto', got {mode!r}{near}")
        self._mode, self._findings, self._actions, self._looked = mode, (), [], 0

    def covariance(self, sigma: Any) -> Any:
        """`sigma`; a covariance without a Cholesky factor gets one, where little is needed."""
        if self._mode == "check" or np.ndim(sigma) != 2:
            return sigma
        K = np.asarray(sigma)
        if K.dtype.kind not in "fiu" or len(set(K.shape)) > 1 or not np.isfinite(K).all():
            return sigma
        if _has_factor(K):
            return sigma
        fixed, added = tikhonov(K)
        if not _has_factor(fixed):
            return sigma
        reason = "the covariance of y has no Cholesky factor: points are all but copies of others."
        text = f"{added:.2g} is added to the variances, 1e-10 of their mean."
        self._actions.append(Action("sigma", text, reason, added))
        return fixed

    def start(
        self, model: Model, data: Observations, config: OptimizationConfig, searched: bool
    ) -> OptimizationConfig:
        """Look; 'auto': the configuration of the better start. searched: it was looked for."""
        choose_road(model, data, config.parameters, config.settings, at_once=True)
        self._findings = self._look(model, data, config.parameters, config.settings)
        against = [f for f in self._findings if f.kind in OF_START]
        if self._mode == "check" or searched or not against or not config.n_free:
            return config
        return self._better(model, data, config, against)

    def tell(self, result: Any) -> None:
        """Put the report into a result, and what has to be warned of among its warnings."""
        report = StabilityReport(self._mode, self._findings, tuple(self._actions), self._looked)
        result["stability"] = report
        moved = any(action.kind == "start" for action in self._actions)
        faults = [f.text for f in self._findings if f.level == "fault" and not (
            moved and f.kind in OF_START)]  # fmt: skip
        result["warnings"] = (*result["warnings"], *(text.rstrip(".") for text in faults))

    def _look(
        self, model: Model, data: Observations, parameters: Parameters, options: Options
    ) -> tuple[Finding, ...]:
        p0, part = parameters.p0, _part(model, data)
        with double_precision(), np.errstate(all="ignore"):
            f0, J = _at_start(model, part, parameters, options)
            JT = None if J is None else part.whiten(J).T
            f0 = part.whiten(part.counted(f0))
        x, y = part.x.given, part.counted(part.y)
        numbers = isinstance(x, np.ndarray) and x.dtype.kind in "fiu" and x.ndim in (1, 2)
        self._looked = y.size
        return stability_guard.check(Look(
            x if numbers and x.shape[-1] == y.size else None,
            np.abs(y) if data.is_complex else y, p0, parameters.lb, parameters.ub,
            parameters.names, parameters.free, f0, JT,
            lambda p: part.counted(tries.values_or_nan(model, x, p)), part.weights, part.factor,
        ))  # fmt: skip

    def _better(
        self, model: Model, data: Observations, config: OptimizationConfig, against: list[Finding]
    ) -> OptimizationConfig:
        """`config`, or the one with a start that was looked for."""
        from nlsq.global_optimization.config import GlobalOptimizationConfig
        from nlsq.global_optimization.problem import Problem
        from nlsq.global_optimization.strategies import MultiStart

        parameters, settings = config.parameters, config.settings
        if tries.linear_parameters(model, data, parameters)[parameters.free > 0].all():
            return config  # a step leads from any start to the same end
        quiet = dataclasses.replace(settings, callback=None, verbose=0)
        given = None
        if against[0].kind != "start":
            given = solve(model, data, parameters, quiet)
            if 2 * given.cost <= tries.ROUNDED * data.spread():
                return config
        free = dataclasses.replace(quiet, x_scale="jac", tried_again=False)
        problem = Problem(model, data, parameters, free)
        try:
            found = MultiStart(GlobalOptimizationConfig()).find(problem, False)
        except ValueError:  # the model fails wherever it was looked for
            return config
        sought = Parameters(found.p0, problem.lb, problem.ub, parameters.names)
        choose_road(model, data, sought, free, at_once=True)
        end = solve(model, data, sought, free)
        if not _is_better(end, given):
            return config
        left = end.cost / given.cost if given is not None and given.cost > 0 else 0.0
        self._note(parameters, found.p0, against[0].text, left, settings)
        kept = dataclasses.replace(settings, x_scale="jac", tried_again=False)
        return config._replace(parameters=sought, settings=kept)

    def _note(self, before: Parameters, p0, reason: str, left: float, settings: Options) -> None:
        told = (
            f"{name}={old:g} -> {new:.4g}"
            for name, old, new in zip(before.names, before.p0, p0, strict=True)
            if old != new
        )
        text = f"{', '.join(told)}, found in the units of x and y."
        self._actions.append(Action("start", text, reason, left))
        if not isinstance(settings.x_scale, str):
            text = "'jac' takes the place of the given scales."
            self._actions.append(Action("x_scale", text, "they belonged to another start.", 1.0))


def _is_better(end, given) -> bool:
    """Whether an outcome is to be preferred to that from the given start, None for none."""
    if end.status <= 0 or not np.isfinite(end.cost):
        return False
    if given is None or given.status <= 0 or not np.isfinite(given.cost):
        return True
    return end.cost < given.cost * (1 - _CLEARLY)


def _has_factor(K: np.ndarray) -> bool:
    try:
        np.linalg.cholesky(K)
    except np.linalg.LinAlgError:
        return False
    return True


def _part(model: Model, data: Observations) -> Observations:
    """Some of the points, where there are many and each value is of its own point alone."""
    m = data.y.size
    alone = buying.account_of(model).pointwise or (not model.on_host and model.info.pointwise)
    if m <= _LOOKED or not alone or data.factor is not None:
        return data
    at = sample_places(m, _LOOKED)
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
