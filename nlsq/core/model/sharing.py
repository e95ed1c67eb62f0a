"""The user's function evaluated by others: by processes, or by whatever is like map.

Processes are forked where `multiprocessing` forks, and then have any function. Where JAX is loaded,
whose threads do not survive a fork, they are spawned, and need a function that `pickle` takes.
"""

from __future__ import annotations

import pickle
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import numpy as np

from nlsq.config import double_precision, in_double
from nlsq.utils import interruption
from nlsq.utils.given import model_value

_BLINK = 0.1  # seconds between looks for Ctrl-C
_REMEDY = (
    "Define it at the top level of a module that can be imported, or evaluate in this process: "
    "with workers=None, or with threads, workers=ThreadPoolExecutor(2).map of concurrent.futures."
)
_NO_MAP = "`workers` must give f(point) of each of the points in their order, as map does"


class WorkerError(ChildProcessError):
    """Another process could not begin, or did not answer."""


class Raised:
    """An error in the place of a value, which travels between processes.

    Attributes
    ----------
    error : Exception
    refused : bool
        Whether the user's function raised it.
    told : str
        Its type and text.
    """

    def __init__(self, error: Exception, refused: bool, told: str = ""):
        self.error, self.refused = error, refused
        self.told = told or f"{type(error).__name__}: {error}"

    def __reduce__(self):
        import traceback

        error = self.error
        error.add_note("".join(traceback.format_exception(error)))  # which pickle leaves behind
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # the user's class
            error = RuntimeError(self.told)
        return Raised, (error, self.refused, self.told)


class OutOfTime(Exception):
    """The time limit came before what was to be evaluated."""


class Attempt:
    """The user's function at x and parameters, as any thread or process can evaluate it."""

    def __init__(self, call: Any):
        self._call = call

    def __call__(self, x: Any, deadline: float | None, p: np.ndarray) -> np.ndarray | Raised:
        """Its value as numbers, or what it raised; after the deadline it is not called."""
        if deadline is not None and time.monotonic() > deadline:
            return Raised(OutOfTime(), refused=False)
        with double_precision(), np.errstate(all="ignore"):
            try:
                value = in_double(self._call.host, x, p)
            except Exception as error:  # the user's function
                return Raised(error, refused=True)
            try:
                return model_value(value)  # here, where JAX's arrays keep their digits
            except (TypeError, ValueError) as error:
                return Raised(error, refused=False)


@contextmanager
def shared_out(workers: Any) -> Iterator[Callable]:
    """A function like map: `workers` itself, or that of so many processes; None or 1: of none.

    The processes begin when they are first needed.
    """
    if callable(workers):
        yield partial(_answers_of, workers)
    elif workers in (None, 1):
        yield map
    else:
        from nlsq.device import usable_cores  # which few fits need

        processes = Processes(usable_cores() if workers == -1 else int(workers))
        try:
            yield processes.map
        finally:
            processes.end()


def _answers_of(workers: Callable, f: partial, points: Iterable) -> Iterator:
    """What the user's `workers` make of the points, each answer looked at."""
    points, count = list(points), 0
    found = workers(f, points)
    for value in found if isinstance(found, Iterable) else [found]:
        if not isinstance(value, np.ndarray | np.generic | Raised):
            raise TypeError(f"{_NO_MAP}, got {value!r:.80}.")
        count += 1
        yield value
    if count != len(points):
        raise TypeError(f"{_NO_MAP}: {len(points)} points had {count} answers.")


class Processes:
    """Up to `count` processes: `map` of partial(f, *given) is [f(*given, p) for p in points].

    f must not raise. There are neither threads nor locks, so that a fork can meet none.
    """

    def __init__(self, count: int):
        self._count = count
        self._f: Callable | None = None
        self._context: Any = None
        self._crew: list[_Worker] = []

    def map(self, f: partial, points: Iterable) -> list:
        """Values in the order of the points.

        Raises
        ------
        WorkerError
            A process did not begin, or ended.
        """
        points = list(points)
        try:
            self._hire(f.func, min(self._count, len(points)))
            return self._answers(f.args, points)
        except BaseException:  # some are at work for nobody
            self.end()
            raise

    def end(self) -> None:
        """End all processes, whatever they do."""
        while self._crew:
            self._crew.pop().end()

    def _hire(self, f: Callable, count: int) -> None:
        if f is not self._f:
            self.end()
            self._f, self._context = f, _context()
        begun = len(self._crew)
        while len(self._crew) < count:
            self._crew.append(_Worker(self._context, f))
        for worker in self._crew[begun:]:
            worker.greet()

    def _answers(self, given: tuple, points: list) -> list:
        from multiprocessing.connection import wait

        found: list = [None] * len(points)
        idle, asked, left = list(self._crew), {}, deque(enumerate(points))
        while left or asked:
            while left and idle:
                worker = idle.pop()
                i, p = left.popleft()
                worker.ask(given, p)
                asked[worker.connection] = worker, i
            for connection in wait(list(asked), _BLINK):
                worker, i = asked.pop(connection)
                found[i] = worker.answer()
                idle.append(worker)
            interruption.check()
        return found


class _Worker:
    """One process, as the one that asks it knows it."""

    def __init__(self, context: Any, f: Callable):
        self.connection, theirs = context.Pipe()
        forked = context.get_start_method() == "fork"
        given = theirs, f if forked else _packed(f, "The model")
        self.process = context.Process(target=_serve, args=given, daemon=True)
        with warnings.catch_warnings():  # of threads, which a process that runs NumPy can miss
            warnings.filterwarnings("ignore", ".*fork", RuntimeWarning)
            warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
            self.process.start()
        theirs.close()
        self._given: tuple = ()  # what it has

    def greet(self) -> None:
        """Wait until it has begun."""
        try:
            refusal = self.connection.recv()
        except (EOFError, ConnectionError):
            raise WorkerError(
                f"A process of `workers` ended as it began, {self._end()}. Where processes are "
                "spawned, a program's own calls must stand under `if __name__ == '__main__':`."
            ) from None
        if refusal:
            raise WorkerError(
                f"A process of `workers` does not find the model: {refusal}. {_REMEDY}"
            )

    def ask(self, given: tuple, p: np.ndarray) -> None:
        """Ask for the value at p."""
        news = None if given is self._given else _packed(given, "xdata")
        self._given = given
        with suppress(ConnectionError):  # it ended, which `answer` says
            self.connection.send((news, p))

    def answer(self) -> Any:
        """Its value."""
        try:
            return self.connection.recv()
        except (EOFError, ConnectionError):
            raise WorkerError(
                f"A process of `workers` ended while it evaluated the model, {self._end()}: it "
                "may lack memory, or the model ends it. workers=None evaluates in this process."
            ) from None

    def _end(self) -> str:
        self.process.join(1)
        code = self.process.exitcode
        if code is None or code >= 0:
            return f"exit code {code}"
        return f"by {signal.Signals(-code).name}"

    def end(self) -> None:
        self.connection.close()
        self.process.kill()
        self.process.join()


def _context() -> Any:
    import multiprocessing

    if multiprocessing.current_process().daemon:  # which may have no children
        raise WorkerError(
            "`workers` cannot begin processes in a process of multiprocessing's pool: leave it out "
            "there, or use a pool of concurrent.futures."
        )
    method = multiprocessing.get_start_method(allow_none=True)
    method = method or multiprocessing.get_all_start_methods()[0]  # to ask for it would settle it
    if method == "fork" and "jax" in sys.modules:
        method = "spawn"
    return multiprocessing.get_context(method)


def _packed(thing: Any, name: str) -> bytes:
    try:
        return pickle.dumps(thing)
    except Exception as error:  # whatever the user's objects raise
        raise WorkerError(
            f"{name} cannot be sent to the processes of `workers`: {error}. {_REMEDY}"
        ) from error


def _serve(connection: Any, f: Any) -> None:
    """The life of a process: it ends with the one that asks."""
    import multiprocessing
    from multiprocessing.connection import wait

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other's, which ends this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(EOFError, ConnectionError):
        if isinstance(f, bytes):
            try:
                f = pickle.loads(f)
            except Exception as error:  # whatever importing the user's module raises
                connection.send(f"{type(error).__name__}: {error}")
                return
        connection.send("")
        parent, given = multiprocessing.parent_process(), ()
        while connection in wait([connection, parent.sentinel]):
            news, p = connection.recv()
            if news is not None:
                given = pickle.loads(news)
            connection.send(f(*given, p))
