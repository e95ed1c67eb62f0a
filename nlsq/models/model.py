"""What a model is: a function of x and named parameters that knows where to start."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nlsq.models.guessing import Scan, tidy
from nlsq.utils.input_error import InputError

# How a parameter of this unit changes when x and y are measured in other units: the powers of both.
_POWERS = {
    "": (0, 0), "x": (1, 0), "1/x": (-1, 0), "y": (0, 1), "y*x": (1, 1), "y/x": (-1, 1),
    "x**2": (2, 0), "1/x**2": (-2, 0), "y*x**2": (2, 1), "y/x**2": (-2, 1), "y/x**3": (-3, 1),
    "1/y": (0, -1), "1/(y*x)": (-1, -1), "y**2": (0, 2), "y/x**0.5": (-0.5, 1), "y*x**4": (4, 1),
}  # fmt: skip


@dataclass(frozen=True)
class Parameter:
    """One parameter of a model.

    Attributes
    ----------
    name, meaning : str
        As in the model's signature; what it is, in words.
    unit : str
        In terms of the units of the data: "x", "y", "1/x", "y*x"; "" for a pure number.
    lower, upper : float
        What the model allows; infinite where it allows anything.
    typical : (float, float)
        Range from which `Model.draw` draws.
    """

    name: str
    meaning: str
    unit: str = ""
    lower: float = -np.inf
    upper: float = np.inf
    typical: tuple[float, float] = (1.0, 1.0)

    def between(self, part: Any) -> Any:
        """The value at `part` (0 to 1) of the typical range; by factors when it is wide."""
        low, high = self.typical
        if low * high > 0 and max(high / low, low / high) > 3:
            return low * (high / low) ** part
        return low + (high - low) * part


def par(
    meaning: str, unit: str, low: float, high: float, lower: float = -np.inf, upper: float = np.inf
) -> Parameter:
    """A parameter as the tables of this package write it; its name comes from the signature."""
    return Parameter("", meaning, unit, lower, upper, (low, high))


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A function ``f(x, *parameters)`` with its description and its guess.

    It is called, inspected and fitted like the function it wraps, and shares that function's
    compiled programs. See `nlsq.models.get`.

    Attributes
    ----------
    function : callable
        The function itself, ``f(x, a, b, ...)``.
    name, title, category, description : str
        For `nlsq.models.get`, for people, for lists.
    formula : str or None
        As a text, when there is a closed one.
    reference : str
        Where the law is from.
    parameters : tuple of Parameter
        In the order of the signature.
    """

    function: Callable
    name: str
    title: str
    category: str
    formula: str | None
    parameters: tuple[Parameter, ...]
    start: Scan | Callable | None = field(default=None)
    grid: np.ndarray | None = field(default=None)
    description: str = ""
    reference: str = ""
    rescale: tuple[bool, bool] = (True, True)  # whether `draw` may change the units of x and y

    def __post_init__(self):
        names = [p.name for p in self.parameters]
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        signature = inspect.Signature([inspect.Parameter(n, kind) for n in ["x", *names]])
        object.__setattr__(self, "__wrapped__", self.function)  # what `curve_fit` tells models by
        object.__setattr__(self, "__signature__", signature)
        object.__setattr__(self, "__name__", self.name)
        object.__setattr__(self, "__doc__", self.description or self.title)

    def __call__(self, x: Any, *params: Any, **named: Any) -> Any:
        if isinstance(x, list | tuple):
            x = np.asarray(x, float)
        if named:
            bound = self.__signature__.bind(x, *params, **named)
            return self.function(*bound.arguments.values())
        return self.function(x, *params)

    def __repr__(self) -> str:
        return f"<model {self.name}{self.__signature__}>"

    @property
    def n(self) -> int:
        """Number of parameters."""
        return len(self.parameters)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters."""
        return tuple(p.name for p in self.parameters)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds, (n,) each, as `curve_fit` takes them."""
        low = np.array([p.lower for p in self.parameters], float)
        return low, np.array([p.upper for p in self.parameters], float)

    def guess(self, x: Any, y: Any) -> np.ndarray:
        """Start of a fit, from the data.

        Parameters
        ----------
        x : array_like, shape (m,) or (k, m)
        y : array_like, shape (m,)
            In any order; points that are not finite count for nothing.

        Returns
        -------
        ndarray, shape (n,)
            Finite and within the bounds.

        Raises
        ------
        InputError
            When the model was registered without a guess, or x and y differ in length.

        Examples
        --------
        >>> from nlsq import models
        >>> decay = models.get("exponential_decay")
        >>> x = np.linspace(0, 5, 50)
        >>> decay.guess(x, decay(x, 2.0, 1.5, 0.5)).round(1).tolist()
        [2.0, 1.5, 0.5]
        """
        if self.start is None:
            raise InputError(
                f"The model {self.name!r} has no guess.", "Register it with guess=f(x, y) -> p0."
            )
        x, y = tidy(x, y)
        middle = self.middle()
        if not y.size:
            return middle
        # overflow and 0/0 at some candidates are part of trying them
        with np.errstate(all="ignore"):
            p = np.asarray(self.start(self, x, y), float)
        low, high = self.bounds()
        return np.clip(np.where(np.isfinite(p), p, middle), low, high)

    estimate_p0 = guess

    def middle(self) -> np.ndarray:
        """The middle of the typical values."""
        return np.array([p.between(0.5) for p in self.parameters], float)

    def example(self) -> tuple[np.ndarray, np.ndarray]:
        """Abscissae on which the model is well seen, and parameters: for plots and tests."""
        if self.grid is None:
            raise InputError(f"The model {self.name!r} has no example.", "Register it with one.")
        return self.grid, self.middle()

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Random abscissae and parameters such as an experiment might meet.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        x : ndarray, shape (m,) or (2, m)
        params : ndarray, shape (n,)
            Within the typical ranges; then both axes are taken in other units (factors 0.01 to
            100, y also upside down when the bounds allow it) if the model keeps its form in them.
        """
        x, _ = self.example()
        p = np.array([q.between(rng.random()) for q in self.parameters])
        u, v = 10 ** rng.uniform(-2, 2, 2)
        upside_down = rng.random() < 0.5
        units = self.units()
        if units is None:
            return x, p
        of_x, of_y = np.transpose(units)
        free = np.isinf(self.bounds()).all(axis=0)
        if upside_down and np.isin(of_y, (0, 1)).all() and free[of_y == 1].all():
            v = -v
        u, v = np.where(self.rescale, (u, v), 1.0)
        return x * u, p * u**of_x * v**of_y

    def units(self) -> list[tuple[float, float]] | None:
        """Powers of the units of x and y in each parameter's; None if one has a unit of its own."""
        powers = [_POWERS.get(p.unit) for p in self.parameters]
        return None if None in powers else powers


def family(category: str) -> Callable:
    """Decorator factory of a chapter of the catalogue: its functions become its models."""

    def model(
        title: str,
        formula: str | None,
        grid: Any,
        start: Scan | Callable,
        *,
        about: str = "",
        reference: str = "",
        rescale: tuple[bool, bool] = (True, True),
        **parameters: Parameter,
    ) -> Callable[[Callable], Model]:
        def make(function: Callable) -> Model:
            names = list(inspect.signature(function).parameters)[1:]
            listed = tuple(replace(parameters[name], name=name) for name in names)
            return Model(
                function, function.__name__, title, category, formula, listed, start,
                np.asarray(grid, float), about, reference, rescale,
            )  # fmt: skip

        return make

    return model
