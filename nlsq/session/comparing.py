"""Several models on one data set, ranked by Akaike's criterion."""

from __future__ import annotations

import math
from typing import Any

from nlsq.result.statistics import akaike_weights, evidence_ratio
from nlsq.session.errors import ProgramError
from nlsq.session.points import Points
from nlsq.session.running import execute
from nlsq.session.settings import Settings


def fitted(settings: Settings, points: Points, text: str, command: str | None = None) -> dict:
    """The row of one model, which its text names; how it failed where it did."""
    row: dict[str, Any] = {"model": text, "converged": False, "aicc": math.nan, "message": ""}
    try:
        document, result = execute(settings, points, only_known=True, command=command)
    except ProgramError as error:
        return row | {"message": str(error)}
    statistics, names = document["statistics"], document["parameter_names"]
    return row | {
        "converged": document["convergence"]["success"],
        "message": document["convergence"]["message"],
        "aicc": result.aicc,
        "reduced_chi_squared": float(statistics.get("reduced_chi_squared", math.nan)),
        "free_parameters": result.n_free,
        "parameters": dict(zip(names, document["popt"], strict=True)),
        "uncertainties": dict(zip(names, document["uncertainties"], strict=True)),
        "undetermined": document["undetermined"],
        "at_bound": document["at_bound"],
    }


def ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows by AICc, best first, with difference, Akaike weight and evidence ratio.

    Examples
    --------
    >>> rows = [{"aicc": 12.0, "converged": True}, {"aicc": 10.0, "converged": True}]
    >>> [round(row["evidence_ratio"], 3) for row in ranked(rows)]
    [1.0, 2.718]
    """
    usable = [r for r in rows if r["converged"] and math.isfinite(r["aicc"])]
    numbers = akaike_weights([row["aicc"] for row in usable])
    for row, delta, weight in zip(usable, *(n.tolist() for n in numbers), strict=True):
        row |= {"delta_aicc": delta, "weight": weight, "evidence_ratio": evidence_ratio(delta)}
    return sorted(usable, key=lambda r: r["aicc"]) + [r for r in rows if r not in usable]
