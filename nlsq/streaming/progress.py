"""One line on the terminal while a source is read: pass, points per second, cost, time left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from nlsq.core.loop.watch import as_callback
from nlsq.streaming.full_passes import Progress
from nlsq.utils.progress import ProgressLine


class PassDisplay(AbstractContextManager):
    """Shows the reading and the passes; silent unless asked, or on a terminal by default."""

    def __init__(self, n_points: int | None, show: bool | None):
        self._line = ProgressLine(show)
        self._n_points, self._read, self._cost = n_points, 0, ""

    def reading(self, count: int) -> None:
        """`count` more points were looked at."""
        self._read += count
        self._line.update("reading", self._read, self._n_points)

    def judging(self, done: int, total: int) -> None:
        """A batch of a tournament was judged."""
        self._line.update("tournament", done, total)

    def passing(self, progress: Progress) -> None:
        """A chunk of a pass was added."""
        title = f"pass {progress.number}{self._cost}"
        self._line.update(title, progress.points, progress.n_points)

    def watch(self, callback: Callable | None) -> Callable | None:
        """The user's callback, which also tells the line the cost."""
        if callback is None and not self._line.shown:
            return None
        user = None if callback is None else as_callback(callback)

        def see(iteration, cost, params, info):
            self._cost = f"  cost {cost:.6g}"
            return False if user is not None and user(iteration, cost, params, info) else None

        return see

    def __exit__(self, *exception) -> None:
        self._line.close()
