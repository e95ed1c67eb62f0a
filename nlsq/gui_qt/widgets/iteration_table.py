"""Iterations of the fit that runs, the last one at the end."""

from __future__ import annotations

from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from nlsq.gui_qt.app_state import AppState

MOST_ROWS = 500


class IterationTableWidget(QTableWidget):
    """Iteration and cost; of long fits the last `MOST_ROWS`."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(0, 2, parent)
        self.setObjectName("iterations")
        self.setAccessibleName("Iterations")
        self.setHorizontalHeaderLabels(("Iteration", "Cost"))
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        app.progressed.connect(self.add)
        app.running_changed.connect(self._began)

    def _began(self, running: bool) -> None:
        if running:
            self.setRowCount(0)

    def add(self, rows: list[tuple[int, float]]) -> None:
        """Append some."""
        rows = rows[-MOST_ROWS:]
        for _ in range(self.rowCount() + len(rows) - MOST_ROWS):
            self.removeRow(0)
        first = self.rowCount()
        self.setRowCount(first + len(rows))
        for row, (iteration, cost) in enumerate(rows, first):
            for column, text in enumerate((str(iteration), f"{cost:.10g}")):
                self.setItem(row, column, QTableWidgetItem(text))
        self.scrollToBottom()
