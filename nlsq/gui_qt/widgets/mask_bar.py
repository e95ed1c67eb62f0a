"""Which points are fitted: a range of x, and single points that are left out."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QLineEdit, QPushButton, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.plots.fit_plot import FitPlotWidget
from nlsq.gui_qt.widgets.named import named
from nlsq.gui_qt.widgets.parameter_table import read_number

_RANGE = "Shows the range of x that is fitted on the plot, where its edges can be dragged."
_POINTS = (
    "A click on the plot leaves out the nearest point or takes it in again; a dragged rectangle "
    "leaves out all in it, with Shift it takes them in. Ctrl does the same without this button."
)


class MaskBar(QWidget):
    """The tools, and the numbers of the range."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self._plot: FitPlotWidget | None = None
        self.range = named(QPushButton("Fit a &range"), "fit a range", "Fit a range", _RANGE)
        self.points = named(QPushButton("&Mask points"), "mask points", "Mask points", _POINTS)
        self.all = named(
            QPushButton("Use &all points"), "use all points", "Use all points",
            "Takes in all points that were left out, and opens the range.",
        )  # fmt: skip
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for column, tool in enumerate((self.range, self.points, self.all)):
            layout.addWidget(tool, 0, column)
        self.ends: list[QLineEdit] = []
        for column, side in enumerate(("first", "last")):
            tip = f"The {side} x that is fitted; an empty field leaves the side open."
            end = named(QLineEdit(self), f"{side} x", f"{side.capitalize()} x", tip)
            end.setPlaceholderText(f"{side} x: open")
            end.editingFinished.connect(self._type)
            self.ends.append(end)
            layout.addWidget(end, 1, column)
        self.said = named(
            QLabel(self), "masked points", "How many points are left out",
            "How many rows of the file are not fitted, though rows and where take them.",
        )  # fmt: skip
        self.said.setWordWrap(True)
        layout.addWidget(self.said, 1, 2)
        for tool in (self.range, self.points):
            tool.setCheckable(True)
        self.range.clicked.connect(self._switch)
        self.points.toggled.connect(self._mask)
        self.all.clicked.connect(self._use_all)
        app.data_changed.connect(self.refresh)
        self.refresh()

    def connect_plot(self, plot: FitPlotWidget) -> None:
        """Take what the mouse does on this plot."""
        self._plot = plot
        plot.masked.connect(self._take_points)
        plot.span.ranged.connect(self._take_range)
        self.refresh()

    def refresh(self) -> None:
        """Show what is left out."""
        app = self._app
        limits = app.state.get("data.x_range")
        rows = app.rows
        for tool in (self.range, self.points, *self.ends):
            tool.setEnabled(app.table is not None and (rows is not None or "data" in app.problems))
        if limits is not None:
            self.range.setChecked(True)
        for end, value in zip(self.ends, limits or (None, None), strict=True):
            end.setText("" if value is None else repr(value))
            end.setCursorPosition(0)
        out = 0 if rows is None else int((~rows.kept).sum())
        self.all.setEnabled(limits is not None or app.state.get("data.exclude") is not None)
        self.said.setText("" if rows is None else f"{out:,} of {rows.kept.size:,} left out")
        if self._plot is not None:
            self._plot.set_range(limits, self.range.isChecked())

    def _switch(self, on: bool) -> None:
        if not on:
            self._app.edit("data.x_range", None)
        self.refresh()

    def _mask(self, on: bool) -> None:
        if self._plot is not None:
            self._plot.view.masking = on
            self._plot.setCursor(Qt.CursorShape.CrossCursor if on else Qt.CursorShape.ArrowCursor)

    def _take_points(self, which, out: bool | None) -> None:
        if self._app.rows is not None:
            self._app.mask(self._app.rows.numbers[which], out)

    def _take_range(self, limits: list[float | None]) -> None:
        self._app.edit("data.x_range", limits if any(v is not None for v in limits) else None)

    def _type(self) -> None:
        values: list[float | None] = []
        for end in self.ends:
            text = end.text().strip()
            try:
                values.append(read_number(text) if text else None)
            except ValueError:
                self.said.setText(f"⚠ This is no number: {text}")
                return
        self._take_range(values)
        self.refresh()

    def _use_all(self) -> None:
        with self._app.step("use all points"):
            self._app.edit("data.exclude", None)
            self._app.edit("data.x_range", None)
        self.range.setChecked(False)
        self.refresh()

    def hideEvent(self, event) -> None:
        self.points.setChecked(False)
        super().hideEvent(event)
