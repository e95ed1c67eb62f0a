"""What the searches of many fits found: arrays over the fits."""

from __future__ import annotations

import dataclasses

import numpy as np

# of the arrays that are stored, and the types of their elements
FIELDS = {
    "minima_fits": np.int32, "minima_best": np.int32, "minima_next": np.float64,
    "minima_cut": np.bool_,
}  # fmt: skip


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
    cut_short : ndarray of bool (...)
        Whether the time limit or an interruption ended its search early, or before it began.
    """

    n_fits: np.ndarray
    n_best: np.ndarray
    next: np.ndarray
    cut_short: np.ndarray

    def __str__(self) -> str:
        """One sentence.

        Examples
        --------
        >>> print(FitsMinima(np.array([6, 14]), np.array([6, 1]), np.full(2, np.nan), np.zeros(2)))
        best of 20 local fits for 2 data sets; 1 found its best minimum once only
        """
        from nlsq.result.search_sentences import best_of_many  # which few results need

        made = self.n_fits > 0
        once = int((made & (self.n_best == 1)).sum())
        text = best_of_many(int(self.n_fits.sum()), int(made.sum()), once)
        cut = int(self.cut_short.sum())
        return text + (f"; time or an interruption cut {cut:,} searches short" if cut else "")
