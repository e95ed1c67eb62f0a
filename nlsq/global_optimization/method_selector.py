"""Which search a problem asks for, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.core.problem.keywords import SEARCH_METHODS
from nlsq.utils.input_error import did_you_mean

_POINTS, _STEP = 8, 1e-6  # where a model is looked at, and how far apart, in units of the box
_ROUGH = 0.5  # part of a change that half the step must not leave unexplained


class Choice(str):
    """The name of a method, to be given to `curve_fit`.

    Attributes
    ----------
    why : str
        Sentences for people.
    """

    why: str

    def __new__(cls, method: str, why: str) -> Choice:
        """A method with its reason."""
        made = super().__new__(cls, method)
        made.why = why
        return made


class MethodSelector:
    """Chooses between a search from many starts and one by CMA-ES.

    Many starts with least squares, 'global', need 3 to 100 times fewer evaluations on smooth
    models, whatever the scales and the number of the parameters. CMA-ES needs no derivatives: it is
    for models that jump, or are constant between jumps.

    Examples
    --------
    >>> choice = MethodSelector().select("auto", [0, 1e-6], [10, 1e-3])
    >>> choice
    'global'
    >>> print(choice.why)
    2 parameters, whose ranges differ by a factor of 1e+04: 'global', which draws each on its own
    scale. Whether the model is smooth was not looked at: give f and xdata, or ask for 'cmaes' if it
    is not.
    >>> x = np.linspace(0, 10, 50)
    >>> MethodSelector().select("auto", [0, 0], [10, 5], lambda x, at, a: a * (x > at), x)
    'cmaes'
    """

    @staticmethod
    def compute_scale_ratio(lower_bounds: Any, upper_bounds: Any) -> float:
        """The widest range over the narrowest, of the parameters that have one; else 1.

        Examples
        --------
        >>> MethodSelector.compute_scale_ratio([0, 0, 1, 0], [1, 1000, 1, float("inf")])
        1000.0
        """
        with np.errstate(invalid="ignore"):
            width = np.subtract(upper_bounds, lower_bounds, dtype=float)
        width = width[np.isfinite(width) & (width > 0)]
        return float(width.max() / width.min()) if width.size else 1.0

    def select(
        self,
        requested_method: str,
        lower_bounds: Any,
        upper_bounds: Any,
        f: Callable | None = None,
        xdata: Any = None,
    ) -> Choice:
        """The method to use.

        Parameters
        ----------
        requested_method : str
            'auto', or a search, which is then chosen.
        lower_bounds, upper_bounds : array_like, shape (n,)
        f, xdata : optional
            The model and where it is evaluated: whether it is smooth is then looked at, between
            bounds that are finite.

        Raises
        ------
        ValueError
            There is no such method, or bounds do not fit each other.
        """
        known = "auto", *SEARCH_METHODS
        if requested_method not in known:
            near = did_you_mean(str(requested_method), known, f"; there are {', '.join(known)}.")
            raise ValueError(f"There is no search {requested_method!r}{near}")
        lb, ub = (np.atleast_1d(np.asarray(b, float)) for b in (lower_bounds, upper_bounds))
        if lb.shape != ub.shape or not (lb <= ub).all():
            raise ValueError(
                f"Each parameter needs a lower bound not above its upper one, got {lb} and {ub}."
            )
        if requested_method != "auto":
            return Choice(requested_method, f"{requested_method!r} was asked for.")
        n, ratio = lb.size, self.compute_scale_ratio(lb, ub)
        what = f"{n} parameter{'s' * (n != 1)}, whose ranges differ by a factor of {ratio:.3g}: "
        if f is None or xdata is None or not np.isfinite([lb, ub]).all():
            return Choice(
                "global",
                f"{what}'global', which draws each on its own scale. Whether the model is smooth "
                "was not looked at: give f and xdata, or ask for 'cmaes' if it is not.",
            )
        rough = _is_rough(f, np.asarray(xdata), lb, ub)
        if rough:
            return Choice("cmaes", f"{what}'cmaes', since the model {rough}.")
        return Choice("global", f"{what}'global', since the model is smooth.")


def _is_rough(f: Callable, x: np.ndarray, lb: np.ndarray, ub: np.ndarray) -> str:
    """What makes derivatives useless at most places of the box; empty if nothing does."""
    rng = np.random.default_rng(0)

    def curve(p):
        with np.errstate(all="ignore"):
            return np.ravel(f(x, *p)).astype(complex)

    for j in np.flatnonzero(lb < ub):
        constant = jumping = seen = 0
        step = np.zeros(lb.size)
        step[j] = _STEP * (ub[j] - lb[j])
        for _ in range(_POINTS):
            p = lb + (ub - lb) * rng.uniform(0.1, 0.8, lb.size)
            here, half, whole, far = (curve(p + k * step) for k in (0, 0.5, 1, 0.1 / _STEP))
            with np.errstate(all="ignore"):
                change, bend = np.abs(whole - here).max(), np.abs(whole - 2 * half + here).max()
                size = np.abs(far - here).max()
            if np.isfinite(size) and size > 0:
                seen += 1
                constant += change == 0
                jumping += bend > _ROUGH * change
        if 2 * (constant + jumping) > seen:
            return "is constant between jumps" if constant > jumping else "jumps"
    return ""
