"""Single options of a fit beside the others: defaults, which count, which suit, what is wrong."""

from __future__ import annotations

from typing import Any, get_args

from nlsq.session.configuration import WINDOW, settings_of
from nlsq.session.errors import ConfigurationError
from nlsq.session.settings import Fitting
from nlsq.types import SearchLiteral

_OF_STARTS = ("n_starts", "sampler", "center_on_p0", "scale_factor")


def default_of(key: str, fitting: dict[str, Any]) -> str:
    """What counts where nothing is said of an option, in a word; a search has its own."""
    from nlsq.global_optimization.config import PRESETS, GlobalOptimizationConfig

    search = "global" if fitting.get("method") == "global" else fitting.get("preset")
    starts = GlobalOptimizationConfig(**PRESETS.get(search, {}))
    own = starts if key in (*_OF_STARTS, "seed") else Fitting()
    value = "trf" if key == "method" else getattr(own, key)
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return value if isinstance(value, str) else f"{value:g}"


def refusal(content: dict[str, Any], key: str, value: Any) -> str:
    """Why an option of a fit cannot have a value beside the others; "" where it can."""
    fitting = {k: v for k, v in content.get("fitting", {}).items() if k != key}
    if value is not None:
        fitting[key] = value
    data = {"input_file": "-"}
    if columns := content.get("data", {}).get("columns"):
        data["columns"] = columns  # which errors of y need
    try:
        settings_of({"data": data, "fitting": fitting})
    except ConfigurationError as error:
        return error.message.removeprefix(f"{WINDOW}: ").removeprefix("fitting: ")
    return ""


def uses(key: str, fitting: dict[str, Any]) -> bool:
    """Whether an option counts beside the others."""
    method, preset = fitting.get("method"), fitting.get("preset")
    search = method if method in get_args(SearchLiteral) else preset
    if key == "f_scale":
        return fitting.get("loss", "linear") != "linear"
    if key in _OF_STARTS:
        evolves = (search or "").startswith("cmaes")
        return (search is not None or "n_starts" in fitting) and not evolves
    return search is not None or "n_starts" in fitting if key == "seed" else True


def idle(fitting: dict[str, Any]) -> list[str]:
    """The options that are set and do not count any more."""
    return [
        key for key in (*_OF_STARTS, "seed", "f_scale") if key in fitting and not uses(key, fitting)
    ]


def unsuitable(key: str, word: str, content: dict[str, Any], bounded: bool) -> str:
    """Why a method, a search or a loss does not suit the rest; "" where it does.

    Another method and another search are no reason: to choose one takes the other back.
    """
    fitting = content.get("fitting", {})
    if word in ("lm", "linear") or fitting.get("method") == "lm":
        loss = word if key == "loss" else fitting.get("loss", "linear")
        if loss != "linear" and key in ("method", "loss"):
            return "lm is for the linear loss; trf and dogbox take the others."
        if key == "method" and word == "lm" and bounded:
            return "lm takes no bounds, and these parameters have some; trf and dogbox do."
    if content.get("data", {}).get("columns", {}).get("group") is not None and key != "loss":
        try:
            Fitting(**{key: word}).options_of_many()
        except ConfigurationError as error:
            return str(error)
    return ""
