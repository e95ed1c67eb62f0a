"""What a confined process may read: Python, its packages, and the files it was given; no others.

On Linux since 5.13 the kernel (Landlock) refuses to open anything else, whoever asks for it: a
model that got past every list finds neither the user's files nor those of other processes. It
cannot be taken off.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT, _VERSION, _BENEATH = 444, 445, 446, 1, 1  # all machines have these
_READ_FILE, _READ_FOLDER = 1 << 2, 1 << 3
_HANDLED = (1 << 13) - 1  # every right of the first version, reading among them
_NO_NEW_PRIVS = 38
# What libraries ask the system for: shared libraries, time zones, processors, memory.
_SYSTEM = """
    /lib /lib64 /usr/lib /usr/lib64 /usr/local/lib /usr/share/zoneinfo /etc/localtime
    /etc/ld.so.cache /etc/ld.so.conf /etc/ld.so.conf.d /proc/self /proc/cpuinfo /proc/meminfo
    /proc/stat /proc/filesystems /proc/sys/vm/overcommit_memory /sys/devices/system
    /sys/fs/cgroup /sys/kernel/mm/transparent_hugepage /dev/null /dev/zero /dev/random /dev/urandom
""".split()
_INSTALLED = ("site-packages", "dist-packages")


def python_files() -> list[str]:
    """Folders and files without which Python and its packages do not run.

    Folders of the search path count where packages are installed; a folder that somebody works in
    does not, though it may be on the path.
    """
    found = [*_SYSTEM, sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.__file__)]
    found.append(str(Path(__file__).parent.parent))
    for entry in sys.path:
        holds = any(os.path.isdir(os.path.join(entry, name)) for name in ("numpy", "jax"))
        if os.path.isabs(entry) and (os.path.basename(entry) in _INSTALLED or holds):
            found.append(entry)
    return list(dict.fromkeys(path for path in found if os.path.exists(path)))


def version() -> int:
    """The kernel's version of Landlock, 0 where there is none."""
    if not sys.platform.startswith("linux"):
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION))


def install(paths: Iterable[str | os.PathLike]) -> str | None:
    """Let this thread, and those it starts, read below these paths only; None, or why not.

    Raises
    ------
    OSError
        A path cannot be looked at.
    """
    if not version():
        return f"no Landlock in this system ({sys.platform})"
    libc = ctypes.CDLL(None, use_errno=True)
    handled = ctypes.c_uint64(_HANDLED)
    rules = libc.syscall(_CREATE, ctypes.byref(handled), ctypes.c_size_t(8), 0)
    if rules < 0:
        return f"Landlock: {os.strerror(ctypes.get_errno())}"
    try:
        for path in paths:
            _allow(libc, rules, path)
        done = not libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) and not libc.syscall(_RESTRICT, rules, 0)
        return None if done else f"Landlock: {os.strerror(ctypes.get_errno())}"
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str | os.PathLike) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:  # nothing to read there, and nothing to come
        return
    try:
        rights = _READ_FILE | (_READ_FOLDER if os.path.isdir(path) else 0)
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, place))
        if libc.syscall(_ADD, rules, _BENEATH, rule, 0):
            number = ctypes.get_errno()
            if number != errno.EINVAL:  # a pipe or another thing that is no file
                raise OSError(number, os.strerror(number), os.fspath(path))
    finally:
        os.close(place)
