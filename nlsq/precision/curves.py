"""A model at many parameter vectors: what `units` asks, and how a plain function answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from nlsq.config import double_precision

_ELEMENTS = 1 << 17  # points times vectors that are evaluated in a call


class Curves(Protocol):
    """A model of n parameters to be evaluated at many parameter vectors."""

    n: int
    x: np.ndarray | None  # (m,) or (k, m); None where it is no numbers
    p0: np.ndarray  # (n,), as the next
    lb: np.ndarray
    ub: np.ndarray
    free: np.ndarray
    in_columns: bool  # whether many curves are evaluated by one call

    def values(self, P: np.ndarray, x: np.ndarray | None = None) -> np.ndarray:
        """Curves (k, m) at vectors P (k, n), NaN where the model fails."""

    def tiles(self, P: np.ndarray) -> Iterator[np.ndarray]:
        """P in parts, of which each is evaluated in one call."""


class FunctionCurves:
    """The curves of a function f(x, a, b, ...) at m points x, as `Curves`.

    Examples
    --------
    >>> x = np.arange(3.0)
    >>> curves = FunctionCurves(lambda x, a: a * x, x, np.ones(1), -np.ones(1), np.ones(1), 3)
    >>> curves.values(np.array([[1.0], [2.0]])).tolist()
    [[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]]
    """

    def __init__(self, f: Callable, x, p0: np.ndarray, lb: np.ndarray, ub: np.ndarray, m: int):
        self._f, self._given, self._m = f, x, m
        self.n, self.p0, self.lb, self.ub, self.free = p0.size, p0, lb, ub, lb < ub
        numbers = isinstance(x, np.ndarray) and x.dtype.kind in "fiu" and x.ndim in (1, 2)
        self.x = np.asarray(x, float) if numbers and x.shape[-1] == m else None
        self.in_columns = self.x is not None

    def values(self, P: np.ndarray, x: np.ndarray | None = None) -> np.ndarray:
        """As of `Curves`."""
        x = self._given if x is None else x
        if self.in_columns and len(P) > 1:
            found = self._called(x, list(P.T[:, :, None]), (len(P), self._m))
            alone = self._called(x, P[-1], (self._m,))
            if found.ndim == 2 and np.allclose(found[-1], alone, rtol=1e-9, atol=0, equal_nan=True):
                return found
            self.in_columns = False
        return np.array([self._called(x, p, (self._m,)) for p in P]).reshape(len(P), self._m)

    def _called(self, x, p, shape: tuple) -> np.ndarray:
        """What the function gives, in this shape; NaN (m,) where it raises, or gives another."""
        with double_precision(), np.errstate(all="ignore"):
            try:
                value = np.asarray(self._f(x, *p)) * 1.0
                return np.broadcast_to(value.ravel() if len(shape) == 1 else value, shape)
            except Exception:  # the user's function, which may refuse a vector
                return np.full(self._m, np.nan)

    def tiles(self, P: np.ndarray) -> Iterator[np.ndarray]:
        """P in parts, of which each is evaluated in one call."""
        width = max(1, _ELEMENTS // self._m)
        for first in range(0, len(P), width):
            yield P[first : first + width]
