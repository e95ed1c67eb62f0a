"""Whether two evaluations of a model gave the same values."""

from __future__ import annotations

import numpy as np

ROUNDING = 1e-8  # relative to the range of the values, in double precision
_UNREPEATABLE = (
    "The model returned different values for the same parameters (they differ by {:.1e} of their "
    "range): it draws random numbers or depends on a state that changes, and a fit would follow "
    "the changes. Draw the numbers once, outside of the model, or seed the generator inside it."
)


class Unrepeatable(ValueError):
    """The user's function returns different values for the same parameters."""


def require_same(again: np.ndarray, values: np.ndarray) -> None:
    """Raise when two evaluations of the user's function at the same parameters differ.

    Raises
    ------
    Unrepeatable
        Saying by how much.
    """
    if (change := difference(again, values)) > tolerance(values):
        raise Unrepeatable(_UNREPEATABLE.format(change))


def tolerance(values: np.ndarray) -> float:
    """Relative difference that rounding may make."""
    if values.dtype == np.float64 or values.dtype.kind not in "fc":
        return ROUNDING
    eps = float(np.finfo(values.dtype).eps)
    return 100 * eps if eps > 1e-15 else ROUNDING


def difference(a, b) -> float:
    """Largest |a - b| relative to the range of b; inf when they are not finite alike."""
    b = np.broadcast_to(b, a.shape) if b.size == 1 else b
    a = np.broadcast_to(a, b.shape) if a.size == 1 else a
    if a.shape != b.shape:
        return np.inf
    finite = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), finite):
        return np.inf
    if not finite.any():
        return 0.0
    a, b = (v[finite].astype(complex if v.dtype.kind == "c" else float) for v in (a, b))
    scale = np.abs(b).max()
    return float(np.abs(a - b).max() / (scale if scale > 0 else 1.0))
