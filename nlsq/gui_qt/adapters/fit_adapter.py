"""Fits and guesses beside the window, each in a process apart; their ends come as signals."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import numpy as np
from PySide6.QtCore import QObject, Signal
from shiboken6 import isValid

from nlsq.session import apart
from nlsq.session.model import Start
from nlsq.session.points import Points
from nlsq.session.settings import Settings
from nlsq.utils.input_error import InputError

_LATEST = 500  # iterations that are told at once


class Worker(QObject):
    """What runs beside the window; subclasses say what in `call`.

    Its thread, one of Python's and not a `QThread`, which must not outlive its owner, only waits
    for what another process answers.

    Signals
    -------
    succeeded(object, object)
        The pair that `answer` makes of what the call returned.
    refused(InputError)
    finished()
        After one of these, and after an error of ours.

    Attributes
    ----------
    stage : tuple or None
        Title, done and total of what is long.
    rows : dict of int to dict
        What is known of each group, by its place.
    """

    succeeded = Signal(object, object)
    refused = Signal(object)
    finished = Signal()

    def __init__(self, settings: Settings, points: Points | None, parent: QObject | None = None):
        super().__init__(parent)
        self.stage: tuple[str, int, int | None] | None = None
        self.rows: dict[int, dict[str, Any]] = {}
        self._progress: deque[tuple[int, float]] = deque(maxlen=_LATEST)
        self._call = self.call(settings, points)
        self._thread = threading.Thread(target=self._live, name="fit", daemon=True)

    def call(self, settings: Settings, points: Points | None) -> apart.Call:
        """What the process is for."""
        raise NotImplementedError

    def answer(self, found: Any) -> tuple[Any, Any]:
        """The pair of what was found."""
        return found

    def run(self) -> None:
        """What the thread does."""
        try:
            self._tell("succeeded", *self.answer(self._call.run()))
        except InputError as error:
            self._tell("refused", error)

    def take(self) -> list[tuple[int, float]]:
        """The latest iterations and costs since the last call.

        A signal for each one would crowd out what a person does.
        """
        return [self._progress.popleft() for _ in range(len(self._progress))]

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End at the best point so far, after the iteration that is under way."""
        self._call.stop()

    def kill(self) -> None:
        """End without a result, at once."""
        self._call.kill()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def told(self, items: list[tuple]) -> None:
        """Take what the other process tells."""
        for item in items:
            if len(item) == 3:
                title, done, total = item
                self.stage = title, done + len(self.rows), total
            elif isinstance(item[1], dict):
                self.rows.update([item])
            else:
                self._progress.append(item)

    def _live(self) -> None:
        try:
            self.run()
        finally:
            self._tell("finished")

    def _tell(self, signal: str, *what: Any) -> None:
        if isValid(self):  # else the window has gone, and nobody hears it
            getattr(self, signal).emit(*what)


class FitWorker(Worker):
    """One fit; its pair is document and result."""

    def call(self, settings: Settings, points: Points | None) -> apart.Call:
        return apart.fit(settings, points, self.told)


class GroupsWorker(Worker):
    """The fits of all groups; its pair is whether it came to the end, and nothing."""

    def call(self, settings: Settings, points: Points | None) -> apart.Call:
        return apart.fit_groups(settings, self.told)

    def answer(self, found: Any) -> tuple[Any, Any]:
        return found, None


class GuessWorker(Worker):
    """Where the model of a file begins, which only its code knows.

    Its pair is the `Start`, and the values of the model there at the points.
    """

    def call(self, settings: Settings, points: Points | None) -> apart.Call:
        return apart.guess(settings, points)

    def answer(self, found: Any) -> tuple[Start, np.ndarray]:
        p0 = np.asarray(found["p0"], float)
        limits = np.full_like(p0, np.inf)
        start = Start(p0, -limits, limits, "guessed from the data")
        return start, np.asarray(found["values"], float)
