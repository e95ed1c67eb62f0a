"""Phase 0 of a fit that looks for the global minimum: where it begins.

Up to `IN_FULL` points the search sees all of them, read into memory. Of more it sees the sample,
whose minima, where there are several, then hold a tournament (`TournamentSelector`) on batches from
all over the data (`nlsq.streaming.spread`): it takes at most some 10⁷ rows to tell which is best.

The search itself is the same for the same seed, so that a fit that goes on from a checkpoint makes
it again; the tournament goes on from the batch that it had reached.
"""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.core.drive.roads import choose_road
from nlsq.core.model.calls import CurveCall
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations, parse_observations
from nlsq.distributed.alone import ALONE, Alone
from nlsq.global_optimization.batch_costs import Batch, BatchCosts
from nlsq.global_optimization.problem import Found, Problem
from nlsq.global_optimization.tournament import TournamentSelector
from nlsq.result import optimize_warning
from nlsq.streaming.feed import Feed
from nlsq.streaming.loading import load
from nlsq.streaming.problem import StreamedProblem
from nlsq.streaming.spread import spread
from nlsq.utils import interruption

if TYPE_CHECKING:
    from nlsq.distributed.ranks import Ranks

IN_FULL = 10**6  # points

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
    ranks : Alone or Ranks
        The processes that make this fit: each searches alike, and they stop together.
    """

    def __init__(
        self,
        strategy: Any,
        has_start: bool,
        feed: Feed,
        judged: Callable[[int, int], None] = lambda done, total: None,
        ranks: Alone | Ranks = ALONE,
    ):
        self.strategy, self.has_start = strategy, has_start
        self._feed, self._judged, self._ranks = feed, judged, ranks

    def find(self, problem: StreamedProblem) -> Found:
        """What the search finds on all points, or on the sample."""
        few = problem.survey.n_points <= IN_FULL
        data = self._all(problem) if few else problem.survey.sample
        name, n = problem.model.name, problem.model.n
        model = Model(CurveCall(problem.model.function), n, name)  # whose road is its own affair
        choose_road(model, data, problem.parameters, problem.options, at_once=True)
        given = Problem(model, data, problem.parameters, problem.options)
        found = self.strategy.find(given, self.has_start)
        interruption.check()  # a search that was broken off is none to go on from
        return found

    def _all(self, problem: StreamedProblem) -> Observations:
        sample = problem.survey.sample
        if sample.y.size == problem.survey.n_points:
            return sample
        x, y, sigma = load(self._feed.source)
        policy = "omit" if self._feed.omit else None
        return parse_observations(x, y, sigma, problem.finite and policy is None, policy)

    def best(
        self,
        found: Found,
        problem: StreamedProblem,
        told: dict[str, Any] | None,
        kept: dict[str, Any] | None,
        save: Save,
    ) -> tuple[Found, dict[str, Any] | None]:
        """The same with the best start first, and what a tournament did, if one was held.

        told: that, where it is known from before. kept: the state of one that was broken off.
        save(arrays, others, now) keeps it.
        """
        n_points = problem.survey.n_points
        if n_points <= IN_FULL or not found.minima:
            return found, None
        if len(found.minima) < 2 or not getattr(self.strategy.config, "elimination_rounds", 0):
            size = problem.survey.sample.y.size
            return _with_note(found, f"costs on a sample of {size:,} points"), None
        told = told or self._held(found, problem, kept, save)
        return _in_order(found, told, n_points), told

    def _held(
        self, found: Found, problem: StreamedProblem, kept: dict[str, Any] | None, save: Save
    ) -> dict[str, Any]:
        """What a tournament of the minima did."""
        config = self.strategy.config
        plan = spread(
            self._feed, problem.survey.n_points, config.elimination_rounds, config.batches_per_round
        )
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
                if self._ranks.first(lambda: deadline is not None and time.monotonic() > deadline):
                    return
                self._ranks.agree(interruption.check)

        try:
            selector.run_tournament(batches(), costs)
        except BaseException:  # a source that failed, or Ctrl-C: nothing done is lost
            save(*_parts(selector), True)
            raise
        told = selector.get_diagnostics()
        return told | {name: told[name].tolist() for name in ("costs", "behind")}

    def tell_doubt(self, found: Found, told: dict[str, Any] | None, n_points: int) -> None:
        """Warn where more points would have to be read to tell minima apart."""
        if not told or not told["in_doubt"] or 2 * told["n_rows"] > n_points:
            return
        count, second = told["in_doubt"], found.minima[1]
        others = "another minimum" if count == 1 else f"{count} other minima"
        where = ", ".join(f"{n}={v:.4g}" for n, v in zip(second.names, second.params, strict=True))
        warnings.warn(
            f"{told['n_rows']:,} of {n_points:,} points do not tell the best minimum from {others} "
            f"({where}). Fit from there too, p0=result.minima[1].params, and compare the costs; or "
            "read more, by a search_config with more batches_per_round.",
            optimize_warning.OptimizeWarning,
            stacklevel=4,
        )


def _in_order(found: Found, told: dict[str, Any], n_points: int) -> Found:
    """The same with the minima in the order of a tournament, and p0 the first.

    Their costs are of all points, by those that it read; where the model failed is no minimum.
    """
    minima, behind = found.minima, np.array(told["behind"])
    first = int(np.nanargmin(behind))
    costs = n_points * (told["costs"][first] + behind)
    together = minima[first].equal  # with others, of one curve, and so here too
    kept = tuple(
        dataclasses.replace(
            minima[j], cost=float(costs[j]), equal=j == first or (together and minima[j].equal)
        )
        for j in np.argsort(costs, kind="stable").tolist()
        if np.isfinite(costs[j])
    )
    counts = [minimum.count for minimum in kept]
    failed = sum(m.count for m, cost in zip(minima, costs, strict=True) if not np.isfinite(cost))
    ordered = dataclasses.replace(
        minima, found=kept, costs=np.repeat([minimum.cost for minimum in kept], counts),
        places=np.repeat(np.arange(len(kept)), counts), n_fits=sum(counts),
        n_failed=minima.n_failed + failed,
    )  # fmt: skip
    best = dataclasses.replace(found, p0=kept[0].params.copy(), minima=ordered)
    return _with_note(best, f"costs by {told['n_rows']:,} of {n_points:,} points")


def _with_note(found: Found, note: str) -> Found:
    """The same with what is to be known of the costs of its minima."""
    stopped = f"{found.minima.stopped}; {note}"
    return dataclasses.replace(found, minima=dataclasses.replace(found.minima, stopped=stopped))


def _parts(selector: TournamentSelector) -> tuple[dict, dict]:
    """(arrays, other values) of a selector's state."""
    state = selector.to_checkpoint()
    arrays = {k: v for k, v in state.items() if isinstance(v, np.ndarray)}
    return arrays, {k: v for k, v in state.items() if k not in arrays}
