"""The picture of a comparison: data with all curves, and bars of what tells the models apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result import plotting, prediction
from nlsq.utils import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nlsq.result.comparison import Comparison
    from nlsq.result.plotting import Options

_BARS = {"weight": "Akaike weight", "delta_aicc": "ΔAICc"}
_ROW = 0.34  # inches of a bar
_MOST_NAMED = 40  # letters of a name


def draw(comparison: Comparison, bars: str, options: Options) -> tuple[Figure, np.ndarray]:
    """Draw `comparison`; see `Comparison.plot`."""
    if bars not in _BARS:
        raise ValueError(f"bars is 'weight' or 'delta_aicc', not {bars!r}")
    shown = [row.fit._data_to_look_at() for row in comparison]
    abscissae = [plotting.single_real_x(fit) if "ydata" in fit else None for fit in shown]
    curves = abscissae[0] is not None and all(np.array_equal(x, abscissae[0]) for x in abscissae)
    rows = len(comparison)
    if curves:
        fig = figures.new((10.4, max(4.2, 1.2 + _ROW * rows)))
        axes = list(fig.subplots(1, 2, width_ratios=(1.75, 1)))
        _curves(axes[0], comparison, shown, abscissae[0], options)
    else:
        fig = figures.new((5.6, max(2.0, 1.2 + _ROW * rows)))
        axes = [fig.add_subplot()]
    _draw_bars(axes[-1], comparison, bars)
    if options.title is not None:
        fig.suptitle(options.title)
    figures.finish(axes)
    axes[-1].grid(False, axis="y")
    return fig, np.array(axes)


def _curves(ax: Axes, comparison: Comparison, shown: list, x: Any, options: Options) -> None:
    points = plotting.points_of(shown[0], x)
    log = plotting.set_scales(ax, points, options)
    plotting.draw_data(ax, points, points.y, "data")
    for number, (row, fit) in enumerate(zip(comparison, shown, strict=True)):
        grid, where, order = plotting.curve_grid(fit, x, log)
        ax.plot(grid, prediction.curve(fit, where)[order], zorder=3 + number / len(shown),
                label=_name(row.name), **_look(number))  # fmt: skip
    plotting.limit(ax, points)
    ax.set_xlabel(str(options.xlabel))
    ax.set_ylabel(str(options.ylabel))
    figures.legend(ax)


def _draw_bars(ax: Axes, comparison: Comparison, bars: str) -> None:
    values = np.array([getattr(row, bars) for row in comparison])
    finite = values[np.isfinite(values)]
    end = 1.0 if bars == "weight" else float(finite.max(initial=0.0)) or 1.0
    for number, (row, value) in enumerate(zip(comparison, values, strict=True)):
        known = np.isfinite(value)
        text = _text(value, bars) if row.converged or (known and bars != "weight") else "–"
        text += "" if row.converged else " (not converged)"
        width = min(max(value, 0.0), end) if known else 0.0
        ax.barh(
            number,
            width,
            height=min(0.62, 0.16 * len(values)),
            color=_look(number)["color"],
            alpha=0.8,
        )
        inside = width > 0.72 * end
        ax.annotate(text, (width, number), xytext=(-5 if inside else 5, 0), va="center",
                    ha="right" if inside else "left", textcoords="offset points",
                    color="white" if inside else "0.2", fontsize="small")  # fmt: skip
    ax.set_yticks(range(len(values)), [_name(row.name) for row in comparison])
    ax.set_ylim(len(values) - 0.4, -0.6)
    ax.set_xlim(0, 1.03 * end)
    ax.set_xlabel(_BARS[bars])
    ax.tick_params(axis="y", length=0)


def _look(number: int) -> dict[str, Any]:
    """Colour and line of a fit; the lines change when the colours begin again.

    The best is broad and below the others: one that coincides with it hides neither.
    """
    turn, place = divmod(number, len(figures.SERIES))
    return {
        "color": figures.SERIES[place],
        "linestyle": ("-", "--", "-.", ":")[turn % 4],
        "linewidth": 1.3 if number else 3.0,
    }


def _name(text: str) -> str:
    name = figures.plain(text)
    return name if len(name) <= _MOST_NAMED else f"{name[: _MOST_NAMED - 1]}…"


def _text(value: float, bars: str) -> str:
    if bars == "weight":
        return f"{value:.3f}" if value >= 5e-4 else "<0.001"
    return f"{value:.2f}" if value < 100 else f"{value:.3g}"
