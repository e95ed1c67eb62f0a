"""Tables that are read: no cell traps Tab, Ctrl+C copies them with all digits."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem

from nlsq.gui_qt.plots.base_plot import copying
from nlsq.gui_qt.widgets.building import fitting, readable
from nlsq.gui_qt.widgets.named import named
from nlsq.session.showing import Cell

_EXACT = Qt.ItemDataRole.UserRole


class PlainTable(QTableWidget):
    """Rows of cells (`nlsq.session.showing`), which a spreadsheet takes."""

    def __init__(self, name: str, tip: str, parent=None):
        super().__init__(parent)
        self._columns: Sequence[str] = ()
        self._rows: Sequence[Sequence[Cell]] = ()
        readable(named(self, name, name.capitalize(), tip))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        fitting(self)
        self.horizontalHeader().setStretchLastSection(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        copying(self, "table", "All its digits, as a spreadsheet takes them.")

    def fill(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Show others."""
        same = columns == self._columns and len(rows) == len(self._rows)
        before = dict(enumerate(self._rows)) if same else {}
        self._columns, self._rows = columns, rows
        if not same:
            self.setColumnCount(len(columns))
            self.setHorizontalHeaderLabels(columns)
            self.setRowCount(len(rows))
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if row in before and before[row][column] == cell:
                    continue  # a call of Qt may wait for a thread
                item = QTableWidgetItem(cell[0])
                item.setToolTip(cell[1])
                item.setData(_EXACT, cell[2])
                self.setItem(row, column, item)

    def copy(self) -> None:
        """Copy the cells that are chosen, or all where that is one at most."""
        chosen = self.selectedIndexes()
        some = len(chosen) > 1
        rows = sorted({at.row() for at in chosen}) if some else range(self.rowCount())
        columns = sorted({at.column() for at in chosen}) if some else range(self.columnCount())
        heads = [self.horizontalHeaderItem(column).text() for column in columns]
        lines = [[self.item(row, column).data(_EXACT) for column in columns] for row in rows]
        if self.verticalHeader().isVisibleTo(self):
            names = [self.verticalHeaderItem(row).text() for row in rows]
            heads = ["", *heads]
            lines = [[name, *line] for name, line in zip(names, lines, strict=True)]
        QGuiApplication.clipboard().setText("\n".join(map("\t".join, [heads, *lines])))
