"""The derivatives of NumPy's ufuncs: one partial derivative per argument.

A partial is called with the plain arguments and the result, with NumPy's warnings off. A number
stands for itself. `times` multiplies a tangent by a partial.
"""

from __future__ import annotations

import contextvars
import sys
import threading

import numpy as np

from nlsq.core.model.duals.buffers import LARGE, Buffers

LN2, LN10, DEGREE = np.log(2.0), np.log(10.0), np.pi / 180


ONE = 1.0  # the tangent of a parameter by itself: known again by its identity
_DOUBLE, _COMPLEX = np.dtype(float), np.dtype(complex)


class _Thread(threading.local):
    """A thread's context in which NumPy does not warn: `quietly(f, *args)` calls f in it.

    It costs a twentieth of `np.errstate`, and cannot be entered twice.
    """

    def __init__(self):
        context = contextvars.Context()
        context.run(np.seterr, all="ignore")
        self.quietly = context.run
        self.buffers = Buffers()
        self.scalars = sys.maxsize  # how many more numbers an evaluation may work out one by one


THREAD = _Thread()
CAREFUL: set[int] = set()  # the threads that look at each product for 0 * inf


def probed(a):
    """A number that is NaN where there is one in an array, and not finite where any is not."""
    if a.size >= LARGE:  # where a product would wait for BLAS' threads
        return np.add.reduce(a, None)
    flat = a if a.ndim == 1 else a.ravel()
    return flat.dot(flat)


def in_buffer(ufunc, t, c):
    """The sum or product of a tangent and another or a number, in used memory if it is large."""
    if type(t) is np.ndarray and t.size >= LARGE and t.dtype is _DOUBLE:
        if type(c) is not np.ndarray or c.size == 1 or (c.shape == t.shape and c.dtype is _DOUBLE):
            shape = t.shape
        else:
            return ufunc(t, c)
    elif type(c) is np.ndarray and c.size >= LARGE and c.dtype is _DOUBLE and np.ndim(t) == 0:
        shape = c.shape
    else:
        return t * c if ufunc is np.multiply else t + c
    return ufunc(t, c, out=THREAD.buffers.take(shape))


def times(t, c):
    """t*c, where an exact 0 wins over an infinity, as in the limit.

    So x**p at x = 0, sqrt(p*x) at x = 0 and 1/(1 + exp(u)) for a huge u have the derivative 0.
    """
    if type(t) is float:
        if type(c) is float or type(c) is np.float64:
            r = float.__mul__(t, c)  # Python's product never warns
            return 0.0 if r != r and (t == 0 or c == 0) else r
        t = np.float64(t)  # a Python float would let single precision be
    r = np.multiply(t, c)
    probe = probed(r)
    if probe != probe:
        r = np.where((t == 0) | (c == 0), 0.0, r)
    return r


def scaled(rows, c, steep=True):
    """The tangents times c; without `steep` 0 * inf is a NaN, but for threads in `CAREFUL`.

    steep: c may be infinite where the result is finite.
    """
    new = {}
    if (not steep or _is_finite(c)) and (not CAREFUL or threading.get_ident() not in CAREFUL):
        if type(c) is np.ndarray:
            if c.size >= LARGE and c.dtype is _DOUBLE:
                for k, t in rows.items():
                    new[k] = in_buffer(np.multiply, t, c)
                return new
            if c.dtype is _DOUBLE or c.dtype is _COMPLEX:
                for k, t in rows.items():
                    new[k] = c.copy() if t is ONE else t * c  # c may be written into later
                return new
        elif isinstance(c, (float, int)):
            for k, t in rows.items():
                small = type(t) is float or t.size < LARGE
                new[k] = t * c if small else in_buffer(np.multiply, t, c)
            return new
    for k, t in rows.items():
        new[k] = times(t, c)
    return new


def joined(rows, more):
    """The sums of two values' tangents."""
    if not rows:
        return more
    sums = {**rows, **more}
    if len(sums) < len(rows) + len(more):
        for k in rows:
            if k in more:
                t, u = rows[k], more[k]
                small = type(t) is float or t.size < LARGE
                sums[k] = t + u if small else in_buffer(np.add, t, u)
    return sums


def ratio(a, b):
    """a/b, and 0 where both are 0."""
    return np.where((a == 0) & (b == 0), 0.0, np.true_divide(a, b))


def _base(x, y, z):
    if isinstance(y, (int, float)):  # x ** a Python number has short ways
        if y == 2:
            return x + x
        r = np.divide(z, x) * float(y)
        return r if _is_finite(r) else times(float(y), x ** (float(y) - 1))
    return times(y, x ** np.subtract(y, 1.0))


def _exponent(x, y, z):
    r = z * np.log(x)
    # 0**p is 0 beside every p > 0, too
    return r if _is_finite(r) else z * np.where(np.equal(x, 0), 0.0, np.log(x))


def _is_finite(a) -> bool:
    """Whether all of a is finite; no, for some whose squares are not."""
    probe = probed(a) if type(a) is np.ndarray else a
    return bool(probe - probe == 0)


def above(x, y):
    """The derivative of max(x, y) by x; ties share it, as in JAX."""
    return np.greater(x, y) + 0.5 * np.equal(x, y)


def _only(x, y, above):
    """The same where a NaN gives way to the other argument (fmax, fmin)."""
    return np.where(np.isnan(y), 1.0, np.where(np.isnan(x), 0.0, above))


def _share(x, z, exponential):
    return exponential(np.where(np.equal(x, z), 0.0, np.subtract(x, z)))


def _same_sign(x, y, z):
    return np.where(np.signbit(x) == np.signbit(y), 1.0, -1.0)


def sinc_slope(x):
    """d/dx sin(pi x)/(pi x), without cancellation near 0."""
    u = np.pi * x
    s = u * u
    series = -u / 3 * (1 - s / 10 * (1 - s / 28 * (1 - s / 54 * (1 - s / 88 * (1 - s / 130)))))
    return np.pi * np.where(np.abs(u) < 0.3, series, (np.cos(u) - np.sin(u) / u) / u)


ELEMENTWISE = {
    np.add: (1, 1),
    np.subtract: (1, -1),
    np.positive: (1,),
    np.negative: (-1,),
    np.multiply: (lambda x, y, z: y, lambda x, y, z: x),
    np.divide: (lambda x, y, z: 1 / y, lambda x, y, z: z / -y),
    np.power: (_base, _exponent),
    np.float_power: (_base, _exponent),
    np.remainder: (1, lambda x, y, z: -np.floor_divide(x, y)),
    np.fmod: (1, lambda x, y, z: -np.trunc(np.divide(x, y))),
    np.square: (lambda x, z: 2 * x,),
    np.sqrt: (lambda x, z: 0.5 / z,),
    np.cbrt: (lambda x, z: 1 / (3 * z * z),),
    np.reciprocal: (lambda x, z: -z * z,),
    np.exp: (lambda x, z: z,),
    np.exp2: (lambda x, z: z * LN2,),
    np.expm1: (lambda x, z: np.exp(x),),
    np.log: (lambda x, z: 1 / x,),
    np.log2: (lambda x, z: 1 / (x * LN2),),
    np.log10: (lambda x, z: 1 / (x * LN10),),
    np.log1p: (lambda x, z: 1 / (1 + x),),
    np.sin: (lambda x, z: np.cos(x),),
    np.cos: (lambda x, z: -np.sin(x),),
    np.tan: (lambda x, z: 1 + z * z,),
    np.arcsin: (lambda x, z: 1 / np.sqrt((1 - x) * (1 + x)),),
    np.arccos: (lambda x, z: -1 / np.sqrt((1 - x) * (1 + x)),),
    np.arctan: (lambda x, z: 1 / (1 + x * x),),
    np.arctan2: (
        lambda y, x, z: x / np.hypot(x, y) / np.hypot(x, y),
        lambda y, x, z: -y / np.hypot(x, y) / np.hypot(x, y),
    ),
    np.sinh: (lambda x, z: np.cosh(x),),
    np.cosh: (lambda x, z: np.sinh(x),),
    np.tanh: (lambda x, z: 1 / np.square(np.cosh(x)),),  # 1 - z*z has no digits where z is 1
    np.arcsinh: (lambda x, z: 1 / np.sqrt(1 + x * x),),
    np.arccosh: (lambda x, z: 1 / (np.sqrt(x - 1) * np.sqrt(x + 1)),),
    np.arctanh: (lambda x, z: 1 / ((1 - x) * (1 + x)),),
    np.hypot: (lambda x, y, z: ratio(x, z), lambda x, y, z: ratio(y, z)),
    np.deg2rad: (DEGREE,),
    np.radians: (DEGREE,),
    np.rad2deg: (1 / DEGREE,),
    np.degrees: (1 / DEGREE,),
    np.fabs: (lambda x, z: np.sign(x),),
    np.maximum: (lambda x, y, z: above(x, y), lambda x, y, z: above(y, x)),
    np.minimum: (lambda x, y, z: above(y, x), lambda x, y, z: above(x, y)),
    np.fmax: (
        lambda x, y, z: _only(x, y, above(x, y)),
        lambda x, y, z: _only(y, x, above(y, x)),
    ),
    np.fmin: (
        lambda x, y, z: _only(x, y, above(y, x)),
        lambda x, y, z: _only(y, x, above(x, y)),
    ),
    np.logaddexp: (lambda x, y, z: _share(x, z, np.exp), lambda x, y, z: _share(y, z, np.exp)),
    np.logaddexp2: (lambda x, y, z: _share(x, z, np.exp2), lambda x, y, z: _share(y, z, np.exp2)),
    np.heaviside: (0, lambda x, y, z: np.equal(x, 0)),
    np.copysign: (_same_sign, 0),
    np.ldexp: (lambda x, k, z: np.exp2(k), 0),
}

# plain results: nothing to differentiate, or the derivative is 0 wherever it exists
PLAIN = {
    *(np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal),
    *(np.logical_and, np.logical_or, np.logical_not, np.logical_xor),
    *(np.isfinite, np.isinf, np.isnan, np.signbit, np.sign),
    *(np.floor, np.ceil, np.trunc, np.rint, np.floor_divide),
}

# of complex numbers these are no derivatives, or lose part of them
REAL_ONLY = {np.maximum, np.minimum, np.fmax, np.fmin, np.sign, np.floor_divide, np.remainder}

# their partials may be infinite where the arguments and the result are finite
STEEP = {np.power, np.float_power, np.sqrt, np.cbrt, np.arcsin, np.arccos, np.arccosh}
