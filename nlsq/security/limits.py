"""Bounds on what a computation may take: for a while in this process, for good in a child."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from nlsq.security import reading, seccomp

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

_MEGABYTE = 1 << 20
_DEATH_SIGNAL = 1


class ResourceLimitError(RuntimeError):
    """A computation took more than it may.

    Parameters
    ----------
    message : str
        Which limit, and how to raise it.
    limit : str
        'memory', 'cpu' or 'time'.

    Examples
    --------
    >>> ResourceLimitError("more than 5 s", "time").limit
    'time'
    """

    def __init__(self, message: str, limit: str):
        super().__init__(message, limit)
        self.limit = limit

    def __str__(self) -> str:
        return self.args[0]


@dataclass(frozen=True)
class Limits:
    """What a child process may take; None for no limit.

    Parameters
    ----------
    memory_mb : int or None
        Memory it may ask for, MiB. Libraries and the stacks of threads are allowed for beside it.
    cpu_seconds : float or None
        Processor time of all its threads, s.
    wall_seconds : float or None
        Time on the clock, s.
    answer_mb : int
        The longest answer, MiB.

    Examples
    --------
    >>> Limits(wall_seconds=5).memory_mb
    4096
    """

    memory_mb: int | None = 4096
    cpu_seconds: float | None = 600.0
    wall_seconds: float | None = 600.0
    answer_mb: int = 1024

    def __post_init__(self):
        for name in ("memory_mb", "cpu_seconds", "wall_seconds", "answer_mb"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}={value!r} must be positive, or None for no limit")


@dataclass(frozen=True)
class Confinement:
    """What holds a process.

    Attributes
    ----------
    in_force : tuple of str
        'memory', 'cpu', 'files', 'core', 'privileges', 'syscalls', 'orphan', 'reading'; and
        'bubblewrap' where it was asked for.
    missing : dict of str to str
        What this system does not have, and why.
    """

    in_force: tuple[str, ...]
    missing: dict[str, str]


def _reserved() -> int:
    """Address space, bytes, that this process holds and that JAX and its threads will reserve.

    Hardly any of it is ever used. Measured on two cores: 0.2 GiB held at first, 0.7 in a fit.
    """
    try:
        held = _held()
    except (OSError, AttributeError):  # no /proc, no resource
        held = 0
    return held + (768 + 64 * (os.cpu_count() or 1)) * _MEGABYTE


def confine(
    limits: Limits, parent: int | None = None, files: Iterable[str | os.PathLike] = ()
) -> Confinement:
    """Bind the present process, for good: to be called in a child before strangers' code runs.

    Parameters
    ----------
    limits : Limits
        Bounds on memory and processor time; the parent sees to the clock.
    parent : int, optional
        Process id of the parent, with which this one shall end (Linux).
    files : iterable of path
        What may be read beside Python and its packages.

    Returns
    -------
    Confinement
        What is in force, and what is not on this system. Writing files, opening sockets, starting
        programs and raising the limits again are impossible where 'syscalls' is in force; without
        it 'files' still keeps files empty. Other files cannot be read where 'reading' is.
    """
    missing: dict[str, str] = {}
    in_force = []

    def record(name: str, reason: str | None) -> None:
        if reason is None:
            in_force.append(name)
        else:
            missing[name] = reason

    record("orphan", _die_with(parent))
    if limits.memory_mb is not None:
        most = _reserved() + int(limits.memory_mb) * _MEGABYTE
        record("memory", _limit("RLIMIT_AS", most, most))
    if limits.cpu_seconds is not None:
        seconds = math.ceil(limits.cpu_seconds)
        record("cpu", _limit("RLIMIT_CPU", seconds, seconds + 2))
    record("files", _limit("RLIMIT_FSIZE", 0, 0))
    record("core", _limit("RLIMIT_CORE", 0, 0))
    if sys.platform == "darwin":  # elsewhere it counts threads
        record("processes", _limit("RLIMIT_NPROC", 0, 0))
    record("reading", reading.install([*reading.python_files(), *files]))
    reason = seccomp.install()  # the last: the others need calls that it refuses
    record("syscalls", reason)
    record("privileges", reason)
    return Confinement(tuple(in_force), missing)


def _limit(name: str, soft: int, hard: int) -> str | None:
    kind = getattr(resource, name, None)
    if kind is None:
        return f"{sys.platform} has no {name}"
    ceiling = resource.getrlimit(kind)[1]
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    try:
        resource.setrlimit(kind, (soft, hard))
    except (ValueError, OSError) as error:
        return f"{name}: {error}"
    return None


def _die_with(parent: int | None) -> str | None:
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} has no PR_SET_PDEATHSIG"
    if parent is None:
        return "no parent was named"
    if ctypes.CDLL(None, use_errno=True).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0):
        return os.strerror(ctypes.get_errno())
    if os.getppid() != parent:  # it ended before the line above
        os._exit(1)
    return None


def _held() -> int:
    """Address space of this process, bytes (Linux)."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


@contextlib.contextmanager
def resource_limits(
    timeout: float | None = None, memory_mb: float | None = None
) -> Iterator[tuple[str, ...]]:
    """Limits on the present process while the block runs.

    Parameters
    ----------
    timeout : float, optional
        Seconds on the clock, by SIGALRM: in the main thread, not on Windows. A call into compiled
        code is interrupted when it comes back to Python.
    memory_mb : float, optional
        MiB that the block may ask for beside what the process holds already (POSIX).

    Yields
    ------
    tuple of str
        The limits in force: 'time', 'memory'.

    Raises
    ------
    ResourceLimitError
        If the block takes more; the former limits are restored.
    ValueError
        If a limit is not positive.

    Examples
    --------
    >>> with resource_limits(timeout=5):
    ...     total = sum(range(10))
    >>> total
    45
    """
    for name, value in (("timeout", timeout), ("memory_mb", memory_mb)):
        if value is not None and not value > 0:
            raise ValueError(f"{name}={value!r} must be positive, or None for no limit")
    with contextlib.ExitStack() as stack:
        in_force: list[str] = []
        if timeout is not None and _timer(stack, timeout):
            in_force.append("time")
        if memory_mb is not None and _memory(stack, memory_mb):
            in_force.append("memory")
        try:
            yield tuple(in_force)
        except MemoryError as error:
            if "memory" not in in_force:
                raise
            message = f"the computation needs more than {memory_mb:g} MiB; raise memory_mb"
            raise ResourceLimitError(message, "memory") from error


def _timer(stack: contextlib.ExitStack, timeout: float) -> bool:
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        return False

    def ring(*_: Any) -> None:
        raise ResourceLimitError(f"it took more than {timeout:g} s; raise timeout", "time")

    handler = signal.signal(signal.SIGALRM, ring)
    start = time.monotonic()
    rest, interval = signal.setitimer(signal.ITIMER_REAL, timeout)

    def restore() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if rest:  # an outer block's timer, which went on meanwhile
            left = max(rest - (time.monotonic() - start), 1e-3)
            signal.setitimer(signal.ITIMER_REAL, left, interval)

    stack.callback(restore)
    return True


def _memory(stack: contextlib.ExitStack, memory_mb: float) -> bool:
    if resource is None or not sys.platform.startswith("linux"):
        return False
    held = _held()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = held + int(memory_mb * _MEGABYTE)
    for bound in (soft, hard):
        if bound != resource.RLIM_INFINITY:
            most = min(most, bound)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    stack.callback(resource.setrlimit, resource.RLIMIT_AS, (soft, hard))
    return True
