"""A fit as tables for other programs: CSV, Markdown, LaTeX and shell variables."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from nlsq.io.errors import FileError
from nlsq.io.latex import latex_name, latex_number, latex_text, latex_unit
from nlsq.io.parameters import Fit, ParameterRow, as_result, parameter_rows, shell_names
from nlsq.io.table import Table
from nlsq.result import StreamedFitResult
from nlsq.result.formatting import Rounding


def to_csv(fit: Fit) -> str:
    """The parameters as CSV, at full precision.

    Parameters
    ----------
    fit : CurveFitResult or document

    Examples
    --------
    >>> from nlsq import curve_fit
    >>> fit = curve_fit(lambda x, a: a * x, [1.0, 2.0, 3.0], [2.0, 4.0, 6.3])
    >>> print(to_csv(fit).splitlines()[0])
    name,value,uncertainty,lower,upper,status
    """
    return _csv(ParameterRow._fields, parameter_rows(fit))


def _csv(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def rounded(row: ParameterRow) -> tuple[str, str, str]:
    """Value, ± error and interval as texts, to the digits that the error warrants.

    Examples
    --------
    >>> rounded(ParameterRow("a", 2.01287, 0.01123, 1.9908, 2.0349, "free"))
    ('2.013', '0.011', '1.991 … 2.035')
    """
    rounding = Rounding.of(row.value, row.uncertainty)
    if row.status == "fixed":
        return rounding.text(row.value), "", ""
    if not math.isfinite(row.uncertainty):
        return rounding.text(row.value), "undetermined", ""
    interval = f"{rounding.text(row.lower)} … {rounding.text(row.upper)}"
    return rounding.text(row.value), rounding.text(row.uncertainty), interval


def to_markdown(fit: Fit, units: Mapping[str, str] | None = None) -> str:
    """The parameters as a Markdown table, rounded to their errors.

    Parameters
    ----------
    fit : CurveFitResult or document
    units : mapping of str to str, optional
        Of parameters.
    """
    units = units or {}
    rows = []
    for row in parameter_rows(fit):
        value, error, interval = rounded(row)
        note = "" if row.status == "free" else row.status
        rows.append([f"`{row.name}`", value, error, interval, units.get(row.name, ""), note])
    header = ["parameter", "value", "± std. error", "95 % interval", "unit", ""]
    used = [i for i in range(6) if i < 4 or any(row[i] for row in rows)]
    marks = [":---", "---:", "---:", ":---", ":---", ":---"]
    lines = [header, marks, *[[cell.replace("|", "\\|") for cell in row] for row in rows]]
    return "".join("| " + " | ".join(line[i] for i in used) + " |\n" for line in lines)


def to_latex(fit: Fit, units: Mapping[str, str] | None = None) -> str:
    """The parameters as a LaTeX table (package booktabs), rounded to their errors.

    Parameters
    ----------
    fit : CurveFitResult or document
    units : mapping of str to str, optional
        Of parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq.result import CurveFitResult
    >>> fit = CurveFitResult(x=np.array([2.0128]), pcov=np.array([[1e-4]]), param_names=("tau",))
    >>> print(to_latex(fit, {"tau": "ms"}))
    \\begin{tabular}{ll}
      \\toprule
      Parameter & Value \\\\
      \\midrule
      $\\tau$ & $2.013 \\pm 0.010\\;\\mathrm{ms}$ \\\\
      \\bottomrule
    \\end{tabular}
    <BLANKLINE>
    """
    units = units or {}
    rows = parameter_rows(fit)
    noted = any(row.status != "free" for row in rows)
    lines = [f"\\begin{{tabular}}{{ll{'l' * noted}}}", "  \\toprule"]
    lines += ["  Parameter & Value" + " &" * noted + " \\\\", "  \\midrule"]
    for row in rows:
        unit = latex_unit(units.get(row.name, ""))
        error = None if row.status in ("fixed", "undetermined") else row.uncertainty
        note = f" & {latex_text(row.status if row.status != 'free' else '')}".rstrip() * noted
        lines.append(
            f"  {latex_name(row.name)} & ${latex_number(row.value, error, unit)}${note} \\\\"
        )
    return "\n".join([*lines, "  \\bottomrule", "\\end{tabular}", ""])


def to_shell(fit: Fit) -> str:
    """The parameters as lines that ``eval "$(...)"`` in a shell turns into variables.

    Names are reduced to letters, digits and underscores (a name that means something to the shell
    gets ``p_`` in front); values are numbers and nothing else.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq.result import CurveFitResult
    >>> fit = CurveFitResult(x=np.array([2.013]), pcov=np.array([[1e-4]]), param_names=("τ",))
    >>> print(to_shell(fit), end="")
    tau=2.013 tau_err=0.01
    nlsq_success=1
    """
    result = as_result(fit)
    rows = parameter_rows(result)
    lines = [
        f"{name}={_number(row.value)} {name}_err={_number(row.uncertainty)}"
        for name, row in zip(shell_names(row.name for row in rows), rows, strict=True)
    ]
    lines.append(f"nlsq_success={int(bool(result.get('success', True)))}")
    if result.has_statistics:
        lines[-1] += f" nlsq_reduced_chi_squared={_number(result.reduced_chi_squared)}"
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{float(value)!r}".removesuffix(".0")


# -- points --------------------------------------------------------------------------------------


def curve_csv(fit: Fit) -> str:
    """The data beside the fit: x, y, sigma, fit, residual and the 95 % confidence band.

    Complex values have two columns, ``y_re`` and ``y_im``. The band is left out where neither the
    model nor its derivatives are at hand.

    Raises
    ------
    FileError
        The fit was streamed: its data are not in memory.
    """
    result = as_result(fit)
    if isinstance(result, StreamedFitResult):
        raise FileError(
            "The data of this fit were streamed; they are not in memory.",
            "The document holds the curve.",
        )
    columns = _x_columns(result) + _parts("y", np.asarray(result.ydata))
    sigma = result.get("sigma")
    if sigma is not None:
        sigma = np.asarray(sigma, dtype=float)
        sigma = np.sqrt(np.diag(sigma)) if sigma.ndim == 2 else sigma
        columns.append(("sigma", np.broadcast_to(sigma, np.shape(result.ydata))))
    columns += _parts("fit", result.predictions) + _parts("residual", result.residuals)
    try:
        lower, upper = result.confidence_band()
        columns += _parts("band_lower", lower) + _parts("band_upper", upper)
    except RuntimeError:  # a stored result of a robust fit
        pass
    return columns_csv(columns)


def columns_csv(columns: list[tuple[str, np.ndarray]]) -> str:
    """Columns as CSV, at full precision."""
    values = (np.ravel(v).tolist() for _, v in columns)
    return _csv([name for name, _ in columns], zip(*values, strict=True))


def table_csv(table: Table) -> str:
    """A table as CSV; names carry their units in brackets."""
    columns = []
    for name in table.names:
        unit = table.units.get(name)
        columns += _parts(f"{name} [{unit}]" if unit else name, table[name])
    return columns_csv(columns)


def _x_columns(result: Any) -> list[tuple[str, np.ndarray]]:
    m = np.size(result.ydata)
    try:
        x = np.asarray(result.xdata)
    except ValueError:  # a ragged structure of the user's
        return [("point", np.arange(m))]
    if x.dtype == object or (x.size % m if m else True):
        return [("point", np.arange(m))]
    if x.size == m:
        return _parts("x", x.ravel())
    rows = x if x.shape[-1] == m else x.T
    if rows.ndim != 2 or rows.shape[-1] != m:
        return [("point", np.arange(m))]
    return [part for i, row in enumerate(rows) for part in _parts(f"x{i}", row)]


def _parts(name: str, values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    if np.iscomplexobj(values):
        return [(f"{name}_re", values.real), (f"{name}_im", values.imag)]
    return [(name, values)]
