"""How long a window was frozen at most: the longest gap between two turns of its event loop."""

from __future__ import annotations

import time
from pathlib import Path

from PySide6.QtCore import Qt, QTimer

_QUEUED = Path("/proc/thread-self/schedstat")  # nanoseconds that the thread waited for a processor


class Watchdog(QTimer):
    """Watch the loop of this thread in a ``with`` block.

    Attributes
    ----------
    gaps : list of float
        Seconds between two turns. Where the system tells it, without the time that other programs
        had the processor, which on a loaded machine is most of it.
    """

    def __init__(self):
        super().__init__(interval=2, timerType=Qt.TimerType.PreciseTimer)
        self.timeout.connect(self._turn)
        self.gaps: list[float] = []

    @property
    def longest(self) -> float:
        """The longest gap, in seconds."""
        return max(self.gaps)

    def __enter__(self) -> Watchdog:
        self._queued = _QUEUED.open() if _QUEUED.exists() else None
        self._last = self._now()
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self._turn()
        self.stop()
        if self._queued is not None:
            self._queued.close()

    def _now(self) -> float:
        if self._queued is None:
            return time.perf_counter()
        self._queued.seek(0)
        return time.perf_counter() - int(self._queued.read().split()[1]) / 1e9

    def _turn(self) -> None:
        now = self._now()
        self.gaps.append(now - self._last)
        self._last = now
