"""Where long data are read from: one interface to arrays, files and whatever the user has.

A fit reads its data from the beginning to the end, once in every pass. `Source.read_into` fills
buffers that the fit owns, so that files are read to where the engine works on them;
`SequentialSource` is for data that come in pieces of their own.

Shapes: y and sigma (m,), x (m,) or (k, m), k coordinates per point. `rows` leaves out points:
``slice(first, stop, stride)`` as in NumPy, applied by the source, so that a point's number in
errors is its `row` in the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from nlsq.core.problem.observations import labels_of
from nlsq.utils.given import hidden_points, refuse_dates, refuse_units

ALL_ROWS = slice(None)


class DataSourceError(ValueError):
    """Data that cannot be read or do not hold what a fit needs; says where and what to do."""


class Form(NamedTuple):
    """What a source's points look like; the same in every pass."""

    coordinates: int | None  # k of x (k, m); None for x (m,)
    weighted: bool  # whether there is a sigma
    complex_values: bool  # whether y is complex

    @property
    def bytes_per_point(self) -> int:
        """Of x, y and sigma as the engine takes them."""
        return 8 * ((self.coordinates or 1) + 1 + self.weighted + self.complex_values)

    def allocate(self, length: int, make: Callable = np.empty) -> Columns:
        """Buffers for `length` points, by make(shape, dtype)."""
        x = (length,) if self.coordinates is None else (self.coordinates, length)
        return Columns(
            make(x, float),
            make((length,), complex if self.complex_values else float),
            make((length,), float) if self.weighted else None,
        )


class Columns(NamedTuple):
    """Consecutive points, as arrays or as buffers to be filled."""

    x: np.ndarray  # (b,) or (k, b), float64
    y: np.ndarray  # (b,), float64 or complex128
    sigma: np.ndarray | None  # (b,), float64

    def part(self, first: int, stop: int) -> Columns:
        """The points first ... stop - 1 (views)."""
        sigma = None if self.sigma is None else self.sigma[first:stop]
        return Columns(self.x[..., first:stop], self.y[first:stop], sigma)

    def fill(self, points: Columns) -> None:
        """Copy `points`, of the same number and form, into these buffers."""
        self.x[...] = points.x
        self.y[...] = points.y
        if self.sigma is not None:
            self.sigma[...] = points.sigma


class Source(ABC):
    """Data of which the number of points is known and any range can be read.

    Attributes
    ----------
    name : str
        For messages: a path, 'arrays'.
    form : Form
    n_points : int
        Points after `rows`.
    stored : bool
        Reading takes longer than memory does, so that chunks are worth keeping.
    """

    name: str
    labels: Mapping[str, str] = {}  # names of x and y, where they have any
    x_names: tuple[str, ...] = ()  # of the coordinates, where they have any
    form: Form
    n_points: int
    stored = False

    @abstractmethod
    def read_into(self, start: int, buffers: Columns) -> None:
        """Fill the buffers with the points from `start` on.

        Raises
        ------
        DataSourceError
            When they are not there any more, or are not numbers.
        """

    def get_chunk(self, start: int, end: int) -> tuple[np.ndarray, ...]:
        """(x, y) or (x, y, sigma) of the points start ... end - 1; see `DataSourceProtocol`."""
        points = self.form.allocate(end - start)
        self.read_into(start, points)
        return tuple(part for part in points if part is not None)

    def pick(self, points: np.ndarray, buffers: Columns) -> bool:
        """Fill the buffers with single points, unless that takes as long as reading all.

        False leaves the buffers as they are, or in any state.
        """
        return False

    @property
    def chunk(self) -> int:
        """Points that are stored and read together; 1 if any range is as good as another."""
        return 1

    def row(self, point: int) -> int:
        """Row of the file that a point stands in, from 0."""
        return point

    def boundary(self, start: int, stop: int) -> int:
        """Where a read of start ... stop should better end, at most `stop`: at a chunk's end."""
        return stop

    def close(self) -> None:  # noqa: B027 (nothing to release is no fault)
        """Release files; they are opened again when they are read again."""


class SequentialSource(ABC):
    """Data that come in pieces, read from the beginning.

    Attributes
    ----------
    name : str
    form : Form
    n_points : int or None
        Where it is known before reading.
    """

    name: str
    labels: Mapping[str, str] = {}  # names of x and y, where they have any
    x_names: tuple[str, ...] = ()  # of the coordinates, where they have any
    form: Form
    n_points: int | None

    @abstractmethod
    def __iter__(self) -> Iterator[Columns]:
        """A generator of pieces of any length, in order; float64 (or complex128 y).

        Raises
        ------
        DataSourceError
            When the data cannot be read on, or are not numbers.
        """

    def between(self, first: int, stop: int) -> Iterator[Columns] | None:
        """The points first ... stop - 1 in pieces, where those before need not be read."""
        return None

    def row(self, point: int) -> int:
        """Row of the file that a point stands in, from 0."""
        return point

    def close(self) -> None:  # noqa: B027
        """Release files."""


class Rows:
    """The points of `total` rows that a slice picks."""

    def __init__(self, rows: slice, total: int, name: str):
        if not isinstance(rows, slice):
            raise TypeError(f"rows must be a slice, e.g. slice(1000, None, 10); got {rows!r}.")
        self.first, self.stop, self.step = rows.indices(total)
        if self.step < 1:
            raise ValueError(f"rows must run forwards; the stride is {self.step}.")
        self.count = len(range(self.first, self.stop, self.step))
        if not self.count:
            raise DataSourceError(f"{name}: no point is left of {total} rows by {rows}.")

    def row(self, point):
        """Row of a point, or of an array of them."""
        return self.first + point * self.step

    def of(self, start: int, count: int) -> slice:
        """The rows of `count` points from `start` on."""
        first = self.row(start)
        return slice(first, first + (count - 1) * self.step + 1, self.step)


class ArraySource(Source):
    """Arrays in memory, memory maps too.

    Parameters
    ----------
    x : array_like (m,) or (k, m)
    y : array_like (m,)
    sigma : None, number or array_like (m,)
        Standard deviations of y.
    rows : slice
        Which points to take.

    Examples
    --------
    >>> import numpy as np
    >>> ArraySource(np.arange(10.0), np.ones(10), rows=slice(2, None, 3)).n_points
    3
    """

    name = "the arrays"

    def __init__(self, x: Any, y: Any, sigma: Any = None, *, rows: slice = ALL_ROWS):
        hidden = hidden_points(x, y, sigma)
        self.labels = labels_of(x, y)
        self.x_names = (self.labels["x"],) if "x" in self.labels else ()
        self._x, self._y = numbers(x, "x"), numbers(y, "y")
        if self._y.ndim != 1:
            raise ValueError(f"y must have shape (m,), got {self._y.shape}.")
        m = len(self._y)
        if self._x.ndim not in (1, 2) or self._x.shape[-1] != m:
            raise ValueError(
                f"x must have shape ({m},) or (k, {m}), as y has {m} points; got {self._x.shape}."
            )
        self._sigma = None if sigma is None else numbers(sigma, "sigma")
        if self._sigma is not None:
            if self._sigma.shape not in ((), (1,), (m,)):
                raise ValueError(
                    f"sigma must be a number or have shape ({m},), got {self._sigma.shape}. A "
                    "covariance matrix couples the points: such data are fitted by curve_fit."
                )
            self._sigma = np.broadcast_to(self._sigma, m)
        if hidden is not None:  # weight 0, and what lies under a mask is nobody's business
            self._sigma = np.where(hidden, np.inf, 1.0 if sigma is None else self._sigma)
            self._y = np.where(hidden, 0.0, self._y)
            self._x = np.where(hidden, self._x[..., np.argmin(hidden), None], self._x)
        self._rows = Rows(rows, m, self.name)
        self.n_points = self._rows.count
        self.form = Form(
            self._x.shape[0] if self._x.ndim == 2 else None,
            self._sigma is not None,
            self._y.dtype.kind == "c",
        )

    def read_into(self, start: int, buffers: Columns) -> None:
        self._copy(self._rows.of(start, len(buffers.y)), buffers)

    def pick(self, points: np.ndarray, buffers: Columns) -> bool:
        self._copy(self._rows.row(points), buffers)
        return True

    def _copy(self, rows: slice | np.ndarray, buffers: Columns) -> None:
        sigma = None if self._sigma is None else self._sigma[rows]
        buffers.fill(Columns(self._x[..., rows], self._y[rows], sigma))

    def row(self, point: int) -> int:
        return self._rows.row(point)


def numbers(data: Any, name: str, place: str = "") -> np.ndarray:
    """Real numbers, or complex ones for y, of anything array-like.

    Raises
    ------
    TypeError
    """
    refuse_units(data, f"{place}{name}")
    array = np.asarray(data)
    if array.dtype.kind not in "fiubc" or (array.dtype.kind == "c" and name != "y"):
        refuse_dates(array, f"{place}{name}")
        raise TypeError(f"{place}{name} must be real numbers, got an array of type {array.dtype}.")
    return array
