"""`FitsHealth`: what is wrong with many fits."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nlsq.diagnostics.health_report import HealthReport

_LINES = 12


@dataclasses.dataclass(frozen=True, repr=False)
class FitsHealth:
    """The reports of many fits, counted.

    Attributes
    ----------
    shape : tuple of int
        Of the fits.
    reports : tuple of HealthReport
        One for each fit, in C order.
    """

    shape: tuple[int, ...]
    reports: tuple[HealthReport, ...]

    @property
    def status(self) -> np.ndarray:
        """'healthy', 'warning' or 'critical' of each fit, in their shape."""
        return np.array([report.status for report in self.reports]).reshape(self.shape)

    def where(self, code: str) -> list[tuple[int, ...]]:
        """Indices of the fits with an alarm of this code."""
        return [place for place, facts in self._facts() if code in facts]

    def summary(self) -> str:
        """At most twelve lines: how many fits are healthy, and of each kind of alarm an example."""
        counted = Counter(report.status for report in self.reports)
        said = ", ".join(f"{counted[s]} {s}" for s in ("healthy", "warning", "critical"))
        lines = [f"{len(self.reports)} fits: {said}"]
        codes = Counter(code for _, facts in self._facts() for code in facts)
        for code, number in codes.most_common(_LINES - 1):
            place, line = next((p, facts[code]) for p, facts in self._facts() if code in facts)
            at = ", ".join(map(str, place))
            lines.append(f"{line[0]} {code} in {number}, first in fits[{at}]: {line[2:]}")
        return "\n".join(lines)

    def _facts(self) -> Iterator[tuple[tuple[int, ...], dict[str, str]]]:
        """Of each fit its place, and by their codes its alarms, of like ones the first."""
        for place, report in zip(np.ndindex(*self.shape), self.reports, strict=True):
            yield place, {f.code: str(f) for f in reversed(report.alarms)}

    def __iter__(self) -> Iterator[HealthReport]:
        return iter(self.reports)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"FitsHealth({self.summary().splitlines()[0]})"
