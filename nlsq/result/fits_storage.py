"""Many fits to files and back."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

import numpy as np

_FACTS = "fits.json"
_FORMAT = 1


def save(path: str | os.PathLike, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write arrays and facts to a ``.npz`` or ``.parquet`` file.

    Raises
    ------
    ValueError
        When the name ends in neither.
    """
    path = pathlib.Path(path)
    text = json.dumps({"format": _FORMAT} | facts)
    if path.suffix == ".npz":
        with open(path, "wb") as file:
            np.savez(file, facts=np.array(text), **arrays)
    elif path.suffix == ".parquet":
        arrow, parquet = _arrow()
        columns = {}
        for name, array in arrays.items():
            flat = arrow.array(np.ascontiguousarray(array).reshape(-1))
            width = int(np.prod(array.shape[1:]))
            if array.ndim > 1:
                flat = arrow.FixedSizeListArray.from_arrays(flat, width)
            columns[name] = flat
        table = arrow.table(columns)
        parquet.write_table(table.replace_schema_metadata({"nlsq": text}), path)
    else:
        raise ValueError(f"the name of the file must end in .npz or .parquet, got {path.name!r}")


def describe(folder: pathlib.Path, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write what belongs to arrays that are written to the .npy files of a folder."""
    for name, array in arrays.items():
        if isinstance(array, np.memmap):
            array.flush()
        else:
            np.save(folder / f"{name}.npy", array)
    text = json.dumps({"format": _FORMAT} | facts | {"arrays": list(arrays)}, indent=1)
    (folder / _FACTS).write_text(text + "\n", encoding="utf-8")


def load(path: str | os.PathLike) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and facts from a file or folder.

    Raises
    ------
    ValueError
        When it holds something else.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        facts = json.loads((path / _FACTS).read_text(encoding="utf-8"))
        names = facts.pop("arrays")
        return {name: np.load(path / f"{name}.npy", mmap_mode="r") for name in names}, facts
    if path.suffix == ".parquet":
        return _from_parquet(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path} was not written by CurveFits.save or fit_many(out=...)")
    with np.load(path, allow_pickle=False) as file:
        if "facts" not in file:
            raise ValueError(f"{path} was not written by CurveFits.save")
        arrays = {name: file[name] for name in file.files if name != "facts"}
        return arrays, json.loads(str(file["facts"]))


def _from_parquet(path: pathlib.Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    _, parquet = _arrow()
    table = parquet.read_table(path)
    stored = (table.schema.metadata or {}).get(b"nlsq")
    if stored is None:
        raise ValueError(f"{path} was not written by CurveFits.save")
    facts = json.loads(stored)
    n = len(facts["param_names"])
    tails = {"popt": (n,), "active_mask": (n,), "pcov": (n, n)}
    arrays = {}
    for name in table.column_names:
        column = table[name].combine_chunks()
        flat = column.flatten() if name in tails else column
        arrays[name] = flat.to_numpy(zero_copy_only=False).reshape(-1, *tails.get(name, ()))
    return arrays, facts


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise ImportError("Parquet files need pyarrow: pip install pyarrow") from error
    return pyarrow, pyarrow.parquet
