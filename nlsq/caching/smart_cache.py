"""Fits that were made before: the engine's numbers by the content of model, data and options.

Every byte of the data is hashed (XXH3, 128 bits, some 10 GB/s), since a sample of them can be equal
where the data are not. What is kept is the last state of the fit, some kilobytes; the result around
it is built anew, so that nobody's changes to a result reach the next.
"""

from __future__ import annotations

from nlsq.caching.unified_cache import UnifiedCache


class SmartCache(UnifiedCache):
    """Results of fits, to be given to `curve_fit(..., cache=...)` or kept in a `CurveFit`.

    It pays where the same fit is asked for again (a notebook that runs from the top, a dashboard)
    and a fit takes longer than reading its data once: 10^6 points take 4 ms instead of 40.

    Parameters
    ----------
    maxsize : int
        Number of fits kept; each takes 2 n^2 + 18 n + 17 numbers for n parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import CurveFit, SmartCache
    >>> cache = SmartCache()
    >>> fitter = CurveFit(cache=cache)
    >>> t = np.linspace(0, 5, 30)
    >>> def decay(t, a, k):
    ...     return a * np.exp(-k * t)
    >>> for _ in range(3):
    ...     result = fitter.curve_fit(decay, t, 3 * np.exp(-t))
    >>> cache.info().hits
    2
    """

    def __init__(self, maxsize: int = 1000) -> None:
        super().__init__("fits", maxsize)
