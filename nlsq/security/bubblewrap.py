"""A second wall around the child, where the program bubblewrap is installed (``bwrap``, Linux).

It gives the child a file system in which there is only what it may read, and no network, users or
processes but its own: a wall of the kernel's namespaces, which does not depend on ours.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence

from nlsq.security.reading import python_files
from nlsq.utils.input_error import InputError

# bwrap leaves Ctrl-C to the child, which comes to it as to any process of its group.
_UNINTERRUPTED = ("/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh")


def around(
    command: Sequence[str], files: Iterable[str | os.PathLike], folder: str | os.PathLike
) -> list[str]:
    """The command line that runs a command of Python's inside bubblewrap.

    Parameters
    ----------
    command : sequence of str
        What is run.
    files : iterable of path
        What it may read beside Python and its packages.
    folder : path
        Its working directory, in which it sees nothing else.

    Raises
    ------
    nlsq.utils.input_error.InputError
        If bubblewrap is not installed.

    Examples
    --------
    >>> around([sys.executable, "-V"], ["model.py"], "/tmp")[4:7]  # doctest: +SKIP
    ['/usr/bin/bwrap', '--unshare-all', '--die-with-parent']
    """
    program = shutil.which("bwrap") if sys.platform.startswith("linux") else None
    if program is None:
        raise InputError(
            "bubblewrap is not installed: there is no program bwrap on the path.",
            "Install the package bubblewrap (Linux), or leave bubblewrap out.",
        )
    folder = os.path.abspath(folder)
    made = ["--tmpfs", "/tmp", "--dir", folder]
    for path in [*python_files(), *map(os.path.abspath, files)]:
        for place in dict.fromkeys((path, os.path.realpath(path))):
            if not place.startswith(("/proc/", "/dev/")):
                made += ["--ro-bind-try", place, place]
    made += ["--proc", "/proc", "--dev", "/dev", "--chdir", folder]
    walls = ("--unshare-all", "--die-with-parent", "--cap-drop", "ALL")
    return [*_UNINTERRUPTED, program, *walls, *made, "--", *command]
