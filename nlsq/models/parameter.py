"""What is known of one parameter of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

# How a parameter of this unit changes when x and y are measured in other units: the powers of both.
POWERS = {
    "": (0, 0), "x": (1, 0), "1/x": (-1, 0), "y": (0, 1), "y*x": (1, 1), "y/x": (-1, 1),
    "x**2": (2, 0), "1/x**2": (-2, 0), "y*x**2": (2, 1), "y/x**2": (-2, 1), "y/x**3": (-3, 1),
    "1/y": (0, -1), "1/(y*x)": (-1, -1), "y**2": (0, 2), "y/x**0.5": (-0.5, 1), "y*x**4": (4, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Attributes
    ----------
    name, meaning : str
        As in the model's signature; what it is, in words.
    unit : str
        In terms of the units of the data: "x", "y", "1/x", "y*x"; "" for a pure number.
    lower, upper : float
        What the model allows; infinite where it allows anything.
    typical : (float, float)
        Range from which `Model.draw` draws.
    """

    name: str
    meaning: str
    unit: str = ""
    lower: float = -np.inf
    upper: float = np.inf
    typical: tuple[float, float] = (1.0, 1.0)

    def between(self, part: Any) -> Any:
        """The value at `part` (0 to 1) of the typical range; by factors when it is wide."""
        low, high = self.typical
        if low * high > 0 and max(high / low, low / high) > 3:
            return low * (high / low) ** part
        return low + (high - low) * part


def par(
    meaning: str, unit: str, low: float, high: float, lower: float = -np.inf, upper: float = np.inf
) -> Parameter:
    """A parameter as the tables of this package write it; its name comes from the signature."""
    return Parameter("", meaning, unit, lower, upper, (low, high))
