"""Whether a program ended where the user's own function agrees with it.

A program is believed when it is made (`nlsq.core.model.believing`). What it was not shown there, a
state that changed, a branch on a type or a length, shows at the end: the cost of the solution is
computed once more, from what the user's function returns for the user's data.
"""

from __future__ import annotations

import math

import numpy as np

from nlsq.core.loop.outcome import Outcome
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model.comparing import tolerance
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.options import Options
from nlsq.utils.given import model_value

OTHER = "its program has other values than the function at the solution"
MOST_POINTS = 1 << 14  # where one evaluation is a small part of a fit


def agrees(model: Model, data: Observations, options: Options, outcome: Outcome) -> bool:
    """Whether the user's function has the cost that a converged fit by a program says."""
    if outcome.status <= 0 or data.y.size > MOST_POINTS:
        return True
    with np.errstate(all="ignore"):
        try:
            values = model_value(model.evaluate(data.x.given, outcome.x)).ravel()
        except Exception:
            if not model.take_refusal():
                raise
            return False  # the user's function refuses what its program does not
        if values.size not in (1, data.y.size):
            return False
        own, known, rtol = _cost(values, data, options), outcome.cost, tolerance(values)
    if abs(own - known) <= rtol * known:
        return True
    if not math.isfinite(own):
        return False
    # where residuals are small, the rounding of the values is not
    size = np.linalg.norm(data.whiten(data.counted(np.broadcast_to(values, data.y.shape))))
    gap = abs(math.sqrt(2 * own) - math.sqrt(2 * known))
    return gap <= rtol * (math.sqrt(2 * known) + float(size))


def _cost(values: np.ndarray, data: Observations, options: Options) -> float:
    r = data.whiten(data.counted(values - data.y))
    loss = options.loss_function
    if loss is None:
        return 0.5 * float(r.dot(r))
    costs, _, _ = scale_rows(loss, options.f_scale, r, np.zeros((1, r.size)), np)
    return float(np.sum(costs))
