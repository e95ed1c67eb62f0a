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
        return [
            tuple(int(k) for k in np.unravel_index(i, self.shape or (1,)))
            for i, report in enumerate(self.reports)
            if any(f.code == code for f in report.alarms)
        ]

    def summary(self) -> str:
        """At most twelve lines: how many fits are healthy, and of each kind of alarm an example."""
        counted = Counter(report.status for report in self.reports)
        said = ", ".join(f"{counted[s]} {s}" for s in ("healthy", "warning", "critical"))
        lines = [f"{len(self.reports)} fits: {said}"]
        for code, number in self._codes().most_common(_LINES - 1):
            places = self.where(code)
            first = self.reports[int(np.ravel_multi_index(places[0], self.shape or (1,)))]
            line = next(str(f) for f in first.alarms if f.code == code)
            at = ", ".join(map(str, places[0]))
            lines.append(f"{line[0]} {code} in {number}, first in fits[{at}]: {line[2:]}")
        return "\n".join(lines)

    def _codes(self) -> Counter:
        return Counter(code for r in self.reports for code in {f.code for f in r.alarms})

    def __iter__(self) -> Iterator[HealthReport]:
        return iter(self.reports)

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        return f"FitsHealth({self.summary().splitlines()[0]})"
