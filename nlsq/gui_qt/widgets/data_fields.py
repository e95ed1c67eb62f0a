"""What is said of the data: columns, rows, and how the file is read; a field for each."""

from __future__ import annotations

from collections.abc import Mapping
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

from nlsq.gui_qt.adapters.data_adapter import read_field, refusal, ways, written
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.named import named
from nlsq.gui_qt.widgets.underlining import underline
from nlsq.utils.input_error import ended

_PAUSE = 150  # ms after a key


class Field(NamedTuple):
    """One of them.

    Attributes
    ----------
    key : str
        In the section 'data' of the settings.
    words : dict of str to object or None
        What it may be, in words; what else is typed is taken as it is. None: only typed.
    """

    title: str
    tip: str
    key: str
    words: Mapping[str, Any] | None = None


def _same(*words: str) -> dict[str, str]:
    return {word: word for word in words}


_EXPRESSION = "An expression of columns may be typed too, such as log(V)."
CHOICE = {
    "column x": Field(
        "x", f"The independent variable; several, parted by commas. {_EXPRESSION}", "columns.x", {}
    ),
    "column y": Field("y", f"What is fitted. {_EXPRESSION}", "columns.y", {}),
    "column sigma": Field(
        "Error of y", f"One standard deviation of y, or none. {_EXPRESSION}", "columns.sigma", {}
    ),
    "where": Field(
        "Rows where", "Only rows for which this is true, such as t > 3 and who == 'A'.", "where"
    ),
    "rows": Field("Rows", "A range of rows from 0, such as 10:200, or 0:1000:2.", "rows"),
    "exclude": Field(
        "Rows left out", "Numbers of rows of the file, such as 3,7,10-20; the mouse finds them.",
        "exclude",
    ),
    "x range": Field(
        "Range of x", "Where x is fitted, ends included, such as 2.5:7, or 2.5: for an open side.",
        "x_range",
    ),
}  # fmt: skip
READING = {
    "format": Field(
        "Format", "What kind of file it is.", "format",
        _same("csv", "json", "hdf5", "npz", "npy", "parquet", "arrow", "excel", "jcamp"),
    ),
    "delimiter": Field(
        "Separator", "What parts the cells of a row.", "csv.delimiter",
        {"comma": ",", "semicolon": ";", "tab": "\t", "blanks": " ", "bar": "|"},
    ),
    "decimal": Field(
        "Decimal sign", "What parts whole and tenths.", "csv.decimal", {"point": ".", "comma": ","}
    ),
    "header": Field(
        "Names above", "Whether the columns are named above them.", "csv.header",
        {"yes": True, "no": False},
    ),
    "encoding": Field(
        "Encoding", "How letters are written, in names and units.", "csv.encoding",
        _same("utf-8", "cp1252", "latin-1", "utf-16"),
    ),
    "comment": Field(
        "Comment mark", "What begins a line that is no row.", "csv.comment",
        _same("#", "%", "//", ";"),
    ),
    "skip": Field("Lines to skip", "So many at the beginning are no rows.", "csv.skip_header", {}),
    "sheet": Field("Sheet", "Which one of the workbook has the table.", "sheet", {}),
    "group": Field("Group", "Which one of the file holds the columns.", "group", {}),
}  # fmt: skip


class DataFields(QWidget):
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
        self._form.setContentsMargins(0, 0, 0, 0)
        for name, field in fields.items():
            row = QHBoxLayout()
            row.addWidget(self._control(name, field), 1)
            if name == "column x":
                row.addWidget(self._more())
            said = named(QLabel(self), f"{name} check", f"What is said of {field.title}", field.tip)
            said.setWordWrap(True)
            self.said[name] = said
            self._form.addRow(field.title, row)
            self._form.addRow(said)
        app.data_changed.connect(self.refresh)
        self.refresh()

    def _control(self, name: str, field: Field) -> QWidget:
        if field.words is None:
            control = self.lines[name] = QLineEdit(self)
        else:
            control = self.boxes[name] = QComboBox(self)
            control.setEditable(True)
            control.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            control.activated.connect(lambda _: self._choose(name))
            self.lines[name] = control.lineEdit()
        timer = QTimer(self, interval=_PAUSE, singleShot=True)
        timer.timeout.connect(lambda: self.check(name))
        self.lines[name].textEdited.connect(lambda: timer.start())
        self.lines[name].editingFinished.connect(lambda: (timer.stop(), self._choose(name)))
        return named(control, name, field.title, field.tip)

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
        said = self._value("column x")
        chosen = said if isinstance(said, list) else [said]
        for name in self._app.file.names:
            action = menu.addAction(name.replace("&", "&&"))
            action.setCheckable(True)
            action.setChecked(name in chosen)
            left = [*chosen, name] if name not in chosen else [c for c in chosen if c != name]
            action.setEnabled(bool(left))
            value = left if len(left) > 1 else (left or [None])[0]
            action.triggered.connect(lambda _, v=value: self._app.edit("data.columns.x", v))

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
            default = "(none)" if name == "column sigma" else ""
            if self.fields is READING:
                self._form.setRowVisible(2 * at, name in ("format", *known))
                default = f"found: {written(found[name], words)}" if name in found else "as found"
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
            self._app.edit(f"data.{self.fields[name].key}", self._value(name))
