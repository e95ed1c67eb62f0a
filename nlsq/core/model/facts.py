"""What is known of a model: the road it takes, or that its trace failed."""

from __future__ import annotations

import dataclasses
from typing import Any

COUNT = "it depends on the number of points (len)"


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """How a model is evaluated.

    Attributes
    ----------
    road : str
        'jax' (traced as it is), 'numpy' (NumPy code carried to JAX) or 'host' (called as it is).
    reason : str
        Why this road, and why not an earlier one.
    derivative : str
        How the Jacobian is made.
    pointwise : bool
        True when f(x, p)[i] depends on the i-th point only: as its trace shows, or, of a model that
        is called as it is, as its values at some of the points show.
    coupling : str
        What couples the points when `pointwise` is False.
    """

    road: str
    reason: str
    derivative: str
    pointwise: bool
    coupling: str = ""

    @property
    def backend(self) -> str:
        """'numpy', where the model is called as it is, or 'jax', where it is compiled."""
        return "numpy" if self.road == "host" else "jax"

    def agrees(self, other: ModelInfo) -> bool:
        """Whether values and derivatives are made the same way."""
        return (self.road, self.derivative) == (other.road, other.derivative)

    def describe(self) -> str:
        """One sentence for people."""
        where = {
            "jax": "runs in JAX as written",
            "numpy": "is NumPy code carried to JAX",
            "host": "is called as it is",
        }[self.road]
        text = f"The model {where} ({self.reason}); derivatives: {self.derivative}."
        if self.coupling:
            text += f" It is evaluated whole: {self.coupling}."
        return text


@dataclasses.dataclass(frozen=True)
class Resolution:
    """A model's road: facts only, since another model of the same key may be a mutable object."""

    info: ModelInfo
    data_fixed: bool = False  # the program holds the data
    complex_value: bool = False
    asks_for_identity: bool = False
    # of a pointwise model: whether it may ask for the length, its traces with TRACE_BLOCKS[0] and
    # POINTS points, and by length whether it is the same program there
    asks_for_length: bool = False
    trace: Any = None
    some: Any = None
    same_at: dict[int, bool] = dataclasses.field(default_factory=dict)


class TraceFailed(ValueError):
    """A model that was traced before cannot be traced any more; `reason` says why in one line."""

    def __init__(self, reason: str):
        super().__init__(f"The model cannot be traced by JAX where it is needed: {reason}.")
        self.reason = reason
