"""A user's own minimiser in the place of our searches: ``curve_fit(..., method=optimizer)``."""

from __future__ import annotations

from typing import Any

import numpy as np

from nlsq.global_optimization.problem import Found, Problem
from nlsq.interfaces import LeastSquaresOptimizerProtocol, OptimizerProtocol, ResultProtocol


class UsersOptimizer:
    """Finds the start of a fit by an optimizer, which sees the free parameters alone.

    Parameters
    ----------
    optimizer : LeastSquaresOptimizerProtocol or OptimizerProtocol
        The first is given residuals and Jacobian in units of the errors, the second the cost.
    """

    def __init__(self, optimizer: LeastSquaresOptimizerProtocol | OptimizerProtocol):
        self.config = optimizer

    def find(self, problem: Problem, has_start: bool) -> Found:
        """The point where the optimizer ends; has_start makes no difference.

        Raises
        ------
        TypeError, ValueError
            It returns no result, or ends at no point, or outside of the bounds.
        """
        free, name = problem.free, type(self.config).__name__
        if not free.any():
            return Found(problem.p0)
        bounds = problem.lb[free], problem.ub[free]
        least_squares = isinstance(self.config, LeastSquaresOptimizerProtocol)
        found = (_least_squares if least_squares else _minimum)(self.config, problem, bounds)
        if not isinstance(found, ResultProtocol):
            raise TypeError(f"{name} must return an object with x, success and message, as "
                            f"scipy.optimize.OptimizeResult is, got {found!r:.80}.")  # fmt: skip
        x, end = np.asarray(found.x, float), problem.p0.copy()
        if x.shape != bounds[0].shape or not np.isfinite(x).all():
            raise ValueError(f"{name} must end at {free.sum()} finite numbers, got x={found.x!r}.")
        if not ((bounds[0] <= x) & (x <= bounds[1])).all():
            raise ValueError(f"{name} ended outside of the bounds {bounds}, at x={x}.")
        end[free] = x
        told = {"name": name, "success": bool(found.success), "message": str(found.message)}
        return Found(end, diagnostics={"optimizer": told})


def _whole(problem: Problem, x: Any) -> np.ndarray:
    p = problem.p0.copy()
    p[problem.free] = np.reshape(x, problem.free.sum())  # one number would stand for all
    return p


def _minimum(optimizer: OptimizerProtocol, problem: Problem, bounds: tuple) -> ResultProtocol:
    def cost(x) -> float:
        return float(problem.costs(_whole(problem, x)[None])[0])

    return optimizer.optimize(cost, problem.p0[problem.free], bounds=bounds)


def _least_squares(
    optimizer: LeastSquaresOptimizerProtocol, problem: Problem, bounds: tuple
) -> ResultProtocol:
    data, options = problem.data, problem.options

    def residuals(x) -> np.ndarray:
        return problem.whiten(problem.values(_whole(problem, x)[None]) - data.y)[0]

    def jacobian(x) -> np.ndarray:
        J = problem.model.jacobian(data.x.given, _whole(problem, x))
        return problem.whiten(np.asarray(J).T).T[:, problem.free]

    robust = options.loss != "linear"
    loss = {"loss": options.loss, "f_scale": options.f_scale} if robust else {}
    start = problem.p0[problem.free]
    return optimizer.least_squares(residuals, start, jac=jacobian, bounds=bounds, **loss)
