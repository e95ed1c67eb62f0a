"""A fit beside the window, in a thread; its progress and its end come as signals."""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, QThread, Signal

from nlsq.callbacks import StopOptimization
from nlsq.session.errors import ProgramError
from nlsq.session.model import Start
from nlsq.session.points import Points
from nlsq.session.running import execute, guess_start
from nlsq.session.settings import Settings

_TURN = 0.001  # s that Python in a fit may keep the window waiting, at each call of Qt
_LATEST = 500  # iterations that are told at once


class FitWorker(QThread):
    """One fit.

    Signals
    -------
    succeeded(document, result)
    refused(ProgramError)
    """

    succeeded = Signal(object, object)
    refused = Signal(object)

    def __init__(self, settings: Settings, points: Points | None, parent: QObject | None = None):
        super().__init__(parent)
        self._settings, self._points = settings, points
        self._stopping = threading.Event()
        self._progress: deque[tuple[int, float]] = deque(maxlen=_LATEST)

    def run(self) -> None:
        """What the thread does."""
        usual = sys.getswitchinterval()
        sys.setswitchinterval(_TURN)
        try:
            document, result = execute(self._settings, self._points, watch=self._watch)
        except ProgramError as error:
            self.refused.emit(error)
            return
        finally:
            sys.setswitchinterval(usual)
        self.succeeded.emit(document, result)

    def stop(self) -> None:
        """End at the best point so far, after the iteration that is under way."""
        self._stopping.set()

    def take(self) -> list[tuple[int, float]]:
        """The latest iterations and costs since the last call.

        A signal for each one would crowd out what a person does.
        """
        return [self._progress.popleft() for _ in range(len(self._progress))]

    def _watch(self, iteration: int, cost: float, *_: Any) -> None:
        self._progress.append((iteration, float(cost)))
        if self._stopping.is_set():
            raise StopOptimization


class GuessWorker(QThread):
    """Where the model of a file begins, which only its code knows.

    Signals
    -------
    succeeded(Start, values)
        values: of the model at the points.
    refused(ProgramError)
    """

    succeeded = Signal(object, object)
    refused = Signal(object)

    def __init__(self, settings: Settings, points: Points, parent: QObject | None = None):
        super().__init__(parent)
        self._settings, self._points = settings, points

    def run(self) -> None:
        """What the thread does."""
        try:
            found = guess_start(self._settings, self._points)
        except ProgramError as error:
            self.refused.emit(error)
            return
        p0 = np.asarray(found["p0"], float)
        limits = np.full_like(p0, np.inf)
        start = Start(p0, -limits, limits, "guessed from the data")
        self.succeeded.emit(start, np.asarray(found["values"], float))
