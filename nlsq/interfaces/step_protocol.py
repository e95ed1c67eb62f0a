"""The step of a method, as the loop takes it."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable


class Proposal(NamedTuple):
    """A trial step and what the model promises for it."""

    step: Any  # (n,) in user units
    norm: Any  # its length in the trust region's metric
    predicted: Any  # predicted reduction of the cost, > 0
    correction: Any  # the model's bound term 1/2 p^T C p, to be taken off the actual reduction
    alpha: Any  # damping, a start for the next subproblem


@runtime_checkable
class StepProtocol(Protocol):
    """A method: how it steps from an accepted point, and how its trust region changes.

    What depends on the accepted point alone is prepared once; each attempt is then cheap. All
    functions are pure and n-sized, in NumPy or traced.

    Attributes
    ----------
    ACCEPT_RATIO : float
        A step is taken when the ratio of actual to predicted reduction is above it.
    FACTOR : float
        First radius, in units of the scaled start.
    """

    ACCEPT_RATIO: float
    FACTOR: float

    def start_radius(self, x: Any, scale: Any, cost: Any, factor: Any) -> Any:
        """The first radius."""

    def prepare(self, point: Any, scale: Any, setup: Any, bounded: bool) -> Any:
        """What the steps from an accepted point have in common."""

    def attempt(self, prepared: Any, radius: Any, alpha: Any) -> Proposal:
        """The step for this radius; alpha: the last damping."""

    def land(self, x: Any, step: Any, lb: Any, ub: Any) -> Any:
        """The trial point within the bounds."""

    def update_radius(
        self, radius: Any, alpha: Any, proposal: Proposal, actual: Any, ratio: Any, first: Any
    ) -> tuple[Any, Any]:
        """(radius, alpha) after a trial."""

    def propose(
        self, point: Any, radius: Any, alpha: Any, scale: Any, setup: Any, bounded: bool
    ) -> Proposal:
        """A step from `point`: prepared and attempted."""
