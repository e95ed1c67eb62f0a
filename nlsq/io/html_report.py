"""One HTML page about a fit, from its document: it loads nothing, and prints."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nlsq.io.documents import check_document, restore
from nlsq.io.exports import rounded, to_latex, to_markdown
from nlsq.io.parameters import ParameterRow, parameter_rows
from nlsq.io.report_figures import (
    fit_figure,
    points_of,
    require_matplotlib,
    residual_figure,
    surface_figure,
    waterfall_figure,
)
from nlsq.result import CurveFitResult, minima_text, report
from nlsq.result.formatting import exact, near_one, percent
from nlsq.result.search_sentences import search_sentence
from nlsq.result.sentences import basis_of_errors
from nlsq.utils.report_style import escaped as _esc
from nlsq.utils.report_style import page, verdict

_MOST_CORRELATED = 16  # parameters in a correlation matrix; above, the strongest pairs
_POSITIVE, _NEGATIVE = "214, 80, 60", "60, 120, 214"
_LABELS = {
    "file": "data file", "format": "read as", "sha256": "SHA-256", "n_rows": "rows",
    "created": "date", "command": "command", "model": "model", "config": "configuration",
}  # fmt: skip


def html_report(document: Mapping[str, Any], *, title: str | None = None) -> str:
    """The report of a fit as one self-contained HTML page.

    Parameters
    ----------
    document : dict
        Of `nlsq.io.result_document` or `nlsq.io.read_document`.
    title : str, optional
        Default: the document's ``provenance["title"]``, else "Fit of <y> over <x>".

    Returns
    -------
    str
        HTML that loads nothing and runs nothing.

    Raises
    ------
    FileError
        The document is none, or damaged.
    InputError
        matplotlib, which draws the figures, is not installed.

    Examples
    --------
    >>> from nlsq import curve_fit
    >>> from nlsq.io import result_document
    >>> fit = curve_fit(lambda x, a, b: a * x + b, [0, 1, 2, 3.0], [1, 3.1, 4.9, 7.0])
    >>> page = html_report(result_document(fit, x_label="t (s)", y_label="V (mV)"))
    >>> page[:15], "<title>Fit of V (mV) over t (s)</title>" in page
    ('<!doctype html>', True)
    """
    check_document(document)
    require_matplotlib()
    result = restore(document)
    rows = parameter_rows(result)
    said = report.build(result)
    title = title or (document.get("provenance") or {}).get("title") or _title(document)
    sections = [
        _head(title, document),
        _verdict(document, rows),
        _figures(result, document),
        _parameters(rows, result),
        _statistics(said),
        _correlation(result),
        _search(result),
        _how(document, said, result),
        _citation(result),
        f"<footer>{_esc(_footer(document))}</footer>",
    ]
    body = "\n".join(section for section in sections if section)
    return page(title, body)


def _title(document: Mapping[str, Any]) -> str:
    labels = document.get("labels") or {}
    return f"Fit of {labels.get('y', 'y')} over {labels.get('x', 'x')}"


def _head(title: str, document: Mapping[str, Any]) -> str:
    model = (document.get("provenance") or {}).get("model")
    line = f'<p class="formula"><code>{_esc(model)}</code></p>' if model else ""
    return f"<header><h1>{_esc(title)}</h1>{line}</header>"


def _verdict(document: Mapping[str, Any], rows: list[ParameterRow]) -> str:
    convergence = document["convergence"]
    undetermined = [row.name for row in rows if row.status == "undetermined"]
    at_bound = [row.name for row in rows if row.status == "at bound"]
    message = str(convergence.get("message") or "").rstrip(".")
    if not convergence.get("success", False):
        kind, sign, text = "bad", "✕", "The fit did not converge."
        message += ". The values below are where it stopped, not a solution"
    elif undetermined:
        kind, sign = "bad", "!"
        text = f"Converged, but the data do not determine {_names(undetermined)}."
    elif at_bound:
        kind, sign, text = "warn", "!", f"Converged, with {_names(at_bound)} at a bound."
    else:
        kind, sign, text = "good", "✓", "The fit converged."
    warnings = [str(w) for w in document.get("warnings") or ()]
    if warnings and kind == "good":
        kind, sign, text = "warn", "!", "The fit converged; mind the remarks."
    message = re.sub(r"`(\w+)`", r"<code>\1</code>", _esc(message))
    items = "".join(f"<li>{_esc(w)}</li>" for w in warnings)
    listed = f'<ul class="warnings">{items}</ul>' if items else ""
    return verdict(kind, sign, text, f'<span class="soft">{message}.</span>{listed}')


def _names(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _figures(result: CurveFitResult, document: Mapping[str, Any]) -> str:
    points = points_of(result, document)
    if points is None:
        return '<p class="soft">The data are not in the document, so there is no figure.</p>'
    svg, notes = surface_figure(result, document), []
    if svg is None:
        svg, notes = fit_figure(points, document)
    remarks = f'<p class="soft small">{_esc(" ".join(notes))}</p>' if notes else ""
    below = residual_figure(points)
    if below:
        below = f"<h2>Residuals</h2>\n<figure style='margin:0'>{below}</figure>"
    return f"<figure style='margin:0'>{svg}</figure>\n{remarks}\n{below}"


def _parameters(rows: list[ParameterRow], result: CurveFitResult) -> str:
    header = ["parameter", "value", "± std. error", "rel. %", "95 % interval", ""]
    kinds = ["", "number", "number", "number", "", ""]
    body = []
    for row in rows:
        value, error, interval = rounded(row)
        known = row.value and math.isfinite(row.uncertainty) and row.status != "fixed"
        relative = percent(row.uncertainty / row.value) if known else ""
        tag = ""
        if row.status != "free":
            tag = f'<span class="tag {row.status.replace(" ", "-")}">{row.status}</span>'
        shown = "" if error == "undetermined" else error
        interval = "" if row.status == "undetermined" else interval
        cells = "".join(f'<td class="number">{_esc(c)}</td>' for c in (value, shown, relative))
        body.append(
            f'<tr><td class="name">{_esc(row.name)}</td>{cells}<td>{_esc(interval)}</td>'
            f"<td>{tag}</td></tr>"
        )
    head = "".join(
        f'<th class="{k}">{_esc(h)}</th>' if k else f"<th>{_esc(h)}</th>"
        for h, k in zip(header, kinds, strict=True)
    )
    return (
        f'<h2>Parameters</h2>\n<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>\n"
        f'<p class="soft small">Standard errors: {_esc(basis_of_errors(result))}.</p>'
    )


def _statistics(said: report.Report) -> str:
    if not said.statistics:
        return ""
    cards = "".join(
        f'<div class="card"><span>{_esc(name)}</span><b>{_esc(value)}</b></div>'
        for name, value in said.statistics
    )
    return f'<h2>Goodness of fit</h2>\n<div class="cards">{cards}</div>'


def _correlation(result: CurveFitResult) -> str:
    names, r = result.names, np.asarray(result.correlation)
    if len(names) < 2:
        return ""
    if len(names) > _MOST_CORRELATED:
        pairs = [(abs(r[i, j]), i, j) for i in range(len(names)) for j in range(i)]
        pairs = sorted((p for p in pairs if p[0] >= 0), reverse=True)[:20]
        rows = "".join(
            f"<tr><td>{_esc(names[j])}, {_esc(names[i])}</td>{_correlation_cell(r[i, j])}</tr>"
            for _, i, j in pairs
        )
        return (
            f"<h2>Strongest correlations</h2>\n<div class='scroll'><table class='correlation'>"
            f"<tbody>{rows}</tbody></table></div>"
        )
    head = "".join(f"<th>{_esc(name)}</th>" for name in names)
    body = "".join(
        f'<tr><th class="name">{_esc(name)}</th>{"".join(map(_correlation_cell, row))}</tr>'
        for name, row in zip(names, r, strict=True)
    )
    return (
        '<h2>Correlations</h2>\n<div class="scroll"><table class="correlation"><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _correlation_cell(value: float) -> str:
    if not math.isfinite(value):
        return '<td class="soft" title="fixed or undetermined">–</td>'
    colour = _POSITIVE if value > 0 else _NEGATIVE
    text = "1" if value == 1 else near_one(value, 2)
    return f'<td style="background:rgba({colour}, {0.62 * abs(value):.2f})">{_esc(text)}</td>'


def _search(result: CurveFitResult) -> str:
    """What a search for the global minimum found."""
    minima = result.get("minima")
    if not minima:
        return ""
    heads, rows = minima_text.table(minima)
    head = "".join(f'<th class="number">{_esc(h)}</th>' for h in heads)
    cells = ["".join(f'<td class="number">{_esc(c)}</td>' for c in row) for row in rows]
    body = "".join(f"<tr>{row}</tr>" for row in cells)
    said = [f"{search_sentence(minima)}.", *(f"{note}." for note in minima_text.notes(minima))]
    return (
        f"<h2>Search for the global minimum</h2>\n<p>{_esc(said[0])}</p>\n"
        f"<figure style='margin:0'>{waterfall_figure(result)}</figure>\n"
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f'</div>\n<p class="soft small">{_esc(" ".join(map(_sentence, said[1:])))}</p>'
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


# -- how it was computed -------------------------------------------------------------------------


def _how(document: Mapping[str, Any], said: report.Report, result: CurveFitResult) -> str:
    facts = [(label, text) for label, text in said.header if label != "status"]
    facts += _flat(document.get("data") or {})
    provenance = {k: v for k, v in (document.get("provenance") or {}).items() if k != "title"}
    long = {k: v for k, v in provenance.items() if isinstance(v, str) and "\n" in v.strip()}
    facts += _flat({k: v for k, v in provenance.items() if k not in long})
    items = "".join(f"<dt>{_esc(k)}</dt><dd>{_esc(v)}</dd>" for k, v in facts)
    blocks = "".join(_folded(_LABELS.get(key, key), text) for key, text in long.items())
    return f"<h2>How it was computed</h2>\n<dl>{items}</dl>\n{_starts(result)}{blocks}"


def _flat(facts: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for key, value in facts.items():
        label = prefix + _LABELS.get(str(key), str(key).replace("_", " "))
        if isinstance(value, Mapping):
            parts = [f"{k} {_short(v)}" for k, v in value.items() if not isinstance(v, Mapping)]
            if parts:
                yield label, ", ".join(parts)
            yield from _flat(
                {k: v for k, v in value.items() if isinstance(v, Mapping)}, f"{label} "
            )
        elif value not in (None, "", [], ()):
            yield label, _short(value)


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_short, value))
    return str(value)


def _starts(result: CurveFitResult) -> str:
    """Start and bounds of each parameter."""
    start, bounds = result.get("p0"), result.get("bounds")
    if start is None:
        return ""
    n = len(result.names)
    low, high = (np.broadcast_to(b, n) for b in (bounds or (-math.inf, math.inf)))
    rows = "".join(
        f'<tr><td class="name">{_esc(name)}</td><td class="number">{_value(s)}</td>'
        f'<td class="number">{_value(a)}</td><td class="number">{_value(b)}</td></tr>'
        for name, s, a, b in zip(result.names, start, low, high, strict=True)
    )
    heads = "".join(f'<th class="number">{h}</th>' for h in ("start", "lower", "upper"))
    return (
        "<details><summary>start and bounds</summary><div class='scroll'><table><thead><tr>"
        f"<th>parameter</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div></details>"
    )


def _value(value: float) -> str:
    value = float(value)
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    return _esc(exact(value))


def _citation(result: CurveFitResult) -> str:
    tables = (("LaTeX", to_latex(result)), ("Markdown", to_markdown(result)))
    return "<h2>For a paper</h2>\n" + "".join(
        _folded(f"table of the parameters in {name}", text) for name, text in tables
    )


def _folded(summary: str, text: str) -> str:
    return f"<details><summary>{_esc(summary)}</summary><pre>{_esc(text.strip())}</pre></details>"


def _footer(document: Mapping[str, Any]) -> str:
    provenance = document.get("provenance") or {}
    created = f", {provenance['created']}" if provenance.get("created") else ""
    return f"nlsq: nonlinear least squares{created}"
