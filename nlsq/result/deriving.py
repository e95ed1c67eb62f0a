"""Quantities computed from the parameters of a fit, with the errors that follow from theirs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.config import double_precision
from nlsq.models.formula_functions import CONSTANTS
from nlsq.models.formulas import parse
from nlsq.result import derivatives, prediction, statistics
from nlsq.result.params import Quantity, Table, unknown_parameter
from nlsq.result.serialization import function_name
from nlsq.utils.spelling import spelled

if TYPE_CHECKING:
    from nlsq.result.fitted_curve import FittedCurve


class Derived(Quantity):
    """A quantity derived from a fit's parameters, see `CurveFitResult.derive`.

    Attributes
    ----------
    name : str
    value : float, or ndarray where the function gives one
    gradient : ndarray, shape (..., n)
        Its derivatives by the parameters.
    """

    def __init__(self, fit: FittedCurve, name: str, value: Any, gradient: np.ndarray):
        self._fit, self.name, self.value, self.gradient = fit, name, value, gradient

    @property
    def rows(self) -> np.ndarray:
        """The gradient as rows, shape (k, n)."""
        return self.gradient.reshape(-1, self.gradient.shape[-1])

    @property
    def stderr(self) -> Any:
        """sqrt(g' C g): infinite where it depends on what the data leave undetermined."""
        variance = prediction.row_variance(self._fit)(self.rows)
        return np.sqrt(variance).reshape(np.shape(self.value))[()]

    def interval(self, level: float = statistics.LEVEL) -> np.ndarray:
        """Lower and upper end (..., 2) of the confidence interval of this level."""
        return statistics.intervals(self.value, self.stderr, self._fit.quantile(level))

    def covariance(self, other: str | Quantity) -> Any:
        """Covariance with a parameter, by its name, or with another quantity of the same fit.

        Returns
        -------
        float or ndarray
            Of the shape of this quantity and then that of the other; infinite where one of the two
            is undetermined and none is fixed.
        """
        rows = rows_of(self._fit, other)
        found = covariance(self._fit, np.concatenate([self.rows, rows]))
        found = found[: len(self.rows), len(self.rows) :]
        shape = np.shape(other.value) if isinstance(other, Derived) else ()
        return found.reshape((*np.shape(self.value), *shape))[()]


class DerivedQuantities(Table):
    """Several derived quantities: name -> `Derived`; a table as text.

    Parameters
    ----------
    fit : CurveFitResult
    quantities : dict of str to Derived
    """

    def __init__(self, fit: FittedCurve, quantities: dict[str, Derived]):
        self._fit, self._quantities = fit, quantities

    def __getitem__(self, name: str) -> Derived:
        return self._quantities[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._quantities)

    def __len__(self) -> int:
        return len(self._quantities)

    def _numbers(self) -> tuple[list[str], dict[str, Any]]:
        labels = []
        for name, q in self.items():
            several = [f"{name}[{i}]" for i in range(np.size(q.value))]
            labels += several if np.ndim(q.value) else [name]
        columns = {
            k: np.hstack([getattr(q, k) for q in self.values()]) for k in ("value", "stderr")
        }
        if self._fit.knows_dof:
            limits = np.concatenate([q.interval().reshape(-1, 2) for q in self.values()])
            columns["lower"], columns["upper"] = limits.T
        return labels, columns

    def _cells(self) -> tuple:
        from nlsq.result import report

        labels, columns = self._numbers()
        each = zip(*(column.tolist() for column in columns.values()), strict=True)
        rows = [
            report.row(label, value, stderr, limits or None)
            for label, (value, stderr, *limits) in zip(labels, each, strict=True)
        ]
        return report.columns(statistics.LEVEL), rows

    @property
    def covariance(self) -> np.ndarray:
        """Of all of them, shape (k, k); those of an array in the place of its name."""
        return covariance(self._fit, np.concatenate([q.rows for q in self.values()]))


def rows_of(fit: FittedCurve, other: str | Quantity) -> np.ndarray:
    """Gradients (k, n) of a parameter or a derived quantity."""
    if isinstance(other, Derived):
        if other._fit is not fit:
            raise ValueError(f"{other.name} belongs to another fit, whose errors are independent")
        return other.rows
    asked = other.name if isinstance(other, Quantity) else other
    name = spelled(asked, fit.names)
    if name is None:
        raise KeyError(unknown_parameter(asked, fit.names))
    return np.eye(len(fit.names))[[fit.names.index(name)]]


def covariance(fit: FittedCurve, rows: np.ndarray) -> np.ndarray:
    """G C G' (k, k) for gradients G (k, n).

    As in `pcov`, infinite for a quantity that is undetermined, but 0 with one that is certain.
    """
    variance = prediction.row_variance(fit)(rows)
    C = fit.get("pcov_determined") if fit.get("null_directions") else None
    C = np.array(fit.pcov if C is None else C, dtype=float)
    unknown = ~np.isfinite(np.diag(C))
    C[unknown], C[:, unknown] = 0.0, 0.0
    out = rows @ C @ rows.T
    open_ended = np.isinf(variance)
    out[open_ended], out[:, open_ended] = np.inf, np.inf
    certain = variance == 0
    out[certain], out[:, certain] = 0.0, 0.0
    return out


def derive(fit: FittedCurve, function: Any, quantities: Mapping[str, Any]) -> Any:
    """See `CurveFitResult.derive`."""
    if (function is None) is (not quantities):
        raise TypeError(
            "derive takes one function or formula, or several by the names of what they give: "
            "fit.derive(fwhm=lambda sigma: 2.355 * sigma, ratio='a1/a2')"
        )
    if function is not None:
        return _derived(fit, _name(function), function)
    return DerivedQuantities(fit, {k: _derived(fit, k, v) for k, v in quantities.items()})


def _name(function: Any) -> str:
    return function if isinstance(function, str) else function_name(function)


def _derived(fit: FittedCurve, name: str, function: Any) -> Derived:
    call, asked = _read(function, fit.names)
    p, perr = np.array(fit.popt, dtype=float), fit.perr
    with double_precision():
        value = call(p[asked])
        if statistics.masked(value):
            raise TypeError(f"{name} must give real numbers; some that it gave are masked")
        value = np.asarray(value)
        if value.dtype.kind not in "biuf":
            raise TypeError(f"{name} must give real numbers; it gave {value.dtype}")
        rows = derivatives.gradient(lambda q: np.ravel(call(q)), p[asked], perr[asked])
    value, G = value.astype(float), np.zeros((value.size, len(p)))
    G[:, asked] = rows
    return Derived(fit, name, value[()], G.reshape((*value.shape, len(p))))


def _read(function: Any, names: tuple[str, ...]) -> tuple[Callable[[np.ndarray], Any], list[int]]:
    """(the function of an array of the parameters it asks for, their places)."""
    if isinstance(function, str):
        return _read_formula(function, names)
    if not callable(function):
        raise TypeError(f"derive takes a function of parameters or a formula, not {function!r}")
    first, keys = _asked_by_function(function, names)
    k = len(first)
    return (
        lambda q: function(*q[:k], **dict(zip(keys, q[k:], strict=True))),
        [names.index(name) for name in (*first, *keys)],
    )


def _read_formula(text: str, names: tuple[str, ...]) -> tuple[Callable, list[int]]:
    formula = parse(text)
    for name in formula.names:
        _require(name, names, text)
    for name in CONSTANTS.keys() & set(names):
        if re.search(rf"\b{name}\b", text):
            raise ValueError(
                f"{text}: in a formula {name} is the constant, not the parameter of this fit. Give "
                f"a function: lambda {name}: ..."
            )
    if not formula.names:
        raise ValueError(f"{text}: it takes none of the parameters {', '.join(names)}")
    model = formula.model(())
    return lambda q: model(None, *q), [names.index(name) for name in formula.names]


def _asked_by_function(function: Callable, names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Names of the parameters it takes by position, and of those it takes by name."""
    try:
        takes = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        takes = None
    if takes is None or any(a.kind is a.VAR_POSITIONAL for a in takes):
        raise TypeError(
            f"{function_name(function)} does not tell which parameters it takes: give a function "
            f"of their names, such as lambda {names[0]}: ..."
        )
    first: list[str] = []
    keys: list[str] = []
    for a in takes:
        if a.kind is a.VAR_KEYWORD:
            keys = [name for name in names if name not in first]
        elif a.name in names or a.default is a.empty:
            _require(a.name, names, function_name(function))
            (first if a.kind is a.POSITIONAL_ONLY else keys).append(a.name)
    return first, keys


def _require(name: str, names: tuple[str, ...], of_what: str) -> None:
    if name not in names:
        raise ValueError(f"{of_what}: {unknown_parameter(name, names)}")
