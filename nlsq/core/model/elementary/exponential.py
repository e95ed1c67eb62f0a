"""e^x - 1.

With x = k log 2 + r, |r| < log(2) / 2, where a polynomial is e^r - 1,

    e^x - 1 = 2^k (e^r - 1) + (2^k - 1).

The error is below 1.5 ulp.

Reference: FDLIBM (Sun Microsystems, 1993), s_expm1.c; the coefficients are Remez's, of
(e^r - 1 - r) / r^2.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nlsq.core.algebra.traced import where
from nlsq.core.model.elementary.doubles import apart, nearest, polynomial, power_of_two
from nlsq.core.model.elementary.logarithm import LN2_HIGH, LN2_LOW

EXPONENTIAL = (
    0.5, 0.1666666666666667, 0.041666666666666685, 0.008333333333326134, 0.0013888888888874394,
    0.00019841269874822207, 2.4801587347343323e-05, 2.755725539854808e-06, 2.7557252912941005e-07,
    2.5105217609736546e-08, 2.092158794838977e-09,
)  # fmt: skip
LEAST, LARGEST = -50.0, 710.0  # e^x - 1 is -1 or infinite beyond


def _less_one(x):
    inside = jnp.minimum(jnp.maximum(x, LEAST), LARGEST)
    k = nearest(inside * (1 / (LN2_HIGH + LN2_LOW)))
    first, rest = inside - k * LN2_HIGH, k * LN2_LOW
    r = first - rest
    rest = (first - r) - rest
    rest = rest + r * r * polynomial(EXPONENTIAL, r)
    half = power_of_two(k - 1)  # of 2^k, which may be out of range
    value = 2 * (((half - 0.5) + half * r) + half * rest)
    return where(x == 0, x, value)


_expm1 = apart(_less_one, jnp.expm1)


@jax.custom_jvp
def expm1(x):
    """e^x - 1."""
    return _expm1(x)


@expm1.defjvp
def _(primals, tangents):
    value = expm1(*primals)
    return value, (value + 1) * tangents[0]
