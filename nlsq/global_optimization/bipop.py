"""Restarts of CMA-ES under two regimes, large and small populations, with equal budgets (BIPOP).

After N. Hansen, "Benchmarking a BI-population CMA-ES on the BBOB-2009 function testbed", GECCO
2009: the large regime doubles the population at each of its restarts, which smooths rugged costs;
the small one tries small populations with small first steps, which are cheap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from nlsq.global_optimization.bounds_transform import compute_default_popsize


@dataclass
class BIPOPRestarter:
    """Says how the next run begins, from what the runs before have cost.

    Parameters
    ----------
    base_popsize : int, optional
        Candidates of a generation in the first run; default: by `n_params`.
    n_params : int
        Coordinates that are searched.
    max_restarts : int
        Restarts of the large regime; those of the small one come between them.
    seed : int
        Of the sizes and first steps of the small regime.

    Attributes
    ----------
    popsize, step, budget
        Of the next run: candidates of a generation, by what its first step is multiplied, and the
        evaluations that it may take.
    regime : str
        'first', 'large' or 'small'.
    best_fitness, best_solution
        The best of all runs; inf and None before there is one.

    Examples
    --------
    >>> restarts = BIPOPRestarter(base_popsize=8, n_params=4, seed=0)
    >>> sizes = []
    >>> while len(sizes) < 5:
    ...     sizes.append((restarts.regime, restarts.get_next_popsize()))
    ...     restarts.register_restart(evaluations=1000)
    >>> [size for regime, size in sizes if regime != "small"]
    [8, 16, 32]
    """

    base_popsize: int | None
    n_params: int
    max_restarts: int = 9
    seed: int = 0
    restarts: int = 0
    larger: int = 0  # restarts of the large regime
    spent: dict[str, int] = field(default_factory=lambda: {"large": 0, "small": 0})
    best_fitness: float = math.inf
    best_solution: np.ndarray | None = None
    regime: str = "first"
    popsize: int = 0
    step: float = 1.0
    budget: float = math.inf

    def __post_init__(self):
        if self.base_popsize is None:
            self.base_popsize = compute_default_popsize(self.n_params)
        self.popsize = self.popsize or self.base_popsize

    @property
    def exhausted(self) -> bool:
        """Whether all restarts of the large regime were made."""
        return self.larger >= self.max_restarts

    def get_next_popsize(self) -> int:
        """Candidates of a generation in the next run."""
        return self.popsize

    def get_best(self) -> tuple[np.ndarray | None, float]:
        """The best solution of all runs and its cost."""
        return self.best_solution, self.best_fitness

    def update_best(self, solution: np.ndarray, fitness: float) -> bool:
        """Take the end of a run; whether it is better than all before."""
        better = fitness < self.best_fitness
        if better:
            self.best_solution, self.best_fitness = np.array(solution, dtype=float), float(fitness)
        return better

    def register_restart(self, evaluations: int) -> None:
        """Take what the last run has cost, and settle how the next one begins."""
        if self.regime != "first":  # which counts for neither regime
            self.spent[self.regime] += int(evaluations)
        self.restarts += 1
        if self.spent["small"] < self.spent["large"]:
            u, v = np.random.default_rng((self.seed, self.restarts)).uniform(size=2)
            self.regime, self.step = "small", float(10 ** (-2 * v))
            self.popsize = int(self.base_popsize * (0.5 * 2**self.larger) ** (u * u))
            self.budget = 0.5 * self.spent["large"]
        else:
            self.larger += 1
            self.regime, self.step, self.budget = "large", 1.0, math.inf
            self.popsize = self.base_popsize * 2**self.larger

    def reset(self) -> None:
        """Forget all runs."""
        self.__init__(self.base_popsize, self.n_params, self.max_restarts, self.seed)
