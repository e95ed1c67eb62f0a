"""A model given back to a result that was stored without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.result.serialization import function_name

# Steps tried for each parameter, as shares of its scale: wide for a smooth model, narrow for a
# peak whose position is far larger than its width.
_STEPS = 1e-2 / 30.0 ** np.arange(6)


class AttachedModel:
    """Wrap ``f(x, *params)`` as an object with `predict` and `jacobian`.

    Without `jac` the derivative is a fourth-order central difference. Of several steps, shares of
    the parameter's value, it takes the one at which the second-order difference from the same
    points agrees best: there truncation and rounding are both small.

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
        natural = 10.0 * self.perr[i]
        scale = abs(p[i]) or (natural if 0 < natural < np.inf else 1.0)
        best, least = None, np.inf
        for share in _STEPS:
            h = (p[i] + share * scale) - p[i]  # a step that the floating-point numbers can make
            fourth, second = self._differences(x, p, i, h)
            size = np.abs(fourth).max(initial=0.0)
            gap = np.abs(fourth - second).max(initial=0.0) / size if size > 0 else np.inf
            if best is None or gap < least:
                best, least = fourth, gap
        return best

    def _differences(self, x: Any, p: np.ndarray, i: int, h: float) -> tuple[Any, Any]:
        """Central differences of fourth and second order."""
        shifted = []
        for k in (-2, -1, 1, 2):
            q = np.array(p, dtype=float)
            q[i] += k * h
            with np.errstate(all="ignore"):  # a wide step may leave the model's domain
                shifted.append(self.predict(x, q))
        a, b, c, d = shifted
        with np.errstate(invalid="ignore"):
            return (8.0 * (c - b) - (d - a)) / (12.0 * h), (c - b) / (2.0 * h)


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
