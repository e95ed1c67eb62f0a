"""The model of a stored result: its name or its formula, never its code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from nlsq.utils.safe_serialize import DAMAGE

if TYPE_CHECKING:
    from nlsq.models.model import Model
    from nlsq.result.curve_fit_result import CurveFitResult


def our_model(model: Any) -> Model | None:
    """The function of a result's model where it is one of `nlsq.models`, else None."""
    home = sys.modules.get("nlsq.models.model")  # not loaded: nobody has one
    function = getattr(model, "function", None)
    return function if home is not None and isinstance(function, home.Model) else None


def recipe_of(model: Any) -> dict | None:
    """What a result's model is made from again; None where that takes code."""
    ours = our_model(model)
    return None if ours is None else ours.recipe()


def bring_back(result: CurveFitResult, recipe: Any) -> None:
    """Attach the model of a recipe to its result; where that fails, the result says why."""
    from nlsq.models.recipes import restored

    try:
        model = restored(recipe)
        if model.names != tuple(result.get("param_names") or model.names):
            raise ValueError(f"{model!r} has other parameters")
        result.attach(model)
    except DAMAGE as error:
        result.__dict__["_model_lost"] = f"it could not be made again ({str(error).rstrip('.')})"
