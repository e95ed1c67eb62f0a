"""What happens between passes: callback, progress table of `verbose=2`, time limit and Ctrl-C."""

from __future__ import annotations

import functools
import inspect
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from nlsq.callbacks import StopOptimization
from nlsq.config import backend
from nlsq.core.loop import programs
from nlsq.core.loop.loop import interpreted_step
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.state import Method, running, state_packing
from nlsq.core.loop.status import Status
from nlsq.utils import interruption


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
    """Calls the callback and prints progress after each pass that moved; knows the deadline."""

    def __init__(
        self,
        callback: Callable | None,
        verbose: int,
        deadline: float | None,
        residual: Callable | None = None,
    ):
        self.deadline = np.inf if deadline is None else deadline
        self.residual = residual  # (m,) of parameters, for callbacks that ask for it
        self.callback = None
        if callback is not None:
            self.callback = as_callback(callback, residual and (lambda p: self.residual(p)))
        self.verbose = verbose
        self.cost = None
        self.nit = -1

    def after_pass(self, state) -> Status | None:
        nit = int(state.nit)
        if nit == self.nit or int(state.status) == Status.NOT_FINITE or int(state.nfev) == 0:
            return None
        self.nit = nit
        point = state.point
        cost, nfev = float(point.cost), int(state.nfev)
        if self.verbose > 1:
            self._print(nit, nfev, cost, float(state.last), float(point.optimality))
        self.cost = cost
        if self.callback is None:
            return None
        facts = {"nfev": nfev, "optimality": float(point.optimality), "step": float(state.last)}
        return Status.CALLBACK if self.callback(nit, cost, np.array(point.x), facts) else None

    def _print(self, nit, nfev, cost, step, optimality):
        if self.cost is None:
            print(
                f"{'Iteration':^15}{'Total nfev':^15}{'Cost':^15}{'Cost reduction':^15}"
                f"{'Step norm':^15}{'Optimality':^15}"
            )
            change = step_text = ""
        else:
            change, step_text = f"{self.cost - cost:.2e}", f"{step:.2e}"
        print(
            f"{nit:^15}{nfev:^15}{cost:^15.4e}{change:^15}{step_text:^15}{optimality:^15.2e}",
            flush=True,
        )


def drive(state, advance: Callable, running: Callable, watch: Watch):
    """Call state = advance(state) while running(state). Returns (state, status or None).

    The status is that of a stop from outside: the callback, the time limit or Ctrl-C (which goes
    on to the caller when there is no result yet).
    """
    try:
        while running(state):
            state = advance(state)
            if int(state.nfev) > 0:
                interruption.worth_saving()
            interruption.check()
            status = watch.after_pass(state)
            if time.monotonic() > watch.deadline and int(state.nfev) > 0:
                status = Status.TIME_LIMIT
            if status is not None and running(state):
                return state, status
    except KeyboardInterrupt:
        if int(state.nfev) == 0:
            raise
        return state, Status.INTERRUPTED
    return state, None


def drive_passes(
    run, method: Method, flat, start: np.ndarray, watch: Watch, ahead: int = 0
) -> Outcome:
    """The fit's loop from Python, from the state vector `start`.

    run(vector) makes the pass that this state asks for; its Sums need not have arrived. So many
    passes `ahead` of the one that is waited for are handed over; that of a state which is done, and
    the step after it, must do nothing.
    """
    packing = state_packing(method)
    if backend() == "numpy":
        step = functools.partial(interpreted_step, method=method)
    else:
        step = programs.step_program(method)
    under_way: deque = deque()

    def advance(state):
        while len(under_way) <= ahead:
            vector = under_way[-1] if under_way else state.vector
            under_way.append(step(vector, run(vector), flat))
        return packing.view(np.asarray(under_way.popleft()))

    state, stop = drive(packing.view(start), advance, running, watch)
    outcome = Outcome(state.vector, method)
    if stop is not None:
        outcome.status = int(stop)
    return outcome


def closing_line(result) -> str:
    return (
        f"{result.message} Function evaluations {result.nfev}, final cost {result.cost:.4e}, "
        f"first-order optimality {result.optimality:.2e}."
    )
