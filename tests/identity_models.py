"""Models for `test_identity`: pairs that differ in one value, and makers of equal ones."""

import array
import collections
import dataclasses
import datetime
import decimal
import functools
import inspect
import logging
import operator
import pathlib
import types
import uuid
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import scipy.interpolate
import scipy.stats
import xarray as xr

from nlsq import models

RATE = 2.0


def scaled_by(value):
    return lambda x, a: a * x * value


def scaled_by_attribute(holder):
    return lambda x, a: a * x * holder.k


def scaled_by_item(holder, item):
    return lambda x, a: a * x * holder[item]


def helper():
    return RATE


def reads_helper(x, a):
    return a * x * helper() ** 2


def _line(x, a):
    return a * x


def _moved(k):
    table = collections.OrderedDict.fromkeys((1.0, 2.0))
    table.move_to_end(k)
    return table


class Attribute:
    def __init__(self, k):
        self.k = k

    def model(self, x, a):
        return a * x * self.k / 3

    def __call__(self, x, a):
        return a * x * self.k / 5


class DictLike(dict):
    pass


class ListLike(list):
    pass


class Number(float):
    pass


Pair = collections.namedtuple("Pair", "k")


@dataclasses.dataclass
class Settings:
    k: float

    def __call__(self, x, a):
        return a * x * self.k


class Slotted:
    __slots__ = ("k",)

    def __init__(self, k):
        self.k = k

    def __call__(self, x, a):
        return a * x * self.k


def _with_default(module):
    def model(x, a, m=module):
        return a * x * m.k

    return model


def _keyword_default(value):
    def model(x, a, *, k=value):
        return a * x * k

    return model


def _power(x, a, p):
    return a * x**p


def _subclass(base):
    """A user's class of what is kept in C."""
    return type("Ours", (base,), {})


def _module_with(value):
    module = types.ModuleType("constants")
    module.k = value
    return module


def _with_except(value):
    """The same instructions, of which another part is covered by the `except`."""
    first = ("a = g(x)", "try: b = g(a)") if value == 1.0 else ("try: a = g(x); b = g(a)",)
    lines = (*first, "except ValueError: b = 1.0", "return b")
    scope = {}
    exec("def model(x):\n" + "".join(f"    {line}\n" for line in lines), scope)
    return scope["model"]


def _asks_for_its_name(name):
    def model(x, a):
        return a * x * len(model.__name__)

    model.__name__ = name
    return model


def _wrapped(value):
    def outer(*args):
        return outer.__wrapped__(*args)

    outer.__wrapped__ = lambda x, a: a * x * value
    return outer


def _custom_jvp(value):
    line = jax.custom_jvp(lambda x, a: a * x)
    line.defjvp(lambda at, along: (line(*at), value * along[0]))
    return line


@functools.cache
def pint_registry():
    return pytest.importorskip("pint").UnitRegistry()


def sympy():
    return pytest.importorskip("sympy")


def astropy_units():
    return pytest.importorskip("astropy.units")


def numba():
    return pytest.importorskip("numba")


def _inherited(value):
    class Base:
        def factor(self):
            return value

    class Derived(Base):
        def __call__(self, x, a):
            return a * x * self.factor()

    return Derived()


def _overridden(first):
    class Base:
        pass

    class Derived(Base):
        if first:

            def __call__(self, x, a):
                return a * x

        else:

            def __call__(self, x, a):
                return a * x * 2

    return Derived()


def _with_operator(first):
    class Table:
        if first:

            def __getitem__(self, item):
                return 1.0

        else:

            def __getitem__(self, item):
                return 2.0

    return scaled_by_item(Table(), 0)


def _from_source(constant):
    scope = {}
    exec(f"def model(x, a):\n    return a * x * {constant}", scope)
    return scope["model"]


def _from_source_with_global(value):
    scope = {"k": value}
    exec("def model(x, a):\n    return a * x * k", scope)
    return scope["model"]


DIFFERENT = {
    "float": lambda v: scaled_by(v),
    "numpy scalar": lambda v: scaled_by(np.float64(v)),
    "float32": lambda v: scaled_by(np.float32(v)),
    "array": lambda v: scaled_by(np.array([1.0, v])),
    "array in a list": lambda v: scaled_by([np.array([1.0, v])]),
    "strided view": lambda v: scaled_by(np.arange(8.0)[int(v) :: 2][:2]),
    "jax array": lambda v: scaled_by(jnp.array([1.0, v])),
    "mask of a masked array": lambda v: scaled_by(np.ma.array([1.0, 2.0], mask=[v > 1, False])),
    "complex": lambda v: scaled_by(complex(1, v)),
    "tuple": lambda v: scaled_by((1.0, v)),
    "dict": lambda v: scaled_by_item({"k": v}, "k"),
    "nested dict": lambda v: scaled_by({"a": {"b": [v]}}),
    "OrderedDict": lambda v: scaled_by_item(collections.OrderedDict(k=v), "k"),
    "defaultdict": lambda v: scaled_by_item(collections.defaultdict(float, k=v), "k"),
    "Counter": lambda v: scaled_by_item(collections.Counter(k=int(v)), "k"),
    "deque": lambda v: scaled_by_item(collections.deque([v]), 0),
    "ChainMap": lambda v: scaled_by_item(collections.ChainMap({"k": v}), "k"),
    "mapping proxy": lambda v: scaled_by_item(types.MappingProxyType({"k": v}), "k"),
    "dict subclass": lambda v: scaled_by_item(DictLike(k=v), "k"),
    "list subclass": lambda v: scaled_by_item(ListLike([v]), 0),
    "float subclass": lambda v: scaled_by(Number(v)),
    "namedtuple": lambda v: scaled_by_attribute(Pair(v)),
    "namespace": lambda v: scaled_by_attribute(types.SimpleNamespace(k=v)),
    "dataclass": lambda v: Settings(v),
    "slots": lambda v: Slotted(v),
    "bound method": lambda v: Attribute(v).model,
    "callable object": lambda v: Attribute(v),
    "inherited method": lambda v: _inherited(v),
    "class body": lambda v: _overridden(v == 1.0),
    "operator method": lambda v: _with_operator(v == 1.0),
    "default": lambda v: lambda x, a, k=v: a * x * k,
    "keyword default": lambda v: _keyword_default(v),
    "partial argument": lambda v: functools.partial(_power, p=v),
    "partial of a partial": lambda v: functools.partial(functools.partial(_power), p=v),
    "wrapped by jit": lambda v: jax.jit(scaled_by(v)),
    "wrapped by vectorize": lambda v: np.vectorize(scaled_by(v)),
    "nested function": lambda v: (lambda inner: lambda x, a: inner(x, a))(scaled_by(v)),
    "constant of exec": lambda v: _from_source(v),
    "global of exec": lambda v: _from_source_with_global(v),
    "polynomial": lambda v: scaled_by(np.poly1d([1.0, v])),
    "module in a list": lambda v: (lambda held: lambda x, a: a * held[0].k)([_module_with(v)]),
    "module in a tuple": lambda v: (lambda held: lambda x: held[1].k)((1, _module_with(v))),
    "module as a default": lambda v: _with_default(_module_with(v)),
    "module in a partial": lambda v: functools.partial(lambda m, x: m.k * x, _module_with(v)),
    "module in an object": lambda v: (lambda o: lambda x: x * o.k.k)(Attribute(_module_with(v))),
    "partial of a user's class": lambda v: _subclass(functools.partial)(_power, p=v),
    "partial of JAX": lambda v: jax.tree_util.Partial(_power, p=v),
    "deque of a user's class": lambda v: scaled_by(_subclass(collections.deque)([v])),
    "length of a deque": lambda v: scaled_by(collections.deque(maxlen=int(v))),
    "array of a user's class": lambda v: scaled_by(_subclass(array.array)("d", [v])),
    "bytearray of a user's class": lambda v: scaled_by(_subclass(bytearray)([int(v)])),
    "Decimal of a user's class": lambda v: scaled_by(_subclass(decimal.Decimal)(v)),
    "timedelta of a user's class": lambda v: scaled_by(_subclass(datetime.timedelta)(v)),
    "date of a user's class": lambda v: scaled_by(_subclass(datetime.date)(2000, 1, int(v))),
    "complex of a user's class": lambda v: scaled_by(_subclass(complex)(v)),
    "text of a user's class": lambda v: scaled_by(_subclass(str)(v)),
    "tuple of a user's class": lambda v: scaled_by(_subclass(tuple)((v,))),
    "NumPy number of a user's class": lambda v: scaled_by(_subclass(np.float64)(v)),
    "ndarray of a user's class": lambda v: scaled_by(np.array([v]).view(_subclass(np.ndarray))),
    "order of a dict": lambda v: scaled_by(dict.fromkeys((v, 3.0 - v))),
    "order of a set": lambda v: scaled_by(set((8, 0) if v == 1.0 else (0, 8))),
    "order of an OrderedDict": lambda v: scaled_by(_moved(v)),
    "default factory": lambda v: scaled_by(collections.defaultdict(lambda: v)),
    "memory": lambda v: scaled_by(memoryview(bytearray([int(v)]))),
    "weak reference": lambda v: (lambda o: scaled_by((o, weakref.ref(o))))(Attribute(v)),
    "itemgetter": lambda v: scaled_by(operator.itemgetter(int(v))),
    "what an except covers": _with_except,
    "wrapped helper": _wrapped,
    "name that is asked for": lambda v: _asks_for_its_name("model" if v == 1.0 else "other"),
    "ufunc of a function": lambda v: scaled_by(np.frompyfunc(scaled_by(v), 2, 1)),
    "derivative of a custom_jvp": lambda v: _custom_jvp(v),
    "random key": lambda v: scaled_by(jax.random.key(int(v))),
    "series": lambda v: scaled_by(pd.Series([v])),
    "table": lambda v: scaled_by(pd.DataFrame({"a": ["x"], "k": [v]})),
    "index of a series": lambda v: scaled_by(pd.Series([1.0], index=[v])),
    "time stamp": lambda v: scaled_by(pd.Timestamp(int(v))),
    "dataset": lambda v: scaled_by(xr.DataArray([v], dims="x")),
    "spline": lambda v: scaled_by(scipy.interpolate.CubicSpline([0, 1, 2], [0, 1, v])),
    "distribution": lambda v: scaled_by(scipy.stats.norm(v)),
    "quantity of pint": lambda v: scaled_by(pint_registry().Quantity(v, "m")),
    "unit of pint": lambda v: scaled_by(pint_registry().Unit("m" if v == 1.0 else "s")),
    "expression of sympy": lambda v: scaled_by(sympy().exp(-v * sympy().Symbol("x"))),
    "symbol of sympy": lambda v: scaled_by(sympy().Symbol("x", positive=v == 1.0)),
    "unit of astropy": lambda v: scaled_by(astropy_units().Unit("m" if v == 1.0 else "cm")),
    "quantity of astropy": lambda v: scaled_by(v * astropy_units().m),
    "function of numba": lambda v: numba().njit(_line if v == 1.0 else _power),
}


class Plain:
    """A class as people write them: property, static method, class attribute."""

    unit = 1.0

    def __init__(self, k):
        self._k = k

    @property
    def k(self):
        return self._k

    @staticmethod
    def double(v):
        return 2 * v

    def model(self, x, a):
        return a * x * self.double(self.k) * self.unit


class Named(Plain):
    """Says its name, as many classes do when they are printed."""

    def __repr__(self):
        return f"{type(self).__name__}({self.k})"


def _nested(depth):
    return functools.reduce(lambda inner, _: [inner], range(depth), 1.0)


SHARED = {
    "closure": lambda: scaled_by(2.5),
    "array": lambda: scaled_by(np.arange(4.0)),
    "non-contiguous array": lambda: scaled_by(np.arange(8.0)[::2]),
    "dict": lambda: scaled_by({"a": [1.0, (2, "b")]}),
    "namedtuple": lambda: scaled_by_attribute(Pair(2.0)),
    "dataclass": lambda: Settings(2.0),
    "slots": lambda: Slotted(2.0),
    "bound method": lambda: Attribute(2.0).model,
    "class with a property": lambda: Plain(2.0).model,
    "partial": lambda: functools.partial(_power, p=3),
    "default": lambda: lambda x, a, k=2.0: a * x * k,
    "exec": lambda: _from_source(2),
    "jit": lambda: jax.jit(scaled_by(2.0)),
    "vectorize": lambda: np.vectorize(scaled_by(2.0)),
    "global": lambda: reads_helper,
    "long list": lambda: scaled_by([2.5] * 1000),
    "deep list": lambda: scaled_by(_nested(3000)),
    "set": lambda: scaled_by({"a", 2.5, (1, "b")}),
    "class that names itself": lambda: Named(2.0).model,
    "logger": lambda: scaled_by(logging.getLogger("nlsq.tests")),
    "series": lambda: scaled_by(pd.Series([1.0, 2.0])),
    "quantity of pint": lambda: scaled_by(pint_registry().Quantity(2.0, "m")),
    "expression of sympy": lambda: scaled_by(sympy().Symbol("x") ** 2 + 1),
    "quantity of astropy": lambda: scaled_by(2.0 * astropy_units().m),
    "function of numba": lambda: numba().njit(lambda x, a: a * np.exp(x)),
    "ufunc of numba": lambda: numba().vectorize(lambda x, a: a * x),
    "distribution": lambda: lambda x, a: a * scipy.stats.norm.pdf(x),
    "signature": lambda: scaled_by(inspect.signature(_power)),
    "identifier": lambda: scaled_by(uuid.UUID(int=5)),
    "model of ours": lambda: models.get("gaussian + linear"),
    "path that is not read": lambda: scaled_by(pathlib.Path("a/b")),
}
