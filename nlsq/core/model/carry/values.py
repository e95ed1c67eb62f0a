"""Operations on bare values, NumPy's or JAX's: what a proxy does with what it holds."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.core.model.carry.state import MAX_CHAIN, caller, current, refuse


def is_traced(value: Any) -> bool:
    return isinstance(value, jax.Array)


def cast(value: Any, dtype: np.dtype) -> Any:
    """NumPy's `astype`, for both kinds of value."""
    if not is_traced(value):
        return np.asarray(value).astype(dtype)
    if value.dtype.kind == "c" and dtype.kind != "c":
        value = value.real
    return value.astype(dtype)


def put(value: Any, index: Any, new: Any) -> Any:
    """`value` with `value[index] = new`, in the dtype of `value`."""
    if not is_traced(value) and not is_traced(new):
        result = np.array(value)
        result[index] = new
        return result
    value = jnp.asarray(value)
    kind = np.result_type(new) if not hasattr(new, "dtype") else new.dtype
    if kind.kind == "c" and value.dtype.kind != "c":
        refuse(f"complex values are assigned into a real array: {caller()}")
    parts = index if isinstance(index, tuple) else (index,)
    check_bounds(value, parts)
    new = cast(jnp.asarray(new), value.dtype)
    extra = new.ndim - value[index].ndim
    return value.at[index].set(new.reshape(new.shape[extra:]) if extra > 0 else new)


def put_rows(value: Any, rows: dict[int, Any]) -> Any:
    """`value` with some of its rows replaced, in one operation."""
    where = sorted(rows)
    if not any(is_traced(rows[i]) for i in where) and not is_traced(value):
        result = np.array(value)
        for i in where:
            result[i] = rows[i]
        return result
    stacked = join([rows[i] for i in where])
    if len(where) == value.shape[0]:
        return stacked
    return jnp.asarray(value).at[np.array(where)].set(stacked)


def listed(index: Any) -> Any:
    """Lists as arrays: JAX refuses list indices."""
    if isinstance(index, tuple):
        return tuple(np.asarray(i) if isinstance(i, list) else i for i in index)
    return np.asarray(index) if isinstance(index, list) else index


def check_bounds(value: Any, parts: tuple) -> Any:
    """IndexError for a single integer out of range, which JAX would clamp."""
    if len(parts) <= np.ndim(value) and not any(p is None or p is Ellipsis for p in parts):
        for part, length in zip(parts, np.shape(value), strict=False):
            whole = isinstance(part, (int, np.integer)) and not isinstance(part, bool)
            if whole and not -length <= part < length:
                raise IndexError(f"index {part} is out of bounds for axis with size {length}")
    return value


def join(items: Any) -> Any:
    """A list (of lists) of values, traced ones among them, as one array.

    Where each item is computed from the one before, compilation takes time with the square of the
    number of steps; such models run faster as they are.
    """
    state = current()
    steps = [item for item in items if is_traced(item)]
    if len(steps) * max(map(state.depth, steps), default=0) > MAX_CHAIN:
        refuse(
            f"the model steps through {len(items)} points in a Python loop, each from the one "
            "before: that would compile for too long"
        )
    return jnp.asarray(items)
