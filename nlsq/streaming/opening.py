"""One door for all data: `as_source` makes a source of whatever the user has."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nlsq.interfaces import DataSourceProtocol, StreamingDataSourceProtocol
from nlsq.streaming.file_sources import (
    DatasetSource,
    HDF5Source,
    NpySource,
    ZarrSource,
    open_hdf5,
    open_zarr,
)
from nlsq.streaming.iterable_source import IterableSource, ProtocolSource
from nlsq.streaming.sources import ArraySource, SequentialSource, Source
from nlsq.streaming.table_sources import ArrowSource, CSVSource, ParquetSource
from nlsq.streaming.tables import TableSource

ACCEPTED = (
    "arrays xdata and ydata, a tuple (x, y) or (x, y, sigma) of them, open h5py datasets or Zarr "
    "arrays, a source (HDF5Source, ...), the path of a file .h5, .hdf5, .zarr, .parquet, .feather, "
    ".arrow or .csv with columns x, y and perhaps sigma, paths of .npy files for xdata and ydata, "
    "an object with n_points and get_chunk(start, end), or a list of chunks (x, y) or "
    "(x, y, sigma)"
)


def as_source(xdata: Any, ydata: Any = None, sigma: Any = None) -> Source | SequentialSource:
    """The source of the data that a user passes.

    Parameters
    ----------
    xdata : object
        Arrays (m,) or (k, m) with `ydata`, or all data in one: a tuple (x, y) or (x, y, sigma), a
        source, a path, an object with `get_chunk`, or chunks to iterate over (see
        `nlsq.interfaces`). Of a file the columns x and y are read, and sigma
        if there is one.
    ydata : array_like (m,) or path, optional
        Only with arrays, datasets and .npy files.
    sigma : None, number, array_like (m,) or path
        Likewise.

    Returns
    -------
    Source or SequentialSource

    Raises
    ------
    TypeError
        Data of another kind, or `ydata` where `xdata` brings its own.
    DataSourceError, FileNotFoundError, PermissionError, ImportError
        From the file.

    Examples
    --------
    >>> as_source([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]).n_points
    3
    """
    if isinstance(xdata, type):
        raise TypeError(f"Cannot fit the class {xdata.__name__}: pass an instance of it.")
    if ydata is None and _are_columns(xdata):
        if sigma is not None and len(xdata) > 2:
            _refuse_more(xdata, None, sigma)
        xdata, ydata, sigma = (*xdata, sigma)[:3]
    if isinstance(xdata, (str, os.PathLike)):
        return _from_path(Path(xdata), ydata, sigma)
    whole = _whole(xdata) if ydata is None or _brings_all(xdata) else None
    if whole is not None:
        _refuse_more(xdata, ydata, sigma)
        return whole(xdata)
    if ydata is None:
        missing = " ydata is missing." if hasattr(xdata, "__array__") else ""
        raise TypeError(f"Cannot fit {type(xdata).__name__}.{missing} Pass {ACCEPTED}.")
    if _is_dataset(xdata) and _is_dataset(ydata) and (sigma is None or _is_dataset(sigma)):
        return DatasetSource(xdata, ydata, sigma)
    return ArraySource(xdata, ydata, sigma)


def _are_columns(data: Any) -> bool:
    """Whether it is a tuple (x, y) or (x, y, sigma); a chunk is a tuple, so these are no chunks."""
    several = isinstance(data, tuple) and len(data) in (2, 3)
    return several and not any(isinstance(one, (tuple, int, float)) for one in data[:2])


def _brings_all(data: Any) -> bool:
    """Whether it cannot be an array of x values."""
    return isinstance(data, (Source, SequentialSource, DataSourceProtocol, Iterator))


def _whole(data: Any) -> Callable[[Any], Source | SequentialSource] | None:
    """What makes a source of an object with all data, None if it is no such object."""
    if isinstance(data, (Source, SequentialSource)):
        return lambda source: source
    if isinstance(data, DataSourceProtocol):
        return ProtocolSource
    if (
        isinstance(data, StreamingDataSourceProtocol)
        and not hasattr(data, "__array__")
        and not _is_dataset(data)
    ):
        return IterableSource
    return None


def _refuse_more(data: Any, ydata: Any, sigma: Any) -> None:
    for name, given in (("ydata", ydata), ("sigma", sigma)):
        if given is not None:
            raise TypeError(
                f"{name} must not be given: xdata ({type(data).__name__}) brings x, y and sigma."
            )


def in_memory(xdata: Any, ydata: Any) -> bool:
    """Whether data are arrays in memory; not paths, datasets of files, or sources."""
    stored = isinstance(ydata, (str, os.PathLike)) or _is_dataset(ydata)
    return ydata is not None and not stored and not _brings_all(xdata)


def _is_dataset(data: Any) -> bool:
    """Whether it is an h5py dataset or Zarr array; without importing either."""
    for module, kind in (("h5py", "Dataset"), ("zarr", "Array")):
        if module in sys.modules and isinstance(data, getattr(sys.modules[module], kind)):
            return True
    return False


def _from_path(path: Path, ydata: Any, sigma: Any) -> Source | SequentialSource:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        for name, given in (("ydata", ydata), ("sigma", sigma)):
            if not (isinstance(given, (str, os.PathLike)) or (name == "sigma" and given is None)):
                raise TypeError(
                    f"With xdata = {str(path)!r}, {name} must be the path of a .npy file too, got "
                    f"{type(given).__name__}."
                )
        return NpySource(path, ydata, sigma)
    if suffix not in _KINDS:
        raise TypeError(f"Cannot fit {str(path)!r}: its suffix is {suffix!r}. Pass {ACCEPTED}.")
    _refuse_more(path, ydata, sigma)
    kind, has_sigma = _KINDS[suffix]
    return kind(path, sigma="sigma" if has_sigma(path) else None)


def _in_hdf5(path: Path) -> bool:
    with open_hdf5(path) as file:
        return "sigma" in file


def _in_zarr(path: Path) -> bool:
    return "sigma" in open_zarr(path)


def _in_table(kind: type[TableSource]) -> Callable[[Path], bool]:
    return lambda path: "sigma" in kind.columns_of(path)


_KINDS: dict[str, tuple[Any, Callable[[Path], bool]]] = {
    ".h5": (HDF5Source, _in_hdf5),
    ".hdf5": (HDF5Source, _in_hdf5),
    ".zarr": (ZarrSource, _in_zarr),
    ".parquet": (ParquetSource, _in_table(ParquetSource)),
    ".feather": (ArrowSource, _in_table(ArrowSource)),
    ".arrow": (ArrowSource, _in_table(ArrowSource)),
    ".csv": (CSVSource, _in_table(CSVSource)),
}
