"""A result as the evidence that `nlsq.diagnostics` looks at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nlsq.diagnostics import DiagnosticsConfig
from nlsq.diagnostics.evidence import Evidence
from nlsq.diagnostics.health_report import HealthReport
from nlsq.diagnostics.health_report import diagnose as diagnose_evidence
from nlsq.diagnostics.identifiability import root_of_information
from nlsq.result import plotting, statistics

if TYPE_CHECKING:
    from nlsq.result.fit_statistics import FitStatistics
    from nlsq.result.optimize_result import OptimizeResult

_LARGEST = 1 << 24  # elements of a Jacobian that a diagnosis makes


def diagnose(
    result: FitStatistics,
    config: DiagnosticsConfig | None = None,
    history: list | None = None,
) -> HealthReport:
    """The report on a fit; history: (nit, cost, gradient) of its iterations (`Options.history`)."""
    evidence, unknown = evidence_of(result, history)
    name = result.get("model_name")
    title = f"Fit of {name}" if name else "Fit"
    return diagnose_evidence(evidence, config, title, unknown)


def diagnose_residuals(result: OptimizeResult, config: DiagnosticsConfig | None) -> HealthReport:
    """The report on a result of `least_squares`, which knows residuals and no data."""
    from nlsq.result.curve_fit_result import CurveFitResult

    m, free = np.size(result.fun), np.size(result.x) - len(result.get("fixed") or ())
    return diagnose(CurveFitResult(result, n_points=m, dof=m - free), config)


def evidence_of(result: FitStatistics, history: Any = None) -> tuple[Evidence, list[str]]:
    """What is known of a fit, and what is not."""
    unknown: list[str] = []
    names, x = tuple(result.names), np.asarray(result.x, float)
    fixed = set(result.get("fixed") or ())
    free = np.array([name not in fixed for name in names])
    covariance = _covariance(result, x.size)
    cost, dof = float(result.get("cost", np.nan)), result.dof if result.knows_dof else 0
    noise = _noise(result, cost, dof)
    pointwise, reason = _pointwise(result)
    factor = _factor(result, pointwise.get("jacobian"), covariance, noise, free)
    if factor is None:
        unknown.append("what the data determine, since neither Jacobian nor covariance is here")
    if reason:
        what = "single residuals" if "moments" in result else "residuals"
        unknown.append(f"{what}, since {reason}")
    elif "residual_at" not in pointwise:
        way = " (see attach)" if "ydata" in result else ""
        unknown.append(f"values away from the fit, since the model is not here{way}")
    mask = result.get("active_mask")
    gradient = result.get("grad")
    bounds = result.get("bounds")
    return Evidence(
        names, x, free, np.zeros(x.size, int) if mask is None else np.asarray(mask, int), factor,
        covariance, tuple(result.get("null_directions") or ()),
        tuple(result.get("undetermined") or ()), cost, dof,
        result.n_points if result.knows_dof else 0, noise,
        **pointwise,
        jacobian_given=getattr(result.get("model_info"), "derivative", "") == "the user's jac",
        sums=result.moments if "moments" in result else None,
        history=_run_of(history, cost),
        converged=bool(result.get("success", True)),
        message=str(result.get("message", "")),
        gradient=None if gradient is None else np.asarray(gradient, float),
        total=_total(result),
        plain=result.get("loss", "linear") == "linear",
        bounds=None if bounds is None else tuple(b + np.zeros(x.size) for b in bounds),
    ), unknown  # fmt: skip


def _run_of(history: Any, cost: float) -> list | None:
    """Of all runs that were recorded, each from nit 0, the one that ended at this cost."""
    runs: list[list] = []
    for nit, value, gradient in history or ():
        if nit == 0 or not runs:
            runs.append([])
        runs[-1].append((value, gradient))
    return min(reversed(runs), key=lambda run: abs(run[-1][0] - cost), default=None)


def _noise(result: FitStatistics, cost: float, dof: int) -> float:
    """Variance of a whitened residual; 1 too where the covariance alone has the scale."""
    if result.get("absolute_sigma", False) or not result.knows_dof or np.isnan(cost):
        return 1.0
    return 2 * cost / dof if dof > 0 else np.inf


def _covariance(result: FitStatistics, n: int) -> np.ndarray:
    pcov = result.get("pcov")
    return np.full((n, n), np.nan) if pcov is None else np.asarray(pcov, float)


def _total(result: FitStatistics) -> float | None:
    if "moments" in result:
        return result.moments["total"]
    if "ydata" not in result or "fun" not in result:
        return None
    y, sigma = np.asarray(result.ydata), result.get("sigma")
    total = statistics.total_sum_of_squares(y, sigma)
    whitened = y if sigma is None or np.ndim(sigma) > 1 else y / sigma
    return total if total > 1e-24 * statistics.sum_of_squares(whitened) else 0.0


def _factor(
    result: FitStatistics, jacobian: Any, covariance: np.ndarray, noise: float, free: np.ndarray
) -> np.ndarray | None:
    """Any matrix of the same J^T J; from the covariance where that is all there is."""
    if jacobian is not None:
        m, n = jacobian.shape
        return np.linalg.qr(jacobian, mode="r") if m > n else jacobian
    if (kept := result.__dict__.get("_factor")) is not None:
        return np.asarray(kept)
    part = covariance[np.ix_(free, free)]
    if not (np.isfinite(part).all() and (np.diagonal(part) > 0).all() and 0 < noise < np.inf):
        return None
    errors = np.sqrt(np.diagonal(part))
    values, vectors = np.linalg.eigh(part / errors / errors[:, None])
    if values[0] < 1e-12 * values[-1]:  # of whose inverse no digit is left
        return None
    inverse = (vectors / values) @ vectors.T
    out = np.zeros((int(free.sum()), free.size))
    out[:, free] = root_of_information(inverse) / errors * np.sqrt(noise)
    return out


def _pointwise(result: FitStatistics) -> tuple[dict[str, Any], str]:
    """Arrays as long as the data, points of weight 0 left out, and the model at other values.

    Or nothing, and why.
    """
    if "jac" not in result or result.get("fun") is None:
        return {}, "the data are not here"
    if not np.isfinite(result.get("cost", 0.0)):
        return {}, "they are not finite"
    if "ydata" not in result:  # of `least_squares`
        dense = isinstance(result.jac, np.ndarray)
        return {"jacobian": result.jac, "residuals": result.fun} if dense else {}, ""
    y, sigma = np.asarray(result.ydata), result.get("sigma")
    if y.size * len(result.x) > _LARGEST:
        return {}, f"their Jacobian of {y.size:,} points is too large"
    jacobian = result.get("jac")
    if not isinstance(jacobian, np.ndarray):
        return {}, "the Jacobian is no array"
    counts = statistics.weighted(sigma)
    twice = counts if counts is None or not np.iscomplexobj(y) else np.tile(counts, 2)

    def counted(values: Any) -> np.ndarray:
        values = np.asarray(values, float)
        return values if twice is None else values[twice]

    real, x = statistics.real_parts, plotting.single_real_x(result)
    out: dict[str, Any] = {
        "jacobian": counted(jacobian),
        "residuals": counted(result.fun),
        "x": x if x is None or counts is None else x[counts],
        "y": counted(real(y)),
        "fitted": counted(real(np.broadcast_to(result.predictions, y.shape))),
    }
    if sigma is not None and np.ndim(sigma) < 2:
        each = np.broadcast_to(np.asarray(sigma, float), y.shape)
        out["sigma"] = counted(np.tile(each, 2) if np.iscomplexobj(y) else each)
    if result.get("model") is not None:
        model, whiten = result.model, statistics.whitening(sigma)

        def residual_at(p: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                f = _value(model, model.predict, result.xdata, p)
                return counted(real(whiten(np.broadcast_to(f, y.shape) - y)))

        def jacobian_at(p: np.ndarray) -> np.ndarray:
            with np.errstate(all="ignore"):
                J = _value(model, model.jacobian, result.xdata, p)
                return counted(real(whiten(np.broadcast_to(J, (y.size, p.size)))))

        out["residual_at"], out["jacobian_at"] = residual_at, jacobian_at
    return out, ""


def _value(model: Any, call: Callable, x: Any, p: np.ndarray) -> Any:
    """What the model has at p; NaN where the user's function refuses such values."""
    try:
        return np.asarray(call(x, p))
    except Exception as error:
        refusal = getattr(model, "take_refusal", None)  # of ours, who knows whose error it is
        if not (refusal() if refusal else isinstance(error, ArithmeticError | ValueError)):
            raise
        return np.nan
