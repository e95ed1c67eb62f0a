"""One model whose surroundings change: its key has to notice, or never be shared."""

import builtins
import collections
import contextvars
import ctypes
import datetime
import functools
import importlib
import inspect
import io
import itertools
import json
import operator
import os
import pathlib
import random
import sys
import threading
import time
import types
import weakref
from os import environ as settings

import jax
import numpy as np
import pytest

from benchmarks import stale
from nlsq.core.model.identity.keys import alike, unseen
from nlsq.core.model.identity.walk import content_key, model_key

pytestmark = pytest.mark.core
RATE = 1.0


def scaled_by(value):
    return lambda x, a: a * x * value


class Attribute:
    def __init__(self, k):
        self.k = k

    def model(self, x, a):
        return a * x * self.k / 3

    def __call__(self, x, a):
        return a * x * self.k / 5


@pytest.fixture
def module():
    made = types.ModuleType("nlsq_test_constants")
    made.K = 1.0
    made.inner = types.ModuleType("nlsq_test_constants.inner")
    made.inner.K = 1.0
    made.unread = 1.0
    sys.modules[made.__name__] = made
    sys.modules[made.inner.__name__] = made.inner
    yield made
    del sys.modules[made.__name__], sys.modules[made.inner.__name__]


def _from_import_inside(x, a):
    from nlsq_test_constants import K

    return a * x * K


def _import_inside(x, a):
    import nlsq_test_constants

    return a * x * nlsq_test_constants.K


def _changes_key(model, change) -> bool:
    before = model_key(model)
    change()
    return model_key(model) != before


def test_attribute_of_a_users_module(module, monkeypatch):
    monkeypatch.setitem(globals(), "constants", module)
    model = eval("lambda x, a: a * x * constants.K", globals())
    assert _changes_key(model, lambda: setattr(module, "K", 2.0))
    assert not _changes_key(model, lambda: setattr(module, "unread", 2.0))


def test_attribute_of_a_module_inside_a_package(module, monkeypatch):
    monkeypatch.setitem(globals(), "constants", module)
    model = eval("lambda x, a: a * x * constants.inner.K", globals())
    assert _changes_key(model, lambda: setattr(module.inner, "K", 2.0))


def test_attribute_of_a_module_in_a_closure(module):
    model = (lambda constants: lambda x, a: a * x * constants.K)(module)
    assert _changes_key(model, lambda: setattr(module, "K", 2.0))


@pytest.mark.parametrize("model", [_from_import_inside, _import_inside])
def test_module_imported_inside_the_model(module, model):
    assert _changes_key(model, lambda: setattr(module, "K", 2.0))


def test_attribute_of_the_function_itself(monkeypatch):
    def model(x, a):
        return a * x * tuned.k

    model.k = 1.0
    tuned = model
    assert _changes_key(model, lambda: setattr(model, "k", 2.0))


def test_global_looked_up_by_name(monkeypatch):
    monkeypatch.setitem(globals(), "RATE", 1.0)

    def model(x, a):
        return a * x * globals()["RATE"]

    assert _changes_key(model, lambda: monkeypatch.setitem(globals(), "RATE", 5.0))


def test_class_attribute_and_redefined_method():
    class Holder:
        k = 1.0

        @staticmethod
        def plain(x, a):
            return a * x * Holder.k

        @classmethod
        def by_class(cls, x, a):
            return a * x * cls.k

    for model in (Holder.plain, Holder.by_class):
        assert _changes_key(model, lambda: setattr(Holder, "k", Holder.k + 1))
    thing = Attribute(1.0)
    original = Attribute.model
    try:
        assert _changes_key(
            thing.model, lambda: setattr(Attribute, "model", lambda self, x, a: a + x)
        )
    finally:
        Attribute.model = original


def test_class_with_slots_defined_again(monkeypatch):
    """What running a notebook cell again does."""
    source = """
class Cell:
    __slots__ = ("k",)
    def __init__(self):
        self.k = 1.0
    def __call__(self, x, a):
        return a * x * self.k * {factor}
"""
    keys = []
    for factor in (1, 2):
        scope = {"__name__": __name__}
        exec(source.format(factor=factor), scope)
        monkeypatch.setitem(globals(), "Cell", scope["Cell"])
        keys.append(model_key(scope["Cell"]()))
    assert keys[0] != keys[1]


def test_deep_change_of_state():
    thing = Attribute({"inner": [1.0]})
    assert _changes_key(thing, lambda: thing.k["inner"].append(2.0))


def test_nonlocal_change():
    k = 1.0

    def change():
        nonlocal k
        k = 2.0

    assert _changes_key(lambda x, a: a * x * k, change)


def test_recursive_structures_end():
    loop = [1.0]
    loop.append(loop)
    assert _changes_key(scaled_by(loop), lambda: loop.insert(0, 2.0))


# --------------------------------------------------------------- what cannot be watched


def _class_named_elsewhere():
    """A class that says it is of the standard library, as those of a bare `exec` do."""
    scope = {}
    exec("class Held:\n    k = 1.0", scope)
    return scope["Held"]


def _remembered():
    box = Attribute(1.0)
    return functools.lru_cache(lambda: box.k)


EDITS = {
    "attribute of a metaclass": (
        lambda: type("Meta", (type,), {"k": 1.0})("Held", (), {}),
        lambda held: setattr(type(held), "k", 2.0),
    ),
    "attribute of a class of exec": (_class_named_elsewhere, lambda held: setattr(held, "k", 2.0)),
    "base class": (
        lambda: type("Sub", (type("Base", (), {"k": 1.0}),), {}),
        lambda held: setattr(held.__bases__[0], "k", 2.0),
    ),
    "field of a named tuple": (
        lambda: collections.namedtuple("Pair", "k other")(1.0, 2.0),
        lambda held: setattr(type(held), "k", type(held).other),
    ),
    "module of a user's own class": (
        lambda: type("Lazy", (types.ModuleType,), {"k": property(lambda self: self.rate)})("a"),
        lambda held: setattr(held, "rate", 2.0),
    ),
}


@pytest.mark.parametrize("kind", EDITS)
def test_an_edit_of_what_is_held_is_noticed(kind):
    make, edit = EDITS[kind]
    held = make()
    model = (lambda held: lambda x, a: a * x * held.k)(held)
    before = model_key(model)
    assert not unseen(before)
    edit(held)
    assert model_key(model) != before


def test_a_name_that_is_both_global_and_asked_of_a_module(module, monkeypatch):
    monkeypatch.setitem(globals(), "constants", module)
    monkeypatch.setitem(globals(), "K", 3.0)
    model = eval("lambda x, a: a * x * constants.K * K", globals())
    assert _changes_key(model, lambda: setattr(module, "K", 2.0))


def test_a_value_among_the_builtins(monkeypatch):
    monkeypatch.setattr(builtins, "NLSQ_K", 1.0, raising=False)
    model = eval("lambda x, a: a * x * NLSQ_K", {})
    assert _changes_key(model, lambda: monkeypatch.setattr(builtins, "NLSQ_K", 2.0))


def test_a_model_that_says_it_is_of_a_package(monkeypatch):
    model = functools.wraps(np.mean)(lambda x, a: a * x * RATE)
    assert _changes_key(model, lambda: monkeypatch.setitem(globals(), "RATE", 2.0))


def test_a_constant_of_a_package(monkeypatch):
    model = eval("lambda x, a: a * x * np.pi", {"np": np})
    assert _changes_key(model, lambda: monkeypatch.setattr(np, "pi", 3.0))


def _importing_environ(x, a):
    from os import environ

    return a * x * float(environ["RATE"])


def _opening(x, a):
    with open("rate.txt") as file:
        return a * x * float(file.read())


def _local_numpy(x, a):
    library = np
    return a * x * library.loadtxt("rate.txt")


UNWATCHED = {
    "sys.modules": lambda x, a: a * x * sys.modules[__name__].RATE,
    "import_module": lambda x, a: a * x * importlib.import_module(__name__).RATE,
    "globals of a function": lambda x, a: a * x * scaled_by.__globals__["RATE"],
    "globals": lambda x, a: a * x * globals()["RATE"],
    "eval in a list": (lambda held: lambda x, a: a * x * held[0]("RATE"))([eval]),
    "eval of builtins": lambda x, a: a * x * builtins.eval("RATE"),
    "frame": lambda x, a: a * x * sys._getframe().f_globals["RATE"],
    "frame of inspect": lambda x, a: a * x * inspect.currentframe().f_back.f_locals["k"],
    "attribute of a module by a made name": (
        lambda module: lambda x, a: a * x * getattr(module, "k" + "")
    )(types.ModuleType("constants")),
    "dictionary of a module": (lambda module: lambda x, a: a * x * module.__dict__["k"])(
        types.ModuleType("constants")
    ),
    "attrgetter": (lambda module, get: lambda x, a: a * x * get(module))(
        types.ModuleType("constants"), operator.attrgetter("k")
    ),
    "environment": lambda x, a: a * x * float(os.environ["RATE"]),
    "environment by another name": lambda x, a: a * x * float(settings["RATE"]),
    "environment imported": _importing_environ,
    "getenv in a default": lambda x, a, get=os.getenv: a * x * float(get("RATE")),
    "file": _opening,
    "file in a partial": functools.partial(lambda read, x, a: a * x * read("r"), np.loadtxt),
    "file by a local name": _local_numpy,
    "file by a module in a list": (lambda held: lambda x, a: a * x * held[0].load("r"))([np]),
    "file of JSON": lambda x, a: a * x * json.load("rate.json"),
    "file of a path": (lambda path: lambda x, a: a * x * float(path.read_text()))(
        pathlib.Path("rate.txt")
    ),
    "clock": lambda x, a: a * x * time.time(),
    "day": lambda x, a: a * x * datetime.date.today().day,
    "chance": lambda x, a: a * x * random.random(),
    "NumPy's chance": lambda x, a: a * x * np.random.normal(),
    "chance made inside": lambda x, a: a * x * np.random.default_rng().normal(),
    "generator of chance": scaled_by(np.random.default_rng(0)),
    "lock": scaled_by(threading.Lock()),
    "iterator": scaled_by(i for i in range(3)),
    "counter": scaled_by(itertools.count()),
    "objects in an array": scaled_by(np.array([object()])),
    "thread's own": scaled_by(threading.local()),
    "context": scaled_by(contextvars.ContextVar("k")),
    "memory of ctypes": scaled_by(ctypes.c_double(1.0)),
    "text buffer": scaled_by(io.StringIO("1.0")),
    "dead proxy": scaled_by(weakref.proxy(type("Gone", (), {})())),
    "function that remembers": scaled_by(_remembered()),
    "module that is not loaded": eval("lambda x, a: __import__('nowhere').k", {}),
    "long list": scaled_by(list(range(10**6))),
    "long array": scaled_by(np.broadcast_to(1.0, (10**9,))),
}


@pytest.mark.parametrize("kind", UNWATCHED)
def test_what_cannot_be_watched_is_never_shared(kind):
    model = UNWATCHED[kind]
    key = model_key(model)
    assert key != model_key(model)
    assert not [why for why in unseen(key) if "raised" in why]
    assert alike(key, model_key(model))  # nothing that is seen changed


def test_what_is_seen_of_an_unshared_model_still_counts():
    held = [1.0]
    model = (lambda lock, held: lambda x, a: a * x * (lock, held)[1][0])(threading.Lock(), held)
    before = model_key(model)
    held[0] = 2.0
    assert not alike(before, model_key(model))


def test_data_count_whole_however_long_they_are():
    long = np.zeros(2**25)
    assert unseen(model_key(scaled_by(long)))
    before = content_key(long)
    assert before == content_key(long)
    long[-1] = 1.0
    assert before != content_key(long)


class Hostile:
    """Raises at whatever Python may call by itself."""

    def __init__(self):
        self.__dict__["k"] = 1.0

    def _raise(self, *args):
        raise RuntimeError("code of the user's was run")

    __getattr__ = __eq__ = __bool__ = __len__ = __iter__ = __contains__ = __reduce_ex__ = _raise
    __getstate__ = __setattr__ = __hash__ = __repr__ = __array__ = __call__ = _raise
    __class__ = __wrapped__ = dtype = property(_raise)


class HostileMeta(type):
    def _raise(cls, *args):
        raise RuntimeError("code of the user's was run")

    __eq__ = __hash__ = __getattribute__ = __instancecheck__ = __subclasscheck__ = _raise


class OfHostileMeta(metaclass=HostileMeta):
    pass


def test_no_code_of_the_users_runs():
    things = Hostile(), object.__new__(OfHostileMeta)
    for thing in (*things, [things], {"k": things}, functools.partial(scaled_by, things[0])):
        model = scaled_by(thing)
        before = model_key(model)
        assert before == model_key(model) and not unseen(before)
    assert _changes_key(scaled_by(things[0]), lambda: vars_of(things[0]).update(k=2.0))


def vars_of(thing):
    return object.__getattribute__(thing, "__dict__")


def test_a_value_that_is_traced_is_never_shared():
    def inside(z):
        model = scaled_by(z)
        assert model_key(model) != model_key(model)
        return z

    jax.jit(inside)(1.0)


def test_a_search_of_models_and_edits_finds_no_stale_key():
    found, counts = stale.search(300, seed=20)
    assert found == []
    assert counts["changed"] > 250 and counts["shared"] > 150


def test_what_holds_a_whole_library_is_not_walked_through():
    figure = pytest.importorskip("matplotlib.figure").Figure()
    registry = pytest.importorskip("pint").UnitRegistry()
    for thing in (figure.subplots(), figure, registry):
        key = model_key(scaled_by(thing))
        assert [why for why in unseen(key) if "holds too much" in why]
