"""The costs of all local ends of a search, sorted: steps are minima."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nlsq.result import figures
from nlsq.result.formatting import significant
from nlsq.result.search_sentences import noise_threshold, worse

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nlsq.result.fit_statistics import FitStatistics
    from nlsq.result.minima import Minima

_ROUNDING = 1e-20  # of the largest cost: below it, costs are drawn at this
_FEW = 60  # ends, up to which each is a large dot
_GREY = "0.72"


def draw(result: FitStatistics, ax: Axes | None, title: str | None) -> tuple[Figure, Axes]:
    """Draw the ends of `result.minima`; see `CurveFitResult.plot_waterfall`."""
    minima = result.get("minima")
    if minima is None:
        raise AttributeError(
            "a waterfall shows the minima of a search, and the start of this fit was not searched "
            "for: fit again with method='global'"
        )
    if not minima:
        raise ValueError("no local fit came to an end, so there is nothing to draw")
    own = ax is None
    ax = figures.new((8.6, 4.4)).add_subplot() if ax is None else ax
    from matplotlib.ticker import MaxNLocator

    costs = np.maximum(minima.costs, _ROUNDING * minima.costs[-1])
    rank = np.arange(1, len(costs) + 1)
    log = costs[0] > 0 and costs[-1] > 5 * costs[0]
    if log:
        ax.set_yscale("log")
    _ends(ax, minima, rank, costs)
    _noise(ax, result, minima, float(costs[0]))
    ax.set_xlabel("local fit, sorted by cost")
    ax.set_ylabel("cost (half the sum of squares)" if _plain(result) else "cost")
    ax.margins(x=0.02)
    if ax.get_xscale() == "linear":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_title(title if title is not None else _title(minima))
    figures.finish([ax])
    place = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)} if own else {"loc": "best"}
    ax.legend(frameon=False, title="cost, and how often found", alignment="left", **place)
    return ax.figure, ax


def _plain(result: FitStatistics) -> bool:
    return result.get("loss", "linear") == "linear"


def _title(minima: Minima) -> str:
    starts = f"{minima.n_starts:,} starts, {minima.n_fits:,} local fits"
    found = len(minima)
    return f"{starts}, {found:,} {'minimum' if found == 1 else 'minima'}"


def _ends(ax: Axes, minima: Minima, rank: np.ndarray, costs: np.ndarray) -> None:
    size = 26 if len(costs) <= _FEW else 11
    shown = min(len(minima), len(figures.SERIES) - 1)
    ax.plot(rank, costs, color="0.85", linewidth=1.0, zorder=1)
    other = minima.places >= shown
    for k in range(shown):
        mine = minima.places == k
        ax.scatter(rank[mine], costs[mine], s=size, color=figures.SERIES[k], zorder=3,
                   label=_name(minima, k))  # fmt: skip
    if other.any():
        rest = len(minima) - shown
        ax.scatter(rank[other], costs[other], s=size, color=_GREY, zorder=2,
                   label=f"{rest:,} more {'minimum' if rest == 1 else 'minima'}")  # fmt: skip
    if (stopped := minima.places < 0).any():
        ax.scatter(rank[stopped], costs[stopped], s=size, marker="x", color="0.5", linewidth=0.9,
                   zorder=2, label="stopped on the way")  # fmt: skip


def _name(minima: Minima, k: int) -> str:
    amount = worse(minima, k) if k else "best"
    kind = ", a valley" if minima[k].valley else ""
    said = {"%": f" (+{amount})", "×": "", "": ""}.get(amount[-1:], f" ({amount})")
    return f"{significant(minima[k].cost, 4)}{said}, {minima[k].count:,}×{kind}"


def _noise(ax: Axes, result: FitStatistics, minima: Minima, best: float) -> None:
    """What the data do not exclude: a band above the best."""
    limit = noise_threshold(result)
    if limit is not None and minima[0].cost > 0:
        ax.axhspan(best, limit * best, color=figures.PREDICTION, alpha=0.13, linewidth=0, zorder=0,
                   label="not excluded by the data (95 %)")  # fmt: skip
