"""Run a function of ours on a stranger's file in a child process that can do nothing but compute.

The child imports the function, binds itself (`nlsq.security.limits.confine`), and only then reads
its payload: the stranger's code never runs unbound, and never in the calling process. Payload and
answer are `nlsq.security.frames`, so an answer is data, whoever wrote it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

import numpy as np

import nlsq
from nlsq.security.bubblewrap import around
from nlsq.security.frames import Frame, receive
from nlsq.security.limits import Limits as Limits
from nlsq.security.limits import ResourceLimitError as ResourceLimitError
from nlsq.security.programs import Programs
from nlsq.utils import interruption
from nlsq.utils.input_error import harmless
from nlsq.utils.logging import get_logger
from nlsq.utils.safe_serialize import SafeSerializationError

_PACKAGE = Path(nlsq.__file__).parent
# The same nlsq as here, wherever it was found; all else from where Python is installed first.
_START = """
import importlib.util, json, signal, sys
package, path = json.loads(sys.argv[1])
sys.argv[1:] = []
sys.path += [p for p in path if p not in sys.path]
spec = importlib.util.spec_from_file_location(
    "nlsq", package + "/__init__.py", submodule_search_locations=[package])
signal.signal(signal.SIGINT, signal.default_int_handler)  # bubblewrap was told to ignore it
sys.modules["nlsq"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from nlsq.security.child import main
main()
"""
_VARIABLES = re.compile(
    r"(PATH|HOME|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|SYSTEMROOT|USERPROFILE|\w*LIBRARY_PATH|NLSQ_\w+"
    r"|JAX_\w+|XLA_\w+|OMP_\w+|OPENBLAS_\w+|MKL_\w+|VECLIB_\w+|NUMEXPR_\w+)\Z"
)
_SETTINGS = {
    "JAX_PLATFORMS": "cpu",  # other devices are opened for writing
    "JAX_ENABLE_COMPILATION_CACHE": "false",
    "NLSQ_DISABLE_PERSISTENT_CACHE": "1",
    "HDF5_USE_FILE_LOCKING": "FALSE",  # files are read only, and no lock is granted
    "MALLOC_ARENA_MAX": "2",  # else every thread reserves 64 MiB of address space
}
_MOST_OUTPUT = 1 << 20
_MEMORY_WORDS = re.compile(r"bad_alloc|out of memory|cannot allocate|RESOURCE_EXHAUSTED", re.I)
_TRUST = "or run the model outside the sandbox (trusted) if you know who wrote it"


class SandboxError(RuntimeError):
    """The function in the child failed, or the child itself.

    Parameters
    ----------
    message : str
        What happened.
    type_name : str
        Class name of the exception raised in the child, "" when the process itself failed.
    text : str
        Its message.
    frames : list of tuple
        Where it was raised outside of installed packages, innermost last: file, line, function and
        the text of the line.

    Examples
    --------
    >>> call("math:sqrt", {})
    Traceback (most recent call last):
    nlsq.security.sandbox.SandboxError: TypeError: must be real number, not dict
    """

    def __init__(
        self,
        message: str,
        type_name: str = "",
        text: str = "",
        frames: list[tuple[str, int, str, str]] | None = None,
    ):
        super().__init__(message)
        self.type_name, self.text, self.frames = type_name, text, frames or []

    def line_in(self, path: str | os.PathLike) -> int | None:
        """The line of a file that raised, None if it was raised elsewhere."""
        wanted = os.path.realpath(path)
        lines = [f[1] for f in self.frames if os.path.realpath(f[0]) == wanted]
        return lines[-1] if lines else None


def call(
    entry: str,
    payload: dict,
    *,
    limits: Limits | None = None,
    files: Iterable[str | os.PathLike] = (),
    bubblewrap: bool = False,
    programs: Programs | None = None,
) -> Any:
    """Run a trusted function on untrusted matter, in a confined child process.

    Parameters
    ----------
    entry : str
        ``"package.module:function"``, of one argument, the payload. Importing the module must not
        run strangers' code; the function may.
    payload : dict
        Anything that `nlsq.utils.safe_serialize` writes.
    limits : Limits, optional
        Memory, processor time, time on the clock; ``Limits()`` by default.
    files : iterable of path
        Files, and folders with all that is in them, that the function reads, such as the model
        file. Where the system can refuse it (Linux since 5.13), nothing else is read but Python
        and its packages.
    bubblewrap : bool
        Run the child inside bubblewrap as well, a second wall made of the kernel's namespaces.
    programs : Programs, optional
        Where what the child compiles is kept for the next one; without it each compiles anew.

    Returns
    -------
    object
        What the function returned, as far as data carry it.

    Raises
    ------
    SandboxError
        If the function raised, or the child ended or answered in no way it should.
    ResourceLimitError
        If it took more than the limits allow.
    SafeSerializationError
        If the payload cannot be sent.
    nlsq.utils.input_error.InputError
        If bubblewrap is asked for and not installed.
    KeyboardInterrupt
        At the second Ctrl-C. The first one interrupts the function, whose answer is waited for;
        this exception is raised as well when it has none.

    Notes
    -----
    What the child prints, to either stream, appears on standard error, without control characters.
    In a thread other than the main one Python delivers no signals, and Ctrl-C is not seen here.

    Examples
    --------
    >>> call("builtins:len", {"a": 1, "b": 2})
    2
    """
    bounds = limits or Limits()
    content: dict[str, Any] = {"value": payload}
    if programs is not None:
        content["programs"] = np.frombuffer(programs.load(), np.uint8)
    frames = [Frame(content)]
    order = {"entry": entry, "limits": dataclasses.asdict(bounds), "parent": os.getpid()}
    order |= {"files": [os.path.abspath(f) for f in files], "bubblewrap": bubblewrap}
    command = _command()
    if bubblewrap:
        command = around(command, order["files"], os.getcwd())
    child = _Child(bounds, command)
    value = child.run([Frame(order), *frames])
    compiled = child.answer.get("programs")
    if programs is not None and isinstance(compiled, np.ndarray) and compiled.dtype == np.uint8:
        programs.save(compiled.tobytes())
    return value


def _command() -> list[str]:
    here = os.getcwd()
    path = [p for p in sys.path if os.path.isabs(p) and p != here]
    if here in sys.path or "" in sys.path:
        path.append(here)
    start = json.dumps([str(_PACKAGE), path])
    return [sys.executable, "-I", "-B", "-c", _START, start]


class _Child:
    """One child process and the threads that serve its pipes."""

    def __init__(self, limits: Limits, command: list[str]):
        self.limits, self.command = limits, command
        self.done = threading.Event()
        self.answer: Any = None
        self.damage = ""
        self.tail = ""
        self.interrupts, self.told = 0, False
        self.ended_by = ""

    def run(self, frames: list[Frame]) -> Any:
        deadline = time.monotonic() + (self.limits.wall_seconds or float("inf"))
        before = interruption.worth_saving()  # the child may have something, and ends if not
        with interruption.deferred(tell=self._forward), self._process() as self.process:
            threads = [
                threading.Thread(target=target, args=args, daemon=True)
                for target, args in (
                    (self._write, (frames,)), (self._read, ()), (self._show, (sys.stderr,))
                )
            ]  # fmt: skip
            try:
                for thread in threads:
                    thread.start()
                if self.interrupts:  # before there was a child to tell
                    self._interrupt()
                self._wait(deadline)
            finally:
                if self.answer is None or self.ended_by:
                    self.process.kill()
                code = self.process.wait()
                threads[2].join(timeout=5)
            interruption.acted_upon()  # the child was told
            if self.answer is None:
                interruption.worth_saving(before)
        return self._result(code)

    @contextlib.contextmanager
    def _process(self) -> Iterator[subprocess.Popen]:
        environment = {k: v for k, v in os.environ.items() if _VARIABLES.match(k)} | _SETTINGS
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        # A group of its own: the terminal's Ctrl-C comes here, and is passed on once.
        group = {} if sys.platform == "win32" else {"process_group": 0}
        with _interrupts_blocked():
            process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, env=environment, bufsize=0, **group,
            )  # fmt: skip
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(OSError):
                    stream.close()

    def _write(self, frames: list[Frame]) -> None:
        with contextlib.suppress(OSError, ValueError):  # it ended early: its answer says why
            for frame in frames:
                frame.send(self.process.stdin.fileno())

    def _read(self) -> None:
        try:
            descriptor = self.process.stdout.fileno()
            self.answer = receive(descriptor, self.limits.answer_mb << 20)
        except EOFError:
            pass
        except (OSError, SafeSerializationError) as error:
            self.damage = str(error)
        finally:
            self.done.set()

    def _show(self, stream: IO[str] | None) -> None:
        shown = 0
        while data := _chunk(self.process.stderr):
            text = harmless(data.decode("utf-8", "replace"))
            self.tail = (self.tail + text)[-4000:]
            if shown < _MOST_OUTPUT and stream is not None:
                with contextlib.suppress(OSError, ValueError):
                    stream.write(text)
                    stream.flush()
                    if shown + len(data) >= _MOST_OUTPUT:
                        stream.write("\n[the model prints more; it is not shown]\n")
            shown += len(data)

    def _wait(self, deadline: float) -> None:
        # A wait is woken only by a signal that the kernel gives to this thread: look now and then.
        while not self.done.wait(min(0.2, max(deadline - time.monotonic(), 0))):
            if time.monotonic() >= deadline:
                self.ended_by = "time"
                return

    # -- signals ---------------------------------------------------------------------------------

    def _forward(self) -> None:
        self.interrupts += 1
        self._interrupt()

    def _interrupt(self) -> None:
        process = getattr(self, "process", None)
        if process is None or self.told or sys.platform == "win32":  # there the console tells both
            return
        if process.returncode is not None:  # its number may be another's by now
            return
        self.told = True
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGINT)

    # -- what came of it -------------------------------------------------------------------------

    def _result(self, code: int) -> Any:
        if self.ended_by == "time":
            self._exceeded("time", f"{self.limits.wall_seconds:g} s on the clock", "wall_seconds")
        if self.answer is None:
            self._no_answer(code)
        reply = self._reply()
        if "value" in reply:
            return reply["value"]
        error = reply["error"]
        name, text = error["type"], error["message"]
        if name == "KeyboardInterrupt":
            raise KeyboardInterrupt
        if name == "MemoryError" or _MEMORY_WORDS.search(text):
            self._exceeded("memory", f"{self.limits.memory_mb} MiB", "memory_mb")
        raise SandboxError(f"{name}: {text}", name, text, error["frames"])

    def _reply(self) -> dict:
        reply = self.answer
        try:
            if not isinstance(reply, dict):
                raise TypeError(f"it is {type(reply).__name__}")
            if "value" not in reply:
                error = reply["error"]
                frames = [
                    (harmless(f), int(n), harmless(g), harmless(t))
                    for f, n, g, t in error["frames"]
                ]
                kept = {name: harmless(error[name]) for name in ("type", "message")}
                reply = {"error": kept | {"frames": frames}}
        except (LookupError, TypeError, ValueError) as e:
            raise SandboxError(f"the answer of the sandbox is damaged: {str(e)[:200]}") from None
        return reply

    def _no_answer(self, code: int) -> NoReturn:
        if self.interrupts:
            raise KeyboardInterrupt
        if code == 0:  # it does not end so without an answer
            self.damage = self.damage or "it is cut short"
        if self.damage:
            raise SandboxError(f"the answer of the sandbox is damaged: {self.damage[:200]}")
        last = self.tail.strip().rpartition("\n")[2]
        name = _signal_name(128 - code if code > 128 else code)  # as bubblewrap says it
        if name == "SIGXCPU":
            seconds = f"{self.limits.cpu_seconds:g} s of processor time"
            self._exceeded("cpu", seconds, "cpu_seconds")
        if name == "SIGKILL" or _MEMORY_WORDS.search(self.tail):
            self._exceeded("memory", f"{self.limits.memory_mb} MiB", "memory_mb")
        if last.startswith("bwrap: "):
            raise SandboxError(
                f"bubblewrap cannot build its walls here ({last.removeprefix('bwrap: ')}); allow "
                "user namespaces on this system, or leave bubblewrap out"
            )
        how = f"by {name}" if name else f"with status {code}"
        raise SandboxError(f"the sandbox ended {how} without an answer{last and f': {last}'}")

    def _exceeded(self, limit: str, amount: str, option: str) -> NoReturn:
        get_logger("security").debug("the sandbox exceeded %s: %s", option, amount)
        message = f"the model took more than {amount}; raise {option}, {_TRUST}"
        raise ResourceLimitError(message, limit)


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """A process that begins here inherits it: no Ctrl-C tears it before it can take one."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _chunk(stream: IO[bytes]) -> bytes:
    try:
        return os.read(stream.fileno(), 1 << 16)
    except (OSError, ValueError):
        return b""


def _signal_name(code: int) -> str:
    try:
        return signal.Signals(-code).name if code < 0 else ""
    except ValueError:
        return f"signal {-code}"
