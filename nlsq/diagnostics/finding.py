"""What a diagnosis says: one fact, its number, and what to do."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

import numpy as np


class Severity(enum.IntEnum):
    """How much a finding matters; the worst of a report is its status."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


INFO, WARNING, CRITICAL = Severity
_MARK = {INFO: " ", WARNING: "!", CRITICAL: "X"}


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report."""

    code: str  #: a stable word for programs: 'rank', 'sloppy', 'outlier', ...
    severity: Severity
    fact: str  #: a sentence: "a, c: only a/c is determined"
    number: float | None = None  #: what the fact rests on: a condition number, a p-value, a share
    remedy: str = ""  #: what to do about it; '' where there is nothing to do
    parameters: tuple[str, ...] = ()  #: names of those that it is about

    def __post_init__(self) -> None:
        texts = (self.code, self.fact, self.remedy, *self.parameters)
        number = self.number is None or isinstance(self.number, int | float | np.number)
        right = isinstance(self.severity, Severity) and number
        if not right or not all(isinstance(text, str) for text in texts):
            raise TypeError(
                "a Finding has texts, a Severity and a number or None, got "
                f"{self.code!r}, {self.severity!r}, {self.fact!r}, {self.number!r}"
            )

    def __str__(self) -> str:
        """The line of a report: a mark, the fact, the remedy."""
        remedy = f": {self.remedy}" if self.remedy else ""
        return f"{_MARK[self.severity]} {self.fact}{remedy}"


def listed(names: Sequence[str], most: int = 6) -> str:
    """The names, of many the first ones.

    Examples
    --------
    >>> listed(["a", "b"]), listed([f"p{k}" for k in range(40)], most=2)
    ('a, b', 'p0, p1 and 38 more')
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
