"""What the fit came to as a whole: whether it ended, on a bound, and what it explains of y."""

from __future__ import annotations

import math

import numpy as np

from nlsq.diagnostics.config import DEFAULT, DiagnosticsConfig
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import Finding, Severity

_TREND = 0.5  # correlation of neighbouring residuals that a curve left in them makes
_CHANCE = 0.05


def analyse(evidence: Evidence, config: DiagnosticsConfig = DEFAULT) -> list[Finding]:
    """How the fit ended, its bounds and its degrees of freedom, and R-squared."""
    return [
        *_ended(evidence),
        *_explained(evidence, config),
        *_bounds(evidence),
        *_freedom(evidence),
    ]


def _ended(evidence: Evidence) -> list[Finding]:
    if evidence.converged:
        return []
    return [
        Finding(
            "not-converged", Severity.CRITICAL, f"not converged: {evidence.message.rstrip('.')}",
            None, "start nearer to the data, or allow more evaluations",
        )
    ]  # fmt: skip


def _explained(evidence: Evidence, config: DiagnosticsConfig) -> list[Finding]:
    r2 = evidence.r_squared
    if r2 is None or not math.isfinite(r2) or _is_mean(evidence):
        return []
    if explains_nothing(evidence, config):
        fact = f"the model explains {_percent(r2)} of y"
        if r2 < 0:
            fact = f"the model is worse than a constant: R² {r2:.3g}"
        return [
            Finding(
                "explained", Severity.CRITICAL, f"{fact}: wrong model or minimum", r2,
                "start elsewhere (method='global') or take another model, unless y is noise alone",
            )
        ]  # fmt: skip
    return [Finding("explained", Severity.INFO, f"the model explains {_percent(r2)} of y", r2)]


def explains_nothing(evidence: Evidence, config: DiagnosticsConfig) -> bool:
    """Whether a constant would do as well, or the model is at a wrong minimum."""
    r2 = evidence.r_squared
    if r2 is None or not r2 < config.explained_threshold or _is_mean(evidence):
        return False
    return _is_nothing(evidence, r2)


def is_right_end(evidence: Evidence, config: DiagnosticsConfig) -> bool:
    """Whether what holds at the end of the fit is worth saying."""
    return evidence.converged and not explains_nothing(evidence, config)


def _percent(r2: float) -> str:
    """With so many digits that what is missing to 100 % shows.

    Examples
    --------
    >>> _percent(0.0213), _percent(0.998), _percent(0.99999712), _percent(1.0)
    ('2 %', '99.8 %', '99.9997 %', '100 %')
    """
    missing = 100 * (1 - r2)
    if missing <= 0 or r2 == 1:
        return "100 %"
    digits = min(max(0, -math.floor(math.log10(missing))), 12) if missing < 10 else 0
    return f"{100 * r2:.{digits}f} %"


def _is_mean(evidence: Evidence) -> bool:
    """Whether the model is a constant by its nature: one parameter, one value."""
    f = evidence.fitted
    return int(evidence.free.sum()) <= 1 and f is not None and f.size > 0 and np.ptp(f) == 0


def _is_nothing(evidence: Evidence, r2: float) -> bool:
    """Whether a constant does as well, or the residuals still hold a curve."""
    if r2 < 0:
        return True
    more, dof = int(evidence.free.sum()) - 1, evidence.dof
    if more < 1 or dof < 1:
        return False
    from scipy.special import fdtrc

    ratio = (r2 / more) / ((1 - r2) / dof)
    return float(fdtrc(more, dof, ratio)) > _CHANCE or _neighbours(evidence) > _TREND


def _neighbours(evidence: Evidence) -> float:
    """Correlation of residuals that are neighbours in x; 0 where that is not known."""
    r, x = evidence.residuals, evidence.x
    if r is None or x is None or r.size < 20 or x.size != r.size:
        return 0.0
    r = r[np.argsort(x, kind="stable")]
    total = float(r @ r)
    return float(r[1:] @ r[:-1]) / total if total > 0 else 0.0


def _bounds(evidence: Evidence) -> list[Finding]:
    out = []
    for side, word in ((-1, "lower"), (1, "upper")):
        names = [
            n for n, at, free in zip(evidence.names, evidence.at_bound, evidence.free, strict=True)
            if at == side and free
        ]  # fmt: skip
        if names:
            verb = "is at its" if len(names) == 1 else "are at their"
            noun = f"{word} bound" if len(names) == 1 else f"{word} bounds"
            out.append(
                Finding(
                    "bound", Severity.WARNING,
                    f"{', '.join(names)} {verb} {noun}: errors do not account for that",
                    float(len(names)), "widen the bound if nature allows, or fix it there",
                    tuple(names),
                )
            )  # fmt: skip
    return out


def _freedom(evidence: Evidence) -> list[Finding]:
    if evidence.dof > 0:
        return []
    return [
        Finding(
            "freedom", Severity.WARNING,
            f"{evidence.n_points} data values for {int(evidence.free.sum())} free parameters: "
            "nothing can check the fit", float(evidence.dof), "add data, or fix parameters",
        )
    ]  # fmt: skip
