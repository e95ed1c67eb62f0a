"""Write the fit to files, or copy it."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.adapters.export_adapter import KINDS, as_configuration, write
from nlsq.gui_qt.app_state import AppState
from nlsq.utils.input_error import InputError


class ExportPage(QWidget):
    """The page 'export'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.kind = QComboBox(self)
        self.kind.setObjectName("export kind")
        self.kind.setAccessibleName("What to write")
        self.kind.addItems(list(KINDS))
        self.kind.activated.connect(self._suggest)
        self.path = QLineEdit(self)
        self.path.setObjectName("export file")
        self.path.setAccessibleName("File to write")
        self.browse = QPushButton("&Choose…", self)
        self.browse.setObjectName("choose export file")
        self.browse.clicked.connect(self._browse)
        self.write = QPushButton("&Write", self)
        self.write.setObjectName("write")
        self.write.clicked.connect(self._write)
        self.copy = QPushButton("Copy as &configuration file", self)
        self.copy.setObjectName("copy configuration")
        self.copy.setToolTip("Saved as FILE.yaml it is fitted by: nlsq fit FILE.yaml")
        self.copy.clicked.connect(self._copy)
        self.said = QLabel(self)
        self.said.setObjectName("export state")
        self.said.setWordWrap(True)
        line = QHBoxLayout()
        for widget in (self.path, self.browse, self.write):
            line.addWidget(widget)
        layout = QVBoxLayout(self)
        layout.addWidget(self.kind)
        layout.addLayout(line)
        layout.addWidget(self.copy)
        layout.addWidget(self.said)
        layout.addStretch(1)
        app.result_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """What can be written now."""
        done = self._app.result is not None
        self.write.setEnabled(done)
        self.copy.setEnabled(done)
        if done and not self.path.text():
            self._suggest()

    def _suggest(self, *_) -> None:
        data = Path(self._app.state.get("data.input_file", "fit"))
        suffix = KINDS[self.kind.currentText()]
        self.path.setText(str(data.with_name(f"{data.stem}-fit{suffix}")))

    def _browse(self) -> None:
        suffix = KINDS[self.kind.currentText()]
        name, _ = QFileDialog.getSaveFileName(self, "Write", self.path.text(), f"*{suffix}")
        if name:
            self.path.setText(name)

    def _write(self) -> None:
        app, path = self._app, Path(self.path.text().strip()).expanduser()
        try:
            write(path, app.document, app.result, app.fitted)
        except InputError as error:
            self.said.setText(f"⚠ {error.message} {error.fix}".strip())
        except OSError as error:
            self.said.setText(f"⚠ {path}: cannot be written: {error.strerror or error}.")
        else:
            self.said.setText(f"Written: {path}")

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(as_configuration(self._app.fitted))
        self.said.setText("Copied.")
