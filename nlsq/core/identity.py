"""What a model *is*: a key by content, so that compiled programs are shared exactly when they may.

Two callables are the same model when their code, constants, defaults, closure values, bound object
and the globals they read are equal by content. Neither `id()` nor the name takes part. A value
whose content cannot be read makes the key unique: such a model is never shared, not even with
itself in the next call, since the value may have changed in between.
"""

from __future__ import annotations

import dis
import functools
import pickle
import types
import weakref
from collections.abc import Callable, Hashable

import numpy as np
import xxhash

# Packages whose functions and classes do not change while a program runs.
_STABLE = frozenset(
    ("numpy", "scipy", "jax", "jaxlib", "math", "cmath", "builtins", "nlsq", "functools",
     "operator", "itertools", "typing", "collections", "pandas", "optax")
)  # fmt: skip
_SCALARS = (bool, int, str, bytes, type(None), type(Ellipsis), slice)


class _Same:
    """Key of an object that cannot change: equal only to itself. Keeps the object alive."""

    __slots__ = ("thing",)

    def __init__(self, thing):
        self.thing = thing

    def __hash__(self):
        return id(self.thing)

    def __eq__(self, other):
        return isinstance(other, _Same) and self.thing is other.thing


class _Code:
    """Static part of a function's identity, worked out once per code object."""

    __slots__ = ("attributes", "globals", "key")

    def __init__(self, code: types.CodeType):
        nested = [c for c in code.co_consts if isinstance(c, types.CodeType)]
        constants = tuple(
            _code(c).key if isinstance(c, types.CodeType) else (type(c).__name__, repr(c))
            for c in code.co_consts
        )
        self.key = (
            code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars,
            code.co_cellvars, code.co_flags, code.co_argcount, code.co_kwonlyargcount,
        )  # fmt: skip
        read = {
            i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        }
        names = set(code.co_names) - read
        for inner in map(_code, nested):
            read |= set(inner.globals)
            names |= set(inner.attributes)
        self.globals = tuple(sorted(read))
        self.attributes = tuple(sorted(names))


_codes: weakref.WeakKeyDictionary[types.CodeType, _Code] = weakref.WeakKeyDictionary()


def _code(code: types.CodeType) -> _Code:
    # Equal code objects share an entry only when their source lines agree too; the *key* does
    # not hold lines, so two lambdas with the same text at different places are still equal.
    found = _codes.get(code)
    if found is None:
        found = _codes[code] = _Code(code)
    return found


def model_key(f: Callable) -> Hashable:
    """Key of a model by content; equal keys mean that a compiled program may be shared."""
    return _key(f, {})


def _key(thing, seen: dict):
    kind = type(thing)
    if kind is float:
        return ("float", thing.hex())
    if kind in _SCALARS:
        return (kind.__name__, repr(thing) if kind is slice else thing)
    if kind is complex:
        return ("complex", thing.real.hex(), thing.imag.hex())
    if isinstance(thing, types.ModuleType):
        return ("module", thing.__name__)
    if id(thing) in seen:
        return ("seen", seen[id(thing)])
    seen[id(thing)] = len(seen)
    if kind is types.FunctionType:
        return _function(thing, seen)
    if kind in (tuple, list):
        return (kind.__name__, *(_key(v, seen) for v in thing))
    if kind is dict:
        return ("dict", *((_key(k, seen), _key(v, seen)) for k, v in thing.items()))
    if kind in (set, frozenset):
        return (kind.__name__, frozenset(_key(v, seen) for v in thing))
    if isinstance(thing, np.ndarray | np.generic):
        return _array(np.asarray(thing), kind.__name__)
    if kind is types.MethodType:
        return ("method", _key(thing.__self__, seen), _key(thing.__func__, seen))
    if kind is functools.partial:
        return ("partial", *(_key(v, seen) for v in (thing.func, thing.args, thing.keywords)))
    return _other(thing, seen)


def _function(f: types.FunctionType, seen):
    if _root(f.__module__) in _STABLE and f.__closure__ is None:
        return _Same(f)
    static = _code(f.__code__)
    parts = ["function", static.key]
    if f.__defaults__:
        parts.append(_key(f.__defaults__, seen))
    if f.__kwdefaults__:
        parts.append(_key(f.__kwdefaults__, seen))
    for cell in f.__closure__ or ():
        try:
            parts.append(_key(cell.cell_contents, seen))
        except ValueError:  # an empty cell: a name not bound yet
            parts.append("empty")
    scope = f.__globals__
    for name in static.globals:
        if name in scope:
            value = scope[name]
            parts.append((name, _key(value, seen)))
            if isinstance(value, types.ModuleType) and _root(value.__name__) not in _STABLE:
                parts.append(_module(value, static.attributes, seen))
    return tuple(parts)


def _module(module, attributes, seen):
    """A user's module counts by those of its attributes that the function names."""
    present = [a for a in attributes if hasattr(module, a)]
    return tuple((a, _key(getattr(module, a), seen)) for a in present)


def _array(array, kind: str):
    if array.dtype.hasobject:
        return _unreadable()
    data = np.ascontiguousarray(array)
    return (kind, data.dtype.str, array.shape, xxhash.xxh3_128_digest(data.data.cast("B"))
            if data.size else b"")  # fmt: skip


def _other(thing, seen):
    kind = type(thing)
    if isinstance(thing, type):
        return _class(thing, seen)
    if isinstance(thing, types.BuiltinFunctionType | np.ufunc | types.MethodWrapperType):
        owner = getattr(thing, "__self__", None)
        if owner is None or isinstance(owner, types.ModuleType):
            return _Same(thing)
        return ("builtin", thing.__name__, _key(owner, seen))
    wrapped = getattr(thing, "__wrapped__", None)
    if callable(wrapped) and _root(kind.__module__) in _STABLE:  # jax.jit and its like
        return ("wrapped", kind.__qualname__, _key(wrapped, seen))
    if _root(kind.__module__) in ("jax", "jaxlib") and hasattr(thing, "dtype"):
        return _array(np.asarray(thing), "jax")
    state = getattr(thing, "__dict__", None)
    if isinstance(state, dict) and not hasattr(kind, "__slots__"):
        return ("object", _class(kind, seen), _key(state, seen))
    return _pickled(thing)


def _class(kind: type, seen):
    if _root(kind.__module__) in _STABLE or kind.__module__ in ("abc", "enum", "dataclasses"):
        return _Same(kind)
    content = {
        k: v for k, v in vars(kind).items()
        if not (k.startswith("__") and k.endswith("__")) or k in ("__call__", "__init__")
    }  # fmt: skip
    bases = tuple(_key(b, seen) for b in kind.__bases__)
    return ("class", kind.__qualname__, bases, _key(content, seen))


def _pickled(thing):
    try:
        return ("pickle", type(thing).__qualname__, pickle.dumps(thing))
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError):
        return _unreadable()


def _unreadable():
    return _Same(object())


def _root(module: str | None) -> str:
    return (module or "").partition(".")[0]
