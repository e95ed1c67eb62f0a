"""Many fits to files and back."""

from __future__ import annotations

import json
import math
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
    try:
        arrays, facts = _read(path)
        whole = _fit_together(arrays, facts)
    except (AttributeError, KeyError, TypeError):  # of what a damaged file, or a stranger's, says
        whole = False
    if not whole:
        raise ValueError(f"{path} is damaged, or was not written by CurveFits.save")
    return arrays, facts


def _fit_together(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> bool:
    shape, names = facts["shape"], facts["param_names"]
    kinds = {
        "param_names": list, "messages": dict, "absolute_sigma": bool, "model_name": str,
        "wall_time": (int, float),
    }  # fmt: skip
    if not all(isinstance(facts[key], kind) for key, kind in kinds.items()):
        return False
    texts = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    if not texts or not all(type(k) is int and k >= 0 for k in shape):
        return False
    size, n = math.prod(shape), len(names)
    own = {"popt": (size, n), "pcov": (size, n, n), "status": (size,), "cost": (size,)}
    return all(arrays[name].shape == has for name, has in own.items()) and all(
        len(array) == size for array in arrays.values()
    )


def _read(path: pathlib.Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if path.is_dir():
        facts = json.loads((path / _FACTS).read_text(encoding="utf-8"))
        names = facts.pop("arrays")
        if not all(name.isidentifier() for name in names):  # of files beside this one
            return {}, {}
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
