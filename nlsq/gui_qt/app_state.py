"""The session of a running window, and signals that tell what of it changed.

Every change goes through `edit`, so that it can be undone. What follows from a change (the table of
another file, the points of another column, the parameters of another model) is found here, once.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QStandardPaths, QTimer, Signal
from PySide6.QtGui import QUndoStack

from nlsq.gui_qt.adapters.fit_adapter import Worker
from nlsq.gui_qt.adapters.model_adapter import outlined
from nlsq.gui_qt.session_state import SessionState
from nlsq.gui_qt.undoing import Edit, Swap
from nlsq.io import Table
from nlsq.session import apart, starting
from nlsq.session.batch_rows import GroupFits
from nlsq.session.configuration import WINDOW, Configuration, settings_of
from nlsq.session.errors import ProgramError
from nlsq.session.masks import changed
from nlsq.session.model import LoadedModel, Start, load_model, start
from nlsq.session.pieces import read_in_pieces
from nlsq.session.points import Points, Rows, groups, narrowed, of_group, of_numbers, rows, select
from nlsq.session.remembering import Results, added, is_of, swapped
from nlsq.session.sampling import fitted_in_pieces, look, written
from nlsq.session.settings import Settings
from nlsq.utils.input_error import InputError

# For which no file is read again.
_OF_ROWS = tuple(
    f"data.{key}" for key in ("columns", "exclude", "x_range", "where", "rows", "only")
)
_OF_START = ("p0", "bounds", "fixed", "method")  # what the start of a fit depends on
_ELSE = "The fit that ended is of data or a model from before: the history of the results has it."
_DRAIN = 50  # ms between two looks at the progress of a fit
_PATIENCE = 10_000  # ms for a file to say where its model begins
_NOTHING = np.empty(0)


class AppState(QObject):
    """The session that pages show and change.

    Attributes
    ----------
    file, table : Table or None
        The file that is open, and the rows of it that `where` and `rows` take.
    sampled : bool
        Whether `file` is a few rows of one that is larger than memory.
    in_pieces : bool
        Whether a fit reads the file piece by piece, however it is shown.
    points : Points or None
        The columns that are chosen, as numbers.
    rows : Rows or None
        The same with the rows that are left out; None also where x has several columns.
    model : LoadedModel or None
    start : Start or None
        Where a fit would begin; None also while the code of a file looks for it.
    document, result, fitted
        The last fit and its settings; None before it, and once data or model are others.
    stopping : bool
        Whether the fit that runs was asked to end.
    group_names : list of str
        The groups of the table, where a column of groups is chosen.
    problems : dict of str to InputError
        What is wrong, by the section it is in.
    """

    data_changed = Signal()
    model_changed = Signal()
    fitting_changed = Signal()
    view_changed = Signal()
    result_changed = Signal()  # also: an earlier fit whose settings came back
    fit_done = Signal()  # after it
    fits_changed = Signal()
    running_changed = Signal(bool)
    progressed = Signal(list)  # of (iteration, cost), new ones; none where the stage is another
    start_changed = Signal()
    problems_changed = Signal()
    groups_changed = Signal()  # more of them are fitted

    def __init__(self, state: SessionState | None = None, parent: QObject | None = None):
        super().__init__(parent)
        self.state = state or SessionState()
        self.history = QUndoStack(self)
        self.file: Table | None = None
        self.sampled = self.in_pieces = False
        self.table: Table | None = None
        self.points: Points | None = None
        self.rows: Rows | None = None
        self.model: LoadedModel | None = None
        self.document: dict[str, Any] | None = None
        self.result: Any = None
        self.fitted: Settings | None = None
        self.problems: dict[str, InputError] = {}
        self.start: Start | None = None
        self.own_folder = Path(
            QStandardPaths.writableLocation(QStandardPaths.StandardLocation.AppDataLocation)
        )
        self._results = Results()
        self._values = _NOTHING  # of the model of a file at the start
        self._worker: Worker | None = None
        self.stopping = False
        self._seen: tuple = (None, 0)  # of what runs
        self.group_names: list[str] = []
        self._groups: GroupFits | None = None
        self._file = 0  # when what is open was written
        self._guess: Worker | None = None
        self._clock = QTimer(self, interval=_DRAIN)
        self._clock.timeout.connect(self._drain)
        self._later = QTimer(self, interval=300, singleShot=True)
        self._later.timeout.connect(self._ask_file)
        self._soon = QTimer(self, interval=300, singleShot=True)
        self._soon.timeout.connect(self._prepare)
        if self.state.content:
            self._read_data(read=True)
            self._read_model()

    # ------------------------------------------------------------------------------- changing

    def edit(self, key: str, value: Any, gesture: object = None) -> None:
        """Set an entry such as "data.columns.x", "" is all; None takes it back to its default.

        Edits of one entry in one gesture, such as a slider that is dragged, are undone together.
        """
        if self.state.get(key) == value:
            return
        command = Edit(self.put, key, self.state.get(key), value, gesture)
        self.put(key, value)  # not in its redo: an error there would leave a command without owner
        self.history.push(command)

    @contextmanager
    def step(self, words: str) -> Iterator[None]:
        """What is edited in this block is undone in one step."""
        self.history.beginMacro(words)
        try:
            yield
        finally:
            self.history.endMacro()

    def put(self, key: str, value: Any) -> None:
        """As `edit`, without a way back."""
        self.state.put(key, value)
        self.problems.pop("fitting", None)  # it was of what was there before
        self.problems_changed.emit()
        section = key.split(".")[0]
        if section in ("data", "workflow", ""):
            self._read_data(read=not key.startswith(_OF_ROWS))
        if key in ("fitting.nan_policy", "fitting.goal"):
            self._read_data(read=False)
        if section in ("model", "") or key == "data.columns.x":
            self._read_model()
        if section == "fitting" and key.removeprefix("fitting.") in (*_OF_START, section):
            self._find_start()
        if section in ("fitting", ""):
            self.fitting_changed.emit()
        found = self._results.of(self.state.content, self.points)
        if found is not None and found[1] is not self.result:
            self.document, self.result, self.fitted = found
            self._fitted_from = copy.deepcopy(self.state.get("fitting"))
            self.result_changed.emit()

    def take(self, state: SessionState) -> None:
        """Put another session in the place of this one; it can be undone."""
        with self.step("open a session"):
            self.edit("", state.content)
            now = list(self.state.fits)
            self.history.push(Swap(self.put_fits, "open a session", now, state.fits))
        self.view(level=state.level, draws=state.draws)
        self.state.page = state.page

    def put_fits(self, gone: list[dict], come: list[dict]) -> None:
        """Change the list of fits, without a way back."""
        self.state.fits = swapped(self.state.fits, gone, come)
        self.fits_changed.emit()

    def open(self, path: str | Path) -> None:
        """Open a data file; the columns are the first that hold numbers."""
        wanted = {"input_file": str(path)}
        if self.state.get("data") == wanted:
            self._read_data(read=True)  # the file may be another by now
            return
        with self.step(f"open {Path(path).name}"):
            self.edit("data", wanted)
            wrong = self.file is not None and self.points is None  # text is no x
            names = of_numbers(self.file) if wrong or self.sampled else []
            if len(names) > 1:  # what is read piece by piece has columns by name
                self.edit("data.columns", {"x": names[0], "y": names[1]})

    def mask(self, numbers: np.ndarray, out: bool | None) -> None:
        """Leave rows of the file out, take them in, or, None, each the other way round."""
        self.edit("data.exclude", changed(self.state.get("data.exclude"), numbers, out))

    def settings(self) -> Settings:
        """The settings of the fit, checked.

        Raises
        ------
        ConfigurationError
        """
        return Configuration(copy.deepcopy(self.state.content), origin=WINDOW).settings()

    def view(self, **what: Any) -> None:
        """Show results in another way: `level` or `draws` of the session."""
        if any(getattr(self.state, name) != value for name, value in what.items()):
            vars(self.state).update(what)
            self.view_changed.emit()

    def _read_data(self, read: bool) -> None:
        self._forget()
        with self._reporting("data"):
            self.points, self.rows, self.in_pieces = None, None, False
            if read:
                self.file, self.table, self.sampled = None, None, False
            if self.state.get("data") is not None:
                self._look()
        self._find_start()
        self.data_changed.emit()

    def _look(self) -> None:
        content = {"data": self.state.get("data")}
        for section, key in (("workflow", "workflow"), ("fitting", "fitting.goal")):
            if (said := self.state.get(key)) is not None:
                content[section] = {"goal": said} if section == "fitting" else said
        settings = settings_of(content)
        data, by = settings.data, settings.data.columns.group
        if self.file is None:
            self.file, self.sampled = look(settings)
            self._file = written(data.input_file)
        before, self.table = self.table, None
        every = narrowed(self.file, data.model_copy(update={"only": None}))
        self.group_names = [] if by is None else [name for name, _ in groups(every, by)]
        table = of_group(every, data)
        same = before is not None and np.array_equal(before.numbers, table.numbers)
        self.table = before if same else table  # which its view then goes on to show
        self.rows = rows(self.table, data)
        omit = self.state.get("fitting.nan_policy") == "omit"
        self.points = select(self.table, data, omit)
        self.in_pieces = fitted_in_pieces(settings, self.file.n_rows, self.sampled)

    def _read_model(self) -> None:
        self._forget()
        self.model = None
        with self._reporting("model"):
            if self.state.get("model") is not None:
                wanted = settings_of({"model": self.state.get("model")}).model
                said = self.state.get("data.columns.x", "x")
                names = said if isinstance(said, list) else [said]
                names = list(map(str, names)) if self.points is None else self.points.x_names
                if wanted.path is None:
                    self.model = starting.remembering(load_model(wanted, names))
                else:  # its code runs in a process of its own
                    self.model = outlined(wanted)
        self._find_start()
        self.model_changed.emit()

    def _find_start(self) -> None:
        """Find where a fit would begin."""
        self.start, self._values = None, _NOTHING
        self._later.stop()
        if self._guess is not None:
            self._guess.kill()  # it is of another model
        if self.points is not None:
            self._soon.start()
        if self.model is None or self.points is None:
            self.problems.pop("start", None)
            self.problems_changed.emit()
        elif self.model.path is not None:
            self._later.start()
        else:
            with self._reporting("start"):
                given = self.state.get("fitting", {})
                given = {key: value for key, value in given.items() if key in _OF_START}
                fitting = settings_of({"fitting": given}).fitting
                self.start = start(fitting, self.model, self.points.x, self.points.y)
        self.start_changed.emit()

    def _prepare(self) -> None:
        """Have a process ready, so that the first fit need not wait for one."""
        if not self.running:
            threading.Thread(target=apart.prepare, daemon=True).start()

    def _ask_file(self) -> None:
        """Ask the code of a file where it begins, in a process of its own."""
        if self._guess is not None or self.running:
            self._later.start()
            return
        with self._reporting("start"):
            settings, points = self.settings(), self.points
            self._guess = Worker(
                lambda _: apart.guess(settings, points), self, answered=self._take_guess
            )
            self._guess.start()
            QTimer.singleShot(_PATIENCE, self._guess, self._guess.kill)

    def _take_guess(self, found: tuple[Start, np.ndarray] | InputError | None) -> None:
        self._guess = None
        if self._later.isActive() or self.model is None or self.model.path is None or found is None:
            return
        with self._reporting("start"):
            if isinstance(found, InputError):
                raise found
            self.start, self._values = found
        self.start_changed.emit()

    def start_curves(self) -> starting.Drawing:
        """The curve (x, y) of the start, and (x, residual) of some points."""
        points = self.points
        if self.start is None or points is None or points.x.ndim > 1:
            return starting.UNDRAWN
        if self.model.path is None:
            return starting.drawn(self.model, points, self.start.p0)
        order = np.argsort(points.x, kind="stable")
        x, y = points.x[order], self._values[order]
        return x, y, x, points.y[order] - y

    def _forget(self) -> None:
        if self.result is not None:
            self.document = self.result = self.fitted = None
            self.result_changed.emit()

    @contextmanager
    def _reporting(self, section: str) -> Iterator[None]:
        """In this block an error of the user's input becomes the problem of a section."""
        try:
            yield
            self.problems.pop(section, None)
        except InputError as error:
            self.problems[section] = error
        finally:
            self.problems_changed.emit()

    # -------------------------------------------------------------------------------- fitting

    @property
    def is_unmoved(self) -> bool:
        """Whether the last fit began where the next one would."""
        return self.result is not None and self._fitted_from == self.state.get("fitting")

    @property
    def running(self) -> bool:
        """Whether a fit is under way."""
        return self._worker is not None

    def fit(self) -> None:
        """Fit beside the window; `result_changed` comes when it is done."""
        if self.running:
            return
        again = self.fits_groups or self.in_pieces  # which read the file anew, as it is by then
        if again and written(Path(self.state.get("data.input_file"))) != self._file:
            self._read_data(read=True)
            if self.points is None:
                return
        self._asked = copy.deepcopy(self.state.content), self.points
        with self._reporting("fitting"):
            self._settings = settings = self.settings()
            self._fitted_from = copy.deepcopy(self.state.get("fitting"))
            if self.fits_groups:
                from nlsq.session.batching import require_many  # with the engine

                require_many(settings)
                self._worker = Worker(
                    lambda told: apart.fit_groups(settings, told), self, answered=self._finish
                )
                self._groups = GroupFits(settings, self._groups_content(), self._worker.rows)
            else:
                points = None if read_in_pieces(settings) else self.points
                self._worker = Worker(
                    lambda told: apart.fit(settings, points, told), self, answered=self._finish
                )
            self.stopping, self._seen = False, (None, 0)
            self._worker.start()
            self._clock.start()
            self.running_changed.emit(True)

    @property
    def fits_groups(self) -> bool:
        """Whether a fit is one of each group of rows."""
        get = self.state.get
        return get("data.columns.group") is not None and get("data.only") is None

    @property
    def groups(self) -> GroupFits | None:
        """The fits of the groups, where they are of the session as it is."""
        content = self._groups_content()
        return self._groups if self._groups and self._groups.content == content else None

    def _groups_content(self) -> dict[str, Any]:
        """What decides the fits of groups: also what the file is."""
        content = copy.deepcopy(self.state.content) | {"file": self._file}
        content.get("data", {}).pop("only", None)
        return content

    @property
    def stage(self) -> str:
        """How far the fit that runs is, in words."""
        title, done, total = (self._worker and self._worker.stage) or ("", 0, None)
        if self.fits_groups:
            title, total = "groups", len(self.group_names)
        return title and f"{title}: {done:,}" + (f" of {total:,}" if total else "")

    def show_group(self, name: str) -> None:
        """Fit one group, to see it; the fits of all stay."""
        if not self.running:
            self.edit("data.only", name)
            self.fit()

    def stop(self) -> None:
        """End the fit at the best point so far; asked again, at once and without a result."""
        if self._worker is not None:
            (self._worker.kill if self.stopping else self._worker.stop)()
            self.stopping = True

    def wait(self, seconds: float = 3.0) -> bool:
        """End what runs, for a window that closes; False where it does not end."""
        self._later.stop()
        self._soon.stop()
        workers = [worker for worker in (self._worker, self._guess) if worker is not None]
        for worker in workers:
            worker.kill()
        return all([worker.wait(seconds) for worker in workers])

    def _drain(self) -> None:
        worker = self._worker
        seen = worker.stage, len(worker.rows)
        if (rows := worker.take()) or seen != self._seen:
            self.progressed.emit(rows)
        if seen[1] != self._seen[1]:
            self.groups_changed.emit()
        self._seen = seen

    def _take(self, document: dict[str, Any], result: Any) -> bool:
        """Keep a fit; whether it is of the data and the model that are here, and shown."""
        content, points = self._asked  # not those of now
        if current := is_of(self.state.content, content):
            self.document, self.result, self.fitted = document, result, self._settings
        if "xdata" in result:  # else its data may have changed on disk, unseen
            self._results.hold(content, points, (document, result, self._settings))
        self.state.fits = added(self.state.fits, document, content)
        self.result_changed.emit()
        self.fits_changed.emit()
        self.fit_done.emit()
        return current

    def _finish(self, found: tuple[dict, Any] | bool | InputError | None) -> None:
        """Take document and result of one fit; those of groups came row by row."""
        with self._reporting("fitting"):
            if isinstance(found, InputError):
                raise found
            if isinstance(found, tuple) and not self._take(*found):
                raise ProgramError(_ELSE)
        self._drain()
        self._clock.stop()
        self._worker = None
        self.running_changed.emit(False)
