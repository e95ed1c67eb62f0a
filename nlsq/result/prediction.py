"""Curves, bands and prediction intervals of a fit at any x."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nlsq.result import bands
from nlsq.result.recipes import our_model

if TYPE_CHECKING:
    from nlsq.result.fitted_curve import FittedCurve

UNKNOWN_NOISE = (
    "sigma holds one value per measured point, so the noise at other x is not known: pass "
    "sigma_new=, a scalar or one value per point of x, in the units of sigma"
)


class Band(NamedTuple):
    """Lower and upper limit at each of m points.

    Attributes
    ----------
    lower, upper : ndarray, shape (m,)
    """

    lower: np.ndarray
    upper: np.ndarray


def as_points(x: Any) -> Any:
    """New x for the model: numbers become float64 arrays with at least one axis."""
    if isinstance(x, (list, tuple)) or np.isscalar(x):
        x = np.asarray(x)
    if isinstance(x, np.ndarray):
        x = np.atleast_1d(x)
        return x.astype(np.float64) if x.dtype.kind in "biu" else x
    return x


def curve(result: FittedCurve, x: Any) -> np.ndarray:
    """Model at `x`, or at the data when `x` is None."""
    if x is None:
        return result.predictions
    return np.asarray(result.require_model().predict(as_points(x), result.popt))


def components(result: FittedCurve, x: Any) -> dict[str, np.ndarray]:
    """The parts of the curve at `x`, or at the data when `x` is None."""
    model = result.require_model()
    if x is None and result.get("xdata") is None:
        raise ValueError("this result holds no data: give the x of the components")
    points = result.xdata if x is None else as_points(x)
    ours = our_model(model)
    if ours is None:
        return {result.get("model_name") or "model": curve(result, x)}
    return ours.components(points, *result.popt)


def gradients(result: FittedCurve, x: Any) -> np.ndarray:
    """Derivatives of the model by the parameters at `x` (None: the data), shape (m, n)."""
    if result.get("model") is None and x is None and _jac_is_plain(result):
        return result.unwhiten(np.asarray(result.jac))
    model = result.require_model()
    points = result.xdata if x is None else as_points(x)
    return np.asarray(model.jacobian(points, result.popt))


def _jac_is_plain(result: FittedCurve) -> bool:
    """Whether ``jac`` is the model's derivative over sigma: real, and not rescaled by a loss."""
    real = not np.iscomplexobj(result.ydata)
    return real and result.get("loss", "linear") == "linear" and result.get("jac") is not None


def row_variance(result: FittedCurve) -> Callable[[np.ndarray], np.ndarray]:
    """Function (m, n) -> (m,) that gives the variance of the curve for rows of gradients."""
    pcov = np.asarray(result.pcov, dtype=float)
    directions = result.get("null_directions") or ()
    determined = result.get("pcov_determined")
    if not directions or determined is None:
        return lambda J: bands.curve_variance(J, pcov)

    null = bands.null_matrix(directions, result.names)
    data_jac = result.get("jac")
    if data_jac is None:  # of data that were not in memory, at the sample of them
        data_jac = gradients(result, result.sample["xdata"] if "sample" in result else None)
    data_jac = np.asarray(data_jac)
    norms = np.linalg.norm(data_jac, axis=0)
    # undetermined too, and no part of a direction: values far away fit as well
    silent = np.isinf(np.diag(pcov)) & ~bands.has_component(np.eye(len(pcov)), null, norms)

    def variance(J: np.ndarray) -> np.ndarray:
        finite = bands.curve_variance(J, np.asarray(determined, dtype=float))
        blind = bands.has_component(J, null, norms) | (J[:, silent] != 0).any(axis=1)
        return np.where(blind, np.inf, finite)

    return variance


def noise_variance(result: FittedCurve, x: Any, sigma_new: Any) -> np.ndarray | float:
    """Variance of one observation at `x` (None: at the data), in the units of ``ydata`` squared."""
    sigma = result.get("sigma")
    if sigma_new is not None:
        new = np.asarray(sigma_new, dtype=float)
        if new.ndim > 1 or not (np.isfinite(new) & (new > 0)).all():
            raise ValueError("sigma_new must be a positive scalar or one positive value per point")
        variance = new**2
    elif result.sigma_dimensions is None:
        variance = 1.0
    elif result.sigma_dimensions == 0:
        variance = float(sigma) ** 2
    elif x is not None:
        raise ValueError(UNKNOWN_NOISE)
    else:
        variance = np.diag(sigma) if np.ndim(sigma) == 2 else np.asarray(sigma, dtype=float) ** 2
    if result.get("absolute_sigma", False):
        return variance
    return variance * result.reduced_chi_squared  # nan without degrees of freedom


def confidence_band(result: FittedCurve, x: Any, level: float) -> Band:
    """Lower and upper limit of the curve."""
    t = result.quantile(level)
    half = bands.half_widths(gradients(result, x), row_variance(result), t)
    middle = curve(result, x)
    return Band(middle - half, middle + half)


def prediction_interval(result: FittedCurve, x: Any, level: float, sigma_new: Any) -> Band:
    """Lower and upper limit of a new observation."""
    t = result.quantile(level)
    noise = noise_variance(result, x, sigma_new)
    J = gradients(result, x)
    if np.ndim(noise) and np.shape(noise) != (len(J),):
        raise ValueError(f"sigma_new has {np.size(noise)} values for {len(J)} points")
    half = bands.half_widths(J, row_variance(result), t, noise)
    middle = curve(result, x)
    return Band(middle - half, middle + half)
