"""What our plots share: colours, labels, lines one pixel wide."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QWidget

from nlsq.gui_qt.theme import LIGHT_THEME, ThemeConfig

_MOST = 4000  # points that are drawn at once
_KEY = Qt.Key
_ARROWS = {_KEY.Key_Left: (-0.1, 0), _KEY.Key_Right: (0.1, 0),
           _KEY.Key_Down: (0, -0.1), _KEY.Key_Up: (0, 0.1)}  # fmt: skip
_ZOOMS = {_KEY.Key_Plus: 0.8, _KEY.Key_Equal: 0.8, _KEY.Key_Minus: 1.25}
FAR = 1e300  # beyond it a range has no width that a double holds


class BasePlotWidget(pg.PlotWidget):
    """A plot that knows the theme; subclasses draw in `_paint`."""

    def __init__(self, name: str, parent: QWidget | None = None, **more):
        super().__init__(parent, **more)
        self.setObjectName(name)
        self.setAccessibleName(name)
        self.theme = LIGHT_THEME
        # pyqtgraph's menu has log axes, which our curves do not follow
        self.setMenuEnabled(False)
        self.hideButtons()
        self.plotItem.showGrid(x=True, y=True, alpha=0.25)
        far = dict.fromkeys(("xMax", "yMax"), FAR) | dict.fromkeys(("xMin", "yMin"), -FAR)
        self.plotItem.vb.setLimits(**far)
        self.plotItem.vb.sigXRangeChanged.connect(self._thin)
        for side in ("left", "bottom"):  # whose grid takes longer to draw than all points
            axis = self.plotItem.getAxis(side)
            axis.setCacheMode(axis.CacheMode.DeviceCoordinateCache)
            axis.enableAutoSIPrefix(False)  # nobody writes 300 (x0.001)
        copy = QAction("Copy figure", self)
        copy.setShortcut(QKeySequence.StandardKey.Copy)
        copy.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        copy.triggered.connect(self.copy)
        self.addAction(copy)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)

    def copy(self) -> None:
        """Copy the figure as it is seen."""
        QGuiApplication.clipboard().setPixmap(self.grab())

    def set_theme(self, theme: ThemeConfig) -> None:
        """Take other colours."""
        self.theme = theme
        self.setBackground(theme.background)
        for side in ("left", "bottom"):
            axis = self.plotItem.getAxis(side)
            axis.setPen(theme.foreground)
            axis.setTextPen(theme.foreground)
        self._paint()

    def set_labels(self, x: str, y: str) -> None:
        """Write on the axes."""
        for side, text in (("bottom", x), ("left", y)):
            if self.plotItem.getAxis(side).labelText != text:  # to lay it out anew takes a while
                self.plotItem.setLabel(side, text)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows move what is seen, + and - zoom."""
        view, key = self.plotItem.vb, event.key()
        if key in _ARROWS:
            (left, right), (low, high) = view.viewRange()
            x, y = _ARROWS[key]
            view.translateBy((x * (right - left), y * (high - low)))
        elif key in _ZOOMS:
            view.scaleBy((_ZOOMS[key],) * 2)
        else:
            super().keyPressEvent(event)

    def show_all(self) -> None:
        """Undo all moving and zooming."""
        self.plotItem.enableAutoRange()

    def _paint(self) -> None:
        raise NotImplementedError

    def _thin(self, *_) -> None:
        for item in self.plotItem.dataItems:
            if (whole := getattr(item, "whole", None)) is not None and whole[0].size > _MOST:
                item.setData(*thinned(*whole, *self.plotItem.vb.viewRange()[0]))


def points_of(
    item: pg.PlotDataItem, x: np.ndarray, y: np.ndarray, colour: str, symbol: str = "o"
) -> None:
    """Draw points, smaller where there are many, and of very many only the extremes."""
    near = (np.abs(x) < FAR) & (np.abs(y) < FAR)
    x, y = (x, y) if near.all() else (x[near], y[near])
    size = 6 if x.size < 500 else 4 if x.size < 2000 else 2
    item.whole = x, y
    shown = thinned(x, y, *item.getViewBox().viewRange()[0])
    item.setData(
        *shown, symbol=symbol, symbolSize=size, symbolPen=None, symbolBrush=colour, pen=None
    )


def thinned(x: np.ndarray, y: np.ndarray, left: float, right: float) -> tuple[np.ndarray, ...]:
    """Of points in order those that are seen; of very many the highest and lowest of neighbours.

    pyqtgraph's own leaves the last ones out, all where they lie close, and fails where closer.
    """
    first, last = np.searchsorted(x, (left, right))
    first, last = max(first - 1, 0), min(last + 1, x.size)
    if x.size <= _MOST or last - first <= _MOST:
        return (x, y) if x.size <= _MOST else (x[first:last], y[first:last])
    starts = np.arange(first, last, -(-2 * (last - first) // _MOST))
    high, low = (choose.reduceat(y[:last], starts) for choose in (np.fmax, np.fmin))
    return np.repeat(x[starts], 2), np.column_stack([high, low]).ravel()


def in_order(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points from left to right, as downsampling needs them."""
    order = np.argsort(x, kind="stable")
    return x[order], y[order]
