"""The points of a fit: columns of a table, expressions of columns, the rows that are wanted."""

from __future__ import annotations

import io
import itertools
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from nlsq.caching.memory_manager import manager
from nlsq.io import FileError, Table, read_table
from nlsq.models.formulas import Formula, FormulaError, parse
from nlsq.session.errors import ConfigurationError, DataError
from nlsq.session.masks import among, inside, read_rows
from nlsq.session.settings import Column, Data
from nlsq.session.words import read_column
from nlsq.utils.input_error import InputError, did_you_mean

#: Bytes held per byte of a file at the peak: its text, the parsed columns, their copies.
_READING_FACTOR = 4


@dataclass(frozen=True)
class Points:
    """Numbers to fit: x (m,) or (k, m), y (m,), sigma (m,) or None, and what they are called.

    Attributes
    ----------
    x_names : list of str
        Column names of x that a formula may use as its variables.
    facts : dict
        What was found in the file and what was left out, for the reader.
    units : dict
        Of columns, where the file tells them.
    """

    x: np.ndarray
    y: np.ndarray
    sigma: np.ndarray | None
    x_names: list[str]
    y_name: str
    facts: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)

    @property
    def x_label(self) -> str:
        """What to write on the axis."""
        return ", ".join(headed(name, self.units) for name in self.x_names)

    @property
    def y_label(self) -> str:
        """What to write on the other axis."""
        return headed(self.y_name, self.units)


def headed(name: str, units: Mapping[str, str]) -> str:
    """A column with its unit, where it has one."""
    return f"{name} ({units[name]})" if name in units else name


class Rows(NamedTuple):
    """All rows of a table as a plot shows them.

    Attributes
    ----------
    x, y : ndarray (m,)
    kept : ndarray of bool (m,)
        Which are fitted: neither excluded nor outside the range of x.
    numbers : ndarray of int (m,)
        What `exclude` calls them.
    """

    x: np.ndarray
    y: np.ndarray
    kept: np.ndarray
    numbers: np.ndarray


def as_table(source: Any, data: Data) -> Table:
    """A file or stream as `nlsq.io.read_table` reads it with these settings."""
    c = data.csv
    return read_table(
        source, format=data.format, delimiter=c.delimiter, decimal=c.decimal, encoding=c.encoding,
        header=c.header, comment=c.comment, skip=c.skip_header, sheet=data.sheet, group=data.group,
    )  # fmt: skip


def select_from(source: Any, data: Data) -> Points:
    """The points of all rows of an open text file.

    Raises
    ------
    DataError
    """
    try:
        return select(as_table(source, data), data, omit=False)
    except (FileError, ValueError) as error:
        raise DataError(str(error)) from None


def load(data: Data) -> Table:
    """The rows of the file that `data` asks for.

    Raises
    ------
    DataError
        With the file and the line.
    ConfigurationError
        A condition that is no expression of columns.
    """
    return narrowed(whole(data), data)


def whole(data: Data) -> Table:
    """The file as a table.

    Raises
    ------
    DataError, ConfigurationError
    """
    try:
        source: Any = data.input_file
        if data.from_stdin:
            source = io.BytesIO(sys.stdin.buffer.read())
        elif os.path.isfile(source):  # False where the system takes no such name
            needed = _READING_FACTOR * source.stat().st_size
            manager.require(needed, f"{source}: reading this file")
        return as_table(source, data)
    except FileError as error:
        fix = error.fix
        if not data.from_stdin and not os.path.exists(data.input_file):
            fix = "Paths count from this folder, in a configuration file from its own."
        raise DataError(error.message, fix) from None
    except MemoryError as error:
        raise DataError(str(error)) from None
    except ValueError as error:  # an option that means nothing for this kind of file
        raise ConfigurationError(str(error)) from None


def narrowed(table: Table, data: Data) -> Table:
    """The rows of a table that `data` asks for, those that are masked among them.

    Raises
    ------
    DataError, ConfigurationError
    """
    if data.exclude is not None:
        last = max(last for _, last in read_rows(data.exclude))
        if last >= table.n_rows:
            raise ConfigurationError(
                f"{table.source}: there is no row {last} to exclude; rows are 0 to "
                f"{table.n_rows - 1}.",
                "Say the rows of this file, --exclude 3,7,10-20.",
            )
    if data.rows is not None:
        table = table.take(np.arange(table.n_rows)[data.slice])
    if data.where is not None:
        table = table.take(np.flatnonzero(condition(table, data.where)))
    if not table.n_rows:
        raise DataError(f"{table.source}: no rows are left to fit.", "Look at rows and where.")
    return of_group(table, data)


def of_numbers(table: Table) -> list[str]:
    """The first two columns of numbers; each column is read only until they are found."""
    try:
        return list(itertools.islice(filter(table.has_numbers, table.names), 2))
    except FileError:
        return []  # which is said where the column is chosen


def groups(table: Table, wanted: Column) -> list[tuple[str, np.ndarray]]:
    """The groups of a table by the values of a column, as they begin: name, and numbers of rows.

    Raises
    ------
    DataError
    """
    try:
        cells = table[wanted if wanted in table.names else read_column(str(wanted))]
    except FileError as error:
        raise DataError(error.message, error.fix) from None
    values, of = np.unique(cells, return_inverse=True)
    order = np.argsort(of, kind="stable")
    ends = np.cumsum(np.bincount(of)).tolist()  # of each value's rows in that order
    begins, names = [0, *ends][:-1], values.tolist()
    as_they_begin = np.argsort(order[begins]).tolist()
    return [(_group(names[k]), order[begins[k] : ends[k]]) for k in as_they_begin]


def _group(value: Any) -> str:
    """What a group is called; rows whose cell is empty are one group."""
    if value == "" or value != value:
        return "(empty)"
    short = f"{value:.15g}" if isinstance(value, float) else str(value)
    return short if not isinstance(value, float) or float(short) == value else repr(value)


def of_group(table: Table, data: Data) -> Table:
    """The rows of the group that `data` asks for; all where it asks for none.

    Raises
    ------
    DataError
    """
    if data.only is None:
        return table
    every = groups(table, data.columns.group)
    found = [rows for name, rows in every if name == data.only]
    if not found:
        near = did_you_mean(data.only, [name for name, _ in every], f"; there are {len(every)}")
        raise DataError(f"{table.source}: no rows of the group {data.only!r}{near}.")
    if len(found) > 1:
        raise DataError(
            f"{table.source}: two groups are called {data.only!r}.", "Call one otherwise there."
        )
    return table.take(found[0])


def condition(table: Table, text: str) -> np.ndarray:
    """Where a condition on columns is true: bool (n_rows,).

    Raises
    ------
    DataError, ConfigurationError
    """
    wanted = np.asarray(_evaluate(_expression(text, "--where"), table, "--where"))
    if wanted.dtype != bool or wanted.shape != (table.n_rows,):
        raise ConfigurationError(
            f"--where {text}: not a condition.", "For example \"t > 3 and s == 'A'\""
        )
    return wanted


def select(table: Table, data: Data, omit: bool = False) -> Points:
    """The points in the columns that `data` names.

    Parameters
    ----------
    omit : bool
        Leave out points with a NaN in x, y or sigma, and count them.

    Raises
    ------
    DataError
        A column that is missing, a value that is no finite number, or a sigma that is not positive.
    """
    wanted = data.columns
    several = isinstance(wanted.x, list)
    facts = dict(table.detected)
    unmasked = kept(table, data)
    if not unmasked.all():
        facts["masked"] = f"{np.count_nonzero(~unmasked):,} of {unmasked.size:,} rows"
        if not unmasked.any():
            raise DataError(
                f"{table.source}: no rows are left to fit.", "Look at exclude and x_range."
            )
        table = table.take(np.flatnonzero(unmasked))
    xs = [column(table, c) for c in (wanted.x if several else [wanted.x])]
    ys = column(table, wanted.y)
    sigma = None if wanted.sigma is None else column(table, wanted.sigma)
    lines = [*xs, ys] + ([] if sigma is None else [sigma])
    finite = np.all([np.isfinite(values) for _, values in lines], axis=0)
    if omit and not finite.all():
        missing = np.any([np.isnan(values) for _, values in lines], axis=0)
        facts["left out"] = f"{missing.sum()} of {missing.size} rows, which have a NaN"
        lines = [(name, values[~missing]) for name, values in lines]
        table, finite = table.take(np.flatnonzero(~missing)), finite[~missing]
    if not finite.all():
        _refuse(table, lines, int(np.flatnonzero(~finite)[0]))
    if sigma is not None and (lines[-1][1] <= 0).any():
        row = int(np.argmax(lines[-1][1] <= 0))
        raise DataError(
            f"{table.place(row)}: sigma is {lines[-1][1][row]:g}; a standard deviation is "
            "positive.",
            "Correct the row or comment it out.",
        )
    x = [values for _, values in lines[: len(xs)]]
    return Points(
        np.array(x) if several else x[0],
        lines[len(xs)][1],
        None if sigma is None else lines[-1][1],
        [name for name, _ in lines[: len(xs)]],
        lines[len(xs)][0],
        facts,
        dict(table.units),
    )


def kept(table: Table, data: Data) -> np.ndarray:
    """Which rows are neither excluded nor outside the range of x: bool (n_rows,).

    Raises
    ------
    DataError, ConfigurationError
    """
    wanted = ~among(data.exclude, table.numbers)
    if data.x_range is None:
        return wanted
    x = data.columns.x
    return wanted & inside(data.x_range, column(table, x[0] if isinstance(x, list) else x)[1])


def rows(table: Table, data: Data) -> Rows | None:
    """The rows of a table, those that are left out too; None where x has several columns.

    Raises
    ------
    DataError, ConfigurationError
    """
    wanted = data.columns
    if isinstance(wanted.x, list):
        return None
    x, y = (column(table, c)[1] for c in (wanted.x, wanted.y))
    return Rows(x, y, kept(table, data), table.numbers)


def column(table: Table, wanted: Column) -> tuple[str, np.ndarray]:
    """Name and values (m,) of a column, by number, by name, or as an expression of columns."""
    try:
        name = table.name_of(wanted)
        return name, table.numeric(wanted)
    except FileError as error:
        if isinstance(wanted, int) or wanted in table.names or wanted.isidentifier():
            raise DataError(error.message, error.fix) from None
    values = _evaluate(_expression(wanted, "column"), table, wanted)
    return wanted, np.broadcast_to(np.asarray(values, float), (table.n_rows,)).copy()


def _expression(text: str, where: str) -> Formula:
    try:
        return parse(text)
    except FormulaError as error:
        if where == "column" and len(names := re.findall(r"[^\s,]+", text)) > 1 and "," in text:
            raise ConfigurationError(
                f"column {text}: there is no column of this name.",
                f"Name several columns of x one by one: -x {' -x '.join(names)}, in a file "
                f"x: [{', '.join(names)}].",
            ) from None
        told = ConfigurationError(f"{where} {text}: {error.message}", error.fix)
        told.position, told.what = error.position, error.what
        raise told from None


def _evaluate(formula: Formula, table: Table, where: str) -> Any:
    try:
        columns = {}
        for name in formula.names:
            values = table[name]
            columns[name] = values if values.dtype.kind == "U" else table.numeric(name)
    except FileError as error:
        raise DataError(f"{where}: {error.message}", error.fix) from None
    try:
        with np.errstate(all="ignore"):
            return formula.evaluate(columns)
    except InputError as error:
        raise ConfigurationError(f"{where}: {error.message}", error.fix) from None


def _refuse(table: Table, lines: list[tuple[str, np.ndarray]], row: int) -> None:
    for name, values in lines:
        if not np.isfinite(values[row]):
            what = "empty or NaN" if np.isnan(values[row]) else f"{values[row]}"
            raise DataError(
                f"{table.place(row)}: {name!r} is {what}, not a finite number.",
                "Correct the row or comment it out"
                + (", or leave such rows out with --omit-nan." if np.isnan(values[row]) else "."),
            )
