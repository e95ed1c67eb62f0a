"""The residuals of a fit as what is left of independent noise when n directions were fitted to it.

With H = Q Q^T, Q an orthonormal basis of the Jacobian's columns, the residuals are (I - H) noise
to first order. That they are correlated by it is accounted for in all that is said about them.
"""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property

import numpy as np

_FLOOR = 1e-9  # of 1 - leverage, below which a residual is zero whatever the noise


@dataclasses.dataclass(frozen=True)
class ResidualSpace:
    """Residuals and the directions that were fitted to them."""

    r: np.ndarray  # (m,) of equal variance
    Q: np.ndarray  # (m, k) orthonormal columns: directions of the parameters, as far as they differ

    @cached_property
    def leverage(self) -> np.ndarray:
        """Share of each point in its own fitted value, (m,), from 0 to 1."""
        return np.minimum(np.einsum("ij,ij->i", self.Q, self.Q), 1.0)

    @property
    def dof(self) -> int:
        """Dimensions that are left."""
        return self.r.size - self.Q.shape[1]

    @cached_property
    def rss(self) -> float:
        """Sum of squares."""
        return float(self.r @ self.r)

    @property
    def error(self) -> float:
        """Standard deviation of the noise; nan without a degree of freedom."""
        return math.sqrt(self.rss / self.dof) if self.dof > 0 else math.nan

    @cached_property
    def equalised(self) -> np.ndarray:
        """r / sqrt(1 - leverage), (m,): of one variance; 0 where the fit passes through a point."""
        left = 1.0 - self.leverage
        return np.where(left > _FLOOR, self.r / np.sqrt(np.maximum(left, _FLOOR)), 0.0)

    @cached_property
    def studentised(self) -> np.ndarray:
        """Each residual over its error, estimated without it, (m,): Student's t of dof - 1."""
        if self.dof < 2:
            return np.full(self.r.size, np.nan)
        others = np.maximum(self.rss - self.equalised**2, 0.0) / (self.dof - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.equalised == 0, 0.0, self.equalised / np.sqrt(others))

    def refitted(self, keep: np.ndarray, weights: np.ndarray | None = None) -> ResidualSpace:
        """What is left when a linear fit of the points kept, so weighted, follows."""
        if weights is None:
            if keep.all():
                return self
            weights = np.ones(keep.size)
        r, Q = (self.r * weights)[keep], orthonormal((self.Q * weights[:, None])[keep])
        return ResidualSpace(r - Q @ (Q.T @ r), Q)


def orthonormal(columns: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the columns, (m, k); those that others replace are left out."""
    scaled, lengths = unit_columns(columns)
    u, s, _ = np.linalg.svd(scaled[:, lengths > 0], full_matrices=False)
    return u[:, s > s.max(initial=0.0) * max(columns.shape) * np.finfo(float).eps]


def unit_columns(columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of length 1, and their lengths; those of zeros stay as they are."""
    lengths = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    return columns / np.where(lengths > 0, lengths, 1.0), lengths


@dataclasses.dataclass(frozen=True)
class Axis:
    """What the residuals are looked at along."""

    name: str  # 'x', 'the fitted values', or 'the data' in the order they came
    places: np.ndarray  # (m,)
    order: np.ndarray  # (m,) of int: of rising places
    height: np.ndarray | None  # (m,) size of the fitted values, which a spread may follow

    @classmethod
    def of(cls, m: int, x: np.ndarray | None, fitted: np.ndarray | None) -> Axis:
        """That of m points: x where it is one column of numbers, else the fitted values."""
        known = {"x": x, "the fitted values": fitted, "the data": np.arange(m)}
        name = next(n for n, values in known.items() if np.shape(values) == (m,))
        places = np.asarray(known[name], dtype=float)
        height = np.abs(fitted) if np.shape(fitted) == (m,) else None
        return cls(name, places, np.argsort(places, kind="stable"), height)

    def only(self, keep: np.ndarray) -> Axis:
        """The axis of the points that are kept."""
        if keep.all():
            return self
        order = (np.cumsum(keep) - 1)[self.order[keep[self.order]]]
        height = None if self.height is None else self.height[keep]
        return Axis(self.name, self.places[keep], order, height)
