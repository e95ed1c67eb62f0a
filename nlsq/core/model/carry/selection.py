"""Indexing by traced values: gathers, and selections whose length is not known."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from nlsq.core.model.carry.state import caller, refuse
from nlsq.core.model.carry.values import cast, is_traced, listed, put


class Selected:
    """`x[mask]` for a traced mask: its length is unknown, so all of x is kept with the mask.

    Entries outside the mask hold a copy of an entry inside it, so that what is computed from them
    stays in the model's domain; they are dropped when the selection is assigned or summed.
    """

    __slots__ = ("mask", "value")
    __array_priority__ = 1001.0
    __pandas_priority__ = 100001
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any, mask: Any):
        self.value, self.mask = value, mask

    dtype = property(lambda self: np.dtype(self.value.dtype))
    ndim = property(lambda self: 1)
    real = property(lambda self: Selected(self.value.real, self.mask))
    imag = property(lambda self: Selected(self.value.imag, self.mask))

    def copy(self) -> Selected:
        return Selected(self.value, self.mask)

    def astype(self, dtype, **_) -> Selected:
        return Selected(cast(self.value, np.dtype(dtype)), self.mask)

    def _refuse(self, *_args, **_kwargs):
        refuse(f"the length of a selection by a mask is not known while tracing: {caller()}")

    __len__ = __iter__ = __getitem__ = __setitem__ = __array__ = __bool__ = __float__ = _refuse
    shape = size = property(_refuse)


def _is_mask(value: Any, index: Any) -> bool:
    is_mask = is_traced(index) and index.dtype == bool and index.ndim > 0
    return is_mask and index.shape == np.shape(value)[: index.ndim]


def take(value: Any, index: Any) -> Any:
    """`value[index]` for an index with traced parts: a JAX value, or Selected."""
    value = jnp.asarray(value)
    if _is_mask(value, index):
        if index.ndim != value.ndim:
            refuse(f"rows are selected by a traced mask: {caller()}")
        inside = value.reshape(-1)[jnp.argmax(index.reshape(-1))]
        return Selected(jnp.where(index, value, inside), index)
    parts = index if isinstance(index, tuple) else (index,)
    if any(is_traced(p) and p.dtype.kind not in "iu" for p in parts):
        refuse(f"an array is indexed by a mask that depends on the parameters: {caller()}")
    missing = np.nan if value.dtype.kind in "fc" else None  # NumPy raises IndexError
    return value.at[listed(index)].get(mode="fill", fill_value=missing)


def store(value: Any, index: Any, new: Any) -> Any:
    """`value` after `value[index] = new` for an index with traced parts."""
    value = jnp.asarray(value)
    if not _is_mask(value, index):
        if is_traced(index) and index.dtype.kind in "iu" and not isinstance(new, Selected):
            return put(value, index, new)
        refuse(f"an assignment depends on where the parameters point: {caller()}")
    if isinstance(new, Selected):
        if new.mask is not index:
            refuse(f"values selected by one mask are assigned to another: {caller()}")
        new = new.value
    elif np.ndim(new) > value.ndim - index.ndim:
        refuse(f"an array is assigned to a selection of unknown length: {caller()}")
    mask = index.reshape(index.shape + (1,) * (value.ndim - index.ndim))
    return jnp.where(mask, cast(jnp.asarray(new), value.dtype), value)
