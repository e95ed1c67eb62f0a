"""Whose a module, a function or a class is: the user's, or of a package that is installed.

What is installed counts by its name: it does not change while a program runs. All else is the
user's own and counts by what it holds. A name alone proves nothing, since `functools.wraps` copies
one and `exec` makes classes that say "builtins", so the thing is looked up where it says it is.
"""

from __future__ import annotations

import functools
import os
import sys
import types
import weakref
from typing import Any

import numpy as np

# Packages that count as installed wherever they lie; none of ours catches an error of JAX's.
STABLE = frozenset(
    ("numpy", "scipy", "jax", "jaxlib", "math", "cmath", "builtins", "nlsq", "functools",
     "operator", "itertools", "typing", "collections", "pandas", "optax")
)  # fmt: skip
HEAP, _IMMUTABLE = 1 << 9, 1 << 8  # flags of a class: made while the program runs; fixed for good
_NAMESPACE = types.ModuleType.__dict__["__dict__"].__get__
_TYPE = type.__dict__
_STDLIB = os.path.dirname(os.__file__)
_MISSING = object()
_made: dict[int, tuple[weakref.ref, bool]] = {}  # classes that packages make while they run

# What is read here changes without a trace that could be watched.
_OUTSIDE = frozenset(
    ("os", "posix", "nt", "posixpath", "ntpath", "genericpath", "sys", "time", "random", "_random",
     "secrets", "io", "_io", "inspect", "importlib", "_imp", "_frozen_importlib", "pkgutil", "gc",
     "_frozen_importlib_external", "ctypes", "_ctypes", "cffi", "_cffi_backend", "threading",
     "_thread", "contextvars", "_contextvars", "multiprocessing", "asyncio", "concurrent", "queue",
     "socket", "_socket", "ssl", "select", "subprocess", "signal", "mmap", "tempfile", "shutil",
     "glob", "fileinput", "linecache", "zipfile", "tarfile", "gzip", "bz2", "lzma", "shelve", "dbm",
     "sqlite3", "configparser", "urllib", "http", "xml", "uuid", "platform", "resource", "getpass",
     "locale", "traceback", "runpy", "h5py", "netCDF4", "tables", "requests", "psutil")
)  # fmt: skip
# Of these the functions read outside; an object of their classes shows what it holds, or is in C.
_SHOWN = frozenset(
    ("inspect", "importlib", "_frozen_importlib", "_frozen_importlib_external", "threading",
     "_thread", "contextvars", "_contextvars", "asyncio", "concurrent", "queue", "traceback",
     "uuid", "signal")
)  # fmt: skip
_OUTSIDE_PARTS = ("numpy.random", "scipy.io", "scipy.datasets")
_READERS = frozenset(
    ("fromfile", "genfromtxt", "fromregex", "memmap", "open_memmap", "DataSource", "imread",
     "getenv")
)  # fmt: skip
_READING = ("load", "read", "open", "fetch")
_BLIND_BUILTINS = frozenset(
    ("open", "globals", "eval", "exec", "__import__", "compile", "input", "breakpoint", "id")
)
# Classes that are harmless until one of these is asked for.
_HARMLESS_BUT = {
    "datetime": frozenset(("now", "today", "utcnow")),
    "_datetime": frozenset(("now", "today", "utcnow")),
    "pandas": frozenset(("now", "today", "utcnow")),
    "pathlib": frozenset(
        ("open", "read_text", "read_bytes", "exists", "stat", "lstat", "glob", "rglob", "iterdir",
         "is_file", "is_dir", "cwd", "home", "resolve", "absolute", "expanduser", "walk", "owner")
    ),
}  # fmt: skip


def namespace(module: types.ModuleType) -> dict[str, Any]:
    """What a module holds; a class of the user's own has no say in it."""
    return _NAMESPACE(module)


def root(name: str | None) -> str:
    """The package of a module's name."""
    return name.partition(".")[0] if type(name) is str else ""


def class_fact(kind: type, name: str) -> Any:
    """`__name__`, `__mro__` and their like as `type` knows them, whatever the metaclass says."""
    return _TYPE[name].__get__(kind)


def is_kind(kind: type, module: str, name: str) -> bool:
    """Whether it is of a class of the standard library; without its module nobody has one."""
    return issubclass(kind, getattr(sys.modules.get(module), name, ()))


@functools.cache
def is_standard(name: str) -> bool:
    """True for a module of the standard library; a user's own profile.py is none."""
    if name not in sys.stdlib_module_names or name == "__main__":
        return False
    file = getattr(sys.modules.get(name), "__file__", None)
    return file is None or file.startswith(_STDLIB)


def is_installed(module: Any) -> bool:
    """True for a module of the standard library or of an installed package."""
    held = namespace(module)
    name, file = held.get("__name__"), held.get("__file__")
    if type(name) is not str or sys.modules.get(name) is not module:
        return False  # made by hand
    return _installed(name, file if type(file) is str else None)


@functools.cache
def _installed(name: str, file: str | None) -> bool:
    top = root(name)
    if top in STABLE or is_standard(top):
        return True
    if file is not None:
        return not _PLACES.isdisjoint(file.replace(os.sep, "/").split("/"))
    if name in sys.builtin_module_names:
        return True
    if name != top:  # a module that a package makes: as its package
        package = sys.modules.get(top)
        return isinstance(package, types.ModuleType) and is_installed(package)
    module = sys.modules.get(name)
    if not isinstance(module, types.ModuleType):
        return False
    path = namespace(module).get("__path__")  # a package without __init__.py
    return path is not None and any(_installed(name, f"{part}/") for part in path)


_PLACES = frozenset(("site-packages", "dist-packages"))


def version(name: str) -> str:
    """Version of an installed package, as far as it says so."""
    module = sys.modules.get(root(name))
    found = namespace(module).get("__version__") if isinstance(module, types.ModuleType) else None
    return found if type(found) is str else ""


def scope_is_installed(scope: dict) -> bool:
    """Whether these globals are those of an installed module."""
    if type(scope) is not dict:  # a user's class of it answers itself
        return False
    name, file = scope.get("__name__"), scope.get("__file__")
    if type(name) is not str or not _installed(name, file if type(file) is str else None):
        return False
    module = sys.modules.get(name)
    return isinstance(module, types.ModuleType) and namespace(module) is scope


def is_library_class(kind: type) -> bool:
    """True for a class of an installed package, and for one that cannot be changed."""
    flags = class_fact(kind, "__flags__")
    if not flags & HEAP or flags & _IMMUTABLE:
        return True
    name = class_fact(kind, "__module__")
    module = sys.modules.get(name) if type(name) is str else None
    if not isinstance(module, types.ModuleType) or not is_installed(module):
        return False
    if found_at(module, class_fact(kind, "__qualname__")) is kind:
        return True
    if is_standard(root(name)):
        return False  # the standard library makes classes for others only: `make_dataclass`
    known = _made.get(id(kind))
    if known is None or known[0]() is not kind:
        number, inner = id(kind), class_fact(kind, "__dict__").values()
        functions = [value for value in inner if type(value) is types.FunctionType]
        known = (
            weakref.ref(kind, lambda _: _made.pop(number, None)),
            all(scope_is_installed(f.__globals__) for f in functions),
        )
        _made[number] = known
    return known[1]


def found_at(module: types.ModuleType, path: str) -> Any:
    """What lies under a dotted name in a module; no code of its runs."""
    found: Any = module
    for name in path.split("."):
        if isinstance(found, types.ModuleType):
            found = namespace(found).get(name, _MISSING)
        elif isinstance(found, type):
            found = class_fact(found, "__dict__").get(name, _MISSING)
        else:
            return _MISSING
    return found


def home(thing: Any) -> str | None:
    """Name of the module that a function or class comes from."""
    if type(thing) is types.FunctionType:
        return thing.__globals__.get("__name__")
    if type(thing) is np.ufunc:
        return "numpy"
    if issubclass(type(thing), type):
        return class_fact(thing, "__module__")
    owner = getattr(thing, "__self__", None)
    if issubclass(type(owner), types.ModuleType):
        return namespace(owner).get("__name__")
    name = getattr(thing, "__module__", None)
    return name if type(name) is str else None


def looks_outside(thing: Any) -> bool:
    """Whether a thing of a library reads files, clocks, chance, frames or the like."""
    if not callable(thing):
        thing = type(thing)
    if issubclass(type(thing), type):
        top = root(class_fact(thing, "__module__"))
        if top in _SHOWN or issubclass(thing, tuple):  # `sys.float_info`
            return False
    return reads_outside(home(thing), getattr(thing, "__name__", ""))


def reads_outside(where: str | None, name: Any) -> bool:
    """Whether what has this name in this module of a library reads what cannot be watched."""
    where, name, top = where or "", str(name), root(where)
    if top == "builtins":
        return name in _BLIND_BUILTINS
    if top in _OUTSIDE or where.startswith(_OUTSIDE_PARTS):
        return True
    return name in _READERS or (name.startswith(_READING) and name != "loads")


def harmless_but(kind: type) -> frozenset[str]:
    """Attributes that make a class of a library read what cannot be watched."""
    return _HARMLESS_BUT.get(root(class_fact(kind, "__module__")), frozenset())
