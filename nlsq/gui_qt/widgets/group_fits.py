"""Fits of the groups of a table: what was found, trends of the parameters, and a look at each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QAbstractItemView,
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.adapters.export_adapter import as_command
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.plots.trend_plot import TrendPlotWidget
from nlsq.gui_qt.widgets.building import filled, fitting, readable, sentence
from nlsq.gui_qt.widgets.named import named
from nlsq.session import batch_rows
from nlsq.session.batch_rows import Trend
from nlsq.session.saving import check_file
from nlsq.session.showing import plain
from nlsq.utils.input_error import InputError

_ROLES = Qt.ItemDataRole
_KINDS = "Table (*.csv);;Table (*.json);;Table (*.parquet)"


class _Rows(QAbstractTableModel):
    """The groups in their order; those that are not fitted yet are empty."""

    def __init__(self, parent: QWidget):
        super().__init__(parent)
        self.groups: list[str] = []
        self.rows: dict[int, dict[str, Any]] = {}
        self.parameters: list[str] = []

    def set_rows(self, groups: list[str], rows: dict[int, dict[str, Any]]) -> None:
        """Hold others, or more."""
        parameters = batch_rows.parameter_columns(list(rows.values()))
        same = groups == self.groups and parameters == self.parameters
        if not same:
            self.beginResetModel()
        self.groups, self.rows, self.parameters = list(groups), dict(rows), parameters
        if not same:
            self.endResetModel()
        elif groups:
            last = self.index(len(groups) - 1, self.columnCount() - 1)
            self.dataChanged.emit(self.index(0, 0), last)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent and parent.isValid() else len(self.groups)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent and parent.isValid() else len(self.parameters) + 3

    def data(self, index: QModelIndex, role: int = _ROLES.DisplayRole) -> Any:
        row, at = self.rows.get(index.row(), {}), index.column()
        if at < 2:
            text = batch_rows.status(row) if at else self.groups[index.row()]
            why = plain(row.get("message", "")) if at else text
            return {_ROLES.DisplayRole: text, _ROLES.ToolTipRole: why}.get(role)
        name = [*self.parameters, "r_squared"][at - 2]
        if role == _ROLES.ToolTipRole and row.get(name) is not None:
            return repr(row[name])
        return batch_rows.shown(row, name) if role == _ROLES.DisplayRole else None

    def headerData(self, section: int, orientation, role: int = _ROLES.DisplayRole):
        if role != _ROLES.DisplayRole or orientation != Qt.Orientation.Horizontal:
            return None
        return ("Group", "Status", *self.parameters, "R²")[section]


class GroupFitsWidget(QWidget):
    """Seen where a column of groups is chosen."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self._model = _Rows(self)
        self.table = named(QTableView(self), "group fits", "Fits of the groups",
                           "Choose a group by a click, or Enter, to see its fit.")  # fmt: skip
        readable(self.table).setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setModel(self._model)
        fitting(self.table)
        self.table.clicked.connect(lambda index: self._show(index.row()))
        self.table.activated.connect(lambda index: self._show(index.row()))
        self.parameter = named(QComboBox(self), "trend parameter", "Parameter of the trend",
                               "Which parameter is drawn, with its errors.")  # fmt: skip
        self.parameter.currentTextChanged.connect(self._draw)
        self.trend = TrendPlotWidget(self)
        self.trend.clicked.connect(self._show)
        line = filled(QHBoxLayout(), (self.parameter, 1))
        self.buttons: dict[str, QPushButton] = {}
        for name, title, tip, act in (
            ("copy groups", "&Copy table", "All columns of all groups, for a spreadsheet.",
             lambda: self._copy(batch_rows.table_text(self._app.groups.table, "\t"))),
            ("copy groups command", "Copy as comma&nd",
             "The command line of nlsq batch that writes the same table.",
             lambda: self._copy(as_command(self._app.groups.settings))),
            ("write groups", "&Write table…", "Write all columns of all groups to a file.",
             self._write),
        ):  # fmt: skip
            button = named(QPushButton(title, self), name, title, tip)
            self.buttons[name] = button
            button.clicked.connect(lambda _, act=act: self._reporting(act))
            line.addWidget(button)
        self.said = sentence("groups state", "What came of the groups", "", self)
        parts = (self.table, 3), line, (self.trend, 2), self.said
        filled(QVBoxLayout(self), *parts, edge=False)
        for signal in (
            app.data_changed, app.model_changed, app.fitting_changed, app.groups_changed,
            app.running_changed,
        ):  # fmt: skip
            signal.connect(self.refresh)
        self.refresh()

    def refresh(self, *_) -> None:
        """Show what is fitted so far."""
        app = self._app
        rows = {} if app.groups is None else dict(app.groups.rows)
        self._model.set_rows(app.group_names, rows)
        names, box = self._model.parameters, self.parameter
        if [box.itemText(k) for k in range(box.count())] != names:
            box.clear()
            box.addItems(names)
        for button in self.buttons.values():
            button.setEnabled(bool(rows))
        done = f"{len(rows)} of {len(app.group_names)} groups are fitted"
        self.said.setText(f"{done}: {batch_rows.told(list(rows.values()))}." if rows else "")
        self._draw()

    def _draw(self, *_) -> None:
        name = self.parameter.currentText()
        groups = self._model.groups if self._model.rows else []  # may be thousands
        only = self._app.state.get("data.only")
        self.trend.set_labels(str(self._app.state.get("data.columns.group", "")), name)
        self.trend.set_trend(
            Trend.of(groups, self._model.rows, name), groups.index(only) if only in groups else None
        )

    def _show(self, place: int) -> None:
        self._app.show_group(self._model.groups[place])

    def _reporting(self, act: Any) -> None:
        try:
            act()
        except InputError as error:
            self.said.setText(f"⚠ {error}")

    def _copy(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self.said.setText("Copied.")

    def _write(self) -> None:
        data = Path(self._app.groups.settings.data.input_file)
        near = str(data.with_name(f"{data.stem}-fits.csv"))
        name, _ = QFileDialog.getSaveFileName(self, "Write the table", near, _KINDS)
        if name:
            check_file(Path(name), data=[data])
            batch_rows.write_table(Path(name), self._app.groups.table)
            self.said.setText(f"Written: {name}")
