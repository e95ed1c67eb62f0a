"""A model is what it does: a value it reads that changes makes it another model.

The danger is a compiled program that outlives the value it was traced with, so every way of
changing a model is tried on the key; `test_identity_fits` tries the common ones on real fits.
"""

import collections
import dataclasses
import functools
import threading
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nlsq.core.identity import model_key

pytestmark = pytest.mark.core

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


class Attribute:
    def __init__(self, k):
        self.k = k

    def model(self, x, a):
        return a * x * self.k / 3

    def __call__(self, x, a):
        return a * x * self.k / 5


# ----------------------------------------------------------------------- models that must differ


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


def _keyword_default(value):
    def model(x, a, *, k=value):
        return a * x * k

    return model


def _power(x, a, p):
    return a * x**p


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
}


@pytest.mark.parametrize("kind", DIFFERENT)
def test_models_that_differ_in_one_value_never_share(kind):
    make = DIFFERENT[kind]
    assert model_key(make(1.0)) != model_key(make(2.0))


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.0, -0.0), (1, 1.0), (1, True), (1.0, np.float64(1)), ("1", 1), (b"1", "1"), ((1,), [1])],
    ids=repr,
)
def test_values_that_compare_equal_but_act_otherwise_never_share(one, other):
    assert model_key(scaled_by(one)) != model_key(scaled_by(other))


def test_other_code_never_shares():
    assert model_key(lambda x, a: a * x + 1) != model_key(lambda x, a: a * x - 1)
    assert model_key(lambda x, a: a * x + 1) != model_key(lambda x, a: a * x + 1.0)
    assert model_key(lambda x, a: np.sin(a * x)) != model_key(lambda x, a: np.cos(a * x))
    assert model_key(np.sin) != model_key(np.cos)


# ----------------------------------------------------------------------- models that must share


def test_equal_lambdas_on_different_lines_share():
    one = lambda x, a, b: a * np.exp(-b * x)  # noqa: E731
    two = lambda x, a, b: a * np.exp(-b * x)  # noqa: E731
    assert one.__code__.co_firstlineno != two.__code__.co_firstlineno
    assert model_key(one) == model_key(two)
    assert hash(model_key(one)) == hash(model_key(two))


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
}


@pytest.mark.parametrize("kind", SHARED)
def test_models_equal_by_content_share(kind):
    make = SHARED[kind]
    assert model_key(make()) == model_key(make())
    assert hash(model_key(make())) == hash(model_key(make()))


def test_unreadable_values_are_never_shared():
    lock = threading.Lock()
    numbers = (i for i in range(3))
    objects = np.array([object()])
    for thing in (lock, numbers, objects):
        model = scaled_by(thing)
        assert model_key(model) != model_key(model)


def test_classes_side_by_side_keep_their_own_contents():
    """Tables made while a key is made are gone when the next begins; its address may be theirs."""

    def pair(factor):
        class First:
            def value(self, x):
                return x + 1.0

        class Second:
            def value(self, x):
                return x * factor

        return First, Second

    assert model_key(pair(2.0)) == model_key(pair(2.0))
    assert model_key(pair(2.0)) != model_key(pair(3.0))
