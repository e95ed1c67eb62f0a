"""The model of a fit: a formula, a built-in model or a function in a file, made callable."""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nlsq.session.errors import ConfigurationError, ModelError, NoModel
from nlsq.session.settings import Bounds, Fitting, Model
from nlsq.utils.input_error import InputError, ended

#: What user code raises; anything else is a defect of ours and shows its traceback.
USER_CODE_ERRORS = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, MemoryError,
    NameError, OSError, RuntimeError, SyntaxError, TypeError, ValueError,
)  # fmt: skip


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to fit.

    Attributes
    ----------
    function : callable
        ``f(x, *params)``.
    names : tuple of str
        Its parameters.
    guess : callable or None
        ``guess(x, y)`` -> start.
    bounds : pair of ndarray or None
        Those the model comes with.
    path : Path or None
        The file that its code is in.
    """

    function: Callable
    names: tuple[str, ...]
    guess: Callable | None = None
    bounds: tuple[np.ndarray, np.ndarray] | None = None
    path: Path | None = None


def load_model(model: Model, x_names: list[str], n_start: int | None = None) -> LoadedModel:
    """Make the model callable.

    Parameters
    ----------
    x_names : list of str
        Columns of x, which a formula's variables are looked for among.
    n_start : int or None
        How many numbers the start has, for a function with ``*params``.

    Raises
    ------
    ModelError
        A formula or name that is none, or a file without the function.
    """
    if model.formula is not None:
        return _from_formula(model, x_names)
    if model.name is not None:
        return _from_name(model.name)
    return _from_file(model, n_start)


def _from_formula(model: Model, x_names: list[str]) -> LoadedModel:
    from nlsq.models.reading import read_formula

    with _refused(model, x_names):
        found = read_formula(model.formula, _columns(x_names), _given(model, x_names))
    return LoadedModel(found, found.names)


def variables(model: Model, x_names: list[str]) -> tuple[str, ...]:
    """What a formula calls the columns of x: the variables given, or their names.

    Examples
    --------
    >>> variables(Model(formula="a*exp(-t/tau)"), ["t"])
    ('t',)
    """
    from nlsq.models.formulas import parse
    from nlsq.models.reading import variables_of

    with _refused(model, x_names):
        formula = parse(model.formula)
        return _given(model, x_names) or variables_of(formula, _columns(x_names))


def _given(model: Model, x_names: list[str]) -> tuple[str, ...] | None:
    if model.variable is None:
        return None
    given = (model.variable,) if isinstance(model.variable, str) else tuple(model.variable)
    if len(given) != len(x_names):
        raise NoModel(
            f"model {model.formula}: {len(given)} variables, but x has {len(x_names)} columns."
        )
    return given


def _columns(x_names: list[str]) -> Any:
    from nlsq.models.reading import Columns

    return Columns(tuple(x_names), len(x_names))


@contextmanager
def _refused(model: Model, x_names: list[str]) -> Iterator[None]:
    """What is wrong with a formula, as the program says it."""
    from nlsq.models.formulas import parse
    from nlsq.models.reading import NoVariable, likely_variable

    try:
        yield
    except NoVariable as error:
        likely = likely_variable(parse(model.formula).names, x_names[0]) or "NAME"
        raise NoModel(
            f"model {model.formula}: {ended(error.what)}",
            f"Say which is the variable: --variable {likely}",
        ) from None
    except InputError as error:
        raise _no_model(error) from None


def _no_model(error: InputError) -> NoModel:
    from nlsq.models.catalogue import UnknownModel

    listed = 'nlsq models lists the models; a formula is written as "a*exp(-x/tau) + c".'
    return NoModel(error.message, listed if isinstance(error, UnknownModel) else error.fix)


def _from_name(name: str) -> LoadedModel:
    from nlsq import models

    try:
        found = models.get(name)
    except InputError as error:
        raise _no_model(error) from None
    guess = None if found.start is None else found.guess
    return LoadedModel(found, found.names, guess, found.bounds())


def _from_file(model: Model, n_start: int | None) -> LoadedModel:
    from nlsq.security.loading import function_of, load_module

    path = model.path
    try:
        module = load_module(path, model.trusted)
        function = function_of(module, model.function)
    except InputError as error:
        raise NoModel(error.message, error.fix) from None
    except USER_CODE_ERRORS as error:
        raise failure(error, path) from error
    guess = getattr(function, "estimate_p0", None) or getattr(module, "estimate_p0", None)
    return LoadedModel(function, _parameter_names(function, n_start), guess, None, path)


def _parameter_names(function: Callable, n_start: int | None) -> tuple[str, ...]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = list(inspect.signature(function).parameters.values())
    if any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters):
        return tuple(f"p{i}" for i in range(n_start or 0))
    return tuple(p.name for p in parameters if p.kind in kinds)[1:]


def raised_in(error: BaseException, path: Path | None) -> int | None:
    """The line of `path` that raised `error`, None if it was raised elsewhere."""
    if path is None:
        return None
    wanted = os.path.realpath(path)
    if isinstance(error, SyntaxError) and os.path.realpath(error.filename or "") == wanted:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if os.path.realpath(frame.filename) == wanted]
    return lines[-1] if lines else None


def failure(error: BaseException, path: Path) -> ModelError:
    """The failure of user code, with the line that raised it."""
    line = raised_in(error, path)
    where = f"{path}:{line}" if line else str(path)
    return ModelError(f"{where}: the model failed: {type(error).__name__}: {error}")


@dataclass(frozen=True)
class Start:
    """Where a fit begins: p0 (n,), its bounds (n,) each, and who chose the start.

    chosen: whether somebody did; else it is SciPy's rule.
    """

    p0: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    origin: str
    chosen: bool = True


def start(
    fitting: Fitting,
    model: LoadedModel,
    x: np.ndarray,
    y: np.ndarray,
    only_known: bool = False,
    places: Mapping[str, str] | None = None,
) -> Start:
    """Start and bounds: the user's, else the model's own guess, else SciPy's rule.

    Parameters
    ----------
    places : mapping, optional
        Where "fitting.p0" and its like were given.
    only_known : bool
        Leave out what is said of parameters that the model does not have.

    Raises
    ------
    ConfigurationError
        Names or counts that are not the model's.
    """
    names = model.names
    if not names:
        raise NoModel("the model has no parameters to fit.")
    if only_known:
        fitting = _of_known(fitting, names)
    from nlsq.core.problem import named, naming
    from nlsq.core.problem.parameters import parse_start

    places = places or {}
    own = fitting.p0 if isinstance(fitting.p0, dict) else {}
    with _said(places, "fitting.bounds") as what:
        lb, ub = _bounds(fitting, model, what)
    with _said(places, "fitting.fixed") as what:
        held = naming.places(what, fitting.fixed, names, naming.one_number)
    with _said(places, "fitting.p0") as what:
        values = naming.places(what, own, names, naming.one_number)
        rest, origin = _rest(fitting.p0, model, (lb, ub), x, y, what)
        said = named.Named(names, lb, ub, False, rest, values, held)
        p0 = said.start()
    with _said(places, "fitting.fixed") as what:
        limits = said.limits(p0, fixed=what)
    with _said(places, "fitting.p0") as what:
        parse_start(p0, limits.lb, limits.ub, names, what)
    given = places.get("fitting.p0", "given") if isinstance(fitting.p0, dict | list) else origin
    told = [names[i] for i in values] if isinstance(fitting.p0, dict) else names
    origins = dict.fromkeys(told, given) | {n: origin for n in names if n not in told}
    fixed = f"fixed, {places.get('fitting.fixed', 'given')}"
    origins |= {names[i]: fixed for i, value in held.items() if value is not None}
    chosen = set(origins.values()) - {fixed} != {"default"}
    return Start(
        p0, limits.lb, limits.ub, _told(dict(zip(names, p0, strict=True)), origins), chosen
    )


@contextmanager
def _said(places: Mapping[str, str], key: str) -> Iterator[str]:
    """How to call an entry, --p0 or fitting.p0; what is wrong with it begins with its place."""
    place = places.get(key, "")
    try:
        yield place if place.startswith("--") else key
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        inside = ((k.removeprefix(f"{key}."), p) for k, p in places.items() if k != key)
        place = next((p for name, p in inside if repr(name) in str(error)), place)
        told = not place or place in str(error)
        raise ConfigurationError(str(error) if told else f"{place}: {error}") from None


def _of_known(fitting: Fitting, names: tuple[str, ...]) -> Fitting:
    given = {key: getattr(fitting, key) for key in ("p0", "bounds", "fixed")}
    known = {
        key: {name: value for name, value in entry.items() if name in names}
        for key, entry in given.items()
        if isinstance(entry, dict)
    }
    return fitting.model_copy(update=known)


def _rest(
    given: Any, model: LoadedModel, bounds: tuple, x, y, what: str
) -> tuple[np.ndarray | None, str]:
    """The start of what is not given by name, and who chose it; None: the default."""
    names = model.names
    if isinstance(given, list):
        _require_count(what, given, names)
        return np.array(given, float), ""
    if given == "auto" and model.guess is None:
        raise ConfigurationError(
            f"{what}: this model has no guess of its own.", "Give a start: --p0 NAME=VALUE"
        )
    if model.guess is not None:
        try:
            p0, origin = np.array(model.guess(x, y), float), "guessed from the data"
        except USER_CODE_ERRORS as error:
            if model.path is None:
                raise
            raise failure(error, model.path) from error
        if p0.shape != (len(names),):
            raise ModelError(f"{model.path}: estimate_p0 returned {p0!r}, not {len(names)} numbers")
        return np.clip(p0, *bounds), origin
    return None, "default"


def _told(p0: dict[str, float], origins: dict[str, str]) -> str:
    """Where the starts come from: "tau = 2 (--p0); a = c = 1 (default)"."""
    parts = []
    for origin in dict.fromkeys(origins.values()):
        shared: dict[str, list[str]] = {}  # names of one value
        for name, value in p0.items():
            if origins[name] == origin:
                shared.setdefault(f"{value:.4g}", []).append(name)
        text = ", ".join(" = ".join([*names, value]) for value, names in shared.items())
        parts.append(f"{text} ({origin})")
    return "; ".join(parts)


def _bounds(fitting: Fitting, model: LoadedModel, what: str) -> tuple[np.ndarray, np.ndarray]:
    from nlsq.core.problem.parameters import parse_bounds

    names, given = model.names, fitting.bounds
    n = len(names)
    lb, ub = np.full(n, -np.inf), np.full(n, np.inf)
    if model.bounds is not None and fitting.method != "lm":
        lb, ub = (np.array(np.broadcast_to(side, n), float) for side in model.bounds)
    if isinstance(given, Bounds):
        for side, values, none in ((lb, given.lower, -np.inf), (ub, given.upper, np.inf)):
            if values is not None:
                key = "lower" if side is lb else "upper"
                _require_count(what if what.endswith(key) else f"{what}.{key}", values, names)
                side[:] = [none if v is None else v for v in values]
    elif given is not None:
        from nlsq.core.problem import naming

        sides = naming.named_bounds(given, names, naming.one_number, what)
        for side, values in zip((lb, ub), sides, strict=True):
            for i, value in values.items():
                side[i] = value
    return parse_bounds((lb, ub), n, names)


def _require_count(key: str, given: list, names: tuple[str, ...]) -> None:
    if len(given) != len(names):
        raise ValueError(
            f"{key} has {len(given)} numbers, but the model has {len(names)} parameters: "
            f"{', '.join(names)}."
        )
