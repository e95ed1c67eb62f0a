"""`curve_fit`: SciPy's call on the engine, and `CurveFit`, the same with options kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

import numpy as np

from nlsq.core.drive.solve import solve
from nlsq.core.model.calls import CurveCall
from nlsq.core.model.jacobians import of_curve
from nlsq.core.model.model import Model
from nlsq.core.orchestration.solving import concluded, fit_alone, on_its_road
from nlsq.core.orchestration.stages import stages_for
from nlsq.core.problem.keywords import (
    FRONT,
    NO_ARGS,
    asks_for_company,
    asks_for_report,
    by_name,
    require_one_start,
)
from nlsq.core.problem.observations import Observations, labels_of, require_enough_points
from nlsq.core.problem.options import check_kept, since
from nlsq.core.problem.parameters import UNBOUNDED, parse_parameters, speaks_by_name
from nlsq.core.verdict.finished import check_start
from nlsq.core.verdict.record import announce, judge, record
from nlsq.utils import interruption
from nlsq.utils.given import model_value, numeric, require_numbers

if TYPE_CHECKING:
    from nlsq.diagnostics import DiagnosticsConfig
    from nlsq.result import CurveFitResult
    from nlsq.types import (
        CurveFitOptions,
        FullOutput,
        JacLike,
        KeptOptions,
        MethodLike,
        NanPolicyLiteral,
        StabilityLiteral,
    )

_NO_FULL_OUTPUT = (
    "full_output=True needs the data in memory: its fvec is as long as they are. The result of a "
    "call without it has cost, nfev, message and status."
)


@overload
def curve_fit(
    f: Callable | str, xdata: Any, ydata: Any = ..., p0: Any = ..., sigma: Any = ...,
    absolute_sigma: bool = ..., check_finite: bool | None = ..., bounds: Any = ...,
    method: MethodLike | None = ..., jac: JacLike | None = ...,
    *, full_output: Literal[False] = ..., **options: Unpack[CurveFitOptions],
) -> CurveFitResult: ...  # fmt: skip
@overload
def curve_fit(
    f: Callable | str, xdata: Any, ydata: Any = ..., p0: Any = ..., sigma: Any = ...,
    absolute_sigma: bool = ..., check_finite: bool | None = ..., bounds: Any = ...,
    method: MethodLike | None = ..., jac: JacLike | None = ...,
    *, full_output: Literal[True], **options: Unpack[CurveFitOptions],
) -> FullOutput: ...  # fmt: skip
@overload
def curve_fit(
    f: Callable | str, xdata: Any, ydata: Any = ..., p0: Any = ..., sigma: Any = ...,
    absolute_sigma: bool = ..., check_finite: bool | None = ..., bounds: Any = ...,
    method: MethodLike | None = ..., jac: JacLike | None = ...,
    *, full_output: bool, **options: Unpack[CurveFitOptions],
) -> CurveFitResult | FullOutput: ...  # fmt: skip
def curve_fit(
    f: Callable | str,
    xdata: Any,
    ydata: Any = None,
    p0: Any = None,
    sigma: Any = None,
    absolute_sigma: bool = False,
    check_finite: bool | None = None,
    bounds: Any = UNBOUNDED,
    method: Any = None,
    jac: JacLike | None = None,
    *,
    full_output: bool = False,
    nan_policy: NanPolicyLiteral | None = None,
    fixed: Any = None,
    fallback: Any = False,
    stability: StabilityLiteral = False,
    compute_diagnostics: bool = False,
    diagnostics_config: DiagnosticsConfig | None = None,
    **options: Any,
) -> CurveFitResult | FullOutput:
    """Fit a function to data by nonlinear least squares; the call of `scipy.optimize.curve_fit`.

    Parameters
    ----------
    f : callable or str
        The model ``f(x, a, b, ...)``: the independent variable first, then one argument per
        parameter. NumPy, `jax.numpy` or any other Python; see ``result.model_info``. Or a text:
        ``"gaussian + linear"``, ``"a*exp(-x/tau) + c"``; see `nlsq.models.read`.
    xdata : array_like or object
        What `f` takes: usually (m,) or (k, m); lists and tuples become arrays, anything else
        (a DataFrame, None) is passed on. Dates, and arrays with units, are refused. Without
        `ydata`, a source of data that need not fit into memory: `nlsq.streaming`, :func:`nlsq.fit`.
    ydata : array_like, shape (m,)
        Dependent data; a number stands for all points. For other shapes the model returns that
        shape, or its ravel. Complex data are fitted in real and imaginary part, each with the
        weight of the point. Points that are masked in `xdata`, `ydata` or `sigma` have weight 0.
    p0 : array_like (n,), dict, 'auto' or callable, optional
        Start, in the order of the parameters or by their names: a dict, a pandas Series or row,
        or a previous fit, of which the values are taken and nothing else. 'auto' asks the model
        for its ``guess(x, y)`` (`nlsq.models` have one); a callable is called as ``p0(x, y)``, with
        the points that count. Default, and where a dict leaves a parameter out: the guess of a
        model that has one, which is moved inside the bounds, or 1, moved inside them. Where
        `p0` or `fixed` go by name, numbers in the signature (``dose=100``) take the place of 1.
    sigma : None, scalar, (m,) or (m, m), optional
        Standard deviations of `ydata`, or its covariance matrix. Default: equal weights. A point
        of sigma = inf has weight 0: the model sees it, but no sum, count or statistic does.
    absolute_sigma : bool
        True: `sigma` is in units of `ydata`. False (default): only its ratios count and `pcov` is
        scaled by the reduced chi-square.
    check_finite : bool, optional
        Refuse NaN and inf in the data. Default: True unless `nan_policy` is given.
    bounds : 2-tuple, `scipy.optimize.Bounds`, n pairs or dict, optional
        Lower and upper bounds, scalars or (n,); or ``{name: (low, high)}`` of some parameters. None
        is an open side. ``lb == ub`` fixes a parameter. Two pairs are always read as (lower,
        upper). Default, and where a dict leaves a parameter out: none; but where the model's guess
        is asked for, its ``bounds()`` if it has them.
    method : str, optional
        'trf' (default), 'dogbox' or 'lm'. 'lm' takes no bounds, not the model's either, and only
        the linear loss. Or a search for the global minimum, after which the fit is by 'trf':
        'global' needs neither `p0` nor `bounds` (`nlsq.global_optimization.search`); 'multistart'
        is the same with few starts, around `p0` where it is given; 'cmaes', 'cmaes-fast' and
        'cmaes-global' are for rough models. Or an object, the user's own minimiser, from whose
        end the fit goes on: `nlsq.interfaces.OptimizerProtocol`.
    jac : None, callable, '2-point', '3-point', 'cs' or `nlsq.interfaces.JacobianProtocol`
        Default: exact derivatives; finite differences where the model cannot be traced. A callable
        ``jac(x, a, b, ...)`` returns (m, n).
    full_output : bool
        Return SciPy's five-tuple ``(popt, pcov, infodict, mesg, ier)``.
    nan_policy : {None, 'raise', 'omit'}
        What to do with NaN in the data when `check_finite` is not True.
    fixed : dict or sequence of str, optional
        Parameters that are not fitted: names with values, or names alone, which stay at their
        start. A value outranks that of a list `p0`; in a dict `p0` another one is an error.
        Fixing and freeing compile nothing.
    fallback : bool or FallbackOrchestrator
        Try again in other ways (`nlsq.stability.fallback`) when the fit fails: it did not converge
        or move, cannot begin at `p0`, or explains little of data that it should. The answer is of
        the same problem, or the failure told as it was. ``result.fallback`` says what was tried.
    stability : {False, 'check', 'auto'}
        'check' looks at data, start and Jacobian (`nlsq.stability.guard`): the report is
        ``result.stability``, made when it is asked for, and at once where the fit did not end well,
        to warn of faults. 'auto' also acts: where something tells against the start, the fit is
        also made from one that is found in the units of the data, and the better end is kept; a
        covariance `sigma` without a Cholesky factor gets 1e-10 of its mean variance added. Each
        action stands in the report, with its reason.
    ftol, xtol, gtol : float or None
        Relative tolerances for cost, parameters and gradient (default 1e-8; None switches a test
        off). They do not depend on units.
    x_scale : 'jac', array_like or dict
        Scale of the parameters; default, and where a dict leaves one out, from the Jacobian.
        ``diag`` is 1 / x_scale.
    loss : str or callable
        'linear', 'soft_l1', 'huber', 'cauchy', 'arctan', or ``loss(z)`` in `jax.numpy`.
    f_scale : float
        Residual at which the loss begins to act (default 1).
    max_nfev, maxfev : int, optional
        Largest number of model evaluations, all tries together. Default: 200 (n + 1) for each try.
        Those that differences need are not counted.
    diff_step, epsfcn : float, array_like or dict, optional
        Relative step of finite differences (`epsfcn` is its square, and no dict). Giving one
        selects finite differences in place of exact derivatives.
    factor : float
        Initial trust radius in units of the scaled start (default 1, for 'lm' 100 as MINPACK).
    callback : callable, optional
        ``callback(iteration, cost, params, info)``, which False stops, or SciPy's
        ``callback(intermediate_result)``. StopIteration and StopOptimization stop the fit with
        either; it then has status -2.
    verbose : {0, 1, 2}
        Silent, a final line, or a line per iteration.
    time_limit : float, optional
        Seconds, from the call on, after which the best point so far is returned, with status -5. At
        least one evaluation is made, and a compilation is not broken off.
    tr_solver : {None, 'exact', 'lsmr', 'cg'}
        How a step is solved for: exactly (default), or iteratively with products of Jacobian and
        vector, for many parameters. Where JAX traces the model, 'lsmr' and 'cg' are the same
        truncated conjugate gradients; on the host 'lsmr' is SciPy's. The answer is the same.
    tr_options : dict, optional
        Of the iterative solver. Both know 'maxiter', products per step (default 2 n, between 20 and
        1000, on the host 10 000). 'cg': 'tol', relative residual at which a step is solved (default
        from 0.1 down to 1e-6, on the host from 0.03 to 1e-4, as the gradient shrinks; the steps
        that confirm convergence are always solved to the last).
        'lsmr': 'regularize', and atol, btol, conlim, damp and show of `scipy.sparse.linalg.lsmr`,
        which put the fit on the host.
    workers : None, int or callable, optional
        Who evaluates a slow model for finite differences and searches: so many processes (-1: as
        many as there are cores), or a callable like map, ``workers(f, points)``. The answer is the
        same to the last bit. Exact derivatives (``result.model_info.derivative``), and a search of
        a model that takes many values of its parameters at once, need nobody. Processes are forked
        where `multiprocessing` forks and JAX is not loaded. Else they are spawned, which takes a
        second, and `pickle` must take the model: a function at the top level of a module.
    backend : {None, 'auto', 'numpy', 'jax'}
        How the fit runs: as it is read, by NumPy ('numpy'), in compiled programs where the model
        can be one ('jax'), or by NumPy until compiling pays ('auto'). Default: what the environment
        variable NLSQ_BACKEND says, or 'auto'. The answer is the same; ``result.backend`` names what
        ran and ``result.model_info`` says why.
    multistart, global_search : bool
        As method='multistart' and method='global'.
    n_starts : int, optional
        Most starts that a search draws (default 10, 'global' 2048). All are screened, some are
        fitted, and it ends sooner when the best minimum was found often enough: ``result.minima``.
    sampler : {'lhs', 'sobol', 'halton'}
        How a search fills the ranges of the parameters.
    center_on_p0, scale_factor : bool, float
        Whether a search draws around `p0`, and how wide (`GlobalOptimizationConfig`).
    seed : int
        Of a search (default 0): the same seed gives the same answer.
    search_config, cmaes_config : GlobalOptimizationConfig, CMAESConfig
        All settings of a search; what is given beside them outranks them.
    auto_bounds : bool
        Infer bounds where none are given, from the data and what the parameters are measured in
        (`nlsq.precision.BoundInference`; default False): ``result.inferred_bounds``. A fit that
        leaves them, or does not converge, is done again within them; one of them that it then ends
        on is given up, and told.
    bounds_safety_factor : float
        How much farther than the data can see these bounds are (default 10).
    compute_diagnostics : bool
        Put a report on the fit's health into ``result.diagnostics``: `CurveFitResult.diagnose`, and
        what the gradient did on the way, which is recorded for it (default False).
    diagnostics_config : DiagnosticsConfig, optional
        The report's thresholds; it asks for the report too.
    cache : SmartCache, optional
        Where fits that converged are kept and looked for, by the content of model, data and
        options. Not with `callback`, ``verbose=2`` or `compute_diagnostics`, which watch a fit at
        work, nor for xdata other than arrays and their lists and dicts.

    Returns
    -------
    CurveFitResult
        Unpacks to ``popt, pcov``; see there for uncertainties, statistics, bands and plots. It
        holds copies of the data up to 4 MB an array, and the arrays themselves above.

    Raises
    ------
    ValueError, TypeError
        For bad input, as SciPy does, and for unknown keywords.
    FitError
        A RuntimeError, when the fit did not converge; its ``result`` has the last point. A fit that
        makes no progress or is stopped from outside returns, with ``success`` False.
    ChildProcessError
        A process of `workers` cannot have the model, or ended.

    Warns
    -----
    OptimizeWarning
        When some direction is not determined, so that its variance is infinite, and when the fit
        made no progress.

    Notes
    -----
    A fit whose end is doubtful is tried again from p0 by other ways (`nlsq.core.drive.tries`). The
    result's ``tries`` lists them and says which one was kept.

    A minimiser, a Jacobian, a cache, a data source and an earlier result may be objects of the
    user's own, with the methods that `nlsq.interfaces` names.

    Environment variables put a plain reference in the place of each stage: for a second opinion
    (`nlsq.core.feature_flags`).

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq import curve_fit
    >>> def decay(t, a, tau):
    ...     return a * np.exp(-t / tau)
    >>> t = np.linspace(0, 5, 50)
    >>> popt, pcov = curve_fit(decay, t, decay(t, 2.5, 1.3))
    >>> popt.round(6)
    array([2.5, 1.3])
    >>> result = curve_fit(decay, t, decay(t, 2.5, 1.3), p0={"tau": 2}, fixed={"a": 2.5})
    >>> result.popt.round(6), result.fixed
    (array([2.5, 1.3]), ('a',))
    """
    started, began = time.perf_counter(), time.monotonic()
    require_numbers("curve_fit")
    if "args" in options:
        raise ValueError(f"'args' is not a supported keyword argument. {NO_ARGS}")
    if fallback or ydata is None:  # others make the fit of this call
        given = {
            "p0": p0, "sigma": sigma, "absolute_sigma": absolute_sigma, "bounds": bounds,
            "check_finite": check_finite, "method": method, "jac": jac, "nan_policy": nan_policy,
            "fixed": fixed, "stability": stability, "compute_diagnostics": compute_diagnostics,
            "diagnostics_config": diagnostics_config, **options,
        }  # fmt: skip
        if not fallback:
            if full_output:
                raise ValueError(_NO_FULL_OUTPUT)
            from nlsq.distributed import current
            from nlsq.streaming.fitting import fit_source

            with current().together():
                return fit_source("curve_fit", f, xdata, **given)
        from nlsq.stability.fallback import chosen

        require_one_start(xdata, ydata, method, options)
        result = chosen(fallback).fit_by(curve_fit, f, xdata, ydata, given)
        return _five_tuple(result) if full_output else result
    x_name = None
    if isinstance(f, str):
        from nlsq.models.reading import read_with

        f, xdata, x_name = read_with(f, xdata)
    if jac is not None:
        jac = of_curve(jac, f)
    if isinstance(ydata, (np.ndarray, np.generic, int, float)) and not getattr(ydata, "ndim", 0):
        ydata = _for_each_point(f, xdata, ydata, p0, bounds, fixed)
    company: list[Any] = []
    guard: Any = None
    if stability is not False:
        from nlsq.core.guarding import Guarding  # which few fits need

        guard = Guarding(stability)
        company = [guard]
        sigma = guard.covariance(sigma)
    taken = stages_for(f, ydata)
    prepared = taken.preprocessor.preprocess(xdata, ydata, sigma, check_finite, nan_policy)
    if speaks_by_name(f, p0, bounds, fixed, options):
        from nlsq.core.problem import named

        p0, bounds, options = named.arrays(f, p0, bounds, fixed, method, options, prepared)
    if "time_limit" in options:
        options = since(began, options)
    diagnoses = asks_for_report(compute_diagnostics, diagnostics_config)
    if diagnoses or asks_for_company(method, options):
        from nlsq.core.companions import companions  # which few fits need

        more, method, options = companions(
            method, jac, p0 is not None, options, diagnoses, diagnostics_config
        )
        company = more + company
    config = taken.selector.select(f, p0, bounds, method, jac, options)
    if not taken.coordinator.decide(prepared.ydata.size, None, True).sampled:
        config = config.with_settings(sampled=False)
    data, n = Observations.of(prepared), config.n_params
    held_by_bounds = fixed is None and config.n_free < n  # for which SciPy takes few points
    if method in (None, "lm") and not (config.bounded or held_by_bounds):
        require_enough_points(config.n_free, data)
    model = Model(CurveCall(f), n, getattr(f, "__name__", type(f).__name__))
    if type(xdata) is np.ndarray and xdata.dtype == np.float64:
        data.x.own = xdata if prepared.xdata.shape == xdata.shape else None
    if company or config.solver == "reference":
        fit = fit_alone
        for one in reversed(company):
            fit = partial(one.fit, fit)
        finished = fit(model, data, config)
    else:  # what `fit_alone` does, a frame nearer to the step
        with interruption.deferred():
            posed = on_its_road(model, data, config)
            finished = concluded(posed, solve(*posed))
    check_start(finished, guard)
    covariance = taken.covariance.compute(finished, absolute_sigma)
    verdict = judge(finished, covariance)
    result = record(finished, verdict, absolute_sigma, time.perf_counter() - started)
    if labels := labels_of(xdata, ydata, x_name):
        result["labels"] = labels
    for one in reversed(company):
        one.tell(result)
    announce(result, finished.status, finished.options.verbose, stacklevel=2)
    return _five_tuple(result) if full_output else result


def _for_each_point(f: Callable, xdata, ydata, p0, bounds, fixed) -> np.ndarray:
    """A single number as data for each value that the model has at the start."""
    if speaks_by_name(f, p0, bounds, fixed, {}):
        from nlsq.core.problem import named

        p0 = named.read(f, p0, bounds, fixed).without_data()
    else:
        p0 = parse_parameters(f, p0, bounds).p0
    x = np.asarray(xdata, float) if isinstance(xdata, list | tuple) else xdata
    with np.errstate(all="ignore"):
        shape = model_value(CurveCall(f).host(x, p0)).shape
    return np.broadcast_to(numeric(ydata, "ydata"), shape)


class CurveFit:
    """`curve_fit` with options that stay.

    Parameters
    ----------
    **options
        Any keyword of `curve_fit` other than the model and the data.

    Examples
    --------
    >>> import numpy as np
    >>> fitter = CurveFit(bounds=(0, 10), loss="soft_l1")
    >>> t = np.linspace(0, 5, 30)
    >>> result = fitter.curve_fit(lambda t, a, k: a * np.exp(-k * t), t, 3 * np.exp(-t))
    >>> result.popt.round(6)
    array([3., 1.])
    """

    _own = FRONT[:9]  # which may be given by their place

    def __init__(self, **options: Unpack[KeptOptions]):
        self.options: dict[str, Any] = {**options}
        check_kept("CurveFit", self.options, FRONT)

    @overload
    def curve_fit(
        self, f: Callable | str, xdata: Any, ydata: Any = ..., *args: Any,
        full_output: Literal[False] = ..., **options: Unpack[KeptOptions],
    ) -> CurveFitResult: ...  # fmt: skip
    @overload
    def curve_fit(
        self, f: Callable | str, xdata: Any, ydata: Any = ..., *args: Any,
        full_output: Literal[True], **options: Unpack[KeptOptions],
    ) -> FullOutput: ...  # fmt: skip
    def curve_fit(
        self, f: Callable | str, xdata: Any, ydata: Any = None, *args: Any, **options: Any
    ) -> CurveFitResult | FullOutput:
        """`curve_fit(f, xdata, ydata, ...)`; what is given here outranks what was kept."""
        given = by_name("curve_fit", 3, self._own, args, options)
        return curve_fit(f, xdata, ydata, **(self.options | given))

    def __repr__(self) -> str:
        kept = ", ".join(f"{k}={v!r}" for k, v in self.options.items())
        return f"CurveFit({kept})"


def _five_tuple(result):
    """(popt, pcov, infodict, mesg, ier), infodict with the keys of MINPACK's leastsq."""
    J = result.jac
    Q, R = np.linalg.qr(J, mode="complete" if J.shape[0] < J.shape[1] else "reduced")
    fjac = np.zeros(J.shape[::-1])
    k = min(J.shape)
    fjac[:, :k] = R[:k].T
    infodict = {
        "nfev": result.nfev,
        "fvec": result.fun,
        "fjac": fjac,
        "ipvt": np.arange(1, J.shape[1] + 1, dtype=np.int32),
        "qtf": (Q.T @ result.fun)[:k],
    }
    if "fallback" in result:
        infodict["fallback"] = result.fallback
    return result.popt, result.pcov, infodict, result.message, result.status
