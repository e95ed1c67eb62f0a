"""Many fits of one model: files or groups of rows, fitted a portion at a time.

A portion is read by threads and fitted by one call of `fit_many`, here or by a worker of a Dask
cluster. It chooses its backend as if it were the first of its process, so that digits do not depend
on what was fitted before. What is done is written down, line by line, in a journal beside the
results: an item is known by the digest of its points and of
everything that decides its fit, so that a batch which was killed goes on where it was, and a file
that has changed is fitted again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import nlsq
from nlsq.core.loop.status import Status
from nlsq.device import usable_cores
from nlsq.io import Table
from nlsq.session import answers
from nlsq.session.errors import (
    ConfigurationError,
    DataError,
    LimitReached,
    LostProcess,
    NoModel,
    ProgramError,
)
from nlsq.session.journal import Journal
from nlsq.session.model import USER_CODE_ERRORS, LoadedModel, Start, load_model, start
from nlsq.session.points import Points, groups, load, select
from nlsq.session.running import carry_out, pack_error, require_safe, translated
from nlsq.session.settings import Data, Export, Settings, Workflow
from nlsq.utils import interruption, progress

PORTION = 256  # fits read and fitted at a time
SEARCHED = 32  # the same where each is searched for, so that an interruption loses few
NOT_REACHED = "not reached"


@dataclasses.dataclass(frozen=True)
class Item:
    """One fit of a batch: a file, or the rows of one group in it."""

    path: Path
    group: str | None = None

    @property
    def label(self) -> str:
        """How it is called in tables."""
        path = str(self.path).encode("utf-8", "backslashreplace").decode()  # any bytes are a name
        return path + ("" if self.group is None else f"[{self.group}]")


def require_many(settings: Settings) -> None:
    """Raise for options of a single fit.

    Raises
    ------
    ConfigurationError
    """
    settings.fitting.options_of_many()
    given = {
        "workflow": settings.workflow != Workflow(),
        "certified": settings.certified is not None,
        "fitting.fallback": settings.fitting.fallback,
        "export": settings.export != Export(),
        "goal: memory_efficient": settings.fitting.goal == "memory_efficient",
        "auto_bounds": settings.fitting.auto_bounds,
    }
    for section in (name for name, there in given.items() if there):
        raise ConfigurationError(
            f"{section} is for a single fit (nlsq fit), not for many (nlsq batch).",
            "Leave it out; what a batch writes is named by --table and --plots.",
        )


def find_items(paths: Iterable[Path], settings: Settings) -> Iterator[Any]:
    """The items of the files, each with its points or the error that reading it gave."""
    omit, groupby = settings.fitting.nan_policy == "omit", settings.data.columns.group

    def read(path: Path) -> list[tuple[Item, Points | ProgramError]]:
        data = settings.data.model_copy(update={"input_file": path})
        try:
            table = load(data)
            one = groupby is None or data.only is not None
            found = [(data.only, None)] if one else groups(table, groupby)
        except ProgramError as error:
            return [(Item(path), error)]
        return [(Item(path, name), points_of(table, rows, data)) for name, rows in found]

    def points_of(table: Table, rows: np.ndarray | None, data: Data) -> Points | ProgramError:
        try:
            return select(table if rows is None else table.take(rows), data, omit)
        except ProgramError as error:
            return error

    with ThreadPoolExecutor(usable_cores()) as threads:
        paths = list(paths)
        for first in range(0, len(paths), PORTION):  # no further ahead than a portion
            for found in threads.map(read, paths[first : first + PORTION]):
                yield from found


def key_of(points: Points, settings: Settings) -> str:
    """Digest of everything that decides a fit."""
    digest = hashlib.sha256()
    chosen = settings.model_dump(
        mode="json", include={"model": True, "fitting": True}, exclude={"fitting": {"time_limit"}}
    )
    named = points.x_names if settings.model.formula is not None else None
    digest.update(json.dumps([nlsq.__version__, chosen, named], sort_keys=True).encode())
    if settings.model.path is not None and settings.model.path.is_file():
        digest.update(settings.model.path.read_bytes())
    for array in (points.x, points.y, points.sigma):
        if array is not None:
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def fit_portion(
    portion: list[tuple[Item, Points]], settings: Settings, documents: bool
) -> list[dict[str, Any]]:
    """A row per item, and with `documents` its document under "document"."""
    request = {
        "settings": settings.model_dump(mode="json"),
        "items": [item.label for item, _ in portion],
        "points": [vars(points) for _, points in portion],
        "documents": documents,
    }
    rows = carry_out(run, request, settings, answers.BATCH, {"fits": len(portion)})["rows"]
    for row, (item, points) in zip(rows, portion, strict=True):
        row["fit"] = item.label
        if documents and settings.model.path is not None and "document" in row:
            answers.fit_in(row["document"], row["document"].get("result"), settings, points.y.size)
    return rows


@interruption.deferred()
def run(request: dict[str, Any]) -> dict[str, Any]:
    """The fits of a portion in this process: {"rows": ...} or {"error": ...}."""
    from nlsq.core.drive.buying import forget_rents  # with the engine, which a fit needs first

    forget_rents()
    settings = Settings.model_validate(request["settings"])
    points = [Points(**fields) for fields in request["points"]]
    try:
        rows: list = [None] * len(points)
        kinds = _alike(settings, points)
        deadline = _deadline(settings)
        for places in kinds:
            try:
                fits, model = _fit_many(_until(settings, deadline), [points[k] for k in places])
            except NoModel as error:
                if len(kinds) == 1:
                    raise
                for k in places:  # files with other columns than the rest
                    rows[k] = _failed(request["items"][k], error)
                continue
            for i, k in enumerate(places):
                label = request["items"][k]
                try:
                    row = _row(fits[i], label, model, _search(fits, i, settings))
                    rows[k] = row | _document(fits[i], points[k], settings, label, request)
                except USER_CODE_ERRORS as error:  # the model fails for these data only
                    rows[k] = _failed(label, translated(error, model))
    except ProgramError as error:
        return {"error": pack_error(error)}
    interruption.acted_upon()  # by ending early
    return {"rows": rows}


def _alike(settings: Settings, points: list[Points]) -> list[list[int]]:
    """Places of points that one call can fit: those whose columns a formula takes alike.

    A search draws its starts for one x, and what it finds must not depend on who else is there.
    """
    found: dict[Any, list[int]] = {}
    for k, one in enumerate(points):
        names = tuple(one.x_names) if settings.model.formula is not None else ()
        x = (one.x.shape, one.x.tobytes()) if settings.fitting.search is not None else None
        found.setdefault((names, one.sigma is None, x), []).append(k)
    return list(found.values())


def _fit_many(settings: Settings, points: list[Points]):
    """The fits of points that are alike, and the model."""
    from nlsq import fit_many
    from nlsq.core.problem.naming import place

    fitting = settings.fitting
    if fitting.stability:
        raise ConfigurationError(
            "stability looks at one fit; a batch makes many at once.",
            "Fit such files one by one with nlsq fit.",
        )
    given = fitting.p0
    count = len(given) if isinstance(given, list) else None
    model = load_model(settings.model, points[0].x_names, count)
    begins = [start(fitting, model, one.x, one.y, places=settings.places) for one in points]
    p0 = begins[0].p0 if model.guess is None else np.array([begin.p0 for begin in begins])
    held = [place("fitting.fixed", name, model.names) for name in fitting.fixed]
    fixed = {model.names[i]: p0[..., i] for i in held}
    bounds = _shared_bounds(begins, model, fixed)
    x: Any = [one.x for one in points]
    y: Any = [one.y for one in points]
    sigma: Any = [one.sigma for one in points] if points[0].sigma is not None else None
    own_x = None
    if fitting.search is not None:  # all points are of one x, see `_alike`
        x, y, own_x = x[0], np.array(y), False
        sigma = None if sigma is None else np.array(sigma)
    try:
        fits = fit_many(
            model.function,
            x,
            y,
            p0 if begins[0].chosen or fitting.search is None else None,
            sigma,
            bounds=bounds,
            fixed=fixed or None,
            x_per_fit=own_x,
            progress=False,
            **fitting.options_of_many(),
        )
    except USER_CODE_ERRORS as error:
        raise translated(error, model) from error
    return fits, model


def _shared_bounds(begins: list[Start], model: LoadedModel, fixed: dict) -> tuple:
    """Bounds of the free parameters; fixed ones are unbounded here, `fixed` holds them."""
    lb, ub = begins[0].lb.copy(), begins[0].ub.copy()
    for name in fixed:
        i = model.names.index(name)
        lb[i], ub[i] = -np.inf, np.inf
    return lb, ub


def _search(fits: Any, i: int, settings: Settings) -> dict[str, Any] | None:
    """What the table says of the search of fit i; None where it did not come to its end."""
    if settings.fitting.search is None:
        return {}
    minima = fits.minima
    if minima.cut_short[i]:
        return None
    return {
        "found": int(minima.n_best[i]),
        "local_fits": int(minima.n_fits[i]),
        "next_minimum": _plain(minima.next[i]),
    }


def _row(fit: Any, label: str, model: LoadedModel, search: dict | None) -> dict[str, Any]:
    """What the table says of a fit."""
    outcome = "converged" if fit.success else "not converged"
    reached = search is not None and fit.status != Status.NOT_REACHED
    row: dict[str, Any] = {
        "fit": label,
        "outcome": outcome if reached else NOT_REACHED,
        "message": fit.message,
    }
    said = {
        "reduced_chi_squared": _plain(fit.reduced_chi_squared),
        "r_squared": _plain(fit.r_squared),
        "points": int(fit.n_points),
        "evaluations": int(fit.nfev),
        "undetermined": " ".join(fit.undetermined),
        "at_bound": " ".join(fit.at_bound),
        **(search or {}),
    }
    for name, value, error in zip(model.names, fit.popt, fit.perr, strict=True):
        others, column = {*row, *said, *(set(model.names) - {name})}, name
        while {column, f"{column}_err"} & others:  # a parameter called "points"
            column += "_"
        row[column], row[f"{column}_err"] = _plain(value), _plain(error)
    return row | said


def _plain(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _document(fit: Any, points: Points, settings: Settings, label: str, request: dict) -> dict:
    if not request["documents"]:
        return {}
    from nlsq.io import result_document

    return {
        "document": result_document(
            fit,
            provenance={"title": label, "model": settings.model.text},
            table_info=points.facts,
            x_label=points.x_label,
            y_label=points.y_label,
        )
    }


def failed_row(item: Item, error: ProgramError) -> dict[str, Any]:
    """The row of an item that could not be fitted."""
    return _failed(item.label, error)


def _failed(label: str, error: ProgramError) -> dict[str, Any]:
    what = "bad data" if isinstance(error, DataError) else "not fitted"
    return {"fit": label, "outcome": what, "message": str(error)}


def fit_all(
    items: Iterable[tuple[Item, Points | ProgramError]],
    settings: Settings,
    journal: Journal,
    documents: bool,
    done: Callable[[list[dict[str, Any]]], None],
    client: Any = None,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Fit everything that the journal does not hold; the rows, each with the place of its item.

    done(rows) hears of the rows of each portion, with their documents. client: the
    `distributed.Client` of the workers that fit the portions; None: they are fitted here.
    """
    ready: list[tuple[int, dict[str, Any]]] = []  # rows that need no fit
    fresh: set[str] = set()
    most = PORTION if settings.fitting.search is None else SEARCHED

    def portions() -> Iterator[list[_Waiting]]:
        waiting = []
        for place, (item, found) in enumerate(items):
            if interruption.heard():
                raise KeyboardInterrupt
            if isinstance(found, ProgramError):
                ready.append((place, failed_row(item, found)))
                continue
            key = key_of(found, settings)
            if key in journal.done and not (documents and key in fresh):
                ready.append((place, journal.done[key] | {"fit": item.label}))
                continue
            waiting.append(_Waiting(key, place, item, found))
            if len(waiting) == most:
                yield waiting
                waiting = []
        yield waiting

    def take_ready() -> list[tuple[int, dict[str, Any]]]:
        taken, ready[:] = ready[:], []
        done([row for _, row in taken])
        return taken

    try:
        for portion, rows in _fitted(portions(), settings, documents, client):
            yield from take_ready()
            fresh.update(one.key for one in portion)
            reached = [
                (one.key, one.place, row)
                for one, row in zip(portion, rows, strict=True)
                if row["outcome"] != NOT_REACHED
            ]
            done([row for _, _, row in reached])
            for _, _, row in reached:
                row.pop("document", None)
            journal.add({key: row for key, _, row in reached})  # equal points are one entry
            yield from ((place, row) for _, place, row in reached)
            if len(reached) < len(rows):  # Ctrl-C, SIGTERM or the time limit
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        yield from take_ready()
        raise


class _Waiting(NamedTuple):
    """An item that is to be fitted."""

    key: str
    place: int
    item: Item
    points: Points


def _fitted(
    portions: Iterator[list[_Waiting]], settings: Settings, documents: bool, client: Any
) -> Iterator[tuple[list[_Waiting], list[dict[str, Any]]]]:
    """Portions with their rows: here one after the other, or by workers, as they come.

    Raises
    ------
    LostProcess
        Workers died of a portion again and again.
    """
    deadline = _deadline(settings)

    def asked(portion: list[_Waiting]) -> tuple:
        left = _until(settings, deadline)
        return [(one.item, one.points) for one in portion], left, documents

    if client is None:
        for portion in portions:
            yield portion, _portion_rows(*asked(portion)) if portion else []
        return
    from distributed import KilledWorker, wait

    most, pending, more = 2 * max(sum(client.nthreads().values()), 1), {}, True
    try:
        while more or pending:
            while more and len(pending) < most:
                portion = next(portions, None)
                more = portion is not None
                if portion:
                    task = client.submit(_portion_rows, *asked(portion), pure=False)
                    pending[task] = portion
                elif more:
                    yield portion, []
            try:
                with client.as_current():
                    done = wait(list(pending), 0.2, "FIRST_COMPLETED").done if pending else ()
            except TimeoutError:
                done = ()
            if interruption.heard():
                raise KeyboardInterrupt
            for task in done:
                portion = pending.pop(task)
                try:
                    yield portion, task.result()
                except KilledWorker as error:
                    first, last = portion[0].item.label, portion[-1].item.label
                    raise LostProcess(
                        f"Workers died of the fits {first} to {last}: {error}",
                        "Leave these out; a table's journal holds what is done, for --resume.",
                    ) from None
    finally:
        client.cancel(list(pending))


def _deadline(settings: Settings) -> float | None:
    limit = settings.fitting.time_limit
    return None if limit is None else time.monotonic() + limit


def _until(settings: Settings, deadline: float | None) -> Settings:
    """The settings with the time that is left of all."""
    if deadline is None:
        return settings
    left = {"time_limit": max(deadline - time.monotonic(), 1e-3)}
    return settings.model_copy(update={"fitting": settings.fitting.model_copy(update=left)})


def _portion_rows(portion: list, settings: Settings, documents: bool) -> list[dict[str, Any]]:
    """The rows of a portion; where the model itself fails, each item alone, to find whose it is."""
    deadline = _deadline(settings)
    try:
        return fit_portion(portion, settings, documents)
    except (ConfigurationError, NoModel):  # wrong for every item
        raise
    except ProgramError as error:
        if len(portion) == 1 or isinstance(error, LimitReached):
            return [failed_row(item, error) for item, _ in portion]
        middle = len(portion) // 2
        return [
            row
            for half in (portion[:middle], portion[middle:])
            for row in _portion_rows(half, _until(settings, deadline), documents)
        ]


def fit_groups(settings: Settings, tell: Callable[[Any], None]) -> bool:
    """Fit all groups of a file; whether that came to its end.

    What is told are how far the fits of a portion are, and then their places and rows.
    """
    if settings.model.path is not None:
        require_safe(settings)
    items = find_items([settings.data.input_file], settings)
    try:
        with progress.heard(lambda *stage: tell(stage)):
            for placed in fit_all(items, settings, Journal(None, False), False, id):
                tell(placed)
    except KeyboardInterrupt:  # what was told stays
        return False
    return True
