r"""Phase 1: L-BFGS on the sample, to come near from a start that is far.

Gradient descent needs no more of a model than a cost that falls, and does not care whether the
Jacobian has full rank, which Gauss-Newton far from the solution does. In normalised parameters u
(see `nlsq.precision.ParameterNormalizer`) an iteration goes from u to u + t d, with

    d = -H g,   H the inverse Hessian from the last `lbfgs_history_size` steps (optax),

t = 1 (at first the length is `lbfgs_initial_step_size`), cut off at the bounds, and halved while
the cost rises above the least so far by more than `cost_increase_tolerance`. The layers of
`DefenseLayerTelemetry` keep it from doing harm. Phase 2 begins at the best point.

Reference: D. C. Liu and J. Nocedal, "On the limited memory BFGS method for large scale
optimization", Mathematical Programming 45 (1989).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from nlsq.caching import programs
from nlsq.config import double_precision
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.parameters import Parameters
from nlsq.precision.parameter_normalizer import ParameterNormalizer
from nlsq.streaming.hybrid_config import HybridStreamingConfig
from nlsq.streaming.telemetry import DefenseLayerTelemetry

_HALVINGS = 30
_PATIENCE = 3


@dataclasses.dataclass(frozen=True)
class WarmupResult:
    """Where a warm-up ended, and why."""

    params: np.ndarray
    cost: float  # on the sample
    iterations: int
    evaluations: int
    reason: str
    cost_history: tuple[float, ...]


class WarmupPhase:
    """L-BFGS on cost(p) -> (cost, gradient), from the start of `parameters`.

    Parameters
    ----------
    config : HybridStreamingConfig
    normalizer : ParameterNormalizer
    telemetry : DefenseLayerTelemetry
    """

    def __init__(
        self,
        config: HybridStreamingConfig,
        normalizer: ParameterNormalizer,
        telemetry: DefenseLayerTelemetry,
    ):
        self._config, self._normal, self._telemetry = config, normalizer, telemetry

    def run(
        self,
        cost: Callable,
        parameters: Parameters,
        variation: float,
        deadline: float | None = None,
    ) -> WarmupResult:
        """Descend from p0 until `deadline`; `variation` is the sample's cost about its mean."""
        self._deadline = np.inf if deadline is None else deadline
        normal, config = self._normal, self._config
        low, high = (normal.normalize(b) for b in (parameters.lb, parameters.ub))
        evaluations = 0

        def evaluate(u) -> _Point:
            nonlocal evaluations
            evaluations += 1
            value, g = cost(normal.denormalize(u))
            return _Point(u, value, normal.gradient(g) * parameters.free)

        start = evaluate(normal.normalize(parameters.p0))
        history = [start.cost]
        if config.enable_warm_start_detection and self._is_warm(start.cost, variation):
            best, reason = start, "warm start"
        elif not start.finite:
            best, reason = start, "not finite"
        else:
            best, reason = self._descend(start, lambda u: evaluate(np.clip(u, low, high)), history)
        moved = best is not start
        params = np.clip(normal.denormalize(best.u), parameters.lb, parameters.ub)
        return WarmupResult(
            params if moved else parameters.p0,
            best.cost, len(history) - 1, evaluations, reason, tuple(history),
        )  # fmt: skip

    def _is_warm(self, cost: float, variation: float) -> bool:
        limit = self._config.warm_start_threshold
        warm = cost <= limit * variation
        if warm:
            self._telemetry.record("warm start", 0, cost / variation if variation else 0.0, limit)
        return warm

    def _descend(self, point: _Point, evaluate: Callable, history: list[float]):
        """(best point, what ended the descent); appends the cost of each iteration."""
        config, on = self._config, self._config.active_switching_criteria
        direction = _Direction(config.lbfgs_history_size, len(point.u))
        best, flat = point, 0
        for iteration in range(config.warmup_iterations):
            if time.monotonic() > self._deadline:
                return best, "time"
            steep = np.linalg.norm(point.g) > config.gradient_norm_threshold * point.cost
            if "gradient" in on and not steep:
                return best, "gradient"
            step = self._step(direction, point, iteration)
            trial = self._search(evaluate, point, step, best.cost, iteration)
            if trial is None:
                return best, "step"
            history.append(trial.cost)
            drop = (point.cost - trial.cost) / point.cost if point.cost > 0 else 0.0
            length = np.linalg.norm(trial.u - point.u)
            point = trial
            best = point if point.cost < best.cost else best
            flat = flat + 1 if drop < config.loss_plateau_threshold else 0
            if "plateau" in on and flat >= _PATIENCE:
                return best, "plateau"
            if "step" in on and length <= config.step_size_threshold:
                return best, "step"
        return best, "iterations"

    def _step(self, direction: _Direction, point: _Point, iteration: int) -> np.ndarray:
        """The step from `point`, clipped."""
        config = self._config
        d = direction.at(point)
        if not d @ point.g < 0:
            self._telemetry.record("steepest descent", iteration, d @ point.g, 0.0)
            direction.forget()
            d = direction.at(point)
        length = np.linalg.norm(d)
        if iteration == 0:
            d, length = (
                d * (config.lbfgs_initial_step_size / length),
                config.lbfgs_initial_step_size,
            )
        if config.enable_step_clipping and length > config.max_warmup_step_size:
            self._telemetry.record("step clipped", iteration, length, config.max_warmup_step_size)
            d = d * (config.max_warmup_step_size / length)
        return d

    def _search(self, evaluate: Callable, point: _Point, d, least: float, iteration: int):
        """The point after d, d / 2, d / 4, ... that the guards let pass, or None."""
        config = self._config
        limit = least * (1 + config.cost_increase_tolerance) if config.enable_cost_guard else np.inf
        for halving in range(_HALVINGS):
            trial = evaluate(point.u + d * 0.5**halving)
            if np.array_equal(trial.u, point.u):
                return None
            if not trial.finite:
                self._telemetry.record("not finite", iteration, trial.cost, np.inf)
            elif trial.cost > limit:
                self._telemetry.record("cost went up", iteration, trial.cost, limit)
            else:
                return trial
        return None


class _Point(NamedTuple):
    """Normalised parameters, cost and gradient there."""

    u: np.ndarray
    cost: float
    g: np.ndarray

    @property
    def finite(self) -> bool:
        return bool(np.isfinite(self.cost) and np.isfinite(self.g).all())


class _Direction:
    """The L-BFGS direction, by optax."""

    def __init__(self, history: int, n: int):
        import optax

        self._rule = optax.scale_by_lbfgs(memory_size=history)
        self._update = programs.cache.get_or_make(
            ("lbfgs", history, n), lambda: programs.compiled(self._rule.update)
        )
        self._n = n
        self.forget()

    def forget(self) -> None:
        with double_precision():
            self._state = self._rule.init(np.zeros(self._n))

    def at(self, point: _Point) -> np.ndarray:
        """-H g, having learnt from the step that led to the point."""
        with double_precision():
            scaled, self._state = self._update(point.g, self._state, point.u)
        return -np.asarray(scaled)


def variation(sample: Observations) -> float:
    """Half the (weighted) sum of squares of the sample's y about its mean."""
    y = sample.counted(sample.y)
    w = np.ones(y.size) if sample.weights is None else sample.weights
    mean = (w**2 @ y) / (w @ w) if w.any() else 0.0
    return 0.5 * float(np.sum(np.abs(w * (y - mean)) ** 2))
