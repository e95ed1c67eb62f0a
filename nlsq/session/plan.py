"""What a fit will do, before it does it: the points, and the plan."""

from __future__ import annotations

from typing import Any

import numpy as np

from nlsq.session.pieces import decision, in_pieces_by_request, open_source, read_in_pieces
from nlsq.session.points import Points, load, select
from nlsq.session.settings import Settings


def read(settings: Settings) -> Points | None:
    """The points to fit; None for a file that is read piece by piece."""
    if read_in_pieces(settings):
        return None
    return select(load(settings.data), settings.data, settings.fitting.nan_policy == "omit")


def facts(settings: Settings) -> list[tuple[str, str]]:
    """Name and value of everything that is known before the fit."""
    points = read(settings)
    road, n_points, size = _road(settings, points)
    found = [("data", str(settings.data.input_file))]
    found += [] if points is None else list(points.facts.items())
    found += [
        ("points", "not known before the data are read" if n_points is None else f"{n_points:,}"),
        ("memory", "" if size is None else f"{size / 1e6:,.3g} MB of numbers"),
        ("model", settings.model.text),
        *_parameters(settings, points),
        ("method", settings.fitting.method or "trf"),
        *([("search", settings.fitting.search)] if settings.fitting.search else []),
        ("loss", settings.fitting.loss),
        ("road", road),
    ]
    written = [*settings.export.results_file, *settings.export.figure]
    found += [("writes", ", ".join(map(str, written)))] if written else []
    return found


def _road(settings: Settings, points: Points | None) -> tuple[str, int | None, int | None]:
    if points is not None:
        from nlsq.core.drive.sampling import sample_size

        m = points.y.size
        first = sample_size(m)
        passes = (
            f"{first:,} of the points until the fit converges, then about 4 passes over all"
            if first < m
            else "every evaluation passes over all points"
        )
        size = sum(a.nbytes for a in (points.x, points.y, points.sigma) if a is not None)
        return f"direct: the data are in memory; {passes}", m, size
    source = open_source(settings)
    n_points, each = source.n_points, source.form.bytes_per_point
    made = decision(settings, source)
    source.close()
    passes = "about 4 passes over all points after a sample of them has converged"
    if made.strategy != "direct" and not in_pieces_by_request(settings):
        passes += "; a model that couples its points is fitted to all of them at once"
    size = None if n_points is None else n_points * each
    return f"{made.strategy}: {made.reason}; {passes}", n_points, size


def _parameters(settings: Settings, points: Points | None) -> list[tuple[str, str]]:
    """A line per parameter, unless its model file would have to run for that."""
    from nlsq.session.model import load_model, start

    if points is None or (settings.model.path is not None and not settings.model.trusted):
        return []
    given = settings.fitting.p0
    model = load_model(
        settings.model, points.x_names, len(given) if isinstance(given, list) else None
    )
    begin = start(settings.fitting, model, points.x, points.y, places=settings.places)
    sought = settings.fitting.search is not None and not begin.chosen
    lines = [("start", "found by the search" if sought else begin.origin)]
    for i, name in enumerate(model.names):
        lines.append((f"  {name}", _limits(begin, i, sought)))
    return lines


def _limits(begin: Any, i: int, sought: bool) -> str:
    low, high, value = begin.lb[i], begin.ub[i], begin.p0[i]
    if low == high:
        return f"{value:.6g}, fixed"
    value = "searched" if sought else f"{value:.6g}"
    within = [f"≥ {low:g}"] * bool(np.isfinite(low)) + [f"≤ {high:g}"] * bool(np.isfinite(high))
    return value + "".join(f", {w}" for w in within)
