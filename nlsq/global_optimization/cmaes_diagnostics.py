"""What a search by CMA-ES did."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass
class CMAESDiagnostics:
    """The course of a search by CMA-ES.

    Attributes
    ----------
    total_generations, total_restarts, total_evaluations : int
        In all runs; an evaluation is of one parameter vector, local fits not counted.
    final_sigma : float
        Step of the last generation, in the coordinates that are searched.
    best_fitness : float
        Least cost found, half the sum of the weighted squares.
    fitness_history : list of float
        The best cost of each generation, of all runs.
    restart_history : list of dict
        Each run: its regime, popsize, generations, evaluations, cost, and what ended it.
    convergence_reason : str
        What ended the search.
    nlsq_refinement : bool
        Whether runs were ended by least squares.
    wall_time : float
        Seconds.
    seed : int
        With which the search can be made again.
    sampler : str
        Whose CMA-ES it was.

    Examples
    --------
    >>> CMAESDiagnostics(fitness_history=[100.0, 10.0, 1.0]).get_fitness_improvement()
    0.99
    """

    total_generations: int = 0
    total_restarts: int = 0
    total_evaluations: int = 0
    final_sigma: float = 0.0
    best_fitness: float = math.inf
    fitness_history: list[float] = field(default_factory=list)
    restart_history: list[dict[str, Any]] = field(default_factory=list)
    convergence_reason: str = "not converged"
    nlsq_refinement: bool = False
    wall_time: float = 0.0
    seed: int = 0
    sampler: str = "nlsq"

    def get_fitness_improvement(self) -> float:
        """What part of the first generation's best cost is gone; nan where there was none."""
        first = next((c for c in self.fitness_history if math.isfinite(c)), 0.0)
        return (first - min(self.fitness_history)) / first if first > 0 else math.nan

    def get_convergence_rate(self) -> float:
        """Decades by which the best cost fell in a generation, on average; nan where it is 0."""
        finite = [c for c in self.fitness_history if math.isfinite(c)]
        if len(finite) < 2 or min(finite) <= 0:
            return math.nan
        return (math.log10(finite[0]) - math.log10(min(finite))) / (len(finite) - 1)

    def summary(self) -> str:
        """A few lines for people.

        Examples
        --------
        >>> print(CMAESDiagnostics(total_generations=41, total_evaluations=287, seed=7,
        ...     best_fitness=0.25, convergence_reason="2 runs ended in the best minimum",
        ...     restart_history=[{"regime": "first", "popsize": 7, "generations": 41,
        ...     "evaluations": 287, "cost": 0.25, "reason": "least squares"}]).summary())
        CMA-ES (nlsq): 1 run, 41 generations, 287 evaluations, best cost 0.25
        Ended: 2 runs ended in the best minimum. Seed 7.
          first run of 7: 41 generations, cost 0.25, least squares
        """
        runs = len(self.restart_history)
        lines = [
            f"CMA-ES ({self.sampler}): {runs} run{'s' * (runs != 1)}, {self.total_generations} "
            f"generations, {self.total_evaluations} evaluations, best cost {self.best_fitness:.6g}",
            f"Ended: {self.convergence_reason}. Seed {self.seed}.",
        ]
        lines += [
            "  {regime} run of {popsize}: {generations} generations, cost {cost:.6g}, "
            "{reason}".format(**run)
            for run in self.restart_history
        ]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """All fields, as Python's own types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> CMAESDiagnostics:
        """Inverse of `to_dict`."""
        known = {f.name for f in fields(cls)}
        if unknown := sorted(set(d) - known):
            raise ValueError(f"CMAESDiagnostics has no field {', '.join(map(repr, unknown))}.")
        return cls(**d)
