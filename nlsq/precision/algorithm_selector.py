"""`AlgorithmSelector`: options for a fit, advised by its data, its start and its model.

What is advised can be passed on as it is: ``curve_fit(f, x, y, p0, **advice)``. Each option comes
with its reason, and none that would be the default anyway is advised.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from nlsq.config import MemoryConfig, get_large_dataset_config, get_memory_config
from nlsq.precision.bound_inference import noise_share
from nlsq.precision.curves import FunctionCurves
from nlsq.utils.given import require_finite

_FAR = 6.0  # times the noise: a point that is far from its neighbours
_FIRST = 1.2  # times farther off than the next ones
_EVEN = 1.5  # ratio of neighbouring steps of x, up to which they are
_FEW = 12  # points, below which none is an outlier
_CAUCHY = 2.385  # times the noise: the scale that gives away 5 % where there are no outliers
_MANY_OUTLIERS = 0.2  # a share of the points from which on they are no exceptions
_MANY_PARAMETERS = 500  # of which an exact step costs more than a pass
_STEPS = 1e-7, 0.5  # relative: a derivative, and a change that would be seen
_HALVINGS = 40  # that lead to the place of a jump
_DEAD = 1e-10  # share of the largest column of J below which one says nothing
_CLOSE = 1e-2  # share of a parameter's error that a tolerance may leave
_TIGHTEST, _LOOSEST = 1e-12, 1e-6
_SEARCHES = ("multistart", "global_search", "search_config")


class Analysis(NamedTuple):
    """What is known of a fit before it is made."""

    n_points: int
    n_params: int
    data_bytes: int
    usable_bytes: int  # that a fit may plan with
    relative: float  # the noise as a share of the spread of y; 0 where nothing tells
    noise: float  # in units of y
    outliers: int  # points far from the curve of their neighbours
    has_start: bool
    unexplained: float  # squares at the start as a share of those about the mean; NaN: no values
    linear: bool  # in all parameters together: any start will do
    jumps: tuple[int, ...]  # parameters that act, but by jumps: their derivatives are 0
    silent: tuple[int, ...]  # that do not act at the start
    sizes: tuple[float, ...]  # |p0|, 1 for 0


class Advice(dict):
    """Keywords of a fit; `reasons` says why of each."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: dict[str, str] = {}

    @property
    def call(self) -> str:
        """What takes them: 'curve_fit', or 'fit' where the data are to be read in pieces."""
        return "fit" if "workflow" in self else "curve_fit"


class AlgorithmSelector:
    """Advises how to fit.

    Examples
    --------
    >>> t = np.linspace(0, 5, 100)
    >>> y = 2 * np.exp(-t) + 0.01 * np.random.default_rng(0).standard_normal(100)
    >>> y[30] += 3
    >>> selector = AlgorithmSelector()
    >>> analysis = selector.analyze_problem(lambda t, a, k: a * np.exp(-k * t), t, y, [2, 1])
    >>> advice = selector.select_algorithm(analysis)
    >>> print(selector.get_algorithm_explanation(advice).splitlines()[0])
    curve_fit(..., loss='cauchy', f_scale=0.019, ftol=1e-06, xtol=1e-06)
    """

    def analyze_problem(
        self,
        f: Callable,
        xdata: Any,
        ydata: Any,
        p0: Any = None,
        bounds: Any = None,
        memory_limit_gb: float | None = None,
    ) -> Analysis:
        """Look at a fit to be made; the arguments are those of `nlsq.curve_fit`.

        Of these f is a function, p0 numbers or a dict of them, and bounds a pair or a dict. A
        TypeError or ValueError is for another f or p0, and for data that are not finite.
        """
        y = np.ravel(np.asarray(ydata))
        require_finite(y, "ydata")
        x = np.asarray(xdata) if isinstance(xdata, list | tuple) else xdata
        start, low, high = _start(f, p0, bounds)
        curves = FunctionCurves(f, x, start, low, high, y.size)
        relative = noise_share(curves.x, y)
        noise = relative * float(np.ptp(np.real(y)))
        sizes = np.where(start != 0, np.abs(start), 1.0)
        along = np.outer([1.0, 2.0], sizes * np.linspace(1, 2, start.size))  # no ratio stays
        moved = start + np.concatenate([s * np.diag(sizes) for s in (0.0, *_STEPS)] + [along])
        values = curves.values(moved[[0, *range(start.size, len(moved))]])
        values, along = values[:-2], values[-2:]
        straight = np.allclose(along[1] - along[0], along[0] - values[0], rtol=1e-9, atol=0)
        with np.errstate(all="ignore"):
            change = np.linalg.norm(values[1:] - values[0], axis=1).reshape(2, -1)
            rest = np.sum(np.abs(values[0] - y) ** 2) / np.sum(np.abs(y - y.mean()) ** 2)
        change = np.nan_to_num(change, posinf=0.0)
        least = _DEAD * max(change[1].max(), np.linalg.norm(np.nan_to_num(values[0])))
        acts, slope = change[1] > least, change[0] > least * _STEPS[0] / _STEPS[1]
        jumps = [j for j in np.flatnonzero(acts & ~slope) if _jumps(curves, j, sizes[j], least)]
        memory = get_memory_config()
        limit = memory.memory_limit_gb if memory_limit_gb is None else memory_limit_gb
        return Analysis(
            y.size, start.size, y.nbytes + getattr(x, "nbytes", 0),
            MemoryConfig(limit, memory.safety_factor).usable_bytes, relative, noise,
            _outliers(curves.x, y, noise), p0 is not None,
            (float(rest) if math.isfinite(rest) else math.inf)
            if np.isfinite(values[0]).all() else math.nan, straight,
            tuple(map(int, jumps)), tuple(np.flatnonzero(~acts & ~slope).tolist()),
            tuple(sizes.tolist()),
        )  # fmt: skip

    def select_algorithm(
        self, problem_analysis: Analysis, user_preferences: Mapping[str, Any] | None = None
    ) -> Advice:
        """Options for the fit that was looked at.

        user_preferences: keywords that the user has decided on, which outrank, and to which the
        others are fitted.
        """
        wished, advice = dict(user_preferences or {}), Advice()
        for reason, options in _advised(problem_analysis, wished):
            advice.update(options)
            advice.reasons.update(dict.fromkeys(options, reason))
        return advice

    def get_algorithm_explanation(self, recommendations: Advice) -> str:
        """The call, and a line for each reason."""
        if not recommendations:
            return "curve_fit(...)\n  the defaults are right for this fit"
        options = ", ".join(f"{k}={_short(v)}" for k, v in recommendations.items())
        why: dict[str, list[str]] = {}
        for name in recommendations:
            why.setdefault(recommendations.reasons[name], []).append(name)
        lines = [f"  {', '.join(names)}: {reason}" for reason, names in why.items()]
        return "\n".join([f"{recommendations.call}(..., {options})", *lines])


def auto_select_algorithm(
    f: Callable,
    xdata: Any,
    ydata: Any,
    p0: Any = None,
    bounds: Any = None,
    memory_limit_gb: float | None = None,
    user_preferences: Mapping[str, Any] | None = None,
) -> Advice:
    """Advise options for a fit, ``curve_fit(f, xdata, ydata, p0, **advice)``.

    Examples
    --------
    >>> t = np.linspace(0, 5, 100)
    >>> wave = lambda t, a, w: a * np.sin(w * t)
    >>> auto_select_algorithm(wave, t, wave(t, 2, 7))["method"]
    'global'
    """
    selector = AlgorithmSelector()
    analysis = selector.analyze_problem(f, xdata, ydata, p0, bounds, memory_limit_gb)
    return selector.select_algorithm(analysis, user_preferences)


def _advised(found: Analysis, wished: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(reason, options) of all that is advised beside what is wished."""
    in_pieces = found.data_bytes > found.usable_bytes
    if in_pieces:
        size = f"{found.data_bytes / 1e9:.2g} GB of the {found.usable_bytes / 1e9:.2g} GB allowed"
        streams = get_large_dataset_config().strategy(found.n_points) == "streaming"
        yield f"the data take {size}", {"workflow": "streaming" if streams else "chunked"}
    if not ("method" in wished or any(wished.get(name) for name in _SEARCHES)):
        yield from _search(found)
    if found.outliers and wished.get("method") != "lm" and "loss" not in wished:
        why = (
            f"{found.outliers} of {found.n_points:,} points lie more than {_FAR:g} times the "
            f"noise, {found.noise:.3g}, from the curve of their neighbours"
        )
        yield why, {"loss": "cauchy", "f_scale": _CAUCHY * found.noise}
    if found.silent and math.isfinite(found.unexplained) and len(found.silent) < found.n_params:
        why = "at the start some parameters change nothing, so that the Jacobian tells no scale"
        yield why, {"x_scale": list(found.sizes)}
    if found.n_params >= _MANY_PARAMETERS and not in_pieces:
        why = f"an exact step in {found.n_params:,} parameters costs more than the data"
        yield why, {"tr_solver": "cg"}
    known = found.relative / math.sqrt(found.n_points)
    tolerance = float(np.clip(_CLOSE * known, _TIGHTEST, _LOOSEST))
    why = "a hundredth of what the noise leaves open"
    if tolerance == _TIGHTEST:
        why = "no noise is seen: the data are worth every digit"
    yield why, dict.fromkeys(("ftol", "xtol"), float(f"{tolerance:.0e}"))
    yield "it was asked for", dict(wished)


def _search(found: Analysis) -> Iterator[tuple[str, dict[str, Any]]]:
    """A search for the global minimum, where the start or the derivatives say too little."""
    if found.jumps:
        where = ", ".join(f"number {j + 1}" for j in found.jumps)
        yield f"the model jumps in parameter {where}: its derivative is 0", {"method": "cmaes"}
    elif not found.unexplained <= 1 and not found.linear:
        start = "the start" if found.has_start else "1 for each parameter, since no start is given,"
        what = f"leaves {found.unexplained:.3g} times the squares that the mean of y leaves"
        if not found.unexplained < math.inf:
            what = "tells nothing" if found.unexplained > 1 else "gives values that are not finite"
        yield f"{start} {what}", {"method": "global"}


def _jumps(curves: FunctionCurves, j: int, size: float, least: float) -> bool:
    """Whether the first change along a parameter is no small one, as where a tail underflows."""
    step = np.zeros(curves.n)
    origin, (low, high) = curves.values(curves.p0[None])[0], _STEPS
    for _ in range(_HALVINGS):
        step[j] = size * (middle := math.sqrt(low * high))
        change = np.linalg.norm(curves.values(curves.p0[None] + step)[0] - origin)
        low, high = (low, middle) if change > 0 else (middle, high)
    step[j] = size * high
    return bool(np.linalg.norm(curves.values(curves.p0[None] + step)[0] - origin) > least)


def _outliers(x: np.ndarray | None, y: np.ndarray, noise: float) -> int:
    """How many points lie far from the cubic through their neighbours; 0 where too many do.

    A point counts that is farther off than its neighbours, which it draws along, where x goes in
    steps that are nearly even.
    """
    if x is None or x.ndim > 1 or y.size < _FEW or not noise > 0 or np.iscomplexobj(y):
        return 0
    order = np.argsort(x, kind="stable")
    rows, steps = y[order], np.diff(x[order])
    six = np.lib.stride_tricks.sliding_window_view(steps, 6)
    even = six.max(axis=1) <= _EVEN * six.min(axis=1)
    near, next_ = rows[1:-3] + rows[3:-1], rows[:-4] + rows[4:]
    off = np.abs(rows[2:-2] - (4 * near - next_) / 6)
    first = off[1:-1] > _FIRST * np.maximum(off[:-2], off[2:])
    first &= even & (off > np.abs(near - next_))[1:-1]  # no summit, to which neighbours rise
    usual = max(math.sqrt(70 / 36) * noise, float(np.median(off)) / 0.6745)  # some curves bend more
    count = int((first & (off[1:-1] > _FAR * usual)).sum())
    return count if count <= _MANY_OUTLIERS * y.size else 0


def _start(f: Callable, p0: Any, bounds: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Start and bounds, each (n,); 1 and none where a dict leaves a parameter out."""
    if not callable(f):
        raise TypeError(f"f must be a function, got {f!r}. Read a text with nlsq.models.read.")
    if isinstance(p0, str) or callable(p0):
        raise TypeError(f"p0 must be numbers, got {p0!r}. Make the guess first.")
    named = p0 is None or isinstance(p0, Mapping)
    names = _names(f) if named or isinstance(bounds, Mapping) else ()
    if named:
        p0 = [(p0 or {}).get(name, 1.0) for name in names]
    if isinstance(bounds, Mapping):
        sides = [bounds.get(name, (None, None)) for name in names]
        bounds = zip(*(((-np.inf if a is None else a), (np.inf if b is None else b))
                       for a, b in sides), strict=True)  # fmt: skip
    start = np.atleast_1d(np.asarray(p0, float))
    low, high = (np.broadcast_to(np.asarray(b, float), start.shape)
                 for b in ((-np.inf, np.inf) if bounds is None else bounds))  # fmt: skip
    return start, low, high


def _names(f: Callable) -> list[str]:
    """The parameters of f(x, a, b, ...)."""
    parameters = list(inspect.signature(f).parameters.values())
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        raise ValueError("The signature of f does not name its parameters: give p0.")
    return [p.name for p in parameters[1:]]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    return f"[{len(value)} sizes]" if isinstance(value, list) else repr(value)
