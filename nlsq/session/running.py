"""One fit from its settings to its document, in this process or in a confined one.

The document is what is shown, saved and reported; it holds the whole result as plain data. A model
file that is not trusted is checked and then fitted in a child process with limits; everything else
about a fit is the same there and here.
"""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.config import env_flag
from nlsq.session import answers
from nlsq.session.errors import (
    BY_NAME,
    ConfigurationError,
    DataError,
    LimitReached,
    LostProcess,
    ModelError,
    NoModel,
    ProgramError,
)
from nlsq.session.handover import packed, received, settle
from nlsq.session.model import USER_CODE_ERRORS, LoadedModel, failure, load_model, raised_in, start
from nlsq.session.pieces import glance, in_pieces_by_request, open_source, reading_options
from nlsq.session.points import Points
from nlsq.session.provenance import agreement, provenance, x_names
from nlsq.session.settings import Settings
from nlsq.utils import interruption
from nlsq.utils.input_error import InputError

if TYPE_CHECKING:
    from nlsq.result import CurveFitResult

_TOLD = ("fitting.p0", "fitting.fixed", "fitting.bounds")  # where they were given is said


def prepare_process() -> None:
    """Set what a program may set and a library may not."""
    try:
        if env_flag("NLSQ_FORCE_CPU"):  # do not even open a GPU
            if "jax" in sys.modules:
                sys.modules["jax"].config.update("jax_platforms", "cpu")
            else:
                os.environ["JAX_PLATFORMS"] = "cpu"  # for when it is loaded
        env_flag("NLSQ_DISABLE_PERSISTENT_CACHE")  # which is read when a program is compiled
    except ValueError as error:
        raise ConfigurationError(str(error)) from None


def execute(
    settings: Settings,
    points: Points | None,
    resume: bool = False,
    only_known: bool = False,
    whole: bool = False,
    command: str | None = None,
    watch: Callable | None = None,
) -> tuple[dict[str, Any], CurveFitResult]:
    """Fit; where the model's code runs depends on whether it is trusted.

    Each fit takes the backend, and so has the digits, of the first in a process.

    Parameters
    ----------
    points : Points or None
        None: the file is read piece by piece.
    resume : bool
        Go on from the checkpoint.
    only_known : bool
        Starts, bounds and fixed values of parameters that the model does not have do not count.
    whole : bool
        The result is to be written with all its content.
    command : str or None
        How the fit was asked for, where that was on a command line.
    watch : callable or None
        A callback of the fit, where it runs in this process; default: a line on the terminal.

    Returns
    -------
    document, result
        The document without the result's own content (`nlsq.io.documents.completed`).

    Raises
    ------
    ProgramError
    """
    columns = settings.data.columns
    if columns.group is not None and settings.data.only is None:
        raise ConfigurationError(
            f"data.columns.group: {columns.group} makes a fit of each group, and this is one fit.",
            "Fit all with nlsq batch, or name one: data.only.",
        )
    if settings.workflow.processes > 1:
        from nlsq.distributed import current

        if current().count != settings.workflow.processes:
            raise ConfigurationError(
                f"workflow.processes: {settings.workflow.processes} are started by nlsq fit alone.",
                "Fit with nlsq fit, or set workflow.processes to 1.",
            )
    from nlsq.core.drive.buying import forget_rents  # with the engine, which a fit needs first

    forget_rents()
    request = {
        "settings": settings.model_dump(mode="json"),
        "points": None if points is None else vars(points),
        "provenance": provenance(settings, points, command),
        "places": _places(settings),
        "resume": resume,
        "only_known": only_known,
        "whole": whole,
        "watch": watch,
    }
    answer = carry_out(run, request, settings, answers.FIT)
    return received(answer, request["provenance"], points, settings)


def guess_start(settings: Settings, points: Points | None) -> dict[str, Any]:
    """Names, p0 and the model's values there; where it runs as for `execute`."""
    request = {
        "settings": settings.model_dump(mode="json"),
        "points": None if points is None else vars(points),
        "places": _places(settings),
    }
    sizes = {} if points is None else {"points": points.y.size}
    return carry_out(run_guess, request, settings, answers.GUESS, sizes)


def _places(settings: Settings) -> dict[str, str]:
    return {k: v for k, v in settings.places.items() if k.startswith(_TOLD)}


def carry_out(
    run: Callable[[dict], dict],
    request: dict,
    settings: Settings,
    form: dict[str, Any],
    sizes: dict[str, int] | None = None,
) -> dict[str, Any]:
    """``run(request)`` here, or confined where the model is a file that is not trusted.

    Parameters
    ----------
    form, sizes
        What the answer of a confined one must look like (`nlsq.session.answers`).

    Raises
    ------
    ProgramError
        Also the one that `run` returns as {"error": ...}, and a ModelError for another form.
    """
    if settings.model.path is None or settings.model.trusted:
        if settings.model.path is not None:
            require_safe(settings)  # writes it down
        prepare_process()
        answer = run(request)
    else:
        request = request | {"confined": True, "watch": None}
        answer = _confined(f"{run.__module__}:{run.__name__}", request, settings)
        answers.check(answer, form, settings, sizes or {})
    if "error" in answer:
        raise unpack_error(answer["error"])
    return answer


def _confined(entry: str, request: dict, settings: Settings) -> dict:
    """`entry(request)` in a child process with limits, after the model file has been checked."""
    from nlsq.device import usable_cores
    from nlsq.security import Limits, ResourceLimitError, SandboxError, call
    from nlsq.security.programs import Programs

    require_safe(settings)
    allowed = settings.limits
    limits = Limits(
        memory_mb=max(1, math.ceil(allowed.memory_gb * 1e9 / 2**20)),
        cpu_seconds=allowed.seconds * usable_cores(),
        wall_seconds=allowed.seconds,
    )
    if not sys.platform.startswith("linux"):
        warnings.warn("on this system a model file is kept from little but time.", stacklevel=3)
    try:
        files = [settings.model.path, settings.data.input_file]
        return call(
            entry, request, limits=limits, files=[f for f in files if f is not None],
            bubblewrap=allowed.bubblewrap,
            programs=Programs(settings.model.path, f"bubblewrap: {allowed.bubblewrap}"),
        )  # fmt: skip
    except InputError as error:
        raise ConfigurationError(error.message, error.fix) from None
    except ResourceLimitError as error:
        what = "memory" if error.limit == "memory" else "time"
        raise LimitReached(
            f"{settings.model.path}: the fit took more {what} than a model file that is not "
            "trusted may.",
            f"Allow it more with --limit-{what}, or run the file with --trust.",
        ) from None
    except SandboxError as error:
        raise ModelError(f"{settings.model.path}: the model failed: {error}") from None


def require_safe(settings: Settings) -> None:
    """Raise for a model file with anything beyond arithmetic in it, and write that down."""
    from nlsq.security import AuditLogger, validate_model

    path = settings.model.path
    if not os.path.isfile(path):
        raise NoModel(f"{path}: no such model file.", "A path in a file is relative to it.")
    found = validate_model(path, trusted=settings.model.trusted)
    AuditLogger().log_load_attempt(path, found)
    if not found.may_run:
        raise NoModel(
            "\n".join(f"{path}:{v.line}:{v.column}: {v.reason}" for v in found.violations[:20]),
            "If you know and trust this file, run it with --trust.",
        )


@interruption.deferred()
def run(request: dict[str, Any]) -> dict[str, Any]:
    """One fit in this process: document and result, or {"error": ...} for `unpack_error`."""
    settings, points = unpack(request)
    try:
        document, result = _document(settings, points, request)
        if request.get("confined"):
            result = packed(result, points, request["whole"])
        interruption.acted_upon()
        return {"document": document, "result": result}
    except ProgramError as error:
        return {"error": pack_error(error)}


@interruption.deferred()
def run_guess(request: dict[str, Any]) -> dict[str, Any]:
    """The start of a fit in this process, as `run`."""
    settings, points = unpack(request)
    try:
        x, y = glance(settings) if points is None else (points.x, points.y)
        model = load_model(settings.model, x_names(settings, points))
        begin = start(settings.fitting, model, x, y, places=request["places"])
        values = np.broadcast_to(np.asarray(model.function(x, *begin.p0), float), y.shape)
    except ProgramError as error:
        return {"error": pack_error(error)}
    return {"names": list(model.names), "p0": begin.p0, "values": values}


def unpack(request: dict[str, Any]) -> tuple[Settings, Points | None]:
    """Settings and points of a request."""
    points = request["points"]
    return Settings.model_validate(request["settings"]), points and Points(**points)


def pack_error(error: ProgramError) -> dict[str, str]:
    """An error as plain data."""
    return {"kind": type(error).__name__, "message": error.message, "fix": error.fix}


def unpack_error(packed: dict[str, str]) -> ProgramError:
    """The error that `pack_error` packed."""
    return BY_NAME[packed["kind"]](packed["message"], packed["fix"])


def _document(
    settings: Settings, points: Points | None, request: dict
) -> tuple[dict[str, Any], CurveFitResult]:
    from nlsq.io import result_document

    began = time.perf_counter()
    names_of_x = x_names(settings, points)
    given = settings.fitting.p0
    model = load_model(settings.model, names_of_x, len(given) if isinstance(given, list) else None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result, begin = _fit(settings, model, points, request)
        settle(result)
    notes = list(dict.fromkeys(str(warning.message) for warning in caught))
    result["warnings"] = notes + [
        note for note in result.warnings if not any(note in said for said in notes)
    ]
    told = request["provenance"]
    document = result_document(
        result,
        provenance=told["provenance"]
        | {
            "start": begin.origin,
            "begin": {
                "p0": begin.p0,
                "lower": begin.lb,
                "upper": begin.ub,
                "searched": not begin.chosen and settings.fitting.search is not None,
            },
            "seconds": round(time.perf_counter() - began, 3),
        },
        table_info=told["data"] | ({} if points is None else points.facts),
        x_label=points.x_label if points else ", ".join(names_of_x),
        y_label=points.y_label if points else str(settings.data.columns.y),
        whole=False,
    )
    if (report := result.get("stability")) is not None:
        document["stability"] = report.describe()
    if settings.certified is not None:
        document["certified"] = agreement(result, settings.certified)
    return document, result


def _fit(settings: Settings, model: LoadedModel, points: Points | None, request: dict):
    """The result, and where it began."""
    from nlsq import FitError, curve_fit

    fitting, options = settings.fitting, settings.fitting.options()
    x, y = (None, None) if points is None else (points.x, points.y)
    if points is None and model.guess is not None and not isinstance(fitting.p0, list):
        x, y = glance(settings)
    begin = start(fitting, model, x, y, request["only_known"], request["places"])
    if settings.certified is not None:
        for key in ("values", "stderr"):
            given = getattr(settings.certified, key)
            if given is not None and len(given) != len(model.names):
                raise ConfigurationError(
                    f"certified.{key} has {len(given)} numbers, but the model has "
                    f"{len(model.names)} parameters: {', '.join(model.names)}."
                )
    bounded = np.isfinite(begin.lb).any() or np.isfinite(begin.ub).any()
    options |= {"bounds": (begin.lb, begin.ub)} if bounded else {}
    p0 = begin.p0 if begin.chosen or fitting.search is None else None
    try:
        with watching() if request["watch"] is None else nullcontext(request["watch"]) as callback:
            if points is not None:
                found = curve_fit(
                    model.function, points.x, points.y, p0, points.sigma,
                    callback=callback, **options,
                )  # fmt: skip
            else:
                options |= {"p0": p0, "resume": request["resume"] or None, "callback": callback}
                found = _fit_in_pieces(settings, model, options)
    except ProgramError:
        raise
    except FitError as error:
        if error.result is None:
            raise
        found = error.result
    except USER_CODE_ERRORS as error:
        raise translated(error, model) from error
    if p0 is None:
        begin = dataclasses.replace(begin, p0=np.asarray(found["p0"]), origin="found by the search")
    return found, begin


def _fit_in_pieces(settings: Settings, model: LoadedModel, options: dict[str, Any]):
    """The result of a fit to a file that is read piece by piece."""
    from nlsq import fit
    from nlsq.streaming.problem import NotInPieces

    source = open_source(settings)
    reading = reading_options(settings, source)
    try:
        return fit(model.function, source, **reading, **options)
    except NotInPieces:
        if in_pieces_by_request(settings):
            raise
        return fit(model.function, source, **reading | {"workflow": "direct"}, **options)


def translated(error: Exception, model: LoadedModel) -> ProgramError:
    """What a failure inside a fit was: of the model, the data or the request."""
    from nlsq.distributed import LostRank
    from nlsq.streaming import DataSourceError

    if isinstance(error, LostRank):
        return LostProcess(str(error))
    if model.path is not None and raised_in(error, model.path):
        return failure(error, model.path)
    if isinstance(error, DataSourceError | MemoryError):
        return DataError(str(error))
    if isinstance(error, TypeError | ValueError):
        return ConfigurationError(str(error), " ".join(getattr(error, "__notes__", ())))
    raise error


@contextmanager
def watching() -> Iterator[Callable]:
    """A callback that shows iterations on a terminal; with it Ctrl-C ends at the best so far."""
    from nlsq.utils.progress import ProgressLine

    line = ProgressLine(None)

    def callback(iteration, cost, params, info):
        line.update(f"fitting  iteration {iteration}, cost {cost:.6g}", iteration, None)

    try:
        yield callback
    finally:
        line.close()
