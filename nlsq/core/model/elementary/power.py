"""x^y = 2^(y log2 x), with log2 x and the product as sums of two doubles.

With x = 2^k f as in `logarithm` and s = (f - 1) / (f + 1) = a + b, where a has 26 digits,

    log f = 2/3 s (3 + s^2 + R),   R = 3/5 s^4 + 3/7 s^6 + ...,

a^2 and the products of first parts are exact, and so log2 x = t + u to some 2^-68. The whole part
of y log2 x becomes the exponent, and of the rest, z log2(e), a polynomial makes e^z. The error is
below 1 ulp. XLA computes what follows the division in one loop, so that a first part is the same
number wherever it is used.

Reference: FDLIBM (Sun Microsystems, 1993), e_pow.c; the coefficients are Remez's, of R / s^4.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nlsq.core.algebra.traced import where
from nlsq.core.model.elementary.doubles import (
    apart,
    bits,
    high,
    nearest,
    polynomial,
    split,
    with_exponent,
)
from nlsq.core.model.elementary.exponential import EXPONENTIAL
from nlsq.core.model.elementary.logarithm import log

SERIES = (
    0.6, 0.42857142857144065, 0.3333333333247647, 0.2727272750460213, 0.23076892295696036,
    0.20002214479389308, 0.17559169252365067, 0.17586580226567844,
)  # fmt: skip
# 2 / (3 log 2) and log 2: nearest double, first part of 24 digits, rest
CP, CP_HIGH, CP_LOW = (
    9.61796693925975554329e-01, 9.61796700954437255859e-01, -7.02846165095275826516e-09,
)  # fmt: skip
LN2, LN2_HIGH, LN2_LOW = (
    6.93147180559945286227e-01, 6.93147182464599609375e-01, -1.90465429995776804525e-09,
)  # fmt: skip
LARGEST = 1100.0  # of |y log2 x|; beyond, the power is 0 or infinite, and the rest may be NaN


def _log2(x):
    """(t, u), whose sum is log2 x; t has 26 digits."""
    k, f = split(x)
    v = 1 / (f + 1)
    s = (f - 1) * v
    a, d = high(s), high(f + 1)
    b = v * (((f - 1) - a * d) - a * (f - (d - 1)))
    z, square = s * s, a * a
    r = z * z * polynomial(SERIES, z) + b * (a + s)
    h = high(3 + square + r)
    first, rest = a * h, b * h + (r - ((h - 3) - square)) * s
    p = high(first + rest)
    first, rest = CP_HIGH * p, CP_LOW * p + (rest - (p - first)) * CP
    t = high((first + rest) + k)
    u = rest - ((t - k) - first)
    return where(bits(x) == 0, -jnp.inf, where(x < jnp.inf, t, x)), u


def _exp2(first, rest):
    """2^(first + rest), of a first part with at most 52 digits."""
    rest = where(jnp.abs(first) < LARGEST, rest, 0.0)
    whole = first + rest
    k = nearest(whole)
    first = first - k
    t = high(first + rest)
    u, v = t * LN2_HIGH, (rest - (t - first)) * LN2 + t * LN2_LOW
    z = u + v
    value = 1 + (z + ((v - (z - u)) + z * z * polynomial(EXPONENTIAL, z)))
    value = where(whole < 1024, with_exponent(value, k), jnp.inf)
    return where(whole < -1022, 0.0, value)  # XLA, too, takes what is subnormal for 0


@apart
def _power(x, y):
    x, y = jnp.broadcast_arrays(x, y)
    size = jnp.abs(x)
    t, u = _log2(size)
    first = high(y)
    value = _exp2(first * t, (y - first) * t + y * u)
    negative, whole = bits(x) < 0, jnp.floor(y) == y
    odd = whole & (jnp.floor(0.5 * y) != 0.5 * y)
    value = where(negative & odd, -value, value)
    wrong = negative & ~whole & (bits(size) > 0) & (size < jnp.inf)
    value = where(wrong | (x != x) | (y != y), jnp.nan, value)
    one = (x == 1) | (y == 0) | ((size == 1) & (jnp.abs(y) == jnp.inf))
    return where(one, 1.0, value)


@jax.custom_jvp
def power(x, y):
    """x^y as IEEE 754 has it."""
    return _power(x, y)


def _power_jvp(primals, tangents):
    x, y = primals
    value, total = power(x, y), 0.0
    if not _is_zero(tangents[0]):
        total = _slope(x, y, value) * tangents[0]
    if not _is_zero(tangents[1]):  # of a constant exponent
        total = total + log(_unless_zero(x)) * value * tangents[1]
    return value, jnp.broadcast_to(total, value.shape)


power.defjvp(_power_jvp, symbolic_zeros=True)


def _is_zero(tangent) -> bool:
    return isinstance(tangent, jax.custom_derivatives.SymbolicZero)


def _unless_zero(x):
    return where(x == 0, 1.0, x)


@jax.custom_jvp
def _slope(x, y, value):
    """y x^(y - 1) of the power's value; 0 where that is below the smallest double."""
    steep = where((y < 1) & (y != 0), jnp.inf, 0.0)
    return y * where(x == 0, where(y == 1, 1.0, steep), value / _unless_zero(x))


@_slope.defjvp
def _(primals, tangents):
    x, y, _ = primals
    below = power(x, y - 1)
    total = y * _slope(x, y - 1, below) * tangents[0]
    total = total + below * (1 + y * log(_unless_zero(x))) * tangents[1]
    return _slope(*primals), total
