"""Questions about a finished fit, answered in a thread beside the window."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Signal
from shiboken6 import isValid

from nlsq.callbacks import StopOptimization
from nlsq.utils.input_error import InputError


class Question(QObject):
    """``question(watch, tell)``, where `watch` raises once it is to stop; it begins at once.

    Signals
    -------
    told, answered, refused(object)
        What it tells meanwhile; what it returned (None where it was stopped); its `InputError`.
    """

    told, answered, refused = Signal(object), Signal(object), Signal(object)
    _done = Signal()

    def __init__(self, question: Callable[..., Any], parent: QObject, **slots: Callable):
        super().__init__(parent)
        self._question, self._stopping = question, threading.Event()
        for signal, slot in slots.items():
            getattr(self, signal).connect(slot)
        self._done.connect(self.deleteLater)
        threading.Thread(target=self._live, name="question", daemon=True).start()

    def stop(self) -> None:
        """End it at its next look."""
        self._stopping.set()

    def _live(self) -> None:
        try:
            self._say("answered", self._question(self._watch, lambda it: self._say("told", it)))
        except StopOptimization:
            self._say("answered", None)
        except InputError as error:
            self._say("refused", error)
        finally:
            self._say("_done")

    def _watch(self) -> None:
        if self._stopping.is_set():
            raise StopOptimization

    def _say(self, signal: str, *what: Any) -> None:
        if isValid(self):  # else the window has gone, and nobody hears it
            getattr(self, signal).emit(*what)
