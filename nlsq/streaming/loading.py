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
    """(x, y) of about `count` points: in runs over the whole source, or those it begins with."""
    try:
        if not isinstance(source, Source):
            piece = next(iter(source))
            return piece.x[..., :count], piece.y[:count]
        m, run = source.n_points, 100
        starts = np.linspace(0, max(m - run, 0), min(max(count // run, 1), -(-m // run)))
        parts = []
        for start in np.unique(starts.astype(int)).tolist():
            parts.append(empty(source.form, min(run, m - start)))
            source.read_into(start, parts[-1])
        return (
            np.concatenate([p.x for p in parts], axis=-1),
            np.concatenate([p.y for p in parts]),
        )
    finally:
        source.close()


def empty(form: Form, length: int) -> Columns:
    """Fresh arrays for `length` points."""
    x = (length,) if form.coordinates is None else (form.coordinates, length)
    return Columns(
        np.empty(x),
        np.empty(length, complex if form.complex_values else float),
        np.empty(length) if form.weighted else None,
    )
