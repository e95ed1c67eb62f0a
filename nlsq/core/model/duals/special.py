"""The derivatives of SciPy's special functions; SciPy is imported when a model has used one.

Each entry has one partial per argument, called with the plain arguments and the result, as in
`elementwise`; None: no rule by this argument (an order, mostly), so it must carry no tangent.

Reference: NIST Digital Library of Mathematical Functions, chapters 5 to 10, 13, 15, 18 and 19.
"""

from __future__ import annotations

import numpy as np
from scipy import special as sp

from nlsq.core.model.duals.elementwise import DEGREE, LN2, LN10, ratio, times

ROOT_PI = np.sqrt(np.pi)
ROOT_2PI = np.sqrt(2 * np.pi)


def _tail(s):
    """s + 3 s^2 + 15 s^3 + ...: what cancels in the slopes of wofz, erfcx and dawsn."""
    return s * (1 + 3 * s * (1 + 5 * s * (1 + 7 * s * (1 + 9 * s))))


def _wofz(x, z):
    x = np.asarray(x, complex)
    far = (np.abs(x) > 50) & (x.imag >= 0)
    s = 0.5 / np.where(far, x, 1) ** 2
    return np.where(far, -2j / ROOT_PI * _tail(s), -2 * x * z + 2j / ROOT_PI)


def _erfcx(x, z):
    far = np.real(x) > 50
    s = -0.5 / np.where(far, x, 1) ** 2
    return np.where(far, 2 / ROOT_PI * _tail(s), 2 * x * z - 2 / ROOT_PI)


def _dawsn(x, z):
    far = np.abs(x) > 50
    s = 0.5 / np.where(far, x, 1) ** 2
    return np.where(far, -_tail(s), 1 - 2 * x * z)


def _voigt(x, sigma, gamma, i):
    size = sigma * np.sqrt(2)
    u = (x + 1j * gamma) / size
    w = sp.wofz(u)
    slope = _wofz(u, w)
    height = sigma * ROOT_2PI
    if i == 0:
        return slope.real / (height * size)
    if i == 2:
        return -slope.imag / (height * size)
    return -(w.real + (slope * u).real) / (height * sigma)


def _trigamma(x):
    mirrored = np.square(np.pi / np.sin(np.pi * x)) - sp.zeta(2, 1 - np.minimum(x, 0))
    return np.where(np.greater(x, 0), sp.zeta(2, x), mirrored)


def _between(f, n, x, sign=1):
    return (f(np.subtract(n, 1), x) + sign * f(np.add(n, 1), x)) / 2


def _struve(v, x):
    return (x / 2) ** v / (2 * ROOT_PI * sp.gamma(np.add(v, 1.5)))


def _exprel(x, z):
    series = 1 / 2 + x * (1 / 3 + x * (1 / 8 + x * (1 / 30 + x * (1 / 144 + x / 840))))
    return np.where(np.abs(x) < 0.01, series, (np.exp(x) - z) / x)


def _ellipk(m, z):
    near = np.abs(m) < 0.1  # the closed form cancels at 0
    series = np.pi / 8 * sp.hyp2f1(1.5, 1.5, 2, np.where(near, m, 0))
    return np.where(near, series, (sp.ellipe(m) - (1 - m) * z) / (2 * m * (1 - m)))


def _ellipe(m, z):
    near = np.abs(m) < 0.1
    series = -np.pi / 8 * sp.hyp2f1(0.5, 1.5, 2, np.where(near, m, 0))
    return np.where(near, series, (z - sp.ellipk(m)) / (2 * m))


def _ellipkm1(p, z):
    return -(sp.ellipe(1 - p) - p * z) / (2 * (1 - p) * p)


def _gamma_density(a, x):
    return np.exp(sp.xlogy(np.subtract(a, 1), x) - x - sp.gammaln(a))


def _beta_density(a, b, x):
    return np.exp(
        sp.xlogy(np.subtract(a, 1), x) + sp.xlog1py(np.subtract(b, 1), -x) - sp.betaln(a, b)
    )


def _student(df, t):
    half = np.divide(df, 2)
    return np.exp(-sp.betaln(half, 0.5) - (half + 0.5) * np.log1p(t * t / df)) / np.sqrt(df)


def _lowered(n, slope):
    return np.where(np.equal(n, 0), 0.0, slope)


def _expn(n, x, z):
    return np.where(np.equal(n, 0), -z * (1 + 1 / x), -sp.expn(np.maximum(np.subtract(n, 1), 0), x))


def _psi_difference(a, b):
    return sp.psi(a) - sp.psi(b)


SPECIAL = {
    # ---- error functions -------------------------------------------------------------------------
    "erf": (lambda x, z: 2 / ROOT_PI * np.exp(-x * x),),
    "erfc": (lambda x, z: -2 / ROOT_PI * np.exp(-x * x),),
    "erfi": (lambda x, z: 2 / ROOT_PI * np.exp(x * x),),
    "erfcx": (_erfcx,),
    "dawsn": (_dawsn,),
    "wofz": (_wofz,),
    "erfinv": (lambda x, z: ROOT_PI / 2 * np.exp(z * z),),
    "erfcinv": (lambda x, z: -ROOT_PI / 2 * np.exp(z * z),),
    "voigt_profile": tuple(lambda x, s, g, z, i=i: _voigt(x, s, g, i) for i in range(3)),
    "ndtr": (lambda x, z: np.exp(-x * x / 2) / ROOT_2PI,),
    "log_ndtr": (lambda x, z: np.exp(-x * x / 2 - z) / ROOT_2PI,),
    "ndtri": (lambda x, z: ROOT_2PI * np.exp(z * z / 2),),
    "ndtri_exp": (lambda x, z: ROOT_2PI * np.exp(z * z / 2 + x),),
    "owens_t": (
        lambda h, a, z: -np.exp(-h * h / 2) * sp.erf(a * h / np.sqrt(2)) / (2 * ROOT_2PI),
        lambda h, a, z: np.exp(-h * h * (1 + a * a) / 2) / (2 * np.pi * (1 + a * a)),
    ),
    # ---- gamma functions -------------------------------------------------------------------------
    "gamma": (lambda x, z: z * sp.psi(x),),
    "rgamma": (lambda x, z: -z * sp.psi(x),),
    "gammaln": (lambda x, z: sp.psi(x),),
    "loggamma": (lambda x, z: sp.psi(x),),
    "psi": (lambda x, z: _trigamma(x),),
    "beta": (
        lambda a, b, z: z * _psi_difference(a, np.add(a, b)),
        lambda a, b, z: z * _psi_difference(b, np.add(a, b)),
    ),
    "betaln": (
        lambda a, b, z: _psi_difference(a, np.add(a, b)),
        lambda a, b, z: _psi_difference(b, np.add(a, b)),
    ),
    "poch": (
        lambda x, m, z: z * _psi_difference(np.add(x, m), x),
        lambda x, m, z: z * sp.psi(np.add(x, m)),
    ),
    "binom": (
        lambda n, k, z: z * _psi_difference(np.add(n, 1), np.subtract(n, k) + 1),
        lambda n, k, z: z * _psi_difference(np.subtract(n, k) + 1, np.add(k, 1)),
    ),
    "gammainc": (None, lambda a, x, z: _gamma_density(a, x)),
    "gammaincc": (None, lambda a, x, z: -_gamma_density(a, x)),
    "gammaincinv": (None, lambda a, y, z: 1 / _gamma_density(a, z)),
    "gammainccinv": (None, lambda a, y, z: -1 / _gamma_density(a, z)),
    "betainc": (None, None, lambda a, b, x, z: _beta_density(a, b, x)),
    "betaincc": (None, None, lambda a, b, x, z: -_beta_density(a, b, x)),
    "betaincinv": (None, None, lambda a, b, y, z: 1 / _beta_density(a, b, z)),
    "betainccinv": (None, None, lambda a, b, y, z: -1 / _beta_density(a, b, z)),
    "chdtr": (None, lambda v, x, z: 0.5 * _gamma_density(np.divide(v, 2), x / 2)),
    "chdtrc": (None, lambda v, x, z: -0.5 * _gamma_density(np.divide(v, 2), x / 2)),
    "stdtr": (None, lambda df, t, z: _student(df, t)),
    "_zeta": (None, lambda x, q, z: -x * sp.zeta(np.add(x, 1), q)),
    # ---- elementary functions and entropies ------------------------------------------------------
    "expit": (lambda x, z: z * sp.expit(-x),),
    "logit": (lambda x, z: 1 / (x * (1 - x)),),
    "log_expit": (lambda x, z: sp.expit(-x),),
    "xlogy": (lambda x, y, z: np.log(y), lambda x, y, z: ratio(x, y)),
    "xlog1py": (lambda x, y, z: np.log1p(y), lambda x, y, z: ratio(x, np.add(y, 1))),
    "entr": (lambda x, z: -np.log(x) - 1,),
    "rel_entr": (lambda x, y, z: np.log(x / y) + 1, lambda x, y, z: -x / y),
    "kl_div": (lambda x, y, z: np.log(x / y), lambda x, y, z: 1 - x / y),
    "huber": (
        lambda d, r, z: np.maximum(np.abs(r) - d, 0.0),
        lambda d, r, z: np.clip(r, -np.asarray(d), d),
    ),
    "exp10": (lambda x, z: z * LN10,),
    "exp2": (lambda x, z: z * LN2,),
    "expm1": (lambda x, z: np.exp(x),),
    "exprel": (_exprel,),
    "log1p": (lambda x, z: 1 / (1 + x),),
    "cbrt": (lambda x, z: 1 / (3 * z * z),),
    "cosm1": (lambda x, z: -np.sin(x),),
    "sindg": (lambda x, z: DEGREE * sp.cosdg(x),),
    "cosdg": (lambda x, z: -DEGREE * sp.sindg(x),),
    "tandg": (lambda x, z: DEGREE * (1 + z * z),),
    "boxcox": (lambda x, lmbda, z: np.power(x, np.subtract(lmbda, 1.0)), None),
    "_lambertw": (lambda x, k, tol, z: np.exp(-z) / (1 + z), None, None),
    # ---- Bessel functions ------------------------------------------------------------------------
    "jv": (None, lambda n, x, z: _between(sp.jv, n, x, -1)),
    "yv": (None, lambda n, x, z: _between(sp.yv, n, x, -1)),
    "yn": (None, lambda n, x, z: _between(sp.yv, n, x, -1)),
    "iv": (None, lambda n, x, z: _between(sp.iv, n, x)),
    "kv": (None, lambda n, x, z: -_between(sp.kv, n, x)),
    "kn": (None, lambda n, x, z: -_between(sp.kv, n, x)),
    "ive": (None, lambda n, x, z: _between(sp.ive, n, x) - np.sign(x) * z),
    "kve": (None, lambda n, x, z: z - _between(sp.kve, n, x)),
    "hankel1": (None, lambda n, x, z: _between(sp.hankel1, n, x, -1)),
    "hankel2": (None, lambda n, x, z: _between(sp.hankel2, n, x, -1)),
    "j0": (lambda x, z: -sp.j1(x),),
    "j1": (lambda x, z: (sp.j0(x) - sp.jv(2, x)) / 2,),
    "y0": (lambda x, z: -sp.y1(x),),
    "y1": (lambda x, z: (sp.y0(x) - sp.yn(2, x)) / 2,),
    "i0": (lambda x, z: sp.i1(x),),
    "i1": (lambda x, z: (sp.i0(x) + sp.iv(2, x)) / 2,),
    "k0": (lambda x, z: -sp.k1(x),),
    "k1": (lambda x, z: -(sp.k0(x) + sp.kn(2, x)) / 2,),
    "i0e": (lambda x, z: sp.i1e(x) - np.sign(x) * z,),
    "i1e": (lambda x, z: (sp.i0e(x) + sp.ive(2, x)) / 2 - np.sign(x) * z,),
    "k0e": (lambda x, z: z - sp.k1e(x),),
    "k1e": (lambda x, z: z - (sp.k0e(x) + sp.kve(2, x)) / 2,),
    "struve": (None, lambda v, x, z: _between(sp.struve, v, x, -1) + _struve(v, x)),
    "modstruve": (None, lambda v, x, z: _between(sp.modstruve, v, x) + _struve(v, x)),
    # ---- integrals -------------------------------------------------------------------------------
    "exp1": (lambda x, z: -np.exp(-x) / x,),
    "expi": (lambda x, z: np.exp(x) / x,),
    "expn": (None, _expn),
    "spence": (lambda x, z: np.where(np.equal(x, 1), -1.0, np.log(x) / (1 - x)),),
    "ellipk": (_ellipk,),
    "ellipe": (_ellipe,),
    "ellipkm1": (_ellipkm1,),
    "ellipkinc": (lambda phi, m, z: 1 / np.sqrt(1 - m * np.sin(phi) ** 2), None),
    "ellipeinc": (lambda phi, m, z: np.sqrt(1 - m * np.sin(phi) ** 2), None),
    # ---- hypergeometric functions and polynomials ------------------------------------------------
    "hyp0f1": (None, lambda v, x, z: sp.hyp0f1(np.add(v, 1), x) / v),
    "hyp1f1": (None, None, lambda a, b, x, z: a / b * sp.hyp1f1(np.add(a, 1), np.add(b, 1), x)),
    "hyperu": (None, None, lambda a, b, x, z: -a * sp.hyperu(np.add(a, 1), np.add(b, 1), x)),
    "hyp2f1": (
        *(None, None, None),
        lambda a, b, c, x, z: a * b / c * sp.hyp2f1(np.add(a, 1), np.add(b, 1), np.add(c, 1), x),
    ),
    "eval_hermite": (None, lambda n, x, z: _lowered(n, 2 * n * sp.eval_hermite(n - 1, x))),
    "eval_hermitenorm": (None, lambda n, x, z: _lowered(n, n * sp.eval_hermitenorm(n - 1, x))),
    "eval_laguerre": (None, lambda n, x, z: _lowered(n, -sp.eval_genlaguerre(n - 1, 1, x))),
    "eval_genlaguerre": (
        *(None, None),
        lambda n, a, x, z: _lowered(n, -sp.eval_genlaguerre(n - 1, np.add(a, 1), x)),
    ),
    "eval_legendre": (
        None,
        lambda n, x, z: _lowered(n, (n + 1) / 2 * sp.eval_jacobi(n - 1, 1, 1, x)),
    ),
    "eval_chebyt": (None, lambda n, x, z: _lowered(n, n * sp.eval_chebyu(n - 1, x))),
    "eval_gegenbauer": (
        *(None, None),
        lambda n, a, x, z: _lowered(n, 2 * a * sp.eval_gegenbauer(n - 1, np.add(a, 1), x)),
    ),
    "eval_jacobi": (
        *(None, None, None),
        lambda n, a, b, x, z: _lowered(
            n, (n + a + b + 1) / 2 * sp.eval_jacobi(n - 1, np.add(a, 1), np.add(b, 1), x)
        ),
    ),
}

# several results of one argument: the slope of each, called with the argument and all results
SEVERAL = {
    "sici": (lambda x, z: np.sinc(x / np.pi), lambda x, z: np.cos(x) / x),
    "shichi": (lambda x, z: ratio(np.sinh(x), x), lambda x, z: np.cosh(x) / x),
    "fresnel": (lambda x, z: np.sin(np.pi / 2 * x * x), lambda x, z: np.cos(np.pi / 2 * x * x)),
    "airy": (
        lambda x, z: z[1],
        lambda x, z: times(x, z[0]),
        lambda x, z: z[3],
        lambda x, z: times(x, z[2]),
    ),
}

# their derivatives by a complex argument are none: |z|, or only part of the plane
REAL_ONLY = {"ive", "jve", "yve", "i0e", "i1e", "psi", "huber", "log_ndtr"}
PLAIN = {"gammasgn", "round"}
PRIVATE = {"_lambertw", "_zeta"}  # what scipy.special's functions of Python call


def partials_of(ufunc, values):
    """The partials of a ufunc of scipy.special; () where its result is plain, None without rule."""
    name = ufunc.__name__
    if name not in PRIVATE and getattr(sp, name, None) is not ufunc:
        return None
    if name in PLAIN:
        return ()
    if name in REAL_ONLY and any(map(np.iscomplexobj, values)):
        return None
    return SPECIAL.get(name) or SEVERAL.get(name)


def partials_of_numbers(ufunc):
    """The partials of a ufunc of one or two arguments and one result, whatever these are."""
    if ufunc.nout > 1 or ufunc.nin > 2 or ufunc.__name__ in REAL_ONLY:
        return None
    return partials_of(ufunc, ()) or None
