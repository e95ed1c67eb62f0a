"""The array a carried model sees: NumPy's interface over a NumPy value or a JAX value.

A proxy whose value is a NumPy array is *data*: everything computed from data alone is computed by
NumPy, so a model may branch on it, loop over it and index with it. As soon as a traced value enters,
by arithmetic or by assignment, the proxy holds a JAX array, and asking it for a plain number refuses.

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

from nlsq.core.carry.state import caller, refuse

_BASIC = (int, np.integer, slice, type(None), type(Ellipsis))
_IN_PLACE_REFUSED = {"partition", "itemset", "setflags", "resize", "byteswap", "setfield"}


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
        if np.size(new) == 1 and self._value.ndim == 1:
            new = new.reshape(())
        if new.dtype.kind == "c" and self.dtype.kind != "c":
            refuse(f"complex values are assigned into a real array: {caller()}")
        xp = jnp if is_traced(new) else np
        self._rows[row] = xp.broadcast_to(cast(new, self.dtype), self._value.shape[1:])
        self._rows_traced = self._rows_traced or is_traced(new)
        self._pending = True
        self._version += 1

    # -- protocols ------------------------------------------------------------------------------
    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        return _ufunc(ufunc, method, args, kwargs)

    def __array_function__(self, func, types, args, kwargs):
        return _function(func, args, kwargs)

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
        return format("<traced>" if self.traced else self.value, "" if self.traced else spec)

    def __repr__(self) -> str:
        return f"Proxy({self.value!r})"

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
        return self.view(lambda v: v.real)

    @property
    def imag(self) -> Proxy:
        return self.view(lambda v: v.imag)

    @property
    def flat(self) -> Any:
        return self.reshape(-1)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in Proxy.__slots__:
            raise AttributeError(name)
        if self.traced or name in _IN_PLACE_REFUSED:
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
            return call("reshape", self.copy(), shape, order=order)
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

    def view_as(self) -> Proxy:
        return self

    def item(self, *index):
        return (self[index] if index else self.reshape(-1)[0])._plain(np.ndarray.item)

    def tolist(self):
        return [row.tolist() if isinstance(row, Proxy) and row.ndim else row for row in self]

    def fill(self, value) -> None:
        self[...] = value

    def sort(self, axis=-1, **kwargs) -> None:
        self.assign(raw(call("sort", self, axis=axis)))

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
            return _traced_get(self, index)
        if all(isinstance(part, _BASIC) for part in parts):
            found = _check_bounds(self.value, parts)[index]
            if np.ndim(found) == 0:
                return Proxy(found)
            return self.view(lambda v: v[index], lambda v, new: put(v, index, new))
        return Proxy(self.value[_listed(index)])

    def __setitem__(self, index, value) -> None:
        index = unwrap(index)
        parts = index if isinstance(index, tuple) else (index,)
        if any(is_traced(part) for part in parts):
            return _traced_put(self, index, value)
        if isinstance(value, (list, tuple)):
            value = call("asarray", value)
        if isinstance(value, Selected):
            refuse("a selection by a traced mask is assigned to another place")
        row = self._row(index)
        if row is not None:
            return self._assign_row(row, raw(value))
        self.assign(put(self.value, _listed(index), raw(value)))
        return None


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

    def __array_ufunc__(self, ufunc, method, *args, **kwargs):
        return _ufunc(ufunc, method, args, kwargs)

    def __array_function__(self, func, types, args, kwargs):
        return _function(func, args, kwargs)

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


# -- helpers on values --------------------------------------------------------------------------
def is_traced(value: Any) -> bool:
    return isinstance(value, jax.Array)


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
    _check_bounds(value, parts)
    new = cast(jnp.asarray(new), value.dtype)
    extra = new.ndim - value[index].ndim
    return value.at[index].set(new.reshape(new.shape[extra:]) if extra > 0 else new)


def put_rows(value: Any, rows: dict[int, Any]) -> Any:
    """`value` with some of its rows replaced, in one operation."""
    where = sorted(rows)
    if not any(is_traced(rows[i]) for i in where):
        if not is_traced(value):
            result = np.array(value)
            for i in where:
                result[i] = rows[i]
            return result
    stacked = jnp.stack([jnp.asarray(rows[i]) for i in where])
    if len(where) == value.shape[0]:
        return stacked
    return jnp.asarray(value).at[np.array(where)].set(stacked)


def _slice_end(end: Any) -> Any:
    return operator.index(end) if isinstance(end, Proxy) else end


def _listed(index: Any) -> Any:
    """Lists as arrays: JAX refuses list indices."""
    if isinstance(index, tuple):
        return tuple(np.asarray(i) if isinstance(i, list) else i for i in index)
    return np.asarray(index) if isinstance(index, list) else index


def _check_bounds(value: Any, parts: tuple) -> Any:
    """IndexError for a single integer out of range, which JAX would clamp."""
    if len(parts) <= np.ndim(value) and not any(p is None or p is Ellipsis for p in parts):
        for part, length in zip(parts, np.shape(value), strict=False):
            whole = isinstance(part, (int, np.integer)) and not isinstance(part, bool)
            if whole and not -length <= part < length:
                raise IndexError(f"index {part} is out of bounds for axis with size {length}")
    return value


def _traced_mask(value: Any, index: Any) -> bool:
    is_mask = is_traced(index) and index.dtype == bool and index.ndim > 0
    return is_mask and index.shape == np.shape(value)[: index.ndim]


def _traced_get(proxy: Proxy, index: Any) -> Any:
    value = jnp.asarray(proxy.value)
    if _traced_mask(value, index):
        if index.ndim != value.ndim:
            refuse(f"rows are selected by a traced mask: {caller()}")
        inside = value.reshape(-1)[jnp.argmax(index.reshape(-1))]
        return Selected(jnp.where(index, value, inside), index)
    parts = index if isinstance(index, tuple) else (index,)
    if any(is_traced(p) and p.dtype.kind not in "iu" for p in parts):
        refuse(f"an array is indexed by a mask that depends on the parameters: {caller()}")
    if any(isinstance(p, slice) and any_traced([p.start, p.stop, p.step]) for p in parts):
        refuse(f"a slice depends on the parameters: {caller()}")
    return Proxy(value.at[_listed(index)].get(mode="fill", fill_value=_missing(value)))


def _missing(value: Any) -> Any:
    return np.nan if value.dtype.kind in "fc" else None


def _traced_put(proxy: Proxy, index: Any, new: Any) -> None:
    value = jnp.asarray(proxy.value)
    if not _traced_mask(value, index):
        if is_traced(index) and index.dtype.kind in "iu":
            return proxy.assign(put(value, index, raw(new)))
        refuse(f"an assignment depends on where the parameters point: {caller()}")
    if isinstance(new, Selected):
        if new.mask is not index:
            refuse(f"values selected by one mask are assigned to another: {caller()}")
        new = new.value
    elif np.ndim(raw(new)) > value.ndim - index.ndim:
        refuse(f"an array is assigned to a selection of unknown length: {caller()}")
    mask = index.reshape(index.shape + (1,) * (value.ndim - index.ndim))
    return proxy.assign(jnp.where(mask, cast(jnp.asarray(raw(new)), value.dtype), value))


def _ufunc(ufunc, method, args, kwargs):
    from nlsq.core.carry.ufuncs import apply

    return apply(ufunc, method, args, kwargs)


def _function(func, args, kwargs):
    from nlsq.core.carry.functions import apply

    return apply(func, args, kwargs)


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """`numpy.<name>` on arguments that may hold proxies."""
    return _function(getattr(np, name), args, kwargs)


# -- operators and array methods ----------------------------------------------------------------
def _operand(other: Any) -> Any:
    if isinstance(other, (list, tuple)):
        return call("asarray", other)
    if hasattr(other, "__pandas_priority__") and not isinstance(other, (Proxy, Selected)):
        return np.asarray(other)
    return other


def _install_operators() -> None:
    def binary(ufunc):
        return lambda self, other: _ufunc(ufunc, "__call__", (self, _operand(other)), {})

    def reflected(ufunc):
        return lambda self, other: _ufunc(ufunc, "__call__", (_operand(other), self), {})

    def in_place(ufunc):
        def method(self, other):
            result = _ufunc(ufunc, "__call__", (self, _operand(other)), {})
            if isinstance(self, Selected) or self.ndim == 0:
                return result
            if not np.can_cast(result.dtype, self.dtype, "same_kind"):
                raise TypeError(f"cannot cast {result.dtype} to {self.dtype} in place")
            if result.shape != self.shape:
                raise ValueError(f"in place: {result.shape} does not fit {self.shape}")
            self.assign(cast(result.value, self.dtype))
            return self

        return method

    names = {
        "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
        "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power,
        "matmul": np.matmul, "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
        "lshift": np.left_shift, "rshift": np.right_shift, "divmod": np.divmod,
    }  # fmt: skip
    compare = {
        "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
        "eq": np.equal, "ne": np.not_equal,
    }  # fmt: skip
    unary = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}
    for cls in (Proxy, Selected):
        for name, ufunc in names.items():
            setattr(cls, f"__{name}__", binary(ufunc))
            setattr(cls, f"__r{name}__", reflected(ufunc))
            setattr(cls, f"__i{name}__", in_place(ufunc))
        for name, ufunc in compare.items():
            setattr(cls, f"__{name}__", binary(ufunc))
        for name, ufunc in unary.items():
            setattr(cls, f"__{name}__", lambda self, u=ufunc: _ufunc(u, "__call__", (self,), {}))
        cls.__round__ = lambda self, digits=0: call("round", self, digits)


def _install_methods() -> None:
    def method(func):
        return lambda self, *args, **kwargs: _function(func, (self, *args), kwargs)

    names = """sum prod mean std var max min argmax argmin cumsum cumprod dot clip round ptp all
    any argsort searchsorted take repeat squeeze swapaxes diagonal trace nonzero compress""".split()
    for cls in (Proxy, Selected):
        for name in names:
            setattr(cls, name, method(getattr(np, name)))
        cls.conj = cls.conjugate = lambda self: _ufunc(np.conjugate, "__call__", (self,), {})


_install_operators()
_install_methods()
