"""`fit_many`: one model, many data sets, one call."""

from __future__ import annotations

import dataclasses
import inspect
import pathlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from nlsq.caching.memory_manager import manager
from nlsq.core.drive.batch import clusters, fitting
from nlsq.core.drive.batch.many import Many
from nlsq.core.drive.batch.rows import (
    Ragged,
    Rows,
    as_numbers,
    is_array,
    is_ragged,
    masked_sigma,
    unwrapped,
)
from nlsq.core.loop.status import Status
from nlsq.core.model.calls import CurveCall
from nlsq.core.model.jacobians import of_curve
from nlsq.core.model.model import Model
from nlsq.core.problem import named
from nlsq.core.problem.keywords import DIAGNOSTICS, SEARCH, asks_for_search, check_names
from nlsq.core.problem.options import read_options, since
from nlsq.core.problem.parameters import UNBOUNDED
from nlsq.result.curve_fits import CurveFits
from nlsq.result.recipes import recipe_of
from nlsq.utils.given import WrongValue, numeric, refuse_units, require_numbers

if TYPE_CHECKING:
    from nlsq.types import JacLike, ManyOptions

# Options of `curve_fit` that are for a single fit.
_SINGLE = frozenset(
    """method check_finite full_output callback verbose cache tr_solver tr_options x_scale diag
    factor diff_step epsfcn workers cmaes_config auto_bounds bounds_safety_factor
    compute_diagnostics diagnostics_config""".split()
)


def fit_many(
    f: Callable | str,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    *,
    bounds: Any = UNBOUNDED,
    fixed: Any = None,
    jac: JacLike | None = None,
    nan_policy: Literal["omit"] | None = None,
    x_per_fit: bool | None = None,
    dtype: Any = np.float64,
    out: Any = None,
    client: Any = None,
    progress: bool | None = None,
    **options: Unpack[ManyOptions],
) -> CurveFits:
    """Fit one model to many data sets: pixels, wells, spectra, voxels, or many starts.

    The answers are those of `curve_fit` for each data set, at a small part of its time. Leading
    axes broadcast as in NumPy: whatever has none is shared by all fits. One data set with p0 of
    shape (B, n) is fitted from B starts.

    Parameters
    ----------
    f : callable or str
        The model ``f(x, a, b, ...)`` or a text, as for `curve_fit`; called with one fit's x and
        parameters.
    xdata : array_like or object
        Shared: what `f` takes, usually (m,) or (k, m). For each fit its own: (..., m) in the shape
        of `ydata`, or (..., k, m). A list when `ydata` is one.
    ydata : array_like, shape (..., m), or list of arrays
        The leading axes are those of the results, (T, H, W) for a series of images. Read slab by
        slab: a memory map, an HDF5 or zarr data set, a Dask array or an xarray DataArray of one may
        be larger than memory. A list holds fits of different lengths.
    p0 : array_like (n,) or (..., n), dict, 'auto' or callable, optional
        Start, as for `curve_fit`. In a dict there may be an array over the fits in a number's
        place; a model's guess and ``p0(x, y) -> (n,)`` are asked for each fit.
    sigma : scalar, (m,), (..., m) or list, optional
        Standard deviations, shared or for each fit.
    absolute_sigma : bool
        As for `curve_fit`.
    bounds : 2-tuple, `scipy.optimize.Bounds`, n pairs or dict, optional
        Shared, as for `curve_fit`; or a pair of arrays, one of them (..., n): for each fit its own.
        In a dict there may be arrays over the fits in the numbers' places.
    fixed : dict or sequence of str, optional
        Parameters that are not fitted: names with values (numbers, or arrays over the fits), or
        names alone, which stay at their start. A fit whose value is outside of its bounds has
        status -8.
    jac : None, callable, '2-point', '3-point' or 'cs'
        As for `curve_fit`; with anything but None the fits are made one by one.
    nan_policy : {None, 'omit'}
        'omit' leaves out points with NaN in x or y. Default: a fit with such points has status -3.
        Points of weight 0 (sigma = inf), and masked ones, are always left out.
    x_per_fit : bool, optional
        Whether each fit has x of its own. Default: when xdata has the shape of ydata, or one axis
        more than it.
    dtype : float64 or float32
        Arithmetic of the fits. float32 needs half the memory and gives some 3 to 5 digits.
    out : path, optional
        Folder, made if need be, in whose .npy files results are written while they come
        (`CurveFits.load` opens them again); they take the place of results that are there.
        Default: in memory.
    client : distributed.Client or str, optional
        A Dask cluster, or the address of its scheduler, "tcp://host:8786", whose workers fit
        blocks of the data (needs the extra ``dask``); "local:4" starts four processes for this
        call. They need this version of nlsq, and the same of Python, JAX and NumPy. Data in Dask
        arrays are read by them; without a client such data are computed here, chunk by chunk. A
        batch that NumPy fits in about a second is fitted here. The bits are those without a client.
        Fits whose block fails have status -12; the message says why.
    progress : bool, optional
        A progress bar on standard error. Default: when that is a terminal.
    multistart, global_search : bool
        Draw several starts for each data set and keep the best end: ``fits.minima`` says how often
        it was reached. p0 is among the starts.
    n_starts, sampler, center_on_p0, scale_factor, seed, search_config
        Of that search, as for `curve_fit`.
    ftol, xtol, gtol, loss, f_scale, max_nfev, time_limit
        As for `curve_fit`; `time_limit` is for all fits together.
    backend : {None, 'auto', 'numpy', 'jax'}
        As for `curve_fit`. A batch of moderate size runs in NumPy, which calls `f` with columns of
        parameters, for many fits at once, and compares that with a call for each fit.

    Returns
    -------
    CurveFits
        ``popt`` (..., n), ``pcov`` (..., n, n), ``perr``, ``status``, ``cost``, ``nfev`` and more.
        A fit that fails does not raise, it has a status: see ``fits.summary()``. After Ctrl-C or
        `time_limit` the fits that were not reached have status -11; hard fits, which are left to
        the end, are often among them. ``fits[i]`` reads the data of that fit again: they must
        still be what they were.

    Raises
    ------
    ValueError, TypeError
        For what is wrong with all fits: shapes that do not broadcast, options, names; a model that
        cannot be sent to workers.
    ImportError, ConnectionError, RuntimeError
        A client without the extra ``dask``, a scheduler that does not answer, workers that have no
        nlsq or another version.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import fit_many
    >>> def decay(t, a, tau):
    ...     return a * np.exp(-t / tau)
    >>> t = np.linspace(0, 5, 40)
    >>> tau = np.array([[0.5, 1.0], [1.5, 2.0]])  # an image of 2 x 2 pixels
    >>> fits = fit_many(decay, t, decay(t, 3.0, tau[..., None]), p0=[1, 1])
    >>> fits["tau"].round(6)
    array([[0.5, 1. ],
           [1.5, 2. ]])
    """
    started, began = time.perf_counter(), time.monotonic()
    require_numbers("fit_many")
    if isinstance(f, str):
        from nlsq.models.reading import Columns, columns_of, read, read_with

        if columns_of(xdata).names:
            f, xdata, _ = read_with(f, xdata)
    xdata, ydata = unwrapped(xdata, "xdata"), unwrapped(ydata, "ydata")
    sigma = unwrapped(sigma, "sigma")
    given = _Given(xdata, ydata, sigma, x_per_fit)
    if isinstance(f, str):
        f = read(f, Columns(count=given.coordinates()))
    if not callable(f):
        raise TypeError(f"the model must be a callable f(x, a, b, ...), got {f!r}.")
    for name in sorted(options.keys() & _SINGLE):
        instead = " Ask fits.diagnose() afterwards." if name in DIAGNOSTICS else ""
        raise TypeError(f"fit_many() has no option {name!r}; it is one of `curve_fit`.{instead}")
    check_names("fit_many", options.keys() - SEARCH, (*_NAMES, *SEARCH), f, _SINGLE)
    rest, search = {**options}, None
    if asks_for_search(None, rest):
        from nlsq.global_optimization.strategies import read_search_of_rows  # which few fits need

        search, rest = read_search_of_rows(rest)
    settings = read_options("fit_many", None, of_curve(jac, f), False, since(began, rest), _NAMES)
    said = named.read(f, p0, bounds, fixed, of_fits=True)
    said.require_shared()
    names, lb, ub, n = said.names, said.lb, said.ub, len(said.names)
    start: Any = said.rest if said.asks_data else said.plain_rest()
    leads = given.leads() | {
        "p0": () if said.asks_data else start.shape[:-1],
        "bounds": np.broadcast_shapes(lb.shape[:-1], ub.shape[:-1]),
        **{f"p0[{names[i]!r}]": np.shape(v) for i, v in said.values.items()},
        **{f"fixed[{names[i]!r}]": np.shape(v) for i, v in said.held.items()},
    }
    shape = _broadcast(leads)
    fits = shape or (1,)
    free = tuple(i not in said.held for i in range(n))
    model = Model(CurveCall(f), n, getattr(f, "__name__", type(f).__name__))
    many = Many(
        model=model,
        names=names,
        shape=fits,
        m=given.m,
        x=given.x,
        x_rows=given.rows("xdata", fits),
        y=given.rows("ydata", fits),  # type: ignore[arg-type] # they always have rows
        sigma=given.rows("sigma", fits),
        start=start if said.asks_data else Rows(start, fits, 1),
        given={i: Rows(np.asarray(v, float), fits, 0) for i, v in said.given().items()},
        lb=Rows(lb, fits, 1),
        ub=Rows(ub, fits, 1),
        bounded=said.bounded,
        free=free,
        options=dataclasses.replace(settings, deadline=None),
        absolute_sigma=bool(absolute_sigma),
        omit=_omits(nan_policy),
        dtype=_dtype(dtype),
    )
    folder = None if out is None else pathlib.Path(out)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    else:
        manager.require(8 * many.size * (n * n + 2 * n + 6), f"Results of {many.size} fits")
    facts = {
        "shape": shape,
        "param_names": names,
        "absolute_sigma": bool(absolute_sigma),
        "fixed": [name for name, fitted in zip(names, free, strict=True) if not fitted],
        "least_squares": settings.loss_function is None,
        "model_name": model.name,
        "model": recipe_of(model),
        "messages": {int(code): code.sentence for code in Status},
        "wall_time": 0.0,
    }
    deadline = np.inf if settings.deadline is None else settings.deadline
    starts = None
    if search is not None and client is not None:
        raise ValueError("a search of many fits is made here: leave `client` out.")
    if search is not None:
        from nlsq.global_optimization.rows import SearchedStarts

        starts = SearchedStarts(many, search, p0 is not None, deadline, folder)
        held = {i: rows for i, rows in many.given.items() if not free[i]}
        many = dataclasses.replace(many, start=starts, given=held, evidence=starts.evidence)
    try:
        with clusters.connected(client) as client:
            result = fitting.fit(many, folder, facts, progress, deadline, client)
    except WrongValue as error:
        raise ValueError(f"{error} {given.told(error.got)}".rstrip()) from error
    if starts is not None:
        starts.close()
    result.wall_time = time.perf_counter() - started
    if folder is not None:
        result.describe(folder)
    return result


_NAMES = tuple(inspect.signature(fit_many).parameters)


class _Given:
    """The data as given: their shapes, and which of them belong to single fits."""

    def __init__(self, xdata, ydata, sigma, x_per_fit: bool | None):
        self.ragged = is_ragged(ydata)
        refuse_units(xdata, "xdata")
        sigma = masked_sigma(xdata, ydata, sigma, self.ragged)
        self.x = xdata
        self._own: dict[str, tuple] = {}  # name -> (array, axes of one fit)
        if self.ragged:
            self._take_lists(xdata, ydata, sigma)
            return
        y = as_numbers(ydata, "ydata")
        if y.ndim == 0 or 0 in y.shape:
            raise ValueError(f"`ydata` must not be empty; its shape is {tuple(y.shape)}.")
        self.m = y.shape[-1]
        self._own["ydata"] = y, 1
        if xdata is not None and (isinstance(xdata, list | tuple) or is_array(xdata)):
            x = as_numbers(xdata, "xdata")
            x = numeric(x, "xdata") if isinstance(x, np.ndarray) else x
            if x_per_fit is None:
                x_per_fit = y.ndim > 1 and (
                    x.shape == y.shape or (x.ndim == y.ndim + 1 and x.shape[:-2] == y.shape[:-1])
                )
            self.x = None if x_per_fit else numeric(x, "xdata")
            if x_per_fit:
                self._own["xdata"] = x, 1 if x.ndim == y.ndim else 2
            if x_per_fit and x.shape[-1:] != (self.m,):
                raise ValueError(
                    f"xdata of shape {tuple(x.shape)} does not fit ydata of shape "
                    f"{tuple(y.shape)}: the last axis of both runs over the points."
                )
        elif x_per_fit:
            raise TypeError("x_per_fit=True needs an array for xdata.")
        if sigma is not None:
            self._own["sigma"] = _deviations(sigma, self.m), 1

    def _take_lists(self, xdata, ydata, sigma):
        y = Ragged(ydata, "ydata")
        self.m = int(y.lengths.max())
        self._own["ydata"] = y, 1
        if not isinstance(xdata, list | tuple) or len(xdata) != len(ydata):
            raise ValueError(
                f"with a list of {len(ydata)} data sets of different lengths xdata must be a list "
                "of as many arrays."
            )
        if sigma is not None and not isinstance(sigma, list | tuple) and np.ndim(sigma) == 0:
            self._own["sigma"] = _deviations(sigma, 1), 1
            sigma = None
        for name, data in {"xdata": xdata, "sigma": sigma}.items():
            if data is None:
                continue
            rows = Ragged(data, name)
            if not np.array_equal(rows.lengths, y.lengths):
                i = int(np.argmax(rows.lengths != y.lengths))
                raise ValueError(
                    f"{name}[{i}] has {rows.lengths[i]} points, ydata[{i}] {y.lengths[i]}."
                )
            self._own[name] = rows, 1
        self.x = None

    def coordinates(self) -> int:
        """How many coordinates a point has."""
        if "xdata" not in self._own:
            return len(self.x) if np.ndim(self.x) == 2 else 1
        array, tail = self._own["xdata"]
        one = array.one((0,)).shape if isinstance(array, Ragged) else array.shape[-tail:]
        return one[0] if len(one) == 2 else 1

    def told(self, got: tuple[int, ...]) -> str:
        """How the data were read, to somebody whose model returns another shape."""
        if self.ragged or len(y := tuple(self._own["ydata"][0].shape)) < 2:
            return ""
        told = f"Each row of ydata {y} is a data set of {y[-1]} points."
        if np.shape(self.x) == y[::-1]:
            return f"{told} Transpose xdata {y[::-1]} likewise: xdata.T."
        return f"{told} To fit its columns: ydata.T." if got == y[:1] else told

    def leads(self) -> dict[str, tuple[int, ...]]:
        """Leading axes of each input."""
        return {
            name: (len(array.lengths),) if isinstance(array, Ragged)
            else tuple(array.shape[: array.ndim - tail])
            for name, (array, tail) in self._own.items()
        }  # fmt: skip

    def rows(self, name: str, shape: tuple[int, ...]) -> Rows | Ragged | None:
        """The rows of an input that is not shared by its form; None when there is none."""
        if name not in self._own:
            return None
        array, tail = self._own[name]
        if isinstance(array, Ragged):
            return array
        if not isinstance(array, np.ndarray) and array.shape[: array.ndim - tail] != shape:
            array = np.asarray(array)
        return Rows(array, shape, tail)


def _deviations(sigma, m: int) -> np.ndarray:
    sigma = as_numbers(sigma, "sigma")
    if sigma.ndim == 0:
        sigma = np.asarray(sigma, float).reshape(1)
    if sigma.shape[-1] not in (1, m):
        raise ValueError(
            f"`sigma` of shape {tuple(sigma.shape)} does not fit {m} points: give a number, ({m},) "
            "standard deviations, or those of each fit."
            + " Its rows are those of ydata: sigma.T."
            * (sigma.shape[0] == m)
        )
    if sigma.ndim == 1:
        bad = np.flatnonzero(~(np.asarray(sigma) > 0))
        if bad.size:
            raise ValueError(
                f"`sigma` must be positive and not NaN; element {bad[0]} is {sigma[bad[0]]:g}."
            )
    return sigma


def _broadcast(leads: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*leads.values())
    except ValueError:
        listed = ", ".join(f"{name} {tuple(lead)}" for name, lead in leads.items() if lead)
        raise ValueError(
            f"the leading axes do not broadcast to one shape of fits: {listed}. Each must be that "
            "shape, or have length 1 or no axis where it is shared."
        ) from None


def _omits(nan_policy) -> bool:
    if nan_policy not in (None, "omit"):
        raise ValueError(
            f"nan_policy must be None or 'omit', got {nan_policy!r}: many fits do not raise for "
            "the NaN of one, which has status -3."
        )
    return nan_policy == "omit"


def _dtype(dtype) -> np.dtype:
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in (np.dtype(np.float64), np.dtype(np.float32)):
        raise ValueError(f"`dtype` must be float64 or float32, got {dtype!r}.")
    return found
