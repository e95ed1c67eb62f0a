"""From Python's tree of a formula to one of our own: what is allowed, what is said of the rest."""

from __future__ import annotations

import ast
import operator
import unicodedata
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

from nlsq.models.formula_functions import CONSTANTS, FUNCTIONS, Function, Logical
from nlsq.models.formula_text import FormulaError as FormulaError
from nlsq.models.formula_text import Source
from nlsq.utils.input_error import did_you_mean

MOST_NODES, MOST_LEVELS = 2000, 150
_LARGEST_EXPONENT = 64  # written out by repeated products, exactly
# Functions whose names are parameters' as often: a width gamma, rates k0 and k1.
_ALSO_PARAMETERS = frozenset("gamma beta i0 i1 j0 j1 k0 k1 max min mod power sign square".split())
_ARITHMETIC = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul,
    ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}  # fmt: skip
_COMPARISONS = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip
_NOT_ALLOWED = {
    ast.Attribute: "an attribute (a dot)", ast.Subscript: "a subscript [ ]",
    ast.Lambda: "a function definition", ast.JoinedStr: "an f-string", ast.List: "a list",
    ast.Tuple: "a tuple", ast.Dict: "a dictionary", ast.Set: "a set",
    ast.NamedExpr: "an assignment", ast.Starred: "unpacking", ast.ListComp: "a loop",
    ast.GeneratorExp: "a loop", ast.SetComp: "a loop", ast.DictComp: "a loop",
    ast.Await: "await", ast.Yield: "yield", ast.YieldFrom: "yield",
}  # fmt: skip


class Checked(NamedTuple):
    """A formula that passed.

    Attributes
    ----------
    tree : ast.expr
        What runs: built anew, constants computed.
    written : ast.expr
        What was written.
    boolean, arithmetic : bool
        Whether it is a condition; whether numbers are computed in it.
    names : dict of str to int
        Free names in order of appearance, with their columns.
    numbers, texts : set of str
        Names used as numbers; names compared with texts.
    terms : tuple of str
        What adds up to the formula, as it was written.
    constants : set of str
        The constants in it.
    """

    tree: ast.expr
    written: ast.expr
    boolean: bool
    arithmetic: bool
    names: dict[str, int]
    numbers: set[str]
    texts: set[str]
    terms: tuple[str, ...]
    constants: set[str]

    def number(self) -> ast.expr:
        """The tree, 1 and 0 for a condition."""
        return _as_number(Part(self.tree, self.boolean))


class Part(NamedTuple):
    """A piece of the new tree, and whether it is a condition."""

    tree: ast.expr
    boolean: bool = False

    @property
    def constant(self) -> bool:
        return isinstance(self.tree, ast.Constant)


def check(text: str) -> Checked:
    """Parse and check; `FormulaError` says what is wrong and where."""
    return _Check(text).run()


def function(
    arguments: tuple[str, ...], body: ast.expr, variable: str | None, rows: dict[str, int]
) -> ast.Module:
    """``def formula(arguments): return body``; `rows` are taken from the rows of `variable`."""
    lines: list[ast.stmt] = [
        ast.Assign(
            [ast.Name(name, ast.Store())],
            ast.Subscript(ast.Name(str(variable), ast.Load()), ast.Constant(row), ast.Load()),
        )
        for name, row in rows.items()
    ]
    lines.append(ast.Return(body))
    given = ast.arguments([], [ast.arg(a) for a in arguments], None, [], [], None, [])
    define = ast.FunctionDef("formula", given, lines, [])
    define.type_params = []
    return ast.fix_missing_locations(ast.Module([define], []))


def _call(name: str, *arguments: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(f"__{name}", ast.Load()), list(arguments), [])


def _as_number(part: Part) -> ast.expr:
    if not part.boolean:
        return part.tree
    return ast.BinOp(ast.Constant(1.0), ast.Mult(), part.tree)


class _Check:
    """One pass over Python's tree of a formula."""

    def __init__(self, text: str):
        self.source = Source(text)
        self.names: dict[str, int] = {}
        self.numbers: set[str] = set()
        self.texts: set[str] = set()
        self.constants: set[str] = set()
        self.arithmetic = False
        self.nodes = 0

    def refuse(self, node: ast.expr, what: str, fix: str = "") -> NoReturn:
        self.source.refuse(self.source.position(node), what, fix)

    def run(self) -> Checked:
        written = self.source.parse()
        part = self.part(written, 0)
        return Checked(
            part.tree, written, part.boolean, self.arithmetic, self.names, self.numbers,
            self.texts, tuple(self.terms(written)), self.constants,
        )  # fmt: skip

    def terms(self, node: ast.expr, minus: bool = False) -> Iterator[str]:
        """The terms of a part, those that are subtracted with their sign."""
        if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
            yield from self.terms(node.left, minus)
            yield from self.terms(node.right, minus != isinstance(node.op, ast.Sub))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
            yield from self.terms(node.operand, minus != isinstance(node.op, ast.USub))
        else:
            text = self.source.written(node)
            product = isinstance(node, (ast.BinOp, ast.Call, ast.Name, ast.Constant))
            yield f"-{text if product else f'({text})'}" if minus else text

    # -- Python's tree to ours -------------------------------------------------------------------

    def part(self, node: ast.expr, level: int) -> Part:
        self.nodes += 1
        if self.nodes > MOST_NODES or level > MOST_LEVELS:
            much = f"{MOST_NODES} parts" if self.nodes > MOST_NODES else f"{MOST_LEVELS} levels"
            self.refuse(node, f"it has more than {much}", "Write the model in Python.")
        kind = type(node).__name__
        handler = getattr(self, f"_{kind}", None) if kind in _HANDLED else None
        if handler is None:
            what = _NOT_ALLOWED.get(type(node), kind)
            known = getattr(node, "attr", None) in CONSTANTS
            fix = f"Write {node.attr}." if known else "Write the model in Python."
            self.refuse(node, f"{what} is not allowed in a formula", fix)
        return handler(node, level + 1)

    def number(self, node: ast.expr, level: int) -> ast.expr:
        if isinstance(node, ast.Name):
            self.numbers.add(unicodedata.normalize("NFKC", node.id))
        return _as_number(self.part(node, level))

    def folded(self, node: ast.expr, compute: Any, values: list[ast.expr]) -> ast.expr | None:
        """The value of a part without names; None when there are names in it."""
        if not all(isinstance(v, ast.Constant) for v in values):
            return None
        import numpy as np

        given = [v.value for v in values]  # type: ignore[attr-defined]
        with np.errstate(all="ignore"):
            result = compute(*(v if isinstance(v, bool) else np.float64(v) for v in given))
        if isinstance(result, (bool, np.bool_)):
            return ast.Constant(bool(result))
        result = float(result)
        if not np.isfinite(result) and np.isfinite(given).all():
            what = "too large a number" if np.isinf(result) else "not a real number"
            self.refuse(node, f"{ast.unparse(node)[:60]} is {what}", "Check it.")
        return ast.Constant(result)

    def _Constant(self, node: ast.Constant, level: int) -> Part:
        value = node.value
        if isinstance(value, bool):
            return Part(node, True)
        if isinstance(value, str):
            self.refuse(
                node,
                f"the text {value!r} stands alone",
                "Compare a column with it: name == 'text'.",
            )
        if not isinstance(value, (int, float)):
            self.refuse(node, f"{value!r:.40} is no real number")
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if number == float("inf"):
            self.refuse(node, "too large a number", "Write inf for infinity.")
        return Part(ast.Constant(number))

    def _Name(self, node: ast.Name, level: int) -> Part:
        name = node.id  # NFKC, as Python reads it
        if name in CONSTANTS:
            self.constants.add(name)
            return Part(ast.Constant(CONSTANTS[name]))
        if name.startswith("__"):
            self.refuse(node, f"names like {name!r} are not allowed", "Choose another name.")
        if name in FUNCTIONS and name not in _ALSO_PARAMETERS:
            self.refuse(node, f"{name} is a function", f"Write {name}(...).")
        self.names.setdefault(name, self.source.position(node))
        return Part(ast.Name(name, ast.Load()))

    def _BinOp(self, node: ast.BinOp, level: int) -> Part:
        compute = _ARITHMETIC.get(type(node.op))
        if compute is None:
            names = {ast.BitAnd: "&; write 'and'", ast.BitOr: "|; write 'or'", ast.MatMult: "@"}
            what = names.get(type(node.op), "<< and >>")
            self.refuse(node, f"there is no operator {what}")
        self.arithmetic = True
        left, right = self.number(node.left, level), self.number(node.right, level)
        known = self.folded(node, compute, [left, right])
        if known is not None:
            return Part(known)
        if isinstance(node.op, ast.Pow) and isinstance(right, ast.Constant):
            return Part(_power(left, right))
        return Part(ast.BinOp(left, node.op, right))

    def _UnaryOp(self, node: ast.UnaryOp, level: int) -> Part:
        if isinstance(node.op, ast.Invert):
            self.refuse(node, "there is no operator ~", "Write 'not'.")
        if isinstance(node.op, ast.Not):
            inner = self.part(node.operand, level)
            known = self.folded(node, operator.not_, [inner.tree])
            return Part(known or _call("logical_not", inner.tree), True)
        self.arithmetic = True
        operand = self.number(node.operand, level)
        if isinstance(node.op, ast.UAdd):
            return Part(operand)
        if isinstance(operand, ast.Constant):
            return Part(ast.Constant(-operand.value))  # type: ignore[operator]
        return Part(ast.UnaryOp(ast.USub(), operand))

    def _BoolOp(self, node: ast.BoolOp, level: int) -> Part:
        name = "logical_and" if isinstance(node.op, ast.And) else "logical_or"
        return self.joined(name, [self.part(v, level).tree for v in node.values])

    def joined(self, name: str, parts: list[ast.expr]) -> Part:
        tree = parts[0]
        for other in parts[1:]:
            known = self.folded(other, Logical(name), [tree, other])
            tree = known or _call(name, tree, other)
        return Part(tree, True)

    def _Compare(self, node: ast.Compare, level: int) -> Part:
        sides = [node.left, *node.comparators]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return self.joined("logical_and", [self.compared(*pair, level) for pair in pairs])

    def compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr, level: int) -> ast.expr:
        if isinstance(op, (ast.In, ast.NotIn)):
            if not isinstance(right, (ast.Tuple, ast.List)) or not right.elts:
                self.refuse(right, "'in' needs values in brackets", "Write name in ('A', 'B').")
            parts = [self.compared(left, ast.Eq(), value, level) for value in right.elts]
            found = self.joined("logical_or", parts).tree
            return found if isinstance(op, ast.In) else _call("logical_not", found)
        if type(op) not in _COMPARISONS:
            self.refuse(right, "'is' does not compare values", "Write ==.")
        if _is_text(left) or _is_text(right):
            return self.same_text(left, op, right, level)
        first, second = self.number(left, level), self.number(right, level)
        known = self.folded(left, _COMPARISONS[type(op)], [first, second])
        return known or ast.Compare(first, [op], [second])

    def same_text(self, left: ast.expr, op: ast.cmpop, right: ast.expr, level: int) -> ast.expr:
        column, text = (left, right) if _is_text(right) else (right, left)
        if not isinstance(column, ast.Name) or column.id in CONSTANTS:
            self.refuse(column, "only a column is compared with a text", "Write name == 'text'.")
        if not isinstance(op, (ast.Eq, ast.NotEq)):
            self.refuse(column, "texts have no order here", "Compare them by == or !=.")
        assert isinstance(text, ast.Constant)
        self.texts.add(column.id)
        same = _call("same_text", self.part(column, level).tree, ast.Constant(text.value))
        return same if isinstance(op, ast.Eq) else _call("logical_not", same)

    def _IfExp(self, node: ast.IfExp, level: int) -> Part:
        body = self.number(node.body, level)
        test = self.part(node.test, level).tree
        return Part(_call("where", test, body, self.number(node.orelse, level)))

    def _Call(self, node: ast.Call, level: int) -> Part:
        if isinstance(node.func, ast.Attribute) and node.func.attr in FUNCTIONS:
            fix = f"Write {node.func.attr}(...)."
            self.refuse(node, "functions have no module before their names", fix)
        if not isinstance(node.func, ast.Name):
            self.refuse(node, "only functions are called", "Write products with *: 2*(x + 1).")
        name = node.func.id
        if name not in FUNCTIONS:
            other = f"; to multiply, write {name}*(...)"
            hint = did_you_mean(name, FUNCTIONS, other)
            self.refuse(node.func, f"unknown function {name!r}{hint}")
        if node.keywords:
            self.refuse(node, f"{name}() takes no keywords", "Give the arguments in order.")
        entry = FUNCTIONS[name]
        least, most = entry.arguments
        if not least <= len(node.args) <= most:
            number = f"{least}" if least == most else f"{least} to {most}"
            takes = f"{name}() takes {number} argument{'s' * (most > 1)}, not {len(node.args)}"
            self.refuse(node, takes)
        self.arithmetic = True
        given = [self.number(a, level) for a in node.args]
        known = self.folded(node, Function(name), given)
        return Part(known or _call(name, *given), entry.boolean)


_HANDLED = frozenset(n[1:] for n in vars(_Check) if n[0] == "_" and n[1:2].isupper())


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _power(base: ast.expr, exponent: ast.Constant) -> ast.expr:
    """Whole powers as such: exact, and with derivatives at 0 and of negative numbers."""
    value = exponent.value
    assert isinstance(value, float)
    if not (value.is_integer() and abs(value) <= _LARGEST_EXPONENT):
        return ast.BinOp(base, ast.Pow(), exponent)
    whole = ast.BinOp(base, ast.Pow(), ast.Constant(abs(int(value))))
    return whole if value >= 0 else ast.BinOp(ast.Constant(1.0), ast.Div(), whole)
