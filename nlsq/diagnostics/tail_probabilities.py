"""How often chance alone goes so far."""

from __future__ import annotations

import math


def normal(z: float) -> float:
    """P(|Z| >= |z|) of the normal distribution.

    >>> round(normal(1.959964), 6)
    0.05
    """
    return math.erfc(abs(z) / math.sqrt(2))


def kurtosis_score(excess: float, n: int) -> float:
    """The excess kurtosis of n >= 20 values as a normal score (Anscombe and Glynn 1983)."""
    mean = -6.0 / (n + 1)
    variance = 24.0 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (excess - mean) / math.sqrt(variance)
    skew = (
        6.0 * (n * n - 5 * n + 2) / ((n + 7) * (n + 9))
        * math.sqrt(6.0 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    )  # fmt: skip
    a = 6.0 + 8.0 / skew * (2.0 / skew + math.sqrt(1 + 4.0 / skew**2))
    root = (1 - 2.0 / a) / max(1 + x * math.sqrt(2.0 / (a - 4)), 1e-9)
    return (1 - 2.0 / (9 * a) - root ** (1 / 3)) / math.sqrt(2.0 / (9 * a))


def skewness_score(skewness: float, n: int) -> float:
    """The skewness of n >= 8 values as a normal score (D'Agostino 1970)."""
    y = skewness * math.sqrt((n + 1) * (n + 3) / (6.0 * (n - 2)))
    b = 3.0 * (n * n + 27 * n - 70) * (n + 1) * (n + 3)
    b /= (n - 2.0) * (n + 5) * (n + 7) * (n + 9)
    w = math.sqrt(2 * (b - 1)) - 1
    return math.asinh(y / math.sqrt(2 / (w - 1))) / math.sqrt(0.5 * math.log(w))
