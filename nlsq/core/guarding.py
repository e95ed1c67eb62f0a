"""`curve_fit(..., stability=...)`: the guard of `nlsq.stability` at the front door.

'auto' takes nothing away from a fit that works. Where something tells against the start, the fit is
made from it all the same, and beside it from a start that is looked for in the units of the data
(`nlsq.global_optimization`), which is preferred where its cost is clearly lower.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.config import double_precision
from nlsq.core.drive import buying, host, tries
from nlsq.core.drive.solve import solve
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.status import Status
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.duals import NoRule
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations, sample_places
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.stability.guard import OF_START, stability_guard
from nlsq.stability.looks import Look
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

    NO_REFERENCE = (
        "`stability` guards the engine's fits, not those of the plain reference. Unset the "
        "variable NLSQ_SELECTOR_IMPL=old, or leave it out."
    )

    def __init__(self, mode: str):
        if mode not in MODES:
            near = did_you_mean(str(mode), MODES, ".")
            raise ValueError(f"`stability` must be False, 'check' or 'auto', got {mode!r}{near}")
        self.mode, self._actions, self._looked = mode, [], 0
        self._look: Callable[[], tuple[Finding, ...]] = tuple

    def covariance(self, sigma: Any) -> Any:
        """`sigma`; a covariance without a Cholesky factor gets one, where little is needed."""
        if self.mode == "check" or np.ndim(sigma) != 2:
            return sigma
        K = np.asarray(sigma)
        numbers = K.dtype.kind in "fiu" and K.shape[0] == K.shape[1] and np.isfinite(K).all()
        if not numbers or _has_factor(K):
            return sigma
        fixed, added = tikhonov(K)
        if not _has_factor(fixed):
            return sigma
        reason = "the covariance of y has no Cholesky factor: points are all but copies of others."
        text = f"{added:.2g} is added to the variances, 1e-10 of their mean."
        self._actions.append(Action("sigma", text, reason, added))
        return fixed

    def solve(
        self, model: Model, data: Observations, parameters: Parameters, options: Options,
        searched: bool,
    ) -> tuple[Parameters, Options, Outcome]:  # fmt: skip
        """The fit, and what it was made with. searched: p0 was looked for."""

        def later() -> tuple[Finding, ...]:
            model.require_unchanged()
            return self._seen(model.twin(), data, parameters, options)

        self._look = later
        against: list[Finding] = []
        if self.mode == "auto":
            findings = self._seen(model, data, parameters, options)  # which the fit takes over
            self._look = lambda: findings
            against = [] if searched else [f for f in findings if f.kind in OF_START]
        if not against or not parameters.n_free:
            return parameters, options, solve(model, data, parameters, options)
        reason = min(against, key=lambda f: (f.kind != "start", f.level != "fault"))
        given = None
        if reason.kind != "start":
            given = solve(model, data, parameters, options)
            exact = 2 * given.cost <= tries.ROUNDED * data.spread()
            if exact or Status(given.status).stopped_from_outside:
                return parameters, options, given
        begin = _aside(parameters) if given is None else parameters
        found = self._elsewhere(model, data, begin, options)
        if found is None or not _is_better(found[-1], given):
            end = solve(model, data, parameters, options) if given is None else given
            return parameters, options, end
        self._note(parameters, options, found, given, reason.text)
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
        self, model: Model, data: Observations, parameters: Parameters, options: Options
    ) -> tuple[Finding, ...]:
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
        self, model: Model, data: Observations, parameters: Parameters, options: Options
    ) -> tuple[Parameters, Options, Outcome] | None:
        """A fit from a start that is looked for in the units of x and y; None where there is none.

        Given scales were for another start, and its further tries are no better than a search.
        """
        from nlsq.global_optimization.config import GlobalOptimizationConfig
        from nlsq.global_optimization.problem import Problem
        from nlsq.global_optimization.strategies import MultiStart

        options = dataclasses.replace(options, x_scale="jac", tried_again=False)
        problem = Problem(model, data, parameters, options)
        try:
            p0 = MultiStart(GlobalOptimizationConfig()).find(problem, False).p0
        except ValueError:  # the model fails wherever it was looked for
            return None
        if options.verbose > 1:
            print("Another start: found in the units of x and y.")
        sought = Parameters(p0, problem.lb, problem.ub, parameters.names)
        return sought, options, solve(model, data, sought, options)

    def _note(
        self, before: Parameters, options: Options, found: tuple, given: Outcome | None, reason: str
    ) -> None:
        after, _, end = found
        told = (
            f"{name}={old:g} -> {new:.4g}"
            for name, old, new in zip(before.names, before.p0, after.p0, strict=True)
            if old != new
        )
        text = f"{', '.join(told)}, found in the units of x and y."
        left = end.cost / given.cost if given is not None and given.cost > 0 else 0.0
        self._actions.append(Action("start", text, reason, left))
        if not isinstance(options.x_scale, str):
            text = "'jac' takes the place of the given scales."
            self._actions.append(Action("x_scale", text, "they belonged to another start.", 1.0))


def _is_better(end, given) -> bool:
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


def _has_factor(K: np.ndarray) -> bool:
    try:
        np.linalg.cholesky(K)
    except np.linalg.LinAlgError:
        return False
    return True


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
