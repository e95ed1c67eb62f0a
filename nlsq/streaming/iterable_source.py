"""Data from objects of the user's own: chunks to iterate over, or any range on request."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from nlsq.interfaces import DataSourceProtocol, StreamingDataSourceProtocol
from nlsq.streaming.sources import (
    Columns,
    DataSourceError,
    Form,
    SequentialSource,
    Source,
    numbers,
)
from nlsq.utils.given import refuse_masks

_CALL = 1 << 16  # points that one call should give where there is a choice: it may be a long way


class IterableSource(SequentialSource):
    """Chunks (x, y) or (x, y, sigma) of any lengths.

    Parameters
    ----------
    chunks : iterable
        A list of tuples, or an object whose ``__iter__`` starts anew each time and gives the same
        points: the fit reads them several times. If it has an attribute `n_points`, so many
        points must come. x has shape (b,) or (k, b), y and sigma (b,).

    Raises
    ------
    TypeError
        `chunks` is a generator or another iterator, or its pieces are not tuples of real arrays.
    DataSourceError
        A piece has other shapes than the first, or a pass gives other points.

    Examples
    --------
    >>> import numpy as np
    >>> class Days:
    ...     def __iter__(self):
    ...         for day in range(3):
    ...             t = np.linspace(day, day + 1, 100, endpoint=False)
    ...             yield t, np.exp(-t)
    >>> source = IterableSource(Days())
    >>> [len(points.y) for points in source]
    [100, 100, 100]
    """

    def __init__(self, chunks: StreamingDataSourceProtocol):
        if not isinstance(chunks, Iterable):
            raise TypeError(f"chunks must be iterable, got {type(chunks).__name__}.")
        begun = iter(chunks)
        if begun is chunks:
            raise TypeError(
                f"A {type(chunks).__name__} can be read only once, and a fit reads its data in "
                "every iteration. Pass a list of chunks, or an object whose __iter__ is the "
                "generator function and so starts anew."
            )
        self._chunks, self.name = chunks, f"the {type(chunks).__name__} of chunks"
        self.n_points = _point_count(chunks, self.name) if hasattr(chunks, "n_points") else None
        self._count = self.n_points  # points that a pass must give
        first = next(begun, None)
        if first is None:
            raise DataSourceError(f"{self.name} is empty.")
        self.form = form_of(_columns(first, f"{self.name}: piece 0"))

    def __iter__(self) -> Iterator[Columns]:
        given = 0
        for number, piece in enumerate(self._chunks):
            place = f"{self.name}: piece {number} (from row {given})"
            points = _columns(piece, place)
            if (form := form_of(points)) != self.form:
                raise DataSourceError(
                    f"{place} is {_words(form)}, but the first was {_words(self.form)}. "
                    "All must be alike."
                )
            given += len(points.y)
            yield points
        if self._count is not None and given != self._count:
            whence = "n_points says" if self.n_points is not None else "the first pass gave"
            raise DataSourceError(
                f"{self.name} gave {given} points, but {whence} {self._count}. Every pass must "
                "give the same."
            )
        self._count = given


class ProtocolSource(Source):
    """Any object with `n_points` and ``get_chunk(start, end)``: a `DataSourceProtocol`.

    Parameters
    ----------
    data : DataSourceProtocol

    Raises
    ------
    TypeError
        What it gives is not a tuple of real arrays.
    DataSourceError
        It has no points, or gives arrays of other shapes than asked for.

    Examples
    --------
    >>> import numpy as np
    >>> class Ramp:
    ...     n_points = 1_000_000
    ...     def get_chunk(self, start, end):
    ...         x = np.arange(start, end) / self.n_points
    ...         return x, 2 * x + 1
    >>> source = ProtocolSource(Ramp())
    >>> points = Columns(np.empty(3), np.empty(3), None)
    >>> source.read_into(500_000, points)
    >>> points.y
    array([2.      , 2.000002, 2.000004])
    """

    def __init__(self, data: DataSourceProtocol):
        self._data, self.name = data, f"the {type(data).__name__}"
        self.n_points = _point_count(data, self.name)
        if not self.n_points:
            raise DataSourceError(f"{self.name} has no points: its n_points is 0.")
        self.form = form_of(self._chunk(0, 1))

    @property
    def chunk(self) -> int:
        return _CALL

    def read_into(self, start: int, buffers: Columns) -> None:
        stop = start + len(buffers.y)
        points = self._chunk(start, stop)
        if (form := form_of(points)) != self.form:
            raise DataSourceError(
                f"{self.name}: get_chunk({start}, {stop}) gave {_words(form)}, but get_chunk(0, 1) "
                f"{_words(self.form)}. All must be alike."
            )
        buffers.fill(points)

    def _chunk(self, start: int, stop: int) -> Columns:
        place = f"{self.name}: get_chunk({start}, {stop})"
        points = _columns(self._data.get_chunk(start, stop), place)
        if len(points.y) != stop - start:
            raise DataSourceError(f"{place} gave {len(points.y)} points instead of {stop - start}.")
        return points


def form_of(points: Columns) -> Form:
    """The form of points that have been read."""
    return Form(
        points.x.shape[0] if points.x.ndim == 2 else None,
        points.sigma is not None,
        points.y.dtype.kind == "c",
    )


def _point_count(data: Any, name: str) -> int:
    try:
        count = operator.index(data.n_points)
    except TypeError:
        raise TypeError(f"n_points of {name} must be an integer, got {data.n_points!r}.") from None
    if count < 0:
        raise DataSourceError(f"n_points of {name} is {count}.")
    return count


def _columns(piece: Any, place: str) -> Columns:
    """Check a user's tuple and convert it."""
    if not isinstance(piece, (tuple, list)) or len(piece) not in (2, 3):
        got = f"{len(piece)} items" if isinstance(piece, (tuple, list)) else type(piece).__name__
        raise TypeError(f"{place} must be a tuple (x, y) or (x, y, sigma), got {got}.")
    x, y, sigma = [
        None if name == "sigma" and values is None else _floats(values, name, place)
        for name, values in zip(("x", "y", "sigma"), (*piece, None)[:3], strict=True)
    ]
    if y.ndim != 1:
        raise DataSourceError(f"{place}: y must have shape (b,), it has {y.shape}.")
    if x.ndim not in (1, 2) or x.shape[-1] != len(y):
        raise DataSourceError(
            f"{place}: x must have shape ({len(y)},) or (k, {len(y)}), as y has {len(y)} points; "
            f"it has {x.shape}."
        )
    if sigma is not None and sigma.shape != y.shape:
        raise DataSourceError(
            f"{place}: sigma must have shape ({len(y)},) as y; it has {sigma.shape}."
        )
    return Columns(x, y, sigma)


def _floats(values: Any, name: str, place: str) -> np.ndarray:
    refuse_masks(
        values, f"{place}: {name}", "Leave such points out, or give them sigma=inf: weight 0."
    )
    array = numbers(values, name, f"{place}: ")
    return array.astype(complex if array.dtype.kind == "c" else float, copy=False)


def _words(form: Form) -> str:
    x = "x (b,)" if form.coordinates is None else f"x ({form.coordinates}, b)"
    sigma = "with sigma" if form.weighted else "without sigma"
    return f"{x}, {'complex' if form.complex_values else 'real'} y, {sigma}"
