"""What a model's code could ask about its arguments, read from the code and not run.

Both answers are "yes" in doubt: a function whose code cannot be read may ask anything.
"""

from __future__ import annotations

import dis
import functools
import itertools
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_LIBRARIES = ("numpy", "jax", "scipy", "math", "cmath")
# Names of modules, functions and attributes by which nobody learns how many points there are.
_BLIND = frozenset(
    """
    np numpy jnp jax scipy special math cmath lax nn pi e inf nan T
    abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh acos acosh asin asinh
    atan atan2 atanh cbrt ceil clip complex complex128 conj conjugate copy cos cosh deg2rad degrees
    divide enumerate erf erfc erfcx erfinv exp exp2 expit expm1 fabs float float64 floor
    full_like gamma gammainc gammaincc gammaln heaviside hypot i0 imag interp j0 j1 lgamma log
    log10 log1p log2 logaddexp logical_and logical_not logical_or max maximum min minimum mod
    multiply negative ones_like polyval pow power rad2deg radians range real reciprocal remainder
    round searchsorted select sigmoid sign sin sinc sinh softplus sqrt square stack subtract sum
    tan tanh trunc voigt_profile where wofz y0 y1 zeros_like zip
    """.split()
)


@functools.singledispatch
def _held(thing: Any) -> list | None:
    """What a thing refers to besides plain values; None when that cannot be read."""
    wrapped = getattr(thing, "__wrapped__", None)
    from_jax = type(thing).__module__.partition(".")[0] in ("jax", "jaxlib")
    return [wrapped] if from_jax and isinstance(wrapped, types.FunctionType) else None


@_held.register(bool | int | float | complex | str | type(None) | np.generic | np.ufunc | np.dtype)
def _(thing) -> list:
    return []


@_held.register(np.ndarray)
def _(thing) -> list | None:
    return [] if thing.dtype.kind in "biufc" else None


@_held.register(list | tuple)
def _(thing) -> list | None:
    return list(thing) if len(thing) < 1000 else None


@_held.register(types.ModuleType)
def _(thing) -> list | None:
    return [] if thing.__name__.partition(".")[0] in _LIBRARIES else None


@_held.register(functools.partial)
def _(thing) -> list:
    return [thing.func, *thing.args, *thing.keywords.values()]


@_held.register(types.BuiltinFunctionType | type(np.sum))
def _(thing) -> list | None:
    return [] if (thing.__module__ or "").partition(".")[0] in _LIBRARIES else None


@_held.register(types.FunctionType)
def _(f) -> list | None:
    if _from_library(f):
        return []
    held = [*(f.__defaults__ or ()), *(f.__kwdefaults__ or {}).values()]
    names = {name for code in _codes(f.__code__) for name in code.co_names}
    held += [f.__globals__[name] for name in names if name in f.__globals__]
    for cell in f.__closure__ or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # not bound yet
            return None
    return held


def _from_library(f) -> bool:
    return (f.__module__ or "").partition(".")[0] in _LIBRARIES


def asks_for_length(model: Callable) -> bool:
    """Whether the model could know how many points it is given.

    No when all it names are numbers, arrays and functions of one point, and nothing is caught.

    Examples
    --------
    >>> asks_for_length(lambda x, a, b: a * np.exp(-b * x))
    False
    >>> asks_for_length(lambda x, a: a * x.size)
    True
    """
    things, seen = [model], {}
    for thing in things:
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        held = _held(thing)
        if held is None:
            return True
        things += held
        if not isinstance(thing, types.FunctionType | type(np.sum)):
            continue
        if _from_library(thing):
            if thing.__name__ not in _BLIND:
                return True
        elif not all(_blind(code, thing.__globals__) for code in _codes(thing.__code__)):
            return True
    return False


def _blind(code: types.CodeType, scope: dict) -> bool:
    """Whether a function's own names tell nobody the length; what its globals are is for others."""
    read = {
        i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    unknown = {name for name in code.co_names if name not in _BLIND}
    unknown -= {name for name in read & scope.keys() if not _also_attribute(code, name)}
    if "len" in unknown and _counts_parameters(code):
        unknown.remove("len")
    return not unknown and not code.co_exceptiontable


def _also_attribute(code: types.CodeType, name: str) -> bool:
    found = (i for i in dis.get_instructions(code) if i.argval == name)
    return any("ATTR" in i.opname or "METHOD" in i.opname for i in found)


def _counts_parameters(code: types.CodeType) -> bool:
    """Whether all that `len` is asked for is the tuple of `*parameters`."""
    if not code.co_flags & 0x04:
        return False
    star = code.co_varnames[code.co_argcount + code.co_kwonlyargcount]
    found = [i for i in dis.get_instructions(code) if i.opname not in ("CACHE", "PRECALL")]
    return all(
        load.argval == star and call.opname == "CALL" and call.arg == 1
        for asked, load, call in zip(found, found[1:], found[2:], strict=False)
        if asked.argval == "len"
    )


def asks_for_identity(model: Any) -> bool:
    """Whether code that the model can reach by name asks with `is` for anything but a constant."""
    things, seen = [model], {}
    for thing in things:
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, types.FunctionType):
            if not _from_library(thing) and any(map(_compares_identity, _codes(thing.__code__))):
                return True
            things += [v for v in _held(thing) or [] if callable(v)]
        elif isinstance(thing, types.MethodType | functools.partial):
            things.append(getattr(thing, "__func__", None) or thing.func)
        elif callable(thing) and not isinstance(thing, type):
            call = vars(type(thing)).get("__call__") if hasattr(type(thing), "__dict__") else None
            things += [f for f in (call, getattr(thing, "__wrapped__", None)) if f is not None]
    return False


def _compares_identity(code: types.CodeType) -> bool:
    found = list(dis.get_instructions(code))
    return any(
        one.opname == "IS_OP" and before.opname != "LOAD_CONST"
        for before, one in itertools.pairwise(found)
    )


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
