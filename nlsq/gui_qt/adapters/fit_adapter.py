"""A fit beside the window, in a thread; its progress and its end come as signals."""

from __future__ import annotations

import threading
from typing import Any

from PySide6.QtCore import QObject, QThread, Signal

from nlsq.callbacks import StopOptimization
from nlsq.session.errors import ProgramError
from nlsq.session.points import Points
from nlsq.session.running import execute
from nlsq.session.settings import Settings


class FitWorker(QThread):
    """One fit.

    Signals
    -------
    progressed(int, float)
        Iteration and cost.
    succeeded(document, result)
    refused(ProgramError)
    """

    progressed = Signal(int, float)
    succeeded = Signal(object, object)
    refused = Signal(object)

    def __init__(self, settings: Settings, points: Points | None, parent: QObject | None = None):
        super().__init__(parent)
        self._settings, self._points = settings, points
        self._stopping = threading.Event()

    def run(self) -> None:
        """What the thread does."""
        try:
            document, result = execute(self._settings, self._points, watch=self._watch)
        except ProgramError as error:
            self.refused.emit(error)
            return
        self.succeeded.emit(document, result)

    def stop(self) -> None:
        """End at the best point so far, after the iteration that is under way."""
        self._stopping.set()

    def _watch(self, iteration: int, cost: float, *_: Any) -> None:
        self.progressed.emit(iteration, cost)
        if self._stopping.is_set():
            raise StopOptimization
