"""`GradientMonitor`: how the gradient behaved while the fit ran.

A gradient is looked at in cosines g_j / (|J_j| |r|) between the residuals and the columns of J:
1 where moving that parameter would remove the residuals, 0 at a minimum, whatever the units.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import DEFAULT, INFO, WARNING, DiagnosticsConfig, Finding

_ROUNDING = 1e-14  # share of y that rounding leaves
_BEGUN = 1e-3  # share of the first gradient from which on the rest is polishing


@dataclasses.dataclass(frozen=True)
class GradientHealthReport:
    """What a `GradientMonitor` saw."""

    n_iterations: int
    initial_gradient: float = np.nan  #: largest cosine at the first iteration
    final_gradient: float = np.nan  #: ... and at the last
    max_imbalance_ratio: float = 1.0  #: of the largest cosines that two parameters had
    vanishing_detected: bool = False  #: it was nothing from the start: the fit went nowhere
    imbalance_detected: bool = False  #: one parameter was never pulled
    stagnation_detected: bool = False  #: the last iterations gained nothing above a minimum
    findings: tuple[Finding, ...] = ()


class GradientMonitor:
    """Records costs and gradients of a fit, and says what was wrong with them.

    Its `history` is a list of (cost, gradient (n,)) of all iterations, the gradient in cosines.

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
            return user_callback and user_callback(iteration, cost, params, info)

        return callback

    def get_report(self, names: Sequence[str] | None = None) -> GradientHealthReport:
        """What is to be said of the record, with the parameters' names."""
        if not self.history:
            return GradientHealthReport(0)
        costs = np.array([cost for cost, _ in self.history])
        gradients = np.abs(np.array([gradient for _, gradient in self.history]))
        gradients = gradients.reshape(len(costs), -1)
        if names is None:
            names = [f"p{j}" for j in range(gradients.shape[1])]
        largest, findings = gradients.max(axis=1, initial=0.0), []
        top, end = float(largest.max()), float(largest[-1])
        if top < self.config.vanishing_threshold and costs[-1] > 0 and len(costs) > 1:
            fact = f"the gradient was {top:.0e} from the start: no way down was to be seen"
            findings.append(Finding("vanishing", WARNING, fact, top, "start elsewhere"))
        window = int(self.config.stagnation_window)
        if len(costs) > window and end >= self.config.gradient_threshold:
            before, now = costs[-1 - window], costs[-1]
            gain = float((before - now) / before) if before > 0 else 0.0
            if gain < self.config.stagnation_tolerance:
                share = f"{100 * gain:.1g} % with a gradient of {end:.2g}"
                fact = f"the last {window} iterations gained {share}"
                remedy = "start elsewhere, or give x_scale"
                findings.append(Finding("stagnation", WARNING, fact, gain, remedy))
        ratio, lagging = _imbalance(gradients, largest)
        if ratio > self.config.imbalance_threshold:
            name = names[lagging]
            fact = f"{name} was never pulled: its gradient stayed {ratio:.0e} times below another's"
            findings.append(Finding("imbalance", INFO, fact, ratio, "", (name,)))
        codes = {f.code for f in findings}
        detected = (code in codes for code in ("vanishing", "imbalance", "stagnation"))
        return GradientHealthReport(
            len(costs), float(largest[0]), end, ratio, *detected, tuple(findings)
        )


def _imbalance(gradients: np.ndarray, largest: np.ndarray) -> tuple[float, int]:
    """Ratio of the parameters' largest cosines before polishing, and the least one's place."""
    tops = gradients[largest >= _BEGUN * largest[0]].max(axis=0, initial=0.0)
    pulled = tops > 0
    if pulled.sum() < 2:
        return 1.0, 0
    least = int(np.argmin(np.where(pulled, tops, np.inf)))
    return float(tops.max() / tops[least]), least


def analyse(evidence: Evidence, config: DiagnosticsConfig = DEFAULT) -> list[Finding]:
    """The gradient at the end, and of the record where there is one."""
    findings: list[Finding] = []
    cosines, r2 = evidence.cosines, evidence.r_squared
    if evidence.is_exact or (r2 is not None and r2 > 1 - _ROUNDING):  # which has no direction
        return findings
    if cosines is not None:
        steepest = int(np.argmax(np.abs(cosines)))
        size, name = float(abs(cosines[steepest])), evidence.names[steepest]
        if size > config.gradient_threshold:
            fact = f"the end is no minimum: gradient {size:.2g} in {name}"
            remedy = "allow more evaluations, or start elsewhere"
            findings.append(Finding("gradient", WARNING, fact, size, remedy, (name,)))
    if evidence.history:
        monitor = GradientMonitor(config)
        for cost, gradient in evidence.history:
            monitor.record_gradient(np.where(evidence.at_bound == 0, gradient, 0.0), cost)
        good = r2 is not None and r2 > 0.5  # as a start at the minimum is
        found = monitor.get_report(evidence.names).findings
        findings += [f for f in found if not (good and f.code == "vanishing")]
    return findings
