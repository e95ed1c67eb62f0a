"""How the file was read, and what else it could be read as."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from PySide6.QtWidgets import QComboBox, QFormLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from nlsq.gui_qt.adapters.data_adapter import ways
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.named import named
from nlsq.session.words import read_column

_MARKS = {"comma": ",", "semicolon": ";", "tab": "\t", "blanks": " ", "bar": "|"}
_FOUND = "as found"
_FORMATS = ("csv", "json", "hdf5", "npz", "npy", "parquet", "arrow", "excel", "jcamp")


class Way(NamedTuple):
    """One option of reading.

    Attributes
    ----------
    key : str
        In the section 'data' of the settings.
    words : dict of str to object
        What it may be, in words; what else is typed, is taken as it is.
    """

    title: str
    tip: str
    key: str
    words: Mapping[str, Any] = MappingProxyType({})


WAYS = {
    "format": Way("Format", "What kind of file it is.", "format", {f: f for f in _FORMATS}),
    "delimiter": Way("Separator", "What parts the cells of a row.", "csv.delimiter", _MARKS),
    "decimal": Way(
        "Decimal sign", "What parts whole and tenths in a number.", "csv.decimal",
        {"point": ".", "comma": ","},
    ),
    "header": Way(
        "Names above", "Whether a row above the numbers names the columns.", "csv.header",
        {"yes": True, "no": False},
    ),
    "encoding": Way(
        "Encoding", "How letters are written in the file, which names and units need.",
        "csv.encoding", {e: e for e in ("utf-8", "cp1252", "latin-1", "utf-16")},
    ),
    "comment": Way(
        "Comment mark", "What begins a line that is no row.", "csv.comment",
        {m: m for m in ("#", "%", "//", ";")},
    ),
    "skip": Way("Lines to skip", "So many lines at the beginning are no rows.", "csv.skip_header"),
    "sheet": Way("Sheet", "Which sheet of the workbook has the table.", "sheet"),
    "group": Way("Group", "Which group of the file holds the columns.", "group"),
}  # fmt: skip


class ReadingForm(QWidget):
    """A choice for each option that the kind of file has; what was found out is said in it."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.opener = named(
            QToolButton(self), "how it is read", "How the file is read",
            "Shows what was found out about the file, to be corrected where it is wrong.",
        )  # fmt: skip
        self.opener.setText("How it is read ▸")
        self.opener.setCheckable(True)
        self.opener.toggled.connect(self._open)
        self.form = QWidget(self)
        self._rows = QFormLayout(self.form)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self.boxes: dict[str, QComboBox] = {}
        for name, way in WAYS.items():
            box = named(QComboBox(self.form), f"read {name}", way.title, way.tip)
            box.setEditable(True)
            box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
            box.activated.connect(lambda _, name=name: self._choose(name))
            box.lineEdit().editingFinished.connect(lambda name=name: self._choose(name))
            self.boxes[name] = box
            self._rows.addRow(QLabel(way.title), box)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.opener)
        layout.addWidget(self.form)
        self.form.hide()
        self._shown: dict[str, str] = {}
        self._known: tuple[Any, dict[str, list[str]]] = (None, {})
        app.data_changed.connect(self.refresh)
        self.refresh()

    def _open(self, on: bool) -> None:
        self.opener.setText("How it is read ▾" if on else "How it is read ▸")
        self.form.setVisible(on)

    def refresh(self) -> None:
        """Show the options that this kind of file has, and what they are."""
        app, said = self._app, self._app.state.get
        asked = (said("data.input_file"), said("data.format"), app.file is None)
        if self._known[0] != asked:
            self._known = asked, ways(*asked[:2])
        known = self._known[1]
        found = {} if app.file is None else app.file.options
        self.setEnabled(asked[0] is not None)
        for name, way in WAYS.items():
            box = self.boxes[name]
            self._rows.setRowVisible(box, name in ("format", *known))
            words = way.words or {word: word for word in known.get(name, ())}
            value = said(f"data.{way.key}")
            detected = _word(words, found[name]) if name in found and value is None else ""
            box.blockSignals(True)
            box.clear()
            box.addItems([f"found: {detected}" if detected else _FOUND, *words])
            if value is not None:
                box.setEditText(_word(words, value))
            box.blockSignals(False)
            box.lineEdit().setCursorPosition(0)
            self._shown[name] = box.currentText()

    def _choose(self, name: str) -> None:
        text, way = self.boxes[name].currentText(), WAYS[name]
        if text == self._shown[name]:
            return  # it was only left
        value = (
            None if text == self.boxes[name].itemText(0) or not text else way.words.get(text, text)
        )
        if value and not way.words and value not in self._known[1][name]:
            value = read_column(value)  # a number
        self._app.edit(f"data.{way.key}", value)


def _word(words: Mapping[str, Any], value: Any) -> str:
    return next((word for word, one in words.items() if one == value), str(value))
