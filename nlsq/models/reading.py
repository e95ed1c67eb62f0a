"""From a text to a model: a name of the catalogue, names joined by +, or a formula."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlsq.models.catalogue import UnknownModel, get, is_name, names
from nlsq.models.formula_text import FormulaError
from nlsq.models.model import Model, columns_in, normal, numbered
from nlsq.utils.input_error import InputError, closest, ended

if TYPE_CHECKING:
    from nlsq.models.formulas import Formula

_AXES = ("x", "y", "z")
_MOST_LISTED = 12  # names in a message


class NoVariable(FormulaError):
    """A formula that does not say what x is."""


class Columns(NamedTuple):
    """What a formula can know of x.

    Attributes
    ----------
    names : tuple of str
        Of its columns, where they have names.
    count : int
        How many coordinates a point has.
    optional : bool
        Whether a formula may leave columns out, as those of a DataFrame.
    """

    names: tuple[str, ...] = ()
    count: int = 1
    optional: bool = False


_PLAIN = Columns()


def read(text: str, x: Any = None) -> Model:
    """The model that a text means.

    Parameters
    ----------
    text : str
        A model's name or several joined by ``+``, as `nlsq.models.get` takes them; else a formula.
    x : object, optional
        The data, or what they are called: a name, or several. A formula calls x by this name, or
        by the name of a Series, of columns of a DataFrame or mapping, of the columns that a source
        reads. The rows of an array (k, m) are x1, x2, ..., or x, y and z.

    Returns
    -------
    Model
        The same one for the same text and form of x.

    Raises
    ------
    UnknownModel, FormulaError
        When the text is neither; both are ValueErrors.

    Examples
    --------
    >>> from nlsq import models
    >>> models.read("gaussian + linear")
    <model gaussian + linear(x, amp, mu, sigma, a, b)>
    >>> models.read("a*exp(-x/tau) + c")
    <model a*exp(-x/tau) + c(x, a, tau, c)>
    """
    if not isinstance(text, str):
        raise TypeError(f"a model is read from a text, got {text!r:.60}.")
    return _read(text, columns_of(x))


def read_with(text: str, x: Any) -> tuple[Model, Any, str | None]:
    """The model of a text and data, the data as arrays that the model takes, and the name of x."""
    model = _read(text, columns_of(x))
    return model, *arrays_for(model, x)


def arrays_for(model: Model, x: Any) -> tuple[Any, str | None]:
    """The data as arrays that a model takes, and what x is called."""
    if x is None or _is_plain(x):
        return x, None
    table = columns_in(x)
    if table is not None:
        taken = model.taken(table)
        if len(model.variables) > 1:
            return _stacked(taken, model.variables), None
        return taken, str(next(iter(table))) if len(table) == 1 else model.variables[0]
    label = getattr(x, "name", None)
    series = isinstance(label, str) and hasattr(x, "to_numpy")  # an array is faster
    return np.asarray(x) if series else x, label if isinstance(label, str) else None


def _stacked(columns: Sequence, names: Sequence[str]) -> np.ndarray:
    lengths = [np.size(column) for column in columns]
    if len(set(lengths)) > 1:
        listed = ", ".join(f"{name} has {n}" for name, n in zip(names, lengths, strict=True))
        raise InputError(f"The columns of x differ in length: {listed}.", "Give one x a point.")
    return np.stack(columns)


def columns_of(x: Any) -> Columns:
    """What a formula can know of data."""
    if x.__class__ is Columns:
        return x
    if _is_plain(x):
        return Columns(count=len(x)) if x.ndim == 2 else _PLAIN
    table = columns_in(x)
    if table is not None:
        named = tuple(normal(str(c)) for c in table)
        return Columns(named, len(table), optional=len(table) > 1)
    if hasattr(x, "x_names"):  # a source
        return Columns(tuple(map(normal, x.x_names)), x.form.coordinates or 1)
    label = getattr(x, "name", None)
    if isinstance(label, str):
        return Columns((normal(label),))
    if isinstance(x, str):
        return Columns((normal(x),))
    if isinstance(x, list | tuple) and x and all(isinstance(name, str) for name in x):
        return Columns(tuple(map(normal, x)), len(x))
    rows = isinstance(x, list | tuple) and x and isinstance(x[0], list | tuple | np.ndarray)
    return Columns(count=len(x)) if rows else _PLAIN


def _is_plain(x: Any) -> bool:
    return x.__class__ is np.ndarray and x.dtype.names is None


@functools.lru_cache(256)
def _read(text: str, of: Columns) -> Model:
    return get(text) if is_of_models(text) else read_formula(text, of)


def is_of_models(text: str) -> bool:
    """Whether a text is the name of a model, or several joined by +."""
    return all(is_name(word.strip()) for word in text.split("+"))


def read_formula(text: str, of: Columns, variables: tuple[str, ...] | None = None) -> Model:
    """The model of a formula; `variables`: what it calls x, where that is known.

    Raises
    ------
    UnknownModel, FormulaError
    """
    from nlsq.models.formula_model import model_of  # which names of models do not need
    from nlsq.models.formulas import parse

    try:
        formula = parse(text)
        variables = variables or variables_of(formula, of)
    except FormulaError as error:
        if not re.fullmatch(r"[\w\s+-]+", text):
            raise
        raise _neither(text, error) from None
    _refuse_models(formula)
    return model_of(formula, variables)


forget = _read.cache_clear


def variables_of(formula: Formula, of: Columns) -> tuple[str, ...]:
    """What a formula calls x, or its coordinates.

    Raises
    ------
    NoVariable
        When it mentions neither x nor the columns, or both.
    """
    for name in formula.constants.intersection(of.names):
        what = f"{name} is a constant, and the name of a column"
        raise FormulaError(formula.text, None, what, "Rename the column, or give x itself.")
    own = tuple(n for n in of.names if n in formula.names)
    if of.optional and own:
        return own
    usual = [] if of.optional else _usual(of)
    found = next((u for u in usual if all(n in formula.names for n in u)), None)
    if found and own and found != of.names:
        what = f"both {', '.join(found)} and the column {', '.join(own)} are in it"
        raise NoVariable(formula.text, None, what, _remedy(formula, found[0]))
    if own and len(own) == of.count:
        return own
    if found:
        return found
    wanted = [_listed(u) for u in usual]
    if of.names:
        plural = "" if of.count == 1 else "s"
        wanted.append(f"the column{plural} {_listed([repr(n) for n in of.names])}")
    what = f"it does not mention {' or '.join(wanted)}"
    what = f"{what}; it has {_listed(formula.names) or 'no names'}"
    if of.count > len(_AXES) and not of.names:
        what = f"{what}. The {of.count} rows of x are coordinates (transpose it if they are points)"
    if of.optional:
        fix = f"Call columns by their names, or give x itself, as data[{of.names[0]!r}]."
        raise NoVariable(formula.text, None, what, fix)
    likely = likely_variable(formula.names, of.names[0] if of.names else "x")
    raise NoVariable(formula.text, None, what, _remedy(formula, likely))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names if len(names) <= _MOST_LISTED else [*names[:3], "...", names[-1]])


def _usual(of: Columns) -> list[tuple[str, ...]]:
    """What formulas call x without any names."""
    if of.count == 1:
        return [("x",)]
    if of.names:
        return [numbered(of.count)]
    axes = [_AXES[: of.count]] if of.count <= len(_AXES) else []
    return [numbered(of.count), *axes, ("x",)]  # x: every number in the array


def _remedy(formula: Formula, likely: str | None) -> str:
    if not formula.names:
        return "Name x and what is to be fitted, as in a*x."
    return f"Say what x is: models.formula({formula.text!r}, x={likely or '...'!r})."


def likely_variable(names: tuple[str, ...], column: str) -> str | None:
    """The name in a formula that looks most like its variable: t for Time, X, or t itself."""
    likely = [n for n in names if n.lower() in (column[:1].lower(), "x", "t", column.lower())]
    return likely[0] if likely else None


def _refuse_models(formula: Formula) -> None:
    """A term that is the name of a model is no parameter; a constant is the same as both."""
    for term in formula.summands:
        name = term.removeprefix("-")
        if name != "constant" and is_name(name):
            raise FormulaError(
                formula.text, None, f"{name!r} is a built-in model, not a parameter",
                "One text adds models (gaussian + linear) or writes a formula. Rename the "
                f"parameter. Python adds both: models.get({name!r}) + models.formula(...).",
            )  # fmt: skip


def _neither(text: str, error: FormulaError) -> UnknownModel:
    """The error for words that are neither models nor a formula."""
    word = next(w.strip() for w in text.split("+") if not is_name(w.strip()))
    plain = re.sub(r"[\s-]+", "_", word.lower())
    near = [plain] if is_name(plain) else closest(plain, names())
    hint = f"; did you mean {near[0]!r}?" if near else "."
    where = f", column {error.position}" if error.position else ""
    return UnknownModel(
        f"There is no model {word!r}{hint} As a formula{where}: {ended(error.what)}",
        "nlsq.models.names() lists the models; a formula is written as a*exp(-x/tau) + c.",
    )
