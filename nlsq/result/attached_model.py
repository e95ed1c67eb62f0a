"""A model given back to a result that was stored without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.result.serialization import function_name

_EPS = np.finfo(float).eps
# Fourth-order central differences: the truncation error h^4 and the rounding eps/h balance here.
_STEP = _EPS ** (1 / 5)


class AttachedModel:
    """Wrap ``f(x, *params)`` as an object with `predict` and `jacobian`.

    Without `jac` the derivative is a fourth-order central difference whose step follows each
    parameter: a tenth of its standard error, held between the relative steps at which rounding and
    truncation would take over.

    Parameters
    ----------
    f : callable
        ``f(x, *params)`` -> (m,).
    jac : callable, optional
        ``jac(x, *params)`` -> (m, n).
    perr : ndarray, shape (n,)
        Standard errors, the natural scale of each parameter.
    """

    def __init__(self, f: Callable, jac: Callable | None, perr: np.ndarray) -> None:
        self.f, self.jac, self.perr = f, jac, perr
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
        h = self._step(p[i], self.perr[i])
        shifted = []
        for k in (-2, -1, 1, 2):
            q = np.array(p, dtype=float)
            q[i] += k * h
            shifted.append(self.predict(x, q))
        a, b, c, d = shifted
        return (8.0 * (c - b) - (d - a)) / (12.0 * h)

    @staticmethod
    def _step(value: float, stderr: float) -> float:
        natural = 0.1 * stderr if np.isfinite(stderr) and stderr > 0 else np.inf
        if value == 0:
            step = natural if np.isfinite(natural) else _STEP
        else:
            step = np.clip(natural, _EPS ** (1 / 3) * abs(value), 10 * _STEP * abs(value))
        return (value + step) - value  # a step that the floating-point numbers can make


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
