"""Doubles taken apart, and functions kept apart: what the elementary functions are made of.

Exponents and their scales are made by integer arithmetic on the bits, which is vector code on every
processor where a conversion between int64 and double is not. XLA takes subnormal numbers for 0 in
arithmetic, but not in bits.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import jax
import jax.numpy as jnp
from jax import lax

from nlsq import xla
from nlsq.core.algebra.traced import is_for_one, where
from nlsq.core.passes.elementwise import LARGEST

_FRACTION = (1 << 52) - 1  # the bits below the exponent
_INTEGER = 0x433 << 52  # the bits of 2^52, whose unit is 1
_SIGNED = 0x4338 << 48  # of 1.5 2^52, which takes negative numbers too
_SQRT_HALF = 0x3FE6A09E667F3BCD
_HIGH = -1 << 27  # the bits of a double's first 26 digits


def apart(f: Callable, beside: Callable | None = None) -> Callable:
    """`f` of arrays as a function that XLA does not inline, and computes once.

    In the loops around it all its arithmetic, which XLA counts as cheap, would be computed anew for
    each of the n directions of the Jacobian. `f` must call no other compiled function, as
    `jnp.where` does: `vmap` would put the mark on each of them.

    beside: XLA's own, which is as quick where a call is not part of one compiled function.

    XLA would cut its loop in parts for several threads at some 500 elements, for which they do not
    pay, and which one compiled function (`traced.marked`) cannot call. Inside a branch it cuts
    nothing.
    """

    def unmarked(*operands):  # the mark would go on to every call inside
        with xla.marks(inlineable=None):
            form = jax.eval_shape(f, *operands)
            if form.size > LARGEST:
                return f(*operands)
            always = lax.optimization_barrier(jnp.ones((), bool))
            never = lambda *_: jnp.zeros(form.shape, form.dtype)  # noqa: E731
            return lax.cond(always, f, never, *operands)

    inner = jax.jit(unmarked)

    def call(*operands):
        if beside is not None and not is_for_one():
            return beside(*operands)
        with xla.marks(inlineable="false"):
            return inner(*operands)

    return call


def bits(x):
    """The bits of doubles as int64."""
    return lax.bitcast_convert_type(x, jnp.int64)


def double(i):
    """The doubles of these bits."""
    return lax.bitcast_convert_type(i, jnp.float64)


def integer(i):
    """Doubles of whole numbers from 0 to 2^52."""
    return double(i | _INTEGER) - 2.0**52


def high(x):
    """The first 26 digits of doubles, of which products of two are exact."""
    return double(bits(x) & _HIGH)


def nearest(x):
    """The nearest whole doubles."""
    return lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN)


def with_sign(value, x):
    """`value` with its sign changed where that of x, which may be 0, is negative."""
    return where(bits(x) < 0, -value, value)


def polynomial(coefficients, z):
    """Sum of coefficients[k] z^k; pairs at a time (Estrin) wait less for what comes before."""
    while len(coefficients) > 1:
        pairs = zip_longest(coefficients[::2], coefficients[1::2])
        coefficients = [a if b is None else a + b * z for a, b in pairs]
        z = z * z
    return coefficients[0]


def split(x):
    """(k, f) with x = 2^k f and sqrt(1/2) <= f < sqrt(2), of x > 0; k is a double."""
    i = bits(x)
    small = i < _FRACTION + 1
    i = where(small, bits(integer(i)), i)
    i = i + ((0x3FF << 52) - _SQRT_HALF)
    k = double(lax.shift_right_logical(i, jnp.full_like(i, 52)) | _INTEGER)
    k = k - where(small, 2.0**52 + 1023 + 1074, 2.0**52 + 1023)
    return k, double((i & _FRACTION) + _SQRT_HALF)


def power_of_two(k):
    """2^k of whole doubles from -1022 to 1023."""
    return with_exponent(jnp.ones_like(k), k)


def with_exponent(x, k):
    """2^k x, of whole doubles k, where both x and that are normal numbers."""
    i = bits(k + double(jnp.int64(_SIGNED)))
    return double(bits(x) + lax.shift_left(i, jnp.full_like(i, 52)))
