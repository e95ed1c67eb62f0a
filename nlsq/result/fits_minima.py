"""What the searches of many fits found: arrays over the fits."""

from __future__ import annotations

import dataclasses

import numpy as np

# of the arrays that are stored, and the types of their elements
FIELDS = {"minima_fits": np.int32, "minima_best": np.int32, "minima_next": np.float64}


@dataclasses.dataclass(frozen=True, eq=False)
class FitsMinima:
    """The evidence for the best minima of many fits, in their shape.

    Attributes
    ----------
    n_fits : ndarray of int (...)
        Local fits that were made for each; 0 where there was no search.
    n_best : ndarray of int (...)
        How many of them ended at its best minimum.
    next : ndarray (...)
        How much worse the next minimum is, as a share of the best cost (0.03: 3 %); NaN where no
        fit ended at another.
    """

    n_fits: np.ndarray
    n_best: np.ndarray
    next: np.ndarray

    def __str__(self) -> str:
        """One sentence.

        Examples
        --------
        >>> print(FitsMinima(np.array([6, 14]), np.array([6, 1]), np.array([np.nan, 0.5])))
        best of 20 local fits for 2 data sets; 1 found its best minimum once only
        """
        made = self.n_fits > 0
        text = f"best of {self.n_fits.sum():,} local fits for {made.sum():,} data sets"
        once = int((made & (self.n_best == 1)).sum())
        return text + (f"; {once:,} found its best minimum once only" if once else "")
