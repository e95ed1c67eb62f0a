"""A model as a line of text, checked while it is typed."""

from __future__ import annotations

import html

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from nlsq.gui_qt.adapters.formula_html import rendered
from nlsq.gui_qt.adapters.model_adapter import read
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.building import filled, sentence
from nlsq.gui_qt.widgets.named import named, underline
from nlsq.models.reading import is_of_models
from nlsq.utils.input_error import InputError, ended

_PAUSE = 150  # ms after a key


class FormulaField(QWidget):
    """The field, and what is said of its text.

    Signals
    -------
    entered(str)
        The text is done.
    """

    entered = Signal(str)

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        tip = "A formula, or names of the catalogue joined by +. Enter takes it."
        self.text = named(QLineEdit(self), "model text", "Model", tip)
        self.text.setPlaceholderText("a*exp(-x/tau) + c, or gaussian + linear")
        self.said = sentence("model check", "What is said of the model", "", self)
        self.said.setTextFormat(Qt.TextFormat.RichText)
        filled(QVBoxLayout(self), self.text, self.said, edge=False)
        self.position: int | None = None
        self._timer = QTimer(self, interval=_PAUSE, singleShot=True)
        self._timer.timeout.connect(self.check)
        self.text.textEdited.connect(lambda: self._timer.start())
        self.text.editingFinished.connect(self._enter)

    def set_text(self, text: str) -> None:
        """Show another model."""
        if self.text.text() != text:
            self.text.setText(text)
            self.text.setCursorPosition(0)
        self.check()

    def check(self) -> None:
        """Say what the text is, or what is wrong with it and where."""
        self._timer.stop()
        text, points, get = self.text.text(), self._app.points, self._app.state.get
        variable = get("model.variable") if text == get("model.formula") else None
        self.position = None
        try:
            names = ["x"] if points is None else points.x_names
            model = read(text.strip(), names, variable)
        except InputError as error:
            if position := getattr(error, "position", None):
                self.position = position + len(text) - len(text.lstrip())
            what = getattr(error, "what", error.message)
            where = "" if self.position is None else f"Column {self.position}: "
            said = f"⚠ {where}{ended(what)} {error.fix}" if text.strip() else ""
            self.said.setText(html.escape(said))
        else:
            title = model.title if is_of_models(text) else ""
            self.said.setText(title or f"y = {rendered(model.formula)}")
        underline(self.text, self.position)

    def _enter(self) -> None:
        self.check()
        self.entered.emit(self.text.text().strip())
