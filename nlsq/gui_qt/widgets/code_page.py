"""Python code as a model: the editor, its file, and which function counts."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from nlsq.gui_qt.adapters.model_adapter import outline
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.building import filled, sentence
from nlsq.gui_qt.widgets.code_editor import CodeEditor
from nlsq.gui_qt.widgets.named import named
from nlsq.utils.atomic import kept

_EXAMPLE = """\
import numpy as np


def model(x, a, tau, c):
    return a * np.exp(-x / tau) + c
"""


class CodePage(QWidget):
    """Write or open code, and take one of its functions.

    Signals
    -------
    chosen(dict, tuple)
        A section 'model' of settings, and the names of its parameters.
    """

    chosen = Signal(object, object)

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.editor = CodeEditor(_EXAMPLE, self)
        self.editor.checked.connect(self.refresh)
        self.function = named(QComboBox(self), "model function", "Function of the code",
                              "Which function is the model; its first argument is x.")  # fmt: skip
        self.open = named(QPushButton("&Open…", self), "open code", "Open code",
                          "Read the code of a Python file.")  # fmt: skip
        self.open.clicked.connect(self._open)
        self.use = QPushButton(said := "&Use this function", self)
        named(self.use, "use code", said,
              "The code runs in a process of its own, which may touch nothing else.")  # fmt: skip
        self.use.setShortcut("Ctrl+Return")
        self.use.clicked.connect(self._use)
        self.said = sentence("code check", "What is said of the code", "", self)
        line = filled(QHBoxLayout(), self.open, (self.function, 1), self.use)
        filled(QVBoxLayout(self), (self.editor, 1), self.said, line)
        self.refresh()

    def set_file(self, path: Path, function: str) -> None:
        """Show the code of a file."""
        try:
            self._read(path)
        except OSError:
            return  # which the problem of the model says
        if self.function.findText(function) >= 0:
            self.function.setCurrentText(function)

    def refresh(self) -> None:
        """Offer the functions of the code, and say what is wrong with it."""
        wrong = self.editor.mistakes
        try:
            self._functions = {f.name: f for f in outline(self.editor.toPlainText())}
        except (SyntaxError, ValueError):
            self._functions = {}  # which is among the mistakes
        before = self.function.currentText()
        self.function.clear()
        self.function.addItems(list(self._functions))
        if before in self._functions:
            self.function.setCurrentText(before)
        self.use.setEnabled(bool(self._functions) and not wrong)
        line = min(wrong, default=0)
        self.said.setText(f"⚠ Line {line}: {wrong[line]}" if wrong else "")
        self.said.setVisible(bool(wrong))

    def _open(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self, "Open code", "", "Python (*.py)")
        if name:
            try:
                self._read(Path(name))
            except OSError as error:
                self._complain(f"{name}: cannot be read: {error.strerror or error}.")

    def _read(self, path: Path) -> None:
        code = path.read_text(encoding="utf-8", errors="replace")
        if code != self.editor.toPlainText():
            self.editor.setPlainText(code)
        self.editor.check()

    def _use(self) -> None:
        self.editor.check()
        if not self.use.isEnabled():
            return
        function = self._functions[self.function.currentText()]
        try:
            path = kept(self.editor.toPlainText(), self._app.own_folder, "model", ".py")
        except OSError as error:
            self._complain(f"The code cannot be kept: {error.strerror or error}.")
            return
        self.chosen.emit({"path": str(path), "function": function.name}, function.parameters)

    def _complain(self, words: str) -> None:
        self.said.setText(f"⚠ {words}")
        self.said.show()
