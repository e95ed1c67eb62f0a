"""Models from what `Model.recipe` says of them: names and formulas, never code."""

from __future__ import annotations

from typing import Any

from nlsq.models.catalogue import get
from nlsq.models.formula_model import formula
from nlsq.models.model import Model
from nlsq.models.sums import add
from nlsq.utils.input_error import InputError


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
    match recipe:
        case {"name": str(name)}:
            return get(name)
        case {"formula": str(text), "x": [*x], "parameters": [*parameters]} if all(
            isinstance(word, str) for word in x + parameters
        ):
            return formula(text, x, parameters)
        case {"sum": [_, _, *_] as members}:
            return add([restored(member) for member in members])
        case {"prefix": str(prefix), "model": model}:
            return restored(model).prefixed(prefix)
    raise InputError(f"{recipe!r:.100} says nothing of a model.", "Write the result again.")
