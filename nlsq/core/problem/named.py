"""What a user says of parameters by name, and what the model says of itself, brought to arrays.

A start, bounds, scales and steps may be dicts by parameter name, of some parameters or of all; some
parameters may be `fixed`; a start may be left to the model's guess, or to a function of the data.
The engine knows none of this: it gets a start (n,), bounds (n,) with lb == ub where a parameter is
held, and scales (n,).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from nlsq.core.model.given import point_axes, real, refuse_dates, refuse_masks, refuse_units
from nlsq.core.model.model import parameter_names
from nlsq.core.problem.options import Partial
from nlsq.core.problem.parameters import UNBOUNDED, Limits, parse_bounds, parse_start
from nlsq.utils.input_error import closest

_NUMBERS = frozenset((float, int, np.float64))
_SHOWN = 20  # names in a message
_INF = math.inf
# what a user's guess raises; anything else is no failure of it
_FAILURES = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError,
    TypeError, ValueError,
)  # fmt: skip


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
    start_name : str
        "p0" or "x0", for messages.
    """

    names: tuple[str, ...]
    lb: np.ndarray
    ub: np.ndarray
    bounded: bool
    rest: Any
    values: dict[int, Any]
    held: dict[int, Any]
    start_name: str = "p0"

    @property
    def asks_data(self) -> bool:
        """Whether the start depends on the data."""
        return isinstance(self.rest, Guess)

    def start(self, x: Any = None, y: Any = None) -> np.ndarray:
        """The start (n,), from the data where it asks for them; held parameters at their values."""
        p = np.array(self.rest(x, y) if self.asks_data else self.plain_rest())
        for i, value in self.given().items():
            p[i] = value
        return p

    def without_data(self) -> np.ndarray:
        """A start (n,) as good as can be had without the data."""
        return dataclasses.replace(self, rest=None if self.asks_data else self.rest).start()

    def plain_rest(self) -> np.ndarray:
        """The start of what is not named, without the data."""
        if self.rest is None or self.asks_data:
            low, high = np.broadcast_arrays(self.lb, self.ub)
            return parse_start(None, low.ravel(), high.ravel(), ()).reshape(low.shape)
        return self.rest

    def limits(self, start: np.ndarray, found: bool = True) -> Limits:
        """Bounds (n,) with lb == ub where a parameter is held at its start.

        found: whether the start is the one of the fit, and not `without_data`.

        Raises
        ------
        ValueError
            When that is not within its bounds.
        """
        if not self.held:
            return Limits(self.lb, self.ub, self.bounded)
        lb, ub = self.lb.copy(), self.ub.copy()
        for i in self.held:
            value = start.item(i)
            if found:
                self._require_inside(i, value)
            lb[i] = ub[i] = value
        return Limits(lb, ub, self.bounded)

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

    def _require_inside(self, i: int, value: float) -> None:
        low, high = self.lb.item(i), self.ub.item(i)
        if low <= value <= high and math.isfinite(value):
            return
        why = "which is no finite number."
        if math.isfinite(value):
            why = f"outside of its bounds [{low:g}, {high:g}]. Move the value or the bounds."
        raise ValueError(f"`fixed` holds {self.names[i]!r} at {value:g}, {why}")


def arrays(
    f: Callable, p0: Any, bounds: Any, fixed: Any, method: str | None, options: dict, data: Any
) -> tuple[np.ndarray, Limits, dict]:
    """p0 (n,), bounds and options of a fit to `data` (`PreprocessedData`), without names.

    Raises
    ------
    TypeError, ValueError
        Naming the parameter, or saying why a guess failed.
    """
    said = read(f, p0, bounds, fixed, method)
    seen = ()
    if said.asks_data:
        seen = counted(data.xdata, data.ydata, data.idle, data.shape)
    start = said.start(*seen)
    return start, said.limits(start), scales(options, said.names)


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
    names = names_of(f, p0)
    by_name = isinstance(p0, Mapping)
    value = _array if of_fits else _number
    values = places("p0", p0, names, value) if by_name else {}
    held = held_places(fixed, names, values, "p0", value)
    rest, own = None, None
    if by_name or p0 is None:
        named = {i for d in (values, held) for i, v in d.items() if v is not None}
        own = guess_of(f) if len(named) < len(names) else None
    elif isinstance(p0, str):
        own = _asked_guess(f, p0, names)
    elif callable(p0):
        rest = Guess(p0, "p0(x, y)", names)
    else:
        refuse_masks(p0, "p0", "Give a start for each parameter.")
        rest = _each(p0, "p0")
    lb, ub, bounded = _bounds(bounds, names, f if own and method != "lm" else None, of_fits)
    bounded = bounded and method != "lm"  # which those of a held parameter do not hinder
    if own:
        rest = Guess(own, f"The guess of the model {_name(f)!r}", names, (lb, ub))
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
    names = _own_names(x0, names)
    if isinstance(x0, Mapping):
        values = places("x0", x0, names, _number)
        held = held_places(fixed, names, values, "x0", _number)
        have = {i for d in (values, held) for i, v in d.items() if v is not None}
        if lacking := [n for i, n in enumerate(names) if i not in have]:
            raise ValueError(f"`x0` has no start for {_listed(lacking)}.")
        rest = np.zeros(len(names))
    else:
        refuse_masks(x0, "x0", "Give a start for each parameter.")
        rest, values = _each(x0, "x0"), {}
        if rest.shape != (len(names),):
            raise ValueError(f"`x0` has shape {rest.shape}, but there are {len(names)} names.")
        held = held_places(fixed, names, values, "x0", _number)
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


class Guess:
    """A start from the data, ``guess(x, y)`` -> (n,), checked.

    Parameters
    ----------
    function : callable
        ``function(x, y)``.
    label : str
        Its name in messages.
    limits : pair of ndarray, optional
        Bounds into which a model's own guess is moved.
    """

    def __init__(self, function: Callable, label: str, names: tuple, limits: tuple | None = None):
        self.function, self.label, self.names, self.limits = function, label, names, limits

    def __call__(self, x: Any, y: Any) -> np.ndarray:
        try:
            p = self.function(x, y)
        except _FAILURES as error:
            raise ValueError(
                f"{self.label} failed with {type(error).__name__}: {str(error).rstrip('.')}. "
                f"{_remedy(self.names)}"
            ) from error
        p = np.asarray(_numbers(p, self.label))
        if p.shape != (len(self.names),):
            raise ValueError(
                f"{self.label} must return {len(self.names)} numbers, one for each of "
                f"{_listed(self.names)}; it returned an array of shape {p.shape}."
            )
        return p if self.limits is None else np.clip(p, *self.limits)


def guess_of(f: Callable) -> Callable | None:
    """The model's own guess(x, y); None when it has none."""
    guess = getattr(f, "guess", None)
    if not callable(guess) or getattr(f, "start", guess) is None:  # a model made without one
        return None
    return guess


def names_of(f: Callable, p0: Any) -> tuple[str, ...]:
    """The parameters' names, as many as a start that is an array has numbers.

    Raises
    ------
    TypeError, ValueError
        When the signature does not tell them, or not so many.
    """
    if not (p0 is None or isinstance(p0, str | Mapping) or callable(p0)):
        return parameter_names(f, np.shape(p0)[-1] if np.ndim(p0) else 1)
    try:
        return parameter_names(f, None)
    except ValueError as error:
        if p0 is None:
            raise
        raise ValueError(
            f"The signature of the model {_name(f)!r} does not name its parameters. Write them "
            "out, f(x, a, b, ...), or give p0 as a list of numbers: the parameters are then called "
            "p0, p1, ..."
        ) from error


def places(what: str, given: Mapping, names: tuple[str, ...], read: Callable) -> dict:
    """Place -> value of what is given by name; `read(value, label)` checks one.

    Raises
    ------
    TypeError, ValueError
        For a key that is no name of a parameter, and for what is no number.
    """
    found = {}
    for name, value in given.items():
        i = place(what, name, names)
        if value is not None and value.__class__ not in _NUMBERS:
            value = read(value, f"{what}[{name!r}]")
        found[i] = value
    return found


def place(what: str, name: Any, names: tuple[str, ...]) -> int:
    """Where a parameter is among `names`.

    Raises
    ------
    TypeError
        A name that is no text.
    ValueError
        A name that is none of theirs, with the nearest.
    """
    if name in names:
        return names.index(name)
    if not isinstance(name, str):
        raise TypeError(
            f"`{what}` goes by parameter name, got {name!r}. The parameters are {_listed(names)}."
        )
    near = closest(name, names)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(
        f"`{what}` names {name!r}, which is no parameter of the model; they are "
        f"{_listed(names)}.{hint}"
    )


def held_places(
    fixed: Any, names: tuple[str, ...], values: dict, what: str, read: Callable
) -> dict:
    """Place -> value of each parameter that is not fitted; None: its start.

    Raises
    ------
    TypeError, ValueError
        For names and values that are none, for a name that comes twice, and for a value other than
        that which the start, `values`, gives by name.
    """
    if fixed is None:
        return {}
    if isinstance(fixed, str):
        fixed = (fixed,)
    if not isinstance(fixed, Mapping):
        if not isinstance(fixed, Iterable):
            raise TypeError(
                f"`fixed` must be names of parameters, or a dict of names and values, got {fixed!r}"
            )
        fixed = list(fixed)
        for k, name in enumerate(fixed):
            place("fixed", name, names)
            if name in fixed[:k]:
                raise ValueError(f"`fixed` names {name!r} twice.")
        fixed = dict.fromkeys(fixed)
    held = places("fixed", fixed, names, read)
    for i in held.keys() & values.keys():
        both = values[i], held[i]
        if None not in both and not np.array_equal(*both):
            raise ValueError(
                f"{names[i]!r} is given twice: {what} starts it at {both[0]}, and `fixed` holds it "
                f"at {both[1]}. Give one of them."
            )
    return held


def named_bounds(given: Mapping, names: tuple[str, ...], read: Callable) -> tuple[dict, dict]:
    """Place -> lower, and place -> upper bound, of bounds by name; None is an open side.

    Raises
    ------
    TypeError, ValueError
        For what is no pair of numbers in their order.
    """
    lower, upper = {}, {}
    for name, pair in given.items():
        i = place("bounds", name, names)
        if pair is None:
            pair = None, None
        try:
            low, high = pair
        except (TypeError, ValueError):
            raise TypeError(
                f"bounds[{name!r}] must be a pair (low, high), None for an open side, got {pair!r}."
            ) from None
        if low.__class__ not in _NUMBERS:
            low = -_INF if low is None else read(low, f"the lower one of bounds[{name!r}]")
        if high.__class__ not in _NUMBERS:
            high = _INF if high is None else read(high, f"the upper one of bounds[{name!r}]")
        lower[i], upper[i] = low, high
    return lower, upper


def scales(options: dict, names: tuple[str, ...]) -> dict:
    """Options with `x_scale` and `diff_step` as arrays where they are dicts by name.

    Raises
    ------
    TypeError, ValueError
    """
    for what in ("x_scale", "diff_step"):
        given = options.get(what)
        if not isinstance(given, Mapping):
            continue
        values = np.full(len(names), np.nan)
        for i, value in places(what, given, names, _number).items():
            if value is None:
                continue
            if not 0 < value < _INF:
                raise ValueError(f"{what}[{names[i]!r}] must be a positive number, got {value!r}.")
            values[i] = value
        whole = not np.isnan(values).any()
        options = options | {what: values if whole else values.view(Partial)}
    return options


def model_bounds(f: Callable, n: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The bounds that a model comes with; None when it has none."""
    bounds = getattr(f, "bounds", None)
    if not callable(bounds):
        return None
    lb, ub = parse_bounds(tuple(bounds()), n)
    return lb, ub


def _bounds(
    bounds: Any, names: tuple[str, ...], model: Callable | None, of_fits: bool = False
) -> tuple[np.ndarray, np.ndarray, bool]:
    """lb, ub (..., n) and whether one is finite; those of `model` where none are given."""
    n = len(names)
    pair = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
    if (
        of_fits
        and isinstance(pair, list | tuple)
        and len(pair) == 2
        and max(map(np.ndim, pair)) > 1
    ):
        return *_together(*_bounds_of_fits(pair, n)), True
    if bounds is not UNBOUNDED and not isinstance(bounds, Mapping):
        lb, ub = parse_bounds(bounds, n, names)
        return lb, ub, _finite(lb, ub)
    own = None if model is None else model_bounds(model, n)
    lb, ub = parse_bounds(UNBOUNDED, n) if own is None else own
    if bounds is UNBOUNDED:
        return lb, ub, own is not None and _finite(lb, ub)
    sides = named_bounds(bounds, names, _array if of_fits else _number)
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
    return bool(lb.max() > -_INF or ub.min() < _INF)


def _asked_guess(f: Callable, p0: str, names: tuple[str, ...]) -> Callable:
    if p0 != "auto":
        near = " Did you mean 'auto'?" if closest(p0, ("auto",)) else ""
        raise ValueError(
            f"`p0` must be numbers, a dict by parameter name, 'auto' or a function p0(x, y), got "
            f"{p0!r}.{near}"
        )
    guess = guess_of(f)
    if guess is None:
        raise ValueError(
            f"p0='auto' asks the model for its guess, and {_name(f)!r} has none. {_remedy(names)}"
        )
    return guess


def counted(x: Any, y: np.ndarray, idle: np.ndarray | None, shape: tuple = ()) -> tuple[Any, Any]:
    """x and y of the points that count; `shape`: of the ydata that y (m,) was made of."""
    if idle is None:
        return x, y.reshape(shape) if shape else y
    axes = point_axes(x.shape, shape or y.shape) if isinstance(x, np.ndarray) else None
    if axes is not None:
        x = np.moveaxis(x, axes, range(-len(axes), 0))
        x = x.reshape(*x.shape[: -len(axes)], -1)[..., ~idle]
    return x, y[~idle]


def _number(value: Any, label: str) -> float:
    refuse_units(value, label)
    number = np.asarray(value)
    refuse_dates(number, label)
    if number.ndim or number.dtype.kind not in "biuf":
        raise TypeError(f"{label} must be a real number, got {value!r}.")
    return float(number)


def _array(value: Any, label: str) -> np.ndarray:
    """A number, or an array of them over many fits."""
    if np.ndim(value) == 0:
        return _number(value, label)
    refuse_masks(value, label, "Give each fit its number.")
    return _numbers(value, label)


def _each(start: Any, what: str) -> np.ndarray:
    try:
        return np.atleast_1d(real(start, what))
    except (TypeError, ValueError) as error:
        raise TypeError(f"`{what}` must be numbers, one for each parameter: {error}") from None


def _numbers(value: Any, label: str) -> np.ndarray:
    try:
        return real(value, label)
    except ValueError as error:
        raise TypeError(f"{error}") from None


def _remedy(names: tuple[str, ...]) -> str:
    return (
        f"Give a start, p0={{{names[0]!r}: ...}} or {len(names)} numbers for {_listed(names)}, or "
        "a function p0(x, y)."
    )


def _listed(names: tuple[str, ...]) -> str:
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(names[i] for i in range(min(len(names), _SHOWN))) + more


def _name(f: Callable) -> str:
    return getattr(f, "__name__", type(f).__name__)
