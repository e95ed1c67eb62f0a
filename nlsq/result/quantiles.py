r"""Two-sided quantiles of Student's t and of the normal distribution.

They are SciPy's, whose special functions take longer to load than a small fit to run. With
theta = atan(t / sqrt(nu)), P(|T| <= t) is a finite sum for a whole nu, of nu / 2 terms
(M. Abramowitz, I. A. Stegun, "Handbook of Mathematical Functions", 26.7.3 and 26.7.4). It is
concave in theta, so that Newton's method climbs to the root from 0 and never passes it. For many
degrees of freedom the expansion about the normal quantile takes over (26.7.5).
"""

from __future__ import annotations

import math

import numpy as np

_MANY = 1000  # degrees of freedom, from which on the expansion has as many digits as the sum


def normal(level: float) -> float:
    """z with P(|Z| <= z) = level.

    Examples
    --------
    >>> round(normal(0.95), 6)
    1.959964
    """
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 * (1.0 + level))


def student(level: float, dof: int) -> float:
    """t with P(|T| <= t) = level for 1 or more degrees of freedom.

    Examples
    --------
    >>> round(student(0.95, 10), 6)
    2.228139
    """
    if dof == 1:
        return 1 / math.tan(0.5 * math.pi * (1.0 - level))
    if dof == 2:
        return level * math.sqrt(2 / ((1.0 - level) * (1.0 + level)))
    if dof >= _MANY:
        return _expanded(normal(level), dof)
    odd = dof % 2
    k = np.arange(1, (dof - odd) // 2)
    terms = np.cumprod(np.append(1.0, 2 * k / (2 * k + 1) if odd else (2 * k - 1) / (2 * k)))
    powers = 2 * np.arange(terms.size) + odd
    factor = 2 / math.pi if odd else 1.0
    slope = factor * (odd + terms.sum())  # at 0
    theta, before = 0.0, -1.0
    while theta > before:
        cosine = math.cos(theta)
        share = factor * (odd * theta + math.sin(theta) * float(terms @ cosine**powers))
        theta, before = theta + (level - share) / (slope * cosine ** (dof - 1)), theta
    return math.sqrt(dof) * math.tan(theta)


def _expanded(z: float, dof: int) -> float:
    terms = (
        z * (1 + z**2) / 4,
        z * (3 + z**2 * (16 + 5 * z**2)) / 96,
        z * (-15 + z**2 * (17 + z**2 * (19 + 3 * z**2))) / 384,
        z * (-945 + z**2 * (-1920 + z**2 * (1482 + z**2 * (776 + 79 * z**2)))) / 92160,
    )
    return z + sum(term / float(dof) ** power for power, term in enumerate(terms, 1))
