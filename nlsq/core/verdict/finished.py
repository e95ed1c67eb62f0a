"""From a solved fit to what is said about it: covariance, flags, warnings, lazily r and J."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np

from nlsq.config import double_precision
from nlsq.core.algebra.namespace import MANY
from nlsq.core.loop.judging import SAFE_PIVOT
from nlsq.core.loop.outcome import Outcome
from nlsq.core.loop.status import Status
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model import differences
from nlsq.core.model.calls import ResidualCall
from nlsq.core.model.jacobians import is_sparse
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.core.verdict import covariance
from nlsq.core.verdict.covariance import Spectrum
from nlsq.utils.given import require_finite, wrong_value

# An optimality that no test excuses, and the share of y's sum of squares that an exact fit leaves.
BLURRED, EXACT = 0.03, 1e-16


@dataclasses.dataclass
class Finished:
    """A solved fit: all that results are made of.

    Attributes
    ----------
    status : Status
        Why the fit stopped.
    """

    model: Model
    data: Observations
    parameters: Parameters
    options: Options
    outcome: Outcome

    def __post_init__(self):
        self.status = Status(self.outcome.status)
        if self.outcome.status > 0 and (
            (not self.outcome.moved and self.is_flat) or self.is_blurred
        ):
            self.status = Status.NO_PROGRESS

    @property
    def stopped_early(self) -> bool:
        """True when the fit was stopped while R was not yet exact."""
        return self.status <= 0 and self.outcome.pivot < SAFE_PIVOT

    @property
    def is_blurred(self) -> bool:
        """True when the gradient is not zero, and residuals are more than the rounding of y.

        The loop lets rounding of large arguments excuse a gradient; it does not know y.
        """
        options = self.options
        loose = math.sqrt(max(options.ftol or 0.0, options.xtol or 0.0))
        if self.outcome.optimality <= max(BLURRED, 10 * loose + (options.gtol or 0.0)):
            return False
        spread = self.data.spread() * self.data.n_residuals / self.data.y.size
        return 2 * self.outcome.cost > EXACT * spread > 0

    @property
    def is_flat(self) -> bool:
        """True when every free parameter, and at least one, leaves the residual as it is.

        That is, its change by 100 % would move the residual by less than 1e-4. Even a parameter
        that fits pure noise moves it by about 1 / sqrt(m).
        """
        outcome, flat = self.outcome, False
        if outcome.cost == 0:
            return False
        least = 1e-4 * math.sqrt(2 * outcome.cost)
        for j, free in enumerate(self.parameters.free):
            if free:  # of which an ordinary fit needs the first
                x = outcome.x.item(j)
                if not outcome.dead[j] and (x == 0 or outcome.lengths[j] * abs(x) > least):
                    return False
                flat = True
        return flat

    def gradient(self) -> np.ndarray:
        """g (n,), with the loss."""
        return self.outcome.gradient

    def precision(self) -> tuple[dict[str, str], ...]:
        """From which numbers to which the fit went, and why: the log of its `PrecisionState`."""
        from nlsq.precision.precision_state import PrecisionState  # which few ask for

        state = self.outcome.precision
        if state is None:
            who = "NumPy computes" if self.model.on_host else "its programs compute"
            state = PrecisionState("double", f"{who} in double precision, on all points")
        told = state.told()
        if not hasattr(self.outcome, "R") or self.outcome.pivot < SAFE_PIVOT:
            return told  # no factor, or not all its digits
        why = f"the pivots of its R are at least {self.outcome.pivot:.2g}: it has all its digits"
        return (*told, {"state": "exact", "reason": why})

    @property
    def rank_tolerance(self) -> float:
        """Singular values below this share of the largest are noise."""
        if self.model.on_host and not self.model.by_duals:
            return differences.rank_tolerance(self.options.schemes[1], self.model.precision)
        return covariance.RANK_TOLERANCE

    def optimality(self) -> float:
        """SciPy's first-order optimality: the largest |g_j v_j|, v the distance to the bound."""
        g, x, p = self.gradient(), self.outcome.x, self.parameters
        if not p.bounded:
            return float(np.abs(g).max(initial=0.0))
        v = np.where((g < 0) & np.isfinite(p.ub), p.ub - x, 1.0)
        v = np.where((g > 0) & np.isfinite(p.lb), x - p.lb, v)
        return float(np.abs(g * v * p.free).max(initial=0.0))

    def active_mask(self) -> np.ndarray:
        """-1 / 0 / 1 (n,): at the lower bound, inside, at the upper bound."""
        x, p = self.outcome.x, self.parameters
        if not p.bounded:
            return np.zeros(x.size, int)
        # closer than the noise resolves: a share xtol of |r| / |J_j|, the scale of a standard error
        near = (self.options.xtol or 0.0) * math.sqrt(2 * self.outcome.cost)
        arrays = x, p.lb, p.ub, p.free, self.outcome.columns
        if x.size > MANY:
            return active_mask(x, p.lb, p.ub, p.free > 0, self.outcome.columns, near)
        every = zip(*[a.tolist() for a in arrays], strict=True)  # plain numbers, as in `is_flat`
        return np.array([_active(*one, near) for one in every])

    @property
    def spectrum(self) -> Spectrum:
        """What the data determine."""
        free, outcome = self.parameters.free.astype(bool), self.outcome
        if outcome.regular:
            return Spectrum(outcome.R, outcome.dead, free, inverse=outcome.P)
        # the row of a dependent column is not of the data
        rows = np.where(outcome.dependent[:, None], 0.0, outcome.R)
        return Spectrum(rows, outcome.dead, free, self.rank_tolerance)

    def values(self, p: np.ndarray | None = None) -> np.ndarray:
        """Model (m,) at p, by default at the solution."""
        f = self.model.predict(self.data.x.given, self.outcome.x if p is None else p)
        m = self.data.y.size
        f = np.broadcast_to(f, m) if f.size == 1 else f
        if f.size != m:
            raise wrong_value(f.shape, m, None)
        return f

    def residual(self, p: np.ndarray | None = None) -> np.ndarray:
        """Whitened residual at p, by default at the solution, before the loss."""
        return np.asarray(self.data.whiten(self.values(p) - self.data.y), float)

    def cost_of(self, residual: np.ndarray) -> float:
        """The cost of a whitened residual."""
        loss = self.options.loss_function
        if loss is None:
            return 0.5 * float(residual @ residual)
        with double_precision():
            costs, _, _ = scale_rows(
                loss, self.options.f_scale, residual, np.zeros((1, residual.size)), np
            )
        return float(np.sum(costs))

    def jacobian(self) -> np.ndarray:
        """Whitened Jacobian at the solution, rows scaled by the loss as SciPy does."""
        J = self.model.jacobian(self.data.x.given, self.outcome.x)
        if not isinstance(J, np.ndarray):
            return self._scaled(J)
        J = np.broadcast_to(J, (self.data.y.size, J.shape[1]))
        J = np.array(self.data.whiten(J), float)
        loss = self.options.loss_function
        if loss is None:
            return J
        with double_precision():
            _, _, JT = scale_rows(loss, self.options.f_scale, self.residual(), J.T, np)
        return np.array(JT).T

    def _scaled(self, J):
        """A sparse Jacobian or a LinearOperator, its rows scaled by the loss."""
        loss = self.options.loss_function
        if loss is None:
            return J
        from scipy.sparse import diags_array
        from scipy.sparse.linalg import aslinearoperator

        r = self.residual()
        rows = np.asarray(scale_rows(loss, self.options.f_scale, r, np.ones((1, r.size)), np)[2])[0]
        factors = diags_array(rows)
        return (factors @ J).tocsr() if is_sparse(J) else aslinearoperator(factors) @ J


def _active(x: float, lb: float, ub: float, free: float, column: float, near: float) -> int:
    """-1 / 0 / 1 for a parameter at its lower bound, inside, at its upper bound."""
    low, high = x - lb, ub - x
    gap = low if low <= high else high
    if not free or not gap <= (near / column if column > 0 else 0.0) or gap == math.inf:
        return 0
    return -1 if gap is low else 1


def active_mask(x, lb, ub, free, columns, size) -> np.ndarray:
    """What `_active` says, of many fits at once; all arrays (..., n) alike.

    At means closer than the noise resolves: `size`, a share xtol of |r|, over the column's length,
    the scale of a standard error.
    """
    near = np.where(columns > 0, size / np.where(columns > 0, columns, 1.0), 0.0)
    low, high = x - lb, ub - x
    at_low = free & np.isfinite(lb) & (low <= near) & (low <= high)
    at_high = free & np.isfinite(ub) & (high <= near) & (high < low)
    return np.where(at_low, -1, np.where(at_high, 1, 0))


def check_start(finished: Finished, guard: Any = None) -> None:
    """Raise SciPy's ValueError when the data or the model at the start are not finite.

    guard: a `Guarding`, which lets the error have its report.

    Raises
    ------
    ValueError
        Naming the first offending point; where it is the model's, a `StartError`.
    """
    if finished.status is not Status.NOT_FINITE:
        return
    data = finished.data
    require_finite(data.counted(data.y), "ydata")
    f = data.counted(finished.values())
    bad = np.flatnonzero(~np.isfinite(f))
    start = ", ".join(
        f"{n}={v:g}" for n, v in zip(finished.parameters.names, finished.outcome.x, strict=True)
    )
    what = (
        f"the model gives {f[bad[0]]} at {bad.size} of {f.size} points, the first at index {bad[0]}"
        if bad.size
        else "its derivatives are not finite"
    )
    of_curve = not isinstance(finished.model.call, ResidualCall)
    given = "p0" if of_curve else "x0"
    from nlsq.result import CurveFitResult, StartError

    error = StartError(
        f"{Status.NOT_FINITE.sentence} With {start} {what}. Choose another {given}, or bounds that "
        "keep the parameters where the model is defined.",
        CurveFitResult(_start_of(finished)),
    )
    if guard is not None:
        guard.tell(error.result)
        error.add_note(str(error.result.stability))
    if of_curve and (guard is None or guard.mode == "check"):
        error.add_note("stability='auto' looks for a start at which the model is defined.")
    raise error


def _start_of(finished: Finished) -> dict:
    """The fields of a fit that could not begin."""
    p, data, status = finished.parameters, finished.data, finished.status
    return {
        "x": p.p0, "p0": p.p0, "bounds": (p.lb, p.ub), "param_names": p.names,
        "fixed": tuple(itertools.compress(p.names, p.free == 0)), "cost": math.nan, "nfev": 1,
        "status": int(status), "message": status.sentence, "success": False, "warnings": (),
        "xdata": data.x.given, "ydata": data.y, "sigma": data.sigma, "model": finished.model,
    }  # fmt: skip


def no_progress(finished: Finished) -> list[str]:
    """A note when the fit is stuck, or the model flat where it stopped and the data unexplained."""
    if not finished.is_flat:
        if finished.status is not Status.NO_PROGRESS:
            return []
        return [
            "the fit stopped where its gradient is not zero, which is no minimum: no step lowered "
            "the cost. Give a p0 nearer to the data"
        ]
    names = ", ".join(itertools.compress(finished.parameters.names, finished.parameters.free))
    if not finished.outcome.moved:
        where = "the fit did not move from its start, where"
    else:
        where = "the fit ended where"
    return [f"{where} the model hardly responds to {names}: give a p0 nearer to the data"]
