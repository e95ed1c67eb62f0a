"""Reading data files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np

from nlsq.cli.errors import DataError
from nlsq.cli.settings import Column, Data
from nlsq.config import get_memory_config
from nlsq.utils.input_error import did_you_mean

#: Bytes held per byte of text at the peak: the text, its lines, their join and the numbers.
_READING_FACTOR = 4


@dataclass(frozen=True)
class Table:
    """Numbers of a data file: x (m,) or (k, m), y (m,), sigma (m,) or None, and their names."""

    x: np.ndarray
    y: np.ndarray
    sigma: np.ndarray | None
    x_label: str
    y_label: str


def read_table(data: Data) -> Table:
    """Read the columns that `data` names.

    Raises
    ------
    DataError
        With the file, the line and the column, if something is missing or not a finite number.
    """
    path = data.input_file
    lines = _text_lines(data)
    if not lines:
        raise DataError(f"{path}: no data in this file.", "Check data.csv.skip_header and comment.")
    first = _split(lines[0][1], data)
    header = first if data.csv.header else [f"column {i}" for i in range(len(first))]
    rows = lines[1:] if data.csv.header else lines
    wanted_x = data.columns.x if isinstance(data.columns.x, list) else [data.columns.x]
    wanted = [*wanted_x, data.columns.y]
    if data.columns.sigma is not None:
        wanted.append(data.columns.sigma)
    indices = [_index(column, header, data) for column in wanted]
    if not rows:
        raise DataError(f"{path}: a header but no rows.")
    values = _numbers(rows, indices, header, data)
    n_x = len(wanted_x)
    x = values[:n_x] if isinstance(data.columns.x, list) else values[0]
    sigma = values[n_x + 1] if data.columns.sigma is not None else None
    if sigma is not None and (sigma <= 0).any():
        row = int(np.argmax(sigma <= 0))
        raise DataError(
            f"{path}:{rows[row][0]}: sigma is {sigma[row]:g}; a standard deviation is positive.",
            "Correct the row or comment it out.",
        )
    labels = [header[i] for i in indices]
    return Table(x, values[n_x], sigma, ", ".join(labels[:n_x]), labels[n_x])


def _text_lines(data: Data) -> list[tuple[int, str]]:
    """The lines that are neither blank nor comments, with their numbers."""
    try:
        needed = _READING_FACTOR * data.input_file.stat().st_size
        get_memory_config().require(needed, f"{data.input_file}: reading this file")
        text = data.input_file.read_text(encoding=data.csv.encoding)
    except MemoryError as error:
        raise DataError(str(error)) from None
    except OSError as error:
        raise DataError(
            f"{data.input_file}: cannot be read: {error.strerror}.",
            "data.input_file is relative to the folder of the YAML file.",
        ) from None
    except (UnicodeDecodeError, LookupError) as error:
        raise DataError(f"{data.input_file}: {error}.", "Set data.csv.encoding.") from None
    mark = data.csv.comment
    kept = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        content = line.split(mark, 1)[0] if mark else line
        if number > data.csv.skip_header and content.strip():
            kept.append((number, content))
    return kept


def _split(line: str, data: Data) -> list[str]:
    if data.csv.delimiter is None:
        return line.split()
    cells = next(csv.reader([line], delimiter=data.csv.delimiter, skipinitialspace=True))
    return [cell.strip() for cell in cells]


def _index(column: Column, header: list[str], data: Data) -> int:
    if isinstance(column, int):
        if 0 <= column < len(header):
            return column
        raise DataError(
            f"{data.input_file}: no column {column}; there are {len(header)}, counted from 0."
        )
    if not data.csv.header:
        raise DataError(
            f"{data.input_file}: column {column!r} is asked for by name, but data.csv.header is "
            "false.",
            "Give the column's number, from 0.",
        )
    if header.count(column) == 1:
        return header.index(column)
    if column in header:
        raise DataError(f"{data.input_file}: several columns are called {column!r}.")
    known = f"; there are {', '.join(header)}."
    raise DataError(f"{data.input_file}: no column {column!r}{did_you_mean(column, header, known)}")


def _numbers(
    rows: list[tuple[int, str]], indices: list[int], header: list[str], data: Data
) -> np.ndarray:
    """The columns as float64, (columns, rows)."""
    try:
        values = np.loadtxt(
            io.StringIO("\n".join(line for _, line in rows)),
            delimiter=data.csv.delimiter,
            usecols=indices,
            comments=None,
            quotechar='"',
            ndmin=2,
        ).T
    except ValueError:
        values = None
    if values is None or not np.isfinite(values).all():
        raise _first_bad_cell(rows, indices, header, data)
    return values


def _first_bad_cell(
    rows: list[tuple[int, str]], indices: list[int], header: list[str], data: Data
) -> DataError:
    fix = "Correct the row, or comment it out."
    for number, line in rows:
        cells = _split(line, data)
        where = f"{data.input_file}:{number}"
        for i in indices:
            if i >= len(cells):
                return DataError(f"{where}: {len(cells)} columns, {header[i]!r} is missing.", fix)
            try:
                finite = np.isfinite(float(cells[i]))
            except ValueError:
                finite = False
            if not finite:
                what = repr(cells[i]) if cells[i] else "empty"
                return DataError(f"{where}: {header[i]!r} is {what}, not a finite number.", fix)
    return DataError(f"{data.input_file}: not a table of numbers.", "Check data.csv.delimiter.")
