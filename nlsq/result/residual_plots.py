"""The residuals of a fit: along x, as a histogram, against a normal distribution."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from nlsq.result import axis_scales, plotting, statistics
from nlsq.utils import figures, normal_plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nlsq.result.fit_plots import FitPlots
    from nlsq.result.plotting import Options

_FURTHEST = 6.0  # standard deviations; what is beyond stands at the edge of the histogram
_NORMAL = NormalDist()


def draw(result: FitPlots, options: Options) -> tuple[Figure, np.ndarray]:
    """Draw the residuals of `result`; see `CurveFitResult.plot_residuals`."""
    along, z, label, scale = standardised(result)
    linear = result.get("loss", "linear") == "linear"
    fig = figures.new((7.6, 6.0))
    above, left, right = fig.subplot_mosaic("aa;bc", height_ratios=(1.15, 1)).values()
    standard = label != "residual"  # an exact fit has no scale, and is not normal
    _along(above, along, z, label, standard)
    single = plotting.single_real_x(result) is not None
    above.set_xlabel(str(options.xlabel) if single else f"predicted {options.ylabel}")
    log = single and axis_scales.spans_decades(along)
    above.set_xscale(options.xscale or ("log" if log else "linear"))
    _histogram(left, z, label, standard)
    normal_plot.draw(right, z, label, standard)
    if scale is not None:
        squared = "reduced χ²" if linear else "loss / degrees of freedom"
        above.set_title(f"s = √({squared}) = {scale:.4g}", loc="right", fontsize="small")
    if options.title is not None:
        fig.suptitle(options.title)
    figures.finish((above, left, right))
    return fig, np.array([above, left, right])


def standardised(result: FitPlots) -> tuple[np.ndarray, np.ndarray, str, float | None]:
    """Abscissa and standardised residual of each point, real and imaginary parts one after the
    other; their label; and s, None where the residuals were not divided by it.
    """
    sigma = result.get("sigma")
    if np.ndim(sigma) == 2:
        z = -np.asarray(result.fun)
    else:
        z = np.asarray(result.residuals).ravel()
        z = z if sigma is None else z / np.broadcast_to(sigma, np.shape(result.ydata)).ravel()
    x = plotting.single_real_x(result)
    along = np.asarray(result.predictions).ravel() if x is None else x
    if (counts := statistics.weighted(sigma)) is not None:  # the others are no data
        z, along = z[counts], along[counts]
    by, scale = [] if sigma is None else ["σ"], None
    if not result.get("absolute_sigma", False) and result.dof > 0 and result.misfit > 0:
        scale = math.sqrt(result.misfit / result.dof)
        z, by = z / scale, [*by, "s"]
    label = ("residual", f"residual / {''.join(by)}", "residual / (σ s)")[len(by)]
    return statistics.real_parts(along), statistics.real_parts(z), label, scale


def histogram_edges(z: np.ndarray) -> np.ndarray:
    """Edges of the bins, of values that are clipped to them."""
    bins = int(np.clip(np.sqrt(len(z)), 6, 50))
    return np.histogram_bin_edges(np.clip(z, -_FURTHEST, _FURTHEST), bins)


def normal_curve(edges: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """The density of the normal distribution, over a histogram with these edges."""
    grid = np.linspace(min(-3.2, edges[0]), max(3.2, edges[-1]), 120)
    return grid, [_NORMAL.pdf(v) for v in grid]


def _along(ax: Axes, along: np.ndarray, z: np.ndarray, label: str, standard: bool) -> None:
    if standard:
        ax.axhspan(-2, 2, color=figures.PREDICTION, alpha=0.09, linewidth=0)
    ax.axhline(0.0, color=figures.FIT, linewidth=1.2)
    points = plotting.thinned(plotting.Points(along, z, 0 * z, None, len(z)))
    plotting.draw_data(ax, points, points.y, None)
    ax.set_ylabel(label)
    most = 1.08 * float(np.abs(z[np.isfinite(z)]).max(initial=0.0))
    most = max(most, 3.0) if standard else most or 1.0
    ax.set_ylim(-most, most)


def _histogram(ax: Axes, z: np.ndarray, label: str, standard: bool) -> None:
    edges = histogram_edges(z)
    ax.hist(np.clip(z, edges[0], edges[-1]), bins=edges, density=True, color=figures.DATA,
            alpha=0.55, edgecolor="white", linewidth=0.6)  # fmt: skip
    ax.set_xlabel(label)
    ax.set_ylabel("density")
    if beyond := int((np.abs(z) > _FURTHEST).sum()):
        text = f"{beyond:,} beyond\n±{_FURTHEST:g}"
        ax.text(0.02, 0.98, text, transform=ax.transAxes, va="top", fontsize="small")
    if standard:
        ax.plot(*normal_curve(edges), color=figures.FIT, linewidth=1.6, label="normal")
        ax.legend(frameon=False, loc="upper right")
