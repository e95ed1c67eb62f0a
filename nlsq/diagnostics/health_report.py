"""`HealthReport`: what a diagnosis found, in at most twelve lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nlsq.diagnostics import explained, gradient, influence, residual_health
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import CRITICAL, INFO, WARNING, DiagnosticsConfig, Finding, Severity
from nlsq.diagnostics.identifiability import IdentifiabilityAnalyzer, ParameterSensitivityAnalyzer
from nlsq.diagnostics.plugins import run_plugins

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure

LINES = 12
# in the order in which their findings of like severity are listed
ANALYSERS = (
    explained, IdentifiabilityAnalyzer, ParameterSensitivityAnalyzer, residual_health, influence,
    gradient,
)  # fmt: skip
_STATUS = {INFO: "healthy", WARNING: "warning", CRITICAL: "critical"}
_STYLE = {" ": "green", "!": "yellow", "X": "red", "?": "dim"}  # by the mark


@dataclasses.dataclass(frozen=True, repr=False)
class HealthReport:
    """Facts about a fit, the gravest first.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> x = np.linspace(0, 5, 40)
    >>> fit = curve_fit(lambda x, a, b, c: a * np.exp(-b * x) + c, x,
    ...                 2 * np.exp(-x) + 0.3 + 0.01 * np.cos(40 * x))
    >>> fit.diagnose().status
    'healthy'
    """

    title: str  #: of what fit
    findings: tuple[Finding, ...]
    unknown: tuple[str, ...] = ()  #: what could not be looked at, and why
    #: what was looked at, for `plot` and `influence`; a stored report has none
    evidence: Evidence | None = dataclasses.field(default=None, compare=False)

    @property
    def status(self) -> str:
        """'healthy', 'warning' or 'critical': as the gravest finding."""
        return _STATUS[max((f.severity for f in self.findings), default=INFO)]

    @property
    def is_healthy(self) -> bool:
        """Whether no finding is an alarm."""
        return not self.alarms

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings that are more than information."""
        return tuple(f for f in self.findings if f.severity > INFO)

    @property
    def verdict(self) -> str:
        """How many alarms there are; else how many remarks that something can be done about."""
        remarks = sum(bool(f.remedy) for f in self.findings)
        word, count = ("alarm", len(self.alarms)) if self.alarms else ("remark", remarks)
        return f"{count} {word}{'s' * (count > 1)}" if count else "nothing to object"

    def summary(self) -> str:
        """At most twelve lines: a fact with its number each, and what to do."""
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The lines of `summary`."""
        rest = LINES - 1 - len(self.unknown)
        shown = self.findings if len(self.findings) <= rest else self.findings[: rest - 1]
        lines = [f"{self.title}: {self.status}, {self.verdict}"]
        lines += map(str, shown)
        if left := len(self.findings) - len(shown):
            lines.append(f"  and {left} more in .findings")
        return lines + [f"? not looked at: {what}" for what in self.unknown]

    def to_dict(self) -> dict[str, Any]:
        """Plain objects, as JSON takes them; `from_dict` reads them."""
        findings = [
            dataclasses.asdict(f) | {"severity": f.severity.name, "parameters": list(f.parameters)}
            for f in self.findings
        ]
        return {"title": self.title, "status": self.status, "findings": findings,
                "unknown": list(self.unknown)}  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> HealthReport:
        """Inverse of `to_dict`."""
        changed = ({"severity": Severity[f["severity"]], "parameters": tuple(f["parameters"])}
                   for f in data["findings"])  # fmt: skip
        findings = tuple(Finding(**f | c) for f, c in zip(data["findings"], changed, strict=True))
        return cls(data["title"], findings, tuple(data["unknown"]))

    def plot(self) -> tuple[Figure, np.ndarray]:
        """Draw the residuals: along x, in order, their correlations, and over their leverage.

        Lines in the last panel show where Cook's distance is 0.5 and 1: a point beyond decides the
        fit. Numbers are those of points, from 0. The axes are an array (2, 2). An ImportError says
        that matplotlib is not installed, a ValueError that residuals are not known or are nothing.
        """
        from nlsq.diagnostics import report_views

        return report_views.draw(self._looked_at("plot"))

    def influence(self, *, refit: bool = True) -> influence.Influence:
        """What each point does to the fit; see `nlsq.diagnostics.influence.influence`."""
        return influence.influence(self._looked_at("influence"), refit=refit)

    def _looked_at(self, verb: str) -> Evidence:
        if self.evidence is None:
            raise ValueError(f"{verb}: this report was stored without its fit: diagnose it again")
        return self.evidence

    def to_html(self) -> str:
        """The report as one page of HTML that loads nothing."""
        from nlsq.diagnostics import report_views

        return report_views.page(self)

    def _repr_html_(self) -> str:
        from nlsq.diagnostics import report_views

        return report_views.part(self)

    def __reduce__(self) -> tuple:  # the evidence holds the user's model
        return HealthReport, (self.title, self.findings, self.unknown)

    __str__ = summary

    def __rich__(self) -> Any:
        from rich.text import Text

        head, *lines = self.lines()
        text = Text(head, style="bold")
        for line in lines:
            text.append(f"\n{line}", style=f"not bold {_STYLE[line[0]]}")
        return text

    def __repr__(self) -> str:
        codes = ", ".join(f.code for f in self.alarms) or "no alarm"
        return f"HealthReport({self.status}: {codes})"


def create_health_report(
    findings: Iterable[Finding],
    title: str = "Fit",
    unknown: Iterable[str] = (),
    evidence: Evidence | None = None,
) -> HealthReport:
    """A report of findings from any analysers, the gravest first.

    Examples
    --------
    >>> report = create_health_report([Finding("rank", Severity.INFO, "3 of 3 determined")])
    >>> print(report.summary())
    Fit: healthy, nothing to object
      3 of 3 determined
    """
    ordered = sorted(findings, key=lambda f: -f.severity)  # stable
    return HealthReport(title, tuple(ordered), tuple(unknown), evidence)


def diagnose(
    evidence: Evidence,
    config: DiagnosticsConfig | None = None,
    title: str = "Fit",
    unknown: Iterable[str] = (),
) -> HealthReport:
    """Run every analyser and every plugin on a fit's evidence."""
    config = DiagnosticsConfig.of(config)
    findings = [f for analyser in ANALYSERS for f in analyser.analyse(evidence, config)]
    return create_health_report([*findings, *run_plugins(evidence)], title, unknown, evidence)
