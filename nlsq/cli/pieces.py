"""Files that are read piece by piece: whether, as what source, and with which options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from nlsq.cli.errors import ConfigurationError, DataError
from nlsq.cli.settings import Settings


def open_source(settings: Settings) -> Any:
    """The file as a source of pieces.

    Raises
    ------
    DataError, ConfigurationError
    """
    from nlsq import streaming

    data = settings.data
    kinds = {
        "hdf5": streaming.HDF5Source, "parquet": streaming.ParquetSource,
        "arrow": streaming.ArrowSource, "csv": streaming.CSVSource, "zarr": streaming.ZarrSource,
    }  # fmt: skip
    suffix = data.input_file.suffix.lower()[1:]
    same = {"h5": "hdf5", "he5": "hdf5", "feather": "arrow"}
    kind = kinds.get(data.format or same.get(suffix, suffix))
    if kind is None:
        raise ConfigurationError(
            f"{data.input_file}: of these kinds only are files read piece by piece: "
            f"{', '.join(kinds)}."
        )
    said = data.csv.model_dump(exclude_defaults=True)
    more = {}
    if kind is streaming.CSVSource and "delimiter" in said:
        more["delimiter"] = said.pop("delimiter")
    if said:
        raise ConfigurationError(
            f"{data.input_file}: a file that is read piece by piece begins with its header; "
            f"{', '.join(said)} cannot be said."
        )
    columns = data.columns
    names = [*(columns.x if isinstance(columns.x, list) else [columns.x]), columns.y]
    names += [] if columns.sigma is None else [columns.sigma]
    if data.where is not None or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(
            f"{data.input_file}: a file that is read piece by piece needs columns by name, not by "
            "number, and takes no condition (--where).",
            "Read it at once with --workflow direct if it fits into memory.",
        )
    if data.group is not None and kind not in (streaming.HDF5Source, streaming.ZarrSource):
        raise ConfigurationError(f"{data.input_file}: only HDF5 and Zarr files have groups.")
    prefix = "" if data.group is None else data.group.rstrip("/") + "/"
    x = [prefix + n for n in columns.x] if isinstance(columns.x, list) else prefix + columns.x
    sigma = None if columns.sigma is None else prefix + columns.sigma
    if kind is streaming.HDF5Source:
        _refuse_elsewhere(data.input_file, [prefix + name for name in names])
    try:
        return kind(data.input_file, x, prefix + columns.y, sigma, rows=data.slice, **more)
    except (streaming.DataSourceError, OSError, ImportError) as error:
        raise DataError(str(error)) from None


def _refuse_elsewhere(path: Path, names: list[str]) -> None:
    """Refuse datasets that are kept in another file: who made this one may have named any."""
    from nlsq.security.paths import kept_elsewhere
    from nlsq.streaming import DataSourceError
    from nlsq.streaming.file_sources import open_hdf5

    try:
        with open_hdf5(path) as file:
            others = {name: kept_elsewhere(file, name) for name in names}
    except (DataSourceError, OSError) as error:
        raise DataError(str(error)) from None
    for name, other in others.items():
        if other is not None:
            raise DataError(
                f"{path}: {name!r} is kept in another file, {other!r}, which is not read.",
                "Copy the values into one file with the program that wrote it, or with h5repack.",
            )


def read_in_pieces(settings: Settings) -> bool:
    """Whether the file is read piece by piece: asked for, or it would not fit into memory."""
    from nlsq.caching.memory_manager import manager

    work, data = settings.workflow, settings.data
    if work.strategy == "direct" or data.from_stdin:
        return False
    if work.strategy != "auto" or work.checkpoint is not None or work.chunk_size is not None:
        return True
    path = data.input_file
    usable = manager.usable_bytes()
    if work.memory_limit_gb is not None:
        usable = min(usable, int(work.memory_limit_gb * 1e9))
    return os.path.isfile(path) and 4 * path.stat().st_size > usable


def reading_options(settings: Settings) -> dict[str, Any]:
    """Keywords of `nlsq.fit` about how a file is read."""
    work = settings.workflow
    given = {
        "workflow": work.strategy, "memory_limit_gb": work.memory_limit_gb,
        "chunk_size": work.chunk_size, "checkpoint": work.checkpoint,
        "checkpoint_interval": work.checkpoint_interval if work.checkpoint else None,
        "nan_policy": "omit" if settings.fitting.nan_policy == "omit" else None,
    }  # fmt: skip
    return {k: v for k, v in given.items() if v is not None}


def glance(settings: Settings, points: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    """A few points of a file that is read piece by piece, for a guess."""
    from nlsq.streaming import loading

    return loading.glance(open_source(settings), points)
