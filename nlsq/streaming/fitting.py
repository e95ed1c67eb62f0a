"""`fit_source`: a fit of a source, from its first reading to its result."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from nlsq.caching.memory_manager import manager
from nlsq.config import get_memory_config
from nlsq.core.drive.roads import choose_road
from nlsq.core.loop.status import Status
from nlsq.core.model.calls import CurveCall
from nlsq.core.model.identity.fingerprint import fingerprint
from nlsq.core.model.identity.walk import model_key
from nlsq.core.model.jacobians import of_curve
from nlsq.core.model.model import Model
from nlsq.core.orchestration.stages import require_engine, stages_for
from nlsq.core.orchestration.streaming_coordinator import automatic_chunk_size
from nlsq.core.problem import guesses, named, naming
from nlsq.core.problem.keywords import asks_for_report, asks_for_search
from nlsq.core.problem.observations import Observations, require_enough_points
from nlsq.core.problem.options import Options, read_options
from nlsq.core.problem.parameters import (
    UNBOUNDED,
    Parameters,
    parse_parameters,
    speaks_by_name,
)
from nlsq.core.verdict.finished import Finished
from nlsq.core.verdict.record import announce, covariance_of, fields, judge, numbers_on_demand
from nlsq.distributed import current
from nlsq.interfaces.orchestration_protocol import StreamingDecision
from nlsq.models.reading import read
from nlsq.result import StreamedFitResult
from nlsq.streaming.feed import Feed, bytes_to_keep
from nlsq.streaming.full_passes import FullPasses, buffer_bytes
from nlsq.streaming.hybrid_config import HybridStreamingConfig
from nlsq.streaming.loading import empty
from nlsq.streaming.moments import moments
from nlsq.streaming.opening import as_source
from nlsq.streaming.phases.checkpoint import CheckpointManager, KeptElsewhere
from nlsq.streaming.phases.orchestrator import PhaseOrchestrator
from nlsq.streaming.problem import StreamedProblem
from nlsq.streaming.progress import PassDisplay
from nlsq.streaming.shares import Shares
from nlsq.streaming.sources import DataSourceError, SequentialSource, Source
from nlsq.streaming.survey import PART, Survey, sample_alone, survey
from nlsq.utils import interruption

if TYPE_CHECKING:
    from nlsq.diagnostics import DiagnosticsConfig
    from nlsq.distributed.alone import Alone
    from nlsq.distributed.ranks import Ranks


_PROBES, _PROBE = 16, 256  # runs of points, and their length, by which files are compared


@dataclasses.dataclass(frozen=True)
class Reading:
    """How a source is read and watched; see `nlsq.fit`."""

    chunk_size: int | None = None
    checkpoint: str | os.PathLike | None = None
    checkpoint_interval: float = 30.0
    resume: bool = False
    show_progress: bool | None = None

    def __post_init__(self) -> None:
        size = self.chunk_size
        whole = isinstance(size, int | np.integer) and not isinstance(size, bool)
        if size is not None and not (whole and size >= 1):
            raise ValueError(f"chunk_size must be a positive whole number of points, got {size!r}.")
        if not isinstance(self.checkpoint, str | os.PathLike | None):
            raise TypeError(f"checkpoint must be the path of a folder, got {self.checkpoint!r}.")
        if self.resume and self.checkpoint is None:
            raise ValueError("resume=True needs `checkpoint`, the folder to go on from.")

    @classmethod
    def merged(cls, given: dict, hybrid: HybridStreamingConfig | None) -> Reading:
        """From the options of `nlsq.fit` that are not None, which outrank a configuration's."""
        given = {k: v for k, v in given.items() if v is not None}
        own = {}
        if hybrid is not None:
            own = {
                "chunk_size": hybrid.chunk_size, "checkpoint": hybrid.checkpoint_dir,
                "checkpoint_interval": hybrid.checkpoint_interval, "resume": hybrid.resume,
            }  # fmt: skip
        elif "checkpoint_interval" in given and "checkpoint" not in given:
            raise ValueError("checkpoint_interval needs `checkpoint`, a folder to write them to.")
        return cls(**own | given)


@dataclasses.dataclass
class _AllPoints(Observations):
    """A sample that stands for all points where only their number counts."""

    survey: Survey | None = None

    @property
    def n_residuals(self) -> int:
        found = self.survey
        return (found.n_points - sum(found.idle.values())) * (2 if self.is_complex else 1)


def fit_source(
    caller: str,
    f: Callable | str,
    xdata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = UNBOUNDED,
    method: str | None = None,
    jac: Any = None,
    nan_policy: str | None = None,
    *,
    fixed: Any = None,
    stability: Any = False,
    compute_diagnostics: bool = False,
    diagnostics_config: DiagnosticsConfig | None = None,
    ydata: Any = None,
    reading: Reading = Reading(),
    hybrid: HybridStreamingConfig | None = None,
    decision: StreamingDecision | None = None,
    **options: Any,
) -> StreamedFitResult:
    """Fit a source; the arguments of `nlsq.fit`, brought to `reading`, `hybrid` and `decision`.

    Called inside `together` of the processes that fit: each reads its share of the data.

    Where they ask for a search for the global minimum, see `nlsq.streaming.phases.searching`.

    Raises
    ------
    DataSourceError
        When the data cannot be read or are no numbers.
    ValueError, TypeError, FitError
        As `curve_fit`.
    """
    started, ranks = time.perf_counter(), current()
    if stability is not False:
        raise ValueError(
            "`stability` looks at data in memory; a fit of a source has none of it. Fit a part of "
            "the data with curve_fit(..., stability='check') first."
        )
    source = ranks.agree(lambda: as_source(xdata, ydata, sigma), named=True)
    if isinstance(f, str):
        f = read(f, source)
    if options.pop("auto_bounds", False) or options.pop("bounds_safety_factor", None) is not None:
        raise ValueError(
            "auto_bounds looks at data in memory. Infer bounds from a part of them, "
            "bounds=nlsq.precision.infer_bounds(x, y, p0, f=model), and leave it out."
        )
    strategy, has_start = None, p0 is not None
    if asks_for_search(method, options):
        from nlsq.global_optimization.strategies import read_strategy  # which few fits need

        strategy, method, options = read_strategy(method, options)
    said = None
    if speaks_by_name(f, p0, bounds, fixed, options):
        said = named.read(f, p0, bounds, fixed, method)
        p0, options = said.without_data(), naming.scales(options, said.names)
        bounds = said.limits(p0, found=not said.asks_data)
    parameters = parse_parameters(f, p0, bounds)
    if hybrid is not None:
        own = hybrid.loop_options()
        options = {
            k: v for k, v in own.items() if k != "max_nfev" or "maxfev" not in options
        } | options
    settings = _settings(caller, f, method, jac, parameters, options)
    diagnoses = asks_for_report(compute_diagnostics, diagnostics_config)
    if diagnoses:
        settings = dataclasses.replace(settings, history=[])
    require_engine(f)
    if decision is None:
        width, points = source.form.bytes_per_point, source.n_points
        decided = stages_for(f).coordinator.decide(points, width, False, workflow="chunked")
    else:
        decided = decision
    settings = dataclasses.replace(settings, sampled=decided.sampled)
    if ranks.count > 1:
        _require_same_call(ranks, source, reading, parameters, settings, {
            "hybrid": hybrid, "strategy": strategy, "has_start": has_start, "fixed": fixed,
            "absolute_sigma": absolute_sigma, "check_finite": check_finite,
            "nan_policy": nan_policy, "compute_diagnostics": diagnoses,
        })  # fmt: skip
        if ranks.rank:
            settings = dataclasses.replace(settings, callback=None, verbose=0)
    if nan_policy not in (None, "raise", "omit"):
        raise ValueError(f"nan_policy must be None, 'raise' or 'omit', got {nan_policy!r}.")
    size = reading.chunk_size or automatic_chunk_size(
        source.form.bytes_per_point, get_memory_config()
    )
    omit = nan_policy == "omit"
    check = check_finite is None or bool(check_finite) or nan_policy is not None
    with ExitStack() as stack:
        # SIGTERM too, which batch systems send, unless the program has a handler of its own
        stack.enter_context(interruption.deferred(signal.SIGTERM))
        stack.callback(source.close)
        checkpoints = None
        if reading.checkpoint is not None:
            checkpoints = ranks.agree(lambda: _checkpoints(reading, ranks, stack))
        shown = False if ranks.rank else reading.show_progress
        display = stack.enter_context(PassDisplay(source.n_points, shown))
        found = None
        if not (omit or checkpoints):
            found = sample_alone(source, check)
            if None in ranks.each(lambda: found and found.n_points):
                found = None
        found = found or survey(source, size, omit, check, display.reading, ranks)
        one = found.sample
        data = _AllPoints(one.x, one.y, one.sigma, one.weights, one.factor, survey=found)
        if said is not None and said.asks_data:
            p0 = said.start(*guesses.counted(one.x.given, one.y, one.idle))
            parameters = parse_parameters(f, p0, said.limits(p0))
        held_by_bounds = fixed is None and parameters.n_free < parameters.p0.size
        if method in (None, "lm") and not (parameters.bounded or held_by_bounds):
            require_enough_points(parameters.n_free, data)
        model = Model(CurveCall(f), parameters.p0.size, getattr(f, "__name__", type(f).__name__))
        choose_road(model, found.sample, parameters, settings, found.n_points)
        problem = StreamedProblem(model, found, parameters, settings, check)
        problem.require_pointwise()
        shares = None
        if ranks.count > 1:
            _require_same_model(ranks, problem)
            shares = Shares(ranks, found.n_points, problem.layout.capacity)
        buffers = buffer_bytes(source.form.bytes_per_point, problem.layout.capacity)
        manager.require(buffers, f"Reading {source.name} in pieces")
        own = None if shares is None else shares.own
        feed = Feed(source, problem.layout.capacity, size, omit, own=own)
        stack.callback(feed.forget)
        feed.keep(bytes_to_keep(buffers) // ranks.beside)
        whole = FullPasses(feed, found, display.passing, check, shares)
        search = None
        if strategy is not None:
            from nlsq.streaming.phases.searching import SearchPhase

            part = Feed(source, PART, size, omit, check)
            search = SearchPhase(strategy, has_start, part, display.judging, ranks)
        phases = PhaseOrchestrator(
            problem, whole, hybrid, checkpoints, reading.resume, search, ranks
        )
        problem.options = dataclasses.replace(settings, callback=display.watch(settings.callback))
        outcome = phases.run()
        parameters = phases.problem.parameters  # with the start that a search found
        finished = Finished(model, data, parameters, settings, outcome)
        if finished.status is Status.NOT_FINITE:
            _refuse_start(ranks, feed, model, parameters, outcome.x)
        sums = None
        if ranks.count > 1:  # together: whoever asks later is alone
            if not finished.status.stopped_from_outside:
                with suppress(KeyboardInterrupt):
                    once_more = FullPasses(feed, found, shares=shares)
                    sums = moments(phases.problem, once_more, outcome.x)._asdict()
            ranks.apart()
            feed = Feed(source, feed.capacity, size, omit)
        if checkpoints is not None and not finished.status.stopped_from_outside:
            checkpoints.remove()
    result = _result(finished, phases, feed, absolute_sigma, time.perf_counter() - started, sums)
    if phases.found is not None:
        from nlsq.result.search_sentences import tell

        tell(result, phases.found.told())
    if decision is not None:
        result["workflow"] = decision._asdict()
    result["streaming"] = result.streaming | {
        "chunk_size": min(size, feed.capacity),
        "source": source.name,
        "n_omitted": found.n_omitted,
    }
    if diagnoses:
        from nlsq.result.diagnosing import diagnose  # which few fits need

        result["diagnostics"] = diagnose(result, diagnostics_config, settings.history)
    announce(result, finished.status, settings.verbose, stacklevel=3)
    if search is not None:
        search.tell_doubt(phases.found, phases.facts.get("tournament"), found.n_points)
    return result


def _settings(caller, f, method, jac, parameters: Parameters, options: dict) -> Options:
    settings = read_options(caller, method, of_curve(jac, f), parameters.bounded, options, model=f)
    if settings.cache is not None:
        raise ValueError("`cache` keeps fits of arrays; a fit of a source has `checkpoint`.")
    if settings.workers is not None:
        raise ValueError("`workers` share out differences; a source is fitted without them.")
    if settings.tr_solver != "exact":
        raise ValueError(
            f"tr_solver={settings.tr_solver!r} makes many passes for one step; a source is fitted "
            "with tr_solver='exact'."
        )
    return settings


def _result(
    finished: Finished,
    phases: PhaseOrchestrator,
    feed: Feed,
    absolute_sigma: bool,
    seconds: float,
    known: dict[str, float] | None,
) -> StreamedFitResult:
    problem, sample = phases.problem, phases.problem.survey.sample
    whole = FullPasses(feed, problem.survey)

    def sums() -> dict[str, float]:
        if known is not None:
            return known
        finished.model.require_unchanged()
        try:
            return moments(problem, whole, finished.outcome.x)._asdict()
        finally:
            feed.source.close()

    facts = phases.facts | {"full_passes": phases.passes.count}
    held = {
        "n_points": finished.data.n_residuals,
        "weighted": sample.weights is not None,
        "sample": {"xdata": sample.x.given, "ydata": sample.y, "sigma": sample.sigma},
        "streaming": facts,
    }
    if feed.source.labels:
        held["labels"] = feed.source.labels
    verdict = judge(finished, covariance_of(finished, absolute_sigma))
    result = StreamedFitResult(
        fields(finished, verdict, absolute_sigma, seconds) | held,
        lazy=numbers_on_demand(finished) | {"moments": sums},
    )
    result.__dict__["_factor"] = verdict.covariance.jacobian  # R, all that a diagnosis needs
    return result


def _checkpoints(
    reading: Reading, ranks: Alone | Ranks, stack: ExitStack
) -> CheckpointManager | KeptElsewhere:
    """Who keeps the checkpoints of this process."""
    ranks.hint = (
        f" Its checkpoint is in {reading.checkpoint}: start the fit again with resume=True, in any "
        "number of processes."
    )
    if ranks.rank:
        return KeptElsewhere()
    return stack.enter_context(
        CheckpointManager(reading.checkpoint, interval=reading.checkpoint_interval)
    )


def _require_same_call(
    ranks: Ranks,
    source: Source | SequentialSource,
    reading: Reading,
    parameters: Parameters,
    settings: Options,
    others: dict[str, Any],
) -> None:
    """Refuse processes that were asked for different fits."""
    quiet = ("callback", "verbose", "deadline", "history")
    told = {k: v for k, v in vars(settings).items() if k not in quiet} | others
    told |= {
        "time_limit": settings.deadline is not None,
        "checkpoint": None if reading.checkpoint is None else str(reading.checkpoint),
        "resume": reading.resume,
    }
    plain = str, int, float, bool, type(None)
    said = {
        "the source": type(source).__name__,
        "the columns of the data": repr(source.form),
        "the number of points": source.n_points,
        "p0": [list(parameters.names), parameters.p0.tolist()],
        "bounds": [parameters.lb.tolist(), parameters.ub.tolist()],
        "the data": _probed(source) if isinstance(source, Source) else None,
    }
    said |= {k: v if isinstance(v, plain) else fingerprint(model_key(v)) for k, v in told.items()}
    ranks.alike(said, "Call the fit alike on all of them.")


def _require_same_model(ranks: Ranks, problem: StreamedProblem) -> None:
    """Refuse processes with different models, or data."""
    found = problem.survey
    said = {
        "the model": fingerprint(problem.model.key),
        "how the model is computed": "NumPy" if problem.model.interpreted else "JAX",
        "the number of points": found.n_points,
        "the data": found.fingerprint,
    }
    ranks.alike(said, "Give all of them the same model and data.")


def _probed(source: Source) -> str:
    """A digest of points from all over a source."""
    size = min(_PROBE, source.n_points)
    points, digest = empty(source.form, size), xxhash.xxh3_128()
    for start in np.linspace(0, source.n_points - size, _PROBES).astype(int).tolist():
        source.read_into(start, points)
        for column in points:
            digest.update(b"" if column is None else np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


def _refuse_start(
    ranks: Alone | Ranks, feed: Feed, model: Model, parameters: Parameters, p: np.ndarray
) -> None:
    """Raise with the first row at which the model is not finite at the start."""
    start = ", ".join(f"{n}={v:g}" for n, v in zip(parameters.names, p, strict=True))
    where = "its derivatives are not finite"
    found = [bad for bad in ranks.each(lambda: _not_finite(feed, model, p)) if bad is not None]
    if found:
        row, of_data, value = min(found)
        where = f"the model gives {value} in row {row} of {feed.source.name}"
        if of_data:
            raise DataSourceError(
                f"{Status.NOT_FINITE.sentence} y is {value} in row {row} of {feed.source.name}. "
                "Remove such points, or pass nan_policy='omit'."
            )
    raise DataSourceError(
        f"{Status.NOT_FINITE.sentence} With {start} {where}. Choose another p0, or bounds that "
        "keep the parameters where the model is defined."
    )


def _not_finite(feed: Feed, model: Model, p: np.ndarray) -> tuple[int, bool, str] | None:
    """(row, whether it is y and not the model, its value there) of the first such point."""
    for chunk in feed.chunks():
        weights, y = chunk.points.sigma, chunk.points.y
        counts = np.ones(chunk.count, bool) if weights is None else weights != 0
        value = np.broadcast_to(model.predict(chunk.points.x, p), chunk.count)
        for of_data, values in ((True, y), (False, value)):
            bad = np.flatnonzero(counts & ~np.isfinite(values))
            if bad.size:
                row = feed.source.row(chunk.first + int(bad[0]))
                return row, of_data, str(values[bad[0]])
        feed.release(chunk)
    return None
