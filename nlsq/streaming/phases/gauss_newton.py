"""Phase 2: the engine's loop over passes over all data.

The loop is that of every fit (`core.loop`), driven from the host; only its passes read the source.
It works in the user's units: its steps do not depend on them. Between two chunks of a pass its
whole state is n-sized, the last state vector and the sum so far, and that is what a checkpoint
holds: a fit that goes on from it computes the same bits as one that was never interrupted.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nlsq.config import double_precision
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.state import Setup, start_vector
from nlsq.core.loop.status import Status
from nlsq.core.loop.watch import Watch, drive_passes
from nlsq.core.passes.reduction import Sums
from nlsq.streaming.full_passes import NOTHING, FullPasses, Part
from nlsq.streaming.problem import StreamedProblem

Save = Callable[[dict, bool], None]


class GaussNewtonPhase:
    """Passes over all data until the loop is done.

    Parameters
    ----------
    problem : StreamedProblem
    passes : FullPasses
    save : callable
        save(numbers, now): keep a checkpoint, at once or when it is due.
    """

    def __init__(self, problem: StreamedProblem, passes: FullPasses, save: Save):
        self._problem, self._passes, self._save = problem, passes, save
        self._begun, self._latest = NOTHING, None

    def run(self, start: np.ndarray, setup: Setup) -> Outcome:
        """Fit from the trial point `start`."""
        state = start_vector(start, self._problem.method)
        return self._drive(state, self._problem.flat(setup), NOTHING)

    def go_on(self, numbers: dict[str, np.ndarray]) -> Outcome:
        """Fit on from the numbers of a checkpoint."""
        return self._drive(numbers["state"], numbers["setup"], _part(numbers))

    def _drive(self, state: np.ndarray, flat: np.ndarray, begun: Part) -> Outcome:
        self._flat, self._begun = flat, begun
        self._program, options = self._problem.pass_program(), self._problem.options
        watch = Watch(options)
        try:
            with double_precision():
                outcome = drive_passes(self._pass, self._problem.method, flat, state, watch)
        except BaseException:  # a source or a callback that failed: nothing done is lost
            self._keep()
            raise
        if Status(outcome.status).stopped_from_outside:
            self._keep()
        return outcome

    def _keep(self) -> None:
        if self._latest is not None:
            self._save(self._latest, True)

    def _pass(self, state: np.ndarray) -> Sums:
        flat = self._flat
        begun, self._begun = self._begun, NOTHING

        def checkpoint(part: Part) -> None:
            self._latest = {"state": state, "setup": flat, **_numbers(part)}
            self._save(self._latest, False)

        def work(given: tuple) -> tuple:
            total = self._program(*given, flat, state)
            return total._replace(checksum=None), total.checksum

        checkpoint(begun)
        return self._passes.fold(work, begun, checkpoint)


def _numbers(part: Part) -> dict[str, np.ndarray]:
    numbers = {"next": np.array(part.next)}
    if part.total is not None:
        numbers["gram"] = np.asarray(part.total.G)
        if part.total.cost is not None:
            numbers["cost"] = np.asarray(part.total.cost)
    return numbers


def _part(numbers: dict[str, np.ndarray]) -> Part:
    if "gram" not in numbers:
        return NOTHING
    return Part(Sums(numbers.get("cost"), numbers["gram"]), int(numbers["next"]))
