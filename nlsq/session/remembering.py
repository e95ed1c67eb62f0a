"""Fits of a session as plain data: what was fitted, what came out, and which was best."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from nlsq.session.points import Points

MOST = 50  # fits of a session
_HELD = 2_000_000  # numbers of the fits whose results are at hand
_DIGITS = 8  # of a curve that is only drawn
_COMPARED = ("reduced_chi_squared", "aicc", "bic")
_OF_A_FIT = ("data", "model", "fitting", "workflow", "limits")


def remembered(document: dict[str, Any], content: dict[str, Any], number: int) -> dict[str, Any]:
    """A fit as plain data; content: the settings that it was made with."""
    drawn, found = document["curve"] or {"x": [], "y": []}, document["statistics"]
    return {
        "number": number,
        "content": copy.deepcopy(of_a_fit(content)),
        "model": str(document["provenance"].get("model") or ""),
        "converged": document["convergence"]["success"],
        "n_points": found["n_points"] or 0,
        "statistics": {name: found.get(name) for name in _COMPARED},
        "parameters": dict(zip(document["parameter_names"], document["popt"], strict=True)),
        "shown": False,
        "curve": {axis: _text(drawn[axis]) for axis in ("x", "y")},
    }


def of_a_fit(content: dict[str, Any]) -> dict[str, Any]:
    """The sections that a fit depends on."""
    return {name: content[name] for name in _OF_A_FIT if name in content}


def is_of(content: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether the fit that was asked for is one of the data and of the model that are here."""
    return all(content.get(name) == asked.get(name) for name in ("data", "model", "workflow"))


def restored(content: dict[str, Any], fit: dict[str, Any]) -> dict[str, Any]:
    """The content with the settings of a fit in the place of its own."""
    rest = {name: section for name, section in content.items() if name not in _OF_A_FIT}
    return rest | fit["content"]


def swapped(fits: list[dict], gone: list[dict], come: list[dict]) -> list[dict]:
    """The fits without some, these very ones, and with others."""
    kept = [fit for fit in fits if all(fit is not one for one in gone)]
    return sorted([*kept, *come], key=lambda fit: fit["number"])


def _text(values: list) -> str:
    """As one text, which is written and read in no time."""
    return " ".join(f"{float(value):.{_DIGITS}g}" for value in values)


def curve(fit: dict[str, Any]) -> list[np.ndarray]:
    """The x and y of the curve of a remembered fit."""
    return [np.array(fit["curve"][axis].split(), float) for axis in ("x", "y")]


def damage(fits: Any) -> str:
    """What is wrong with fits that a file says were remembered; "" where nothing is."""
    from nlsq.io.forms import (
        OneOf,
        Range,
        Word,
        mismatch,
    )  # which a window without any does not load

    number = OneOf((float, int, Word(("nan", "inf", "-inf")), None))
    form = {
        "number": Range(int, 1), "content": {}, "model": str, "converged": bool, "n_points": int,
        "statistics": {"*": number}, "parameters": {"*": number}, "shown": bool,
        "curve": {"x": str, "y": str},
    }  # fmt: skip
    if wrong := mismatch({"fits": fits}, {"fits": [form]}):
        return wrong
    for fit in fits:
        try:
            x, y = curve(fit)
        except ValueError:
            return "a curve of its fits"
        if x.size != y.size:
            return "a curve of its fits"
    return ""


def added(
    fits: list[dict[str, Any]], document: dict[str, Any], content: dict[str, Any]
) -> list[dict[str, Any]]:
    """The fits with a new one, in the place of one with the same settings; the oldest go."""
    new = remembered(document, content, max((fit["number"] for fit in fits), default=0) + 1)
    same = [fit for fit in fits if fit["content"] == new["content"]]
    new["shown"] = any(fit["shown"] for fit in same)
    return [*(fit for fit in fits if fit not in same), new][-MOST:]


def drawn(fits: list[dict[str, Any]], content: dict[str, Any]) -> list[dict[str, Any]]:
    """The fits that are to be drawn beside the data of the content: those of its x and y."""
    return [fit for fit in fits if fit["shown"] and _axes(fit["content"]) == _axes(content)]


def _axes(content: dict[str, Any]) -> list[Any]:
    data = content.get("data", {})
    return [data.get("input_file"), *(data.get("columns", {}).get(axis) for axis in "xy")]


def statistic(fit: dict[str, Any], name: str) -> float:
    """A statistic of a remembered fit; nan where it is not known."""
    value = fit["statistics"].get(name)
    return math.nan if value is None else float(value)


def differences(fits: list[dict[str, Any]]) -> list[float]:
    """AICc of each fit over the least of those that converged on the same data, loss and errors."""
    best: dict[str, float] = {}
    for fit in fits:
        aicc = statistic(fit, "aicc")
        if fit["converged"] and not math.isnan(aicc):
            best[_basis(fit)] = min(aicc, best.get(_basis(fit), math.inf))
    found = [(statistic(fit, "aicc"), best.get(_basis(fit), math.nan)) for fit in fits]
    return [0.0 if aicc == least else aicc - least for aicc, least in found]


def _basis(fit: dict[str, Any]) -> str:
    """What two fits have in common whose criteria can be compared."""
    fitting = fit["content"].get("fitting", {})
    same = ("loss", "f_scale", "absolute_sigma", "nan_policy")
    own = sorted((name, fitting[name]) for name in same if name in fitting)
    return repr((fit["content"].get("data"), fit["n_points"], own))


class Results:
    """The results of the latest fits, for settings that come back: by undo, or from the list."""

    def __init__(self) -> None:
        self._held: list[tuple[dict, Points, tuple]] = []

    def hold(self, content: dict[str, Any], points: Points | None, found: tuple) -> None:
        """Keep what was found, and let go of the oldest where there is much."""
        own = of_a_fit(content)
        if points is None or "path" in own.get("model", {}):
            return  # a file may be another by then
        held = [one for one in self._held if one[0] != own]
        self._held = [*held, (copy.deepcopy(own), points, found)]
        sizes = [one[1].y.size * (4 + len(one[2][0]["popt"])) for one in self._held]
        while sum(sizes) > _HELD and len(sizes) > 1:
            del self._held[0], sizes[0]

    def of(self, content: dict[str, Any], points: Points | None) -> tuple | None:
        """What was found with these settings on these points."""
        own = of_a_fit(content)
        for settings, before, found in self._held:
            if settings == own and points is not None and _same(before, points):
                return found
        return None


def _same(a: Points, b: Points) -> bool:
    pairs = (a.x, b.x), (a.y, b.y), (a.sigma, b.sigma)
    return a is b or all(np.array_equal(u, v) for u, v in pairs)
