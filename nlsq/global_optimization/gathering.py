"""What local fits of a search ended in, each minimum as a person would state it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.global_optimization.problem import Problem
from nlsq.global_optimization.ranges import Ranges
from nlsq.global_optimization.units import Units
from nlsq.result.minima import Minima


def gathered(
    problem: Problem, units: Units, ends: np.ndarray, costs: np.ndarray, starts: np.ndarray,
    **told: Any,
) -> Minima:  # fmt: skip
    """The minima among ends (k, n), without aliases, and without signs that say nothing.

    told: the keywords of `Minima.gather`.
    """
    ranges, costs = Ranges(problem, units), costs.copy()
    costs[ranges.aliases(ends, costs)] = np.inf
    ends, curve, names = ranges.plain(ends, costs), curve_of(problem), problem.names
    return Minima.gather(ends, costs, starts, curve, names, **told).restated(ranges.upright)


def curve_of(problem: Problem) -> Callable[[np.ndarray], np.ndarray]:
    """The model at the data in units of their errors, for one parameter vector."""
    return lambda p: problem.whiten(problem.values(p[None])[0])
