"""How many digits of two numbers agree."""

from __future__ import annotations

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
