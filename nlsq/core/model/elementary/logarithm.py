"""log x and log(1 + x).

With x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), and s = f / (2 + f),

    log x = k log 2 + log(1 + f),   log(1 + f) = 2 s + 2/3 s^3 + ... = f - f^2/2 + s (f^2/2 + R),

where a polynomial in s^2 is R to 2^-58; k log 2 is added in two parts. The error is below 1 ulp.
Of 1 + x, rounded to u, the rest that is lost is added as (1 + x - u) / u.

Reference: FDLIBM (Sun Microsystems, 1993), e_log.c and s_log1p.c.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nlsq.core.algebra.traced import where
from nlsq.core.model.elementary.doubles import apart, bits, polynomial, split

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
SERIES = (
    6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
    2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
    1.479819860511658591e-01,
)  # fmt: skip


def of_parts(k, f, rest=0.0):
    """log(2^k (1 + f)) + rest."""
    s = f / (2 + f)
    z = s * s
    half = 0.5 * f * f
    return k * LN2_HIGH - (
        (half - (s * (half + z * polynomial(SERIES, z)) + (k * LN2_LOW + rest))) - f
    )


def natural(x):
    """log x, not yet kept apart."""
    k, f = split(x)
    i = bits(x)  # of a subnormal number, which compares as 0
    ends = where((i == 0) | (i == jnp.iinfo(jnp.int64).min), -jnp.inf, jnp.nan)
    return where(i > 0, where(x < jnp.inf, of_parts(k, f - 1), x), ends)


def of_one_and(x):
    """log(1 + x), not yet kept apart."""
    u = 1 + x
    k, f = split(u)
    near = k == 0
    one = u - x  # not x - (u - 1), where XLA would put the two constants together
    rest = ((1 - one) + (x - (u - one))) / u
    value = of_parts(k, where(near, x, f - 1), where(near, 0.0, rest))
    ends = where(x == -1, -jnp.inf, jnp.nan)
    return where(x > -1, where((x < jnp.inf) & (x != 0), value, x), ends)


_log, _log1p = apart(natural, jnp.log), apart(of_one_and, jnp.log1p)


@jax.custom_jvp
def log(x):
    """The natural logarithm."""
    return _log(x)


@log.defjvp
def _(primals, tangents):
    return log(*primals), tangents[0] / primals[0]


@jax.custom_jvp
def log1p(x):
    """log(1 + x)."""
    return _log1p(x)


@log1p.defjvp
def _(primals, tangents):
    return log1p(*primals), tangents[0] / (1 + primals[0])
