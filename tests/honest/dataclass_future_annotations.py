from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Line:
    center: float
    strength: float = 1.0
    notes: list[str] = field(default_factory=list)


LINES = [Line(2.0), Line(5.0, 0.5, ["weak"])]


def model(x: np.ndarray, scale: float, width: float) -> np.ndarray:
    return scale * sum(line.strength * np.exp(-(((x - line.center) / width) ** 2)) for line in LINES)
