"""Parquet and Feather (Arrow) files as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from nlsq.io.errors import DAMAGE, FileError, missing_package
from nlsq.io.opening import Opened
from nlsq.io.table import MOST_COLUMNS, Table, too_many_columns
from nlsq.utils.arrow import floats, integers

_PARTS = 20  # of a file that are read for a sample


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise missing_package("Reading Parquet and Feather files", "pyarrow") from None
    return pyarrow


def read_parquet(opened: Opened) -> Table:
    """Read a Parquet file; each column when it is asked for.

    Raises
    ------
    FileError, InputError
    """
    _pyarrow()
    from pyarrow import parquet

    def read(name: str) -> Any:
        with parquet.ParquetFile(opened.file(), memory_map=False) as file:
            return file.read([name]).column(0)

    with _reading(opened, "Parquet"):
        with parquet.ParquetFile(opened.file(), memory_map=False) as file:
            schema, n_rows = file.schema_arrow, file.metadata.num_rows
        return _table(opened, "Parquet", schema, n_rows, read)


def read_feather(opened: Opened) -> Table:
    """Read a Feather (Arrow IPC) file.

    Raises
    ------
    FileError, InputError
    """
    pa = _pyarrow()
    with _reading(opened, "Feather"):
        with pa.ipc.open_file(pa.BufferReader(opened.bytes())) as file:
            table = file.read_all()
        return _table(opened, "Feather (Arrow)", table.schema, table.num_rows, table.column)


def read_sample(opened: Opened, n_rows: int) -> Table:
    """A few rows of a Parquet or Feather file, evenly from parts that lie evenly in it.

    Raises
    ------
    FileError, InputError
    """
    pa = _pyarrow()
    from pyarrow import parquet

    is_parquet = opened.head.startswith(b"PAR1")
    kind = "Parquet" if is_parquet else "Feather (Arrow)"
    with _reading(opened, kind):
        if is_parquet:
            file = parquet.ParquetFile(opened.file())
            lengths = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
            schema = file.schema_arrow
        else:
            file = pa.ipc.open_file(pa.memory_map(str(opened.path)))
            lengths = [file.get_batch(i).num_rows for i in range(file.num_record_batches)]
            schema = file.schema
        parts = np.unique(np.linspace(0, len(lengths) - 1, min(len(lengths), _PARTS)).astype(int))
        step = max(1, -(-sum(lengths[i] for i in parts) // n_rows))

        def read(name: str) -> Any:
            found = []
            for i in parts.tolist():
                one = file.read_row_group(i, [name]) if is_parquet else file.get_batch(i)
                found.append(one.column(name).take(pa.array(np.arange(0, lengths[i], step))))
            chunks = [c for f in found for c in (f.chunks if is_parquet else [f])]
            return pa.chunked_array(chunks, schema.field(name).type)

        number = sum(-(-lengths[i] // step) for i in parts)
        return _table(opened, kind, schema, number, read)


@contextmanager
def _reading(opened: Opened, kind: str) -> Iterator[None]:
    """Say of damage which file it is in."""
    try:
        yield
    except FileError:
        raise
    except (_pyarrow().ArrowException, *DAMAGE) as error:
        raise _broken(opened, kind, error) from None


def _broken(opened: Opened, kind: str, error: Exception) -> FileError:
    what = str(error).split("\n")[0].rstrip(". ")[:160]
    return FileError(
        f"{opened.name}: damaged, cut off or no {kind} file ({what}).",
        "It must have been closed by the program that wrote it.",
    )


def _table(opened: Opened, kind: str, schema: Any, n_rows: int, read: Any) -> Table:
    if len(schema) > MOST_COLUMNS:
        raise too_many_columns(opened.name, len(schema))
    names = schema.names
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise FileError(f"{opened.name}: several columns are called {twice[0]!r}.", "Rename one.")
    units = {}
    for field in schema:
        said = {k.lower(): v for k, v in (field.metadata or {}).items()}
        unit = said.get(b"unit", said.get(b"units"))
        if unit:
            units[field.name] = unit.decode("utf-8", "replace")
    cells = [(name, partial(_column, opened, kind, read, name)) for name in names]
    fact = f"{kind}, {len(names)} columns"
    return Table(cells, n_rows=n_rows, units=units, source=opened.name, detected={"format": fact})


def _column(opened: Opened, kind: str, read: Any, name: str) -> np.ndarray:
    pa = _pyarrow()
    with _reading(opened, f"{kind}, column {name!r};"):
        column = read(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        return _values(column, pa)


def _values(column: Any, pa: Any) -> np.ndarray:
    """Numbers as float64, or as integers when none is missing; all else as text."""
    types, kind = pa.types, column.type
    if types.is_boolean(kind) and not column.null_count:
        return integers(column.cast(pa.int8())).astype(bool)
    if types.is_integer(kind) and not column.null_count:
        return integers(column)
    if any(t(kind) for t in (types.is_integer, types.is_floating, types.is_boolean)):
        if types.is_boolean(kind):
            column = column.cast(pa.int8())
        return floats(column.cast(pa.float64(), safe=False))
    if types.is_decimal(kind):
        return floats(column.cast(pa.float64(), safe=False))
    if types.is_null(kind):
        return np.full(len(column), np.nan)
    if types.is_nested(kind):
        return np.array([str(v) for v in column.to_pylist()])
    return np.array(["" if v is None else str(v) for v in column.to_pylist()])
