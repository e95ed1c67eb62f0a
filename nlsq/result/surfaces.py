"""The picture of a fit over a plane: data, fit and residual as images beside each other."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result import statistics
from nlsq.utils import figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nlsq.result.curve_fit_result import CurveFitResult
    from nlsq.result.plotting import Options

_FEWEST = 6  # places along each axis of a plane; fewer are groups of curves
_FEWEST_POINTS = 32  # that are not on a grid
_COVERED = 0.6  # share of the cells, in which such points are counted, that have some
_MOST_POINTS = 20_000  # drawn where there is no grid


@dataclasses.dataclass(frozen=True)
class Surface:
    """Points over a plane, each (m,)."""

    u: np.ndarray
    v: np.ndarray
    y: np.ndarray
    fitted: np.ndarray


def surface_of(result: CurveFitResult) -> Surface | None:
    """The points when each has two real, finite x and a real y, and they cover a plane."""
    y = np.asarray(result.ydata)
    pair = _coordinates(result.xdata, y.size)
    if pair is None or np.iscomplexobj(y):
        return None
    columns = [*pair, y.ravel(), np.asarray(result.predictions).ravel()]
    if (counts := statistics.weighted(result.get("sigma"))) is not None:
        columns = [values[counts] for values in columns]
    surface = Surface(*columns)
    if not (np.isfinite(surface.u).all() and np.isfinite(surface.v).all()):
        return None
    if min(len(np.unique(surface.u)), len(np.unique(surface.v))) < _FEWEST:
        return None
    return surface if _Grid.of(surface) is not None or _covers_a_plane(surface) else None


def _covers_a_plane(surface: Surface) -> bool:
    """Whether points are no curve in the plane: counted by rank, they are in most of its cells."""
    m = surface.y.size
    if m < _FEWEST_POINTS:
        return False
    cells = min(8, math.isqrt(m // 2))
    row, column = (np.argsort(np.argsort(v)) * cells // m for v in (surface.u, surface.v))
    return len(np.unique(row * cells + column)) >= _COVERED * cells**2


def _coordinates(xdata: Any, m: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Two coordinates, from (2, ...), a pair of arrays that broadcast, or (m, 2)."""
    try:
        if isinstance(xdata, (tuple, list)) and len(xdata) == 2:
            xdata = np.broadcast_arrays(*xdata)
        x = np.asarray(xdata)
        if x.dtype.kind not in "fiu":
            return None
    except (TypeError, ValueError):
        return None
    x = x.astype(float)
    if x.ndim > 1 and len(x) == 2 and x[0].size == m:
        return x[0].ravel(), x[1].ravel()
    return (x[:, 0], x[:, 1]) if x.shape == (m, 2) else None


def draw(surface: Surface, ax: Axes | None, options: Options) -> tuple[Figure, np.ndarray]:
    """Draw data, fit and, where asked for, residual; see `CurveFitResult.plot`."""
    panels = 3 if options.show_residuals else 2
    grid = _Grid.of(surface)
    fig, axes, bars = _places(ax, panels, _shape(surface, grid))
    both = np.concatenate([surface.y, surface.fitted])
    low, high = np.nanmin(both), np.nanmax(both)
    looks = {"cmap": "viridis", "vmin": low, "vmax": high}
    drawn = _image(axes[0], surface, grid, surface.y, looks)
    _image(axes[1], surface, grid, surface.fitted, looks)
    fig.colorbar(drawn, **bars[0], label=str(options.ylabel))
    if options.show_residuals:
        residual = surface.y - surface.fitted
        size = np.abs(residual[np.isfinite(residual)])
        most = np.quantile(size, 0.995) if size.size > 1000 else size.max(initial=0.0)
        most = float(most) or 1.0
        looks = {"cmap": "RdBu_r", "vmin": -most, "vmax": most}
        drawn = _image(axes[2], surface, grid, residual, looks)
        beyond = "both" if (size > most).any() else "neither"
        fig.colorbar(drawn, **bars[1], label="residual", extend=beyond)
    labels = _labels(options.xlabel)
    for panel, name in zip(axes, ("data", "fit", "residual"), strict=False):
        panel.set_title(name, fontsize="medium")
        panel.set_xlabel(labels[0])
        panel.set_xscale(options.xscale or "linear")
        panel.set_yscale(options.yscale or "linear")
        panel.tick_params(labelleft=panel is axes[0])
    axes[0].set_ylabel(labels[1])
    if options.title is not None:
        fig.suptitle(options.title) if ax is None else axes[0].set_title(options.title)
    return fig, np.array(axes)


def _labels(xlabel: str | Sequence[str]) -> tuple[str, ...]:
    """Names of both axes: a pair, "a, b" (columns of a file), or x[0] and x[1] of x."""
    names = tuple(xlabel.split(", ") if isinstance(xlabel, str) else xlabel)
    return names if len(names) == 2 else (f"{xlabel}[0]", f"{xlabel}[1]")


@dataclasses.dataclass(frozen=True)
class _Grid:
    """Places along both axes, and of each point its column and row."""

    u: np.ndarray
    v: np.ndarray
    column: np.ndarray
    row: np.ndarray

    @classmethod
    def of(cls, surface: Surface) -> _Grid | None:
        """The grid that the points fill, at least by half; None where there is none."""
        u, column = np.unique(surface.u, return_inverse=True)
        v, row = np.unique(surface.v, return_inverse=True)
        m = surface.y.size
        cells = len(u) * len(v)
        if not m <= cells <= 2 * m or len(np.unique(row * len(u) + column)) < m:
            return None
        return cls(u, v, column, row)

    def filled(self, values: np.ndarray) -> np.ndarray:
        """The values in their cells, nan in the others."""
        out = np.full((len(self.v), len(self.u)), np.nan)
        out[self.row, self.column] = values
        return out


def _image(ax: Axes, surface: Surface, grid: _Grid | None, values: Any, looks: Any) -> Any:
    ax.grid(False)
    ax.set_facecolor("0.85" if grid is not None else "0.96")
    if grid is not None:
        cells = np.ma.masked_invalid(grid.filled(values))
        return ax.pcolormesh(grid.u, grid.v, cells, shading="nearest", rasterized=True, **looks)
    keep = np.linspace(0, len(values) - 1, min(len(values), _MOST_POINTS)).astype(int)
    size = np.clip(1.6e4 / len(keep), 3, 80)
    return ax.scatter(surface.u[keep], surface.v[keep], s=size, c=values[keep], linewidths=0,
                      rasterized=len(keep) > 3000, **looks)  # fmt: skip


def _shape(surface: Surface, grid: _Grid | None) -> float | None:
    """Height over width of pixels and alike, whose units are one; None where they are others."""
    spans = np.ptp(surface.u), np.ptp(surface.v)
    if grid is not None:
        steps = spans[0] / (len(grid.u) - 1), spans[1] / (len(grid.v) - 1)
        if abs(steps[0] - steps[1]) > 1e-3 * max(steps):
            return None
    ratio = spans[1] / spans[0]
    return ratio if 0.25 < ratio < 4 else None


def _places(ax: Axes | None, panels: int, shape: float | None) -> tuple[Figure, list, list]:
    """Axes of the images, and for the colour bars of the first two and of the third their place."""
    if ax is None:
        height = 3.0 * min(max(shape or 0.9, 0.5), 1.6)
        fig = figures.new((3.0 * panels + 1.8, height + 0.9))
        axes = list(fig.subplots(1, panels, sharex=True, sharey=True))
        bars = [{"cax": panel.inset_axes((1.03, 0, 0.05, 1))} for panel in axes[1:]]
    else:
        from mpl_toolkits.axes_grid1 import make_axes_locatable

        fig, divider, axes, bars = ax.figure, make_axes_locatable(ax), [ax], []
        for number in range(1, panels):
            pad = 0.1 if number == 1 else 0.75
            axes.append(divider.append_axes("right", size="100%", pad=pad, sharex=ax, sharey=ax))
            bars.append({"cax": divider.append_axes("right", size="5%", pad=0.08)})
    for panel in axes:
        panel.set_aspect("auto" if shape is None else "equal")
    return fig, axes, bars
