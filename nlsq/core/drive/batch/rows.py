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
        lead = array.shape[: array.ndim - tail]
        self.shared = not lead or math.prod(lead) == 1 < math.prod(shape)
        in_memory = isinstance(array, np.ndarray)
        self._array = np.broadcast_to(array, shape + self.tail) if in_memory else array

    def read(self, key) -> np.ndarray:
        """The rows of a slab, (k, *tail)."""
        if isinstance(self._array, np.ndarray):
            return self._array[key].reshape(-1, *self.tail)
        with _reading:
            return np.asarray(self._array[key]).reshape(-1, *self.tail)

    def one(self, index: tuple[int, ...]) -> np.ndarray:
        """The row of one fit."""
        return self.read(index)[0]


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
