"""The phases in their order, and where a fit goes on after an interruption."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.core.drive.sampling import start_on_sample
from nlsq.core.drive.solve import best_of_tries
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.state import Setup
from nlsq.core.model.identity.fingerprint import fingerprint
from nlsq.core.model.identity.walk import model_key
from nlsq.core.problem.setup import make_setup
from nlsq.distributed.alone import ALONE, Alone
from nlsq.precision.parameter_normalizer import ParameterNormalizer
from nlsq.streaming.full_passes import FullPasses
from nlsq.streaming.hybrid_config import HybridStreamingConfig
from nlsq.streaming.phases.checkpoint import Checkpoint, CheckpointError, CheckpointManager
from nlsq.streaming.phases.gauss_newton import GaussNewtonPhase
from nlsq.streaming.phases.warmup import WarmupPhase, variation
from nlsq.streaming.problem import SamplePass, StreamedProblem
from nlsq.streaming.telemetry import DefenseLayerTelemetry
from nlsq.utils import interruption

if TYPE_CHECKING:
    from nlsq.distributed.ranks import Ranks
    from nlsq.global_optimization.problem import Found
    from nlsq.streaming.phases.searching import SearchPhase

FULL_PASSES, TOURNAMENT = "full passes", "tournament"  # what a checkpoint is of
_SEARCHES = "Give the search a seed, the same on all, and use machines of one kind."
_NOTHING: Mapping = MappingProxyType({})


@dataclasses.dataclass
class PhaseOrchestrator:
    """Runs the phases of a streamed fit.

    0 search      `SearchPhase` (where the global minimum is looked for)
      normalise   `ParameterNormalizer` (with a warm-up only)
    1 warm up     `WarmupPhase` on the sample, then the engine's own fit to the sample
    2 full passes `GaussNewtonPhase`
    3 finish      the covariance in the user's units, from the last pass's R (`fit_source`)

    Parameters
    ----------
    problem : StreamedProblem
    passes : FullPasses
    config : HybridStreamingConfig or None
        None leaves the warm-up out: the fit begins as a direct fit of long data does.
    checkpoints : CheckpointManager or None
    resume : bool
        Go on from the checkpoint, where there is one.
    search : SearchPhase or None
        Its start takes the place of p0, in `problem` too.
    ranks : Alone or Ranks
        The processes that make this fit: the first finds where it begins, keeps its checkpoints.

    Attributes
    ----------
    found : Found or None
        What the search found.
    telemetry : DefenseLayerTelemetry
    facts : dict
        What the phases did: iterations, reasons, seconds.
    """

    problem: StreamedProblem
    passes: FullPasses
    config: HybridStreamingConfig | None = None
    checkpoints: CheckpointManager | None = None
    resume: bool = False
    search: SearchPhase | None = None
    ranks: Alone | Ranks = ALONE
    found: Found | None = dataclasses.field(default=None, init=False)

    def __post_init__(self) -> None:
        self.telemetry = DefenseLayerTelemetry()
        self.facts: dict[str, Any] = {"phase_seconds": {}}

    def run(self) -> Outcome:
        """Fit; the outcome of the loop, whatever its status."""
        kept = None
        if self.checkpoints is not None:
            kept = self.ranks.first(partial(self._kept, self.checkpoints))
        if kept is not None:
            kept = Checkpoint(**kept)
            self.facts |= kept.facts | {"resumed": True}
        if self.search is not None:
            with self._timed("search"):
                self._search(self.search, kept)
        phase = GaussNewtonPhase(self.problem, self.passes, self._save, self.ranks)
        if kept is not None and kept.phase == FULL_PASSES:
            with self._timed("full passes"):
                return phase.go_on(kept.numbers)
        start, flat, self.facts = self.ranks.first(self._begin)
        with self._timed("full passes"):
            return phase.run(start, flat)

    def _search(self, search: SearchPhase, kept: Checkpoint | None) -> None:
        """Put the start that the search finds in the place of p0."""
        found, state = search.find(self.problem), None
        if kept is not None and kept.phase == TOURNAMENT:
            state = kept.numbers | self.facts.pop("selector")

        def save(numbers: dict, others: dict, now: bool) -> None:
            self._save(numbers, now, TOURNAMENT, {"selector": others})

        told = self.facts.get("tournament")
        self.found, told = search.best(found, self.problem, told, state, save)
        self.facts |= {"tournament": told} if told else {}
        self.ranks.alike({"the start that the search found": self.found.p0.tolist()}, _SEARCHES)
        parameters = dataclasses.replace(self.problem.parameters, p0=self.found.p0)
        self.problem = dataclasses.replace(self.problem, parameters=parameters)

    def _warm(self, cost: Callable) -> np.ndarray:
        """Where the warm-up leads from p0."""
        parameters, config = self.problem.parameters, self.config
        with self._timed("warm-up"):
            normal = (
                ParameterNormalizer(
                    parameters.p0, parameters.lb, parameters.ub, config.normalization_strategy
                )
                if config.normalize
                else ParameterNormalizer.identity(parameters.p0.size)
            )
            phase = WarmupPhase(config, normal, self.telemetry)
            sample, deadline = self.problem.survey.sample, self.problem.options.deadline
            found = phase.run(cost, parameters, variation(sample), deadline)
        self.facts |= {
            "warmup_iterations": found.iterations,
            "warmup_evaluations": found.evaluations,
            "warmup_stopped_by": found.reason,
            "warmup_costs": [float(cost) for cost in found.cost_history],
            "defense": self.telemetry.export(),
        }
        return found.params

    def _begin(self) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
        """(first trial of the full passes, setup as programs take it, facts)."""
        start, setup = self._near()
        return start, self.problem.flat(setup), self.facts

    def _near(self) -> tuple[np.ndarray, Setup]:
        """(first trial of the full passes, setup).

        With a warm-up two candidates: from where it led, and from p0 as a direct fit begins. Of
        two minima on the sample the lower one counts, so that a warm-up never loses one that the
        direct fit finds.
        """
        p0 = self.problem.parameters.p0
        if self.config is None or not self.config.warmup_iterations:
            return self._on_sample(p0)
        cost = SamplePass(self.problem)
        warm, plain = self._on_sample(self._warm(cost)), self._on_sample(p0)
        if np.array_equal(warm[0], plain[0]):
            return plain
        warm_cost, plain_cost = (np.nan_to_num(cost(c[0])[0], nan=np.inf) for c in (warm, plain))
        self.facts["warmup_led_to_lower_cost"] = bool(warm_cost < plain_cost)
        return warm if warm_cost < plain_cost else plain

    def _on_sample(self, p: np.ndarray) -> tuple[np.ndarray, Setup]:
        """(first trial, setup) from p, by the engine's fit to the sample."""
        problem = self.problem
        sample, setup = problem.survey.sample, problem.setup
        begin = dataclasses.replace(problem.parameters, p0=p)
        if sample.y.size == problem.survey.n_points or not problem.options.sampled:
            return make_setup(begin, problem.options).x0, setup
        with self._timed("sample"):
            fit = partial(best_of_tries, problem.model)
            return start_on_sample(fit, sample, begin, problem.options, setup)

    @contextmanager
    def _timed(self, phase: str):
        began = time.perf_counter()
        try:
            yield
        finally:
            self.facts["phase_seconds"][phase] = time.perf_counter() - began

    # --------------------------------------------------------------------------- checkpoints

    @cached_property
    def _fingerprint(self) -> dict[str, str | None]:
        settings = None if self.config is None else self.config.warmup_settings()
        parts = {"warm-up": fingerprint(model_key(settings))}
        if (search := self.search) is not None:
            settings = type(search.strategy).__name__, search.strategy.config, search.has_start
            parts["search"] = fingerprint(model_key(settings))
        return self.problem.fingerprint | parts

    def _kept(self, checkpoints: CheckpointManager) -> dict[str, Any] | None:
        """What the checkpoint to go on from holds, None where there is none.

        Raises
        ------
        CheckpointError
            When it is of another fit, or one is there and `resume` is False.
        """
        unknown = [part for part, digest in self._fingerprint.items() if digest is None]
        if unknown:
            raise CheckpointError(
                f"the {' and the '.join(unknown)} of this fit hold something that cannot be "
                "recognised in another process, so that a checkpoint could not be trusted. Fit "
                "without one, or write model and loss as functions of plain numbers and arrays."
            )
        kept = checkpoints.load()
        if kept is None:
            return None
        if not self.resume:
            raise CheckpointError(
                f"{checkpoints.folder} holds the checkpoint of an unfinished fit. Pass resume=True "
                "to go on from there, give another folder, or delete it."
            )
        checkpoints.require(kept, self._fingerprint)
        return vars(kept)

    def _save(
        self, numbers: dict, now: bool, phase: str = FULL_PASSES, more: Mapping = _NOTHING
    ) -> None:
        if self.checkpoints is None:
            return
        interruption.worth_saving()  # a pass so far, too
        if now or self.checkpoints.due():
            facts = self.facts | more
            self.checkpoints.save(Checkpoint(self._fingerprint, phase, numbers, facts))
