"""Files that are read piece by piece: whether, as what source, and with which options."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, closing, nullcontext
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.session.errors import ConfigurationError, DataError, ProgramError
from nlsq.session.points import select_from
from nlsq.session.settings import Data, Settings

if TYPE_CHECKING:
    from nlsq.interfaces.orchestration_protocol import StreamingDecision

# Points from which on a file is read piece by piece, where it can be: fewer are fitted in memory
# before JAX is imported. Reading a text at once takes several times the memory of its numbers.
MANY, MANY_LINES = 2 * 10**6, 10**6
_HEAD = 1 << 16  # bytes of a text file that are looked at


def kind_of(data: Data) -> str | None:
    """Which of the kinds that are read piece by piece a file is; None where it is another."""
    suffix = data.input_file.suffix.lower()[1:]
    same = {"h5": "hdf5", "he5": "hdf5", "feather": "arrow"}
    kind = data.format or same.get(suffix, suffix)
    return kind if kind in ("hdf5", "parquet", "arrow", "csv", "zarr") else None


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
    kind = kinds.get(kind_of(data) or "")
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
    if columns.group is not None:
        raise ConfigurationError(
            f"{data.input_file}: the groups of a file that is read piece by piece are not known.",
            "Read it at once with --workflow direct if it fits into memory.",
        )
    names = [*(columns.x if isinstance(columns.x, list) else [columns.x]), columns.y]
    names += [] if columns.sigma is None else [columns.sigma]
    chosen = (data.where, data.exclude, data.x_range)
    if any(v is not None for v in chosen) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(
            f"{data.input_file}: a file that is read piece by piece needs columns by name, not by "
            "number, and leaves out no rows (--where, --exclude, --x-range).",
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


def allowed_memory(settings: Settings) -> AbstractContextManager:
    """The memory that the user allows, for as long as the fit takes."""
    from nlsq import MemoryConfig, memory_context

    limit = settings.workflow.memory_limit_gb
    if limit is None:
        return nullcontext()
    return memory_context(MemoryConfig(memory_limit_gb=limit))


def read_in_pieces(settings: Settings) -> bool:
    """Whether the file is read piece by piece: asked for, long, or more than fits into memory."""
    work, data = settings.workflow, settings.data
    if work.processes > 1:
        _require_shared(settings)
        return True
    if work.strategy == "direct" or data.from_stdin:
        return False
    if in_pieces_by_request(settings):
        return True
    return too_large(settings) or (os.path.isfile(data.input_file) and has_many(settings))


def _require_shared(settings: Settings) -> None:
    """Refuse what several processes do not share."""
    work, model = settings.workflow, settings.model
    why = ""
    if work.strategy == "direct":
        why = "--workflow direct holds the data in the memory of one"
    elif settings.data.from_stdin:
        why = "standard input can be read by one only"
    elif model.path is not None and not model.trusted:
        why = f"{model.path} runs confined in one unless it is trusted (--trust)"
    elif sys.platform == "win32":
        why = "on Windows the program starts none; nlsq.distributed joins your own"
    if why:
        raise ConfigurationError(
            f"{work.processes} processes are to share the fit, but {why}.", "Leave one away."
        )


def too_large(settings: Settings) -> bool:
    """Whether a file is more than fits into memory as a table."""
    path = settings.data.input_file
    return os.path.isfile(path) and not _fits(4 * path.stat().st_size, settings)


def in_pieces_by_request(settings: Settings) -> bool:
    """Whether the user asked for what only a fit in pieces has."""
    work = settings.workflow
    asked = work.strategy != "auto" or work.checkpoint is not None or work.chunk_size is not None
    return asked or work.processes > 1 or settings.fitting.goal == "memory_efficient"


def has_many(settings: Settings) -> bool:
    """Whether the file has many points and can be read piece by piece."""
    path = settings.data.input_file
    if path.suffix.lower() == ".csv" and path.stat().st_size < 4 * MANY_LINES:  # "1,2" and its end
        return False
    try:
        source = open_source(settings)
    except ProgramError:  # it is read at once, which says what is wrong
        return False
    with closing(source):
        if source.n_points is not None:
            return source.n_points >= MANY
        with path.open("rb") as file:
            head = file.read(_HEAD)
        rows = head.count(b"\n") * path.stat().st_size / max(len(head), 1)
        return rows >= MANY_LINES and _is_plain(settings, source, head)


def _is_plain(settings: Settings, source: Any, head: bytes) -> bool:
    """Whether the first rows of a text file mean the same read in pieces and read at once."""
    top = head[: head.rfind(b"\n") + 1]
    if settings.data.rows is not None:
        return False
    from nlsq.streaming import DataSourceError

    try:
        points = select_from(BytesIO(top), settings.data)
        piece = next(iter(source))
    except (ProgramError, DataSourceError):
        return False
    m = points.y.size
    pairs = zip((points.x, points.y, points.sigma), piece, strict=True)
    return all(
        own is None or np.array_equal(own, other[..., :m], equal_nan=True) for own, other in pairs
    )


def decision(settings: Settings, source: Any) -> StreamingDecision:
    """The road of a file that is read piece by piece, and why."""
    from nlsq.config import get_large_dataset_config
    from nlsq.core.orchestration import StreamingCoordinator

    work, n_points = settings.workflow, source.n_points
    asked = "checkpoint" if work.checkpoint else "chunk_size" if work.chunk_size else ""
    asked = asked or ("processes" if work.processes > 1 else "")
    asked = asked or ("goal" if settings.fitting.goal == "memory_efficient" else "")
    made = StreamingCoordinator().decide(
        n_points, source.form.bytes_per_point, False, _usable(settings),
        get_large_dataset_config(), work.strategy, asked,
    )  # fmt: skip
    if made.strategy == "direct" and work.strategy == "auto" and n_points >= MANY:
        return made._replace(strategy="chunked", reason=f"{n_points:,} points are many")
    return made


def _fits(n_bytes: int, settings: Settings) -> bool:
    """Whether so many bytes fit into the memory that a fit may plan with."""
    from nlsq.caching.memory_manager import manager

    limit = settings.workflow.memory_limit_gb
    return manager.fits(n_bytes) and (limit is None or n_bytes <= limit * 1e9)


def _usable(settings: Settings) -> int:
    """Memory that a fit may plan with, bytes."""
    from nlsq.caching.memory_manager import manager

    limit = settings.workflow.memory_limit_gb
    usable = manager.usable_bytes()
    return usable if limit is None else min(usable, int(limit * 1e9))


def reading_options(settings: Settings, source: Any) -> dict[str, Any]:
    """Keywords of `nlsq.fit` about how a file is read."""
    work = settings.workflow
    given = {
        "workflow": decision(settings, source).strategy, "memory_limit_gb": work.memory_limit_gb,
        "chunk_size": work.chunk_size, "checkpoint": work.checkpoint,
        "checkpoint_interval": work.checkpoint_interval if work.checkpoint else None,
        "nan_policy": "omit" if settings.fitting.nan_policy == "omit" else None,
    }  # fmt: skip
    return {k: v for k, v in given.items() if v is not None}


def glance(settings: Settings, points: int = 10_000) -> tuple[np.ndarray, np.ndarray]:
    """A few points of a file that is read piece by piece, for a guess."""
    from nlsq.streaming import loading

    return loading.glance(open_source(settings), points)
