"""What a model *is*: a key by content, so that compiled programs are shared exactly when they may.

Two callables are the same model when their code, constants, defaults, closure values, bound object
and the globals they read are equal by content. Neither `id()` nor the name takes part. A value
whose content cannot be read makes the key unique: such a model is never shared, not even with
itself in the next call, since the value may have changed in between.

A key lives in this process; `fingerprint` is its name in every process, by which a fit that is
taken up again knows its model.
"""

from __future__ import annotations

import dis
import functools
import io
import pickle
import pickletools
import sys
import sysconfig
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
# Names that let a function read what its code does not show.
_LOOKS_ANYWHERE = frozenset(("globals", "locals", "vars", "eval", "exec", "__import__"))
_CLASS_BOOKKEEPING = frozenset(
    ("__dict__", "__weakref__", "__slotnames__",
     "__module__", "__doc__", "__qualname__", "__annotations__",
     "__firstlineno__", "__static_attributes__", "__slots__", "__abstractmethods__", "_abc_impl",
     "__dataclass_params__", "__dataclass_fields__", "__match_args__", "__annotate__",
     "__annotate_func__", "__annotations_cache__", "__parameters__", "__orig_bases__")
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

    __slots__ = ("attributes", "globals", "imports", "key")

    def __init__(self, code: types.CodeType):
        nested = [c for c in code.co_consts if isinstance(c, types.CodeType)]
        self.key = (
            code.co_code, _constant(code.co_consts), code.co_names, code.co_varnames,
            code.co_freevars, code.co_cellvars, code.co_flags, code.co_argcount,
            code.co_kwonlyargcount,
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
        imports = {i.argval for i in dis.get_instructions(code) if i.opname == "IMPORT_NAME"}
        imports |= {name for inner in map(_code, nested) for name in inner.imports}
        self.imports = tuple(sorted(imports))


def _constant(value):
    if isinstance(value, types.CodeType):
        return _code(value).key
    if isinstance(value, tuple | frozenset):  # the order in a frozenset's repr is no content
        return (type(value).__name__, type(value)(map(_constant, value)))
    return (type(value).__name__, repr(value))


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


def fingerprint(key: Hashable) -> str | None:
    """The same text for an equal key in every process; None when no other could tell it is equal.

    `key` is what `model_key` gives. Line numbers, files, addresses and PYTHONHASHSEED have no
    part in it. Functions and classes of packages that do not change count by their names.
    """
    digest = _digest(key)
    return None if digest is None else digest.hex()


def _digest(part) -> bytes | None:
    kind = type(part)
    if isinstance(part, _Same):
        part = _name(part.thing)
        if part is None:
            return None
    if isinstance(part, tuple | frozenset):
        if len(part) > 2 and kind is tuple and part[0] == "pickle" and _holds_a_set(part[2]):
            return None
        inner = [_digest(p) for p in part]
        if None in inner:
            return None
        content = b"".join(sorted(inner) if kind is frozenset else inner)
    elif isinstance(part, bytes):
        content = part
    elif isinstance(part, int):
        content = f"{part:x}".encode()
    elif isinstance(part, str | type(None) | type(Ellipsis)):
        content = ascii(part).encode()
    else:
        return None
    return xxhash.xxh3_128_digest(kind.__name__.encode() + b":" + content)


def _holds_a_set(pickled) -> bool:
    """Whether a pickle holds a set: in an order that changes with PYTHONHASHSEED."""
    return isinstance(pickled, bytes) and any(
        code.name in ("EMPTY_SET", "FROZENSET") for code, *_ in pickletools.genops(pickled)
    )


def _name(thing) -> tuple | None:
    """What a stable thing is called in every process; None if that does not say what it is."""
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    homes = [getattr(thing, "__module__", None)]
    if isinstance(thing, np.ufunc):
        homes = ["numpy", "scipy.special"]
    for module in homes:
        if not (name and module and _stable(module)):
            continue
        found = sys.modules.get(module)
        for attribute in name.split("."):
            found = getattr(found, attribute, None)
        same = found is thing or getattr(found, "__wrapped__", None) is thing
        if same or module == "builtins":
            return (module, name)
    if isinstance(thing, types.FunctionType):  # nested or a lambda: its name is not enough
        defaults = _key((thing.__defaults__, thing.__kwdefaults__), {})
        return (thing.__module__, name, _code(thing.__code__).key, defaults)
    return None


def may_catch_errors(thing, seen: set | None = None) -> bool:
    """True when code that `thing` can reach by name handles exceptions (`try`, `with`).

    Such code may swallow the error by which JAX says that a function cannot be traced.
    """
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return False
    seen.add(id(thing))
    if isinstance(thing, types.MethodType):
        inner = [thing.__func__, type(thing.__self__)]
    elif isinstance(thing, functools.partial):
        inner = [thing.func]
    elif isinstance(thing, types.FunctionType):
        if _stable(thing.__module__):
            return False
        codes = [thing.__code__]
        for code in codes:
            codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        if any(code.co_exceptiontable for code in codes):
            return True
        held = [cell.cell_contents for cell in thing.__closure__ or () if _bound(cell)]
        inner = held + [thing.__globals__.get(name) for name in _code(thing.__code__).globals]
    elif isinstance(thing, type):
        inner = [] if _stable(thing.__module__) else [*vars(thing).values(), *thing.__bases__]
    else:
        inner = [type(thing), getattr(thing, "__wrapped__", None)]
    return any(callable(v) and may_catch_errors(v, seen) for v in inner)


def _bound(cell) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


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
        return ("seen", seen[id(thing)][0])
    seen[id(thing)] = len(seen), thing  # alive, or another thing could take its id
    if kind is types.FunctionType:
        return _function(thing, seen)
    if kind in (tuple, list, dict, set, frozenset):
        return (kind.__name__, *_items(thing, kind, seen))
    if kind is np.ndarray or isinstance(thing, np.generic):
        return _array(np.asarray(thing), kind.__name__)
    if kind is types.MethodType:
        return ("method", _key(thing.__self__, seen), _key(thing.__func__, seen))
    if kind is functools.partial:
        return ("partial", *(_key(v, seen) for v in (thing.func, thing.args, thing.keywords)))
    return _other(thing, seen)


def _items(thing, base, seen) -> tuple:
    """Keys of what a container of type `base` holds."""
    if base is dict:
        return tuple((_key(k, seen), _key(v, seen)) for k, v in dict.items(thing))
    if base in (set, frozenset):
        return (frozenset(_key(v, dict(seen)) for v in thing),)  # in no order: each by itself
    return tuple(_key(v, seen) for v in base.__iter__(thing))


def _function(f: types.FunctionType, seen):
    if _stable(f.__module__) and f.__closure__ is None:
        return _Same(f)
    static = _code(f.__code__)
    if not _LOOKS_ANYWHERE.isdisjoint(static.globals):
        return _unreadable()
    parts = ["function", static.key]
    if f.__dict__:
        parts.append(_key({k: v for k, v in f.__dict__.items() if k != "__wrapped__"}, seen))
    if f.__defaults__:
        parts.append(_key(f.__defaults__, seen))
    if f.__kwdefaults__:
        parts.append(_key(f.__kwdefaults__, seen))
    modules = [sys.modules.get(name) for name in static.imports]
    for cell in f.__closure__ or ():
        try:
            value = cell.cell_contents
        except ValueError:  # an empty cell: a name not bound yet
            parts.append("empty")
            continue
        parts.append(_key(value, seen))
        modules.append(value)
    scope = f.__globals__
    for name in static.globals:
        if name in scope:
            parts.append((name, _key(scope[name], seen)))
            modules.append(scope[name])
    for module in modules:
        if isinstance(module, types.ModuleType) and not _stable(module.__name__):
            if "getattr" in static.globals:
                return _unreadable()
            parts.append(_module(module, static.attributes, seen, {id(module)}))
    return tuple(parts)


def _module(module, attributes, seen, visited):
    """A user's module counts by those of its attributes that the function names."""
    parts = []
    for name in attributes:
        value = getattr(module, name, None)
        if isinstance(value, types.ModuleType):
            if not _stable(value.__name__) and id(value) not in visited:
                parts.append((name, _module(value, attributes, seen, visited | {id(value)})))
        elif hasattr(module, name):
            parts.append((name, _key(value, seen)))
    return tuple(parts)


def _array(array, kind: str):
    if array.dtype.hasobject:
        return _unreadable()
    data = np.ascontiguousarray(array).reshape(-1)
    content = xxhash.xxh3_128_digest(data.view(np.uint8)) if data.nbytes else b""
    return (kind, data.dtype.str, str(data.dtype), array.shape, content)


def _other(thing, seen):
    kind = type(thing)
    if isinstance(thing, type):
        return _class(thing, seen)
    if kind.__name__.endswith("cython_function_or_method"):  # nothing of it can be read
        return _Same(thing)
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
    if isinstance(thing, property):
        return ("property", *(_key(v, seen) for v in (thing.fget, thing.fset, thing.fdel)))
    if isinstance(thing, staticmethod | classmethod):
        return (kind.__name__, _key(thing.__func__, seen))
    if isinstance(thing, functools.cached_property):
        return ("cached_property", _key(thing.func, seen))
    if isinstance(thing, types.MemberDescriptorType | types.GetSetDescriptorType):
        return ("slot", thing.__name__)
    base = next((b for b in (dict, list, tuple, set, frozenset) if isinstance(thing, b)), None)
    state = getattr(thing, "__dict__", None)
    if isinstance(thing, float | int | str | bytes | complex | np.ndarray) or not (
        isinstance(state, dict) or base
    ):
        return ("pickled", _class(kind, seen), _pickled(thing, seen))
    held = _items(thing, base, seen) if base else ()
    slots = [s for c in kind.__mro__ for s in _slot_names(c) if hasattr(thing, s)]
    slotted = tuple((s, _key(getattr(thing, s), seen)) for s in slots)
    return ("object", _class(kind, seen), _key(state or {}, seen), held, slotted)


def _slot_names(kind: type) -> tuple[str, ...]:
    slots = vars(kind).get("__slots__", ())
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(n for n in names if n not in ("__dict__", "__weakref__"))


def _class(kind: type, seen):
    if _stable(kind.__module__):
        return _Same(kind)
    content = {k: v for k, v in vars(kind).items() if k not in _CLASS_BOOKKEEPING}
    bases = tuple(_key(b, seen) for b in kind.__bases__)
    return ("class", kind.__qualname__, bases, _key(content, seen))


class _Pickler(pickle.Pickler):
    """Keeps the functions and classes that a pickle holds by name only."""

    def __init__(self, file):
        super().__init__(file)
        self.named: list = []

    def reducer_override(self, thing):
        if isinstance(thing, type | types.FunctionType):
            self.named.append(thing)
        return NotImplemented


def _pickled(thing, seen):
    kind = type(thing)
    try:
        pickler = _Pickler(buffer := io.BytesIO())
        pickler.dump(thing)
    except (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError):
        return _unreadable()
    named = (_key(v, seen) for v in pickler.named if v is not kind)
    return ("pickle", kind.__qualname__, buffer.getvalue(), *named)


def _unreadable():
    return _Same(object())


def _stable(module: str | None) -> bool:
    """True for modules of the standard library and of packages that do not change."""
    root = _root(module)
    return root in _STABLE or is_standard(root)


@functools.cache
def is_standard(root: str) -> bool:
    """True for a module of the standard library; a user's own profile.py is none."""
    if root not in sys.stdlib_module_names or root == "__main__":
        return False
    file = getattr(sys.modules.get(root), "__file__", None)
    return file is None or file.startswith(sysconfig.get_path("stdlib"))


def _root(module: str | None) -> str:
    return (module or "").partition(".")[0]
