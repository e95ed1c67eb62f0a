"""Universal functions on proxies: data by NumPy, traced values by JAX."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.core.model.carry import functions, special
from nlsq.core.model.carry.proxy import Proxy, any_traced, raw, wrap
from nlsq.core.model.carry.selection import Selected
from nlsq.core.model.carry.state import caller, current, refuse
from nlsq.core.model.carry.values import cast, is_traced

_MAX_POWER = 64


def _power(base: Any, exponent: Any) -> Any:
    """`base ** exponent`, exact for constant whole exponents (and differentiable at base 0)."""
    if not is_traced(exponent) and np.ndim(exponent) == 0 and np.isrealobj(exponent):
        inexact = is_traced(base) and base.dtype.kind in "fc"
        if inexact and float(exponent).is_integer() and abs(exponent) <= _MAX_POWER:
            whole = jax.lax.integer_pow(base, int(exponent))
            return whole.astype(np.result_type(base.dtype, *_strong(exponent)))
        if inexact and exponent == 0.5:
            return jnp.sqrt(base)
    return jnp.power(base, exponent)


def _strong(scalar: Any) -> tuple:
    return (scalar.dtype,) if isinstance(scalar, np.generic) else ()


def _table() -> dict[Any, Any]:
    found = {}
    for ufunc in vars(np).values():  # dir(np) would load numpy.testing, f2py, ...
        if isinstance(ufunc, np.ufunc) and hasattr(jnp, ufunc.__name__):
            found[ufunc] = getattr(jnp, ufunc.__name__)
    found[np.power] = _power
    found[np.float_power] = jnp.float_power
    return found


TABLE = _table()
_REDUCE = {
    np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min",
    np.logical_and: "all", np.logical_or: "any",
}  # fmt: skip
_ACCUMULATE = {np.add: jnp.cumsum, np.multiply: jnp.cumprod}
_EXTREME = {np.maximum: jax.lax.cummax, np.minimum: jax.lax.cummin}


def apply(ufunc: np.ufunc, method: str, args: tuple, kwargs: dict) -> Any:
    """`ufunc.method(*args, **kwargs)` where some argument is a proxy."""
    out = kwargs.pop("out", None)
    target = out[0] if isinstance(out, tuple) else out
    if target is None:
        return _apply(ufunc, method, args, kwargs)
    if not isinstance(target, Proxy):
        refuse(f"a traced result is written into a plain array by `out=`: {caller()}")
    where = raw(kwargs.pop("where", True))
    with np.errstate(all="ignore" if where is not True else None):
        result = raw(_apply(ufunc, method, args, kwargs))
    if where is not True:
        chosen = jnp.where if any_traced(where, result, raw(target)) else np.where
        result = chosen(where, result, raw(target))
    target.assign(cast(result, target.dtype))
    return target


def _apply(ufunc: np.ufunc, method: str, args: tuple, kwargs: dict) -> Any:
    if any(isinstance(a, Selected) for a in args):
        return _selected(ufunc, method, args, kwargs)
    if not any_traced(args, kwargs):
        return wrap(
            getattr(ufunc, method)(*map(raw, args), **{k: raw(v) for k, v in kwargs.items()})
        )
    if method != "__call__":
        return _method(ufunc, method, args, kwargs)
    where = kwargs.pop("where", True)
    if where is not True:
        refuse(f"`where=` in numpy.{ufunc.__name__} on traced values; use numpy.where")
    dtype = kwargs.pop("dtype", None)
    kwargs.pop("casting", None)
    if kwargs:
        refuse(f"numpy.{ufunc.__name__} with {', '.join(kwargs)} on traced values")
    result = _shared(ufunc, tuple(_plain(a) for a in args))
    return result if dtype is None else result.astype(dtype)


def _plain(arg: Any) -> Any:
    value = raw(arg)
    if is_traced(value) or isinstance(value, (bool, int, float, complex, np.generic, np.ndarray)):
        return value
    return np.asarray(value)


def _shared(ufunc: np.ufunc, values: tuple) -> Any:
    """One result for equal operands: `x > t` written twice is then one mask."""
    state = current()
    key = (ufunc, tuple(_identity(v) for v in values))
    if key not in state.shared:
        state.count()
        function = TABLE.get(ufunc) or _special(ufunc)
        if function is None:
            refuse(f"{_name(ufunc)} has no differentiable JAX counterpart")
        state.shared[key] = (values, function(*values))
        state.follow(*state.shared[key])
    result = state.shared[key][1]
    return tuple(map(Proxy, result)) if isinstance(result, tuple) else Proxy(result)


def _identity(value: Any) -> Any:
    if is_traced(value) or np.ndim(value):
        return id(value)
    return type(value), value if value == value else "nan", str(value)


def _special(ufunc: np.ufunc) -> Callable | None:
    """The counterpart of a ufunc of `scipy.special`, which whoever has one has loaded."""
    name = ufunc.__name__
    ours = getattr(sys.modules.get("scipy.special"), name, None) is ufunc
    return special.UFUNCS.get(name) if ours else None


def _name(ufunc: np.ufunc) -> str:
    home = "numpy" if getattr(np, ufunc.__name__, None) is ufunc else "scipy.special"
    return f"{home}.{ufunc.__name__}"


def _method(ufunc: np.ufunc, method: str, args: tuple, kwargs: dict) -> Any:
    if method == "reduce" and ufunc in _REDUCE:
        axis = kwargs.pop("axis", args[1] if len(args) > 1 else 0)
        return functions.apply(getattr(np, _REDUCE[ufunc]), args[:1], {"axis": axis, **kwargs})
    if method == "accumulate" and ufunc in {**_ACCUMULATE, **_EXTREME}:
        axis = kwargs.pop("axis", args[1] if len(args) > 1 else 0)
        value = jnp.asarray(raw(args[0]))
        if ufunc in _EXTREME:
            return Proxy(_EXTREME[ufunc](value, axis=axis % value.ndim))
        return Proxy(_ACCUMULATE[ufunc](value, axis=axis))
    if method == "outer":
        a, b = (jnp.asarray(raw(v)) for v in args)
        return apply(ufunc, "__call__", (Proxy(a.reshape(a.shape + (1,) * b.ndim)), Proxy(b)), {})
    if method == "at" and ufunc is np.add and isinstance(args[0], Proxy):
        target, index, value = (raw(v) for v in args)
        new = jnp.asarray(target).at[index].add(cast(jnp.asarray(value), target.dtype))
        return args[0].assign(new)
    return refuse(f"{_name(ufunc)}.{method} is not supported on traced values")


def _selected(ufunc: np.ufunc, method: str, args: tuple, kwargs: dict) -> Any:
    """Elementwise on selections by one mask: on all entries, still a selection."""
    masks = [a.mask for a in args if isinstance(a, Selected)]
    if any(mask is not masks[0] for mask in masks):
        refuse(f"selections by two different traced masks are combined: {caller()}")
    if method != "__call__" or kwargs:
        masks_refused = f"{_name(ufunc)}.{method} on a selection of unknown length"
        refuse(masks_refused)
    rest = [a for a in args if not isinstance(a, Selected)]
    if any(np.ndim(raw(a)) for a in rest):
        refuse(f"a selection of unknown length meets an array: {caller()}")
    values = tuple(a.value if isinstance(a, Selected) else _plain(a) for a in args)
    result = _shared(ufunc, values)
    if isinstance(result, tuple):
        return tuple(Selected(r.value, masks[0]) for r in result)
    return Selected(result.value, masks[0])
