"""NumPy's functions (not ufuncs) on proxies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.core.model.carry.proxy import (
    Proxy,
    any_traced,
    raw,
    touches,
    unwrap,
    wrap,
)
from nlsq.core.model.carry.selection import Selected
from nlsq.core.model.carry.state import caller, current, public_name, refuse
from nlsq.core.model.carry.values import cast, is_traced, join

# Functions whose jax.numpy counterpart means the same, by how many leading arguments are arrays
# (a list in such a place becomes an array; JAX takes no lists).
_ARRAYS = {
    1: """all amax amin any argmax argmin argsort around atleast_1d atleast_2d atleast_3d
    average broadcast_to clip conj corrcoef count_nonzero cov cumprod cumsum cumulative_sum
    cumulative_prod diag diagflat diagonal diff ediff1d expand_dims fix flip fliplr flipud
    gradient imag isfinite isinf isnan isneginf isposinf max mean median min moveaxis nan_to_num
    nanargmax nanargmin nancumsum nanmax nanmean nanmedian nanmin nanprod nanstd nansum nanvar
    pad percentile prod ptp quantile ravel real real_if_close repeat reshape resize roll rollaxis
    rot90 round sinc sort split array_split squeeze std sum swapaxes tile trace transpose tril
    triu unwrap vander var i0 matrix_transpose""",
    2: """append array_equal allclose compress convolve correlate cross digitize dot inner
    isclose kron matmul outer polyadd polymul polysub polyval searchsorted take take_along_axis
    tensordot trapezoid trapz vdot polyder polyint fmax fmin vecdot""",
    3: "interp where extract",
    0: """concatenate stack vstack hstack dstack column_stack block meshgrid select einsum
    broadcast_arrays linspace logspace geomspace full angle""",
}
_LINALG = """norm solve inv det slogdet eigvalsh eigh eigvals eig pinv lstsq cholesky svd qr
matrix_power multi_dot cond matrix_rank""".split()
_FFT = """fft ifft fft2 ifft2 fftn ifftn rfft irfft rfft2 irfft2 rfftn irfftn hfft ihfft fftshift
ifftshift""".split()


def _direct(function: Callable, arrays: int) -> Callable:
    def handler(*args, **kwargs):
        args = unwrap(args)
        if "kind" in kwargs:  # of sort and argsort, where jax.numpy's is stable
            kwargs = {k: v for k, v in kwargs.items() if k not in ("kind", "order", "stable")}
        head = [jnp.asarray(a) if isinstance(a, (list, tuple)) else a for a in args[:arrays]]
        return function(*head, *args[arrays:], **unwrap(kwargs))

    return handler


def _build() -> dict[Any, Callable]:
    found = {}
    for arrays, names in _ARRAYS.items():
        for name in names.split():
            if hasattr(np, name) and hasattr(jnp, name):
                found[getattr(np, name)] = _direct(getattr(jnp, name), arrays)
    for theirs, ours, names in (
        (np.linalg, jnp.linalg, _LINALG),
        (np.fft, jnp.fft, _FFT),
    ):
        for name in names:
            arrays = 0 if name == "multi_dot" else 2 if name in ("solve", "lstsq") else 1
            found[getattr(theirs, name)] = _direct(getattr(ours, name), arrays)
    return found


TABLE = _build()


def handles(*functions: Any) -> Callable:
    """Register what stands for these NumPy or SciPy functions when a value is traced."""

    def register(handler: Callable) -> Callable:
        for function in functions:
            TABLE[function] = handler
        return handler

    return register


def apply(func: Any, args: tuple, kwargs: dict) -> Any:
    """`func(*args, **kwargs)` where some argument holds a proxy."""
    state = current()
    state.count()
    if func in STRUCTURE:
        return STRUCTURE[func](*args, **kwargs)
    if any(isinstance(a, Selected) for a in args):
        return _selected(func, args, kwargs)
    out = kwargs.pop("out", None)
    if not any_traced(args, kwargs):
        result = wrap(func(*unwrap(args), **unwrap(kwargs)))
    else:
        handler = TABLE.get(func)
        if handler is None:
            refuse(f"{name_of(func)} has no JAX counterpart here")
        result = wrap(handler(*args, **kwargs))
    if out is None:
        return result
    if not isinstance(out, Proxy):
        refuse(f"a traced result is written into a plain array by `out=`: {caller()}")
    out.assign(cast(raw(result), out.dtype))
    return out


def name_of(func: Any) -> str:
    return public_name(getattr(func, "__module__", None) or "", getattr(func, "__name__", "?"))


# -- questions of shape, and fresh arrays: no traced value is needed ----------------------------
def _like(make: Callable) -> Callable:
    def handler(a, dtype=None, order="K", subok=True, shape=None):
        if isinstance(a, Selected):
            return Selected(cast(make(a.value.shape, dtype or a.dtype), np.dtype(float)), a.mask)
        if not isinstance(a, Proxy):
            a = _as_array(a)
        return Proxy(make(a.shape if shape is None else unwrap(shape), dtype or a.dtype))

    return handler


def _full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None):
    result = _like(np.zeros)(a, dtype=dtype, shape=shape)
    if isinstance(result, Selected):
        return Selected(jnp.full_like(result.value, raw(fill_value)), result.mask)
    result[...] = fill_value
    return result


def _as_array(a, dtype=None, copy=None, **kwargs) -> Any:
    if isinstance(a, Selected):
        return a
    if isinstance(a, Proxy):
        if dtype is not None and np.dtype(dtype) != a.dtype:
            return a.astype(dtype)
        return a.copy() if copy else a
    if not any_traced(a):
        return wrap(np.array(unwrap(a), dtype=dtype))
    result = join(unwrap(a)) if isinstance(a, (list, tuple)) else jnp.asarray(unwrap(a))
    return Proxy(result if dtype is None else cast(result, np.dtype(dtype)))


def _copy_array(a, dtype=None, copy=True, order="K", subok=False, ndmin=0, **kwargs) -> Any:
    result = _as_array(a, dtype=dtype, copy=copy)
    missing = ndmin - result.ndim
    return result.reshape((1,) * missing + result.shape) if missing > 0 else result


def _piecewise(x, condlist, funclist, *args, **kw):
    """NumPy's own algorithm on proxies: fill zeros of x's dtype, piece by piece."""
    x = _as_array(x)
    condlist = [condlist] if np.ndim(_first(condlist)) == 0 and x.ndim else list(condlist)
    condlist = [_as_array(c).astype(bool) for c in condlist]
    if len(funclist) == len(condlist) + 1:
        rest = condlist[0]
        for cond in condlist[1:]:
            rest = rest | cond
        condlist.append(~rest)
    if len(funclist) != len(condlist):
        raise ValueError("numpy.piecewise needs one function per condition, or one more")
    y = Proxy(np.zeros(x.shape, x.dtype))
    for cond, piece in zip(condlist, funclist, strict=True):
        if not callable(piece):
            y[cond] = piece
        elif cond.traced or np.any(cond.value):
            y[cond] = piece(x[cond], *args, **kw)
    return y


def _first(items: Any) -> Any:
    return raw(items[0]) if isinstance(items, (list, tuple)) else raw(items)[0]


def _where(condition, *branches):
    if not branches:
        if any_traced(condition):
            refuse(f"the indices where a traced condition holds are unknown: {caller()}")
        return wrap(np.where(raw(condition)))
    values = unwrap((condition, *branches))
    if not any_traced(values):
        return wrap(np.where(*values))
    values = [jnp.asarray(v) if isinstance(v, (list, tuple)) else v for v in values]
    return Proxy(jnp.where(*values))


STRUCTURE: dict[Any, Callable] = {
    np.shape: lambda a: _as_array(a).shape,
    np.ndim: lambda a: _as_array(a).ndim,
    np.size: lambda a, axis=None: _as_array(a).size if axis is None else _as_array(a).shape[axis],
    np.zeros_like: _like(np.zeros),
    np.empty_like: _like(np.zeros),
    np.ones_like: _like(np.ones),
    np.full_like: _full_like,
    np.asarray: _as_array,
    np.asanyarray: _as_array,
    np.ascontiguousarray: _as_array,
    np.asfortranarray: _as_array,
    np.asarray_chkfinite: _as_array,
    np.array: _copy_array,
    np.copy: lambda a, *_, **__: a.copy() if touches(a) and hasattr(a, "copy") else _copy_array(a),
    np.piecewise: _piecewise,
    np.isrealobj: lambda a: a.dtype.kind != "c",
    np.iscomplexobj: lambda a: a.dtype.kind == "c",
    np.isscalar: lambda a: a.ndim == 0,
    np.result_type: lambda *a: np.result_type(*(getattr(v, "dtype", v) for v in a)),
    np.can_cast: lambda a, to, *k: np.can_cast(getattr(a, "dtype", a), to, *k),
    np.ravel: lambda a, order="C": _as_array(a).ravel(order=order),
    np.transpose: lambda a, axes=None: _as_array(a).transpose(axes),
    np.real: lambda a: _as_array(a).real,
    np.imag: lambda a: _as_array(a).imag,
}
STRUCTURE[np.reshape] = lambda a, shape=None, order="C", *, newshape=None, **_: _reshape(
    a, newshape if shape is None else shape, order
)


def _reshape(a: Any, shape: Any, order: str) -> Any:
    a = _as_array(a)
    if order == "F":
        flat = a.transpose().reshape(-1)
        shape = (shape,) if np.ndim(shape) == 0 else tuple(shape)
        return flat.reshape(shape[::-1]).transpose()
    return a.reshape(shape)


TABLE[np.where] = _where


# -- where JAX's function differs from NumPy's --------------------------------------------------
def _wide(numpy_function: Any, jax_function: Callable) -> None:
    """Sums of small integers and of booleans are 64 bits wide in NumPy."""

    def handler(a, *args, **kwargs):
        a = jnp.asarray(unwrap(a))
        if a.dtype.kind in "biu" and kwargs.get("dtype") is None:
            a = a.astype(np.uint64 if a.dtype.kind == "u" else np.int64)
        return jax_function(a, *unwrap(args), **unwrap(kwargs))

    TABLE[numpy_function] = handler


for _name in ("sum", "prod", "cumsum", "cumprod"):
    _wide(getattr(np, _name), getattr(jnp, _name))


@handles(np.angle)
def _angle(z, deg=False):
    return jnp.angle(jnp.asarray(unwrap(z)), deg=deg)


@handles(np.full)
def _full(shape, fill_value, dtype=None, order="C"):
    return jnp.full(unwrap(shape), raw(fill_value), dtype=dtype)


@handles(np.convolve)
def _convolve(a, v, mode="full"):
    return jnp.convolve(*(jnp.asarray(unwrap(u)) for u in (a, v)), mode, precision="highest")


@handles(np.correlate)
def _correlate(a, v, mode="valid"):
    return jnp.correlate(*(jnp.asarray(unwrap(u)) for u in (a, v)), mode, precision="highest")


@handles(np.nan_to_num)
def _nan_to_num(x, copy=True, nan=0.0, posinf=None, neginf=None):
    return jnp.nan_to_num(jnp.asarray(unwrap(x)), nan=nan, posinf=posinf, neginf=neginf)


@handles(np.polynomial.polynomial.polyval)
def _polyval(x, c, tensor=True):
    c, x = jnp.asarray(unwrap(c)), jnp.asarray(unwrap(x))
    if c.ndim != 1:
        refuse("numpy.polynomial.polynomial.polyval with coefficients of more than one dimension")
    return jnp.polyval(c[::-1], x)


def _chebval(x, c, tensor=True):
    c, x = jnp.asarray(unwrap(c)), jnp.asarray(unwrap(x))
    return _clenshaw(x, c, lambda k: (2.0 * x, -1.0), x)


def _legval(x, c, tensor=True):
    c, x = jnp.asarray(unwrap(c)), jnp.asarray(unwrap(x))
    return _clenshaw(x, c, lambda k: ((2 * k + 1) / (k + 1) * x, -k / (k + 1)), x)


def _clenshaw(x: Any, c: Any, recurrence: Callable, first: Any) -> Any:
    """Sum of c[k] p_k(x) with p_{k+1} = u_k p_k + v_k p_{k-1}, p_0 = 1, p_1 = first."""
    total, before, now = c[0] + 0.0 * x, jnp.ones_like(x), first
    for k in range(1, c.shape[0]):
        total = total + c[k] * now
        u, v = recurrence(k)
        before, now = now, u * now + v * before
    return total


TABLE[np.polynomial.chebyshev.chebval] = _chebval
TABLE[np.polynomial.legendre.legval] = _legval


# -- selections by a traced mask ----------------------------------------------------------------
_MASKED = {
    np.sum: ("sum", 0),
    np.prod: ("prod", 1),
    np.max: ("max", -np.inf),
    np.min: ("min", np.inf),
}
_ELEMENTWISE = {np.where, np.clip, np.nan_to_num, np.real, np.imag, np.angle, np.sinc, np.round}


def _selected(func: Any, args: tuple, kwargs: dict) -> Any:
    found = [a for a in args if isinstance(a, Selected)]
    mask = found[0].mask
    if any(a.mask is not mask for a in found):
        refuse(f"selections by two different traced masks are combined: {caller()}")
    if func in _MASKED and not kwargs and len(args) == 1:
        name, neutral = _MASKED[func]
        return Proxy(getattr(jnp, name)(jnp.where(mask, args[0].value, neutral)))
    if func is np.mean and not kwargs and len(args) == 1:
        return Proxy(jnp.where(mask, args[0].value, 0).sum() / mask.sum())
    rest = [a for a in args if not isinstance(a, Selected)]
    if func in _ELEMENTWISE and not any(np.ndim(raw(a)) for a in rest):
        full = [Proxy(jnp.asarray(a.value)) if isinstance(a, Selected) else a for a in args]
        return Selected(raw(apply(func, tuple(full), kwargs)), mask)
    return refuse(f"{name_of(func)} of a selection whose length depends on a traced mask")


def to_jax(result: Any) -> jax.Array:
    """What a carried model returned, as one JAX array."""
    if isinstance(result, Selected):
        refuse("the model returns a selection by a traced mask: its length is unknown")
    if hasattr(result, "__pandas_priority__") and not isinstance(result, Proxy):
        result = np.asarray(result)
    value = unwrap(result)
    if isinstance(value, (list, tuple)) and any_traced(value):
        value = join(value)
    if not is_traced(value):
        value = np.asarray(value)
        if value.dtype.kind not in "biufc":
            refuse(f"the model returns {type(result).__name__}, not numbers")
    return jnp.asarray(value)
