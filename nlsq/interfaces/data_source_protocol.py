"""What an object must offer for its data to be fitted without being loaded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class DataSourceProtocol(Protocol):
    """Data of which any range of points can be read.

    Examples
    --------
    >>> import numpy as np
    >>> class Ramp:
    ...     n_points = 1_000_000
    ...     def get_chunk(self, start, end):
    ...         x = np.arange(start, end) / self.n_points
    ...         return x, 2 * x + 1
    >>> isinstance(Ramp(), DataSourceProtocol)
    True
    """

    @property
    def n_points(self) -> int:
        """Number of points; the same in every pass."""

    def get_chunk(self, start: int, end: int) -> tuple[Any, ...]:
        """(x, y) or (x, y, sigma) of the points start ... end - 1.

        y and sigma of shape (end - start,), x too or (k, end - start).
        """


@runtime_checkable
class StreamingDataSourceProtocol(Protocol):
    """Data that are read from the beginning, as often as the fit asks.

    Every ``iter(source)`` begins anew and gives the same points: a list of chunks, or a class
    whose `__iter__` is a generator function. A generator itself can be read only once and is
    refused.

    Examples
    --------
    >>> import numpy as np
    >>> class Files:
    ...     def __iter__(self):
    ...         for k in range(3):
    ...             x = np.linspace(k, k + 1, 1000)
    ...             yield x, np.exp(-x)
    >>> isinstance(Files(), StreamingDataSourceProtocol)
    True
    """

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Chunks (x, y) or (x, y, sigma) of any lengths, in order."""
