"""What the fit came to as a whole: whether it ended, on a bound, and what it explains of y."""

from __future__ import annotations

import math

import numpy as np

from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import CRITICAL, INFO, WARNING, DiagnosticsConfig, Finding, listed
from nlsq.utils.unexplained import EVEN, alike

_CHANCE = 0.05
_FEWEST = 20  # points that can show a trend
_STEP = 1e-2  # of a standard error; with limits as shares of the value
_SHORTEST, _LONGEST = 1e-7, 1e-3
_OFF = 1e-2  # a share of a column, from which on a derivative is wrong


def analyse(evidence: Evidence, config: DiagnosticsConfig) -> list[Finding]:
    """How the fit ended, by what derivatives, its bounds, degrees of freedom, and R-squared."""
    found = []
    if not evidence.converged:
        fact = f"not converged: {evidence.message.rstrip('.')}"
        remedy = "start nearer to the data, or allow more evaluations"
        if not math.isfinite(evidence.cost):
            remedy = (
                "start where the model is finite (stability='auto' looks for such a start), and "
                "leave out NaN in the data (nan_policy='omit')"
            )
        found.append(Finding("not-converged", CRITICAL, fact, None, remedy))
    found += _derivatives(evidence) + _explained(evidence, config)
    for side, word in ((-1, "lower"), (1, "upper")) if evidence.at_bound.any() else ():
        if names := evidence.named(evidence.free & (evidence.at_bound == side)):
            where = f"is at its {word} bound" if len(names) == 1 else f"are at their {word} bounds"
            fact = f"{listed(names)} {where}: errors do not account for that"
            remedy = "widen the bound if nature allows, or fix it there"
            found.append(Finding("bound", WARNING, fact, float(len(names)), remedy, names))
    if evidence.dof <= 0 and evidence.n_points:
        counts = (evidence.n_points, "data value"), (evidence.n_free, "free parameter")
        sizes = " for ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts)
        fact, remedy = f"{sizes}: nothing can check the fit", "add data, or fix parameters"
        found.append(Finding("freedom", WARNING, fact, float(evidence.dof), remedy))
    return found


def _derivatives(evidence: Evidence) -> list[Finding]:
    """Whether the user's Jacobian is that of the user's model."""
    if not (evidence.jacobian_given and evidence.plain and evidence.residual_at is not None):
        return []
    wrong, worst = [], 0.0
    for j in np.flatnonzero(evidence.free):
        given, (slope, half) = evidence.jacobian[:, j], _differences(evidence, j)
        size = max(np.linalg.norm(given), np.linalg.norm(slope))
        off, doubt = np.linalg.norm(given - slope), np.linalg.norm(slope - half)
        if off > _OFF * size and off > 10 * doubt:  # False for NaN, beyond where f is defined
            wrong.append(evidence.names[j])
            worst = max(worst, float(off / size))
    if not wrong:
        return []
    fact = f"jac is not the derivative of the model in {listed(wrong)}: {100 * worst:.3g} % off"
    remedy = "mend it, or leave it out for exact derivatives: values and errors may be wrong"
    return [Finding("jac", CRITICAL, fact, worst, remedy, tuple(wrong))]


def _differences(evidence: Evidence, j: int) -> list[np.ndarray]:
    """The model's derivatives by one parameter, from a step and from half of it."""
    size, error = abs(evidence.values[j]), math.sqrt(max(evidence.covariance[j, j], 0.0))
    h = _STEP * error if math.isfinite(error) else 0.0
    h = min(max(h, _SHORTEST * size), _LONGEST * size) if size else h or _LONGEST
    out = []
    for step in (h, h / 2):
        p, q = evidence.values.copy(), evidence.values.copy()
        p[j] += step
        q[j] -= step
        out.append((evidence.residual_at(p) - evidence.residual_at(q)) / (p[j] - q[j]))
    return out


def _explained(evidence: Evidence, config: DiagnosticsConfig) -> list[Finding]:
    r2 = evidence.r_squared
    if r2 is None or not math.isfinite(r2) or _is_mean(evidence):
        return []
    fact = f"the model explains {_percent(max(r2, 0.0))} of y"
    if not explains_nothing(evidence, config):
        return [Finding("explained", INFO, fact, r2)]
    if r2 < -EVEN:
        fact = f"the model is worse than a constant: R² {r2:.3g}"
    remedy = "start elsewhere (method='global') or take another model, unless y is noise alone"
    return [Finding("explained", CRITICAL, f"{fact}: wrong model or minimum", r2, remedy)]


def explains_nothing(evidence: Evidence, config: DiagnosticsConfig) -> bool:
    """Whether a constant does as well, or residuals hold a curve that the model should explain."""
    r2 = evidence.r_squared
    if r2 is None or not r2 < config.explained_threshold or _is_mean(evidence):
        return False
    more, dof = evidence.n_free - 1, evidence.dof
    if r2 < -EVEN or more < 1 or dof < 1:
        return r2 < -EVEN
    from scipy.special import fdtrc

    r, x, ratio = evidence.residuals, evidence.x, (max(r2, 0.0) / more) / ((1 - r2) / dof)
    ordered = r is not None and x is not None and r.size >= _FEWEST
    return float(fdtrc(more, dof, ratio)) > _CHANCE or (ordered and alike(r, x, None))


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
    return evidence.n_free <= 1 and f is not None and f.size > 0 and np.ptp(f) == 0
