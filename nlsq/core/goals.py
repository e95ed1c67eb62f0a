"""What a fit is for, in a word: tolerances, a search and a road through the data by `goal`."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Collection
from typing import Any

from nlsq.config import MemoryConfig, get_memory_config
from nlsq.constants import DEFAULT_FTOL, EPS
from nlsq.core.problem.keywords import asks_for_search
from nlsq.utils.input_error import did_you_mean

TOLERANCES = ("ftol", "xtol", "gtol")


class OptimizationGoal(enum.Enum):
    """What matters in a fit. Each sets what the call leaves open; what is given outranks it.

    FAST: tolerances of 1e-6. ROBUST: the search 'robust' around p0, not to miss the best minimum.
    GLOBAL: the search 'global', from nowhere. MEMORY_EFFICIENT: the data are read in pieces.
    QUALITY: tolerances of 1e-12, or what the rounding of so long sums leaves, and the search
    'robust'.

    Examples
    --------
    >>> OptimizationGoal.named("quality")
    <OptimizationGoal.QUALITY: 5>
    """

    FAST = 1
    ROBUST = 2
    GLOBAL = 3
    MEMORY_EFFICIENT = 4
    QUALITY = 5

    @classmethod
    def named(cls, goal: str | OptimizationGoal) -> OptimizationGoal:
        """The goal of a name in lower case.

        Raises
        ------
        ValueError
            There is none, with the nearest one.
        """
        if isinstance(goal, cls):
            return goal
        known = {one.name.lower(): one for one in cls}
        if goal not in known:
            near = did_you_mean(str(goal), known, f"; the goals are {', '.join(known)}.")
            raise ValueError(f"There is no goal {goal!r}{near}")
        return known[goal]

    @property
    def search(self) -> str | None:
        """The preset of the search for the global minimum that it makes."""
        named = {"ROBUST": "robust", "GLOBAL": "global", "QUALITY": "robust"}
        return named.get(self.name)


def calculate_adaptive_tolerances(
    n_points: int, goal: str | OptimizationGoal | None = None
) -> dict[str, float]:
    """`ftol`, `xtol` and `gtol` of a goal, none below what n_points sums can resolve.

    Examples
    --------
    >>> calculate_adaptive_tolerances(100, "fast")
    {'ftol': 1e-06, 'xtol': 1e-06, 'gtol': 1e-06}
    >>> [calculate_adaptive_tolerances(m, "quality")["ftol"] for m in (100, 10**8)]
    [1e-12, 2.220446049250313e-11]
    """
    of_goal = {OptimizationGoal.FAST: 1e-6, OptimizationGoal.QUALITY: 1e-12}
    goal = None if goal is None else OptimizationGoal.named(goal)
    tolerance = of_goal.get(goal, DEFAULT_FTOL)
    return dict.fromkeys(TOLERANCES, float(max(tolerance, 10 * EPS * n_points**0.5)))


def pursue(
    goal: str | OptimizationGoal,
    workflow: Any,
    method: str | None,
    options: dict[str, Any],
    n_points: int,
    roads: Collection[str],
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """(workflow, options, what the goal set) of a call of `fit`.

    Raises
    ------
    ValueError
        There is no such goal, or the call asks for its opposite.
    """
    wish = OptimizationGoal.named(goal)
    told: dict[str, Any] = {"goal": wish.name.lower()}
    road = isinstance(workflow, str) and workflow in ("auto", *roads)
    searches = not road or asks_for_search(method, options)
    if wish is OptimizationGoal.MEMORY_EFFICIENT:
        if workflow == "direct":
            raise ValueError(
                "goal='memory_efficient' reads the data in pieces, and workflow='direct' holds "
                "them in memory: leave one of them out."
            )
        if workflow == "auto":
            workflow = told["workflow"] = "chunked"
    elif wish in (OptimizationGoal.ROBUST, OptimizationGoal.GLOBAL) and searches:
        raise ValueError(
            f"goal={wish.name.lower()!r} is a search for the global minimum, and the call asks for "
            "another one: leave one of them out."
        )
    if wish.search and not searches:
        told["search"] = wish.search
        options = options | {"search_config": wish.search}
    if wish in (OptimizationGoal.FAST, OptimizationGoal.QUALITY):
        own = calculate_adaptive_tolerances(n_points, wish)
        told |= (free := {k: v for k, v in own.items() if k not in options})
        options = options | free
    return workflow, options, told


@dataclasses.dataclass(frozen=True)
class MemoryBudget:
    """What a fit may plan with (`available_gb`, of which `threshold_gb`) and takes, in 1e9 bytes.

    Data, the whole Jacobian (which only a model that is not compiled, or couples points, has), and
    the most at a time with it. See `nlsq.estimate_memory_requirements` for fits in pieces.

    Examples
    --------
    >>> budget = MemoryBudget.compute(10**8, 5, memory_limit_gb=8)
    >>> budget.data_gb, budget.jacobian_gb, budget.data_fits, budget.fits_in_memory
    (1.6, 4.0, True, False)
    """

    available_gb: float
    threshold_gb: float
    data_gb: float
    jacobian_gb: float
    peak_gb: float

    @classmethod
    def compute(
        cls,
        n_points: int,
        n_params: int,
        n_features: int = 1,
        dtype_bytes: int = 8,
        safety_factor: float = 0.75,
        memory_limit_gb: float | None = None,
    ) -> MemoryBudget:
        """The budget of a fit of so many points, with `n_features` numbers in x."""
        limit = get_memory_config().memory_limit_gb if memory_limit_gb is None else memory_limit_gb
        memory, column = MemoryConfig(limit, safety_factor), n_points * dtype_bytes / 1e9
        data, jacobian = (n_features + 1) * column, n_params * column
        peak = data + 2 * jacobian + 2 * column  # and its rows, the residual, the model's value
        return cls(memory.limit_bytes / 1e9, memory.usable_bytes / 1e9, data, jacobian, peak)

    @property
    def data_fits(self) -> bool:
        """Whether the data may be held in memory."""
        return self.data_gb <= self.threshold_gb

    @property
    def fits_in_memory(self) -> bool:
        """Whether a fit with the whole Jacobian may be made."""
        return self.peak_gb <= self.threshold_gb
