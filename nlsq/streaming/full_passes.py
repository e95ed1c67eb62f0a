"""Passes over all data of a feed: chunks to all cores or devices, their sums added in order.

A pass can be broken off after any chunk and taken up again: what has been added up so far is
n-sized, and the chunks are added in their order whoever computed them, so that the sums are the
same bits on one core, on many, in many processes (`Shares`), and after an interruption.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from nlsq import xla
from nlsq.config import double_precision
from nlsq.core.passes.layout import SLACK
from nlsq.device import usable_cores
from nlsq.streaming.feed import AHEAD, Chunk, Feed
from nlsq.streaming.survey import Survey
from nlsq.utils import interruption

if TYPE_CHECKING:
    from nlsq.streaming.shares import Shares


class Part(NamedTuple):
    """A pass so far."""

    total: Any  # sum over the chunks before `next`, None where there is none
    next: int  # first chunk that is not in it


NOTHING = Part(None, 0)


class Progress(NamedTuple):
    """What a watcher of passes sees."""

    number: int  # of this pass, from 1
    points: int  # done in this pass
    n_points: int
    seconds: float  # since this pass began


class FullPasses:
    """`fold(work)` adds up over all chunks what `work` makes of one.

    Parameters
    ----------
    feed : Feed
    survey : Survey
    watch : callable, optional
        watch(Progress) after every chunk.
    finite : bool
        Refuse x and y that are not finite, which a chunk's sums show.
    shares : Shares, optional
        Where other processes compute a part of the chunks.
    """

    def __init__(
        self,
        feed: Feed,
        survey: Survey,
        watch: Callable[[Progress], None] | None = None,
        finite: bool = False,
        shares: Shares | None = None,
    ):
        self._shares = shares
        self._feed, self._survey, self._finite = feed, survey, finite
        self._watch = watch or (lambda progress: None)
        self.count = 0

    def fold(
        self,
        work: Callable[[tuple], Any],
        begun: Part = NOTHING,
        checkpoint: Callable[[Part], None] = lambda part: None,
        kind: Callable = lambda sums: sums,
    ) -> Any:
        """Add up the sums of all chunks, a pytree of arrays.

        work((leaves, y, weights, None, places)) -> (sums over a chunk, its checksum).

        begun: what an interrupted pass has done already; checkpoint(part) is called after each
        chunk, or round of chunks. kind(*arrays) makes sums of the arrays that they consist of.
        """
        self.count += 1
        self._began = time.perf_counter()
        fold = self._alone if self._shares is None else self._shared
        with double_precision(), closing(self._feed.chunks(begun.next)) as chunks:
            part, seen = fold(chunks, work, begun, checkpoint, kind)
        self._feed.drop()
        self._survey.require_all(seen, self._feed.source.name)
        return part.total

    def _alone(self, chunks, work, part: Part, checkpoint, kind) -> tuple[Part, int]:
        """(all chunks added to a part, points in them)."""
        waiting: deque = deque()
        streams, seen = _Streams(), part.next * self._feed.capacity

        def add() -> Part:
            chunk, sums = self._worked(*waiting.popleft())
            done = _added(part, chunk.index, sums)
            self._tell(chunk.first + chunk.count)
            checkpoint(done)
            return done

        for chunk in chunks:
            seen = chunk.first + chunk.count
            waiting.append((chunk, streams.hand_over(work, chunk)))
            while len(waiting) > streams.count:
                part = add()
            interruption.check()
        while waiting:
            part = add()
        return part, seen

    def _shared(self, chunks, work, part: Part, checkpoint, kind) -> tuple[Part, int]:
        """The same by all processes, round by round."""
        shares, streams = self._shares, _Streams()
        seen, begun = part.next * self._feed.capacity, part.next
        for first, stop in shares.rounds:
            if stop <= begun:
                continue
            mine = len([index for index in shares.mine(first, stop) if index >= begun])
            found = shares.ranks.each(partial(self._round, chunks, work, streams, mine))
            for index, count, idle, arrays in chain(*found):
                if idle is not None:
                    self._survey.idle[index] = idle
                part, seen = _added(part, index, kind(*arrays)), seen + count
            self._tell(seen)
            checkpoint(part)
        return part, seen

    def _round(self, chunks: Iterator[Chunk], work, streams: _Streams, number: int) -> list:
        """(index, points, idle ones, arrays of the sums) of the next chunks."""
        waiting: deque = deque()
        done = []

        def add():
            chunk, sums = self._worked(*waiting.popleft())
            arrays = list(sums) if isinstance(sums, tuple) else [sums]
            idle = self._survey.idle.get(chunk.index)
            done.append((chunk.index, chunk.count, idle, arrays))

        for chunk in islice(chunks, number):
            waiting.append((chunk, streams.hand_over(work, chunk)))
            while len(waiting) > streams.count:
                add()
            interruption.check()
        while waiting:
            add()
        return done

    def _worked(self, chunk: Chunk, worked: tuple) -> tuple[Chunk, Any]:
        """A chunk and its sums, which have arrived and are of the data as they were."""
        sums, checksum = jax.tree.map(np.asarray, worked)
        self._survey.require_same(chunk, checksum, self._feed.source.name)
        if not all(np.isfinite(a).all() for a in jax.tree.leaves(sums)):
            self._feed.require_good(chunk.points, chunk.first, self._finite)
        self._feed.release(chunk)
        return chunk, sums

    def _tell(self, points: int) -> None:
        seconds = time.perf_counter() - self._began
        self._watch(Progress(self.count, points, self._survey.n_points, seconds))


def _added(part: Part, index: int, sums: Any) -> Part:
    total = sums if part.total is None else jax.tree.map(np.add, part.total, sums)
    return Part(total, index + 1)


def buffer_bytes(bytes_per_point: int, capacity: int) -> int:
    """Memory of the chunks that are read, wait, and are computed at one time."""
    return (AHEAD + 2 * usable_cores() + 1) * (capacity + SLACK) * bytes_per_point


class _Streams:
    """Hands chunks to all cores, or devices, in turn.

    XLA runs a loop over blocks on one core, and the calls of one stream one after the other. So
    chunks go to streams in turn, which XLA's threads take up as they become free.
    """

    def __init__(self):
        devices = jax.local_devices()
        self.count = 2 * max(usable_cores(), len(devices))
        self._devices = itertools.cycle(devices) if len(devices) > 1 else None
        self._turn = itertools.cycle(range(1, self.count + 1))

    def hand_over(self, work: Callable, chunk: Chunk) -> Any:
        """work(arguments), arrays that may still be computed."""
        device = nullcontext() if self._devices is None else jax.default_device(next(self._devices))
        with device, xla.stream(next(self._turn)):
            return work(_arguments(chunk))


def _arguments(chunk: Chunk) -> tuple:
    """A chunk as the arguments of `programs.pass_program`."""
    x, y, weights = chunk.buffers
    return (x,), y, weights, None, (np.array(chunk.count), np.zeros(3, int))
