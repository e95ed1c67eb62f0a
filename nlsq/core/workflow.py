"""`fit`: one call for data of any size.

The roads (`nlsq.core.orchestration.streaming_coordinator`) lead to one answer: the same loop passes
over the same points, and chunks are added up, never fitted alone. Which road was chosen and why is
logged and stands in ``result.workflow``.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import numpy as np

from nlsq.caching.memory_manager import manager
from nlsq.config import (
    get_large_dataset_config,
    get_memory_config,
    memory_context,
)
from nlsq.core.goals import MemoryBudget as MemoryBudget
from nlsq.core.goals import OptimizationGoal as OptimizationGoal
from nlsq.core.goals import (
    calculate_adaptive_tolerances as calculate_adaptive_tolerances,
)
from nlsq.core.goals import pursue
from nlsq.core.minpack import curve_fit
from nlsq.core.orchestration.stages import stages_for
from nlsq.core.orchestration.streaming_coordinator import STRATEGIES
from nlsq.core.problem.keywords import BOUNDING, DIAGNOSTICS, SEARCH, check_names
from nlsq.core.problem.observations import labels_of
from nlsq.core.problem.options import since
from nlsq.core.problem.parameters import UNBOUNDED
from nlsq.distributed import current
from nlsq.distributed.alone import ALONE
from nlsq.interfaces.orchestration_protocol import StreamingDecision
from nlsq.models.model import Model
from nlsq.models.reading import arrays_for, read, read_with
from nlsq.result import CurveFitResult
from nlsq.streaming.fitting import Reading, fit_source
from nlsq.streaming.hybrid_config import HybridStreamingConfig
from nlsq.streaming.loading import load
from nlsq.streaming.opening import as_source, in_memory
from nlsq.utils.given import refuse_units
from nlsq.utils.logging import get_logger

if TYPE_CHECKING:
    from nlsq.diagnostics import DiagnosticsConfig
    from nlsq.global_optimization.cmaes_config import CMAESConfig
    from nlsq.global_optimization.config import GlobalOptimizationConfig
    from nlsq.result import StreamedFitResult
    from nlsq.types import (
        GoalLiteral,
        JacLike,
        MethodLike,
        NanPolicyLiteral,
        PiecesOptions,
        WorkflowLiteral,
    )

_OWN = ("p0", "sigma", "absolute_sigma", "check_finite", "bounds", "method", "jac", "nan_policy",
        "fixed", "fallback", "stability", "workflow", "goal", "memory_limit_gb", "chunk_size",
        "checkpoint", "checkpoint_interval", "resume", "show_progress", *SEARCH,
        *BOUNDING, *DIAGNOSTICS)  # fmt: skip


@overload
def fit(
    f: Callable | str, xdata: Any, ydata: Any = ..., p0: Any = ..., sigma: Any = ...,
    absolute_sigma: bool = ..., check_finite: bool | None = ..., bounds: Any = ...,
    method: MethodLike | None = ..., jac: JacLike | None = ...,
    *, workflow: Literal["chunked", "streaming"] | HybridStreamingConfig,
    **options: Unpack[PiecesOptions],
) -> StreamedFitResult: ...  # fmt: skip
@overload
def fit(
    f: Callable | str, xdata: Any, ydata: Any = ..., p0: Any = ..., sigma: Any = ...,
    absolute_sigma: bool = ..., check_finite: bool | None = ..., bounds: Any = ...,
    method: MethodLike | None = ..., jac: JacLike | None = ...,
    *, workflow: WorkflowLiteral | GlobalOptimizationConfig | CMAESConfig = ...,
    **options: Unpack[PiecesOptions],
) -> CurveFitResult: ...  # fmt: skip
def fit(
    f: Callable | str,
    xdata: Any,
    ydata: Any = None,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = UNBOUNDED,
    method: Any = None,
    jac: JacLike | None = None,
    *,
    nan_policy: NanPolicyLiteral | None = None,
    fixed: Any = None,
    workflow: WorkflowLiteral
    | HybridStreamingConfig
    | GlobalOptimizationConfig
    | CMAESConfig = "auto",
    goal: GoalLiteral | OptimizationGoal | None = None,
    memory_limit_gb: float | None = None,
    chunk_size: int | None = None,
    checkpoint: str | os.PathLike | None = None,
    checkpoint_interval: float | None = None,
    resume: bool | None = None,
    show_progress: bool | None = None,
    compute_diagnostics: bool = False,
    diagnostics_config: DiagnosticsConfig | None = None,
    **options: Any,
) -> CurveFitResult:
    """Fit a function to data of any size: arrays, files, or what the program produces.

    Parameters
    ----------
    f : callable or str
        The model ``f(x, a, b, ...)``, or a text as for `curve_fit`. For data that are read in
        pieces each of its values must depend on its own point alone, and JAX must be able to trace
        it (NumPy code is carried).
    xdata : array_like, path or source
        Arrays with `ydata`; or what holds x, y and sigma together: a tuple ``(x, y)`` or
        ``(x, y, sigma)`` of arrays, a source of `nlsq.streaming`
        (`HDF5Source`, `NpySource`, `ParquetSource`, `CSVSource`, `ZarrSource`, ...), a path of
        such a file with columns x, y and perhaps sigma, an object with ``n_points`` and
        ``get_chunk(start, end)``, or a re-iterable of chunks ``(x, y)`` or ``(x, y, sigma)``.
        The model gets several coordinates as (k, b), b points at a time.
    ydata, p0, sigma, absolute_sigma, check_finite, bounds, method, jac, nan_policy, fixed
        As in `curve_fit`, by name too. Of data that are read in pieces, points that are not
        finite are refused with their row, or those with a NaN in x or y left out and counted
        (``nan_policy='omit'``); derivatives are exact, so that `jac` must be left away; a guess
        sees a sample of the points, and all of them where they are few. So does a search for the
        global minimum: up to 10⁶ points all of them, of more a sample, whose minima are then
        compared on batches from all over the data (``result.streaming["tournament"]``).
    workflow : str, HybridStreamingConfig, GlobalOptimizationConfig or CMAESConfig
        The road, 'auto', 'direct', 'chunked' or 'streaming' (see
        `nlsq.core.orchestration.streaming_coordinator`); 'auto' decides by size and memory. A
        configuration is 'streaming' with its settings; what is given here outranks it. Or a search
        for the global minimum before the fit, on the road that 'auto' decides for: 'fast',
        'robust', 'global', 'thorough' (`nlsq.global_optimization.PRESETS`), 'cmaes-fast', 'cmaes',
        'cmaes-global', or settings of one's own.
    goal : {'fast', 'robust', 'global', 'memory_efficient', 'quality'}, optional
        What matters (`OptimizationGoal`): sets tolerances, a search and the road where the call
        leaves them open. ``result.workflow["goal"]`` tells what it set.
    memory_limit_gb : float, optional
        Memory this fit may plan with, in 1e9 bytes; default as `MemoryConfig`.
    chunk_size : int, optional
        Points read at once, at most 262 144; default by the memory. The answer does not depend
        on it.
    checkpoint : path, optional
        Folder for checkpoints: a fit that was killed goes on from there with ``resume=True`` and
        gives the same bits. Ctrl-C and SIGTERM return the best so far (status -4) and leave a
        checkpoint. The checkpoint is removed when the fit is done, not its folder.
    checkpoint_interval : float
        Seconds between checkpoints (default 30).
    resume : bool
        Go on from the checkpoint, where there is one (default False).
    show_progress : bool, optional
        A line with pass, points per second, cost and time left; default on a terminal. (A direct
        fit is one compiled call: True reads arrays in pieces.)
    compute_diagnostics, diagnostics_config
        As in `curve_fit`. Of data that are read in pieces the report takes one pass more.
    **options
        Further options of `curve_fit`: tolerances, `loss`, `callback`, `time_limit`, ...

    Returns
    -------
    CurveFitResult
        Of data that were read in pieces a `StreamedFitResult`, with statistics of all points.
        ``result.workflow`` tells the road and why.

    Raises
    ------
    ValueError, TypeError, FitError
        As `curve_fit`.
    DataSourceError
        A ValueError: data that cannot be read, are no numbers, or change during the fit.
    CheckpointError
        A ValueError: a checkpoint that is of another fit or broken.

    Examples
    --------
    >>> import numpy as np
    >>> import nlsq
    >>> x = np.linspace(0, 4, 100_000)
    >>> y = 2.5 * np.exp(-1.3 * x) + 0.01 * np.cos(1e4 * x)
    >>> result = nlsq.fit(lambda x, a, k: a * np.exp(-k * x), x, y, workflow="chunked")
    >>> result.popt.round(4).tolist(), result.workflow["strategy"]
    ([2.5, 1.3], 'chunked')
    """
    started = time.monotonic()
    if options.get("fallback", True) is False:
        options.pop("fallback")  # which data in pieces do not know
    known = (*SEARCH, *BOUNDING, *DIAGNOSTICS, "fallback", "stability")
    check_names("fit", [k for k in options if k not in known], _OWN, f)
    set_by_goal = None
    if goal is not None:
        n = np.size(ydata) if ydata is not None else getattr(xdata, "n_points", None) or 0
        workflow, options, set_by_goal = pursue(goal, workflow, method, options, n, STRATEGIES)
    road: Any = workflow
    hybrid = None
    if isinstance(workflow, HybridStreamingConfig):
        hybrid, road = workflow, "streaming"
    elif workflow == "streaming":
        hybrid = HybridStreamingConfig()
    elif workflow not in ("auto", *STRATEGIES):
        from nlsq.global_optimization.strategies import searching  # which few fits need

        road, method, options = searching(workflow, method, options, STRATEGIES)
    common = {
        "p0": p0, "absolute_sigma": absolute_sigma, "check_finite": check_finite,
        "bounds": bounds, "method": method, "jac": jac, "nan_policy": nan_policy, "fixed": fixed,
        "compute_diagnostics": compute_diagnostics, "diagnostics_config": diagnostics_config,
        **options,
    }  # fmt: skip
    reading = {
        "chunk_size": chunk_size, "checkpoint": checkpoint, "resume": resume,
        "checkpoint_interval": checkpoint_interval, "show_progress": show_progress,
    }  # fmt: skip
    memory = get_memory_config()
    if memory_limit_gb is not None:
        memory = dataclasses.replace(memory, memory_limit_gb=memory_limit_gb)
    ranks = ALONE if road == "direct" else current()
    with memory_context(memory), ExitStack() as together:
        held = in_memory(xdata, ydata)
        refuse_units(ydata, "ydata")
        if held and road in ("auto", "direct") and not _first_given(reading):
            n = np.size(ydata)
            size = sum(getattr(a, "nbytes", 8 * n) for a in (xdata, ydata))
            coordinator = stages_for(f, ydata).coordinator
            decision = _logged(
                coordinator.decide(n, size // max(n, 1), True, manager.usable_bytes()), set_by_goal
            )
            return _direct(f, xdata, ydata, sigma, common, decision)
        together.enter_context(ranks.together())
        f, source = ranks.agree(partial(_opened, f, xdata, ydata, sigma, held), named=True)
        if ranks.count > 1 and road == "auto":
            road = "chunked"  # what memory one of them has must not part it from the others
        decision = _logged(
            stages_for(f).coordinator.decide(
                source.n_points, source.form.bytes_per_point, held, memory.held_bytes,
                get_large_dataset_config(), road, _first_given(reading),
            ), set_by_goal,
        )  # fmt: skip
        if decision.strategy == "direct":
            if asked := _first_given(reading):
                raise ValueError(
                    f"`{asked}` is for data that are read in pieces; leave it away, or workflow "
                    "'direct'."
                )
            result = _direct(f, *load(source), since(started, common), decision)
            if source.labels:
                result["labels"] = dict(source.labels)
            return result
        if common.pop("fallback", False):
            raise ValueError(
                "fallback is for a fit of data in memory, and this one reads them in pieces. Fit a "
                "sample with it, and all the data from there: p0=fit."
            )
        if decision.strategy == "streaming" and hybrid is None:
            hybrid = HybridStreamingConfig()
        return fit_source(
            "fit", f, source, **since(started, common), hybrid=hybrid, decision=decision,
            reading=Reading.merged(reading, hybrid),
        )  # fmt: skip


curve_fit_large = fit  # what other versions of this library call it


def _opened(f: Callable | str, xdata, ydata, sigma, held: bool) -> tuple[Callable, Any]:
    """The model and the source; a text is read with what the data call themselves."""
    given, x_name = xdata, None
    if held and isinstance(f, str):
        f, xdata, x_name = read_with(f, xdata)
    elif held and isinstance(f, Model):
        xdata, x_name = arrays_for(f, xdata)
    source = as_source(xdata, ydata, sigma)
    if held:
        source.labels = labels_of(given, ydata, x_name)
    return (read(f, source) if isinstance(f, str) else f), source


def _first_given(reading: dict) -> str:
    """The first option that only a fit in pieces has, '' when none is given."""
    return next((k for k, v in reading.items() if v is not None and v is not False), "")


def _direct(f, x, y, sigma, common: dict, decision: StreamingDecision) -> CurveFitResult:
    result = curve_fit(f, x, y, sigma=sigma, **common)
    result["workflow"] = decision._asdict()
    return result


def _logged(decision: StreamingDecision, set_by_goal: dict | None) -> StreamingDecision:
    get_logger("core.workflow").info("%s: %s", decision.strategy, decision.reason)
    return decision._replace(goal=set_by_goal)
