"""The components of a fit: data, their sum, and each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result import plotting
from nlsq.utils import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nlsq.result.fit_plots import FitPlots
    from nlsq.result.plotting import Options

_MOST_INSIDE = 6  # components whose legend still leaves room for the curves


def draw(result: FitPlots, x: Any, ax: Axes | None, options: Options) -> tuple[Figure, np.ndarray]:
    """Draw the components of `result`; see `CurveFitResult.plot_components`."""
    data_x = plotting.single_real_x(result)
    if data_x is None:
        raise ValueError("plot_components draws curves, of a single real x and a real y per point")
    if len(result.components()) < 2:
        raise ValueError(
            "this model has no components: fit a sum of models, such as 'gaussian + linear', or a "
            "formula that is a sum"
        )
    points = plotting.points_of(result, data_x)
    fig, axes = figures.stacked(ax, options.show_residuals)
    log = plotting.set_scales(axes[0], points, options)
    plotting.draw_data(axes[0], points, points.y, "data")
    if x is None:
        grid, where, order = plotting.curve_grid(result, data_x, log)
    else:
        grid, order = np.sort(np.ravel(x).astype(float)), slice(None)
        where = grid
    components = {name: np.asarray(v)[order] for name, v in result.components(where).items()}
    for number, (name, values) in enumerate(components.items()):
        colour = figures.SERIES[number % len(figures.SERIES)]
        axes[0].plot(grid, values, color=colour, linewidth=1.3, label=figures.plain(name), zorder=3)
        axes[0].fill_between(grid, 0.0, values, color=colour, alpha=0.13, linewidth=0, zorder=1)
    total = np.sum(list(components.values()), axis=0)
    axes[0].plot(grid, total, color=figures.FIT, linewidth=1.7, label="fit", zorder=4)
    plotting.limit(axes[0], points)
    axes[0].set_ylabel(str(options.ylabel))
    outside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}
    figures.legend(axes[0], **outside if len(components) > _MOST_INSIDE else {})
    return fig, plotting.dress(axes, points, str(options.xlabel), options)
