"""A plot of values against those that a normal distribution would have."""

from __future__ import annotations

from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from nlsq.utils import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_RANKED = 400  # points that are drawn
_NORMAL = NormalDist()


def scores(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Ranks to draw and where the values of these ranks are expected.

    Of many, those that lie evenly in the plot: the tails are drawn whole.
    """
    ranks = np.arange(size)
    if size > _MOST_RANKED:
        end = _expected(0, size)
        even = [_NORMAL.cdf(z) for z in np.linspace(end, -end, _MOST_RANKED)]
        ranks = np.unique(np.round(np.array(even) * (size + 0.25) - 0.625).astype(int))
    return ranks, np.array([_expected(rank, size) for rank in ranks.tolist()])


def _expected(rank: int, size: int) -> float:
    """Where the value of a rank, from 0, is expected: Blom's formula."""
    return _NORMAL.inv_cdf((rank + 0.625) / (size + 0.25))


def limits(ranks: np.ndarray, size: int) -> list[np.ndarray]:
    """Between which two values 95 % of the values of these ranks are, of a normal distribution."""
    from scipy.special import betaincinv, ndtri

    # The value of a rank is distributed as Beta(rank, size - rank + 1) in its probability.
    return [ndtri(betaincinv(ranks + 1.0, size - ranks, p)) for p in (0.025, 0.975)]


def draw(ax: Axes, z: np.ndarray, label: str, standard: bool) -> None:
    """Draw the values; where they are `standard`, with the line and the 95 % band of order."""
    z = np.sort(z[np.isfinite(z)])
    size = len(z)
    ranks, expected = scores(size)
    if standard:
        ax.fill_between(
            expected, *limits(ranks, size), color=figures.PREDICTION, alpha=0.13, linewidth=0
        )
        ends = expected[[0, -1]]
        ax.plot(ends, ends, color=figures.FIT, linewidth=1.4)
    ax.plot(expected, z[ranks], "o", color=figures.DATA, markersize=3.2, markeredgewidth=0)
    ax.set_xlabel("expected of a normal distribution")
    ax.set_ylabel(label)
