"""A progress bar for long work, on a terminal only."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_PATIENCE = 0.5  # seconds before a bar appears


@contextmanager
def progress_bar(total: int, unit: str, show: bool | None) -> Iterator[Callable[[int], None]]:
    """Yield advance(k), which tells that k more of `total` are done.

    The bar, with rate and time left, is drawn on standard error when the work takes more than half
    a second; `show` None draws it only where that is a terminal.
    """
    if show is None:
        show = sys.stderr.isatty()
    if not show:
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn(unit),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(unit, total=total, rate="")
    began, drawn, done = time.monotonic(), False, 0

    def advance(count: int) -> None:
        nonlocal drawn, done
        done += count
        elapsed = time.monotonic() - began
        if not drawn and elapsed > _PATIENCE:
            bar.start()
            drawn = True
        bar.update(task, completed=done, rate=f"{done / max(elapsed, 1e-9):,.0f}/s")

    try:
        yield advance
    finally:
        if drawn:
            bar.stop()
