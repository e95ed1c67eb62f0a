"""Parameters and options as the numbers that the loop takes."""

from __future__ import annotations

import numpy as np

from nlsq.core.loop.loop import METHODS
from nlsq.core.loop.state import Setup
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters, interior_start


def make_setup(parameters: Parameters, options: Options) -> Setup:
    """The loop's numbers for a fit that begins at p0."""
    n = parameters.p0.size
    x0 = interior_start(parameters) if options.method == "trf" else parameters.p0
    x_scale = np.zeros(n)
    if not isinstance(options.x_scale, str):
        x_scale = options.for_each("x_scale", n)
    tolerances = [
        0.0 if t is None else float(t) for t in (options.ftol, options.xtol, options.gtol)
    ]
    budget = options.max_nfev or 200 * (n + 1)
    lb, ub = parameters.lb, parameters.ub
    if parameters.n_free < n:
        fixed = parameters.free == 0
        lb, ub = np.where(fixed, -np.inf, lb), np.where(fixed, np.inf, ub)
    factor = options.factor or METHODS[options.method].FACTOR
    rest = budget, options.f_scale, factor, np.inf
    return Setup(x0, lb, ub, x_scale, parameters.free, *tolerances, *rest)
