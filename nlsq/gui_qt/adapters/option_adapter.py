"""What the settings say of single options: defaults, whether they count, what is wrong."""

from __future__ import annotations

import copy
from typing import Any, get_args

from nlsq.session.configuration import Configuration
from nlsq.session.errors import ConfigurationError
from nlsq.session.settings import Fitting
from nlsq.types import SearchLiteral

_OF_STARTS = ("n_starts", "sampler", "center_on_p0", "scale_factor")


def default_of(key: str) -> Any:
    """What an option of a fit is where nothing is said."""
    return Fitting.model_fields[key].default


def refusal(content: dict[str, Any], key: str, value: Any) -> str:
    """Why an option of a fit cannot have a value beside the others; "" where it can."""
    fitting = {k: v for k, v in content.get("fitting", {}).items() if k != key}
    if value is not None:
        fitting[key] = value
    whole = {"data": {"input_file": "-"}, "model": {"formula": "0"}, "fitting": fitting}
    if columns := content.get("data", {}).get("columns"):
        whole["data"]["columns"] = columns  # which errors of y need
    try:
        Configuration(copy.deepcopy(whole), origin="the window").settings()
    except ConfigurationError as error:
        return error.message.removeprefix("the window: ").removeprefix("fitting: ")
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
