"""Data into the buffers a compiled program reads.

Buffers have the capacity of their size class and 64-byte alignment, at which JAX reads NumPy memory
in place on the CPU. Only the pages that hold data are ever touched, so a large capacity costs
address space, not memory. The tail of the last block repeats the last point, where the model is
known to be defined; it is masked out (see `passes`). Buffers go back to a small pool.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from contextlib import contextmanager

import numpy as np

from nlsq.core.passes import Layout
from nlsq.core.problem import Observations

_ALIGNMENT = 64
_KEPT = 4  # buffers kept per shape and type
_LARGEST_KEPT = 1 << 24  # bytes
_pool: dict[tuple, list[np.ndarray]] = defaultdict(list)
_lock = threading.Lock()


def _aligned(shape, dtype) -> np.ndarray:
    key = (shape, np.dtype(dtype))
    with _lock:
        if _pool[key]:
            return _pool[key].pop()
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    raw = np.empty(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)


def _release(buffers) -> None:
    with _lock:
        for buffer in buffers:
            stock = _pool[(buffer.shape, buffer.dtype)]
            if buffer.nbytes <= _LARGEST_KEPT and len(stock) < _KEPT:
                stock.append(buffer)


@contextmanager
def staged(data: Observations, layout: Layout):
    """Yield (leaves, y, weights, cholesky) as `layout` wants them; None for what there is not."""
    weights = data.weights if layout.weighted else None
    if not layout.block:
        yield (
            data.x.leaves if layout.axes else (),
            data.y,
            None if weights is None else np.ascontiguousarray(weights),
            data.factor if layout.whitened else None,
        )
        return
    used = []
    end = -(-data.y.size // layout.block) * layout.block

    def copy(array, axis):
        if axis is None:
            return array
        shape = (*array.shape[:axis], layout.capacity, *array.shape[axis + 1 :])
        buffer = _aligned(shape, array.dtype)
        used.append(buffer)
        m = array.shape[axis]
        target, source = buffer, array
        if axis:
            target, source = np.moveaxis(buffer, axis, 0), np.moveaxis(array, axis, 0)
        target[:m] = source
        target[m:end] = source[-1]
        return buffer

    try:
        leaves = tuple(map(copy, data.x.leaves, layout.axes))
        yield leaves, copy(data.y, 0), None if weights is None else copy(weights, 0), None
    finally:
        _release(used)
