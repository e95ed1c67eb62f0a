"""Iterations of the fit that runs, the last one at the end."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt
from PySide6.QtWidgets import QHeaderView, QTableView, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.building import readable
from nlsq.gui_qt.widgets.named import named

MOST_ROWS = 500
_TITLES = ("Iteration", "Cost")


class _Iterations(QAbstractTableModel):
    """Rows that a view asks for as it needs them: an item for each would hold up the window."""

    rows: list[tuple[int, float]]

    def __init__(self, parent: QWidget):
        super().__init__(parent)
        self.rows = []

    def set_rows(self, rows: list[tuple[int, float]]) -> None:
        """Hold others."""
        self.beginResetModel()
        self.rows = rows[-MOST_ROWS:]
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent and parent.isValid() else len(_TITLES)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        return f"{self.rows[index.row()][index.column()]:.10g}"

    def headerData(self, section: int, orientation, role: int = Qt.ItemDataRole.DisplayRole):
        shown = role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal
        return _TITLES[section] if shown else None


class IterationTableWidget(QTableView):
    """Iteration and cost; of long fits the last `MOST_ROWS`."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        tip = "The cost after each iteration: half the sum of squared residuals."
        readable(named(self, "iterations", "Iterations", tip))
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self._rows = _Iterations(self)
        self.setModel(self._rows)
        app.progressed.connect(self.add)
        app.running_changed.connect(self._began)

    def _began(self, running: bool) -> None:
        if running:
            self._rows.set_rows([])

    def add(self, rows: list[tuple[int, float]]) -> None:
        """Append some."""
        self._rows.set_rows(self._rows.rows + rows)
        self.scrollToBottom()
