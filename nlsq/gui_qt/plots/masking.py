"""What the mouse does on a plot to leave points out: rectangles, and the edges of a range."""

from __future__ import annotations

import math

import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt, Signal

_KEYS = Qt.KeyboardModifier


class MaskingViewBox(pg.ViewBox):
    """Drags a rectangle with Ctrl, or always while `masking`.

    Signals
    -------
    boxed(QRectF, bool)
        The rectangle in the units of the axes, and whether Shift was held: to take points in.
    """

    boxed = Signal(object, bool)

    def __init__(self):
        super().__init__()
        self.masking = False

    def masks(self, event) -> bool:
        """Whether an event of the mouse is about masks."""
        control = bool(event.modifiers() & _KEYS.ControlModifier)
        return event.button() == Qt.MouseButton.LeftButton and (self.masking or control)

    def mouseDragEvent(self, event, axis=None) -> None:
        if axis is not None or not self.masks(event):
            super().mouseDragEvent(event, axis)
            return
        event.accept()
        begin, end = event.buttonDownPos(), event.pos()
        self.updateScaleBox(begin, end)
        if event.isFinish():
            self.rbScaleBox.hide()
            box = self.childGroup.mapRectFromParent(QRectF(begin, end).normalized())
            self.boxed.emit(box.normalized(), bool(event.modifiers() & _KEYS.ShiftModifier))


class RangeItem(pg.LinearRegionItem):
    """The range of x that is fitted; its edges are dragged, what is between them is the plot's.

    Signals
    -------
    ranged(object)
        [low, high] with as many digits as the plot resolves; None for a side beyond all points.
    """

    ranged = Signal(object)

    def __init__(self):
        super().__init__(pen=pg.mkPen("k", width=1))
        self._ends = (0.0, 1.0)
        self.setZValue(-20)
        self.hide()
        for line, side in zip(self.lines, ("first", "last"), strict=True):
            line.setToolTip(
                f"Drag the {side} x that is fitted; beyond all points the side is open."
            )
        self.sigRegionChangeFinished.connect(self._tell)

    def show_range(self, limits, ends: tuple[float, float]) -> None:
        """Stand at these limits, at the ends of the points where a side is open."""
        self._ends = ends
        self.blockSignals(True)
        self.setRegion([end if v is None else v for v, end in zip(limits, ends, strict=True)])
        self.blockSignals(False)

    def mouseDragEvent(self, event) -> None:
        event.ignore()

    def hoverEvent(self, event) -> None:
        pass

    def _tell(self) -> None:
        low, high = sorted(map(float, self.getRegion()))
        first, last = self._ends
        seen = self.getViewBox().viewRange()[0]
        digits = 3 - math.floor(math.log10(seen[1] - seen[0]))
        self.ranged.emit(
            [
                None if low <= first else round(low, digits),
                None if high >= last else round(high, digits),
            ]
        )
