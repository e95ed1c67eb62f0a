"""The correlations of a fit's parameters as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nlsq.utils import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nlsq.result.fit_statistics import FitStatistics

_MOST_NUMBERS = 20  # parameters, up to which each cell has its number


def draw(result: FitStatistics, ax: Axes | None, title: str | None) -> tuple[Figure, Axes]:
    """Draw the map of `result`; see `CurveFitResult.plot_correlation`."""
    fixed = set(result.get("fixed") or ())
    free = [i for i, name in enumerate(result.names) if name not in fixed]
    if not free:
        raise ValueError("every parameter is fixed, so there are no correlations to draw")
    names = [figures.plain(result.names[i]) for i in free]
    values = result.correlation[np.ix_(free, free)]
    fig, ax = _place(ax, names)
    ax.set_facecolor("0.88")  # seen on the diagonal, which tells nothing
    shown = np.ma.masked_where(np.isnan(values) | np.eye(len(values), dtype=bool), values)
    drawn = ax.imshow(shown, cmap="RdBu_r", vmin=-1, vmax=1)
    _hatch(ax, values)
    _number(ax, values)
    n = len(names)
    size = "medium" if n <= 12 else "small" if n <= 24 else "x-small"
    ax.set_xticks(range(n), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=size)
    ax.set_yticks(range(n), names, fontsize=size)
    ax.set_xticks(np.arange(0.5, n - 1), minor=True)
    ax.set_yticks(np.arange(0.5, n - 1), minor=True)
    ax.grid(which="minor", color="white", linewidth=1.2)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    width = 0.25 / max(n, 3)
    bar = ax.inset_axes((1 + width, 0, width, 1))
    fig.colorbar(drawn, cax=bar, label="correlation", ticks=(-1, -0.5, 0, 0.5, 1))
    if title is not None:
        ax.set_title(title)
    return fig, ax


def _place(ax: Axes | None, names: list[str]) -> tuple[Figure, Axes]:
    if ax is not None:
        return ax.figure, ax
    side = min(max(0.58 * len(names), 2.2), 9.0)
    margin = 0.075 * max(map(len, names))
    fig = figures.new((side + margin + 1.5, side + 0.75 * margin + 0.5))
    return fig, fig.add_subplot()


def _hatch(ax: Axes, values: np.ndarray) -> None:
    """Cells that have no correlation: the data do not determine a parameter."""
    from matplotlib.patches import Rectangle

    unknown = np.argwhere(np.isnan(values))
    for k, (row, column) in enumerate(unknown):
        cell = Rectangle(
            (column - 0.5, row - 0.5), 1, 1, facecolor="0.93", edgecolor="0.7", hatch="////",
            linewidth=0, label=None if k else "undetermined",
        )  # fmt: skip
        ax.add_patch(cell)
    if len(unknown):
        ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), frameon=False, borderaxespad=0.2)


def _number(ax: Axes, values: np.ndarray) -> None:
    n = len(values)
    if n > _MOST_NUMBERS:
        return
    for row, column in np.argwhere(np.isfinite(values)):
        value = values[row, column]
        text = "1" if row == column else short(float(value))
        size = (9.0 if n <= 12 else 6.5) - 0.9 * max(0, len(text) - 5)
        colour = "white" if abs(value) > 0.6 and row != column else "0.15"
        ax.text(column, row, text, ha="center", va="center", color=colour, fontsize=size)


def short(value: float) -> str:
    """A correlation to two decimals, or as many as show that it is not 1, four at most.

    Examples
    --------
    >>> short(0.5), short(-0.9987), short(0.9999999), short(-0.001)
    ('0.50', '−0.999', '>0.9999', '0.00')
    """
    sign = "−" if value < 0 else ""
    for decimals in (2, 3, 4):
        text = f"{abs(value):.{decimals}f}"
        if not text.startswith("1"):
            return sign + text if text.strip("0.") else text
    return f"<{sign}0.9999" if sign else ">0.9999"
