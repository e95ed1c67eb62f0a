"""Starts that come from the data: the model's own guess, or a function p0(x, y) of the user's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from numbers import Real
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from nlsq.core.problem.naming import listed, numbers, one_number, places
from nlsq.core.problem.parameters import mapping_of, parse_bounds
from nlsq.utils.given import point_axes
from nlsq.utils.input_error import did_you_mean

# what a user's guess raises; anything else is no failure of it
_FAILURES = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NameError, OSError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip


class Guess:
    """A start from the data, ``guess(x, y)`` -> (n,), checked; it may read them, not write.

    Parameters
    ----------
    function : callable
        ``function(x, y)``.
    label : str
        Its name in messages.
    own : bool
        Whether it is the model's, which is moved inside the bounds.
    """

    def __init__(self, function: Callable, label: str, names: tuple[str, ...], own: bool = False):
        self.function, self.label, self.names, self.own = function, label, names, own

    def __call__(self, x: Any, y: Any, lb: np.ndarray, ub: np.ndarray) -> np.ndarray:
        try:
            p = self.function(_to_read(x), _to_read(y))
        except _FAILURES as error:
            raise ValueError(
                f"{self.label} failed with {type(error).__name__}: {str(error).rstrip('.')}. "
                f"{remedy(self.names)}"
            ) from error
        p = mapping_of(p, self.label)
        if isinstance(p, Mapping):
            found = places(self.label, p, self.names, one_number)
            p = [found.get(i) for i in range(len(self.names))]
            if lacking := [n for n, v in zip(self.names, p, strict=True) if v is None]:
                raise ValueError(f"{self.label} gives no start for {listed(lacking)}.")
        p = np.asarray(numbers(p, self.label))
        if p.shape != (len(self.names),):
            raise ValueError(
                f"{self.label} must return {len(self.names)} numbers, one for each of "
                f"{listed(self.names)}; it returned an array of shape {p.shape}."
            )
        return np.clip(p, lb, ub) if self.own else p


def guess_of(f: Callable) -> Callable | None:
    """The model's own guess(x, y); None when it has none."""
    guess = getattr(f, "guess", None)
    if not callable(guess) or getattr(f, "start", guess) is None:  # a model made without one
        return None
    return guess


def defaults_of(f: Callable, names: tuple[str, ...]) -> dict[int, float]:
    """Place -> number that the function's signature gives a parameter."""
    if not getattr(f, "__defaults__", None) and isinstance(f, FunctionType | MethodType):
        return {}
    try:
        known = inspect.signature(f).parameters
    except (TypeError, ValueError):
        return {}
    found = ((i, known[name].default) for i, name in enumerate(names) if name in known)
    return {i: float(v) for i, v in found if isinstance(v, Real) and not isinstance(v, bool)}


def asked_guess(f: Callable, p0: str, names: tuple[str, ...]) -> Callable:
    """The model's guess, which p0='auto' asks for.

    Raises
    ------
    ValueError
        When it has none, or p0 is another text.
    """
    if p0 != "auto":
        raise ValueError(
            "`p0` must be numbers, a dict by parameter name, 'auto' or a function p0(x, y), got "
            f"{p0!r}{did_you_mean(p0, ('auto',), '.')}"
        )
    guess = guess_of(f)
    if guess is None:
        raise ValueError(
            f"p0='auto' asks the model for its guess, and {name_of(f)!r} has none. {remedy(names)}"
        )
    return guess


def model_bounds(f: Callable, n: int) -> tuple[np.ndarray, np.ndarray] | None:
    """The bounds that a model comes with; None when it has none."""
    bounds = getattr(f, "bounds", None)
    if not callable(bounds):
        return None
    try:
        lb, ub = parse_bounds(bounds(), n)
    except (TypeError, ValueError) as error:
        raise type(error)(f"The bounds() of the model {name_of(f)!r}: {error}") from error
    return lb, ub


def counted(x: Any, y: np.ndarray, idle: np.ndarray | None, shape: tuple = ()) -> tuple[Any, Any]:
    """x and y of the points that count; `shape`: of the ydata that y (m,) was made of."""
    if idle is None:
        return x, y.reshape(shape) if shape else y
    axes = point_axes(x.shape, shape or y.shape) if isinstance(x, np.ndarray) else None
    if axes is not None:
        x = np.moveaxis(x, axes, range(-len(axes), 0))
        x = x.reshape(*x.shape[: -len(axes)], -1)[..., ~idle]
    return x, y[~idle]


def _to_read(data: Any) -> Any:
    """An array that cannot be written to: the data are the user's own."""
    if isinstance(data, np.ndarray):
        data = data.view()
        data.flags.writeable = False
    return data


def remedy(names: tuple[str, ...]) -> str:
    """How else to give a start."""
    return (
        f"Give a start, p0={{{names[0]!r}: ...}} or {len(names)} numbers for {listed(names)}, or "
        "a function p0(x, y)."
    )


def name_of(f: Callable) -> str:
    """What a model is called."""
    return getattr(f, "__name__", type(f).__name__)
