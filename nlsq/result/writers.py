"""The report of a fit as plain text, for rich, and as HTML."""

from __future__ import annotations

import dataclasses
import html
import itertools
import textwrap
from typing import Any

from nlsq.result.formatting import to_ascii
from nlsq.result.report import Report
from nlsq.utils.input_error import harmless

_WIDTH = 96
_LEFT_COLUMNS = (0, 4, 5)  # name, interval, note; numbers are set to the right
_LEFT = " style='text-align:left'"


def _grid(pairs: list[tuple[str, str]], columns: int = 4) -> list[list[tuple[str, str]]]:
    return [pairs[i : i + columns] for i in range(0, len(pairs), columns)]


def _ascii_report(report: Report) -> Report:
    def convert(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return type(value)(convert(v) for v in value)
        return to_ascii(value) if isinstance(value, str) else value

    names = [f.name for f in dataclasses.fields(report)]
    return Report(**{name: convert(getattr(report, name)) for name in names})


def as_text(report: Report, ascii: bool = False) -> str:
    """Plain text, about a hundred columns wide."""
    if ascii:
        report = _ascii_report(report)
    out = [report.title]
    for label, text in report.header:
        out.append(
            textwrap.fill(text, _WIDTH, initial_indent=f"  {label:<8}", subsequent_indent=" " * 10)
        )
    out += ["", *("  " + line for line in table_lines(report.columns, report.rows, ascii))]
    if report.statistics:
        out += ["", *_statistics_lines(report.statistics)]
    if report.correlations:
        out += ["", "  strong correlations"]
        out += textwrap.wrap(
            "   ".join(report.correlations),
            _WIDTH,
            initial_indent="    ",
            subsequent_indent="    ",
            break_long_words=False,
        )
    if report.notes:
        out += ["", "  note"]
        out += [
            textwrap.fill(n, _WIDTH, initial_indent="  * ", subsequent_indent="    ")
            for n in report.notes
        ]
    return harmless("\n".join(out))  # the names in a stored result may be a stranger's


def table_lines(
    columns: tuple[str, ...],
    rows: list[tuple[str, ...]],
    ascii: bool = False,
    left: tuple[int, ...] = _LEFT_COLUMNS,
) -> list[str]:
    """A table, of parameters by default; left: the columns of texts."""
    table = [tuple(map(harmless, row)) for row in (columns, *rows)]
    widths = [max(len(row[c]) for row in table) for c in range(len(columns))]
    lines = [
        "  ".join(
            _cell(t, w, c in left) for c, (t, w) in enumerate(zip(r, widths, strict=True))
        ).rstrip()
        for r in table
    ]
    lines.insert(1, "─" * max(map(len, lines)))
    return list(map(to_ascii, lines)) if ascii else lines


def _cell(text: str, width: int, left: bool) -> str:
    return f"{text:<{width}}" if left else f"{text:>{width}}"


def _statistics_lines(pairs: list[tuple[str, str]]) -> list[str]:
    rows = _grid(pairs)
    names = [max(len(row[c][0]) for row in rows) for c in range(4)]
    values = [max(len(row[c][1]) for row in rows) for c in range(4)]
    return [
        "  "
        + "   ".join(f"{n:<{names[c]}} {v:<{values[c]}}" for c, (n, v) in enumerate(row)).rstrip()
        for row in rows
    ]


def as_rich(report: Report) -> Any:
    """A rich renderable."""
    from rich import box
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    header = Table.grid(padding=(0, 2))
    colour = {True: "green", False: "bold red"}[report.converged]
    for label, text in report.header:
        header.add_row(
            Text(label, style="dim"), Text(text, style=colour if label == "status" else "")
        )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for c, name in enumerate(report.columns):
        table.add_column(
            Text(name),
            justify="left" if c in (0, 4, 5) else "right",
            overflow="fold",
            style=("bold", "", "", "dim", "", "yellow")[c],
        )
    for row in report.rows:
        table.add_row(*map(Text, row))
    numbers = Table.grid(padding=(0, 2))
    for row in _grid(report.statistics):
        numbers.add_row(
            *(Text(t, style="" if i % 2 else "dim") for i, t in enumerate(itertools.chain(*row)))
        )
    parts: list[Any] = [header, table, numbers]
    if report.correlations:
        parts.append(
            Text.assemble("\n", ("strong correlations  ", "dim"), "   ".join(report.correlations))
        )
    if report.notes:
        parts.append(Text("\n" + "\n".join(f"! {n}" for n in report.notes), style="yellow"))
    return Group(Text(report.title, style="bold"), *(Padding(p, (0, 0, 0, 2)) for p in parts))


def as_html(report: Report) -> str:
    """A fragment for notebooks; it takes over their font and colours."""
    esc = html.escape
    out = [f"<div class='nlsq-result'><b>{esc(report.title)}</b><table>"]
    for label, text in report.header:
        red = (
            " style='color:#c00;text-align:left'"
            if label == "status" and not report.converged
            else ""
        )
        out.append(
            f"<tr><th style='text-align:left;font-weight:normal;opacity:.6'>{esc(label)}</th>"
            f"<td{red or _LEFT}>{esc(text)}</td></tr>"
        )
    out.append(f"</table>{html_table(report.columns, report.rows)}<table>")
    for line in _grid(report.statistics):
        cells = (
            f"<td style='text-align:left;opacity:.6'>{esc(n)}</td><td{_LEFT}>{esc(v)}</td>"
            for n, v in line
        )
        out.append(f"<tr>{''.join(cells)}</tr>")
    out.append("</table>")
    if report.correlations:
        out.append(f"<p>strong correlations: {esc('; '.join(report.correlations))}</p>")
    if report.notes:
        out.append(f"<ul>{''.join(f'<li>{esc(n)}</li>' for n in report.notes)}</ul>")
    return "".join(out) + "</div>"


def html_table(
    columns: tuple[str, ...], rows: list[tuple[str, ...]], left: tuple[int, ...] = _LEFT_COLUMNS
) -> str:
    """A table, of parameters by default; left: the columns of texts."""
    esc = html.escape
    aligned = [_LEFT if c in left else " style='text-align:right'" for c in range(len(columns))]
    out = ["<table><thead><tr>"]
    out += [f"<th{a}>{esc(name)}</th>" for a, name in zip(aligned, columns, strict=True)]
    out.append("</tr></thead><tbody>")
    for row in rows:
        cells = (f"<td{a}>{esc(text)}</td>" for a, text in zip(aligned, row, strict=True))
        out.append(f"<tr>{''.join(cells)}</tr>")
    return "".join(out) + "</tbody></table>"
