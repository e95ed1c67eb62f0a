"""Passes over all data of a feed: chunks to all cores or devices, their sums added in order.

A pass can be broken off after any chunk and taken up again: what has been added up so far is
n-sized, and the chunks are added in their order whoever computed them, so that the sums are the
same bits on one core, on many, and after an interruption.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing, nullcontext
from typing import Any, NamedTuple

import jax
import numpy as np

from nlsq import xla
from nlsq.config import double_precision
from nlsq.core.passes.layout import SLACK
from nlsq.device import usable_cores
from nlsq.streaming.feed import AHEAD, Chunk, Feed
from nlsq.streaming.survey import Survey
from nlsq.utils import interruption


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
    """

    def __init__(
        self,
        feed: Feed,
        survey: Survey,
        watch: Callable[[Progress], None] | None = None,
        finite: bool = False,
    ):
        self._feed, self._survey, self._finite = feed, survey, finite
        self._watch = watch or (lambda progress: None)
        self.count = 0

    def fold(
        self,
        work: Callable[[tuple], Any],
        begun: Part = NOTHING,
        checkpoint: Callable[[Part], None] = lambda part: None,
    ) -> Any:
        """Add up the sums of all chunks, a pytree of arrays.

        work((leaves, y, weights, None, places)) -> (sums over a chunk, its checksum).

        begun: what an interrupted pass has done already; checkpoint(part) is called after each
        chunk.
        """
        self.count += 1
        began, part = time.perf_counter(), begun
        waiting: deque = deque()

        def add(chunk: Chunk, worked: tuple) -> Part:
            sums, checksum = jax.tree.map(np.asarray, worked)
            self._survey.require_same(chunk, checksum, source.name)
            if not all(np.isfinite(a).all() for a in jax.tree.leaves(sums)):
                self._feed.require_good(chunk.points, chunk.first, self._finite)
            total = sums if part.total is None else jax.tree.map(np.add, part.total, sums)
            self._feed.release(chunk)
            points, seconds = chunk.first + chunk.count, time.perf_counter() - began
            self._watch(Progress(self.count, points, self._survey.n_points, seconds))
            checkpoint(done := Part(total, chunk.index + 1))
            return done

        source, seen = self._feed.source, begun.next * self._feed.capacity
        streams = _Streams()
        reading = self._feed.chunks(begun.next)
        with double_precision(), closing(reading) as chunks:
            for chunk in chunks:
                seen = chunk.first + chunk.count
                waiting.append((chunk, streams.hand_over(work, chunk)))
                while len(waiting) > streams.count:
                    part = add(*waiting.popleft())
                interruption.check()
            while waiting:
                part = add(*waiting.popleft())
        self._feed.drop()
        self._survey.require_all(seen, source.name)
        return part.total


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
