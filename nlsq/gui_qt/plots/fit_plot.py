"""Data, the curve of the start, and the fitted curve with its confidence band."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from nlsq.gui_qt.plots.base_plot import FAR, BasePlotWidget, in_order, points_of
from nlsq.gui_qt.plots.cloud import CloudItem
from nlsq.gui_qt.plots.masking import MaskingViewBox
from nlsq.session.masks import in_box, nearest, rounded

_NOTHING = np.empty(0)
_REACH = 12  # pixels from a click to the point that it means


class FitPlotWidget(BasePlotWidget):
    """The plot that is always seen; each setter replaces what it drew before.

    Signals
    -------
    clicked(float, float)
        Where, in the units of the axes.
    dragged(int, float, float, object)
        Which handle, where to, and the gesture it belongs to.
    masked(ndarray, object)
        Which of the points of `set_rows`, and True to leave them out, False to take them in, None
        for the other way round: a click with Ctrl, a rectangle with Ctrl (and Shift).
    ranged(object)
        [low, high] that is fitted; None for a side that is open.
    """

    clicked = Signal(float, float)
    dragged = Signal(int, float, float, object)
    masked = Signal(object, object)
    ranged = Signal(object)

    def __init__(self, parent: QWidget | None = None):
        self.view = MaskingViewBox()
        super().__init__("Data and fit", parent, viewBox=self.view)
        self._rows = self._out = (_NOTHING, _NOTHING)
        self.view.boxed.connect(
            lambda box, back: self._mask(in_box(*self._rows, box.getCoords()), not back)
        )
        self.setToolTip("Drag or arrow keys move it, the wheel or + and - zoom, Ctrl+0 shows all.")
        self._data = self._fit = self._start = (_NOTHING, _NOTHING)
        self._sigma: np.ndarray | None = None
        self._bands: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self.bars = pg.ErrorBarItem()
        self.points, self.crosses = CloudItem(), CloudItem()
        for item in (self.points, self.crosses):
            self.plotItem.addItem(item)
        self.span = pg.LinearRegionItem(movable=False)  # but its edges are
        for line in self.span.lines:
            line.setMovable(True)
            line.setToolTip("Drag this end of the fitted range; beyond all points it is open.")
        self.span.setZValue(-20)
        self.span.hide()
        self.span.sigRegionChangeFinished.connect(self._tell_range)
        self.plotItem.addItem(self.span, ignoreBounds=True)
        self.start = pg.PlotDataItem()
        self.plotItem.addItem(self.start, ignoreBounds=True)  # it may be anywhere
        self.curve = self.plotItem.plot()
        self.curve.setZValue(2)  # over the bars
        self.bands = {
            kind: pg.FillBetweenItem(pg.PlotDataItem(), pg.PlotDataItem())
            for kind in ("prediction", "confidence")
        }
        for item in (*self.bands.values(), self.bars):
            self.plotItem.addItem(item)
        self.others: list[pg.PlotDataItem] = []
        self._curves: list[tuple[str, str, np.ndarray, np.ndarray]] = []
        self.legend = self.plotItem.addLegend(offset=(-8, 8), labelTextSize="9pt")
        self.handles: list[pg.TargetItem] = []
        self._gesture = object()
        self.scene().sigMouseClicked.connect(self._click)

    def _click(self, event) -> None:
        at = self.view.mapSceneToView(event.scenePos()).toTuple()
        if self.view.masks(event):
            self._mask(nearest(*self._rows, at, self.view.viewPixelSize(), _REACH), None)
        elif event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(*at)

    def _mask(self, which: np.ndarray, out: bool | None) -> None:
        if which.size:
            self.masked.emit(which, out)

    def set_rows(self, x: np.ndarray, y: np.ndarray, kept: np.ndarray) -> None:
        """All points, of which those that are not kept are crosses; all are shown at first."""
        before, self._rows = self._rows, (x, y)
        out = ~kept & np.isfinite(x) & np.isfinite(y)
        self._out = in_order(x[out], y[out])
        self._paint_out()
        pairs = zip(before, self._rows, strict=True)
        if not all(np.array_equal(*pair, equal_nan=True) for pair in pairs):
            self.show_all()

    def set_data(self, x: np.ndarray, y: np.ndarray, sigma: np.ndarray | None = None) -> None:
        """Points that are fitted, with error bars; nothing where they are empty."""
        if sigma is not None:
            _, sigma = in_order(x, sigma)
        self._data, self._sigma = in_order(x, y), sigma
        self._paint()

    def show_all(self) -> None:
        """Show all points; what is drawn of them is only what was seen before."""
        x, y = self._rows
        good = (np.abs(x) < FAR) & (np.abs(y) < FAR)
        if good.any():
            xs, ys = ((float(v[good].min()), float(v[good].max())) for v in (x, y))
            self.plotItem.setRange(xRange=xs, yRange=ys)

    def set_range(self, limits: list[float | None] | None, shown: bool) -> None:
        """The range of x that is fitted, to be dragged."""
        x = self._rows[0][np.isfinite(self._rows[0])]
        self.span.setVisible(shown and x.size > 0)
        if x.size:
            self._ends = float(x.min()), float(x.max())
            pairs = zip(limits or (None, None), self._ends, strict=True)
            self.span.blockSignals(True)
            self.span.setRegion([end if limit is None else limit for limit, end in pairs])
            self.span.blockSignals(False)

    def _tell_range(self) -> None:
        left, right = self.view.viewRange()[0]
        self.ranged.emit(rounded(self.span.getRegion(), self._ends, right - left))

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
        self, x: np.ndarray, y: np.ndarray,
        bands: dict[str, tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> None:  # fmt: skip
        """The fitted curve and its bands, "confidence" and "prediction": each a pair of edges."""
        self._fit, self._bands = (x, y), bands or {}
        self._paint_fit()

    def set_others(self, curves: list[tuple[str, str, np.ndarray, np.ndarray]]) -> None:
        """Curves of other fits: name, colour, x and y of each."""
        self._curves = curves
        self._paint_others()

    def _paint_others(self) -> None:
        while self.others:
            self.plotItem.removeItem(self.others.pop())
        self.legend.setLabelTextColor(self.theme.foreground)  # of names that are added from now on
        for name, colour, x, y in self._curves:
            self.others.append(pg.PlotDataItem(x, y, pen=pg.mkPen(colour, width=2), name=name))
            self.plotItem.addItem(self.others[-1], ignoreBounds=True)
        self.legend.setVisible(bool(self._curves))

    def _paint(self) -> None:
        self._paint_others()
        theme = self.theme
        points_of(self.points, *self._data, theme.data)
        x, y = self._data
        if self._sigma is not None and x.size <= 5000:
            self.bars.setData(x=x, y=y, height=2 * np.minimum(self._sigma, FAR), pen=theme.data)
        else:
            self.bars.setData(x=None, y=None)
        self._paint_out()
        self._paint_start()
        self._paint_fit()
        self.span.setBrush(pg.mkBrush(theme.fit + "14"))
        for line in self.span.lines:
            line.setPen(pg.mkPen(theme.fit, width=1))
        for handle in self.handles:
            handle.setPen(theme.fit)

    def _paint_out(self) -> None:
        points_of(self.crosses, *self._out, self.theme.start, "x")

    def _paint_fit(self) -> None:
        theme = self.theme
        self.curve.setData(*self._fit, pen=pg.mkPen(theme.fit, width=2))
        for kind, band in self.bands.items():
            band.setVisible(kind in self._bands)
            if kind in self._bands:
                (low, high), (lower, upper) = band.curves, self._bands[kind]
                low.blockSignals(True)  # between an old and a new edge a band takes long to fill
                low.setData(self._fit[0], lower)
                low.blockSignals(False)
                high.setData(self._fit[0], upper)
                colour = theme.fit if kind == "confidence" else theme.data
                band.setBrush(pg.mkBrush(f"{colour}30"))

    def _paint_start(self) -> None:
        dashed = pg.mkPen(self.theme.start, width=1, style=Qt.PenStyle.DashLine)
        self.start.setData(*self._start, pen=dashed)
