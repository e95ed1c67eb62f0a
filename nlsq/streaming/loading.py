"""A source's points as arrays, for data that fit into memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from nlsq.caching.memory_manager import manager
from nlsq.streaming.sources import Columns, DataSourceError, Form, SequentialSource, Source


def load(source: Source | SequentialSource) -> tuple[np.ndarray, np.ndarray, Any]:
    """(x, y, sigma or None) of all points.

    Raises
    ------
    MemoryError
        When they do not fit into the memory allowed.
    """
    try:
        if isinstance(source, Source):
            manager.require(source.n_points * source.form.bytes_per_point, f"{source.name}")
            columns = empty(source.form, source.n_points)
            source.read_into(0, columns)
            return tuple(columns)
        pieces, size = [], 0
        for piece in source:
            size += len(piece.y) * source.form.bytes_per_point
            manager.require(2 * size, f"{source.name}")  # the pieces and what they are joined to
            pieces.append(piece)
    finally:
        source.close()
    if not pieces:
        raise DataSourceError(f"{source.name}: there are no points.")
    return tuple(
        None if column[0] is None else np.concatenate(column, axis=-1)
        for column in zip(*pieces, strict=True)
    )


def glance(source: Source | SequentialSource, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) of at least `count` points, evenly from the whole source; of all if it has fewer."""
    try:
        if not isinstance(source, Source):
            return _thinned(source, count)
        m = source.n_points
        found = empty(source.form, min(count, m))
        places = np.linspace(0, m - 1, len(found.y)).astype(int)
        if source.pick(places, found):
            return found.x, found.y
        parts = []
        for start in range(0, m, run := 1 << 16):
            parts.append(empty(source.form, min(run, m - start)))
            source.read_into(start, parts[-1])
            wanted = places[(places >= start) & (places < start + run)] - start
            parts[-1] = Columns(parts[-1].x[..., wanted], parts[-1].y[wanted], None)
        return _joined(parts)
    finally:
        source.close()


def _thinned(source: SequentialSource, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Every k-th point, k doubled whenever there are twice as many as wanted."""
    parts: list[Columns] = []
    step, first, held = 1, 0, 0  # `first`: where in the next piece the next point stands
    for piece in source:
        # copies: views would hold half of the file in memory
        x, y = piece.x[..., first::step].copy(), piece.y[first::step].copy()
        parts.append(Columns(x, y, None))
        held += len(parts[-1].y)
        first = (first - len(piece.y)) % step
        while held >= 2 * count:
            x, y = _joined(parts)
            # the next point is kept where an even number of them stands before it
            first += step * (len(y) % 2)
            step *= 2
            parts = [Columns(x[..., ::2], y[::2], None)]
            held = len(parts[0].y)
    return _joined(parts)


def _joined(parts: list[Columns]) -> tuple[np.ndarray, np.ndarray]:
    x, y = ([getattr(part, name) for part in parts] for name in ("x", "y"))
    return np.concatenate(x, axis=-1), np.concatenate(y)


def empty(form: Form, length: int) -> Columns:
    """Fresh arrays for `length` points."""
    x = (length,) if form.coordinates is None else (form.coordinates, length)
    return Columns(
        np.empty(x),
        np.empty(length, complex if form.complex_values else float),
        np.empty(length) if form.weighted else None,
    )
