"""Rebuild a model over stand-ins for NumPy, without touching the user's objects.

A plain Python function is rebuilt from its code object with globals, closure cells and defaults in
which NumPy, `math`, SciPy and their functions are replaced; the functions, methods, partials,
callable objects and user modules it reaches are rebuilt likewise. What stands for what is said by
those who rebuild: `carry.rebuild` and `duals.rebuild`.
"""

from __future__ import annotations

import abc
import copy
import functools
import types
from typing import Any, ClassVar

import numpy as np

from nlsq.core.model.identity.ownership import is_standard

STOOD_FOR = ("numpy", "scipy")
_FOREIGN = {
    *STOOD_FOR, "jax", "jaxlib", "pandas", "numba", "torch", "sklearn",
    "matplotlib", "xarray", "astropy", "pint", "pytest", "_pytest", "hypothesis",
}  # fmt: skip
_CONTAINER_LIMIT = 1000
DISPATCHER = type(np.sum)  # the functions NumPy writes in C around Python


def is_foreign(module: str | None) -> bool:
    root = (module or "").partition(".")[0]
    return not root or root in _FOREIGN or is_standard(root)


class ModuleStandIn:
    """A module whose attributes are rebuilt as they are asked for."""

    def __init__(self, module: types.ModuleType, rebuild: Rebuild):
        self.__dict__.update(_module=module, _rebuild=rebuild, _table=rebuild.members(module))

    def __getattr__(self, name: str) -> Any:
        if name not in self._table:
            self._table[name] = self._rebuild(getattr(self._module, name))
        return self._table[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self._table[name] = value  # a model's own module-level write stays in this call


class Rebuild:
    """`rebuild(obj)`: the stand-in of any object, itself when it needs none."""

    builtins: ClassVar[dict[str, Any]] = {}  # stand-ins by name

    def __init__(self) -> None:
        self._memo: dict[int, tuple[Any, Any]] = {}
        self._globals: dict[int, dict[str, Any]] = {}

    def replaced(self, obj: Any) -> Any:
        """What stands for a function or another object as a whole; None where it is rebuilt."""
        raise NotImplementedError

    def array(self, a: np.ndarray) -> Any:
        """What stands for an array."""
        raise NotImplementedError

    def members(self, module: types.ModuleType) -> dict[str, Any]:
        """What stands for members of a module that `replaced` does not know one by one."""
        return {}

    def leaves(self, module: str | None) -> bool:
        """Whether this module's functions stay as they are; those that `eval` makes have none."""
        return module not in (None, "builtins") and is_foreign(module)

    def __call__(self, obj: Any) -> Any:
        known = self._memo.get(id(obj))
        if known is not None:
            return known[1]
        new = self._stand_in(obj)
        self._memo[id(obj)] = (obj, new)
        return new

    def _stand_in(self, obj: Any) -> Any:
        if obj is None or type(obj) in (int, float, complex, bool, str, bytes):
            return obj
        replacement = self.replaced(obj)
        if replacement is not None:
            return replacement
        for kind, make in self._kinds():
            if isinstance(obj, kind):
                return make(obj)
        return self._object(obj)

    def _kinds(self):
        yield types.ModuleType, self._module
        yield types.FunctionType, self._function
        yield types.MethodType, self._method
        yield (types.BuiltinFunctionType, np.ufunc, DISPATCHER), lambda f: f
        yield functools.partial, self._partial
        yield np.ndarray, self.array
        yield (list, tuple, dict), self._container
        yield type, self._class

    # -- functions ------------------------------------------------------------------------------
    def _function(self, f: types.FunctionType) -> Any:
        if self.leaves(f.__module__):
            return f
        cells = tuple(types.CellType() for _ in f.__closure__ or ())
        new = types.FunctionType(f.__code__, self._names(f), f.__name__, None, cells or None)
        self._memo[id(f)] = (f, new)
        new.__kwdefaults__ = self(f.__kwdefaults__)
        new.__defaults__ = self(f.__defaults__)
        new.__dict__.update(f.__dict__)
        new.__qualname__, new.__module__ = f.__qualname__, f.__module__
        for ours, theirs in zip(cells, f.__closure__ or (), strict=True):
            try:
                ours.cell_contents = self(theirs.cell_contents)
            except ValueError:  # an empty cell stays empty
                continue
        return new

    def _names(self, f: types.FunctionType) -> dict[str, Any]:
        """The globals that f's code reads; one dictionary for all functions of a module."""
        theirs = f.__globals__
        ours = self._globals.get(id(theirs))
        if ours is None:
            ours = self._globals[id(theirs)] = {"__builtins__": self._builtins_of(f)}
        for name in ("__name__", "__file__", "__package__"):
            ours.setdefault(name, theirs.get(name))
        for name in _names_of(f.__code__):
            if name in theirs and name not in ours:
                ours[name] = theirs[name]  # for functions that call themselves
                ours[name] = self(theirs[name])
        return ours

    def _builtins_of(self, f: types.FunctionType) -> dict[str, Any]:
        """Those that f has, and no others: a stranger's file is loaded with few."""
        theirs = f.__builtins__
        ours = {name: self.builtins.get(name, item) for name, item in theirs.items()}
        if "__import__" in theirs:
            ours["__import__"] = lambda *args, **named: self(theirs["__import__"](*args, **named))
        return ours

    def _method(self, method: types.MethodType) -> Any:
        owner = self(method.__self__)
        if owner is not method.__self__:
            return getattr(owner, method.__name__)
        if isinstance(method.__func__, types.FunctionType):
            return types.MethodType(self(method.__func__), owner)
        return method

    def _partial(self, p: functools.partial) -> Any:
        args, keywords = self(p.args), self(p.keywords)
        return functools.partial(self(p.func), *args, **keywords)

    # -- data -----------------------------------------------------------------------------------
    def _container(self, items: Any) -> Any:
        if type(items) not in (list, tuple, dict) or len(items) > _CONTAINER_LIMIT:
            return items
        if type(items) is dict:
            new = {}
            self._memo[id(items)] = (items, new)
            new.update((key, self(item)) for key, item in items.items())
            return new
        if type(items) is list:
            new = []
            self._memo[id(items)] = (items, new)
            new.extend(self(item) for item in items)
            return new
        return tuple(self(item) for item in items)

    def _module(self, module: types.ModuleType) -> Any:
        name = module.__name__
        if name in ("math", "cmath") or name.partition(".")[0] in STOOD_FOR:
            return ModuleStandIn(module, self)
        return module if is_foreign(name) else ModuleStandIn(module, self)

    # -- classes and their instances ------------------------------------------------------------
    def _class(self, cls: type) -> Any:
        if not plain_class(cls):
            return cls
        new = type(cls)(cls.__name__, (cls,), {"__module__": cls.__module__, "__slots__": ()})
        self._memo[id(cls)] = (cls, new)
        for base in reversed(cls.__mro__[:-1]):
            for name, item in vars(base).items():
                rebuilt = self._member(item)
                if rebuilt is not None:
                    setattr(new, name, rebuilt)
        return new

    def _member(self, item: Any) -> Any:
        if isinstance(item, types.FunctionType):
            return self(item)
        if isinstance(item, (staticmethod, classmethod)):
            return type(item)(self(item.__func__))
        if isinstance(item, property):
            return property(*(self(f) for f in (item.fget, item.fset, item.fdel)))
        return self(item) if isinstance(item, np.ndarray) else None

    def _object(self, obj: Any) -> Any:
        """A shallow copy of a user's object whose methods are rebuilt."""
        wrapped = getattr(obj, "__wrapped__", None) or getattr(obj, "py_func", None)
        if type(obj).__module__.partition(".")[0] in ("functools", "numba") and wrapped:
            return self(wrapped)
        cls = type(obj)
        if not plain_class(cls) or not hasattr(obj, "__dict__"):
            return obj
        new = copy.copy(obj)
        if new is obj or type(new) is not cls:
            return obj
        self._memo[id(obj)] = (obj, new)
        object.__setattr__(new, "__class__", self(cls))
        for name, item in vars(obj).items():
            new.__dict__[name] = self(item)
        return new


def plain_class(cls: type) -> bool:
    """Whether subclassing has no side effects and adds no layout."""
    if is_foreign(cls.__module__) or type(cls) not in (type, abc.ABCMeta):
        return False
    if any(base is not object and is_foreign(base.__module__) for base in cls.__mro__[:-1]):
        return False
    return (
        cls.__init_subclass__.__func__ is object.__init_subclass__.__func__
        if hasattr(cls.__init_subclass__, "__func__")
        else True
    )


def _names_of(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_of(constant)
    return names
