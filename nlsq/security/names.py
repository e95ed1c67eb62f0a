"""What the names of a model stand for: modules and what is in them, builtins, or its own things."""

from __future__ import annotations

import ast

from nlsq.security.allowed import MODULES, PACKAGES
from nlsq.security.rules import BUILTINS, TYPES

_NAMES_IN = {
    "arg": "arg", "keyword": "arg", "ExceptHandler": "name", "Global": "names",
    "Nonlocal": "names", "MatchAs": "name", "MatchStar": "name", "MatchMapping": "rest",
}  # fmt: skip
_TYPE = frozenset(("builtins.type",))
_ASKING = frozenset(("builtins.isinstance", "builtins.issubclass"))


def known_module(path: str) -> bool:
    """Whether a module is on the list, or a package that leads to one."""
    return path in MODULES or path in PACKAGES


def bound_by(node: ast.AST) -> tuple[str, ...]:
    """Names that a piece of syntax holds as text, not as `ast.Name`."""
    names = getattr(node, _NAMES_IN.get(type(node).__name__, ""), None) or ()
    return (names,) if isinstance(names, str) else tuple(names)


def _members(node: ast.ClassDef) -> set[str]:
    """Names that a class gives to its instances."""
    found = set()
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.ClassDef):
            found.add(part.name)
        for target in getattr(part, "targets", [getattr(part, "target", None)]):
            names = ast.walk(target) if target is not None else ()
            found |= {n.id for n in names if isinstance(n, ast.Name)}
    return found


def _fields(call: ast.Call) -> set[str]:
    """Words of a call that may name fields: ``namedtuple("Peak", "center width")``."""
    name = getattr(call.func, "attr", None) or getattr(call.func, "id", "")
    if name not in ("namedtuple", "NamedTuple"):
        return set()
    texts = [n.value for n in ast.walk(call) if isinstance(n, ast.Constant)]
    return {w for t in texts if isinstance(t, str) for w in t.replace(",", " ").split()}


def _unpacks(call: ast.Call) -> bool:
    return any(isinstance(a, ast.Starred) for a in call.args)


class Names:
    """Names of a syntax tree, and the places where restricted ones may stand.

    Parameters
    ----------
    tree : ast.Module
        A model without its main block.
    """

    def __init__(self, tree: ast.Module):
        self.imported: dict[str, set[str]] = {}
        self.defined: set[str] = set()
        self.own: set[str] = set()  # attributes of what the file defines
        self.classes: set[str] = set()
        self.rebound: set[str] = set()  # by anything but import, def and class
        self.parents: dict[ast.AST, ast.AST] = {}
        for node in ast.walk(tree):
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.defined.add(node.name)
                if isinstance(node, ast.ClassDef):
                    self.classes.add(node.name)
                    self.own.update(_members(node))
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                self.own.add(node.attr)
            elif isinstance(node, ast.Call):
                self.own.update(_fields(node))
            elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
                self.rebound.add(node.id)
            elif type(node).__name__ in _NAMES_IN and not isinstance(node, ast.keyword):
                self.rebound.update(bound_by(node))
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                self.bind(node)
        self.bind_types(tree)

    def bind(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                path, name = f"{node.module}.{alias.name}", alias.asname or alias.name
            elif alias.asname:
                path, name = alias.name, alias.asname
            else:
                path = name = alias.name.partition(".")[0]
            self.imported.setdefault(name, set()).add(path)

    def scope(self, node: ast.AST) -> ast.AST:
        """The innermost function, class or module around a statement."""
        while True:
            node = self.parents[node]
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                return node

    def paths(self, node: ast.AST) -> set[str]:
        """What a name or a dotted name stands for, as far as modules and builtins go."""
        if isinstance(node, ast.Name):
            known = self.imported.get(node.id, set())
            return known | {f"builtins.{node.id}"} if node.id in BUILTINS else known
        if isinstance(node, ast.Attribute):
            return {f"{p}.{node.attr}" for p in self.paths(node.value) if known_module(p)}
        return set()

    @staticmethod
    def root(node: ast.AST) -> str | None:
        """The name that a dotted name begins with."""
        while isinstance(node, ast.Attribute):
            node = node.value
        return node.id if isinstance(node, ast.Name) else None

    def only_classes(self) -> set[str]:
        """Names that stand for classes of the file and for nothing else."""
        return self.classes - self.rebound - set(self.imported)

    def surely(self, node: ast.AST, wanted: frozenset[str]) -> bool:
        """Whether a name stands for one of these and for nothing else anywhere in the file."""
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if not isinstance(root, ast.Name) or root.id in self.rebound | self.defined:
            return False
        paths = self.imported.get(root.id) or {f"builtins.{root.id}"}
        paths = paths if root is node else self.paths(node)
        return bool(paths) and paths <= wanted

    def is_type(self, node: ast.AST) -> bool:
        """Whether something of `TYPES` stands where it is neither called nor handed on."""
        parent = self.parents[node]
        if isinstance(parent, ast.Compare):
            return self.compares_types(parent)
        if isinstance(parent, ast.MatchClass):
            return True
        if isinstance(parent, ast.Call):
            asked = self.surely(parent.func, _ASKING) and len(parent.args) == 2
            return asked and node is parent.args[1] and not _unpacks(parent)
        if node is getattr(parent, "annotation", None) or node is getattr(parent, "returns", None):
            return True
        if isinstance(parent, ast.Assign):
            return self.is_alias(parent)
        if isinstance(parent, (ast.Tuple, ast.List)):
            return self.is_type(parent)
        if isinstance(parent, ast.Subscript):
            of_typing = self.paths(parent.value) & TYPES or self.of_typing(parent.value)
            return bool(of_typing) and self.is_type(parent)
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.BitOr):
            other = parent.right if node is parent.left else parent.left
            harmless = isinstance(other, ast.Constant) or self.of_typing(other)
            return harmless and self.is_type(parent)
        return False

    def compares_types(self, node: ast.Compare) -> bool:
        """Whether a comparison hands its sides to no method of the file: ``is``, or types only."""
        if all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            return True
        return all(self.names_type(side) for side in (node.left, *node.comparators))

    def names_type(self, node: ast.AST) -> bool:
        if isinstance(node, (ast.Tuple, ast.List)):
            return all(map(self.names_type, node.elts))
        if isinstance(node, ast.Call):
            return self.surely(node.func, _TYPE)
        return self.of_typing(node)

    def of_typing(self, node: ast.AST) -> bool:
        """Whether a name is of typing, a builtin or a type of NumPy, and of nothing else."""
        if isinstance(node, ast.Subscript):
            return self.of_typing(node.value)
        homes = ("typing.", "collections.abc.", "builtins.", "numpy.", "jax.")
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        known = isinstance(root, ast.Name) and root.id not in self.rebound | self.defined
        paths = self.paths(node)
        return known and bool(paths) and all(p.startswith(homes) for p in paths)

    def is_alias(self, node: ast.Assign) -> bool:
        """Whether a statement names a type, ``Array = npt.NDArray[float]``; `bind_types` knows."""
        single = len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
        return single and not isinstance(self.scope(node), ast.ClassDef)

    def bind_types(self, tree: ast.Module) -> None:
        """Names given to what holds one of `TYPES` count as such a type themselves."""
        known = -1
        while known != sum(map(len, self.imported.values())):
            known = sum(map(len, self.imported.values()))
            for node in ast.walk(tree):
                if isinstance(node, ast.Assign) and self.is_alias(node):
                    inner = ast.walk(node.value)
                    if any(self.paths(n) & TYPES for n in inner if self.could_hold(n, node)):
                        target = node.targets[0]
                        assert isinstance(target, ast.Name)
                        self.imported.setdefault(target.id, set()).add("numpy.ndarray")

    def could_hold(self, node: ast.AST, statement: ast.Assign) -> bool:
        """Whether a part of a value is a type by itself, not an argument or something compared."""
        while node is not statement.value:
            node = self.parents[node]
            if not isinstance(node, (ast.Subscript, ast.Tuple, ast.List, ast.BinOp)):
                return False
        return True

    def decorates(self, node: ast.AST) -> bool:
        """Whether a name stands as a decorator, with or without arguments."""
        parent = self.parents[node]
        if isinstance(parent, ast.Call) and parent.func is node:
            node, parent = parent, self.parents[parent]
        return node in getattr(parent, "decorator_list", ())

    def is_called(self, node: ast.AST) -> bool:
        """Whether something of `CALLS` is called there, or made into a decorator."""
        parent = self.parents[node]
        if node in getattr(parent, "decorator_list", ()):
            return "jax.jit" in self.paths(node)
        if not isinstance(parent, ast.Call):
            return False
        if parent.func is node:
            return True
        if parent.args[:1] != [node] or self.paths(parent.func) != {"functools.partial"}:
            return False
        if self.paths(node) != {"jax.jit"}:  # of others, partial would hide the arguments
            return False
        around = self.parents[parent]
        if isinstance(around, ast.Call) and around.func is parent:  # partial(jax.jit, ...)(f)
            return len(around.args) == 1 and not around.keywords and not _unpacks(around)
        return parent in getattr(around, "decorator_list", ())
