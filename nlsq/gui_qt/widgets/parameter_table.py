"""Start, bounds and fixing of each parameter, as numbers that keep all their digits."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QWheelEvent
from PySide6.QtWidgets import QHeaderView, QSlider, QTableWidget, QTableWidgetItem, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.building import readable
from nlsq.gui_qt.widgets.named import named
from nlsq.session.model import LoadedModel
from nlsq.session.starting import Scale, scale
from nlsq.session.words import read_number

COLUMNS = {
    "Parameter": "Its name in the model",
    "Start": "Where the fit begins; grey: found in the data, or the default. Empty takes it back.",
    "Move": "Moves the start; the curve and the residuals follow.",
    "Fixed": "Held at its start: it is not fitted.",
    "Lower": "The fit goes no lower; grey: the model's own limit.",
    "Upper": "The fit goes no higher; grey: the model's own limit.",
}
_NAME, _START, _SLIDER, _FIXED, _LOWER, _UPPER = range(6)
_STEPS = 1000
_FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable


class ParameterSlider(QSlider):
    """Moves a number over a scale that always holds it.

    Signals
    -------
    turned(float, object)
        The new number, and the gesture it belongs to.
    """

    turned = Signal(float, object)

    def __init__(self, name: str, parent: QWidget | None = None):
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setObjectName(f"slider {name}")
        self.setAccessibleName(f"Start of {name}")
        self.setRange(0, _STEPS)
        self.setPageStep(_STEPS // 20)
        self.setMinimumWidth(60)
        self.scale = Scale(0.0, 1.0, False)
        self._gesture = object()
        self.sliderPressed.connect(self._begin)
        self.valueChanged.connect(self._turn)

    def set_number(self, value: float, others: list[float], lower: float, upper: float) -> None:
        """Stand at a number, on a scale with others on it, within bounds."""
        if not self.isSliderDown():  # else the scale would run away under the hand
            self.scale = scale([value, *others], lower, upper)
        low, high = self.scale.low, self.scale.high
        kind = "by factors" if self.scale.log else "evenly"
        self.setToolTip(f"From {low:.4g} to {high:.4g}, {kind}")
        part = min(max(self.scale.part(value), 0.0), 1.0) if self.scale.holds([value]) else 0.5
        self.blockSignals(True)
        self.setValue(round(_STEPS * part))
        self.blockSignals(False)

    def _turn(self, step: int) -> None:
        self.turned.emit(self.scale.value(step / _STEPS), self._gesture)

    def _begin(self) -> None:
        self._gesture = object()

    def focusInEvent(self, event: QFocusEvent) -> None:
        self._begin()
        super().focusInEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:  # the table is scrolled, and no start is lost by it
            event.ignore()


class ParameterTable(QTableWidget):
    """One row for each parameter; empty cells are the default."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(0, len(COLUMNS), parent)
        self._app, self._filling = app, False
        self._names: tuple[str, ...] = ()
        self._model: LoadedModel | None = None
        self.sliders: list[ParameterSlider] = []
        tip = "Each start, its bounds, and whether it is held; the heads of the columns say more."
        readable(named(self, "parameters", "Starts and bounds of the parameters", tip), 26)
        for column, (title, tip) in enumerate(COLUMNS.items()):
            head = QTableWidgetItem(title)
            head.setToolTip(tip)
            self.setHorizontalHeaderItem(column, head)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(_FIXED, QHeaderView.ResizeMode.ResizeToContents)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.itemChanged.connect(self._changed)
        app.start_changed.connect(self.refresh)
        app.result_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what the fit would begin with."""
        app = self._app
        names = () if app.model is None else app.model.names
        self._filling = True
        if names != self._names or app.model is not self._model:
            self._build(names)
        p0, bounds, fixed = (self._given(key) for key in ("p0", "bounds", "fixed"))
        start = app.start
        for row, name in enumerate(names):
            value = p0.get(name) if start is None else float(start.p0[row])
            low, high = bounds.get(name) or (None, None)
            own = app.model.bounds
            if start is not None:
                of_model = (float(start.lb[row]), float(start.ub[row]))
            else:
                of_model = (-math.inf, math.inf) if own is None else (own[0][row], own[1][row])
            self._show(row, _START, value, name in p0 or name in fixed)
            self._show(row, _LOWER, of_model[0] if low is None else low, low is not None)
            self._show(row, _UPPER, of_model[1] if high is None else high, high is not None)
            held = Qt.CheckState.Checked if name in fixed else Qt.CheckState.Unchecked
            self.item(row, _FIXED).setCheckState(held)
            # else the box is as dark as what it stands on
            self.item(row, _FIXED).setBackground(self.palette().light())
            self.sliders[row].setEnabled(value is not None)
            if value is not None:
                self.sliders[row].set_number(value, self._answer(name), *of_model)
        self._filling = False

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self.refresh()

    def _build(self, names: tuple[str, ...]) -> None:
        self._names, self._model, self.sliders = names, self._app.model, []
        self.setRowCount(0)  # which takes the old sliders away
        self.setRowCount(len(names))
        function = getattr(self._app.model, "function", None)
        meanings = {p.name: p.meaning for p in getattr(function, "parameters", ())}
        for row, name in enumerate(names):
            for column in (_NAME, _START, _FIXED, _LOWER, _UPPER):
                self.setItem(row, column, QTableWidgetItem())
            item = self.item(row, _NAME)
            item.setText(name)
            item.setFlags(_FLAGS)
            item.setToolTip(f"{name}: {meanings.get(name) or 'a parameter of the model'}")
            self.item(row, _FIXED).setFlags(_FLAGS | Qt.ItemFlag.ItemIsUserCheckable)
            slider = ParameterSlider(name, self)
            slider.turned.connect(lambda value, by, name=name: self._move(name, value, by))
            self.setCellWidget(row, _SLIDER, slider)
            self.setTabOrder(self.sliders[-1] if row else self, slider)
            self.sliders.append(slider)

    def _given(self, key: str) -> dict[str, Any]:
        found = self._app.state.get(f"fitting.{key}") or {}
        if key == "p0" and isinstance(found, list):
            return dict(zip(self._names, found, strict=False))
        return found if isinstance(found, dict) else {}

    def _answer(self, name: str) -> list[float]:
        """The value of the last fit, which the slider can be moved to."""
        result = self._app.result
        if result is None or name not in result.names:
            return []
        value = float(result.popt[result.names.index(name)])
        return [value] if math.isfinite(value) else []

    def _show(self, row: int, column: int, value: float | None, given: bool) -> None:
        item = self.item(row, column)
        known = value is not None and math.isfinite(value)
        exact = repr(float(value)) if known else ""
        # short where nobody typed it; what was typed comes back as it was
        item.setText(exact if given or not known else f"{value:.6g}")
        item.setToolTip(exact)
        palette = self.palette()
        item.setForeground(palette.text() if given else palette.placeholderText())

    def _changed(self, item: QTableWidgetItem) -> None:
        if self._filling:
            return
        name, column = self._names[item.row()], item.column()
        if column == _FIXED:
            start = self.item(item.row(), _START).toolTip()  # with all digits
            self._hold(name, item.checkState() == Qt.CheckState.Checked, start)
            return
        try:
            value = read_number(item.text()) if item.text().strip() else None
            if value is not None and math.isinf(value):  # is no bound, and no start
                value = None
        except ValueError:
            self.refresh()  # no number: what was there comes back
            return
        if column == _START:
            self._move(name, value)
        else:
            low, high = self._given("bounds").get(name) or (None, None)
            pair = [value, high] if column == _LOWER else [low, value]
            self._put("bounds", name, None if pair == [None, None] else pair)

    def _hold(self, name: str, held: bool, start: str) -> None:
        """Fix a parameter where it is, or let it go from there."""
        value = read_number(start) if start else None
        with self._app.step(f"{'fix' if held else 'free'} {name}"):
            self._put("fixed", name, value if held else None)
            self._put("p0", name, None if held else value)

    def _move(self, name: str, value: float | None, gesture: object = None) -> None:
        self._put("fixed" if name in self._given("fixed") else "p0", name, value, gesture)

    def _put(self, key: str, name: str, value: Any, gesture: object = None) -> None:
        entries = dict(self._given(key))
        entries.pop(name, None)
        if value is not None:
            entries[name] = value
        if entries == self._given(key):
            self.refresh()  # what was typed says the same in other digits
        else:
            self._app.edit(f"fitting.{key}", entries or None, gesture)
