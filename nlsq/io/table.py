"""`Table`: named columns of a file, which knows where each of its rows came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nlsq.io.errors import FileError, suggestion

#: A file with more columns is transposed, or no table.
MOST_COLUMNS = 10_000
_SEEN = 1000  # cells that tell whether a column is text

Cells = np.ndarray | Callable[[], np.ndarray]


class Table:
    """Columns of equal length, as `read_table` returns them.

    Parameters
    ----------
    columns : sequence of (str, ndarray or callable)
        Names and values; a callable is called when its column is first asked for. Names that occur
        more than once get a number: ``V``, ``V_2``.
    n_rows : int, optional
        Needed when there are callables.
    units : mapping of str to str
        By name; names without a unit are left out.
    source : str
        The name of the file, for messages.
    lines : ndarray or None
        Line of each row in a text file.
    detected : mapping of str to str
        What was found out about the file, in words.
    absent : mapping of str to str
        Names that a user may ask for though they are no columns, and why not.
    decimal : {".", ","}
        How the numbers in its text columns are written.

    Attributes
    ----------
    options : dict of str to Any
        With which options of `read_table` the file was read, given or found out.

    Examples
    --------
    >>> import numpy as np
    >>> table = Table([("t", np.arange(3.0)), ("who", np.array(["a", "", "c"]))], source="run.csv")
    >>> table.names, table.n_rows
    (['t', 'who'], 3)
    >>> table.where(table["t"] > 0)["who"]
    array(['', 'c'], dtype='<U1')
    >>> table.numeric("who")
    Traceback (most recent call last):
    ...
    nlsq.io.errors.FileError: run.csv, row 1: 'who' is 'a', not a number. Correct the cell, ...
    """

    def __init__(
        self,
        columns: Sequence[tuple[str, Cells]],
        *,
        n_rows: int | None = None,
        units: Mapping[str, str] | None = None,
        source: str = "table",
        lines: np.ndarray | None = None,
        detected: Mapping[str, str] | None = None,
        absent: Mapping[str, str] | None = None,
        decimal: str = ".",
    ):
        if len(columns) > MOST_COLUMNS:
            raise too_many_columns(source, len(columns))
        self.source = source
        self.detected = dict(detected or {})
        self._headings = [name for name, _ in columns]
        self.names = _unique(self._headings)
        self._columns: dict[str, Cells] = dict(
            zip(self.names, (cells for _, cells in columns), strict=True)
        )
        self.units = {name: unit for name, unit in (units or {}).items() if unit}
        self._lines = lines
        self.options: dict[str, Any] = {}
        self._numbers: np.ndarray | None = None
        self._absent, self._decimal = dict(absent or {}), decimal
        lengths = {n: len(c) for n, c in self._columns.items() if not callable(c)}
        self.n_rows = n_rows if n_rows is not None else next(iter(lengths.values()), 0)
        for name, length in lengths.items():
            if length != self.n_rows:
                raise FileError(
                    f"{source}: column {name!r} has {length:,} rows, the others {self.n_rows:,}.",
                    "Columns of a table have one length.",
                )

    # -- columns ---------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.n_rows

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __getitem__(self, key: str | int) -> np.ndarray:
        """The column of this name, heading ("time (s)") or number (from 0)."""
        return self._values(self.name_of(key))

    def _values(self, name: str) -> np.ndarray:
        """The column of a name in `names`, which is unique where its heading is not."""
        cells = self._columns[name]
        if callable(cells):
            cells = self._columns[name] = cells()
        return cells

    def name_of(self, key: str | int) -> str:
        """The name of a column given by name, heading or number.

        Raises
        ------
        FileError
            When there is none, or more than one.
        """
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            if 0 <= key < len(self.names):
                return self.names[key]
            raise FileError(
                f"{self.source}: no column {key}; there are {len(self.names)}, counted from 0."
            )
        if key in self._columns and self._headings.count(key) <= 1:
            return key
        found = [n for n, heading in zip(self.names, self._headings, strict=True) if heading == key]
        found += [n for n, unit in self.units.items() if key in _with_unit(n, unit)]
        if len(found) == 1:
            return found[0]
        if found:
            numbers = " or ".join(str(self.names.index(name)) for name in found)
            raise FileError(
                f"{self.source}: {len(found)} columns are called {key!r}.",
                f"Use the number of one, {numbers}.",
            )
        if key in self._absent:
            raise FileError(f"{self.source}: {key!r} is no column: {self._absent[key]}.")
        if not self.names:
            raise FileError(f"{self.source}: no column {key!r}; there are none.")
        raise FileError(f"{self.source}: no column {key!r}{suggestion(str(key), self.names)}")

    def numeric(self, key: str | int) -> np.ndarray:
        """A column as float64 (m,); empty cells are NaN.

        Raises
        ------
        FileError
            With the line and what the cell holds, when one is not a real number.
        """
        name = self.name_of(key)
        values = self._values(name)
        if values.dtype.kind in "fiub":
            return values.astype(np.float64, copy=False)
        if values.dtype.kind == "c":
            raise FileError(
                f"{self.source}: column {name!r} is complex.", "Take its real or imaginary part."
            )
        from nlsq.io.numbers import parse

        for row, cell in enumerate(values.tolist()):
            if cell != "" and parse(str(cell), self._decimal) is None:
                fix = "Correct the cell, comment the row out or leave it out."
                if not self.has_numbers(name):
                    fix = "This column holds text: choose another one."
                said = f"{self.place(row)}: {name!r} is {_shortened(cell)}, not a number."
                raise FileError(said, fix)
        raise FileError(f"{self.source}: column {name!r} holds no numbers.")

    def has_numbers(self, name: str) -> bool:
        """Whether a column is of numbers, or of text some of whose first cells are numbers."""
        from nlsq.io.numbers import parse

        values = self._values(name)
        return values.dtype.kind in "fiub" or any(
            parse(str(cell), self._decimal) is not None for cell in values[:_SEEN].tolist()
        )

    # -- rows ------------------------------------------------------------------------------------

    def line(self, row: int) -> int | None:
        """Line of the file (from 1) that a row came from; None for files without lines."""
        return None if self._lines is None else int(self._lines[row])

    @property
    def numbers(self) -> np.ndarray:
        """Of each row, its number (from 0) in the table of the file: int64 (n_rows,)."""
        return np.arange(self.n_rows) if self._numbers is None else self._numbers

    def place(self, row: int) -> str:
        """``run.csv:17`` or ``run.h5, row 12``, for messages."""
        line = self.line(row)
        return f"{self.source}, row {row + 1}" if line is None else f"{self.source}:{line}"

    def take(self, rows: Any) -> Table:
        """The table of some rows.

        Parameters
        ----------
        rows : slice, ndarray of int or bool
        """
        index = rows if isinstance(rows, slice) else np.asarray(rows)
        number = len(np.arange(self.n_rows)[index])
        columns = [(name, self._part(name, index)) for name in self.names]
        table = Table(
            columns, n_rows=number, units=self.units, source=self.source,
            lines=None if self._lines is None else np.asarray(self._lines)[index],
            detected=self.detected, absent=self._absent, decimal=self._decimal,
        )  # fmt: skip
        table._headings, table._numbers = self._headings, self.numbers[index]
        table.options = self.options
        return table

    def where(self, mask: Any) -> Table:
        """The rows where `mask`, bool (n_rows,), is true.

        Raises
        ------
        ValueError
            When `mask` is no mask of this table.
        """
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != (self.n_rows,):
            raise ValueError(
                f"a mask is one true or false for each of {self.n_rows:,} rows, "
                f"not {mask.dtype} of shape {mask.shape}"
            )
        return self.take(mask)

    def _part(self, name: str, index: Any) -> Cells:
        if callable(self._columns[name]):
            return lambda: self._values(name)[index]
        return self._values(name)[index]

    def __repr__(self) -> str:
        return f"Table({self.source}: {self.n_rows:,} rows of {', '.join(self.names[:8])})"


def too_many_columns(source: str, number: int) -> FileError:
    """The error for a file that is wider than a table can be."""
    return FileError(
        f"{source}: {number:,} columns; a table has at most {MOST_COLUMNS:,}.",
        "Write one point per row; if the file is transposed, transpose it.",
    )


def _with_unit(name: str, unit: str) -> list[str]:
    """The ways in which a heading may have said a name with its unit."""
    forms = ("{} ({})", "{} [{}]", "{}({})", "{}[{}]", "{}/{}", "{} / {}")
    return [form.format(name, unit) for form in forms]


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    taken, out = set(names), []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        fresh = name
        while seen[name] > 1 and fresh in taken:
            fresh = f"{name}_{seen[name]}"
            seen[name] += fresh in taken
        taken.add(fresh)
        out.append(fresh)
    return out


def _shortened(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 40 else text[:36] + "...'"
