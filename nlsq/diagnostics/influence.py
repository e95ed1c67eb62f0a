"""How much single points decide a fit: leverage, Cook's distance, the fit without each point."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.finding import DEFAULT, INFO, WARNING, DiagnosticsConfig, Finding
from nlsq.diagnostics.residual_space import ResidualSpace, unit_columns

_ALONE = 1e-9  # 1 - leverage of a point that the fit passes through, wherever it lies
_FEWEST = 20  # points: among fewer, single ones always matter
_STEPS = 20
_CLOSE, _NEAR = 1e-4, 1e-6  # of the shift and of the standard error, where a refit ends


@dataclasses.dataclass(frozen=True)
class Influence:
    """What each of m points does to a fit of n parameters."""

    leverage: np.ndarray  #: (m,) share of a point in its own fitted value; they add up to n
    #: (m,) residuals (f - y) over their standard errors, each estimated without its point
    studentised: np.ndarray
    #: (m,) how far all fitted values move without the point: the sum of their squared changes, over
    #: the variance of the noise and n; 1 is much
    cooks_distance: np.ndarray
    #: (m, n) parameters without the point less those with it; inf where the others do not determine
    #: them, nan where a refit did not end
    shifts: np.ndarray


def influence(evidence: Evidence, *, refit: bool = True) -> Influence:
    """The influence of each point, from a fit's residuals and Jacobian.

    refit: fit the parameters anew without each point, from the linear estimate on: the model is
    called at m points about 3 m times. False leaves it at the linear estimate, which is exact where
    the model is linear in its parameters and off by some per cent where it is not.

    A ValueError says that residuals or Jacobian are not known, that the cost is no sum of squares
    (with a robust loss the influence of a point depends on its residual), or that `refit` lacks the
    model.
    """
    if evidence.residuals is None or evidence.jacobian is None:
        raise ValueError("influence needs residuals and Jacobian: keep the data in memory")
    if not evidence.plain:
        raise ValueError("influence is of least squares: fit with loss='linear' to see it")
    if refit and not evidence.has_model:
        raise ValueError("refit=True needs the model (result.attach(f)); refit=False does not")
    space, moved = evidence.space, evidence.moved
    shifts = np.zeros((space.r.size, moved.size))
    shifts[:, moved] = _linear(evidence)
    for i in np.flatnonzero(np.isfinite(shifts).all(axis=1)) if refit else ():
        shifts[i, moved] = _refitted(evidence, int(i), shifts[i, moved])
    return Influence(space.leverage, space.studentised, cooks_distance(space), shifts)


def cooks_distance(space: ResidualSpace) -> np.ndarray:
    """Cook's distance of each point, (m,); inf of one that the fit passes through by itself."""
    if space.dof < 1 or space.rss == 0:
        return np.full(space.r.size, math.nan)
    left = 1.0 - space.leverage
    alone = left <= _ALONE
    distance = space.equalised**2 * space.leverage / np.where(alone, 1.0, left)
    distance /= max(space.Q.shape[1], 1) * space.error**2
    return np.where(alone, math.inf, distance)


def _linear(evidence: Evidence) -> np.ndarray:
    """What a linear model's parameters do when a point is left out, (m, n)."""
    J, lengths = unit_columns(evidence.jacobian[:, evidence.moved])
    left = 1.0 - evidence.space.leverage
    scaled = evidence.space.r / np.where(left > _ALONE, left, math.nan)
    shifts = np.linalg.pinv(J).T / np.where(lengths > 0, lengths, 1.0) * scaled[:, None]
    return np.where(np.isnan(shifts), math.inf, shifts)


def _refitted(evidence: Evidence, i: int, shift: np.ndarray) -> np.ndarray:
    """Gauss-Newton steps from the linear estimate of the fit without point i."""
    moved = evidence.moved
    error = np.sqrt(np.diagonal(evidence.covariance)[moved])
    near = _NEAR * np.where(np.isfinite(error), error, np.abs(evidence.values[moved]))
    for _ in range(_STEPS):
        p = np.array(evidence.values, dtype=float)
        p[moved] += shift
        r = np.delete(evidence.residual_at(p), i)
        J = np.delete(evidence.jacobian_at(p), i, axis=0)[:, moved]
        with np.errstate(over="ignore", invalid="ignore"):  # a step may lead out of the numbers
            J, lengths = unit_columns(J)
        if not (np.isfinite(lengths).all() and lengths.all() and np.isfinite(r).all()):
            break
        step = np.linalg.lstsq(J, -r, rcond=None)[0] / lengths
        shift = shift + step
        if (np.abs(step) <= np.maximum(_CLOSE * np.abs(shift), near)).all():
            return shift
    return np.full_like(shift, np.nan)


def analyse(evidence: Evidence, config: DiagnosticsConfig = DEFAULT) -> list[Finding]:
    """The point that decides a fit alone, if there is one: its own residual does not show it."""
    m = evidence.n_points
    if evidence.residuals is None or evidence.jacobian is None or m < _FEWEST or not evidence.plain:
        return []
    space, distance = evidence.space, cooks_distance(evidence.space)
    if evidence.is_exact or np.isnan(distance).any():
        return []
    i = int(distance.argmax())
    point = f"point {i}" if evidence.x is None else f"point {i} (x = {float(evidence.x[i]):.4g})"
    if math.isinf(distance[i]):
        fact = f"nothing but {point} determines one combination of parameters"
        remedy = "measure more there: nothing can check this point"
        return [Finding("leverage", INFO, fact, float(space.leverage[i]), remedy)]
    bound = math.sqrt(distance[i] * space.Q.shape[1])  # of all shifts, in standard errors
    if not bound > config.influence_threshold:
        return []
    linear = _linear(evidence)[i]
    shift = _refitted(evidence, i, linear) if evidence.has_model else linear
    error = np.sqrt(np.diagonal(evidence.covariance)[evidence.moved])
    with np.errstate(invalid="ignore", divide="ignore"):
        errors, straight = np.nan_to_num(np.abs([shift, linear]) / error, posinf=0.0)
    j = int(errors.argmax())
    if not errors[j] > config.influence_threshold:
        return []
    k = int(np.flatnonzero(evidence.moved)[j])
    name, value = evidence.names[k], evidence.values[k] + shift[j]
    fact = f"without {point}, {name} would be {value:.4g}, {errors[j]:.3g} standard errors away"
    severity = WARNING if straight[j] > 3 * config.influence_threshold else INFO
    return [Finding("influence", severity, fact, float(errors[j]), "check that point", (name,))]
