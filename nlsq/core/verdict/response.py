r"""Parameters to which the model does not respond within their own uncertainty.

A standard error s_j is read off the tangent of the model. Where the model bends away from it there
may be no such error: the slope of a step that falls between two points, a rate so large that its
exponential has vanished. The data then allow any value, and a number with an error of 10^7 times
its size would say that they allow some.

What is unlikely is looked at, s_j > WIDE |x_j|, and what the data's own digits cannot show,
|J_j x_j| < ROUNDING |(D x, r)|, D the column norms of J. Such a parameter is moved by REACH errors,
the others with it along the covariance (for lost digits alone, by what they hide). The model
responds if chi-square rises to either side by more than one, of REACH^2 that the tangent promises,
and where digits are lost if one error, which promises one, does not make it rise by BENT: such a
tangent is none.

Reference: A. Raue et al., "Structural and practical identifiability analysis of partially observed
dynamical models by exploiting the profile likelihood", Bioinformatics 25 (2009).
"""

from __future__ import annotations

import math
from operator import mul

import numpy as np

from nlsq.core.verdict.finished import Finished

WIDE, REACH = 1e4, 10.0
ROUNDING, BENT = 1e-14, 1e4


def unresponsive(finished: Finished, pcov: np.ndarray, variance: float) -> list[int]:
    """Places of free parameters of finite variance to which the model does not respond.

    pcov: within the determined directions; variance: of the whitened residuals.
    """
    outcome = finished.outcome
    x, norms, variances = outcome.x.tolist(), outcome.lengths, pcov.diagonal().tolist()
    length = math.hypot(*map(mul, norms, x))
    hidden = ROUNDING * math.sqrt(2 * outcome.cost + length * length)
    doubtful = []
    for j, p in enumerate(x):
        wide = WIDE * p
        unlikely = variances[j] > wide * wide  # `**` would raise where it overflows
        lost = norms[j] * abs(p) < hidden
        if unlikely or lost:
            doubtful.append((j, unlikely, lost))
    if not doubtful:
        return []
    free, probe = finished.parameters.free, _Probe(finished, variance, hidden)
    silent = []
    for j, unlikely, lost in doubtful:
        direction = np.zeros(len(x))
        if unlikely:
            direction = pcov[:, j] / math.sqrt(variances[j])
        elif norms[j] > 0:
            direction[j] = hidden / norms[j]
        if free[j] and not probe.responds(j, direction, lost):
            silent.append(j)
    return silent


class _Probe:
    """Costs around the solution."""

    def __init__(self, finished: Finished, variance: float, hidden: float):
        self._finished = finished
        residual = finished.residual()
        # a streamed fit holds a sample of its data
        share = residual.size / finished.data.n_residuals
        self._cost = finished.cost_of(residual)
        self._one = 0.5 * max(variance, (3 * hidden) ** 2) * share  # rise that one error promises

    def responds(self, j: int, error: np.ndarray, lost: bool) -> bool:
        """Whether the cost rises as it should where parameter j, moved by errors, has room.

        lost: of the slope, and so of the error, no digit is left.
        """
        if lost and min(self._rises(j, error), default=0.0) > BENT * self._one:
            return False
        return all(rise > self._one for rise in self._rises(j, REACH * error))

    def _rises(self, j: int, move: np.ndarray) -> list[float]:
        """To both sides, of those to which parameter j has room; inf where there is no value."""
        x, p = self._finished.outcome.x, self._finished.parameters
        trials = [np.clip(x + sign * move, p.lb, p.ub) for sign in (1.0, -1.0)]
        inside = [trial for trial in trials if abs(trial[j] - x[j]) >= 0.5 * abs(move[j])]
        return [self._rise(trial) for trial in inside]

    def _rise(self, trial: np.ndarray) -> float:
        with np.errstate(all="ignore"):
            try:
                rise = self._finished.cost_of(self._finished.residual(trial)) - self._cost
            except Exception:
                if not self._finished.model.take_refusal():
                    raise
                return math.inf  # the user's function refuses such values
        return math.inf if math.isnan(rise) else rise
