"""What a guard found before a fit, and what it did: small frozen records."""

from __future__ import annotations

import dataclasses

#: A fault may explain a bad end; a doubt lets 'auto' compare; a note is to be known.
LEVELS = ("fault", "doubt", "note")
_MARKS = {"fault": "!", "doubt": "?", "note": "-"}


@dataclasses.dataclass(frozen=True, slots=True)
class Hazard:
    """What endangers a fit; the kinds, and what their numbers are, say `nlsq.stability.guard`.

    text: the sentence for a reader. parameters: whom it is about; empty where it is the data.
    """

    kind: str
    text: str
    number: float
    level: str = "note"
    parameters: tuple[str, ...] = ()

    def describe(self) -> str:
        """The sentence, which a stored result keeps too."""
        return self.text


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """One thing that was done, because of a `reason`.

    number: of 'start' the share of the cost that is left; of 'sigma' what was added to the
    variances; of a unit that unit.
    """

    kind: str
    text: str
    reason: str
    number: float

    describe = Hazard.describe


@dataclasses.dataclass(frozen=True, slots=True)
class StabilityReport:
    """The findings and actions of one fit, of which `n_points` were looked at.

    Examples
    --------
    >>> report = StabilityReport("check", (Hazard("y scale", "y runs to 1e+07.", 1e7),), (), 9)
    >>> print(report)
    stability='check', 9 points looked at: 1 finding, 0 actions
      - y scale: y runs to 1e+07.
    """

    mode: str
    findings: tuple[Hazard, ...]
    actions: tuple[Action, ...]
    n_points: int

    @property
    def ok(self) -> bool:
        """Whether there is nothing but notes."""
        return all(finding.level == "note" for finding in self.findings)

    def of(self, kind: str) -> Hazard | None:
        """The first finding of a kind; None where there is none."""
        return next((f for f in self.findings if f.kind == kind), None)

    def summary(self) -> str:
        """A line for each finding and each action."""
        some, done = (f"{len(a)} %s{'s' * (len(a) != 1)}" for a in (self.findings, self.actions))
        lines = [
            f"stability={self.mode!r}, {self.n_points} points looked at: {some % 'finding'}, "
            f"{done % 'action'}",
            *(f"  {_MARKS[f.level]} {f.kind}: {f.text}" for f in self.findings),
            *(f"  > {a.kind}: {a.text} Reason: {a.reason}" for a in self.actions),
        ]
        return "\n".join(lines)

    describe = __str__ = __repr__ = summary
