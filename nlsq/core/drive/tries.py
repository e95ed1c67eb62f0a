r"""Further tries from p0, for a fit whose end is suspicious.

A trust-region method finds the minimum that its first steps lead to. From a bad start these go
astray in three ways, and each has its own remedy:

linear    The linear parameters have the wrong size, so that the others move before they can. They
          are solved at p0 first, with the others held, and the fit begins there.
x_scale   The column norms of J at p0 say little about those at the minimum. The parameters' own
          units take their place (`x_scale=1`).
factor    The first step is too long. The trust region begins at a tenth of its size.

An end is suspicious when the fit did not converge, or when the data show that something is left to
explain: the residuals of neighbouring points are alike, with lag-1 correlation

    c = sum r_i r_{i+1} / sum r_i^2  >  clip(4 / sqrt(m), 0.3, 0.6),

and either a share of more than `UNEXPLAINED` of the data's sum of squares about their mean remains,
or some parameter does not act at the end. Where more than all of it remains, no correlation is
asked for: few points at a pole show none. White noise has c ~ N(0, 1 / m), however large it is:
a fit of noisy data is tried once. Of all tries the best converged end is kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from nlsq.config import double_precision
from nlsq.core.loop.status import Status
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.parameters import Parameters
from nlsq.utils.unexplained import ROUNDED, UNEXPLAINED, alike

_MOST_PARAMETERS = 30  # whose pairs are looked at
_SAME = 1e-9  # relative difference of two costs that is none
_STRAIGHT = 1e-9  # relative departure from a straight line that is rounding


class Try(NamedTuple):
    """A way to go from p0 another time."""

    name: str
    parameters: Parameters
    vary: Callable  # Setup -> Setup


def is_suspicious(model: Model, data: Observations, outcome) -> bool:
    """Whether an outcome may be no minimum worth having."""
    converged = outcome.status > 0
    if not converged:
        status = Status(outcome.status)
        if status.stopped_from_outside or status is Status.NOT_FINITE:
            return False
    spread = data.spread()
    if not spread > 0:  # residuals of `least_squares`: their y is 0
        return False
    if not converged:
        return True
    if 2 * outcome.cost <= (ROUNDED if outcome.lost else UNEXPLAINED) * spread:
        return False
    if 2 * outcome.cost > spread:  # a constant is nearer to the data
        return True
    x = data.x.arrays()
    values = values_or_nan(model, x, outcome.x)
    with np.errstate(all="ignore"):
        residual = data.whiten(data.counted(values - data.y))
    return alike(residual, x, data.idle)


def values_or_nan(model: Model, x, p) -> np.ndarray:
    """What the user's function gives, NaN where it raises: it may refuse what lies beyond p0."""
    with double_precision(), np.errstate(all="ignore"):
        try:
            return np.asarray(model.evaluate(x, p)).ravel()
        except Exception:
            if not model.take_refusal():
                raise
            return np.array([np.nan])


def tries(model: Model, data: Observations, parameters: Parameters, run: Callable) -> Iterator[Try]:
    """The remedies in turn. run(parameters, vary) -> outcome of a fit, for what comes first."""
    solved = _linear_first(model, data, parameters, run)
    if solved is not None:
        yield Try("linear parameters first", solved, lambda setup: setup)

    def other_scale(setup):
        given = bool((setup.x_scale > 0).any())
        return setup._replace(x_scale=np.full(model.n, 0.0 if given else 1.0))

    yield Try("another x_scale", parameters, other_scale)
    yield Try("shorter first step", parameters, lambda s: s._replace(factor=s.factor / 10))


class Stopped(Exception):
    """A try was stopped from outside, and with it the fit."""


class Tally:
    """Outcomes of a fit and its further tries, and what they took together."""

    def __init__(self, first):
        self._ends = [("p0", first)]
        self._all = [first]
        self._stop: int | None = None  # status of a stop from outside

    @property
    def nfev(self) -> int:
        """Evaluations so far."""
        return sum(outcome.nfev for outcome in self._all)

    def add(self, outcome):
        """Count an outcome.

        Raises
        ------
        Stopped
            When a callback, the time limit or Ctrl-C ended it.
        """
        self._all.append(outcome)
        if Status(outcome.status).stopped_from_outside:
            self._stop = outcome.status
            raise Stopped
        return outcome

    def keep(self, name: str, outcome) -> None:
        """Let a counted outcome take part in `best`."""
        self._ends.append((name, outcome))

    def best(self):
        """A converged outcome before others, then the least cost, then the first.

        After a stop from outside it is the best point so far, with the status of the stop.
        """
        kept = self._ends[0][1]
        for _, outcome in self._ends[1:]:
            better = outcome.cost < kept.cost * (1 - _SAME) or not math.isfinite(kept.cost)
            converged = outcome.status > 0, kept.status > 0
            if converged == (True, False) or (converged[0] == converged[1] and better):
                kept = outcome
        if self._stop is not None:
            kept.status = self._stop
        kept.own_nit = kept.nit
        counts = [sum(getattr(o, name) for o in self._all) for name in ("nfev", "njev", "nit")]
        kept.nfev, kept.njev, kept.nit = counts
        kept.tries = tuple(
            {"name": name, "cost": o.cost, "status": o.status, "kept": o is kept}
            for name, o in self._ends
        )
        return kept


def _linear_first(model, data, parameters: Parameters, run: Callable) -> Parameters | None:
    """p0 with its linear parameters solved; None where there are none, or nothing changes."""
    linear = linear_parameters(model, data, parameters)
    if not linear.any():
        return None

    def vary(setup):
        return setup._replace(free=linear * setup.free, factor=1e12)

    outcome = run(parameters, vary)
    moved = outcome.x[linear] != parameters.p0[linear]
    if not (outcome.nit > 0 and moved.any() and np.isfinite(outcome.x).all()):
        return None
    p0 = np.clip(np.where(linear, outcome.x, parameters.p0), parameters.lb, parameters.ub)
    return Parameters(p0, parameters.lb, parameters.ub, parameters.names)


def linear_parameters(model: Model, data: Observations, parameters: Parameters) -> np.ndarray:
    """Which free parameters (n,) the model is linear in, all of them together, as far as seen.

    The model is evaluated near p0 and along parameters and pairs of them. A parameter that changes
    nothing there is none of them.
    """
    x, p0, n = data.x.arrays(), parameters.p0, model.n
    if n > _MOST_PARAMETERS:
        return np.zeros(n, bool)
    step = np.where(p0 != 0, 0.37 * np.abs(p0), 1.0)
    room = parameters.ub - p0, p0 - parameters.lb
    step = np.where(
        room[0] >= room[1], np.minimum(step, room[0] / 3), -np.minimum(step, room[1] / 3)
    )

    def change(*moves):
        p = p0 + 0.1 * step
        for j, times in moves:
            p[j] += times * step[j]
        return values_or_nan(model, x, p) - origin

    def straight(whole, *parts):
        size = max(np.abs(part).max() for part in (origin, *parts))
        return np.abs(whole - sum(parts)).max() <= _STRAIGHT * size

    origin = 0.0
    origin = change()
    if not np.isfinite(origin).all():
        return np.zeros(n, bool)
    chosen: list[int] = []
    alone: dict[int, np.ndarray] = {}
    for j in np.flatnonzero(parameters.free):
        one = change((j, 1))
        if not np.isfinite(one).all() or straight(one, 0.0 * one):
            continue
        alone[j] = one
        pairs = ((change((j, 1), (k, 1)), one, alone[k]) for k in chosen)
        if straight(change((j, 2)), one, one) and all(straight(*pair) for pair in pairs):
            chosen.append(int(j))
    return np.isin(np.arange(n), chosen)
