"""A source as the chunks that the engine passes over, read ahead by a thread.

The engine adds a pass up chunk by chunk, and within a chunk block by block, in an order that
depends only on the number of points. So the chunks made here are the engine's, whatever pieces the
source comes in and however many points are read at once: every road to the data gives the same
sums, bit for bit.

Buffers come from the pool, have the shape of the engine's programs (`SLACK` longer than a chunk)
and are filled by the source itself where it can. A chunk of fewer points than a block has repeats
its last one, where the model is known to be defined; the pass masks it out.

The first chunks of stored data can stay in memory from one pass to the next; they are then as they
were at first, whatever happens to the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from itertools import groupby
from typing import NamedTuple

import numpy as np
import psutil

from nlsq.caching.memory_manager import manager
from nlsq.caching.memory_pool import aligned
from nlsq.core.passes.layout import BLOCK, SLACK
from nlsq.streaming.sources import Columns, DataSourceError, Form, SequentialSource, Source

try:
    import resource
except ImportError:  # no such limits on Windows
    resource = None

AHEAD = 2  # chunks read ahead: one waits while the next is read

# Bytes of chunks that are kept at most: with them a fit holds less than 1 GB.
KEPT = 900_000_000


class Chunk(NamedTuple):
    """Points in the engine's buffers, which go back to the feed by `Feed.release`."""

    index: int  # of the chunk, from 0
    first: int  # points before it
    count: int  # points in it
    omitted: int  # points left out on the way since the last chunk
    points: Columns  # (count,) views of the buffers; sigma already 1 / sigma
    buffers: Columns  # (capacity + SLACK,)


class Feed:
    """Chunks of a source, as often as wanted.

    Parameters
    ----------
    source : Source or SequentialSource
    capacity : int
        Points in a chunk.
    read_size : int
        Points that are read at once.
    omit : bool
        Leave out points with a NaN in x or y.
    check : bool
        Refuse points that are no good as they are read; a pass over them notices too, if late.
    own : sequence of int, optional
        The numbers of the chunks that `chunks` gives, in their order; default: all.
    """

    def __init__(
        self,
        source: Source | SequentialSource,
        capacity: int,
        read_size: int,
        omit: bool = False,
        check: bool = False,
        own: Sequence[int] | None = None,
    ):
        self.source, self.capacity, self._own = source, capacity, own
        self._read_size = min(read_size, capacity)
        self.omit, self.check = omit, check
        self._free: deque[Columns] = deque()
        self._kept = _Kept([])

    def keep(self, n_bytes: int) -> None:
        """Keep the first chunks of stored data in memory, in so many bytes if they are there."""
        if not isinstance(self.source, Source) or not self.source.stored or self.omit:
            return
        size = (self.capacity + SLACK) * self.source.form.bytes_per_point
        chunks = -(-self.source.n_points // self.capacity)
        count = min(n_bytes // size, chunks if self._own is None else len(self._own))
        with suppress(MemoryError):
            buffers = _allocate_at_once(self.source.form, self.capacity + SLACK, count)
            self._kept = _Kept(buffers, self._own)

    def forget(self) -> None:
        """Free what is kept."""
        self._kept = _Kept([])

    def chunks(self, first: int = 0) -> Iterator[Chunk]:
        """The chunks from number `first` on; the caller releases each.

        Raises
        ------
        DataSourceError
            For a source that cannot be read, and for points that are refused.
        """
        there = [chunk for chunk in self._kept.chunks if chunk.index >= first]
        start = there[-1].index + 1 if there else first
        anywhere = isinstance(self.source, Source) and not self.omit
        items = self._filled(start if anywhere else 0, anywhere)
        try:
            with closing(read_ahead(items, AHEAD)) as ready:
                yield from there
                for chunk in ready:
                    if chunk.index < first:
                        self.release(chunk)
                    else:
                        yield chunk
        finally:
            self.drop()

    def release(self, chunk: Chunk) -> None:
        """Take back a chunk's buffers, for the next chunk or to be kept."""
        if not self._kept.take(chunk):
            self._free.append(chunk.buffers)

    def drop(self) -> None:
        """Give the buffers that were released to the pool."""
        while self._free:
            manager.pool.release(b for b in self._free.popleft() if b is not None)

    def _buffers(self, index: int) -> Columns:
        if (buffers := self._kept.room(index)) is not None:
            return buffers
        if self._free:
            return self._free.popleft()
        return self.source.form.allocate(self.capacity + SLACK, manager.pool.allocate)

    def _filled(self, first: int, anywhere: bool) -> Generator[Chunk]:
        """Its chunks from number `first` on, in the reader's thread.

        anywhere: nothing else need be read.
        """
        if self._own is None and anywhere:
            yield from self._packed([self._range(first, None)], first)
        elif self._own is None or not apart(self.source, self.omit):
            yield from self._among_all()
        else:
            for start, stop in _runs([index for index in self._own if index >= first]):
                yield from self._packed(self._between(start, stop), start)

    def _among_all(self) -> Iterator[Chunk]:
        """Its chunks, found by reading all."""
        own = None if self._own is None else set(self._own)
        whole = isinstance(self.source, Source)
        for chunk in self._packed([self._range(0, None)] if whole else self._pieces(), 0):
            if own is None or chunk.index in own:
                yield chunk
            else:
                self._free.append(chunk.buffers)

    def _packed(self, pieces: Iterable, index: int) -> Iterator[Chunk]:
        """Pieces as chunks, the first of which is number `index`."""
        buffers, filled, omitted = None, 0, 0
        for give in pieces:
            while (count := give.upto(self.capacity - filled)) is not None:
                buffers = buffers or self._buffers(index)
                part = buffers.part(filled, filled + count)
                kept = self._keep(part, give.into(part))
                filled, omitted = filled + kept, omitted + count - kept
                if filled == self.capacity:
                    yield self._chunk(index, filled, omitted, buffers)
                    index += 1
                    buffers, filled, omitted = None, 0, 0
        if buffers is not None:
            yield self._chunk(index, filled, omitted, buffers)

    def _chunk(self, index, filled, omitted, buffers: Columns) -> Chunk:
        repeat_last(buffers, filled)
        points = buffers.part(0, filled)
        return Chunk(index, index * self.capacity, filled, omitted, points, buffers)

    def _range(self, first: int, stop: int | None) -> _Range:
        """The points of the chunks first ... stop - 1."""
        end = self.source.n_points
        end = end if stop is None else min(stop * self.capacity, end)
        return _Range(self.source, first * self.capacity, self._read_size, end)

    def _between(self, start: int, stop: int) -> Iterator:
        """What fills the chunks start ... stop - 1."""
        if isinstance(self.source, Source):
            return iter([self._range(start, stop)])
        at, end = start * self.capacity, min(stop * self.capacity, self.source.n_points)
        return self._pieces(self.source.between(at, end), at)

    def _pieces(self, pieces: Iterator[Columns] | None = None, at: int = 0) -> Iterator[_Piece]:
        with closing(iter(self.source) if pieces is None else pieces) as pieces:
            for piece in pieces:
                yield _Piece(piece, at, self._read_size)
                at += len(piece.y)

    def _keep(self, part: Columns, first: int) -> int:
        """Leave out points to omit, turn sigma to weights and check; how many are left."""
        places = None
        if self.omit:
            bad = np.isnan(part.y) | np.isnan(part.x).any(axis=tuple(range(part.x.ndim - 1)))
            if bad.any():
                places = np.flatnonzero(~bad)
                kept = Columns(*(None if a is None else a[..., places] for a in part))
                part = part.part(0, len(places))
                part.fill(kept)
        to_weights(part)
        if self.check:
            self.require_good(part, first, places=places)
        return len(part.y)

    def require_good(
        self,
        points: Columns,
        first: int,
        finite: bool = True,
        places: np.ndarray | None = None,
    ) -> None:
        """Raise for the first of points, number `first` (or places) on, that is no good.

        That is, its sigma is not positive or, if they are to be `finite`, its x or y is not.

        Raises
        ------
        DataSourceError
        """
        if are_good(points, finite):
            return
        x = np.isfinite(points.x).all(axis=tuple(range(points.x.ndim - 1))) | (not finite)
        y = np.isfinite(points.y) | (not finite)
        sigma = True if points.sigma is None else _positive(points.sigma)
        at = np.flatnonzero(~(x & y & sigma))[0]
        if not x[at]:
            what = f"x is {points.x[..., at]}"
        elif not y[at]:
            what = f"y is {points.y[at]}"
        else:
            with np.errstate(divide="ignore"):
                what = f"sigma is {1 / points.sigma[at]}"
        if x[at] and y[at]:
            remedy = "Leave such points out, or give them sigma=inf: weight 0."
        elif self.omit:
            remedy = "nan_policy='omit' leaves out NaN only; remove this point."
        else:
            remedy = "Remove such points, or pass nan_policy='omit' to leave out those with a NaN."
        row = self.source.row(first + int(at if places is None else places[at]))
        raise DataSourceError(f"{self.source.name}: {what} in row {row}. {remedy}")


class _Kept:
    """The first chunks of a feed, which stay in their buffers from the first reading on."""

    def __init__(self, buffers: list[Columns], own: Sequence[int] | None = None):
        numbers = range(len(buffers)) if own is None else own[: len(buffers)]
        self._buffers = dict(zip(numbers, buffers, strict=True))
        self._next = iter(numbers)
        self.next = next(self._next, None)  # number of the first chunk that is not there yet
        self.chunks: list[Chunk] = []

    def room(self, index: int) -> Columns | None:
        """The buffers of a chunk that belongs here."""
        return self._buffers.get(index)

    def take(self, chunk: Chunk) -> bool:
        """Whether a chunk's buffers belong here; keeps the chunk that comes next."""
        if chunk.index == self.next:
            self.chunks.append(chunk)
            self.next = next(self._next, None)
        return chunk.index in self._buffers


def repeat_last(buffers: Columns, filled: int) -> None:
    """Fill a block up with the last point."""
    for array in buffers:
        if array is not None and filled:
            array[..., filled:BLOCK] = array[..., filled - 1 : filled]


def _allocate_at_once(form: Form, length: int, count: int) -> list[Columns]:
    """`count` times the buffers for `length` points, in one piece of memory."""
    memory, at = aligned(count * length * form.bytes_per_point), 0

    def cut(shape: tuple[int, ...], dtype: type) -> np.ndarray:
        nonlocal at
        array = np.ndarray(shape, dtype, memory, at)
        at += array.nbytes
        return array

    return [form.allocate(length, cut) for _ in range(count)]


def apart(source: Source | SequentialSource, omit: bool) -> bool:
    """Whether a part of a source can be read without what is before it."""
    if omit or source.n_points is None:
        return False
    return isinstance(source, Source) or source.between(0, 1) is not None


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """(first, stop) of the runs of consecutive numbers."""
    for _, run in groupby(enumerate(numbers), lambda one: one[1] - one[0]):
        run = [number for _, number in run]
        yield run[0], run[-1] + 1


def bytes_to_keep(buffers: int) -> int:
    """Memory for chunks that are kept: a quarter of what `buffers` leave free, `KEPT` at most."""
    free = manager.usable_bytes()
    if resource is not None:
        used = psutil.Process().memory_info()
        for limited, held in (("RLIMIT_AS", used.vms), ("RLIMIT_DATA", getattr(used, "data", 0))):
            limit, _ = resource.getrlimit(getattr(resource, limited))
            if limit != resource.RLIM_INFINITY:
                free = min(free, limit - held)
    return min(KEPT, max(0, free - buffers) // 4)


def to_weights(part: Columns) -> None:
    """Turn sigma to 1 / sigma, in place."""
    if part.sigma is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(1.0, part.sigma, out=part.sigma)


def are_good(points: Columns, finite: bool = True) -> bool:
    """Whether sigma is positive and, if they are to be `finite`, x and y are."""
    x, y, weights = points
    if weights is not None and not _positive(weights).all():
        return False
    if not finite:
        return True
    with np.errstate(over="ignore", invalid="ignore"):  # a sum tells, in one pass over each
        total = x.sum() + y.sum()
    return bool(np.isfinite(total) or (np.isfinite(x).all() and np.isfinite(y).all()))


def _positive(weights: np.ndarray) -> np.ndarray:
    """Where 1 / weights is positive, inf too; -inf is known by the sign of its weight -0."""
    return ~np.signbit(weights) & (weights < np.inf)


class _Range:
    """Points of a source that can be read anywhere, from `at` to `end`."""

    def __init__(self, source: Source, at: int, size: int, end: int):
        self._source, self._at, self._size, self._end = source, at, size, end

    def upto(self, room: int) -> int | None:
        """How many points to read next into `room`; None at the end."""
        stop = min(self._at + min(room, self._size), self._end)
        if stop <= self._at:
            return None
        return self._source.boundary(self._at, stop) - self._at

    def into(self, part: Columns) -> int:
        """Read them; where they begin."""
        start, self._at = self._at, self._at + len(part.y)
        self._source.read_into(start, part)
        return start


class _Piece:
    """Points that have been read, from number `first` on."""

    def __init__(self, points: Columns, first: int, size: int):
        self._points, self._first, self._size = points, first, size
        self._done = 0

    def upto(self, room: int) -> int | None:
        left = len(self._points.y) - self._done
        return min(left, room, self._size) if left else None

    def into(self, part: Columns) -> int:
        start, self._done = self._done, self._done + len(part.y)
        part.fill(self._points.part(start, self._done))
        return self._first + start


def read_ahead(items: Generator, ahead: int) -> Iterator:
    """The items of a generator, worked out by a thread up to `ahead` of their use."""
    with ThreadPoolExecutor(1, "nlsq-reader") as reader:
        waiting = deque(reader.submit(next, items, None) for _ in range(ahead))
        try:
            while (item := waiting.popleft().result()) is not None:
                waiting.append(reader.submit(next, items, None))
                yield item
        finally:
            for future in waiting:
                future.cancel()
            reader.submit(items.close)  # there, since it may be running
