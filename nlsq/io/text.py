"""Text tables: the fast road for clean columns of numbers, the exact one for everything else.

The layout is found on the first lines. Where all below is as regular as they are, the numbers are
read in one go (pyarrow; for a short text, or where there is none, NumPy). Where it is not (comments
between the rows, remarks, decimal commas with thousands, words in a column of numbers, ragged
rows), each line is looked at, and what is wrong is said with its number.
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from nlsq.io.cells import text_column
from nlsq.io.encoding import to_utf8
from nlsq.io.errors import FileError, listed
from nlsq.io.headings import Heading
from nlsq.io.layout import SAMPLE, Layout, Wishes, find_layout, reconsidered
from nlsq.io.lines import COMMENTS, Line, split_lines
from nlsq.io.numbers import MISSING, is_missing, parse
from nlsq.io.table import MOST_COLUMNS, Table, too_many_columns
from nlsq.utils.arrow import floats, interruptible

_HEAD = 1 << 18  # bytes of the file that the layout is first looked for in
_LONGEST_LINE = 1 << 22
_LONG = 1 << 16  # bytes from which on pyarrow is worth loading
_MOST_FOOTERS = 20
_KEPT = 2000  # lines of comments above the table that are looked through for names
# Comments, blank lines and drawn lines, whatever parts the cells.
_SILENT = re.compile(
    rb"(?:[ \t]*+(?:(?:[#%!]|//)[^\n]*+)?+\n|[; \t]++\n|(?=[^\n]*(?:--|==|__))[-=_+| \t]++\n)*+"
)
_REMARKS = (b"#", b"//", b"\n ")  # what may be, or hide, a comment
_NULLS = sorted({f(w) for w in MISSING for f in (str, str.upper, str.title)} | {"NaN", "N/A"})


class _Rows(NamedTuple):
    columns: list[np.ndarray]
    lines: np.ndarray
    percent: tuple[bool, ...] = ()  # columns written with per cent signs
    left_out: int = 0


def read_text(
    data: bytes, source: str, *, wishes: Wishes, encoding: str | None, skip: int | None
) -> Table:
    """Read a text table; see `nlsq.io.read_table`.

    Raises
    ------
    FileError
    """
    data, encoded = to_utf8(data, encoding, source)
    _refuse_wide(data, source)
    start = _after_lines(data, skip or 0)
    silent = _silent_lines(data, start, wishes)
    start, first = _after_lines(data, silent, start), (skip or 0) + silent + 1
    head = data[start : start + _HEAD].rpartition(b"\n")[0] or data[start:]
    whole = start + len(head) >= len(data.rstrip(b"\n"))
    try:
        layout = find_layout(split_lines(head.decode(), first), wishes, source)
        rows = _fast(data, layout, wishes)
    except FileError:
        if whole:
            raise
        rows = None
    if rows is None:
        lines = split_lines(data[start:].decode(), first)
        layout = reconsidered(find_layout(lines, wishes, source), lines, wishes, source)
        rows = _exact(lines, layout, wishes, source)
    layout = _without_late_settings(layout, rows)
    heading = layout.heading
    columns = list(zip(heading.names, rows.columns, strict=True))
    table = Table(
        [column for i, column in enumerate(columns) if i not in layout.beside],
        n_rows=len(rows.lines), units=_units(heading, rows.percent), source=source,
        lines=rows.lines, detected=_facts(layout, encoded, rows, wishes), decimal=layout.decimal,
    )  # fmt: skip
    table.options = {
        "delimiter": layout.delimiter or " ", "decimal": layout.decimal, "encoding": encoded,
        "header": heading.line is not None,
    }  # fmt: skip
    return table


def _refuse_wide(data: bytes, source: str) -> None:
    line = max(data[:_LONGEST_LINE].split(b"\n", 2)[:2], key=len)
    cells = max(line.count(mark) for mark in (b",", b";", b"\t", b" ")) + 1
    if cells > 2 * MOST_COLUMNS:
        raise too_many_columns(source, cells if len(line) < _LONGEST_LINE else data.count(b",") + 1)


def _silent_lines(data: bytes, start: int, wishes: Wishes) -> int:
    """How many lines at the beginning say nothing, but for the last ones, where names may be."""
    if wishes.comment or wishes.header or wishes.delimiter not in (None, *",;\t| "):
        return 0
    block = _SILENT.match(data, start).end()
    return max(0, data.count(b"\n", start, block) - _KEPT)


def _after_lines(data: bytes, count: int, at: int = 0) -> int:
    for _ in range(count):
        at = data.find(b"\n", at) + 1
        if not at:
            return len(data)
    return at


# -- in one go ---------------------------------------------------------------------------------


def _fast(data: bytes, layout: Layout, wishes: Wishes) -> _Rows | None:
    """All rows by a compiled reader; None when they are not as regular as that takes."""
    body = data[_after_lines(data, layout.first - 1) :].rstrip(b"\n")
    if not any(layout.numeric) or wishes.comment is not None:
        return None
    body, number = _without_comments(body, layout)
    if not all(layout.numeric) and any(mark in body for mark in _REMARKS):
        return None  # where there is text, a remark would be part of it
    width = layout.width + layout.spare
    long = len(body) >= _LONG or "pyarrow" in sys.modules
    columns = _by_arrow(body, layout, width) if long else None
    if columns is None and all(layout.numeric) and not layout.spare:
        columns = _by_numpy(body, layout, width)
    if columns is None or len(columns[0]) != len(number):
        return None
    numbers = [c for c in columns if c.dtype == np.float64]
    if np.logical_and.reduce([np.isnan(c) for c in numbers]).any():
        return None  # rows without a number: blank, or a word for "missing" in each
    return _Rows(columns, number)


def _without_comments(body: bytes, layout: Layout) -> tuple[bytes, np.ndarray]:
    """The lines that are neither empty nor comments, and their numbers."""
    text = np.frombuffer(body, np.uint8)
    ends = np.append(np.flatnonzero(text == ord("\n")), len(body))
    starts = np.append(0, ends[:-1] + 1)
    full = ends > starts
    marks = [ord(m[0]) for m in COMMENTS if m != layout.delimiter]
    first, second = (text[np.minimum(starts + i, len(body) - 1)] for i in (0, 1))
    comment = full & np.isin(first, marks) & ((first != ord("/")) | (second == first))
    kept = full & ~comment
    if comment.any():
        lines = body.split(b"\n")
        body = b"\n".join([lines[i] for i in np.flatnonzero(kept)])
    return body, np.flatnonzero(kept) + layout.first


def _by_arrow(body: bytes, layout: Layout, width: int) -> list[np.ndarray] | None:
    delimiter = layout.delimiter
    if delimiter is None:
        if any(blank in body for blank in (b"  ", b"\t", b"\n ", b" \n")) or body[:1] == b" ":
            return None
        delimiter = " "
    try:
        import pyarrow as pa
        from pyarrow import csv
    except ImportError:
        return None
    names = [str(i) for i in range(width)]
    kinds = [pa.float64() if n else pa.string() for n in layout.numeric]
    kinds += [pa.string()] * layout.spare
    try:
        with interruptible():
            table = csv.read_csv(
                pa.BufferReader(body),
                csv.ReadOptions(use_threads=False, column_names=names, block_size=1 << 22),
                csv.ParseOptions(delimiter=delimiter),
                csv.ConvertOptions(
                    column_types=dict(zip(names, kinds, strict=True)), decimal_point=layout.decimal,
                    null_values=_NULLS, strings_can_be_null=False,
                ),
            )  # fmt: skip
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    numeric = (*layout.numeric, *[False] * layout.spare)
    try:
        columns = [_from_arrow(c, n) for c, n in zip(table.columns, numeric, strict=True)]
    except FileError:  # too long a text, which the exact road names
        return None
    if any((column != "").any() for column in columns[layout.width :]):
        return None
    texts = [c for c in columns[: layout.width] if c.dtype != np.float64]
    if any(all(parse(cell.rstrip("% "), layout.decimal) is not None for cell in c) for c in texts):
        return None  # numbers after all
    return columns[: layout.width]


def _from_arrow(column: Any, is_number: bool) -> np.ndarray:
    if not is_number:
        return text_column([cell.strip() for cell in column.to_pylist()], "")
    values = floats(column)
    return values if values.flags.writeable else values.copy()


def _by_numpy(body: bytes, layout: Layout, width: int) -> list[np.ndarray] | None:
    if layout.decimal == ",":
        body = body.replace(b",", b".")
    try:
        values = np.loadtxt(
            io.BytesIO(body), delimiter=layout.delimiter, comments=None, encoding="utf-8", ndmin=2
        )
    except ValueError:
        return None
    return list(np.ascontiguousarray(values.T)) if values.shape[1] == width else None


# -- line by line ------------------------------------------------------------------------------


def _exact(lines: list[Line], layout: Layout, wishes: Wishes, source: str) -> _Rows:
    rows: list[list[str]] = []
    numbers: list[int] = []
    below = [line for line in lines if line.number >= layout.first]
    below = [line for line in below if not wishes.skips(line.text, layout.delimiter)]
    left_out = 0
    for index, line in enumerate(below):
        row = wishes.cells(line.text, layout.delimiter)
        while len(row) > layout.width and row[-1] == "":
            row.pop()
        if len(row) != layout.width:
            if _is_footer(below[index:], layout, wishes):
                left_out = len(below) - index
                break
            raise _ragged(line, row, layout, source)
        rows.append(row)
        numbers.append(line.number)
    read = [_column(cells, layout.decimal, source) for cells in zip(*rows, strict=True)]
    columns, percent = zip(*read, strict=True)
    return _Rows(list(columns), np.array(numbers), percent, left_out)


def _is_footer(lines: list[Line], layout: Layout, wishes: Wishes) -> bool:
    """Whether only a few lines of text are left, such as ``END`` or ``Total time: 12 s``."""
    if len(lines) > _MOST_FOOTERS:
        return False
    rows = [wishes.cells(line.text, layout.delimiter) for line in lines]
    return all(row and parse(row[0], layout.decimal) is None for row in rows) and all(
        len(row) != layout.width or all(parse(c, layout.decimal) is None for c in row)
        for row in rows
    )


def _ragged(line: Line, row: list[str], layout: Layout, source: str) -> FileError:
    cells = f"{len(row)} cell{'' if len(row) == 1 else 's'}"
    names = layout.heading.names
    missing = f"; {names[len(row)]!r} is missing" if len(row) < len(names) else ""
    return FileError(
        f"{source}:{line.number}: {cells}, the rows above have {layout.width}{missing}.",
        f"Correct the row or comment it out; the table was read as {layout.describe()}.",
    )


def _column(cells: tuple[str, ...], decimal: str, source: str) -> tuple[np.ndarray, bool]:
    """Numbers when all cells are, else text; and whether they have per cent signs."""
    values = _quick(cells) if decimal == "." else None
    if values is not None:
        return values, False
    known = [parse(cell, decimal) for cell in cells]
    if all(v is not None for v in known):
        return np.array(known), False
    if all(cell.endswith("%") or is_missing(cell) for cell in cells):
        known = [parse(cell.rstrip("% "), decimal) for cell in cells]
        if all(v is not None for v in known):
            return np.array(known), True
    return text_column(cells, source), False


def _quick(cells: tuple[str, ...]) -> np.ndarray | None:
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        return None
    return None if any("_" in cell for cell in cells) else values


def _units(heading: Heading, percent: tuple[bool, ...]) -> dict[str, str]:
    signs = {n: "%" for n, p in zip(heading.names, percent, strict=False) if p}
    return signs | heading.units


def _facts(layout: Layout, encoded: str, rows: _Rows, wishes: Wishes) -> dict[str, str]:
    heading = layout.heading
    parts = [f"text, {layout.describe()}", encoded]
    if heading.line is not None:
        parts.append(f"header in line {heading.line}")
    elif wishes.header is None:
        parts.append("no header")
    if heading.units_line is not None:
        parts.append(f"units in line {heading.units_line}")
    parts.append(f"numbers from line {layout.first}")
    if rows.left_out:
        parts.append(f"{rows.left_out} line{'s' * (rows.left_out > 1)} below the table left out")
    beside = {} if not layout.beside else {"settings beside the data": _settings(layout, rows)}
    return {"format": ", ".join(parts)} | beside


def _without_late_settings(layout: Layout, rows: _Rows) -> Layout:
    """The layout, where what looked like settings goes on below the sample: with all columns."""
    late = [rows.columns[i][SAMPLE:] for i in layout.beside]
    ended = all((np.isnan(c) if c.dtype.kind in "fc" else c == "").all() for c in late)
    return layout if ended else replace(layout, beside=range(0))


def _settings(layout: Layout, rows: _Rows) -> str:
    """The names of the settings that are no part of the table."""
    names = [cell for cell in rows.columns[layout.beside[0]].tolist() if cell]
    return f"{listed(names)}; left out, with their columns"
