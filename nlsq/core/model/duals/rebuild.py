"""A model rebuilt over the stand-ins, for what NumPy does not hand to the rules of dual numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from nlsq.core.model import rebuilding
from nlsq.core.model.duals import scipy_rules
from nlsq.core.model.duals.dual import FUNCTIONS, is_open
from nlsq.core.model.duals.stand_ins import (
    COMPLEX,
    FLOAT,
    NUMPY,
    PYTHON,
    TYPES,
    Vectorized,
    of_lists,
    open_for_duals,
)

_COPIED = 2**20  # bytes
_TABLE = {**NUMPY, **TYPES, **PYTHON}
_KINDS = (type, *(type(f) for f in (np.zeros, np.piecewise, np.full_like, lambda: None)))


class Rebuild(rebuilding.Rebuild):
    """`rebuild(obj)`: the stand-in of any object, itself when it needs none."""

    builtins: ClassVar[dict[str, Any]] = {"float": FLOAT, "complex": COMPLEX}

    def leaves(self, module: str | None) -> bool:
        """NumPy's polynomials are Python code."""
        return super().leaves(module) and not (module or "").startswith("numpy.polynomial.")

    def replaced(self, obj: Any) -> Any:
        """What makes arrays, takes Python's numbers or is SciPy's."""
        if isinstance(obj, _KINDS):
            known = _TABLE.get(obj) or scipy_rules.stand_in(obj)
            return of_lists(obj) if known is None and obj in FUNCTIONS else known
        if isinstance(obj, np.vectorize):
            return Vectorized(self(obj.pyfunc), obj.otypes, None, obj.excluded, None, obj.signature)
        return scipy_rules.instance(obj)

    def array(self, a: np.ndarray) -> Any:
        """A dual array of its own, which the model may write into if it is not large."""
        if not is_open(a):
            return a
        own = a.copy() if a.nbytes <= _COPIED else a.view()
        own.flags.writeable = a.nbytes <= _COPIED
        return open_for_duals(own)


def rebuilt(f: Callable) -> Callable:
    """f as it is now, over the stand-ins."""
    return Rebuild()(f)


def opening(g: Callable) -> Callable:
    """g, into whose arguments' arrays of floating point dual numbers may be written."""

    def call(*args, **settings):
        return g(*map(opened, args), **{k: opened(v) for k, v in settings.items()})

    return call


def opened(a: Any) -> Any:
    """An argument, or what a tuple, list, dictionary or table holds, open for dual numbers."""
    if type(a) in (tuple, list):
        return type(a)(map(opened, a))
    if type(a) is dict:
        return {k: opened(v) for k, v in a.items()}
    if type(a).__module__.partition(".")[0] != "pandas":
        return open_for_duals(a)
    return opened(a.to_numpy()) if a.ndim == 1 else _Table(a)


class _Table:
    """A data frame whose columns are arrays: pandas' own do not take dual numbers."""

    def __init__(self, frame: Any):
        self.__dict__["_frame"] = frame

    def __getitem__(self, key: Any) -> Any:
        return opened(self._frame[key])

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._frame, name)
        return opened(part) if hasattr(part, "to_numpy") else part

    def __len__(self) -> int:
        return len(self._frame)
