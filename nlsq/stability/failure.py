"""How a fit failed, as the remedies of `nlsq.stability.fallback` see it."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nlsq.utils.unexplained import ROUNDED, UNEXPLAINED, alike
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


@dataclasses.dataclass(frozen=True)
class End:
    """What a call of a fit came to.

    Attributes
    ----------
    result : object
        What it returned, or the state that its exception carries; None where there is none.
    error : Exception or None
        What it raised.
    kind : str
        What failed: one of `KINDS`, "" where nothing did.
    why : str
        The same in a sentence.
    notes : tuple of warnings.WarningMessage
        What it warned of.
    """

    result: Any
    error: Exception | None
    kind: str
    why: str
    notes: tuple[warnings.WarningMessage, ...] = ()

    @classmethod
    def of(cls, fit: Callable[..., Any], call: Mapping[str, Any], first: bool = False) -> End:
        """Call a fit, whose warnings are kept.

        A failure is a result without success, one that leaves the data unexplained, or an exception
        that carries the state where the fit stopped. Any other exception is the caller's where the
        call is the `first`, and his model's where a remedy led to parameters that it refuses.
        """
        raised: Exception | None = None
        result: Any = None
        with kept_warnings() as notes:
            try:
                result = fit(**call)
            except (RuntimeError, ValueError, ArithmeticError) as error:
                if not hasattr(error, "result") and (first or isinstance(error, RuntimeError)):
                    raise
                raised, result = error, getattr(error, "result", None)
        if result is None:
            return cls(None, raised, "refused", f"{type(raised).__name__}: {raised}", tuple(notes))
        kind, why = failure(result)
        return cls(result, raised, kind, why, tuple(notes))

    @property
    def converged(self) -> bool:
        """Whether a tolerance stopped it, at a minimum worth having or not."""
        return self.result is not None and bool(self.result.success)

    @property
    def cost(self) -> float:
        """Its cost; inf where that is not finite."""
        cost = math.inf if self.result is None else float(self.result.cost)
        return cost if math.isfinite(cost) else math.inf

    @property
    def nfev(self) -> int:
        """Evaluations; 0 where there is no result."""
        return 0 if self.result is None else int(self.result.nfev)

    def misfit(self, p: np.ndarray) -> float | None:
        """The share of the data that the model's curve cannot explain, however high it is.

        That is 1 - c^2 with the weighted correlation c of the curve and the data: sizes and offsets
        are found by a fit from anywhere, shapes are not. inf where the model is not finite or
        refuses the parameters, 1 where it is constant; None where model or data are not known.
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
        r = self.result
        size = 0.0
        if (y := r.get("ydata")) is not None and np.size(y) > 2:
            y, x = np.asarray(y), r.get("xdata")
            y = y / _widths(r.get("sigma"))
            if isinstance(x, np.ndarray) and x.shape == y.shape:
                y = y[np.argsort(x, kind="stable")]
            size = _NORMAL * float(np.median(np.abs(np.diff(y)))) / math.sqrt(2)
        return size or _NORMAL * float(np.median(np.abs(r.fun)))


def failure(result: Any) -> tuple[str, str]:
    """(kind, sentence) of how a fit failed; ("", "") where it did not, or was stopped.

    A fit that converged has failed where it leaves so much of the data unexplained, and so alike at
    neighbouring points, that the engine tries again by itself (`nlsq.core.drive.tries`).
    """
    if not result.success:
        kind = _BY_STATUS.get(int(result.status), "")
        return (kind, str(result.message)) if kind else ("", "")
    known = result.get("ydata") is not None and result.n_free  # else nothing can be mended
    spread = _spread(result) if known else 0.0
    if not spread > 0:
        return "", ""
    if result.get("loss", "linear") == "linear":
        share = 2 * result.cost / spread
        if share > 1:
            return "unexplained", "the fit ended where a constant is nearer to the data"
    else:  # whose cost of large residuals is small, and which may leave them to outliers
        share = float(np.square(result.fun).sum()) / spread
    if share <= (ROUNDED if result.rank < result.n_free else UNEXPLAINED):
        return "", ""
    residual = np.asarray(result.fun)
    if not alike(residual, result.get("xdata"), residual == 0):  # as at points of weight 0
        return "", ""
    return "unexplained", (
        f"the fit ended where {100 * share:.0f} % of the data's sum of squares is left, and the "
        "residuals of neighbouring points are alike"
    )


def _spread(result: Any) -> float:
    """Sum of squares of the whitened data about their mean."""
    y, sigma = np.asarray(result.ydata), result.get("sigma")
    if np.ndim(sigma) == 2:
        white = np.linalg.solve(np.linalg.cholesky(np.asarray(sigma)), y - y.mean())
    else:
        counts = np.broadcast_to(np.isfinite(_widths(sigma)), y.shape)
        white = (y - y.mean(where=counts)) / _widths(sigma)
    return float(np.vdot(white, white).real)


def _widths(sigma: Any) -> Any:
    """Standard deviations of the data."""
    if sigma is None:
        return 1.0
    sigma = np.asarray(sigma)
    return np.sqrt(np.diagonal(sigma)) if sigma.ndim == 2 else sigma
