"""Whether a point is a minimum, from values of the cost alone.

Where all of J vanishes at a minimum but the residual does not, as of (x - a)^2 + 5, no test on the
gradient can tell: J and J^T r shrink alike, and the Gauss-Newton step grows without end. The cost
can. It rises on both sides of every parameter, at the smallest steps that it resolves. Where the
model does not respond it rises on none, and where a descent is left it falls on one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

MOST_PARAMETERS = 30
RESOLVED = 1e-13  # relative change of the cost that is more than rounding
_STEPS = 10.0 ** np.arange(-9, 0.5)  # shares of a parameter's size
_IN_A_ROW = 3  # steps at which it must rise: noise would do so at one


def rises_around(cost: Callable, x, size, lb, ub) -> bool:
    """Whether cost(p) rises on both sides of x along each parameter that is free (lb < ub).

    Parameters
    ----------
    size : ndarray (n,)
        Scale of each parameter. A side that a bound cuts off counts as risen.
    """
    here = cost(x)
    return all(
        _rises(cost, here, x, j, size[j], lb[j], ub[j]) for j in np.flatnonzero(lb < ub).tolist()
    )


def _rises(cost: Callable, here: float, x, j: int, size: float, lb: float, ub: float) -> bool:
    in_a_row = 0
    for step in _STEPS * size:
        changes = []
        for side in (step, -step):
            p = x.copy()
            p[j] += side
            if lb <= p[j] <= ub:
                changes.append(cost(p) - here)
        if not changes or min(changes) < -RESOLVED * here:
            return False
        in_a_row = in_a_row + 1 if min(changes) > RESOLVED * here else 0
        if in_a_row == _IN_A_ROW:
            return True
    return False
