"""Loading a model file: what was looked at is what runs, with builtins of the same list."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import os
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nlsq.security.model_validation import validate_model
from nlsq.security.rules import BUILTINS, special
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
    return f"nlsq_model_{path.stem}"


def _restricted(path: Path) -> types.ModuleType:
    result = validate_model(path).check()
    assert result.tree is not None and result.path is not None
    module = types.ModuleType(_module_name(path))
    module.__file__ = result.path
    module.__dict__["__builtins__"] = _builtins()
    code = compile(_Private().visit(result.tree), result.path, "exec", dont_inherit=True)
    sys.modules[module.__name__] = module  # where dataclasses look for the types of fields
    exec(code, module.__dict__)
    return module


class _Private(ast.NodeTransformer):
    """Private attributes get names that only the file's own objects have.

    A method may read ``self._x``, and may be called with anything as self: what is private in a
    library (`scipy.stats.norm` has a method that runs source) must not answer to it.
    """

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if node.attr.startswith("_") and not special(node.attr):
            node.attr = f"{node.attr}_of_the_model"
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self.generic_visit(node)
        for method in node.body:
            name = getattr(method, "name", "")
            if name.startswith("_") and not special(name):
                method.name = f"{name}_of_the_model"  # type: ignore[union-attr]
        return node


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
    return builtins.__import__(name, globals, locals, fromlist, 0)
