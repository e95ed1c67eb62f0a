"""Columns of pyarrow as NumPy arrays, without the detour over pandas that pyarrow itself takes.

Where pandas is installed, `to_numpy` loads it: 50 MB and a quarter of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from nlsq.utils import interruption


@contextmanager
def interruptible() -> Iterator[None]:
    """Around pyarrow's reader of CSV, which traps signals and makes an error of its own of them.

    Raises
    ------
    KeyboardInterrupt
    """
    from pyarrow import ArrowCancelled

    try:
        yield
    except ArrowCancelled:
        interruption.check()
        raise KeyboardInterrupt from None


def floats(column: Any) -> np.ndarray:
    """The values of a column of float64, null as NaN; without a copy where it is in one piece."""
    return _values(column, np.float64)


def integers(column: Any) -> np.ndarray:
    """The values of a column of whole numbers without null, in their own type."""
    return _values(column, column.type.to_pandas_dtype())


def _values(column: Any, kind: type) -> np.ndarray:
    pieces = column.chunks if hasattr(column, "chunks") else [column]
    parts = [_piece(piece, kind) for piece in pieces if len(piece)]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, kind)


def _piece(piece: Any, kind: type) -> np.ndarray:
    known, held = piece.buffers()
    seen = slice(piece.offset, piece.offset + len(piece))
    values = np.frombuffer(held, kind)[seen]
    if piece.null_count:
        bits = np.unpackbits(np.frombuffer(known, np.uint8), bitorder="little")
        values = np.where(bits[seen], values, np.nan)
    return values
