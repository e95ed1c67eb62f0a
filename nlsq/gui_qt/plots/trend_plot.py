"""One parameter of many fits, with its errors, over what the fits are of."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from nlsq.gui_qt.plots.base_plot import BasePlotWidget
from nlsq.session.batch_rows import Trend

_NAMES = 12  # that find room below the axis


class TrendPlotWidget(BasePlotWidget):
    """A point for each fit, hollow where it did not converge; a click tells its place."""

    clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None):
        super().__init__("Trend of a parameter over the groups", parent)
        self.setToolTip(
            "The parameter of each group with its standard error; click a point to see its fit."
        )
        self.setMinimumHeight(130)
        self._trend, self._looked_at = Trend.of([], {}, ""), None
        self.bars = pg.ErrorBarItem(x=self._trend.x, y=self._trend.y)
        self.points = pg.ScatterPlotItem(hoverable=True, tip=None)
        self.plotItem.addItem(self.bars)
        self.plotItem.addItem(self.points)
        self.points.sigClicked.connect(lambda _, spots, __: self.clicked.emit(spots[0].data()))

    def set_trend(self, trend: Trend, looked_at: int | None) -> None:
        """Draw another, and the fit that is looked at larger."""
        self._trend, self._looked_at, names = trend, looked_at, trend.names
        some = range(0, len(names), 1 + len(names) // _NAMES)
        ticks = [[(k, names[k]) for k in some]] if names and trend.numbered else None
        self.plotItem.getAxis("bottom").setTicks(ticks)
        self._paint()

    def _paint(self) -> None:
        place = np.flatnonzero(np.isfinite(self._trend.y))
        x, y, errors = (of[place] for of in (self._trend.x, self._trend.y, self._trend.errors))
        size = np.where(np.isfinite(errors), errors, 0.0)
        beam = 0.3 * float(np.diff(np.sort(x)).min()) if x.size > 1 else None
        pen = pg.mkPen(self.theme.fit, width=1)
        self.bars.setData(x=x, y=y, top=size, bottom=size, beam=beam, pen=pen)
        inside = (pg.mkBrush(None), pg.mkBrush(self.theme.fit))
        self.points.setData(
            x=x, y=y, data=place, pen=pen, symbol="o",
            brush=[inside[int(self._trend.good[k])] for k in place],
            size=[14 if k == self._looked_at else 8 for k in place],
        )  # fmt: skip
