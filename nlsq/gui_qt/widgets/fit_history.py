"""The fits of the session beside each other: to compare, to draw, to come back to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QColor, QFont
from PySide6.QtWidgets import QHeaderView, QTableWidgetItem, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.theme import CURVES
from nlsq.gui_qt.widgets.tables import PlainTable
from nlsq.session.remembering import of_a_fit
from nlsq.session.showing import HISTORY, history_rows

_LONGEST = 30  # characters of a name in a legend


def colour_of(fit: dict[str, Any]) -> str:
    """Of the curve of a fit."""
    return CURVES[fit["number"] % len(CURVES)]


def short_name(fit: dict[str, Any]) -> str:
    """A fit in a legend."""
    model = fit["model"]
    short = model if len(model) <= _LONGEST else f"{model[: _LONGEST - 1]}…"
    return f"{fit['number']}  {short}"


class FitHistoryWidget(PlainTable):
    """One row for each fit, that of the current settings in bold; a click restores one."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        tip = "Click or Enter restores a fit, Space draws it beside the others, Delete forgets it."
        super().__init__("fits of the session", tip, parent)
        self._app = app
        self.setSelectionBehavior(self.SelectionBehavior.SelectRows)
        self.setColumnCount(len(HISTORY))
        self.horizontalHeader().setStretchLastSection(False)
        self.horizontalHeader().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        self._act("&Restore", "Return", app.restore)
        self._act("&Draw or hide", "Space", lambda fit: app.show_fit(fit, not fit["shown"]))
        self._act("&Forget", "Delete", app.forget)
        self.cellClicked.connect(lambda row, column: column and app.restore(app.state.fits[row]))
        self.itemChanged.connect(self._check)
        for signal in (app.fits_changed, app.result_changed):
            signal.connect(self.refresh)
        self.refresh()

    def _act(self, title: str, key: str, act: Callable[[dict], None]) -> None:
        action = QAction(title, self)
        action.setShortcut(key)
        action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        action.triggered.connect(lambda: self._on_current(act))
        self.addAction(action)

    def _on_current(self, act: Callable[[dict], None]) -> None:
        if 0 <= self.currentRow() < len(self._app.state.fits):
            act(self._app.state.fits[self.currentRow()])

    def _check(self, item: QTableWidgetItem) -> None:
        if item.column() == 0:
            self._app.show_fit(
                self._app.state.fits[item.row()], item.checkState() == Qt.CheckState.Checked
            )

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
