"""Parameters brought to a common scale, u = (p - offset) / scale, and back.

Gradient methods see p through its units: a decay of 1e6 counts with a rate of 1e-9 has a gradient
whose components differ by 1e30. With bounds, u runs from 0 to 1 between them; else u = p / |p0|.
"""

from __future__ import annotations

import numpy as np

STRATEGIES = ("auto", "bounds", "p0")


class ParameterNormalizer:
    """The map between parameters and normalised ones.

    Parameters
    ----------
    p0, lb, ub : ndarray (n,)
        Start and bounds.
    strategy : {'auto', 'bounds', 'p0'}
        'bounds' divides by the distance of finite bounds, 'p0' by the size of the start (1 where
        that is 0); 'auto' (default) by the smaller of the two: a wide bound says little.
        A parameter without both bounds is always divided by its start's size.

    Attributes
    ----------
    offset, scale : ndarray (n,)
        In the parameters' units.

    Examples
    --------
    >>> import numpy as np
    >>> normal = ParameterNormalizer(np.array([1e6, 0.0]), np.array([0, -np.inf]), np.full(2, 1e7))
    >>> normal.normalize(np.array([2e6, 3.0])).tolist()
    [2.0, 3.0]
    >>> normal.denormalize(np.array([2.0, 3.0])).tolist()
    [2000000.0, 3.0]
    """

    def __init__(self, p0, lb, ub, strategy: str = "auto"):
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy must be one of {STRATEGIES}, got {strategy!r}.")
        size = np.where(p0 != 0, np.abs(p0), 1.0)
        boxed = np.isfinite(lb) & np.isfinite(ub) & (lb < ub)
        width = np.where(boxed, np.where(boxed, ub, 1.0) - np.where(boxed, lb, 0.0), np.inf)
        narrow = boxed & (strategy == "bounds") | boxed & (strategy == "auto") & (width < size)
        self.scale = np.where(narrow, width, size)
        self.offset = np.where(narrow, lb, 0.0)

    @classmethod
    def identity(cls, n: int) -> ParameterNormalizer:
        """The map that leaves n parameters as they are."""
        unbounded = np.full(n, np.inf)
        return cls(np.ones(n), -unbounded, unbounded)

    def normalize(self, p):
        """Normalised parameters of p (n,)."""
        return (p - self.offset) / self.scale

    def denormalize(self, u):
        """Parameters of normalised ones (n,)."""
        return self.offset + self.scale * u

    def gradient(self, g):
        """Gradient by u of one by p (n,)."""
        return self.scale * g
