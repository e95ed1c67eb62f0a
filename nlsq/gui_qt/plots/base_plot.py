"""What our plots share: colours, labels, lines one pixel wide."""

from __future__ import annotations

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QWidget

from nlsq.gui_qt.plots.cloud import CloudItem
from nlsq.gui_qt.theme import LIGHT_THEME, ThemeConfig

_KEY = Qt.Key
_ARROWS = {_KEY.Key_Left: (-0.1, 0), _KEY.Key_Right: (0.1, 0),
           _KEY.Key_Down: (0, -0.1), _KEY.Key_Up: (0, 0.1)}  # fmt: skip
_ZOOMS = {_KEY.Key_Plus: 0.8, _KEY.Key_Equal: 0.8, _KEY.Key_Minus: 1.25}
FAR = 1e300  # beyond it a range has no width that a double holds


class BasePlotWidget(pg.PlotWidget):
    """A plot that knows the theme; subclasses draw in `_paint`."""

    def __init__(self, name: str, parent: QWidget | None = None, **more):
        # pyqtgraph's menu has log axes, which our curves do not follow
        super().__init__(parent, enableMenu=False, **more)
        self.setObjectName(name)
        self.setAccessibleName(name)
        self.theme = LIGHT_THEME
        self.hideButtons()
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.plotItem.showGrid(x=True, y=True, alpha=0.25)
        far = dict.fromkeys(("xMax", "yMax"), FAR) | dict.fromkeys(("xMin", "yMin"), -FAR)
        self.plotItem.vb.setLimits(**far)
        for side in ("left", "bottom"):  # whose grid takes longer to draw than all points
            axis = self.plotItem.getAxis(side)
            axis.setCacheMode(axis.CacheMode.DeviceCoordinateCache)
            axis.enableAutoSIPrefix(False)  # nobody writes 300 (x0.001)
        copying(self, "figure", "The picture, as it is seen.")

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


def points_of(
    item: pg.PlotDataItem | CloudItem, x: np.ndarray, y: np.ndarray, colour: str, symbol: str = "o"
) -> None:
    """Draw points, smaller where there are many."""
    near = (np.abs(x) < FAR) & (np.abs(y) < FAR)
    x, y = (x, y) if near.all() else (x[near], y[near])
    if isinstance(item, CloudItem):
        item.show_points(x, y, colour, symbol)
        return
    size = 6 if x.size < 500 else 4 if x.size < 2000 else 2
    item.setData(x, y, symbol=symbol, symbolSize=size, symbolPen=None, symbolBrush=colour, pen=None)


def in_order(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points from left to right, as downsampling needs them."""
    if (x[1:] >= x[:-1]).all():
        return x, y
    order = np.argsort(x, kind="stable")
    return x[order], y[order]


def copying(widget: QWidget, what: str, tip: str) -> None:
    """Let Ctrl+C and the menu of the right button call the widget's `copy`."""
    action = widget.addAction(f"&Copy {what}", widget.copy)
    action.setObjectName(f"copy {what}: {widget.objectName()}")
    action.setToolTip(f"{tip} Ctrl+C")
    keys = QShortcut(QKeySequence.StandardKey.Copy, widget, action.trigger)
    keys.setContext(Qt.ShortcutContext.WidgetShortcut)  # PySide6 ignores it above
