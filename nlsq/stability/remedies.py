"""The table of remedies for a fit that failed.

There are two kinds. One goes another way to the answer of the same problem: another method, other
scales, another start. The other changes the problem: looser tolerances, a robust loss, bounds. Its
end is a start for the caller's own problem and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from nlsq.stability.failure import KINDS, End

_BEGUN = ("max_nfev", "no progress", "unexplained")  # failures of a fit whose start was sound
_ROUNDS = 3  # of going on
_DRAWS, _POINTS = 256, 1 << 22  # starts of which the best is taken; at most so many points for all
_FOLD = 1e3  # by which inferred bounds are away from the start
_FREE = (-np.inf, np.inf)
Call = dict[str, Any]


class FallbackStrategy:
    """A remedy: how a call of a fit is changed after it failed. Derive from it for one's own.

    Its `name` and `description` are for the record; strategies of a higher `priority` come first.
    It is `against` these `failure.KINDS`. `start_only`: it changes the problem, so that its end
    serves as a start alone.

    Examples
    --------
    >>> class Search(FallbackStrategy):
    ...     name, description = "search", "the global minimum is looked for"
    ...
    ...     def apply(self, kwargs):
    ...         return kwargs | {"method": "global"}
    """

    name, description, priority = "", "", 0
    against: tuple[str, ...] = tuple(KINDS)
    start_only = False

    def __init__(self, name: str = "", description: str = "", priority: int | None = None):
        self.name, self.description = name or self.name, description or self.description
        self.priority = self.priority if priority is None else priority

    def apply(self, kwargs: Call) -> Call:
        """The keywords of the call, changed. In `kwargs` the start and the bounds are arrays."""
        return next((changed for _, changed in self.ways(kwargs, ())), kwargs)

    def ways(self, kwargs: Call, ends: Sequence[End]) -> Iterator[tuple[str, Call]]:
        """(what was changed, the keywords) of each way; `ends` are those so far, the failure first.

        A remedy that knows only one way defines `apply` instead.
        """
        if type(self).apply is FallbackStrategy.apply:
            raise TypeError(f"{type(self).__name__} does not say what it changes: define apply().")
        yield self.description, self.apply(kwargs)


class AdjustTolerancesStrategy(FallbackStrategy):
    """Go on with looser tolerances from where the evaluations ran out, while the cost falls."""

    name, description, priority = "tolerances", "looser tolerances from the last point", 60
    against, start_only = ("max_nfev",), True

    def __init__(self, relaxation_factor: float = 10.0):
        super().__init__()
        self.relaxation_factor = relaxation_factor

    def ways(self, kwargs: Call, ends: Sequence[End]) -> Iterator[tuple[str, Call]]:
        given = {name: kwargs.get(name, 1e-8) for name in ("ftol", "xtol", "gtol")}
        looser = {k: v and min(v * self.relaxation_factor, 0.1) for k, v in given.items()}
        for k in range(_ROUNDS):
            if ends and ("x" not in ends[-1].result or (k and not ends[-1].cost < ends[-2].cost)):
                return
            start = {"p0": np.asarray(ends[-1].result.x)} if ends else {}
            yield self.description, kwargs | looser | start


class AlternativeMethodStrategy(FallbackStrategy):
    """Take another step: 'trf', 'dogbox' and, without bounds and losses, 'lm'."""

    name, description, priority = "method", "another method", 50
    against = _BEGUN

    def ways(self, kwargs: Call, ends: Sequence[End]) -> Iterator[tuple[str, Call]]:
        plain = "bounds" not in kwargs and kwargs.get("loss", "linear") == "linear"
        for method in ("trf", "dogbox", "lm") if plain else ("trf", "dogbox"):
            if method != (kwargs.get("method") or "trf"):
                yield f"method {method}", kwargs | {"method": method}


class RescaleProblemStrategy(FallbackStrategy):
    """Take the scales of the parameters from the start; from the Jacobian if they were given."""

    name, description, priority = "scales", "other scales of the parameters", 40
    against = _BEGUN

    def ways(self, kwargs: Call, ends: Sequence[End]) -> Iterator[tuple[str, Call]]:
        scale, size = kwargs.get("x_scale"), np.abs(np.asarray(kwargs["p0"], float))
        rest = {k: v for k, v in kwargs.items() if k != "diag"}
        if kwargs.get("diag") is None and (scale is None or str(scale) == "jac"):
            yield "x_scale from the start", rest | {"x_scale": np.where(size > 0, size, 1.0)}
        else:
            yield "x_scale from the Jacobian", rest | {"x_scale": "jac"}


class PerturbInitialGuessStrategy(FallbackStrategy):
    """Begin elsewhere: where the curve's shape is nearest to the data's, of starts around p0.

    The first draws differ from p0 by about `perturbation_scale` of each parameter, the second by
    ten times that, the third by two orders of magnitude and in signs, and so on.
    """

    name, description, priority = "start", "another start", 30

    def __init__(self, perturbation_scale: float = 0.1, max_perturbations: int = 3):
        super().__init__()
        self.perturbation_scale, self.max_perturbations = perturbation_scale, max_perturbations

    def ways(self, kwargs: Call, ends: Sequence[End]) -> Iterator[tuple[str, Call]]:
        rng, p0 = np.random.default_rng(0), np.asarray(kwargs["p0"], float)
        about = np.where(p0 != 0, p0, 1.0)
        points = max(np.size(ends[0].result.get("ydata")), 1) if ends else 1
        draws = int(np.clip(_POINTS / points, 16, _DRAWS))
        for k in range(self.max_perturbations):
            size, moves = self.perturbation_scale * 10**k, rng.standard_normal((draws, p0.size))
            starts, amount = p0 + size * about * moves, f"{100 * size:.3g} %"
            if k > 1:
                decades = 2 * (k - 1)
                signs = np.where(rng.random(moves.shape) < 0.25, -1.0, 1.0)
                starts, amount = signs * about * 10.0 ** (decades * moves), f"{decades} decades"
            starts = np.clip(starts, *kwargs.get("bounds", _FREE))
            misfits = [ends[0].misfit(start) if ends else None for start in starts]
            best = 0 if None in misfits else int(np.argmin(misfits))
            yield f"p0 moved by {amount}", kwargs | {"p0": starts[best]}


class UseRobustLossStrategy(FallbackStrategy):
    """Fit with the loss 'soft_l1' at the scale of the data's noise."""

    name, description, priority = "robust loss", "loss soft_l1", 20
    against, start_only = _BEGUN, True

    def ways(self, kwargs: Call, ends: Sequence[End]) -> Iterator[tuple[str, Call]]:
        noise = ends[0].noise() if ends else 0.0
        f_scale = {"f_scale": float(np.clip(noise, 1e-100, 1e100))} if noise > 0 else {}
        if kwargs.get("loss", "linear") == "linear":
            yield self.description, _not_lm(kwargs) | {"loss": "soft_l1"} | f_scale


class AddParameterBoundsStrategy(FallbackStrategy):
    """Keep each parameter that does not begin at 0 within a factor of 1000, and its sign."""

    name, description, priority = "bounds", f"bounds at p0 times and over {_FOLD:.0f}", 10
    against, start_only = _BEGUN, True

    def ways(self, kwargs: Call, ends: Sequence[End]) -> Iterator[tuple[str, Call]]:
        p0 = np.asarray(kwargs["p0"], float)
        sides = np.sort([p0 / _FOLD, p0 * _FOLD], axis=0)
        low, high = np.where(p0 == 0, np.reshape(_FREE, (2, 1)), sides)
        lb, ub = kwargs.get("bounds", _FREE)
        if p0.any():
            bounds = np.maximum(low, lb), np.minimum(high, ub)
            yield self.description, _not_lm(kwargs) | {"bounds": bounds}


def _not_lm(kwargs: Call) -> Call:
    """The keywords for what 'lm' knows not: losses and bounds."""
    return kwargs | {"method": "trf"} if kwargs.get("method") == "lm" else kwargs


#: The table, in the order in which it is gone through.
STRATEGIES = (
    AdjustTolerancesStrategy,
    AlternativeMethodStrategy,
    RescaleProblemStrategy,
    PerturbInitialGuessStrategy,
    UseRobustLossStrategy,
    AddParameterBoundsStrategy,
)
