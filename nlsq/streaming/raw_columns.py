"""Columns of numbers that lie in a file one after the other."""

from __future__ import annotations

import io
import os
import threading

import numpy as np

from nlsq.streaming.columns import Column, reading
from nlsq.streaming.sources import DataSourceError


class RawColumn(Column):
    """Numbers that lie in a file one after the other, from byte `offset` on."""

    def __init__(
        self,
        label: str,
        file: io.FileIO,
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
            self._fill(k * self.points + first, line)
        return True

    def consecutive(self, first: int, stop: int) -> np.ndarray:
        k = self.coordinates or 1
        if self._records:
            values = np.empty((stop - first) * k, self.dtype)
            self._fill(first * k, values)
            return values.reshape(-1, k).T
        values = np.empty((k, stop - first), self.dtype)
        self.read_straight(first, values)
        return values[0] if len(self.shape) == 1 else values

    def pick(self, rows: np.ndarray, out: np.ndarray) -> bool:
        if not hasattr(os, "pread"):
            return False
        k, size = self.coordinates or 1, self.dtype.itemsize
        width = k if self._records else 1  # numbers that are read together
        starts = rows * k if self._records else np.add.outer(np.arange(k) * self.points, rows)
        file, places = self._file.fileno(), (self._offset + starts.ravel() * size).tolist()
        with reading(self.label, "Check the disk."):
            if hasattr(os, "posix_fadvise"):  # a disk then reads them in a sixth of the time
                for place in places:
                    os.posix_fadvise(file, place, width * size, os.POSIX_FADV_WILLNEED)
            found = b"".join([os.pread(file, width * size, place) for place in places])
        if len(found) < len(places) * width * size:
            self._refuse("ends earlier")
        values = np.frombuffer(found, self.dtype).reshape(-1, width)
        out[...] = values.T if self._records else values.reshape(out.shape)
        return True

    def _fill(self, first: int, out: np.ndarray) -> None:
        """Read consecutive numbers from number `first` on."""
        view, got, size = memoryview(out.view(np.uint8)), 0, self.dtype.itemsize
        with self._lock, reading(self.label, "Check the disk."):
            self._file.seek(self._offset + first * size)
            while got < len(view):
                count = self._file.readinto(view[got:])
                if not count:
                    self._refuse(f"ends after {first + got // size} numbers")
                got += count

    def _refuse(self, what: str) -> None:
        raise DataSourceError(
            f"{self.label} {what}, though it had {int(np.prod(self.shape))} when it was opened. "
            "Leave the file alone while it is fitted."
        )
