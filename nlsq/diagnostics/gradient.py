"""`GradientMonitor`: how the gradient behaved while the fit ran.

A gradient is looked at in cosines g_j / (|J_j| |r|) between the residuals and the columns of J:
1 where moving that parameter would remove the residuals, 0 at a minimum, whatever the units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nlsq.diagnostics.config import DEFAULT, DiagnosticsConfig
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import INFO, WARNING, Finding

_BEGUN = 1e-3  # share of the first gradient from which on the rest is polishing


@dataclasses.dataclass(frozen=True)
class GradientHealthReport:
    """What a `GradientMonitor` saw.

    Attributes
    ----------
    n_iterations : int
    initial_gradient, final_gradient : float
        Largest cosine at the first and at the last iteration; NaN where none was recorded.
    max_imbalance_ratio : float
        Ratio of the largest cosines that two parameters had.
    vanishing_detected, imbalance_detected, stagnation_detected : bool
    findings : list of Finding
    """

    n_iterations: int
    initial_gradient: float
    final_gradient: float
    max_imbalance_ratio: float
    vanishing_detected: bool
    imbalance_detected: bool
    stagnation_detected: bool
    findings: list[Finding]


class GradientMonitor:
    """Records costs and gradients of a fit, and says what was wrong with them.

    Parameters
    ----------
    config : DiagnosticsConfig, optional

    Attributes
    ----------
    history : list of (cost, gradient (n,))
        Of each iteration, the gradient in cosines.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> monitor = GradientMonitor()
    >>> x = np.linspace(0, 3, 30)
    >>> fit = curve_fit(lambda x, a, b: a * np.exp(-b * x), x, 2 * np.exp(-x),
    ...                 p0=[1, 3], callback=monitor.create_callback())
    >>> report = monitor.get_report()
    >>> report.n_iterations > 2, report.stagnation_detected
    (True, False)
    """

    def __init__(self, config: DiagnosticsConfig = DEFAULT):
        self.config = config
        self.history: list[tuple[float, np.ndarray]] = []

    def reset(self) -> None:
        """Forget what was recorded."""
        self.history = []

    def record_gradient(self, gradient: Any, cost: float) -> None:
        """Add an iteration: the gradient in cosines (n,), and the cost."""
        self.history.append((float(cost), np.array(gradient, float)))

    def create_callback(
        self, user_callback: Callable[..., Any] | None = None
    ) -> Callable[[int, float, Any, Mapping[str, Any]], Any]:
        """A `callback` for `nlsq.curve_fit` that records, and calls the user's own.

        A new fit, at iteration 0, is recorded anew.
        """

        def callback(iteration: int, cost: float, params: Any, info: Mapping[str, Any]) -> Any:
            if iteration == 0:
                self.reset()
            self.record_gradient(info["gradient"], cost)
            if user_callback is not None:
                return user_callback(iteration, cost, params, info)
            return None

        return callback

    def get_report(self, names: Sequence[str] | None = None) -> GradientHealthReport:
        """What is to be said of the record, with the parameters' names."""
        costs = np.array([cost for cost, _ in self.history])
        gradients = np.abs(np.array([gradient for _, gradient in self.history]))
        if not len(costs):
            return GradientHealthReport(0, np.nan, np.nan, 1.0, False, False, False, [])
        gradients = gradients.reshape(len(costs), -1)
        if names is None:
            names = [f"p{j}" for j in range(gradients.shape[1])]
        largest = gradients.max(axis=1, initial=0.0)
        findings = []
        if vanished := self._vanished(largest, costs):
            findings.append(vanished)
        if stagnated := self._stagnated(largest, costs):
            findings.append(stagnated)
        ratio, lagging = self._imbalance(gradients, largest)
        if unbalanced := ratio > self.config.imbalance_threshold:
            name = names[lagging]
            fact = f"{name} was never pulled: its gradient stayed {ratio:.0e} times below another's"
            findings.append(Finding("imbalance", INFO, fact, ratio, "", (name,)))
        return GradientHealthReport(
            len(costs), float(largest[0]), float(largest[-1]), ratio, vanished is not None,
            unbalanced, stagnated is not None, findings,
        )  # fmt: skip

    def _vanished(self, largest: np.ndarray, costs: np.ndarray) -> Finding | None:
        """The gradient was nothing from the first to the last, and so the fit went nowhere."""
        small = largest.max() < self.config.vanishing_threshold
        if not small or not costs[-1] > 0 or len(costs) < 2:
            return None
        top = float(largest.max())
        fact = f"the gradient was {top:.0e} from the start: no way down was to be seen"
        return Finding("vanishing", WARNING, fact, top, "start elsewhere")

    def _stagnated(self, largest: np.ndarray, costs: np.ndarray) -> Finding | None:
        window = int(self.config.stagnation_window)
        if len(costs) <= window or largest[-1] < self.config.gradient_threshold:
            return None
        before, now = costs[-1 - window], costs[-1]
        gain = (before - now) / before if before > 0 else 0.0
        if not gain < self.config.stagnation_tolerance:
            return None
        fact = (
            f"the last {window} iterations gained {100 * gain:.1g} % with a gradient of "
            f"{largest[-1]:.2g}"
        )
        return Finding("stagnation", WARNING, fact, float(gain), "start elsewhere, or give x_scale")

    def _imbalance(self, gradients: np.ndarray, largest: np.ndarray) -> tuple[float, int]:
        """Ratio of the parameters' largest cosines before polishing, and the least one's place."""
        before = gradients[largest >= _BEGUN * largest[0]]
        tops = before.max(axis=0, initial=0.0)
        pulled = tops > 0
        if pulled.sum() < 2:
            return 1.0, 0
        least = int(np.argmin(np.where(pulled, tops, np.inf)))
        return float(tops.max() / tops[least]), least


def analyse(evidence: Evidence, config: DiagnosticsConfig = DEFAULT) -> list[Finding]:
    """The gradient at the end, and of the record where there is one."""
    findings: list[Finding] = []
    if _is_rounding(evidence):
        return findings
    cosines = evidence.cosines
    if cosines is not None:
        steepest = int(np.argmax(np.abs(cosines)))
        size = float(abs(cosines[steepest]))
        if size > config.gradient_threshold:
            name = evidence.names[steepest]
            fact = f"the end is no minimum: gradient {size:.2g} in {name}"
            remedy = "allow more evaluations, or start elsewhere"
            findings.append(Finding("gradient", WARNING, fact, size, remedy, (name,)))
    if evidence.history:
        monitor = GradientMonitor(config)
        inside = evidence.at_bound == 0
        for cost, gradient in evidence.history:
            monitor.record_gradient(np.where(inside, gradient, 0.0), cost)
        found = monitor.get_report(evidence.names).findings
        good = evidence.r_squared is not None and evidence.r_squared > 0.5
        findings += [f for f in found if not (f.code == "vanishing" and good)]
    return findings


def _is_rounding(evidence: Evidence) -> bool:
    """Whether the residuals are the rounding of y, whose direction means nothing."""
    if evidence.r_squared is not None and evidence.r_squared > 1 - 1e-14:
        return True
    y = evidence.y
    return y is not None and evidence.sigma is None and 2 * evidence.cost <= 1e-28 * float(y @ y)
