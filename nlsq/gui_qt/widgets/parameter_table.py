"""Start, bounds and fixing of each parameter, as numbers that keep all their digits."""

from __future__ import annotations

import math
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHeaderView, QTableWidget, QTableWidgetItem, QWidget

from nlsq.gui_qt.adapters.model_adapter import begin
from nlsq.gui_qt.app_state import AppState
from nlsq.utils.input_error import InputError

COLUMNS = ("Parameter", "Start", "Fixed", "Lower", "Upper")
_NAME, _START, _FIXED, _LOWER, _UPPER = range(5)


def read_number(text: str) -> float:
    """A number as people write it, with a point or a comma.

    Raises
    ------
    ValueError
    """
    return float(text.strip().replace(",", ".").replace("−", "-"))


def written(value: float) -> str:
    """All digits that a number has."""
    return repr(float(value))


class ParameterTable(QTableWidget):
    """One row for each parameter; empty cells are the default."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(0, len(COLUMNS), parent)
        self._app, self._filling = app, False
        self.setObjectName("parameters")
        self.setAccessibleName("Starts and bounds of the parameters")
        self.setHorizontalHeaderLabels(COLUMNS)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.itemChanged.connect(self._changed)
        for signal in (app.model_changed, app.fitting_changed, app.data_changed):
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show what the fit would begin with."""
        app = self._app
        names = () if app.model is None else app.model.names
        given = app.state.get("fitting", {})
        starts: dict[str, str] = {}
        if app.model is not None and app.points is not None:
            try:
                found = begin(app.settings(), app.model, app.points)
                starts = dict(zip(names, map(written, found.p0), strict=True))
            except InputError:
                pass  # which the page says
        self._filling = True
        self.setRowCount(len(names))
        for row, name in enumerate(names):
            bounds = (given.get("bounds") or {}).get(name) or (None, None)
            cells = {
                _NAME: name,
                _START: starts.get(name, ""),
                _LOWER: "" if bounds[0] is None else written(bounds[0]),
                _UPPER: "" if bounds[1] is None else written(bounds[1]),
            }
            for column, text in cells.items():
                item = QTableWidgetItem(text)
                if column == _NAME:
                    item.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                elif column == _START and name not in (given.get("p0") or {}):
                    item.setForeground(self.palette().placeholderText())
                self.setItem(row, column, item)
            fixed = QTableWidgetItem()
            fixed.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsUserCheckable)
            held = name in (given.get("fixed") or {})
            fixed.setCheckState(Qt.CheckState.Checked if held else Qt.CheckState.Unchecked)
            self.setItem(row, _FIXED, fixed)
        self._filling = False

    def _changed(self, item: QTableWidgetItem) -> None:
        if self._filling:
            return
        name, column = self.item(item.row(), _NAME).text(), item.column()
        if column == _FIXED:
            held = item.checkState() == Qt.CheckState.Checked
            start = self.item(item.row(), _START).text()
            self._put("fixed", name, read_number(start) if held and start else None)
            return
        try:
            value = read_number(item.text()) if item.text().strip() else None
            if value is not None and math.isnan(value):
                raise ValueError
        except ValueError:
            self.refresh()  # no number: what was there comes back
            return
        if column == _START:
            held = name in (self._app.state.get("fitting.fixed") or {})
            self._put("fixed" if held else "p0", name, value)
        else:
            low, high = (self._app.state.get("fitting.bounds") or {}).get(name) or (None, None)
            pair = [value, high] if column == _LOWER else [low, value]
            self._put("bounds", name, None if pair == [None, None] else pair)

    def _put(self, key: str, name: str, value: Any) -> None:
        entries = dict(self._app.state.get(f"fitting.{key}") or {})
        entries.pop(name, None)
        if value is not None:
            entries[name] = value
        self._app.edit(f"fitting.{key}", entries or None)
