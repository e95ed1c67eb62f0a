"""SIGTERM, which batch systems send before they end a job."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Termination:
    """Whether SIGTERM came, and whether it still interrupts."""

    happened, interrupts = False, True


@contextmanager
def terminable() -> Iterator[Termination]:
    """SIGTERM ends a fit as Ctrl-C does: with the best so far, which can still be saved."""
    state = Termination()
    if threading.current_thread() is not threading.main_thread():
        yield state
        return

    def interrupt(number, frame):
        state.happened = True
        if state.interrupts:
            raise KeyboardInterrupt("SIGTERM")

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield state
    finally:
        signal.signal(signal.SIGTERM, before)
