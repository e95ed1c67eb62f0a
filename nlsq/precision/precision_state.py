"""`PrecisionState`: from which numbers to which a fit went, and why.

single   passes over all data in single precision, for a start: where a device computes in double
         precision much more slowly
sample   double precision, on a sample of the points, for a start
double   double precision, on all points; R from the Gram matrix
exact    R exact to working precision: parameters and covariance have all their digits

Every fit by itself ends in double precision on all its points, and is exact where it converged.
"""

from __future__ import annotations

from typing import NamedTuple

_NEXT = {
    "": ("single", "sample", "double"),
    "single": ("double",), "sample": ("double",), "double": ("exact",), "exact": (),
}  # fmt: skip


class Transition(NamedTuple):
    """A state that was entered, and why."""

    state: str
    reason: str


class PrecisionState:
    """The state machine of a fit's precision, with its log: all states, the first one too.

    Examples
    --------
    >>> state = PrecisionState("sample", "8,192 of 100,000 points")
    >>> state.advance("double", "the sample converged")
    >>> state.state, [one.state for one in state.log]
    ('double', ['sample', 'double'])
    >>> state.advance("single", "again")
    Traceback (most recent call last):
        ...
    ValueError: A fit in the state 'double' goes on to 'exact', not to 'single'.
    """

    def __init__(self, state: str, reason: str):
        self.log: list[Transition] = []
        self.advance(state, reason)

    @property
    def state(self) -> str:
        """The present state."""
        return self.log[-1].state if self.log else ""

    def advance(self, state: str, reason: str) -> None:
        """Enter another state; a ValueError where no fit goes there from here."""
        if state not in (known := _NEXT[self.state]):
            here = f"A fit in the state {self.state!r} goes on" if self.log else "A fit goes on"
            raise ValueError(
                f"{here} to {' or '.join(map(repr, known)) or 'no other'}, not to {state!r}."
            )
        self.log.append(Transition(state, reason))

    def told(self) -> tuple[dict[str, str], ...]:
        """The log in plain words."""
        return tuple(one._asdict() for one in self.log)
