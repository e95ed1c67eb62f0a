"""What a diagnosis may look at: a finished fit as plain arrays."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np


@dataclasses.dataclass(frozen=True)
class Evidence:
    """A finished fit of n parameters to m residuals; what is unknown is None.

    Attributes
    ----------
    names : tuple of str, length n
    values : ndarray (n,)
    free : ndarray of bool (n,)
        False for fixed parameters.
    at_bound : ndarray of int (n,)
        -1 / 0 / 1: at the lower bound, inside, at the upper bound.
    R : ndarray (k, n) or None
        The whitened Jacobian, or any matrix of the same J^T J.
    covariance : ndarray (n, n)
        `pcov` of the result: inf in undetermined rows, 0 in those of fixed parameters.
    null_directions : tuple of dict
        Parameter names and components of the unit vectors along which the model does not change.
    undetermined : tuple of str
    cost, dof, n_points, noise
        Of the fit; noise: variance of a whitened residual (1 where sigma is absolute).
    jacobian : ndarray (m, n) or None
        Whitened, with the loss.
    residuals : ndarray (m,) or None
        Whitened: (f - y) / sigma.
    x : ndarray (m,) or None
        What the points are ordered by, where that is one column of numbers.
    y, fitted : ndarray (m,) or None
    sigma : ndarray (m,) or None
    history : sequence or None
        Of each pass of the loop (cost, gradient (n,) scaled by the columns' norms).
    """

    names: tuple[str, ...]
    values: np.ndarray
    free: np.ndarray
    at_bound: np.ndarray
    R: np.ndarray | None
    covariance: np.ndarray
    null_directions: tuple[dict[str, float], ...]
    undetermined: tuple[str, ...]
    cost: float
    dof: int
    n_points: int
    noise: float
    jacobian: np.ndarray | None = None
    residuals: np.ndarray | None = None
    x: np.ndarray | None = None
    y: np.ndarray | None = None
    fitted: np.ndarray | None = None
    sigma: np.ndarray | None = None
    history: Any = None
