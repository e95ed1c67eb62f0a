"""The array a carried model sees: NumPy's interface over a NumPy value or a JAX value.

A proxy whose value is a NumPy array is *data*: everything computed from data alone is computed
by NumPy, so a model may branch on it, loop over it and index with it. As soon as a traced value
enters, by arithmetic or by assignment, the proxy holds a JAX array, and asking it for a plain
number refuses.

Values are never changed in place. Assignment replaces the value of the proxy; a view (a slice, a
transpose, a reshape) remembers its base and reads and writes through it, as NumPy's views do.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.core.model.carry.selection import Selected, store, take
from nlsq.core.model.carry.state import caller, refuse
from nlsq.core.model.carry.values import cast, check_bounds, is_traced, join, listed, put, put_rows

_BASIC = (int, np.integer, slice, type(None), type(Ellipsis))
_REFUSED_METHODS = {"partition", "itemset", "setflags", "resize", "byteswap", "setfield"}


class Proxy:
    """An ndarray look-alike; see the module's docstring."""

    __slots__ = (
        "_base", "_get", "_pending", "_put", "_rows", "_rows_traced", "_stamp", "_value", "_version"
    )  # fmt: skip
    __array_priority__ = 1000.0
    __pandas_priority__ = 100000
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Any, base: Proxy | None = None, get=None, put=None):
        self._value = value
        self._base, self._get, self._put = base, get, put
        self._version = 0
        # Rows assigned one by one (`y[i] = ...` in a loop) are gathered here and stored together:
        # a chain of updates of the whole array would take the compiler minutes.
        self._rows: dict[int, Any] = {}
        self._rows_traced = self._pending = False
        self._stamp = base.version if base is not None else 0

    # -- value and views ------------------------------------------------------------------------
    @property
    def version(self) -> int:
        return self._version if self._base is None else self._base.version

    @property
    def value(self) -> Any:
        if self._base is not None and self._stamp != self._base.version:
            self._value = self._get(self._base.value)
            self._stamp = self._base.version
        if self._pending:
            self._value = put_rows(self._value, self._rows)
            self._pending = False
        return self._value

    def assign(self, value: Any) -> None:
        """Replace the value, in the base too when this is a view."""
        if self._base is None:
            self._value = value
            self._rows, self._rows_traced, self._pending = {}, False, False
            self._version += 1
        elif self._put is None:
            refuse(f"{caller()} writes into a view that cannot be written through")
        else:
            self._base.assign(self._put(self._base.value, value))

    def view(self, get: Callable, put: Callable | None = None) -> Proxy:
        return Proxy(get(self.value), self, get, put)

    @property
    def traced(self) -> bool:
        if self._pending and self._rows_traced:
            return True
        return isinstance(self.value, jax.Array)

    def _row(self, index: Any) -> int | None:
        """`index` as a row number when it is one whole number within bounds."""
        if self._base is not None or not isinstance(index, (int, np.integer)):
            return None
        length = self._value.shape[0] if np.ndim(self._value) else 0
        if isinstance(index, bool) or not -length <= index < length:
            return None
        return int(index) % length

    def _assign_row(self, row: int, new: Any) -> None:
        if not is_traced(new):
            new = np.asarray(new)
        if new.shape and new.size == 1 and self._value.ndim == 1:
            new = new.reshape(())
        if new.dtype.kind == "c" and self.dtype.kind != "c":
            refuse(f"complex values are assigned into a real array: {caller()}")
        if new.dtype != self.dtype:
            new = cast(new, self.dtype)
        if new.shape != self._value.shape[1:]:
            new = (jnp if is_traced(new) else np).broadcast_to(new, self._value.shape[1:])
        self._rows[row] = new
        self._rows_traced = self._rows_traced or is_traced(new)
        self._pending = True
        self._version += 1

    # -- protocols ------------------------------------------------------------------------------
    def __jax_array__(self):
        return jnp.asarray(self.value)

    def __array__(self, dtype=None, copy=None):
        if self.traced:
            refuse(f"{caller()} needs concrete numbers, not values that depend on the parameters")
        return np.array(self.value, dtype=dtype)

    def _plain(self, kind: Callable) -> Any:
        if self.traced:
            refuse(f"{caller()} needs a plain number; `{kind.__name__}()` of a traced value")
        return kind(self.value)

    def __bool__(self) -> bool:
        if self.traced:
            who = caller()
            if not who.startswith("`"):
                refuse(f"{who} needs concrete numbers, not values that depend on the parameters")
            refuse(
                "the model branches (`if`, `and`, `while`, `max`, ...) on a value that depends on "
                f"the parameters: {who}"
            )
        return bool(self.value)

    def __float__(self) -> float:
        return self._plain(float)

    def __int__(self) -> int:
        return self._plain(int)

    def __complex__(self) -> complex:
        return self._plain(complex)

    def __index__(self) -> int:
        return self._plain(operator.index)

    def __len__(self) -> int:
        return len(self.value) if not self.traced else self._length()

    def _length(self) -> int:
        if not self.shape:
            raise TypeError("object of type 'numpy.float64' has no len()")
        return self.shape[0]

    def __iter__(self) -> Iterator:
        return (self[i] for i in range(self._length()))

    def __contains__(self, item) -> bool:
        return bool((self == item).any())

    def __format__(self, spec: str) -> str:
        return str(self.value) if self.traced else format(self.value, spec)

    def __str__(self) -> str:
        return str(self.value)

    def __repr__(self) -> str:
        return repr(self.value)

    # -- attributes -----------------------------------------------------------------------------
    shape = property(lambda self: tuple(np.shape(self._now)))
    ndim = property(lambda self: np.ndim(self._now))
    size = property(lambda self: int(np.prod(self.shape)))
    dtype = property(lambda self: np.dtype(self._now.dtype))
    itemsize = property(lambda self: self.dtype.itemsize)
    nbytes = property(lambda self: self.size * self.itemsize)

    @property
    def _now(self) -> Any:
        """A value of the right shape and dtype, without storing pending rows."""
        return self._value if self._base is None else self.value

    @property
    def T(self) -> Proxy:
        return self.transpose()

    @property
    def real(self) -> Proxy:
        if self.dtype.kind != "c":
            return self
        return self.view(lambda v: v.real, lambda v, new: new + 1j * v.imag)

    @real.setter
    def real(self, value: Any) -> None:
        self.real[...] = value

    @property
    def imag(self) -> Proxy:
        if self.dtype.kind != "c":
            return self.view(lambda v: v.imag)
        return self.view(lambda v: v.imag, lambda v, new: v.real + 1j * new)

    @imag.setter
    def imag(self, value: Any) -> None:
        self.imag[...] = value

    @property
    def flat(self) -> Any:
        return self.reshape(-1)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in Proxy.__slots__:
            raise AttributeError(name)
        if self.traced or name in _REFUSED_METHODS:
            getattr(np.empty(0), name)  # AttributeError as for an ndarray
            refuse(f"the array method `{name}` is not supported on traced values")
        found = getattr(self.value, name)
        if callable(found):
            return lambda *a, **k: wrap(found(*unwrap(a), **unwrap(k)))
        return wrap(found)

    # -- shape ----------------------------------------------------------------------------------
    def reshape(self, *shape, order="C", **kwargs) -> Proxy:
        shape = unwrap(shape[0] if len(shape) == 1 else shape) if shape else kwargs["shape"]
        if order not in ("C", "A", "K"):
            return np.reshape(self.copy(), shape, order=order)
        put = (lambda v, new: new.reshape(v.shape)) if self._base is None else None
        return self.view(lambda v: v.reshape(shape), put)

    def ravel(self, order="C") -> Proxy:
        return self.reshape(-1, order=order)

    def flatten(self, order="C") -> Proxy:
        return self.copy().reshape(-1, order=order).copy()

    def transpose(self, *axes) -> Proxy:
        axes = axes[0] if len(axes) == 1 else (axes or None)
        if axes is None:
            return self.view(lambda v: v.transpose(), lambda v, new: new.transpose())
        if isinstance(axes, int):
            axes = (axes,)
        back = tuple(np.argsort(axes))
        return self.view(lambda v: v.transpose(axes), lambda v, new: new.transpose(back))

    def copy(self, order="C") -> Proxy:
        return Proxy(self.value)

    def __copy__(self) -> Proxy:
        return Proxy(self.value)

    def __deepcopy__(self, memo) -> Proxy:
        return Proxy(self.value)

    def astype(self, dtype, copy=True, **_) -> Proxy:
        return Proxy(cast(self.value, np.dtype(dtype)))

    def item(self, *index):
        return (self[index] if index else self.reshape(-1)[0])._plain(np.ndarray.item)

    def tolist(self):
        return [row.tolist() if isinstance(row, Proxy) and row.ndim else row for row in self]

    def fill(self, value) -> None:
        self[...] = value

    def sort(self, axis=-1, **kwargs) -> None:
        self.assign(raw(np.sort(self, axis=axis)))

    # -- indexing -------------------------------------------------------------------------------
    def __getitem__(self, index) -> Any:
        index = unwrap(index)
        row = self._row(index)
        if row is not None and row in self._rows:
            found = self._rows[row]
            if np.ndim(found) == 0:
                return Proxy(found)
            return Proxy(found, self, lambda v: v[row], lambda v, new: put(v, row, new))
        parts = index if isinstance(index, tuple) else (index,)
        if any(is_traced(part) for part in parts):
            found = take(self.value, index)
            return found if isinstance(found, Selected) else Proxy(found)
        if all(isinstance(part, _BASIC) for part in parts):
            found = check_bounds(self.value, parts)[index]
            if np.ndim(found) == 0:
                return Proxy(found)
            return self.view(lambda v: v[index], lambda v, new: put(v, index, new))
        return Proxy(self.value[listed(index)])

    def __setitem__(self, index, value) -> None:
        index = unwrap(index)
        parts = index if isinstance(index, tuple) else (index,)
        if any(is_traced(part) for part in parts):
            new = value if isinstance(value, Selected) else raw(value)
            return self.assign(store(self.value, index, new))
        if isinstance(value, (list, tuple)):
            value = join(unwrap(value)) if any_traced(value) else np.asarray(unwrap(value))
        if isinstance(value, Selected):
            refuse("a selection by a traced mask is assigned to another place")
        row = self._row(index)
        if row is not None:
            return self._assign_row(row, raw(value))
        self.assign(put(self.value, listed(index), raw(value)))
        return None


def raw(item: Any) -> Any:
    """The value behind a proxy; anything else unchanged."""
    if isinstance(item, Proxy):
        return item.value
    if isinstance(item, Selected):
        item._refuse()
    return item


def unwrap(tree: Any) -> Any:
    """`raw` through lists, tuples and dicts."""
    if type(tree) in (list, tuple):
        return type(tree)(unwrap(item) for item in tree)
    if type(tree) is dict:
        return {key: unwrap(item) for key, item in tree.items()}
    if isinstance(tree, slice):
        return slice(*(_slice_end(end) for end in (tree.start, tree.stop, tree.step)))
    return raw(tree)


def _slice_end(end: Any) -> Any:
    return operator.index(end) if isinstance(end, Proxy) else end


def wrap(tree: Any) -> Any:
    """Proxies around the arrays of a result."""
    if isinstance(tree, jax.Array) or (isinstance(tree, np.ndarray) and tree.dtype.kind in "biufc"):
        return Proxy(tree)
    if isinstance(tree, (list, tuple)):
        items = [wrap(item) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return tree


def leaves(tree: Any) -> Iterator:
    if isinstance(tree, (list, tuple)):
        for item in tree:
            yield from leaves(item)
    elif isinstance(tree, dict):
        yield from leaves(list(tree.values()))
    else:
        yield tree


def touches(*trees: Any) -> bool:
    """Whether a proxy is anywhere inside."""
    return any(isinstance(leaf, (Proxy, Selected)) for leaf in leaves(trees))


def any_traced(*trees: Any) -> bool:
    return any(
        isinstance(leaf, (jax.Array, Selected)) or (isinstance(leaf, Proxy) and leaf.traced)
        for leaf in leaves(trees)
    )
