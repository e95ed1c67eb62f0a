"""What a diagnosis may look at: a finished fit as plain arrays."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nlsq.diagnostics.residual_space import ResidualSpace

_WELL_CONDITIONED = 1e5  # so that left singular vectors by division are orthogonal to 1e-11


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
        Of each iteration of the loop (cost, gradient (n,)), the gradient in `cosines`.
    converged, message : bool, str
        How the fit ended.
    gradient : ndarray (n,) or None
        Of the cost, J^T r with the loss.
    r_squared : float or None
    plain : bool
        Whether the cost is half the plain sum of squares, no other loss.
    bounds : 2-tuple of ndarray (n,)
    residual_at, jacobian_at : callable or None
        Of other parameters (n,): whitened residuals (m,), and their Jacobian (m, n).
    jacobian_given : bool
        Whether the user's own function made the Jacobian.
    sums : mapping or None
        Of residuals that are not kept, see `nlsq.streaming.moments`.
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
    converged: bool = True
    message: str = ""
    gradient: np.ndarray | None = None
    r_squared: float | None = None
    plain: bool = True
    bounds: tuple[np.ndarray, np.ndarray] | None = None
    residual_at: Callable[[np.ndarray], np.ndarray] | None = None
    jacobian_at: Callable[[np.ndarray], np.ndarray] | None = None
    jacobian_given: bool = False
    sums: Mapping[str, float] | None = None

    @classmethod
    def of_jacobian(cls, jacobian: Any, names: Any = None) -> Evidence:
        """What a Jacobian (m, n) alone tells; the parameters' values are not known (NaN)."""
        J = np.asarray(jacobian, float)
        if J.ndim != 2 or not J.size or not np.isfinite(J).all():
            raise ValueError(
                f"a Jacobian is an array (points, parameters) of finite numbers, got {J.shape}"
            )
        m, n = J.shape
        nan = np.full(n, np.nan)
        R = np.linalg.qr(J, mode="r")
        return cls(
            tuple(names) if names is not None else tuple(f"p{i}" for i in range(n)), nan,
            np.ones(n, bool), np.zeros(n, int), R, np.full((n, n), np.nan), (), (), np.nan,
            m - n, m, np.nan, jacobian=J,
        )  # fmt: skip

    @functools.cached_property
    def directions(self) -> Directions | None:
        """What the free parameters' Jacobian determines; None where it is not known."""
        return None if self.R is None else Directions.of(self.R, self.free)

    @functools.cached_property
    def space(self) -> ResidualSpace:
        """Of the residuals, which must be known."""
        moved, known = self.free & (self.at_bound == 0), self.directions
        if self.jacobian is None or known is None or not moved[known.places].all():
            return ResidualSpace.of(self.residuals, self.jacobian, moved)
        if known.condition > _WELL_CONDITIONED:
            return ResidualSpace.of(self.residuals, self.jacobian, moved)
        scaled = self.jacobian[:, known.places] / known.lengths
        return ResidualSpace(self.residuals, scaled @ (known.rows.T / known.values))

    @functools.cached_property
    def cosines(self) -> np.ndarray | None:
        """(n,) g_j / (|J_j| |r|), in which units play no part; 0 of dead and fixed parameters."""
        if self.gradient is None or self.R is None or not self.cost > 0:
            return None
        lengths = np.linalg.norm(self.R, axis=0) * np.sqrt(2 * self.cost)
        size = lengths * np.abs(self.values)  # where that is rounding, so is the slope
        moving = self.free & (lengths > 0) & (self.at_bound == 0)
        moving &= (size > 1e-10 * size.max(initial=0.0)) | (self.values == 0)
        return np.where(moving, self.gradient / np.where(lengths > 0, lengths, 1.0), 0.0)


@dataclasses.dataclass(frozen=True)
class Directions:
    """Singular values and directions of a Jacobian whose columns are scaled to length 1.

    Attributes
    ----------
    places : ndarray of int (k,)
        Of the free parameters whose column is not zero, among all n.
    lengths : ndarray (k,)
        Of their columns.
    values : ndarray (k,)
        Singular values, the largest first.
    rows : ndarray (k, k)
        Unit vectors of the scaled parameters, one a row.
    """

    places: np.ndarray
    lengths: np.ndarray
    values: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, R: np.ndarray, free: np.ndarray) -> Directions:
        """From any matrix (k, n) of the same J^T J."""
        size = np.abs(R).max(axis=0, initial=0.0)  # first, since squares of 1e-180 would be 0
        lengths = size * np.linalg.norm(R / np.where(size > 0, size, 1.0), axis=0)
        places = np.flatnonzero(free & (lengths > 0))
        lengths = lengths[places]
        _, values, rows = np.linalg.svd(R[:, places] / lengths, full_matrices=True)
        values = np.concatenate([values, np.zeros(len(rows) - len(values))])
        return cls(places, lengths, values, rows)

    @property
    def condition(self) -> float:
        """Largest over smallest singular value: 1 where no column says anything about another."""
        if not self.values.size:
            return 1.0
        return float(self.values[0] / self.values[-1]) if self.values[-1] > 0 else np.inf

    def rank(self, tolerance: float) -> int:
        """Number of singular values above this share of the largest."""
        return int((self.values > tolerance * self.values.max(initial=0.0)).sum())

    @functools.cached_property
    def inflations(self) -> np.ndarray:
        """(k,) errors over those that each parameter would have with the others known."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            parts = self.rows / self.values[:, None]
        return np.linalg.norm(np.where(np.isnan(parts), 0.0, parts), axis=0)

    def error(self, combination: np.ndarray) -> float:
        """Standard error of g^T p, g (k,), for residuals of standard deviation 1."""
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            parts = self.rows @ (combination / self.lengths) / self.values
        return float(np.linalg.norm(np.where(np.isnan(parts), 0.0, parts)))
