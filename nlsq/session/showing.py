"""The tables of a finished fit, as a window or a page shows them.

A cell is (what is shown, what explains it or has all its digits, what is copied).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nlsq.core.loop.status import Status
from nlsq.result.formatting import Rounding, criterion, significant
from nlsq.session.remembering import differences, statistic

if TYPE_CHECKING:
    from nlsq.result import CurveFitResult
    from nlsq.result.profiles import Profile

Cell = tuple[str, str, str]
STATISTICS = {
    "chi_squared": ("χ²", "Sum of squares of residuals, over known errors."),
    "reduced_chi_squared": ("χ² / dof", "About 1 where model and errors of y are right."),
    "r_squared": ("R²", "Share of the variance of y that the model explains."),
    "adj_r_squared": ("Adjusted R²", "R², lowered for each parameter that is spent."),
    "rmse": ("RMSE", "Root of the mean squared residual, in units of y."),
    "aicc": ("AICc", "Compares models on the same data: lower is better."),
    "bic": ("BIC", "As AICc, harder on parameters if points are many."),
    "n_points": ("Points", "How many points were fitted."),
    "dof": ("Degrees of freedom", "Points less the parameters that they determine."),
}
_UNKNOWN = {  # where there are no errors of y
    "chi_squared": "Sum of squares of residuals, in units of y.",
    "reduced_chi_squared": "Variance of the residuals; no errors of y are known.",
}
_DELTA = (
    "AICc over that of the best fit to the same data, with the same loss: above 10 has no support."
)
_LONGEST = 30  # characters of a model in a legend
HISTORY = ("Fit", "Model", "n", "χ² / dof", "AICc", "BIC", "ΔAICc")
_WHY = {  # where a tolerance ended it, for whom SciPy's sentence is no plain words
    Status.GTOL: "the gradient is flat (gtol)",
    Status.FTOL: "the cost no longer falls (ftol)",
    Status.XTOL: "the parameters no longer move (xtol)",
    Status.FTOL_XTOL: "neither cost nor parameters change any more (ftol, xtol)",
}
_PLAIN = {code.sentence: f"{why}." for code, why in _WHY.items()}
PROFILED = "profile"  # the column of the intervals that were asked for


def ending(document: Mapping[str, Any]) -> str:
    """How a fit ended, in plain words."""
    ended = document["convergence"]
    word = "Converged" if ended["success"] else "Not converged"
    return f"{word}: {plain(ended['message'])}"


def plain(message: str) -> str:
    """Why a fit ended, in plain words."""
    return _PLAIN.get(message, message)


def statistic_rows(document: Mapping[str, Any] | None) -> list[list[Cell]]:
    """Name, value and meaning of each statistic."""
    known = {} if document is None else document["statistics"]
    told = {} if document is None else document["provenance"]["config"]["data"]
    unknown = _UNKNOWN if told and told.get("columns", {}).get("sigma") is None else {}
    rows = []
    for key, (title, meaning) in STATISTICS.items():
        value = known.get(key)  # "nan" and "inf" stand there as texts
        shown = "–" if value is None else f"{float(value):.6g}"
        number = "" if value is None else str(value)
        meaning = unknown.get(key, meaning)
        rows.append([(title, meaning, title), (shown, meaning, number), (meaning,) * 3])
    return rows


def parameter_columns(level: float, profiled: bool) -> list[str]:
    """Heads of the table of parameters."""
    percent = f"{100 * level:.10g} %"
    more = [f"{percent} {PROFILED}"] if profiled else []
    return ["Parameter", "Value", "± error", f"{percent} interval", *more, "Note"]


def parameter_rows(
    result: CurveFitResult | None, level: float, profiles: Sequence[Profile]
) -> list[list[Cell]]:
    """Value, error and interval of each parameter; its profile, where any was asked for."""
    if result is None:
        return []
    found, rows = {one.name: one for one in profiles}, []
    intervals = result.confidence_intervals(level)
    for at, name in enumerate(result.names):
        value, error = float(result.popt[at]), float(result.perr[at])
        digits, known = Rounding.of(value, error), math.isfinite(error)
        notes = [
            word
            for word, those in (
                ("fixed", result.get("fixed")),
                ("on its bound", result.get("at_bound")),
                ("not determined", result.get("undetermined")),
            )
            if name in (those or ())
        ]
        row = [
            (name, name, name),
            (digits.text(value), repr(value), repr(value)),
            (digits.error(error) if known else "infinite", repr(error), repr(error)),
            _interval(digits, *intervals[at]) if known else ("",) * 3,
        ]
        if profiles:
            one = found.get(name)
            row.append(("…",) * 3 if one is None else _interval(digits, one.low, one.high))
            notes += [one.note] if one is not None and one.note and one.note not in notes else []
        rows.append([*row, (", ".join(notes),) * 3])
    return rows


def _interval(digits: Rounding, low: float, high: float) -> Cell:
    if math.isnan(low):
        return ("none",) * 3
    exact = f"{float(low)!r} … {float(high)!r}"
    shown = [digits.text(v) if math.isfinite(v) else "∞" if v > 0 else "−∞" for v in (low, high)]
    return " … ".join(shown), exact, exact


def correlation_rows(result: CurveFitResult | None) -> tuple[list[str], list[list[Cell]]]:
    """Names, and a row of cells for each; the diagonal is empty."""
    if result is None:
        return [], []
    from nlsq.result.correlation_map import short

    names, rows = list(result.names), []
    for i, (name, values) in enumerate(zip(names, result.correlation, strict=True)):
        row: list[Cell] = []
        for j, (other, r) in enumerate(zip(names, values.tolist(), strict=True)):
            if i == j:
                row.append(("", name, "1"))
            elif math.isnan(r):
                row.append(("–", f"{name}, {other}: not determined", ""))
            else:
                row.append((short(r), f"{name}, {other}: {r:.6g}", repr(r)))
        rows.append(row)
    return names, rows


def history_rows(fits: list[dict[str, Any]]) -> list[list[Cell]]:
    """The fits of a session beside each other, by `HISTORY`."""
    rows = []
    for fit, delta in zip(fits, differences(fits), strict=True):
        found = "\n".join(f"{name} = {value}" for name, value in fit["parameters"].items())
        ended = "" if fit["converged"] else " (not converged)"
        loss = fit["content"].get("fitting", {}).get("loss", "linear")
        model = fit["model"] + ("" if loss == "linear" else f", {loss}") + ended
        number, n = str(fit["number"]), str(fit["n_points"])
        row = [
            (number, "Check it to draw its curve beside the others.", number),
            (model, f"{model}\n{found}\nA click restores this fit.", model),
            (n, STATISTICS["n_points"][1], n),
        ]
        for key, write in (
            ("reduced_chi_squared", significant),
            ("aicc", criterion),
            ("bic", criterion),
        ):
            row.append(_number(statistic(fit, key), write, STATISTICS[key][1]))
        rows.append([*row, _number(delta, criterion, _DELTA)])
    return rows


def legend(fit: dict[str, Any]) -> str:
    """A fit in few letters."""
    model = fit["model"]
    return f"{fit['number']}  {model if len(model) <= _LONGEST else f'{model[:_LONGEST]}…'}"


def _number(value: float, write: Any, tip: str) -> Cell:
    return ("–" if math.isnan(value) else write(value), tip, repr(value))
