"""The cost of a problem above the coordinates that CMA-ES searches."""

from __future__ import annotations

import numpy as np

from nlsq.global_optimization.bounds_transform import Coordinates
from nlsq.global_optimization.local import fit_one
from nlsq.global_optimization.problem import Problem
from nlsq.global_optimization.projecting import project
from nlsq.global_optimization.ranges import Ranges
from nlsq.precision.units import units_of

_POINTS, _SEEN = 2048, 64  # of the data that a search sees, and that starts are screened by
_LIKELY = 64  # draws that say what is likely


class Landscape:
    """The cost above the coordinates that are searched, all other parameters being solved.

    Attributes
    ----------
    n : int
        How many there are.
    exact : bool
        Whether least squares are what is minimised, so that others can be solved.
    """

    def __init__(self, problem: Problem, rng: np.random.Generator):
        self.problem = problem.some(_POINTS)
        self.screen = self.problem.some(_SEEN)
        self.units = units_of(self.screen, rng)
        self._ranges = Ranges(self.problem, self.units)
        self._searched, self.linear = self._ranges.drawn, self.units.linear
        self.exact = problem.options.loss_function is None
        if self._searched.size and not self.exact:
            # what least squares find under outliers is a start, but not solved
            self._searched, self.linear = np.flatnonzero(problem.free), np.empty(0, int)
        self.n = self._searched.size
        if self.n:
            likely = self.draw(_LIKELY, rng)[:, self._searched]
            lb, ub = problem.lb[self._searched], problem.ub[self._searched]
            self._where = Coordinates(lb, ub, likely)

    def draw(self, k: int, rng: np.random.Generator) -> np.ndarray:
        """Parameter vectors (k, problem.n) from where they may lie."""
        P = self._ranges.draw(rng.random((k, self._ranges.drawn.size)), rng)
        return P if self.exact else project(self.screen, self.units.linear, P)[0]

    def coordinates(self, p: np.ndarray) -> np.ndarray:
        """Coordinates (n,) of parameters (problem.n,)."""
        return self._where.from_parameters(p[self._searched])

    def solve(self, P: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(vectors with the linear parameters solved, their costs)."""
        return project(self.problem, self.linear, P)

    def at(self, U: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(parameter vectors (k, problem.n), their costs (k,)) at coordinates U (k, n)."""
        P = np.repeat(self.problem.p0[None], len(U), axis=0)
        P[:, self._searched] = self._where.to_parameters(U)
        return self.solve(P)

    def finish(self, p: np.ndarray) -> tuple[np.ndarray, float]:
        """(end, cost) of the local fit from p (problem.n,)."""
        ends = fit_one(self.problem, p, self.linear)
        return ends.x[0], float(ends.cost[0])
