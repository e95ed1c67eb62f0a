"""The strategy of `method='cmaes'`: runs of CMA-ES with restarts, each finished by least squares.

1.  What enters linearly is solved at every candidate; the other parameters are searched, in
    coordinates without units (`bounds_transform`).
2.  A run begins at the best of some draws. It ends by its own tests, or earlier, as soon as least
    squares lead from it to a minimum. Where they do not, the model being rough, it goes on.
3.  The search ends when enough runs ended in the best minimum, or when a budget is used up.
"""

from __future__ import annotations

import dataclasses
import math
import secrets
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np

from nlsq.core.model.identity.fingerprint import fingerprint
from nlsq.core.model.identity.walk import model_key
from nlsq.global_optimization.bipop import BIPOPRestarter
from nlsq.global_optimization.bounds_transform import Coordinates
from nlsq.global_optimization.checkpoint import CMAESPreempted, HPCCheckpointManager
from nlsq.global_optimization.cmaes_config import CMAESConfig, too_few
from nlsq.global_optimization.cmaes_diagnostics import CMAESDiagnostics
from nlsq.global_optimization.covariance_adaptation import CovarianceAdaptation, State, begin
from nlsq.global_optimization.local import fit_from
from nlsq.global_optimization.problem import Found, Problem
from nlsq.global_optimization.projecting import project
from nlsq.global_optimization.ranges import Ranges
from nlsq.global_optimization.units import units_of
from nlsq.utils import interruption
from nlsq.utils.input_error import InputError

_STEP = 4.0  # coordinates in which a step of 1 is a quarter of the range
_POINTS, _SEEN = 2048, 64  # of the data that a search sees, and that units are found at
_DRAWS = 64  # that say what is likely, and of which a run begins at the best
_NEAR = 0.1  # spread of the costs, as a part of the best, at which least squares are tried
_SHRUNK = 1e-2  # or the longest axis, as a part of the first step
_GAIN = 0.01  # of the spread: what least squares must gain to be believed
_SAME = 1e-6  # relative difference of two costs that is none
_TO_GO_ON = "it was interrupted", "time_limit was reached"  # ends that keep the checkpoint
_FREE_TO_CHANGE = ("time_limit", "checkpoint_dir", "checkpoint_interval", "run_id")


class CovarianceSearch:
    """Finds the start of a fit by CMA-ES.

    Parameters
    ----------
    config : CMAESConfig, optional
    """

    def __init__(self, config: CMAESConfig | None = None):
        self.config = CMAESConfig() if config is None else config

    def find(self, problem: Problem, given: np.ndarray | None = None) -> Found:
        """The best point of all runs.

        given : ndarray (k, n), optional
            Starts that are known: p0.

        Raises
        ------
        InputError
            The budget is too small for one generation, or the model fails everywhere.
        CMAESPreempted
            At SIGTERM, where there are checkpoints: the last one was written.
        """
        return _Search(problem, self.config, given).run()


class Landscape:
    """The cost above the coordinates that are searched, all other parameters being solved.

    Attributes
    ----------
    n : int
        How many there are.
    """

    def __init__(self, problem: Problem, rng: np.random.Generator):
        self.problem = problem.some(_POINTS)
        units = units_of(self.problem.some(_SEEN), rng)
        self.linear = units.linear
        self._ranges = Ranges(self.problem, units)
        self._drawn = self._ranges.drawn
        self.n = self._drawn.size
        if self.n:
            likely = self.draw(_DRAWS, rng)[:, self._drawn]
            self._where = Coordinates(problem.lb[self._drawn], problem.ub[self._drawn], likely)

    def draw(self, k: int, rng: np.random.Generator) -> np.ndarray:
        """Parameter vectors (k, problem.n) from where they may lie."""
        return self._ranges.draw(rng.random((k, self.n)), rng)

    def coordinates(self, p: np.ndarray) -> np.ndarray:
        """Coordinates (n,) of parameters (problem.n,)."""
        return self._where.from_parameters(p[self._drawn])

    def solve(self, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(vectors with the linear parameters solved, their costs)."""
        return project(self.problem, self.linear, P)

    def at(self, U: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(parameter vectors (k, problem.n), their costs (k,)) at coordinates U (k, n)."""
        P = np.repeat(self.problem.p0[None], len(U), axis=0)
        P[:, self._drawn] = self._where.to_parameters(U)
        return self.solve(P)

    def finish(self, p: np.ndarray) -> tuple[np.ndarray, float]:
        """(end, cost) of the local fit from p (problem.n,)."""
        ends = fit_from(self.problem, p[None], self.linear)
        return ends.x[0], float(ends.cost[0])

    def tolerance(self, cost: float) -> float:
        """The largest cost that is the same as `cost`."""
        return cost * (1 + _SAME) + 1e-14 * self.problem.data.spread()


class _Search:
    def __init__(self, problem: Problem, config: CMAESConfig, given: np.ndarray | None):
        self.config, self.whole = config, problem
        self.given = np.empty((0, problem.n)) if given is None else np.atleast_2d(given)
        self.began = time.monotonic()
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
        self.handed = False  # least squares were tried in this run
        self.first = 0  # evaluations before this run
        self.ended = ""
        least = self.restarts.popsize
        if config.max_evaluations is not None and config.max_evaluations < least:
            raise InputError(too_few(config.max_evaluations, least))
        limits = [math.inf if config.time_limit is None else self.began + config.time_limit]
        if problem.options.deadline is not None:
            limits.append(problem.options.deadline)
        self.deadline = min(limits)
        if kept:
            self._take_up(kept)

    # ----------------------------------------------------------------------------- the course

    def run(self) -> Found:
        """Runs until there are enough."""
        if not self.land.n:
            return self._solved()
        stops = () if self.file is None else (signal.SIGTERM,)
        with interruption.deferred(*stops):
            while not self.ended:
                if self.current is None:
                    self._begin_run()
                self._generation()
                reason = self._why_stop()
                self._keep(reason)
                if reason:
                    self._end_run(reason)
        if self.file is not None and self.ended not in _TO_GO_ON:
            HPCCheckpointManager.remove(self.file)
        return self._found()

    def _solved(self) -> Found:
        p, _ = self.land.solve(self.whole.p0[None])
        self.ended = "the model is linear in all that is fitted"
        self.restarts.update_best(p[0], float(_[0]))
        return self._found()

    def _begin_run(self) -> None:
        """Take the best of some draws as the first mean."""
        r, config, d = self.restarts, self.config, self.diagnostics
        rng = np.random.default_rng((r.seed, r.restarts, 1))
        count = _DRAWS
        if config.max_evaluations is not None:
            count = min(count, config.max_evaluations - d.total_evaluations - r.popsize)
        P = self.land.draw(max(count, 1), rng)
        if r.restarts == 0:
            P = np.concatenate([self.given, P])[: max(count, 1)]
        P, costs = self.land.solve(P)
        self.first = d.total_evaluations
        d.total_evaluations += len(P)
        at = int(np.argmin(costs))
        self.best = P[at], float(costs[at])
        self.handed = False
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
        at = int(np.argmin(costs))
        if costs[at] < self.best[1]:
            self.best = P[at], float(costs[at])
        d = self.diagnostics
        d.total_generations += 1
        d.total_evaluations += len(P)
        d.fitness_history.append(float(costs[at]))

    def _why_stop(self) -> str:
        """Why the run ends, and with it the search where `ended` is set; empty if it goes on."""
        s, config, total = self.current.state, self.config, self.diagnostics.total_evaluations
        try:
            interruption.check()
        except KeyboardInterrupt:
            self.ended = _TO_GO_ON[0]
        if time.monotonic() > self.deadline:
            self.ended = _TO_GO_ON[1]
        elif config.max_evaluations is not None and total + s.popsize > config.max_evaluations:
            self.ended = "max_evaluations was reached"
        if self.ended:
            return self.ended
        if reason := self.current.stop():
            return reason
        if s.generation >= config.max_generations:
            return "max_generations"
        if total - self.first >= self.restarts.budget:
            return "its share of the evaluations"
        return "least squares" if self._is_finished_by_least_squares() else ""

    def _is_finished_by_least_squares(self) -> bool:
        """Whether the local fit from here gains as much as smooth costs promise."""
        s = self.current.state
        if not self.config.refine_with_nlsq or self.handed or s.failed or s.generation < 2:
            return False
        longest = s.sigma * float(s.lengths[-1])
        if s.spread > _NEAR * s.best_cost and longest > _SHRUNK * s.first_sigma:
            return False
        self.handed = True
        end, cost = self.land.finish(self.best[0])
        if cost < self.best[1] - _GAIN * s.spread:
            self.best = end, cost
            return True
        return False

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
                "regime": r.regime, "popsize": s.popsize, "generations": s.generation,
                "evaluations": evaluations, "cost": cost, "reason": reason,
                "parameters": p.tolist(),
            }  # fmt: skip
        )
        r.update_best(p, cost)
        self.ended = self.ended or self._why_enough()
        r.register_restart(evaluations)
        self.current = None

    def _why_enough(self) -> str:
        r, history = self.restarts, self.diagnostics.restart_history
        limit = self.land.tolerance(r.best_fitness)
        found = sum(run["cost"] <= limit for run in history) if math.isfinite(limit) else 0
        if r.best_fitness == 0:
            return "the cost is 0"
        if r.exhausted:
            return "all restarts were made" if r.restarts else history[-1]["reason"]
        if found >= self.config.agreeing_runs:
            return f"{found} runs ended in the best minimum"
        return ""

    def _found(self) -> Found:
        d, r, problem = self.diagnostics, self.restarts, self.land.problem
        if problem is not self.whole:
            self.whole.failed += problem.failed
            self.whole.first_failure = self.whole.first_failure or problem.first_failure
        if r.best_solution is None:
            raise InputError(
                f"The model has no finite cost at any of the {d.total_evaluations} parameter "
                f"vectors that were tried. The first reason: {problem.first_failure}.",
                "Give bounds, or p0, between which it can be evaluated.",
            )
        d.convergence_reason, d.best_fitness = self.ended, r.best_fitness
        d.total_restarts = max(len(d.restart_history) - 1, 0)
        d.wall_time = time.monotonic() - self.began
        return Found(r.best_solution, None, {"cmaes_diagnostics": d})

    # ---------------------------------------------------------------------------- checkpoints

    def _kept(self) -> dict[str, Any] | None:
        """What a checkpoint knows, where there is one."""
        self.file: Path | None = None
        if self.config.checkpoint_dir is None:
            return None
        self.file = Path(self.config.checkpoint_dir) / f"{self.config.run_id or 'cmaes'}.checkpoint"
        self.fingerprint = _fingerprint(self.whole, self.config, self.given)
        return HPCCheckpointManager.load(self.file, self.fingerprint)

    def _take_up(self, kept: dict[str, Any]) -> None:
        self.restarts = BIPOPRestarter(**kept["restarts"])
        self.diagnostics = CMAESDiagnostics.from_dict(kept["diagnostics"])
        self.current = self._adaptation(kept["current"])
        self.best, self.handed, self.first = kept["best"], kept["handed"], kept["first"]

    def _keep(self, reason: str) -> None:
        """Write a checkpoint where one is due, or where the search stops and could go on."""
        if self.file is None:
            return
        due = self.diagnostics.total_generations % self.config.checkpoint_interval == 0
        if self.ended in _TO_GO_ON or (due and not reason):
            state = {
                "restarts": dataclasses.asdict(self.restarts),
                "diagnostics": self.diagnostics.to_dict(),
                "current": self.current.to_dict(),
                "best": self.best,
                "handed": self.handed,
                "first": self.first,
            }
            HPCCheckpointManager.save(self.file, state, self.fingerprint)
        if interruption.heard(signal.SIGTERM):
            raise CMAESPreempted(self.diagnostics.total_generations)


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
