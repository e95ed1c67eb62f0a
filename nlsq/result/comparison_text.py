"""The table of a comparison as plain text and as HTML."""

from __future__ import annotations

import html
import math
import textwrap
from typing import TYPE_CHECKING

from nlsq.result import formatting
from nlsq.result.formatting import count, significant
from nlsq.result.report import terminal_is_unicode
from nlsq.utils.input_error import harmless

if TYPE_CHECKING:
    from nlsq.result.comparison import Comparison, NestedTest, Row

_WIDTH = 96
_COLUMNS = (
    "model", "free", "dof", "χ²", "reduced χ²", "adj. R²", "AICc", "ΔAICc", "weight", "BIC",
)  # fmt: skip


def as_text(comparison: Comparison) -> str:
    """Plain text; in ASCII where the terminal knows no more."""
    table = [_COLUMNS, *map(_cells, comparison.rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  " + _line(cells, widths) for cells in table]
    lines.insert(1, "  " + "─" * max(len(line) - 2 for line in lines))
    out = [_title(comparison), "", *lines]
    if comparison.tests:
        out += ["", *_wrapped(_TESTS, "  ", "  ")]
        rows = [_test_cells(test) for test in comparison.tests]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        out += [
            "    " + "   ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip()
            for cells in rows
        ]
    if notes := _notes(comparison):
        out += ["", "  note"]
        for note in notes:
            out += _wrapped(note, "  * ", "    ")
    text = harmless("\n".join(out))
    return text if terminal_is_unicode() else formatting.to_ascii(text)


def as_html(comparison: Comparison) -> str:
    """A fragment for notebooks; it takes over their font and colours."""
    esc = html.escape
    aligned = [f" style='text-align:{'right' if c else 'left'}'" for c in range(len(_COLUMNS))]
    out = [f"<div class='nlsq-comparison'><b>{esc(_title(comparison))}</b><table><thead><tr>"]
    out += [f"<th{a}>{esc(text)}</th>" for a, text in zip(aligned, _COLUMNS, strict=True)]
    out.append("</tr></thead><tbody>")
    for row in comparison.rows:
        cells = (f"<td{a}>{esc(t)}</td>" for a, t in zip(aligned, _cells(row), strict=True))
        out.append(f"<tr>{''.join(cells)}</tr>")
    out.append("</tbody></table>")
    if comparison.tests:
        out.append(f"<p>{esc(_TESTS)}</p><table>")
        for test in comparison.tests:
            cells = (f"<td style='text-align:left'>{esc(t)}</td>" for t in _test_cells(test))
            out.append(f"<tr>{''.join(cells)}</tr>")
        out.append("</table>")
    if notes := _notes(comparison):
        out.append(f"<ul>{''.join(f'<li>{esc(n)}</li>' for n in notes)}</ul>")
    return "".join(out) + "</div>"


_TESTS = (
    "test of nested models: valid if the smaller model is a special case of the larger; a small p "
    "speaks for the larger"
)


def _title(comparison: Comparison) -> str:
    first = comparison.rows[0]
    known = ", sigma known" if first.fit.get("absolute_sigma") else ""
    fits = count(len(comparison), "fit")
    return f"Comparison of {fits} to {count(first.n_points, 'point')}{known}"


def _notes(comparison: Comparison) -> list[str]:
    remarks = [f"{row.name}: {'; '.join(row.remarks)}" for row in comparison if row.remarks]
    return [*remarks, *comparison.notes]


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        str(row.n_free),
        f"{row.dof:,}",
        _known(row.chi_squared, significant),
        _known(row.reduced_chi_squared, significant),
        _known(row.adj_r_squared, formatting.near_one),
        _known(row.aicc, formatting.criterion),
        _known(row.delta_aicc, formatting.criterion),
        _known(row.weight, lambda v: f"{v:.3f}" if v >= 5e-4 else "<0.001"),
        _known(row.bic, formatting.criterion),
    )


def _known(value: float, form) -> str:
    return "–" if math.isnan(value) else form(value)


def _test_cells(test: NestedTest) -> tuple[str, ...]:
    df = ", ".join(f"{n:,}" for n in test.df)
    return (
        f"{test.smaller} → {test.larger}",
        f"{test.kind}({df}) = {significant(test.statistic, 4)}",
        f"p = {significant(test.p_value, 3)}",
    )


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    placed = (
        text.rjust(w) if c else text.ljust(w)
        for c, (text, w) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(placed).rstrip()


def _wrapped(text: str, first: str, then: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=first, subsequent_indent=then)
