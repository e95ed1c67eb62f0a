"""The fitted parameters: value, standard error, intervals, and what to be careful about."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from nlsq.gui_qt.adapters.fit_adapter import Question
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.widgets.building import filled
from nlsq.gui_qt.widgets.named import named
from nlsq.gui_qt.widgets.tables import PlainTable
from nlsq.session.examining import profile
from nlsq.session.showing import parameter_columns, parameter_rows
from nlsq.utils.input_error import InputError

_ASK, _STOP = "Profile &intervals", "Stop prof&iles"
_TIP = "What the fit found: the value, one standard error, and the interval of the level."
_TIP_ASK = "Intervals that follow a curved model: each parameter moves until χ² has risen too far."


class ParamResultsWidget(QWidget):
    """One row for each parameter of the last fit; tooltips have all digits."""

    def __init__(self, app: AppState, parent: QWidget | None = None):
        super().__init__(parent)
        self._app = app
        self._question: Question | None = None
        self.table = PlainTable("fitted parameters", _TIP, self)
        self.ask = named(QPushButton(_ASK, self), "profile intervals", _ASK, _TIP_ASK)
        self.ask.clicked.connect(self._ask)
        self.said = named(QLabel(self), "profile state", "State of the profiles", "")
        row = filled(QHBoxLayout(), self.ask, (self.said, 1))
        filled(QVBoxLayout(self), self.table, row, edge=False)
        app.result_changed.connect(self.refresh)
        app.view_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the last fit, without profiles: they are of another level, or another fit."""
        self._end("")
        self._profiles = []
        self.ask.setEnabled(self._app.result is not None)
        self._show()

    def _show(self) -> None:
        level, profiles = self._app.state.level, self._profiles
        rows = parameter_rows(self._app.result, level, profiles)
        self.table.fill(parameter_columns(level, bool(profiles)), rows)

    # -- profiles, found beside the window -------------------------------------------------------

    def _ask(self) -> None:
        if self._question is not None:
            self._end("Stopped.")
            return
        result, level, self._profiles = self._app.result, self._app.state.level, []
        self.ask.setText(_STOP)
        self.said.setText("Following the parameters …")
        self._question = Question(
            lambda *how: profile(result, level, *how), self, told=self._take, answered=self._done
        )

    def _end(self, said: str) -> None:
        if self._question is not None:
            self._question.stop()
        self._question = None
        self.ask.setText(_ASK)
        self.said.setText(said)

    def _take(self, one: object) -> None:
        if self.sender() is self._question:  # else it was stopped
            self._profiles.append(one)
            self._show()

    def _done(self, error: InputError | None) -> None:
        if self.sender() is self._question:
            self._end("" if error is None else f"⚠ {error}")
