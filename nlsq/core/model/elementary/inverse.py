"""Inverse trigonometric and hyperbolic functions, and the cube root.

arctan      of a / b: where that is near 1 or large, the angle pi / 4 + arctan((a - b) / (a + b)) or
            pi / 2 - arctan(b / a) leaves a polynomial on (0, tan(pi / 8)).
arcsin      a polynomial up to 1 / 2, beyond pi / 2 - 2 arcsin(sqrt((1 - a) / 2))
arcsinh     log1p(a + a^2 / (1 + sqrt(1 + a^2))), arccosh and arctanh likewise by `log1p`.
cbrt        two digits by a third of the bits, 23 by a polynomial, all by one step of Newton's with
            an exact square.

The error of cbrt is below 1 ulp, that of the others some 2 at most.

Reference: FDLIBM (Sun Microsystems, 1993), s_atan.c, e_atan2.c, e_asin.c, s_asinh.c; FreeBSD's
s_cbrt.c; the coefficients of arctan and arcsin are Remez's.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax

from nlsq.core.algebra.traced import where
from nlsq.core.model.elementary.doubles import apart, bits, double, integer, polynomial, with_sign
from nlsq.core.model.elementary.logarithm import of_one_and

ARCTAN = (
    0.333333333333332, -0.1999999999995407, 0.14285714280247522, -0.1111111078608951,
    0.0909089783505478, -0.07692061611921168, 0.06663120091190158, -0.05848006734578616,
    0.050398354394024264, -0.03807805897398945, 0.017921985932687765,
)  # (1 - arctan(t) / t) / t^2  # fmt: skip
ARCSIN = (
    0.16666666666666763, 0.07499999999970264, 0.04464285717512015, 0.03038194268363769,
    0.02237221565990691, 0.017351600097087843, 0.013980961400287444, 0.011397776363663827,
    0.010786526988517826, 0.003683050116985621, 0.02176347764717837, -0.021077258433876724,
    0.03267686608143648,
)  # (arcsin(s) / s - 1) / s^2  # fmt: skip
SMALL, STEEP = math.tan(math.pi / 8), math.tan(3 * math.pi / 8)
CBRT = (
    1.87595182427177009643, -1.88497979543377169875, 1.621429720105354466140,
    -0.758397934778766047437, 0.145996192886612446982,
)  # fmt: skip
THIRD = 715094163  # two thirds of the upper half of the bits of 1, and a little less
PI_LOW = 1.2246467991473531772e-16  # pi less the double
LARGE = 2.0**54  # 1 + a is a


def _angle(a, b):
    """The angle of the point (b, a) in the first quadrant."""
    steep, middle = a > STEEP * b, a > SMALL * b
    top = where(steep, -b, where(middle, a - b, a))
    bottom = where(steep, a, where(middle, a + b, b))
    turned = where(steep, 0.5, where(middle, 0.25, 0.0))
    t = top / bottom
    z = t * t
    return turned * math.pi - ((t * z * polynomial(ARCTAN, z) - turned * PI_LOW) - t)


@apart
def _arctan(x):
    return with_sign(_angle(jnp.abs(x), jnp.ones_like(x)), x)


@apart
def _arctan2(y, x):
    y, x = jnp.broadcast_arrays(y, x)
    a, b = jnp.abs(y), jnp.abs(x)
    size = jnp.maximum(a, b)
    infinite = (a == jnp.inf) & (b == jnp.inf)
    scale = where(size > 2.0**1000, 2.0**-600, where(size < 2.0**-900, 2.0**600, 1.0))
    a = where(infinite, 1.0, a * scale)
    b = where(infinite | (size == 0), 1.0, b * scale)
    angle = _angle(a, b)
    angle = where(bits(x) < 0, math.pi - (angle - PI_LOW), angle)
    return with_sign(angle, y)


def _half_angle(a):
    """(s, rest, near): arcsin a = s + rest, or pi / 2 - 2 (s + rest) where a is near 1."""
    near = a > 0.5
    z = where(near, 0.5 * (1 - a), a * a)
    s = where(near, jnp.sqrt(z), a)
    return s, s * z * polynomial(ARCSIN, z), near


@apart
def _arcsin(x):
    s, rest, near = _half_angle(jnp.abs(x))
    beyond = math.pi / 2 - (2 * s + (2 * rest - PI_LOW / 2))
    return with_sign(where(near, beyond, s + rest), x)


@apart
def _arccos(x):
    s, rest, near = _half_angle(jnp.abs(x))
    angle = 2 * (s + rest)
    beyond = where(x < 0, math.pi - (angle - PI_LOW), angle)
    return where(near, beyond, math.pi / 2 - (x + (with_sign(rest, x) - PI_LOW / 2)))


@apart
def _arcsinh(x):
    a = jnp.abs(x)
    large = a > LARGE
    square = a * a
    inside = where(large, a, a + square / (1 + jnp.sqrt(1 + square)))
    return with_sign(of_one_and(inside) + where(large, math.log(2), 0.0), x)


@apart
def _arccosh(x):
    large, t = x > LARGE, x - 1
    inside = where(large, x, t + jnp.sqrt(2 * t + t * t))
    value = of_one_and(inside) + where(large, math.log(2), 0.0)
    return where(x < 1, jnp.nan, value)


@apart
def _arctanh(x):
    a = jnp.abs(x)
    twice = where(a > 1, jnp.nan, a + a)
    return with_sign(0.5 * of_one_and(twice + twice * a / (1 - a)), x)


@apart
def _cbrt(x):
    i = bits(jnp.abs(x))
    small = i < 1 << 52
    a = where(small, integer(i), double(i))
    third = jnp.floor(integer(lax.shift_right_logical(bits(a), jnp.full_like(i, 32))) / 3)
    t = double(lax.shift_left(bits(third + (2.0**52 + THIRD)), jnp.full_like(i, 32)))
    t = t * polynomial(CBRT, t * t * (t / a))
    t = double((bits(t) + (1 << 31)) & -(1 << 30))  # 23 digits
    r = a / (t * t)
    t = t + t * ((r - t) / (t + t + r))
    t = where(small, t * 2.0**-358, t)
    return where((i > 0) & (x - x == 0), with_sign(t, x), x)


def _with_slope(f, slope):
    """`f` with the derivative slope(value, x)."""
    g = jax.custom_jvp(f)

    @g.defjvp
    def _(primals, tangents):
        value = g(*primals)
        return value, slope(value, *primals) * tangents[0]

    return g


arctan = _with_slope(_arctan, lambda _, x: 1 / (1 + x * x))
arcsin = _with_slope(_arcsin, lambda _, x: lax.rsqrt((1 - x) * (1 + x)))
arccos = _with_slope(_arccos, lambda _, x: -lax.rsqrt((1 - x) * (1 + x)))
arcsinh = _with_slope(_arcsinh, lambda _, x: lax.rsqrt(x * x + 1))
arccosh = _with_slope(_arccosh, lambda _, x: lax.rsqrt((x - 1) * (x + 1)))
arctanh = _with_slope(_arctanh, lambda _, x: 1 / ((1 - x) * (1 + x)))
cbrt = _with_slope(_cbrt, lambda value, x: 1 / (3 * value * value))


@jax.custom_jvp
def arctan2(y, x):
    """The angle of the point (x, y)."""
    return _arctan2(y, x)


@arctan2.defjvp
def _(primals, tangents):
    (y, x), (dy, dx) = primals, tangents
    square = x * x + y * y
    return arctan2(y, x), x / square * dy - y / square * dx
