"""Work in a process of its own, which stays for the next: a window beside it never waits for it.

A thread would hold Python's lock while it loads and traces, could not be ended, and would take the
window down where it fails in C. Both ends run our code for one user, so pickles go between them; a
file that is not trusted is confined from the process that fits as it is from any other.
"""

from __future__ import annotations

import _thread
import atexit
import json
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from nlsq.session.errors import ProgramError
from nlsq.session.handover import SENT
from nlsq.session.model import Start
from nlsq.utils import interruption, progress
from nlsq.utils.input_error import InputError

try:
    import fcntl
except ImportError:  # no pipes of another size there
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path

    from nlsq.result import CurveFitResult
    from nlsq.session.examining import Examination
    from nlsq.session.points import Points
    from nlsq.session.settings import Settings

_START = """
import json, sys
sys.path[:] = json.loads(sys.argv.pop())
from nlsq.session.apart import serve
serve()
"""
_TOLD, _DONE, _REFUSED = range(3)  # what an answer is
_LIBRARIES = ("JAX_", "XLA_", "OMP_", "OPENBLAS_", "MKL_", "VECLIB_", "NUMEXPR_", "PYTHON", "LD_")
_MOST_IDLE = 2  # one to fit while the other examines the fit before
_EVERY = 0.03  # s between two messages of what goes on
_CALLED = {"_examine": "The examination", "_write": "The writing", "_guess": "The guess"}


class Ended(ProgramError):
    """The process ended before its work was done."""


class _Process:
    """The other process, which does one thing after the other."""

    def __init__(self):
        self._begun_with = _of_libraries()
        path = [os.path.join(_folder(), place) for place in sys.path]
        # A group of its own: the Ctrl-C of a terminal is for the window.
        group = {} if sys.platform == "win32" else {"process_group": 0}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, json.dumps(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, **group,
        )  # fmt: skip
        self._sending = threading.Lock()
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            for pipe in (self._process.stdin, self._process.stdout):
                with suppress(OSError):  # more than this system grants
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)

    def usable(self) -> bool:
        """Whether it lives, and its libraries read what they would read now."""
        return self._process.poll() is None and self._begun_with == _of_libraries()

    def send(self, message: Any) -> None:
        """A request, or None to stop the one under way; nothing where the process has gone."""
        with self._sending, suppress(OSError, ValueError):
            pickle.dump(message, self._process.stdin, protocol=5)
            self._process.stdin.flush()

    def receive(self) -> tuple[int, Any]:
        """The next answer; EOFError where the process has gone."""
        return pickle.load(self._process.stdout)

    def kill(self) -> int:
        """End it; how it ended."""
        self._process.kill()
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError, ValueError):
                pipe.close()
        return code


def _folder() -> str:
    """The current folder; that of the root where it was removed, and names lead nowhere."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return os.path.abspath(os.sep)


def _of_libraries() -> dict[str, str]:
    """The variables of the environment that are read once, when a library is loaded."""
    return {k: v for k, v in os.environ.items() if k.startswith(_LIBRARIES)}


_idle: list[_Process] = []
_lock = threading.Lock()


def prepare() -> None:
    """Have a process ready for the next call, with the engine loaded."""
    _give_back(_take())


def _take() -> _Process:
    with _lock:
        while _idle:
            if (process := _idle.pop()).usable():
                return process
            process.kill()
    return _Process()


def _give_back(process: _Process) -> None:
    with _lock:
        if len(_idle) < _MOST_IDLE:
            _idle.append(process)
            return
    process.kill()


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().kill()


class Call:
    """One call of a function in a process apart; `stop` and `kill` are for other threads.

    Parameters
    ----------
    function : callable
        ``function(*given, tell)`` of a module; what it tells comes to `told` in lists, and what it
        returns through `received`.
    """

    def __init__(
        self,
        function: Callable,
        *given: Any,
        told: Callable[[list], None] = id,
        received: Callable[[Any], Any] | None = None,
    ):
        self._request = function, given
        self._told, self._received = told, received
        self._process: _Process | None = None
        self._stopped = self._killed = False
        self._changing = threading.Lock()

    def run(self) -> Any:
        """What the function returned.

        Raises
        ------
        InputError
            As it raised it.
        Ended
            Its process ended, or was ended, before that.
        """
        process = _take()
        process.send((_folder(), dict(os.environ), *self._request))
        with self._changing:
            self._process = process
            if self._stopped:
                process.send(None)
            if self._killed:
                process.kill()
        try:
            kind, content = process.receive()
            while kind == _TOLD:
                self._told(content)
                kind, content = process.receive()
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            raise self._ended(process.kill()) from None
        with self._changing:
            self._process = None
        _give_back(process)
        if kind == _REFUSED:
            raise content
        return content if self._received is None else self._received(content)

    def stop(self) -> None:
        """Ask it to end at the best so far."""
        with self._changing:
            if self._process is not None and not self._stopped:
                threading.Thread(target=self._process.send, args=(None,)).start()
            self._stopped = True

    def kill(self) -> None:
        """End it now, without a result."""
        with self._changing:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    def _ended(self, code: int) -> Ended:
        if self._killed:
            return Ended("The model was ended before it gave a result.")
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
        return Ended(
            f"The process beside the window ended {how}, without a result.",
            "What it printed says why; short of memory, fit fewer points at a time (workflow).",
        )


def fit(settings: Settings, points: Points | None, told: Callable[[list], None]) -> Call:
    """A fit as a call: document and result, with its model where that is no code.

    What is told are pairs (iteration, cost), and (title, done, total) of what is long.
    """
    return Call(_fit, settings, points, told=told, received=lambda found: _whole(found, points))


def fit_groups(settings: Settings, told: Callable[[list], None]) -> Call:
    """The fits of all groups as a call, which returns whether it came to the end.

    What is told are (title, done, total) of a portion, and pairs (place of the group, its row).
    """
    from nlsq.session.batching import fit_groups

    return Call(fit_groups, settings, told=told)


def guess(settings: Settings, points: Points) -> Call:
    """The start of a fit as a call: it, and the values of the model there at the points."""
    return Call(_guess, settings, points, received=_begun)


def examine(result: CurveFitResult) -> Examination:
    """As `nlsq.session.examining.examine`, where loading what that needs holds nobody up.

    Raises
    ------
    InputError
    """
    from nlsq.result.recipes import recipe_of
    from nlsq.session.examining import Examination

    report, spread = Call(_examine, result, recipe_of(result.get("model"))).run()
    return Examination(result, report, spread)


def write(path: Path, document: dict[str, Any], result: CurveFitResult, settings: Settings) -> Call:
    """The writing of one file as a call, which returns its path."""
    from nlsq.result.recipes import recipe_of

    return Call(_write, path, document, result, recipe_of(result.get("model")), settings)


def _whole(
    answer: tuple[dict, CurveFitResult, Any], points: Points | None
) -> tuple[dict, CurveFitResult]:
    from nlsq.result.recipes import bring_back

    document, result, recipe = answer
    if points is not None:
        dict.update(result, {name: getattr(points, of) for name, of in SENT.items()})
    if recipe is not None:
        bring_back(result, recipe)
        if points is not None:
            _ = result.predictions  # here, and not in the thread of the window
    return document, result


def _begun(found: dict[str, Any]) -> tuple[Start, np.ndarray]:
    p0 = np.asarray(found["p0"], float)
    limits = np.full_like(p0, np.inf)
    start = Start(p0, -limits, limits, "guessed from the data")
    return start, np.asarray(found["values"], float)


# ------------------------------------------------------------------------------- the other end
def _fit(settings: Settings, points: Points | None, tell: Callable) -> tuple:
    from nlsq.result.recipes import recipe_of
    from nlsq.session.running import execute

    def watch(iteration: int, cost: float, *_: Any) -> None:
        tell((iteration, float(cost)))

    with progress.heard(lambda *stage: tell(stage)):
        document, result = execute(settings, points, watch=watch)
    recipe = recipe_of(result.get("model"))
    if points is not None:
        _ = result.predictions
        for name in SENT:
            result.pop(name, None)
    elif not result.is_settled("moments"):
        result.pop("moments", None)  # which pickle would pass over all data for
    return document, result, recipe


def _examine(result: CurveFitResult, recipe: Any, tell: Callable) -> tuple:
    from nlsq.result.recipes import bring_back
    from nlsq.session.examining import examine

    if recipe is not None:
        bring_back(result, recipe)
    found = examine(result)
    return found.report, found.spread


def _write(
    path: Path,
    document: dict,
    result: CurveFitResult,
    recipe: Any,
    settings: Settings,
    tell: Callable,
) -> Path:
    from nlsq.result.recipes import bring_back
    from nlsq.session.saving import save

    if recipe is not None:
        bring_back(result, recipe)
    try:
        save(path, document, result, settings)
    except OSError as error:
        raise ProgramError(f"{path}: cannot be written: {error.strerror or error}.") from None
    return path


def _guess(settings: Settings, points: Points, tell: Callable) -> dict[str, Any]:
    from nlsq.session.running import guess_start

    return guess_start(settings, points)


class _Server:
    """Reads requests in a thread, so that one can be stopped, and does them in the main thread."""

    def __init__(self, source: int, answer: int):
        self._source, self._answer = os.fdopen(source, "rb"), os.fdopen(answer, "wb")
        self._requests: queue.SimpleQueue = queue.SimpleQueue()
        self._under_way = threading.Lock()
        self._busy = self._lasts = False
        self._ready = threading.Event()  # the main thread took the request inside `deferred`
        self._rows: list[Any] = []
        self._last = 0.0

    def listen(self) -> None:
        with suppress(EOFError, OSError, pickle.UnpicklingError):
            while True:
                message = pickle.load(self._source)
                with self._under_way:
                    if message is not None:
                        self._busy, self._lasts = True, message[2] is _write
                        self._requests.put(message)
                    elif self._busy:
                        self._ready.wait()
                        _thread.interrupt_main()
        with self._under_way:  # the window has gone; what it was to write is written
            if not (self._busy and self._lasts):
                os._exit(1)
        self._requests.put(None)

    def serve(self) -> NoReturn:
        while True:
            with interruption.deferred():  # a request to stop is a flag, which loops look at
                if (request := self._requests.get()) is None:
                    os._exit(1)
                self._ready.set()
                self._send(*self._answer_to(*request))
                interruption.acted_upon()

    def _answer_to(
        self, folder: str, environment: dict[str, str], function: Callable, given: tuple
    ) -> tuple[int, Any]:
        try:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environment)
            answer = _DONE, function(*given, self._tell)
        except KeyboardInterrupt:
            answer = _REFUSED, ProgramError("The fit was stopped before it had a result.")
        except InputError as error:
            answer = _REFUSED, error
        except Exception as error:  # of the user's own kind, or a fault of ours
            traceback.print_exc()
            what = _CALLED.get(function.__name__, "The fit")
            answer = (
                _REFUSED,
                Ended(
                    f"{what} failed: {type(error).__name__}: {error}.",
                    "Where it was raised stands on the standard error of the window.",
                ),
            )
        with self._under_way:
            self._busy = False  # nobody interrupts from here on
            self._ready.clear()
        self._flush()
        return answer

    def _tell(self, row: Any) -> None:
        self._rows.append(row)
        if time.monotonic() - self._last > _EVERY:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._send(_TOLD, self._rows)
        self._rows, self._last = [], time.monotonic()

    def _send(self, kind: int, content: Any) -> None:
        try:
            pickle.dump((kind, content), self._answer, protocol=5)
            self._answer.flush()
        except BrokenPipeError:  # the window has gone
            os._exit(1)


def serve() -> NoReturn:
    """Do what is asked on standard input, until it closes, and a file that is begun to its end."""
    from nlsq.security.child import streams

    server = _Server(*streams())
    threading.Thread(target=server.listen, daemon=True).start()
    import nlsq.core.minpack
    import nlsq.session.running  # noqa: F401  which the first fit would wait for

    server.serve()
