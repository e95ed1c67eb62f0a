"""Data in NumPy, HDF5 and Zarr files, of which any range of points can be read.

Files are read by ordinary I/O, never mapped, so that the address space may be smaller than they.
"""

from __future__ import annotations

import io
import math
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from nlsq.streaming.columns import (
    Column,
    ColumnSource,
    DatasetColumn,
    Names,
    StackedColumns,
    Stored,
    coordinates,
    did_you_mean,
    labels,
    named,
    reading,
    require_numbers,
)
from nlsq.streaming.raw_columns import RawColumn
from nlsq.streaming.sources import ALL_ROWS, DataSourceError

PathLike = str | os.PathLike


class NpySource(ColumnSource):
    """Data in .npy files, one for each of x, y and sigma.

    Parameters
    ----------
    x : path
        Array (m,), (k, m) or (m, k) of real numbers, of any type and byte order, C or Fortran.
        Where k = m it is read as (k, m).
    y : path
        Array (m,), real or complex.
    sigma : path, optional
        Array (m,), standard deviations of y.
    rows : slice
        Which rows to take.

    Raises
    ------
    DataSourceError
        A file is no .npy file, is truncated, holds no numbers, or their shapes do not agree.
    FileNotFoundError, PermissionError

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     x, y = Path(folder) / "x.npy", Path(folder) / "y.npy"
    ...     np.save(x, np.linspace(0, 1, 1000))
    ...     np.save(y, np.ones(1000, np.float32))
    ...     source = NpySource(x, y, rows=slice(100, None, 3))
    >>> source.n_points, source.row(1)
    (300, 103)
    """

    def __init__(
        self, x: PathLike, y: PathLike, sigma: PathLike | None = None, *, rows: slice = ALL_ROWS
    ):
        paths = {"x": x, "y": y} | ({} if sigma is None else {"sigma": sigma})
        self._paths = {role: Path(path) for role, path in paths.items()}
        super().__init__(", ".join(map(str, self._paths.values())), rows)

    def _open(self, files: ExitStack) -> Stored:
        columns = {r: npy_column(path, r, files) for r, path in self._paths.items()}
        return Stored(columns["x"], columns["y"], columns.get("sigma"))


def npy_column(path: Path, role: str, files: ExitStack) -> RawColumn:
    """Open the array of a .npy file."""
    label = f"{path} ({role})"
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    remedy = "It must be written by numpy.save (not savez)."
    with reading(label, remedy, ValueError):
        file = files.enter_context(io.FileIO(path))
        version = np.lib.format.read_magic(file)
        if version not in readers:
            raise DataSourceError(f"{label} is of .npy version {version}, not plain numbers.")
        shape, fortran, dtype = readers[version](file)
    require_numbers(label, dtype, role)
    return RawColumn(label, file, file.tell(), (shape, dtype, fortran))


class HDF5Source(ColumnSource):
    """Data in the datasets of an HDF5 file.

    Parameters
    ----------
    path : path
    x : str or list of str
        Name of a dataset (m,), (k, m) or (m, k), or names of datasets (m,) that become the
        coordinates (k, m). Names may lead through groups: "run1/t".
    y : str
        Dataset (m,), real or complex.
    sigma : str, optional
        Dataset (m,), standard deviations of y.
    rows : slice
        Which rows to take.

    Raises
    ------
    DataSourceError
        The file is not HDF5 or is truncated, has no such dataset, or the datasets hold no numbers
        or shapes that do not agree.
    FileNotFoundError, PermissionError

    Notes
    -----
    Compressed datasets are fastest in chunks of some 10⁵ numbers. Never-written parts of a
    dataset are its fill value, in general 0: HDF5 does not tell them from data.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import h5py
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "scan.h5"
    ...     with h5py.File(path, "w") as file:
    ...         file["run1/t"] = np.linspace(0, 1, 1000)
    ...         file["run1/counts"] = np.arange(1000)
    ...     source = HDF5Source(path, "run1/t", "run1/counts")
    >>> source.n_points
    1000
    """

    def __init__(
        self,
        path: PathLike,
        x: Names = "x",
        y: str = "y",
        sigma: str | None = None,
        *,
        rows: slice = ALL_ROWS,
    ):
        self._path, self._names = Path(path), named(x, y, sigma)
        self.labels = {axis: n.rpartition("/")[2] for axis, n in labels(self._names).items()}
        self.x_names = coordinates(self._names["x"])
        super().__init__(str(self._path), rows)

    def _open(self, files: ExitStack) -> Stored:
        import h5py

        file = files.enter_context(open_hdf5(self._path))

        def column(name: str, role: str) -> Column:
            label = f"dataset {name!r} of {self.name}"
            dataset = _dataset(file, name, self.name, _hdf5_names)
            require_numbers(label, dataset.dtype, role)
            if (raw := _contiguous(dataset, label, files)) is not None:
                return raw
            access = _roomy(dataset)
            del dataset  # what is open would lend its cache to another opening
            dataset = h5py.Dataset(h5py.h5d.open(file.id, name.encode(), access))
            return DatasetColumn(label, dataset, role, hold=False)

        return _stored(self._names, column)


def open_hdf5(path: PathLike) -> Any:
    """An HDF5 file, for reading."""
    import h5py

    with reading(str(path), "It must be an HDF5 file that was closed by its writer."):
        return h5py.File(path, "r")


def _hdf5_names(file: Any) -> list[str]:
    import h5py

    names: list[str] = []
    file.visititems(lambda n, item: names.append(n) if isinstance(item, h5py.Dataset) else None)
    return sorted(names)


def _roomy(dataset: Any) -> Any:
    """How to open a dataset with room for two chunks: one that two reads share is read once."""
    access = dataset.id.get_access_plist()
    if dataset.chunks:
        counts = [-(-s // c) for s, c in zip(dataset.shape, dataset.chunks, strict=True)]
        beside = math.prod(counts) // max(1, *counts)  # chunks that hold the same points
        size = 2 * max(1, beside) * math.prod(dataset.chunks) * dataset.dtype.itemsize
        slots, default, weight = access.get_chunk_cache()
        access.set_chunk_cache(slots, max(size, default), weight)
    return access


def _contiguous(dataset: Any, label: str, files: ExitStack) -> RawColumn | None:
    """The bytes of a dataset that lies in its file as it is, which are read in half the time."""
    import h5py

    ident = dataset.id
    if (
        ident.get_create_plist().get_layout() != h5py.h5d.CONTIGUOUS
        or ident.get_space_status() != h5py.h5d.SPACE_STATUS_ALLOCATED
        or dataset.external
        or dataset.dtype.kind not in "fiu"
        or not h5py.h5t.py_create(dataset.dtype).equal(ident.get_type())
    ):
        return None
    path = dataset.file.filename  # not that of the source for external links
    with reading(path, "Check the disk."):
        file = files.enter_context(io.FileIO(path))
    return RawColumn(label, file, ident.get_offset(), (dataset.shape, dataset.dtype, False))


class ZarrSource(ColumnSource):
    """Data in the arrays of a Zarr group.

    Parameters
    ----------
    group : path or zarr.Group
        A path, an address that `zarr.open` knows, or an open group.
    x, y, sigma, rows
        As for `HDF5Source`.

    Raises
    ------
    DataSourceError
        No Zarr group, no such array in it, or arrays that hold no numbers or whose shapes do not
        agree.
    ImportError
        Zarr is not installed.

    Notes
    -----
    A missing chunk is Zarr's way to store one that is all fill value, and is read as such.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import zarr
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     group = zarr.open(Path(folder) / "scan.zarr", mode="w")
    ...     group["x"] = np.linspace(0, 1, 1000)
    ...     group["y"] = np.ones(1000)
    ...     source = ZarrSource(Path(folder) / "scan.zarr", rows=slice(10))
    >>> source.n_points
    10
    """

    def __init__(
        self,
        group: Any,
        x: Names = "x",
        y: str = "y",
        sigma: str | None = None,
        *,
        rows: slice = ALL_ROWS,
    ):
        self._group, self._names = group, named(x, y, sigma)
        self.labels = {axis: n.rpartition("/")[2] for axis, n in labels(self._names).items()}
        self.x_names = coordinates(self._names["x"])
        given = isinstance(group, (str, os.PathLike))
        super().__init__(os.fspath(group) if given else f"group {group!r}", rows)

    def _open(self, files: ExitStack) -> Stored:
        group = open_zarr(self._group)

        def column(name: str, role: str) -> Column:
            array = _dataset(group, name, self.name, _zarr_names)
            return DatasetColumn(f"array {name!r} of {self.name}", array, role, hold=True)

        return _stored(self._names, column)


def open_zarr(group: Any) -> Any:
    """A Zarr group, for reading."""
    try:
        import zarr
    except ImportError as error:
        raise ImportError("Zarr files need zarr: pip install zarr") from error
    if isinstance(group, (str, os.PathLike)):
        path = os.fspath(group)
        if "://" not in path and not os.path.exists(path):
            raise FileNotFoundError(f"There is no file or folder {path!r}.")
        try:
            group = zarr.open(path, mode="r")
        except (OSError, ValueError, KeyError) as error:
            raise DataSourceError(f"{path} cannot be read as a Zarr group: {error}") from error
    if not hasattr(group, "array_keys"):
        raise DataSourceError(
            f"{group!r} is no Zarr group. For open arrays use DatasetSource(x, y)."
        )
    return group


def _zarr_names(group: Any) -> list[str]:
    names = sorted(group.array_keys())
    for key in group.group_keys():
        names += [f"{key}/{name}" for name in _zarr_names(group[key])]
    return names


class DatasetSource(ColumnSource):
    """Open h5py datasets or Zarr arrays, which stay their owner's to close.

    Parameters
    ----------
    x, y, sigma : h5py.Dataset or zarr.Array
        Shapes as for `HDF5Source`.
    rows : slice

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import h5py
    >>> import numpy as np
    >>> with (
    ...     tempfile.TemporaryDirectory() as folder,
    ...     h5py.File(Path(folder) / "scan.h5", "w") as file,
    ... ):
    ...     file["t"], file["counts"] = np.linspace(0, 1, 1000), np.arange(1000)
    ...     DatasetSource(file["t"], file["counts"]).n_points
    1000
    """

    def __init__(self, x: Any, y: Any, sigma: Any = None, *, rows: slice = ALL_ROWS):
        self._datasets = (x, y, sigma)
        super().__init__("the datasets", rows)

    def _open(self, files: ExitStack) -> Stored:
        named = zip(self._datasets, Stored._fields, strict=True)
        return Stored(
            *(
                None if d is None else DatasetColumn(role, d, role, not hasattr(d, "read_direct"))
                for d, role in named
            )
        )


def _dataset(root: Any, name: str, place: str, list_names: Any) -> Any:
    """A dataset of an HDF5 file or Zarr group by its name."""
    item = root[name] if name and name in root else None
    if hasattr(item, "dtype") and hasattr(item, "shape"):
        return item
    what = "is a group, not a dataset" if item is not None else "is not there"
    raise DataSourceError(f"{place}: {name!r} {what}. {did_you_mean(name, list_names(root))}")


def _stored(names: dict[str, Names], column: Any) -> Stored:
    """Open the named columns; those of a list are stacked."""
    columns = {
        role: column(name, role)
        if isinstance(name, str)
        else StackedColumns([column(n, role) for n in name])
        for role, name in names.items()
    }
    return Stored(columns["x"], columns["y"], columns.get("sigma"))
