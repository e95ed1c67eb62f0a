"""The models by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nlsq.models import polynomials
from nlsq.models.chapters import CHAPTER_OF, built_in
from nlsq.models.model import Model, Parameter
from nlsq.models.polynomials import polynomial as polynomial
from nlsq.models.sums import add
from nlsq.utils.input_error import InputError, did_you_mean

_registered: dict[str, Model] = {}


class UnknownModel(InputError, KeyError):
    """No model has this name."""


def get(name: str) -> Model:
    """The model of a name, or the sum of several.

    Parameters
    ----------
    name : str
        One of `names()`, ``poly0`` to ``poly7`` (``polynomial3`` is the same), or such names joined
        by ``+``, which may repeat. In a sum, members that share a parameter's name get a number
        after all their names: ``amp_1, mu_1, sigma_1, amp_2, ...``.

    Returns
    -------
    Model

    Raises
    ------
    UnknownModel
        A KeyError (and ValueError) that names the closest model.

    Examples
    --------
    >>> from nlsq import models
    >>> models.get("gaussian + gaussian + constant").names
    ('amp_1', 'mu_1', 'sigma_1', 'amp_2', 'mu_2', 'sigma_2', 'c')
    >>> models.get("gausian")
    Traceback (most recent call last):
    ...
    nlsq.models.catalogue.UnknownModel: There is no model 'gausian'; did you mean 'gaussian'? ...
    """
    members = [_one(part.strip()) for part in str(name).split("+")]
    return members[0] if len(members) == 1 else add(members)


def holds(model: Model) -> bool:
    """Whether the model is found by its name."""
    return model is (_registered.get(model.name) or built_in(model.name)) or (
        model is polynomials.polynomial_named(model.name)
    )


def is_name(text: str) -> bool:
    """Whether a model has this name."""
    return text in CHAPTER_OF or text in _registered or bool(polynomials.polynomial_named(text))


def _one(name: str) -> Model:
    model = _registered.get(name) or built_in(name) or polynomials.polynomial_named(name)
    if model is None:
        near = did_you_mean(name, names(), ".")
        raise UnknownModel(
            f"There is no model {name!r}{near}",
            "nlsq.models.names() lists them all; nlsq.models.formula reads formulas.",
        )
    return model


def _every() -> dict[str, Model]:
    """All models by name, for which all chapters are loaded."""
    return {name: _one(name) for name in names()}


def names(category: str | None = None) -> tuple[str, ...]:
    """Names of all models, or of one category.

    Examples
    --------
    >>> from nlsq import models
    >>> models.names("rheology")[:2]
    ('power_law_fluid', 'bingham')
    """
    if category is None:
        return tuple({**CHAPTER_OF, **_registered})
    return tuple(n for n, m in _every().items() if m.category == category)


def categories() -> dict[str, tuple[str, ...]]:
    """Categories with the names of their models.

    Examples
    --------
    >>> from nlsq import models
    >>> "peaks" in models.categories()
    True
    """
    found: dict[str, tuple[str, ...]] = {}
    for name, model in _every().items():
        found[model.category] = (*found.get(model.category, ()), name)
    return found


def search(text: str) -> tuple[str, ...]:
    """Names of the models that mention all words of a text anywhere in what is known of them.

    Examples
    --------
    >>> from nlsq import models
    >>> models.search("dose hill")[0]
    'hill'
    """
    words = text.lower().split()

    def about(m: Model) -> str:
        parts = [m.name, m.title, m.category, m.description, m.reference]
        return " ".join(parts + [p.meaning for p in m.parameters]).lower()

    return tuple(n for n, m in _every().items() if all(w in about(m) for w in words))


def register(
    f: Callable,
    name: str | None = None,
    *,
    guess: Callable | None = None,
    parameters: Sequence[Parameter] | None = None,
    example: tuple[Any, Any] | None = None,
    **about: str,
) -> Model:
    """Add a model of your own, for this process.

    Parameters
    ----------
    f : callable
        ``f(x, a, b, ...)``.
    name : str, optional
        Default: the function's.
    guess : callable, optional
        ``guess(x, y) -> (n,)`` of finite points with x ascending. Without it `Model.guess` raises.
    parameters : sequence of Parameter, optional
        With meanings, units and bounds; default: the names of the signature, unbounded.
    example : (x, params), optional
        What `Model.example` returns.
    title, category, formula, description, reference : str, optional
        As of `Model`; the category is "user" by default.

    Returns
    -------
    Model

    Raises
    ------
    InputError
        For a name that a built-in model has or that cannot be part of a sum, or for `parameters`
        that are not those of the signature. A registered model may be replaced.

    Examples
    --------
    >>> from nlsq import models
    >>> def ramp(x, slope, start):
    ...     return slope * (x - start)
    >>> models.register(ramp, guess=lambda x, y: [np.ptp(y) / np.ptp(x), x[0]])
    <model ramp(x, slope, start)>
    >>> models.get("ramp + constant").names
    ('slope', 'start', 'c')
    """
    from nlsq.models import reading, recipes

    name = name or f.__name__
    if name in CHAPTER_OF or polynomials.polynomial_named(name):
        raise InputError(f"{name!r} is a built-in model.", "Register it under another name.")
    if not name.isidentifier():
        raise InputError(f"{name!r} is no name for a model.", "Use letters, digits and _.")
    model = Model.of(f, name, guess=guess, parameters=parameters, example=example, **about)
    for texts in (reading, recipes):
        texts.forget()
    _registered[name] = model
    return model
