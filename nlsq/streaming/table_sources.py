"""Data in Parquet, Arrow and CSV files, read from the beginning by pyarrow in record batches."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from nlsq.streaming.columns import Names
from nlsq.streaming.sources import ALL_ROWS, Columns, DataSourceError
from nlsq.streaming.tables import TableSource, arrow
from nlsq.utils.arrow import interruptible

BATCH = 1 << 16  # rows that are read at a time
BUFFER = 1 << 20  # bytes
_TEXT_BLOCK = 1 << 18  # bytes of text that are parsed at a time


class ParquetSource(TableSource):
    """Columns of a Parquet file.

    Parameters
    ----------
    path : path
    x : str or list of str
        Column, or columns that become the coordinates (k, m). Numbers of any type; nulls are NaN.
    y : str
        Column.
    sigma : str, optional
        Column of the standard deviations of y.
    rows : slice
        Which rows to take; row groups before and behind are not read.

    Raises
    ------
    DataSourceError
        The file is not Parquet or is truncated, has no such column, or it holds no numbers.
    FileNotFoundError, PermissionError, ImportError

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pyarrow as pa
    >>> import pyarrow.parquet
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scan.parquet"
    ...     pa.parquet.write_table(pa.table({"t": [1.0, 2.0, 3.0], "counts": [7, 4, None]}), path)
    ...     source = ParquetSource(path, "t", "counts", rows=slice(1, None))
    ...     [points.y.tolist() for points in source]
    [[4.0, nan]]
    """

    def __init__(
        self,
        path: str | os.PathLike,
        x: Names = "x",
        y: str = "y",
        sigma: str | None = None,
        *,
        rows: slice = ALL_ROWS,
    ):
        super().__init__(path, x, y, sigma, rows)

    def _opened(self) -> Any:
        import pyarrow.parquet

        # buffered: a column of a row group is read page by page, not as a whole
        return pyarrow.parquet.ParquetFile(self._path, buffer_size=BUFFER, memory_map=False)

    def between(self, first: int, stop: int) -> Iterator[Columns]:
        rows = self._rows.of(first, stop - first)
        return self._pieces(rows.start, rows.stop)

    @staticmethod
    def _schema(path: Path) -> Any:
        import pyarrow.parquet

        return pyarrow.parquet.read_schema(path, memory_map=False)

    def _total(self) -> int:
        with self._opened() as file:
            return file.metadata.num_rows

    def _batches(self, first: int, stop: int) -> Iterator[tuple[int, Any]]:
        with self._opened() as file:
            metadata = file.metadata
            self._require(file.schema_arrow.names)
            if metadata.num_rows != self._count:
                raise DataSourceError(
                    f"{self.name} has changed: it has {metadata.num_rows} rows now, it had "
                    f"{self._count} before. Leave the file alone while it is fitted."
                )
            sizes = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
            ends = np.cumsum(sizes)
            used = [
                k for k, end in enumerate(ends)
                if end > first and end - sizes[k] < stop
            ]  # fmt: skip
            at = int(ends[used[0]]) - sizes[used[0]]
            for batch in file.iter_batches(BATCH, row_groups=used, columns=self._names):
                yield at, batch
                at += batch.num_rows


class ArrowSource(TableSource):
    """Columns of an Arrow IPC (Feather) file.

    Parameters
    ----------
    path, x, y, sigma, rows
        As for `ParquetSource`.

    Notes
    -----
    A record batch is read as a whole; files written in one piece need that much memory.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pyarrow as pa
    >>> import pyarrow.feather
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scan.feather"
    ...     pa.feather.write_feather(pa.table({"x": [1, 2, 3], "y": [7.0, 4.0, 2.0]}), path)
    ...     source = ArrowSource(path)
    >>> source.n_points
    3
    """

    def __init__(
        self,
        path: str | os.PathLike,
        x: Names = "x",
        y: str = "y",
        sigma: str | None = None,
        *,
        rows: slice = ALL_ROWS,
    ):
        super().__init__(path, x, y, sigma, rows)

    @staticmethod
    def _schema(path: Path) -> Any:
        pa = arrow()
        with pa.OSFile(str(path)) as file:
            return pa.ipc.open_file(file).schema

    def _total(self) -> int:
        import pyarrow.dataset

        return pyarrow.dataset.dataset(self._path, format="ipc").count_rows()

    def _batches(self, first: int, stop: int) -> Iterator[tuple[int, Any]]:
        with self._pa.OSFile(str(self._path)) as file:
            schema = self._pa.ipc.open_file(file).schema
            self._require(schema.names)
            fields = sorted({schema.get_field_index(name) for name in self._names})
            options = self._pa.ipc.IpcReadOptions(included_fields=fields)
            reader, at = self._pa.ipc.open_file(file, options=options), 0
            for number in range(reader.num_record_batches):
                batch = reader.get_batch(number)
                yield at, batch
                at += batch.num_rows


class CSVSource(TableSource):
    """Columns of a text file whose first line names them.

    Parameters
    ----------
    path : path
        Files that end in .gz, .bz2, ... are decompressed on the way.
    x, y, sigma
        As for `ParquetSource`. Empty fields and NA, null, ... are NaN.
    rows : slice
        Which rows to take, from 0 below the header; not counted from the end.
    delimiter : str
        One character.

    Raises
    ------
    DataSourceError
        No such column, a field that is no number (with its row), a row of other length.
    FileNotFoundError, PermissionError, ImportError

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scan.csv"
    ...     _ = path.write_text("t;note;counts\\n1;a;7\\n2;b;4\\n3;c;2\\n")
    ...     source = CSVSource(path, "t", "counts", delimiter=";")
    ...     [points.y.tolist() for points in source]
    [[7.0, 4.0, 2.0]]
    """

    def __init__(
        self,
        path: str | os.PathLike,
        x: Names = "x",
        y: str = "y",
        sigma: str | None = None,
        *,
        rows: slice = ALL_ROWS,
        delimiter: str = ",",
    ):
        if not isinstance(delimiter, str) or len(delimiter) != 1:
            raise TypeError(f"delimiter must be one character, got {delimiter!r}.")
        self._delimiter = delimiter
        super().__init__(path, x, y, sigma, rows)

    @staticmethod
    def _schema(path: Path, delimiter: str = ",") -> Any:
        with _open_csv(path, delimiter) as file:
            return file.schema

    def _check_columns(self) -> None:
        self._header = self._schema(self._path, self._delimiter).names
        if not set(self._names) <= set(self._header) and all(map(_is_number, self._header)):
            raise DataSourceError(
                f"{self.name}: the first line must name the columns, but it is {self._header}."
            )
        self._require(self._header)
        with closing(self._batches(0, 1)) as batches:
            next(batches, None)

    def _total(self) -> None:
        return None

    def _batches(self, first: int, stop: int) -> Iterator[tuple[int, Any]]:
        types = {name: self._pa.float64() for name in self._names}
        options = {"include_columns": list(types), "column_types": types}
        with _open_csv(self._path, self._delimiter, **options) as file:
            at = 0
            for batch in file:
                yield at, batch
                at += batch.num_rows

    @contextmanager
    def _reading(self, where: str) -> Iterator[None]:
        with super()._reading(where):
            try:
                with interruptible():
                    yield
            except UnicodeDecodeError:
                raise DataSourceError(f"{self.name}: not text in UTF-8. Convert it.") from None
            except self._pa.ArrowInvalid as error:
                found = _CSV_ERROR.match(str(error))
                if not found:
                    raise
                column, line, what = found.groups()
                place = "" if column is None else f"column {self._header[int(column)]!r}, "
                raise DataSourceError(
                    f"{self.name}: {place}row {int(line) - 2} (line {line}): {what}. Correct it."
                ) from error


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _open_csv(path: Path, delimiter: str, **convert: Any) -> Any:
    from pyarrow import csv, system_memory_pool

    with open(path, "rb") as file:
        wide = len(file.readline(_TEXT_BLOCK) + file.readline(_TEXT_BLOCK)) > _TEXT_BLOCK // 16
    block = None if wide else _TEXT_BLOCK
    with interruptible():
        return csv.open_csv(
            str(path),
            # without threads it is as fast, and errors name the row; a row must fit into a block,
            # of which some are held at a time
            read_options=csv.ReadOptions(use_threads=False, block_size=block),
            memory_pool=system_memory_pool(),  # which gives back what is not used
            parse_options=csv.ParseOptions(delimiter=delimiter),
            convert_options=csv.ConvertOptions(**convert),
        )


_CSV_ERROR = re.compile(
    r"(?:In CSV column #(\d+): |CSV parse error: )Row #(\d+): (?:CSV conversion error to )?(.*)",
    re.DOTALL,
)
