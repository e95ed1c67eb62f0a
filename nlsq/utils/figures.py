"""Figures: to whom they belong, how they look.

A figure belongs to pyplot where the user works with it: where `matplotlib.pyplot` was imported, or
in a notebook, which shows and closes it. Elsewhere it is a plain `Figure`: no window, no backend
chosen, nothing to close.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DATA, FIT, BAND, PREDICTION = "#3b4252", "#c8372d", "#c8372d", "#4c78a8"
GRID = "#e5e5e5"
#: Colours of several curves: those of Wong, Nature Methods 8, 441 (2011), told apart by all eyes.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6a9b", "#5c5c5c")
_apart: ContextVar[bool] = ContextVar("nlsq_figures_apart", default=False)


@contextmanager
def apart() -> Iterator[None]:
    """Figures made in this block are for a file: they belong to no window."""
    token = _apart.set(True)
    try:
        yield
    finally:
        _apart.reset(token)


def new(size: tuple[float, float]) -> Figure:
    """A figure of this size in inches."""
    try:
        if pyplot_is_used():
            from matplotlib.pyplot import figure
        else:
            from matplotlib.figure import Figure as figure
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install matplotlib") from error
    return figure(figsize=size, layout="constrained")


def pyplot_is_used() -> bool:
    """Whether a new figure is to belong to pyplot."""
    if _apart.get() or threading.current_thread() is not threading.main_thread():
        return False
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "matplotlib.pyplot" in sys.modules or hasattr(shell, "kernel")


def stacked(ax: Axes | None, residuals: bool) -> tuple[Figure, list[Axes]]:
    """Axes of a curve, and below it of its residuals; in the place of `ax` where that is given."""
    if ax is not None:
        if not residuals:
            return ax.figure, [ax]
        from mpl_toolkits.axes_grid1 import make_axes_locatable

        below = make_axes_locatable(ax).append_axes("bottom", size="32%", pad=0.12, sharex=ax)
        return ax.figure, [ax, below]
    if not residuals:
        fig = new((7.0, 4.4))
        return fig, [fig.add_subplot()]
    fig = new((7.0, 5.6))
    return fig, list(fig.subplots(2, 1, sharex=True, height_ratios=(3, 1)))


def finish(axes: Iterable[Axes]) -> None:
    """A light grid, and no frame above and to the right."""
    for ax in axes:
        ax.grid(True, color=GRID, linewidth=0.6)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)


def legend(ax: Axes, **options: Any) -> None:
    """The legend, the data first."""
    handles, labels = ax.get_legend_handles_labels()
    first = sorted(range(len(labels)), key=lambda i: not labels[i].startswith("data"))
    ax.legend([handles[i] for i in first], [labels[i] for i in first], frameon=False, **options)


def plain(text: Any) -> str:
    """A label that matplotlib draws as it is written: no formula, nothing that hides it."""
    printable = "".join(c if c.isprintable() else " " for c in str(text)).replace("$", r"\$")
    return f" {printable}" if printable.startswith("_") else printable


def image(values: np.ndarray, ax: Axes | None, label: str) -> tuple[Figure, Axes]:
    """Draw values (rows, columns) in colours that leave outliers out; NaN stays grey."""
    fig, (ax,) = stacked(ax, False)
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, (0.005, 0.995)) if finite.size else (0.0, 1.0)
    ax.set_facecolor("0.75")
    drawn = ax.imshow(
        np.where(np.isfinite(values), values, np.nan), vmin=low, vmax=high, interpolation="nearest"
    )
    fig.colorbar(drawn, ax=ax, label=label, extend="both" if finite.size else "neither")
    return fig, ax
