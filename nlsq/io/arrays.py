"""NumPy files as tables."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from nlsq.io.errors import DAMAGE, FileError, reason
from nlsq.io.opening import Opened, require_memory
from nlsq.io.table import MOST_COLUMNS, Cells, Table, too_many_columns


def as_columns(name: str, array: Any, source: str) -> list[tuple[str, Cells]]:
    """An array as columns: structured by field, 2-D ``name[0]``, ``name[1]``, ...; 1-D as it is.

    In two dimensions the longer axis holds the rows, the first where they are equal.

    Raises
    ------
    FileError
    """
    kind, shape = array.dtype, array.shape
    if kind.names:
        prefix = f"{name}." if name else ""
        return [(prefix + field, _checked(array[field], field, source)) for field in kind.names]
    if len(shape) == 1:
        return [(name or "c0", _checked(array, name, source))]
    rows = np.asarray(array) if shape[0] >= shape[1] else np.asarray(array).T
    if rows.shape[1] > MOST_COLUMNS:
        raise too_many_columns(source, rows.shape[1])
    label = name + "[{}]" if name else "c{}"
    return [(label.format(i), _checked(rows[:, i], name, source)) for i in range(rows.shape[1])]


def _checked(values: Any, name: str, source: str) -> np.ndarray:
    values = np.asarray(values)
    kind = values.dtype.kind
    if kind == "S":
        return np.char.decode(values, "utf-8", "replace")
    if kind == "f":
        return np.ascontiguousarray(values, dtype=np.float64)
    if kind == "c":
        return np.ascontiguousarray(values, dtype=np.complex128)
    if kind in "iu":
        return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
    if kind in "bU":
        return values
    if kind in "mM":
        return np.datetime_as_string(values) if kind == "M" else values.astype(np.int64)
    raise FileError(f"{source}: {name or 'the array'} holds {values.dtype}, no numbers.")


def said(shape: tuple[int, ...], columns: int, rows: int) -> str:
    """How an array was read, in words."""
    return f"{' x '.join(map(str, shape))} array read as {columns} columns of {rows:,} rows"


def read_npy(opened: Opened) -> Table:
    """Read an .npy file: columns c0, c1, ..., or the fields of a structured array.

    Raises
    ------
    FileError
    """
    array = _load(opened)
    if not isinstance(array, np.ndarray):
        raise FileError(f"{opened.name}: an .npz file, not .npy.", "Say so, or leave format away.")
    if array.ndim not in (1, 2):
        raise FileError(f"{opened.name}: an array of shape {array.shape} is no table.")
    columns = as_columns("", array, opened.name)
    length = len(columns[0][1]) if columns else 0
    fact = f"NPY, {said(array.shape, len(columns), length)}"
    return Table(columns, source=opened.name, detected={"format": fact})


def _load(opened: Opened) -> Any:
    if opened.data is None:
        require_memory(2 * opened.path.stat().st_size, opened.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a header that Python 2 wrote
            return np.load(opened.file(), allow_pickle=False)
    except DAMAGE as error:
        ours = opened.head.startswith(
            (b"\x93NUMPY", b"PK", b"\x80")
        )  # NumPy takes all else for one
        if ours and "pickle" in str(error):
            raise FileError(
                f"{opened.name}: the file holds Python objects (a pickle), which could run code.",
                "Write it again as numbers: array.astype(float).",
            ) from None
        what = reason(error) if isinstance(error, OSError) else str(error) if ours else "its start"
        raise FileError(
            f"{opened.name}: damaged, cut off or no NumPy file ({what}).", "Write it again."
        ) from None


def read_npz(opened: Opened) -> Table:
    """Read an .npz file: its arrays of the most frequent length are the columns.

    Raises
    ------
    FileError
    """
    archive = _load(opened)
    if not hasattr(archive, "files"):
        raise FileError(f"{opened.name}: an .npy file, not .npz.", "Say so, or leave format away.")
    with archive:
        arrays = {name: _member(archive, name, opened.name) for name in archive.files}
    arrays = {name: array for name, array in arrays.items() if isinstance(array, np.ndarray)}
    if not arrays:
        raise FileError(f"{opened.name}: no arrays in this file.", "Write it with numpy.savez.")
    usable = {n: a for n, a in arrays.items() if a.ndim in (1, 2) and 0 not in a.shape}
    length, absent = common_length({n: a.shape for n, a in usable.items()})
    absent |= {n: f"it has the shape {a.shape}" for n, a in arrays.items() if n not in usable}
    columns = [
        column for name, array in usable.items() if name not in absent
        for column in as_columns(name, array, opened.name)
    ]  # fmt: skip
    fact = f"NPZ, {len(columns)} columns" + left_out(absent)
    return Table(
        columns, n_rows=length, source=opened.name, detected={"format": fact}, absent=absent
    )


def _member(archive: Any, name: str, source: str) -> Any:
    try:
        return archive[name]
    except DAMAGE as error:
        if "allow_pickle" in str(error):
            raise FileError(
                f"{source}: {name!r} holds Python objects (a pickle), which could run code.",
                "Write it again as numbers: array.astype(float).",
            ) from None
        raise FileError(
            f"{source}: {name!r} is damaged or cut off ({error}).", "Write it again."
        ) from None


def common_length(shapes: dict[str, tuple[int, ...]]) -> tuple[int, dict[str, str]]:
    """The number of rows that most arrays have (the larger of equals), and who is left out why."""
    lengths = {name: max(shape) for name, shape in shapes.items()}
    counts: dict[int, int] = {}
    for length in lengths.values():
        counts[length] = counts.get(length, 0) + 1
    best = max(counts, key=lambda n: (counts[n], n), default=0)
    absent = {
        name: f"it has {length:,} values, the table has {best:,} rows"
        for name, length in lengths.items() if length != best
    }  # fmt: skip
    return best, absent


def left_out(absent: dict[str, str]) -> str:
    """The end of a sentence that names what is not in the table."""
    return f"; not in the table: {', '.join(list(absent)[:6])}" if absent else ""
