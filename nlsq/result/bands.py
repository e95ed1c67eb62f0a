"""Variance of a fitted curve: pure functions of the gradient of the model and the covariance.

At a point x the curve f(x, p) has the variance g' C g, g = df/dp at the solution and C the
covariance of p. Written with the correlation matrix K = V diag(w) V', C = D K D, this is
|| sqrt(w) V' D g ||^2: a sum of squares, never negative, and indifferent to the units of p.

When the data leave directions v undetermined, the variance is infinite where g has a component
along one of them, and g' C+ g elsewhere, C+ being the covariance of the determined directions.
"Has a component" is judged in the units of the data: each parameter is measured by the norm of its
column of the Jacobian, so that 1e9 V and 2e-7 s weigh the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# A gradient along a free direction below this share of the whole gradient is rounding: derivatives
# by differences carry 1e-8, the direction itself about as much.
COMPONENT_TOL = 1e-6


def null_matrix(directions: Sequence[Mapping[str, float]], names: Sequence[str]) -> np.ndarray:
    """Rows of coefficients, shape (k, n), of directions given as {name: coefficient}."""
    out = np.zeros((len(directions), len(names)))
    for row, direction in zip(out, directions, strict=True):
        for name, coefficient in direction.items():
            row[list(names).index(name)] = coefficient
    return out


def has_component(J: np.ndarray, null: np.ndarray, column_norms: np.ndarray) -> np.ndarray:
    """Which rows of J, shape (m, n), have a component along a row of `null`, shape (k, n)."""
    scale = np.where(column_norms > 0, column_norms, 1.0)
    gradient = J / scale
    free = null * scale
    free = free / np.linalg.norm(free, axis=1, keepdims=True)
    size = np.linalg.norm(gradient, axis=1)
    along = np.abs(gradient @ free.T).max(axis=1, initial=0.0)
    return along > COMPONENT_TOL * size


def curve_variance(J: np.ndarray, pcov: np.ndarray) -> np.ndarray:
    """g' C g for each row g of J, shape (m, n); inf where g meets an infinite variance.

    Parameters
    ----------
    J : ndarray, shape (m, n)
        Real gradients of the model.
    pcov : ndarray, shape (n, n)
        Covariance; rows and columns of undetermined parameters may be inf or nan.
    """
    variance = np.diag(pcov)
    known = np.isfinite(variance) & np.isfinite(pcov).any(axis=1)
    used = known & (variance > 0)
    out = np.zeros(len(J))
    if used.any():
        scale = np.sqrt(variance[used])
        K = pcov[np.ix_(used, used)] / scale[:, None] / scale
        w, V = np.linalg.eigh(0.5 * (K + K.T))
        out = (((J[:, used] * scale) @ (V * np.sqrt(np.maximum(w, 0.0)))) ** 2).sum(axis=1)
    out[(J[:, ~known] != 0).any(axis=1)] = np.inf
    return out


def half_widths(J: np.ndarray, variance_of_row, t: float, noise: np.ndarray | float = 0.0):
    """t sqrt(variance + noise) for real or complex gradients.

    Parameters
    ----------
    J : ndarray, shape (m, n)
        Complex gradients give complex half-widths: one for each part.
    variance_of_row : callable
        Real (m, n) -> (m,).
    t : float
        Quantile; nan (no degrees of freedom) makes every uncertain point infinite.
    noise : float or ndarray, shape (m,)
        Variance of a single observation, added for prediction.
    """
    if np.iscomplexobj(J):
        real = half_widths(J.real, variance_of_row, t, noise)
        return real + 1j * half_widths(J.imag, variance_of_row, t, noise)
    variance = variance_of_row(J) + noise
    if np.isnan(t):
        return np.where(variance == 0, 0.0, np.inf)
    return t * np.sqrt(variance)
