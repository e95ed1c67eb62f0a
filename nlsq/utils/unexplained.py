"""Whether residuals show that something is left to explain, by their neighbours."""

from __future__ import annotations

import numpy as np

UNEXPLAINED = 0.1  # a share of the data's sum of squares about their mean that calls for a look
ROUNDED = 1e-20  # one that is nothing but rounding
EVEN = 1e-9  # beside 1, one that does not tell whether a constant is better


def alike(residual: np.ndarray, x, idle: np.ndarray | None) -> bool:
    """Whether the residuals of neighbouring points are alike, in the order of a 1-D x.

    Points that do not count, `idle`, are no neighbours.

    Examples
    --------
    >>> x = np.arange(30.0)
    >>> alike(np.sin(x / 5), x, None), alike((-1) ** x, x, None)
    (True, False)
    """
    ordered = isinstance(x, np.ndarray) and x.shape == residual.shape
    if idle is not None and idle.shape == residual.shape:
        residual, x = residual[~idle], x[~idle] if ordered else x
    if ordered:
        residual = residual[np.argsort(x, kind="stable")]
    square = float(residual @ residual)
    return bool(float(residual[1:] @ residual[:-1]) > alike_limit(residual.size, np) * square)


def alike_limit(m: int, xp):
    """The correlation of neighbours from which on m residuals are alike."""
    return xp.clip(4 / xp.sqrt(m), 0.3, 0.6)
