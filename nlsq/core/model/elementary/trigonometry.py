r"""Sine and cosine of double arrays on the CPU, in place of XLA's, in a model that was traced.

XLA calls the C library for every element (15 ns each, measured on x86-64), and counts the two as
cheap: it computes them again for each of the n directions of the Jacobian. Here both come from one
vectorised evaluation, kept out of other loops by a function boundary: a pass over a damped sine of
five parameters takes 30 ns a point instead of 110.

With q = round(2 x / pi) and pi/2 = P1 + P2 + P3, where P1 and P2 have 33 bits so that q P1 and q P2
are exact for |q| < 2^20, the argument r = ((x - q P1) - q P2) - q P3 is in [-pi/4, pi/4], where
polynomials hold to rounding; q mod 4 says which of +-sin r, +-cos r they are. The error is below
2^-52 for |x| < 2^20 pi/2; elements beyond, and NaN, take XLA's own functions.

Reference: W. J. Cody, W. Waite, "Software manual for the elementary functions", 1980; constants and
coefficients of FDLIBM (Sun Microsystems, 1993).
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.custom_batching import custom_vmap

from nlsq import xla
from nlsq.core.model.elementary.doubles import polynomial

P1, P2, P3 = 1.57079632673412561417, 6.07710050630396597660e-11, 2.02226624879595063154e-21
SINE = (
    -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04,
    2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10,
)  # fmt: skip
COSINE = (
    4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05,
    -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11,
)  # fmt: skip
LARGEST = 2.0**20 * math.pi / 2


def _reduced(x):
    q = jnp.round(x * (2 / math.pi))
    r = ((x - q * P1) - q * P2) - q * P3
    z = r * r
    s = r + r * z * polynomial(SINE, z)
    c = 1 - (0.5 * z - z * z * polynomial(COSINE, z))
    quadrant = q.astype(int) & 3
    swapped = (quadrant & 1) == 1
    sine, cosine = jnp.where(swapped, c, s), jnp.where(swapped, s, c)
    sine = jnp.where(quadrant >= 2, -sine, sine)
    return sine, jnp.where((quadrant == 1) | (quadrant == 2), -cosine, cosine)


@jax.jit
def _both(x):
    with xla.marks(inlineable=None):  # the mark would go on to every call inside
        size = jnp.abs(x)
        small = jnp.max(size, initial=0.0) < LARGEST
        return jax.lax.cond(small, lambda x, _: _reduced(x), _library, x, size)


def _library(x, size):
    """XLA's functions for the elements beyond; the others do not change with their company."""
    s, c = _reduced(x)
    near = size < LARGEST
    return jnp.where(near, s, jnp.sin(x)), jnp.where(near, c, jnp.cos(x))


@custom_vmap
def _apart(x):
    with xla.marks(inlineable="false"):
        return _both(x)


@_apart.def_vmap
def _(size, batched, x):  # one choice of branch for all: a batched `cond` computes both
    return _apart(x), (True, True)


@jax.custom_jvp
def sine_and_cosine(x):
    """(sin x, cos x) of a double array."""
    return _apart(x)


@sine_and_cosine.defjvp
def _(primals, tangents):
    s, c = sine_and_cosine(*primals)
    return (s, c), (c * tangents[0], -s * tangents[0])


def sine(x):
    """sin x of a double array."""
    return sine_and_cosine(x)[0]


def cosine(x):
    """cos x of a double array."""
    return sine_and_cosine(x)[1]
