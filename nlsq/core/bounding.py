"""`auto_bounds`: a fit within bounds that are ours, which gives way where it meets one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.core.model.model import Model
from nlsq.core.orchestration.solving import fit_alone
from nlsq.core.problem.guesses import counted
from nlsq.core.problem.keywords import BOUNDING
from nlsq.core.problem.observations import Observations, sample_places
from nlsq.core.problem.parameters import Parameters
from nlsq.core.verdict.finished import Finished
from nlsq.interfaces.orchestration_protocol import OptimizationConfig
from nlsq.precision.bound_inference import BoundInference, Inferred, merge_bounds
from nlsq.result import CurveFitResult

_ENOUGH = 1 << 12  # points, of more a sample is looked at
_SAME = 1e-9  # relative difference of two costs that is none


def read_auto_bounds(
    method: str | None, options: dict[str, Any]
) -> tuple[AutoBounds | None, dict[str, Any]]:
    """(what infers the bounds of a fit or None, the other options).

    Raises
    ------
    TypeError, ValueError
        For values that are none, a factor without bounds, and method 'lm', which takes none.
    """
    rest = {k: v for k, v in options.items() if k not in BOUNDING}
    asked, factor = options.get("auto_bounds", False), options.get("bounds_safety_factor")
    if not isinstance(asked, bool):
        raise TypeError(f"auto_bounds must be True or False, got {asked!r}.")
    if factor is not None:
        if not asked:
            raise TypeError("bounds_safety_factor is for auto_bounds=True: add it.")
        if isinstance(factor, bool) or not isinstance(factor, int | float | np.number):
            raise TypeError(f"bounds_safety_factor must be a number, got {factor!r}.")
        if not 1 <= factor < math.inf:
            raise ValueError(f"bounds_safety_factor must be a number from 1 on, got {factor!r}.")
    if asked and method == "lm":
        raise ValueError("auto_bounds=True and method='lm', which takes no bounds: use 'trf'.")
    return (AutoBounds(10.0 if factor is None else float(factor)) if asked else None), rest


class AutoBounds:
    """A companion of a fit (`nlsq.core.companions`): bounds inferred where the user gave none.

    They do not stand in the way of a fit that keeps them by itself: a bound changes the steps of
    the reflective method, however far it is.

    Parameters
    ----------
    safety_factor : float
        See `BoundInference`.
    """

    def __init__(self, safety_factor: float):
        self._safety = safety_factor
        self._found: tuple[Inferred, ...] = ()
        self._bounds = np.zeros((2, 0))  # the user's where there are, else the inferred ones
        self._ours = np.zeros((2, 0), bool)  # which are inferred
        self._open = np.zeros(0, bool)  # parameters that the user did not bound on both sides
        self._released = np.zeros(0, bool)  # parameters that lie outside of theirs
        self._notes: list[str] = []

    def fit(
        self, fit: Callable, model: Model, data: Observations, config: OptimizationConfig
    ) -> Finished:
        """The fit, if it converged within the bounds; else the best of it and one within them."""
        finished = fit(model, data, config)
        self._infer(finished, config)
        if finished.status.stopped_from_outside or self._holds(finished):
            return finished
        again = self._within(finished, config)
        converged = again.status.converged, finished.status.converged
        lower = again.outcome.cost < finished.outcome.cost * (1 - _SAME)
        if converged == (True, False) or (converged == (True, True) and lower):
            finished = again
        names, x = config.parameters.names, finished.outcome.x
        self._released = (x < self._bounds[0]) | (x > self._bounds[1])
        if met := self._met(finished):
            self._note(names, met, "ended on a bound that was inferred, and without it the fit "
                       "does not converge: give a bound of your own, or fix it")  # fmt: skip
        if finished.status.converged and self._released.any():
            left = "left the bounds that were inferred, within which no fit is better"
            self._note(names, np.flatnonzero(self._released), left)
        return finished

    def tell(self, result: CurveFitResult) -> None:
        """Put the inferred bounds into the result, and what became of those it met."""
        open_ = np.array([[-np.inf], [np.inf]])
        result["bounds"] = tuple(np.where(self._released & self._ours, open_, self._bounds))
        result["inferred_bounds"] = {
            name: {
                "lower": _or_none(one.lower) if self._ours[0, j] else None,
                "upper": _or_none(one.upper) if self._ours[1, j] else None,
                "reason": one.reason, "released": bool(self._released[j]),
            }
            for j, (name, one) in enumerate(zip(result.param_names, self._found, strict=True))
            if self._open[j]
        }  # fmt: skip
        result["warnings"] = (*result.warnings, *self._notes)

    def _infer(self, finished: Finished, config: OptimizationConfig) -> None:
        data, given = finished.data, config.parameters
        x, y = _some(*counted(data.x.given, data.y, data.idle))
        inference = BoundInference(x, y, given.p0, self._safety, f=finished.model.call.f)
        self._found = inference.parameters
        user = np.array([given.lb, given.ub])
        merged = np.array(merge_bounds(inference.infer(), user))
        self._bounds = np.where(given.lb == given.ub, user, merged)
        self._ours = self._bounds != user
        self._open = np.isinf(user).any(axis=0)
        self._released = np.zeros(given.p0.size, bool)

    def _holds(self, finished: Finished) -> bool:
        """Whether a fit converged within the bounds."""
        x, (lb, ub) = finished.outcome.x, self._bounds
        return finished.status.converged and bool(((lb <= x) & (x <= ub)).all())

    def _within(self, finished: Finished, config: OptimizationConfig) -> Finished:
        """A fit within the bounds, without those inferred ones on which it would end."""
        start, (lb, ub), kept = config.parameters, self._bounds, None
        p0 = np.clip(start.p0, lb, ub)
        while True:
            bounded = config._replace(parameters=Parameters(p0, lb, ub, start.names))
            found = fit_alone(finished.model, finished.data, bounded)
            if kept is not None and not found.status.converged:
                return kept
            if not (met := self._met(found)):
                return found
            kept, lb, ub = found, lb.copy(), ub.copy()
            lb[met] = np.where(self._ours[0, met], -np.inf, lb[met])
            ub[met] = np.where(self._ours[1, met], np.inf, ub[met])

    def _met(self, finished: Finished) -> list[int]:
        """The parameters that ended on an inferred bound."""
        active, parameters = finished.active_mask(), finished.parameters
        ours = np.array([parameters.lb, parameters.ub]) == np.where(
            self._ours, self._bounds, np.nan
        )
        return np.flatnonzero((active < 0) & ours[0] | (active > 0) & ours[1]).tolist()

    def _note(self, names, which, text: str) -> None:
        self._notes.append(f"{', '.join(names[j] for j in which)} {text}")


def _some(x: Any, y: np.ndarray) -> tuple[Any, np.ndarray]:
    """Points enough to infer bounds from, all of them where x is no array of points."""
    if y.size <= _ENOUGH or not (isinstance(x, np.ndarray) and x.shape[-1:] == y.shape):
        return x, y
    at = sample_places(y.size, _ENOUGH)
    return x[..., at], y[at]


def _or_none(bound: float) -> float | None:
    return float(bound) if math.isfinite(bound) else None
