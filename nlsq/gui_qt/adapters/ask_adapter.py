"""Questions about a finished fit, answered in a thread beside the window."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal
from shiboken6 import isValid

from nlsq.callbacks import StopOptimization
from nlsq.utils.input_error import InputError

_USUAL, _TURN = sys.getswitchinterval(), 0.0005  # s that the window waits at each call of Qt


class Question(QObject):
    """``question(watch, tell)``, where `watch` raises once it is to stop; it begins at once.

    Signals
    -------
    told(object)
        What it tells meanwhile.
    answered(object)
        What it returned, or its `InputError`; None where it was stopped or failed.
    """

    told, answered, _done = Signal(object), Signal(object), Signal()

    def __init__(self, question: Callable[..., Any], parent: QObject, **slots: Callable):
        super().__init__(parent)
        self._question, self._stopping = question, threading.Event()
        for signal, slot in slots.items():
            getattr(self, signal).connect(slot)
        self._done.connect(self.deleteLater)
        self._thread = threading.Thread(target=self._live, name="question", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it at its next look."""
        self._stopping.set()

    def wait(self, seconds: float) -> None:
        """Until it is answered, or as long."""
        self._thread.join(seconds)

    def _live(self) -> None:
        sys.setswitchinterval(_TURN)
        answer = None
        try:
            answer = self._question(self._watch, lambda it: self._say("told", it))
        except StopOptimization:
            pass
        except InputError as error:
            answer = error
        finally:
            sys.setswitchinterval(_USUAL)
            self._say("answered", answer)
            self._say("_done")

    def _watch(self) -> None:
        if self._stopping.is_set():
            raise StopOptimization

    def _say(self, signal: str, *what: Any) -> None:
        if isValid(self):  # else the window has gone, and nobody hears it
            getattr(self, signal).emit(*what)
