"""A start in single precision, where a device computes in double precision much more slowly.

The passes over the data are in single precision, the step and all that is n-sized in double. The
answer is a start and nothing more: every test is on all the data in double precision.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from nlsq.core.loop.state import ITERATE, Method, Setup, pack_setup, start_vector
from nlsq.core.loop.watch import Watch, drive_passes
from nlsq.core.problem.parameters import Parameters, interior_start
from nlsq.device import double_is_slow
from nlsq.precision.precision_state import PrecisionState
from nlsq.utils import interruption

HEAVY = 400_000  # points times parameters, above which a pass is worth another program
_TOLERANCE = 1e-5  # relative: what sums of single precision still show
_BUDGET = 64  # evaluations after which an attempt is given up


class _Attempt(Watch):
    """Ends the passes where a tolerance is met: single precision has nothing to polish."""

    def stops(self, state, running: bool) -> bool:
        interruption.check()
        return int(state.phase) != ITERATE


def is_worth(m: int, n: int) -> bool:
    """Whether a fit of so many points and parameters begins in single precision here."""
    return m * n > HEAVY and bool(double_is_slow())


def stays_double() -> PrecisionState:
    """The record of a fit that does not."""
    why = "double precision on all points: on this device single is not much faster"
    return PrecisionState("double", why)


def start_in_single(
    program: Callable, parameters: Parameters, setup: Setup, method: Method, m: int
) -> tuple[np.ndarray, PrecisionState]:
    """(first trial of a fit in double precision, what was done).

    program: (flat setup, flat state) -> Sums, a pass in single precision.
    """
    loose = max(_TOLERANCE, float(setup.ftol))
    easy = setup._replace(
        ftol=loose, xtol=loose, gtol=loose, max_nfev=min(int(setup.max_nfev), _BUDGET)
    )
    state = PrecisionState("single", f"double precision is slow on {double_is_slow()}")
    flat, start = pack_setup(easy, m), start_vector(setup.x0, method)
    outcome = drive_passes(functools.partial(program, flat), method, flat, start, _Attempt())
    passes = f"{outcome.nfev} pass{'' if outcome.nfev == 1 else 'es'}"
    if outcome.status <= 0 or not np.isfinite(outcome.x).all():
        state.advance("double", f"{passes} in single precision did not converge: from p0 anew")
        return setup.x0, state
    state.advance("double", f"single precision converged after {passes}")
    return interior_start(dataclasses.replace(parameters, p0=outcome.x)), state
