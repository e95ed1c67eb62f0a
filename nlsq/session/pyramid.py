"""The least and the largest y in each of many ranges of x, at a cost that is none of the points'.

Level k holds the extremes of runs of 2**k points. A range of points is put together of few runs, as
in a segment tree: for all ranges at once, level by level.
"""

from __future__ import annotations

import numpy as np


class Pyramid:
    """Points in the order of x, to be drawn at any scale.

    Parameters
    ----------
    x : ndarray (m,)
        Rising.
    y : ndarray (m,)
        NaN counts for nothing; not all may be.

    Attributes
    ----------
    bounds : ((float, float), (float, float))
        Of x and of y.

    Examples
    --------
    >>> import numpy as np
    >>> pyramid = Pyramid(np.arange(6.0), np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0]))
    >>> pyramid.columns(np.array([0.0, 2.5, 2.8, 6.0]))
    (array([0, 2]), array([1., 1.]), array([4., 9.]))
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.x, self.y = x, y
        self.bounds = (x[0], x[-1]), (np.nanmin(y), np.nanmax(y))
        self._levels = [(y, y)]
        while (low := self._levels[-1][0]).size > 1:
            high, even = self._levels[-1][1], low.size // 2 * 2
            self._levels.append(
                (np.fmin(low[:even:2], low[1:even:2]), np.fmax(high[:even:2], high[1:even:2]))
            )

    def columns(self, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Numbers of the columns between `edges` (c + 1,) that hold points, their extremes of y."""
        places = np.searchsorted(self.x, edges)
        which = np.flatnonzero(np.diff(places))
        first, last = places[which], places[which + 1]
        least, largest = np.full(which.size, np.nan), np.full(which.size, np.nan)

        def take(low: np.ndarray, high: np.ndarray, some: np.ndarray, at: np.ndarray) -> None:
            least[some] = np.fmin(least[some], low[at[some]])
            largest[some] = np.fmax(largest[some], high[at[some]])

        for low, high in self._levels:
            odd = (first < last) & (first & 1 == 1)
            take(low, high, odd, first)
            first = first + odd
            odd = (first < last) & (last & 1 == 1)
            last = last - odd
            take(low, high, odd, last)
            first, last = first >> 1, last >> 1
        return which, least, largest

    def outline(
        self, left: float, right: float, wide: float, high: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lines from least to largest in columns `wide` units of x wide: pairs of ends, x and y.

        None is shorter than one and a half times `high`, in units of y: a point has a height too.
        """
        edges = np.arange(left, right + wide, wide)
        which, least, largest = self.columns(edges)
        more = np.maximum(1.5 * high - (largest - least), 0) / 2
        y = np.column_stack([least - more, largest + more]).ravel()
        return np.repeat(edges[which] + wide / 2, 2), y
