"""Models from what `Model.recipe` says of them: names and formulas, never code."""

from __future__ import annotations

import functools
import json
from typing import Any

from nlsq.models.catalogue import get
from nlsq.models.formula_model import formula
from nlsq.models.model import Model
from nlsq.models.sums import add
from nlsq.utils.input_error import InputError

MOST_MEMBERS = 100


def restored(recipe: Any) -> Model:
    """The model of a recipe.

    Raises
    ------
    InputError
        When it is no recipe, or of a model that is not known here.

    Examples
    --------
    >>> from nlsq import models
    >>> model = models.get("gaussian").prefixed("p_") + models.formula("a*x")
    >>> models.restored(model.recipe())
    <model p_gaussian + a*x(x, p_amp, p_mu, p_sigma, a)>
    """
    if _size(recipe) > MOST_MEMBERS:
        raise InputError(f"It is made of more than {MOST_MEMBERS} models.", "Write the sum anew.")
    try:
        return _of_text(json.dumps(recipe))
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"A recipe is data as JSON has them: {error}.", "") from None


@functools.lru_cache(64)
def _of_text(text: str) -> Model:
    """The same model for each of many results."""
    return _made(json.loads(text))


forget = _of_text.cache_clear


def _size(recipe: Any) -> int:
    """How many models a recipe holds, or how many of them are too many, however it is nested."""
    found, left = 0, [recipe]
    while left and found <= MOST_MEMBERS:
        part = left.pop()
        if isinstance(part, dict):
            name, members = part.get("name"), part.get("sum")
            found += 1 + (name.count("+") if isinstance(name, str) else 0)
            left += members if isinstance(members, list) else [part.get("model")]
    return found


def _made(recipe: Any) -> Model:
    match recipe:
        case {"name": str(name)}:
            return get(name)
        case {"formula": str(text), "x": [*x], "parameters": [*parameters]} if all(
            isinstance(word, str) for word in x + parameters
        ):
            return formula(text, x, parameters)
        case {"sum": [_, _, *_] as members}:
            return add([_made(member) for member in members])
        case {"prefix": str(prefix), "model": model}:
            return _made(model).prefixed(prefix)
    raise InputError(f"{recipe!r:.100} does not describe a model.", "Write the result again.")
