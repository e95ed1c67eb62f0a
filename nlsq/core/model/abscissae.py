"""What a model is evaluated at: xdata as the user gave it, and as arrays that JAX can trace."""

from __future__ import annotations

import copy
import functools
import itertools
import sys
import threading
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np

from nlsq.utils.given import has_unit


class Columns(dict):
    """Columns of a table by name, `table["t"]` or `table.t`, as arrays JAX can trace."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


_registering = threading.Lock()
_registered: list[type] = []


def _register_columns():
    import jax

    with _registering:
        if _registered:
            return
        _registered.append(Columns)

    jax.tree_util.register_pytree_node(
        Columns,
        lambda table: (tuple(table.values()), tuple(table)),
        lambda names, leaves: Columns(zip(names, leaves, strict=True)),
    )


class Abscissae:
    """xdata in both forms: as the user gave it, and as a pytree of arrays for JAX.

    Attributes
    ----------
    given : object
        What the host calls the model with.
    leaves
        Arrays of the pytree; None when xdata is not made of numeric arrays.
    axes : tuple
        Per leaf the axis that runs over the m points, or None.
    value_shape : tuple or None
        Shape that the model's values may have beside (m,): that of ydata with several axes, those
        of length 1 left out.
    own : ndarray or None
        The user's own array where `given` may be a copy of it, until the model's road is found.
    """

    def __init__(self, xdata, m: int, y_shape: tuple[int, ...] = ()):
        self.given = xdata
        self.own: Any = None
        self._kept: Any = None
        self.value_shape = None
        if len(y_shape) > 1 and len(shape := tuple(k for k in y_shape if k != 1)) > 1:
            self.value_shape = shape
        self._tree, self._treedef = xdata, None
        if type(xdata) is np.ndarray and xdata.dtype == np.float64:
            self.leaves, self.axes = (xdata,), (_data_axis(xdata, m),)
            return
        if hasattr(xdata, "columns") and hasattr(xdata, "to_numpy"):
            self._tree = Columns((str(name), xdata[name].to_numpy()) for name in xdata.columns)
        leaves = _leaves(self._tree)
        units = any(has_unit(leaf) for leaf in leaves)  # they are the user's function's business
        arrays = [] if units else [np.asarray(leaf) for leaf in leaves]
        numeric = not units and all(a.dtype.kind in "fiubc" for a in arrays)
        self.leaves = tuple(_widened(a) for a in arrays) if numeric else None
        self.axes = tuple(_data_axis(a, m) for a in arrays) if numeric else ()

    def show_own(self, for_good: bool) -> None:
        """Let the model be called with the user's own array, where that is another object."""
        if self.own is not None:
            self._kept = None if for_good else self.given
            self.given, self.own = self.own, None

    def keep_copy(self) -> None:
        """Hold, after `show_own`, the copy again, which does not change with the user's array."""
        if self._kept is not None:
            self.given, self._kept = self._kept, None

    @property
    def treedef(self):
        """JAX's name of the structure of the leaves."""
        if self._treedef is None:
            self._treedef = _leaf() if type(self._tree) is np.ndarray else _structure(self._tree)
        return self._treedef

    @property
    def structure(self) -> str:
        """The structure of the leaves in words."""
        return repr(_like(self._tree, itertools.repeat("*")))

    def take(self, points: np.ndarray) -> Abscissae:
        """The abscissae of some of the points; `given` is left empty."""
        part = copy.copy(self)
        part.given = None
        part.leaves = tuple(
            a if axis is None else np.take(a, points, axis)
            for a, axis in zip(self.leaves, self.axes, strict=True)
        )
        return part

    def arrays(self):
        """What the user's function takes: as it was given, or of these points."""
        if self.given is not None or self.leaves is None:
            return self.given
        return _like(self._tree, iter(self.leaves))

    def some(self, points: np.ndarray):
        """Some of the points in the form of `given`; None where that form cannot be divided."""
        if type(self.given) is np.ndarray and self.axes[0] is not None:
            return np.take(self.given, points, self.axes[0])
        if type(self.given) not in (list, tuple, dict):
            return None
        return self.take(points).arrays()

    @property
    def in_full(self) -> bool:
        """Whether the leaves are all there is to `given`: no index, unit or name beside them."""
        kinds = (np.ndarray, list, tuple, dict, type(None))
        return self.leaves is not None and type(self.given) in kinds

    @property
    def shapes(self) -> Hashable:
        """Shapes and types of the leaves: a program of this key traces once."""
        return tuple((a.shape, a.dtype.char) for a in self.leaves)

    @property
    def signature(self) -> Hashable:
        """What a traced model may depend on besides values and length."""
        if self.leaves is None:
            return ("opaque", type(self.given).__qualname__)
        shapes = []
        for a, axis in zip(self.leaves, self.axes, strict=True):
            rest = a.shape if axis is None else a.shape[:axis] + a.shape[axis + 1 :]
            shapes.append((a.dtype.char, a.ndim, axis, rest))
        form = self.treedef, type(self.given).__qualname__, self.value_shape
        return (*form, *shapes)


@functools.cache
def _leaf():
    """The structure of a single array."""
    import jax

    return jax.tree.structure(0)


def _structure(tree):
    import jax

    _register_columns()
    return jax.tree.structure(tree)


def _leaves(tree) -> list:
    """What `jax.tree.leaves` finds, which is loaded for none of the usual forms."""
    if tree is None:
        return []
    if _is_leaf(tree):
        return [tree]
    if type(tree) in (list, tuple):
        return [leaf for part in tree for leaf in _leaves(part)]
    if type(tree) is Columns:
        return list(tree.values())
    if type(tree) is dict and all(type(key) is str for key in tree):
        return [leaf for key in sorted(tree) for leaf in _leaves(tree[key])]
    import jax

    return jax.tree.leaves(tree)


def _like(tree, leaves: Iterator):
    """What `jax.tree.unflatten` makes in the form of a tree of other leaves, in their order."""
    if tree is None:
        return None
    if _is_leaf(tree):
        return next(leaves)
    if type(tree) in (list, tuple):
        return type(tree)(_like(part, leaves) for part in tree)
    if type(tree) is Columns:
        return Columns((name, next(leaves)) for name in tree)
    if type(tree) is dict and all(type(key) is str for key in tree):
        return {key: _like(tree[key], leaves) for key in sorted(tree)}
    structure = _structure(tree)
    return structure.unflatten([next(leaves) for _ in range(structure.num_leaves)])


def _is_leaf(tree) -> bool:
    """Whether it surely is one: who registers a class of his own has loaded JAX."""
    if type(tree) is np.ndarray or isinstance(tree, int | float | complex | np.generic):
        return True
    return "jax" not in sys.modules and not isinstance(tree, dict | list | tuple)


def _widened(array):
    """Single precision and small integers become double, as SciPy does with lists and arrays."""
    if array.dtype.kind == "f":
        return np.asarray(array, float)
    return array.astype(complex) if array.dtype.kind == "c" else array


def _data_axis(array, m: int):
    if array.ndim and array.shape[-1] == m:
        return array.ndim - 1
    return 0 if array.ndim and array.shape[0] == m else None
