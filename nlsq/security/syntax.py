"""The walk over a model's syntax tree that finds what is not allowed."""

from __future__ import annotations

import ast

from nlsq.security.allowed import MODULES
from nlsq.security.attributes import ATTRIBUTES
from nlsq.security.names import Names, bound_by, known_module
from nlsq.security.rules import (
    BASES,
    BUILTINS,
    CALLS,
    CLASS_DECORATORS,
    DECORATING_ATTRIBUTES,
    DECORATORS,
    INSTEAD,
    KEYWORDS,
    METADATA,
    METHODS,
    NODES,
    ONLY_DECORATORS,
    READABLE,
    SETTABLE,
    TYPES,
    attribute_refusal,
    call_refusal,
    special,
)
from nlsq.utils.input_error import did_you_mean


class Checker(Names):
    """Finds violations, as tuples of line, column and reason.

    Parameters
    ----------
    tree : ast.Module
        A model without its main block.
    builtin_names : frozenset of str
        Python's builtins.
    """

    def __init__(self, tree: ast.Module, builtin_names: frozenset[str]):
        super().__init__(tree)
        self.violations: list[tuple[int, int, str]] = []
        self.builtin_names = builtin_names
        self.visit(tree)

    def refuse(self, node: ast.AST, reason: str) -> None:
        where = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        self.violations.append((*where, f"{reason.rstrip('.')}."))

    def visit(self, node: ast.AST) -> None:
        kind = type(node).__name__
        if kind not in NODES:
            self.refuse(node, f"{kind} is not allowed in a model")
            return
        for name in bound_by(node):
            if special(name):
                self.refuse(node, f"the name {name!r} is Python's own")
        handler = getattr(self, f"{kind.lower()}_", None)
        if handler is None:
            self.children(node)
        else:
            handler(node)

    def children(self, node: ast.AST) -> None:
        for child in ast.iter_child_nodes(node):
            self.visit(child)

    # -- imports and what they bind --------------------------------------------------------------

    def import_(self, node: ast.Import) -> None:
        self.not_in_class(node)
        for alias in node.names:
            if not known_module(alias.name):
                self.refuse(node, _unknown(alias.name))
            self.not_special(node, alias.asname)

    def importfrom_(self, node: ast.ImportFrom) -> None:
        self.not_in_class(node)
        module = node.module or ""
        if node.level:
            self.refuse(node, "a model is one file: it imports no neighbours")
        elif not known_module(module):
            self.refuse(node, _unknown(module))
        else:
            for alias in node.names:
                if alias.name == "*":
                    self.refuse(node, "import * hides what is used; name it")
                elif not self.harmless(module, alias.name):
                    self.refuse(node, _unlisted(module, alias.name))
                self.not_special(node, alias.asname)

    def not_special(self, node: ast.AST, name: str | None) -> None:
        if name is not None and (special(name) or self.forbidden(name)):
            self.refuse(node, f"the name {name!r} is Python's own")

    def not_in_class(self, node: ast.AST) -> None:
        if isinstance(self.scope(node), ast.ClassDef):
            self.refuse(node, "an import inside a class; write it at the top of the file")

    @staticmethod
    def harmless(module: str, name: str) -> bool:
        return name in MODULES.get(module, ()) or known_module(f"{module}.{name}")

    def forbidden(self, name: str) -> bool:
        return name in self.builtin_names and name not in BUILTINS

    # -- names and attributes --------------------------------------------------------------------

    def name_(self, node: ast.Name) -> None:
        name = node.id
        stored = not isinstance(node.ctx, ast.Load) and isinstance(self.scope(node), ast.ClassDef)
        if stored and name.startswith("_") and not special(name) and name != "_":
            self.refuse(node, f"the class variable {name!r} is private; name it without _")
        if special(name):
            if isinstance(node.ctx, ast.Load) and name in READABLE:
                return
            if not self.is_metadata(node):
                self.refuse(node, f"the name {name!r} is Python's own")
        elif self.forbidden(name):
            self.refuse(node, f"{name!r} is not on the list of harmless builtins")
        elif isinstance(node.ctx, ast.Load):
            self.value(node)

    def value(self, node: ast.Name | ast.Attribute) -> None:
        """A name used as a value: not a module, nor what may only be called."""
        for path in self.paths(node):
            if known_module(path):
                if isinstance(self.parents[node], ast.Attribute):
                    continue
                fix = (
                    "a module stands only before a dot, as in np.exp, and no other name is its own"
                )
                self.refuse(node, f"{path!r} as a value: {fix}")
            elif path in TYPES and not self.is_type(node):
                self.refuse(node, f"{path!r} is only used in annotations and isinstance")
            elif path in ONLY_DECORATORS:
                if not self.decorates(node):
                    self.refuse(node, f"{path!r} is only used as a decorator")
            elif path in CALLS and not self.is_called(node):
                self.refuse(node, f"{path.removeprefix('builtins.')!r} may only be called directly")

    def is_metadata(self, node: ast.Name) -> bool:
        statement = self.parents[node]
        if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
            return False
        in_class = isinstance(self.parents[statement], ast.ClassDef)
        if node.id not in (("__slots__", "__hash__") if in_class else METADATA):
            return False
        for part in ast.walk(statement.value):
            text = part.value if isinstance(part, ast.Constant) else None
            if isinstance(text, str) and special(text):
                return False
            if not isinstance(part, (ast.Constant, ast.List, ast.Tuple, ast.Load)):
                return False
        return True

    def attribute_(self, node: ast.Attribute) -> None:
        modules = {p for p in self.paths(node.value) if known_module(p)}
        for module in modules:
            if not self.harmless(module, node.attr):
                self.refuse(node, _unlisted(module, node.attr))
        if modules:
            root = self.root(node)
            if root in self.rebound | self.defined:
                self.refuse(node, f"{root!r} is a module and something else; rename one of them")
            if not isinstance(node.ctx, ast.Load):
                self.refuse(node, "a module is not changed by a model")
            self.value(node)
            return
        reason = self.of_object(node)
        if reason:
            self.refuse(node, f"the attribute {node.attr!r}: {reason}")
        self.visit(node.value)

    def of_object(self, node: ast.Attribute) -> str | None:
        """Why an attribute of something that is no module is refused."""
        name, owner = node.attr, node.value
        if not isinstance(node.ctx, ast.Load) and name not in SETTABLE:
            known = isinstance(owner, ast.Name) and owner.id in _INSTANCES | self.defined
            if not known:
                return "only attributes of self, and of what the file defines, are set"
        if special(name):
            return None if self.readable_special(node) else attribute_refusal(name)
        if name.startswith("_") and not (isinstance(owner, ast.Name) and owner.id in _INSTANCES):
            return "it is private"
        return self.unknown(name)

    def unknown(self, name: str) -> str | None:
        """Why no object's attribute of that name is read, but what the file defines has some."""
        reason = attribute_refusal(name)
        if reason or name in ATTRIBUTES or name in self.own:
            return reason
        hint = did_you_mean(name, ATTRIBUTES | self.own)
        return f"it is neither on the list of harmless attributes nor defined in the file{hint}"

    def readable_special(self, node: ast.Attribute) -> bool:
        if not isinstance(node.ctx, ast.Load):
            return False
        if node.attr in ("__name__", "__doc__"):
            return True
        if node.attr == "__class__":
            parent = self.parents[node]
            return isinstance(parent, ast.Attribute) and parent.attr == "__name__"
        owner = node.value
        is_super = isinstance(owner, ast.Call) and self.surely(owner.func, _SUPER)
        return is_super and node.attr in METHODS

    # -- calls, functions, classes, patterns -----------------------------------------------------

    def call_(self, node: ast.Call) -> None:
        for path in self.paths(node.func):
            if path in CALLS:
                self.restricted(node, path)
            if path == "functools.partial" and node.args and "jax.jit" in self.paths(node.args[0]):
                inner = ast.Call(node.args[0], node.args[1:], node.keywords)
                reason = call_refusal("jax.jit", inner)
                if reason:
                    self.refuse(node, reason)
        for keyword in node.keywords:
            if keyword.arg in KEYWORDS:
                self.refuse(keyword.value, f"{keyword.arg}=: {KEYWORDS[keyword.arg]}")
        self.children(node)

    def restricted(self, node: ast.Call, path: str) -> None:
        reason = call_refusal(path, node)
        if reason is None and path == "builtins.type":
            parent = self.parents[node]
            named = isinstance(parent, ast.Attribute) and parent.attr == "__name__"
            compared = isinstance(parent, ast.Compare) and self.compares_types(parent)
            if not (named or compared or isinstance(parent, ast.FormattedValue)):
                reason = "a type made by type() is only compared, or named by __name__"
        if reason:
            self.refuse(node, reason)

    def functiondef_(self, node: ast.FunctionDef) -> None:
        if special(node.name):
            in_class = isinstance(self.parents[node], ast.ClassDef)
            if not in_class or node.name not in METHODS:
                self.refuse(node, f"the method {node.name!r} changes how Python works")
        elif self.forbidden(node.name):
            self.refuse(node, f"the name {node.name!r} is Python's own")
        self.decorators(node)
        self.children(node)

    def arg_(self, node: ast.arg) -> None:
        if self.forbidden(node.arg):
            self.refuse(node, f"the name {node.arg!r} is Python's own; choose another")
        self.children(node)

    def decorators(self, node: ast.FunctionDef | ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            local = isinstance(target, ast.Name) and target.id in self.defined
            rule = isinstance(target, ast.Attribute) and target.attr in DECORATING_ATTRIBUTES
            if isinstance(node, ast.ClassDef):
                listed = self.surely(target, CLASS_DECORATORS)
            else:
                listed = local or rule or self.surely(target, DECORATORS)
            if not listed:
                self.refuse(decorator, f"the decorator {ast.unparse(target)[:60]!r} is not listed")

    def classdef_(self, node: ast.ClassDef) -> None:
        if special(node.name) or self.forbidden(node.name):
            self.refuse(node, f"the name {node.name!r} is Python's own")
        for base in node.bases:
            target = base.value if isinstance(base, ast.Subscript) else base
            local = isinstance(target, ast.Name) and target.id in self.only_classes()
            if not (local or self.surely(target, BASES)):
                self.refuse(base, f"a class of {ast.unparse(base)[:60]!r} is not listed")
        for keyword in node.keywords:
            reason = KEYWORDS.get(keyword.arg or "", "a class takes no keywords here")
            self.refuse(keyword.value, f"{keyword.arg or '**'}: {reason}")
        self.decorators(node)
        self.children(node)

    def matchclass_(self, node: ast.MatchClass) -> None:
        own = isinstance(node.cls, ast.Name) and node.cls.id in self.only_classes()
        for name in node.kwd_attrs:
            reason = "it is private" if name.startswith("_") else attribute_refusal(name)
            if reason is None and not own and name not in ATTRIBUTES:
                reason = "it is read only of classes that the file defines"
            if reason:
                self.refuse(node, f"the attribute {name!r}: {reason}")
        if node.patterns and not own and not self.surely(node.cls, _PLAIN):
            self.refuse(node, "parts of a library's object are matched by their names")
        self.children(node)

    def global_(self, node: ast.Global) -> None:
        for name in node.names:
            if name in self.imported or self.forbidden(name):
                self.refuse(node, f"{name!r} is not a model's to change")

    nonlocal_ = global_


_INSTANCES, _SUPER = frozenset(("self", "cls")), frozenset(("builtins.super",))
#: Builtins of which a pattern takes the thing itself: ``case float(x)``.
_PLAIN = frozenset(f"builtins.{n}" for n in (
    "bool", "bytearray", "bytes", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"
))  # fmt: skip


def _unknown(module: str) -> str:
    hint = did_you_mean(module, MODULES) if module.partition(".")[0] in _ROOTS else ""
    return f"the module {module!r} is not on the list of harmless modules{hint}"


def _unlisted(module: str, name: str) -> str:
    instead = INSTEAD.get(f"{module}.{name}")
    hint = f"; use {instead}" if instead else did_you_mean(name, MODULES.get(module, ()))
    return f"'{module}.{name}' is not on the list of harmless names{hint}"


_ROOTS = frozenset(m.partition(".")[0] for m in MODULES)
