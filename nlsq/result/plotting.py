"""The picture of a fit: data, curve, bands, residuals."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result import axis_scales, prediction, statistics, surfaces
from nlsq.utils import figures
from nlsq.utils.figures import BAND, DATA, FIT, PREDICTION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nlsq.result.curve_fit_result import CurveFitResult

_GRID = 500  # points of the drawn curve
_MOST_POINTS = 20_000  # drawn data points; more would only blacken the page


@dataclasses.dataclass(frozen=True)
class Options:
    """What to draw; see `CurveFitResult.plot`.

    Attributes
    ----------
    xscale, yscale : str or None
        Of the axes; None: as the data ask for.
    curve : mapping or None
        The curve on a grid, ``x``, ``y`` and its ``confidence`` band at ``level``, for a result
        whose model is not here (see `nlsq.io.result_document`).
    """

    show_residuals: bool = True
    show_confidence: bool = True
    show_prediction: bool = False
    level: float = 0.95
    xlabel: str | Sequence[str] = "x"
    ylabel: str = "y"
    title: str | None = None
    xscale: str | None = None
    yscale: str | None = None
    curve: Mapping[str, Any] | None = None


@dataclasses.dataclass(frozen=True)
class Points:
    """Data points to draw: abscissa, observed, predicted, sigma (None without), total count."""

    x: np.ndarray
    y: np.ndarray
    fitted: np.ndarray
    sigma: np.ndarray | None
    total: int


def plot(result: CurveFitResult, ax: Axes | None, options: Options) -> tuple[Figure, np.ndarray]:
    """Draw `result`; see `CurveFitResult.plot`."""
    x = single_real_x(result)
    surface = None if x is not None or options.show_prediction else surfaces.surface_of(result)
    if surface is not None:
        return surfaces.draw(surface, ax, options)
    fig, axes = figures.stacked(ax, options.show_residuals)
    if x is None:
        points = _draw_predicted(axes[0], result, options)
        label = f"predicted {options.ylabel}"
    else:
        points = _draw_curve(axes[0], result, x, options)
        label = str(options.xlabel)
    limit(axes[0], points)
    return fig, dress(axes, points, label, options)


def dress(axes: list[Axes], points: Points, xlabel: str, options: Options) -> np.ndarray:
    """Residuals, labels, grid: what all pictures of curves have."""
    axes[-1].set_xlabel(xlabel)
    if options.show_residuals:
        axes[0].tick_params(labelbottom=False)
        _draw_residuals(axes[1], points, axes[0].get_yscale() == "log")
    if options.title is not None:
        axes[0].set_title(options.title)
    figures.finish(axes)
    return np.array(axes)


def set_scales(ax: Axes, points: Points, options: Options) -> bool:
    """Logarithmic axes where they are asked for, by hand or by the data; whether x has one.

    Axes that were given with such a scale keep it. Called before anything is drawn: what has no
    place on a logarithmic axis is left out, and the legend says so.
    """
    before = (None if scale == "linear" else scale for scale in (ax.get_xscale(), ax.get_yscale()))
    asked = zip((options.xscale, options.yscale), before, strict=True)
    xscale, yscale = (scale or own for scale, own in asked)
    if xscale is None:
        xscale = "log" if axis_scales.spans_decades(points.x) else "linear"
    if yscale is None:
        data = points.x, points.y, points.fitted, points.sigma
        yscale = "log" if axis_scales.follows_decades(*data) else "linear"
    for axis, values, scale in (("x", points.x, xscale), ("y", points.y, yscale)):
        if scale == "log" and not (values > 0).any():
            raise ValueError(
                f"{axis}scale='log' needs positive values, and no {axis} is positive; use "
                f"{axis}scale='symlog' or 'linear'"
            )
    ax.set_xscale(xscale)
    ax.set_yscale(yscale)
    return xscale == "log"


def limit(ax: Axes, points: Points) -> None:
    """A band or bar that reaches down to zero does not stretch a logarithmic axis."""
    if ax.get_yscale() == "log":
        values = np.concatenate([points.y, points.fitted])
        values = values[values > 0]
        ax.set_ylim(values.min() / 1.7, values.max() * 1.7)


def single_real_x(result: CurveFitResult) -> np.ndarray | None:
    """The abscissa when every point has one real, finite x and a real y, else None."""
    try:
        x = np.asarray(result.xdata, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    y = np.asarray(result.ydata)
    if np.iscomplexobj(result.xdata) or np.iscomplexobj(y) or x.size != y.size or x.ndim > 2:
        return None
    if (x.ndim == 2 and 1 not in x.shape) or not np.isfinite(x).all():
        return None
    return x.ravel()


def points_of(result: CurveFitResult, x: np.ndarray | None) -> Points:
    """The data to draw, thinned out; x None puts the predictions on the abscissa."""
    y, fitted = (statistics.real_parts(v) for v in (result.ydata, result.predictions))
    x = fitted if x is None else x
    sigma = result.get("sigma")
    if sigma is not None:
        sigma = np.sqrt(np.diag(sigma)) if np.ndim(sigma) == 2 else np.asarray(sigma, dtype=float)
        sigma = np.resize(np.broadcast_to(sigma, np.shape(result.ydata)), len(y))
    total = len(y)
    if (weighted := statistics.weighted(sigma)) is not None:  # the others are no data
        x, y, fitted, sigma = (a[weighted] for a in (x, y, fitted, sigma))
    return thinned(Points(x, y, fitted, sigma, total))


def thinned(points: Points) -> Points:
    """No more points than a page shows, evenly chosen."""
    if len(points.y) <= _MOST_POINTS:
        return points
    keep = np.linspace(0, len(points.y) - 1, _MOST_POINTS).astype(int)
    sigma = None if points.sigma is None else points.sigma[keep]
    return Points(points.x[keep], points.y[keep], points.fitted[keep], sigma, points.total)


def draw_data(ax: Axes, points: Points, values: np.ndarray, label: str | None) -> None:
    shown = np.ones(len(points.x), dtype=bool)
    for scale, drawn in ((ax.get_xscale(), points.x), (ax.get_yscale(), values)):
        shown &= (drawn > 0) | (scale != "log")
    x, values, drawn = points.x[shown], values[shown], int(shown.sum())
    sigma = None if points.sigma is None else points.sigma[shown]
    if label and drawn < points.total:
        label = f"{label} ({drawn:,} of {points.total:,} points)"
    size = 4.5 if drawn <= 200 else 2.5 if drawn <= 3000 else 1.2
    ax.errorbar(
        x, values, yerr=sigma, fmt="o", markersize=size, color=DATA, alpha=0.8,
        ecolor="0.6", elinewidth=0.8, capsize=0, markeredgewidth=0, label=label, zorder=2,
        rasterized=drawn > 3000,
    )  # fmt: skip


def _draw_curve(ax: Axes, result: CurveFitResult, x: np.ndarray, options: Options) -> Points:
    points = points_of(result, x)
    log = set_scales(ax, points, options)
    draw_data(ax, points, points.y, "data")
    if options.curve is not None and result.get("model") is None:
        _draw_known(ax, options)
        return points
    grid, where, order = curve_grid(result, x, log)
    curve = prediction.curve(result, where)[order]
    ax.plot(grid, curve, color=FIT, linewidth=1.6, label="fit", zorder=4)
    level = f"{100 * options.level:g} %"
    if options.show_confidence:
        limits = [v[order] for v in prediction.confidence_band(result, where, options.level)]
        _fill(ax, grid, limits, BAND, 0.22, f"{level} confidence band")
    if options.show_prediction:
        sigma_new = sigma_on(grid, x, result) if where is not None else None
        pair = prediction.prediction_interval(result, where, options.level, sigma_new)
        _fill(ax, grid, [v[order] for v in pair], PREDICTION, 0.13, f"{level} prediction band")
    ax.set_ylabel(options.ylabel)
    figures.legend(ax)
    return points


def _draw_known(ax: Axes, options: Options) -> None:
    """The curve and band that were worked out where the model was."""
    known = {k: np.asarray(options.curve[k], dtype=float) for k in ("x", "y", "confidence")}
    ax.plot(known["x"], known["y"], color=FIT, linewidth=1.6, label="fit", zorder=4)
    if options.show_confidence:
        label = f"{100 * options.curve['level']:g} % confidence band"
        _fill(ax, known["x"], known["confidence"], BAND, 0.22, label)
    ax.set_ylabel(options.ylabel)
    figures.legend(ax)


def _fill(ax: Axes, x: np.ndarray, limits: Any, colour: str, alpha: float, label: str) -> None:
    lower, upper = limits
    finite = np.isfinite(lower) & np.isfinite(upper)
    if not finite.all():
        label += " (unbounded)" if not finite.any() else " (partly unbounded)"
    # matplotlib leaves infinite limits open; the legend says so.
    ax.fill_between(x, lower, upper, color=colour, alpha=alpha, linewidth=0,
                    label=label, zorder=1)  # fmt: skip


def curve_grid(result: CurveFitResult, x: np.ndarray, log: bool) -> tuple[np.ndarray, Any, Any]:
    """Abscissae of the curve, the x to ask the model for (None: the data), and their order."""
    model, info = result.get("model"), result.get("model_info")
    flat = np.ndim(result.xdata) == 1
    if model is None or not flat or not getattr(info, "pointwise", True):
        # Without a model, or when each value depends on all x, only the data points can be drawn.
        order = np.argsort(x, kind="stable")
        return x[order], None, order
    grid = grid_over(x, _GRID, log)
    return grid, grid, slice(None)


def grid_over(x: np.ndarray, points: int, log: bool | None = None) -> np.ndarray:
    """Abscissae for a smooth curve over the data `x`; in equal ratios on a logarithmic axis.

    log: whether the axis is one; None: as the data ask for.
    """
    if log is None:
        log = axis_scales.spans_decades(x)
    x = x[x > 0] if log else x
    low, high = float(x.min()), float(x.max())
    grid = np.geomspace(low, high, points) if log else np.linspace(low, high, points)
    if len(x) <= points:
        grid = np.sort(np.concatenate([grid, x]))  # through every point: no peak falls between
        grid = grid[np.append(True, np.diff(grid) > 0)]
    return grid


def sigma_on(grid: np.ndarray, x: np.ndarray, result: CurveFitResult) -> np.ndarray | None:
    """Sigma between the measured points, by straight lines; only for the drawing."""
    sigma = result.get("sigma")
    if sigma is None or np.ndim(sigma) == 0:
        return None
    sigma = np.sqrt(np.diag(sigma)) if np.ndim(sigma) == 2 else np.asarray(sigma, dtype=float)
    x, sigma = x[np.isfinite(sigma)], sigma[np.isfinite(sigma)]
    order = np.argsort(x, kind="stable")
    return np.interp(grid, x[order], sigma[order])


def _draw_predicted(ax: Axes, result: CurveFitResult, options: Options) -> Points:
    points = points_of(result, None)
    ax.set_xscale(options.xscale or "linear")
    ax.set_yscale(options.yscale or "linear")
    draw_data(ax, points, points.y, "data")
    ends = np.array([points.x.min(), points.x.max()])
    ax.plot(ends, ends, color=FIT, linewidth=1.6, label="observed = predicted", zorder=4)
    order = np.argsort(points.x, kind="stable")
    level = f"{100 * options.level:g} %"
    if len(points.x) == points.total:
        if options.show_confidence:
            limits = prediction.confidence_band(result, None, options.level)
            _whiskers(ax, points, limits, order, BAND, f"{level} confidence")
        if options.show_prediction:
            limits = prediction.prediction_interval(result, None, options.level, None)
            _whiskers(ax, points, limits, order, PREDICTION, f"{level} prediction")
    ax.set_ylabel(f"observed {options.ylabel}")
    figures.legend(ax)
    return points


def _whiskers(ax: Axes, points: Points, limits: Any, order: Any, colour: str, label: str) -> None:
    """Vertical bars: neighbours in the predicted value need not be neighbours in x."""
    lower, upper = (statistics.real_parts(v)[order] for v in limits)
    finite = np.isfinite(lower) & np.isfinite(upper)
    x = points.x[order][finite]
    ax.vlines(x, lower[finite], upper[finite], color=colour, alpha=0.35, linewidth=2.0, label=label,
              zorder=3)  # fmt: skip


def _draw_residuals(ax: Axes, points: Points, relative: bool) -> None:
    """Residuals in the units of y, or relative to sigma, where those of large y hide the others."""
    residual, sigma, label = points.y - points.fitted, points.sigma, "residual"
    if relative and sigma is not None:
        residual, sigma, label = residual / sigma, np.ones_like(sigma), "residual / σ"
    ax.axhline(0.0, color=FIT, linewidth=1.2, zorder=1)
    draw_data(ax, dataclasses.replace(points, sigma=sigma), residual, None)
    ax.set_ylabel(label)
    most = np.abs(residual)[np.isfinite(residual)].max(initial=0.0)
    margin = 0.0 if sigma is None else float(np.max(sigma))
    if most + margin > 0:
        ax.set_ylim(-1.15 * (most + margin), 1.15 * (most + margin))
