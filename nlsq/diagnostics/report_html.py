"""A `HealthReport` as one HTML page, or as a part of a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from nlsq.diagnostics.finding import Finding, Severity
from nlsq.utils import figures, page_figures
from nlsq.utils.report_style import CSS

if TYPE_CHECKING:
    from nlsq.diagnostics.health_report import HealthReport

_KIND = {"healthy": ("good", "✓"), "warning": ("warn", "!"), "critical": ("bad", "✕")}
_TAG = {Severity.INFO: "fixed", Severity.WARNING: "at-bound", Severity.CRITICAL: "undetermined"}
_COLOURS = page_figures.VARIABLES | {
    figures.DATA: "--data", figures.FIT: "--fit", figures.PREDICTION: "--accent",
    figures.GRID: "--line",
}  # fmt: skip
_WIDE = "td.fact { white-space:normal; } td.fact b { font-weight:550; }"


def page(report: HealthReport) -> str:
    """The report as one page, which loads nothing and runs nothing.

    The four panels of `HealthReport.plot` stand below the findings where matplotlib is installed
    and residuals are known.
    """
    figure = _figure(report)
    shown = f"<h2>Residuals</h2>\n<figure style='margin:0'>{figure}</figure>\n" if figure else ""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{_esc(report.title)}: {report.status}</title>\n<style>{CSS}{_WIDE}</style>\n"
        f"</head>\n<body>\n<main>\n<header><h1>{_esc(report.title)}</h1></header>\n"
        f"{_body(report)}\n{shown}"
        "<footer>nlsq: nonlinear least squares</footer>\n</main>\n</body>\n</html>\n"
    )


def _body(report: HealthReport) -> str:
    """The verdict and the table of findings."""
    kind, sign = _KIND[report.status]
    rows = "\n".join(map(_row, report.findings))
    table = f"<table><tbody>\n{rows}\n</tbody></table>" if rows else ""
    unknown = "".join(f"<li>{_esc(what)}</li>" for what in report.unknown)
    not_seen = f'<p class="soft small">Not looked at:</p><ul class="warnings">{unknown}</ul>'
    missed = not_seen if unknown else ""
    return (
        f'<section class="verdict {kind}" role="status"><div class="sign" aria-hidden="true">{sign}'
        f"</div><div><b>{_esc(report.status.capitalize())}</b> "
        f'<span class="soft">{report.verdict}.</span></div></section>\n{table}{missed}'
    )


def part(report: HealthReport) -> str:
    """A fragment for notebooks; it takes over their font and colours."""
    head, *lines = report.lines()
    items = "".join(f"<li>{_esc(line.strip())}</li>" for line in lines)
    return f"<div class='nlsq-result'><b>{_esc(head)}</b><ul>{items}</ul></div>"


def _row(finding: Finding) -> str:
    word = finding.severity.name.lower()
    remedy = f'<br><span class="soft">{_esc(finding.remedy)}</span>' if finding.remedy else ""
    return (
        f'<tr><td><span class="tag {_TAG[finding.severity]}">{word}</span></td>'
        f'<td class="fact"><b>{_esc(finding.fact)}</b>{remedy}</td></tr>'
    )


def _esc(value: Any) -> str:
    # control characters are no HTML, whatever a file may have called its columns
    text = "".join(c if c.isprintable() or c in "\n\t" else " " for c in str(value))
    return html.escape(text)


def _figure(report: HealthReport) -> str:
    """The panels as SVG; '' where there is nothing to draw or nothing to draw with."""
    from importlib.util import find_spec

    from nlsq.diagnostics import report_plot

    if report.evidence is None or not report_plot.drawable(report.evidence):
        return ""
    if find_spec("matplotlib") is None:
        return ""
    import matplotlib as mpl

    with figures.apart(), mpl.rc_context({**page_figures.STYLE, "svg.hashsalt": "nlsq-residuals"}):
        figure, _ = report_plot.draw(report.evidence)
        return page_figures.svg(figure, "Residuals in four panels", _COLOURS)
