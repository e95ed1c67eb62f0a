"""Whether the data ask for a logarithmic axis.

They do when a linear one would squeeze most of them into its first part, while a logarithmic one
spreads them. Evenly spaced data never do, over however many decades.
"""

from __future__ import annotations

import numpy as np

_DECADES = 2.9  # "three", with room for rounding
_SPREAD = 0.3  # the middle half takes this much of a logarithmic axis (0.5 when evenly spaced) ...
_SQUEEZED = 0.25  # ... and no more than this of a linear one
_RESOLVED = 0.5  # decades between a point and the fit
_MOST = 20_000


def spans_decades(values: np.ndarray) -> bool:
    """Whether positive values over three decades or more lie about evenly in their logarithms.

    Examples
    --------
    >>> spans_decades(np.geomspace(1e-9, 1e-5, 9)), spans_decades(np.linspace(1e-4, 10, 1000))
    (True, False)
    """
    values = np.asarray(values)
    if not values.size or not values.min() > 0 or not np.isfinite(values.max()):
        return False
    logs = np.log10([values.min(), values.max()])
    if logs[1] - logs[0] < _DECADES:
        return False
    places = np.unique(values[:: 1 + len(values) // _MOST])  # replicates count once
    middle = np.quantile(places, (0.25, 0.75))
    spread = np.diff(np.log10(middle))[0] / np.diff(logs)[0]
    return bool(spread >= _SPREAD and np.diff(middle)[0] <= _SQUEEZED * np.ptp(values))


def follows_decades(
    x: np.ndarray, y: np.ndarray, fitted: np.ndarray, sigma: np.ndarray | None
) -> bool:
    """Whether a monotone curve and its data are resolved over three decades of y.

    A peak is not shown by its tails. On a linear x, the weights have to say besides that the small
    values count: sigma too spans a decade.
    """
    if not (spans_decades(y) and fitted.min() > 0 and (sigma is None or (sigma < y).all())):
        return False
    if np.abs(np.log10(y / fitted)).max() > _RESOLVED:
        return False
    if not spans_decades(x) and (sigma is None or sigma.max() < 10 * sigma.min()):
        return False
    steps = np.diff(fitted[np.argsort(x, kind="stable")])
    return bool((steps >= 0).all() or (steps <= 0).all())
