"""What is known of a source before the fit: how many points, are they numbers, a sample.

The first reading gives the number of points, a digest of every `PART` of them, and the sample that
a fit of many data starts on (see `sampling`): one point from each stratum, the same points as
from arrays in memory. Where the number of points is not known beforehand (a sequential source,
points left out), the sample takes a second reading.

Where the number is known and the sample's points are far apart in a source that gives single
points, these are all that is read beforehand. A fit with checkpoints reads everything first, since
they are of the whole data.

That the data have changed is noticed by the checksum that every pass takes of a chunk, and in the
first one, where everything was read before, by the digests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import xxhash

from nlsq.core.drive.sampling import sample_size
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.passes.layout import CHUNKS
from nlsq.core.problem.observations import Observations, sample_places
from nlsq.distributed.alone import ALONE, Alone
from nlsq.streaming.feed import Chunk, Feed, apart, are_good, to_weights
from nlsq.streaming.loading import empty
from nlsq.streaming.shares import Shares
from nlsq.streaming.sources import Columns, DataSourceError, SequentialSource, Source
from nlsq.utils import interruption

if TYPE_CHECKING:
    from nlsq.distributed.ranks import Ranks

PART = CHUNKS[0][0]  # points under one digest; divides the chunks of every length
FAR = 512  # points between two of a sample, from which on it is read alone: 4 KiB, a page


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was found before the first pass, or in it.

    Attributes
    ----------
    n_points : int
        Points to fit.
    n_omitted : int
        Points left out.
    digests : tuple of bytes
        Of every `PART` points; empty where only the sample was read.
    sample : Observations
    checksums : dict
        Of the chunks that have been passed over: (points, checksum) by their number.
    idle : dict
        Points of weight 0 by the number of the chunk that they were counted in.
    """

    n_points: int
    n_omitted: int
    digests: tuple[bytes, ...]
    sample: Observations
    checksums: dict[int, tuple[int, bytes]] = dataclasses.field(default_factory=dict)
    idle: dict[int, int] = dataclasses.field(default_factory=dict)

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

    def require_same(self, chunk: Chunk, checksum: np.ndarray, name: str) -> None:
        """Raise when a chunk is not what it was at first.

        Raises
        ------
        DataSourceError
        """
        if not chunk.count:  # the last points were left out; `require_all` counts
            return
        now = chunk.count, checksum.tobytes()
        known = self.checksums.setdefault(chunk.index, now)
        same = known == now
        if known is now and not self.digests:
            self.idle[chunk.index] = count_idle(chunk)
        if known is now and self.digests:
            first = chunk.first // PART
            found = digests(chunk.points)
            same = found == self.digests[first : first + len(found)]
        if not same:
            raise DataSourceError(
                f"{name}: the points {chunk.first} to {chunk.first + chunk.count - 1} have changed "
                "since the fit began. Fit again when nobody writes to the data."
            )


def sample_alone(source: Source | SequentialSource, check: bool) -> Survey | None:
    """The sample by itself, where that is less than to read all; None also if a point is no number.

    Raises
    ------
    DataSourceError
        When it cannot be read.
    """
    m = source.n_points
    if not isinstance(source, Source) or m < FAR * sample_size(m):
        return None
    points = empty(source.form, sample_size(m))
    if not source.pick(sample_places(m, sample_size(m)), points):
        return None
    to_weights(points)
    if check and not are_good(points):
        return None
    return Survey(m, 0, (), _observations(points))


def survey(
    source: Source | SequentialSource,
    read_size: int,
    omit: bool,
    check: bool,
    advance: Callable[[int], None],
    ranks: Alone | Ranks = ALONE,
) -> Survey:
    """Read the source once, or twice where a sample needs it; advance(k) hears of k more points.

    Each of the `ranks` reads its share, where single points can be found without those before.

    Raises
    ------
    DataSourceError
        Points that are no numbers, naming the row, or no points at all.
    """
    shares = None
    if ranks.count > 1 and apart(source, omit):
        shares = Shares(ranks, source.n_points, PART)
    feed = Feed(source, PART, read_size, omit, check, None if shares is None else shares.own)
    expected = source.n_points or 0
    taker = _Taker(expected)
    found, count, omitted, idle = [], 0, 0, {}
    for index, points, left_out, digest, weightless, taken in _looked_at(feed, taker, shares):
        found += digest
        idle[index] = weightless
        taker.add(taken)
        count, omitted = count + points, omitted + left_out
        advance(points)
    if not count:
        raise DataSourceError(
            f"{source.name}: there are no points"
            + (f" left: all {omitted} have a NaN in x or y." if omitted else ".")
        )
    if count != expected:
        taker = _Taker(count)
        for *_, taken in _looked_at(feed, taker, shares):
            taker.add(taken)
    if sum(idle.values()) == count:
        raise DataSourceError(f"{source.name}: every point has weight 0 (sigma = inf, or masked).")
    return Survey(count, omitted, tuple(found), taker.observations(), idle=idle)


def _looked_at(feed: Feed, taker: _Taker, shares: Shares | None) -> Iterator[tuple]:
    """(index, points, omitted ones, digests, idle ones, those of the sample) of each chunk."""

    def see(chunks: Iterable[Chunk]) -> Iterator[tuple]:
        for chunk in chunks:
            idle, taken = count_idle(chunk), taker.of(chunk)
            digest = digests(chunk.points)
            feed.release(chunk)
            yield chunk.index, chunk.count, chunk.omitted, digest, idle, taken
            interruption.check()

    with closing(feed.chunks()) as chunks:
        if shares is None:
            yield from see(chunks)
            return
        for first, stop in shares.rounds:
            mine = islice(chunks, len(shares.mine(first, stop)))
            yield from chain(*shares.ranks.each(lambda mine=mine: list(see(mine))))


def count_idle(chunk: Chunk) -> int:
    """Points of weight 0 in a chunk."""
    weights = chunk.points.sigma
    return 0 if weights is None else chunk.count - int(np.count_nonzero(weights))


def digests(points: Columns) -> tuple[bytes, ...]:
    """A digest of every `PART` points, the last one of fewer; those of the columns in a row."""
    x, y, weights = points
    lines = [*np.atleast_2d(x), y] + ([] if weights is None else [weights])
    return tuple(
        b"".join(xxhash.xxh3_128_digest(a[k : k + PART].view(np.uint8)) for a in lines)
        for k in range(0, len(y), PART)
    )


class _Taker:
    """Takes the sample of `m` points from chunks that come in order."""

    def __init__(self, m: int):
        self._places = sample_places(m, sample_size(m)) if m else np.zeros(0, int)
        self._taken: list[Columns] = []

    def of(self, chunk: Chunk) -> tuple:
        """Those of a chunk."""
        low, high = np.searchsorted(self._places, (chunk.first, chunk.first + chunk.count))
        at = self._places[low:high] - chunk.first
        points = chunk.points
        weights = None if points.sigma is None else points.sigma[at]
        return points.x[..., at], points.y[at], weights

    def add(self, taken: tuple) -> None:
        """Take those of the next chunk."""
        self._taken.append(Columns(*taken))

    def observations(self) -> Observations:
        return _observations(
            Columns(
                *(
                    None if parts[0] is None else np.concatenate(parts, axis=-1)
                    for parts in zip(*self._taken, strict=True)
                )
            )
        )


def _observations(points: Columns) -> Observations:
    """A sample of points whose sigma is already 1 / sigma."""
    x, y, weights = points
    sigma = None
    if weights is not None:
        with np.errstate(divide="ignore"):
            sigma = 1 / weights
    return Observations(Abscissae(x, y.size), y, sigma, weights, None)
