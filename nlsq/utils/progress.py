"""A progress bar for long work, on a terminal only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nlsq.config import get_memory_config

_PATIENCE = 0.5  # seconds before a bar appears


_listeners: list[Callable[[str, int, int | None], Any]] = []


@contextmanager
def heard(listener: Callable[[str, int, int | None], Any]) -> Iterator[None]:
    """In this block listener(title, done, total) hears of each update of a bar, seen or not."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


class ProgressLine:
    """A bar with rate and time left, on standard error, for work of more than half a second.

    Where standard error is no terminal and the line was asked for, a plain line is written when a
    piece of work is done.

    Parameters
    ----------
    show : bool or None
        None draws it only on a terminal, where `MemoryConfig.progress_reporting` allows it.
    """

    def __init__(self, show: bool | None):
        self._terminal = sys.stderr.isatty()
        wanted = self._terminal and get_memory_config().progress_reporting
        self.shown = wanted if show is None else bool(show)
        self._bar, self._name, self._line = None, None, ""
        self._born = self._last = time.monotonic()

    def update(self, title: str, done: int, total: int | None) -> None:
        """`done` of `total` (None where it is not known) of the work that `title` names.

        What follows two spaces in the title may change while the work goes on.
        """
        for listener in _listeners:
            listener(title, done, total)
        if not self.shown:
            return
        now, name = time.monotonic(), title.split("  ")[0]
        if name != self._name:
            self._write()
            self._name, self._began = name, self._last
            if self._bar is not None:
                self._bar.reset(self._task, total=total)
        self._last = now
        rate = f"{done / max(now - self._began, 1e-9):,.0f}/s"
        self._line = f"{title}: {done:,} done, {rate}"
        if not self._terminal:
            return
        if self._bar is None:
            if now - self._born < _PATIENCE:
                return
            self._bar = _rich_bar()
            self._task = self._bar.add_task(title, total=total, rate="")
            self._bar.start()
        self._bar.update(self._task, description=title, completed=done, total=total, rate=rate)

    def _write(self) -> None:
        if self._line and not self._terminal:
            print(self._line, file=sys.stderr, flush=True)
        self._line = ""

    def close(self) -> None:
        """Take the bar away, or write the last line."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        self._write()


def _rich_bar():
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


@contextmanager
def progress_bar(total: int, unit: str, show: bool | None) -> Iterator[Callable[[int], None]]:
    """Yield advance(k), which tells that k more of `total` are done; see `ProgressLine`."""
    line, done = ProgressLine(show), 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        line.update(unit, done, total)

    try:
        yield advance
    finally:
        line.close()
