"""Tables that are read: no cell traps Tab, Ctrl+C copies them with all digits."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from nlsq.session.showing import Cell

_EXACT = Qt.ItemDataRole.UserRole
_WIDEST = 200  # pixels; a longer name is elided


def named(widget, name: str, said: str, tip: str):
    """The widget, with its name for us, its name for a reader, and what explains it."""
    widget.setObjectName(name)
    widget.setAccessibleName(said.replace("&", ""))
    widget.setToolTip(tip)
    return widget


def copying(widget, what: str) -> QAction:
    """The action of a widget with a method `copy`: Ctrl+C."""
    action = QAction(f"&Copy {what}", widget)
    action.setShortcut(QKeySequence.StandardKey.Copy)
    action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
    action.triggered.connect(widget.copy)
    widget.addAction(action)
    return action


class PlainTable(QTableWidget):
    """Rows of cells (`nlsq.session.showing`), which a spreadsheet takes."""

    def __init__(self, name: str, tip: str, parent=None):
        super().__init__(parent)
        named(self, name, name.capitalize(), tip)
        self.setTabKeyNavigation(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(24)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setMaximumSectionSize(_WIDEST)
        self.horizontalHeader().setStretchLastSection(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        copying(self, "table")

    def fill(self, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
        """Show others."""
        self.setColumnCount(len(columns))
        self.setHorizontalHeaderLabels(columns)
        self.setRowCount(len(rows))
        for row, cells in enumerate(rows):
            for column, (text, tip, exact) in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setToolTip(tip)
                item.setData(_EXACT, exact)
                self.setItem(row, column, item)

    def copy(self) -> None:
        """Copy the cells that are chosen, or all where that is one at most."""
        chosen = self.selectedIndexes()
        some = len(chosen) > 1
        rows = sorted({at.row() for at in chosen}) if some else range(self.rowCount())
        columns = sorted({at.column() for at in chosen}) if some else range(self.columnCount())
        heads = [self.horizontalHeaderItem(column).text() for column in columns]
        lines = [[self.item(row, column).data(_EXACT) for column in columns] for row in rows]
        QGuiApplication.clipboard().setText("\n".join(map("\t".join, [heads, *lines])))
