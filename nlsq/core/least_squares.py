"""`least_squares`: minimise a residual function; SciPy's call and result fields on the engine."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from nlsq.config import double_precision
from nlsq.core.drive.roads import choose_road
from nlsq.core.drive.solve import solve
from nlsq.core.drive.tries import values_or_nan
from nlsq.core.loop.status import Status
from nlsq.core.loop.watch import closing_line
from nlsq.core.model import differences, rising
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.calls import CurveCall, ResidualCall
from nlsq.core.model.duals import NoRule
from nlsq.core.model.jacobians import Pattern, form, is_operator, of_residuals
from nlsq.core.model.model import Model
from nlsq.core.problem.keywords import by_name, check_names
from nlsq.core.problem.observations import Observations, parse_observations
from nlsq.core.problem.options import TR_OPTIONS, Options, check_kept, read_options
from nlsq.core.problem.parameters import (
    UNBOUNDED,
    Parameters,
    interior_start,
    make_parameters,
    speaks_by_name,
)
from nlsq.core.verdict.finished import Finished, check_start
from nlsq.result import OptimizeResult
from nlsq.utils.given import model_value, numeric, refuse_masks, require_numbers

if TYPE_CHECKING:
    from nlsq.types import FitOptions, JacLike, MethodLiteral


def least_squares(
    fun: Callable,
    x0: Any,
    jac: JacLike | None = None,
    bounds: Any = UNBOUNDED,
    method: MethodLiteral = "trf",
    *rest: Any,
    args: tuple = (),
    kwargs: dict | None = None,
    jac_sparsity: Any = None,
    fixed: Any = None,
    names: Sequence[str] | None = None,
    **options: Unpack[FitOptions],
) -> OptimizeResult:
    """Minimise ½ Σ ρ(fun(x)²) within bounds; the call of `scipy.optimize.least_squares`.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args, **kwargs)`` -> residuals (m,), x of shape (n,); NumPy or `jax.numpy`.
    x0 : array_like (n,) or dict
        Start. The keys of a dict name the parameters, in the order in which `fun` gets them.
    jac : None, callable, '2-point', '3-point', 'cs' or `nlsq.interfaces.JacobianProtocol`
        Default: exact derivatives. A callable ``jac(x, *args, **kwargs)`` returns (m, n), as an
        array, a sparse matrix or a `scipy.sparse.linalg.LinearOperator`.
    bounds : 2-tuple, `scipy.optimize.Bounds`, n pairs or dict
        ``lb == ub`` fixes a parameter; None is an open side. By name, ``{name: (low, high)}``.
    method : {'trf', 'dogbox', 'lm'}
    *rest
        The options below by position, in SciPy's order.
    args, kwargs
        Passed on to `fun` and `jac`.
    jac_sparsity : array_like or sparse matrix, shape (m, n), optional
        Not 0 where the Jacobian may be: differences then take few calls of `fun`, and the Jacobian
        is sparse. It asks for differences; a callable `jac` says it by what it returns. With a
        sparse Jacobian or a LinearOperator nothing of size (m, n) or (n, n) is made; the steps are
        those of tr_solver='cg', or of 'lsmr' where that or its `tr_options` are given.
    fixed : dict or sequence of str, optional
        Parameters that are not fitted: names with values, or names alone, which stay at `x0`.
    names : sequence of str, optional
        Of the parameters, where `x0` is an array or its keys are in another order. With names the
        result has `param_names`, and bounds, x_scale and diff_step may be dicts by name.
    **options
        ftol, xtol, gtol, x_scale, loss, f_scale, max_nfev, diff_step, workers, callback, verbose,
        time_limit, tr_solver, tr_options, cache, backend: as in `nlsq.curve_fit`.

    Returns
    -------
    OptimizeResult
        With x, cost, fun, jac, grad, optimality, active_mask, nfev, njev, nit, status, message,
        success, backend, model_info, and param_names if there are names. A fit that does not
        converge returns with its status.

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
    >>> least_squares(rosenbrock, {"a": -1.2, "b": 1.0}, bounds={"a": (None, 0.5)}).x.round(8)
    array([0.5 , 0.25])
    """
    require_numbers("least_squares")
    keywords: dict[str, Any] = {**options}
    if rest:
        others = {"args": args} if args else {}
        others |= keywords if kwargs is None else keywords | {"kwargs": kwargs}
        others |= {} if jac_sparsity is None else {"jac_sparsity": jac_sparsity}
        given = by_name("least_squares", 5, _POSITIONS[3:], rest, others)
        return least_squares(fun, x0, jac, bounds, method, fixed=fixed, names=names, **given)
    if not isinstance(args, tuple | list):
        raise TypeError(f"`args` must be a tuple of further arguments of fun, got {args!r}.")
    kwargs = dict(kwargs or {})
    if not callable(fun):
        raise TypeError(f"`fun` must be callable, got {fun!r}.")
    check_names("least_squares", keywords, _FRONT)
    if names is not None or speaks_by_name(fun, x0, bounds, fixed, keywords):
        from nlsq.core.problem import named

        x0, bounds, keywords, names = named.unknowns(x0, bounds, fixed, names, method, keywords)
    x0 = _start(x0)
    if x0.ndim > 1 or x0.size == 0:
        raise ValueError("`x0` must have at most 1 dimension and at least one number.")
    names_given, names = names, names or _Numbered(x0.size)
    parameters = make_parameters(x0, bounds, names, "`x0`")
    start = interior_start(parameters) if method == "trf" else parameters.p0
    call = ResidualCall(fun, tuple(args), kwargs)
    model = Model(call, x0.size, getattr(fun, "__name__", type(fun).__name__))
    m = _take_start(model, start, method)
    jac = of_residuals(jac, fun)
    if callable(jac):
        model.jac = call.derivative(jac)
    keywords = _sparse_options(model, start, m, jac, jac_sparsity, method, keywords)
    if jac_sparsity is not None and jac is None:
        jac = "2-point"
    settings = read_options("least_squares", method, jac, parameters.bounded, keywords, _FRONT)
    data = _no_data(m)
    choose_road(model, data, parameters, settings, at_once=True)
    finished = Finished(model, data, parameters, settings, solve(model, data, parameters, settings))
    check_start(finished)
    if finished.status is Status.NO_PROGRESS and _is_minimum(finished):
        finished.status = Status.FTOL
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
            "backend": model.info.backend,
        },
        lazy={"fun": finished.residual, "jac": finished.jacobian},
    )
    if names_given:
        result["param_names"] = names
    if settings.verbose:
        print(closing_line(result))
    return result


_FRONT = ("x0", "jac", "bounds", "method", "args", "kwargs", "jac_sparsity", "fixed", "names")
# SciPy's order
_POSITIONS = (
    "jac", "bounds", "method", "ftol", "xtol", "gtol", "x_scale", "loss", "f_scale", "diff_step",
    "tr_solver", "tr_options", "jac_sparsity", "max_nfev", "verbose", "args", "kwargs", "callback",
    "workers",
)  # fmt: skip


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

    _own = _FRONT[1:]

    def __init__(self, **options: Any):
        check_kept("LeastSquares", options, self._own)
        self.options = options

    def least_squares(self, fun: Callable, x0: Any, *args: Any, **options: Any) -> OptimizeResult:
        """`least_squares(fun, x0, ...)`; what is given here outranks what was kept."""
        given = by_name("least_squares", 2, _POSITIONS, args, options)
        return least_squares(fun, x0, **(self.options | given))

    def __repr__(self) -> str:
        return f"LeastSquares({', '.join(f'{k}={v!r}' for k, v in self.options.items())})"


class AutoDiffJacobian:
    """The exact Jacobian of a model, as a function of its own.

    Examples
    --------
    >>> import numpy as np
    >>> jac = AutoDiffJacobian().create_ad_jacobian(lambda x, a, b: a * x**2 + b, 2)
    >>> jac(np.array([1.0, 3.0]), 5.0, 0.5)
    array([[1., 1.],
           [9., 1.]])
    >>> AutoDiffJacobian().compute(lambda p: p**2, np.array([1.0, 3.0]))
    array([[2., 0.],
           [0., 6.]])
    """

    def compute(self, fun: Callable, x: Any, args: tuple = ()) -> np.ndarray:
        """The Jacobian (m, n) of fun(x, *args) (m,) at x (n,): a `JacobianProtocol`."""
        start = np.atleast_1d(np.asarray(x, float))
        call = ResidualCall(fun, tuple(args), {})
        model = Model(call, start.size, getattr(fun, "__name__", type(fun).__name__))
        data = _no_data(model_value(call.host(None, start), "`fun`").size)
        free = np.full(start.size, np.inf)
        parameters = Parameters(start, -free, free, _Numbered(start.size))
        for at_once in (True, False):  # by NumPy; where that has no rule, by JAX
            choose_road(model, data, parameters, Options(), at_once=at_once)
            try:
                return np.asarray(model.jacobian(None, start))
            except NoRule:
                continue
        raise AssertionError("a road by JAX asks for no rule")

    def create_ad_jacobian(self, func: Callable, num_args: int, sigma: Any = None) -> Callable:
        """A function ``jac(x, *params)`` that returns (m, n), for `curve_fit` and others.

        Parameters
        ----------
        func : callable
            The model ``f(x, a, b, ...)``; where JAX cannot trace it, differences take over.
        num_args : int
            Number of parameters n.
        sigma : None, scalar, (m,) or (m, m), optional
            Standard deviations or a covariance matrix, by which the rows are whitened.
        """
        call = CurveCall(func)
        name = getattr(func, "__name__", type(func).__name__)

        def jac(x: Any, *params: Any) -> np.ndarray:
            p = np.array(params, float)
            if p.shape != (num_args,):
                raise TypeError(f"the model {name!r} has {num_args} parameters, got {p.size}.")
            value = model_value(call.host(x, p))
            data = parse_observations(x, value, sigma, False, None)
            free = np.full(num_args, np.inf)
            model = Model(call, num_args, name)
            choose_road(model, data, Parameters(p, -free, free, _Numbered(num_args)), Options())
            return data.whiten(model.jacobian(data.x.given, p))

        return jac


def _is_minimum(finished: Finished) -> bool:
    """Whether the cost says that a fit stopped at a minimum, where the gradient cannot."""
    outcome = finished.outcome = copy.copy(finished.outcome)  # that of a cache stays as it is
    p, left = finished.parameters, finished.options.max_nfev
    if p.p0.size > rising.MOST_PARAMETERS or (left is not None and outcome.nfev >= left):
        return False

    def cost(x):
        outcome.nfev += 1
        values = values_or_nan(finished.model, None, x)
        return finished.cost_of(values.astype(float)) if np.isfinite(values).all() else np.nan

    size = np.maximum(np.abs(outcome.x), np.abs(outcome.x - p.p0))
    return rising.rises_around(cost, outcome.x, np.where(size > 0, size, 1.0), p.lb, p.ub)


class _Numbered(Sequence):
    """The names x0, x1, ... of so many unknowns, made when they are asked for."""

    def __init__(self, n: int):
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, i):
        return f"x{range(self._n)[i]}"


def _start(x0) -> np.ndarray:
    refuse_masks(x0, "x0", "Give a start for each parameter.")
    x0 = np.atleast_1d(numeric(x0, "x0"))
    if x0.dtype.kind == "c":
        raise ValueError("`x0` must be a vector of real numbers.")
    return x0


def _take_start(model: Model, start: np.ndarray, method: str) -> int:
    """Number of residuals, from their values at the start, which the fit need not ask for again."""
    with double_precision(), np.errstate(all="ignore"):
        value = model.evaluate(None, start)
    refuse_masks(value, "fun(x)", "Leave such residuals out, e.g. `.compressed()`.")
    r = model_value(value, "`fun`")
    if r.size == 0:
        raise ValueError("`fun` must return at least one residual.")
    if r.ndim != 1:
        raise ValueError(f"`fun` must return at most 1-d array_like. f0.shape: {r.shape}")
    if np.iscomplexobj(r):
        raise ValueError("`fun` must return real residuals; stack real and imaginary parts.")
    if method == "lm" and r.size < start.size:
        raise ValueError(
            "Method 'lm' doesn't work when the number of residuals is less than the number of "
            "variables. Use 'trf' or 'dogbox' instead."
        )
    model.precision = differences.precision(r)
    model.memo.value(start, r.copy)
    return r.size


def _sparse_options(model: Model, start, m: int, jac, jac_sparsity, method, options: dict) -> dict:
    """Options with the solver that the Jacobian's form asks for.

    Raises
    ------
    ValueError
        Method or options need a Jacobian of another form.
    """
    kind = "`jac_sparsity` gives" if jac_sparsity is not None and not callable(jac) else ""
    if kind and method != "lm":
        model.pattern = Pattern(jac_sparsity, m, start.size)
    operator = False
    if callable(jac) and np.isfinite(model.memo.values[start.tobytes()]).all():
        J = form(model.derivative(None, start), m, start.size)
        model.memo.jacobian(start, "jac", lambda: J)
        operator = is_operator(J)
        kind = "" if isinstance(J, np.ndarray) else "`jac` returns"
    if not kind:
        return options
    if method == "lm":
        raise ValueError(_NOT_SPARSE.format("Method 'lm'", kind))
    if options.get("tr_solver") == "exact":
        raise ValueError(_NOT_SPARSE.format("tr_solver='exact'", kind))
    x_scale = options.get("x_scale")
    if operator and isinstance(x_scale, str) and x_scale == "jac":
        raise ValueError(
            "x_scale='jac' can't be used when `jac` returns LinearOperator, whose columns have "
            "no known norms. Give a scale for each parameter, or leave x_scale away."
        )
    known = TR_OPTIONS["cg"]  # which is the faster; SciPy's options are of 'lsmr'
    own = all(name in known for name in options.get("tr_options") or ())
    return options | {"tr_solver": options.get("tr_solver") or ("cg" if own else "lsmr")}


_NOT_SPARSE = (
    "{} works only with dense Jacobian matrices, but {} a sparse one or a LinearOperator. Use "
    "method 'trf' or 'dogbox' with tr_solver='lsmr' or 'cg'."
)


def _no_data(m: int) -> Observations:
    return Observations(Abscissae(None, m), np.zeros(m), None, None, None)
