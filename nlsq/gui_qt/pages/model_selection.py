"""Choose a model, write a formula or code, or click peaks; set where the fit begins."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QShortcut, QShowEvent
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QTabWidget,
    QTextBrowser,
    QVBoxLayout,
    QWidget,
)  # fmt: skip

from nlsq.gui_qt.adapters.model_adapter import catalogue, description, peaks, read
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.building import filled, split
from nlsq.gui_qt.widgets.code_page import CodePage
from nlsq.gui_qt.widgets.formula_field import FormulaField
from nlsq.gui_qt.widgets.named import named
from nlsq.gui_qt.widgets.parameter_table import ParameterTable
from nlsq.gui_qt.widgets.problem_label import ProblemLabel
from nlsq.session.starting import added, dragged
from nlsq.session.words import read_model
from nlsq.utils.input_error import InputError

_NAME = Qt.ItemDataRole.UserRole
_GUESS = "Take back the starts that were typed; the model looks for its own in the data."
_NO_GUESS = "Take back the starts that were typed; this model has no guess, and begins at 1."
_BUTTONS = (
    ("guess start", "&Guess the start", _GUESS),
    ("take fit as start", "&Start from the fit",
     "The parameters of the last fit become the start of the next one."),
    ("add peaks", "&Add peaks by clicking",
     "Each click on the plot adds a peak to the model with its top there; Esc ends it."),
)  # fmt: skip


class ModelSelectionPage(QWidget):
    """The page 'model'.

    Signals
    -------
    adding(bool)
        Whether a click on the plot adds a peak.
    """

    adding = Signal(bool)

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.field = FormulaField(app, self)
        self.field.entered.connect(self._typed)
        self.code = CodePage(app, self)
        self.code.chosen.connect(self.take)
        self.parameters = ParameterTable(app, self)
        self.tabs = named(QTabWidget(self), "model kinds", "Catalogue or code",
                          "Choose a model of the catalogue, or write one in Python.")  # fmt: skip
        self.tabs.addTab(self._catalogue(), "&Catalogue")
        self.tabs.addTab(self.code, "&Python")
        below = QWidget(self)
        problems = (ProblemLabel(app, section, self) for section in ("model", "start"))
        parts = self.field, *problems, (self.parameters, 1), self._buttons()
        filled(QVBoxLayout(below), *parts, edge=False)
        halves = split(Qt.Orientation.Vertical, {self.tabs: 380, below: 340}, self)
        filled(QVBoxLayout(self), halves)
        for signal in (app.model_changed, app.result_changed, app.data_changed):
            signal.connect(self.refresh)
        code, text = self.code, self.field.text
        seen = [self.tabs, self.search, self.list, self.about, code.editor, code.open,
                code.function, code.use, text, self.parameters, self.guess, self.keep]  # fmt: skip
        for before, after in pairwise(seen):
            self.setTabOrder(before, after)
        self.refresh()

    def showEvent(self, event: QShowEvent) -> None:
        if not self.peak.count():  # the chapters of models take a while to load
            self.peak.addItems(peaks())
            self._fill(self.search.text())
        super().showEvent(event)

    def _catalogue(self) -> QWidget:
        self.search = named(QLineEdit(self), "search models", "Search the catalogue",
                            "Words of a name, a category, a meaning or a reference.")  # fmt: skip
        self.search.setPlaceholderText("Search: gaussian, decay, dose, kinetics, …")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._fill)
        tip = "A click or Enter takes a model; arrow keys show what each one is."
        self.list = named(QListWidget(self), "models", "Catalogue of models", tip)
        down = QShortcut(Qt.Key.Key_Down, self.search, context=Qt.ShortcutContext.WidgetShortcut)
        for signal in (down.activated, self.search.returnPressed):
            signal.connect(self.list.setFocus)
        self.list.itemClicked.connect(self._choose)
        self.list.itemActivated.connect(self._choose)
        self.list.currentItemChanged.connect(self._describe)
        tip = "Formula and parameters of the model; units follow those of x and y."
        self.about = named(QTextBrowser(self), "about the model", "What the model is", tip)
        self.about.setPlaceholderText("Arrow keys show here what each model is; a click takes it.")
        halves = split(Qt.Orientation.Vertical, {self.list: 180, self.about: 160}, self)
        page = QWidget(self)
        filled(QVBoxLayout(page), self.search, (halves, 1))
        return page

    def _buttons(self) -> QVBoxLayout:
        app = self._app
        self.guess, self.keep, self.add = (
            named(QPushButton(text, self), name, text, tip) for name, text, tip in _BUTTONS
        )
        self.guess.clicked.connect(lambda: app.edit("fitting.p0", None))
        self.keep.clicked.connect(self._take_fit)
        self.add.setCheckable(True)
        self.add.toggled.connect(self.adding)
        tip = "What a click on the plot adds"
        self.peak = named(QComboBox(self), "peak to add", "Peak to add", tip)
        above, below = (
            filled(QHBoxLayout(), (left, 1), (right, 1))
            for left, right in ((self.guess, self.keep), (self.add, self.peak))
        )
        return filled(QVBoxLayout(), above, below)

    @property
    def shown(self) -> str:
        """The text of the model; empty where it is code."""
        get = self._app.state.get
        return get("model.formula") or get("model.name") or ""

    def refresh(self) -> None:
        """Show the model that is chosen."""
        app = self._app
        chosen = app.state.get("model") or {}
        self.field.set_text(self.shown)
        if "path" in chosen:
            self.code.set_file(Path(chosen["path"]), chosen.get("function", ""))
            self.field.said.setText("The model is the code on the tab Python.")
        if (name := chosen.get("name")) and app.model is not None:
            self.about.setHtml(description(name))
        elif chosen:
            self.about.clear()  # which was of another model
        self.guess.setEnabled(app.model is not None)
        knows = app.model is not None and (app.model.guess or app.model.path)
        self.guess.setToolTip(_GUESS if knows else _NO_GUESS)
        self.keep.setEnabled(app.result is not None)
        flat = app.points is not None and app.points.x.ndim == 1
        self.add.setEnabled(flat and not {"formula", "path"} & chosen.keys())

    def _fill(self, words: str) -> None:
        self.list.clear()
        bold = self.list.font()
        bold.setBold(True)
        for category, members in catalogue(words).items():
            heading = QListWidgetItem(category.capitalize(), self.list)
            heading.setFlags(Qt.ItemFlag.ItemIsEnabled)
            heading.setFont(bold)
            for model in members:
                item = QListWidgetItem(f"   {model.title}  ({model.name})", self.list)
                item.setData(_NAME, model.name)
        self.list.setCurrentRow(1 if words else -1)  # below the first heading

    def _describe(self, item: QListWidgetItem | None) -> None:
        if item is not None and item.data(_NAME):
            self.about.setHtml(description(item.data(_NAME)))

    def _choose(self, item: QListWidgetItem) -> None:
        if item.data(_NAME):
            self._typed(item.data(_NAME))

    def _typed(self, text: str) -> None:
        if text == self.shown:
            return  # the field was only left: what else is said of the model stays
        points = self._app.points
        try:
            names = read(text, ["x"] if points is None else points.x_names).names
        except InputError:
            names = None  # which its place says; what is given stays until it is mended
        self.take(read_model(text) if text else None, names)

    def take(self, wanted: dict[str, Any] | None, names: tuple[str, ...] | None) -> None:
        """Take another model; what is given of parameters that it has stays."""
        app = self._app
        if wanted == app.state.get("model"):
            return
        with app.step("choose the model"):
            for key in ("p0", "bounds", "fixed") if names is not None else ():
                given = app.state.get(f"fitting.{key}")
                left = {n: v for n, v in given.items() if n in names} if _named(given) else None
                app.edit(f"fitting.{key}", left or None)
            app.edit("model", wanted)

    def _take_fit(self) -> None:
        result = self._app.result
        values = dict(zip(result.names, map(float, result.popt), strict=True))
        self._app.edit("fitting.p0", {n: v for n, v in values.items() if n not in result.fixed})

    # ------------------------------------------------------------------- peaks that are clicked

    def clicked(self, x: float, y: float) -> None:
        """Add a peak with its top there, where clicks do so."""
        app = self._app
        if not (self.add.isChecked() and self.add.isEnabled()):
            return
        given = {key: app.state.get(f"fitting.{key}") or {} for key in ("bounds", "fixed")}
        old, peak = app.state.get("model.name"), self.peak.currentText()
        if old and app.start is None:
            return  # its problem is said
        name, p0, place = added(old, peak, (x, y), app.points, app.start)
        with app.step(f"add a {peak}"):
            for key in ("p0", "bounds", "fixed"):
                app.edit(f"fitting.{key}", None)
            app.edit("model", {"name": name})
            app.edit("fitting.p0", p0)
            for key, those in given.items():
                if _named(those) and those:
                    app.edit(f"fitting.{key}", {place[n]: v for n, v in those.items()})

    def drag(self, which: int, x: float, y: float, gesture: object) -> None:
        """Move a peak of the start; what of it is fixed stays."""
        app = self._app
        held = app.state.get("fitting.fixed") or {}
        moved = dragged(app.model, app.start.p0, which, x, y)
        given = app.state.get("fitting.p0")
        values = dict(given if isinstance(given, dict) else {})
        values |= {name: value for name, value in moved.items() if name not in held}
        app.edit("fitting.p0", values, gesture)

    def hideEvent(self, event: QHideEvent) -> None:
        self.add.setChecked(False)
        super().hideEvent(event)

    def keyPressEvent(self, event) -> None:
        if event.key() == Qt.Key.Key_Escape and self.add.isChecked():
            self.add.setChecked(False)
        else:
            super().keyPressEvent(event)


def _named(given: Any) -> bool:
    """Whether what is given is by name, and not by order."""
    return isinstance(given, dict) and not {"lower", "upper"} & given.keys()
