"""What stands for NumPy's constructors, Python's types and `math` where dual numbers go through.

NumPy hands functions of dual numbers to their rules, but not those that make arrays, and Python's
own functions know numbers only. A model that needs these is rebuilt over the functions below.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.core.model.duals.chain import chained, elementwise
from nlsq.core.model.duals.dual import (
    FUNCTIONS,
    Dual,
    full,
    holds_dual,
    is_open,
    lifted,
    plain,
    refuse,
)


def open_for_duals(a: Any) -> Any:
    """An array of floating point as a dual array, into which parameters may be written."""
    return Dual(a, {}) if is_open(a) else a


def _making(function: Callable) -> Callable:
    def make(*args, **settings):
        if holds_dual([*args, *settings.values()]):
            raise refuse(f"np.{function.__name__} of a parameter has no derivative rule")
        return open_for_duals(function(*args, **settings))

    return make


def _like(function: Callable) -> Callable:
    def make(a, *args, **settings):
        if type(a) is np.ndarray:
            a = Dual(a, {})
        elif holds_dual(a):
            a = lifted(a)
        return function(a, *args, **settings)

    return make


def _full(shape, fill_value, dtype=None, **settings):
    fill = lifted(fill_value)
    value = np.full(shape, plain(fill), dtype, **settings)
    if not isinstance(fill, Dual):
        return open_for_duals(value)
    if value.dtype.kind not in "fc":
        raise refuse("np.full of a parameter with an integer dtype has no derivative rule")
    return Dual(value, fill.tangents)


def _array(function: Callable) -> Callable:
    def make(a, dtype=None, *args, **settings):
        if not holds_dual(a):
            return open_for_duals(function(a, dtype, *args, **settings))
        dimensions = settings.pop("ndmin", 0)
        if args or set(settings) - {"copy"}:
            raise refuse(f"np.{function.__name__} of parameters in this form has no rule")
        array = lifted(a)
        if np.ndim(array.primal) < dimensions:
            array = np.reshape(array, (1,) * (dimensions - np.ndim(array.primal)) + array.shape)
        if not isinstance(array.primal, np.ndarray):
            array = Dual(np.asarray(array.primal), array.tangents)
        if dtype is not None:
            return array.astype(dtype, copy=function is np.array)
        return array.copy() if array is a and function is np.array else array

    return make


def _fromiter(items, dtype, *args, **settings):
    if args or settings:
        raise refuse("np.fromiter with a count has no derivative rule")
    return _array(np.array)([*items], dtype)


def of_lists(function: Any) -> Callable:
    """A function with a rule, which is asked for lists of dual numbers, too."""
    answer = FUNCTIONS[function]

    def call(*args, **settings):
        if any(type(a) in (list, tuple) and holds_dual(a) for a in (*args, *settings.values())):
            return answer(*args, **settings)
        return function(*args, **settings)

    return call


class Vectorized:
    """`numpy.vectorize`: the function point by point."""

    def __init__(self, pyfunc, otypes=None, doc=None, excluded=None, cache=False, signature=None):
        if excluded or signature:
            raise refuse("np.vectorize with excluded= or signature= has no derivative rule")
        self.pyfunc, self.otypes = pyfunc, otypes

    def __call__(self, *args, **named):
        parts = np.broadcast_arrays(*args, *named.values())
        flat = [np.ravel(part) for part in parts]
        values = [
            self.pyfunc(*items[: len(args)], **dict(zip(named, items[len(args) :], strict=True)))
            for items in zip(*flat, strict=True)
        ]
        values = np.reshape(_array(np.array)(values), np.shape(parts[0]))
        return values if self.otypes is None else values.astype(self.otypes[0])


NUMPY: dict[Any, Any] = {
    **{f: _making(f) for f in (np.zeros, np.ones, np.empty, np.arange, np.eye, np.identity)},
    **{f: _like(f) for f in (np.zeros_like, np.ones_like, np.empty_like, np.full_like)},
    **{f: _array(f) for f in (np.array, np.asarray, np.asanyarray, np.ascontiguousarray)},
    np.full: _full,
    np.fromiter: _fromiter,
    np.vectorize: Vectorized,
    np.piecewise: lambda x, *args, **settings: np.piecewise(
        open_for_duals(np.asarray(x, float)) if type(x) is np.ndarray else x, *args, **settings
    ),
}

# ---- types ---------------------------------------------------------------------------------------


class _Kind(type):
    """A type that is taken for the original, and leaves dual numbers what they are."""

    def __instancecheck__(cls, item):
        return isinstance(item, cls.original)

    def __subclasscheck__(cls, kind):
        return issubclass(kind, cls.original)

    def __eq__(cls, other):
        return other is cls.original or other is type.__getattribute__(cls, "__bases__")[0]

    def __hash__(cls):
        return hash(cls.original)

    def __call__(cls, *args, **settings):
        if holds_dual(args):
            return _converted(cls.original, *args)
        return cls.original(*args, **settings)


def _converted(kind: type, a: Any, imaginary: Any = 0.0) -> Dual:
    if holds_dual(imaginary) or (kind is complex and imaginary):
        a, kind = a + 1j * imaginary, complex
    value = kind(a.primal)
    return Dual(value, {k: full(t, np.shape(a.primal)).reshape(()) for k, t in a.tangents.items()})


def _kind(original: type) -> type:
    return _Kind(
        original.__name__, (original,), {"original": original, "dtype": np.dtype(original)}
    )


FLOAT, COMPLEX = _kind(float), _kind(complex)
TYPES: dict[Any, Any] = {
    float: FLOAT,
    complex: COMPLEX,
    np.float64: _kind(np.float64),
    np.complex128: _kind(np.complex128),
}

_ROOT_PI = math.sqrt(math.pi)

# ---- math and cmath ------------------------------------------------------------------------------

_SAME = """acos acosh asin asinh atan atanh atan2 cos cosh degrees exp exp2 expm1 fabs floor ceil
trunc fmod hypot isfinite isinf isnan log10 log1p log2 radians sin sinh sqrt tan tanh cbrt copysign
pow log"""
_OTHER_NAMES = {
    **{f"a{name}": f"arc{name}" for name in "cos cosh sin sinh tan tanh tan2".split()},
    "pow": "power",
}


def _of_gamma(x, z):
    from scipy.special import psi

    return z * psi(x)


def _of_lgamma(x, z):
    from scipy.special import psi

    return psi(x)


_PARTIALS: dict[str, Callable] = {
    "erf": lambda x, z: 2 / _ROOT_PI * np.exp(-x * x),
    "erfc": lambda x, z: -2 / _ROOT_PI * np.exp(-x * x),
    "gamma": _of_gamma,
    "lgamma": _of_lgamma,
}


def _of_numbers(original: Callable, ufunc: np.ufunc | None, partial: Callable | None) -> Callable:
    """The function of Python's numbers, which takes dual numbers of one value, too."""

    def call(*args):
        if not holds_dual(args):
            return original(*args)
        value = original(*map(plain, args))  # its errors are the model's
        if ufunc is not None:
            return elementwise(ufunc, lambda *_: value, args)
        return chained(ufunc, value, args, [*map(plain, args)], (partial,))

    call.__name__ = original.__name__
    return call


def _logarithm(original: Callable) -> Callable:
    one = _of_numbers(original, np.log, None)

    def log(x, *base):
        return one(x) / one(*base) if base else one(x)

    return log


def _fsum(items):
    items = [*items]
    return (
        Dual(math.fsum(map(plain, items)), sum(items).tangents)
        if holds_dual(items)
        else (math.fsum(items))
    )


def _python_numbers() -> dict[Any, Any]:
    table: dict[Any, Any] = {math.fsum: _fsum}
    for module in (math, cmath):
        for name in _SAME.split():
            original = getattr(module, name, None)
            if original is not None:
                ufunc = getattr(np, _OTHER_NAMES.get(name, name))
                table[original] = _of_numbers(original, ufunc, None)
        table[module.log] = _logarithm(module.log)
    for name, partial in _PARTIALS.items():
        table[getattr(math, name)] = _of_numbers(getattr(math, name), None, partial)
    return table


PYTHON = _python_numbers()
