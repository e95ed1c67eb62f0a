"""The menu 'File': sessions and configuration files, those of late, and those of a crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from nlsq.gui_qt.adapters.config_adapter import (
    SUFFIX,
    export_yaml_config,
    read_session,
    write_session,
)
from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.autosave import AutosaveManager
from nlsq.gui_qt.preferences import Preferences
from nlsq.gui_qt.session_state import SessionState
from nlsq.gui_qt.widgets.notice_bar import NoticeBar
from nlsq.utils.atomic import write_atomically
from nlsq.utils.input_error import InputError

_OPENED = f"Sessions and configurations (*{SUFFIX} *.yaml *.yml *.toml);;All files (*)"
_KEYS = QKeySequence.StandardKey


class SessionMenu(QMenu):
    """Opens and saves sessions, and says in `notice` what went wrong.

    Attributes
    ----------
    path : Path or None
        The file of the session.
    """

    opened = Signal()  # another session is in the window
    wanted = Signal(str)  # data of late to open
    named = Signal(str)  # the file of the session, "" where it has none

    def __init__(
        self, app: AppState, notice: NoticeBar, preferences: Preferences,
        parent: QWidget | None = None,
    ):  # fmt: skip
        super().__init__("&File", parent)
        self.setObjectName("file menu")
        self.setToolTipsVisible(True)
        self._app, self._notice, self._preferences = app, notice, preferences
        self._autosave: AutosaveManager | None = None
        self.path: Path | None = None
        self._add("&Open session…", "Ctrl+Shift+O", self._choose,
                  "A session that was saved, or a configuration file of nlsq fit.")  # fmt: skip
        self._add_recent("sessions", lambda name: self.open(Path(name)))
        self._add_recent("data", self._reopen_data)
        self._last = self._add("Reopen the &last session", "", self._reopen,
                               "What was in the window that was closed last.")  # fmt: skip
        self.addSeparator()
        self._add("&Save session", _KEYS.Save, self.save, "Write the session to its file.")
        self._add("Save session &as…", "Ctrl+Shift+S", self._save_as,
                  "Data in its folder or below move with it; pasted data too.")  # fmt: skip
        self._add("Save as &configuration file…", "", self._save_configuration,
                  "A file that nlsq fit FILE.yaml fits, without the window.")  # fmt: skip
        self.addSeparator()
        self._add("&Quit", _KEYS.Quit, lambda: self.parentWidget().close(), "Close the window.")
        self._last.setEnabled(False)

    def _add(self, text: str, keys, act: Callable, tip: str) -> QAction:
        action = self.addAction(text)
        action.setObjectName(text.replace("&", "").rstrip("…").lower())
        action.setToolTip(tip)
        if keys:
            action.setShortcut(keys)
        action.triggered.connect(lambda: act())
        return action

    # ------------------------------------------------------------------------- opening and saving

    def open(self, path: Path) -> bool:
        """Open a session or a configuration; whether that went well."""
        try:
            state = read_session(path)
        except InputError as error:
            self._notice.say(f"⚠ {error}", {"&Close": bool})
            return False
        self._app.take(state)
        self.opened.emit()
        self._name(path if path.suffix.lower() == SUFFIX else None)
        self._preferences.remember("sessions", str(path.absolute()))
        return True

    def save(self) -> bool:
        """Write the session to its file, which is asked for where it has none."""
        return self._save_as() if self.path is None else self._save(self.path)

    def _save(self, path: Path) -> bool:
        if self._wrote(path, lambda: write_session(path, self._app.state, self._app.own_folder)):
            self._name(path)
            self._preferences.remember("sessions", str(path.absolute()))
            return True
        return False

    def _wrote(self, path: Path, write: Callable[[], None]) -> bool:
        try:
            write()
        except OSError as error:
            self._notice.say(
                f"⚠ {path}: cannot be written: {error.strerror or error}. The session is still "
                "here: save it elsewhere, or make room and save it again.",
                {"&Save elsewhere…": self._save_as, "&Close": bool},
            )
            return False
        return True

    def _save_as(self) -> bool:
        name, _ = QFileDialog.getSaveFileName(
            self.parentWidget(), "Save session", str(self.path or ""), f"Sessions (*{SUFFIX})"
        )
        return bool(name) and self._save(_with_suffix(name, SUFFIX))

    def _save_configuration(self) -> None:
        try:
            text = export_yaml_config(self._app.settings())
        except InputError as error:
            self._notice.say(f"⚠ No file can be written yet. {error.message}", {"&Close": bool})
            return
        name, _ = QFileDialog.getSaveFileName(
            self.parentWidget(), "Save as configuration file", "", "Configurations (*.yaml *.yml)"
        )
        if name:
            path = _with_suffix(name, ".yaml")
            self._wrote(path, lambda: write_atomically(path, text))

    def _choose(self) -> None:
        name, _ = QFileDialog.getOpenFileName(self.parentWidget(), "Open session", "", _OPENED)
        if name:
            self.open(Path(name))

    def _add_recent(self, kind: str, act: Callable[[str], object]) -> None:
        menu = self.addMenu(f"Recent {kind}")
        menu.setObjectName(f"recent {kind}")
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(lambda: self._list_recent(menu, kind, act))

    def _list_recent(self, menu: QMenu, kind: str, act: Callable[[str], object]) -> None:
        menu.clear()
        for number, name in enumerate(self._preferences.recent(kind), 1):
            action = menu.addAction(name.replace("&", "&&"))
            action.setObjectName(f"recent {kind} {number}")
            action.setToolTip("Open it again.")
            action.triggered.connect(lambda _, name=name: act(name))
        if menu.isEmpty():
            menu.addAction("(none yet)").setEnabled(False)

    def _reopen_data(self, name: str) -> None:
        if Path(name).exists():
            self.wanted.emit(name)
            return
        self._preferences.forget("data", name)
        self._notice.say(
            f"⚠ {name} is not there any more: it was moved, renamed or removed, or its disk is not "
            "connected. What is open stays open.", {"&Close": bool},
        )  # fmt: skip

    def _name(self, path: Path | None) -> None:
        self.path = path
        self._app.history.setClean()
        self.named.emit("" if path is None else path.name)

    # ------------------------------------------------------------------------------ after a crash

    def keep(self, autosave: AutosaveManager) -> None:
        """Offer what a crash left, and say when the session cannot be kept."""
        self._autosave = autosave
        self._last.setEnabled(autosave.last() is not None)
        autosave.failed.connect(self._say_failure)
        self._offer()

    def _offer(self) -> None:
        found = self._autosave.check_recovery()
        if found is None:
            return
        self._notice.say(
            f"A session of {found.saved:%Y-%m-%d %H:%M:%S} was not closed: "
            f"{_in_words(found.state)}.",
            {"&Restore it": self._recover, "&Forget it": self._forget},
        )

    def _recover(self) -> None:
        self._autosave.recover()
        self.opened.emit()

    def _forget(self) -> None:
        self._autosave.clear_recovery()
        self._offer()  # another one, perhaps

    def _reopen(self) -> None:
        if (state := self._autosave and self._autosave.last()) is not None:
            self._app.take(state)
            self.opened.emit()
            self._name(None)

    def _say_failure(self, problem: str) -> None:
        text = f"⚠ {problem} Make room, or save the session elsewhere." if problem else ""
        self._notice.say(text, {"&Save elsewhere…": self._save_as} if problem else {})


def _with_suffix(name: str, suffix: str) -> Path:
    path = Path(name)
    return path if path.suffix else path.with_name(path.name + suffix)


def _in_words(state: SessionState) -> str:
    model = state.get("model.formula") or state.get("model.name") or state.get("model.path")
    data = state.get("data.input_file")
    return f"{model or 'no model yet'}, {Path(data).name if data else 'no data yet'}"
