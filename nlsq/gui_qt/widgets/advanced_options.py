"""Options of a fit that are seldom needed: tolerances, limits, and how a search goes."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

from PySide6.QtWidgets import QComboBox, QFormLayout, QLabel, QLineEdit, QWidget

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.building import sentence
from nlsq.gui_qt.widgets.named import named
from nlsq.session.options import default_of, refusal, uses
from nlsq.session.words import read_number
from nlsq.types import SamplerLiteral


class Option(NamedTuple):
    """One option.

    Attributes
    ----------
    words : tuple of str
        What it may be; none: a number.
    """

    title: str
    tip: str
    words: tuple[str, ...] = ()


OPTIONS = {
    "ftol": Option("Cost tolerance", "Ends the fit where the cost falls by less than this part."),
    "xtol": Option("Step tolerance", "Ends the fit where the step is less than this part of p."),
    "gtol": Option("Gradient tolerance", "Ends the fit where the gradient is smaller than this."),
    "max_nfev": Option("Most evaluations", "Ends the fit after so many calls of the model."),
    "time_limit": Option("Most seconds", "Ends the fit after so long, at the best point so far."),
    "f_scale": Option(
        "Scale of outliers", "Residuals beyond it count less; in units of y, or of its errors."
    ),
    "n_starts": Option("Starts", "How many points a search starts from."),
    "sampler": Option("Sampler", "How the starts are spread.", get_args(SamplerLiteral)),
    "center_on_p0": Option(
        "Around the start", "Whether starts lie around the given one.", ("yes", "no")
    ),
    "scale_factor": Option("Spread of starts", "How widely they spread, times the usual."),
    "seed": Option("Seed", "The same seed gives the same starts, and the same answer."),
}
_WORDS = {"yes": True, "no": False}


class AdvancedOptionsWidget(QWidget):
    """A field for each option that the present method, loss and search use."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self.fields: dict[str, QLineEdit | QComboBox] = {}
        self._complaints: dict[str, QLabel] = {}
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        for key, option in OPTIONS.items():
            field = self._field(key, option.words)
            self.fields[key] = named(field, f"fitting {key}", option.title, f"{option.tip} ({key})")
            title = f"What is wrong with {option.title}"
            self._complaints[key] = complaint = sentence(f"fitting {key} problem", title, "", self)
            complaint.hide()
            self._form.addRow(option.title, field)
            self._form.addRow(complaint)
        app.fitting_changed.connect(self.refresh)
        app.model_changed.connect(self.refresh)
        self.refresh()

    def _field(self, key: str, words: tuple[str, ...]) -> QLineEdit | QComboBox:
        if not words:
            field = QLineEdit(self)
            field.editingFinished.connect(lambda: self._enter(key, field.text()))
            return field
        box = QComboBox(self)
        box.addItems(["", *words])
        box.activated.connect(lambda at: self._enter(key, box.itemText(at) if at else ""))
        return box

    def refresh(self) -> None:
        """Show what is set, and only what counts."""
        fitting = self._app.state.get("fitting", {})
        for key, field in self.fields.items():
            self._form.setRowVisible(field, uses(key, fitting))
            value, default = fitting.get(key), default_of(key, fitting)
            if isinstance(field, QComboBox):
                words = {v: k for k, v in _WORDS.items()} if isinstance(value, bool) else {}
                show_choice(field, default, None if value is None else words.get(value, value))
                continue
            field.setPlaceholderText(default)
            if not field.hasFocus() or self._complaints[key].isHidden():
                field.setText("" if value is None else str(value))
                self._complaints[key].hide()

    def _enter(self, key: str, text: str) -> None:
        text = text.strip()
        given: Any = None if not text else _WORDS.get(text, _number(text))
        said = refusal(self._app.state.content, key, given)
        self._complaints[key].setText(f"⚠ {said[:1].upper()}{said[1:]}")
        self._complaints[key].setVisible(bool(said))
        if not said:
            self._app.edit(f"fitting.{key}", given)


def show_choice(box: QComboBox, default: str, chosen: str | None) -> None:
    """Show what is chosen, or that nothing is, with what then counts."""
    box.setItemText(0, f"default ({default})")
    box.setCurrentIndex(0 if chosen is None else box.findText(chosen))


def _number(text: str) -> Any:
    """A number where it is one; else the text, which is refused with a sentence."""
    for read in (int, read_number):
        try:
            return read(text)
        except ValueError:
            continue
    return text
