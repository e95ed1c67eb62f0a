"""What a person reads about a finished fit: tables, sentences, a plot of characters."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from nlsq.cli.terminal_plot import Series, panels
from nlsq.cli.whole import print_whole
from nlsq.result import minima_text
from nlsq.result.search_sentences import search_sentence
from nlsq.result.sentences import basis_of_errors
from nlsq.utils.input_error import harmless

if TYPE_CHECKING:
    from nlsq.result import CurveFitResult
    from nlsq.result.minima import Minima

_MOST_MINIMA = 5
_PLOT_ROWS, _RESIDUAL_ROWS, _MOST_COLUMNS = 17, 5, 110
_MOST_POINTS = 100_000  # in a plot of characters, of which there are some thousands


def parameter_table(result: CurveFitResult, intervals: list, certified: dict | None = None) -> Grid:
    """Values ± standard errors, against the certified ones or with 95 % intervals."""
    table = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column("name", style="bold", no_wrap=True)
    names, values, errors = result.param_names, result.popt, result.perr
    if certified is None:
        for heading in ("value", "± std. error", "95 % interval"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
        for name, value, error, ends in zip(names, values, errors, intervals, strict=True):
            interval = " … ".join(_rounded(float(end), error) for end in ends)
            note = _note(name, result)
            table.add_row(
                Text(harmless(name)), _rounded(value, error), _error_text(error), interval, note
            )
        return table
    for heading in ("value ± std. error", "certified", "digits"):
        table.add_column(heading, justify="right", no_wrap=True)
    nothing = [None] * len(names)
    rows = zip(
        names, values, errors, certified["values"], certified["value_digits"],
        certified.get("stderr", nothing), certified.get("stderr_digits", nothing), strict=True,
    )  # fmt: skip
    for name, value, error, reference, correct, reference_error, error_digits in rows:
        digits = f"{correct:.1f}" + ("" if error_digits is None else f" / {error_digits:.1f}")
        table.add_row(
            Text(harmless(name)),
            _full(value, error),
            _full(reference, reference_error),
            Text(digits, "green"),
        )
    return table


def _rounded(value: float, error: float) -> str:
    """`value` to two digits beyond the first of its standard error."""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return f"{value:.6g}"
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    digits = min(max(magnitude - math.floor(math.log10(error)) + 3, 2), 15)
    return f"{value:#.{digits}g}".rstrip(".")


def _error_text(error: float) -> str:
    return "undetermined" if math.isinf(error) else f"{error:.3g}"


def _full(value: float, error: float | None) -> str:
    """Ten digits of the value, six of its error: as many as agree in a good fit."""
    if error is None:
        return f"{value:#.10g}"
    if math.isinf(error):
        return f"{value:#.10g} ± undetermined"
    return f"{value:#.10g} ± {error:#.6g}"


def _note(name: str, result: CurveFitResult) -> Text:
    if name in result.fixed:
        return Text("fixed", "dim")
    if name in result.undetermined:
        return Text("not determined by the data", "red")
    if name in result.at_bound:
        return Text("at its bound", "yellow")
    return Text("")


def statistics_table(result: CurveFitResult, known: dict[str, Any]) -> Grid:
    """Goodness of fit on the left, how the fit went on the right.

    known: the statistics of the document, each of which is a pass over the data.
    """
    value = {name: float(number) for name, number in known.items() if number is not None}
    weighted = result.get("weighted", result.get("sigma") is not None)
    reduced = value["reduced_chi_squared"]
    left = [
        ("points", f"{result.n_points:,}"),
        ("free parameters", str(result.n_points - result.dof)),
        ("χ²" if weighted else "residual sum of squares", f"{value['chi_squared']:.11g}"),
        ("reduced χ²", f"{reduced:.8g}")
        if weighted
        else ("residual std. dev.", f"{math.sqrt(reduced):.10g}"),
        ("RMSE", f"{value['rmse']:.8g}"),
    ]
    right = [
        ("R²", f"{value['r_squared']:.10f}"),
        ("adjusted R²", f"{value['adj_r_squared']:.10f}"),
        ("AIC", f"{value['aic']:.6f}"),
        ("BIC", f"{value['bic']:.6f}"),
        ("evaluations", f"{result.nfev} f, {result.njev} derivative"),
    ]
    grid = Grid.grid(padding=(0, 2))
    for style in ("dim", "", "dim", ""):
        grid.add_column(style=style, no_wrap=True)
    for (a, b), (c, d) in zip(left, right, strict=True):
        grid.add_row(a, b, c, d)
    return grid


def show(console: Console, document: dict[str, Any], result: CurveFitResult, plot: bool) -> None:
    """Print a document: title, parameters, statistics, verdict, warnings, plot."""
    provenance = document["provenance"]
    console.print(Text(harmless(provenance.get("title", "")), "bold"), soft_wrap=True)
    for name, fact in document["data"].items():
        if name not in ("file", "sha256"):
            console.print(Text(harmless(f"{name}: {fact}"), "dim"))
    if "start" in provenance:
        console.print(Text(harmless(f"start: {provenance['start']}"), "dim"))
    console.print()
    intervals = document["confidence_intervals"] or [()] * len(result.names)
    print_whole(console, parameter_table(result, intervals, document.get("certified")))
    if result.sigma_dimensions is not None:
        console.print(Text(f"errors {basis_of_errors(result)}", "dim"))
    console.print()
    if (
        document["statistics"].get("chi_squared") is not None
    ):  # a fit to a file that was stopped has none
        print_whole(console, statistics_table(result, document["statistics"]))
        console.print()
    verdict(console, document)
    if result.get("minima") is not None:
        console.print()
        show_minima(console, result.minima)
    if plot:
        console.print()
        console.print(terminal_plot(document, result, console))


def verdict(console: Console, document: dict[str, Any]) -> None:
    """Why the fit ended, and what to be careful about."""
    convergence = document["convergence"]
    good = convergence["success"]
    mark = Text("converged: ", "green") if good else Text("not converged: ", "bold red")
    console.print(mark + Text(harmless(convergence["message"])))
    console.print(Text(harmless(f"model: {convergence['model']}"), "dim"))
    for note in document["warnings"]:
        console.print(Text("warning: ", "yellow") + Text(harmless(note)))


def show_minima(console: Console, minima: Minima) -> None:
    """How sure the best minimum of a search is, and what else it found."""
    console.print(Text("search: ", "bold") + Text(search_sentence(minima)))
    if len(minima) < 2:
        return
    heads, rows = minima_text.table(minima, _MOST_MINIMA)
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    for heading in heads:
        grid.add_column(Text(harmless(heading)), justify="right", no_wrap=True)
    for row in rows:
        grid.add_row(*map(Text, row))
    print_whole(console, grid)
    if (more := len(minima) - len(rows)) > 0:
        console.print(Text(f"and {more:,} more minima, to {minima[-1].cost:.6g}", "dim"))


def terminal_plot(document: dict[str, Any], result: CurveFitResult, console: Console) -> Text:
    """Data and fit, and the residuals below."""
    width = min(console.width, _MOST_COLUMNS) - 1
    ascii_only = not console.encoding.lower().startswith("utf")
    sample = result.get("sample")  # of data that are not in memory
    data = sample or result
    x, y = np.asarray(data.get("xdata")), np.asarray(data.get("ydata"))
    if sample and document.get("curve") is None:
        return Text("")
    fitted = np.asarray(document["curve"]["at_sample"]) if sample else result.predictions
    x_label, y_label = (harmless(document["labels"][axis]) for axis in "xy")
    few = slice(None, None, max(1, y.size // _MOST_POINTS))
    x, y, fitted = x[..., few], y[few], fitted[few]
    if x.ndim > 1:  # several predictors: no curve to draw, so compare directly
        along, label = fitted, f"fitted {y_label}"
        line_x = line_y = np.array([y.min(), y.max()])
        line_name = "equal"
    else:
        along, label, line_name = x, x_label, "fit"
        line_x, line_y = _line(document, result)
    above = Series(along, y, line_x, line_y, label, y_label, line_name=line_name)
    ends, zeros = np.array([along.min(), along.max()]), np.zeros(2)
    below = Series(along, y - fitted, ends, zeros, label, "data - fit", "residual", "zero")
    return panels([(above, _PLOT_ROWS), (below, _RESIDUAL_ROWS)], width, ascii_only)


def _line(document: dict[str, Any], result: CurveFitResult) -> tuple[np.ndarray, np.ndarray]:
    """The fitted curve, finer than the data where the model is known between them."""
    curve = document.get("curve")
    if curve is not None:
        return np.asarray(curve["x"], float), np.asarray(curve["y"], float)
    order = np.argsort(result.xdata)
    return np.asarray(result.xdata)[order], np.asarray(result.predictions)[order]
