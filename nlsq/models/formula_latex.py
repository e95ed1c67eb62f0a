"""A checked formula as LaTeX."""

from __future__ import annotations

import ast
import decimal
import re

from nlsq.models.formula_functions import FUNCTIONS

_GREEK = frozenset(
    """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau
    upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega""".split()
)
_LETTERS = {"lam": "lambda", "lambda_": "lambda", "eps": "epsilon"}
_COMPARISONS = {
    ast.Lt: "<", ast.LtE: r"\le", ast.Gt: ">", ast.GtE: r"\ge", ast.Eq: "=", ast.NotEq: r"\ne",
    ast.In: r"\in", ast.NotIn: r"\notin",
}  # fmt: skip
_PRECEDENCE = {
    ast.IfExp: 0, ast.Or: 1, ast.And: 2, ast.Not: 3, ast.Compare: 4, ast.Add: 5, ast.Sub: 5,
    ast.Mult: 6, ast.FloorDiv: 6, ast.Mod: 6, ast.USub: 7, ast.UAdd: 7, ast.Pow: 8,
}  # fmt: skip
_ATOM = 9


def latex(node: ast.expr) -> str:
    """LaTeX of a checked expression."""
    return _write(node)


def _level(node: ast.expr) -> int:
    kind = node.op if isinstance(node, (ast.BinOp, ast.UnaryOp, ast.BoolOp)) else node
    return _PRECEDENCE.get(type(kind), _ATOM)


def _inside(node: ast.expr, level: int) -> str:
    text = _write(node)
    return rf"\left({text}\right)" if _level(node) < level else text


def _write(node: ast.expr) -> str:
    match node:
        case ast.Constant():
            return _constant(node.value)
        case ast.Name():
            return name(node.id)
        case ast.UnaryOp(op=ast.Not()):
            return rf"\neg {_inside(node.operand, 4)}"
        case ast.UnaryOp():
            sign = "-" if isinstance(node.op, ast.USub) else ""
            return sign + _inside(node.operand, 7)
        case ast.BinOp():
            return _binary(node)
        case ast.BoolOp():
            word = r" \wedge " if isinstance(node.op, ast.And) else r" \vee "
            return word.join(_inside(v, _level(node) + 1) for v in node.values)
        case ast.Compare():
            parts = [_inside(node.left, 5)]
            for op, right in zip(node.ops, node.comparators, strict=True):
                parts += [_COMPARISONS[type(op)], _inside(right, 5)]
            return " ".join(parts)
        case ast.IfExp():
            test, body, other = (_write(v) for v in (node.test, node.body, node.orelse))
            return (
                rf"\begin{{cases}} {body} & \text{{if }} {test} \\ "
                rf"{other} & \text{{otherwise}} \end{{cases}}"
            )
        case ast.Call():
            return _call(node)
        case ast.Tuple():
            return r"\{" + ", ".join(map(_write, node.elts)) + r"\}"
    raise TypeError(f"{type(node).__name__} has no LaTeX")


def _binary(node: ast.BinOp) -> str:
    left, right = node.left, node.right
    match node.op:
        case ast.Div():
            return rf"\frac{{{_write(left)}}}{{{_write(right)}}}"
        case ast.Pow():
            base = _write(left)
            ambiguous = "^" in base or base.endswith(r"\right)")
            if _level(left) < _ATOM or isinstance(left, ast.BinOp) or ambiguous:
                base = rf"\left({base}\right)"
            return f"{base}^{{{_write(right)}}}"
        case ast.Add():
            return f"{_inside(left, 5)} + {_inside(right, 5)}"
        case ast.Sub():
            return f"{_inside(left, 5)} - {_inside(right, 6)}"
        case ast.Mult():
            second = _inside(right, 7)
            between = r" \cdot " if second[:1].isdigit() or second[:1] == "-" else r" \, "
            return _inside(left, 6) + between + second
        case ast.FloorDiv():
            return rf"\left\lfloor \frac{{{_write(left)}}}{{{_write(right)}}} \right\rfloor"
    return rf"{_inside(left, 6)} \bmod {_inside(right, 7)}"


def _call(node: ast.Call) -> str:
    assert isinstance(node.func, ast.Name)
    template = FUNCTIONS[node.func.id].latex
    arguments = [_write(a) for a in node.args]
    if "#1" not in template:
        return rf"{template}\left({', '.join(arguments)}\right)"
    for i, (argument, tree) in enumerate(zip(arguments, node.args, strict=True), 1):
        if re.search(rf"\{{?#{i}\}}?\^", template) and _level(tree) < _ATOM:
            argument = rf"\left({argument}\right)"
        template = template.replace(f"#{i}", argument)
    return template


def _constant(value: object) -> str:
    if isinstance(value, str):
        return rf"\text{{{_escaped(value)}}}"
    if isinstance(value, bool):
        return rf"\text{{{str(value).lower()}}}"
    number = decimal.Decimal(repr(value)).normalize()
    exponent = number.adjusted()
    if isinstance(value, int) or -3 < exponent < 5:
        return format(number, "f")
    mantissa, power = number.scaleb(-exponent), f"10^{{{exponent}}}"
    return power if mantissa == 1 else rf"{mantissa} \times {power}"


def _escaped(text: str) -> str:
    backslash = text.replace("\\", "\0")
    return re.sub(r"([#$%&_{}~^])", r"\\\1", backslash).replace("\0", r"\backslash ")


def name(text: str) -> str:
    """A name: Greek letters by their words, digits and what follows ``_`` as index.

    Examples
    --------
    >>> name("tau_1"), name("a2"), name("offset")
    ('\\\\tau_{1}', 'a_{2}', '\\\\mathrm{offset}')
    """
    if text == "inf":
        return r"\infty"
    stem, _, index = text.strip("_").partition("_")
    digits = re.fullmatch(r"(\D+)(\d+)", stem)
    if digits:
        stem, index = digits[1], ", ".join(filter(None, (digits[2], index)))
    stem = _LETTERS.get(stem, stem)
    if stem in _GREEK:
        stem = rf"\{stem}"
    elif len(stem) > 1:
        stem = rf"\mathrm{{{stem}}}"
    if not index:
        return stem
    index = _escaped(index)
    return f"{stem}_{{{index if len(index) == 1 or index.isdigit() else rf'{name_index(index)}'}}}"


def name_index(index: str) -> str:
    """A word as index, upright."""
    return rf"\{index}" if index in _GREEK else rf"\mathrm{{{index}}}"
