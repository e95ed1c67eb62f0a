"""A model given back to a result that was stored without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.result import derivatives
from nlsq.result.serialization import function_name


class AttachedModel:
    """Wrap ``f(x, *params)`` as an object with `predict` and `jacobian`.

    Without `jac` the derivative is the `difference` of `nlsq.result.derivatives`.

    Parameters
    ----------
    f : callable
        ``f(x, *params)`` -> (m,).
    jac : callable, optional
        ``jac(x, *params)`` -> (m, n).
    perr : ndarray, shape (n,)
        Standard errors, the scale of a parameter that is zero.
    """

    def __init__(self, f: Callable, jac: Callable | None, perr: np.ndarray) -> None:
        self.f = self.function = f
        self.jac, self.perr = jac, perr
        self.name = function_name(f)

    def predict(self, x: Any, p: np.ndarray) -> np.ndarray:
        """Model at `x`, shape (m,)."""
        return np.atleast_1d(np.asarray(self.f(x, *p))).ravel()

    def jacobian(self, x: Any, p: np.ndarray) -> np.ndarray:
        """Derivatives by the parameters at `x`, shape (m, n)."""
        if self.jac is not None:
            return np.asarray(self.jac(x, *p))
        return np.column_stack([self._column(x, p, i) for i in range(len(p))])

    def _column(self, x: Any, p: np.ndarray, i: int) -> np.ndarray:
        scale = derivatives.scale_of(p[i], self.perr[i])
        return derivatives.difference(lambda q: self.predict(x, q), p, i, scale)


def as_model(f: Any, jac: Callable | None, perr: np.ndarray) -> Any:
    """The object itself when it has `predict` and `jacobian`, else an `AttachedModel`.

    Raises
    ------
    TypeError
        When `f` is neither, or `jac` is given with an object that has its own.
    """
    if hasattr(f, "predict") and hasattr(f, "jacobian"):
        if jac is not None:
            raise TypeError("jac belongs to a plain function; this object has its own jacobian")
        return f
    if not callable(f):
        raise TypeError(
            "attach takes a function f(x, *params) or an object with predict and jacobian"
        )
    return AttachedModel(f, jac, perr)
