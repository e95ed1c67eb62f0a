"""The derivatives of SciPy's functions that are no ufuncs; its modules are looked for when loaded.

The value is SciPy's own. Each rule is called as rule(function, *args, **settings) with a dual
number somewhere among the arguments.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.core.model.duals.dual import (
    Dearer,
    Dual,
    NoRule,
    bared,
    carries,
    duals_in,
    full,
    holds_dual,
    lifted,
    plain,
    refuse,
)
from nlsq.core.model.duals.elementwise import times
from nlsq.core.model.duals.functions import lifting, multilinear, result, row_of, tangent_of
from nlsq.core.model.laws import evaluated, given_by_name, standard_laws

_RULES: dict[str, Callable] = {}


def rule(*names: str) -> Callable:
    """A decorator: the function below answers for these functions of SciPy."""

    def decorate(answer: Callable) -> Callable:
        _RULES.update(dict.fromkeys(names, answer))
        return answer

    return decorate


def stand_in(function: Any) -> Callable | None:
    """What is called in the place of a function of SciPy, or None."""
    module, name = getattr(function, "__module__", None) or "", getattr(function, "__name__", "")
    if not module.startswith("scipy."):
        return None
    for public in (module, ".".join(module.split(".")[:2])):
        answer = _RULES.get(f"{public}.{name}")
        if answer and getattr(sys.modules.get(public), name, None) is function:
            return _standing_in(function, answer)
    return _naming(function, public) if isinstance(function, types.FunctionType) else None


def _naming(function: Callable, module: str) -> Callable:
    """A function without a rule, whose name is the reason when dual numbers get into it."""

    def call(*args, **settings):
        try:
            return function(*map(bared, args), **{k: bared(v) for k, v in settings.items()})
        except Dearer:
            raise
        except NoRule as refusal:
            reason = f"{module}.{function.__name__} has no derivative rule"
            raise refuse(reason) from refusal

    return call


def _standing_in(function: Callable, answer: Callable) -> Callable:
    def call(*args, **settings):
        if carries([*args, *settings.values()]):
            ready = [lifted(bared(a)) for a in args]
            return answer(function, *ready, **{k: bared(v) for k, v in settings.items()})
        return function(*map(plain, args), **{k: plain(v) for k, v in settings.items()})

    return call


# ---- linear functions ----------------------------------------------------------------------------


@rule(
    *(f"scipy.signal.{name}" for name in "fftconvolve convolve oaconvolve correlate".split()),
    *(f"scipy.integrate.{name}" for name in "trapezoid cumulative_trapezoid".split()),
)
def _bilinear(function, a, b=None, *args, **settings):
    if holds_dual([*args, *settings.values()]):
        raise refuse(f"scipy's {function.__name__} has no rule by a parameter at this place")
    given = () if b is None else (b,)
    return lifting(multilinear(lambda *arrays: function(*arrays, *args, **settings)))(a, *given)


@rule(
    *(f"scipy.ndimage.{name}" for name in "gaussian_filter gaussian_filter1d".split()),
    *(f"scipy.ndimage.{name}" for name in "uniform_filter uniform_filter1d".split()),
    *("scipy.integrate.simpson", "scipy.signal.savgol_filter", "scipy.signal.detrend"),
    *("scipy.fft.dct", "scipy.fft.idct", "scipy.fft.fft", "scipy.fft.ifft", "scipy.fft.rfft"),
)
def _linear(function, a, *args, **settings):
    if not isinstance(a, Dual) or holds_dual([*args, *settings.values()]):
        raise refuse(f"scipy's {function.__name__} has no rule by a parameter at this place")
    return result(
        function(a.primal, *args, **settings),
        [a],
        lambda k: function(row_of(a, k), *args, **settings),
    )


@rule("scipy.signal.lfilter")
def _lfilter(function, b, a, x, axis=-1, zi=None):
    if zi is not None:
        raise refuse("scipy.signal.lfilter with zi= has no derivative rule")
    b0, a0, x0 = plain(b), plain(a), plain(x)
    value = function(b0, a0, x0, axis)

    def row(k):  # a y = b x
        moved = function(tangent_of(b, k), 1.0, x0, axis) if isinstance(b, Dual) else 0.0
        if isinstance(x, Dual):
            moved = moved + function(b0, 1.0, tangent_of(x, k), axis)
        if isinstance(a, Dual):
            moved = moved - function(tangent_of(a, k), 1.0, value, axis)
        return function(1.0, a0, moved, axis)

    return result(value, [*duals_in((b, a, x))], row)


@rule("scipy.signal.square")
def _square(function, t, duty=0.5):
    return function(plain(t), plain(duty))  # steps


# ---- linear algebra ------------------------------------------------------------------------------


@rule("scipy.linalg.expm")
def _expm(function, a):
    from scipy.linalg import expm_frechet

    value = function(a.primal)
    return result(value, [a], lambda k: expm_frechet(a.primal, row_of(a, k), compute_expm=False))


@rule("scipy.linalg.inv", "scipy.linalg.det", "scipy.linalg.solve")
def _by_numpy(function, *args):
    rows = getattr(np.linalg, function.__name__)(*args)
    return Dual(function(*map(plain, args)), rows.tangents)


# ---- special functions ---------------------------------------------------------------------------


@rule(*(f"scipy.special.spherical_{name}" for name in ("jn", "yn", "in", "kn")))
def _spherical(function, n, z, derivative=False):
    if derivative or holds_dual(n):
        raise refuse(f"scipy.special.{function.__name__} has no rule by its order, or twice")
    slope = function(n, z.primal, True)
    return result(function(n, z.primal), [z], lambda k: times(row_of(z, k), slope))


@rule("scipy.special.polygamma")
def _polygamma(function, n, x):
    if holds_dual(n):
        raise refuse("scipy.special.polygamma has no derivative rule by its order")
    slope = function(np.add(n, 1), x.primal)
    return result(function(n, x.primal), [x], lambda k: times(row_of(x, k), slope))


@rule("scipy.special.softmax")
def _softmax(function, x, axis=None):
    share = function(x.primal, axis)

    def row(k):
        t = row_of(x, k)
        return share * (t - np.sum(share * t, axis, keepdims=True))

    return result(share, [x], row)


@rule("scipy.special.logsumexp")
def _logsumexp(function, a, axis=None, b=None, keepdims=False):
    from scipy.special import softmax

    if b is not None:
        raise refuse("scipy.special.logsumexp with b= has no derivative rule")
    share = softmax(a.primal, axis)
    value = function(a.primal, axis, keepdims=keepdims)
    return result(value, [a], lambda k: np.sum(share * row_of(a, k), axis, keepdims=keepdims))


# ---- splines -------------------------------------------------------------------------------------


@rule("scipy.interpolate.splev")
def _splev(function, x, tck, der=0, ext=0):
    if holds_dual(tck):
        raise refuse("scipy.interpolate.splev with parameters in the spline has no rule")
    slope = function(x.primal, tck, der + 1, ext)
    return result(function(x.primal, tck, der, ext), [x], lambda k: times(row_of(x, k), slope))


class Spline:
    """A spline object of SciPy's that also takes dual numbers; `rows` are those of its heights."""

    def __init__(self, original: Any, rows: dict[Any, Any]):
        self.__dict__.update(_original=original, _rows=rows)

    def __call__(self, x, *args, **settings):
        at = np.asarray(plain(lifted(x)), float)
        value = self._original(at, *args, **settings)
        duals = [x] if isinstance(x, Dual) else []
        if not self._rows and not (duals and x.tangents):
            return value
        if args or settings:
            raise refuse("a spline with more arguments than x has no derivative rule")
        rows = {k: spline(at) for k, spline in self._rows.items()}
        if duals and x.tangents:
            slope = _slope_of(self._original, at)
            for k, t in x.tangents.items():
                rows[k] = times(full(t, at.shape), slope) + rows.get(k, 0.0)
        return Dual(value, rows)

    def __getattr__(self, name: str) -> Any:
        if self._rows:
            raise refuse(f"a spline's .{name} with parameters in it has no derivative rule")
        return getattr(self._original, name)


def _slope_of(spline: Any, at: np.ndarray) -> Any:
    if type(spline).__name__ != "interp1d":
        return spline(at, 1)
    if spline._kind != "linear" or np.ndim(spline.y) != 1:
        raise refuse("scipy.interpolate.interp1d of this kind has no derivative rule")
    x, y = spline.x, spline.y
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    slope = (y[i + 1] - y[i]) / (x[i + 1] - x[i])
    inside = (at >= x[0]) & (at <= x[-1])
    return slope if isinstance(spline.fill_value, str) else np.where(inside, slope, 0.0)


@rule("scipy.interpolate.CubicSpline", "scipy.interpolate.make_interp_spline")
def _made_spline(function, x, y, *args, **settings):
    if not isinstance(y, Dual) or holds_dual([x, *args, *settings.values()]):
        raise refuse(f"scipy.interpolate.{function.__name__} of other than heights has no rule")

    def of(heights):  # linear in them
        return function(x, heights, *args, **settings)

    return Spline(of(y.primal), {k: of(row_of(y, k)) for k in y.tangents})


_SPLINES = {
    *("CubicSpline", "PchipInterpolator", "Akima1DInterpolator", "PPoly", "BSpline", "interp1d"),
    *("CubicHermiteSpline", "UnivariateSpline", "InterpolatedUnivariateSpline"),
    "LSQUnivariateSpline",
}

# ---- distributions -------------------------------------------------------------------------------


class Distribution:
    """A distribution of `scipy.stats` that takes dual numbers, frozen or not."""

    def __init__(self, original: Any, law: Any, args: tuple = (), settings: dict | None = None):
        self.__dict__.update(_original=original, _law=law, _args=args, _settings=settings or {})

    def __call__(self, *args, **settings) -> Distribution:
        return Distribution(self._original, self._law, args, settings)

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._original, name)

        def call(*args, **settings):
            args, settings = (*args, *self._args), {**settings, **self._settings}
            value = method(*map(plain, args), **{k: plain(v) for k, v in settings.items()})
            if not carries([*args, *settings.values()]):
                return value
            if self._law is None or self._law.function(name) is None:
                raise refuse(f"scipy.stats.{self._original.name}.{name} has no derivative rule")
            given = given_by_name(self._original.shapes, args, settings)
            with np.errstate(all="ignore"):
                same = evaluated(self._law, name, given, _namespace())
            return Dual(value, {k: full(t, np.shape(value)) for k, t in same.tangents.items()})

        return call if callable(method) else method


def _namespace() -> Any:
    from scipy import special

    names = "betainc betaln expit gammainc gammaincc gammaln log_ndtr ndtr xlog1py xlogy".split()
    elementary = "abs arctan2 exp expm1 inf log log1p where".split()
    return types.SimpleNamespace(
        **{name: getattr(np, name) for name in elementary},
        **{name: getattr(special, name) for name in names},
    )


def instance(obj: Any) -> Any:
    """What stands for an object of SciPy's: a spline or a distribution; None for others."""
    kind = type(obj)
    if kind.__module__.startswith("scipy.interpolate.") and kind.__name__ in _SPLINES:
        return Spline(obj, {})
    stats = sys.modules.get("scipy.stats")
    if stats is None or not kind.__module__.startswith("scipy.stats."):
        return None
    if isinstance(obj, stats.rv_continuous):
        return Distribution(obj, standard_laws(_namespace()).get(obj.name))
    if kind.__name__ == "rv_continuous_frozen":
        return instance(obj.dist)(*obj.args, **obj.kwds)
    return None
