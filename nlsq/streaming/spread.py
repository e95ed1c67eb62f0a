"""Batches of rows from all over a source, each a sample of the whole, for a tournament.

Rows of a file are seldom in a random order: sorted by x, the first of them show one end of a curve.
A source that can be read anywhere is cut into U units of equal length: whole chunks as they are
stored, or runs of `RUN` rows where any range is as good as another. Unit after unit is visited in
the order

    i g mod U,    g relatively prime to U and g / U near the golden ratio,

which reaches each once and has, wherever it begins and ends, gaps of nearly equal length. A batch
is so many visits, read in the order of the file. Of a unit longer than `RUN` each visit takes every
s-th row, another visit others; there are at most `READS` visits to a unit, so that no row and no
chunk is read more often, and where units are many, most are not read at all.

A source that comes in one order is read from beginning to end in each round, `READS` times at most,
and every s-th row is taken, in each round others: there the round is the sample of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from nlsq.global_optimization.batch_costs import BLOCK, Batch
from nlsq.streaming.feed import Feed, are_good, to_weights
from nlsq.streaming.loading import empty
from nlsq.streaming.sources import Columns, Source

RUN = BLOCK  # rows that are read together at least
ROWS = 1 << 17  # of a batch at most, but where its units are longer
READS = 3
_PLACES = 1024  # of the source that a round should see, for which units are read again
_PIECE = 1 << 16  # rows of a unit that are in memory at a time


def spread(feed: Feed, n_points: int, rounds: int, per_round: int) -> Anywhere | InOrder:
    """The batches of a feed's source for so many rounds, or fewer where there are few rows.

    The feed says which points are left out and which refused; n_points: how many it has.
    """
    if isinstance(feed.source, Source):
        return Anywhere(feed, rounds, per_round)
    return InOrder(feed, n_points, rounds, per_round)


class Anywhere:
    """Batches of a source that can be read anywhere.

    Attributes
    ----------
    rounds, per_round : int
        Rounds, and batches in each.
    """

    def __init__(self, feed: Feed, rounds: int, per_round: int):
        self._feed, self._source = feed, feed.source
        chunk = self._source.chunk
        self._unit = unit = max(round(RUN / chunk), 1) * chunk
        self._units = units = -(-self._source.n_points // unit)
        self._passes = min(READS, max(unit // RUN, 1), -(-rounds * _PLACES // units))
        visits = min(self._passes * units, rounds * per_round * (ROWS // RUN))
        self.rounds = min(rounds, visits)
        of_round = visits // self.rounds
        self._visits = -(-of_round // per_round)
        self.per_round = of_round // self._visits
        # more rows of a unit are one more sample only where a round misses no unit
        wanted = max(ROWS // self._visits, RUN) if of_round >= units else RUN
        self._step = unit // min(wanted, max(unit // self._passes, 1))
        self._stride = _stride(units)

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """The batches from number `first` on."""
        for batch in range(first, self.rounds * self.per_round):
            visits = range(batch * self._visits, (batch + 1) * self._visits)
            each = sorted((i * self._stride % self._units, i // self._units) for i in visits)
            read = [self._visit(*one) for one in each]
            points = _joined([points for points, _ in read])
            places = np.concatenate([places for _, places in read])
            yield cleaned(self._feed, points, places)

    def _visit(self, unit: int, number: int) -> tuple[Columns, np.ndarray]:
        """Rows of a unit and their numbers, at the visit of this number."""
        start, stop = self._edge(unit), self._edge(unit + 1)
        first = start + number * self._step // self._passes
        parts, form = [], self._source.form
        for begin in range(start, stop, _PIECE):
            end = min(begin + _PIECE, stop)
            self._source.read_into(begin, piece := empty(form, end - begin))
            at = np.arange(begin + (first - begin) % self._step, end, self._step)
            parts.append((_taken(piece, at - begin) if self._step > 1 else piece, at))
        points, places = zip(*parts, strict=True)
        return _joined(list(points)), np.concatenate(places)

    def _edge(self, unit: int) -> int:
        """Where a unit begins: with a chunk."""
        at = unit * self._unit
        n_points = self._source.n_points
        return self._source.boundary(0, at) if 0 < at < n_points else min(at, n_points)


class InOrder:
    """Batches of a source that comes in one order; attributes as of `Anywhere`."""

    def __init__(self, feed: Feed, n_points: int, rounds: int, per_round: int):
        self._feed = feed
        self.rounds = min(rounds, READS)
        self._step = max(self.rounds, n_points // (per_round * ROWS))
        self.per_round = -(-n_points // feed.capacity)

    def batches(self, first: int = 0) -> Iterator[Batch]:
        """The batches from number `first` on."""
        done, skip = divmod(first, self.per_round)
        for number in range(done, self.rounds):
            offset = number * self._step // self.rounds
            for chunk in self._feed.chunks(skip):
                if chunk.count:
                    at = np.arange((offset - chunk.first) % self._step, chunk.count, self._step)
                    batch = Batch(*_taken(chunk.points, at))
                self._feed.release(chunk)
                if chunk.count:
                    yield batch
            skip = 0


def cleaned(feed: Feed, points: Columns, places: np.ndarray) -> Batch:
    """Points of these numbers as a batch, without those that the feed leaves out.

    Raises
    ------
    DataSourceError
        For the first that it refuses.
    """
    if feed.omit:
        good = ~(np.isnan(points.y) | np.isnan(np.atleast_2d(points.x)).any(axis=0))
        if not good.all():
            points, places = _taken(points, good), places[good]
    to_weights(points)
    if feed.check and not are_good(points):
        feed.require_good(points, 0, places=places)
    return Batch(*points)


def _taken(points: Columns, at: np.ndarray) -> Columns:
    return Columns(*(None if a is None else a[..., at] for a in points))


def _joined(parts: list[Columns]) -> Columns:
    if len(parts) == 1:
        return parts[0]
    each = zip(*parts, strict=True)
    return Columns(*(None if a[0] is None else np.concatenate(a, axis=-1) for a in each))


def _stride(count: int) -> int:
    """g relatively prime to `count`, with the least quotients in the continued fraction g / count.

    These bound how uneven the gaps are at any time; the golden ratio's are all 1.
    """
    near = round(count * 0.5 * (math.sqrt(5.0) - 1.0))
    tried = range(max(near - 50, 1), min(near + 50, count) + 1)
    return min(
        (g for g in tried if math.gcd(g, count) == 1),
        key=lambda g: (max(_quotients(g, count)), abs(g - near)),
    )


def _quotients(a: int, b: int) -> list[int]:
    found = []
    while a:
        found.append(b // a)
        a, b = b % a, a
    return found
