"""Columns of numbers in files, read by ranges of rows into the buffers of a fit.

A `Column` is x, y or sigma where it is stored: bytes of a file (`raw_columns.RawColumn`), a chunked
dataset (`DatasetColumn`), or several of them as coordinates (`StackedColumns`). `ColumnSource`
makes a `Source` of three.

What is stored as float64 goes from the file to the buffer; everything else (other types and byte
orders, points along the first axis, every k-th row) through pieces that stay in cache.
"""

from __future__ import annotations

import weakref
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np

from nlsq.streaming.sources import ALL_ROWS, Columns, DataSourceError, Form, Rows, Source
from nlsq.utils.given import DATES
from nlsq.utils.input_error import closest

PIECE = 1 << 16  # values that are converted at a time


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The known names nearest to one that does not exist, as the end of a message."""
    known = list(known)
    near = closest(name, known, n=2)
    if near:
        return f"Did you mean {' or '.join(map(repr, near))}?"
    shown = ", ".join(map(repr, known[:20])) + (", ..." if len(known) > 20 else "")
    return f"There are: {shown}." if known else "There are none."


@contextmanager
def reading(place: str, remedy: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn errors of a file format into one that says where; missing files stay what they are.

    Raises
    ------
    DataSourceError
    """
    try:
        yield
    except (FileNotFoundError, PermissionError, DataSourceError):
        raise
    except UnicodeDecodeError as error:
        raise DataSourceError(
            f"{place} is no text in UTF-8 ({error.reason}). Convert it: iconv -t utf-8."
        ) from None
    except (OSError, *errors) as error:
        raise DataSourceError(f"{place} cannot be read: {error} {remedy}") from error


class Column(ABC):
    """x, y or sigma where it is stored.

    Attributes
    ----------
    label : str
        For messages.
    shape, dtype
        As stored.
    """

    points_first = False  # whether the points run along the first of two axes

    def __init__(self, label: str, shape: tuple[int, ...], dtype: np.dtype):
        self.label, self.shape, self.dtype = label, tuple(shape), dtype

    @property
    def chunk(self) -> int:
        """Rows that are read together, 1 if any range is as good as another."""
        return 1

    @property
    def coordinates(self) -> int | None:
        """k of (k, m) or (m, k); None for (m,)."""
        return self.shape[1 if self.points_first else 0] if len(self.shape) == 2 else None

    @property
    def points(self) -> int:
        """m."""
        return self.shape[0 if self.points_first else -1]

    def read(self, rows: slice, out: np.ndarray) -> None:
        """Fill `out` with the rows."""
        if rows.step == 1 and out.dtype == self.dtype and self.read_straight(rows.start, out):
            return
        points = max(1, PIECE // rows.step // (self.coordinates or 1))
        for at in range(0, out.shape[-1], points):
            part = out[..., at : at + points]
            first = rows.start + at * rows.step
            stop = first + (part.shape[-1] - 1) * rows.step + 1
            part[...] = self.consecutive(first, stop)[..., :: rows.step]

    def read_straight(self, first: int, out: np.ndarray) -> bool:
        """Fill `out`, of this type, with consecutive rows if no conversion is needed."""
        return False

    def pick(self, rows: np.ndarray, out: np.ndarray) -> bool:
        """Fill `out` with single rows, unless that takes as long as reading all."""
        return False

    @abstractmethod
    def consecutive(self, first: int, stop: int) -> np.ndarray:
        """The rows first ... stop - 1, (b,) or (k, b), of the stored type."""


class DatasetColumn(Column):
    """A dataset of which ranges are read by index (h5py, zarr).

    Parameters
    ----------
    dataset : h5py.Dataset or zarr.Array
    hold : bool
        Keep the last chunks that were read, for libraries that do not; a chunk that two reads
        share is then decompressed once.
    """

    def __init__(self, label: str, dataset: Any, role: str, hold: bool):
        dtype = require_numbers(label, dataset.dtype, role).newbyteorder("=")
        super().__init__(label, dataset.shape or (), dtype)
        self._dataset, self._hold = dataset, hold
        self._held: tuple[int, np.ndarray] | None = None

    @property
    def chunk(self) -> int:
        return self._stored * max(1, PIECE // self._stored) if self._hold else self._stored

    @property
    def _stored(self) -> int:
        """Rows that are stored together."""
        chunks = self._dataset.chunks
        return chunks[0 if self.points_first else -1] if chunks else 1

    def read_straight(self, first: int, out: np.ndarray) -> bool:
        if self._hold or out.ndim > 1 or not out.flags.c_contiguous:
            return False
        rows = slice(first, first + len(out))
        with self._reading(rows.start, rows.stop):
            self._dataset.read_direct(out, rows)
        return True

    def consecutive(self, first: int, stop: int) -> np.ndarray:
        if not self._hold:
            return self._range(first, stop)
        unit, parts = self.chunk, []
        for number in range(first // unit, (stop - 1) // unit + 1):
            start = number * unit
            if self._held is None or self._held[0] != number:
                self._held = number, self._range(start, min(start + unit, self.points))
            parts.append(self._held[1][..., max(first - start, 0) : stop - start])
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def _range(self, first: int, stop: int) -> np.ndarray:
        rows = slice(first, stop)
        with self._reading(first, stop):
            if self.points_first:
                return np.asarray(self._dataset[rows]).T
            return np.asarray(self._dataset[(..., rows)])

    def _reading(self, first: int, stop: int):
        return reading(
            f"{self.label}, rows {first} to {stop - 1},",
            "Check that the file is whole and its compression filter is installed.",
            ValueError,
            TypeError,
            KeyError,
            RuntimeError,
            zlib.error,
        )


class StackedColumns(Column):
    """Columns (m,) as the coordinates (k, m) of x."""

    def __init__(self, columns: list[Column]):
        for column in columns:
            if column.shape != columns[0].shape or len(column.shape) != 1:
                raise DataSourceError(
                    f"Columns that are stacked must have the same shape (m,): {columns[0].label} "
                    f"has {columns[0].shape}, {column.label} has {column.shape}."
                )
        label = " + ".join(c.label for c in columns)
        super().__init__(label, (len(columns), *columns[0].shape), columns[0].dtype)
        self._columns = columns

    @property
    def chunk(self) -> int:
        return max(c.chunk for c in self._columns)

    def read(self, rows: slice, out: np.ndarray) -> None:
        for column, line in zip(self._columns, out, strict=True):
            column.read(rows, line)

    def pick(self, rows: np.ndarray, out: np.ndarray) -> bool:
        return all(c.pick(rows, line) for c, line in zip(self._columns, out, strict=True))

    def consecutive(self, first: int, stop: int) -> np.ndarray:
        return np.stack([column.consecutive(first, stop) for column in self._columns])


class Stored(NamedTuple):
    """The columns of a source."""

    x: Column
    y: Column
    sigma: Column | None

    def agree(self) -> tuple[Form, int]:
        """Check that they fit together; their form and the number of rows.

        Raises
        ------
        DataSourceError
        """
        x, y, sigma = self
        if len(y.shape) != 1:
            raise DataSourceError(f"{y.label} must have shape (m,), it has {y.shape}.")
        (m,) = y.shape
        if not m:
            raise DataSourceError(f"{y.label} holds no points.")
        if x.shape[-1:] != (m,) or len(x.shape) > 2:
            x.points_first = len(x.shape) == 2 and x.shape[0] == m
            if not x.points_first:
                raise DataSourceError(
                    f"{x.label} must have shape ({m},), (k, {m}) or ({m}, k), as {y.label} has "
                    f"{m} points; it has {x.shape}."
                )
        if sigma is not None and sigma.shape != (m,):
            raise DataSourceError(
                f"{sigma.label} must have shape ({m},) as {y.label}; it has {sigma.shape}."
            )
        return Form(x.coordinates, sigma is not None, y.dtype.kind == "c"), m


class ColumnSource(Source):
    """Data in columns of which any range of rows can be read.

    A subclass says how they are opened: `_open` returns the columns and leaves what has to be
    closed in `files`.
    """

    stored = True

    def __init__(self, name: str, rows: slice = ALL_ROWS):
        self.name = name
        self._files = ExitStack()
        weakref.finalize(self, self._files.close)
        self._stored: Stored | None = None
        self._first: tuple[Form, int] | None = None
        try:
            self._columns()
            self.form, total = self._first
            self._rows = Rows(rows, total, name)
        finally:
            self.close()
        self.n_points = self._rows.count

    @abstractmethod
    def _open(self, files: ExitStack) -> Stored:
        """Open the files."""

    def _columns(self) -> Stored:
        if self._stored is None:
            with ExitStack() as files:
                stored = self._open(files)
                now = stored.agree()
                self._first = self._first or now
                if now != self._first:
                    raise DataSourceError(_changed(self.name, self._first, now))
                self._files.push(files.pop_all())
            self._stored = stored
        return self._stored

    def read_into(self, start: int, buffers: Columns) -> None:
        rows = self._rows.of(start, len(buffers.y))
        for column, buffer in zip(self._columns(), buffers, strict=True):
            if column is not None:
                column.read(rows, buffer)

    def pick(self, points: np.ndarray, buffers: Columns) -> bool:
        rows, columns = self._rows.row(points), zip(self._columns(), buffers, strict=True)
        return all(column is None or column.pick(rows, buffer) for column, buffer in columns)

    def row(self, point: int) -> int:
        return self._rows.row(point)

    @property
    def chunk(self) -> int:
        return -(-self._rows_together // self._rows.step)

    @property
    def _rows_together(self) -> int:
        return max(c.chunk for c in self._columns() if c is not None)

    def boundary(self, start: int, stop: int) -> int:
        chunk = self._rows_together
        if chunk == 1 or stop == self.n_points:
            return stop
        end = self._rows.row(stop) // chunk * chunk  # rows before it: whole chunks
        better = -(-(end - self._rows.first) // self._rows.step)
        return better if better > start else stop

    def close(self) -> None:
        self._stored = None
        self._files.close()


def _changed(name: str, first: tuple[Form, int], now: tuple[Form, int]) -> str:
    what = (
        f"it has {now[1]} rows now, it had {first[1]} before"
        if now[1] != first[1]
        else f"its columns are {now[0]} now, they were {first[0]} before"
    )
    return f"{name} has changed: {what}. Leave the file alone while it is fitted."


def require_numbers(label: str, dtype: Any, role: str) -> np.dtype:
    """The type of a column, if its values are numbers that a fit can use.

    Raises
    ------
    DataSourceError
    """
    dtype = np.dtype(dtype)
    if dtype.kind in "fiub" or (dtype.kind == "c" and role == "y"):
        return dtype
    if dtype.kind == "c":
        raise DataSourceError(f"{label} is complex ({dtype}), but {role} must be real.")
    remedy = DATES if dtype.kind in "mM" else "Convert it to float64."
    raise DataSourceError(f"{label} holds no numbers: its type is {dtype}. {remedy}")


Names = str | list[str]


def labels(names: dict[str, Names]) -> dict[str, str]:
    """What the axes of a picture are called: the names of x and y where each is one."""
    return {axis: names[axis] for axis in "xy" if isinstance(names[axis], str)}


def coordinates(x: Names) -> tuple[str, ...]:
    """The names of the coordinates, without the groups that they are in."""
    return tuple(name.rpartition("/")[2] for name in ([x] if isinstance(x, str) else x))


def named(x: Any, y: Any, sigma: Any) -> dict[str, Names]:
    """The names of columns by role; only x may be a list.

    Raises
    ------
    TypeError
    """
    names = {"x": x, "y": y} | ({} if sigma is None else {"sigma": sigma})
    for role, name in names.items():
        several = role == "x" and isinstance(name, (list, tuple)) and len(name) > 0
        if not all(isinstance(n, str) for n in (name if several else [name])):
            or_list = " or a list of names" if role == "x" else ""
            raise TypeError(f"{role} must be a name{or_list}, got {name!r}.")
    return {role: list(name) if isinstance(name, tuple) else name for role, name in names.items()}
