"""The arguments of a compiled program of many fits, in buffers of its sizes."""

from __future__ import annotations

import numpy as np

from nlsq.caching.memory_manager import manager
from nlsq.core.algebra.packing import leaves_of
from nlsq.core.drive.batch.many import Lot
from nlsq.core.drive.batch.state import DONE, LANES, Form, places
from nlsq.core.drive.batch.state import start as start_lanes
from nlsq.core.problem.parameters import interior_starts


class Operands:
    """A lot as the program takes it, in buffers of the program's sizes from the pool."""

    def __init__(self, lot: Lot, form: Form, slab: int, dtype: np.dtype):
        self._taken: list[np.ndarray] = []
        free = np.array(form.free)

        def points(array):
            """(slab, ..., capacity) of (k, ..., m), the points beyond m of any value."""
            buffer = self._allocate((slab, *array.shape[1:-1], form.capacity), dtype)
            buffer[: len(lot), ..., : lot.m] = array
            return buffer

        def numbers(array):
            """(n, slab) of (n, k)."""
            buffer = self._allocate((len(array), slab), dtype)
            buffer[:, : len(lot)] = array
            return buffer

        self.y, self.weights = points(lot.y), None
        if form.weighted == "lanes":
            self.weights = points(lot.weights)
        elif form.weighted:
            self.weights = stretched(lot.weights.astype(dtype), 0, form.capacity)
        self.x = None if lot.x is None else points(lot.x)
        self.fixed = None if free.all() else numbers(lot.start[:, ~free].T)
        self.lb = self.ub = None
        if form.bounded:
            self.lb, self.ub = numbers(lot.lb[:, free].T), numbers(lot.ub[:, free].T)
        at = places(form.n)
        self.state = self._allocate((len(leaves_of(at)), slab), dtype)
        if lot.state is None:
            x = lot.start[:, free]
            if form.bounded:
                x = interior_starts(x, lot.lb[:, free], lot.ub[:, free])
            start_lanes(self.state[:, : len(lot)], x.T)
        else:
            self.state[:, : len(lot)] = lot.state
        beyond = slice(len(lot), -(-len(lot) // LANES) * LANES)  # the rest of the last block idles
        self.state[:, beyond] = self.state[:, :1]
        self.state[at.phase, beyond] = DONE

    def _allocate(self, shape, dtype) -> np.ndarray:
        self._taken.append(manager.pool.allocate(shape, dtype))
        return self._taken[-1]

    def __enter__(self) -> Operands:
        return self

    def __exit__(self, *_) -> None:
        manager.pool.release(self._taken)


def stretched(array: np.ndarray, axis: int, length: int) -> np.ndarray:
    """`array` with its last element along `axis` repeated up to `length`."""
    missing = length - array.shape[axis]
    if not missing:
        return np.ascontiguousarray(array)
    last = np.take(array, [-1], axis)
    return np.concatenate([array, np.repeat(last, missing, axis)], axis)
