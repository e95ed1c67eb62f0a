"""What a model says of itself: `help(model)`, `print(model)` and notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlsq.models.model import Model
    from nlsq.models.parameter import Parameter


def described(model: Model) -> str:
    """The model in plain text: title, formula, parameters, reference."""
    rows = _rows(model)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "    " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    units = any(p.unit for p in model.parameters)
    heading = f"Parameters{', units in terms of those of x and y' if units else ''}"
    formula = [f"    y = {model.formula}"] if model.formula else []
    said = model.description if model.description != model.title else ""
    parts = [
        [model.title], formula, [said] if said else [], [heading, *table],
        [f"Reference: {model.reference}"] if model.reference else [],
    ]  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts if part)


def as_html(model: Model) -> str:
    """The same as a table for notebooks."""
    import html

    cell = '<td style="text-align:left">{}</td>'
    rows = [[cell.format(html.escape(c)) for c in row] for row in _rows(model)]
    table = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    title = f"<b>{html.escape(model.title)}</b>"
    formula = f"<br><code>y = {html.escape(model.formula)}</code>" if model.formula else ""
    reference = f"<p>{html.escape(model.reference)}</p>" if model.reference else ""
    return f"<div>{title}{formula}<table>{table}</table>{reference}</div>"


def _rows(model: Model) -> list[tuple[str, ...]]:
    """Name, meaning, unit and bounds of each parameter."""
    return [
        (p.name, p.meaning, f"[{p.unit}]" if p.unit else "", _range(p)) for p in model.parameters
    ]


def _range(p: Parameter) -> str:
    low, high = p.lower > float("-inf"), p.upper < float("inf")
    if low and high:
        return f"{p.lower:g} to {p.upper:g}"
    return f">= {p.lower:g}" if low else f"<= {p.upper:g}" if high else ""
