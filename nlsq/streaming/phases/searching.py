"""Phase 0 of a fit that looks for the global minimum: where it begins.

up to `IN_FULL` points    the search sees all of them, read into memory
up to `ON_SAMPLE`         it sees the sample
more                      the minima of the sample then hold a tournament (`TournamentSelector`) on
                          batches from all over the data (`nlsq.streaming.spread`)

The search itself is the same for the same seed, so that a fit that goes on from a checkpoint makes
it again; the tournament goes on from the batch that it had reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nlsq.core.drive.roads import choose_road
from nlsq.core.model.calls import CurveCall
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations, parse_observations
from nlsq.global_optimization.batch_costs import Batch, BatchCosts
from nlsq.global_optimization.problem import Found, Problem
from nlsq.global_optimization.tournament import TournamentSelector
from nlsq.streaming.feed import Feed
from nlsq.streaming.loading import load
from nlsq.streaming.problem import StreamedProblem
from nlsq.streaming.spread import spread
from nlsq.utils import interruption

IN_FULL, ON_SAMPLE = 10**6, 10**8  # points

Save = Callable[[dict, dict, bool], None]


class SearchPhase:
    """Finds the start of a fit.

    Parameters
    ----------
    strategy : object
        With ``find(problem, has_start)`` -> `Found`, and its `config`.
    has_start : bool
        Whether p0 was given.
    feed : Feed
    judged : callable
        judged(batches done, of how many) after each batch of a tournament.
    """

    def __init__(
        self,
        strategy: Any,
        has_start: bool,
        feed: Feed,
        judged: Callable[[int, int], None] = lambda done, total: None,
    ):
        self.strategy, self.has_start = strategy, has_start
        self._feed, self._judged = feed, judged

    def find(self, problem: StreamedProblem) -> Found:
        """What the search finds on all points, or on the sample."""
        few = problem.survey.n_points <= IN_FULL
        data = self._all(problem) if few else problem.survey.sample
        name, n = problem.model.name, problem.model.n
        model = Model(CurveCall(problem.model.function), n, name)  # whose road is its own affair
        choose_road(model, data, problem.parameters, problem.options, at_once=True)
        given = Problem(model, data, problem.parameters, problem.options)
        return self.strategy.find(given, self.has_start)

    def _all(self, problem: StreamedProblem) -> Observations:
        sample = problem.survey.sample
        if sample.y.size == problem.survey.n_points:
            return sample
        x, y, sigma = load(self._feed.source)
        policy = "omit" if self._feed.omit else None
        return parse_observations(x, y, sigma, problem.finite and policy is None, policy)

    def best(
        self, found: Found, problem: StreamedProblem, kept: dict[str, Any] | None, save: Save
    ) -> tuple[np.ndarray, dict[str, Any] | None]:
        """The best start (n,), and what a tournament that was held did.

        kept: the state of one that was broken off; save(arrays, others, now) keeps it.
        """
        rounds = getattr(self.strategy.config, "elimination_rounds", 0)
        many = problem.survey.n_points > ON_SAMPLE and found.minima and len(found.minima) > 1
        if not (many and rounds):
            return found.p0, None
        config, n_points = self.strategy.config, problem.survey.n_points
        plan = spread(self._feed, n_points, rounds, config.batches_per_round)
        config = config.with_overrides(
            elimination_rounds=plan.rounds, batches_per_round=plan.per_round
        )
        ends = np.array([minimum.params for minimum in found.minima])
        selector = TournamentSelector(ends, config)
        if kept is not None:
            selector = TournamentSelector.from_checkpoint(kept, config)
        costs = BatchCosts(problem.model, problem.options, problem.survey.sample.x)
        total, deadline = plan.rounds * plan.per_round, problem.options.deadline

        def batches() -> Iterator[Batch]:
            for batch in plan.batches(selector.n_batches):
                yield batch
                self._judged(selector.n_batches, total)
                save(*_parts(selector), False)
                if deadline is not None and time.monotonic() > deadline:
                    return
                interruption.check()

        try:
            (p0,) = selector.run_tournament(batches(), costs)
        except BaseException:  # a source that failed, or Ctrl-C: nothing done is lost
            save(*_parts(selector), True)
            raise
        told = selector.get_diagnostics()
        return p0, told | {"costs": told["costs"].tolist()}


def _parts(selector: TournamentSelector) -> tuple[dict, dict]:
    """(arrays, other values) of a selector's state."""
    state = selector.to_checkpoint()
    arrays = {k: v for k, v in state.items() if isinstance(v, np.ndarray)}
    return arrays, {k: v for k, v in state.items() if k not in arrays}
