"""Ctrl-C and SIGTERM, noted by the handler and read by the loops where they can stop.

An exception that a handler raises is lost where C code calls Python back (tracing, weak references,
`__del__`), and tears what it meets elsewhere: a library half imported ends in a crash. So inside
`deferred` a signal is a flag, and `check` raises where nothing is torn.

A program also calls `listen`. Its thread learns of a signal while the main thread is in C code (a
compiler, a reader), and ends the process where nothing would be lost by it.
"""

from __future__ import annotations

import _signal  # what `signal` wraps in enums, which cost a small fit a tenth of its time
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

_heard: list[int] = []  # signals since the outermost block, or the program, began
_pending = False  # one of them was not acted upon yet
_depth = 0  # of blocks `deferred`
_worth = False  # whether there is something to save
_end: Callable[[int], NoReturn] | None = None  # how the program ends at once
_tell: Callable[[], None] | None = None  # who else is to know
_process = 0  # whose signals are noted; not those of the processes that it forks


def check() -> None:
    """Raise here, in the main thread, for a signal that came.

    Raises
    ------
    KeyboardInterrupt
    """
    global _pending
    if _pending and _in_main_thread():
        _pending = False
        raise KeyboardInterrupt


def acted_upon() -> None:
    """Take what was heard as dealt with: a result was reached that the signal only hastened."""
    global _pending
    if _in_main_thread():
        _pending = False


def heard(*numbers: int) -> bool:
    """Whether one of these signals, or any, came since the program or the outermost block began."""
    return any(number in _heard for number in numbers) if numbers else bool(_heard)


def worth_saving(found: bool = True) -> bool:
    """Say whether there is now something to save, for which an end waits; what held before.

    That there is nothing more only the main thread can know.
    """
    global _worth
    before = _worth
    if found or _in_main_thread():
        _worth = found
    return before


@contextmanager
def deferred(*numbers: int, tell: Callable[[], None] | None = None) -> Iterator[None]:
    """In this block a signal is a flag that `check` reads; the second Ctrl-C raises at once.

    Outside of the main thread, which alone gets signals, nothing is changed.

    Parameters
    ----------
    *numbers : int
        Signals to note beside SIGINT, where they have their default handler.
    tell : callable, optional
        Called in the main thread when one comes.

    Raises
    ------
    KeyboardInterrupt
        At the end of the outermost block, for a signal that nobody acted upon.
    """
    global _depth, _tell, _process
    if not _in_main_thread():
        yield
        return
    check()
    if _depth and not numbers and tell is None and _process == os.getpid():
        yield  # all is set by the block around this one
        return
    before, told = _depth, _tell
    former = {}
    _depth, _tell, _process = before + 1, tell or told, os.getpid()
    try:
        for number in (signal.SIGINT, *numbers):
            if _signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                former[number] = _signal.signal(number, _note)
        if tell is not None and _pending:  # it came a moment ago
            tell()
        yield
    finally:
        try:
            for number, handler in former.items():
                _signal.signal(number, handler)
        finally:
            _depth, _tell = before, told
        if before == 0:
            if _end is None:
                _heard.clear()
            check()


def listen(end: Callable[[int], NoReturn], *numbers: int) -> None:
    """Take signals over for the rest of this process; those that are ignored stay so.

    Parameters
    ----------
    end : callable
        ``end(number)`` ends the process. A thread calls it for a signal that comes inside
        `deferred` while there is nothing to save, and at the second Ctrl-C.
    """
    global _end, _process
    if not _in_main_thread():
        return
    ours, handlers = socket.socketpair()
    handlers.setblocking(False)
    signal.set_wakeup_fd(handlers.fileno(), warn_on_full_buffer=False)
    if hasattr(os, "register_at_fork"):  # a signal to a forked process is none to this one
        os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    _end, _process = end, os.getpid()
    listener = threading.Thread(target=_listen, args=(ours, handlers), daemon=True)
    listener.start()
    for number in numbers:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _note(number: int, frame: object) -> None:
    global _pending
    if number == signal.SIGTERM and os.getpid() != _process:  # how pools end their workers
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    _heard.append(number)
    _pending = True  # also where this raises: a callback may swallow it
    if _depth == 0 or (_end is None and _heard.count(signal.SIGINT) > 1):
        raise KeyboardInterrupt
    if _tell is not None:
        _tell()


def _listen(ours: socket.socket, _: socket.socket) -> None:
    # `read`, since a confined process may not `recv`; on Windows only that reads a socket
    read = ours.recv if sys.platform == "win32" else lambda n: os.read(ours.fileno(), n)
    interrupts = 0
    while number := read(1):
        came = number[0]
        interrupts += came == signal.SIGINT
        if came not in (signal.SIGINT, signal.SIGTERM) or _depth == 0:
            continue  # not ours, or the handler raises
        if not _worth or interrupts > 1:
            _end(came)
