"""What to be careful about, in sentences that name parameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nlsq.result.formatting import count, exact, significant

if TYPE_CHECKING:
    from nlsq.result.curve_fit_result import CurveFitResult

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# A coefficient below this share of the largest is rounding, in raw or in relative units.
_SHARE = 0.005
_NAMED = 4  # parameters whose inferred bounds are told in a line


def null_direction_sentences(
    directions: Sequence[Mapping[str, float]], values: Mapping[str, float]
) -> list[str]:
    """Say which combinations of parameters the data leave free.

    Parameters
    ----------
    directions : sequence of {name: coefficient}
        Unit vectors of directions in which the model does not change at the data.
    values : mapping of name to value
        The solution: coefficients are compared as shares of the values too, since a parameter of
        1e9 and one of 1e-7 may take an equal part.

    Returns
    -------
    list of str
        One sentence for each set of parameters that free directions connect.

    Examples
    --------
    >>> null_direction_sentences([{"a": 0.6, "b": -0.8}], {"a": 3.0, "b": 4.0})
    ['the data determine only one combination of a, b: the direction 0.60 a − 0.80 b is free']
    """
    groups: list[tuple[list[str], list[dict[str, float]]]] = []
    for direction in directions:
        parts = _involved(direction, values)
        names, members = [n for n in values if n in parts], [parts]
        for group in [g for g in groups if set(g[0]) & set(names)]:
            groups.remove(group)
            names = [n for n in values if n in group[0] or n in names]
            members = group[1] + members
        groups.append((names, members))
    return [_sentence(names, members) for names, members in groups]


def _involved(direction: Mapping[str, float], values: Mapping[str, float]) -> dict[str, float]:
    raw = {n: abs(c) for n, c in direction.items()}
    relative = {n: abs(c) / (abs(values[n]) or 1.0) for n, c in direction.items()}
    most, most_relative = max(raw.values()), max(relative.values())
    return {
        n: c
        for n, c in direction.items()
        if c != 0 and (raw[n] >= _SHARE * most or relative[n] >= _SHARE * most_relative)
    }


def _sentence(names: list[str], directions: list[dict[str, float]]) -> str:
    left = len(names) - len(directions)
    if left <= 0:
        return f"the data do not determine {', '.join(names)}"
    number = _NUMBERS[left] if left < len(_NUMBERS) else str(left)
    noun = "combination" if left == 1 else "combinations"
    free = " and ".join(_direction(d) for d in directions)
    ending = f"direction {free} is free" if len(directions) == 1 else f"directions {free} are free"
    return f"the data determine only {number} {noun} of {', '.join(names)}: the {ending}"


def _direction(direction: Mapping[str, float]) -> str:
    terms: list[str] = []
    first = 1.0 if next(iter(direction.values())) > 0 else -1.0  # v and -v are one direction
    for name, c in direction.items():
        c *= first
        size = f"{abs(c):.2f}" if abs(c) >= 0.01 else f"{abs(c):.2g}"
        sign = "" if not terms else " − " if c < 0 else " + "
        terms.append(f"{sign}{size} {name}")
    return "".join(terms)


def cautions(result: CurveFitResult) -> list[str]:
    """Everything a reader of this result should know before using its numbers."""
    out = [*_undetermined(result), *_degrees_of_freedom(result), *_bounds(result)]
    warnings = result.get("warnings") or ()
    if result.get("minima"):
        from nlsq.result.search_sentences import doubts  # which few results need

        out += [doubt for doubt in doubts(result) if not any(doubt in said for said in warnings)]
    if (tried := result.get("fallback")) and tried.why and not tried.recovered:
        out.append(f"the fit failed, and {len(tried.tried)} remedies did not mend it: {tried.why}")
    every = list(dict.fromkeys([*out, *warnings]))  # a warning may hold some of the others
    return [one for one in every if not any(one in other for other in every if other is not one)]


def tries_sentence(tries: Sequence[Mapping]) -> str:
    """What a fit that was tried several times changed by it.

    Examples
    --------
    >>> first = {"name": "p0", "cost": 45.6, "status": 1, "kept": False}
    >>> tries_sentence([first, {"name": "x_scale", "cost": 0.1, "status": 2, "kept": True}])
    '2 from p0, since the first end (cost 45.6) was doubtful; kept: x_scale (cost 0.1)'
    """
    kept = next(end for end in tries if end["kept"])
    text = f"{len(tries)} from p0, since the first end (cost {tries[0]['cost']:.4g}) was doubtful; "
    if kept is tries[0]:
        return text + "none was better"
    return text + f"kept: {kept['name']} (cost {kept['cost']:.4g})"


def inferred_sentence(inferred: Mapping[str, Mapping]) -> str:
    """The bounds that `auto_bounds` inferred, in one line.

    Examples
    --------
    >>> inferred_sentence({"s": {"lower": 0.001, "upper": None, "released": False}})
    'inferred: s in [0.001, inf]'
    """
    parts = []
    for name, one in inferred.items():
        if one["lower"] is one["upper"] is None:
            continue
        low, high = (-math.inf if one["lower"] is None else one["lower"],
                     math.inf if one["upper"] is None else one["upper"])  # fmt: skip
        parts.append(
            f"{name} released" if one["released"] else f"{name} in [{low:.3g}, {high:.3g}]"
        )
    if not parts:
        return "inferred: none"
    rest = len(parts) - _NAMED
    more = f" and {rest} more" if rest > 0 else ""
    return f"inferred: {', '.join(parts[:_NAMED])}{more}"


def _undetermined(result: CurveFitResult) -> list[str]:
    directions = result.get("null_directions") or ()
    values = dict(zip(result.names, np.asarray(result.x).tolist(), strict=True))
    out = null_direction_sentences(directions, values)
    told = {n for d in directions for n in _involved(d, values)}
    rest = [n for n in result.get("undetermined") or () if n not in told]
    sentence = f"the data do not determine {', '.join(rest)}"
    said = any(w.startswith(sentence) for w in result.get("warnings") or ())
    if rest and not said and not (result.knows_dof and result.dof <= 0):
        out.append(sentence)
    return out


def _degrees_of_freedom(result: CurveFitResult) -> list[str]:
    if not result.knows_dof or result.dof > 0:
        return []
    sizes = f"{count(result.n_points, 'data value')} for {count(result.n_free, 'free parameter')}"
    if result.get("absolute_sigma", False):
        return [f"{sizes}: the errors rest on sigma alone, the fit cannot check them"]
    return [f"{sizes}: nothing is left to measure the noise with, so the errors are unknown"]


def bound_notes(result: CurveFitResult) -> dict[str, str]:
    """'at lower bound' or 'at upper bound' for the parameters that stopped there."""
    at_bound = set(result.get("at_bound") or ())
    mask = result.get("active_mask")
    mask = np.zeros(len(result.names)) if mask is None else np.asarray(mask)
    notes = {}
    for i, name in enumerate(result.names):
        if name in at_bound or mask[i]:
            side = mask[i] or _side(result, i)
            notes[name] = f"at {'lower' if side < 0 else 'upper'} bound"
    return notes


def _side(result: CurveFitResult, i: int) -> int:
    lower, upper = (np.broadcast_to(b, np.shape(result.x)) for b in result.bounds)
    return -1 if abs(result.x[i] - lower[i]) <= abs(upper[i] - result.x[i]) else 1


def _bounds(result: CurveFitResult) -> list[str]:
    fixed = set(result.get("fixed") or ())
    out = []
    for name, note in bound_notes(result).items():
        if name in fixed:
            continue
        i = result.names.index(name)
        side = note.split()[1]
        bound = np.broadcast_to(result.bounds[side == "upper"], np.shape(result.x))[i]
        value = exact(float(bound if np.isfinite(bound) else result.x[i]))
        out.append(
            f"{name} stopped at its {side} bound {value}: errors do not account for the bound"
        )
    return out


def basis_of_errors(result: CurveFitResult) -> str:
    """Where the standard errors and intervals come from, and how they were scaled."""
    if not result.knows_dof:
        return "the degrees of freedom are not known, so there are no intervals"
    if result.get("absolute_sigma", False):
        return "from sigma as it was given; intervals of the normal distribution"
    intervals = f"intervals of Student's t with {count(result.dof, 'degree')} of freedom"
    if result.sigma_dimensions is None:
        return f"from the scatter of the data; {intervals}"
    scale = math.sqrt(result.reduced_chi_squared) if result.has_statistics else math.nan
    said = f" = {significant(scale)}" if math.isfinite(scale) else ""
    return (
        f"scaled by √(reduced χ²){said}, since sigma counts as relative (absolute_sigma takes it "
        f"as it is); {intervals}"
    )
