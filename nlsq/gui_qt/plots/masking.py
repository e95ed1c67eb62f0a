"""What the mouse does on a plot to leave points out."""

from __future__ import annotations

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
        super().__init__(enableMenu=False)
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
