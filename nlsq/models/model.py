"""What a model is: a function of x and named parameters that knows where to start."""

from __future__ import annotations

import inspect
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nlsq.models.describing import as_html, described
from nlsq.models.guessing import Scan, tidy
from nlsq.models.parameter import POWERS
from nlsq.models.parameter import Parameter as Parameter
from nlsq.models.parameter import par as par
from nlsq.utils.input_error import InputError


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
    variables : tuple of str
        The independent variable; of several, x holds the rows.
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
    variables: tuple[str, ...] = ("x",)

    def __post_init__(self):
        names = [p.name for p in self.parameters]
        first = self.variables[0] if len(self.variables) == 1 else "x"
        while first in names:
            first += "_"
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        signature = inspect.Signature([inspect.Parameter(n, kind) for n in [first, *names]])
        object.__setattr__(self, "__wrapped__", self.function)  # what `curve_fit` tells models by
        object.__setattr__(self, "__signature__", signature)
        object.__setattr__(self, "__name__", self.name)
        object.__setattr__(self, "__doc__", described(self))

    @classmethod
    def of(
        cls,
        f: Callable,
        name: str | None = None,
        *,
        guess: Callable | None = None,
        parameters: Sequence[Parameter] | None = None,
        example: tuple[Any, Any] | None = None,
        **about: Any,
    ) -> Model:
        """A model of your own function; the arguments of `nlsq.models.register`.

        Examples
        --------
        >>> from nlsq import models
        >>> def step(x, height, at):
        ...     return height * (x > at)
        >>> (models.get("gaussian") + models.Model.of(step)).names
        ('amp', 'mu', 'sigma', 'height', 'at')
        """
        name = name or getattr(f, "__name__", type(f).__name__)
        own = _own_names(f, name)
        given = tuple(parameters or (Parameter(n, "") for n in own))
        if tuple(p.name for p in given) != own:
            listed = ", ".join(p.name for p in given)
            raise InputError(
                f"{name} takes {', '.join(own)}; described are {listed}.", "Match them."
            )
        x, p = example or (None, np.ones(len(own)))
        if example:
            given = tuple(replace(q, typical=(v, v)) for q, v in zip(given, p, strict=True))
        return Model(
            f, name, **{"title": name, "category": "user", "formula": None, **about},
            parameters=given, start=guess and Guess(guess),
            grid=None if x is None else np.asarray(x, float),
        )  # fmt: skip

    def __call__(self, *given: Any, **named: Any) -> Any:
        if named or not given:
            given = tuple(self.__signature__.bind(*given, **named).arguments.values())
        x = given[0]
        if x.__class__ is np.ndarray and x.dtype.names is None:
            return self.function(*given)
        return self.function(self.taken(x), *given[1:])

    def taken(self, x: Any) -> Any:
        """x as the function takes it: lists as arrays, of a table the columns it names.

        Raises
        ------
        InputError
            When a table has no column of a variable's name.
        """
        if isinstance(x, list | tuple):
            return np.asarray(x, float)
        table = columns_in(x)
        if table is None:
            return x
        columns = {normal(str(name)): column for name, column in table.items()}
        alike = len(columns) == len(self.variables)
        unnamed = self.variables in (self.variables[:1], numbered(len(columns)))
        wanted = columns if alike and unnamed else self.variables
        for name in wanted:
            if name not in columns:
                raise InputError(
                    f"The model {self.name!r} takes {', '.join(self.variables)}; the columns of x "
                    f"are {', '.join(map(str, columns))}.",
                    "Rename a column, or give x itself.",
                )
        # lists do not multiply, and Series are matched by their labels
        own = {n: isinstance(c, list | tuple) or hasattr(c, "to_numpy") for n, c in columns.items()}
        rows = [np.asarray(columns[n]) if own[n] else columns[n] for n in wanted]
        return rows[0] if len(rows) == 1 else tuple(rows)

    def __repr__(self) -> str:
        return f"<model {self.name}{self.__signature__}>"

    def __str__(self) -> str:
        return described(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    # -- sums and their parts --------------------------------------------------------------------

    def __add__(self, other: Any) -> Model:
        if not callable(other):
            return NotImplemented
        from nlsq.models.sums import add

        alike = {"variables": self.variables}
        return add([self, other if isinstance(other, Model) else Model.of(other, **alike)])

    def __radd__(self, other: Any) -> Model:
        if callable(other):
            return Model.of(other, variables=self.variables) + self
        return self if other.__class__ is int and other == 0 else NotImplemented  # sum(models)

    def prefixed(self, prefix: str) -> Model:
        """The same model with a prefix before the names of its parameters, for sums.

        Raises
        ------
        InputError
            When the prefix cannot begin a name.

        Examples
        --------
        >>> from nlsq import models
        >>> peak, line = models.get("gaussian"), models.get("linear")
        >>> (peak.prefixed("p1_") + line.prefixed("bg_")).names
        ('p1_amp', 'p1_mu', 'p1_sigma', 'bg_a', 'bg_b')
        """
        from nlsq.models.sums import prefixed

        return prefixed(self, prefix)

    def components(self, x: Any, *params: Any) -> dict[str, np.ndarray]:
        """The parts of the curve by name, which add up to it.

        Of a sum its members, by their names or prefixes; of a formula its terms, as they are
        written; of any other model itself.

        Parameters
        ----------
        x : array_like
        *params : float

        Returns
        -------
        dict of str to ndarray

        Examples
        --------
        >>> from nlsq import models
        >>> parts = models.get("gaussian + linear").components([1.0, 2.0], 3, 1, 0.5, 1, 0)
        >>> parts["linear"].tolist()
        [1.0, 2.0]
        """
        return {self.name: np.asarray(self(x, *params))}

    def recipe(self) -> dict | None:
        """What `nlsq.models.restored` makes the model from again: data, no code.

        None when the model is made of functions that only the program knows.
        """
        from nlsq.models.catalogue import holds

        return {"name": self.name} if holds(self) else None

    def __reduce_ex__(self, protocol: Any) -> Any:
        from nlsq.models.catalogue import get, holds

        return (get, (self.name,)) if holds(self) else super().__reduce_ex__(protocol)

    # -- parameters ------------------------------------------------------------------------------

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
                f"The model {self.name!r} has no guess.",
                "Give p0, or register it with guess=f(x, y) -> p0.",
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
        powers = [POWERS.get(p.unit) for p in self.parameters]
        return None if None in powers else powers


def numbered(count: int) -> tuple[str, ...]:
    """What several coordinates are called: x1, x2, ..."""
    return tuple(f"x{i}" for i in range(1, count + 1))


def normal(name: str) -> str:
    """A name as Python reads it."""
    return unicodedata.normalize("NFKC", name)


def columns_in(x: Any) -> Mapping | None:
    """The columns of a mapping, a DataFrame or an array with fields by name; None of other data."""
    if isinstance(x, Mapping):
        return x
    names = getattr(getattr(x, "dtype", None), "names", None) or getattr(x, "columns", None)
    return None if names is None else {name: np.asarray(x[name]) for name in names}


@dataclass(frozen=True)
class Guess:
    """`start` of a model that was given ``guess(x, y)``."""

    guess: Callable

    def __call__(self, model: Model, x: np.ndarray, y: np.ndarray) -> Any:
        return self.guess(x, y)


def _own_names(f: Callable, name: str) -> tuple[str, ...]:
    """Names of the parameters of ``f(x, a, b, ...)``."""
    if not callable(f):
        raise TypeError(f"a model is made of a function f(x, a, b, ...), got {f!r}.")
    parameters = list(inspect.signature(f).parameters.values())
    known = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = tuple(p.name for p in parameters if p.kind in known)
    if len(named) < 2 or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        listed = ", ".join(map(str, parameters))
        raise InputError(f"{name}({listed}) does not name its parameters.", "Write f(x, a, b).")
    return named[1:]


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
            example = np.asarray(grid, float)
            variables = ("x",) if example.ndim == 1 else numbered(len(example))
            return Model(
                function, function.__name__, title, category, formula, listed, start,
                example, about, reference, rescale, variables,
            )  # fmt: skip

        return make

    return model
