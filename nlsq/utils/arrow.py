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
    pieces = column.chunks if hasattr(column, "chunks") else [column]
    parts = [_piece(piece) for piece in pieces if len(piece)]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0)


def _piece(piece: Any) -> np.ndarray:
    known, held = piece.buffers()
    seen = slice(piece.offset, piece.offset + len(piece))
    values = np.frombuffer(held, np.float64)[seen]
    if piece.null_count:
        bits = np.unpackbits(np.frombuffer(known, np.uint8), bitorder="little")
        values = np.where(bits[seen], values, np.nan)
    return values
