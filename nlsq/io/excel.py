"""Excel files (.xlsx) as tables."""

from __future__ import annotations

import datetime
import warnings
from typing import Any

import numpy as np

from nlsq.io.cells import column_of
from nlsq.io.errors import DAMAGE, FileError, listed, missing_package, suggestion
from nlsq.io.layout import Wishes, find_layout
from nlsq.io.lines import Line
from nlsq.io.numbers import is_missing
from nlsq.io.opening import Opened, require_memory
from nlsq.io.table import MOST_COLUMNS, Table, too_many_columns

_FACTOR = 60  # bytes of Python objects per byte of a packed sheet
_SAMPLE = 300
_CELL = "\x1f"  # between cells of a row that is looked at as a line


def read_excel(
    opened: Opened,
    sheet: str | int | None = None,
    header: bool | int | None = None,
    skip: int | None = None,
) -> Table:
    """Read a sheet; without `sheet` the first one with numbers.

    Raises
    ------
    FileError, InputError
    """
    book = _book(opened)
    try:
        names = book.sheetnames
        chosen = _chosen(names, sheet, opened.name)
        for name in chosen:
            rows = _rows(book[name], opened)
            if sheet is not None or any(isinstance(c, (int, float)) for r in rows for c in r):
                break
        else:
            raise FileError(f"{opened.name}: no numbers in this file ({listed(names)}).")
    except DAMAGE as error:
        raise error if isinstance(error, FileError) else _broken(opened, error) from None
    finally:
        book.close()
    wishes = Wishes(delimiter=_CELL, decimal=".", header=header, comment="")
    return _table(rows, name, opened.name, wishes, skip or 0)


def sheets(opened: Opened) -> list[str]:
    """The names of the sheets.

    Raises
    ------
    FileError, InputError
    """
    book = _book(opened)
    book.close()
    return book.sheetnames


def _book(opened: Opened) -> Any:
    try:
        import openpyxl
    except ImportError:
        raise missing_package("Reading Excel files", "openpyxl") from None
    size = len(opened.data) if opened.data is not None else opened.path.stat().st_size
    require_memory(_FACTOR * size, opened.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and other extensions that it does not know
            return openpyxl.load_workbook(opened.file(), read_only=True, data_only=True)
    except (*DAMAGE, openpyxl.utils.exceptions.InvalidFileException) as error:
        raise _broken(opened, error) from None


def _broken(opened: Opened, error: Exception) -> FileError:
    return FileError(
        f"{opened.name}: damaged, cut off or no Excel file ({error}).", "Save it again as .xlsx."
    )


def _chosen(names: list[str], sheet: str | int | None, source: str) -> list[str]:
    if sheet is None:
        return names
    if isinstance(sheet, int) and not 0 <= sheet < len(names):
        raise FileError(f"{source}: no sheet {sheet}; there are {len(names)}, counted from 0.")
    if isinstance(sheet, int):
        return [names[sheet]]
    if sheet not in names:
        raise FileError(f"{source}: no sheet {sheet!r}{suggestion(sheet, names)}")
    return [sheet]


def _rows(sheet: Any, opened: Opened) -> list[tuple[Any, ...]]:
    """Values of the cells; formulas by the result that was saved."""
    sheet.reset_dimensions()  # what some programs write there is wrong
    rows = []
    for row in sheet.iter_rows(values_only=True):
        if len(row) > 2 * MOST_COLUMNS:
            raise too_many_columns(opened.name, len(row))
        rows.append(tuple(row))
    width = max(map(len, rows), default=0)
    rows = [row + (None,) * (width - len(row)) for row in rows]
    used = [i for i in range(width) if any(row[i] is not None for row in rows)]
    return [tuple(row[i] for i in used) for row in rows]


def _table(
    rows: list[tuple[Any, ...]], sheet: str, source: str, wishes: Wishes, skip: int
) -> Table:
    place = f"{source}, sheet {sheet!r}"
    lines = [
        Line(number, _CELL.join(_text(cell) for cell in row) + _CELL)
        for number, row in enumerate(rows[: skip + _SAMPLE], 1)
        if number > skip and any(cell is not None for cell in row)
    ]
    layout = find_layout(lines, wishes, place)
    body = [
        (number, row[: layout.width])
        for number, row in enumerate(rows, 1)
        if number >= layout.first and any(cell is not None for cell in row)
    ]
    columns = [_column(cells) for cells in zip(*(row for _, row in body), strict=True)]
    heading = layout.heading
    found = "no header" if heading.line is None else f"header in row {heading.line}"
    table = Table(
        list(zip(heading.names, columns, strict=True)), units=heading.units, source=place,
        lines=np.array([number for number, _ in body]),
        detected={"format": f"Excel, sheet {sheet!r}, {found}, numbers from row {layout.first}"},
    )  # fmt: skip
    table.options = {"sheet": sheet, "header": heading.line is not None}
    return table


def _text(cell: Any) -> str:
    text = "" if cell is None else str(cell)
    return " ".join(text.replace(_CELL, " ").split()).replace('"', "'")


def _column(cells: tuple[Any, ...]) -> np.ndarray:
    if any(isinstance(c, (datetime.datetime, datetime.date, datetime.time)) for c in cells):
        return np.array(["" if c is None else str(c) for c in cells])
    return column_of([None if isinstance(c, str) and is_missing(c.strip()) else c for c in cells])
