"""A table as Qt's views show it."""

from __future__ import annotations

from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from PySide6.QtGui import QColor

from nlsq.io import Table
from nlsq.session.points import headed

_ROLES = Qt.ItemDataRole


class TableModel(QAbstractTableModel):
    """The rows of a file, read-only.

    Attributes
    ----------
    numbers : ndarray of int (n_rows,)
        What the rows are called.
    """

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._table: Table | None = None
        self._kept: np.ndarray | None = None

    def set_table(self, table: Table | None, kept: np.ndarray | None = None) -> None:
        """Show another table, or the same, where others of its rows are left out."""
        self._kept = kept
        if table is not None and table is self._table:
            last = self.index(self.rowCount() - 1, self.columnCount() - 1)
            self.dataChanged.emit(self.index(0, 0), last)
            return
        self.beginResetModel()
        self._table = table
        self.numbers = [] if table is None else table.numbers
        self.endResetModel()

    def _is_out(self, row: int) -> bool:
        return self._kept is not None and not self._kept[row]

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if self._table is None or (parent and parent.isValid()) else self._table.n_rows

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if self._table is None or (parent and parent.isValid()) else len(self._table.names)

    def data(self, index: QModelIndex, role: int = _ROLES.DisplayRole) -> Any:
        if role == _ROLES.ForegroundRole and self._is_out(index.row()):
            return QColor("#8a8a8a")
        if role != _ROLES.DisplayRole or not index.isValid():
            return None
        value = self._table[index.column()][index.row()]
        return str(value) if isinstance(value, str) else f"{value:.10g}"

    def headerData(self, section: int, orientation, role: int = _ROLES.DisplayRole):
        if role != _ROLES.DisplayRole or self._table is None:
            return None
        if orientation == Qt.Orientation.Horizontal:
            return headed(self._table.names[section], self._table.units)
        return f"{self.numbers[section]}{' out' * self._is_out(section)}"
