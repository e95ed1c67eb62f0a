"""The contents of the one-page report of a fit; `writers` turns them into text, rich or HTML."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result import formatting, statistics
from nlsq.result.formatting import Rounding, count, near_one, significant
from nlsq.result.sentences import (
    basis_of_errors,
    bound_notes,
    cautions,
    inferred_sentence,
    tries_sentence,
)
from nlsq.result.serialization import function_name
from nlsq.utils.input_error import harmless

if TYPE_CHECKING:
    from nlsq.result.curve_fit_result import CurveFitResult

_STRONG = 0.9  # correlations above this are listed
_MOST_PAIRS = 8
_LONGEST_NAME = 78  # of a model, in the title


@dataclasses.dataclass(frozen=True)
class Report:
    """Texts of a report; the writers only arrange them."""

    title: str
    converged: bool
    header: list[tuple[str, str]]
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]
    statistics: list[tuple[str, str]]
    correlations: list[str]
    notes: list[str]


def build(result: CurveFitResult, level: float = 0.95) -> Report:
    """Collect what the report says about `result`, intervals at this confidence level."""
    heads, rows = parameter_table(result, level)
    return Report(
        title=f"Fit of {_model_name(result)}",
        converged=bool(result.get("success", True)),
        header=_header(result),
        columns=heads,
        rows=rows,
        statistics=_statistics(result),
        correlations=_correlations(result),
        notes=cautions(result),
    )


def parameter_table(
    result: CurveFitResult, level: float = 0.95
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads of the columns, and a row of texts for each parameter."""
    return columns(level), _rows(result, level)


def columns(level: float) -> tuple[str, ...]:
    """Heads of the columns of the table of parameters."""
    interval = f"{100 * statistics.check_level(level):g} % interval"
    return "name", "value", "std. error", "rel. %", interval, ""


def _model_name(result: CurveFitResult) -> str:
    model = result.get("model")
    name = result.get("model_name") or getattr(model, "name", None) or "the model"
    return model_title(name, result.names)


def model_title(name: str, parameters: Sequence[str]) -> str:
    """A model's name with its parameters; a sum or formula in its own words.

    Examples
    --------
    >>> model_title("decay", ["a", "tau"]), model_title("a*x + b", ["a", "b"])
    ('decay(a, tau)', 'a*x + b')
    """
    if re.search(r"[-+*/^(]", name):
        return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."
    return f"{name}({', '.join(parameters)})"


def _header(result: CurveFitResult) -> list[tuple[str, str]]:
    lines = []
    if "method" in result:
        lines.append(("method", _method(result)))
    if result.sigma_dimensions is not None:
        lines.append(("errors", basis_of_errors(result)))
    lines.append(("data", _data(result)))
    if "message" in result:
        verdict = "converged" if result.get("success", True) else "NOT CONVERGED"
        lines.append(("status", f"{verdict}: {result.message}"))
    if "nfev" in result:
        lines.append(("work", _work(result)))
    if result.get("tries"):
        lines.append(("tries", tries_sentence(result.tries)))
    if result.get("fallback") is not None:
        lines.append(("remedy", result.get("fallback").describe()))
    if result.get("inferred_bounds"):
        lines.append(("bounds", inferred_sentence(result.inferred_bounds)))
    if result.get("minima") is not None:
        from nlsq.result.search_sentences import search_sentence  # which few results need

        lines.append(("search", search_sentence(result.minima)))
    if result.is_settled("stability"):
        lines += [("guard", f"{one.kind}: {one.text}") for one in result.stability.actions]
    if callable(getattr(result.get("model_info"), "describe", None)):
        lines.append(("model", _model(result.model_info)))
    return lines


def _model(info: Any) -> str:
    """How the model was evaluated, in few words where that is as one would wish."""
    said = {
        "jax": "in JAX as written",
        "numpy": "NumPy code carried to JAX",
        "host": "called as it is",
    }
    road, derivative = getattr(info, "road", None), getattr(info, "derivative", None)
    if road not in said or derivative is None or not getattr(info, "pointwise", False):
        return info.describe()
    return f"{said[road]}; derivatives: {derivative}"


def _method(result: CurveFitResult) -> str:
    loss = result.get("loss", "linear")
    text = str(result.method)
    if loss != "linear":
        name = loss if isinstance(loss, str) else function_name(loss)
        text += f", loss {name} with f_scale {significant(float(result.get('f_scale', 1.0)))}"
    if (dimensions := result.sigma_dimensions) is not None:
        kind = ("one sigma", "a sigma for each point", "a covariance matrix of the data")
        known = "absolute" if result.get("absolute_sigma", False) else "relative"
        text += f", {kind[dimensions]} ({known})"
    return text


def _data(result: CurveFitResult) -> str:
    known = "n_points" in result or "ydata" in result
    fixed = len(result.get("fixed") or ())
    parts = [count(result.n_points, "point")] if known else []
    if known and result.complex_values:
        size = result.n_points // 2
        parts = [f"{count(size, 'complex point')} ({2 * size:,} real values)"]
    parts.append(count(result.n_free, "free parameter") + (f" ({fixed} fixed)" if fixed else ""))
    if result.knows_dof:
        dof = result.dof
        parts.append(f"{dof:,} degree{'' if dof == 1 else 's'} of freedom")
    return ", ".join(parts)


def _work(result: CurveFitResult) -> str:
    parts = [count(int(result.nfev), "evaluation")]
    for key, noun in (("njev", "Jacobian"), ("nit", "iteration")):
        if result.get(key) is not None:
            parts.append(count(int(result.get(key)), noun))
    if result.get("wall_time") is not None:
        parts.append(formatting.duration(float(result.wall_time)))
    return ", ".join(parts)


def _rows(result: CurveFitResult, level: float) -> list[tuple[str, ...]]:
    rows = []
    fixed, at_bound = set(result.get("fixed") or ()), bound_notes(result)
    stderrs = result.perr
    limits = result.confidence_intervals(level) if result.knows_dof else None
    for i, name in enumerate(result.names):
        value, stderr = float(result.x[i]), float(stderrs[i])
        if name in fixed:
            rows.append((name, Rounding.of(value, stderr).text(value), "", "", "", "fixed"))
            continue
        note = [at_bound[name]] if name in at_bound else []
        if name in (result.get("undetermined") or ()) or stderr == math.inf:
            note.append("undetermined")
        rows.append(row(name, value, stderr, None if limits is None else limits[i], *note))
    return rows


def row(name: str, value: float, stderr: float, limits: Any, *notes: str) -> tuple[str, ...]:
    """A row of the table of parameters; limits: of the interval, None when they are not known."""
    rounding = Rounding.of(value, stderr)
    relative = formatting.percent(stderr / value) if value and math.isfinite(stderr) else ""
    interval = "" if limits is None else _interval(limits, rounding)
    error = rounding.error(stderr)
    return name, rounding.text(value), error, relative, interval, ", ".join(notes)


def _interval(limits: np.ndarray, rounding: Rounding) -> str:
    low, high = (rounding.text(float(v)) for v in limits)
    return f"[{low}, {high}]"


def _statistics(result: CurveFitResult) -> list[tuple[str, str]]:
    if not result.has_statistics:
        return []
    return [
        ("χ²", significant(result.chi_squared)),
        ("reduced χ²", significant(result.reduced_chi_squared)),
        ("R²", near_one(result.r_squared)),
        ("adjusted R²", near_one(result.adj_r_squared)),
        ("RMSE", significant(result.rmse)),
        ("AIC", formatting.criterion(result.aic)),
        ("AICc", formatting.criterion(result.aicc)),
        ("BIC", formatting.criterion(result.bic)),
    ]


def _correlations(result: CurveFitResult) -> list[str]:
    r = result.correlation
    pairs = [
        (a, b, r[i, j])
        for (i, a), (j, b) in itertools.combinations(enumerate(result.names), 2)
        if abs(r[i, j]) > _STRONG  # nan (fixed, undetermined) fails the comparison
    ]
    pairs.sort(key=lambda pair: -abs(pair[2]))
    shown = [f"{a}, {b}: {near_one(value, 3)}" for a, b, value in pairs[:_MOST_PAIRS]]
    return shown + ([f"and {len(pairs) - _MOST_PAIRS} more"] if len(pairs) > _MOST_PAIRS else [])


def one_line(result: CurveFitResult) -> str:
    """Short repr: values with errors of the first parameters, and whether the fit converged."""
    if not {"x", "pcov"} <= set(result.keys()):
        return f"{type(result).__name__}({', '.join(map(str, result.keys()))})"
    shown = []
    for name, value, stderr in list(zip(result.names, result.x, result.perr, strict=True))[:4]:
        rounding = Rounding.of(float(value), float(stderr))
        shown.append(
            f"{harmless(name)}={rounding.text(float(value))}+/-{rounding.text(float(stderr))}"
        )
    more = ", ..." if len(result.names) > 4 else ""
    verdict = "converged" if result.get("success", True) else "NOT CONVERGED"
    return f"{type(result).__name__}({', '.join(shown)}{more}; {verdict})"


def terminal_is_unicode() -> bool:
    """Whether standard output can show the symbols of the report."""
    try:
        "χ²−µ".encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
