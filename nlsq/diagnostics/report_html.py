"""A `HealthReport` as one HTML page, or as a part of a notebook."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from nlsq.diagnostics import report_plot
from nlsq.diagnostics.finding import CRITICAL, INFO, LINES, WARNING, Finding, Severity
from nlsq.utils import figures, page_figures, report_style
from nlsq.utils.report_style import escaped

if TYPE_CHECKING:
    from nlsq.diagnostics.health_report import HealthReport

_KIND = {"healthy": ("good", "✓"), "warning": ("warn", "!"), "critical": ("bad", "✕")}
_TAG = {INFO: "fixed", WARNING: "at-bound", CRITICAL: "undetermined"}
_COLOURS = page_figures.VARIABLES | {
    figures.DATA: "--data", figures.FIT: "--fit", figures.PREDICTION: "--accent",
    figures.GRID: "--line",
}  # fmt: skip


def page(report: HealthReport) -> str:
    """The report as one page: the verdict, the findings, and the panels of `HealthReport.plot`.

    The panels need matplotlib and residuals.
    """
    parts = [
        f"<header><h1>{escaped(report.title)}</h1></header>",
        report_style.verdict(
            *_KIND[report.status], report.status.capitalize(),
            f'<span class="soft">{report.verdict}.</span>',
        ),
        "<table><tbody>", *map(_row, report.findings), "</tbody></table>",
    ]  # fmt: skip
    if report.unknown:
        parts += ['<p class="soft small">Not looked at:</p>', _list(report.unknown)]
    if figure := _figure(report):
        parts.append(f"<h2>Residuals</h2>\n<figure style='margin:0'>{figure}</figure>")
    parts.append("<footer>nlsq: nonlinear least squares</footer>")
    return report_style.page(f"{report.title}: {report.status}", "\n".join(parts))


def part(report: HealthReport) -> str:
    """A fragment for notebooks; it takes over their font and colours."""
    head, *lines = report.lines()
    return f"<div class='nlsq-result'><b>{escaped(head)}</b>{_list(lines)}</div>"


def coloured(report: HealthReport, colours: Mapping[Severity, str]) -> str:
    """At most twelve paragraphs, each with its severity in a colour and in words."""
    said = f"<p><b>{escaped(report.status.capitalize())}: {escaped(report.verdict)}.</b></p>"
    most = LINES - 1 - len(report.unknown)
    shown = report.findings if len(report.findings) <= most else report.findings[: most - 1]
    for one in shown:
        word = "Note" if one.severity == INFO else one.severity.name.capitalize()
        remedy = f"<br>What to do: {escaped(one.remedy)}." if one.remedy else ""
        mark = f"<b style='color:{colours[one.severity]}'>{word}:</b>"
        said += f"<p>{mark} {escaped(one.fact)}{remedy}</p>"
    if more := len(report.findings) - len(shown):
        said += f"<p>And {more} more of less weight.</p>"
    return said + "".join(f"<p>Not looked at: {escaped(what)}.</p>" for what in report.unknown)


def _list(lines: list[str] | tuple[str, ...]) -> str:
    items = "".join(f"<li>{escaped(line.strip())}</li>" for line in lines)
    return f'<ul class="warnings">{items}</ul>'


def _row(finding: Finding) -> str:
    word = finding.severity.name.lower()
    remedy = f'<br><span class="soft">{escaped(finding.remedy)}</span>' if finding.remedy else ""
    return (
        f'<tr><td><span class="tag {_TAG[finding.severity]}">{word}</span></td>'
        f'<td class="fact"><b>{escaped(finding.fact)}</b>{remedy}</td></tr>'
    )


def _figure(report: HealthReport) -> str:
    """The panels as SVG; '' where there is nothing to draw or nothing to draw with."""
    evidence = report.evidence
    if evidence is None or not report_plot.drawable(evidence) or find_spec("matplotlib") is None:
        return ""
    import matplotlib as mpl

    with figures.apart(), mpl.rc_context({**page_figures.STYLE, "svg.hashsalt": "nlsq-residuals"}):
        figure, _ = report_plot.draw(evidence)
        return page_figures.svg(figure, "Residuals in four panels", _COLOURS)
