"""Columns of numbers that lie in a file one after the other."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from nlsq.streaming.columns import Column, reading
from nlsq.streaming.sources import DataSourceError


class RawColumn(Column):
    """Numbers that lie in a file one after the other, from byte `offset` on."""

    def __init__(
        self,
        label: str,
        file: BinaryIO,
        offset: int,
        layout: tuple[tuple[int, ...], np.dtype, bool],
    ):
        shape, dtype, self._fortran = layout
        super().__init__(label, shape, dtype)
        self._file, self._offset, self._lock = file, offset, threading.Lock()
        there = (os.fstat(file.fileno()).st_size - offset) // dtype.itemsize
        if there < (count := int(np.prod(shape))):
            raise DataSourceError(
                f"{label} is truncated: it should hold {count} numbers of shape {shape} but ends "
                f"after {max(there, 0)}. Write it again."
            )

    @property
    def _records(self) -> bool:
        """Whether a point's coordinates lie side by side."""
        return len(self.shape) == 2 and self.points_first != self._fortran

    def read_straight(self, first: int, out: np.ndarray) -> bool:
        lines = out[None] if out.ndim == 1 else out
        if self._records or not lines[0].flags.c_contiguous:
            return False
        for k, line in enumerate(lines):
            self._read(k * self.points + first, line)
        return True

    def consecutive(self, first: int, stop: int) -> np.ndarray:
        k = self.coordinates or 1
        if self._records:
            values = np.empty((stop - first) * k, self.dtype)
            self._read(first * k, values)
            return values.reshape(-1, k).T
        values = np.empty((k, stop - first), self.dtype)
        self.read_straight(first, values)
        return values[0] if len(self.shape) == 1 else values

    def pick(self, rows: np.ndarray, out: np.ndarray) -> bool:
        k = self.coordinates or 1
        width = k if self._records else 1  # numbers that are read together
        starts = rows * k if self._records else np.add.outer(np.arange(k) * self.points, rows)
        values = np.empty((starts.size, width), self.dtype)
        view, size = memoryview(values.reshape(-1).view(np.uint8)), width * self.dtype.itemsize
        self._announce(starts, size)
        with self._reading():
            for at, first in enumerate(starts.ravel().tolist()):
                self._fill(first, view[at * size : (at + 1) * size])
        out[...] = values.T if self._records else values.reshape(out.shape)
        return True

    def _announce(self, starts: np.ndarray, size: int) -> None:
        """Tell the system what will be read; a disk then reads it in a sixth of the time."""
        if hasattr(os, "posix_fadvise"):
            for place in (self._offset + starts.ravel() * self.dtype.itemsize).tolist():
                os.posix_fadvise(self._file.fileno(), place, size, os.POSIX_FADV_WILLNEED)

    def _read(self, first: int, out: np.ndarray) -> None:
        with self._reading():
            self._fill(first, memoryview(out.view(np.uint8)))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._lock, reading(self.label, "Check the disk."):
            yield

    def _fill(self, first: int, view: memoryview) -> None:
        """Read consecutive numbers from number `first` on, inside `_reading`."""
        got, size = 0, self.dtype.itemsize
        self._file.seek(self._offset + first * size)
        while got < len(view):
            count = self._file.readinto(view[got:])
            if not count:
                raise DataSourceError(
                    f"{self.label} ends after {first + got // size} numbers, though it had "
                    f"{int(np.prod(self.shape))} when it was opened. Leave the file alone "
                    "while it is fitted."
                )
            got += count
