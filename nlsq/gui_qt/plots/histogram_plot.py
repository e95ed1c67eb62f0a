"""How residuals are spread: a histogram, and their quantiles against those of a normal one."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from nlsq.gui_qt.plots.base_plot import BasePlotWidget, points_of
from nlsq.session.examining import EMPTY, Spread


class _SpreadPlotWidget(BasePlotWidget):
    """Draws standardised residuals."""

    spread = EMPTY

    def set_spread(self, spread: Spread) -> None:
        """Draw another."""
        self.spread = spread
        self._paint()
        self.show_all()


class HistogramPlotWidget(_SpreadPlotWidget):
    """Residuals as a histogram, with the normal density."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__("Histogram of residuals", parent)
        self.setToolTip("The residuals of a right model follow the line, the normal density.")
        self.bars = pg.BarGraphItem(x0=[], x1=[], height=[])
        self.plotItem.addItem(self.bars)
        self.normal = self.plotItem.plot()

    def _paint(self) -> None:
        spread, brush = self.spread, pg.mkColor(self.theme.residual)
        brush.setAlpha(140)
        self.set_labels(spread.label, "density")
        sides = {"x0": spread.edges[:-1], "x1": spread.edges[1:], "height": spread.density}
        self.bars.setOpts(**sides, brush=brush, pen=self.theme.background)
        self.normal.setData(*map(np.asarray, spread.curve), pen=pg.mkPen(self.theme.fit, width=2))


class QuantilePlotWidget(_SpreadPlotWidget):
    """Each residual against the one that a normal distribution would have in its place."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__("Normal quantiles of residuals", parent)
        self.setToolTip("Normal residuals lie along the line, inside the band; heavy tails do not.")
        self.line = self.plotItem.plot()
        self.lower, self.upper = pg.PlotDataItem(), pg.PlotDataItem()
        self.band = pg.FillBetweenItem(self.lower, self.upper)
        self.plotItem.addItem(self.band)
        self.points = self.plotItem.plot()

    def _paint(self) -> None:
        spread, theme = self.spread, self.theme
        self.set_labels("expected of a normal distribution", spread.label)
        points_of(self.points, spread.expected, spread.found, theme.residual)
        known = bool(spread.limits)
        self.band.setVisible(known)
        ends = spread.expected[[0, -1]] if known else spread.expected[:0]
        self.line.setData(ends, ends, pen=pg.mkPen(theme.fit, width=1))
        for side, limit in zip((self.lower, self.upper), spread.limits, strict=False):
            side.setData(spread.expected, limit)
        self.band.setBrush(pg.mkBrush(theme.fit + "30"))
