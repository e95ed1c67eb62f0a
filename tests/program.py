"""Runs the program `nlsq` as a user does: in a process of its own, piped or in a terminal."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

import nlsq
from tests import forked

ROOT = Path(nlsq.__file__).parent.parent


def environment(cache: Path, **more: str) -> dict[str, str]:
    """Variables for a run: compiled code in `cache`, which the suite switches off for itself."""
    own = {
        "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": f"{cache}-state",
        "JAX_PLATFORMS": "cpu", "PYTHONIOENCODING": "utf-8", "COLUMNS": "80",
    }  # fmt: skip
    inherited = {k: v for k, v in os.environ.items() if k != "NLSQ_DISABLE_PERSISTENT_CACHE"}
    return inherited | own | more


def command(*arguments: object) -> list[str]:
    """The command line of a run."""
    return [sys.executable, "-m", "nlsq.cli.main", *map(str, arguments)]


# Ctrl-C counts, also where the tests run in the background of a shell, which ignores it.
HEED = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
TAKE_TERMINAL = "import fcntl, termios\nfcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"


def heeding(*arguments: object, first: str = "") -> list[str]:
    """The command line of a run that heeds Ctrl-C; no hook of fork, which JAX warns of."""
    code = f"{first}{HEED}from nlsq.cli.main import main\nmain()"
    return [sys.executable, "-c", code, *map(str, arguments)]


@functools.cache
def place() -> str:
    """Where `tests.forked` listens, for this process and as long as it lives."""
    folder = tempfile.TemporaryDirectory()
    path = os.path.join(folder.name, "place")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forked", "serve", path], cwd=ROOT, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout.readline() == b"ready\n"

    @atexit.register
    def end():
        process.communicate(timeout=30)
        folder.cleanup()

    return path


def piped(arguments, cwd, env, stdin: bytes | None = None) -> subprocess.CompletedProcess:
    """Run without a terminal; output is text."""
    with contextlib.ExitStack() as opened:
        given, *shown = [opened.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        given.write(stdin or b"")
        given.seek(0)
        streams = [file.fileno() for file in (given, *shown)]
        code = forked.run(place(), list(map(str, arguments)), str(cwd), env, streams)
        for file in shown:
            file.seek(0)
        texts = [file.read().decode() for file in shown]
    return subprocess.CompletedProcess(arguments, code, *texts)


def in_terminal(arguments, cwd, env, until: str | None = None) -> tuple[int, str]:
    """Run in a pseudo-terminal of 100 columns; exit code and everything shown.

    until: interrupt (Ctrl-C) once this text has been shown.
    """
    env = {k: v for k, v in env.items() if k not in ("COLUMNS", "NO_COLOR")} | {"TERM": "xterm"}
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = subprocess.Popen(
        heeding(*arguments, first=TAKE_TERMINAL), cwd=cwd, env=env, stdin=follower,
        stdout=follower, stderr=follower,
        start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    shown = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
        if until is not None and until.encode() in shown:
            os.write(leader, b"\x03")
            until = None
    os.close(leader)
    return process.wait(timeout=300), shown.decode(errors="replace")
