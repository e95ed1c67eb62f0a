"""Formulas as a label shows them: exponents raised, indices lowered, Greek letters."""

from __future__ import annotations

import ast
import html
import re

_GREEK = dict(
    zip(
        "alpha beta gamma delta epsilon zeta eta theta kappa lam lambda mu nu xi pi rho sigma tau "
        "phi chi psi omega".split(),
        "α β γ δ ε ζ η θ κ λ λ μ ν ξ π ρ σ τ φ χ ψ ω".split(),
        strict=True,
    )
)
_SIGNS = {
    ast.Add: " + ", ast.Sub: " − ", ast.Mult: "&#8201;·&#8201;", ast.Div: "&#8201;/&#8201;",
    ast.Mod: " mod ", ast.FloorDiv: " div ", ast.Lt: " &lt; ", ast.LtE: " ≤ ", ast.Gt: " &gt; ",
    ast.GtE: " ≥ ", ast.Eq: " = ", ast.NotEq: " ≠ ", ast.And: " and ", ast.Or: " or ",
}  # fmt: skip
_LEVELS = {ast.Add: 1, ast.Sub: 1, ast.Mult: 2, ast.Div: 2, ast.Mod: 2, ast.FloorDiv: 2}


def rendered(formula: str) -> str:
    """HTML of a formula; as it is written where it is none.

    Examples
    --------
    >>> rendered("a*exp(-x/tau_1)**2")
    '<i>a</i>&#8201;·&#8201;exp(−<i>x</i>&#8201;/&#8201;<i>τ</i><sub>1</sub>)<sup>2</sup>'
    """
    try:
        return _of(ast.parse(formula.replace("^", "**"), mode="eval").body, 0)
    except (SyntaxError, ValueError, RecursionError, NotImplementedError):
        return f"<code>{html.escape(formula)}</code>"


def name(word: str) -> str:
    """A name: tau_1 or tau1 as τ with an index; words joined by _ stay as they are."""
    found = re.fullmatch(r"([^\W\d_]+?)_?(\d+|(?<=_)[^\W_]{1,8})", word)
    stem, index = found.groups() if found else (word, "")
    breaking = html.escape(stem).replace("_", "_&#8203;")  # a long one, at the end of a line
    shown = f"<i>{_GREEK.get(stem, breaking)}</i>"
    return shown + (f"<sub>{html.escape(index)}</sub>" if index else "")


def _of(node: ast.expr, level: int) -> str:
    """A part, in brackets where what is around it binds more tightly."""
    if isinstance(node, ast.Constant):
        return html.escape(str(node.value))
    if isinstance(node, ast.Name):
        return name(node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        inside = ", ".join(_of(a, 0) for a in node.args)
        return f"√({inside})" if node.func.id == "sqrt" else f"{node.func.id}({inside})"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        own, text = 4, f"{_of(node.left, 5)}<sup>{_of(node.right, 0)}</sup>"
    elif isinstance(node, ast.BinOp) and type(node.op) in _LEVELS:
        own = _LEVELS[type(node.op)]
        text = _of(node.left, own) + _SIGNS[type(node.op)] + _of(node.right, own + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        own, sign = 2, "−" if isinstance(node.op, ast.USub) else "+"
        text = sign + _of(node.operand, 3)
    elif isinstance(node, ast.Compare):
        own, text = 0, _of(node.left, 1)
        for sign, right in zip(node.ops, node.comparators, strict=True):
            text += _SIGNS[type(sign)] + _of(right, 1)
    elif isinstance(node, ast.BoolOp):
        own, text = 0, _SIGNS[type(node.op)].join(_of(v, 1) for v in node.values)
    elif isinstance(node, ast.IfExp):
        own = 0
        text = f"{_of(node.body, 1)} if {_of(node.test, 0)}, else {_of(node.orelse, 0)}"
    else:
        raise NotImplementedError(type(node).__name__)
    return f"({text})" if own < level else text
