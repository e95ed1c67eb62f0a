"""What came of many fits, as text and as HTML."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

from nlsq.result import writers
from nlsq.result.report import model_title
from nlsq.utils.input_error import harmless

if TYPE_CHECKING:
    from nlsq.result.curve_fits import CurveFits

_COLUMNS = ("converged", "median", "5 %", "95 %", "std error")


def parameter_rows(fits: CurveFits) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Heads of the columns and rows of the parameters, over the fits that converged."""
    popt, pcov = fits._arrays["popt"], fits._arrays["pcov"]
    converged = fits._arrays["status"] > 0
    rows = []
    for j, name in enumerate(fits.param_names if converged.any() else ()):
        low, middle, high = np.quantile(popt[converged, j], (0.05, 0.5, 0.95))
        error = np.median(np.sqrt(pcov[converged, j, j]))
        rows.append((name, f"{middle:.6g}", f"{low:.6g}", f"{high:.6g}", f"{error:.3g}"))
    return _COLUMNS, rows


def _statuses(fits: CurveFits) -> list[tuple[str, str, str]]:
    """Code, number of fits and sentence, the most frequent first."""
    codes, counts = np.unique(fits._arrays["status"], return_counts=True)
    order = sorted(zip(codes, counts, strict=True), key=lambda pair: -pair[1])
    return [(str(code), str(count), fits.messages[int(code)]) for code, count in order]


def _title(fits: CurveFits) -> str:
    model = model_title(fits._facts["model_name"], fits.param_names)
    converged = int((fits._arrays["status"] > 0).sum())
    return f"{fits.size} fits of {model}: {converged} converged"


def _speed(fits: CurveFits) -> str:
    made = int((fits._arrays["nfev"] > 0).sum())
    return f"{fits.wall_time:.3g} s, {made / max(fits.wall_time, 1e-9):,.0f} fits/s"


def _search(fits: CurveFits) -> list[str]:
    return [str(fits.minima)] if "minima_fits" in fits._arrays else []


def _notes(fits: CurveFits) -> list[str]:
    converged = fits._arrays["status"] > 0
    open_ended = np.isinf(fits._arrays["pcov"][converged]).any(axis=(1, 2)).sum()
    bound = fits._arrays["active_mask"][converged].any(axis=1).sum()
    notes = []
    if open_ended:
        notes.append(f"{open_ended} have parameters that the data do not determine")
    if bound:
        notes.append(f"{bound} have a parameter on its bound")
    return notes


def _worst(fits: CurveFits, count: int) -> list[str]:
    status, cost = fits._arrays["status"], fits._arrays["cost"]
    lines = []
    for index in fits.worst(count):
        place = int(np.ravel_multi_index(index, fits.shape or (1,)))
        label = ", ".join(map(str, index))
        lines.append(f"[{label}] status {status[place]}, cost {cost[place]:.6g}")
    return lines


def as_text(fits: CurveFits, worst: int) -> str:
    """Statuses counted, parameters over all fits, the worst fits."""
    lines = [_title(fits), _speed(fits), *_search(fits), "", f"{'status':>8}{'fits':>12}"]
    lines += [f"{code:>8}{count:>12}  {text}" for code, count, text in _statuses(fits)]
    columns, rows = parameter_rows(fits)
    if rows:
        lines.append("")
        lines += [
            "".join(f"{t:>{14 if c else 12}}" for c, t in enumerate(r)) for r in (columns, *rows)
        ]
        lines += _notes(fits)
    if places := _worst(fits, worst):
        lines += ["", "worst:", *(f"  {place}" for place in places)]
    return harmless("\n".join(lines))


def as_html(fits: CurveFits) -> str:
    """A fragment for notebooks; it takes over their font and colours."""
    columns, rows = parameter_rows(fits)
    parts = [
        f"<b>{html.escape(_title(fits))}</b><p>{'<br>'.join([_speed(fits), *_search(fits)])}</p>",
        writers.html_table(("status", "fits", ""), _statuses(fits), left=(2,)),
        writers.html_table(columns, rows, left=(0,)) if rows else "",
    ]
    for title, lines in (("", _notes(fits) if rows else []), ("worst", _worst(fits, 5))):
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        parts.append(f"{title}<ul>{items}</ul>" if items else "")
    return f"<div class='nlsq-result'>{''.join(parts)}</div>"
