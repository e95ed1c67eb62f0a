"""What a model *is*: a key by content, so that compiled programs are shared exactly when they may.

Two callables are the same model when their code, constants, defaults, closure values, bound object
and the globals they read are equal by content. Neither `id()` nor the name takes part. What is
installed counts by name (`ownership`); what is the user's is looked through, wherever it is held.
What cannot be seen (C objects, files, the environment, the clock), or is more than may be looked
through, makes the key unique: such a model is never shared, not even with itself in the next call,
since the value may have changed in between.

The walk runs no code of the user's, takes bounded time and never raises. It is one list of things,
numbered as they are met, and the key is what each of them says, with numbers for what it holds.

A key lives in this process; `fingerprint` gives its name in every process.
"""

from __future__ import annotations

import functools
import math
import os
import sys
import types
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import xxhash

from nlsq.core.model.identity import code_reading, contents
from nlsq.core.model.identity.keys import Here, Unseen
from nlsq.core.model.identity.names import Names
from nlsq.core.model.identity.ownership import (
    STABLE,
    class_fact,
    is_kind,
    is_library_class,
    is_standard,
    namespace,
    root,
    scope_is_installed,
)

# What may be looked through, in units of a number or a text (0.3 to 0.7 µs); all of it takes 15 to
# 30 ms. A figure or a registry is more than one object of a package may hold, a quantity is not.
_LIMIT = 40_000
_LIBRARY_LIMIT = 8_000
_THING, _APART = 10, 60  # a thing, and one that is looked through apart
_BYTES, _BYTES_APART = 4_000, 400  # of an array, and of one that is copied to be read
_CLASS_BOOKKEEPING = frozenset(
    ("__dict__", "__weakref__", "__slotnames__",
     "__module__", "__doc__", "__qualname__", "__annotations__",
     "__firstlineno__", "__static_attributes__", "__slots__", "__abstractmethods__", "_abc_impl",
     "__dataclass_params__", "__dataclass_fields__", "__annotate__",
     "__annotate_func__", "__annotations_cache__", "__parameters__", "__orig_bases__")
)  # fmt: skip
# What an object of a package works out from the rest of itself, at any time.
_DERIVED = frozenset(
    ("_mhash", "_assumptions", "_dimensionality", "_physical_type_id", "_ufunc", "_mmap")
)  # fmt: skip
_PICKLED = 200
_CHANCE = "_random_state"  # of scipy.stats.norm and its like
_LONG = 32  # numbers of a sequence that are taken as an array


class _TooMuch(Exception):
    """There is more to look through than may be."""


def model_key(f: Callable) -> Hashable:
    """Key of a model by content; equal keys mean that a compiled program may be shared."""
    return _whole(f, _LIMIT)


def content_key(values: Any) -> Hashable:
    """Key of data, every byte of them, however long they are."""
    return _whole(values, math.inf)


def _whole(thing, limit: float) -> Hashable:
    try:
        return _Walk(limit).key(thing)
    except _TooMuch:
        return Unseen("it holds more than may be looked through")
    # Strangers' objects may break any rule of Python; that must not end a fit. No numbers are
    # worked out here.
    except Exception as error:
        return Unseen(f"looking through it raised {type(error).__name__}")


def _exact(kind: type) -> Callable:
    return lambda thing: (kind.__name__, thing)


# By id of the class here and below: a user's metaclass may define what == and hash do.
_SCALARS: dict[int, Callable] = {
    id(float): lambda v: ("float", v.hex()),
    id(complex): lambda v: ("complex", v.real.hex(), v.imag.hex()),
    **{id(kind): _exact(kind) for kind in (bool, int, str, bytes, type(None), type(Ellipsis))},
}


def _home(kind: type) -> str:
    """The package that a class says it is of."""
    return root(class_fact(kind, "__module__"))


def _is_derived(layout: contents.Layout, name: str) -> bool:
    """Whether a package's object holds under this name what it worked out from the rest."""
    return name in _DERIVED or name in layout.lazy or "cache" in name or "hash" in name


class _Walk:
    """One look through a model."""

    def __init__(self, limit: float, above: frozenset[int] = frozenset(), library: bool = False):
        self.left = limit
        self.above = above  # sets that are being looked through
        self.library = library  # inside an object of a package
        self.things: list = []  # numbered, to be described
        self.kept: list = []  # alive, or another thing could take its id
        self.known: dict[int, Hashable] = {}
        self.names = Names(self.ref)
        self.values = 0  # numbers and the like that functions read

    def key(self, thing) -> Hashable:
        """The key of a thing."""
        parts, done, names = [self.ref(thing)], 0, self.names
        while done < len(self.things):
            parts.append(self._describe(self.things[done]))
            done += 1
            if done == len(self.things) and (names.loose or names.modules):
                parts += names.on_demand(self.things)
                parts += names.of_modules()
        return (*parts, *names.reasons()) if names.loose else tuple(parts)

    def ref(self, thing) -> Hashable:
        """What stands for a thing in the key of what holds it: itself, or its number."""
        self.left -= 1
        kind = type(thing)
        scalar = _SCALARS.get(id(kind))
        if scalar is not None:
            self.values += 1
            if (kind is str or kind is bytes) and len(thing) > _BYTES:
                return self._text(thing)
            return scalar(thing)
        found = self.known.get(id(thing))
        if found is None:
            self.left -= _THING
            found = self.names.fixed(thing, kind)
            if found is None:
                found = len(self.things)
                self.things.append(thing)
            else:
                self.kept.append(thing)
            self.known[id(thing)] = found
        if self.left < 0:
            raise _TooMuch
        return found

    def _refs(self, values) -> tuple:
        values = tuple(values)
        self._afford(len(values))
        return tuple(map(self.ref, values))

    def _describe(self, thing) -> Hashable:
        kind = type(thing)
        if kind is types.FunctionType:
            return self._function(thing)
        if kind is set or kind is frozenset:
            return self._set(thing)
        if kind is dict:
            self._afford(2 * len(thing))
            return ("dict", *((self.ref(key), self.ref(v)) for key, v in list(thing.items())))
        if kind is list or kind is tuple:
            return self._sequence(thing, kind)
        if kind is np.ndarray:
            return self._array(thing, "ndarray")
        if issubclass(kind, np.generic) and is_library_class(kind):
            return self._array(np.asarray(thing), kind.__name__)
        if issubclass(kind, types.ModuleType):  # what it holds is asked for later
            own_class = None if kind is types.ModuleType else self.ref(kind)
            return ("module", namespace(thing).get("__name__"), own_class)
        if kind is types.MethodType:
            return ("method", self.ref(thing.__self__), self.ref(thing.__func__))
        if issubclass(kind, type):
            return self._class(thing)
        if kind is staticmethod or kind is classmethod:
            return (kind.__name__, self.ref(thing.__func__))
        if kind is property:
            return ("property", *self._refs((thing.fget, thing.fset, thing.fdel)))
        if kind is functools.cached_property:  # without its lock
            return ("cached_property", self.ref(thing.func), self.ref(thing.attrname))
        if kind is np.ufunc:
            return ("ufunc", thing.nin, thing.nout, *self._refs(contents.of_ufunc(thing)))
        if kind is types.BuiltinFunctionType or kind is types.MethodWrapperType:
            return ("bound", thing.__name__, self.ref(thing.__self__))
        return self._instance(thing, kind)

    def _function(self, f: types.FunctionType) -> Hashable:
        code = code_reading.known(f.__code__)
        if code is None:
            self._spend(2 * len(f.__code__.co_code))
            code = code_reading.read(f.__code__)
        parts = ["function", code.key]
        for value in (f.__defaults__, f.__kwdefaults__, f.__dict__):
            parts.append(self.ref(value) if value else None)
        closure = f.__closure__
        if closure is None:  # `Names.fixed` knows that it is not installed
            return (*parts, *self.names.read(f, code, {}))
        held = {}
        for name, cell in zip(f.__code__.co_freevars, closure, strict=True):
            try:
                held[name] = cell.cell_contents
            except ValueError:  # a name not bound yet
                parts.append(("empty", name))
        if scope_is_installed(f.__globals__):
            return (*parts, *self._refs(held.values()))
        return (*parts, *self.names.read(f, code, held))

    def _sequence(self, thing, kind: type) -> Hashable:
        self._afford(len(thing) / 4)
        first = type(thing[0]) if len(thing) > _LONG else None
        if (first is float or first is int) and set(map(type, thing)) == {first}:
            numbers = np.array(thing)
            if numbers.dtype == first:  # no integer is longer than 64 bits
                self.left -= len(thing) / 4
                return (kind.__name__, first.__name__, self._array(numbers, "numbers"))
        self._afford(len(thing))
        return (kind.__name__, *self._refs(list(thing)))

    def _spend(self, cost: float) -> None:
        self._afford(cost)
        self.left -= cost

    def _afford(self, cost: float) -> None:
        if cost > self.left:
            raise _TooMuch

    def _set(self, thing) -> Hashable:
        """A set: its elements each by itself, and the order they stand in in this process."""
        self._afford(len(thing))
        if id(thing) in self.above:
            return (type(thing).__name__, "itself")
        above = self.above | {id(thing)}
        keys = tuple(
            self.ref(v)
            if id(type(v)) in _SCALARS
            else self._apart(v, self.left, above, self.library)
            for v in list(thing)
        )
        return (type(thing).__name__, frozenset(keys), Here(keys))

    def _apart(self, thing, limit: float, above: frozenset[int], library: bool) -> Hashable:
        """The key of a thing with numbers of its own."""
        self._spend(_APART)
        walk = _Walk(min(limit, self.left), above, library)
        before = walk.left
        try:
            return walk.key(thing)
        finally:
            if before < math.inf:
                self.left -= before - max(walk.left, 0)
            self.names.join(walk.names)
            self.values += walk.values
            self.values += sum(type(v) is not types.FunctionType for v in walk.things)

    def _text(self, text: str | bytes) -> Hashable:
        """A long text, which a key need not hold."""
        self._spend(len(text) // _BYTES)
        data = text.encode("utf-8", "surrogatepass") if type(text) is str else text
        return (type(text).__name__, len(text), xxhash.xxh3_128_digest(data))

    def _array(self, array: np.ndarray, kind: str) -> Hashable:
        dtype = array.dtype
        if dtype.hasobject:
            self._afford(array.size)
            values = array.ravel().tolist() if dtype.kind == "O" else [None, object()]
            if not all(id(type(v)) in _SCALARS for v in values):
                return Unseen("an array of Python objects")
            return (kind, array.shape, *self._refs(values))
        turned = array.flags.f_contiguous and not array.flags.c_contiguous
        data = array.T if turned else array
        cost = array.nbytes // (_BYTES if data.flags.c_contiguous else _BYTES_APART)
        if cost > self.left:
            return Unseen(f"an array of {array.nbytes / 2**20:.0f} MiB")
        self.left -= cost
        data = np.ascontiguousarray(data).reshape(-1)
        content = xxhash.xxh3_128_digest(data.view(np.uint8)) if data.nbytes else b""
        named = dtype.str if dtype.kind != "V" else str(dtype)  # the fields of a record
        return (kind, named, array.shape, turned, content)

    def _class(self, kind: type) -> Hashable:
        inner = list(class_fact(kind, "__dict__").items())
        self._afford(len(inner))
        content = [
            (name, self.ref(value))
            for name, value in inner
            if name not in _CLASS_BOOKKEEPING and not name.startswith("__pydantic_")
        ]
        content += [("registered", self.ref(cls)) for cls in contents.registered(kind)]
        bases = self._refs(class_fact(kind, "__bases__"))
        return ("class", class_fact(kind, "__qualname__"), self.ref(type(kind)), bases, *content)

    def _instance(self, thing, kind: type) -> Hashable:
        library = is_library_class(kind)
        if library:
            top = _home(kind)
            special = self._special(thing, kind, top)
            if special is not None:
                return special
            if not (self.library or top in STABLE or is_standard(top)):
                try:
                    return self._apart(thing, _LIBRARY_LIMIT, self.above, True)
                except _TooMuch:
                    return Unseen(f"a {class_fact(kind, '__qualname__')} holds too much")
        layout = contents.layout(kind)
        if layout is None:
            return Unseen(f"a {class_fact(kind, '__qualname__')} keeps what it holds in C")
        held, state = layout.held(thing), [*layout.slots(thing), *layout.state(thing)]
        mro = class_fact(kind, "__mro__")
        if _CHANCE in (name for name, _ in state) and "scipy" in map(_home, mro):
            self.names.fatal.add("rvs")
            state = [item for item in state if item[0] != _CHANCE]
        if library and top != "nlsq":
            state = [item for item in state if not _is_derived(layout, item[0])]
        self._afford(len(state))
        named = tuple((self._name(name), self.ref(value)) for name, value in state)
        made_by = self.names.of_library(kind) if library else self.ref(kind)
        return ("object", made_by, self._refs(held), *named)

    def _name(self, name) -> Hashable:
        return name if type(name) is str else self.ref(name)

    def _special(self, thing, kind: type, top: str) -> Hashable | None:
        """The key of an object of a package that is known for keeping its content elsewhere."""
        if thing is os.environ:
            return Unseen("os.environ")
        if is_kind(kind, "pathlib", "PurePath"):
            return ("path", self.names.of_library(kind), str(thing))
        if kind.__name__ == "_lru_cache_wrapper":
            return self._kept_results(thing.__wrapped__)
        if top == "numba":
            return self._kept_results(vars(thing).get("__wrapped__"))
        if top == "nlsq" and hasattr(thing, "__wrapped__"):  # a model of ours: its function
            return ("model", self.ref(thing.__wrapped__))
        if top == "pandas":
            self._spend(_PICKLED)
            return ("pandas", self.ref(kind), *self._refs(contents.pickled(thing, 50 * self.left)))
        if top in ("jax", "jaxlib"):
            jax = sys.modules["jax"]
            if isinstance(thing, jax.core.Tracer):
                return Unseen("a value that JAX is tracing")
            if isinstance(thing, jax.Array):
                if jax.dtypes.issubdtype(thing.dtype, jax.dtypes.prng_key):
                    data = np.asarray(jax.random.key_data(thing))
                    return ("random key", str(thing.dtype), self._array(data, "jax"))
                self._afford(thing.nbytes / _BYTES)
                return (self._array(np.asarray(thing), "jax"), thing.weak_type)
            wrapped = getattr(thing, "__wrapped__", None)
            if contents.layout(kind) is None and wrapped is not None:  # jax.jit
                return ("wrapped", class_fact(kind, "__qualname__"), self.ref(wrapped))
        return None

    def _kept_results(self, function) -> Hashable:
        """A function whose results are kept: it may go on with what it read before."""
        if type(function) is types.FunctionType:
            before = self.values
            key = self._apart(function, self.left, self.above, self.library)
            if self.values == before:
                return ("keeps results", key)
        return Unseen("it keeps results that hold what it read before")
