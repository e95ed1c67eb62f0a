"""What happens between passes: callback, progress table of `verbose=2`, time limit and Ctrl-C."""

from __future__ import annotations

import functools
import inspect
import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nlsq.callbacks import StopOptimization
from nlsq.core.loop.judging import SAFE_PIVOT
from nlsq.core.loop.loop import absorb, in_numpy, propose
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.state import Method, Setup, State, running, setup_packing, state_packing
from nlsq.core.loop.status import Status
from nlsq.utils import interruption

if TYPE_CHECKING:
    from nlsq.core.problem.options import Options
    from nlsq.interfaces import LeastSquaresResultProtocol


def as_callback(callback: Callable, residual: Callable | None = None) -> Callable[..., bool]:
    """Bring a callback to (nit, cost, x, facts) -> "stop now".

    Three signatures are known: ours, callback(iteration, cost, params, info), which False stops,
    and SciPy's callback(intermediate_result) and callback(x), which see no start and whose value
    does not count. StopIteration and StopOptimization stop each of them. residual: what makes the
    `fun` of an intermediate result.
    """
    try:
        parameters = inspect.signature(callback).parameters.values()
        names = [p.name for p in parameters if p.default is p.empty]
        if any(p.kind is p.VAR_POSITIONAL for p in parameters):
            names = ["iteration", "cost", "params", "info"]
    except (TypeError, ValueError):
        names = ["iteration", "cost", "params", "info"]

    def call(nit, cost, x, facts):
        if len(names) != 1:
            return callback(nit, cost, x, facts)
        if nit == 0:
            return None
        if names != ["intermediate_result"]:
            callback(x)
            return None
        from nlsq.result import OptimizeResult

        lazy = None if residual is None else {"fun": lambda: residual(x)}
        callback(intermediate_result=OptimizeResult(x=x, cost=cost, nit=nit, **facts, lazy=lazy))
        return None

    def stops(nit, cost, x, facts) -> bool:
        try:
            return call(nit, cost, x, facts) is False
        except (StopOptimization, StopIteration):
            return True

    return stops


class Watch:
    """What happens after each pass: the callback, a line of progress, the time limit, Ctrl-C.

    A context manager, which takes Ctrl-C for a stop where there is a result.

    Parameters
    ----------
    options : Options, optional
        Its `callback`, `verbose` and `deadline`; default: none of them.
    residual : callable, optional
        (m,) of parameters, for callbacks that ask for it.

    Attributes
    ----------
    stop : Status or None
        The status of a stop from outside.
    interprets : bool
        Whether the loop runs in NumPy whatever makes the passes, since a debugger may look.
    """

    def __init__(self, options: Options | None = None, residual: Callable | None = None):
        self.stop: Status | None = None
        self._callback, self._verbose, self._deadline = None, 0, math.inf
        self.interprets = False
        if options is not None:
            self.interprets = options.backend == "numpy"
            self._verbose = options.verbose
            if options.deadline is not None:
                self._deadline = options.deadline
            if options.callback is not None:
                self._callback = as_callback(options.callback, residual)
        self._cost: float | None = None
        self._nit = -1
        self._begun = False

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, kind, error, traceback) -> bool:
        interrupted = self._begun and kind is not None and issubclass(kind, KeyboardInterrupt)
        if interrupted:
            self.stop = Status.INTERRUPTED
        return interrupted

    def stops(self, state, running: bool) -> bool:
        """Look at the state after a pass; whether a fit that is `running` stops here.

        Raises
        ------
        KeyboardInterrupt
        """
        if int(state.nfev) > 0:
            self._begun = True
            interruption.worth_saving()
        interruption.check()
        stop = self._after_pass(state)
        if self._begun and time.monotonic() > self._deadline:
            stop = Status.TIME_LIMIT
        if stop is None or not running:
            return False
        self.stop = stop
        return True

    def _after_pass(self, state) -> Status | None:
        nit = int(state.nit)
        if nit == self._nit or int(state.status) == Status.NOT_FINITE or int(state.nfev) == 0:
            return None
        self._nit = nit
        point = state.point
        cost, nfev = float(point.cost), int(state.nfev)
        if self._verbose > 1:
            self._print(nit, nfev, cost, float(state.last), float(point.optimality))
        self._cost = cost
        if self._callback is None:
            return None
        facts = {"nfev": nfev, "optimality": float(point.optimality), "step": float(state.last)}
        return Status.CALLBACK if self._callback(nit, cost, np.array(point.x), facts) else None

    def _print(self, nit, nfev, cost, step, optimality):
        if self._cost is None:
            print(
                f"{'Iteration':^15}{'Total nfev':^15}{'Cost':^15}{'Cost reduction':^15}"
                f"{'Step norm':^15}{'Optimality':^15}"
            )
            change = step_text = ""
        else:
            change, step_text = f"{self._cost - cost:.2e}", f"{step:.2e}"
        print(
            f"{nit:^15}{nfev:^15}{cost:^15.4e}{change:^15}{step_text:^15}{optimality:^15.2e}",
            flush=True,
        )


def drive_passes(
    run: Callable, method: Method, flat: np.ndarray, start: np.ndarray, watch: Watch, ahead: int = 0
) -> Outcome:
    """The fit's loop from Python, with the step as a program, from the state vector `start`.

    run(vector) makes the pass that this state asks for; its Sums need not have arrived. So many
    passes `ahead` of the one that is waited for are handed over; that of a finished state, and the
    step after it, must do nothing.
    """
    packing = state_packing(method)
    if watch.interprets:
        setup = setup_packing(method.n).tree(flat[:-1])
        vector_of = functools.partial(packing.vector, xp=np)
        return interpret_passes(
            lambda state: in_numpy(run(vector_of(state))), method, setup, packing.tree(start), watch
        )
    from nlsq.core.loop import programs  # which loads JAX

    view, under_way = packing.view(start), deque()
    step = programs.step_program(method)
    with watch:
        while running(view):
            while len(under_way) <= ahead:
                vector = under_way[-1] if under_way else view.vector
                under_way.append(step(vector, run(vector), flat))
            view = packing.view(np.asarray(under_way.popleft()))
            if watch.stops(view, running(view)):
                break
    return _outcome(view.vector, method, watch)


def interpret_passes(run: Callable, method: Method, setup: Setup, state: State, watch: Watch):
    """The fit's loop in Python and NumPy: run(state) -> Sums, judge, move, propose."""
    with watch, np.errstate(all="ignore"):
        while running(state):
            state = absorb(state, run(state), setup, method)
            state = propose(state, setup, method)
            if watch.stops(state, running(state)):
                break
    return _outcome(state_packing(method).vector(state, np), method, watch)


def _outcome(vector: np.ndarray, method: Method, watch: Watch) -> Outcome:
    outcome = Outcome(vector, method)
    polished = outcome.status > 0 and outcome.pivot >= SAFE_PIVOT  # its last digits are rounding
    if watch.stop is not None and not (polished and watch.stop is Status.TIME_LIMIT):
        outcome.status = int(watch.stop)
    return outcome


def closing_line(result: LeastSquaresResultProtocol) -> str:
    return (
        f"{result.message} Function evaluations {result.nfev}, final cost {result.cost:.4e}, "
        f"first-order optimality {result.optimality:.2e}."
    )
