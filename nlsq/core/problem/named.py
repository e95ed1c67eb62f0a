"""What a user says of parameters by name, and what the model says of itself, brought to arrays.

A start, bounds, scales and steps may be dicts by parameter name, of some parameters or of all; some
parameters may be `fixed`; a start may be left to the model's guess, or to a function of the data.
The engine knows none of this: it gets a start (n,), bounds (n,) with lb == ub where a parameter is
held, and scales (n,).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

import numpy as np

from nlsq.caching.unified_cache import UnifiedCache
from nlsq.core.model.model import parameter_names
from nlsq.core.problem.guesses import (
    Guess,
    asked_guess,
    counted,
    defaults_of,
    guess_of,
    model_bounds,
    name_of,
)
from nlsq.core.problem.naming import (
    array_over_fits,
    each,
    held_places,
    listed,
    named_bounds,
    one_number,
    places,
    scales,
)
from nlsq.core.problem.parameters import (
    UNBOUNDED,
    Limits,
    mapping_of,
    parse_bounds,
    parse_start,
    values_of,
    written,
)
from nlsq.utils.given import real, refuse_units

_known = UnifiedCache("starts", maxsize=256)
_PLAIN = frozenset((float, int, bool, str, np.float64, type(None)))


@dataclasses.dataclass
class Named:
    """A start and bounds of which some is said by name.

    Attributes
    ----------
    names : tuple of str
    lb, ub : ndarray (n,), of many fits (..., n)
        Before parameters are held.
    bounded : bool
        Whether one of them is finite.
    rest : ndarray, Guess or None
        The start of what `values` does not name; None: SciPy's default.
    values : dict
        Place -> start, of those that were named; of many fits an array over them, as in `held`.
    held : dict
        Place -> value of a parameter that is not fitted; None: its start.
    """

    names: tuple[str, ...]
    lb: np.ndarray
    ub: np.ndarray
    bounded: bool
    rest: Any
    values: dict[int, Any]
    held: dict[int, Any]

    @property
    def asks_data(self) -> bool:
        """Whether the start depends on the data."""
        return isinstance(self.rest, Guess)

    def start(self, x: Any = None, y: Any = None) -> np.ndarray:
        """The start (n,), from the data where it asks for them; held parameters at their values."""
        given = self.given()
        if len(given) == len(self.names):
            return np.array([given[i] for i in range(len(given))], float)
        asked = self.asks_data
        p = np.array(self.rest(x, y, self.lb, self.ub) if asked else self.plain_rest())
        for i, value in given.items():
            p[i] = value
        return p

    def without_data(self) -> np.ndarray:
        """A start (n,) as good as can be had without the data."""
        return dataclasses.replace(self, rest=None if self.asks_data else self.rest).start()

    def plain_rest(self) -> np.ndarray:
        """The start of what is not named, without the data."""
        if self.rest is None or self.asks_data:
            low, high = self.lb, self.ub
            if low.ndim == high.ndim == 1:
                return parse_start(None, low, high, ())
            low, high = np.broadcast_arrays(low, high)
            return parse_start(None, low.ravel(), high.ravel(), ()).reshape(low.shape)
        return self.rest

    def limits(self, start: np.ndarray, found: bool = True, fixed: str = "fixed") -> Limits:
        """Bounds (n,) with lb == ub where a parameter is held at its start.

        found: whether the start is the one of the fit, and not `without_data`.
        fixed: how `fixed` is called in messages.

        Raises
        ------
        ValueError
            When that is not within its bounds.
        """
        if not self.held:
            return Limits(self.lb, self.ub, self.bounded, self.names)
        lb, ub = self.lb.copy(), self.ub.copy()
        for i in self.held:
            value = start.item(i)
            if found:
                self._require_inside(i, value, fixed)
            lb[i] = ub[i] = value
        return Limits(lb, ub, self.bounded, self.names)

    def require_shared(self) -> None:
        """Raise where what is the same for all of many fits is outside of its bounds.

        Raises
        ------
        ValueError
        """
        if self.lb.ndim > 1 or self.ub.ndim > 1:
            return
        for i, value in self.held.items():
            if value is not None and np.ndim(value) == 0:
                self._require_inside(i, float(value))
        own = any(np.ndim(v) for d in (self.values, self.held) for v in d.values())
        if not (own or self.asks_data or np.ndim(self.rest) > 1):
            start = self.start()
            limits = self.limits(start)
            parse_start(start, limits.lb, limits.ub, self.names)

    def given(self) -> dict[int, Any]:
        """Place -> value of what outranks `rest`."""
        return {i: v for d in (self.values, self.held) for i, v in d.items() if v is not None}

    def _require_inside(self, i: int, value: float, fixed: str = "fixed") -> None:
        low, high = self.lb.item(i), self.ub.item(i)
        if low <= value <= high and math.isfinite(value):
            return
        why = "which is no finite number."
        if math.isfinite(value):
            why = f"outside of its bounds [{low:g}, {high:g}]. Move the value or the bounds."
        raise ValueError(f"`{fixed}` holds {self.names[i]!r} at {value:g}, {why}")


def arrays(
    f: Callable, p0: Any, bounds: Any, fixed: Any, method: str | None, options: dict, data: Any
) -> tuple[np.ndarray, Limits, dict]:
    """p0 (n,), bounds and options of a fit to `data` (`PreprocessedData`), without names.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, or saying why a guess failed.
    """

    def heard() -> tuple[np.ndarray, Limits]:
        said = read(f, p0, bounds, fixed, method)
        seen = ()
        if said.asks_data:
            seen = counted(data.xdata, data.ydata, data.idle, data.shape)
        start = said.start(*seen)
        return start, said.limits(start)

    key = _content(f, p0, bounds, fixed, method)
    start, limits = heard() if key is None else _known.get_or_make(key, heard)
    if options:
        options = scales(options, limits.names)
    lb, ub, bounded, names = limits
    return start, Limits(lb.copy(), ub.copy(), bounded, names), options  # a start is copied anyway


def _content(f: Callable, p0: Any, bounds: Any, fixed: Any, method: str | None) -> tuple | None:
    """What names and plain numbers say about a function, by which it is known the next time.

    None where there is more to it: a guess, arrays, tables.
    """
    if type(f) is not FunctionType or hasattr(f, "guess") or hasattr(f, "__wrapped__"):
        return None
    code, defaults = f.__code__, f.__defaults__
    parts: list = [code.co_varnames[: code.co_argcount], defaults, method]
    if defaults and not _are_plain(defaults):
        return None
    for said in (p0, bounds, fixed):
        kind = type(said)
        parts.append(kind)
        if said is None or said is UNBOUNDED:
            continue
        if kind is dict:
            parts.append(tuple(said))
            said = said.values()
        elif kind is not list and kind is not tuple:
            return None
        values = tuple([tuple(v) if type(v) is list else v for v in said])
        if not _are_plain(values):
            return None
        parts.append(values)
    return (*parts, *map(type, values)) if fixed else tuple(parts)  # a flag is no value to hold


def _are_plain(values: tuple) -> bool:
    """Whether these are numbers and names, or tuples of them."""
    for value in values:
        if type(value) not in _PLAIN and not (
            type(value) is tuple and _PLAIN.issuperset(map(type, value))
        ):
            return False
    return True


def read(
    f: Callable,
    p0: Any = None,
    bounds: Any = UNBOUNDED,
    fixed: Any = None,
    method: str | None = None,
    of_fits: bool = False,
) -> Named:
    """What is said of the parameters of the model f(x, a, b, ...).

    of_fits: of many fits at once, so that there may be an array over them in a number's place.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter.
    """
    if not callable(f):
        raise TypeError(f"the model must be a callable f(x, a, b, ...), got {f!r}.")
    p0, bounds = mapping_of(values_of(p0), "p0"), mapping_of(bounds, "bounds")
    names = names_of(f, p0, of_fits)
    named = isinstance(p0, Mapping)
    value = array_over_fits if of_fits else one_number
    values = places("p0", p0, names, value) if named else {}
    held = held_places(fixed, names, written(p0, values) if named else {}, "p0", value)
    rest, own = None, None
    if named or p0 is None:
        given = {i for d in (values, held) for i, v in d.items() if v is not None}
        own = guess_of(f) if len(given) < len(names) else None
        if not own and (named or held):  # who says one parameter means the function's other ones
            defaults = defaults_of(f, names)
            values |= {i: v for i, v in defaults.items() if i not in given}
    elif isinstance(p0, str):
        own = asked_guess(f, p0, names)
    elif callable(p0):
        rest = Guess(p0, "p0(x, y)", names)
    else:
        rest = each(p0, "p0") if of_fits else each(p0, "p0").ravel()
    lb, ub, bounded = _bounds(bounds, names, f if own and method != "lm" else None, of_fits)
    bounded = bounded and method != "lm"  # which those of a held parameter do not hinder
    if own:
        rest = Guess(own, f"The guess of the model {name_of(f)!r}", names, own=True)
    return Named(names, lb, ub, bounded, rest, values, held)


def unknowns(
    x0: Any, bounds: Any, fixed: Any, names: Any, method: str, options: dict
) -> tuple[np.ndarray, Any, dict, tuple[str, ...] | None]:
    """x0 (n,), bounds, options and names of `least_squares`; the keys of a dict x0 are its names.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter.
    """
    x0, bounds = mapping_of(x0, "x0"), mapping_of(bounds, "bounds")
    names = _own_names(x0, names)
    if isinstance(x0, Mapping):
        values = places("x0", x0, names, one_number)
        held = held_places(fixed, names, written(x0, values), "x0", one_number)
        have = {i for d in (values, held) for i, v in d.items() if v is not None}
        if lacking := [n for i, n in enumerate(names) if i not in have]:
            raise ValueError(f"`x0` has no start for {listed(lacking)}.")
        rest = np.zeros(len(names))
    else:
        rest, values = each(x0, "x0"), {}
        if rest.shape != (len(names),):
            raise ValueError(f"`x0` has shape {rest.shape}, but there are {len(names)} names.")
        held = held_places(fixed, names, values, "x0", one_number)
    lb, ub, bounded = _bounds(bounds, names, None)
    said = Named(names, lb, ub, bounded and method != "lm", rest, values, held)
    start = said.start()
    return start, said.limits(start), scales(options, names), names


def _own_names(x0: Any, names: Any) -> tuple[str, ...]:
    if isinstance(x0, str) or callable(x0):
        raise TypeError(f"`x0` must be numbers, or a dict of names and numbers, got {x0!r}.")
    if names is None and not isinstance(x0, Mapping):
        raise ValueError(
            "The parameters have no names by which to fix, bound or scale them. Give them, "
            "names=('a', ...), or a dict as x0."
        )
    names = tuple(x0 if names is None else (names,) if isinstance(names, str) else names)
    for k, name in enumerate(names):
        if not isinstance(name, str):
            raise TypeError(f"the names of parameters are texts, got {name!r}.")
        if name in names[:k]:
            raise ValueError(f"`names` has {name!r} twice.")
    if not names:
        raise ValueError("`x0` must have at least one number.")
    return names


def _bounds(
    bounds: Any, names: tuple[str, ...], model: Callable | None, of_fits: bool = False
) -> tuple[np.ndarray, np.ndarray, bool]:
    """lb, ub (..., n) and whether one is finite; those of `model` where none are given."""
    n = len(names)
    pair = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
    several = of_fits and isinstance(pair, list | tuple) and len(pair) == 2
    if several and max(map(np.ndim, pair)) > 1:
        return *_together(*_bounds_of_fits(pair, n)), True
    if bounds is not UNBOUNDED and not isinstance(bounds, Mapping):
        lb, ub = parse_bounds(bounds, n, names)
        return lb, ub, _finite(lb, ub)
    own = None if model is None else model_bounds(model, n)
    lb, ub = parse_bounds(UNBOUNDED, n) if own is None else own
    if bounds is UNBOUNDED:
        return lb, ub, own is not None and _finite(lb, ub)
    sides = named_bounds(bounds, names, array_over_fits if of_fits else one_number)
    if own is None and not of_fits:
        both = zip(sides, UNBOUNDED, strict=True)
        low, high = ([side.get(i, open_) for i in range(n)] for side, open_ in both)
        if all(a <= b for a, b in zip(low, high, strict=True)):
            return np.array(low), np.array(high), max(low) > -math.inf or min(high) < math.inf
    lb, ub = (_spread(side, values) for side, values in zip((lb, ub), sides, strict=True))
    if max(lb.ndim, ub.ndim) > 1:
        return *_together(lb, ub), True
    lb, ub = parse_bounds((lb, ub), n, names)
    return lb, ub, _finite(lb, ub)


def _bounds_of_fits(pair: Any, n: int) -> Iterator[np.ndarray]:
    for name, bound in zip(("lower", "upper"), pair, strict=True):
        b = real(bound, "bounds")
        if b.ndim and b.shape[-1] not in (1, n):
            raise ValueError(
                f"{name} bounds of shape {b.shape} do not fit {n} parameters: the last axis of "
                "bounds for each fit runs over the parameters."
            )
        yield np.broadcast_to(b, (*b.shape[:-1], n))


def _together(lb: np.ndarray, ub: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    try:
        np.broadcast_shapes(lb.shape, ub.shape)
    except ValueError:
        raise ValueError(
            f"the leading axes of bounds do not broadcast: lower {lb.shape[:-1]}, upper "
            f"{ub.shape[:-1]}."
        ) from None
    return lb, ub


def _spread(base: np.ndarray, values: dict) -> np.ndarray:
    """base (n,) with values, which may be arrays over fits, in their places: (..., n)."""
    own = [np.shape(v) for v in values.values() if np.ndim(v)]
    if own:
        try:
            base = np.broadcast_to(base, (*np.broadcast_shapes(*own), base.size)).copy()
        except ValueError as error:
            raise ValueError(f"the bounds of each fit do not broadcast: {error}") from None
    for i, value in values.items():
        base[..., i] = value
    return base


def _finite(lb: np.ndarray, ub: np.ndarray) -> bool:
    return bool(lb.max() > -math.inf or ub.min() < math.inf)


def names_of(f: Callable, p0: Any, of_fits: bool = False) -> tuple[str, ...]:
    """The parameters' names, as many as a start that is an array has numbers.

    Raises
    ------
    TypeError, ValueError
        When the signature does not tell them, or not so many.
    """
    if not (p0 is None or isinstance(p0, str | Mapping) or callable(p0)):
        refuse_units(p0, "p0")
        return parameter_names(f, np.shape(p0)[-1] if of_fits and np.ndim(p0) else np.size(p0))
    try:
        return parameter_names(f, None)
    except ValueError as error:
        if p0 is None:
            raise
        raise ValueError(
            f"The signature of the model {name_of(f)!r} does not name its parameters. Write them "
            "out, f(x, a, b, ...), or give p0 as a list of numbers: the parameters are then called "
            "p0, p1, ..."
        ) from error
