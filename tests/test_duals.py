"""Dual numbers: the model's own value bit by bit, its derivatives exact, or a refusal."""

import cmath
import contextlib
import copy
import functools
import itertools
import math
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
import scipy.special as sp

from nlsq.core.model.calls import CurveCall
from nlsq.core.model.duals import NoRule, opening, rebuilt, value_and_tangents
from tests.corpus import CASES

pytestmark = pytest.mark.core

X = np.linspace(0.2, 2.0, 6)
M = np.array([[2.0, 0.3, 0.1], [0.4, 1.5, -0.2], [0.0, 0.6, 1.1]])
NAMES = {"np": np, "sp": sp, "math": math, "M": M}


def model(text):
    """The model f(x, params) of an expression in x, a and b."""
    f = eval(f"lambda x, a, b: {text}", NAMES)
    return lambda x, p: f(x, *p)


def differences(f, x, p):
    """Transposed Jacobian by central differences extrapolated three times (about 1e-11)."""

    def central(j, h):
        step = h * np.eye(len(p))[j]
        return (_array(f, x, p + step) - _array(f, x, p - step)) / (2 * h)

    rows = []
    for j in range(len(p)):
        column = [central(j, 0.016 / 2**i) for i in range(4)]
        for order in (4, 16, 64):
            column = [(order * b - a) / (order - 1) for a, b in itertools.pairwise(column)]
        rows.append(column[0])
    return np.array(rows)


def _array(f, x, p):
    return np.asarray(f(x, list(np.asarray(p, float))))


def check(f, x, p, tolerance=1e-8, over=None):
    """The value is the plain call's, and so are its warnings; the tangents are the differences'.

    over: f, which takes its parameters one by one, rebuilt.
    """
    p = np.asarray(p, float)
    if over is None:
        again = f
    else:
        f, again = (lambda x, p, g=g: g(x, *p) for g in (f, over))
    with warnings.catch_warnings(record=True) as usual:
        warnings.simplefilter("always")
        expected = _array(f, x, p)
    with warnings.catch_warnings(record=True) as ours:
        warnings.simplefilter("always")
        value, JT = value_and_tangents(again, x, p)
    assert [str(w.message) for w in ours] == [str(w.message) for w in usual]
    assert value.dtype == expected.dtype
    assert np.array_equal(value, expected, equal_nan=True)
    assert JT.shape == (len(p), *value.shape)
    with np.errstate(all="ignore"):
        slopes = differences(f, x, p)
    scale = np.max(np.abs(slopes), initial=1e-3)
    np.testing.assert_allclose(JT, slopes, rtol=tolerance, atol=tolerance * scale)
    assert np.any(JT)


# of x, a = 1.3 and b = 0.7
EXPRESSIONS = """
a*np.exp(-b*x)
a*x + b
a - b*x
x/a - a/x + b/a
a**b * x
x**a
(a*x)**b
(a*x)**2
(a*x)**-1
(a*x)**0.5 + x**b
2.0**(a*x)
a**2 + b**-3 + 0*x
(-a)**2 * x + (-a*x)**3
np.power(a*x, b)
np.float_power(a*x, 2)
np.float_power(x, b)
(a*x) % (0.9*b)
(5.3*x) % a
np.fmod(-a*x, 0.9*b)
(a*x) // (0.9*b) + a*b
divmod(a*x, 0.9*b)[1]
np.divmod(a*x, 0.45)[1]
np.modf(a*x)[0]
-(+(a*x))
abs(b*x - a)
np.fabs(b - x)
np.square(a*x)
np.sqrt(a*x + b)
np.cbrt(a*x + b)
np.reciprocal(a*x)
np.exp2(a*x) + np.expm1(b*x)
np.log(a*x) + np.log2(a + x) + np.log10(b*x) + np.log1p(a*x)
np.sin(a*x) + np.cos(b*x) + np.tan(0.3*a*x)
np.arcsin(0.2*a*x) + np.arccos(0.2*b*x) + np.arctan(a*x)
np.arctan2(a*x, b) + np.arctan2(-a, x)
np.sinh(a*x) + np.cosh(b*x) + np.tanh(a*x)
np.tanh(9*a*x)
np.arcsinh(a*x) + np.arccosh(1 + b*x) + np.arctanh(0.2*a*x)
np.hypot(a*x, b)
np.deg2rad(a*x) + np.rad2deg(b*x) + np.radians(a) + np.degrees(b*x)
np.maximum(a*x, b) + np.minimum(a*x, 1.0)
np.fmax(a*x, b) + np.fmin(b*x, x)
np.fmax(np.where(x > 1, np.nan, x), a*x)
np.logaddexp(a*x, b) + np.logaddexp2(a, b*x)
np.heaviside(x - 1, a) * b + np.heaviside(a*x - 1, 0.5)
np.copysign(a*x, -x) + np.ldexp(b*x, 2)
np.sign(a - x)*b + np.floor(a*x) + np.ceil(b*x) + np.rint(a*x) + np.trunc(b)*a + a*x
np.round(a*x) + (b*x).round() + round(b)*a + b*a
np.sinc(a*x) + np.sinc(1e-3*b*x)
np.i0(a*x)
np.where(x > a, a*x, b)
np.where(a*x > b, a*x**2, b*x)
np.select([x < 1, x < 1.5], [a*x, b + 0*x], a)
np.piecewise(a*x, [x < 0.5, x > 1.5], [lambda u: u**2, b, np.sin])
np.piecewise(b*x, [x < 1], [lambda u: u + a, lambda u: u])
np.clip(a*x, 0.5, b + 1)
np.clip(x, b, a)
(a*x).clip(0.5) + (a*x).clip(max=1.0)
np.nan_to_num(a*x/np.where(x > 1, 1.0, 0.0), posinf=0.0)
np.exp(1j*a*x) * b
np.abs(a + 1j*b*x)
(a*x*np.exp(1j*b)).real + np.imag(np.exp(1j*a*x))
np.angle(a + 1j*b*x) + np.angle(b*x + 1j*a, deg=True)
np.conj(a*x + 1j*b) + (a*1j*x).conjugate()
1/(a + 1j*x*b)
np.sqrt(a*x + 1j*b) + np.log(b + 1j*a*x)
(a + 1j*b)**2 * x
a*x.astype(np.float32) + np.float32(2)*b
np.sum(a*x) * x + np.mean(b*x)
(a*x).sum() + (b*x**2).mean(axis=0) + x
np.sum((a*x).reshape(2, 3), axis=1, keepdims=True) * b
a*x/np.trapezoid(a*x**b, x)
np.trapezoid(np.sin(x), a*x) + b
np.cumsum(a*x**b) + np.add.accumulate(b*x)
np.add.reduce(a*x) + np.multiply.reduce(b*x)
np.cumprod(a*x) + (b*x).cumprod()
np.cumprod(np.stack([a, a - 1.3, b]))
np.prod(a*x) + np.prod((x - 0.2)*b) + (a*x).reshape(2, 3).prod(axis=1)[:, None]
np.var(a*x**b) + np.std(b*x**a, ddof=1) + x
(a*np.outer(x, x)).var(axis=0) + (b*np.outer(x, x + a)).std(axis=1, keepdims=True)
np.max(a*x) - np.min(np.cos(b*x)) + (a*x).max() + (b/x).min()
np.max(a*np.outer(x, 2 - x), axis=1) + np.ptp(b*x)
np.maximum.reduce(a*x) + np.minimum.reduce(b*x)
np.maximum.accumulate(a*np.sin(3*x)) + np.minimum.accumulate(b*np.cos(3*np.outer(x, x)), axis=1)
np.average(a*x, weights=x) + b
np.nansum(np.where(x > 1, np.nan, x) + a) + np.nanmean(np.where(x < 1, np.nan, x)*b + a) + x
np.median(a*np.sin(3*x)) + np.median(b*x[:5])
np.sort(a*np.sin(3*x)) + b
np.linalg.norm(a*x + b) + np.linalg.norm(a*np.outer(x, x) + b, axis=1)
np.linalg.solve(M + a*np.eye(3), b*x[:3])
np.linalg.solve(M, a*x[:3] + b)
np.linalg.solve(np.stack([a*M, M, b*M]), x[:3] + a)
np.linalg.solve(np.stack([a*M, M]), b*np.stack([M, M]))
np.linalg.inv(M + a*np.eye(3)*b)
np.linalg.det(a*M + b*np.eye(3))
np.linalg.matrix_power(a*M, 3) + np.linalg.matrix_power(b*M, -1) + np.linalg.matrix_power(a*M, 0)
np.linalg.eigvalsh(a*M + b*M.T) + np.linalg.eigvalsh(b*M, "U")
np.linalg.eigvalsh(a*M + b*M.T + 1j*b*np.tril(M)) * np.linalg.eigh(a*M)[0]
np.linalg.eigh(np.stack([a*M, b*M + a*M**2]))[1]**2
np.logspace(a, b, 6) + np.logspace(0, a, 6, base=2.0)
np.dot(M, a*x[:3]) + np.dot(x, b*x)
(a*M) @ (b*x[:3]) + (a*x[:3]) @ M
M @ (a*x[:3]) + b
np.matmul(a*M, M*b)
np.inner(a*x, x*b) + np.outer(a*x, x + b)
np.vdot(x*(1 + 1j*a), b*x)
np.kron(a*x[:2], b + x[:3])
np.tensordot(a*M, b*M, axes=1)
np.cross(a*x[:3], b + x[3:]**2)
np.einsum("i,ij,j->i", a*x[:3], M, b + x[3:])
np.convolve(a*x, np.exp(-b*x), mode="same")
np.convolve(x, a + b*x)[:6]
np.correlate(a*x, x**b, "full")
np.fft.fft(a*x + b)
np.fft.irfft(np.fft.rfft(a*x) * np.exp(-b*np.arange(4)))
np.fft.fftshift(np.abs(np.fft.fft(a*x + b*x**2)))
np.diff(a*x**b)
np.ediff1d(a*x**b)
np.gradient(a*x**b, x)
np.interp(a*x, [0.0, 1.0, 4.0], [1.0, 3.0, 2.0])
np.interp(x, [0.0, 1.0, 3.0], np.stack([a, b, a*b]))
np.interp(x - b, x, a*x**2, left=0.0)
np.interp(b*x, x, a*x**2, right=5.0)
np.polyval([2.0, 1.0, 3.0], a*x) + np.polyval(np.stack([a, b, 1.0]), x)
np.vander(a*x, 3) @ np.stack([a, b, 1.0])
np.concatenate([a*x, b*x[:2], x])
np.stack([a*x, b + x, x]) + np.vstack([a*x, x, b*x])
np.hstack([a*x, x]) + np.append(b*x, x*a)
np.column_stack([a*x, x]) @ np.stack([a, b])
np.dstack([a*x, b*x])
np.block([[a*x, x], [x, b*x]])
np.linspace(a, b, 6) + np.linspace(0, a, 6)
np.broadcast_to(a*x, (2, 6)) * b
np.tile(a*x, 2) + np.repeat(b*x, 2)
np.roll(a*x, 2) + np.flip(b*x) + (a*x)[::-1]
np.meshgrid(a*x, b*x)[0] * np.meshgrid(a*x, b*x)[1]
np.atleast_1d(a) + np.atleast_2d(b*x)
np.expand_dims(a*x, 1) * (b*x)[None, :]
np.transpose(np.outer(a*x, x)) + np.outer(x, b*x).T
np.moveaxis(np.outer(a*x, x), 0, 1) + np.swapaxes(np.outer(b*x, x), 0, 1)
np.split(a*x, 2)[0] * b + np.array_split(b*x, 2)[1]
np.take(a*x, [0, 2, 4]) + (b*x)[[1, 3, 5]] + (a*x)[1:4]
np.diag(a*x) + b
np.trace(a*M) * np.diagonal(b*M) + np.tril(a*M).sum()
np.pad(a*x, 2) + np.pad(b*x, (1, 3), mode="edge")
np.unwrap(a*3*x**2) + b
np.zeros_like(a*x) + a + np.ones_like(b*x)*b
np.full_like(a*x, b) + np.full_like(a*x, fill_value=2.0) + np.zeros_like(a*x, dtype=bool)
np.add.outer(a*x, b*x)
np.copy(a*x) + (b*x).copy() + (a*x).flatten() + np.outer(x, b*x).ravel()[:6]
(a*x).astype(float)*b + (b*x).astype(int)
np.real(a*x) + (a*x).T + np.squeeze(b*x[None])
[a*t + b for t in x]
[[a*t, b] for t in x]
sum(a*x**k for k in range(3)) + max(a, b) + min(a, b) * x
sp.erf(a*x) + sp.erfc(b*x)
sp.erfcx(a*x) + sp.erfcx(60*b*x) + sp.erfi(b*x)
sp.erfinv(0.3*a*x) + sp.erfcinv(b*x)
sp.dawsn(a*x) + sp.dawsn(90*b*x)
sp.wofz(a*x + 1j*b).real
sp.wofz((a*x + 1j*b)*99)
sp.wofz(a*x) * b
sp.voigt_profile(x, a, b)
sp.voigt_profile(a*x, b, 0.3)
sp.gamma(a*x) + sp.rgamma(b*x) + sp.gammaln(a*x)
sp.loggamma(a*x + 1j*b)
sp.psi(a*x) + sp.digamma(b*x/2 - 0.9)
sp.beta(a*x, b) + sp.betaln(b, a*x)
sp.poch(a*x, b) + sp.binom(a*x + 2, b)
sp.gammainc(1.5, a*x) + sp.gammaincc(0.7, b*x)
sp.gammaincinv(1.5, 0.3*a*x) + sp.gammainccinv(2, b*x/2)
sp.betainc(1.5, 2, a*x/3) + sp.betaincinv(2, 1.5, b*x/2)
sp.chdtr(3, a*x) + sp.chdtrc(2, b*x) + sp.stdtr(4, a - x)
sp.zeta(2.5, a*x) + b
sp.expit(a*x - b) + sp.logit(0.3*a*x) + sp.log_expit(-b*x)
sp.xlogy(a*x, b) + sp.xlogy(x - 0.2, b*x) + sp.xlog1py(a, b*x)
sp.entr(a*x) + sp.rel_entr(a*x, b*x) + sp.kl_div(a, b*x) + sp.huber(b, a*x)
sp.exp10(a*x) + sp.exp2(b*x) + sp.expm1(a*x) + sp.log1p(b*x) + sp.cbrt(a*x)
sp.exprel(a*x) + sp.exprel(1e-3*b*x) + sp.cosm1(a*x)
sp.sindg(a*x) + sp.cosdg(b*x) + sp.tandg(a*x)
sp.boxcox(a*x, 0.3) + b
sp.lambertw(a*x).real + sp.lambertw(-0.3*b*x/2, -1).real
sp.ndtr(a*x) + sp.log_ndtr(-b*x) + sp.ndtri(0.3*a*x) + sp.owens_t(a*x, b)
sp.jv(1.5, a*x) + sp.yv(0.3, b*x) + sp.jn(2, a*x) + sp.yn(2, b*x)
sp.j0(a*x) + sp.j1(b*x) + sp.y0(a*x) + sp.y1(b*x)
sp.iv(1.5, a*x) + sp.kv(0.3, b*x) + sp.kn(2, b*x)
sp.i0(a*x) + sp.i1(b*x) + sp.k0(a*x) + sp.k1(b*x)
sp.i0e(a*x) + sp.i1e(b*x) + sp.k0e(a*x) + sp.k1e(b*x)
sp.ive(1.5, -a*x + 2.7) + sp.kve(0.5, b*x)
sp.hankel1(1, a*x) + sp.hankel2(0.5, b*x)
sp.struve(1, a*x) + sp.modstruve(0.5, b*x)
sp.exp1(a*x) + sp.expi(b*x) + sp.expn(3, a*x) + sp.expn(0, b*x)
sp.spence(a*x) + b
sp.ellipk(0.3*a*x) + sp.ellipe(0.6*b*x) + sp.ellipk(-0.02*a*x) + sp.ellipe(0.02*b*x)
sp.ellipkm1(0.3*a*x) + sp.ellipkinc(a*x, 0.3) + sp.ellipeinc(b*x, 0.6)
sp.hyp0f1(1.2, a*x) + sp.hyp1f1(0.5, 1.5, b*x) + sp.hyperu(0.5, 1.2, a*x)
sp.hyp2f1(0.5, 1.2, 1.5, 0.3*a*x) + b
sp.eval_hermite(3, a*x) + sp.eval_hermitenorm(2, b*x) + sp.eval_laguerre(3, a*x)
sp.eval_genlaguerre(2, 0.5, a*x) + sp.eval_legendre(3, b*x) + sp.eval_legendre(0, a)*b
sp.eval_chebyt(4, 0.3*a*x) + sp.eval_gegenbauer(3, 0.7, b*x) + sp.eval_jacobi(2, 0.3, 1.2, a*x)
sp.sici(a*x)[0] + sp.sici(b*x)[1] + sp.shichi(a*x)[0] + sp.shichi(b*x)[1]
sp.fresnel(a*x)[0] * sp.fresnel(b*x)[1]
sp.airy(-a*x)[0] + sp.airy(b*x)[1] + sp.airy(a*x)[2] + sp.airy(-b*x)[3]
"""
ROWS = EXPRESSIONS.strip().splitlines()


@pytest.mark.parametrize("text", ROWS)
def test_expression(text):
    check(model(text), X, (1.3, 0.7))


# ---- models of several statements ----------------------------------------------------------------


def assigned(x, a, b):
    y = a * x
    y[x > 1] = b
    y[0] = a * b
    y[1:3] *= b
    y[-1] += 1
    return y


def views(x, a, b):
    y = a * np.outer(x, x)
    part = y[1:3]
    column = y.T[0]
    part *= b
    column[...] = b * x
    y.ravel()[7] = a**2
    part[0, 0] = 5.0
    return y + part.sum() + column.mean()


def kept_apart(x, a, b):
    y = a * x
    z = y + 1  # shares the tangents of y until y is written into
    w = +y
    y[2] = b
    y -= b * x
    copied = y.copy()
    y[:] = 0
    return z * w + copied + y


def alias(x, a, b):
    y = a * x
    same = y
    same += b
    first = a
    first += 1  # a scalar is not shared
    return y * first * a


def shifted(x, a, b):
    y = a * x**b
    y[1:] = y[:-1]
    y[:3] += y[3:]
    return y


def listed(x, a, b):
    y = a * np.outer(x, x)
    y[0, :2] = [b, 2.0]
    y[1:3, 0] = a, a * b
    for row in y[4:]:
        row *= b
    return y


def filled(x, a, b):
    y = np.zeros_like(a * x)
    for i in range(len(x)):
        y[i] = a * x[i] + (b * y[i - 1] if i else 0.0)
    return y


def masked_divide(x, a, b):
    u = a * (x - x[2])
    return b * np.divide(np.sin(u), u, out=np.ones_like(u), where=u != 0)


def branches(x, a, b):
    if isinstance(a, float) and a > b and np.isfinite(a) and not np.iscomplexobj(a):
        return a * x * b if np.isscalar(a) and np.ndim(x * a) == 1 and not a.is_integer() else b
    return x


def recursion(x, a, b):
    y, out = b, []
    for t in x:
        y = y + 0.1 * (a * t - y**2)
        out.append(y)
    return out


def guarded(x, a, b):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(x > 1, a * x, b / (x - x)[::-1] * 0 + a)


class Callable:
    scale = 2.0

    def __call__(self, x, a, b, *, offset=1.0):
        return self.scale * a * x**b + offset


def _doubled(x, factor, a, b):
    return factor * a * x + b


MODELS = (
    listed,
    assigned,
    views,
    kept_apart,
    alias,
    shifted,
    filled,
    masked_divide,
    branches,
    recursion,
)


@pytest.mark.parametrize("f", MODELS, ids=lambda f: f.__name__)
def test_statements(f):
    check(lambda x, p: f(x, *p), X, (1.3, 0.7))


# what NumPy does not hand to the rules, of models rebuilt over stand-ins
OVER_STAND_INS = """
np.array([a, b, 1.0])[[0, 1, 2, 0, 1, 2]] * x
np.asarray([[a, b], [b, 1.0]], dtype=complex) @ x[:2]
np.full(6, a) * x + np.full((2, 6), b*x) + np.full_like(x, a)
np.polyval([a, b, 1], x) + np.interp(x, [0, 1, 3], [a, b, a*b])
np.interp(x, [0.0, b, 3*a], [1.0, 3.0, 2.0], left=0.0)
np.reshape([a, b, a*b, 1.0], (2, 2)) @ x[:2]
np.polynomial.polynomial.polyval(x, [a, b, 1.0]) + np.polynomial.chebyshev.chebval(x, (a, b, a*b))
np.piecewise(x, [x < 1], [lambda t: a*t, b])
np.fromiter((a*t + b for t in x), float)
float(a)*x + np.float64(b)*complex(a, b).real + int(3*a)
(a if isinstance(a, float) else 0.0) * x + (b if isinstance(b, np.float64) else 0)
np.vectorize(lambda t, s: t*s if t > 1 else s)(x, a) + np.vectorize(lambda t: b*t)(t=x[0])
math.exp(a)*x + math.log(b) + math.log(a, 3) + math.sqrt(a*b) + math.pow(a, b) + math.floor(3*a)
math.erf(a)*x + math.erfc(b) + math.gamma(a) + math.lgamma(b) + math.atan2(a, b) + math.hypot(a, b)
math.fsum([a, b, 1.0]) * x + math.cosh(a) + math.fabs(-b) + (math.inf if math.isnan(a) else 0.0)
(cmath.exp(1j*a) * (b + x)) + cmath.sqrt(complex(-a, b)) + cmath.log(a - 2)
np.histogram(x)[0][:6] * a + np.percentile(x, 30)*b
signal.lfilter([b, a], [1.0, 0.3*a], a*np.sin(x))
signal.fftconvolve(a*x, np.exp(-b*x), mode="same") + signal.square(9*a*x)*b
integrate.trapezoid(a*x**b, x)*x + integrate.cumulative_trapezoid(x**a, x, initial=0)
integrate.simpson(a*x**b, x=x)*x + ndimage.gaussian_filter1d(a*x**b, 1.2)
linalg.expm(a*M) @ x[:3] + linalg.solve(M + b*np.eye(3), x[:3]) + linalg.det(a*M)
sp.spherical_jn(1, a*x) + sp.spherical_kn(0, b*x) + sp.polygamma(1, a*x)
sp.softmax(a*x) * b + sp.logsumexp(b*x)
SPLINE(a*x + 0.1) + LINES(b*x) + interpolate.splev(b*x, TCK)
interpolate.CubicSpline([0, 1, 2, 4], [a, b, 1.0, a*b])(a*x)
stats.norm.pdf(x, a, b) + stats.norm(a, scale=b).cdf(x) + stats.expon.sf(x, scale=a)
stats.lognorm.pdf(x, b, scale=a) + stats.weibull_min.cdf(x, a, scale=b) + stats.cauchy.logpdf(x, a)
stats.gamma.pdf(x, a, scale=b) + stats.t.pdf(x, 3, a, b) + stats.beta.pdf(x/3, 1 + a, 1 + b)
"""


@pytest.fixture(scope="module")
def scipy_names():
    from scipy import integrate, interpolate, linalg, ndimage, signal, stats

    names = {**NAMES, "cmath": cmath, "integrate": integrate, "interpolate": interpolate}
    names |= {"linalg": linalg, "ndimage": ndimage, "signal": signal, "stats": stats}
    knots = np.linspace(0, 4, 9)
    names["SPLINE"] = interpolate.CubicSpline(knots, np.sin(knots))
    names["LINES"] = interpolate.interp1d(knots, np.cos(knots))
    names["TCK"] = interpolate.splrep(knots, knots**2)
    return names


@pytest.mark.parametrize("text", OVER_STAND_INS.strip().splitlines())
def test_over_stand_ins(text, scipy_names):
    f = eval(f"lambda x, a, b: {text}", scipy_names)
    g = opening(rebuilt(f))
    expected, found = (h(X, *np.array([1.3, 0.7])) for h in (f, g))
    assert np.array_equal(getattr(found, "primal", found), expected)
    check(f, X, (1.3, 0.7), over=g)


def in_zeros(x, a, b):
    y = np.zeros_like(x)
    y[x > 1] = a * x[x > 1]
    y[x <= 1] = b
    y[0] = math.exp(a)
    return y


def in_a_copy(x, a, b):
    y = x.copy()
    y += a
    y[1:3] = b
    z = np.empty((2, len(x)))
    z[0], z[1] = y, 2 * y
    np.multiply(z, b, out=z)
    same = np.asarray(z, float)
    same[:, 4:] = a
    same[0].sort()
    np.copyto(same[1], b * x, where=x > 1)
    z.reshape(-1)[3] = b
    return z


def in_parts(x, a, b):
    z = np.zeros(len(x), dtype=complex)
    z.real = a * x
    z.imag = b * np.ones(len(x))
    z[2:].real *= b
    w = np.empty(3)
    w.fill(a)
    return z * w[1] + np.zeros(6).reshape(2, 3).ravel()


KEPT = np.zeros(6)


def in_a_global(x, a, b):
    KEPT[:] = a
    KEPT[x > 1] = (b * x)[x > 1]
    return KEPT.copy()


def through_helpers(x, a, b):
    def inner(t, scale=np.ones(6)):  # noqa: B008
        return np.asarray(scale) * math.sqrt(a) * t

    helper = functools.partial(inner, scale=np.full(6, b))
    return inner(x) + helper(x) + Holder(2.0).value(x, a)


class Holder:
    def __init__(self, factor):
        self.factor = factor

    def value(self, x, a):
        y = np.zeros(np.shape(x))
        y[...] = self.factor * a * x
        return y


STOOD_IN = (in_zeros, in_a_copy, in_parts, in_a_global, through_helpers)


@pytest.mark.parametrize("f", STOOD_IN, ids=lambda f: f.__name__)
def test_statements_over_stand_ins(f):
    x = X.copy()
    g = opening(rebuilt(f))
    check(f, x, (1.3, 0.7), over=g)
    check(f, x, (1.2, 0.8), over=g)  # what it keeps from the first call is no matter
    assert np.array_equal(x, X)


def test_columns_of_a_table():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"t": X, "dose": X**2})

    def f(df, a, b):
        late = (df["t"] > 1) * a
        return df.dose * a * np.exp(-b * df["t"]) + late + len(df) * df[["t"]]["t"]

    check(f, frame, (1.3, 0.7), over=opening(rebuilt(f)))
    check(
        lambda t, a, b: t * a - b, frame["t"], (1.3, 0.7), over=opening(lambda t, a, b: t * a - b)
    )


def test_a_rebuilt_model_has_the_builtins_it_had():
    scope = {"np": np, "__builtins__": {"len": len}}
    exec("def f(x, a, b):\n    return np.zeros(len(x)) + a * x\ng = lambda x: open(x)", scope)
    check(scope["f"], X, (1.3, 0.7), over=rebuilt(scope["f"]))
    with pytest.raises(NameError, match="open"):
        rebuilt(scope["g"])("a file")


@pytest.mark.parametrize("text", ["a*np.exp(-b*x) + b*x", "(a + b*x)/(1 + a*x)", "np.sin(a*x)**b"])
def test_large_arrays(text):
    """Their tangents are made in used memory; what is kept of them does not change."""
    x, f = np.linspace(0.2, 2.0, 5000), model(text)
    check(f, x, (1.3, 0.7))
    first = value_and_tangents(f, x, (1.3, 0.7))
    kept = [part.copy() for part in first]
    check(lambda x, p: f(x, p) * f(x, p[::-1])[::-1], x, (1.2, 0.8))
    value_and_tangents(f, x, (1.1, 0.9))
    assert all(map(np.array_equal, first, kept))


def test_any_callable_and_any_x():
    check(lambda x, p: Callable()(x, *p), X, (1.3, 0.7))
    check(lambda x, p: functools.partial(_doubled, factor=3.0, a=p[0], b=p[1])(x), X, (1.3, 0.7))
    check(lambda x, p: p[0] * x["t"] + p[1] * x["u"], {"t": X, "u": X**2}, (1.3, 0.7))
    check(lambda x, p: p[0] * x[0] + p[1] * x[1], (X, X**2), (1.3, 0.7))
    check(lambda x, p: p[0] * np.arange(3.0) + p[1], None, (1.3, 0.7))


def test_it_is_called_once_with_x_as_it_is():
    seen = []

    def f(x, p):
        seen.append((x, [float(q.primal) for q in p]))
        return p[0] * X

    x = {"x": X}
    value_and_tangents(f, x, [2.0, 3.0])
    assert len(seen) == 1
    assert seen[0][0] is x
    assert seen[0][1] == [2.0, 3.0]


def test_no_parameter_no_tangent():
    value, JT = value_and_tangents(lambda x, p: x**2, X, [1.0, 2.0])
    assert np.array_equal(value, X**2)
    assert not JT.any()
    assert JT.shape == (2, X.size)


# at the edge of a function's domain: (expression, x, (a, b), derivatives)
INF = np.inf
EDGES = [
    ("x**a", 0.0, (1.5, 1.0), (0, 0)),
    ("b*x**a", 0.0, (0.5, 2.0), (0, 0)),
    ("a**x", 0.0, (0.0, 1.0), (0, 0)),
    ("a**1", 0.0, (0.0, 1.0), (1, 0)),
    ("a**2", 0.0, (0.0, 1.0), (0, 0)),
    ("a**3", 0.0, (-2.0, 1.0), (12, 0)),
    ("np.sqrt(a*x)", 0.0, (2.0, 1.0), (0, 0)),
    ("np.sqrt(a)", 0.0, (0.0, 1.0), (INF, 0)),
    ("abs(a)*x", 3.0, (0.0, 1.0), (0, 0)),
    ("np.maximum(a, b)", 0.0, (1.0, 1.0), (0.5, 0.5)),
    ("np.clip(a, 0.0, b)", 0.0, (0.0, 1.0), (0.5, 0)),
    ("np.max(np.stack([a, b, 0.0]))", 0.0, (1.0, 1.0), (0.5, 0.5)),
    ("np.hypot(a*x, b*x)", 0.0, (1.0, 2.0), (0, 0)),
    ("np.linalg.norm(np.stack([a, b]))", 0.0, (0.0, 0.0), (0, 0)),
    ("np.abs(a*x + 1j*b*x)", 0.0, (1.0, 2.0), (0, 0)),
    ("np.exp(-(x/a)**b)", 0.0, (1.0, 0.7), (0, 0)),
    ("np.where(x > 0, a*np.log(np.where(x > 0, x, 1.0)), b)", 0.0, (1.0, 2.0), (0, 1)),
    ("1/(1 + np.exp(a*np.ones(2)))[0]", 0.0, (800.0, 1.0), (0, 0)),
    ("np.tanh(a)*b", 0.0, (800.0, 1.0), (0, 1)),
    ("sp.xlogy(a*x, x)", 0.0, (1.0, 1.0), (0, 0)),
    ("np.sinc(a*x)*b", 0.0, (1.0, 1.0), (0, 1)),
    ("sp.ellipk(a)", 0.0, (0.0, 1.0), (np.pi / 8, 0)),
    ("sp.lambertw(a).real", 0.0, (0.0, 1.0), (1, 0)),
    ("sp.j1(a)", 0.0, (0.0, 1.0), (0.5, 0)),
    ("sp.exprel(a)", 0.0, (0.0, 1.0), (0.5, 0)),
]


@pytest.mark.parametrize(("text", "x", "p", "slopes"), EDGES, ids=[e[0] for e in EDGES])
def test_edge(text, x, p, slopes):
    for x0 in (x, np.full(3, x)):
        with np.errstate(all="ignore"):
            expected = _array(model(text), x0, p)
            value, JT = value_and_tangents(model(text), x0, p)
        assert np.array_equal(value, expected)
        for row, slope in zip(JT, slopes, strict=True):
            np.testing.assert_allclose(row, slope, rtol=1e-14)


@pytest.mark.parametrize("text", [e[0] for e in EDGES])
def test_rules_add_no_warning(text):
    x, p = next((x, p) for t, x, p, _ in EDGES if t == text)
    with warnings.catch_warnings(record=True) as usual:
        warnings.simplefilter("always")
        model(text)(np.full(3, x), list(np.array(p)))
    with warnings.catch_warnings(record=True) as ours:
        warnings.simplefilter("always")
        value_and_tangents(model(text), np.full(3, x), p)
    assert [str(w.message) for w in ours] == [str(w.message) for w in usual]


# closed forms where differences have no digits left: (expression, a, derivative)
DIGITS = [
    ("sp.erfcx(a)", 1e4, -2 / math.sqrt(math.pi) * 5e-9 * (1 - 1.5e-8)),
    ("sp.dawsn(a)", 1e4, -5e-9 * (1 + 1.5e-8)),
    ("sp.wofz(a*1j).real", 1e4, -2 / math.sqrt(math.pi) * 5e-9 * (1 - 1.5e-8)),
    ("np.tanh(a)", 20.0, 4 * math.exp(-40.0)),
    ("np.sinc(a)", 1e-6, -(math.pi**2) / 3 * 1e-6),
    ("sp.expit(a)", 40.0, math.exp(-40.0)),
    ("sp.ellipe(a)", 1e-7, -math.pi / 8 * (1 + 3 / 8 * 1e-7)),
    ("np.logaddexp(a, 0)", -60.0, math.exp(-60.0)),
    ("np.cumprod(np.stack([a, a, a]))[2]", 1e-9, 3e-18),
]


@pytest.mark.parametrize(("text", "a", "slope"), DIGITS, ids=[d[0] for d in DIGITS])
def test_digits(text, a, slope):
    JT = value_and_tangents(model(text), 0.0, (a, 1.0))[1]
    np.testing.assert_allclose(JT[0], slope, rtol=2e-12)


# ---- refusals ------------------------------------------------------------------------------------

OUT = np.zeros(6)
REFUSED = """
float(a)*x
int(a)*x
complex(a)*x
a.item()*x
(a*x).tolist()
math.exp(a)*x
np.asarray(a)*x
np.array([a, b])
np.array(a*x)
np.float64(a)*x
np.asarray([[a, b], [b, a]]) @ x[:2]
np.linalg.eigvals(a*M)
np.linalg.svd(a*M)[1]
np.linalg.eigh(1j*a*M)[0]
np.linalg.eigh(a*np.eye(2))[0]
np.linalg.lstsq(a*M, x[:3])[0]
np.add(a*x, b, out=OUT)
np.exp(a*x, dtype=np.float32)
np.exp(a*x, where=x > 1)
np.add.at(a*x, [0], 1.0)
np.add.reduceat(a*x, [0, 2])
np.sum(a*x, initial=1.0)
np.sum(a*x, out=OUT[0])
np.sum(a*x, dtype=int)
np.vectorize(lambda t: t*a)(x)
np.vectorize(lambda t, s: t*s)(x, a)
np.frompyfunc(lambda t: t, 1, 1)(a*x)
np.apply_along_axis(np.sum, 0, a*x)
np.percentile(a*x, 50)
np.histogram(a*x)[0]
np.bincount([0, 1], weights=np.stack([a, b]))
np.full_like(x, a)
np.full(3, a)
np.arange(a)
np.allclose(a*x, x) * b
np.array_equal(a*x, x) * b
np.fill_diagonal(a*M, b)
np.copyto(a*x, x)
np.interp(1.0, [0, a], [1.0, 2.0])
np.interp(a*x, x, x, period=2.0)
np.piecewise(x, [x > 1], [lambda t: a*t, 0.0])
np.linalg.norm(a*x, 1)
np.linalg.det(a*np.ones((2, 2)))
np.polynomial.polynomial.polyval(x, [a, b])
np.geomspace(a, 2, 3)
np.maximum(a*x*1j, b)
np.sign(a*x*1j)
(a*x*1j).astype(float)
np.nextafter(a*x, b)
(a*x).sort()
(a*x).fill(b)
(a*x).view(np.int64)
(a*x).tobytes()
(a*x).flat[0]
memoryview(a*x)
hash(a)*x
{a: 1}[a]*x
functools.lru_cache(lambda q: q*x)(a)
f"{a}" + str(b)
"%s" % a
float(str(a))*x
pickle.dumps(a)
a == 1.3
np.where(a*x == 0.26, b, x)
np.equal(a*x, 0.26) * b
x*(not (a - 1.3))
sp.jv(a, x)
sp.gammainc(a, x)
sp.kv(b, a*x)
sp.betainc(a, b, 0.5)
sp.ellipj(a*x, 0.3)[0]
sp.zetac(a*x + 1)
sp.softmax(a*x)
sp.logsumexp(a*x)
sp.polygamma(1, a*x)
sp.spherical_jn(1, a*x)
sp.i0e(a*x + 1j)
stats.norm.pdf(x, a, b)
integrate.quad(lambda t: t*a, 0, 1)[0]*x
interpolate.CubicSpline(x, a*x)(x)
optimize.brentq(lambda t: t - a, 0, 9)*x
optimize.fsolve(lambda t: t - a, 1.0)*x
np.real_if_close(a*x + 0j)
[*map(float, a*x)]
range(a)
x[a]
a.foo
len(a)
np.frompyfunc(lambda t: t*a, 1, 1)(x)
[*np.frompyfunc(lambda t: t*a, 1, 1)(x)] and np.array(["a"])
x.dot(a*x)
round(a, 6)*x*a
(a*x).round(3)*a
(np.asmatrix(M) @ (a*M)) * (np.asmatrix(M) @ (a*M))
np.ma.masked_less(x, 1)*a
x.clip(a, b)
x.sum(initial=a)
np.random.default_rng(0).normal(a, 1.0, 6)
np.fromiter((a*t for t in x), float)
[a*math.pi*t for t in np.linspace(0, 1, 99)]
[np.exp(-b*t) for t in np.linspace(0, 1, 99)]
sum((np.ones(99)*a)[i] for i in range(99))*x
np.exp(np.frompyfunc(lambda t: t*a, 1, 1)(x))
"""


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")  # np.matrix
@pytest.mark.parametrize("text", REFUSED.strip().splitlines())
def test_refused(text):
    from scipy import integrate, interpolate, optimize, stats

    names = {**NAMES, "OUT": OUT, "functools": functools, "pickle": pickle, "stats": stats}
    names |= {"integrate": integrate, "interpolate": interpolate, "optimize": optimize}
    f = eval(f"lambda x, a, b: {text}", names)
    with pytest.raises(NoRule) as caught, np.errstate(all="ignore"):
        value_and_tangents(lambda x, p: f(x, *p), X, (1.3, 0.7))
    assert str(caught.value)


def refused_statements():
    def plain_target(x, a, b):
        out = np.zeros_like(x)
        out[0] = a
        return out

    def plain_slice(x, a, b):
        out = np.zeros_like(x)
        out[:] = a * x
        return out

    def in_place(x, a, b):
        out = np.ones_like(x)
        out *= a
        return out

    def swallowed(x, a, b):
        try:
            return math.exp(a) * x
        except TypeError:
            return 2.0 * x

    def swallowed_and_raised(x, a, b):
        try:
            return math.exp(a) * x
        except TypeError:
            raise ValueError("a is not a number") from None

    def default(x, a, b):
        return getattr(a, "tolist", lambda: 1.0)() * x

    def in_a_thread(x, a, b):
        def work():
            with contextlib.suppress(TypeError):
                math.exp(a)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return 2.0 * x

    kept = []

    def stale(x, a, b):
        kept.append(a)
        return kept[0] * x

    def nested(x, a, b):
        try:
            JT = value_and_tangents(lambda x, p: p[0] * a * x, x, [2.0])[1]
        except TypeError:
            JT = [2.0 * x]
        return JT[0] * b

    def halving(x, a, b):
        low, high = 0.0, 4.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if middle**3 < a else (low, middle)
        return low * b * x

    def halving_all(x, a, b):
        low, high = np.zeros_like(x), np.full_like(x, 4.0)
        for _ in range(40):
            middle = (low + high) / 2
            below = np.sign(middle**3 - a * x) < 0
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return low * b

    def deep(x, a, b):
        return pickle.loads(pickle.dumps(copy.deepcopy(a))) * x

    return (*(plain_target, plain_slice, in_place, swallowed, swallowed_and_raised, default),
            *(in_a_thread, stale, nested, deep, halving, halving_all))  # fmt: skip


@pytest.mark.parametrize("f", refused_statements(), ids=lambda f: f.__name__)
def test_refused_statements(f):
    def call():
        return value_and_tangents(lambda x, p: f(x, *p), X, (1.3, 0.7))

    with pytest.raises(NoRule):
        if f.__name__ == "stale":
            call()
        call()


def test_a_users_error_is_the_users():
    def f(x, p):
        raise ValueError("p out of range")

    with pytest.raises(ValueError, match="out of range"):
        value_and_tangents(f, X, [1.0])
    value_and_tangents(lambda x, p: p[0] * x, X, [1.0])  # nothing is left of the failed call


def test_it_imports_neither_jax_nor_scipy():
    code = (
        "import sys, numpy as np; from nlsq.core.model.duals import value_and_tangents;"
        "value_and_tangents(lambda x, p: np.exp(-p[0]*x), np.ones(3), [1.0]);"
        "assert not {'jax', 'scipy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# models of the corpus that no rule covers keep their number: roots, integrals and equations solved
# by SciPy, loops over points, and what is in REFUSED
WITHOUT_RULE = 22


def test_corpus():
    refused = []
    for case in CASES:
        p = np.asarray(case.p_true)
        scale = np.where(p == 0, 1.0, np.abs(p)) * 1e-5
        try:
            JT = CurveCall(case.f).tangents(case.x, p)[1]
        except NoRule:
            refused.append(case.name)
            continue
        slopes = _slopes(case, p, scale)
        JT = JT * scale.reshape(-1, *[1] * (JT.ndim - 1))
        np.testing.assert_allclose(
            JT, slopes, rtol=1e-5, atol=1e-5 * np.max(np.abs(slopes)), err_msg=case.name
        )
    assert len(refused) <= WITHOUT_RULE, refused


def _slopes(case, p, scale):
    """Central differences by each parameter for a change by `scale`, extrapolated once."""

    def central(step):
        return (np.asarray(case.f(case.x, *(p + step))) - case.f(case.x, *(p - step))) / 2

    rows = [(8 * central(s / 2) - central(s)) / 3 for s in np.diag(scale)]
    return np.array(rows)
