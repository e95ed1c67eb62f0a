"""A table as Qt's views show it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt

from nlsq.io import Table

_ROLES = Qt.ItemDataRole


class TableModel(QAbstractTableModel):
    """The rows of a file, read-only."""

    def __init__(self, parent: QObject | None = None):
        super().__init__(parent)
        self._table: Table | None = None

    def set_table(self, table: Table | None) -> None:
        """Show another table."""
        self.beginResetModel()
        self._table = table
        self._columns = [] if table is None else [table[name] for name in table.names]
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if self._table is None or (parent and parent.isValid()) else self._table.n_rows

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if self._table is None or (parent and parent.isValid()) else len(self._columns)

    def data(self, index: QModelIndex, role: int = _ROLES.DisplayRole) -> Any:
        if role != _ROLES.DisplayRole or not index.isValid():
            return None
        value = self._columns[index.column()][index.row()]
        return str(value) if isinstance(value, str) else f"{value:.10g}"

    def headerData(self, section: int, orientation, role: int = _ROLES.DisplayRole):
        if role != _ROLES.DisplayRole or self._table is None:
            return None
        if orientation == Qt.Orientation.Horizontal:
            return self._table.names[section]
        return str(section)
