"""Special functions in double precision, differentiable, under SciPy's names.

What `jax.scipy.special` computes to about 1e-13 is taken from there; the rest is written out here:

- Faddeeva w(z): `jax.scipy.special.wofz` near the origin, Laplace's continued fraction where
  |z| > 7 (Gautschi 1970, SIAM J. Numer. Anal. 7, 187), which keeps the relative accuracy of the far
  wings of a Voigt profile. Derivative w' = -2 z w + 2i/sqrt(pi) (Abramowitz & Stegun 7.1.20).
- J_n for whole n: power series, then Bessel's integral by the trapezoidal rule, which converges
  geometrically for a periodic integrand (Trefethen & Weideman 2014, SIAM Review 56, 385), then
  Hankel's expansion (DLMF 10.17.3).
- K_v for real v: the integral over exp(-x cosh t) cosh(v t) (DLMF 10.32.9) by the same rule.
- E_n, Ei: series and continued fraction (DLMF 6.6, 6.9, 8.19.17), asymptotic series (6.12.2).
- K(m), E(m): arithmetic-geometric mean (DLMF 19.8). W: Halley's iteration (Corless et al. 1996).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.special as js
import numpy as np

_EULER = 0.57721566490153286061
_SQRT_PI = math.sqrt(math.pi)


def _float(x: Any) -> jax.Array:
    x = jnp.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def _floats(function: Callable) -> Callable:
    """The function on inexact arguments: JAX's refuses integers in places."""
    return lambda *args: function(*jnp.broadcast_arrays(*map(_float, args)))


# -- error functions ----------------------------------------------------------------------------
def erfinv(x: Any) -> jax.Array:
    """JAX's value and one Newton step, on erfc where erf has lost the digits."""
    return _erfinv(_float(x))


@jax.custom_jvp
def _erfinv(x: jax.Array) -> jax.Array:
    size = jnp.abs(x)
    y = js.erfinv(size)
    finite = jnp.isfinite(y)
    safe = jnp.where(finite, y, 0.0)
    error = jnp.where(size < 0.5, js.erf(safe) - size, (1.0 - size) - js.erfc(safe))
    better = safe - error * (_SQRT_PI / 2) * jnp.exp(safe**2)
    return jnp.sign(x) * jnp.where(finite, better, y)


@_erfinv.defjvp
def _erfinv_jvp(primals, tangents):
    y = _erfinv(*primals)
    return y, tangents[0] * (_SQRT_PI / 2) * jnp.exp(y**2)


def erfcinv(x: Any) -> jax.Array:
    return -js.ndtri(_float(x) / 2) / math.sqrt(2)


def erfi(x: Any) -> jax.Array:
    x = _float(x)
    return 2 / _SQRT_PI * jnp.exp(x**2) * js.dawsn(x)


def log_ndtr(x: Any) -> jax.Array:
    x = _float(x)
    low, high = jnp.minimum(x, -1.0), jnp.maximum(x, -1.0)
    tail = jnp.log(js.erfcx(-low / math.sqrt(2)) / 2) - low**2 / 2
    return jnp.where(x < -1.0, tail, jnp.log1p(-js.erfc(high / math.sqrt(2)) / 2))


def wofz(z: Any) -> jax.Array:
    """Faddeeva function w(z) = exp(-z^2) erfc(-iz)."""
    return _wofz(jnp.asarray(z) + 0j)


@jax.custom_jvp
def _wofz(z: jax.Array) -> jax.Array:
    return _faddeeva(z)[0]


@_wofz.defjvp
def _wofz_jvp(primals, tangents):
    value, slope = _faddeeva(primals[0])
    return value, slope * tangents[0]


def _faddeeva(z: jax.Array) -> tuple[jax.Array, jax.Array]:
    """w and w'. In the fraction w = i/sqrt(pi) / (z - s), so w' = -2i/sqrt(pi) s / (z - s)."""
    far = jnp.abs(z) > 7.0
    near = js.wofz(jnp.where(far, 1j, z))
    near = jax.lax.complex(jnp.where(z.imag == 0, jnp.exp(-(z.real**2)), near.real), near.imag)
    lower = z.imag < 0
    up = jnp.where(far, jnp.where(lower, -z, z), 10.0 + 0j)
    s = jnp.zeros_like(up)
    for k in range(14, 0, -1):
        s = (k / 2) / (up - s)
    wing = 1j / _SQRT_PI / (up - s)
    wing_slope = -2j / _SQRT_PI * s / (up - s)
    mirror = 2 * jnp.exp(-(jnp.where(far & lower, z, 0j) ** 2))
    # w(z) = 2 exp(-z^2) - w(-z)
    wing = jnp.where(lower, mirror - wing, wing)
    wing_slope = jnp.where(lower, -2 * z * mirror + wing_slope, wing_slope)
    value = jnp.where(far, wing, near)
    return value, jnp.where(far, wing_slope, -2 * z * near + 2j / _SQRT_PI)


def voigt_profile(x: Any, sigma: Any, gamma: Any) -> jax.Array:
    """Gaussian (sigma) convolved with Lorentzian (gamma), normalised; sigma = 0 is Lorentzian."""
    x, sigma, gamma = jnp.broadcast_arrays(*map(_float, (x, sigma, gamma)))
    lorentz = sigma == 0
    scale = jnp.where(lorentz, 1.0, sigma) * math.sqrt(2)
    voigt = wofz((x + 1j * gamma) / scale).real / (scale * _SQRT_PI)
    distance = jnp.where(lorentz, x**2 + gamma**2, 1.0)
    return jnp.where(lorentz, gamma / math.pi / distance, voigt)


# -- Bessel functions ---------------------------------------------------------------------------
_MAX_ORDER = 10
_THETA = (np.arange(32) + 0.5) * (math.pi / 64)


def jv(order: Any, x: Any) -> jax.Array:
    """J_n(x) for a whole constant order, |n| <= 10."""
    n = whole_order(order, "jv")
    value = _jn(abs(n), _float(x))
    return -value if n < 0 and n % 2 else value


def whole_order(order: Any, name: str) -> int:
    """The order as an int, or ValueError: only constant whole orders are differentiable here."""
    if isinstance(order, jax.Array) or np.ndim(order) or float(order) != int(order):
        raise ValueError(f"scipy.special.{name} is carried for constant whole orders only")
    if abs(int(order)) > _MAX_ORDER:
        raise ValueError(f"scipy.special.{name} is carried up to order {_MAX_ORDER}")
    return int(order)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _jn(n: int, x: jax.Array) -> jax.Array:
    size = jnp.abs(x)
    q = -(jnp.minimum(size, 5.0) ** 2) / 4
    series = _horner(_series(n), q) * (jnp.minimum(size, 5.0) / 2) ** n
    middle = jnp.clip(size, 5.0, 30.0)[..., None]
    # the integrand's halves are mirror images
    weight, wave = (np.sin, jnp.sin) if n % 2 else (np.cos, jnp.cos)
    integral = jnp.mean(weight(n * _THETA) * wave(middle * np.sin(_THETA)), axis=-1)
    value = jnp.where(size < 5, series, jnp.where(size < 30, integral, _hankel(n, size)))
    return value * jnp.sign(x) if n % 2 else value


def _horner(coefficients: list[float], x: jax.Array) -> jax.Array:
    """Sum of coefficients[k] x^k."""
    total = jnp.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        total = total * x + c
    return total


def _series(n: int) -> list[float]:
    return [1 / (math.factorial(k) * math.factorial(n + k)) for k in range(26)]


def _hankel(n: int, size: jax.Array) -> jax.Array:
    z = jnp.maximum(size, 30.0)
    terms = [1.0]
    for k in range(17 + n):
        terms.append(terms[-1] * (4 * n * n - (2 * k + 1) ** 2) / (8 * (k + 1)))
    signed = [t * (-1) ** (k // 2) for k, t in enumerate(terms)]
    p, q = _horner(signed[::2], 1 / z**2), _horner(signed[1::2], 1 / z**2) / z
    phase = (2 * n + 1) * math.pi / 4
    c, s = jnp.cos(z), jnp.sin(z)
    cosine = c * math.cos(phase) + s * math.sin(phase)
    sine = s * math.cos(phase) - c * math.sin(phase)
    return jnp.sqrt(2 / (math.pi * z)) * (p * cosine - q * sine)


@_jn.defjvp
def _jn_jvp(n, primals, tangents):
    (x,), (dx,) = primals, tangents
    below = -_jn(1, x) if n == 0 else _jn(n - 1, x)
    slope = below if n == 0 else (below - _jn(n + 1, x)) / 2
    return _jn(n, x), slope * dx


_NODES = np.arange(161) / 160.0


def kve(order: Any, x: Any) -> jax.Array:
    """K_v(x) exp(x) for real v and x > 0."""
    v, x = jnp.broadcast_arrays(_float(order), _float(x))
    positive = x > 0
    z = jnp.where(positive, x, 1.0)
    # beyond this t the integrand is below 1e-18 of its maximum
    fixed = jax.lax.stop_gradient(45.0 + 2 * v**2)
    end = jax.lax.stop_gradient(jnp.arccosh(1 + (fixed + jnp.abs(v) * 12) / z))
    t = end[..., None] * _NODES
    weight = np.where(_NODES == 0, 0.5, 1.0) / 160
    decay = jnp.exp(-z[..., None] * 2 * jnp.sinh(t / 2) ** 2)
    total = end * jnp.sum(weight * decay * jnp.cosh(v[..., None] * t), axis=-1)
    return jnp.where(positive, total, jnp.where(x == 0, jnp.inf, jnp.nan))


def kv(order: Any, x: Any) -> jax.Array:
    return kve(order, x) * jnp.exp(-_float(x))


def iv(order: Any, x: Any) -> jax.Array:
    n = abs(whole_order(order, "iv"))
    if n > 1:
        raise ValueError("scipy.special.iv is carried for orders 0 and 1 only")
    return (js.i0, js.i1)[n](_float(x))


# -- exponential integrals ----------------------------------------------------------------------
def exp1(x: Any) -> jax.Array:
    return expn(1, x)


def expn(n: Any, x: Any) -> jax.Array:
    """E_n(x) for a whole constant n from 0 to 10."""
    return _expn(whole_order(n, "expn"), _float(x))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _expn(n: int, x: jax.Array) -> jax.Array:
    if n == 0:
        return jnp.exp(-x) / x
    small = jnp.clip(x, np.finfo(float).tiny, 2.0)
    total = jnp.zeros_like(small)
    for k in range(30, 0, -1):
        total = (total - (-1.0) ** k / (k * math.factorial(k))) * small
    value = total - _EULER - jnp.log(small)
    for k in range(1, n):
        value = (jnp.exp(-small) - small * value) / k
    value = jnp.where(x == 0, jnp.inf if n == 1 else 1.0 / max(n - 1, 1), value)
    large = jnp.maximum(x, 2.0)
    tail = large + n + 2 * 40
    for k in range(40, 0, -1):
        tail = large + n + 2 * (k - 1) - k * (n + k - 1) / tail
    return jnp.where(x < 0, jnp.nan, jnp.where(x < 2, value, jnp.exp(-large) / tail))


@_expn.defjvp
def _expn_jvp(n, primals, tangents):
    (x,), (dx,) = primals, tangents
    slope = -(1 + 1 / x) * jnp.exp(-x) / x if n == 0 else -_expn(n - 1, x)
    return _expn(n, x), slope * dx


def expi(x: Any) -> jax.Array:
    return _expi(_float(x))


@jax.custom_jvp
def _expi(x: jax.Array) -> jax.Array:
    small = jnp.clip(x, np.finfo(float).tiny, 40.0)
    k = np.arange(1, 151)
    coefficients = np.exp(-np.array([math.lgamma(j + 1) for j in k])) / k
    series = _EULER + jnp.log(small) + small * jnp.polyval(jnp.asarray(coefficients[::-1]), small)
    large = jnp.maximum(x, 40.0)
    total = jnp.ones_like(large)
    for j in range(38, 0, -1):
        total = 1 + j / large * total
    positive = jnp.where(x <= 40, series, jnp.exp(large) / large * total)
    negative = -_expn(1, jnp.where(x < 0, -x, 1.0))
    return jnp.where(x < 0, negative, jnp.where(x == 0, -jnp.inf, positive))


@_expi.defjvp
def _expi_jvp(primals, tangents):
    (x,), (dx,) = primals, tangents
    return _expi(x), jnp.exp(x) / x * dx


# -- elliptic integrals, Lambert's W ------------------------------------------------------------
def _agm(m: jax.Array) -> tuple[jax.Array, jax.Array]:
    a, g, defect, power = jnp.ones_like(m), jnp.sqrt(1 - m), m / 2, 1.0
    for _ in range(9):
        a, g, c = (a + g) / 2, jnp.sqrt(a * g), (a - g) / 2
        defect, power = defect + power * c**2, 2 * power
    return a, defect


def ellipk(m: Any) -> jax.Array:
    return math.pi / 2 / _agm(_float(m))[0]


def ellipe(m: Any) -> jax.Array:
    a, defect = _agm(_float(m))
    return math.pi / 2 / a * (1 - defect)


def lambertw(z: Any, k: int = 0, tol: float = 1e-8) -> jax.Array:
    """The principal branch for real z, complex like SciPy's (NaN below -1/e)."""
    z = _float(z)
    if z.dtype.kind == "c" or k != 0:
        raise ValueError("scipy.special.lambertw is carried for real z and k = 0 only")
    return _lambertw(z) + 0j


@jax.custom_jvp
def _lambertw(z: jax.Array) -> jax.Array:
    p = jnp.sqrt(jnp.maximum(2 * (math.e * z + 1), 0.0))
    log = jnp.log1p(jnp.maximum(z, -0.3))
    guess = jnp.where(z < -0.2, -1 + p * (1 - p / 3 + 11 * p**2 / 72), log * 0.8)
    big = jnp.log(jnp.maximum(z, 3.0))
    w = jnp.where(z > 3, big - jnp.log(big), guess)
    for _ in range(6):
        e = jnp.exp(w)
        f = w * e - z
        slope = e * (w + 1)
        step = f / (slope - f * (w + 2) / (2 * w + 2))
        w = jnp.where(jnp.isfinite(step), w - step, w)
    return jnp.where(z < -1 / math.e, jnp.nan, w)


@_lambertw.defjvp
def _lambertw_jvp(primals, tangents):
    w = _lambertw(*primals)
    return w, tangents[0] / (jnp.exp(w) * (1 + w))


# -- small ones ---------------------------------------------------------------------------------
def exprel(x: Any) -> jax.Array:
    x = _float(x)
    small = jnp.abs(x) < 1e-5
    safe = jnp.where(small, 1.0, x)
    return jnp.where(small, 1 + x / 2 + x**2 / 6, jnp.expm1(safe) / safe)


def polygamma(n: Any, x: Any) -> jax.Array:
    n = whole_order(n, "polygamma")
    return js.digamma(_float(x)) if n == 0 else js.polygamma(n, _float(x))


def factorial(n: Any, exact: bool = False, **_: Any) -> jax.Array:
    return js.gamma(_float(n) + 1)


def comb(n: Any, k: Any, **_: Any) -> jax.Array:
    n, k = _float(n), _float(k)
    return jnp.exp(js.gammaln(n + 1) - js.gammaln(k + 1) - js.gammaln(n - k + 1))


_ELEMENTWISE = """erf erfc erfcx dawsn expit logit gamma gammaln digamma beta betaln betainc
gammainc gammaincc i0 i0e i1 i1e xlogy xlog1py entr rel_entr kl_div ndtr ndtri""".split()

UFUNCS: dict[str, Callable] = {
    **{name: _floats(getattr(js, name)) for name in _ELEMENTWISE},
    "psi": _floats(js.digamma), "loggamma": _floats(js.gammaln),
    "rgamma": lambda x: 1 / js.gamma(_float(x)), "erfinv": erfinv, "erfcinv": erfcinv,
    "erfi": erfi, "log_ndtr": log_ndtr, "wofz": wofz, "voigt_profile": voigt_profile,
    "jv": jv, "jn": jv, "j0": partial(jv, 0), "j1": partial(jv, 1), "kv": kv, "kve": kve,
    "kn": kv, "k0": partial(kv, 0.0), "k1": partial(kv, 1.0), "k0e": partial(kve, 0.0),
    "k1e": partial(kve, 1.0), "iv": iv, "exp1": exp1, "expn": expn, "expi": expi,
    "ellipk": ellipk, "ellipe": ellipe, "exprel": exprel, "log1p": jnp.log1p,
    "expm1": jnp.expm1, "exp10": lambda x: jnp.power(10.0, x), "exp2": jnp.exp2,
    "cbrt": jnp.cbrt, "log_expit": lambda x: -jax.nn.softplus(-_float(x)),
}  # fmt: skip
FUNCTIONS: dict[str, Callable] = {
    "softmax": js.softmax, "log_softmax": js.log_softmax, "logsumexp": js.logsumexp,
    "polygamma": polygamma, "factorial": factorial, "comb": comb, "lambertw": lambertw,
}  # fmt: skip
