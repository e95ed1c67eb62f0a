"""Columns of tables that pyarrow reads from the beginning, in record batches."""

from __future__ import annotations

import os
import sys
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from nlsq.streaming.columns import Names, coordinates, did_you_mean, labels, named, reading
from nlsq.streaming.sources import Columns, DataSourceError, Form, Rows, SequentialSource
from nlsq.utils.arrow import floats
from nlsq.utils.given import DATES


def arrow() -> Any:
    """pyarrow, or how to get it."""
    try:
        import pyarrow
    except ImportError as error:
        message = "Parquet, Arrow and CSV files need pyarrow: pip install pyarrow"
        raise ImportError(message) from error
    return pyarrow


class TableSource(SequentialSource):
    """Columns of a file that is read from the beginning.

    A subclass gives the file's columns (`_schema`), its number of rows where it is known
    (`_total`), and the record batches (`_batches`).
    """

    remedy = "Write the file again."

    def __init__(self, path: str | os.PathLike, x: Names, y: str, sigma: str | None, rows: slice):
        names = named(x, y, sigma)
        self.labels, self.x_names = labels(names), coordinates(names["x"])
        self._path, self.name = Path(path), str(path)
        self._x, self._y, self._sigma = names["x"], names["y"], names.get("sigma")
        several = not isinstance(self._x, str)
        listed = [*(self._x if several else [self._x]), self._y]
        self._names = listed + ([] if self._sigma is None else [self._sigma])
        self.form = Form(len(self._x) if several else None, sigma is not None, False)
        self._pa = arrow()
        with self._reading("its beginning"):
            self._check_columns()
            total = self._total()
        self._rows = Rows(rows, _length(rows, self.name) if total is None else total, self.name)
        self._count = total
        self.n_points = None if total is None else self._rows.count

    @classmethod
    def columns_of(cls, path: str | os.PathLike) -> list[str]:
        """Names of the columns of a file.

        Raises
        ------
        DataSourceError
        """
        with reading(str(path), cls.remedy, arrow().ArrowException):
            return cls._schema(Path(path)).names

    @staticmethod
    @abstractmethod
    def _schema(path: Path) -> Any:
        """Names and types of the columns."""

    def _check_columns(self) -> None:
        """Check that the columns asked for are there and hold numbers."""
        schema = self._schema(self._path)
        self._require(schema.names)
        self._require_numbers(schema)

    @abstractmethod
    def _total(self) -> int | None:
        """Number of rows."""

    @abstractmethod
    def _batches(self, first: int, stop: int) -> Iterator[tuple[int, Any]]:
        """Record batches with the columns asked for, and the row that each begins with.

        Those without any of the rows first ... stop - 1 may be left out.
        """

    def row(self, point: int) -> int:
        return self._rows.row(point)

    def __iter__(self) -> Iterator[Columns]:
        rows, given = self._rows, 0
        for points in self._pieces(rows.first, rows.stop):
            given += len(points.y)
            yield points
        if not given and self._count is None:
            raise DataSourceError(f"{self.name}: no point is left of its rows.")
        self._require_count(given)

    def _pieces(self, first: int, stop: int) -> Iterator[Columns]:
        """The points in the rows first ... stop - 1, the first of which is one."""
        with closing(self._safe_batches(first, stop)) as batches:
            for at, batch in batches:
                start = first - at if at <= first else (first - at) % self._rows.step
                piece = slice(start, min(stop - at, batch.num_rows), self._rows.step)
                if piece.start < piece.stop:
                    yield self._points(batch, piece)
                if at + batch.num_rows >= stop:
                    break

    def _require_count(self, given: int) -> None:
        """Check that this pass gave as many points as the first."""
        expected = self.n_points if self.n_points is not None else self._given
        if expected is not None and given != expected:
            raise DataSourceError(
                f"{self.name} has changed: it gave {given} points now, {expected} before. "
                "Leave the file alone while it is fitted."
            )
        self._given = given

    _given: int | None = None  # points of the first pass

    def _safe_batches(self, first: int, stop: int) -> Iterator[tuple[int, Any]]:
        batches, end = self._batches(first, stop), 0
        while True:
            with self._reading(f"rows from {end} on"):
                item = next(batches, None)
            if item is None:
                return
            end = item[0] + item[1].num_rows
            yield item

    def _reading(self, where: str) -> Any:
        return reading(f"{self.name}, {where},", self.remedy, self._pa.ArrowException)

    def _require(self, columns: list[str]) -> None:
        for name in self._names:
            if (count := columns.count(name)) != 1:
                what = "is there more than once" if count else "is not there"
                hint = "Rename one." if count else did_you_mean(name, columns)
                raise DataSourceError(f"{self.name}: column {name!r} {what}. {hint}")

    def _require_numbers(self, schema: Any) -> None:
        """Check the types of the columns asked for."""
        pt = self._pa.types
        for name in self._names:
            kind = schema.field(name).type
            value = kind.value_type if pt.is_dictionary(kind) else kind
            tests = (pt.is_integer, pt.is_floating, pt.is_boolean, pt.is_decimal, pt.is_null)
            if not any(test(value) for test in tests):
                raise DataSourceError(
                    f"{self.name}: column {name!r} holds no numbers: its type is {kind}. "
                    + (DATES if pt.is_temporal(value) else "Convert it to float64.")
                )

    def _points(self, batch: Any, piece: slice) -> Columns:
        def values(name: str) -> np.ndarray:
            column = batch.column(batch.schema.get_field_index(name))
            if column.type != self._pa.float64():
                column = column.cast(self._pa.float64(), safe=False)
            return floats(column)[piece]

        several = not isinstance(self._x, str)
        return Columns(
            np.stack([values(name) for name in self._x]) if several else values(self._x),
            values(self._y),
            None if self._sigma is None else values(self._sigma),
        )


def _length(rows: Any, name: str) -> int:
    """What stands for the length of a file whose length is not known."""
    if isinstance(rows, slice) and any(n is not None and n < 0 for n in (rows.start, rows.stop)):
        raise ValueError(
            f"{name}: the number of rows is not known before reading, so {rows} cannot count from "
            "the end. Give rows from the beginning, or write the data as Parquet."
        )
    return sys.maxsize
