"""Parameters of a fit: their names, start and bounds, checked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nlsq.core.algebra.namespace import MANY
from nlsq.core.model.model import parameter_names
from nlsq.interfaces import CurveFitResultProtocol
from nlsq.utils.given import is_plain, numeric, real, refuse_masks, refuse_units

UNBOUNDED = (-np.inf, np.inf)
_ARRAYS = frozenset((list, tuple, np.ndarray, float, int, np.float64))


class Limits(NamedTuple):
    """Bounds (n,) of `names`, checked, with lb == ub where a parameter is held.

    bounded: whether others were given. A fit is compiled for bounds or for none, which does not
    change when a parameter is held.
    """

    lb: np.ndarray
    ub: np.ndarray
    bounded: bool
    names: tuple[str, ...]


@dataclasses.dataclass
class Parameters:
    """Start and bounds of the fit parameters, all (n,).

    Attributes
    ----------
    bounded : bool
        Whether some bound of a parameter that may move is finite.
    free : ndarray
        1.0 for a parameter that may move, 0.0 for one with lb == ub.
    n_free : int
        How many may move.
    """

    p0: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    names: Sequence[str]

    def __post_init__(self):
        # in plain numbers, here and below: each first call of a NumPy function in a fit costs
        # several microseconds, most of them for code that has left the processor's cache
        if self.lb.size > MANY:
            moving = self.lb < self.ub
            finite = (self.lb > -math.inf) | (self.ub < math.inf)
            self.bounded, self.n_free = bool((finite & moving).any()), int(moving.sum())
            self.free = moving.astype(float)
            return
        low, high = self.lb.tolist(), self.ub.tolist()
        if low.count(-math.inf) == len(low) == high.count(math.inf):
            self.bounded, self.n_free, self.free = False, len(low), np.ones(len(low))
            return
        free = [float(a < b) for a, b in zip(low, high, strict=True)]
        self.bounded, self.n_free = True, len(free)
        if 0.0 in free:
            self.n_free -= free.count(0.0)
            self.bounded = any(-math.inf < a < b or a < b < math.inf
                               for a, b in zip(low, high, strict=True))  # fmt: skip
        self.free = np.array(free)


def speaks_by_name(f, p0, bounds, fixed, options: dict) -> bool:
    """Whether `named` has to be asked: names are used, or the start is left to the model."""
    if type(p0) not in _ARRAYS and (
        hasattr(f, "guess") if p0 is None else isinstance(p0, str) or callable(p0) or has_names(p0)
    ):
        return True
    if fixed is not None or (type(bounds) is not tuple and has_names(bounds)):
        return True
    return bool(options) and any(has_names(options.get(k)) for k in ("x_scale", "diff_step"))


def has_names(given) -> bool:
    """Whether numbers come with the names of parameters: in a mapping, pandas or a result.

    Names are what a Series has as its index, and a DataFrame as its columns.
    """
    if type(given) in _ARRAYS or given is None:
        return False
    if isinstance(given, Mapping) or isinstance(getattr(given, "params", None), Mapping):
        return True
    labels = getattr(given, "columns", getattr(given, "index", None))
    if callable(labels) or not hasattr(given, "items") or np.ndim(labels) != 1:
        return False
    return any(isinstance(label, str) for label in labels)


def mapping_of(given, what: str):
    """What `has_names` as a mapping, anything else as it is.

    Raises
    ------
    ValueError
        When a name comes twice, and for a result that knows no names.
    """
    if not has_names(given):
        return given
    if isinstance(params := getattr(given, "params", None), Mapping):  # a previous fit
        return params
    if isinstance(given, Mapping):
        if {"x", "success", "message"} <= given.keys():  # SciPy's, or of `least_squares`
            raise ValueError(f"`{what}` is the result of a fit. Give its numbers: {what}=result.x")
        return given
    found = {}
    for name, value in given.items():
        if name in found:
            raise ValueError(f"`{what}` names {name!r} twice.")
        table = hasattr(given, "columns")
        one = table and len(value) == 1  # a row of a table
        found[name] = value.iloc[0] if one else np.asarray(value) if table else value
    return found


def values_of(given: CurveFitResultProtocol | object):
    """What another's result found, which knows no names; anything else as it is."""
    foreign = isinstance(given, CurveFitResultProtocol) and not has_names(given)
    return given.popt if foreign else given


def written(start: Mapping, values: dict) -> dict:
    """`values` of `start` but for those of a previous fit, which `fixed` outranks."""
    return {} if any(hasattr(type(v), "stderr") for v in start.values()) else values


def parse_bounds(bounds, n: int, names: Sequence[str] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds (n,) from a pair, `scipy.optimize.Bounds` or n (low, high) pairs.

    None is an open side. `names` are those of the parameters, for messages.

    Raises
    ------
    ValueError
        If they do not fit n parameters, are NaN, or a lower bound is above its upper bound.
    """
    if bounds is UNBOUNDED:
        return np.array([-math.inf] * n), np.array([math.inf] * n)
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):  # SciPy's makes arrays of its numbers
        bounds = tuple(b[0] if np.shape(b) == (1,) else b for b in (bounds.lb, bounds.ub))
    for bound in bounds if isinstance(bounds, list | tuple) else (bounds,):
        if not is_plain(bound):
            refuse_units(bound, "bounds")
            refuse_masks(bound, "bounds", "Use -inf and inf for no bound.")
            if has_names(bound):
                raise TypeError(
                    "`bounds` takes names as {name: (low, high)}, not a lower and an upper bound "
                    "with names each."
                )
    try:
        pairs = list(bounds)
    except TypeError:
        raise TypeError(
            "`bounds` must be (lower, upper), scipy.optimize.Bounds or one (low, high) pair per "
            "parameter."
        ) from None
    if len(pairs) == n != 2 and all(np.shape(pair) == (2,) for pair in pairs):
        pairs = list(np.array([[_bound(v, s) for v, s in zip(p, (-1, 1), strict=True)]
                               for p in pairs]).T)  # fmt: skip
    if len(pairs) != 2:
        raise ValueError(f"`bounds` must contain 2 elements, lower and upper; got {len(pairs)}.")
    pairs = [_open_sides(b, side) for b, side in zip(pairs, UNBOUNDED, strict=True)]
    try:
        values = [real(b, "bounds") for b in pairs]
    except (TypeError, ValueError) as error:
        raise ValueError(f"`bounds` must be numbers: {error}") from None
    if not all(b.shape in ((), (n,)) for b in values):
        shapes = " and ".join(str(b.shape) for b in values)
        raise ValueError(
            f"Inconsistent shapes between bounds and start: bounds of shape {shapes} for {n} "
            "parameters. Give a number or one value per parameter."
        )
    lb, ub = (b.copy() if b.ndim else np.full(n, b) for b in values)
    if n > MANY and (lb <= ub).all():
        return lb, ub
    if all(low <= high for low, high in zip(lb.tolist(), ub.tolist(), strict=True)):
        return lb, ub
    if np.isnan(lb).any() or np.isnan(ub).any():
        raise ValueError("`bounds` must not contain NaN; use -inf and inf for no bound.")
    i = np.flatnonzero(lb > ub)[0]
    raise ValueError(
        f"Each lower bound must be less than its upper bound; parameter "
        f"{repr(names[i]) if names else i} has "
        f"lb = {lb[i]:g} > ub = {ub[i]:g}."
    )


def _open_sides(bound, infinite: float):
    """One side of the bounds, with `infinite` for None."""
    if bound is None:
        return infinite
    if isinstance(bound, list | tuple) and any(b is None for b in bound):
        return [infinite if b is None else b for b in bound]
    return bound


def _bound(value, side: int) -> float:
    return side * np.inf if value is None else float(value)


def parse_start(p0, lb, ub, names, name: str = "`p0`") -> np.ndarray:
    """Start (n,); default as SciPy: 1, moved inside the bounds.

    Raises
    ------
    ValueError
        If a start is not finite or outside the bounds.
    """
    if p0 is None:
        start = np.ones(lb.size)
        if lb.max() == -np.inf and ub.min() == np.inf:
            return start
        low, high = np.isfinite(lb), np.isfinite(ub)
        start[low & high] = 0.5 * lb[low & high] + 0.5 * ub[low & high]
        start[low & ~high] = lb[low & ~high] + 1
        start[~low & high] = ub[~low & high] - 1
        return start
    try:
        start = numeric(p0, name.strip("`")).flatten()
    except ValueError as error:
        raise TypeError(f"{name} must be numbers, one for each parameter: {error}") from None
    if start.dtype.kind == "c":
        raise TypeError(f"{name} must be real; fit real and imaginary part as two parameters.")
    if start.size > MANY and ((lb <= start) & (start <= ub) & np.isfinite(start)).all():
        return start
    every = zip(names, start.tolist(), lb.tolist(), ub.tolist(), strict=True)
    for parameter, value, low, high in every:
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite; the start of {parameter!r} is not.")
        if not low <= value <= high:
            raise ValueError(
                f"Initial guess is outside of provided bounds: {name} is infeasible, it starts "
                f"{parameter!r} at {value:g}, not in [{low:g}, {high:g}]. Move the start or the "
                "bounds."
            )
    return start


def parse_parameters(f, p0, bounds) -> Parameters:
    """Parameters of the model f(x, a, b, ...).

    Raises
    ------
    TypeError, ValueError
        When `f` is no model, or start and bounds do not fit it.
    """
    if not callable(f):
        raise TypeError(f"the model must be a callable f(x, a, b, ...), got {f!r}.")
    if type(bounds) is Limits:
        return make_parameters(p0, bounds, bounds.names)
    plain = is_plain(p0)
    if not plain:
        p0 = values_of(p0)
        refuse_units(p0, "p0")
        refuse_masks(p0, "p0", "Give a start for each parameter.")
    size = len if plain and isinstance(p0, list | tuple) else np.size
    names = parameter_names(f, None if p0 is None else size(p0))
    return make_parameters(p0, bounds, names)


def make_parameters(p0, bounds, names: Sequence[str], name: str = "`p0`") -> Parameters:
    """Parameters of these names from their start, called `name`, and bounds.

    Raises
    ------
    TypeError, ValueError
        When start and bounds do not fit them.
    """
    checked = type(bounds) is Limits
    lb, ub = bounds[:2] if checked else parse_bounds(bounds, len(names), names)
    parameters = Parameters(parse_start(p0, lb, ub, names, name), lb, ub, names)
    if checked and bounds.bounded:
        parameters.bounded = True
    return parameters


def interior_start(p: Parameters) -> np.ndarray:
    """The start moved off its bounds by a relative 1e-10, where the reflective method can begin."""
    if not p.bounded:
        return p.p0
    if p.p0.size > MANY:
        x, free = p.p0.copy(), p.free > 0
        x[free] = interior_starts(x[free], p.lb[free], p.ub[free])
        return x
    each = zip(p.p0.tolist(), p.lb.tolist(), p.ub.tolist(), strict=True)
    return np.array([_interior(*one) for one in each])


def _interior(x: float, lb: float, ub: float) -> float:
    gap = 1e-9 * (abs(x) or 1.0)
    if lb == ub or (lb < x - gap and x + gap < ub):  # a fixed parameter, or far from its bounds
        return x
    if lb > -math.inf:
        x = max(x, lb + _gap(lb, x))
    if ub < math.inf:
        x = min(x, ub - _gap(ub, x))
    tight = not lb <= x <= ub
    return lb + 0.5 * (ub - lb) if tight else x


def interior_starts(x, lb, ub) -> np.ndarray:
    """`interior_start` of many fits at once; all arrays alike, no parameter fixed."""
    size = np.where(x == 0, 1.0, np.abs(x))
    near = ~((lb < x - 1e-9 * size) & (x + 1e-9 * size < ub))
    if not near.any():
        return x
    x0, x, lb, ub = x.copy(), x[near], lb[near], ub[near]
    inner = x.copy()
    for bound, side, inward in ((lb, np.maximum, 1e-10), (ub, np.minimum, -1e-10)):
        finite = np.isfinite(bound)
        size = np.maximum(np.abs(bound), np.abs(inner))[finite]
        gap = inward * np.where(size == 0, 1.0, size)
        inner[finite] = side(inner[finite], bound[finite] + gap)
    tight = ~((lb <= inner) & (inner <= ub))
    inner[tight] = lb[tight] + 0.5 * (ub[tight] - lb[tight])
    x0[near] = inner
    return x0


def _gap(bound: float, x: float) -> float:
    return 1e-10 * (max(abs(bound), abs(x)) or 1.0)
