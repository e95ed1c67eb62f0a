"""Phase 2: the engine's loop over passes over all data.

The loop is that of every fit (`core.loop`), driven from the host; only its passes read the source.
It works in the user's units: its steps do not depend on them. Between two chunks of a pass its
whole state is n-sized, the last state vector and the sum so far, and that is what a checkpoint
holds: a fit that goes on from it computes the same bits as one that was never interrupted.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nlsq.config import double_precision
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.state import start_vector
from nlsq.core.loop.status import Status
from nlsq.core.loop.watch import Watch, drive_passes
from nlsq.core.passes.reduction import Sums
from nlsq.streaming.full_passes import NOTHING, FullPasses, Part
from nlsq.streaming.problem import StreamedProblem

if TYPE_CHECKING:
    from nlsq.core.loop.state import State
    from nlsq.core.problem.options import Options
    from nlsq.distributed.alone import Alone
    from nlsq.distributed.ranks import Ranks

Save = Callable[[dict, bool], None]


class GaussNewtonPhase:
    """Passes over all data until the loop is done.

    Parameters
    ----------
    problem : StreamedProblem
    passes : FullPasses
    save : callable
        save(numbers, now): keep a checkpoint, at once or when it is due.
    ranks : Alone or Ranks
        The processes that make this fit.
    """

    def __init__(
        self, problem: StreamedProblem, passes: FullPasses, save: Save, ranks: Alone | Ranks
    ):
        self._problem, self._passes, self._save, self._ranks = problem, passes, save, ranks
        self._begun, self._latest = NOTHING, None

    def run(self, start: np.ndarray, flat: np.ndarray) -> Outcome:
        """Fit from the trial point `start`, with the setup as a program takes it."""
        return self._drive(start_vector(start, self._problem.method), flat, NOTHING)

    def go_on(self, numbers: dict[str, np.ndarray]) -> Outcome:
        """Fit on from the numbers of a checkpoint."""
        return self._drive(numbers["state"], numbers["setup"], _part(numbers))

    def _drive(self, state: np.ndarray, flat: np.ndarray, begun: Part) -> Outcome:
        self._flat, self._begun = flat, begun
        self._program, options = self._problem.pass_program(), self._problem.options
        watch = Watch(options) if self._ranks.count == 1 else _SharedWatch(options, self._ranks)
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
        return self._passes.fold(work, begun, checkpoint, Sums)


class _SharedWatch(Watch):
    """A watch of all processes: the callback and the clock are the first's, all stop together."""

    def __init__(self, options: Options, ranks: Alone | Ranks):
        if ranks.rank:
            options = dataclasses.replace(options, callback=None, verbose=0, deadline=None)
        super().__init__(options)
        self._ranks = ranks

    def stops(self, state: State, running: bool) -> bool:
        def look() -> tuple[bool, int | None, bytes]:
            stopped = super(_SharedWatch, self).stops(state, running)
            came_to = np.append(state.point.x, state.point.cost).tobytes()
            return stopped, None if self.stop is None else int(self.stop), came_to

        found = self._ranks.each(look)
        if any(came_to != found[0][2] for *_, came_to in found):
            raise RuntimeError(
                "The processes of this fit came to different numbers from the same sums: their "
                "machines have different processors. Use machines of one kind."
            )
        stopped, stop, _ = found[0]
        self.stop = None if stop is None else Status(stop)
        return stopped


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
