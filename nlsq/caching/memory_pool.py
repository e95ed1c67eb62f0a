"""Buffers for NumPy data, used again.

A large fresh array costs a page fault for every 4 KiB at its first use. Buffers have power-of-two
sizes, so that one serves every length up to its size, and begin at 64 bytes, where XLA reads them
in place.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

ALIGNMENT = 64


class _Raw(np.ndarray):
    """Memory; of a type of its own, so that NumPy does not make it the base of a view's views."""


def aligned(size: int) -> np.ndarray:
    """Memory that begins at a multiple of ALIGNMENT; it is the base of the arrays made in it."""
    raw = _Raw(size + ALIGNMENT, np.uint8)
    return np.ndarray(size, np.uint8, raw, -raw.ctypes.data % ALIGNMENT)


class MemoryPool:
    """Thread-safe stock of aligned buffers.

    Parameters
    ----------
    max_bytes : int
        What is kept at most; a buffer that would exceed it is freed when it is released.

    Examples
    --------
    >>> pool = MemoryPool()
    >>> buffer = pool.allocate((100,), float)
    >>> buffer.ctypes.data % 64
    0
    >>> pool.release([buffer])
    >>> pool.held_bytes
    1024
    """

    def __init__(self, max_bytes: int = 1 << 26) -> None:
        self.max_bytes = max_bytes
        self.held_bytes = 0
        self._stock: dict[int, list[np.ndarray]] = defaultdict(list)
        self._lock = threading.Lock()

    def allocate(self, shape: tuple[int, ...], dtype) -> np.ndarray:
        """An array of any content; only the pages that are used take memory."""
        dtype = np.dtype(dtype)
        size = 1 << max(math.prod(shape) * dtype.itemsize - 1, ALIGNMENT - 1).bit_length()
        with self._lock:
            stock = self._stock[size]
            memory = stock.pop() if stock else None
            self.held_bytes -= size if memory is not None else 0
        return np.ndarray(shape, dtype, aligned(size) if memory is None else memory)

    def release(self, buffers: Iterable[np.ndarray]) -> None:
        """Take back arrays of `allocate` that nobody reads any more."""
        with self._lock:
            for buffer in buffers:
                memory = buffer.base
                size = memory.nbytes
                if self.held_bytes + size <= self.max_bytes:
                    self._stock[size].append(memory)
                    self.held_bytes += size

    def clear(self) -> None:
        """Free what is held."""
        with self._lock:
            self._stock.clear()
            self.held_bytes = 0
