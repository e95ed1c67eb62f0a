"""The other end of `nlsq.security.sandbox.call`: what runs in the child process.

Frames go over the standard streams, which are moved out of the way before anything else: what is
printed goes to standard error.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
import signal
import sys
import threading
import traceback
from typing import Any, NoReturn

import numpy as np

from nlsq.security.frames import Frame, receive
from nlsq.security.limits import Confinement, Limits, confine
from nlsq.security.programs import MOST
from nlsq.utils import interruption
from nlsq.utils.kept import Kept, keep_in_memory

_confinement = Confinement((), {})


def held(_: dict) -> dict:
    """An entry that tells what holds the child."""
    return dataclasses.asdict(_confinement)


def main() -> NoReturn:
    """Read the order, confine, run it, answer; never return."""
    source, answer = streams()
    interruption.listen(lambda number: os._exit(1), signal.SIGINT)
    try:
        value, kept = _run(source)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # there is an answer
        frame = Frame({"value": value} | _compiled(kept))
    except BaseException as error:  # whatever a stranger's code raises is the answer
        frame = Frame({"error": _described(error)})
    with contextlib.suppress(OSError):
        frame.send(answer)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)  # threads of libraries and a stranger's exit handlers are not waited for


def streams() -> tuple[int, int]:
    """Copies of standard input and output; what is printed goes to standard error from now on."""
    source, answer = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (source, answer):
            msvcrt.setmode(descriptor, os.O_BINARY)  # type: ignore[attr-defined]
    return source, answer


def _run(source: int) -> tuple[Any, Kept | None]:
    """The function's value, and the programs it may keep."""
    global _confinement
    with interruption.deferred():  # an import is not torn
        if hasattr(signal, "pthread_sigmask"):  # blocked by the parent until it can be taken
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        order = receive(source, 1 << 20)
        module, name = order["entry"].split(":")
        function = getattr(importlib.import_module(module), name)
        parent = None if order["bubblewrap"] else order["parent"]  # which has another number inside
        _confinement = confine(Limits(**order["limits"]), parent, order["files"])
        if order["bubblewrap"]:
            _confinement.missing.pop("orphan", None)  # it ends with bubblewrap
            walls = (*_confinement.in_force, "orphan", "bubblewrap")
            _confinement = Confinement(walls, _confinement.missing)
        payload = receive(source, 1 << 40)
    kept = keep_in_memory(payload["programs"].tobytes()) if "programs" in payload else None
    threading.Thread(target=_watch, args=(source,), daemon=True).start()
    return function(payload["value"]), kept


def _compiled(kept: Kept | None) -> dict[str, np.ndarray]:
    """The part of the answer for `nlsq.security.programs`."""
    packed = kept.packed() if kept is not None and kept.grown else b""
    return {"programs": np.frombuffer(packed, np.uint8)} if 0 < len(packed) <= MOST else {}


def _watch(source: int) -> None:
    """End with the parent: its end of the pipe closes."""
    while os.read(source, 4096):
        pass
    os._exit(1)


def _described(error: BaseException) -> dict[str, Any]:
    """An exception as data; its own methods may be a stranger's."""
    kind = type(error)
    try:
        message = str(error)
    except BaseException:
        message = ""
    frames = [
        [frame.filename, frame.lineno or 0, frame.name, frame.line or ""]
        for frame in traceback.extract_tb(error.__traceback__)
        if not _ours(frame.filename)
    ]
    if isinstance(error, SyntaxError):
        frames.append([str(error.filename), error.lineno or 0, "", str(error.text or "").strip()])
    return {"type": str(kind.__name__), "message": str(message)[:20000], "frames": frames[-20:]}


def _ours(filename: str) -> bool:
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    installed = f"{os.sep}site-packages{os.sep}" in filename
    standard = filename.startswith((os.path.dirname(os.__file__), "<frozen"))
    return installed or standard or filename.startswith(package + os.sep)
