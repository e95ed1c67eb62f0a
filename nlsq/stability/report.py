"""What a guard found before a fit, and what it did: small frozen records."""

from __future__ import annotations

import dataclasses

#: A fault is warned of; a doubt lets 'auto' compare; a note is to be known.
LEVELS = ("fault", "doubt", "note")
_MARKS = {"fault": "!", "doubt": "?", "note": "-"}


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes
    ----------
    kind : str
        Of `nlsq.stability.guard`, for example 'condition' or 'duplicated points'.
    text : str
        The sentence for a reader, with what to do.
    number : float
        The measured number: a condition number, a count of points, a ratio.
    level : {'fault', 'doubt', 'note'}
    parameters : tuple of str
        Whom it is about; empty where it is about the data.
    """

    kind: str
    text: str
    number: float
    level: str = "note"
    parameters: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """One thing that was done, by stability='auto' alone.

    Attributes
    ----------
    kind : {'start', 'x_scale', 'sigma'}
        What was changed.
    text : str
        The change.
    reason : str
        The sentence of the finding that asked for it.
    number : float
        The size of the change: the share of the cost that is left, or what was added.
    """

    kind: str
    text: str
    reason: str
    number: float


@dataclasses.dataclass(frozen=True, slots=True)
class StabilityReport:
    """The findings and actions of one fit; ``result.stability``.

    Attributes
    ----------
    mode : {'check', 'auto'}
    findings : tuple of Finding
    actions : tuple of Action
    n_points : int
        How many points were looked at; of long data a sample.

    Examples
    --------
    >>> report = StabilityReport("check", (Finding("y scale", "y runs to 1e+200.", 1e200),), (), 9)
    >>> print(report)
    stability='check', 9 points looked at: 1 finding, 0 actions
      - y scale: y runs to 1e+200.
    """

    mode: str
    findings: tuple[Finding, ...]
    actions: tuple[Action, ...]
    n_points: int

    @property
    def ok(self) -> bool:
        """Whether there is nothing but notes."""
        return all(finding.level == "note" for finding in self.findings)

    def of(self, kind: str) -> Finding | None:
        """The first finding of a kind; None where there is none."""
        return next((f for f in self.findings if f.kind == kind), None)

    def summary(self) -> str:
        """A line for each finding and each action."""
        counts = [
            f"{len(of)} {word}{'s' * (len(of) != 1)}"
            for of, word in ((self.findings, "finding"), (self.actions, "action"))
        ]
        lines = [
            f"stability={self.mode!r}, {self.n_points} points looked at: {', '.join(counts)}",
            *(f"  {_MARKS[f.level]} {f.kind}: {f.text}" for f in self.findings),
            *(f"  > {a.kind}: {a.text} Reason: {a.reason}" for a in self.actions),
        ]
        return "\n".join(lines)

    describe = __str__ = __repr__ = summary
