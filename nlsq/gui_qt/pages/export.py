"""Write the fit to files, or copy it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.adapters.config_adapter import export_yaml_config
from nlsq.gui_qt.adapters.export_adapter import KINDS, as_command, as_python, writing
from nlsq.gui_qt.adapters.fit_adapter import Question
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.building import filled, sentence
from nlsq.gui_qt.widgets.named import named
from nlsq.utils.input_error import InputError


class ExportPage(QWidget):
    """The page 'export'."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self._question: Question | None = None
        self.kind = named(QComboBox(self), "export kind", "What to write",
                          "The kind of file; its suffix says it too.")  # fmt: skip
        self.kind.addItems(list(KINDS))
        self.kind.activated.connect(self._suggest)
        tip = "Where the fit is written; the suffix decides what is written."
        self.path = named(QLineEdit(self), "export file", "File to write", tip)
        self.browse = named(QPushButton("&Choose…", self), "choose export file",
                            "Choose the file to write", "Choose where to write.")  # fmt: skip
        self.browse.clicked.connect(self._browse)
        self.write = named(QPushButton("&Write", self), "write", "Write the file",
                           "Write the last fit to the file.")  # fmt: skip
        self.write.clicked.connect(self._write)
        copies = {
            "python": ("Copy as &Python", lambda: as_python(app.document, app.result, app.fitted),
                       "A script that reads the same points and finds the same digits"),
            "command": ("Copy as co&mmand", lambda: as_command(app.fitted),
                        "The command line of nlsq fit that finds the same digits"),
            "configuration": ("Copy as confi&guration file", lambda: export_yaml_config(app.fitted),
                              "Saved as FILE.yaml it is fitted by: nlsq fit FILE.yaml"),
        }  # fmt: skip
        self.copies: dict[str, QPushButton] = {}
        row = QHBoxLayout()
        for name, (title, text, tip) in copies.items():
            button = self.copies[name] = named(QPushButton(title, self), f"copy {name}", title, tip)
            button.clicked.connect(lambda _, text=text: self._copy(text))
            row.addWidget(button)
        self.said = sentence("export state", "What was written or copied", "", self)
        line = filled(QHBoxLayout(), self.path, self.browse, self.write)
        filled(QVBoxLayout(self), self.kind, line, row, self.said).addStretch(1)
        app.result_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """What can be written now."""
        done = self._app.result is not None
        self.write.setEnabled(done and self._question is None)
        for button in self.copies.values():
            button.setEnabled(done)
        if done and not self.path.text():
            self._suggest()

    def _suggest(self, *_) -> None:
        data = Path(self._app.state.get("data.input_file", "fit"))
        suffix = KINDS[self.kind.currentText()]
        self.path.setText(str(data.parent / f"{data.stem}-fit{suffix}"))

    def _browse(self) -> None:
        suffix = KINDS[self.kind.currentText()]
        name, _ = QFileDialog.getSaveFileName(self, "Write", self.path.text(), f"*{suffix}")
        if name:
            self.path.setText(name)

    def _write(self) -> None:
        app, path = self._app, Path(os.path.expanduser(self.path.text().strip()))
        try:
            call = writing(path, app.document, app.result, app.fitted)
        except (InputError, OSError) as error:
            self._tell(error)
        else:
            self._question = Question(lambda *_: call.run(), self, answered=self._tell)
            self.said.setText(f"Writing {path} …")
            self.refresh()

    def _tell(self, found: Path | InputError | OSError | None) -> None:
        self._question = None
        why = "the terminal says why" if found is None else found
        said = f"⚠ {found}" if isinstance(found, InputError) else f"⚠ Not written: {why}."
        self.said.setText(f"Written: {found}" if isinstance(found, Path) else said)
        self.refresh()

    def wait(self, seconds: float = 10.0) -> None:
        """Let a file that is being written come to its end."""
        if self._question is not None:
            self._question.wait(seconds)

    def _copy(self, text: Callable[[], str]) -> None:
        try:
            QGuiApplication.clipboard().setText(text())
        except InputError as error:
            self.said.setText(f"⚠ {error}")
            return
        ended = self._app.document["convergence"]
        stopped = "" if ended["success"] else f" This fit ended early: {ended['message']}"
        self.said.setText(f"Copied.{stopped}")
