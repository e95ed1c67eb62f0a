"""Residuals over x, in units of y or of sigma."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from nlsq.gui_qt.plots.base_plot import FAR, BasePlotWidget, in_order, points_of
from nlsq.gui_qt.plots.cloud import CloudItem

_NOTHING = np.empty(0)


class ResidualsPlotWidget(BasePlotWidget):
    """Residuals and the line at zero."""

    def __init__(self, parent: QWidget | None = None):
        super().__init__("Residuals", parent)
        self.setToolTip(
            "What is left of the points: a pattern says that the model misses something."
        )
        self._residuals, self._of_start = (_NOTHING, _NOTHING), False
        self.limits = [pg.InfiniteLine(at, angle=0) for at in (-2, 2)]
        for line in self.limits:
            self.plotItem.addItem(line, ignoreBounds=True)
        self.zero = pg.InfiniteLine(0, angle=0)
        self.plotItem.addItem(self.zero, ignoreBounds=True)
        self.points = CloudItem()
        self.plotItem.addItem(self.points)

    def set_residuals(self, x: np.ndarray, residuals: np.ndarray, of_start: bool = False) -> None:
        """Draw others, of the fit or of its start; nothing where they are empty."""
        good = np.abs(residuals) < FAR  # a start may be where the model has no value to draw
        x, residuals = (x, residuals) if good.all() else (x[good], residuals[good])
        self._residuals, self._of_start = in_order(x, residuals), of_start
        self._paint()
        self.set_standard(False)
        if residuals.size:
            self._make_room(float(residuals.min()), float(residuals.max()))

    def set_standard(self, standard: bool) -> None:
        """Draw two lines, between which 95 % of residuals over their errors are, or none."""
        for line in self.limits:
            line.setVisible(standard)

    def _make_room(self, low: float, high: float) -> None:
        """Show all of y, on an axis that stands still while a slider moves; x is the fit's."""
        bottom, top = self.plotItem.vb.viewRange()[1]
        if low < bottom or high > top or high - low < (top - bottom) / 4:
            self.plotItem.setYRange(low, high)

    def show_all(self) -> None:
        if self._residuals[1].size:
            self.plotItem.setYRange(self._residuals[1].min(), self._residuals[1].max())

    def _paint(self) -> None:
        self.zero.setPen(pg.mkPen(self.theme.foreground, width=1))
        for line in self.limits:
            line.setPen(pg.mkPen(self.theme.start, width=1, style=Qt.PenStyle.DashLine))
        colour = self.theme.start if self._of_start else self.theme.residual
        points_of(self.points, *self._residuals, colour)
