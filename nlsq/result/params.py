"""The parameters of a fit, or of many fits, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result import statistics
from nlsq.result.formatting import Rounding, significant, to_ascii
from nlsq.utils.input_error import did_you_mean, harmless
from nlsq.utils.spelling import spelled

if TYPE_CHECKING:
    from nlsq.result.curve_fits import CurveFits
    from nlsq.result.fit_statistics import FitStatistics


def unknown_parameter(name: Any, names: tuple[str, ...]) -> str:
    """What to say to somebody who asks for a parameter that is not there."""
    return f"{name!r} is no parameter; they are {', '.join(names)}{did_you_mean(str(name), names)}"


class Quantity:
    """A number with its standard error: what parameters, derived and solved quantities share.

    ``float(q)`` and NumPy's functions take its value; in text it is value ± error, as many digits
    as the error warrants, or both in a format of your own: ``f"{q:.3f}"``.
    """

    name: str
    value: Any
    stderr: Any

    def interval(self, level: float = statistics.LEVEL) -> np.ndarray:
        """Lower and upper end (..., 2) of the confidence interval of this level."""
        raise NotImplementedError

    def __float__(self) -> float:
        return float(self.value)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.value, dtype)

    def __str__(self) -> str:
        return format(self)

    def __format__(self, spec: str) -> str:
        if np.ndim(self.value):
            return format(str(self.value), spec)
        value, stderr = float(self.value), float(self.stderr)
        if spec:
            return f"{value:{spec}} ± {stderr:{spec}}"
        if stderr == 0:
            return f"{significant(value, 7)} ± 0"
        rounding = Rounding.of(value, stderr)
        return f"{rounding.text(value)} ± {rounding.error(stderr)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({harmless(self.name)}: {to_ascii(str(self))})"


class _Parameter(Quantity):
    """What is known of a parameter of one fit, or, as arrays, of many."""

    def __init__(self, fit: FitStatistics | CurveFits, index: int, name: str):
        self._fit, self._index, self.name = fit, index, name

    def interval(self, level: float = statistics.LEVEL) -> np.ndarray:
        """Lower and upper end (..., 2) of the confidence interval of this level."""
        return self._fit.confidence_intervals(level)[..., self._index, :]


class FitParameter(_Parameter):
    """A parameter of a fit; what it says is looked up in the fit when it is asked.

    Examples
    --------
    >>> from nlsq import curve_fit
    >>> fit = curve_fit(lambda x, a, b: a * x + b, [0, 1, 2, 3.0], [1.1, 2.9, 5.2, 6.8])
    >>> a = fit.params["a"]
    >>> print(a, a.fixed, a.at_bound)
    1.940 ± 0.091 False False
    >>> a.interval(0.95).round(2).tolist()
    [1.55, 2.33]
    """

    @property
    def value(self) -> float:
        """The best value."""
        return float(self._fit.popt[self._index])

    @property
    def stderr(self) -> float:
        """Standard error: infinite when undetermined, 0 when fixed."""
        return float(self._fit.perr[self._index])

    @property
    def at_bound(self) -> bool:
        """Whether it stopped at one of its bounds."""
        return self.name in self._fit.at_bound

    @property
    def fixed(self) -> bool:
        """Whether it was not fitted."""
        return self.name in self._fit.fixed

    @property
    def undetermined(self) -> bool:
        """Whether the data do not determine it."""
        return self.name in self._fit.undetermined

    @property
    def start(self) -> float:
        """Where the fit began."""
        return float(self._fit.p0[self._index])

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound."""
        lower, upper = (np.broadcast_to(b, len(self._fit.popt)) for b in self._fit.bounds)
        return float(lower[self._index]), float(upper[self._index])


class Table(Mapping):
    """Quantities by name, shown as a table."""

    _left: tuple[int, ...] = (0, 4, 5)  # columns of texts

    def _cells(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Heads of the columns, and rows of texts."""
        raise NotImplementedError

    def _numbers(self) -> tuple[Sequence[str], dict[str, Any]]:
        """Labels of the rows, and columns by name."""
        raise NotImplementedError

    def to_dataframe(self) -> Any:
        """A pandas DataFrame, a row for each: value, stderr, and the 95 % interval lower, upper.

        Of parameters also min and max (the bounds), start, fixed, at_bound and undetermined. What
        the fit does not know is left out.

        Raises
        ------
        ImportError
            When pandas is not installed.
        """
        pandas = import_pandas("to_dataframe")
        labels, columns = self._numbers()
        return pandas.DataFrame(columns, index=pandas.Index(labels, name="name"))

    def __str__(self) -> str:
        from nlsq.result import report, writers

        ascii = not report.terminal_is_unicode()
        return "\n".join(writers.table_lines(*self._cells(), ascii, self._left))

    def __repr__(self) -> str:
        each = ", ".join(f"{harmless(n)}: {to_ascii(str(q))}" for n, q in self.items())
        return f"{type(self).__name__}({each})"

    def _repr_html_(self) -> str:
        from nlsq.result import writers

        return f"<div class='nlsq-result'>{writers.html_table(*self._cells(), self._left)}</div>"


class FitParameters(Table):
    """The parameters of a fit in their order: name -> `FitParameter`; a table as text.

    Parameters
    ----------
    fit : CurveFitResult

    Examples
    --------
    >>> from nlsq import curve_fit
    >>> fit = curve_fit(lambda x, a, b: a * x + b, [0, 1, 2, 3.0], [1.1, 2.9, 5.2, 6.8])
    >>> list(fit.params), fit.params["b"].fixed
    (['a', 'b'], False)
    >>> print(str(fit.params).splitlines()[0].split())
    ['name', 'value', 'std.', 'error', 'rel.', '%', '95', '%', 'interval']
    """

    def __init__(self, fit: Any):
        self._fit = fit
        self._names: tuple[str, ...] = fit.names

    def __getitem__(self, name: str) -> FitParameter:
        meant = spelled(name, self._names)
        if meant is None:
            raise KeyError(unknown_parameter(name, self._names))
        return FitParameter(self._fit, self._names.index(meant), meant)

    def __contains__(self, name: object) -> bool:
        return spelled(name, self._names) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _numbers(self) -> tuple[Sequence[str], dict[str, Any]]:
        fit = self._fit
        every = self.values()
        columns: dict[str, Any] = {"value": fit.popt, "stderr": fit.perr}
        if fit.knows_dof:
            columns["lower"], columns["upper"] = fit.confidence_intervals().T
        if "bounds" in fit:
            columns["min"], columns["max"] = zip(*(p.bounds for p in every), strict=True)
        if "p0" in fit:
            columns["start"] = fit.p0
        for name in ("fixed", "at_bound", "undetermined"):
            if name in fit:
                columns[name] = [getattr(p, name) for p in every]
        return self._names, columns

    def _cells(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        from nlsq.result import report

        return report.parameter_table(self._fit)


class FitsParameter(_Parameter):
    """A parameter of many fits: arrays over the fits."""

    @property
    def value(self) -> np.ndarray:
        """The best values (...); NaN where there was no fit."""
        return self._fit.popt[..., self._index]

    @property
    def stderr(self) -> np.ndarray:
        """Standard errors (...): infinite where undetermined, 0 where fixed."""
        return np.sqrt(self._variance)

    @property
    def _variance(self) -> np.ndarray:
        return self._fit.pcov[..., self._index, self._index]

    @property
    def at_bound(self) -> np.ndarray:
        """Where it stopped at one of its bounds (...)."""
        return self._fit.active_mask[..., self._index] != 0

    @property
    def fixed(self) -> np.ndarray:
        """Where it was not fitted (...), and where bounds left it one value."""
        for_all = self.name in self._fit._facts.get("fixed", ())
        return for_all | (self._variance == 0) & (self._fit.cost > 0)

    @property
    def undetermined(self) -> np.ndarray:
        """Where the data do not determine it (...)."""
        known = self._fit._facts["absolute_sigma"] | (self._fit.dof > 0)
        return np.isinf(self._variance) & known

    def __format__(self, spec: str) -> str:
        return format(str(self.value), spec)


class FitsParameters(Table):
    """The parameters of many fits in their order: name -> `FitsParameter`; a table as text.

    Parameters
    ----------
    fits : CurveFits

    Examples
    --------
    >>> from nlsq import fit_many
    >>> x = [0, 1, 2, 3.0]
    >>> fits = fit_many(lambda x, a, b: a * x + b, x, [[1.1, 2.9, 5.2, 6.8], [1, 2, 3, 4.1]])
    >>> fits.params["a"].value.round(2), fits.params["a"].interval(0.9).shape
    (array([1.94, 1.03]), (2, 2))
    """

    _left = (0,)

    def __init__(self, fits: CurveFits):
        self._fits = fits

    def __getitem__(self, name: str) -> FitsParameter:
        names = self._fits.param_names
        meant = spelled(name, names)
        if meant is None:
            raise KeyError(unknown_parameter(name, names))
        return FitsParameter(self._fits, names.index(meant), meant)

    def __contains__(self, name: object) -> bool:
        return spelled(name, self._fits.param_names) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._fits.param_names)

    def __len__(self) -> int:
        return len(self._fits.param_names)

    def _cells(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        from nlsq.result import fits_summary

        return fits_summary.parameter_rows(self._fits)

    def to_dataframe(self) -> Any:
        """A DataFrame with a row for each fit, see `CurveFits.to_pandas`."""
        return self._fits.to_pandas()

    def __repr__(self) -> str:
        return f"FitsParameters({harmless(', '.join(self))}; of {self._fits.size} fits)"


def import_pandas(caller: str) -> Any:
    """The module pandas.

    Raises
    ------
    ImportError
        When it is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f"{caller} needs pandas: pip install pandas") from error
    return pandas
