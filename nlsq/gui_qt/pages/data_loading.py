"""Open a file, see what was read, and say which columns count."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
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
from nlsq.gui_qt.widgets.problem_label import ProblemLabel

_FILES = (
    "Data (*.csv *.tsv *.txt *.dat *.asc *.json *.h5 *.hdf5 *.npz *.npy *.parquet *.arrow *.feather"
    " *.xlsx *.jdx *.dx);;All files (*)"
)


class DataLoadingPage(QWidget):
    """The page 'data'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.path = QLineEdit(self)
        self.path.setObjectName("data file")
        self.path.setAccessibleName("Data file")
        self.path.setPlaceholderText("A data file; drop one anywhere on the window")
        self.path.setToolTip("Enter reads the file; what was found in it is said below.")
        self.path.returnPressed.connect(self._open_typed)
        self.browse = QPushButton("&Open…", self)
        self.browse.setObjectName("open file")
        self.browse.setAccessibleName("Open a data file")
        self.browse.setToolTip("Choose a data file.")
        self.browse.clicked.connect(self._browse)
        self.columns = ColumnSelectorWidget(app, self)
        self.facts = QLabel(self)
        self.facts.setObjectName("data facts")
        self.facts.setWordWrap(True)
        self.facts.setTextFormat(Qt.TextFormat.PlainText)
        self.table = TableModel(self)
        self.view = QTableView(self)
        self.view.setObjectName("data table")
        self.view.setAccessibleName("Rows of the file")
        self.view.setToolTip("The rows of the file, as they were read.")
        self.view.setTabKeyNavigation(False)
        self.view.setModel(self.table)
        line = QHBoxLayout()
        line.addWidget(self.path)
        line.addWidget(self.browse)
        layout = QVBoxLayout(self)
        layout.addLayout(line)
        layout.addWidget(ProblemLabel(app, "data", self))
        layout.addWidget(self.columns)
        layout.addWidget(self.facts)
        layout.addWidget(self.view, stretch=1)
        app.data_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the table that is open."""
        app = self._app
        self.path.setText(str(app.state.get("data.input_file", "")))
        self.table.set_table(app.table)
        if app.points is None:
            self.facts.setText("")
            return
        said = [f"{app.points.y.size:,} points"]
        said += [f"{name}: {value}" for name, value in app.points.facts.items()]
        self.facts.setText(" · ".join(said))

    def _open_typed(self) -> None:
        if text := self.path.text().strip():
            self._app.open(Path(text).expanduser())

    def _browse(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open data", "", _FILES)
        if name:
            self._app.open(name)
