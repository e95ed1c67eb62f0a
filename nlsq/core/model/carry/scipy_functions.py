"""SciPy's functions (not ufuncs) that models call: carried where it is exact, refused by name."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np

from nlsq.core.model.carry import special
from nlsq.core.model.carry.distributions import Distribution
from nlsq.core.model.carry.proxy import Proxy, any_traced, unwrap, wrap
from nlsq.core.model.carry.state import public_name, refuse

_handlers: dict[str, dict[str, Callable]] = {}  # by module, then by name
_table: dict[Any, Callable] = {}
_lock = threading.Lock()


def stands_for(*originals: str) -> Callable:
    """Register a function used in the place of these where an argument is traced."""

    def register(handler: Callable) -> Callable:
        for original in originals:
            module, _, name = original.rpartition(".")
            _handlers.setdefault(module, {})[name] = handler
        return handler

    return register


def stand_in(f: Any) -> Callable | None:
    """What is called in the place of a SciPy function or class, or None.

    Only modules that the user has imported are looked into: they take a second to load.
    """
    with _lock:
        for module in [name for name in _handlers if name in sys.modules]:
            loaded = sys.modules[module]
            if getattr(loaded.__spec__, "_initializing", False):  # another thread is at it
                continue
            for name, handler in _handlers.pop(module).items():
                original = getattr(loaded, name, None)
                if original is not None:
                    _table[original] = _carried(original, handler)
        return _table.get(f)


def _carried(original: Any, handler: Callable) -> Callable:
    @functools.wraps(original, updated=())
    def run(*args, **kwargs):
        if any_traced(args, kwargs):
            return wrap(handler(*unwrap(args), **unwrap(kwargs)))
        return wrap(original(*unwrap(args), **unwrap(kwargs)))

    return run


def guarded(f: Callable) -> Callable:
    """A SciPy function without a counterpart: data pass, traced values are refused by name."""
    name = public_name(f.__module__, f.__name__)

    @functools.wraps(f)
    def run(*args, **kwargs):
        if any_traced(args, kwargs):
            refuse(f"{name} needs concrete numbers, not values that depend on the parameters")
        result = f(*unwrap(args), **unwrap(kwargs))
        return instance(result) or wrap(result)

    return run


# -- special, linear algebra, integrals of samples ----------------------------------------------
for _name, _function in special.FUNCTIONS.items():
    stands_for(f"scipy.special.{_name}")(_function)

for _name in ("expm", "solve", "inv", "det", "cholesky", "toeplitz"):
    stands_for(f"scipy.linalg.{_name}")(getattr(jax.scipy.linalg, _name))


@stands_for("scipy.integrate.trapezoid")
def _trapezoid(y, x=None, dx=1.0, axis=-1):
    return jnp.trapezoid(jnp.asarray(y), None if x is None else jnp.asarray(x), dx, axis)


@stands_for("scipy.integrate.cumulative_trapezoid")
def _cumulative_trapezoid(y, x=None, dx=1.0, axis=-1, initial=None):
    y = jnp.moveaxis(jnp.asarray(y), axis, -1)
    step = dx if x is None else jnp.diff(jnp.asarray(x))
    total = jnp.cumsum(step * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    if initial is not None:
        head = jnp.full((*total.shape[:-1], 1), initial, total.dtype)
        total = jnp.concatenate([head, total], axis=-1)
    return jnp.moveaxis(total, -1, axis)


@stands_for("scipy.signal.fftconvolve", "scipy.signal.convolve")
def _signal_convolve(a, v, mode="full", method="auto", axes=None):
    a, v = jnp.asarray(a), jnp.asarray(v)
    if a.ndim != 1 or v.ndim != 1 or axes is not None:
        refuse("scipy.signal.convolve of more than one dimension is not carried")
    if mode == "full":
        return jnp.convolve(a, v, precision="highest")
    full = jnp.convolve(a, v, precision="highest")  # SciPy centres "same" on the first input
    keep = a.size if mode == "same" else a.size - v.size + 1
    start = (full.size - keep) // 2
    if keep < 1:
        refuse("scipy.signal.convolve(mode='valid') with a longer second input is not carried")
    return full[start : start + keep]


# -- splines through data: piecewise polynomials with known coefficients ------------------------
class Piecewise:
    """A SciPy piecewise polynomial that also evaluates at traced points."""

    def __init__(self, original: Any, poly: Any):
        self._original, self._poly = original, poly

    def __call__(self, x, *args, **kwargs):
        if not any_traced(x):
            return wrap(self._original(*unwrap((x, *args)), **kwargs))
        poly, order = self._poly, args[0] if args else kwargs.get("nu", 0)
        if order:
            poly = poly.derivative(order)
        if poly.extrapolate == "periodic" or kwargs.get("extrapolate") or len(args) > 1:
            refuse("a spline with `extrapolate` given at evaluation is not carried")
        return Proxy(_evaluate(poly, jnp.asarray(unwrap(x)), bool(poly.extrapolate)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def _evaluate(poly: Any, x: jax.Array, extrapolate: bool) -> jax.Array:
    knots, c = poly.x, jnp.asarray(poly.c)
    if c.ndim != 2:
        refuse("a spline of vectors is not carried")
    piece = jnp.clip(jnp.searchsorted(knots, x, side="right") - 1, 0, len(knots) - 2)
    t = x - jnp.asarray(knots)[piece]
    value = jnp.zeros_like(t)
    for row in c:
        value = value * t + row[piece]
    inside = (x >= knots[0]) & (x <= knots[-1])
    return value if extrapolate else jnp.where(inside, value, jnp.nan)


class Interp1d:
    """`scipy.interpolate.interp1d` (linear) at traced points."""

    def __init__(self, original: Any):
        self._original = original

    def __call__(self, x):
        f = self._original
        if not any_traced(x):
            return wrap(f(unwrap(x)))
        if f._kind != "linear" or f.y.ndim != 1:
            refuse("scipy.interpolate.interp1d other than linear in one dimension is not carried")
        x = jnp.asarray(unwrap(x))
        if isinstance(f.fill_value, str):
            from scipy.interpolate import PPoly, make_interp_spline

            poly = PPoly.from_spline(make_interp_spline(f.x, f.y, k=1))
            return Proxy(_evaluate(poly, x, True))
        fill = f.fill_value if isinstance(f.fill_value, tuple) else (f.fill_value,) * 2
        low, high = (np.asarray(v).item() for v in fill)
        return Proxy(jnp.interp(x, f.x, f.y, left=low, right=high))


@stands_for("scipy.interpolate.splev")
def _splev(x, tck, der=0, ext=0):
    if ext or any_traced(tck):
        refuse("scipy.interpolate.splev with `ext` or traced coefficients is not carried")
    from scipy.interpolate import PPoly

    poly = PPoly.from_spline(tck)
    return _evaluate(poly.derivative(der) if der else poly, jnp.asarray(x), True)


class Maker:
    """The class of an interpolator, which a model calls to make one from data."""

    def __init__(self, original: type):
        self.original = original

    def __call__(self, *args, **kwargs):
        name = public_name(self.original.__module__, self.original.__name__)
        if any_traced(args, kwargs):
            refuse(f"{name} needs concrete numbers, not values that depend on the parameters")
        made = self.original(*unwrap(args), **unwrap(kwargs))
        return instance(made) or made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


def maker(cls: type) -> Any:
    """The stand-in of a SciPy interpolator's class, or None."""
    interpolate = sys.modules.get("scipy.interpolate")
    if interpolate is None:
        return None
    kinds = (
        interpolate.PPoly, interpolate.BSpline, interpolate.UnivariateSpline, interpolate.interp1d
    )  # fmt: skip
    return Maker(cls) if issubclass(cls, kinds) else None


def instance(obj: Any) -> Any:
    """The stand-in of a SciPy interpolator or distribution, or None."""
    if type(obj).__module__.startswith("scipy.stats") and hasattr(obj, "shapes"):
        return Distribution(obj)
    interpolate = sys.modules.get("scipy.interpolate")
    if interpolate is None:
        return None
    if isinstance(obj, interpolate.PPoly):
        return Piecewise(obj, obj)
    if isinstance(obj, interpolate.BSpline) and obj.c.ndim == 1:
        return Piecewise(obj, interpolate.PPoly.from_spline(obj))
    if isinstance(obj, interpolate.UnivariateSpline) and obj.ext in (0, "extrapolate"):
        t, c, k = obj._eval_args
        return Piecewise(obj, interpolate.PPoly.from_spline((t, c[: len(t) - k - 1], k)))
    if isinstance(obj, interpolate.interp1d):
        return Interp1d(obj)
    return None
