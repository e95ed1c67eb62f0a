"""A few rows of a file that is larger than memory, evenly from all of it, as a table to look at."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np

from nlsq.io import Table
from nlsq.io.arrow import read_sample
from nlsq.io.opening import open_source as open_file
from nlsq.session import pieces
from nlsq.session.errors import DataError, ProgramError
from nlsq.session.pieces import kind_of, open_source
from nlsq.session.points import as_table, whole
from nlsq.session.settings import Data, Settings
from nlsq.utils.input_error import InputError

ROWS = 10_000
_HEAD, _BLOCK, _BLOCKS = 1 << 16, 1 << 14, 60  # bytes of a text that are read


def look(settings: Settings) -> tuple[Table, bool]:
    """The file as a table, and whether that is a sample, since it is larger than memory.

    Raises
    ------
    DataError, ConfigurationError
    """
    large = pieces.too_large(settings)
    return sampled(settings) if large else whole(settings.data), large


def written(path: Path) -> int:
    """When a file was written; 0 where there is none."""
    return path.stat().st_mtime_ns if path.exists() else 0


def fitted_in_pieces(settings: Settings, n_rows: int, is_sample: bool) -> bool:
    """Whether a fit will read the file piece by piece, however it was looked at.

    Raises
    ------
    DataError, ConfigurationError
        It would, and could not.
    """
    asked = is_sample or pieces.in_pieces_by_request(settings)
    wanted = (asked or n_rows >= pieces.MANY_LINES) and pieces.read_in_pieces(settings)
    if wanted:
        open_source(settings).close()
    return wanted


def sampled(settings: Settings) -> Table:
    """A table of about `ROWS` rows.

    Raises
    ------
    DataError, ConfigurationError
    """
    data = settings.data
    if kind_of(data) is None:
        open_source(settings)  # which says what can be read so
    try:
        if kind_of(data) == "csv":
            table = _of_text(data)
        elif kind_of(data) == "hdf5":
            table = _of_datasets(settings)
        else:
            table = read_sample(open_file(data.input_file), ROWS)
    except InputError as error:
        found = error if isinstance(error, ProgramError) else DataError(error.message, error.fix)
        raise found from None
    except OSError as error:
        raise DataError(f"{data.input_file}: cannot be read: {error.strerror or error}.") from None
    table.source = f"a sample of {data.input_file}"
    table.detected["shown"] = (
        f"{table.n_rows:,} rows evenly from the whole file, which is larger than memory; the fit "
        "reads it piece by piece"
    )
    return table


def _of_text(data: Data) -> Table:
    """Whole lines of blocks that lie evenly in the file."""
    size = data.input_file.stat().st_size
    with data.input_file.open("rb") as file:
        parts = [file.read(_HEAD)]
        for place in np.linspace(_HEAD, max(_HEAD, size - _BLOCK), _BLOCKS).astype(int):
            file.seek(max(place, file.tell()))
            parts.append(b"\n" + file.read(_BLOCK).partition(b"\n")[2])
    text = b"".join(part.rpartition(b"\n")[0] for part in parts)
    found = as_table(io.BytesIO(text), data)
    thin = found.take(slice(None, None, -(-found.n_rows // ROWS)))
    columns = [(name, thin[name]) for name in thin.names]
    return Table(columns, units=found.units, detected=found.detected)


def _of_datasets(settings: Settings) -> Table:
    """Columns of an HDF5 file, each when it is asked for."""
    table = as_table(settings.data.input_file, settings.data)  # of which none is read here
    columns = [(name, partial(_dataset, settings, name)) for name in table.names]
    number = min(table.n_rows, ROWS)
    return Table(columns, n_rows=number, units=table.units, detected=table.detected)


def _dataset(settings: Settings, name: str) -> np.ndarray:
    from nlsq.streaming import loading

    alone = Data(
        input_file=settings.data.input_file, format=settings.data.format,
        columns={"x": name, "y": name}, group=settings.data.group,
    )  # fmt: skip
    return loading.glance(open_source(settings.model_copy(update={"data": alone})), ROWS)[1]
