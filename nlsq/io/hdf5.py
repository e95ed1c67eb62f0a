"""HDF5 files as tables: datasets by their paths are the columns, read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from nlsq.io.arrays import as_columns, common_length, left_out
from nlsq.io.cells import text_column
from nlsq.io.errors import DAMAGE, FileError, suggestion
from nlsq.io.opening import Opened, require_memory
from nlsq.io.table import MOST_COLUMNS, Cells, Table, too_many_columns
from nlsq.security.paths import kept_elsewhere

_UNITS = ("units", "unit", "Units", "Unit", "UNITS", "UNIT")


def read_hdf5(opened: Opened, group: str | None = None) -> Table:
    """Read the datasets of a file, or of one of its groups, that have the same length.

    Raises
    ------
    FileError
    """
    datasets, units = _inventory(opened, group)
    prefix = f"{group.strip('/')}/" if group and group.strip("/") else ""
    usable = {n: s for n, (s, _) in datasets.items() if len(s) in (1, 2) and 0 not in s}
    if not usable:
        raise FileError(
            f"{opened.name}: no dataset with one or two axes"
            + (f" in the group {group!r}." if group else " in this file."),
        )
    length, absent = common_length(usable)
    absent |= {n: f"it has the shape {s}" for n, (s, _) in datasets.items() if n not in usable}
    columns: list[tuple[str, Cells]] = []
    for name, shape in usable.items():
        if name not in absent:
            columns += _columns(opened, prefix, name, shape, datasets[name][1])
    if len(columns) > MOST_COLUMNS:
        raise too_many_columns(opened.name, len(columns))
    known = {c: units[c.split("[")[0]] for c, _ in columns if c.split("[")[0] in units}
    fact = f"HDF5, {len(columns)} columns" + (f" of the group {group}" if group else "")
    return Table(
        columns, n_rows=length, units=known, source=opened.name, absent=absent,
        detected={"format": fact + left_out(absent)},
    )  # fmt: skip


def groups(opened: Opened) -> list[str]:
    """The names of the groups in which there are datasets.

    Raises
    ------
    FileError
    """
    datasets, _ = _inventory(opened, None)
    return sorted({name.rpartition("/")[0] for name in datasets} - {""})


def _opened(opened: Opened) -> Any:
    import h5py

    try:
        return h5py.File(opened.file(), "r")
    except DAMAGE as error:
        raise _broken(opened, error) from None


def _broken(opened: Opened, error: Exception) -> FileError:
    return FileError(
        f"{opened.name}: damaged, cut off or no HDF5 file ({_first_line(error)}).",
        "It must have been closed by the program that wrote it.",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip("'\" \n").split("\n")[0][:160]


def _inventory(
    opened: Opened, group: str | None
) -> tuple[dict[str, tuple[tuple[int, ...], np.dtype]], dict[str, str]]:
    """Shapes and types of the datasets by their names, and their units."""
    import h5py

    datasets: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
    units: dict[str, str] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            datasets[name] = item.shape if item.shape is not None else (), item.dtype
            for key in _UNITS:
                if key in item.attrs:
                    value = item.attrs[key]
                    units[name] = value.decode() if isinstance(value, bytes) else str(value)
                    break

    with _opened(opened) as file:
        try:
            root = file
            if group is not None:
                _refuse_elsewhere(opened, file, group)
                root = file.get(group)
                if not isinstance(root, h5py.Group):
                    known: list[str] = []
                    file.visititems(
                        lambda n, i: known.append(n) if isinstance(i, h5py.Group) else None
                    )
                    raise FileError(
                        f"{opened.name}: no group {group!r}{suggestion(group, known)}"
                        if known
                        else f"{opened.name}: no group {group!r}; the file has none."
                    )
            root.visititems(note)  # which follows no links
        except DAMAGE as error:
            if isinstance(error, FileError):
                raise
            raise _broken(opened, error) from None
    return datasets, units


def _refuse_elsewhere(opened: Opened, file: Any, name: str) -> None:
    """Refuse what is kept in another file, which the maker of this one only named."""
    other = kept_elsewhere(file, name)
    if other is not None:
        raise FileError(
            f"{opened.name}: {name!r} is kept in another file, {other!r}, which is not read.",
            "Copy the values into one file with the program that wrote it, or with h5repack.",
        )


def _columns(
    opened: Opened, prefix: str, name: str, shape: tuple[int, ...], dtype: np.dtype
) -> list[tuple[str, Cells]]:
    """The columns of a dataset, by callables that read it once."""
    read = _once(partial(_read, opened, prefix + name))
    if dtype.names:
        return [(f"{name}.{f}", partial(_pick, read, name, opened.name, i))
                for i, f in enumerate(dtype.names)]  # fmt: skip
    if len(shape) == 1:
        return [(name, partial(_pick, read, name, opened.name, 0))]
    if min(shape) > MOST_COLUMNS:
        raise too_many_columns(opened.name, min(shape))
    return [(f"{name}[{i}]", partial(_pick, read, name, opened.name, i)) for i in range(min(shape))]


def _once(read: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    kept: list[np.ndarray] = []

    def get() -> np.ndarray:
        if not kept:
            kept.append(read())
        return kept[0]

    return get


def _pick(read: Callable[[], np.ndarray], name: str, source: str, index: int) -> np.ndarray:
    return as_columns(name, read(), source)[index][1]


def _read(opened: Opened, name: str) -> np.ndarray:
    with _opened(opened) as file:
        try:
            _refuse_elsewhere(opened, file, name)
            dataset = file[name]
            require_memory(2 * dataset.size * dataset.dtype.itemsize, f"{opened.name}, {name}")
            if dataset.dtype.kind == "O":
                texts = np.asarray(dataset.asstr()[()], dtype=object)
                return text_column(texts.ravel(), f"{opened.name}, {name}").reshape(texts.shape)
            return dataset[()]
        except FileError:
            raise
        except DAMAGE as error:
            raise FileError(
                f"{opened.name}: dataset {name!r} cannot be read ({_first_line(error)})."
            ) from None
