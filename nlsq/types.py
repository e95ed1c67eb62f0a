"""Type names used in public signatures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    import os

    import jax
    import numpy as np

    from nlsq.core.goals import OptimizationGoal
    from nlsq.diagnostics import DiagnosticsConfig
    from nlsq.global_optimization.cmaes_config import CMAESConfig
    from nlsq.global_optimization.config import GlobalOptimizationConfig
    from nlsq.interfaces import (
        CacheProtocol,
        JacobianProtocol,
        LeastSquaresOptimizerProtocol,
        OptimizerProtocol,
    )
    from nlsq.stability.fallback import FallbackOrchestrator

ArrayLike: TypeAlias = "np.ndarray | jax.Array | Sequence[Any] | float"
BoundsTuple: TypeAlias = "tuple[ArrayLike, ArrayLike]"
#: ``f(x, *params)``, returning one value per data point.
ModelFunction: TypeAlias = "Callable[..., ArrayLike]"
MethodLiteral: TypeAlias = Literal["lm", "trf", "dogbox"]
#: Searches for the global minimum.
SearchLiteral: TypeAlias = Literal["global", "multistart", "cmaes", "cmaes-fast", "cmaes-global"]
SamplerLiteral: TypeAlias = Literal["lhs", "sobol", "halton"]
SearchPresetLiteral: TypeAlias = Literal[
    "fast", "robust", "global", "thorough", "streaming", "cmaes-fast", "cmaes", "cmaes-global"
]
LossLiteral: TypeAlias = Literal["linear", "soft_l1", "huber", "cauchy", "arctan"]
#: Finite differences; a callable is a derivative of the user's.
JacLiteral: TypeAlias = Literal["2-point", "3-point", "cs"]
#: What `jac` may be.
JacLike: TypeAlias = "JacLiteral | Callable[..., Any] | JacobianProtocol"
#: What `method` may be: the user's own minimiser too.
MethodLike: TypeAlias = (
    "MethodLiteral | SearchLiteral | OptimizerProtocol | LeastSquaresOptimizerProtocol"
)
NanPolicyLiteral: TypeAlias = Literal["raise", "omit"]
TrSolverLiteral: TypeAlias = Literal["exact", "lsmr", "cg"]
BackendLiteral: TypeAlias = Literal["auto", "numpy", "jax"]
#: Of `nlsq.stability.guard`.
StabilityLiteral: TypeAlias = Literal[False, "check", "auto"]
RoadLiteral: TypeAlias = Literal["auto", "direct", "chunked", "streaming"]
GoalLiteral: TypeAlias = Literal["fast", "robust", "global", "memory_efficient", "quality"]
WorkflowLiteral: TypeAlias = Literal[RoadLiteral, SearchPresetLiteral]
#: ``callback(iteration, cost, params, info)``; returning False stops the fit.
Callback: TypeAlias = "Callable[[int, float, np.ndarray, Mapping[str, Any]], bool | None]"
#: SciPy's ``(popt, pcov, infodict, mesg, ier)``.
FullOutput: TypeAlias = "tuple[np.ndarray, np.ndarray, dict[str, Any], str, int]"


class BatchOptions(TypedDict, total=False):
    """Options of all fits, many at once too; `nlsq.curve_fit` says what they are."""

    ftol: float | None
    xtol: float | None
    gtol: float | None
    loss: LossLiteral | Callable[..., Any]
    f_scale: float
    max_nfev: int | None
    maxfev: int | None
    time_limit: float | None
    backend: BackendLiteral | None


class SearchOptions(TypedDict, total=False):
    """Options of a search from many starts."""

    multistart: bool
    global_search: bool
    n_starts: int | None
    sampler: SamplerLiteral | None
    center_on_p0: bool | None
    scale_factor: float | None
    seed: int | None
    search_config: GlobalOptimizationConfig | str | None


class ManyOptions(BatchOptions, SearchOptions, total=False):
    """Keywords of `nlsq.fit_many` besides those of its signature."""


class FitOptions(BatchOptions, total=False):
    """Further options of a single fit."""

    x_scale: Any
    diag: Any
    diff_step: Any
    epsfcn: float | None
    factor: float | None
    callback: Callable[..., Any] | None
    verbose: int
    tr_solver: TrSolverLiteral | None
    tr_options: Mapping[str, Any] | None
    cache: CacheProtocol | None
    workers: int | Callable[..., Any] | None


class CurveFitOptions(FitOptions, SearchOptions, total=False):
    """Keywords of `nlsq.curve_fit`, of which positional arguments are none."""

    nan_policy: NanPolicyLiteral | None
    fixed: Any
    stability: StabilityLiteral
    cmaes_config: CMAESConfig | None
    fallback: bool | FallbackOrchestrator
    auto_bounds: bool
    bounds_safety_factor: float | None
    compute_diagnostics: bool
    diagnostics_config: DiagnosticsConfig | None


class KeptOptions(CurveFitOptions, total=False):
    """What `nlsq.CurveFit` keeps. It keeps full_output too, but then a checker would be wrong."""

    p0: Any
    sigma: Any
    absolute_sigma: bool
    check_finite: bool | None
    bounds: Any
    method: MethodLike | None
    jac: JacLike | None


class PiecesOptions(CurveFitOptions, total=False):
    """Keywords of `nlsq.fit` besides `workflow`."""

    goal: GoalLiteral | OptimizationGoal | None
    memory_limit_gb: float | None
    chunk_size: int | None
    checkpoint: str | os.PathLike | None
    checkpoint_interval: float | None
    resume: bool | None
    show_progress: bool | None
