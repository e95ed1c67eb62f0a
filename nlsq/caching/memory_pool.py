"""Buffers for NumPy data, used again.

A large fresh array costs a page fault for every 4 KiB at its first use. Buffers have power-of-two
sizes, so that one serves every length up to its size, and begin at 64 bytes, where XLA reads them
in place.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

ALIGNMENT = 64


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
        count = 1
        for length in shape:
            count *= length
        size = 1 << max(count * dtype.itemsize - 1, ALIGNMENT - 1).bit_length()
        with self._lock:
            if self._stock[size]:
                raw = self._stock[size].pop()
                self.held_bytes -= size
            else:
                raw = None
        if raw is None:
            raw = np.empty(size + ALIGNMENT, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT
        return raw[start : start + count * dtype.itemsize].view(dtype).reshape(shape)

    def release(self, buffers: Iterable[np.ndarray]) -> None:
        """Take back arrays of `allocate` that nobody reads any more."""
        with self._lock:
            for buffer in buffers:
                raw = buffer.base
                size = raw.nbytes - ALIGNMENT
                if self.held_bytes + size <= self.max_bytes:
                    self._stock[size].append(raw)
                    self.held_bytes += size

    def clear(self) -> None:
        """Free what is held."""
        with self._lock:
            self._stock.clear()
            self.held_bytes = 0
