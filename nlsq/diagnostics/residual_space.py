"""The residuals of a fit as what is left of independent noise when n directions were fitted to it.

With H = Q Q^T, Q an orthonormal basis of the Jacobian's columns, the residuals are (I - H) noise
to first order. That they are correlated by it is accounted for in all that is said about them.
"""

from __future__ import annotations

import dataclasses
import math
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from nlsq.diagnostics.evidence import Evidence

_FLOOR = 1e-9  # of 1 - leverage, below which a residual is zero whatever the noise


@dataclasses.dataclass(frozen=True)
class ResidualSpace:
    """Residuals and the directions that were fitted to them.

    Attributes
    ----------
    r : ndarray (m,)
        Residuals of equal variance.
    Q : ndarray (m, k)
        Orthonormal columns: the directions of the free parameters, as far as they differ.
    """

    r: np.ndarray
    Q: np.ndarray

    @classmethod
    def of(cls, residuals: Any, jacobian: Any, moved: np.ndarray) -> ResidualSpace:
        """That of residuals (m,) and a Jacobian (m, n), of whose columns those `moved` were fitted.

        Without a Jacobian, as if no direction had been fitted.
        """
        r = np.asarray(residuals, dtype=float)
        if jacobian is None:
            return cls(r, np.zeros((r.size, 0)))
        return cls(r, orthonormal(jacobian if moved.all() else jacobian[:, moved]))

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

    def refitted(
        self, keep: np.ndarray | None = None, weights: np.ndarray | None = None
    ) -> ResidualSpace:
        """What is left when a linear fit of the points kept, so weighted, follows."""
        if weights is None and (keep is None or keep.all()):
            return self
        r, Q = self.r, self.Q
        if weights is not None:
            r, Q = r * weights, Q * weights[:, None]
        if keep is not None:
            r, Q = r[keep], Q[keep]
        Q = orthonormal(Q)
        return ResidualSpace(r - Q @ (Q.T @ r), Q)


def orthonormal(columns: np.ndarray) -> np.ndarray:
    """Orthonormal basis of the columns, (m, k); those that others replace are left out."""
    norms = np.sqrt(np.einsum("ij,ij->j", columns, columns))
    columns = columns[:, norms > 0] / norms[norms > 0]
    u, s, _ = np.linalg.svd(columns, full_matrices=False)
    return u[:, s > s.max(initial=0.0) * max(columns.shape) * np.finfo(float).eps]


@dataclasses.dataclass(frozen=True)
class Axis:
    """What the residuals are looked at along.

    Attributes
    ----------
    name : str
        'x', 'the fitted values', or 'the data' in the order they came.
    places : ndarray (m,)
    order : ndarray of int (m,)
        Of rising places.
    height : ndarray (m,) or None
        Size of the fitted values, which a spread may follow.
    """

    name: str
    places: np.ndarray
    order: np.ndarray
    height: np.ndarray | None

    @classmethod
    def of(cls, evidence: Evidence) -> Axis:
        """That of a fit: x where it is one column of numbers, else the fitted values."""
        m = np.size(evidence.residuals)
        known = {"x": evidence.x, "the fitted values": evidence.fitted, "the data": np.arange(m)}
        usable = (n for n, v in known.items() if v is not None and np.shape(v) == (m,))
        name = next(usable)
        places = np.asarray(known[name], dtype=float)
        fitted = evidence.fitted if np.shape(evidence.fitted) == (m,) else None
        height = None if fitted is None else np.abs(np.asarray(fitted, dtype=float))
        return cls(name, places, np.argsort(places, kind="stable"), height)

    def only(self, keep: np.ndarray) -> Axis:
        """The axis of the points that are kept."""
        if keep.all():
            return self
        position = np.cumsum(keep) - 1
        height = None if self.height is None else self.height[keep]
        order = position[self.order[keep[self.order]]]
        return Axis(self.name, self.places[keep], order, height)
