"""What a diagnosis says: one fact, its number, and what to do; and from where on it is an alarm."""

from __future__ import annotations

import dataclasses
import enum
import math
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
        number = self.number is None or isinstance(self.number, (int, float, np.number))
        right = number and isinstance(self.severity, Severity)
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


@dataclasses.dataclass(frozen=True)
class DiagnosticsConfig:
    """Thresholds of a diagnosis; units of the data and the parameters play no part in any.

    ValueError when one is no positive number.

    Examples
    --------
    >>> DiagnosticsConfig(correlation_threshold=0.99).correlation_threshold
    0.99
    """

    rank_tolerance: float = 1e-12  #: share of the largest singular value that is rounding
    #: condition of the column-scaled Jacobian from which its errors have too few digits
    condition_threshold: float = 1e10
    correlation_threshold: float = 0.95  #: correlation from which a pair is listed; no alarm
    relative_error: float = 0.4  #: standard error over the value from which one is ill known
    #: how many times a parameter's error grows because the others are fitted too; of two that are
    #: ill known and inflated the data know a combination at most
    inflation_threshold: float = 20.0
    known_well: float = 0.2  #: error of a combination over its members', below which it is known
    #: share of the largest eigenvalue of J^T J, columns scaled, below which a direction is sloppy
    sloppy_threshold: float = 1e-6
    #: R-squared below which a model that is not significantly better than a constant, or leaves a
    #: trend in the residuals, is wrong
    explained_threshold: float = 0.1
    gradient_threshold: float = 0.03  #: cosine of residuals and a column of J that no minimum has
    vanishing_threshold: float = 1e-6  #: such a cosine below which a gradient has vanished
    imbalance_threshold: float = 1e6  #: ratio of two parameters' largest cosines, of all iterations
    stagnation_window: int = 10  #: last iterations that are looked at
    #: share of the cost that they must have gained where the gradient is not yet small
    stagnation_tolerance: float = 0.01
    false_alarms: float = 0.01  #: share of good fits with whose residuals some test finds fault
    #: standard errors by which a point that is named moves a parameter; 3 times that is an alarm
    influence_threshold: float = 3.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                raise ValueError(f"{name} must be a positive number, got {value!r}")

    @classmethod
    def of(cls, config: DiagnosticsConfig | None) -> DiagnosticsConfig:
        """A config, the default one for None; a TypeError for anything else."""
        if config is not None and not isinstance(config, cls):
            raise TypeError(f"diagnostics_config must be a DiagnosticsConfig, got {config!r}.")
        return DEFAULT if config is None else config


DEFAULT = DiagnosticsConfig()
