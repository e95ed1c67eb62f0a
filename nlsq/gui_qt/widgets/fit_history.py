"""The fits of the session beside each other: to compare, to draw, to come back to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont
from PySide6.QtWidgets import QHeaderView, QTableWidgetItem, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.theme import CURVES
from nlsq.gui_qt.undoing import Swap
from nlsq.gui_qt.widgets.tables import PlainTable
from nlsq.session.remembering import of_a_fit, restored
from nlsq.session.showing import HISTORY, history_rows


def colour_of(fit: dict[str, Any]) -> str:
    """Of the curve of a fit."""
    return CURVES[fit["number"] % len(CURVES)]


class FitHistoryWidget(PlainTable):
    """One row for each fit, that of the current settings in bold; a click restores one."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        tip = "Click or Enter restores a fit, Space draws it beside the others, Delete forgets it."
        super().__init__("fits of the session", tip, parent)
        self._app = app
        self.setColumnCount(len(HISTORY))
        self.horizontalHeader().setStretchLastSection(False)
        self.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        for title, key, tip, do in (
            ("&Restore fit", "Return", "Take its settings, and its result.", self._restore),
            ("&Draw fit", "Space", "Draw its curve beside others, or not.", self._turn),
            ("&Forget fit", "Delete", "Take it off the list.", self._forget),
        ):
            action = self.addAction(title, key, lambda do=do: self._on_current(do))
            action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
            action.setObjectName(title.replace("&", "").lower())
            action.setToolTip(tip)
        self.cellClicked.connect(lambda row, column: column and self._on_current(self._restore))
        self.itemChanged.connect(self._check)
        for signal in (app.fits_changed, app.result_changed):
            signal.connect(self.refresh)
        self.refresh()

    def _on_current(self, act: Callable[[dict], None]) -> None:
        if 0 <= self.currentRow() < len(self._app.state.fits):
            act(self._app.state.fits[self.currentRow()])

    def _restore(self, fit: dict[str, Any]) -> None:
        """Its result comes with its settings where it is at hand."""
        self._app.edit("", restored(self._app.state.content, fit))

    def _forget(self, fit: dict[str, Any]) -> None:
        self._app.history.push(Swap(self._app.put_fits, "forget a fit", [fit], []))

    def _turn(self, fit: dict[str, Any]) -> None:
        self._draw(fit, not fit["shown"])

    def _draw(self, fit: dict[str, Any], on: bool) -> None:
        fit["shown"] = on
        self._app.fits_changed.emit()

    def _check(self, item: QTableWidgetItem) -> None:
        if item.column() == 0:
            self._draw(self._app.state.fits[item.row()], item.checkState() == Qt.CheckState.Checked)

    def refresh(self) -> None:
        """Show those of the session."""
        fits = self._app.state.fits
        self.blockSignals(True)
        self.fill(HISTORY, history_rows(fits))
        now = None if self._app.result is None else of_a_fit(self._app.state.content)
        for row, fit in enumerate(fits):
            box, font = self.item(row, 0), QFont()
            box.setCheckState(Qt.CheckState.Checked if fit["shown"] else Qt.CheckState.Unchecked)
            box.setData(Qt.ItemDataRole.DecorationRole, QColor(colour_of(fit)))
            font.setBold(fit["content"] == now)
            for column in range(len(HISTORY)):
                self.item(row, column).setFont(font)
        self.blockSignals(False)
