"""The session on disk while the window is open: what a crash leaves is offered at the next start.

Every window has a file of its own, and a lock beside it that says whether the window lives. A
file whose window has gone is what a crash left. `QLockFile` knows a dead owner by its process.

NLSQ_SAFE_MODE=1 starts a window without all this (`nlsq.gui_qt.application`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, QStandardPaths, QTimer, Signal, Slot

from nlsq.gui_qt.app_state import AppState
from nlsq.gui_qt.session_state import SessionState
from nlsq.utils.atomic import write_atomically

INTERVAL = 5.0  # seconds from a change to the disk; no more than 10 s of work may be lost
_LAST = "last"


@dataclasses.dataclass(frozen=True)
class Recovery:
    """A session that a crash left, and when it was saved."""

    state: SessionState
    saved: datetime.datetime
    path: Path
    lock: QLockFile


def default_folder() -> Path:
    """Where sessions of this user are kept while their windows are open."""
    place = QStandardPaths.StandardLocation.GenericDataLocation
    return Path(QStandardPaths.writableLocation(place)) / "nlsq" / "sessions"


class AutosaveManager(QObject):
    """Saves the session of a window after each change, and finds those of crashed windows.

    Parameters
    ----------
    app_state : AppState
    folder : Path, optional
        Default: `default_folder`.
    interval : float
        Seconds from a change until it is saved.
    """

    failed = Signal(str)  # why the session cannot be saved; "" once it can again
    _written = Signal(str)

    def __init__(
        self, app_state: AppState, parent: QObject | None = None, folder: Path | None = None,
        interval: float = INTERVAL,
    ):  # fmt: skip
        super().__init__(parent)
        self._app = app_state
        self._folder = default_folder() if folder is None else Path(folder)
        self._path = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self._lock: QLockFile | None = None
        self._offer: Recovery | None = None
        self._running, self._problem = False, ""
        self._newest = self._on_disk = ""
        self._writing = threading.Lock()
        self._thread = ThreadPoolExecutor(1)  # a slow disk does not stop the window
        self._timer = QTimer(self, singleShot=True, interval=round(1000 * interval))
        self._timer.timeout.connect(self._save_beside)
        self._written.connect(self._report)
        for signal in (
            app_state.history.indexChanged, app_state.data_changed, app_state.model_changed,
            app_state.fitting_changed, app_state.fits_changed, app_state.view_changed,
        ):  # fmt: skip
            signal.connect(self._changed)

    # ---------------------------------------------------------------------- while a window lives

    def start(self) -> None:
        """Save from now on."""
        self._running = True
        if self._app.state.content:
            self._changed()

    def stop(self) -> None:
        """End because the window is closed: nothing is left to recover, `last` has the session."""
        self._timer.stop()
        running, self._running = self._running, False
        if running and self._app.state.content:
            self.save_now()
        self._thread.shutdown()
        with self._writing:
            if self._lock is not None:
                if self._path.exists():
                    os.replace(self._path, self._folder / f"{_LAST}.json")
                self._lock.unlock()
                self._lock = None
        if self._offer is not None:
            self._offer.lock.unlock()  # nobody answered: the next start offers it again
            self._offer = None

    def save_now(self) -> bool:
        """Save before this returns; False where that failed, which `failed` explains."""
        self._timer.stop()
        self._newest = self._app.state.to_json()
        self._report(self._write())
        return not self._problem

    def last(self) -> SessionState | None:
        """The session of the window that was closed last."""
        try:
            return SessionState.from_json((self._folder / f"{_LAST}.json").read_text("utf-8"))
        except (OSError, ValueError):
            return None

    @Slot()
    def _changed(self, *_) -> None:
        if self._running and not self._timer.isActive():
            self._timer.start()

    @Slot()
    def _save_beside(self) -> None:
        self._newest = self._app.state.to_json()
        self._thread.submit(lambda: self._written.emit(self._write()))

    def _write(self) -> str:
        """Write the newest text, and say why that failed; for any thread."""
        with self._writing:
            text = self._newest
            if text == self._on_disk:
                return ""
            try:
                self._own()
                write_atomically(self._path, text)
            except OSError as error:
                return f"The session cannot be kept in {self._folder}: {error.strerror or error}."
            self._on_disk = text
            return ""

    def _own(self) -> None:
        if not self._folder.exists():
            self._lock = None  # it went with the folder
        if self._lock is None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(self._path)
            if self._lock is None:
                raise OSError("no lock can be made there")

    @Slot(str)
    def _report(self, problem: str) -> None:
        if problem and self._running:
            self._timer.start()  # perhaps somebody makes room
        if problem != self._problem:
            self._problem = problem
            self.failed.emit(problem)

    # ------------------------------------------------------------------------------ after a crash

    def check_recovery(self) -> Recovery | None:
        """The newest session of a window that has gone without being closed.

        It is kept from other windows until it is recovered or cleared, or this window is closed. A
        file that is no session is set aside and never asked for again.
        """
        if self._offer is not None:
            return self._offer
        for path in _newest_first(self._folder):
            if path in (self._path, self._folder / f"{_LAST}.json"):
                continue
            lock = _locked(path)
            if lock is None:
                continue  # its window lives
            try:
                saved = datetime.datetime.fromtimestamp(path.stat().st_mtime)
                state = SessionState.from_json(path.read_text("utf-8"))
            except (OSError, ValueError):
                _set_aside(path)  # nothing, where its window closed just now
                lock.unlock()
            else:
                self._offer = Recovery(state, saved, path, lock)
                if state.content:
                    return self._offer
                self.clear_recovery()
        return None

    def recover(self) -> bool:
        """Make the session that `check_recovery` found the window's; it can be undone."""
        if self._offer is None:
            return False
        self._app.take(self._offer.state)
        if self.save_now():  # else the file of the crashed window stays, and is offered again
            self.clear_recovery()
        return True

    def clear_recovery(self) -> None:
        """Forget the session that `check_recovery` found."""
        if self._offer is not None:
            path = self._offer.path
            for rest in (path, *self._folder.glob(f".{path.name}.*.tmp")):  # killed as it wrote
                rest.unlink(missing_ok=True)
            self._offer.lock.unlock()
            self._offer = None


def _locked(path: Path) -> QLockFile | None:
    """The lock of a file, taken; None where a living process has it."""
    lock = QLockFile(f"{path}.lock")
    lock.setStaleLockTime(0)  # only a dead owner makes it stale, however old it is
    return lock if lock.tryLock(0) else None


def _newest_first(folder: Path) -> list[Path]:
    found = []
    try:
        for entry in os.scandir(folder):
            if entry.name.endswith(".json") and entry.is_file():
                found.append((entry.stat().st_mtime, Path(entry.path)))
    except OSError:
        pass  # no folder, or one that cannot be read: nothing to offer
    return [path for _, path in sorted(found, reverse=True)]


def _set_aside(path: Path) -> None:
    with contextlib.suppress(OSError):  # a folder that cannot be written: it is skipped again
        os.replace(path, path.with_suffix(".broken"))
