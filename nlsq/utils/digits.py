"""How many digits of a number say something."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def correct_digits(value: Any, reference: Any, most: float = 11.0) -> np.ndarray:
    """Correct significant digits, -log10 |value - reference| / |reference|, from 0 to `most`.

    Parameters
    ----------
    value, reference : array_like
        Numbers to compare, of one shape and unit; a `reference` of 0 makes the error absolute.
    most : float
        Digits of the reference itself: more agreement than that says nothing (default 11, what
        NIST certifies).

    Returns
    -------
    ndarray
        Digits of each element; 0 where `value` is not finite.

    Examples
    --------
    >>> correct_digits([1.0002, 3.0], [1.0, 3.0]).round(1).tolist()
    [3.7, 11.0]
    """
    value, reference = np.asarray(value, float), np.asarray(reference, float)
    scale = np.where(reference == 0, 1.0, np.abs(reference))
    error = np.where(np.isfinite(value), np.abs(value - reference) / scale, 1.0)
    return np.clip(-np.log10(np.maximum(error, 10.0**-most)), 0.0, most)


def near_one(value: float, decimals: int = 4) -> str:
    """A number such as R^2 or a correlation: two digits of what is missing to one, at most 12.

    Examples
    --------
    >>> near_one(0.9612, 3), near_one(-0.99999876)
    ('0.961', '-0.9999988')
    """
    missing = 1.0 - abs(value)
    if math.isfinite(value) and 0 < missing < 1:
        decimals = max(decimals, min(12, 1 - math.floor(math.log10(missing))))
    return f"{value:.{decimals}f}"
