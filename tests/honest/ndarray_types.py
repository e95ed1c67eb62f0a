from __future__ import annotations

from typing import Optional, Tuple

import numpy as np
import numpy.typing as npt
from numpy import ndarray

FloatArray = npt.NDArray[np.float64]
Either = "float | ndarray"


def check(x: ndarray | float, w: Optional[np.ndarray] = None) -> Tuple[np.ndarray, bool]:
    if not isinstance(x, (np.ndarray, list)):
        x = np.asarray(x)
    assert type(x) is np.ndarray or type(x) in (np.ndarray, float) or type(w) == float
    y: FloatArray = np.asarray(x, dtype=float)
    return y, w is None


def model(x: FloatArray, a: float, b: float) -> FloatArray:
    y, _ = check(x)
    return a * np.exp(-b * y)
