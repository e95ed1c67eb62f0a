"""Why a fit stopped: one code, one sentence.

Codes 0 to 4 are those of `scipy.optimize.least_squares`; negative codes name a stop that SciPy
either raises for or does not know. Those below -6 are of one among many fits, which does not raise;
RUNNING and ASTRAY never leave the loop.
"""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Termination status of a fit. `Status(code).sentence` says it in words."""

    RUNNING = -99
    ASTRAY = -98
    BLOCK_FAILED = -12
    NOT_REACHED = -11
    BAD_SIGMA = -10
    BAD_BOUNDS = -9
    BAD_START = -8
    TOO_FEW_POINTS = -7
    NO_PROGRESS = -6
    TIME_LIMIT = -5
    INTERRUPTED = -4
    NOT_FINITE = -3
    CALLBACK = -2
    MAX_NFEV = 0
    GTOL = 1
    FTOL = 2
    XTOL = 3
    FTOL_XTOL = 4

    @property
    def converged(self) -> bool:
        """True when a tolerance stopped the fit."""
        return self > 0

    @property
    def stopped_from_outside(self) -> bool:
        """True when a callback, a time limit or Ctrl-C stopped the fit."""
        return self in (Status.CALLBACK, Status.TIME_LIMIT, Status.INTERRUPTED)

    @property
    def sentence(self) -> str:
        """The message of a result with this status."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.RUNNING: "The fit is running.",
    Status.ASTRAY: "The steps became tiny where the gradient is not.",
    Status.BLOCK_FAILED: "Not fitted: its block of fits failed on a worker.",
    Status.NOT_REACHED: "Not fitted: the call was interrupted or ran out of time first.",
    Status.BAD_SIGMA: "Not fitted: a standard deviation is not positive.",
    Status.BAD_BOUNDS: "Not fitted: a lower bound is NaN or above its upper bound.",
    Status.BAD_START: "Not fitted: the start is not finite, or outside its bounds.",
    Status.TOO_FEW_POINTS: "Not fitted: there are fewer points than parameters.",
    Status.NO_PROGRESS: (
        "The fit made no progress: it stopped at a point that is no minimum, or the model does not "
        "respond to its parameters there."
    ),
    Status.TIME_LIMIT: "The time limit was reached; the best point so far is returned.",
    Status.INTERRUPTED: "The fit was interrupted; the best point so far is returned.",
    Status.NOT_FINITE: "Residuals are not finite in the initial point.",
    Status.CALLBACK: "The callback stopped the fit; the best point so far is returned.",
    Status.MAX_NFEV: "The maximum number of function evaluations is exceeded.",
    Status.GTOL: "`gtol` termination condition is satisfied.",
    Status.FTOL: "`ftol` termination condition is satisfied.",
    Status.XTOL: "`xtol` termination condition is satisfied.",
    Status.FTOL_XTOL: "Both `ftol` and `xtol` termination conditions are satisfied.",
}
