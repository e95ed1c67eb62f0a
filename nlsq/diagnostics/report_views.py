"""A `HealthReport` to look at: its residuals in four panels, and HTML."""

from __future__ import annotations

import math
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import CRITICAL, INFO, WARNING, Finding
from nlsq.diagnostics.influence import cooks_distance
from nlsq.diagnostics.residual_space import Axis, ResidualSpace
from nlsq.utils import figures, normal_plot, page_figures, report_style
from nlsq.utils.report_style import escaped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nlsq.diagnostics.health_report import HealthReport

_LABEL = "residual / standard error"
_MOST_LAGS = 30
_MOST_POINTS = 20_000
_COOK = (0.5, 1.0)
_MOST_NAMED = 3  # points
_FAR = 3.5  # standard errors, from where on a point is named
_BEYOND = 8.0  # standard errors; what is farther out stands at the edge
_KIND = {"healthy": ("good", "✓"), "warning": ("warn", "!"), "critical": ("bad", "✕")}
_TAG = {INFO: "fixed", WARNING: "at-bound", CRITICAL: "undetermined"}
_COLOURS = page_figures.VARIABLES | {
    figures.DATA: "--data", figures.FIT: "--fit", figures.PREDICTION: "--accent",
    figures.GRID: "--line",
}  # fmt: skip


def drawable(evidence: Evidence) -> bool:
    """Whether there are residuals to draw."""
    return evidence.residuals is not None and evidence.space.dof >= 2 and not evidence.is_exact


def draw(evidence: Evidence) -> tuple[Figure, np.ndarray]:
    """Draw residuals along x, their order, their neighbours' correlation and their leverage.

    ValueError when the residuals are not known, or there is nothing left in them.
    """
    if not drawable(evidence):
        why = "the fit passes through its points"
        if evidence.residuals is None:
            why = "the data of this fit are not in memory"
        raise ValueError(f"there are no residuals to draw: {why}")
    space, axis = evidence.space, evidence.axis
    fig = figures.new((8.2, 6.4))
    axes = fig.subplots(2, 2)
    t = -space.studentised  # data above the curve are above 0
    _scatter(axes[0, 0], axis.places, t, np.abs(t) / _FAR)
    axes[0, 0].axhspan(-2, 2, color=figures.PREDICTION, alpha=0.09, linewidth=0)
    axes[0, 0].set_xlabel("number of the point" if axis.name == "the data" else axis.name)
    normal_plot.draw(axes[0, 1], t, _LABEL, standard=True)
    _correlations(axes[1, 0], space.r[axis.order], axis)
    _leverage(axes[1, 1], space, t)
    figures.finish(axes.ravel())
    return fig, axes


def _scatter(ax: Axes, x: np.ndarray, t: np.ndarray, size: np.ndarray) -> None:
    """Residuals over x, the numbers of the largest beside them as far as their size is above 1."""
    ax.axhline(0.0, color=figures.FIT, linewidth=1.2)
    shown, m = np.clip(t, -_BEYOND, _BEYOND), x.size
    part = np.linspace(0, m - 1, min(m, _MOST_POINTS)).astype(int)
    ax.plot(x[part], shown[part], "o", color=figures.DATA, alpha=0.8, markeredgewidth=0,
            markersize=4.5 if m <= 200 else 2.5 if m <= 3000 else 1.2, rasterized=m > 3000,
            )  # fmt: skip
    for i in np.argsort(-size, kind="stable")[:_MOST_NAMED]:
        if size[i] > 1:
            at = x[i], float(shown[i])
            ax.annotate(str(i), at, xytext=(5, 3), textcoords="offset points", fontsize="small")
    most = max(3.0, 1.12 * float(np.abs(shown[np.isfinite(shown)]).max(initial=0.0)))
    ax.set_ylim(-most, most)
    ax.set_ylabel(_LABEL)


def _correlations(ax: Axes, r: np.ndarray, axis: Axis) -> None:
    lags = np.arange(1, min(_MOST_LAGS, r.size // 4) + 1)
    values = np.array([r[:-k] @ r[k:] for k in lags.tolist()]) / float(r @ r)
    limit = 1.96 / math.sqrt(r.size)
    ax.axhspan(-limit, limit, color=figures.PREDICTION, alpha=0.13, linewidth=0)
    ax.axhline(0.0, color=figures.FIT, linewidth=1.2)
    ax.vlines(lags, 0.0, values, color=figures.DATA, linewidth=2.0)
    ax.plot(lags, values, "o", color=figures.DATA, markersize=4, markeredgewidth=0)
    most = min(1.0, max(3 * limit, 1.15 * float(np.abs(values).max(initial=0.0))))
    ax.set_ylim(-most, most)
    ax.set_xlabel(f"places apart along {axis.name}")
    ax.set_ylabel("correlation of residuals")


def _leverage(ax: Axes, space: ResidualSpace, t: np.ndarray) -> None:
    """Studentised residuals over leverage, and the lines on which Cook's distance is one number."""
    h, k = space.leverage, max(space.Q.shape[1], 1)
    _scatter(ax, h, t, np.maximum(cooks_distance(space) / _COOK[0], np.abs(t) / _FAR))
    right, top = min(1.0, max(1.15 * float(h.max()), 1e-6)), ax.get_ylim()[1]
    grid = np.linspace(right / 400, min(right, 1 - 1e-6), 400)
    for cook, style in zip(_COOK, (":", "--"), strict=True):
        inner = np.sqrt(cook * k * (1 - grid) / grid)  # residual over its error, that of all points
        left = space.dof - inner**2
        # ... as Student's t, which leaves the point out
        line = inner * np.sqrt((space.dof - 1) / np.where(left > 0, left, np.nan))
        line = np.where(line < top, line, np.nan)
        if np.isfinite(line).any():
            for sign, label in ((1, f"Cook's distance {cook:g}"), (-1, None)):
                ax.plot(grid, sign * line, style, color=figures.PREDICTION, linewidth=1.2,
                        label=label)  # fmt: skip
    ax.set_xlim(0, right)
    ax.locator_params(axis="x", nbins=5)
    ax.set_xlabel("leverage")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize="small", loc="best")


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
    if evidence is None or not drawable(evidence) or find_spec("matplotlib") is None:
        return ""
    import matplotlib as mpl

    with figures.apart(), mpl.rc_context({**page_figures.STYLE, "svg.hashsalt": "nlsq-residuals"}):
        figure, _ = draw(evidence)
        return page_figures.svg(figure, "Residuals in four panels", _COLOURS)
