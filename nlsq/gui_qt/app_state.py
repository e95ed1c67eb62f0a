"""The session of a running window, and signals that tell what of it changed.

Every change goes through `edit`, so that it can be undone. What follows from a change (the table of
another file, the points of another column, the parameters of another model) is found here, once.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from nlsq.gui_qt.adapters.fit_adapter import LEAVE, FitWorker
from nlsq.gui_qt.session_state import SessionState
from nlsq.io import Table
from nlsq.session.configuration import Configuration
from nlsq.session.errors import ProgramError
from nlsq.session.model import LoadedModel, load_model
from nlsq.session.points import Points, load, select
from nlsq.session.settings import Settings
from nlsq.utils.input_error import InputError

_NO_MODEL = {"formula": "0"}  # in the place of a model, where only the data are asked for


class _Edit(QUndoCommand):
    """One entry, before and after."""

    def __init__(self, app: AppState, key: str, value: Any):
        super().__init__(f"change {key}" if key else "open a session")
        self._app, self._key = app, key
        self._before = copy.deepcopy(app.state.get(key))
        self._after = copy.deepcopy(value)
        self._done = False

    def redo(self) -> None:
        if self._done:
            self._app.put(self._key, self._after)
        self._done = True

    def undo(self) -> None:
        self._app.put(self._key, self._before)

    def id(self) -> int:
        return hash(self._key) % 2**31

    def mergeWith(self, other: _Edit) -> bool:
        if other._key != self._key or not self._key.startswith("fitting.p0"):
            return False
        self._after = other._after
        return True


class AppState(QObject):
    """The session that pages show and change.

    Attributes
    ----------
    table : Table or None
        The file that is open.
    points : Points or None
        The columns that are chosen, as numbers.
    model : LoadedModel or None
    document, result, fitted
        The last fit and its settings; None before it, and once data or model are others.
    problems : dict of str to ProgramError
        What is wrong, by the section it is in.
    """

    data_changed = Signal()
    model_changed = Signal()
    fitting_changed = Signal()
    result_changed = Signal()
    running_changed = Signal(bool)
    progressed = Signal(int, float)
    problems_changed = Signal()

    def __init__(self, state: SessionState | None = None, parent: QObject | None = None):
        super().__init__(parent)
        self.state = state or SessionState()
        self.history = QUndoStack(self)
        self.table: Table | None = None
        self.points: Points | None = None
        self.model: LoadedModel | None = None
        self.document: dict[str, Any] | None = None
        self.result: Any = None
        self.fitted: Settings | None = None
        self.problems: dict[str, InputError] = {}
        self._worker: FitWorker | None = None
        if self.state.content:
            self._data(read=True)
            self._model()

    # ------------------------------------------------------------------------------- changing

    def edit(self, key: str, value: Any) -> None:
        """Set an entry such as "data.columns.x", "" is all; None takes it back to its default."""
        if self.state.get(key) == value:
            return
        command = _Edit(self, key, value)
        self.put(key, value)  # not in its redo: an error there would leave a command without owner
        self.history.push(command)

    def put(self, key: str, value: Any) -> None:
        """As `edit`, without a way back."""
        self.state.put(key, value)
        section = key.split(".")[0]
        if section in ("data", ""):
            self._data(read=not key.startswith("data.columns"))
        if key == "fitting.nan_policy":
            self._data(read=False)
        if section in ("model", "") or key == "data.columns.x":
            self._model()
        if section in ("fitting", ""):
            self.fitting_changed.emit()

    def open(self, path: str | Path) -> None:
        """Open a data file; the columns are those that it begins with."""
        self.edit("data", {"input_file": str(path)})

    def settings(self) -> Settings:
        """The settings of the fit, checked.

        Raises
        ------
        ConfigurationError
        """
        return Configuration(copy.deepcopy(self.state.content), origin="the window").settings()

    def _data(self, read: bool) -> None:
        self._forget()
        with self._reporting("data"):
            self.points = None
            if read:
                self.table = None
            if self.state.get("data") is not None:
                self._read()
        self.data_changed.emit()

    def _read(self) -> None:
        content = {"data": self.state.get("data"), "model": _NO_MODEL}
        data = Configuration(content, origin="the window").settings().data
        if self.table is None:
            self.table = load(data)
        omit = self.state.get("fitting.nan_policy") == "omit"
        self.points = select(self.table, data, omit)

    def _model(self) -> None:
        self._forget()
        self.model = None
        with self._reporting("model"):
            if self.state.get("model") is not None:
                content = {"data": {"input_file": "-"}, "model": self.state.get("model")}
                wanted = Configuration(content, origin="the window").settings().model
                said = self.state.get("data.columns.x", "x")
                names = said if isinstance(said, list) else [said]
                names = list(map(str, names)) if self.points is None else self.points.x_names
                if wanted.path is None:  # the code of a file runs in a process of its own
                    self.model = load_model(wanted, names)
        self.model_changed.emit()

    def _forget(self) -> None:
        if self.result is not None:
            self.document = self.result = self.fitted = None
            self.result_changed.emit()

    def _reporting(self, section: str) -> _Reporting:
        return _Reporting(self, section)

    # -------------------------------------------------------------------------------- fitting

    @property
    def running(self) -> bool:
        """Whether a fit is under way."""
        return self._worker is not None

    def fit(self) -> None:
        """Fit beside the window; `result_changed` comes when it is done."""
        if self.running:
            return
        with self._reporting("fitting"):
            self._settings = self.settings()
            self._worker = FitWorker(self._settings, self.points, self)
            self._worker.progressed.connect(self.progressed)
            self._worker.succeeded.connect(self._take)
            self._worker.refused.connect(self._refuse)
            self._worker.finished.connect(self._finish)
            self._worker.start()
            self.running_changed.emit(True)

    def stop(self) -> None:
        """End the fit at the best point so far."""
        if self._worker is not None:
            self._worker.stop()

    def wait(self, seconds: float = LEAVE) -> bool:
        """Stop the fit and wait for it, for a window that closes; False where it does not end."""
        if self._worker is None:
            return True
        self._worker.stop()
        return self._worker.wait(seconds)

    def _take(self, document: dict[str, Any], result: Any) -> None:
        self.document, self.result, self.fitted = document, result, self._settings
        self.result_changed.emit()

    def _refuse(self, error: ProgramError) -> None:
        with self._reporting("fitting"):
            raise error

    def _finish(self) -> None:
        self._worker.deleteLater()
        self._worker = None
        self.running_changed.emit(False)


class _Reporting:
    """In this block an error of the user's input becomes the problem of a section."""

    def __init__(self, app: AppState, section: str):
        self._app, self._section = app, section

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, _) -> bool:
        known = isinstance(error, InputError)
        problems = self._app.problems
        if known:
            problems[self._section] = error
        elif error is None:
            problems.pop(self._section, None)
        self._app.problems_changed.emit()
        return known
