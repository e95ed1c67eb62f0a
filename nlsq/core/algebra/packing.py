"""NamedTuples of small arrays as one float64 vector and back, on the host and inside programs."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np


class View:
    """A packed vector as the tree it is of: NumPy views of its arrays, its scalars as floats.

    Attributes
    ----------
    vector : ndarray
    """

    __slots__ = ("_places", "_shapes", "vector")

    def __init__(self, vector, places, shapes):
        self.vector, self._places, self._shapes = vector, places, shapes

    def __getattr__(self, name: str):
        place, shape = getattr(self._places, name), getattr(self._shapes, name)
        if type(place) is slice:
            return self.vector[place].reshape(shape)
        return self.vector.item(place) if type(place) is int else View(self.vector, place, shape)


def leaves_of(tree: Any) -> list:
    """The arrays in nested tuples or lists, from the first to the last."""
    if isinstance(tree, list | tuple):
        return [leaf for part in tree for leaf in leaves_of(part)]
    return [tree]


def like(template: Any, leaves: Iterable) -> Any:
    """Nested tuples as in `template`, with these leaves."""
    leaves = iter(leaves)

    def made(part):
        if not isinstance(part, list | tuple):
            return next(leaves)
        parts = [made(each) for each in part]
        return type(part)(*parts) if hasattr(part, "_fields") else tuple(parts)

    return made(template)


class Packing:
    """Where the leaves of a tree lie in its vector.

    Parameters
    ----------
    template : nested tuples of ndarray
        A tree of the shapes and types to pack.

    Examples
    --------
    >>> import numpy as np
    >>> packing = Packing((np.zeros(2), np.zeros((), bool)))
    >>> packing.vector((np.array([1.0, 2.0]), np.array(True)), np)
    array([1., 2., 1.])
    >>> packing.tree(np.array([1.0, 2.0, 0.0]))
    (array([1., 2.]), np.False_)
    """

    def __init__(self, template: Any):
        leaves, self._template = leaves_of(template), template
        self._forms = [(leaf.size, leaf.shape, leaf.dtype) for leaf in leaves]
        self.size = sum(size for size, _, _ in self._forms)

    def vector(self, tree: Any, xp):
        """The tree's leaves one after the other; `xp` is `numpy` or `jax.numpy`."""
        if xp is not np:
            return xp.concatenate([xp.ravel(leaf).astype(float) for leaf in leaves_of(tree)])
        vector = np.empty(self.size)
        for leaf, place in zip(leaves_of(tree), self._places, strict=True):
            vector[place] = leaf.ravel() if type(place) is slice else leaf
        return vector

    def tree(self, vector):
        """The tree with its leaves taken from a vector."""
        leaves, start, plain = [], 0, type(vector) is np.ndarray
        for size, shape, dtype in self._forms:
            if plain and not shape:
                leaves.append(vector[start].astype(dtype))  # a number, not an array
            else:
                leaves.append(vector[start : start + size].reshape(shape).astype(dtype))
            start += size
        return like(self._template, leaves)

    def view(self, vector) -> View:
        """The tree of a NumPy vector, leaf by leaf as they are asked for.

        Examples
        --------
        >>> from nlsq.core.loop.state import Method, start_vector, state_packing
        >>> method = Method("trf", False, 2)
        >>> state = state_packing(method).view(start_vector([1.0, 2.0], method))
        >>> state.trial, state.point.P.shape
        (array([1., 2.]), (2, 2))
        """
        return View(vector, self.places, self._shapes)

    @functools.cached_property
    def _shapes(self):
        return like(self._template, [shape for _, shape, _ in self._forms])

    @functools.cached_property
    def _places(self) -> list:
        ends = np.cumsum([size for size, _, _ in self._forms]).tolist()
        return [
            slice(end - size, end) if shape else end - 1
            for end, (size, shape, _) in zip(ends, self._forms, strict=True)
        ]

    @functools.cached_property
    def places(self):
        """A tree of where each leaf lies: an index for a scalar, else a slice."""
        return like(self._template, self._places)
