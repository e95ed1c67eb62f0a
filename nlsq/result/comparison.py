"""Several models fitted to the same data, beside each other."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.result import statistics
from nlsq.result.curve_fit_result import CurveFitResult
from nlsq.result.curve_fits import CurveFits
from nlsq.result.same_data import difference, loss_of
from nlsq.utils.input_error import harmless, keywords_checked

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Row:
    """One fit of a comparison.

    Attributes
    ----------
    name : str
    fit : CurveFitResult
    n_free, n_points, dof : int
        Free parameters, real residuals, degrees of freedom.
    chi_squared, reduced_chi_squared, adj_r_squared, aicc, bic : float
        As the fit says them; nan where a streamed fit has not summed them up yet.
    delta_aicc : float
        `aicc` less that of the best fit.
    weight : float
        Akaike's weight: this model's share of the evidence, among those compared. nan for a fit
        that did not converge.
    remarks : tuple of str
        What to be careful about.
    """

    name: str
    fit: CurveFitResult
    n_free: int
    n_points: int
    dof: int
    chi_squared: float
    reduced_chi_squared: float
    adj_r_squared: float
    aicc: float
    bic: float
    delta_aicc: float
    weight: float
    remarks: tuple[str, ...]

    @property
    def converged(self) -> bool:
        """Whether the fit converged; one that did not has no rank."""
        return bool(self.fit.get("success", True))

    @property
    def evidence_ratio(self) -> float:
        """How many times likelier the best model is than this one."""
        return statistics.evidence_ratio(self.delta_aicc)


@dataclasses.dataclass(frozen=True)
class NestedTest:
    """Test of a smaller model against a larger one, of which it has to be a special case.

    Attributes
    ----------
    smaller, larger : str
        Names of the fits.
    kind : str
        ``"F"``, or ``"χ²"`` where sigma is known (absolute_sigma).
    statistic : float
    df : tuple of int
        Degrees of freedom of its distribution: two of F, one of χ².
    p_value : float
        How often noise alone lets chi-squared fall so far, if the smaller model is true.
    """

    smaller: str
    larger: str
    kind: str
    statistic: float
    df: tuple[int, ...]
    p_value: float


class Comparison:
    """Fits of several models to the same data, best first; see `compare`.

    Iteration and ``len`` see the rows, ``comparison["name"]`` is the row of that name.

    Attributes
    ----------
    rows : tuple of Row
        By AICc, lowest first; fits that did not converge come last.
    tests : tuple of NestedTest
        Of each size of model against the next larger one.
    notes : tuple of str
        What to be careful about.
    """

    def __init__(self, fits: Sequence[CurveFitResult], names: Sequence[str]) -> None:
        self.rows = _rows(fits, names)
        self.tests, notes = _nested_tests(self.rows)
        self.notes = (*_notes(self.rows), *notes)

    @property
    def best(self) -> CurveFitResult | None:
        """The fit of the lowest AICc; None where none converged."""
        return self.rows[0].fit if self.rows[0].converged else None

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Row:
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(f"{name!r} is not compared; there are {', '.join(r.name for r in self)}")

    def __str__(self) -> str:
        from nlsq.result import comparison_text

        return comparison_text.as_text(self)

    def __repr__(self) -> str:
        return f"Comparison({harmless(', '.join(row.name for row in self.rows))})"

    def _repr_html_(self) -> str:
        from nlsq.result import comparison_text

        return comparison_text.as_html(self)

    def to_dataframe(self) -> Any:
        """A DataFrame with a row for each fit, best first; the index is the names.

        Raises
        ------
        ImportError
            When pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_dataframe needs pandas: pip install pandas") from error
        fields = [f.name for f in dataclasses.fields(Row) if f.name not in ("name", "fit")]
        columns = {name: [getattr(row, name) for row in self.rows] for name in fields}
        columns["remarks"] = ["; ".join(row.remarks) for row in self.rows]
        columns |= {"converged": [row.converged for row in self.rows]}
        index = pandas.Index([row.name for row in self.rows], name="model")
        return pandas.DataFrame(columns, index=index)

    @keywords_checked
    def plot(
        self,
        bars: str = "weight",
        *,
        xlabel: str | None = None,
        ylabel: str | None = None,
        title: str | None = None,
        xscale: str | None = None,
        yscale: str | None = None,
    ) -> tuple[Figure, np.ndarray]:
        """Draw the data with the curve of each fit, and how the fits rank.

        Parameters
        ----------
        bars : {'weight', 'delta_aicc'}
            What the bars show.
        xlabel, ylabel, title, xscale, yscale : str, optional
            As for `CurveFitResult.plot`.

        Returns
        -------
        fig : matplotlib Figure
        axes : ndarray of Axes
            Curves, and bars; only the bars where x is not a single real number per point, the
            same for all fits.

        Raises
        ------
        ImportError
            When matplotlib is not installed.
        ValueError
            When `bars` is neither.
        """
        from nlsq.result import comparison_plot

        given = {"xlabel": xlabel, "ylabel": ylabel, "title": title}
        options = self.rows[0].fit._options(**given, xscale=xscale, yscale=yscale)
        return comparison_plot.draw(self, bars, options)


def compare(
    *fits: CurveFitResult | Mapping[str, CurveFitResult] | Iterable[CurveFitResult],
    names: Sequence[str] | None = None,
) -> Comparison:
    """Compare fits of several models to the same data.

    Parameters
    ----------
    *fits : CurveFitResult
        Two or more, of the same y, sigma, ``absolute_sigma`` and loss; or one list of them, or
        one dict of them by their names.
    names : sequence of str, optional
        What to call them. Default: those of a dict, or the names of the models, numbered where
        they are the same.

    Returns
    -------
    Comparison
        ``print`` shows the table; `Comparison.rows`, `Comparison.tests`, `Comparison.best` and
        `Comparison.to_dataframe` give the numbers, `Comparison.plot` the picture.

    Raises
    ------
    TypeError
        When what is given is not the result of a fit.
    ValueError
        When there are fewer than two fits, or they cannot be compared.

    Notes
    -----
    The criteria are those of the fits: `CurveFitResult.aicc`, `CurveFitResult.bic`. They rank any
    models; the F test holds for nested models only.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import compare, curve_fit
    >>> x = np.arange(12.0)
    >>> y = 1.0 + 2.0 * x + np.cos(40 * x)
    >>> constant = curve_fit(lambda x, a: a + 0 * x, x, y)
    >>> line = curve_fit(lambda x, a, b: a + b * x, x, y)
    >>> ranking = compare(constant, line, names=["constant", "line"])
    >>> ranking.best is line
    True
    >>> [row.name for row in ranking]
    ['line', 'constant']
    """
    fits, names = _singly(fits, names)
    for place, fit in enumerate(fits, 1):
        if not isinstance(fit, CurveFitResult):
            raise TypeError(_no_fit(fit, place))
        if not ("cost" in fit or "fun" in fit) or not ("n_points" in fit or "ydata" in fit):
            raise TypeError(
                f"fit {place} knows neither its misfit nor its points: compare takes results of "
                "curve_fit, fit, fit_many or a LargeDatasetFitter as they came"
            )
    if len(fits) < 2:
        raise ValueError(f"compare needs two or more fits of the same data, not {len(fits)}")
    given = _names(fits, names)
    for fit, name in zip(fits[1:], given[1:], strict=True):
        if wrong := difference(fits[0], fit):
            raise ValueError(
                f"{given[0]} and {name} cannot be compared: {wrong}. Criteria and tests hold for "
                "fits of the same data, weighted in the same way"
            )
    return Comparison(fits, given)


def _singly(fits: tuple, names: Sequence[str] | None) -> tuple[tuple, Sequence[str] | None]:
    """The fits one by one, and their names, where they came in one list or dict."""
    one = fits[0] if len(fits) == 1 else None
    if isinstance(one, CurveFitResult) or not isinstance(one, (Iterator, list, tuple, Mapping)):
        return fits, names
    if isinstance(one, Mapping):
        return tuple(one.values()), list(one) if names is None else names
    within = tuple(one)
    return within if any(isinstance(fit, CurveFitResult) for fit in within) else fits, names


def _no_fit(value: Any, place: int) -> str:
    said = f"compare takes results of fits one by one, but argument {place} is a "
    if isinstance(value, (list, tuple)):
        said += type(value).__name__
        if any(isinstance(fit, CurveFitResult) for fit in value):
            return f"{said}: unpack it, compare(*fits)"
        if len(value) == 2 and np.ndim(value[1]) == 2:
            said += "; of (popt, pcov) keep the result itself, fit = curve_fit(...)"
        return said
    said += type(value).__name__
    return said + (": give one of its fits, fits[0]" if isinstance(value, CurveFits) else "")


def _names(fits: Sequence[CurveFitResult], names: Sequence[str] | None) -> tuple[str, ...]:
    """One name each, all different."""
    if isinstance(names, str):
        raise TypeError(f"names is one name for each fit, ['a', 'b'], not the text {names!r}")
    if names is not None:
        given = tuple(map(str, names))
        if len(given) != len(fits):
            raise ValueError(f"{len(given)} names for {len(fits)} fits")
        if twice := [name for name in dict.fromkeys(given) if given.count(name) > 1]:
            raise ValueError(f"names: {twice[0]!r} is there twice, and each fit needs its own")
        return given
    out: list[str] = []
    for fit in fits:
        name = own = fit.get("model_name") or getattr(fit.get("model"), "name", None) or "model"
        number = 1
        while name in out:
            number += 1
            name = f"{own} ({number})"
        out.append(name)
    return tuple(out)


def _rows(fits: Sequence[CurveFitResult], names: Sequence[str]) -> tuple[Row, ...]:
    ranked = [fit.get("success", True) for fit in fits]
    criteria = [fit.aicc for fit in fits]
    _, weights = statistics.akaike_weights(
        [c if counts else math.nan for c, counts in zip(criteria, ranked, strict=True)]
    )
    usable = [c for c, counts in zip(criteria, ranked, strict=True) if counts] or criteria
    best = min(usable)
    rows = [
        _row(fit, name, 0.0 if c == best else c - best, float(weight))
        for fit, name, c, weight in zip(fits, names, criteria, weights, strict=True)
    ]
    return tuple(sorted(rows, key=lambda row: (not row.converged, row.aicc)))


def _row(fit: CurveFitResult, name: str, delta: float, weight: float) -> Row:
    linear, summed = fit.get("loss", "linear") == "linear", fit.has_statistics
    chi2 = fit.chi_squared if summed else fit.misfit if linear else math.nan
    return Row(
        name=name,
        fit=fit,
        n_free=fit.n_free,
        n_points=fit.n_points,
        dof=fit.dof,
        chi_squared=chi2,
        reduced_chi_squared=chi2 / fit.dof if fit.dof > 0 else math.nan,
        adj_r_squared=fit.adj_r_squared if summed else math.nan,
        aicc=fit.aicc,
        bic=fit.bic,
        delta_aicc=delta,
        weight=weight,
        remarks=tuple(_remarks(fit)),
    )


def _remarks(fit: CurveFitResult) -> Iterator[str]:
    if not fit.get("success", True):
        yield "not converged"
    if fit.get("undetermined"):
        yield f"undetermined: {', '.join(fit.undetermined)}"
    if at_bound := [n for n in fit.get("at_bound") or () if n not in (fit.get("fixed") or ())]:
        yield f"on a bound: {', '.join(at_bound)}"


def _nested_tests(rows: Sequence[Row]) -> tuple[tuple[NestedTest, ...], list[str]]:
    """Tests of each size against the next larger one, and why there are none for some."""
    counted = [row for row in rows if row.converged and row.fit.get("loss", "linear") == "linear"]
    sizes: dict[int, list[Row]] = {}
    for row in sorted(counted, key=lambda row: -row.dof):
        sizes.setdefault(row.dof, []).append(row)
    tests, notes = [], []
    for small, large in itertools.chain.from_iterable(
        itertools.product(*pair) for pair in itertools.pairwise(sizes.values())
    ):
        known = bool(large.fit.get("absolute_sigma"))
        if large.chi_squared > small.chi_squared:
            notes.append(
                f"{large.name} has more parameters than {small.name}, yet fits worse: {small.name} "
                f"is no special case of it, or the fit of {large.name} ended in a local minimum"
            )
        elif large.dof > 0 or known:
            pair = (small.chi_squared, small.dof), (large.chi_squared, large.dof)
            statistic, p = statistics.nested_test(*pair, known)
            freed = small.dof - large.dof
            df = (freed,) if known else (freed, large.dof)
            kind = "χ²" if known else "F"
            tests.append(NestedTest(small.name, large.name, kind, statistic, df, p))
    return tuple(tests), notes


def _notes(rows: Sequence[Row]) -> Iterator[str]:
    loss = loss_of(rows[0].fit)
    if loss != "the linear loss":
        yield (
            f"fitted with {loss}: AICc and BIC take the sum of the loss in place of χ², and there "
            "is no F test"
        )
    if any("sample" in row.fit for row in rows):
        unsummed = any(math.isnan(row.adj_r_squared) for row in rows)
        yield (
            "the data of a streamed fit are not in memory: that they are the same was seen by "
            "their number and a sample"
            + ("; its R² takes one more pass, which fit.summary() makes" if unsummed else "")
        )
    if any(row.aicc == -math.inf for row in rows):
        yield "a fit without residuals: the criteria cannot weigh models that the data meet exactly"
    if any(row.aicc == math.inf for row in rows):
        yield "AICc is infinite where the data are hardly more than the parameters"
