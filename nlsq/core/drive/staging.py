"""Data into the buffers a compiled program reads.

Buffers have the capacity of their size class and 64-byte alignment, at which JAX reads NumPy memory
in place on the CPU. Only the pages that hold data are ever touched, so a large capacity costs
address space, not memory. Fewer points than a block has are followed by the last one again, where
the model is known to be defined; that is masked out (see `blocks`).

Long data are not copied but read where they are, in chunks of fixed capacity: the program gets an
array that begins at an aligned address before the chunk, and how many elements later the chunk
begins. Copied are only data shorter than such an array or a block, and arrays of more than one
dimension, not contiguous or of small items. A chunk holds the same points wherever the data lie in
memory.
"""

from __future__ import annotations

import numpy as np

from nlsq.caching.disk import Program
from nlsq.caching.memory_manager import manager
from nlsq.caching.memory_pool import ALIGNMENT
from nlsq.config import double_precision
from nlsq.core.passes.layout import SIZES, SLACK, Layout
from nlsq.core.problem.observations import Observations
from nlsq.device import in_calling_thread, small_programs_run_here

# Bytes of a fit's long data that are copied once; more are copied anew in every pass.
_LARGEST_COPY = 1 << 26
release = manager.pool.release


class Staged:
    """Short data as a program takes them, in buffers that are lent for the time of a context.

    It gives (leaves, y, weights, cholesky) as `layout` wants them; None for what there is not.
    """

    def __init__(self, data: Observations, layout: Layout):
        self._data, self._layout = data, layout
        self._lent: list[np.ndarray] = []

    def __enter__(self) -> tuple:
        data, layout = self._data, self._layout
        weights = data.weights if layout.weighted else None
        if layout.block:
            leaves = map(self._lend, data.x.leaves, layout.axes)
            return tuple(leaves), self._lend(data.y), self._lend(weights), None
        return (
            data.x.leaves if layout.axes else (),
            data.y,
            None if weights is None else np.ascontiguousarray(weights),
            data.factor if layout.whitened else None,
        )

    def __exit__(self, *_) -> None:
        release(self._lent)

    def _lend(self, array, axis: int | None = 0):
        if array is None or axis is None:
            return array
        buffer = _padded(array, axis, 0, self._data.y.size, self._layout)
        self._lent.append(buffer)
        return buffer


def _padded(array, axis: int, first: int, m: int, layout: Layout, slack: int = 0) -> np.ndarray:
    """Buffer that holds m points from `first` on along `axis`, the first block filled up."""
    buffer = manager.pool.allocate(
        (*array.shape[:axis], layout.capacity + slack, *array.shape[axis + 1 :]), array.dtype
    )
    _fill(buffer, array, axis, first, m, layout.block)
    return buffer


def _fill(buffer: np.ndarray, array, axis: int, first: int, m: int, block: int) -> None:
    target, source = buffer, array
    if axis:
        target, source = np.moveaxis(buffer, axis, 0), np.moveaxis(array, axis, 0)
    target[:m] = source[first : first + m]
    if m < block:
        target[m:block] = source[first + m - 1]


def has_desks(layout: Layout) -> bool:
    """Whether the data are so short that a program may keep their buffers: some 100 kB."""
    return layout.block > 0 and layout.capacity <= SIZES[0][1] and None not in layout.axes


class _Desk:
    """Buffers that stay with a program of short data, which reads them in place fit after fit."""

    def __init__(self, program: Program, data: Observations, layout: Layout, flat: np.ndarray):
        leaves, y, weights, _ = Staged(data, layout).__enter__()
        self._flat = manager.pool.allocate(flat.shape, flat.dtype)
        self._buffers, self._axes = (*leaves, y, weights), (*layout.axes, 0, 0)
        self._block = layout.block
        self.run = program.in_place((leaves, y, weights, None, self._flat))

    def write(self, data: Observations, flat: np.ndarray) -> None:
        self._flat[:] = flat
        m, leaves = data.y.size, data.x.leaves[: len(self._axes) - 2]
        arrays = zip(self._buffers, (*leaves, data.y, data.weights), self._axes, strict=True)
        for buffer, array, axis in arrays:
            if buffer is not None:
                _fill(buffer, array, axis, 0, m, self._block)


def at_desk(program: Program, data: Observations, layout: Layout, flat: np.ndarray):
    """What a program makes of short data and `flat`, an array; None where it must be called.

    The buffers are those of an earlier fit. To hand over others takes, with JAX's contexts around
    it, a tenth of a fit of 100 points.
    """
    desks = program.desks
    if desks is None or not (program.compiled and small_programs_run_here()):
        return None
    try:
        desk = desks.pop()  # nobody else has it
    except IndexError:
        with double_precision(), in_calling_thread():
            desk = _Desk(program, data, layout, flat)
        if desk.run is None:
            program.desks = None
            return None
    desk.write(data, flat)
    values = desk.run()
    desks.append(desk)
    return values


class Chunks:
    """Long data as the arguments of one pass over a chunk: (leaves, y, weights, None, places)."""

    def __init__(self, data: Observations, layout: Layout):
        weights = data.weights if layout.weighted else None
        self._arrays = [*(data.x.leaves if layout.axes else ()), data.y, weights]
        self._axes = [*layout.axes, 0, 0]
        self._layout, self._m = layout, data.y.size
        copied = sum(
            a.nbytes
            for a, axis in zip(self._arrays, self._axes, strict=True)
            if a is not None and axis is not None and not _in_place(a)
        )
        self._keep = copied <= _LARGEST_COPY
        self._kept: dict[int, tuple] = {}

    def __len__(self) -> int:
        return -(-self._m // self._layout.capacity)

    def arguments(self, k: int) -> tuple[tuple, list]:
        """The arguments for chunk k, and the buffers among them that the caller must release."""
        if k not in self._kept:
            made = self._arguments(k)
            if not self._keep:
                return made
            self._kept[k] = made
        return self._kept[k][0], []

    def close(self) -> None:
        """Release the buffers that were kept."""
        for _, buffers in self._kept.values():
            release(buffers)
        self._kept.clear()

    def _arguments(self, k: int) -> tuple[tuple, list]:
        layout, first = self._layout, k * self._layout.capacity
        m = min(layout.capacity, self._m - first)
        starts, given, copies = [], [], []
        for array, axis in zip(self._arrays, self._axes, strict=True):
            begin = 0
            if array is not None and axis is not None:
                window = None
                if m >= layout.block and _in_place(array):
                    window = _window(array, first, layout.capacity + SLACK)
                if window is not None:
                    array, begin = window
                else:
                    array = _padded(array, axis, first, m, layout, SLACK)
                    copies.append(array)
            given.append(array)
            starts.append(begin)
        *leaves, y, weights = given
        places = np.array(m), np.array(starts)
        return (tuple(leaves), y, weights, None, places), copies


def _in_place(array: np.ndarray) -> bool:
    """Whether a chunk can be read from the array where it is."""
    size = array.itemsize
    fits = ALIGNMENT // size <= SLACK and array.ctypes.data % size == 0
    return fits and array.ndim == 1 and array.flags.c_contiguous


def _window(array: np.ndarray, first: int, length: int) -> tuple[np.ndarray, int] | None:
    """`length` elements from an aligned address on, and where among them number `first` is.

    They reach `SLACK` less than `length` beyond it, or to the end; None where they would not fit.
    At both ends they may leave the data: what lies in one cache line with them can be addressed,
    and nobody reads it.
    """
    last = _aligned(array, array.size - length + ALIGNMENT // array.itemsize - 1)
    begin = min(_aligned(array, first), last)
    if begin < _aligned(array, 0):
        return None
    window = _Window()
    window.data = array  # lives as long
    window.__array_interface__ = array.__array_interface__ | {
        "shape": (length,),
        "data": (array.ctypes.data + begin * array.itemsize, True),
    }
    return np.asarray(window), first - begin


class _Window:
    """What NumPy makes an array of by its `__array_interface__`."""


def _aligned(array: np.ndarray, k: int) -> int:
    """The last element up to number k that lies at an aligned address."""
    return k - (array.ctypes.data + k * array.itemsize) % ALIGNMENT // array.itemsize
