"""The figures of a report as SVG that takes its colours and fonts from the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from nlsq.io.errors import missing_package
from nlsq.result import (
    CurveFitResult,
    StreamedFitResult,
    plotting,
    residual_plots,
    statistics,
    surfaces,
    waterfall,
)
from nlsq.result.axis_scales import spans_decades
from nlsq.result.statistics import real_parts
from nlsq.utils import figures, normal_plot
from nlsq.utils.page_figures import DATA, FIT, INK, SECOND, SOFT, STYLE, svg

_MOST_MARKERS = 3000  # more points are drawn as the range in slices
_SLICES = 700


@dataclass(frozen=True)
class Series:
    """Points of one part of the data: real, or the real or imaginary parts.

    Attributes
    ----------
    x, y, fitted : ndarray, shape (m,)
    sigma : ndarray or None
    name : str
    """

    x: np.ndarray
    y: np.ndarray
    fitted: np.ndarray
    sigma: np.ndarray | None
    name: str = "data"


@dataclass(frozen=True)
class Points:
    """What there is to draw.

    Attributes
    ----------
    series : list of Series
    along_x : bool
        False: the abscissa is the predicted value, for want of one real number per point.
    sampled_from : int
        Number of points that these are a sample of; 0: these are all.
    """

    series: list[Series]
    along_x: bool
    sampled_from: int = 0

    @property
    def count(self) -> int:
        """Points in all."""
        return len(self.series[0].x)


def points_of(result: CurveFitResult, document: Mapping[str, Any]) -> Points | None:
    """The data of a fit beside its predictions; None when neither is known."""
    curve, sampled = document.get("curve") or {}, isinstance(result, StreamedFitResult)
    data = result._data_to_look_at()
    if "ydata" not in data:
        return None
    if sampled:
        if "at_sample" not in curve:
            return None
        fitted = np.array(curve["at_sample"], dtype=float)
    else:
        fitted = np.asarray(data.predictions)
    y = np.asarray(data.ydata)
    x = plotting.single_real_x(data)
    if x is None and np.iscomplexobj(y):
        x = plotting.single_real_x(CurveFitResult(xdata=data.xdata, ydata=y.real))
    sigma = _sigma(data)
    along = x is not None
    total = data.n_points if not sampled else result.n_points
    parts = [(y, fitted, "data")]
    if np.iscomplexobj(y):
        parts = [(y.real, fitted.real, "real part"), (y.imag, fitted.imag, "imaginary part")]
    kept = statistics.weighted(sigma)
    if kept is not None:  # the others are no data
        sigma, x = sigma[kept], x[kept] if along else None
        parts = [(v[kept], f[kept], name) for v, f, name in parts]
    series = [Series(x if along else f, v, f, sigma, name) for v, f, name in parts]
    return Points(series, along, total if sampled and total != y.size else 0)


def _sigma(data: CurveFitResult) -> np.ndarray | None:
    sigma = data.get("sigma")
    if sigma is None:
        return None
    sigma = np.sqrt(np.diag(sigma)) if np.ndim(sigma) == 2 else np.asarray(sigma, dtype=float)
    return np.broadcast_to(sigma, np.shape(data.ydata)).ravel()


def require_matplotlib() -> Any:
    """matplotlib, or the error that says how to get it."""
    try:
        import matplotlib.figure
    except ImportError:
        raise missing_package("A report with figures", "matplotlib") from None
    return matplotlib


def fit_figure(points: Points, document: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Data, fit and bands above, residuals below: SVG, and remarks on what was drawn."""
    mpl = require_matplotlib()
    labels = document.get("labels") or {}
    x_label, y_label = (figures.plain(labels.get(axis, axis)) for axis in "xy")
    curve = document.get("curve") if points.along_x else None
    with mpl.rc_context({**STYLE, "svg.hashsalt": "nlsq-fit"}):
        figure = mpl.figure.Figure(figsize=(8.6, 6.0), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _set_scales(above, points)
        notes = _draw_points(above, points, residuals=False)
        if curve:
            notes += _draw_curve(above, curve, points.count > _MOST_MARKERS)
        elif points.along_x:
            _draw_through_data(above, points)
        else:
            _draw_equality(above, points)
        above.set_ylabel(y_label if points.along_x else f"observed {y_label}")
        figures.legend(above, fontsize=9.5)
        below.axhline(0.0, color=FIT, linewidth=1.2, zorder=1)
        by_sigma = above.get_yscale() == "log" and points.series[0].sigma is not None
        _draw_points(below, _over_sigma(points) if by_sigma else points, residuals=True)
        below.set_ylabel("residual / σ" if by_sigma else "residual")
        below.set_xlabel(x_label if points.along_x else f"predicted {y_label}")
        return svg(figure, "Data, fit and residuals"), notes


def _set_scales(ax: Any, points: Points) -> None:
    """Logarithmic axes where the data ask for them, as in `CurveFitResult.plot`."""
    if not points.along_x:
        return
    if len(points.series) > 1:
        ax.set_xscale("log" if spans_decades(points.series[0].x) else "linear")
        return
    one = points.series[0]
    drawn = plotting.thinned(plotting.Points(one.x, one.y, one.fitted, one.sigma, points.count))
    plotting.set_scales(ax, drawn, plotting.Options())
    plotting.limit(ax, drawn)


def _over_sigma(points: Points) -> Points:
    """The same points in units of their sigma."""
    series = [
        replace(s, y=s.y / s.sigma, fitted=s.fitted / s.sigma, sigma=np.ones_like(s.sigma))
        for s in points.series
    ]
    return replace(points, series=series)


def surface_figure(result: CurveFitResult, document: Mapping[str, Any]) -> str | None:
    """Data, fit and residuals over a plane as SVG; None where they are not known, or are none."""
    if isinstance(result, StreamedFitResult):
        return None
    surface = surfaces.surface_of(result)
    if surface is None:
        return None
    mpl = require_matplotlib()
    labels = document.get("labels") or {}
    x_label, y_label = (figures.plain(labels.get(axis, axis)) for axis in "xy")
    with mpl.rc_context({**STYLE, "svg.hashsalt": "nlsq-surface"}), figures.apart():
        options = plotting.Options(xlabel=x_label, ylabel=y_label)
        figure, _ = surfaces.draw(surface, None, options)
        return svg(figure, "Data, fit and residuals")


def waterfall_figure(result: CurveFitResult) -> str:
    """The costs of the local fits of a search, as SVG."""
    mpl = require_matplotlib()
    with mpl.rc_context({**STYLE, "svg.hashsalt": "nlsq-waterfall"}), figures.apart():
        figure, _ = waterfall.draw(result, None, "")
        return svg(figure, "Costs of the local fits, sorted")


def _draw_points(ax: Any, points: Points, residuals: bool) -> list[str]:
    notes: list[str] = []
    for series, colour in zip(points.series, (DATA, SECOND), strict=False):
        values = series.y - series.fitted if residuals else series.y
        if len(series.x) > _MOST_MARKERS:
            slices = _draw_range(ax, series.x, values, colour, series.name)
            notes.append(
                f"{len(series.x):,} points are drawn as the range from the smallest to the largest "
                f"in each of {slices} slices" + (", without error bars." if series.sigma is not None
                else ".")
            )  # fmt: skip
            continue
        if series.sigma is not None:
            ax.errorbar(series.x, values, yerr=series.sigma, fmt="none", ecolor=SOFT,
                        elinewidth=0.8, zorder=2)  # fmt: skip
        size = 4.6 if len(series.x) <= 150 else 2.8 if len(series.x) <= 1000 else 1.8
        ax.plot(series.x, values, "o", markersize=size, markeredgewidth=0, color=colour,
                label=series.name, zorder=3)  # fmt: skip
    if points.sampled_from:
        notes.append(
            f"A sample of {points.count:,} of the {points.sampled_from:,} points that were fitted."
        )
    return list(dict.fromkeys(notes))


def _draw_range(ax: Any, x: np.ndarray, y: np.ndarray, colour: str, name: str) -> int:
    """The range of y in slices of x: no outlier is lost, and the file stays small."""
    scale = np.log(x) if spans_decades(x) else x
    low, high = scale.min(), scale.max()
    width = (high - low) / _SLICES or 1.0
    index = np.minimum(((scale - low) / width).astype(int), _SLICES - 1)
    order = np.argsort(index, kind="stable")
    starts = np.flatnonzero(np.diff(index[order], prepend=-1))
    least, most = (f.reduceat(y[order], starts) for f in (np.fmin, np.fmax))
    middle = low + (index[order][starts] + 0.5) * width
    middle = np.exp(middle) if scale is not x else middle
    ax.vlines(middle, least, most, color=colour, linewidth=0.9, alpha=0.75, label=f"{name} (range)",
              zorder=2)  # fmt: skip
    return len(starts)


def _draw_curve(ax: Any, curve: Mapping[str, Any], dense: bool) -> list[str]:
    x, y = (np.array(curve[k], dtype=float) for k in "xy")
    level = f"{100 * curve.get('level', 0.95):g} %"
    notes = []
    looks = {"prediction": (SOFT, 0.16), "confidence": (FIT, 0.28)}
    for kind, (colour, alpha) in looks.items():
        lower, upper = (np.array(v, dtype=float) for v in curve[kind])
        known = np.isfinite(lower) & np.isfinite(upper)
        if not known.all():
            part = "in part" if known.any() else "everywhere"
            notes.append(f"The {kind} band is unbounded {part}.")
        if known.any() and dense and kind == "prediction":  # on top, or the points hide it
            for i, limit in enumerate((lower, upper)):
                ax.plot(x, np.where(known, limit, np.nan), "--", color=INK, linewidth=1.0,
                        zorder=3.5, label=None if i else f"{level} {kind} band")  # fmt: skip
        elif known.any():
            ax.fill_between(x, lower, upper, where=known, color=colour, alpha=alpha, linewidth=0,
                            label=f"{level} {kind} band", zorder=1)  # fmt: skip
    ax.plot(x, y, color=FIT, linewidth=1.9, label="fit", zorder=4)
    return notes


def _draw_through_data(ax: Any, points: Points) -> None:
    for number, series in enumerate(points.series):
        order = np.argsort(series.x, kind="stable")
        order = order[:: max(1, len(order) // 4000)]
        ax.plot(series.x[order], series.fitted[order], color=FIT, linewidth=1.7, zorder=4,
                label=None if number else "fit")  # fmt: skip


def _draw_equality(ax: Any, points: Points) -> None:
    values = np.concatenate([s.fitted for s in points.series])
    ends = np.array([np.nanmin(values), np.nanmax(values)])
    ax.plot(ends, ends, color=FIT, linewidth=1.7, label="observed = predicted", zorder=4)


def residual_figure(points: Points) -> str:
    """How the residuals are distributed: histogram and normal plot, as SVG."""
    mpl = require_matplotlib()
    residuals = np.concatenate([_standardised(s) for s in points.series])
    residuals = np.sort(residuals[np.isfinite(residuals)])
    size = len(residuals)
    spread = float(residuals.std()) if size > 1 else 0.0
    if size < 3 or not spread > 0:
        return ""
    chosen, expected = normal_plot.scores(size)
    z = (residuals - residuals.mean()) / spread
    with mpl.rc_context({**STYLE, "svg.hashsalt": "nlsq-residuals"}):
        figure = mpl.figure.Figure(figsize=(8.6, 2.7), layout="constrained")
        left, right = figure.subplots(1, 2)
        edges = residual_plots.histogram_edges(z)
        clipped = np.clip(z, edges[0], edges[-1])
        look = {"histtype": "stepfilled", "color": DATA, "alpha": 0.55}
        left.hist(clipped, bins=edges, density=True, **look)
        curve = residual_plots.normal_curve(edges)
        left.plot(*curve, color=FIT, linewidth=1.6, label="normal")
        left.set_xlabel("residual / standard deviation")
        left.set_ylabel("density")
        left.legend()
        right.plot(expected[[0, -1]], expected[[0, -1]], color=FIT, linewidth=1.6)
        right.plot(expected, z[chosen], "o", color=DATA, markersize=2.8, markeredgewidth=0)
        right.set_xlabel("expected of a normal distribution")
        right.set_ylabel("found")
        return svg(figure, "Distribution of the residuals")


def _standardised(series: Series) -> np.ndarray:
    residuals = real_parts(series.y - series.fitted)
    return residuals if series.sigma is None else residuals / series.sigma
