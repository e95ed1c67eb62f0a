"""Loading a model file: what was looked at is what runs, with builtins of the same list."""

from __future__ import annotations

import ast
import builtins
import functools
import importlib.util
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nlsq.security.attributes import ATTRIBUTES, METHODS_OF_OBJECTS, PREFIX, of_object, own
from nlsq.security.model_validation import validate_model
from nlsq.security.names import Names
from nlsq.security.rules import BUILTINS, OF_OWN, SETTABLE, special
from nlsq.security.syntax import Checker, known_module
from nlsq.utils.input_error import InputError, did_you_mean


def load_function(path: str | os.PathLike, name: str, trusted: bool = False) -> Callable[..., Any]:
    """The function `name` of a model file.

    An untrusted file is looked through by `validate_model` first, and its code then finds only
    listed builtins and modules. It runs in this process: call it inside
    `nlsq.security.sandbox.call` unless the file is trusted.

    Parameters
    ----------
    path : str or path
        The file. Its folder is on the import path meanwhile if it is trusted.
    name : str
        A function, or anything that can be called.
    trusted : bool
        Run the file as any module, without looking.

    Returns
    -------
    callable
        The function.

    Raises
    ------
    nlsq.security.ModelValidationError
        If the file holds what is not allowed.
    nlsq.utils.input_error.InputError
        If there is no such file or function.
    Exception
        Whatever the file raises when it runs.

    Examples
    --------
    >>> Path("decay.py").write_text("def decay(t, a, k):\\n    return a * (1 - k * t)\\n")
    47
    >>> load_function("decay.py", "decay")(2.0, 3.0, 0.25)
    1.5
    """
    return function_of(load_module(path, trusted), name)


def load_module(path: str | os.PathLike, trusted: bool = False) -> types.ModuleType:
    """A model file as a module; for its function see `load_function`."""
    return _trusted(Path(path)) if trusted else _restricted(Path(path))


def function_of(module: types.ModuleType, name: str) -> Callable[..., Any]:
    """The function `name` of a model file that was loaded.

    Raises
    ------
    nlsq.utils.input_error.InputError
        If there is none.
    """
    found = getattr(module, name, None) if not special(name) else None
    if callable(found):
        return found
    known = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
    there = f"; it has {', '.join(known)}" if known else ""
    hint = did_you_mean(name, known, there)
    raise InputError(
        f"{module.__file__}: no function {name!r}{hint}.", "Name a function of the file."
    )


def _module_name(path: Path) -> str:
    return PREFIX + path.stem


def _restricted(path: Path) -> types.ModuleType:
    result = validate_model(path).check()
    assert result.tree is not None and result.path is not None
    module = types.ModuleType(_module_name(path))
    module.__file__ = result.path
    module.__dict__["__builtins__"] = _builtins()
    module.__dict__.update({_OWN: own, _OF_OBJECT: of_object})
    tree = ast.fix_missing_locations(_Own(result.tree).visit(result.tree))
    code = compile(tree, result.path, "exec", dont_inherit=True)
    sys.modules[module.__name__] = module  # where dataclasses look for the types of fields
    exec(code, module.__dict__)
    return module


_OWN, _OF_OBJECT = "__own__", "__of_object__"  # names that a model cannot write
_SUPER = frozenset(("builtins.super",))


class _Own(ast.NodeTransformer):
    """What is not on the list of attributes is read, and all are set, on the file's own only.

    A method may read ``self.x``, and may be called with anything as self. Private names are
    given an ending that no library has (`scipy.stats.norm` has a private method that runs
    source); other names are asked for by `nlsq.security.attributes.own`, and some methods by
    `of_object`.
    """

    def __init__(self, tree: ast.Module):
        self.names = Names(tree)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        of_own = self.names.paths(node.func) & OF_OWN
        self.generic_visit(node)
        if of_own:
            node.args[0] = _asked(node.args[0], "fields")
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        of_module = any(map(known_module, self.names.paths(node.value)))
        inherited = self.is_super(node.value)
        self.generic_visit(node)
        if of_module or special(node.attr):
            return node
        stored = not isinstance(node.ctx, ast.Load)
        private = node.attr.startswith("_")
        if private:
            node.attr = f"{node.attr}_of_the_model"
        listed = private or inherited or node.attr in ATTRIBUTES
        if node.attr not in SETTABLE if stored else not listed:
            node.value = _asked(node.value, node.attr)
        elif not stored and node.attr in METHODS_OF_OBJECTS:
            node.value = _asked(node.value, node.attr, _OF_OBJECT)
        return node

    def is_super(self, node: ast.AST) -> bool:
        """Whether it is ``super()``, by which a class of the file asks what it inherits."""
        bare = isinstance(node, ast.Call) and not node.args and not node.keywords
        return bare and self.names.surely(node.func, _SUPER)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        for method in node.body:
            name = getattr(method, "name", "")
            if name.startswith("_") and not special(name):
                method.name = f"{name}_of_the_model"  # type: ignore[union-attr]
        return node


def _asked(node: ast.expr, name: str, function: str = _OWN) -> ast.expr:
    return ast.Call(ast.Name(function, ast.Load()), [node, ast.Constant(name)], [])


def _trusted(path: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(_module_name(path), path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise InputError(f"{path}: no Python file.", "Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(path.parent))
        sys.dont_write_bytecode = written
    return module


def _builtins() -> dict[str, Any]:
    names = {name: getattr(builtins, name) for name in BUILTINS}
    return names | {"__build_class__": builtins.__build_class__, "__import__": _import}


def _import(name: str, globals=None, locals=None, fromlist=(), level: int = 0) -> Any:
    """`import` of what is listed; the source said the same, this does not believe it.

    Compiled code of libraries imports by the builtins of whoever called it: with a list, which no
    statement gives.
    """
    if isinstance(fromlist, list):
        return builtins.__import__(name, globals, locals, fromlist, level)
    wanted = [n for n in fromlist or () if not Checker.harmless(name, n)]
    if level or not known_module(name) or wanted:
        raise ImportError(f"{name!r} is not on the list of harmless modules")
    if name.partition(".")[0] == "scipy":
        _close_results()
    return builtins.__import__(name, globals, locals, fromlist, 0)


@functools.cache
def _close_results() -> None:
    """SciPy's results no longer answer Python's own names with their items.

    ``result["__array_interface__"] = ...`` would make NumPy read whatever address stands there.
    Nothing else looks these names up in the items.
    """
    from scipy.optimize import OptimizeResult

    for kind in OptimizeResult.__mro__:
        if "__getattr__" in vars(kind):
            kind.__getattr__ = _only_items(vars(kind)["__getattr__"])


def _only_items(found: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def __getattr__(self, name: str) -> Any:
        if special(name):
            raise AttributeError(name)
        return found(self, name)

    return __getattr__
