"""Large arrays for tangents, used again: fresh memory costs several times what is done with it.

`nlsq.caching.memory_pool` serves those who say when they are done. Here nobody does: who refers to
a tangent is known to Python alone, so that an array is free when only its buffers refer to it.
"""

from __future__ import annotations

import sys

import numpy as np

LARGE = 4096  # numbers: from this size on a tangent is made here
HELD = 2**24  # bytes that are kept at most


class Buffers:
    """Arrays of doubles; one to which nothing else refers is given out again.

    Examples
    --------
    >>> buffers = Buffers()
    >>> first, second = buffers.take((5000,)), buffers.take((5000,))
    >>> first is second
    False
    >>> place = id(first)
    >>> del first
    >>> id(buffers.take((5000,))) == place
    True
    """

    def __init__(self) -> None:
        self._shape: tuple[int, ...] | None = None
        self._arrays = [np.empty(0)]
        self._free = self._references(0)  # this count differs between versions of Python
        self._last = 0

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """An array of this shape with any content."""
        if shape != self._shape:
            self._shape, self._arrays, self._last = shape, [], 0
        count = len(self._arrays)
        for i in range(self._last, self._last + count):  # the next ones are free, mostly
            if self._references(i % count) == self._free:
                self._last = i % count + 1
                return self._arrays[i % count]
        array = np.empty(shape)
        if (count + 1) * array.nbytes <= HELD:
            self._arrays.append(array)
        return array

    def _references(self, i: int) -> int:
        return sys.getrefcount(self._arrays[i])
