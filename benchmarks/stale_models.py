"""What the models of `benchmarks.stale` hold their value in, and how they get at it."""

from __future__ import annotations

import collections
import functools
import importlib
import operator
import sys
import types
import weakref

import jax
import numpy as np

from benchmarks.stale_values import (
    Box,
    Slotted,
    counter,
    made_class,
    made_module,
    returning,
    with_default,
)

_dotted = operator.attrgetter("v")


def _registered(thing) -> str:
    name = f"stale_registered_{next(counter)}"
    sys.modules[name] = made_module(thing=thing)
    return name


# name: (make what holds a thing, get the thing back)
LAYERS = {
    "list": (lambda thing: [thing], lambda o: o[0]),
    "tuple": (lambda thing: (0, thing), lambda o: o[1]),
    "dict": (lambda thing: {"thing": thing}, lambda o: o["thing"]),
    "object": (Box, lambda o: o.v),
    "slots": (Slotted, lambda o: o.v),
    "by attrgetter": (Box, lambda o: _dotted(o)),
    "by getattr": (Box, lambda o: getattr(o, "v")),  # noqa: B009
    "by vars": (Box, lambda o: vars(o)["v"]),
    "module": (lambda thing: made_module(thing=thing), lambda o: o.thing),
    "module by getattr": (lambda thing: made_module(thing=thing), lambda o: getattr(o, "thing")),  # noqa: B009
    "module's dict": (lambda thing: made_module(thing=thing), lambda o: o.__dict__["thing"]),
    "sys.modules": (_registered, lambda o: sys.modules[o].thing),
    "import_module": (_registered, lambda o: importlib.import_module(o).thing),
    "class": (lambda thing: made_class(thing=[thing]), lambda o: o.thing[0]),
    "function": (returning, lambda o: o()),
    "default": (with_default, lambda o: o()),
    "partial": (lambda thing: functools.partial(lambda t: t, thing), lambda o: o()),
    "namespace": (lambda thing: types.SimpleNamespace(thing=thing), lambda o: o.thing),
    "deque": (lambda thing: collections.deque([thing]), lambda o: o[0]),
    "mapping proxy": (lambda thing: types.MappingProxyType({"thing": thing}), lambda o: o["thing"]),
    "weak table": (
        lambda thing: (k := Box(0), weakref.WeakKeyDictionary({k: thing})),
        lambda o: o[1][o[0]],
    ),
    "none": (lambda thing: thing, lambda o: o),
}


class Holder:
    def __init__(self, thing, read):
        self.thing, self.read = thing, read

    def model(self, x, a):
        return a * x * self.read(self.thing)

    @property
    def value(self):
        return self.read(self.thing)

    def by_property(self, x, a):
        return self.value * a * x

    def __call__(self, x, a):
        return x * (a * self.read(self.thing))


class Inheriting(Holder):
    def model(self, x, a):
        return super().model(x, a) * 1.0


def _of_scope(source: str):
    def make(thing, read):
        scope = {"thing": thing, "read": read, "module": made_module(thing=thing, read=read)}
        exec(source, scope)
        return scope["model"]

    return make


def _by_default(thing, read):
    def model(x, a, t=thing, *, r=read):
        return a * x * r(t)

    return model


def _decorated(thing, read):
    @functools.wraps(np.mean)
    def model(x, a):
        return a * x * read(thing)

    return model


def _generator(thing, read):
    return lambda x, a: sum(a * x * read(t) for t in (thing,))


def _as_local(thing, read):
    def model(x, a):
        def inner(t):
            return x * read(t)

        alias = thing
        return a * inner(alias)

    return model


def _importing(thing, read):
    name = f"stale_registered_{next(counter)}"
    sys.modules[name] = made_module(thing=thing, read=read)
    source = f"def model(x, a):\n    from {name} import read, thing\n    return a * x * read(thing)"
    return _of_scope(source)(thing, read)


def _trying(thing, read):
    def model(x, a):
        try:
            v = read(thing)
        except KeyError:
            v = 1.0
        return a * x * v

    return model


CARRIERS = {
    "closure": lambda thing, read: lambda x, a: a * x * read(thing),
    "default": _by_default,
    "partial": lambda thing, read: functools.partial(lambda t, r, x, a: a * x * r(t), thing, read),
    "keyword": lambda thing, read: functools.partial(lambda x, a, t: a * x * read(t), t=thing),
    "jax Partial": lambda thing, read: jax.tree_util.Partial(
        lambda t, x, a: a * x * read(t), thing
    ),
    "method": lambda thing, read: Holder(thing, read).model,
    "inherited method": lambda thing, read: Inheriting(thing, read).model,
    "property": lambda thing, read: Holder(thing, read).by_property,
    "callable object": Holder,
    "decorated": _decorated,
    "generator": _generator,
    "local": _as_local,
    "importing": _importing,
    "global": _of_scope("def model(x, a):\n    return a * x * read(thing)"),
    "global module": _of_scope("def model(x, a):\n    return a * x * module.read(module.thing)"),
    "globals()": _of_scope("def model(x, a):\n    return a * x * globals()['read'](thing)"),
    "eval": _of_scope("def model(x, a):\n    return eval('a * x * read(thing)')"),
    "class body": _of_scope(
        "def model(x, a):\n    class C:\n        v = read(thing)\n    return a * x * C.v"
    ),
    "try": _trying,
}
