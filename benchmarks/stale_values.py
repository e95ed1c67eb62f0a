"""What holds a value in the models of `benchmarks.stale`, how it is read there and edited."""

from __future__ import annotations

import array
import collections
import contextvars
import ctypes
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import itertools
import operator
import os
import random
import tempfile
import threading
import types
import weakref
from pathlib import Path

import jax
import numpy as np
import pandas as pd

VALUES = (1.0, 2.0, 3.0, 5.0)
counter = itertools.count()


def _subclass(base: type) -> type:
    """A user's subclass of a class that keeps its content in C."""
    return type(f"My{base.__name__}", (base,), {"__module__": __name__})


class Box:
    """Holds one thing."""

    def __init__(self, v):
        self.v = v


class Slotted:
    __slots__ = ("__weakref__", "v")

    def __init__(self, v):
        self.v = v


@dataclasses.dataclass
class Record:
    v: object


class Described:
    def __init__(self, v):
        self.v = v

    def __get__(self, instance, owner):
        return self.v


class Lazy(Box):
    @functools.cached_property
    def worked_out(self):
        return self.v


def _put(name="v"):
    return lambda thing, v: setattr(thing, name, v)


def _item(place=0):
    return lambda thing, v: operator.setitem(thing, place, v)


def made_module(**held) -> types.ModuleType:
    module = types.ModuleType(f"stale_constants_{next(counter)}")
    module.__dict__.update(held)
    return module


def made_class(**held) -> type:
    return type("Held", (), held)


def returning(v):
    def inner():
        return v

    return inner


def _cell(f, v):
    f.__closure__[0].cell_contents = v


def with_default(v):
    def inner(value=v):
        return value

    return inner


def _scope(v) -> dict:
    scope = {"V": v}
    exec("def get():\n    return V", scope)
    return scope


def _metaclass(v) -> type:
    meta = type("Meta", (type,), {"V": v})
    return meta("Made", (), {})


def _wrapper(v):
    def outer():
        return outer.__wrapped__()

    outer.__wrapped__ = returning(v)
    return outer


def _ordered(v):
    return collections.OrderedDict((k, k) for k in (v, *(w for w in VALUES if w != v)))


def _to_front(thing, v):
    thing.move_to_end(v, last=False)


def _file(v) -> Path:
    path = Path(tempfile.gettempdir()) / f"stale-{os.getpid()}.txt"
    path.write_text(str(v))
    return path


def _environment(v) -> str:
    os.environ["NLSQ_STALE"] = str(v)
    return "NLSQ_STALE"


def _local(v):
    local = threading.local()
    local.v = v
    return local


def _context(v):
    variable = contextvars.ContextVar("v")
    variable.set(v)
    return variable


def _masked(v):
    return np.ma.array([1.0, 7.0], mask=[False, False]) * v


def _enumeration(v):
    return enum.Enum("Choice", {"A": v})


def _remembering(v):
    box = Box(v)

    @functools.lru_cache
    def remembered():
        return box.v

    remembered()
    return box, remembered


def _forget(thing, v):
    thing[0].v = v
    thing[1].cache_clear()


def _buffer(v):
    held = bytearray([int(v)])
    return held, memoryview(held)


def _proxy(v):
    held = {"v": v}
    return held, types.MappingProxyType(held), held.values()


def _swap_property(thing, v):
    type(thing).v = property(lambda self: v)


def _with_property(v):
    return type("Held", (), {"v": property(lambda self: v)})()


def _replace_method(thing, v):
    type(thing).get = lambda self: v


def _argument(thing, v):
    thing.args[0][0] = v


def _integer(thing, v):
    thing[0] = int(v)


_decimal, _deque = _subclass(decimal.Decimal), _subclass(collections.deque)
_array, _bytes = _subclass(array.array), _subclass(bytearray)
_delta, _date = _subclass(datetime.timedelta), _subclass(datetime.date)
_float, _int, _str, _tuple = map(_subclass, (float, int, str, tuple))
_partial, _ndarray = _subclass(functools.partial), _subclass(np.ndarray)


def _boxed(make, read) -> tuple:
    """A leaf whose value cannot be edited, in a box where another takes its place."""
    return lambda v: Box(make(v)), lambda o: read(o.v), lambda o, v: setattr(o, "v", make(v))


def _beside(make, read) -> tuple:
    """A leaf made of a box, whose value is edited there."""
    return (
        lambda v: (box := Box(v), make(box)),
        lambda o: read(o[1]),
        lambda o, v: setattr(o[0], "v", v),
    )


def _first(o):
    return o[0]


def _v(o):
    return o.v


def _call(o):
    return o()


def _environ(o, v):
    os.environ[o] = str(v)


def _class_of_exec(v) -> type:
    scope: dict = {}
    exec(f"class C:\n    v = {v}", scope)
    return scope["C"]


def _with_attribute(v):
    inner = returning(0.0)
    inner.v = v
    return inner


def _with_code(v):
    return eval(f"lambda: {v!r}")


def _swap_key(thing, v):
    thing.clear()
    thing[v] = 0


def _swap_element(thing, v):
    thing.clear()
    thing.add(v)


# name: (make what holds v, read it, edit it)
LEAVES: dict[str, tuple] = {
    "object": (Box, _v, _put()),
    "slots": (Slotted, _v, _put()),
    "dataclass": (Record, _v, _put()),
    "namespace": (lambda v: types.SimpleNamespace(v=v), _v, _put()),
    "list": (lambda v: [v], _first, _item()),
    "long list": (lambda v: [v] * 50, _first, _item()),
    "dict": (lambda v: {"v": v}, lambda o: o["v"], _item("v")),
    "key of a dict": (lambda v: {v: 0, 9.0: 1}, lambda o: next(iter(o)), _swap_key),
    "default dict": (lambda v: collections.defaultdict(float, v=v), lambda o: o["v"], _item("v")),
    "default factory": (
        lambda v: collections.defaultdict(returning(v)),
        lambda o: o.default_factory(),
        lambda o, v: setattr(o, "default_factory", returning(v)),
    ),
    "ordered dict": (_ordered, lambda o: next(iter(o.values())), _to_front),
    "counter": (lambda v: collections.Counter(v=v), lambda o: o["v"], _item("v")),
    "chain map": (
        lambda v: collections.ChainMap({}, {"v": v}),
        lambda o: o["v"],
        lambda o, v: o.maps[1].update(v=v),
    ),
    "user dict": (lambda v: collections.UserDict(v=v), lambda o: o["v"], _item("v")),
    "deque": (lambda v: collections.deque([v]), _first, _item()),
    "deque's length": _boxed(lambda v: collections.deque(maxlen=int(v)), lambda o: float(o.maxlen)),
    "set": (lambda v: {v}, max, _swap_element),
    "set order": _boxed(lambda v: set([8, 0] if v < 3 else [0, 8]), lambda o: 1.0 + next(iter(o))),
    "ndarray": (lambda v: np.array([v, 9.0]), _first, _item()),
    "view": (lambda v: np.full((4, 4), v)[::2, 1], _first, _item()),
    "transposed": (lambda v: np.array([[1.0, v], [v, 4.0]]).T, lambda o: o[0, 1], _item((0, 1))),
    "record array": (
        lambda v: np.array([(1, v)], [("a", int), ("v", float)]),
        lambda o: o["v"][0],
        lambda o, v: o["v"].__setitem__(0, v),
    ),
    "masked": (_masked, _first, _item()),
    "mask": _boxed(lambda v: np.ma.array([1.0, 7.0], mask=[v > 2, False]), lambda o: o.sum()),
    "strings": _boxed(lambda v: np.array([str(v)], object), lambda o: float(o[0])),
    "polynomial": (lambda v: np.poly1d([v]), lambda o: o(0.0), lambda o, v: _item()(o.coeffs, v)),
    "jax array": _boxed(lambda v: jax.numpy.array([v]), lambda o: float(o[0])),
    "series": (lambda v: pd.Series([v, 9.0]), lambda o: o[0], _item()),
    "frame": (
        lambda v: pd.DataFrame({"a": ["x"], "v": [v]}),
        lambda o: o["v"][0],
        lambda o, v: o.loc.__setitem__((0, "v"), v),
    ),
    "module": (lambda v: made_module(v=v), _v, _put()),
    "module in a module": (
        lambda v: made_module(inner=made_module(v=v)),
        lambda o: o.inner.v,
        lambda o, v: setattr(o.inner, "v", v),
    ),
    "function of a module": (
        lambda v: made_module(**_scope(v)),
        lambda o: o.get(),
        lambda o, v: o.get.__globals__.update(V=v),
    ),
    "class attribute": (lambda v: made_class(v=v), _v, _put()),
    "inherited": (
        lambda v: type("Sub", (made_class(v=v),), {}),
        _v,
        lambda o, v: setattr(o.__bases__[0], "v", v),
    ),
    "metaclass": (_metaclass, lambda o: o.V, lambda o, v: setattr(type(o), "V", v)),
    "descriptor": (
        lambda v: made_class(v=Described(v)),
        _v,
        lambda o, v: setattr(vars(o)["v"], "v", v),
    ),
    "property": (_with_property, _v, _swap_property),
    "method": (lambda v: made_class(get=lambda self: v)(), lambda o: o.get(), _replace_method),
    "static method": (
        lambda v: made_class(get=staticmethod(returning(v))),
        lambda o: o.get(),
        lambda o, v: setattr(o, "get", staticmethod(returning(v))),
    ),
    "class of exec": (_class_of_exec, _v, _put()),
    "made dataclass": (lambda v: dataclasses.make_dataclass("D", [("v", int, v)]), _v, _put()),
    "enumeration": (_enumeration, lambda o: o.A.value, lambda o, v: setattr(o.A, "_value_", v)),
    "cached property": (Lazy, lambda o: o.worked_out, _put("worked_out")),
    "function attribute": (_with_attribute, _v, _put()),
    "closure": (returning, _call, _cell),
    "default": (with_default, _call, lambda o, v: setattr(o, "__defaults__", (v,))),
    "new code": (_with_code, _call, lambda o, v: setattr(o, "__code__", _with_code(v).__code__)),
    "global of exec": (_scope, lambda o: o["get"](), _item("V")),
    "wrapped": (_wrapper, _call, lambda o, v: setattr(o, "__wrapped__", returning(v))),
    "partial": (
        lambda v: functools.partial(max, 0.0, v),
        _call,
        lambda o, v: o.__setstate__((max, (0.0, v), {}, {})),
    ),
    "partial of ours": (lambda v: _partial(_first, [v]), _call, _argument),
    "jax Partial": (lambda v: jax.tree_util.Partial(_first, [v]), _call, _argument),
    "bound method": _beside(lambda box: box.__getattribute__, lambda o: o("v")),
    "built-in method": (
        lambda v: [v].__getitem__,
        lambda o: o(0),
        lambda o, v: o.__self__.__setitem__(0, v),
    ),
    "ufunc": _beside(lambda box: np.frompyfunc(lambda x: x * box.v, 1, 1), lambda o: o(1.0)),
    "vectorized": _beside(lambda box: np.vectorize(lambda x: x * box.v), lambda o: float(o(1.0))),
    "remembered": (_remembering, lambda o: o[1](), _forget),
    "weak reference": _beside(weakref.ref, lambda o: o().v),
    "weak proxy": _beside(weakref.proxy, _v),
    "memory": (_buffer, lambda o: float(o[1][0]), lambda o, v: _item()(o[0], int(v))),
    "mapping proxy": (_proxy, lambda o: o[1]["v"], lambda o, v: o[0].update(v=v)),
    "values of a dict": (_proxy, lambda o: next(iter(o[2])), lambda o, v: o[0].update(v=v)),
    "array of ours": (lambda v: _array("d", [v]), _first, _item()),
    "bytes of ours": (lambda v: _bytes([int(v)]), lambda o: float(o[0]), _integer),
    "deque of ours": (lambda v: _deque([v]), _first, _item()),
    "ndarray of ours": (lambda v: np.array([v]).view(_ndarray), lambda o: float(o[0]), _item()),
    "decimal of ours": _boxed(_decimal, float),
    "time of ours": _boxed(lambda v: _delta(seconds=v), lambda o: o.total_seconds()),
    "date of ours": _boxed(lambda v: _date(2000 + int(v), 1, 1), lambda o: float(o.year)),
    "float of ours": _boxed(_float, float),
    "int of ours": _boxed(_int, float),
    "text of ours": _boxed(_str, float),
    "tuple of ours": _boxed(lambda v: _tuple((v,)), _first),
    "fraction": _boxed(lambda v: fractions.Fraction(int(v), 7), float),
    "ctypes": (ctypes.c_double, lambda o: o.value, _put("value")),
    "thread's own": (_local, _v, _put()),
    "context": (_context, lambda o: o.get(), lambda o, v: o.set(v)),
    "chance": (random.Random, lambda o: o.random(), lambda o, v: o.seed(v)),
    "NumPy's chance": _boxed(lambda v: np.random.default_rng(int(v)), lambda o: o.random()),
    "iterator": (lambda v: itertools.count(int(v)), lambda o: float(next(o)), lambda o, v: None),
    "file": (_file, lambda o: float(o.read_text()), lambda o, v: o.write_text(str(v))),
    "file by NumPy": (_file, lambda o: float(np.loadtxt(o)), lambda o, v: o.write_text(str(v))),
    "environment": (_environment, lambda o: float(os.environ[o]), _environ),
    "getenv": (_environment, lambda o: float(os.getenv(o)), _environ),
}
