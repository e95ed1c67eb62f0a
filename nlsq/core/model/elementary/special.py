"""The error function and the logarithm of the gamma function.

erf      x (1 + polynomial in x^2) up to 1, beyond 1 - e^(-x^2) times a polynomial in
         (x - 5/2) / (x + 5/2).
lgamma   from 8 on Stirling's series; below, lgamma(2 + d) = d times a polynomial, |d| <= 1/2, and
         the logarithm of the product of the steps that lead there. Of negative arguments
         log(pi / |x sin(pi x)|) - lgamma(-x).

The error of erf is below 1 ulp, that of lgamma some 8 at most, of the larger term where the
argument is negative. The coefficients are Remez's.

Reference: M. Abramowitz, I. Stegun, "Handbook of mathematical functions", 6.1.15, 6.1.17, 6.1.40.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax import lax

from nlsq.core.algebra.traced import where
from nlsq.core.model.elementary.doubles import apart, nearest, polynomial, with_sign
from nlsq.core.model.elementary.logarithm import natural

ERF = (
    0.1283791670955126, -0.3761263890318375, 0.11283791670954885, -0.026866170645077875,
    0.00522397762482843, -0.0008548326981425996, 0.00012055331132988645, -1.4925595773305657e-05,
    1.6461008500463625e-06, -1.6350396504903226e-07, 1.4660330858787547e-08,
    -1.1374964774195256e-09, 5.960701739558499e-11,
)  # fmt: skip
ERFC = (
    0.2108063640611437, -0.3717367339489765, 0.2517131932171881, -0.12503305238172863,
    0.039922539095172294, -0.0039937006196971575, -0.002642362726141501, 0.0008759136028450456,
    0.00022826739953930162, -0.00012948646762525915, -3.574529795016953e-05,
    1.675663337861276e-05, 7.5280525204381055e-06,
)  # of e^(x^2) erfc x, 1 < x < 6  # fmt: skip
NEAR_TWO = (
    0.42278433509846713, 0.32246703342411326, -0.06735230105319831, 0.02058080842778057,
    -0.0073855510286497195, 0.0028905103310236492, -0.0011927539127579675, 0.0005096695156784341,
    -0.00022315473517510635, 9.945767000062305e-05, -4.4926531013165754e-05,
    2.0505617657769902e-05, -9.437237577785093e-06, 4.3845885426309e-06, -2.0497508131672137e-06,
    9.203175703824058e-07, -4.2005083578502634e-07, 2.7849163839965737e-07,
    -1.4328794109594523e-07,
)  # fmt: skip
STIRLING = (
    0.08333333333333333, -0.002777777777774099, 0.0007936507898349841, -0.0005952366069915339,
    0.0008414728544880306, -0.0018905402533928384, 0.005069255392771444,
)  # fmt: skip
SINE = (
    0.16666666666666666, -0.008333333333333212, 0.00019841269841215317, -2.755731921213729e-06,
    2.5052106960684227e-08, -1.6058943955952136e-10, 7.643098120635107e-13, -2.7222594199231538e-15,
)  # (1 - sin(r) / r) / r^2, r < pi / 2  # fmt: skip
LARGE = 8.0
HALF_LOG_2_PI_LESS_HALF = 0.5 * math.log(2 * math.pi) - 0.5


@apart
def _erf(x):
    a = jnp.minimum(jnp.abs(x), 6.0)
    near = a + a * polynomial(ERF, a * a)
    beyond = 1 - jnp.exp(-a * a) * polynomial(ERFC, (a - 2.5) / (a + 2.5))
    return with_sign(where(a < 1, near, beyond), x)


@jax.custom_jvp
def erf(x):
    """The error function."""
    return _erf(x)


@erf.defjvp
def _(primals, tangents):
    return erf(*primals), 2 / math.sqrt(math.pi) * jnp.exp(-(primals[0] ** 2)) * tangents[0]


def _positive(x):
    """lgamma of x > 0."""
    whole = nearest(x)
    d = where(x < 0.5, x, where(x < 1.5, x - 1, x - whole))
    steps = where(x < 0.5, x * (x + 1), where(x < 1.5, x, 1.0))
    for k in range(1, 7):
        steps = where(whole > k + 1, steps * (x - k), steps)
    large = x >= LARGE
    log = natural(where(large, x, steps))
    d = where(large, 0.0, d)
    below = d * polynomial(NEAR_TWO, d) + where(x < 1.5, -log, log)
    inverse = 1 / where(large, x, LARGE)
    series = HALF_LOG_2_PI_LESS_HALF + inverse * polynomial(STIRLING, inverse * inverse)
    return where(large, (x - 0.5) * (log - 1) + series, below)


@apart
def _lgamma(x):
    a = jnp.abs(x)
    value = _positive(a)
    r = math.pi * (a - nearest(a))
    z = r * r
    sine = jnp.abs(r - r * z * polynomial(SINE, z))
    reflected = natural(math.pi / (a * sine)) - value
    return where(x < 0, where(a < jnp.inf, reflected, a), value)


@jax.custom_jvp
def lgamma(x):
    """The logarithm of the size of the gamma function."""
    return _lgamma(x)


@lgamma.defjvp
def _(primals, tangents):
    return lgamma(*primals), lax.digamma(*primals) * tangents[0]
