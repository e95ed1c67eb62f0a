"""How the program ends at a signal: at once while there is nothing to save, else with what is.

See `nlsq.utils.interruption`. SIGTERM is what batch systems send before they end a job.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import NoReturn

from nlsq.utils import interruption

SIGNALS = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED, TERMINATED = 130, 75  # exit codes

way_on = ""  #: what the user can do next when a fit ends before there is a result


def terminated() -> bool:
    """Whether SIGTERM came."""
    return interruption.heard(signal.SIGTERM)


def listen() -> None:
    """Heed signals from now on; the program runs inside `interruption.deferred`."""
    interruption.listen(_end, *SIGNALS)


def finish() -> None:
    """Ignore signals: what is left is the end of the process."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    interruption.acted_upon()  # also what came just before


def farewell(was_terminated: bool) -> tuple[str, str, int]:
    """Message, remedy and exit code where there is no result."""
    if was_terminated:
        return "Terminated before there was a result.", way_on, TERMINATED
    return "Interrupted.", "", INTERRUPTED


def _end(number: int) -> NoReturn:
    # From a thread, whatever the main one does: no exit handlers, no buffers, no destructors.
    message, fix, code = farewell(number == signal.SIGTERM)
    cursor = "\r\x1b[K\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides it
    text = f"{cursor}Error: {message}\n" + (f"  {fix}\n" if fix else "")
    os.write(2, text.encode("ascii", "replace"))
    os._exit(code)
