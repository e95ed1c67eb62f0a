"""Several models on one data set, ranked by Akaike's criterion."""

from __future__ import annotations

import math
from typing import Any

from nlsq.session.errors import ProgramError
from nlsq.session.points import Points
from nlsq.session.running import execute
from nlsq.session.settings import Settings


def fitted(settings: Settings, points: Points, text: str, command: str | None = None) -> dict:
    """The row of one model, which its text names; how it failed where it did."""
    row: dict[str, Any] = {"model": text, "converged": False, "aicc": math.nan, "message": ""}
    try:
        document, _ = execute(settings, points, only_known=True, command=command)
    except ProgramError as error:
        return row | {"message": str(error)}
    statistics, names = document["statistics"], document["parameter_names"]
    return row | {
        "converged": document["convergence"]["success"],
        "message": document["convergence"]["message"],
        "aicc": aicc(2 * float(statistics["cost"]), statistics, settings.fitting.absolute_sigma),
        "reduced_chi_squared": float(statistics.get("reduced_chi_squared", math.nan)),
        "free_parameters": statistics["n_points"] - statistics["dof"],
        "parameters": dict(zip(names, document["popt"], strict=True)),
        "uncertainties": dict(zip(names, document["uncertainties"], strict=True)),
        "undetermined": document["undetermined"],
        "at_bound": document["at_bound"],
    }


def aicc(misfit: float, statistics: dict[str, Any], known_sigma: bool) -> float:
    """Akaike's criterion for few points, up to a constant of the data.

    misfit: Σ ρ(r²), twice the cost. Where the standard deviations are known it is -2 log L itself;
    otherwise their scale is one more parameter, and -2 log L = N log(misfit / N).

    Examples
    --------
    >>> round(aicc(12.0, {"n_points": 20, "dof": 17}, known_sigma=True), 6)
    19.5
    """
    n = statistics["n_points"]
    k = n - statistics["dof"] + (not known_sigma)
    fit = misfit if known_sigma else n * math.log(misfit / n) if misfit > 0 else -math.inf
    return fit + 2 * k + (2 * k * (k + 1) / (n - k - 1) if n > k + 1 else math.inf)


def ranked(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows by AICc, best first, with difference, Akaike weight and evidence ratio.

    Examples
    --------
    >>> rows = [{"aicc": 12.0, "converged": True}, {"aicc": 10.0, "converged": True}]
    >>> [round(row["evidence_ratio"], 3) for row in ranked(rows)]
    [1.0, 2.718]
    """
    usable = [r for r in rows if r["converged"] and math.isfinite(r["aicc"])]
    best = min((r["aicc"] for r in usable), default=0.0)
    total = sum(math.exp((best - r["aicc"]) / 2) for r in usable)
    for row in usable:
        delta = row["aicc"] - best
        row |= {"delta_aicc": delta, "weight": math.exp(-delta / 2) / total}
        row["evidence_ratio"] = math.exp(min(delta / 2, 700.0))
    return sorted(usable, key=lambda r: r["aicc"]) + [r for r in rows if r not in usable]
