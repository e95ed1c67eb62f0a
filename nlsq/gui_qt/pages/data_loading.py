"""Open a file, see what was read, and say which columns count."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QTableView,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.adapters.data_adapter import TableModel
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.column_selector import ColumnSelectorWidget
from nlsq.gui_qt.widgets.mask_bar import MaskBar
from nlsq.gui_qt.widgets.named import named
from nlsq.gui_qt.widgets.problem_label import ProblemLabel

_FILES = (
    "Data (*.csv *.tsv *.txt *.dat *.asc *.json *.h5 *.hdf5 *.npz *.npy *.parquet *.arrow *.feather"
    " *.xlsx *.jdx *.dx);;All files (*)"
)
_PATH = "A file of numbers; files may be dropped on the window, and tables pasted with Ctrl+V."
_ROWS = "Rows of the file by number; Delete leaves out those selected, Insert takes them in again."


class _PathField(QLineEdit):
    """A path may be pasted here; a table is for the window."""

    def event(self, event: QEvent) -> bool:
        pastes = event.type() == QEvent.Type.ShortcutOverride and event.matches(QKeySequence.Paste)
        if pastes and "\n" in QGuiApplication.clipboard().text().strip():
            event.ignore()
            return False
        return super().event(event)


class _Rows(QTableView):
    """Rows that keys leave out or take in.

    Signals
    -------
    masked(bool)
        Whether the rows that are selected are left out.
    """

    masked = Signal(bool)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = {Qt.Key.Key_Delete: True, Qt.Key.Key_Insert: False}
        if event.key() in keys:
            self.masked.emit(keys[event.key()])
        else:
            super().keyPressEvent(event)


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
        self.columns = ColumnSelectorWidget(app, self)
        self.masks = MaskBar(app, self)
        self.facts = QLabel(self)
        self.facts.setObjectName("data facts")
        self.facts.setWordWrap(True)
        self.facts.setTextFormat(Qt.TextFormat.PlainText)
        self.table = TableModel(self)
        self.view = named(_Rows(self), "data table", "Rows of the file", _ROWS)
        self.view.setTabKeyNavigation(False)
        self.view.setModel(self.table)
        self.view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.view.masked.connect(self._mask_rows)
        line = QHBoxLayout()
        line.addWidget(self.path)
        line.addWidget(self.browse)
        layout = QVBoxLayout(self)
        layout.addLayout(line)
        layout.addWidget(ProblemLabel(app, "data", self))
        layout.addWidget(self.columns)
        layout.addWidget(self.masks)
        layout.addWidget(self.facts)
        layout.addWidget(self.view, stretch=1)
        app.data_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the table that is open."""
        app = self._app
        self.path.setText(str(app.state.get("data.input_file", "")))
        self.table.set_table(app.table, None if app.rows is None else app.rows.kept)
        if app.points is None:
            self.facts.setText("")
            return
        said = [f"{app.points.y.size:,} points"]
        said += [f"{name}: {value}" for name, value in app.points.facts.items()]
        self.facts.setText(" · ".join(said))

    def _mask_rows(self, out: bool) -> None:
        chosen = sorted(index.row() for index in self.view.selectionModel().selectedRows())
        if chosen:
            self._app.mask(self._app.table.numbers[chosen], out)

    def _open_typed(self) -> None:
        if text := self.path.text().strip():
            self._app.open(Path(text).expanduser())

    def _browse(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open data", "", _FILES)
        if name:
            self._app.open(name)
