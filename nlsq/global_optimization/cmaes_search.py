"""The strategy of `method='cmaes'`: runs of CMA-ES with restarts, each finished by least squares.

1.  What enters linearly is solved at every candidate; the other parameters are searched, in
    coordinates without units (`bounds_transform`).
2.  A run begins at the best of some draws. It ends by its own tests, or earlier, as soon as least
    squares lead from it to a minimum. Where they do not, the model being rough, it goes on.
3.  The search ends when enough runs ended in the best minimum, or when a budget is used up.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import math
import secrets
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from nlsq.core.model.identity.fingerprint import fingerprint
from nlsq.core.model.identity.walk import model_key
from nlsq.global_optimization.bipop import BIPOPRestarter
from nlsq.global_optimization.checkpoint import (
    CMAESPreempted,
    HPCCheckpointManager,
    SearchCheckpointWarning,
)
from nlsq.global_optimization.cmaes_config import CMAESConfig, too_few
from nlsq.global_optimization.cmaes_diagnostics import CMAESDiagnostics
from nlsq.global_optimization.covariance_adaptation import CovarianceAdaptation, State, begin
from nlsq.global_optimization.gathering import gathered
from nlsq.global_optimization.landscape import Landscape
from nlsq.global_optimization.local import fit_from
from nlsq.global_optimization.problem import Found, Problem
from nlsq.global_optimization.projecting import project
from nlsq.result import formatting
from nlsq.result.minima import CUT_SHORT, INTERRUPTED, OUT_OF_TIME
from nlsq.utils import interruption
from nlsq.utils.input_error import InputError
from nlsq.utils.progress import ProgressLine

_STEP = 4.0  # coordinates in which a step of 1 is a quarter of the range
_DRAWS = 64  # of which a run begins at the best
_NEAR = 0.02  # spread of the costs, as a part of the best, at which least squares are tried
_EARLIEST = 2  # generation
_BEGUN = 0.5  # where also the shortest axis is so short, as a part of the first step
_SHRUNK = 0.1  # or the longest one so short
_SAME = 1e-6  # relative difference of two costs that is none
_MINIMA = "least squares", "tol_fun", "tol_x"  # ends of a run that are minima
_STORED = "best", "next_try", "first", "starts"  # of `_Search`, in checkpoints
_FREE_TO_CHANGE = ("time_limit", "checkpoint_dir", "checkpoint_interval", "run_id")


class CovarianceSearch:
    """Finds the start of a fit by CMA-ES.

    Parameters
    ----------
    config : CMAESConfig, optional
    """

    def __init__(self, config: CMAESConfig | None = None):
        self.config = CMAESConfig() if config is None else config

    def find(self, problem: Problem, has_start: bool) -> Found:
        """The best start and the evidence; has_start: p0 was given, it is no default.

        Raises
        ------
        InputError
            The budget is too small for one generation, or the model fails everywhere.
        CMAESPreempted
            At SIGTERM, where there are checkpoints: the last one was written.
        """
        with np.errstate(all="ignore"):  # far from the data much overflows
            return _Search(problem, self.config, has_start).run()


class _Search:
    def __init__(self, problem: Problem, config: CMAESConfig, has_start: bool):
        self.began = time.monotonic()
        self.config, self.whole = config, _until(problem, config.time_limit)
        problem = self.whole
        self.given = problem.p0[None] if has_start else np.empty((0, problem.n))
        kept = self._kept()
        seed = secrets.randbits(63) if config.seed is None else config.seed
        seed = kept["restarts"]["seed"] if kept else seed
        self.land = Landscape(problem, np.random.default_rng(seed))
        most = config.max_restarts if config.restart_strategy == "bipop" else 0
        self.restarts = BIPOPRestarter(config.popsize, max(self.land.n, 1), most, seed)
        self.diagnostics = CMAESDiagnostics(
            seed=seed, sampler=config.sampler, nlsq_refinement=config.refine_with_nlsq
        )
        self.current: CovarianceAdaptation | None = None
        self.best: tuple[np.ndarray, float] = problem.p0, math.inf
        self.next_try = _EARLIEST  # generation of this run from which on least squares are tried
        self.first = 0  # evaluations before this run
        self.starts: list[np.ndarray] = []  # where the runs began
        self.ended, self.warned = "", False
        self.judged = True  # whether it was looked at whether the run ends
        least = self.restarts.popsize
        if config.max_evaluations is not None and config.max_evaluations < least:
            raise InputError(too_few(config.max_evaluations, least))
        deadline = problem.options.deadline
        self.deadline = math.inf if deadline is None else deadline
        if kept:
            self._take_up(kept)

    # ----------------------------------------------------------------------------- the course

    def run(self) -> Found:
        """Runs until there are enough."""
        if not self.land.n:
            return self._solved()
        stops = () if self.file is None else (signal.SIGTERM,)
        with interruption.deferred(*stops), contextlib.closing(ProgressLine(None)) as line:
            while not self.ended:
                try:
                    self._advance()
                    cost, run = (
                        min(self.best[1], self.restarts.best_fitness),
                        self.restarts.restarts,
                    )
                    told = f"searching  cost {cost:.6g}, run {run + 1}"
                    line.update(told, self.diagnostics.total_generations, None)
                    interruption.check()
                except KeyboardInterrupt:
                    self._interrupt()
                done, most = self.diagnostics.total_evaluations, self.config.max_evaluations
                line.update("candidates of CMA-ES", done, most)
            if self.file is not None and self.ended not in CUT_SHORT:
                HPCCheckpointManager.remove(self.file)
            return self._found()

    def _advance(self) -> None:
        """Make a generation, and end its run where that is due."""
        if self.current is None:
            self._begin_run()
        self._generation()
        self.judged = False
        if reason := self._why_ends():
            self._end_run(reason)
        self.judged = True
        self.ended = self.ended or self._why_cut_short()
        if self.ended in CUT_SHORT or not (  # to go on from
            self.ended or self.diagnostics.total_generations % self.config.checkpoint_interval
        ):
            self._keep()
        if self.ended and self.current is not None:
            self._end_run(self.ended)

    def _interrupt(self) -> None:
        """End with the best so far; a state between two generations is kept, to go on from."""
        if self.judged:
            self._keep()
        if self.file is not None and interruption.heard(signal.SIGTERM):
            raise CMAESPreempted(self.diagnostics.total_generations, self.file.exists())
        if not math.isfinite(min(self.best[1], self.restarts.best_fitness)):
            raise KeyboardInterrupt
        self.ended = INTERRUPTED  # the fit that follows is that of the best
        if self.current is not None:
            self._end_run(self.ended)

    def _solved(self) -> Found:
        (p,), (cost,) = self.land.solve(self.whole.p0[None])
        self.ended = "the model is linear in all that is fitted"
        self.diagnostics.total_evaluations = 1
        self.restarts.update_best(p, float(cost))
        return self._found()

    def _begin_run(self) -> None:
        """Take the best of some draws as the first mean."""
        r, config, d = self.restarts, self.config, self.diagnostics
        rng = np.random.default_rng((r.seed, r.restarts, 1))
        count = _DRAWS
        if config.max_evaluations is not None:
            count = min(count, config.max_evaluations - d.total_evaluations - r.popsize)
        P, at = self.land.draw(max(count, 1), rng), 0
        if r.restarts == 0:
            P = np.concatenate([self.given, P])[: max(count, 1)]
        self.first = d.total_evaluations
        if count > 1:  # a single one is the first candidate anyway
            P, costs = project(self.land.screen, self.land.linear, P)
            d.total_evaluations += count
            at = int(np.argmin(costs))
        self.best = P[at], math.inf  # the first candidate, which is evaluated on all points
        self.starts.append(P[at])
        self.next_try = _EARLIEST
        state = begin(self.land.coordinates(P[at]), _STEP * config.sigma * r.step, r.popsize, rng)
        self.current = self._adaptation(state)

    def _adaptation(self, state: State | dict[str, Any]) -> CovarianceAdaptation:
        kind = CovarianceAdaptation
        if self.config.sampler == "evosax":
            from nlsq.global_optimization.evosax_adaptation import EvosaxAdaptation as kind
        return kind(state, tol_fun=self.config.tol_fun, tol_x=self.config.tol_x)

    def _generation(self) -> None:
        P, costs = self.land.at(self.current.ask())
        self.current.tell(costs)
        self.last = P, costs
        at = int(np.argmin(costs))
        if costs[at] < self.best[1]:
            self.best = P[at], float(costs[at])
        d = self.diagnostics
        d.total_generations += 1
        d.total_evaluations += len(P)
        d.fitness_history.append(float(costs[at]))

    def _why_cut_short(self) -> str:
        """Why the search ends before its time; empty if it goes on."""
        most, total = self.config.max_evaluations, self.diagnostics.total_evaluations
        size = self.restarts.popsize if self.current is None else self.current.state.popsize
        if time.monotonic() > self.deadline:
            return OUT_OF_TIME
        return "max_evaluations was reached" if most and total + size > most else ""

    def _why_ends(self) -> str:
        """Why the run ends; empty if it goes on."""
        s, total = self.current.state, self.diagnostics.total_evaluations
        if reason := self.current.stop():
            return reason
        if s.generation >= self.config.max_generations:
            return "max_generations"
        if total - self.first >= self.restarts.budget:
            return "its share of the evaluations"
        return "least squares" if self._is_finished_by_least_squares() else ""

    def _is_finished_by_least_squares(self) -> bool:
        """Whether a local fit from an ordinary candidate ends as low as the best one, or lower.

        That is so where costs are smooth and the generation lies around one minimum.
        """
        s = self.current.state
        if not self.config.refine_with_nlsq or s.failed or s.generation < self.next_try:
            return False
        if s.spread <= _SAME * s.best_cost:  # a plateau
            return False
        axes = s.sigma * s.lengths / s.first_sigma
        within = s.spread <= _NEAR * s.best_cost and axes.min() < _BEGUN
        if not within and axes.max() > _SHRUNK:
            return False
        self.next_try = 2 * s.generation
        P, costs = self.last
        middle = np.argsort(costs, kind="stable")[np.isfinite(costs).sum() // 2]
        end, cost = self.land.finish(P[middle])
        if cost > self.land.problem.tolerance(self.best[1]):
            return False
        self.best = end, cost
        return True

    def _end_run(self, reason: str) -> None:
        s, d, r = self.current.state, self.diagnostics, self.restarts
        refines = self.config.refine_with_nlsq and reason != "least squares" and not self.ended
        if refines and math.isfinite(self.best[1]):
            end, cost = self.land.finish(self.best[0])
            if cost < self.best[1]:
                self.best = end, cost
        p, cost = self.best
        evaluations = d.total_evaluations - self.first
        d.final_sigma = s.sigma
        d.restart_history.append(
            {
                "regime": r.regime,
                "popsize": s.popsize,
                "generations": s.generation,
                "evaluations": evaluations,
                "cost": cost,
                "reason": reason,
                "parameters": p.tolist(),
            }
        )
        r.update_best(p, cost)
        self.ended = self.ended or self._why_enough()
        r.register_restart(evaluations)
        self.current = None

    def _why_enough(self) -> str:
        """Why no further run follows; empty if one does.

        A minimum beside the best asks for one run more, two for two, since there may be others. So
        does a loss that is not squares, for which little is solved.
        """
        r, runs = self.restarts, self.diagnostics.restart_history
        if r.best_fitness == 0:
            return "the cost is 0"
        if r.exhausted:
            return "all restarts were made" if r.restarts else runs[-1]["reason"]
        if not math.isfinite(r.best_fitness):
            return ""
        found = sum(run["cost"] <= self.land.problem.tolerance(r.best_fitness) for run in runs)
        others, before = 0, r.best_fitness
        for cost in sorted(run["cost"] for run in runs if run["reason"] in _MINIMA):
            if cost > self.land.problem.tolerance(before):
                others, before = others + 1, cost
        if found >= self.config.agreeing_runs + min(others, 2) + (not self.land.exact):
            return f"{formatting.count(found, 'run')} ended in the best minimum"
        return ""

    def _found(self) -> Found:
        d, r, whole = self.diagnostics, self.restarts, self.whole
        parts = {id(p): p for p in (self.land.screen, self.land.problem, whole)}.values()
        failed = sum(p.failed for p in parts)
        reason = next((p.first_failure for p in parts if p.failed), "")
        if r.best_solution is None:
            raise InputError(
                f"The model fails at all of {d.total_evaluations} parameter vectors, first with: "
                f"{reason}.",
                "Give p0, or bounds within which it has values.",
            )
        d.convergence_reason, d.best_fitness = self.ended, r.best_fitness
        d.total_restarts = max(len(d.restart_history) - 1, 0)
        d.wall_time = time.monotonic() - self.began
        ends = np.array([run["parameters"] for run in d.restart_history] or [r.best_solution])
        costs = np.array([run["cost"] for run in d.restart_history] or [r.best_fitness])
        if whole is not self.land.problem:
            fitted = fit_from(whole, ends, self.land.linear)
            ends, costs = fitted.x, fitted.cost
        minima = gathered(
            whole, self.land.units, ends, costs, np.array(self.starts or ends),
            converged=self._settled(), n_failed=failed, first_failure=reason or None,
            n_evaluations=sum(p.evaluations for p in parts), seed=d.seed, sampler="cmaes",
            stopped=self.ended,
        )  # fmt: skip
        return Found(minima[0].params.copy(), minima, {"cmaes_diagnostics": d})

    def _settled(self) -> np.ndarray:
        """Of each run whether it ended in a minimum, and was not cut short on its way."""
        finished = self.config.refine_with_nlsq
        reasons = [run["reason"] for run in self.diagnostics.restart_history] or [_MINIMA[0]]
        return np.array([r in _MINIMA or (finished and r != self.ended) for r in reasons])

    # ---------------------------------------------------------------------------- checkpoints

    def _kept(self) -> dict[str, Any] | None:
        """What a checkpoint knows, where there is one."""
        self.file: Path | None = None
        if self.config.checkpoint_dir is None:
            return None
        folder = Path(self.config.checkpoint_dir)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"checkpoint_dir={str(folder)!r} cannot be made: {error.strerror}.",
                "Give a folder that can be written to.",
            ) from None
        self.file = folder / f"{self.config.run_id or 'cmaes'}.checkpoint"
        self.fingerprint = _fingerprint(self.whole, self.config, self.given)
        return HPCCheckpointManager.load(self.file, self.fingerprint)

    def _take_up(self, kept: dict[str, Any]) -> None:
        self.restarts = BIPOPRestarter(**kept["restarts"])
        self.diagnostics = CMAESDiagnostics.from_dict(kept["diagnostics"])
        if kept["current"] is not None:
            self.current = self._adaptation(kept["current"])
        for name in _STORED:
            setattr(self, name, kept[name])

    def _keep(self) -> None:
        """Write a checkpoint, where there are any."""
        if self.file is None:
            return
        state = {
            "restarts": dataclasses.asdict(self.restarts),
            "diagnostics": self.diagnostics.to_dict(),
            "current": None if self.current is None else self.current.to_dict(),
            **{name: getattr(self, name) for name in _STORED},
        }
        try:
            HPCCheckpointManager.save(self.file, state, self.fingerprint)
        except OSError as error:
            if not self.warned:
                message = f"{self.file} could not be written: {error.strerror}. The search goes on."
                warnings.warn(message, SearchCheckpointWarning, stacklevel=2)
            self.warned = True


def _until(problem: Problem, limit: float | None) -> Problem:
    """The problem whose local fits too end when the search has to."""
    if limit is None:
        return problem
    before, deadline = problem.options.deadline, time.monotonic() + limit
    deadline = deadline if before is None else min(before, deadline)
    problem = copy.copy(problem)
    problem.whole = problem
    problem.options = dataclasses.replace(problem.options, deadline=deadline)
    return problem


def _fingerprint(problem: Problem, config: CMAESConfig, given: np.ndarray) -> dict[str, Any]:
    """What must be the same for a search to go on from a checkpoint."""
    data = problem.data
    settings = dataclasses.asdict(config)
    return {
        "model": fingerprint(problem.model.key),
        "data": fingerprint(model_key((data.x.arrays(), data.y, data.weights, data.factor))),
        "bounds or starts": fingerprint(model_key((problem.lb, problem.ub, problem.p0, given))),
        "settings": {k: v for k, v in settings.items() if k not in _FREE_TO_CHANGE},
    }
