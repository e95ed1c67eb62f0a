"""The plain reference: each stage of a fit, written from the textbook; its solver is `old_solver`.

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
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.linalg import cholesky

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
            if name in ENGINE_ONLY or (name == "tr_solver" and value == "cg"):
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
        _refuse_wrong(settings)
        limit = settings.pop("time_limit")
        deadline = None if limit is None else time.monotonic() + limit
        settings |= {"method": method or "trf", "jac": jac, "deadline": deadline}
        free = lb < ub
        bounded = bool(np.isfinite([lb[free], ub[free]]).any())
        parameters = SimpleNamespace(
            p0=start, lb=lb, ub=ub, names=names, bounded=bounded, n_free=int(free.sum())
        )
        return OptimizationConfig(parameters, SimpleNamespace(**settings), "reference")


class StreamingCoordinator:
    """Compares sizes with limits; a fit never begins on a sample."""

    def decide(
        self,
        n_points: int | None,
        bytes_per_point: int | None,
        in_memory: bool,
        usable_bytes: int | None = None,
        config: LargeDatasetConfig | None = None,
        workflow: str = "auto",
        needs_source: str = "",
    ) -> StreamingDecision:
        """See `nlsq.core.orchestration.StreamingCoordinator.decide`."""
        size = n_points * bytes_per_point if n_points and bytes_per_point else None
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


def _refuse_wrong(settings: dict[str, Any]) -> None:
    """Raise for values that SciPy's solver, which checks the others, does not check."""
    for name in ("f_scale", "max_nfev", "diff_step", "time_limit"):
        value = settings[name]
        if value is not None and not (np.asarray(value) > 0).all():
            raise ValueError(f"`{name}` must be positive, got {value!r}.")
    tolerances = [settings[name] or 0.0 for name in ("ftol", "xtol", "gtol")]
    if min(tolerances) < 0 or max(tolerances) < np.finfo(float).eps:
        raise ValueError(
            "`ftol`, `xtol` and `gtol` must be None or at least 0, and one of them above machine "
            f"epsilon, got {tolerances}."
        )
    if not callable(settings["loss"]) and settings["loss"] not in LOSSES:
        raise ValueError(f"`loss` must be one of {tuple(LOSSES)}, got {settings['loss']!r}.")
    if settings["callback"] is not None and not callable(settings["callback"]):
        raise TypeError(f"`callback` must be callable, got {settings['callback']!r}.")
    if settings["verbose"] not in (0, 1, 2):
        raise ValueError(f"`verbose` must be 0, 1 or 2, got {settings['verbose']!r}.")


def _own_scale(name: str, value: Any) -> Any:
    """A value of MINPACK's options as that of ours."""
    if name == "diag":
        return 1 / np.asarray(value, float)
    return np.sqrt(value) if name == "epsfcn" else value


def _names(f: Callable, p0: Any) -> tuple[str, ...]:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # a built-in function has none
        signature = inspect.signature(lambda *args: None)
    named = [p.name for p in signature.parameters.values() if p.kind in kinds][1:]
    n = len(named) if p0 is None else np.size(p0)
    if n == 0:
        raise ValueError("Unable to determine number of fit parameters: give `p0`.")
    try:
        signature.bind(None, *range(n))
    except TypeError as error:
        raise TypeError(f"`p0` has {n} values, which the model does not take: {error}.") from None
    return tuple(named[:n]) if len(named) >= n else tuple(f"p{i}" for i in range(n))


def _bounds(bounds: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    if hasattr(bounds, "lb"):
        bounds = bounds.lb, bounds.ub
    pairs = list(bounds)
    if len(pairs) == n != 2:
        inf = float("inf")
        pairs = zip(*[(-inf if a is None else a, inf if b is None else b) for a, b in pairs],
                    strict=True)  # fmt: skip
    lb, ub = (
        np.broadcast_to(np.array(_without_none(b, side)), n).copy()
        for b, side in zip(pairs, (-np.inf, np.inf), strict=True)
    )
    if not (lb <= ub).all():
        raise ValueError("Each lower bound must be less than its upper bound.")
    return lb, ub


def _without_none(bound: Any, side: float) -> Any:
    if np.ndim(bound):
        return [_without_none(b, side) for b in bound]
    return side if bound is None else float(bound)


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
