"""What the mouse does on the plot: a range of x to fit, and points that are left out."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.plots.fit_plot import FitPlotWidget
from nlsq.gui_qt.widgets.building import filled
from nlsq.gui_qt.widgets.named import named
from nlsq.session.masks import read_range

_RANGE = "Shows the range of x that is fitted on the plot, where its edges can be dragged."
_POINTS = (
    "A click on the plot leaves out the nearest point or takes it in again; a dragged rectangle "
    "leaves out all in it, with Shift it takes them in. Ctrl does the same without this tool."
)
_ALL = "Takes in all points that were left out, and opens the range."


class MaskBar(QWidget):
    """The tools of a plot."""

    def __init__(self, app: AppState, plot: FitPlotWidget, parent: QWidget | None = None):
        super().__init__(parent)
        self._app, self._plot = app, plot
        self.range = named(QCheckBox("Fit &x range"), "fit a range", "Fit a range", _RANGE)
        self.points = named(QCheckBox("Mas&k"), "mask points", "Mask points", _POINTS)
        self.all = named(QPushButton("Use all"), "use all points", "Use all points", _ALL)
        self.setFixedHeight(self.all.sizeHint().height())
        tools = self.range, self.points, self.all
        filled(QHBoxLayout(self), *tools, edge=False).setSpacing(2)
        self.range.clicked.connect(self._switch)
        self.points.toggled.connect(self._mask)
        self.all.clicked.connect(self._use_all)
        plot.masked.connect(lambda which, out: app.mask(app.rows.numbers[which], out))
        plot.ranged.connect(lambda limits: app.edit("data.x_range", limits))
        app.data_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the range, and which tools there are."""
        limits = self._app.state.get("data.x_range")
        self.range.setChecked(self.range.isChecked() or limits is not None)
        for tool in (self.range, self.points):
            tool.setEnabled(self._app.rows is not None)
        masked = limits is not None or self._app.state.get("data.exclude") is not None
        self.all.setEnabled(masked)
        if self._app.rows is not None:
            limits = read_range(limits) if isinstance(limits, str) else limits
            self._plot.set_range(limits, self.range.isChecked())

    def _switch(self, on: bool) -> None:
        if not on:
            self._app.edit("data.x_range", None)
        self.refresh()

    def _mask(self, on: bool) -> None:
        self._plot.view.masking = on
        self._plot.setCursor(Qt.CursorShape.CrossCursor if on else Qt.CursorShape.ArrowCursor)

    def _use_all(self) -> None:
        with self._app.step("use all points"):
            self._app.edit("data.exclude", None)
            self._app.edit("data.x_range", None)
        self.range.setChecked(False)
        self.refresh()
