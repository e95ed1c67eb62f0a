"""How a fit failed, as the remedies of `nlsq.stability.fallback` see it."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nlsq.utils.unexplained import EVEN, ROUNDED, UNEXPLAINED, alike
from nlsq.utils.warned import kept_warnings

KINDS = {
    "max_nfev": "the evaluations did not suffice",
    "start": "the residuals are not finite at the start",
    "no progress": "the fit did not move, or stopped at no minimum",
    "unexplained": "the fit explains little of data that show more",
    "refused": "the model refuses the parameters",
}
# by the status of a fit; the other ones that are no success were stopped from outside
_BY_STATUS = {0: "max_nfev", -3: "start", -6: "no progress"}
_NORMAL = 1.4826  # standard deviations of a normal distribution in one median of |r|


class State(dict):
    """Where a fit stopped: a mapping whose items are attributes."""

    __getattr__ = dict.__getitem__


@dataclasses.dataclass(frozen=True)
class End:
    """What a call of a fit came to.

    Its `result` is what it returned, or the state that its `error` carries, which has no `x` where
    the fit got nowhere; `kind` is what failed, of `KINDS`, "" where nothing did; `why` is the same
    in a sentence; `notes` are its warnings.
    """

    result: Any
    error: Exception | None
    kind: str
    why: str
    notes: tuple[warnings.WarningMessage, ...] = ()

    @classmethod
    def of(cls, fit: Callable[..., Any], call: Mapping[str, Any], first: bool = False) -> End:
        """Call a fit.

        A failure is a result without success, one that leaves the data unexplained, or an exception
        that carries the state where the fit stopped. Any other exception is the caller's where the
        call is the `first`, and his model's where a remedy led to parameters that it refuses.
        """
        raised: Exception | None = None
        with kept_warnings() as notes:
            try:
                result = fit(**call)
            except (RuntimeError, ValueError, ArithmeticError) as error:
                if not hasattr(error, "result") and (first or isinstance(error, RuntimeError)):
                    raise
                raised, result = error, getattr(error, "result", None)
        if result is None:
            why = f"{type(raised).__name__}: {raised}"
            state = State(success=False, cost=math.inf, nfev=0, status=0)
            return cls(state, raised, "refused", why, tuple(notes))
        kind, why = failure(result)
        return cls(result, raised, kind, why, tuple(notes))

    @property
    def converged(self) -> bool:
        """Whether a tolerance stopped it, at a minimum worth having or not."""
        return bool(self.result.success)

    @property
    def cost(self) -> float:
        """Its cost; inf where that is not finite."""
        cost = float(self.result.cost)
        return cost if math.isfinite(cost) else math.inf

    def misfit(self, p: np.ndarray) -> float | None:
        """1 - c^2 with the weighted correlation c of the model's curve and the data.

        Sizes and offsets are found by a fit from anywhere, shapes are not. inf where the model is
        not finite or refuses the parameters, 1 where it is constant; None where it is not known.
        """
        r = self.result
        model, x, y = (r.get(name) for name in ("model", "xdata", "ydata"))
        if model is None or y is None:
            return None
        with np.errstate(all="ignore"):
            try:
                f = np.broadcast_to(model.predict(x, p), np.shape(y))
            except (ArithmeticError, ValueError):
                return math.inf
            weights = np.broadcast_to(1 / np.square(_widths(r.get("sigma"))), f.shape)
            if not np.isfinite(f[weights > 0]).all():
                return math.inf
            f, y = (v - np.average(v, weights=weights) for v in (np.where(weights > 0, f, 0), y))
            square = np.vdot(f, weights * f).real * np.vdot(y, weights * y).real
            c2 = abs(np.vdot(f, weights * y)) ** 2 / square if square > 0 else 0.0
        return 1 - float(c2) if math.isfinite(square) else math.inf

    def noise(self) -> float:
        """The scale of the whitened data's noise, by the median difference of neighbours.

        Where there are no data, or half of them are equal, by the median of the residuals.
        """
        r, size = self.result, 0.0
        if np.size(y := r.get("ydata")) > 2:
            y, x = y / _widths(r.get("sigma")), r.get("xdata")
            y = y[np.argsort(x, kind="stable")] if np.shape(x) == y.shape else y
            size = float(np.median(np.abs(np.diff(y)))) / math.sqrt(2)
        return _NORMAL * (size or float(np.median(np.abs(r.fun))))


def failure(result: Any) -> tuple[str, str]:
    """(kind, sentence) of how a fit failed; ("", "") where it did not, or was stopped.

    A fit that converged has failed where it leaves so much of the data unexplained, and so alike at
    neighbouring points, that the engine tries again by itself (`nlsq.core.drive.tries`).
    """
    if not result.success:
        kind = _BY_STATUS.get(int(result.status), "")
        return (kind, str(result.message)) if kind else ("", "")
    if result.get("ydata") is None or not result.n_free:  # else nothing can be mended
        return "", ""
    share = 1 - result.r_squared  # NaN, or infinite, for data that are constant
    if (
        1 + EVEN < share < math.inf and result.get("loss", "linear") == "linear"
    ):  # others leave outliers
        return "unexplained", "the fit ended where a constant is nearer to the data"
    if not (ROUNDED if result.rank < result.n_free else UNEXPLAINED) < share < math.inf:
        return "", ""
    residual = np.asarray(result.fun)
    if not alike(residual, result.get("xdata"), residual == 0):  # as at points of weight 0
        return "", ""
    return "unexplained", (
        f"the fit ended where {100 * share:.0f} % of the data's sum of squares is left, and the "
        "residuals of neighbouring points are alike"
    )


def _widths(sigma: Any) -> Any:
    """Standard deviations of the data."""
    if sigma is None:
        return 1.0
    sigma = np.asarray(sigma)
    return np.sqrt(np.diagonal(sigma)) if sigma.ndim == 2 else sigma
