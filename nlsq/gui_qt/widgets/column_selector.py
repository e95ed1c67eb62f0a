"""What is said of the data: columns, rows, and how the file is read; a field for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QComboBox, QFormLayout, QLabel, QLineEdit, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.building import sentence
from nlsq.gui_qt.widgets.named import named, underline
from nlsq.session.fields import CHOICE, READING, Field, read_field, refusal, ways, written
from nlsq.utils.input_error import ended

_PAUSE = 150  # ms after a key


class ColumnSelectorWidget(QWidget):
    """Fields of one of these tables; what is typed is checked there, and taken when it is right."""

    def __init__(self, app: AppState, fields: Mapping[str, Field], parent: QWidget | None = None):
        super().__init__(parent)
        self._app, self.fields = app, fields
        self.boxes: dict[str, QComboBox] = {}
        self.lines: dict[str, QLineEdit] = {}
        self.said: dict[str, QLabel] = {}
        self._shown: dict[str, str] = {}
        self._none: dict[str, str] = {}  # the text that says nothing
        self._known: tuple[Any, dict[str, list[str]]] = (None, {})
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 2, 0, 2)
        for name, field in fields.items():
            title = f"What is said of {field.title}"
            said = self.said[name] = sentence(f"{name} check", title, field.tip, self)
            self._form.addRow(field.title, self._control(name, field))
            self._form.addRow(said)
        app.data_changed.connect(self.refresh)
        self.refresh()

    def _control(self, name: str, field: Field) -> QWidget:
        if field.words is None:
            control = self.lines[name] = QLineEdit(self)
            control.setPlaceholderText("none" if field.key == "exclude" else "all")
        else:
            control = self.boxes[name] = QComboBox(self)
            control.setEditable(True)
            control.setCompleter(None)  # which takes V for v
            control.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            control.activated.connect(lambda _: self._choose(name))
            self.lines[name] = control.lineEdit()
        self.lines[name].setAcceptDrops(False)  # which are the window's
        timer = QTimer(self, interval=_PAUSE, singleShot=True)
        timer.timeout.connect(lambda: self.check(name))
        self.lines[name].textEdited.connect(lambda: timer.start())
        self.lines[name].editingFinished.connect(lambda: (timer.stop(), self._choose(name)))
        return named(control, name, field.title, field.tip)

    def refresh(self) -> None:
        """Offer what there is, and show what is chosen."""
        app, said = self._app, self._app.state.get
        names = [] if app.file is None else list(app.file.names)
        found = {} if app.file is None else app.file.options
        asked = (said("data.input_file"), said("data.format"), app.file is None)
        if self.fields is READING and self._known[0] != asked:
            self._known = asked, ways(*asked[:2])
        known = self._known[1]
        self.setEnabled(asked[0] is not None if self.fields is READING else app.file is not None)
        for at, (name, field) in enumerate(self.fields.items()):
            words = field.words or dict.fromkeys(known.get(name, ()))
            default = "(none)" if name in ("column sigma", "column group") else ""
            if self.fields is READING:
                self._form.setRowVisible(2 * at, name in ("format", *known))
                told = name in found and said(f"data.{field.key}") is None
                default = f"found: {written(found[name], words)}" if told else "as found"
            elif field.key.startswith("columns"):
                words = dict.fromkeys(names)
            self._none[name] = default
            if at < 2 and self.fields is CHOICE:
                default = "".join(names[at : at + 1])
            if box := self.boxes.get(name):
                box.blockSignals(True)
                box.clear()
                box.addItems([self._none[name]] * bool(self._none[name]) + list(words))
                box.blockSignals(False)
            value, line = said(f"data.{field.key}"), self.lines[name]
            line.setText(default if value is None else written(value, words))
            line.setCursorPosition(0)
            self._shown[name] = line.text()
            self._say(name, "")

    def _value(self, name: str) -> Any:
        text, field = self.lines[name].text().strip(), self.fields[name]
        if text in ("", self._none[name]):
            return None
        if field.words and text in field.words:
            return field.words[text]
        known = self._known[1].get(name) or ([] if self._app.file is None else self._app.file.names)
        return read_field(field.key, text, known)

    def check(self, name: str) -> bool:
        """Say what is wrong with what is typed, and where; whether nothing is."""
        error = refusal(self._app.file, self.fields[name].key, self._value(name))
        if error is None:
            self._say(name, "")
            return True
        what, position = error.message, getattr(error, "position", None)
        if position is not None:
            position += self.lines[name].text().find(error.text)
            what = f"Column {position}: {error.what}"
        self._say(name, f"⚠ {ended(what)} {error.fix}".strip(), position)
        return False

    def _say(self, name: str, text: str, position: int | None = None) -> None:
        self.said[name].setText(text)
        self.said[name].setVisible(bool(text))
        underline(self.lines[name], position)

    def _choose(self, name: str) -> None:
        changed = self.lines[name].text() != self._shown[name]  # else it was only left
        if changed and self.check(name):
            with self._app.step(f"choose the {name}"):
                if name == "column group":
                    self._app.edit("data.only", None)  # a group of the column before
                self._app.edit(f"data.{self.fields[name].key}", self._value(name))
