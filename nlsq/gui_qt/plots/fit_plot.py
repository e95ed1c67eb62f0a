"""Data, the curve of the start, and the fitted curve with its confidence band."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from nlsq.gui_qt.plots.base_plot import FAR, BasePlotWidget, in_order, points_of

_NOTHING = np.empty(0)


class FitPlotWidget(BasePlotWidget):
    """The plot that is always seen; each setter replaces what it drew before.

    Signals
    -------
    clicked(float, float)
        Where, in the units of the axes.
    dragged(int, float, float, object)
        Which handle, where to, and the gesture it belongs to.
    """

    clicked = Signal(float, float)
    dragged = Signal(int, float, float, object)

    def __init__(self, parent: QWidget | None = None):
        super().__init__("Data and fit", parent)
        self.setToolTip("Drag or arrow keys move it, the wheel or + and - zoom, Ctrl+0 shows all.")
        self._data = self._fit = self._start = (_NOTHING, _NOTHING)
        self._sigma: np.ndarray | None = None
        self._edges = (_NOTHING, _NOTHING)
        self.bars = pg.ErrorBarItem()
        self.points = self.plotItem.plot()
        self.start = pg.PlotDataItem()
        self.plotItem.addItem(self.start, ignoreBounds=True)  # it may be anywhere
        self.curve = self.plotItem.plot()
        self.lower, self.upper = pg.PlotDataItem(), pg.PlotDataItem()
        self.band = pg.FillBetweenItem(self.lower, self.upper)
        for item in (self.band, self.bars):
            self.plotItem.addItem(item)
        self.handles: list[pg.TargetItem] = []
        self._gesture = object()
        self.scene().sigMouseClicked.connect(self._click)

    def _click(self, event) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            at = self.plotItem.vb.mapSceneToView(event.scenePos())
            self.clicked.emit(at.x(), at.y())

    def set_data(self, x: np.ndarray, y: np.ndarray, sigma: np.ndarray | None = None) -> None:
        """Points, with error bars; nothing where they are empty."""
        if sigma is not None:
            _, sigma = in_order(x, sigma)
        self._data, self._sigma = in_order(x, y), sigma
        self._paint()
        self._show_all()

    def _show_all(self) -> None:
        """Show all points; what is drawn of them is only what was seen before."""
        x, y = self._data
        good = (np.abs(x) < FAR) & (np.abs(y) < FAR)
        if good.any():
            xs, ys = ((float(v[good].min()), float(v[good].max())) for v in (x, y))
            self.plotItem.setRange(xRange=xs, yRange=ys)

    def set_start(self, x: np.ndarray, y: np.ndarray) -> None:
        """The curve of the start, dashed."""
        self._start = x, y
        self._paint_start()

    def set_handles(self, places: list[tuple[float, float]]) -> None:
        """What can be dragged; a handle that is held stays in the hand."""
        places = [place for place in places if np.isfinite(place).all()]
        while len(self.handles) > len(places):
            self.plotItem.removeItem(self.handles.pop())
        while len(self.handles) < len(places):
            handle = pg.TargetItem(size=12, movable=True, pen=self.theme.fit)
            handle.setToolTip("Drag the peak: its position and height follow.")
            which = len(self.handles)
            handle.setObjectName(f"handle {which + 1}")
            handle.sigPositionChanged.connect(lambda _, which=which: self._drag(which))
            handle.sigPositionChangeFinished.connect(self._drop)
            self.plotItem.addItem(handle, ignoreBounds=True)
            self.handles.append(handle)
        for handle, place in zip(self.handles, places, strict=True):
            if not handle.moving:
                handle.blockSignals(True)
                handle.setPos(*place)
                handle.blockSignals(False)

    def _drag(self, which: int) -> None:
        at = self.handles[which].pos()
        self.dragged.emit(which, at.x(), at.y(), self._gesture)

    def _drop(self) -> None:
        self._gesture = object()

    def set_fit(
        self, x: np.ndarray, y: np.ndarray, lower: np.ndarray = _NOTHING,
        upper: np.ndarray = _NOTHING,
    ) -> None:  # fmt: skip
        """The fitted curve and its band."""
        self._fit, self._edges = (x, y), (lower, upper)
        self._paint_fit()

    def _paint(self) -> None:
        theme = self.theme
        points_of(self.points, *self._data, theme.data)
        x, y = self._data
        if self._sigma is not None and x.size <= 5000:
            self.bars.setData(x=x, y=y, height=2 * self._sigma, pen=theme.data)
        else:
            self.bars.setData(x=None, y=None)
        self._paint_start()
        self._paint_fit()
        for handle in self.handles:
            handle.setPen(theme.fit)

    def _paint_fit(self) -> None:
        theme = self.theme
        self.curve.setData(*self._fit, pen=pg.mkPen(theme.fit, width=2))
        shown = self._edges[0].size == self._fit[0].size and self._fit[0].size > 0
        self.band.setVisible(shown)
        if shown:
            self.lower.blockSignals(True)  # between an old and a new edge a band takes long to fill
            self.lower.setData(self._fit[0], self._edges[0])
            self.lower.blockSignals(False)
            self.upper.setData(self._fit[0], self._edges[1])
            self.band.setBrush(pg.mkBrush(theme.band[:7] + "30"))

    def _paint_start(self) -> None:
        dashed = pg.mkPen(self.theme.start, width=1, style=Qt.PenStyle.DashLine)
        self.start.setData(*self._start, pen=dashed)
