"""The data of many fits: rows of arrays that broadcast over the fits, read a slab at a time.

Every input (y, x, sigma, starts, bounds) is an array whose last axes belong to one fit and whose
leading axes broadcast over all fits, as in NumPy; so one data set with many starts is many fits as
well. What is not a NumPy array but can be sliced like one (an HDF5 or zarr data set) is read slab
by slab. Slabs are contiguous in the C order of the fits. Data of unequal lengths come as a list;
their slabs hold fits of similar length.
"""

from __future__ import annotations

import itertools
import math
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from nlsq.utils.given import mask_of, numeric, refuse_dates, refuse_units

_reading = threading.Lock()  # files are read by one thread at a time


class Slab(NamedTuple):
    """Some of the fits."""

    where: Any  # slice or indices: their places among all fits in C order
    key: Any  # what selects them from an array with the fits' leading axes
    m: int  # points; the most of any of them


class Rows:
    """An input of all fits.

    Parameters
    ----------
    array : array_like or data set
        Of a shape (..., *tail) whose leading axes broadcast to `shape`.
    shape : tuple of int
        Of all fits.
    tail : int
        Number of axes that belong to one fit.
    """

    def __init__(self, array, shape: tuple[int, ...], tail: int):
        self.tail = array.shape[array.ndim - tail :]
        # a row of its own for the only fit is not for all: the fit is as among others
        self.lead = lead = array.shape[: array.ndim - tail]
        self.shared = not lead or math.prod(lead) == 1 < math.prod(shape)
        self.array = array
        in_memory = isinstance(array, np.ndarray)
        self._array = np.broadcast_to(array, shape + self.tail) if in_memory else array
        self._chunk: tuple = ()  # of a Dask array: (where it is, what it holds), the last one

    @classmethod
    def of(cls, array, tail: int, shared: bool, shape: tuple[int, ...]) -> Rows:
        """Of some of the fits, shared by them where it is by all."""
        rows = cls(np.asarray(array), shape, tail)
        rows.shared = shared
        return rows

    def some(self, places: np.ndarray) -> tuple:
        """Those of some fits in one row of fits, as `of` takes them."""
        each = self.array if self.shared else self._array[places]
        return each, len(self.tail), self.shared

    def cut(self, key: tuple, shape: tuple[int, ...]):
        """The part of the array for a range of the fits, with all its axes; not yet read."""
        own = key[max(len(shape) - len(self.lead), 0) :]
        whole = slice(None)
        chosen = (whole if n == 1 else k for n, k in zip(self.lead, own, strict=False))
        part = self.array[tuple(chosen)] if self.lead else self.array
        return part if is_dask(part) else np.asarray(part)

    def read(self, key) -> np.ndarray:
        """The rows of a slab, (k, *tail)."""
        if isinstance(self._array, np.ndarray):
            return self._array[key].reshape(-1, *self.tail)
        with _reading:
            if is_dask(self._array) and isinstance(key, tuple):
                return self._by_chunks(key).reshape(-1, *self.tail)
            return np.asarray(self._array[key]).reshape(-1, *self.tail)

    def _by_chunks(self, key: tuple) -> np.ndarray:
        """What a slab selects, from chunks that are computed once for all slabs in them."""
        chunks, inside, spans = self._array.chunks, [], []
        for one, ends in zip(key, map(np.cumsum, chunks), strict=False):
            low, high = (one.start, one.stop) if isinstance(one, slice) else (one, one + 1)
            first, last = np.searchsorted(ends, [low, high - 1], side="right")
            begin = int(ends[first - 1]) if first else 0
            spans.append((begin, int(ends[last])))
            inside.append(slice(low - begin, high - begin))
        if not self._chunk or self._chunk[0] != spans:
            self._chunk = ()  # before the next is there
            part = self._array[tuple(slice(*span) for span in spans)]
            self._chunk = spans, np.asarray(part)
        return self._chunk[1][tuple(inside)]

    def one(self, index: tuple[int, ...]) -> np.ndarray:
        """The row of one fit."""
        return self.read(index)[0]


def is_dask(data) -> bool:
    """A Dask array, which is computed when it is read."""
    return "dask" in sys.modules and hasattr(data, "__dask_graph__") and hasattr(data, "chunks")


def unwrapped(data, name: str):
    """The Dask array in an xarray object, checked; anything else as it is.

    Raises
    ------
    ValueError
        When its chunks are of unknown sizes.
    """
    if "dask" not in sys.modules or not hasattr(data, "__dask_graph__"):
        return data
    array = data.data if hasattr(data, "dims") else data
    if is_dask(array) and any(math.isnan(length) for length in array.shape):
        raise ValueError(
            f"`{name}` has chunks of unknown sizes, shape {array.shape}: call its "
            "compute_chunk_sizes() first."
        )
    return array


def is_ragged(ydata) -> bool:
    """Whether these are data sets of different lengths."""
    if not isinstance(ydata, list | tuple) or not ydata:
        return False
    lengths = {np.shape(row)[-1] if np.ndim(row) else None for row in ydata}
    return len(lengths) > 1 and None not in lengths


def is_array(data) -> bool:
    """An array, or a data set in a file, which reads what it is sliced for."""
    return hasattr(data, "shape") and hasattr(data, "dtype") and not hasattr(data, "index")


def as_numbers(data, name: str):
    """Numbers, left where they are when they are an array or a data set."""
    refuse_units(data, name)
    if not is_array(data):
        try:
            data = np.asarray(data)
        except ValueError as error:
            raise ValueError(f"`{name}` must be an array of numbers: {error}") from None
    lazy = not hasattr(data, "__array_interface__")  # h5py, zarr
    if data.dtype.kind not in "biufc":
        refuse_dates(np.empty(0, data.dtype) if lazy else data, name)
        raise TypeError(f"`{name}` must be numbers, its dtype is {data.dtype}.")
    return data if lazy else np.asarray(data)


def masked_sigma(xdata, ydata, sigma, ragged: bool):
    """`sigma` with inf, which is weight 0, for the points that are masked in x, y or sigma."""
    if ragged:
        x = xdata if isinstance(xdata, list | tuple) else [None] * len(ydata)
        each = sigma if isinstance(sigma, list | tuple) else [sigma] * len(ydata)
        if len(x) == len(each) == len(ydata):
            found = [masked_sigma(*one, False) for one in zip(x, ydata, each, strict=True)]
            if any(new is not old for new, old in zip(found, each, strict=True)):
                return [np.ones(np.shape(y)) if new is None else np.broadcast_to(new, np.shape(y))
                        for new, y in zip(found, ydata, strict=True)]  # fmt: skip
        return sigma
    hidden, shape = None, None
    for name, data, tail in (("xdata", xdata, 2), ("ydata", ydata, 1), ("sigma", sigma, 1)):
        if (mask := mask_of(data)) is None:
            continue
        shape = np.shape(ydata) if shape is None else shape
        if tail == 2 and (mask.ndim > len(shape) or len(shape) == 1 < mask.ndim):
            mask = mask.any(axis=-2)  # coordinates
        try:
            np.broadcast_to(mask, shape)
        except ValueError:
            raise ValueError(
                f"the mask of `{name}`, of shape {mask.shape}, does not fit ydata of shape {shape}."
            ) from None
        hidden = mask if hidden is None else hidden | mask
    if hidden is None:
        return sigma
    return np.where(hidden, np.inf, 1.0 if sigma is None else numeric(sigma, "sigma"))


class Ragged:
    """Rows of unequal length, from a list of arrays (..., m_i), filled up with NaN."""

    shared = False

    def __init__(self, arrays: list, name: str):
        arrays = [numeric(a, f"{name}[{i}]") for i, a in enumerate(arrays)]
        dtype = complex if any(np.iscomplexobj(a) for a in arrays) else float
        self._arrays = [a.astype(dtype) for a in arrays]
        self.lengths = np.array([a.shape[-1] for a in self._arrays])

    def read(self, key) -> np.ndarray:
        """The rows of a slab, (k, ..., longest)."""
        chosen = [self._arrays[i] for i in np.atleast_1d(key)]
        longest = max(1, *(a.shape[-1] for a in chosen))
        shape = (len(chosen), *chosen[0].shape[:-1], longest)
        rows = np.full(shape, np.nan, chosen[0].dtype)
        for row, a in zip(rows, chosen, strict=True):
            row[..., : a.shape[-1]] = a
        return rows

    def one(self, index: tuple[int, ...]) -> np.ndarray:
        """The data of one fit."""
        return self._arrays[index[0]]

    def some(self, places: np.ndarray) -> Ragged:
        """Those of some fits."""
        part = object.__new__(Ragged)
        part._arrays, part.lengths = [self._arrays[i] for i in places], self.lengths[places]
        return part


def slabs(shape: tuple[int, ...], most: int, m: int) -> Iterator[Slab]:
    """Contiguous slabs of at most `most` fits, all of m points."""
    axis = next(a for a in range(len(shape)) if math.prod(shape[a + 1 :]) <= most)
    inner = math.prod(shape[axis + 1 :])
    step = most // max(inner, 1)
    place = 0
    for outer in itertools.product(*map(range, shape[:axis])):
        for first in range(0, shape[axis], step):
            last = min(first + step, shape[axis])
            count = (last - first) * inner
            yield Slab(slice(place, place + count), (*outer, slice(first, last)), m)
            place += count


def ragged_slabs(lengths: np.ndarray, sizes, most: int) -> Iterator[Slab]:
    """Slabs of fits of similar length; sizes(m) tells the capacity and the fits of a slab."""
    order = np.argsort(lengths, kind="stable")
    capacities = np.array([sizes(m).capacity for m in lengths[order]])
    edges = [0, *(np.flatnonzero(np.diff(capacities)) + 1), len(order)]
    for first, last in itertools.pairwise(edges):
        step = min(sizes(lengths[order[first]]).slab, most)
        for begin in range(first, last, step):
            chosen = order[begin : min(begin + step, last)]
            yield Slab(chosen, chosen, max(1, int(lengths[chosen].max())))
