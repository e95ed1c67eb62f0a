"""`least_squares`: minimise a residual function; SciPy's call and result fields on the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.core.abscissae import Abscissae
from nlsq.core.evaluation import ResidualCall
from nlsq.core.finish import Finished, check_start
from nlsq.core.given import model_value, numeric, refuse_masks
from nlsq.core.model import Model
from nlsq.core.options import read_options
from nlsq.core.problem import UNBOUNDED, Observations, Parameters, parse_bounds, parse_start
from nlsq.core.solve import choose_road, solve
from nlsq.core.tracing import require_numbers
from nlsq.core.watch import closing_line
from nlsq.result import OptimizeResult


def least_squares(
    fun: Callable,
    x0: Any,
    jac: Any = None,
    bounds: Any = UNBOUNDED,
    method: str = "trf",
    *,
    args: tuple = (),
    kwargs: dict | None = None,
    **options: Any,
) -> OptimizeResult:
    """Minimise ½ Σ ρ(fun(x)²) within bounds; the call of `scipy.optimize.least_squares`.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args, **kwargs)`` -> residuals (m,), x of shape (n,); NumPy or `jax.numpy`.
    x0 : array_like, shape (n,)
        Start.
    jac : None, callable, '2-point', '3-point' or 'cs'
        Default: exact derivatives. A callable ``jac(x, *args, **kwargs)`` returns (m, n).
    bounds : 2-tuple, `scipy.optimize.Bounds` or n pairs
        ``lb == ub`` fixes a parameter.
    method : {'trf', 'dogbox', 'lm'}
    args, kwargs
        Passed on to `fun` and `jac`.
    **options
        ftol, xtol, gtol, x_scale, loss, f_scale, max_nfev, diff_step, callback, verbose,
        time_limit, tr_solver, tr_options, cache: as in `nlsq.curve_fit`.

    Returns
    -------
    OptimizeResult
        With x, cost, fun, jac, grad, optimality, active_mask, nfev, njev, nit, status, message,
        success and model_info. A fit that does not converge returns with its status.

    Raises
    ------
    ValueError, TypeError
        For bad input, a start whose residuals are not finite, and unknown keywords.

    Examples
    --------
    >>> import numpy as np
    >>> def rosenbrock(x):
    ...     return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])
    >>> least_squares(rosenbrock, [-1.2, 1.0]).x.round(8)
    array([1., 1.])
    """
    require_numbers("least_squares")
    if not isinstance(args, tuple | list):
        raise TypeError(f"`args` must be a tuple of further arguments of fun, got {args!r}.")
    kwargs = dict(kwargs or {})
    if not callable(fun):
        raise TypeError(f"`fun` must be callable, got {fun!r}.")
    x0 = _start(x0)
    if x0.ndim > 1 or x0.size == 0:
        raise ValueError("`x0` must have at most 1 dimension and at least one number.")
    lb, ub = parse_bounds(bounds, x0.size)
    names = tuple(f"x{i}" for i in range(x0.size))
    parameters = Parameters(parse_start(x0, lb, ub, names, "`x0`"), lb, ub, names)
    settings = read_options("least_squares", method, jac, parameters.bounded, options, _FRONT)
    call = ResidualCall(fun, tuple(args), kwargs)
    data = _no_data(_count_residuals(call, x0, method))
    model = Model(call, x0.size, getattr(fun, "__name__", type(fun).__name__))
    choose_road(model, data, parameters, settings)
    if model.jac is not None:
        user_jac = model.jac
        model.jac = lambda _, *p: user_jac(np.array(p), *args, **kwargs)
    finished = Finished(model, data, parameters, settings, solve(model, data, parameters, settings))
    check_start(finished)
    outcome, status = finished.outcome, finished.status
    result = OptimizeResult(
        {
            "x": outcome.x.copy(),
            "cost": outcome.cost,
            "grad": finished.gradient(),
            "optimality": finished.optimality(),
            "active_mask": finished.active_mask(),
            "nfev": outcome.nfev,
            "njev": outcome.njev,
            "nit": outcome.nit,
            "status": int(status),
            "message": status.sentence,
            "success": status.converged,
            "model_info": model.info,
        },
        lazy={"fun": finished.residual, "jac": finished.jacobian},
    )
    if settings.verbose:
        print(closing_line(result))
    return result


_FRONT = ("x0", "jac", "bounds", "method", "args", "kwargs")


class LeastSquares:
    """`least_squares` with options that stay.

    Parameters
    ----------
    **options
        Any keyword of `least_squares` other than `fun` and `x0`.

    Examples
    --------
    >>> import numpy as np
    >>> solver = LeastSquares(method="lm")
    >>> solver.least_squares(lambda x: np.array([x[0] - 1, x[1] + 2]), [0.0, 0.0]).x.round(9)
    array([ 1., -2.])
    """

    _own = ("jac", "bounds", "method", "args", "kwargs")

    def __init__(self, **options: Any):
        unknown = {k: v for k, v in options.items() if k not in self._own}
        read_options("LeastSquares", None, None, False, unknown, self._own)
        self.options = options

    def least_squares(self, fun: Callable, x0: Any, **options: Any) -> OptimizeResult:
        """`least_squares(fun, x0, ...)`; what is given here outranks what was kept."""
        return least_squares(fun, x0, **(self.options | options))


def _start(x0) -> np.ndarray:
    refuse_masks(x0, "x0", "Give a start for each parameter.")
    x0 = np.atleast_1d(numeric(x0, "x0"))
    if x0.dtype.kind == "c":
        raise ValueError("`x0` must be a vector of real numbers.")
    return x0


def _count_residuals(call: ResidualCall, x0, method) -> int:
    from nlsq.config import double_precision

    with double_precision(), np.errstate(all="ignore"):
        value = call.host(None, x0)
    refuse_masks(value, "fun(x)", "Leave such residuals out, e.g. `.compressed()`.")
    r = model_value(value, "`fun`")
    if r.size == 0:
        raise ValueError("`fun` must return at least one residual.")
    if r.ndim != 1:
        raise ValueError(f"`fun` must return at most 1-d array_like. f0.shape: {r.shape}")
    if np.iscomplexobj(r):
        raise ValueError("`fun` must return real residuals; stack real and imaginary parts.")
    if method == "lm" and r.size < x0.size:
        raise ValueError(
            "Method 'lm' doesn't work when the number of residuals is less than the number of "
            "variables. Use 'trf' or 'dogbox' instead."
        )
    return r.size


def _no_data(m: int) -> Observations:
    return Observations(Abscissae(None, m), np.zeros(m), None, None, None)
