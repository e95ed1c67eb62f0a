"""What ``nlsq fit`` prints and writes about a finished fit."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from nlsq.cli.data import Table
from nlsq.cli.errors import ConfigurationError, DataError
from nlsq.cli.settings import Certified, Settings
from nlsq.cli.terminal_plot import Series, panels
from nlsq.utils.digits import correct_digits

if TYPE_CHECKING:
    from nlsq.result import CurveFitResult

_PLOT_ROWS, _RESIDUAL_ROWS, _MOST_COLUMNS = 17, 5, 110


def parameter_table(result: CurveFitResult, certified: Certified | None) -> Grid:
    """Values ± standard errors, against the certified ones or with 95 % intervals."""
    table = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1))
    table.add_column("name", style="bold", no_wrap=True)
    names, values, errors = result.param_names, result.popt, result.perr
    if certified is None:
        for heading in ("value", "± std. error", "95 % interval"):
            table.add_column(heading, justify="right")
        table.add_column("")
        intervals = result.confidence_intervals()
        for name, value, error, (low, high) in zip(names, values, errors, intervals, strict=True):
            interval = f"{_rounded(low, error)} … {_rounded(high, error)}"
            note = _note(name, result)
            table.add_row(name, _rounded(value, error), _error_text(error), interval, note)
        return table
    for heading in ("value ± std. error", "certified", "digits"):
        table.add_column(heading, justify="right")
    reference_errors = certified.stderr or [None] * len(names)
    rows = zip(names, values, errors, certified.values, reference_errors, strict=True)
    for name, value, error, reference, reference_error in rows:
        digits = f"{float(correct_digits(value, reference)):.1f}"
        if reference_error is not None:
            digits += f" / {float(correct_digits(error, reference_error)):.1f}"
        table.add_row(
            name, _full(value, error), _full(reference, reference_error), Text(digits, "green")
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


def statistics_table(result: CurveFitResult) -> Grid:
    """Goodness of fit on the left, how the fit went on the right."""
    free = result.n_points - result.dof
    weighted = result.sigma is not None
    left = [
        ("points", f"{result.n_points:,}"),
        ("free parameters", str(free)),
        ("χ²" if weighted else "residual sum of squares", f"{result.chi_squared:.11g}"),
        ("reduced χ²", f"{result.reduced_chi_squared:.8g}")
        if weighted
        else ("residual std. dev.", f"{math.sqrt(result.reduced_chi_squared):.10g}"),
        ("RMSE", f"{result.rmse:.8g}"),
    ]
    right = [
        ("R²", f"{result.r_squared:.10f}"),
        ("adjusted R²", f"{result.adj_r_squared:.10f}"),
        ("AIC", f"{result.aic:.6f}"),
        ("BIC", f"{result.bic:.6f}"),
        ("evaluations", f"{result.nfev} f, {result.njev} derivative"),
    ]
    grid = Grid.grid(padding=(0, 2))
    for style in ("dim", "", "dim", ""):
        grid.add_column(style=style, no_wrap=True)
    for (a, b), (c, d) in zip(left, right, strict=True):
        grid.add_row(a, b, c, d)
    return grid


def terminal_plot(result: CurveFitResult, table: Table, console: Console) -> Text:
    """Data and fit, and the residuals below."""
    width = min(console.width, _MOST_COLUMNS) - 1
    ascii_only = not console.encoding.lower().startswith("utf")
    if table.x.ndim > 1:  # several predictors: no curve to draw, so compare directly
        along, label = result.predictions, f"fitted {table.y_label}"
        line_x = line_y = np.array([table.y.min(), table.y.max()])
        line_name = "equal"
    else:
        along, label, line_name = table.x, table.x_label, "fit"
        line_x, line_y = _line(result, table, 4 * width)
    above = Series(along, table.y, line_x, line_y, label, table.y_label, line_name=line_name)
    ends, zeros = np.array([along.min(), along.max()]), np.zeros(2)
    below = Series(along, result.residuals, ends, zeros, label, "data - fit", "residual", "zero")
    return panels([(above, _PLOT_ROWS), (below, _RESIDUAL_ROWS)], width, ascii_only)


def _line(result: CurveFitResult, table: Table, n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """The fitted curve, finer than the data unless f(x)[i] depends on more than x[i]."""
    if not result.model_info.pointwise:
        order = np.argsort(table.x)
        return table.x[order], result.predictions[order]
    x = np.linspace(table.x.min(), table.x.max(), n_points)
    return x, result.model.predict(x, result.popt)


def results_document(
    result: CurveFitResult, settings: Settings, sources: dict[str, Any]
) -> dict[str, Any]:
    """The results file: plain JSON, non-finite numbers as strings ("inf", "nan")."""
    metadata = {
        "workflow_name": settings.metadata.workflow_name,
        "dataset_id": settings.metadata.dataset_id,
        **sources,
    }
    document = {
        "parameter_names": result.param_names,
        "popt": result.popt,
        "uncertainties": result.perr,
        "pcov": result.pcov,
        "undetermined": result.undetermined,
        "at_bound": result.at_bound,
        "fixed": result.fixed,
        "statistics": {
            "chi_squared": result.chi_squared,
            "reduced_chi_squared": result.reduced_chi_squared,
            "rmse": result.rmse,
            "r_squared": result.r_squared,
            "adj_r_squared": result.adj_r_squared,
            "aic": result.aic,
            "bic": result.bic,
            "cost": result.cost,
            "n_points": result.n_points,
            "dof": result.dof,
        },
        "convergence": {
            "success": result.success,
            "status": result.status,
            "message": result.message,
            "iterations": result.nit,
            "function_evals": result.nfev,
            "jacobian_evals": result.njev,
            "final_cost": result.cost,
            "method": result.method,
            "model": result.model_info.describe(),
        },
        "warnings": result.warnings,
        "metadata": metadata,
    }
    if settings.certified is not None:
        document["certified"] = _agreement(result, settings.certified)
    return _plain(document)


def _agreement(result: CurveFitResult, certified: Certified) -> dict[str, Any]:
    found = {
        "values": certified.values,
        "value_digits": correct_digits(result.popt, certified.values),
    }
    if certified.stderr is not None:
        found["stderr"] = certified.stderr
        found["stderr_digits"] = correct_digits(result.perr, certified.stderr)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def write_results(document: dict[str, Any], path: Path) -> None:
    """Write the results file."""
    try:
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}.") from None


def write_figure(result: CurveFitResult, table: Table, title: str | None, path: Path) -> None:
    """Draw data, fit and residuals with matplotlib; the suffix gives the format."""
    labels = {"xlabel": table.x_label, "ylabel": table.y_label, "title": title}
    figure, _ = result.plot(**labels)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror}.") from None
    except ValueError as error:  # a suffix that matplotlib has no writer for
        raise ConfigurationError(f"{path}: {error}.") from None
