"""Residuals over x, in units of y or of sigma."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from nlsq.gui_qt.plots.base_plot import BasePlotWidget, in_order, points_of

_NOTHING = np.empty(0)


class ResidualsPlotWidget(BasePlotWidget):
    """Residuals and the line at zero."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__("Residuals", parent)
        self._residuals = (_NOTHING, _NOTHING)
        self.zero = pg.InfiniteLine(0, angle=0)
        self.plotItem.addItem(self.zero, ignoreBounds=True)
        self.points = self.plotItem.plot()

    def set_residuals(self, x: np.ndarray, residuals: np.ndarray) -> None:
        """Draw others; nothing where they are empty."""
        self._residuals = in_order(x, residuals)
        self._paint()
        self.plotItem.autoRange()

    def _paint(self) -> None:
        self.zero.setPen(pg.mkPen(self.theme.foreground, width=1))
        points_of(self.points, *self._residuals, self.theme.residual)
