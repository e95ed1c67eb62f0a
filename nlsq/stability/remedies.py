"""The table of remedies for a fit that failed.

There are two kinds. One goes another way to the answer of the same problem: another method, other
scales, another start. The other changes the problem: looser tolerances, a robust loss, bounds. Its
end is a start for the caller's own problem and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from nlsq.stability.failure import End

_DRAWS, _POINTS = 256, 1 << 22  # starts of which the best is taken; at most so many points for all
_FOLD = 1e3  # by which inferred bounds are away from the start
Call = dict[str, Any]


class FallbackStrategy:
    """A remedy: how a call of a fit is changed after it failed. Derive from it for one's own.

    Parameters
    ----------
    name, description : str
        What the record calls it, and says of it.
    priority : int
        Strategies of a higher one come first.

    Attributes
    ----------
    start_only : bool
        It changes the problem, so that its end serves as a start alone.
    after : tuple of str
        The failures that it is for; empty: all but a start that is not finite, which stays where it
        is. One that moves the start has ``moves_start``.

    Examples
    --------
    >>> class Search(FallbackStrategy):
    ...     def __init__(self):
    ...         super().__init__("search", "the global minimum is looked for")
    ...
    ...     def apply(self, kwargs):
    ...         return kwargs | {"method": "global"}
    """

    start_only = False
    moves_start = False
    after: tuple[str, ...] = ()

    def __init__(self, name: str, description: str, priority: int = 0):
        self.name, self.description, self.priority = name, description, priority

    def apply(self, kwargs: Call) -> Call:
        """The keywords of the call, changed. In `kwargs` the start and the bounds are arrays."""
        return next((changed for _, changed in self.ways(kwargs, None)), kwargs)

    def ways(self, kwargs: Call, end: End | None) -> Iterator[tuple[str, Call]]:
        """(what was changed, the keywords) of each way to try; `end` is how the fit failed."""
        if type(self).apply is FallbackStrategy.apply:
            raise TypeError(f"{type(self).__name__} does not say what it changes: define apply().")
        yield self.description, self.apply(kwargs)

    def is_for(self, kind: str) -> bool:
        """Whether it is one against this failure."""
        return kind in self.after if self.after else self.moves_start or kind != "start"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(priority={self.priority})"


class AdjustTolerancesStrategy(FallbackStrategy):
    """Go on from where the evaluations ended, with looser tolerances, as a start.

    Parameters
    ----------
    relaxation_factor : float
        By which tolerances are multiplied.
    """

    start_only = True
    after = ("max_nfev",)

    def __init__(self, relaxation_factor: float = 10.0):
        super().__init__("tolerances", "looser tolerances from where the fit stopped", 60)
        self.relaxation_factor = relaxation_factor

    def ways(self, kwargs: Call, end: End | None) -> Iterator[tuple[str, Call]]:
        given = {name: kwargs.get(name, 1e-8) for name in ("ftol", "xtol", "gtol")}
        looser = {k: v and min(v * self.relaxation_factor, 0.1) for k, v in given.items()}
        start = {} if end is None else {"p0": end.result.x}
        yield self.description, kwargs | looser | start


class AlternativeMethodStrategy(FallbackStrategy):
    """Take another step: 'trf', 'dogbox' and, without bounds and losses, 'lm'."""

    def __init__(self) -> None:
        super().__init__("method", "another method", 50)

    def ways(self, kwargs: Call, end: End | None) -> Iterator[tuple[str, Call]]:
        plain = "bounds" not in kwargs and kwargs.get("loss", "linear") == "linear"
        for method in ("trf", "dogbox", "lm") if plain else ("trf", "dogbox"):
            if method != (kwargs.get("method") or "trf"):
                yield f"method {method}", kwargs | {"method": method}


class RescaleProblemStrategy(FallbackStrategy):
    """Take the scales of the parameters from the start; from the Jacobian if they were given."""

    def __init__(self) -> None:
        super().__init__("scales", "other scales of the parameters", 40)

    def ways(self, kwargs: Call, end: End | None) -> Iterator[tuple[str, Call]]:
        rest = {k: v for k, v in kwargs.items() if k != "diag"}
        if kwargs.get("diag") is not None or not _is_default(kwargs.get("x_scale")):
            yield "x_scale from the Jacobian", rest | {"x_scale": "jac"}
            return
        size = np.abs(np.asarray(kwargs["p0"], float))
        yield "x_scale from the start", rest | {"x_scale": np.where(size > 0, size, 1.0)}


class PerturbInitialGuessStrategy(FallbackStrategy):
    """Begin elsewhere: where the curve's shape is nearest to the data's, of starts around p0.

    The first draws differ from p0 by about `perturbation_scale` of each parameter, the second by
    ten times that, the third by two orders of magnitude and in signs, and so on.

    Parameters
    ----------
    perturbation_scale : float
        Relative size of the first.
    max_perturbations : int
        How many times.
    seed : int
        The same seed gives the same starts.
    """

    moves_start = True

    def __init__(
        self, perturbation_scale: float = 0.1, max_perturbations: int = 3, seed: int = 0
    ) -> None:
        super().__init__("start", "another start", 30)
        self.perturbation_scale, self.max_perturbations = perturbation_scale, max_perturbations
        self.seed = seed

    def ways(self, kwargs: Call, end: End | None) -> Iterator[tuple[str, Call]]:
        rng = np.random.default_rng(self.seed)
        p0 = np.asarray(kwargs["p0"], float)
        about, (lb, ub) = np.where(p0 != 0, p0, 1.0), kwargs.get("bounds", (-np.inf, np.inf))
        data = None if end is None else end.result.get("ydata")
        draws = int(np.clip(_POINTS / max(np.size(data), 1), 16, _DRAWS))
        for k in range(self.max_perturbations):
            size, moves = self.perturbation_scale * 10**k, rng.standard_normal((draws, p0.size))
            starts = p0 + size * about * moves
            if k > 1:
                signs = np.where(rng.random(moves.shape) < 0.25, -1.0, 1.0)
                starts = signs * about * 10.0 ** (2 * (k - 1) * moves)
            starts = np.clip(starts, lb, ub)
            misfits = [None if end is None else end.misfit(start) for start in starts]
            best, of = 0, ""
            if None not in misfits:
                best, of = int(np.argmin(misfits)), f" (best of {draws})"
                if not np.isfinite(misfits[best]):
                    continue
            amount = f"by {100 * size:.3g} %" if k < 2 else f"by {2 * (k - 1)} decades"
            yield f"p0 moved {amount}{of}", kwargs | {"p0": starts[best]}


class UseRobustLossStrategy(FallbackStrategy):
    """Fit with the loss 'soft_l1' at the scale of the data's noise, as a start."""

    start_only = True

    def __init__(self) -> None:
        super().__init__("robust loss", "loss soft_l1", 20)

    def ways(self, kwargs: Call, end: End | None) -> Iterator[tuple[str, Call]]:
        if kwargs.get("loss", "linear") != "linear":
            return
        noise = 0.0 if end is None else end.noise()
        f_scale = {"f_scale": float(np.clip(noise, 1e-100, 1e100))} if noise > 0 else {}
        yield self.description, kwargs | {"loss": "soft_l1", **f_scale, **_no_lm(kwargs)}


class AddParameterBoundsStrategy(FallbackStrategy):
    """Keep each parameter within a factor of 1000 of its start, sign included, as a start."""

    start_only = True

    def __init__(self) -> None:
        super().__init__("bounds", f"bounds a factor of {_FOLD:.0f} around the start", 10)

    def ways(self, kwargs: Call, end: End | None) -> Iterator[tuple[str, Call]]:
        p0 = np.asarray(kwargs["p0"], float)
        sides = np.sort([p0 / _FOLD, p0 * _FOLD], axis=0)
        low, high = np.where(p0 == 0, np.array([[-np.inf], [np.inf]]), sides)
        lb, ub = kwargs.get("bounds", (-np.inf, np.inf))
        bounds = np.maximum(low, lb), np.minimum(high, ub)
        if p0.any():
            yield self.description, kwargs | {"bounds": bounds, **_no_lm(kwargs)}


def _is_default(x_scale: Any) -> bool:
    return x_scale is None or (isinstance(x_scale, str) and x_scale == "jac")


def _no_lm(kwargs: Call) -> Call:
    """What takes the place of a method that knows neither losses nor bounds."""
    return {"method": "trf"} if kwargs.get("method") == "lm" else {}


#: The table, in the order in which it is gone through.
STRATEGIES: tuple[Callable[[], FallbackStrategy], ...] = (
    AdjustTolerancesStrategy,
    AlternativeMethodStrategy,
    RescaleProblemStrategy,
    PerturbInitialGuessStrategy,
    UseRobustLossStrategy,
    AddParameterBoundsStrategy,
)
