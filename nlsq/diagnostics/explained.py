"""What the fit came to as a whole: whether it ended, on a bound, and what it explains of y."""

from __future__ import annotations

import math

import numpy as np

from nlsq.diagnostics.config import DiagnosticsConfig
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import CRITICAL, INFO, WARNING, Finding, listed

_TREND = 0.5  # correlation of neighbouring residuals that a curve left in them makes
_CHANCE = 0.05
_FEWEST = 20  # points that can show a trend


def analyse(evidence: Evidence, config: DiagnosticsConfig) -> list[Finding]:
    """How the fit ended, its bounds and its degrees of freedom, and R-squared."""
    found = []
    if not evidence.converged:
        fact = f"not converged: {evidence.message.rstrip('.')}"
        remedy = "start nearer to the data, or allow more evaluations"
        found.append(Finding("not-converged", CRITICAL, fact, None, remedy))
    found += _explained(evidence, config)
    for side, word in ((-1, "lower"), (1, "upper")):
        if names := evidence.named(evidence.free & (evidence.at_bound == side)):
            where = f"is at its {word} bound" if len(names) == 1 else f"are at their {word} bounds"
            fact = f"{listed(names)} {where}: errors do not account for that"
            remedy = "widen the bound if nature allows, or fix it there"
            found.append(Finding("bound", WARNING, fact, float(len(names)), remedy, names))
    if evidence.dof <= 0 and evidence.n_points:
        sizes = f"{evidence.n_points} data values for {int(evidence.free.sum())} free parameters"
        fact, remedy = f"{sizes}: nothing can check the fit", "add data, or fix parameters"
        found.append(Finding("freedom", WARNING, fact, float(evidence.dof), remedy))
    return found


def _explained(evidence: Evidence, config: DiagnosticsConfig) -> list[Finding]:
    r2 = evidence.r_squared
    if r2 is None or not math.isfinite(r2) or _is_mean(evidence):
        return []
    fact = f"the model explains {_percent(r2)} of y"
    if not explains_nothing(evidence, config):
        return [Finding("explained", INFO, fact, r2)]
    if r2 < 0:
        fact = f"the model is worse than a constant: R² {r2:.3g}"
    remedy = "start elsewhere (method='global') or take another model, unless y is noise alone"
    return [Finding("explained", CRITICAL, f"{fact}: wrong model or minimum", r2, remedy)]


def explains_nothing(evidence: Evidence, config: DiagnosticsConfig) -> bool:
    """Whether a constant does as well, or residuals hold a curve that the model should explain."""
    r2 = evidence.r_squared
    if r2 is None or not r2 < config.explained_threshold or _is_mean(evidence):
        return False
    more, dof = int(evidence.free.sum()) - 1, evidence.dof
    if r2 < 0 or more < 1 or dof < 1:
        return r2 < 0
    from scipy.special import fdtrc

    ratio = (r2 / more) / ((1 - r2) / dof)
    return float(fdtrc(more, dof, ratio)) > _CHANCE or _neighbours(evidence) > _TREND


def is_right_end(evidence: Evidence, config: DiagnosticsConfig) -> bool:
    """Whether what holds at the end is worth saying: a minimum, or the floor of a valley."""
    cosines = evidence.cosines
    flat = cosines is not None and np.abs(cosines).max(initial=0.0) <= config.gradient_threshold
    return (evidence.converged or flat) and not explains_nothing(evidence, config)


def _percent(r2: float) -> str:
    """With so many digits that what is missing to 100 % shows.

    Examples
    --------
    >>> _percent(0.0213), _percent(0.998), _percent(0.99999712), _percent(1.0)
    ('2 %', '99.8 %', '99.9997 %', '100 %')
    """
    missing = 100 * (1 - r2)
    if missing <= 0:
        return "100 %"
    digits = min(max(0, -math.floor(math.log10(missing))), 12) if missing < 10 else 0
    return f"{100 * r2:.{digits}f} %"


def _is_mean(evidence: Evidence) -> bool:
    """Whether the model is a constant by its nature: one parameter, one value."""
    f = evidence.fitted
    return int(evidence.free.sum()) <= 1 and f is not None and f.size > 0 and np.ptp(f) == 0


def _neighbours(evidence: Evidence) -> float:
    """Correlation of residuals that are neighbours in x; 0 where that is not known."""
    r, x = evidence.residuals, evidence.x
    if r is None or x is None or r.size < _FEWEST or not evidence.space.rss > 0:
        return 0.0
    r = r[evidence.axis.order]
    return float(r[1:] @ r[:-1]) / evidence.space.rss
