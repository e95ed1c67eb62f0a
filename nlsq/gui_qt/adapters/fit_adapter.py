"""Fits and guesses beside the window, in threads; their ends come as signals."""

from __future__ import annotations

import atexit
import sys
import threading
from collections import deque
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal
from shiboken6 import isValid

from nlsq.callbacks import StopOptimization
from nlsq.session.errors import ProgramError
from nlsq.session.model import Start
from nlsq.session.points import Points
from nlsq.session.running import execute, guess_start
from nlsq.session.settings import Settings

LEAVE = 3.0  # seconds that a fit may take to its next iteration when the program ends
_TURN = 0.001  # s that Python in a fit may keep the window waiting, at each call of Qt
_LATEST = 500  # iterations that are told at once


class Worker(QObject):
    """What runs beside the window; subclasses say what in `work`.

    A thread of Python's, not a `QThread`: one that runs when the interpreter ends, because nobody
    closed the window or the model does not come back, is then left alone and not an abort.

    Signals
    -------
    succeeded(object, object)
        The pair that `work` returned.
    refused(ProgramError)
    finished()
        After one of these, and after an error of ours.
    """

    succeeded = Signal(object, object)
    refused = Signal(object)
    finished = Signal()

    def __init__(self, settings: Settings, points: Points | None, parent: QObject | None = None):
        super().__init__(parent)
        self._settings, self._points = settings, points
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="fit", daemon=True)

    def work(self) -> tuple[Any, Any]:
        """What the thread is for."""
        raise NotImplementedError

    def run(self) -> None:
        """What the thread does."""
        try:
            self._tell("succeeded", *self.work())
        except ProgramError as error:
            self._tell("refused", error)

    def start(self) -> None:
        """Begin."""
        atexit.register(self._leave)
        self._thread.start()

    def stop(self) -> None:
        """End at the best point so far, after the iteration that is under way."""
        self._stopping.set()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _live(self) -> None:
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_TURN)
        try:
            self.run()
        finally:
            sys.setswitchinterval(usual)
            atexit.unregister(self._leave)
            self._tell("finished")

    def _leave(self) -> None:
        self.stop()
        self.wait(LEAVE)

    def _tell(self, signal: str, *what: Any) -> None:
        if isValid(self):  # else the window has gone, and nobody hears it
            getattr(self, signal).emit(*what)


class FitWorker(Worker):
    """One fit; its pair is document and result."""

    def __init__(self, settings: Settings, points: Points | None, parent: QObject | None = None):
        super().__init__(settings, points, parent)
        self._progress: deque[tuple[int, float]] = deque(maxlen=_LATEST)

    def work(self) -> tuple[Any, Any]:
        return execute(self._settings, self._points, watch=self._watch)

    def take(self) -> list[tuple[int, float]]:
        """The latest iterations and costs since the last call.

        A signal for each one would crowd out what a person does.
        """
        return [self._progress.popleft() for _ in range(len(self._progress))]

    def _watch(self, iteration: int, cost: float, *_: Any) -> None:
        self._progress.append((iteration, float(cost)))
        if self._stopping.is_set():
            raise StopOptimization


class GuessWorker(Worker):
    """Where the model of a file begins, which only its code knows.

    Its pair is the `Start`, and the values of the model there at the points.
    """

    def work(self) -> tuple[Start, np.ndarray]:
        found = guess_start(self._settings, self._points)
        p0 = np.asarray(found["p0"], float)
        limits = np.full_like(p0, np.inf)
        start = Start(p0, -limits, limits, "guessed from the data")
        return start, np.asarray(found["values"], float)
