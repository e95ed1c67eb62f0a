"""Whether fits are of the same data, weighted in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nlsq.result import statistics
from nlsq.result.serialization import function_name

if TYPE_CHECKING:
    from nlsq.result.curve_fit_result import CurveFitResult


def difference(one: CurveFitResult, other: CurveFitResult) -> str | None:
    """Why two fits are not of the same data, weighted in the same way; None when they are."""
    if one.n_points != other.n_points:
        return f"they were fitted to {one.n_points:,} and {other.n_points:,} points"
    if bool(one.get("absolute_sigma")) != bool(other.get("absolute_sigma")):
        return "one took sigma as known (absolute_sigma=True), the other did not"
    losses = [loss_of(fit) for fit in (one, other)]
    if losses[0] != losses[1]:
        return f"they were fitted with {losses[0]} and {losses[1]}"
    if "sample" in one or "sample" in other:
        return _other_sample(one, other)
    (y, sigma), (y_other, sigma_other) = _counted(one), _counted(other)
    return _other_values(y, y_other) or _other_sigma(sigma, sigma_other)


def loss_of(fit: CurveFitResult) -> str:
    """The loss of a fit in words, with its scale."""
    loss = fit.get("loss", "linear")
    if loss == "linear":
        return "the linear loss"
    name = loss if isinstance(loss, str) else function_name(loss)
    return f"the loss {name} with f_scale {float(fit.get('f_scale', 1.0)):g}"


def _counted(fit: CurveFitResult) -> tuple[np.ndarray | None, np.ndarray]:
    """y, None where the fit no longer has it, and sigma of the points that are not of weight 0."""
    sigma = np.asarray(1.0 if fit.get("sigma") is None else fit.sigma, dtype=float)
    if sigma.ndim == 2 and np.array_equal(sigma, np.diag(np.diag(sigma))):
        sigma = np.sqrt(np.diag(sigma))
    y = None if fit.get("ydata") is None else np.ravel(fit.ydata)
    if (counts := statistics.weighted(sigma)) is not None:
        y, sigma = None if y is None else y[counts], sigma[counts]
    return y, sigma


def _other_values(y: np.ndarray | None, other: np.ndarray | None) -> str | None:
    if y is None or other is None:
        return None
    if len(y) != len(other):
        return f"their y have {len(y):,} and {len(other):,} values"
    unequal = np.flatnonzero((y != other) & ~((y != y) & (other != other)))
    if not unequal.size:
        return None
    i = int(unequal[0])
    return f"their y differ at point {i}: {y[i]} and {other[i]}"


def _other_sigma(sigma: np.ndarray, other: np.ndarray) -> str | None:
    if 2 in (sigma.ndim, other.ndim) and sigma.ndim != other.ndim:
        return "one has a covariance matrix as sigma, the other has none"
    return None if np.allclose(sigma, other, rtol=1e-12, atol=0) else "their sigma differ"


def _other_sample(one: CurveFitResult, other: CurveFitResult) -> str | None:
    """Of streamed data a sample is known, and whether there was a sigma."""
    given = [fit.sigma_dimensions is not None for fit in (one, other)]
    if given[0] != given[1]:
        return "one has a sigma, the other has none"
    samples = [fit.get("sample") for fit in (one, other)]
    if any(s is None for s in samples) or len(samples[0]["ydata"]) != len(samples[1]["ydata"]):
        return None
    return _other_values(*(np.asarray(s["ydata"]) for s in samples))
