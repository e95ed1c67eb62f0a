"""What a window asks of a finished fit, beside itself: its health, its residuals, its profiles."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.session.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from nlsq.diagnostics.health_report import HealthReport
    from nlsq.result import CurveFitResult
    from nlsq.result.profiles import Profile


_LINES = 12  # of a report


@dataclasses.dataclass(frozen=True)
class Spread:
    """How standardised residuals are spread, beside a normal distribution.

    Attributes
    ----------
    label : str
        What they are divided by.
    edges, density : ndarray, shape (k + 1,) and (k,)
        Of a histogram.
    curve : pair of ndarray
        The normal density; empty where the residuals have no scale.
    expected, found : ndarray, shape (m,)
        Quantiles of the normal distribution, and of the residuals.
    limits : list of ndarray, shape (m,)
        Between which 95 % of what is found would be.
    """

    label: str
    edges: np.ndarray
    density: np.ndarray
    curve: tuple[Any, Any]
    expected: np.ndarray
    found: np.ndarray
    limits: list[np.ndarray]


_NO = np.empty(0)
#: Of no residuals.
EMPTY = Spread("residual", np.zeros(1), _NO, (_NO, _NO), _NO, _NO, [])


@dataclasses.dataclass(frozen=True)
class Examination:
    """What was found on a fit."""

    result: CurveFitResult
    report: HealthReport
    spread: Spread


def examine(result: CurveFitResult) -> Examination:
    """Look at a fit; this may take a while.

    Raises
    ------
    DataError
        The file of a streamed fit can be read no more.
    """
    from nlsq.streaming import DataSourceError

    try:
        return Examination(result, by_engine(result).diagnose(), _spread(result))
    except DataSourceError as error:
        raise DataError(str(error)) from None


def by_engine(result: CurveFitResult) -> CurveFitResult:
    """The result with exact derivatives of its model, where that is one of ours.

    One that came from another process or a file has differences, which take many times as long.
    """
    from nlsq.core.model.calls import CurveCall
    from nlsq.core.model.model import Model
    from nlsq.result.recipes import our_model

    ours = our_model(result.get("model"))
    if ours is None or isinstance(result.model, Model):
        return result
    model = Model(CurveCall(ours), len(result.names), result.model.name)
    model.interpret("it came with its result", final=True)
    twin = result.copy()
    dict.__setitem__(twin, "model", model)
    return twin


def report_html(report: HealthReport, *colours: str) -> str:
    """At most twelve paragraphs, each with its severity in words and in a colour.

    colours: of remarks, warnings and what is critical.
    """
    said = f"<p><b>{escape(report.status.capitalize())}: {escape(report.verdict)}.</b></p>"
    most = _LINES - 1 - len(report.unknown)
    shown = report.findings if len(report.findings) <= most else report.findings[: most - 1]
    for one in shown:
        word = ("Note", "Warning", "Critical")[one.severity - 1]
        remedy = f"<br>What to do: {escape(one.remedy)}." if one.remedy else ""
        mark = f"<b style='color:{colours[one.severity - 1]}'>{word}:</b>"
        said += f"<p>{mark} {escape(one.fact)}{remedy}</p>"
    if more := len(report.findings) - len(shown):
        said += f"<p>And {more} more of less weight.</p>"
    return said + "".join(f"<p>Not looked at: {escape(what)}.</p>" for what in report.unknown)


def _spread(result: CurveFitResult) -> Spread:
    from nlsq.result.residual_plots import histogram_edges, normal_curve, standardised
    from nlsq.utils import normal_plot

    data = result._data_to_look_at()
    if "ydata" not in data:
        return EMPTY
    _, z, label, _ = standardised(data)
    z = np.sort(z[np.isfinite(z)])
    if z.size < 2:
        return EMPTY
    edges = histogram_edges(z)
    density, _ = np.histogram(np.clip(z, edges[0], edges[-1]), edges, density=True)
    ranks, expected = normal_plot.scores(z.size)
    known = label != "residual"
    curve = normal_curve(edges) if known else (edges[:0], edges[:0])
    limits = normal_plot.limits(ranks, z.size) if known else []
    return Spread(label, edges, density, curve, expected, z[ranks], limits)


def standard_residuals(result: CurveFitResult) -> tuple[np.ndarray, np.ndarray, str]:
    """Where each residual is, the residual over its error, and what that is called."""
    from nlsq.result.residual_plots import standardised

    return standardised(result)[:3]


def profile(
    result: CurveFitResult, level: float, watch: Callable[[], None], tell: Callable[[Profile], None]
) -> None:
    """Tell the profile interval of each parameter as it is found.

    Raises
    ------
    ConfigurationError
        This fit has none.
    """
    from nlsq.result.profiles import profiles

    if result.get("model") is None:
        raise ConfigurationError(
            "Profile intervals fit the model again, and this one ran in a process of its own.",
            "If you know and trust its file, fit it as trusted.",
        )
    try:
        for one in profiles(by_engine(result), level, watch):
            tell(one)
    except ValueError as error:
        raise ConfigurationError(f"{error}.") from None


def band(
    document: dict[str, Any], result: CurveFitResult, kind: str, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """The band of the document's curve, 'confidence' or 'prediction', at another level."""
    curve = document["curve"]
    lower, upper = (np.asarray(side, float) for side in curve[kind])
    if level == curve["level"] or not result.dof > 0:
        return lower, upper
    middle = np.asarray(curve["y"], float)
    ratio = result.quantile(level) / result.quantile(curve["level"])
    return middle + ratio * (lower - middle), middle + ratio * (upper - middle)
