"""Ctrl-C and SIGTERM, noted by the handler and read by the loops where they can stop.

An exception that a handler raises is lost where C code calls Python back (tracing, weak references,
`__del__`), and tears what it meets elsewhere: a library half imported ends in a crash. So inside
`deferred` a signal is a flag, and `check` raises where nothing is torn.

A program also calls `listen`. Its thread learns of a signal while the main thread is in C code (a
compiler, a reader), and ends the process where nothing would be lost by it.
"""

from __future__ import annotations

import _signal  # what `signal` wraps in enums, which cost a small fit a tenth of its time
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import socket

_heard: list[int] = []  # signals since the outermost block, or the program, began
_pending = False  # one of them was not acted upon yet
_failure: Exception | None = None  # what another thread learnt that ends the work
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
        Or the error of `fail`.
    """
    global _pending
    if _pending and _in_main_thread():
        _pending = False
        raise KeyboardInterrupt if _failure is None else _failure


def fail(error: Exception | None) -> None:
    """Let the main thread raise an error where it looks for signals; None takes it back."""
    global _pending, _failure
    if error is None and _failure is not None:
        _pending = False
    _failure = error
    _pending = _pending or error is not None


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


class deferred:
    """In this block, or this function, a signal is a flag; the second Ctrl-C raises at once.

    `check` reads the flag. Outside of the main thread, which alone gets signals, nothing changes.

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

    __slots__ = ("_before", "_former", "_numbers", "_tell", "_told")

    def __init__(self, *numbers: int, tell: Callable[[], None] | None = None):
        self._numbers, self._tell = numbers, tell

    def __call__(self, f: Callable) -> Callable:
        @functools.wraps(f)
        def inner(*args, **kwargs):
            with deferred(*self._numbers, tell=self._tell):
                return f(*args, **kwargs)

        return inner

    def __enter__(self) -> None:
        global _depth, _tell, _process
        self._before = -1  # nothing to take back
        if not _in_main_thread():
            return
        check()
        process = os.getpid()
        if _depth and not self._numbers and self._tell is None and _process == process:
            return  # all is set by the block around this one
        self._before, self._told, self._former = _depth, _tell, {}
        _depth, _tell, _process = _depth + 1, self._tell or _tell, process
        try:
            for number in (signal.SIGINT, *self._numbers):
                if _signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._former[number] = _signal.signal(number, _note)
            if self._tell is not None and _pending:  # it came a moment ago
                self._tell()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_) -> None:
        global _depth, _tell
        if self._before < 0:
            return
        try:
            for number, handler in self._former.items():
                if _signal.getsignal(number) is _note:  # a program that ends ignores it
                    _signal.signal(number, handler)
        finally:
            _depth, _tell = self._before, self._told
        if self._before == 0:
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
    import socket

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
