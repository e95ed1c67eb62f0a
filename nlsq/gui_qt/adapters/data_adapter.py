"""A table as Qt's views show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from PySide6.QtGui import QColor

from nlsq.gui_qt.session_state import SessionState
from nlsq.io import Table, ways_to_read
from nlsq.session.configuration import Configuration
from nlsq.session.points import column, condition
from nlsq.session.words import read_column, read_columns
from nlsq.utils.input_error import InputError

_ROLES = Qt.ItemDataRole
_NUMBERS = ("csv.skip_header", "sheet")  # what may be said by number


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
        if table is self._table:
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
            return labelled(self._table, self._table.names[section])
        return f"{self.numbers[section]}{' out' * self._is_out(section)}"


def read_field(key: str, text: str, known: Collection[str]) -> Any:
    """What is typed for an entry of the section 'data', where some names are known."""
    if key.startswith("columns"):
        columns = read_columns(text, known)
        return text if isinstance(columns, list) and key != "columns.x" else columns
    return read_column(text) if key in _NUMBERS and text not in known else text


def written(value: Any, words: Mapping[str, Any] = MappingProxyType({})) -> str:
    """What is typed for a value."""
    if isinstance(value, list) and {type(v) for v in value} <= {float, int, type(None)}:
        return ":".join("" if v is None else repr(v) for v in value)  # a range of x
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return next((word for word, one in words.items() if one == value), str(value))


def refusal(file: Table | None, key: str, value: Any) -> InputError | None:
    """Why an entry cannot be; None where it can. What is at a position is in its `text`."""
    part = value
    try:
        for part in value if isinstance(value, list) else () if value is None else (value,):
            if key.startswith("columns"):
                column(file, part)
            elif key == "where":
                condition(file, part)
            else:
                state = SessionState({"data": {"input_file": "-"}, "model": {"formula": "0"}})
                state.put(f"data.{key}", value)
                Configuration(state.content, origin="the window").settings()
    except InputError as error:
        error.message = error.message.removeprefix("the window: ").removeprefix("data.")
        error.text = str(part)
        return error
    return None


def ways(path: str | None, format: str | None) -> dict[str, list[str]]:
    """The options that a file is read with, and what each can be; none where it cannot be read."""
    try:
        return {} if path is None else ways_to_read(path, format)
    except InputError:  # which the problem of the data says
        return {}


def labelled(table: Table | None, name: str) -> str:
    """A column with its unit, where it has one."""
    unit = None if table is None else table.units.get(name)
    return f"{name} ({unit})" if unit else name
