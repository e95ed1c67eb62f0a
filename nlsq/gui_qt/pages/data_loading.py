"""Open a file, see what was read, and say which columns count."""

from __future__ import annotations

import os

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.adapters.data_adapter import TableModel
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.building import filled, fitting, scrolled, sentence, split
from nlsq.gui_qt.widgets.column_selector import ColumnSelectorWidget
from nlsq.gui_qt.widgets.named import named
from nlsq.gui_qt.widgets.problem_label import ProblemLabel
from nlsq.session.fields import CHOICE, READING

_FILES = (
    "Data (*.csv *.tsv *.txt *.dat *.asc *.json *.h5 *.hdf5 *.npz *.npy *.parquet *.arrow *.feather"
    " *.xlsx *.jdx *.dx);;All files (*)"
)
_PATH = "A file of numbers; files may be dropped on the window, and tables pasted with Ctrl+V."
_READ = "What was found in the file; correct it where it is wrong."
_ROWS = "Rows of the file by number; Delete leaves out those selected, Insert takes them in again."


class _PathField(QLineEdit):
    """A path may be pasted here; a table is for the window."""

    def event(self, event: QEvent) -> bool:
        pastes = event.type() == QEvent.Type.ShortcutOverride and event.matches(QKeySequence.Paste)
        if pastes and "\n" in QGuiApplication.clipboard().text().strip():
            event.ignore()
            return False
        return super().event(event)


class DataLoadingPage(QWidget):
    """The page 'data'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.path = named(_PathField(self), "data file", "Data file", _PATH)
        self.path.setAcceptDrops(False)  # which are the window's
        self.path.setPlaceholderText("A data file; drop one on the window, or paste a table")
        self.path.returnPressed.connect(self._open_typed)
        self.browse = named(QPushButton("&Open…", self), "open file", "Open data", _PATH)
        self.browse.clicked.connect(self._browse)
        self.choice, self.reading = (
            ColumnSelectorWidget(app, fields, self) for fields in (CHOICE, READING)
        )
        opener = QCheckBox("&How it is read", self)
        self.opener = named(opener, "how it is read", "How the file is read", _READ)
        opener.toggled.connect(self.reading.setVisible)
        self.reading.hide()
        self.facts = sentence("data facts", "What was found in the file", _READ, self)
        self.table = TableModel(self)
        self.view = named(QTableView(self), "data table", "Rows of the file", _ROWS)
        self.view.verticalHeader().setDefaultSectionSize(24)
        self.view.setTabKeyNavigation(False)
        self.view.setModel(self.table)
        fitting(self.view)
        self.view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        for key, out in ((Qt.Key.Key_Delete, True), (Qt.Key.Key_Insert, False)):
            shortcut = QShortcut(key, self.view, context=Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(lambda out=out: self._mask_rows(out))
        above = filled(QHBoxLayout(), self.path, self.browse), ProblemLabel(app, "data", self)
        said = QWidget(self)
        parts = self.choice, self.facts, self.opener, self.reading
        filled(QVBoxLayout(said), *parts, edge=False).addStretch(1)
        halves = split(Qt.Orientation.Vertical, {scrolled(said, self): 330, self.view: 330}, self)
        filled(QVBoxLayout(self), *above, (halves, 1))
        app.data_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the table that is open."""
        app = self._app
        self.path.setText(str(app.state.get("data.input_file", "")))
        self.table.set_table(
            app.file if app.table is None else app.table,
            None if app.rows is None else app.rows.kept,
        )
        if app.points is None:
            self.facts.setText("")
            return
        said = [f"{app.points.y.size:,} points"]
        said += [f"{name}: {value}" for name, value in app.points.facts.items()]
        if app.in_pieces and not app.sampled:
            said.append("the fit reads the file piece by piece")
        self.facts.setText(" · ".join(said))

    def _mask_rows(self, out: bool) -> None:
        chosen = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        if chosen:
            self._app.mask(self.table.numbers[chosen], out)

    def _open_typed(self) -> None:
        if text := self.path.text().strip():
            self._app.open(os.path.expanduser(text))

    def _browse(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open data", "", _FILES)
        if name:
            self._app.open(name)
