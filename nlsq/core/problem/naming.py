"""Parameters by name: where they are, and the numbers that are given for them.

All messages about names and about numbers that belong to a name are made here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nlsq.core.problem.options import Partial
from nlsq.core.problem.parameters import mapping_of
from nlsq.utils.given import is_plain, real, refuse_dates, refuse_masks, refuse_units
from nlsq.utils.input_error import did_you_mean
from nlsq.utils.spelling import spelled

_NUMBERS = frozenset((float, int, np.float64))
_SHOWN = 20  # names in a message


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
        if i in found:  # in two spellings
            raise ValueError(f"`{what}` names {names[i]!r} twice.")
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
    if (meant := spelled(name, names)) is not None:
        return names.index(meant)
    if not isinstance(name, str):
        raise TypeError(
            f"`{what}` goes by parameter name, got {name!r}. The parameters are {listed(names)}."
        )
    raise ValueError(
        f"`{what}` names {name!r}, which is no parameter of the model"
        f"{did_you_mean(name, names, '.')} They are {listed(names)}."
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
    fixed = (fixed,) if isinstance(fixed, str) else mapping_of(fixed, "fixed")
    if not isinstance(fixed, Mapping):
        if not isinstance(fixed, Iterable):
            raise TypeError(
                f"`fixed` must be names of parameters, or a dict of names and values, got {fixed!r}"
            )
        fixed = list(fixed)
        seen = []
        for name in fixed:
            seen.append(place("fixed", name, names))
            if seen[-1] in seen[:-1]:
                raise ValueError(f"`fixed` names {name!r} twice.")
        fixed = dict.fromkeys(fixed)
    for name, value in fixed.items():
        if isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b":
            raise TypeError(
                f"fixed[{name!r}] is the value to hold it at, got {value!r}. Name those that stay "
                f"at their start: fixed=[{name!r}]."
            )
    held = places("fixed", fixed, names, read)
    for i in held.keys() & values.keys():
        start, value = values[i], held[i]
        if start is not None and value is not None and not np.array_equal(start, value):
            raise ValueError(
                f"{names[i]!r} is given twice: {what} starts it at {start}, and `fixed` holds it "
                f"at {value}. Give one of them."
            )
    return held


def named_bounds(
    given: Mapping, names: tuple[str, ...], read: Callable, what: str = "bounds"
) -> tuple[dict, dict]:
    """Place -> lower, and place -> upper bound, of bounds by name, called `what`; None is open.

    Raises
    ------
    TypeError, ValueError
        For what is no pair of numbers in their order.
    """
    lower, upper = {}, {}
    for name, pair in given.items():
        i = place(what, name, names)
        if i in lower:
            raise ValueError(f"`{what}` names {names[i]!r} twice.")
        if pair is None:
            pair = None, None
        try:
            low, high = pair
        except (TypeError, ValueError):
            raise TypeError(
                f"bounds[{name!r}] must be a pair (low, high), None for an open side, got {pair!r}."
            ) from None
        if low.__class__ not in _NUMBERS:
            low = -math.inf if low is None else read(low, f"the lower one of bounds[{name!r}]")
        if high.__class__ not in _NUMBERS:
            high = math.inf if high is None else read(high, f"the upper one of bounds[{name!r}]")
        lower[i], upper[i] = low, high
    return lower, upper


def scales(options: dict, names: tuple[str, ...]) -> dict:
    """Options with `x_scale` and `diff_step` as arrays where they are dicts by name.

    Raises
    ------
    TypeError, ValueError
    """
    for what in ("x_scale", "diff_step"):
        given = mapping_of(options.get(what), what)
        if not isinstance(given, Mapping):
            continue
        values = np.full(len(names), np.nan)
        for i, value in places(what, given, names, one_number).items():
            if value is None:
                continue
            if not 0 < value < math.inf:
                raise ValueError(f"{what}[{names[i]!r}] must be a positive number, got {value!r}.")
            values[i] = value
        whole = not np.isnan(values).any()
        options = options | {what: values if whole else values.view(Partial)}
    return options


def one_number(value: Any, label: str) -> float:
    """A number that is given for a name, as a float.

    Raises
    ------
    TypeError
        What is none, by its label.
    """
    refuse_units(value, label)
    refuse_masks(value, label, "Give a number.")
    number = np.asarray(value)
    refuse_dates(number, label)
    if hasattr(value, "vary"):
        raise TypeError(
            f"{label} is a parameter of lmfit, which has bounds and may be fixed as well. Give its "
            "value, and say the rest by `bounds` and `fixed`."
        )
    if number.ndim or number.dtype.kind not in "biuf":
        raise TypeError(f"{label} must be a real number, got {value!r}.")
    return float(number)


def array_over_fits(value: Any, label: str) -> np.ndarray:
    """A number, or an array of them over many fits."""
    if np.ndim(value) == 0:
        return one_number(value, label)
    refuse_masks(value, label, "Give each fit its number.")
    return numbers(value, label)


def each(start: Any, what: str) -> np.ndarray:
    """A start as an array of numbers, called `what`."""
    if not is_plain(start):
        refuse_masks(start, what, "Give a start for each parameter.")
    try:
        return np.atleast_1d(real(start, what))
    except (TypeError, ValueError) as error:
        raise TypeError(f"`{what}` must be numbers, one for each parameter: {error}") from None


def numbers(value: Any, label: str) -> np.ndarray:
    """Real numbers; what is none is a TypeError."""
    try:
        return real(value, label)
    except ValueError as error:
        raise TypeError(f"{error}") from None


def listed(names: Sequence[str]) -> str:
    """The names, in a message."""
    more = f", ... ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(names[i] for i in range(min(len(names), _SHOWN))) + more
