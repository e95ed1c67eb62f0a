"""The plain reference: each stage of a fit, and a solver, written from the textbook.

It is in NumPy and SciPy, short and slow, and shares no code with the engine, so that what both say
is right and what they differ in is a defect of one of them. It takes arrays and lists of plain
numbers and refuses what it does not know.

References: G. A. F. Seber, C. J. Wild, "Nonlinear Regression", sections 2.1, 3 and 14; A. Raue et
al., "Structural and practical identifiability analysis", Bioinformatics 25 (2009).
"""

from __future__ import annotations

import difflib
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.optimize
from scipy.linalg import cholesky

from nlsq.caching.memory_manager import manager
from nlsq.config import LargeDatasetConfig, double_precision
from nlsq.core.orchestration.textbook import LOSSES, Problem
from nlsq.interfaces.orchestration_protocol import (
    CovarianceResult,
    OptimizationConfig,
    PreprocessedData,
    StreamingDecision,
)

DEFAULTS: dict[str, Any] = {
    "ftol": 1e-8, "xtol": 1e-8, "gtol": 1e-8, "x_scale": "jac", "loss": "linear", "f_scale": 1.0,
    "max_nfev": None, "diff_step": None, "callback": None, "verbose": 0, "tr_solver": None,
    "tr_options": None, "time_limit": None,
}  # fmt: skip
ENGINE_ONLY = ("factor", "cache", "workers")
ALIASES = {"maxfev": "max_nfev", "diag": "x_scale", "epsfcn": "diff_step"}


class DataPreprocessor:
    """Checks the data and turns sigma into weights or a Cholesky factor."""

    def preprocess(
        self,
        xdata: Any,
        ydata: Any,
        sigma: Any = None,
        check_finite: bool | None = None,
        nan_policy: str | None = None,
    ) -> PreprocessedData:
        """The arguments are those of `nlsq.curve_fit`."""
        y = _numbers(ydata, "ydata")
        shape, y = y.shape, y.ravel().copy()
        x = xdata
        if isinstance(x, list | tuple | np.ndarray):
            x = _numbers(x, "xdata").copy()
        sigma = None if sigma is None else _numbers(sigma, "sigma").copy()
        if not y.size:
            raise ValueError("`ydata` must not be empty!")
        if nan_policy not in (None, "raise", "omit"):
            raise ValueError(f"nan_policy must be None, 'raise' or 'omit', got {nan_policy!r}.")
        finite = nan_policy is None if check_finite is None else check_finite
        if not finite and nan_policy is not None:
            x, y, sigma, shape = _without_nan(x, y, sigma, shape, nan_policy)
        weights, factor = _whitening(sigma, y.size)
        idle = None if weights is None or weights.all() else weights == 0
        if idle is not None and idle.all():
            raise TypeError("No point is left: every one has an infinite sigma.")
        if finite:
            for name, values in (("ydata", y), ("xdata", x)):
                if isinstance(values, np.ndarray) and not np.isfinite(values).all():
                    raise ValueError(f"array must not contain infs or NaNs: `{name}` has some.")
        return PreprocessedData(x, y, sigma, weights, factor, idle, shape)


class OptimizationSelector:
    """Reads start, bounds and options, and chooses SciPy's solver."""

    def select(
        self, f: Callable, p0: Any, bounds: Any, method: str | None, jac: Any, options: dict
    ) -> OptimizationConfig:
        """The arguments are those of `nlsq.curve_fit`; what only the engine knows is refused."""
        settings = dict(DEFAULTS)
        for name, value in options.items():
            if name in ENGINE_ONLY or value == "cg":
                raise ValueError(
                    f"`{name}` is an option of the engine, which NLSQ_SELECTOR_IMPL=old does not "
                    "take. Leave it away, or set NLSQ_SELECTOR_IMPL=new."
                )
            if name not in (known := (*DEFAULTS, *ALIASES)):
                near = difflib.get_close_matches(name, known, 1)
                hint = f" Did you mean {near[0]!r}?" if near else f" Known: {', '.join(known)}."
                raise TypeError(f"curve_fit() got an unexpected keyword argument {name!r}.{hint}")
            if value is not None or name in ("ftol", "xtol", "gtol"):
                settings[ALIASES.get(name, name)] = _own_scale(name, value)
        names = _names(f, p0)
        lb, ub = _bounds(bounds, len(names))
        start = _start(p0, lb, ub)
        right = start.size == len(names) and np.isfinite(start).all()
        if not right or (start < lb).any() or (start > ub).any():
            raise ValueError(f"`p0` must be {len(names)} finite numbers within the bounds.")
        if method not in (None, "trf", "dogbox", "lm"):
            raise ValueError(f"`method` must be 'trf', 'dogbox' or 'lm', got {method!r}.")
        if settings["diff_step"] is not None and jac is None:
            jac = "2-point"
        limit = settings.pop("time_limit")
        deadline = None if limit is None else time.monotonic() + limit
        settings |= {"method": method or "trf", "jac": jac, "deadline": deadline}
        parameters = SimpleNamespace(p0=start, lb=lb, ub=ub, names=names)
        return OptimizationConfig(parameters, SimpleNamespace(**settings), "reference")


class StreamingCoordinator:
    """Compares sizes with limits; a fit never begins on a sample."""

    def decide(
        self,
        n_points: int | None,
        bytes_per_point: int,
        in_memory: bool,
        usable_bytes: int | None = None,
        config: LargeDatasetConfig | None = None,
        workflow: str = "auto",
        needs_source: str = "",
    ) -> StreamingDecision:
        """See `nlsq.core.orchestration.StreamingCoordinator.decide`."""
        size = None if n_points is None else n_points * bytes_per_point
        road, why = "chunked", "the reference compares sizes with limits"
        if workflow != "auto":
            road, why = workflow, "it was asked for"
        elif needs_source:
            why = f"{needs_source} was asked for"
        elif in_memory or not config.enable_automatic_solver_selection:
            road = "direct"
        elif n_points is not None:
            limits = config.solver_selection_thresholds
            if n_points > limits["chunked"]:
                road = "streaming"
            elif n_points <= limits["direct"] or (
                n_points <= limits["iterative"] and size <= usable_bytes
            ):
                road = "direct"
        return StreamingDecision(road, why, n_points, size, usable_bytes, False)


class CovarianceComputer:
    """Singular values of the whole Jacobian at the solution."""

    def compute(self, finished: Any, absolute_sigma: bool) -> CovarianceResult:
        """Of `finished` only the user's model, data, options and the solution are read."""
        data, settings, p = finished.data, finished.options, finished.outcome.x
        problem = Problem(
            finished.model.call.f, data.x.given, data.y, data.weights, data.factor,
            finished.parameters, settings,
        )  # fmt: skip
        with double_precision():
            problem.derivative.choose(problem.x, p)
            return covariance(problem, p, absolute_sigma, finished.parameters.names)


def covariance(problem: Problem, p, absolute_sigma: bool, names) -> CovarianceResult:
    """C = s^2 D^{-1} V diag(1 / w^2) V^T D^{-1}, J D^{-1} = U diag(w) V^T, D the column lengths."""
    n, free = p.size, problem.free
    cost, _, J = problem.folded(p)
    lengths = np.linalg.norm(J, axis=0)
    live = free & (lengths > 0)
    D = lengths[live]
    rows = np.zeros((max(len(J), n), D.size))
    rows[: len(J)] = J[:, live] / D
    _, w, VT = np.linalg.svd(rows, full_matrices=False)
    keep = w > problem.derivative.rank_tolerance * w.max(initial=0.0)
    rank = int(keep.sum())
    dof = problem.n_residuals - rank
    null = _null_directions(VT[~keep], D, live, free)
    undetermined = (null != 0).any(axis=0)
    scale = 1.0 if absolute_sigma else 2 * cost / dof if dof > 0 else np.inf
    both, inf, notes = np.outer(free, free), np.zeros((n, n)), []
    determined = np.zeros((n, n))
    if np.isinf(scale):
        notes.append("no degrees of freedom are left to estimate the noise from")
        inf = both
    else:
        half = np.sqrt(scale) * VT[keep] / w[keep, None] / D
        determined[np.ix_(live, live)] = half.T @ half
        silent = _silent(problem, p, cost, determined, scale, undetermined)
        if silent.any():
            named = ", ".join(name for name, no in zip(names, silent, strict=True) if no)
            notes.append(f"the data do not determine {named}: values far away fit them as well")
        undetermined = undetermined | silent
        inf = both & (undetermined | undetermined[:, None])
    pcov = np.where(inf, np.inf, determined)
    return CovarianceResult(pcov, determined, rank, dof, null, undetermined, notes, J)


def _null_directions(rows, D, live, free) -> np.ndarray:
    """Unit vectors (k, n) that span what J does not see, each with a parameter of its own."""
    rows = rows.copy()
    for k in range(len(rows)):  # Gauss-Jordan with complete pivoting
        part = np.abs(rows[k:])
        i, j = np.unravel_index(part.argmax(), part.shape)
        rows[[k, k + i]] = rows[[k + i, k]]
        rows[k] /= rows[k, j]
        others = np.arange(len(rows)) != k
        rows[others] -= np.outer(rows[others, j], rows[k])
    null = np.zeros((len(rows), free.size))
    null[:, live] = np.where(np.abs(rows) > 1e-8, rows, 0.0) / D
    null = np.concatenate([null, np.eye(free.size)[free & ~live]])
    return null / np.linalg.norm(null, axis=1, keepdims=True)


def _silent(problem: Problem, p, cost, determined, variance, undetermined) -> np.ndarray:
    """Parameters with errors of 10^4 times their size of which ten errors change nothing."""
    silent = np.zeros(p.size, bool)
    errors = np.sqrt(np.diag(determined))
    for j in np.flatnonzero(problem.free & ~undetermined & (errors > 1e4 * np.abs(p))):
        for move in (10 * determined[j] / errors[j], -10 * determined[j] / errors[j]):
            trial = np.clip(p + move, problem.lb, problem.ub)
            if abs(trial[j] - p[j]) >= 0.5 * abs(move[j]):
                silent[j] |= problem.cost(trial) - cost <= 0.5 * variance
    return silent


@dataclass
class Solution:
    """Where the solver ended; `status` as SciPy's, or negative for a stop from outside."""

    p: np.ndarray
    status: int
    nfev: int
    njev: int


class _Stopped(Exception):
    pass


def solve(problem: Problem, settings: Any, report: Callable[..., int | None]) -> Solution:
    """SciPy's method from p0, then Gauss-Newton steps until rounding stops them.

    report(accepted points so far, nfev, p, cost) says after each whether to stop, and by which
    status.
    """
    manager.require(24 * problem.y.size * (problem.p0.size + 2), "The reference's Jacobian")
    free, p = problem.free, problem.p0.copy()
    last = Solution(p, -3, 1, 0)
    if not np.isfinite(problem.residual(p)).all():
        return last
    problem.derivative.choose(problem.x, p)

    def expand(q):
        full = problem.p0.copy()
        full[free] = q
        return full

    def residual(q):
        last.nfev += 1
        return problem.residual(expand(q))

    def jacobian(q):
        last.p = expand(q)
        stop = report(last.njev, last.nfev, last.p, problem.cost(last.p))
        if stop is not None:
            last.status = stop
            raise _Stopped
        last.njev += 1
        return problem.jacobian(last.p)[:, free]

    last.nfev = 0
    wished = settings.x_scale
    if not isinstance(wished, str):
        wished = np.broadcast_to(np.asarray(wished, float), p.shape)[free]
    given = {k: getattr(settings, k) for k in ("ftol", "xtol", "gtol", "loss", "f_scale")}
    given |= {"tr_solver": settings.tr_solver, "tr_options": settings.tr_options or {}}
    given |= {"bounds": (problem.lb[free], problem.ub[free]), "verbose": 2 * (settings.verbose > 1)}
    given |= {"method": settings.method, "max_nfev": settings.max_nfev or 200 * (p.size + 1)}
    for x_scale in (wished, 1.0):  # without a budget of the user's, the other scale gets a try too
        try:
            found = scipy.optimize.least_squares(
                residual, p[free], jacobian, x_scale=x_scale, **given
            )
        except _Stopped:
            return last
        last.p, last.status = expand(found.x), found.status
        if last.status > 0 or settings.max_nfev is not None:
            break
    if last.status > 0:
        problem.derivative.choose(problem.x, last.p)
        last.p = polish(problem, last.p)
    return last


def polish(problem: Problem, p) -> np.ndarray:
    """Gauss-Newton steps, halved where the cost rises, until rounding stops them."""
    before, size = np.inf, np.linalg.norm(problem.whiten(problem.y))
    for _ in range(200):
        cost, r, J = problem.folded(p)
        g = J.T @ r
        outward = ((p <= problem.lb) & (g > 0)) | ((p >= problem.ub) & (g < 0))
        moving = problem.free & ~outward
        lengths = np.linalg.norm(J, axis=0)
        D = np.where(lengths > 0, lengths, 1.0)[moving]
        U, w, VT = np.linalg.svd(J[:, moving] / D, full_matrices=False)
        keep = w > problem.derivative.rank_tolerance * w.max(initial=0.0)
        # a loss makes an outlier's row r / s with s near 0, in which the others' digits would drown
        along = U.T @ r if problem.loss is LOSSES["linear"] else VT @ (g[moving] / D) / w
        step = np.zeros(p.size)
        step[moving] = -VT[keep].T @ (along[keep] / w[keep]) / D
        length = np.linalg.norm(J @ step)
        if length >= before and length < 1e-6 * np.sqrt(2 * cost):
            break
        trials = (np.clip(p + step / 2**k, problem.lb, problem.ub) for k in range(20))
        most = cost + 1e-15 * size * np.sqrt(2 * cost)  # what rounding of y makes of it
        lower = (t for t in trials if problem.cost(t) <= most)
        trial = next(lower, p)
        if (trial == p).all():
            break
        p, before = trial, length
    return p


# --------------------------------------------------------------------------------- what is given


def _numbers(data: Any, name: str) -> np.ndarray:
    kind = type(data)
    odd = any(hasattr(kind, mark) for mark in ("magnitude", "unit", "units"))
    array = np.asarray(data)
    if odd or isinstance(data, np.ma.MaskedArray) or array.dtype.kind not in "biufc":
        raise TypeError(
            f"`{name}` must be an array or a list of plain numbers for "
            f"NLSQ_PREPROCESSOR_IMPL=old, got {kind.__name__} of {array.dtype}. Set it to 'new', "
            "which knows masks, or pass plain numbers."
        )
    return array.astype(complex if array.dtype.kind == "c" else float)


def _without_nan(x, y, sigma, shape, policy: str) -> tuple:
    """The data without the points that have a NaN."""
    bad = np.isnan(y)
    if isinstance(x, np.ndarray):
        if x.shape[-len(shape) :] == shape:
            x = x.reshape(*x.shape[: x.ndim - len(shape)], y.size)
        if x.shape[-1] == y.size:
            bad = bad | np.isnan(x).reshape(-1, y.size).any(axis=0)
    if not bad.any():
        return x, y, sigma, shape
    if policy == "raise":
        raise ValueError("The input contains nan values")
    if bad.all():
        raise TypeError("No point is left: every one has a NaN in xdata or ydata.")
    keep = ~bad
    if isinstance(x, np.ndarray) and x.shape[-1] == y.size:
        x = x[..., keep]
    elif isinstance(x, np.ndarray):
        raise ValueError(
            f"nan_policy='omit': the last axis of xdata {x.shape} must run over points."
        )
    if sigma is not None and sigma.ndim:
        sigma = sigma[np.ix_(keep, keep)] if sigma.ndim == 2 else sigma[keep]
    return x, y[keep], sigma, ()


def _whitening(sigma, m: int) -> tuple:
    """(1 / sigma or None, lower Cholesky factor or None)."""
    if sigma is None:
        return None, None
    if sigma.size == 1 or sigma.shape == (m,):
        if not (sigma > 0).all():
            raise ValueError("`sigma` must be positive and not NaN.")
        return np.broadcast_to(1 / sigma.ravel(), m), None
    if sigma.shape != (m, m):
        raise ValueError(f"`sigma` has incorrect shape {sigma.shape} for {m} points.")
    try:
        return None, cholesky(sigma, lower=True)
    except np.linalg.LinAlgError as error:
        raise ValueError(f"`sigma` must be positive definite: {error}.") from error


def _own_scale(name: str, value: Any) -> Any:
    """A value of MINPACK's options as that of ours."""
    if name == "diag":
        return 1 / np.asarray(value, float)
    return np.sqrt(value) if name == "epsfcn" else value


def _names(f: Callable, p0: Any) -> tuple[str, ...]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        every = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):  # a built-in function has none
        every = []
    named = [p.name for p in every if p.kind in kinds][1:]
    n = len(named) if p0 is None else np.size(p0)
    if n == 0:
        raise ValueError("Unable to determine number of fit parameters: give `p0`.")
    return tuple(named[:n]) if len(named) >= n else tuple(f"p{i}" for i in range(n))


def _bounds(bounds: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    if hasattr(bounds, "lb"):
        bounds = bounds.lb, bounds.ub
    pairs = list(bounds)
    if len(pairs) == n != 2:
        inf = float("inf")
        pairs = zip(*[(-inf if a is None else a, inf if b is None else b) for a, b in pairs],
                    strict=True)  # fmt: skip
    lb, ub = (np.broadcast_to(np.array(b, float), n).copy() for b in pairs)
    if not (lb <= ub).all():
        raise ValueError("Each lower bound must be less than its upper bound.")
    return lb, ub


def _start(p0: Any, lb, ub) -> np.ndarray:
    """`p0`, or 1 moved inside the bounds, as SciPy chooses it."""
    if p0 is not None:
        return np.array(p0, float).ravel()
    low, high = np.isfinite(lb), np.isfinite(ub)
    start = np.ones(lb.size)
    start[low], start[high] = lb[low] + 1, ub[high] - 1
    both = low & high
    start[both] = 0.5 * (lb[both] + ub[both])
    return start
