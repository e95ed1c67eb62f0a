"""The first reading of a source: how many points, are they numbers, what do they contain?

It gives the number of points, a digest of every `PART` of them, by which later passes notice that
the data have changed, and the sample that a fit of many data starts on (see `core.solve`): one
point from each stratum, the same points as from arrays in memory. Where the number of points is
not known beforehand (a sequential source, points left out), the sample takes a second reading.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import xxhash

from nlsq.core.model import Abscissae
from nlsq.core.problem import Observations, sample_places
from nlsq.core.solve import sample_size
from nlsq.streaming.feed import PART, Chunk, Feed
from nlsq.streaming.sources import Columns, DataSourceError, SequentialSource, Source


@dataclasses.dataclass(frozen=True)
class Survey:
    """What the first reading found.

    Attributes
    ----------
    n_points : int
        Points to fit.
    n_omitted : int
        Points left out.
    digests : tuple of bytes
        Of every `PART` points.
    sample : Observations
    """

    n_points: int
    n_omitted: int
    digests: tuple[bytes, ...]
    sample: Observations

    @property
    def fingerprint(self) -> str:
        """Digest of all points in their order."""
        return xxhash.xxh3_128_hexdigest(b"".join(self.digests))

    def require_all(self, seen: int, name: str) -> None:
        """Raise when a pass ended before the last point.

        Raises
        ------
        DataSourceError
        """
        if min(seen, self.n_points) != self.n_points:
            raise DataSourceError(
                f"{name}: there are {seen} points now, {self.n_points} when the fit began. Fit "
                "again when nobody writes to the data."
            )

    def require_same(self, chunk: Chunk, name: str) -> None:
        """Raise when a chunk's digests are not what they were at first.

        Raises
        ------
        DataSourceError
        """
        first = chunk.first // PART
        if chunk.digests != self.digests[first : first + len(chunk.digests)]:
            raise DataSourceError(
                f"{name}: the points {chunk.first} to {chunk.first + chunk.count - 1} have changed "
                "since the fit began. Fit again when nobody writes to the data."
            )


def survey(
    source: Source | SequentialSource,
    read_size: int,
    omit: bool,
    check: bool,
    advance: Callable[[int], None],
) -> Survey:
    """Read the source once, or twice where a sample needs it; advance(k) hears of k more points.

    Raises
    ------
    DataSourceError
        Points that are no numbers, naming the row, or no points at all.
    """
    feed = Feed(source, PART, read_size, omit, check)
    expected = source.n_points or 0
    taker = _Taker(expected)
    found, count, omitted = [], 0, 0
    for chunk in feed.chunks():
        found += chunk.digests
        taker.take(chunk)
        count, omitted = count + chunk.count, omitted + chunk.omitted
        feed.release(chunk)
        advance(chunk.count)
    if not count:
        raise DataSourceError(
            f"{source.name}: there are no points"
            + (f" left: all {omitted} have a NaN in x or y." if omitted else ".")
        )
    if count != expected:
        taker = _Taker(count)
        for chunk in feed.chunks():
            taker.take(chunk)
            feed.release(chunk)
    return Survey(count, omitted, tuple(found), taker.observations())


class _Taker:
    """Takes the sample of `m` points from chunks that come in order."""

    def __init__(self, m: int):
        self._places = sample_places(m, sample_size(m)) if m else np.zeros(0, int)
        self._taken: list[Columns] = []

    def take(self, chunk: Chunk) -> None:
        low, high = np.searchsorted(self._places, (chunk.first, chunk.first + chunk.count))
        at = self._places[low:high] - chunk.first
        points = chunk.points
        weights = None if points.sigma is None else points.sigma[at]
        self._taken.append(Columns(points.x[..., at], points.y[at], weights))

    def observations(self) -> Observations:
        x, y, weights = (
            None if parts[0] is None else np.concatenate(parts, axis=-1)
            for parts in zip(*self._taken, strict=True)
        )
        sigma = None
        if weights is not None:
            with np.errstate(divide="ignore"):
                sigma = 1 / weights
        return Observations(Abscissae(x, y.size), y, sigma, weights, None)
