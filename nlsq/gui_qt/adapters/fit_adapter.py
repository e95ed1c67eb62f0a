"""Work beside the window: fits in a process apart, questions in a thread; ends come as signals."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal
from shiboken6 import isValid

from nlsq.callbacks import StopOptimization
from nlsq.session.apart import Call
from nlsq.utils.input_error import InputError

_LATEST = 500  # iterations that are told at once
_USUAL, _TURN = sys.getswitchinterval(), 0.0005  # s that the window waits at each call of Qt


class Beside(QObject):
    """What a thread does, one of Python's and not a `QThread`, which must not outlive its owner.

    Signals
    -------
    answered(object)
        What `work` returned, or its `InputError`; None where it was stopped, or failed. It is
        deleted after that.
    """

    answered, _done = Signal(object), Signal()

    def __init__(self, parent: QObject | None, **slots: Callable):
        super().__init__(parent)
        for signal, slot in slots.items():
            getattr(self, signal).connect(slot)
        self._done.connect(self.deleteLater)
        self._thread = threading.Thread(target=self._live, name="beside the window", daemon=True)

    def work(self) -> Any:
        """What the thread does."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Whether it has ended by then."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def tell(self, signal: str, *what: Any) -> None:
        """Emit a signal."""
        if isValid(self):  # else the window has gone, and nobody hears it
            getattr(self, signal).emit(*what)

    def _live(self) -> None:
        answer = None
        try:
            answer = self.work()
        except InputError as error:
            answer = error
        finally:
            self.tell("answered", answer)
            self.tell("_done")


class Worker(Beside):
    """A call of another process, for whose answer the thread waits.

    Parameters
    ----------
    make : callable
        ``make(told)`` is the call, which tells lists of what goes on.

    Attributes
    ----------
    stage : tuple or None
        Title, done and total of what is long.
    rows : dict of int to dict
        What is known of each group, by its place.
    """

    def __init__(self, make: Callable[[Callable[[list], None]], Call], parent: QObject, **slots):
        super().__init__(parent, **slots)
        self.stage: tuple[str, int, int | None] | None = None
        self.rows: dict[int, dict[str, Any]] = {}
        self._progress: deque[tuple[int, float]] = deque(maxlen=_LATEST)
        self._call = make(self._told)

    def work(self) -> Any:
        return self._call.run()

    def take(self) -> list[tuple[int, float]]:
        """The latest iterations and costs since the last call.

        A signal for each one would crowd out what a person does.
        """
        return [self._progress.popleft() for _ in range(len(self._progress))]

    def stop(self) -> None:
        """End at the best point so far, after the iteration that is under way."""
        self._call.stop()

    def kill(self) -> None:
        """End without a result, at once."""
        self._call.kill()

    def _told(self, items: list[tuple]) -> None:
        for item in items:
            if len(item) == 3:
                title, done, total = item
                self.stage = title, done + len(self.rows), total
            elif isinstance(item[1], dict):
                self.rows.update([item])
            else:
                self._progress.append(item)


class Question(Beside):
    """``question(watch, tell)``, where `watch` raises once it is to stop; it begins at once.

    Signals
    -------
    told(object)
        What it tells meanwhile.
    """

    told = Signal(object)

    def __init__(self, question: Callable[..., Any], parent: QObject, **slots: Callable):
        super().__init__(parent, **slots)
        self._question, self._stopping = question, threading.Event()
        self.start()

    def work(self) -> Any:
        sys.setswitchinterval(_TURN)
        try:
            return self._question(self._watch, lambda it: self.tell("told", it))
        except StopOptimization:
            return None
        finally:
            sys.setswitchinterval(_USUAL)

    def stop(self) -> None:
        """End it at its next look."""
        self._stopping.set()

    def _watch(self) -> None:
        if self._stopping.is_set():
            raise StopOptimization
