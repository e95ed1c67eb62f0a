"""Which columns are x, y and the errors of y, and which rows count."""

from __future__ import annotations

from typing import Any, NamedTuple

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import (
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QMenu,
    QToolButton,
    QWidget,
)

from nlsq.gui_qt.adapters.data_adapter import refusal
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.named import named
from nlsq.gui_qt.widgets.underlining import underline
from nlsq.session.words import read_columns
from nlsq.utils.input_error import ended

NONE = "(none)"
_PAUSE = 150  # ms after a key


class Field(NamedTuple):
    """What is asked for, in words, and where it is in the settings."""

    title: str
    tip: str
    key: str


_EXPRESSION = "An expression of columns may be typed too, such as log(V)."
FIELDS = {
    "column x": Field(
        "x", f"The independent variable; several, parted by commas. {_EXPRESSION}", "columns.x"
    ),
    "column y": Field("y", f"What is fitted. {_EXPRESSION}", "columns.y"),
    "column sigma": Field(
        "Error of y", f"One standard deviation of y, or none. {_EXPRESSION}", "columns.sigma"
    ),
    "where": Field(
        "Rows where", "Only rows for which this is true, such as t > 3 and who == 'A'.", "where"
    ),
    "rows": Field(
        "Rows", "A range of rows counted from 0, such as 10:200, or 0:1000:2 for every other.",
        "rows",
    ),
}  # fmt: skip


class ColumnSelectorWidget(QWidget):
    """A field for each; what is typed is checked there, and taken when it is right."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.boxes: dict[str, QComboBox] = {}
        self.lines: dict[str, QLineEdit] = {}
        self.said: dict[str, QLabel] = {}
        self._shown: dict[str, str] = {}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for name, field in FIELDS.items():
            control = self._control(name, field)
            row = QHBoxLayout()
            row.addWidget(control, 1)
            if name == "column x":
                row.addWidget(self._more())
            said = named(QLabel(self), f"{name} check", f"What is said of {field.title}", field.tip)
            said.setWordWrap(True)
            self.said[name] = said
            layout.addRow(field.title, row)
            layout.addRow(said)
        app.data_changed.connect(self.refresh)
        self.refresh()

    def _control(self, name: str, field: Field) -> QWidget:
        if field.key.startswith("columns"):
            box = self.boxes[name] = QComboBox(self)
            box.setEditable(True)
            box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            box.activated.connect(lambda _: self._choose(name))
        control = self.boxes.get(name) or QLineEdit(self)
        named(control, name, f"Column of {field.title}" if name in self.boxes else field.title,
              field.tip)  # fmt: skip
        line = self.lines[name] = control.lineEdit() if name in self.boxes else control
        line.setPlaceholderText("all rows" if control is line else "")
        timer = QTimer(self, interval=_PAUSE, singleShot=True)
        timer.timeout.connect(lambda: self.check(name))
        line.textEdited.connect(lambda: timer.start())
        line.editingFinished.connect(lambda: (timer.stop(), self._choose(name)))
        return control

    def _more(self) -> QToolButton:
        """Columns to add to x, or to take away."""
        self.more = named(
            QToolButton(self), "more x", "More columns of x",
            "Which columns are variables of the model: several make it one of several variables.",
        )  # fmt: skip
        self.more.setText("+")
        self.more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(self.more)
        menu.aboutToShow.connect(lambda: self._list(menu))
        self.more.setMenu(menu)
        return self.more

    def _list(self, menu: QMenu) -> None:
        menu.clear()
        chosen = self._value("column x")
        chosen = chosen if isinstance(chosen, list) else [chosen]
        for name in self._app.file.names if self._app.file is not None else ():
            action = menu.addAction(name.replace("&", "&&"))
            action.setCheckable(True)
            action.setChecked(name in chosen)
            left = [*chosen, name] if name not in chosen else [c for c in chosen if c != name]
            action.setEnabled(bool(left))
            action.triggered.connect(lambda _, left=left: self._set_x(left))

    def _set_x(self, columns: list[int | str]) -> None:
        self._app.edit("data.columns.x", columns if len(columns) > 1 else columns[0])

    def refresh(self) -> None:
        """Offer the columns of the file, and show what is chosen."""
        file = self._app.file
        names = [] if file is None else list(file.names)
        defaults = dict(zip(FIELDS, names[:2], strict=False))
        for name, field in FIELDS.items():
            none = [NONE] if name == "column sigma" else []
            value = self._app.state.get(f"data.{field.key}", defaults.get(name, "".join(none)))
            if box := self.boxes.get(name):
                box.blockSignals(True)
                box.clear()
                box.addItems(none + names)
                box.blockSignals(False)
            line = self.lines[name]
            line.setText(", ".join(map(str, value)) if isinstance(value, list) else str(value))
            line.setCursorPosition(0)
            (box or line).setEnabled(file is not None)
            self._shown[name] = line.text()
            self._say(name, "")
        self.more.setEnabled(file is not None)

    def _value(self, name: str) -> Any:
        text = self.lines[name].text().strip()
        if text in ("", NONE):
            return None
        if name not in self.boxes:
            return text
        columns = read_columns(text, self._app.file.names)
        return text if isinstance(columns, list) and name != "column x" else columns

    def check(self, name: str) -> bool:
        """Say what is wrong with what is typed, and where; whether nothing is."""
        value, text = self._value(name), self.lines[name].text()
        parts = value if isinstance(value, list) else [] if value is None else [value]
        for part in parts if self._app.file is not None else ():
            if (error := refusal(self._app.file, FIELDS[name].key, part)) is not None:
                what, position = error.message, getattr(error, "position", None)
                if position is not None:
                    position += text.find(str(part))
                    what = f"Column {position}: {error.what}"
                self._say(name, f"⚠ {ended(what)} {error.fix}".strip(), position)
                return False
        self._say(name, "")
        return True

    def _say(self, name: str, text: str, position: int | None = None) -> None:
        self.said[name].setText(text)
        self.said[name].setVisible(bool(text))
        underline(self.lines[name], position)

    def _choose(self, name: str) -> None:
        changed = self.lines[name].text() != self._shown[name]  # else it was only left
        if self._app.file is not None and self.check(name) and changed:
            self._app.edit(f"data.{FIELDS[name].key}", self._value(name))
