"""What a model's code could ask about its arguments, read from the code and not run.

Of the length the answer is "yes" in doubt: a function whose code cannot be read may ask anything.
"""

from __future__ import annotations

import dis
import functools
import itertools
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nlsq.core.model.identity.ownership import (
    class_fact,
    is_installed,
    is_library_class,
    namespace,
    scope_is_installed,
)

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

# What tells two equal arrays apart; and what depends on ties, in an order that is NumPy's own.
_WHICH = frozenset(
    "id shares_memory may_share_memory flags strides ctypes argsort argpartition".split()
)
# What makes a text of a value, and the operations by which a text becomes a printed or raised one.
_TEXTS = frozenset(("str", "repr", "ascii", "format", "array2string", "array_repr", "array_str"))
_BUILDS = (
    "LOAD_", "CALL", "FORMAT_", "CONVERT_", "BUILD_", "BINARY_", "KW_NAMES", "PUSH_NULL",
    "EXTENDED_ARG", "CACHE", "PRECALL",
)  # fmt: skip


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
    # generators and comprehensions have exception tables too, but handle nothing
    handles = any(i.opname == "PUSH_EXC_INFO" for i in dis.get_instructions(code))
    return not unknown and not handles


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
    """Whether the model may ask which array it is given; `is` with a constant asks for nothing."""
    library = types.BuiltinFunctionType | type(np.sum)
    return any(
        thing.__name__ in _WHICH
        if isinstance(thing, library)
        else not _WHICH.isdisjoint(thing.co_names) or _compares_identity(thing)
        for thing in _reached(model)
        if isinstance(thing, library | types.CodeType)
    )


def _compares_identity(code: types.CodeType) -> bool:
    found = list(dis.get_instructions(code))
    return any(
        one.opname == "IS_OP" and before.opname != "LOAD_CONST"
        for before, one in itertools.pairwise(found)
    )


_ARITHMETIC = {dis.opmap[name] for name in ("BINARY_OP", "CALL", "UNARY_NEGATIVE", "COMPARE_OP")}


def count_operations(model: Any) -> int:
    """Operations and calls that are written in the model's own code, each counted once.

    Examples
    --------
    >>> count_operations(lambda x, a, k: a * np.exp(-k * x))
    4
    """
    return sum(op in _ARITHMETIC for code in _own(model) for op in code.co_code[::2])


def writes_jax(model: Any) -> bool:
    """Whether the model's code names JAX, which nothing in a process can that has not loaded it.

    Examples
    --------
    >>> writes_jax(lambda x, a: a * np.exp(x))
    False
    """
    return "jax" in sys.modules and any(_from_jax(thing) for thing in _reached(model))


def _from_jax(thing: Any) -> bool:
    if isinstance(thing, types.ModuleType):
        name = thing.__name__
    else:
        name = (thing if isinstance(thing, types.FunctionType) else type(thing)).__module__ or ""
    return name.partition(".")[0] in ("jax", "jaxlib")


def measures_text(model: Any) -> bool:
    """Whether the model may make a text of its arguments for more than to print or raise it.

    Examples
    --------
    >>> measures_text(lambda x, a: a * len(str(x)))
    True
    >>> def says(x, a):
    ...     print(f"a is {a}")
    ...     return a * x
    >>> measures_text(says)
    False
    """
    return any(map(_measures_text, _own(model)))


def _measures_text(code: types.CodeType) -> bool:
    percent = any(isinstance(c, str) and "%" in c for c in code.co_consts)
    return any(
        (one.opname.startswith("FORMAT_") or (percent and one.argrepr in ("%", "%=")))
        or (one.opname.startswith("LOAD_") and one.argval in _TEXTS)
        for one in dis.get_instructions(code)
        if not is_only_said(code, one.offset)
    )


def is_only_said(code: types.CodeType, offset: int) -> bool:
    """Whether a text that is begun at this instruction ends in a statement or in `raise`."""
    rest = (i for i in dis.get_instructions(code) if i.offset >= offset)
    end = next((i for i in rest if not i.opname.startswith(_BUILDS)), None)
    return end is not None and end.opname in ("POP_TOP", "RAISE_VARARGS")


def catches_errors(model: Any) -> bool:
    """Whether the model may go on after an error.

    A trace then proves nothing: JAX's own errors are caught with the rest, and NumPy's, of values
    that come later in the fit, are none of JAX's.

    Examples
    --------
    >>> def careful(x, a):
    ...     try:
    ...         return x * math.log(a)
    ...     except ValueError:
    ...         return x
    >>> catches_errors(careful)
    True
    """
    return any(map(_catches, _own(model)))


def _catches(code: types.CodeType) -> bool:
    """By `try`, or by `with` and what is known to swallow; of other `with` errors come out."""
    if code.co_name == "__exit__" or "suppress" in code.co_names:
        return True
    names = [i.opname for i in dis.get_instructions(code)] if code.co_exceptiontable else []
    return any(
        one == "PUSH_EXC_INFO" and after != "WITH_EXCEPT_START"
        for one, after in itertools.pairwise(names)
    )


def _own(model: Any) -> Iterator[types.CodeType]:
    """The user's own code that the model can reach by name, as far as it can be read."""
    return (thing for thing in _reached(model) if isinstance(thing, types.CodeType))


def _reached(model: Any) -> Iterator[Any]:
    """The objects that the model can reach by name, and the code of the user's own functions."""
    things, seen, scopes, names = [model], {}, [], {"__call__", "__enter__", "__exit__"}
    while things:
        thing = things.pop()
        if id(thing) in seen:
            continue
        seen[id(thing)] = thing
        yield thing
        if isinstance(thing, types.FunctionType):
            if scope_is_installed(thing.__globals__):
                continue
            codes = list(_codes(thing.__code__))
            yield from codes
            new = {name for code in codes for name in code.co_names} - names
            names |= new
            things += [*(_held(thing) or []), *_members(scopes, new)]
        elif isinstance(thing, types.MethodType):
            things += [thing.__func__, thing.__self__]
        elif isinstance(thing, functools.partial):
            things += [thing.func, *thing.args, *thing.keywords.values()]
        elif isinstance(thing, staticmethod | classmethod):
            things.append(thing.__func__)
        elif isinstance(thing, property):
            things.append(thing.fget)
        elif type(thing) is dict:
            things += thing.values() if len(thing) < 1000 else []
        else:
            readable = callable(thing) or isinstance(thing, list | tuple)
            things += (_held(thing) or []) if readable else []
            scopes += (found := _scopes(thing))
            things += _members(found, names)


def _scopes(thing: Any) -> list[dict]:
    """Namespaces of a module, class or object of the user's own."""
    if isinstance(thing, types.ModuleType):
        return [] if is_installed(thing) else [namespace(thing)]
    kind = thing if isinstance(thing, type) else type(thing)
    if is_library_class(kind):
        return []
    own = [c for c in class_fact(kind, "__mro__") if not is_library_class(c)]
    held = [] if isinstance(thing, type) else [getattr(thing, "__dict__", {})]
    return [*held, *(class_fact(c, "__dict__") for c in own)]


def _members(scopes: list[dict], names: set[str]) -> list:
    return [scope[name] for scope in scopes for name in names if name in scope]


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)
