"""`CurveFits`: the results of many fits of one model."""

from __future__ import annotations

import operator
import os
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from nlsq.result import fits_storage, fits_summary
from nlsq.result.curve_fit_result import CurveFitResult
from nlsq.result.fits_minima import FIELDS, FitsMinima
from nlsq.result.fits_statistics import FitsStatistics
from nlsq.result.params import import_pandas, unknown_parameter
from nlsq.utils.input_error import keywords_checked
from nlsq.utils.spelling import spelled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nlsq.diagnostics import DiagnosticsConfig
    from nlsq.result.fits_diagnosing import FitsHealth

_BESIDE = {"chi_squared", "r_squared", *FIELDS}  # kept with the fields of the fits
_DRAWN = ("cost", "nfev", "status", "r_squared", "reduced_chi_squared")


class CurveFits(FitsStatistics):
    """Results of `fit_many`: arrays over the fits, and each fit as a `CurveFitResult`.

    Attributes
    ----------
    popt : ndarray (..., n)
        Parameters; NaN where there was no fit (status -3, or below -6).
    pcov : ndarray (..., n, n)
        Covariances, as `curve_fit`'s: infinite along what the data do not determine.
    cost : ndarray (...)
        Half the sum of squares, or of the loss.
    status : ndarray of int (...)
        Why each fit stopped, see `message`; positive when it converged.
    nfev, njev, nit, n_points, rank : ndarray of int (...)
    active_mask : ndarray of int (..., n)
        -1 / 0 / 1: at the lower bound, inside, at the upper bound.
    dof, chi_squared, reduced_chi_squared, r_squared : ndarray (...)
        As of each fit; the last is read from the data when it is asked for.
    params : mapping of str to FitsParameter
        ``fits.params["tau"].value`` (...), ``.stderr``, ``.interval()``, ``.at_bound`` and more.
    minima : FitsMinima
        After a search (``multistart=True``), its evidence for each fit.
    param_names : tuple of str
    shape : tuple of int
        Of the fits.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import fit_many
    >>> x = np.arange(8.0)
    >>> fits = fit_many(lambda x, a, b: a * x + b, x, [2 * x + 1, 3 * x - 1])
    >>> fits.popt.round(6).tolist()
    [[2.0, 1.0], [3.0, -1.0]]
    >>> fits[1].popt.round(6).tolist()
    [3.0, -1.0]
    >>> print(fits.summary().splitlines()[0])
    2 fits of <lambda>(a, b): 2 converged
    """

    @property
    def wall_time(self) -> float:
        """Seconds."""
        return self._facts["wall_time"]

    @wall_time.setter
    def wall_time(self, seconds: float) -> None:
        self._facts["wall_time"] = seconds

    def __reduce__(self) -> tuple:  # the data stay behind, and a model that is a function
        return CurveFits, (self._arrays, self._facts)

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, key: str) -> np.ndarray: ...
    @overload
    def __getitem__(self, key: int | tuple[int, ...]) -> CurveFitResult: ...
    def __getitem__(self, key: Any) -> Any:
        """A parameter's values by its name, (...); a fit by its index, as `CurveFitResult`."""
        if isinstance(key, str):
            name = spelled(key, self.param_names)
            if name is None:
                raise KeyError(unknown_parameter(key, self.param_names))
            return self.popt[..., self.param_names.index(name)]
        return self._fit(self._place(key))

    def __iter__(self) -> Iterator[CurveFitResult]:
        return (self._fit(place) for place in range(self.size))

    def _place(self, key: Any) -> int:
        shape = self.shape or (1,)
        index = tuple(operator.index(k) for k in (key if isinstance(key, tuple) else (key,)))
        if len(index) != len(shape):
            indices = ", ".join("ijklmn"[: len(shape)])
            raise IndexError(f"fits of shape {shape} are taken as fits[{indices}]; got fits[{key}]")
        if not all(-length <= k < length for k, length in zip(index, shape, strict=True)):
            raise IndexError(f"index {key!r} is outside the fits of shape {shape}")
        return int(np.ravel_multi_index([k % n for k, n in zip(index, shape, strict=True)], shape))

    def _fit(self, place: int) -> CurveFitResult:
        if self._make is not None:
            return self._make(place)
        result = CurveFitResult(self._stored_fields(place))
        if recipe := self._facts.get("model"):
            from nlsq.result.recipes import bring_back

            bring_back(result, recipe)
        else:
            result.__dict__["_model_lost"] = "many fits are stored without their function"
        return result

    def _stored_fields(self, place: int) -> dict[str, Any]:
        """What is known of a fit whose model and data are not here."""
        fields = {name: array[place] for name, array in self._arrays.items() if name not in _BESIDE}
        fields["x"], status = fields.pop("popt"), int(fields["status"])
        at = np.unravel_index(place, self.shape) if self.shape else ()
        for kind in ("fixed", "at_bound", "undetermined"):
            fields[kind] = tuple(p.name for p in self.params.values() if getattr(p, kind)[at])
        return fields | {
            "param_names": self.param_names,
            "message": self.messages[status],
            "success": status > 0,
            "dof": int(self.dof[at]),
            "absolute_sigma": self._facts["absolute_sigma"],
            "model_name": self._facts["model_name"],
        }

    # -- reading ---------------------------------------------------------------------------------

    @property
    def minima(self) -> FitsMinima:
        """How sure the best minimum of each fit is, see `FitsMinima`.

        Raises
        ------
        AttributeError
            When there was no search.
        """
        if not FIELDS.keys() <= self._arrays.keys():
            raise AttributeError("these fits were made without a search: fit_many(multistart=True)")
        return FitsMinima(*(self._over_fits(self._arrays[name]) for name in FIELDS))

    @property
    def messages(self) -> dict[int, str]:
        """Status codes that occur, with the sentence of each."""
        known = {int(code): text for code, text in self._facts["messages"].items()}
        return {code: known[code] for code in np.unique(self._arrays["status"]).tolist()}

    def worst(self, count: int = 5) -> list[tuple[int, ...]]:
        """Indices of the fits most in need of a look: not converged first, then by reduced cost."""
        status, cost = self._arrays["status"], self._arrays["cost"]
        dof = np.maximum(self._arrays["n_points"] - self._arrays["rank"], 1)
        need = np.where(status > 0, np.nan_to_num(2 * cost / dof, nan=np.inf), np.inf)
        count = min(count, self.size)
        places: Any = np.argpartition(-need, count - 1)[:count] if count else []
        order = sorted(places, key=lambda i: (status[i] > 0, -need[i], i))
        return [tuple(int(k) for k in np.unravel_index(i, self.shape or (1,))) for i in order]

    def diagnose(self, config: DiagnosticsConfig | None = None) -> FitsHealth:
        """What is wrong with these fits, see `CurveFitResult.diagnose`; a millisecond or so each.

        Examples
        --------
        >>> import numpy as np
        >>> from nlsq import fit_many
        >>> x = np.arange(8.0)
        >>> fits = fit_many(lambda x, a, b: a * x + b, x, [2 * x + 1, 3 * x - 1])
        >>> print(fits.diagnose())
        2 fits: 2 healthy, 0 warning, 0 critical
        """
        from nlsq.result.fits_diagnosing import FitsHealth

        return FitsHealth(self.shape, tuple(fit.diagnose(config) for fit in self))

    def summary(self, worst: int = 5) -> str:
        """What came of the fits: statuses counted, parameters over all fits, the worst fits."""
        return fits_summary.as_text(self, worst)

    def __str__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        return fits_summary.as_html(self)

    def __repr__(self) -> str:
        converged = int((self._arrays["status"] > 0).sum())
        return f"CurveFits(shape={self.shape}, {self.param_names}, {converged} converged)"

    # -- other forms -----------------------------------------------------------------------------

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each fit: values, ``<name>_err``, cost, status and counts.

        Where a parameter is called cost, say, the fit's cost is the column ``fit_cost``.

        Raises
        ------
        ImportError
            When pandas is not installed.
        """
        pandas = import_pandas("to_pandas")
        popt, perr = self._arrays["popt"], self.perr.reshape(self.size, -1)
        columns = {}
        for j, name in enumerate(self.param_names):
            columns[name] = popt[:, j]
            columns[f"{name}_err"] = perr[:, j]
        facts = {name: self._arrays[name] for name in ("cost", "status", "nfev", "n_points")}
        for name, array in (facts | {"success": self._arrays["status"] > 0}).items():
            columns[f"fit_{name}" if name in columns else name] = array  # a parameter has the name
        index = None
        if len(self.shape) > 1:
            axes = [f"axis{k}" for k in range(len(self.shape))]
            index = pandas.MultiIndex.from_product(map(range, self.shape), names=axes)
        return pandas.DataFrame(columns, index=index)

    def to_xarray(self) -> Any:
        """A Dataset over the axes of the fits, ``axis0``, ``axis1`` ... and the parameters.

        Raises
        ------
        ImportError
            When xarray is not installed.
        """
        try:
            import xarray
        except ImportError as error:
            raise ImportError("to_xarray needs xarray: pip install xarray") from error
        axes = [f"axis{k}" for k in range(len(self.shape))]
        own = {
            "popt": ["param"], "perr": ["param"], "active_mask": ["param"],
            "pcov": ["param", "param2"],
        }  # fmt: skip
        names = [*self._arrays, "perr"]
        variables = {name: (axes + own.get(name, []), getattr(self, name)) for name in names}
        coordinates = {"param": list(self.param_names), "param2": list(self.param_names)}
        return xarray.Dataset(variables, coordinates)

    def save(self, path: str | os.PathLike) -> None:
        """Write to a ``.npz`` or ``.parquet`` file; the data stay behind.

        Of a model of `nlsq.models` its name or formula is kept, any other stays behind.

        Raises
        ------
        ValueError
            When the name ends in neither.
        """
        fits_storage.save(path, self._arrays, self._stored_facts())

    def describe(self, folder: str | os.PathLike) -> None:
        """Write what belongs to the arrays that `fit_many` has written to its folder `out`."""
        fits_storage.describe(pathlib.Path(folder), self._arrays, self._stored_facts())

    def _stored_facts(self) -> dict[str, Any]:
        return self._facts | {"shape": list(self.shape)}

    @classmethod
    def load(cls, path: str | os.PathLike) -> CurveFits:
        """Results from `save`, or from the folder that `fit_many` was given as `out`.

        Raises
        ------
        ValueError
            When the file holds something else.
        """
        return cls(*fits_storage.load(path))

    # -- pictures --------------------------------------------------------------------------------

    def plot(self, index: Any, **options: Any) -> tuple[Figure, np.ndarray]:
        """Draw one fit; see `CurveFitResult.plot`."""
        return self[index].plot(**options)

    @keywords_checked
    def plot_map(
        self, name: str, ax: Axes | None = None, *, errors: bool = False, label: str | None = None
    ) -> tuple[Figure, Axes]:
        """Draw a parameter over an image of fits; fits that did not converge are left grey.

        Parameters
        ----------
        name : str
            A parameter, or 'cost', 'nfev', 'status', 'r_squared', 'reduced_chi_squared'.
        ax : matplotlib Axes, optional
            Default: a new figure, as `CurveFitResult.plot` makes it.
        errors : bool
            Draw the parameter's standard errors instead.
        label : str, optional
            Of the colour bar; default the name.

        Raises
        ------
        ValueError
            When the fits are not an image, of two axes.
        ImportError
            When matplotlib is not installed.
        """
        from nlsq.utils import figures

        if len(self.shape) != 2:
            raise ValueError(f"a map needs fits along two axes; these are of shape {self.shape}")
        meant = spelled(name, self.param_names)
        if meant is not None:
            values = (self.perr if errors else self.popt)[..., self.param_names.index(meant)]
        elif name in _DRAWN:
            values = np.asarray(getattr(self, name), float)
        else:
            known = ", ".join((*self.param_names, *_DRAWN))
            raise ValueError(f"{name!r} is nothing to draw; known are {known}")
        shown = values if name == "status" else np.where(self.success, values, np.nan)
        return figures.image(shown, ax, label or (f"{name}, std error" if errors else name))
