"""From coarse to fine: a start for many data from a fit to a sample of them.

One point is taken from each of S equal strata. The sample's answer is a start and nothing more:
every test is on all the data, and it is dropped for the user's p0 where it does not hold for them.
A step from there should promise no more than sampling explains, which is |z|^2 ~ s^2 n m / S for a
residual variance s^2, or 2 n F / S for the cost F.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nlsq.core.loop.state import Setup
from nlsq.core.loop.status import Status
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters, interior_start
from nlsq.utils import interruption

if TYPE_CHECKING:
    from nlsq.precision.precision_state import PrecisionState

# More points than MANY_POINTS are sampled first: a share 1 / _SHARE of them, within limits.
# Measured from 10^5 to 10^6 points: fewer than 8 192 cost another full pass, more cost their own
# time.
MANY_POINTS, _SHARE, _SMALLEST_SAMPLE = 1 << 15, 256, 1 << 13
# Evaluations after which a sample that has not converged is given up: two passes over all points.
_SAMPLE_BUDGET = 64
# Times what sampling explains, from which on a sample's answer is not believed.
_DOUBT = 30


def sample_size(m: int) -> int:
    """Points of the sample that m > MANY_POINTS points are first fitted on; fewer are all taken."""
    return m if m <= MANY_POINTS else min(max(_SMALLEST_SAMPLE, m // _SHARE), MANY_POINTS)


def start_on_sample(
    fit: Callable, sample: Observations, parameters: Parameters, options: Options, setup: Setup
) -> tuple[np.ndarray, Setup]:
    """(first trial of a fit to all data, its setup): the answer on the sample, to be doubted.

    fit(sample, parameters, options, budget) -> Outcome
    """
    x0 = _fit_sample(fit, sample, parameters, options, setup.x0)
    return x0, setup._replace(trust=_DOUBT * 2 * setup.x0.size / sample.y.size)


def told(size: int, m: int, converged: bool) -> PrecisionState:
    """The record of a fit to m points that began on `size` of them."""
    from nlsq.precision.precision_state import PrecisionState  # which few fits need

    state = PrecisionState("sample", f"{size:,} of {m:,} points, one of each stratum, for a start")
    why = "the sample did not converge: all points, from p0"
    if converged:
        why = "the sample converged: all points, from its answer unless they refute it"
    state.advance("double", why)
    return state


def _fit_sample(fit, sample: Observations, parameters: Parameters, options: Options, x0):
    """The sample's answer, or x0 when there is none worth starting from."""
    budget = min(options.max_nfev or _SAMPLE_BUDGET, _SAMPLE_BUDGET)
    quiet = dataclasses.replace(options, callback=None, verbose=0, max_nfev=budget)
    before = interruption.worth_saving(False)
    outcome = fit(sample, parameters, quiet, None)
    interruption.worth_saving(before)  # the sample's answer is none of all data
    if outcome.status == Status.INTERRUPTED:
        raise KeyboardInterrupt
    if outcome.status <= 0 or not outcome.regular:
        return x0
    return interior_start(dataclasses.replace(parameters, p0=outcome.x))
