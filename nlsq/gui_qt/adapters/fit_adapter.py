"""A fit beside the window, in a thread; its progress and its end come as signals."""

from __future__ import annotations

import atexit
import threading
from typing import Any

from PySide6.QtCore import QObject, Signal
from shiboken6 import isValid

from nlsq.callbacks import StopOptimization
from nlsq.session.errors import ProgramError
from nlsq.session.points import Points
from nlsq.session.running import execute
from nlsq.session.settings import Settings

LEAVE = 3.0  # seconds that a fit may take to its next iteration when the program ends


class FitWorker(QObject):
    """One fit.

    A thread of Python's, not a `QThread`: one that runs when the interpreter ends, because nobody
    closed the window or the model does not come back, is then left alone and not an abort.

    Signals
    -------
    progressed(int, float)
        Iteration and cost.
    succeeded(document, result)
    refused(ProgramError)
    finished()
        After one of these, and after an error of ours.
    """

    progressed = Signal(int, float)
    succeeded = Signal(object, object)
    refused = Signal(object)
    finished = Signal()

    def __init__(self, settings: Settings, points: Points | None, parent: QObject | None = None):
        super().__init__(parent)
        self._settings, self._points = settings, points
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="fit", daemon=True)

    def start(self) -> None:
        """Begin."""
        atexit.register(self._leave)
        self._thread.start()

    def run(self) -> None:
        """What the thread does."""
        try:
            document, result = execute(self._settings, self._points, watch=self._watch)
        except ProgramError as error:
            self._tell("refused", error)
            return
        self._tell("succeeded", document, result)

    def stop(self) -> None:
        """End at the best point so far, after the iteration that is under way."""
        self._stopping.set()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _live(self) -> None:
        try:
            self.run()
        finally:
            atexit.unregister(self._leave)
            self._tell("finished")

    def _leave(self) -> None:
        self.stop()
        self.wait(LEAVE)

    def _tell(self, signal: str, *what: Any) -> None:
        if isValid(self):  # else the window has gone, and nobody hears it
            getattr(self, signal).emit(*what)

    def _watch(self, iteration: int, cost: float, *_: Any) -> None:
        self._tell("progressed", iteration, cost)
        if self._stopping.is_set():
            raise StopOptimization
