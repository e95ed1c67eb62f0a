"""What counts by its name, and what the names lead to that a model's code reads.

A path from a global or a closure's name is followed through modules to what it means. A module
that goes somewhere by itself (into a list, a default, a partial, a local variable) may be asked
there for any loose name of the model's code, so that all of these count. Names that are made while
the model runs, and things that read what nobody can watch, make a model unseen.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from nlsq.core.model.identity import ownership as own
from nlsq.core.model.identity.code_reading import Code
from nlsq.core.model.identity.keys import Here, Same, Unseen

# Names by which code asks for what a key does not hold.
_REVEALING = frozenset(
    ("__code__", "__globals__", "__builtins__", "__subclasses__", "__loader__", "__spec__",
     "__annotations__", "__annotate__", "f_back", "f_locals", "f_globals", "f_code", "gi_frame",
     "cr_frame", "tb_frame")
)  # fmt: skip
# Names by which it asks for what is looked up only then.
_ON_DEMAND = frozenset(
    ("__name__", "__qualname__", "__module__", "__doc__", "__slots__",
     "__dataclass_fields__", "__parameters__", "__orig_bases__")
)  # fmt: skip
_COMPUTED = frozenset(("getattr", "hasattr", "setattr", "delattr", "vars", "dir", "attrgetter"))
_IN_C = frozenset(
    map(id, (
        types.BuiltinFunctionType, types.MethodWrapperType, types.MethodDescriptorType,
        types.WrapperDescriptorType, types.ClassMethodDescriptorType, types.GetSetDescriptorType,
        types.MemberDescriptorType, np.ufunc, type(np.sum),
    ))
)  # fmt: skip
# By id, with the thing, which stays alive: what `by_name` found of functions and classes.
_found: dict[int, tuple[Any, Hashable, str | frozenset[str] | None]] = {}
_of: dict[tuple[int, str], tuple[Any, Any, Hashable]] = {}


class Names:
    """What one look through a model has met of names.

    Attributes
    ----------
    loose : set of str
        What code asks of values that no path leads to.
    fatal : set of str
        What it must not ask for.
    computed : bool
        Whether it makes names while it runs.
    modules : list
        Modules that went somewhere by themselves.
    """

    def __init__(self, ref: Callable[[Any], Hashable]):
        self._ref = ref
        self.loose: set[str] = set()
        self.fatal: set[str] = set()
        self.computed = False
        self.modules: list[types.ModuleType] = []
        self._asked: set = set()

    def join(self, other: Names) -> None:
        """Take over what was met in a part that was looked through apart."""
        self.loose |= other.loose
        self.fatal |= other.fatal
        self.computed |= other.computed
        self.modules += other.modules

    def reasons(self) -> list[Unseen]:
        """Why the names alone make the model unseen."""
        if not self.loose:
            return []
        asked = sorted(name for name in self.loose if name in _REVEALING or name in self.fatal)
        return [Unseen(f"it asks for {', '.join(asked)}")] if asked else []

    def fixed(self, thing, kind: type) -> Hashable:
        """The key of what counts by its name; None for what is to be looked through."""
        found = _found.get(id(thing))
        if found is not None and found[0] is thing:
            return self._marked(found)
        if kind is types.FunctionType:
            installed = thing.__closure__ is None and own.scope_is_installed(thing.__globals__)
            return self._by_name(thing) if installed else None
        if kind is dict:
            return Unseen("sys.modules") if thing is sys.modules else None
        if issubclass(kind, type):
            return self._by_name(thing) if own.is_library_class(thing) else None
        if issubclass(kind, types.ModuleType):
            self.modules.append(thing)
            name = own.namespace(thing).get("__name__")
            return ("module", name, own.version(name)) if own.is_installed(thing) else None
        if id(kind) in _IN_C or own.class_fact(kind, "__name__") == "cython_function_or_method":
            return self._in_c(thing, kind)
        if thing is sys.stdout or thing is sys.stderr:
            return ("printing",)
        if own.is_kind(kind, "logging", "Logger"):
            return ("logging",)
        top = own.root(own.class_fact(kind, "__module__"))
        if top in ("typing", "jax", "jaxlib", "numpy") and own.is_library_class(kind):
            if top == "typing":
                return Same(thing)
            module = sys.modules.get(getattr(thing, "__module__", None) or "")
            name = getattr(thing, "__qualname__", None)
            if module is not None and name is not None and own.found_at(module, name) is thing:
                return self._by_name(thing)  # jax.numpy's functions are objects
        return None

    def of_library(self, kind: type) -> Hashable:
        """The key of a package's class whose instance is held, which itself shows what it holds."""
        found = self.fixed(kind, type(kind))
        return Same(kind) if isinstance(found, Unseen) else found

    def _by_name(self, thing) -> Hashable:
        name, where = getattr(thing, "__name__", None), own.home(thing)
        key: Hashable = Same(thing)
        mark: str | frozenset[str] | None = None
        if own.looks_outside(thing):
            key, mark = None, f"{where}.{name}"
        elif name in _COMPUTED and where in ("builtins", "operator", "_operator"):
            mark = "computed"
        elif name == "fields" and where == "dataclasses":
            mark = "fields"
        elif isinstance(thing, type):
            mark = own.harmless_but(thing) or None
        found = _found[id(thing)] = (thing, key, mark)
        return self._marked(found)

    def _marked(self, found) -> Hashable:
        _, key, mark = found
        if mark is None:
            return key
        if key is None:
            return Unseen(mark)
        if mark == "computed":
            self.computed = True
        elif mark == "fields":
            self.loose.add("__dataclass_fields__")
        else:
            self.fatal |= mark
        return key

    def _in_c(self, thing, kind: type) -> Hashable:
        """The key of a function written in C; None for the method of an object."""
        if issubclass(kind, types.MemberDescriptorType | types.GetSetDescriptorType):
            return ("slot", thing.__name__)
        if issubclass(kind, np.ufunc):
            homes = map(sys.modules.get, ("numpy", "scipy.special"))
            named = (own.found_at(m, thing.__name__) is thing for m in homes if m is not None)
            return self._by_name(thing) if any(named) else None
        if issubclass(kind, types.MethodWrapperType):
            return None
        if kind is types.BuiltinFunctionType:
            owner = thing.__self__
            if owner is not None and not issubclass(type(owner), types.ModuleType):
                return None
        elif hasattr(thing, "__objclass__"):  # a method as its class holds it
            return Same(thing)
        module = sys.modules.get(own.home(thing) or "")
        if isinstance(module, types.ModuleType) and own.is_installed(module):
            return self._by_name(thing)
        return Unseen(f"{getattr(thing, '__name__', kind.__name__)} is written in C")

    # ------------------------------------------------------------------- what a function reads

    def read(self, f: types.FunctionType, code: Code, held: dict[str, Any]) -> list[Hashable]:
        """Keys of what a function of the user's reads by name; held: its closure's values."""
        parts = []
        self.loose |= code.names
        if held:
            for path in code.free:
                if path.name in held:
                    parts.append(self._follow(held[path.name], path.attributes))
            followed = {path.name for path in code.free}  # `super()` takes its class unnamed
            parts += [self._ref(value) for name, value in held.items() if name not in followed]
        scope = f.__globals__
        if type(scope) is not dict or type(f.__builtins__) is not dict:
            return [*parts, Unseen("its globals are no plain dict")]
        for name, attributes in code.globals:
            source = scope if name in scope else f.__builtins__
            if name in source:
                parts.append(self._follow(source[name], attributes))
            else:
                parts.append(("missing", name))
        for found in code.imports:
            parts.append(self._import(scope, *found))
        return parts

    def _follow(self, value, attributes: tuple[str, ...]) -> Hashable:
        """The key of what a path leads to."""
        module = None
        for place, name in enumerate(attributes):
            kind = type(value)
            if kind is not types.ModuleType and not (
                issubclass(kind, types.ModuleType) and own.is_library_class(kind)
            ):  # no module, or one whose class may answer
                self.loose.update(attributes[place:])
                return self._ref(value)
            module, inner = value, own.namespace(value)
            if name not in inner:
                return self._absent(module, name)
            value = inner[name]
        return self._ref(value) if module is None else self._in_module(module, name, value)

    def _in_module(self, module, name: str, value) -> Hashable:
        """The key of what a module holds under a name; of a package's functions the name."""
        known = _of.get((id(module), name))
        if known is not None and known[0] is module and known[1] is value:
            return known[2]
        found = self._ref(value)
        if not own.is_installed(module) or isinstance(found, Unseen):
            return found
        where = own.namespace(module)["__name__"]
        key = ("of", where, name, own.version(where), Here(found) if callable(value) else found)
        if isinstance(found, Same) and _found.get(id(value), (0, 0, 0))[2] is None:
            _of[id(module), name] = (module, value, key)
        return key

    def _absent(self, module, name: str) -> Hashable:
        """The key of what a module does not hold (yet)."""
        where = own.namespace(module).get("__name__")
        if own.is_installed(module):
            absent = ("of", where, name, own.version(where))
            return Unseen(f"{where}.{name}") if own.reads_outside(where, name) else absent
        if "__getattr__" in own.namespace(module) or name == "__dict__":
            return Unseen(f"{where}.{name}")
        return ("missing", name)

    def _import(self, scope: dict, level: int, name: str) -> Hashable:
        """The key of a module that a function imports when it runs."""
        if level:
            from importlib.util import resolve_name

            package = scope.get("__package__") or (scope.get("__name__") or "").rpartition(".")[0]
            name = resolve_name("." * level + name, package)
        names = [name] if level else [name, own.root(name)]
        loaded = [sys.modules[n] for n in names if n in sys.modules]
        if not loaded and not own.is_standard(own.root(name)):
            return Unseen(f"it imports {name}, which is not loaded yet")
        return ("import", name, *map(self._ref, loaded))

    # --------------------------------------------------------- what is known when all was met

    def on_demand(self, things: list) -> list[Hashable]:
        """What functions and classes are called, where the model asks for it."""
        parts = []
        for name in sorted(self.loose & _ON_DEMAND) if self.loose else ():
            for number, thing in enumerate(things):
                if (number, name) in self._asked:
                    continue
                self._asked.add((number, name))
                if type(thing) is types.FunctionType:
                    parts.append((number, name, self._ref(getattr(thing, name, None))))
                elif issubclass(type(thing), type):
                    held = own.class_fact(thing, "__dict__").get(name)
                    parts.append((number, name, self._ref(held)))
        return parts

    def of_modules(self) -> list[Hashable]:
        """What may be asked of modules that went somewhere by themselves."""
        parts = []
        for module in self.modules:
            foreign = own.is_installed(module)
            if not foreign and (self.computed or "__dict__" in self.loose):
                parts.append(Unseen("it makes the names that it asks modules for"))
            new = {name for name in self.loose if (id(module), name) not in self._asked}
            self._asked |= {(id(module), name) for name in new}
            parts += [
                part for name in sorted(new) for part in self._of_module(module, name, foreign)
            ]
        return parts

    def _of_module(self, module, name: str, foreign: bool) -> list[Hashable]:
        inner = own.namespace(module)
        if name not in inner:
            asked = not foreign and "__getattr__" in inner
            return [(name, self._ref(inner["__getattr__"]))] if asked else []
        value = inner[name]
        if not foreign or issubclass(type(value), types.ModuleType):
            return [(name, self._ref(value))]
        if value is sys.modules or own.looks_outside(value):
            return [Unseen(f"{inner['__name__']}.{name}")]
        return []
