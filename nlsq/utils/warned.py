"""What a call warns of, kept instead of shown, in one of several threads.

`warnings.catch_warnings` puts back what it found, which of two calls at once may be the other's.
Here the first to come changes the filters of the process, and the last to leave puts them back.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_lock = threading.Lock()
_kept: dict[int, list[warnings.WarningMessage]] = {}  # by thread
_changed = ExitStack()


@contextmanager
def kept_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """The list of what this thread warns of, which is not shown.

    Examples
    --------
    >>> with kept_warnings() as notes:
    ...     warnings.warn("far away")
    >>> [str(note.message) for note in notes]
    ['far away']
    """
    notes: list[warnings.WarningMessage] = []
    thread = threading.get_ident()
    with _lock:
        if not _kept:
            _changed.enter_context(warnings.catch_warnings())
            warnings.simplefilter("always")
            warnings.showwarning = _for_others(warnings.showwarning)
        outer = _kept.get(thread)
        _kept[thread] = notes
    try:
        yield notes
    finally:
        with _lock:
            if outer is None:
                del _kept[thread]
            else:
                _kept[thread] = outer
            if not _kept:
                _changed.close()


def _for_others(show: Any) -> Any:
    """What keeps a warning of a thread that has a list, and shows any other."""

    def keep(message, category, filename, lineno, file=None, line=None) -> None:
        notes = _kept.get(threading.get_ident())
        if notes is None:
            show(message, category, filename, lineno, file, line)
        else:
            notes.append(warnings.WarningMessage(message, category, filename, lineno, file, line))

    return keep
