"""`CurveFitResult`: what `curve_fit` returns, with the statistics one asks for next."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, KeysView, Mapping
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from nlsq.interfaces import CurveFitResultProtocol
from nlsq.result.fit_plots import FitPlots
from nlsq.result.params import unknown_parameter
from nlsq.result.statistics import LEVEL, level_of
from nlsq.utils.spelling import spelled

if TYPE_CHECKING:
    from nlsq.result.minima import Minima

# Names that fields of some results have: `get` and setting find no parameter under them.
FIELDS = frozenset(
    """x pcov cost fun jac grad optimality optimizer active_mask nfev njev nit tries status message
    success param_names p0 bounds fixed at_bound rank undetermined null_directions pcov_determined
    absolute_sigma loss f_scale method n_points dof warnings wall_time model_info backend model
    model_name minima fallback stability precision inferred_bounds cmaes_diagnostics xdata ydata
    sigma labels workflow moments sample streaming weighted diagnostics""".split()
)
# Public for the sake of other modules, or of a dictionary's.
_INSIDE = frozenset(dir(dict)) - {"get", "keys", "items"} | frozenset(
    """is_settled defer sigma_dimensions complex_values has_statistics knows_dof require_model
    no_model unwhiten""".split()
)


class _FieldName(str):
    """A key that is the name of a parameter too, and asks for the field: see `keys`."""

    __slots__ = ()

    def __reduce__(self) -> tuple:
        return str, (str(self),)


class CurveFitResult(FitPlots):
    """Result of a curve fit: unpacks to ``popt, pcov`` and knows its own statistics.

    Iteration, ``len`` and integer indices see the pair (popt, pcov), so code written for SciPy's
    tuple runs. ``fit["tau"]`` is the best value of the parameter tau. A name read in square
    brackets is a parameter first, then a field or statistic: a parameter sigma, x or cost wins over
    every field, SciPy's own too. All else means the field: attributes, ``fit.get("sigma")``,
    setting, ``in``, ``keys``, ``items``, ``dict(fit)``. All statistics are computed on demand.

    Parameters
    ----------
    mapping : mapping
        Fields: ``x`` (n,), ``pcov`` (n, n), ``xdata``, ``ydata`` (m,), ``sigma``, ``fun`` (the
        whitened residuals), ``param_names``, ``model`` (an object with ``predict(x, p)`` and
        ``jacobian(x, p)``) and the rest of a fit's record. ``tries`` is empty, or has a dict
        (name, cost, status, kept) for each time that a fit with a doubtful end was begun at p0;
        ``nfev``, ``njev`` and ``nit`` then count them all. ``minima`` (`Minima`) is there where
        the start was searched for, ``fallback`` (`nlsq.stability.fallback.FallbackRecord`) where
        other ways were allowed, ``inferred_bounds`` with `auto_bounds`. ``precision`` tells from
        which numbers to which the fit went (`nlsq.precision.PrecisionState`).
    lazy : mapping of str to callable, optional
        Fields computed on first access.

    Raises
    ------
    AttributeError
        When a statistic needs a field that is not there.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> x = np.linspace(0, 4, 50)
    >>> y = 2.5 * np.exp(-1.3 * x) + 0.01 * np.cos(40 * x)
    >>> result = curve_fit(lambda x, a, b: a * np.exp(-b * x), x, y)
    >>> popt, pcov = result
    >>> bool(result.r_squared > 0.999)
    True
    >>> round(result["b"], 1)
    1.3
    >>> lower, upper = result.confidence_band(np.array([0.5, 1.0]))
    """

    if TYPE_CHECKING:
        pcov: np.ndarray
        param_names: tuple[str, ...]
        bounds: tuple[np.ndarray, np.ndarray]
        fixed: tuple[str, ...]
        at_bound: tuple[str, ...]
        undetermined: tuple[str, ...]
        rank: int
        n_points: int
        dof: int
        warnings: tuple[str, ...]
        backend: str
        minima: Minima

    # -- a pair ----------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.popt, self.pcov))

    def __len__(self) -> int:
        return 2

    @overload
    def __getitem__(self, key: int) -> np.ndarray: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[np.ndarray, ...]: ...
    @overload
    def __getitem__(self, key: Any) -> Any: ...
    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            value = None if type(key) is _FieldName else self._parameter(key)
            return self._field(key) if value is None else value
        if isinstance(key, slice):
            return (self.popt, self.pcov)[key]
        if isinstance(key, (int, np.integer)):
            return (self.popt, self.pcov)[operator.index(key)]
        return self._field(key)

    def __missing__(self, key: Any) -> Any:
        if self._is_statistic(key):
            return getattr(self, key)
        if not self._has_names:
            raise KeyError(key)
        raise KeyError(f"no field or statistic, and {unknown_parameter(key, self.names)}")

    def __setitem__(self, key: Any, value: Any) -> None:
        new = key not in FIELDS and key not in self and self._has_names
        if new and spelled(key, self.names) is not None:
            raise TypeError(f"{key!r} is a parameter of this fit: its best value cannot be set")
        super().__setitem__(key, value)

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the field or statistic, or else the parameter, or else `default`.

        Where ``fit[key]`` finds a parameter first, this finds a field first; and of a name that a
        field of some other result has (``sample``, ``labels``...), never a parameter.
        """
        if isinstance(key, int):
            return self[key]
        if dict.__contains__(self, key):
            return self._field(key)
        if self._is_statistic(key):
            return getattr(self, key)
        value = None if key in FIELDS else self._parameter(key)
        return default if value is None else value

    def keys(self) -> KeysView:  # type: ignore[override]
        """Names of the fields."""
        keys = super().keys()
        if keys.isdisjoint(names := self.names if self._has_names else ()):
            return keys
        # dict(fit) and fit[key] for these keys are to find the fields.
        return dict.fromkeys(_FieldName(k) if k in names else k for k in keys).keys()

    @property
    def _has_names(self) -> bool:
        return "x" in self and np.ndim(self._field("x")) == 1

    def _is_statistic(self, key: Any) -> bool:
        return isinstance(getattr(type(self), str(key), None), property)

    def _parameter(self, key: Any) -> float | None:
        """The best value of the parameter; None when there is none of this name."""
        if not self._has_names:
            return None
        names = self.names
        name = spelled(key, names)
        return None if name is None else float(self.popt[names.index(name)])

    def _ipython_key_completions_(self) -> list[str]:
        return [*dict.fromkeys((*(self.names if self._has_names else ()), *self.keys()))]

    def __dir__(self) -> list[str]:
        """What people need: fields, statistics and methods, not the works of a dictionary."""
        names = {name for name in super().__dir__() if not name.startswith("_")}
        return sorted(names - _INSIDE)

    # -- the model -------------------------------------------------------------------------------

    def components(self, x: Any = None) -> dict[str, np.ndarray]:
        """The parts of the fitted curve by name: members of a sum, terms of a formula.

        Parameters
        ----------
        x : array_like, optional
            Points in the form the model takes. Default: the data.

        Returns
        -------
        dict of str to ndarray
            They add up to the curve. A model without parts is its own one.

        Raises
        ------
        RuntimeError
            When the model is gone; see `attach`.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq import curve_fit
        >>> x = np.arange(6.0)
        >>> fit = curve_fit("a*x + b*x**2", x, 3 * x + x**2)
        >>> {term: y.round(6).tolist() for term, y in fit.components([1.0, 2.0]).items()}
        {'a*x': [3.0, 6.0], 'b*x**2': [1.0, 4.0]}
        """
        from nlsq.result import prediction

        return prediction.components(self, x)

    def attach(self, f: Any, jac: Callable | None = None) -> CurveFitResult:
        """Give a stored result its model back.

        Parameters
        ----------
        f : callable, str or object
            The model ``f(x, *params)``, a text as for `curve_fit`, or an object with
            ``predict(x, p)`` and ``jacobian(x, p)``.
        jac : callable, optional
            ``jac(x, *params)`` -> (m, n), for a plain function. Default: central differences with
            a step chosen for each parameter.

        Returns
        -------
        CurveFitResult
            This result.

        Raises
        ------
        ValueError
            When the model does not reproduce the stored predictions.
        TypeError
            When `f` is not a model.

        Examples
        --------
        >>> import pickle
        >>> from nlsq import curve_fit
        >>> line = lambda x, a, b: a * x + b
        >>> fit = pickle.loads(pickle.dumps(curve_fit(line, [0, 1, 2, 3.0], [1, 3, 5, 7.0])))
        >>> lower, upper = fit.attach(line).confidence_band([1.5])
        """
        from nlsq.result.attached_model import as_model

        if isinstance(f, str):
            from nlsq.models.reading import read

            f = read(f, self.get("xdata"))
        model = as_model(f, jac, self.perr)
        if "xdata" in self and "ydata" in self:
            new, old = np.asarray(model.predict(self.xdata, self.popt)), self.predictions
            if new.shape != old.shape or not np.allclose(
                new, old, rtol=1e-6, atol=1e-6 * self.rmse
            ):
                raise ValueError("this function does not give the predictions stored with the fit")
        self["model"] = model
        self.__dict__.pop("_model_lost", None)
        return self

    # -- storing ---------------------------------------------------------------------------------

    def __reduce_ex__(self, protocol: Any) -> tuple:
        self._keep_predictions()
        return super().__reduce_ex__(protocol)

    def to_dict(self) -> dict[str, Any]:
        """Fields as plain JSON-safe objects; `from_dict` restores all but functions, bit by bit.

        Returns
        -------
        dict
            float64 arrays become nested lists with "nan", "inf", "-inf" as strings; other types
            carry a small tag. Of a model of `nlsq.models` its name or formula is kept, from which
            it comes back; any other stays behind: see `attach`.
        """
        self._keep_predictions()
        return super().to_dict()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Any:
        """Rebuild a result from `to_dict`, with its model where it is one of `nlsq.models`.

        Raises
        ------
        ValueError
            When `data` was not written by `to_dict` of this class.
        """
        result = super().from_dict(data)
        if data.get("model") is not None:
            from nlsq.result.recipes import bring_back

            bring_back(result, data["model"])
        return result

    def _keep_predictions(self) -> None:
        """Compute what the model gives at the data while it is still here."""
        if self.get("model") is not None and "xdata" in self:
            _ = self.predictions

    # -- reading ---------------------------------------------------------------------------------

    def summary(
        self, *, level: float = LEVEL, ascii: bool = False, alpha: float | None = None
    ) -> str:
        """The fit on one page of plain text.

        Parameters
        ----------
        level : float, default 0.95
            Confidence level of the intervals; `alpha` is another name for it.
        ascii : bool, default False
            Use only ASCII characters.

        Returns
        -------
        str
            Parameters with standard errors and intervals, statistics, strong correlations, and
            what to be careful about.

        Examples
        --------
        >>> from nlsq import curve_fit
        >>> fit = curve_fit(lambda x, a: a * x, [1.0, 2.0, 3.0], [2.1, 3.9, 6.0])
        >>> "1 free parameter, 2 degrees of freedom" in fit.summary()
        True
        """
        from nlsq.result import report, writers

        return writers.as_text(report.build(self, level_of(level, alpha)), ascii=ascii)

    def __str__(self) -> str:
        from nlsq.result import report, writers

        return writers.as_text(report.build(self), ascii=not report.terminal_is_unicode())

    def __rich__(self) -> Any:
        from nlsq.result import report, writers

        return writers.as_rich(report.build(self))

    def _repr_html_(self) -> str:
        from nlsq.result import report, writers

        return writers.as_html(report.build(self))

    def __repr__(self) -> str:
        from nlsq.result import report

        return report.one_line(self)


CurveFitResultProtocol.register(CurveFitResult)  # see optimize_result
