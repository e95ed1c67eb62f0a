"""What a diagnosis may look at: a finished fit as plain arrays."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nlsq.diagnostics.residual_space import Axis, ResidualSpace, orthonormal

_WELL_CONDITIONED = 1e5  # so that left singular vectors by division are orthogonal to 1e-11
_EXACT = 1e-10  # of the largest |y|: residuals of this size are rounding


@dataclasses.dataclass(frozen=True)
class Evidence:
    """A finished fit of n parameters to m residuals; what is unknown is None.

    Residuals are (f - y) / sigma, and Jacobians those of residuals.
    """

    names: tuple[str, ...]
    values: np.ndarray  #: (n,)
    free: np.ndarray  #: (n,) of bool: False for fixed parameters
    at_bound: np.ndarray  #: (n,) -1 at the lower bound, 0 inside, 1 at the upper bound
    R: np.ndarray | None  #: (k, n) any matrix with the Jacobian's J^T J
    covariance: np.ndarray  #: (n, n) `pcov`: inf for undetermined parameters, 0 for fixed ones
    null_directions: tuple[dict[str, float], ...]  #: unit vectors along which the model stays
    undetermined: tuple[str, ...]
    cost: float
    dof: int
    n_points: int
    noise: float  #: variance of a residual: 1 where sigma is absolute
    jacobian: np.ndarray | None = None  #: (m, n) with the loss
    residuals: np.ndarray | None = None  #: (m,)
    x: np.ndarray | None = None  #: (m,) where it is one column of numbers, which orders the points
    y: np.ndarray | None = None  #: (m,)
    fitted: np.ndarray | None = None  #: (m,)
    sigma: np.ndarray | None = None  #: (m,)
    history: Any = None  #: of each iteration (cost, gradient (n,)), the gradient as in `cosines`
    converged: bool = True
    message: str = ""  #: how the fit ended
    gradient: np.ndarray | None = None  #: (n,) J^T r with the loss
    total: float | None = None  #: of the squares of y about its mean; 0 where that is rounding
    plain: bool = True  #: whether the cost is half the plain sum of squares, no other loss
    bounds: tuple[np.ndarray, np.ndarray] | None = None  #: each (n,)
    #: residuals (m,) and Jacobian (m, n) at other parameters (n,)
    residual_at: Callable[[np.ndarray], np.ndarray] | None = None
    jacobian_at: Callable[[np.ndarray], np.ndarray] | None = None
    jacobian_given: bool = False  #: whether the user's own function made the Jacobian
    sums: Mapping[str, float] | None = None  #: of residuals not kept: `nlsq.streaming.moments`

    def locked(self) -> Evidence:
        """The same in arrays that a stranger's plugin cannot change."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        views = {k: v.view() for k, v in given.items() if isinstance(v, np.ndarray)}
        for view in views.values():
            view.flags.writeable = False
        return dataclasses.replace(self, **views)

    @classmethod
    def of_jacobian(cls, jacobian: Any, names: Any = None) -> Evidence:
        """What a Jacobian (m, n) alone tells; the parameters' values are not known (NaN)."""
        J = np.asarray(jacobian, float)
        if J.ndim != 2 or not J.size or not np.isfinite(J).all():
            raise ValueError(
                f"a Jacobian is an array (points, parameters) of finite numbers, got {J.shape}"
            )
        m, n = J.shape
        return cls(
            tuple(names) if names is not None else tuple(f"p{i}" for i in range(n)),
            np.full(n, np.nan), np.ones(n, bool), np.zeros(n, int), np.linalg.qr(J, mode="r"),
            np.full((n, n), np.nan), (), (), np.nan, m - n, m, np.nan, jacobian=J,
        )  # fmt: skip

    @functools.cached_property
    def n_free(self) -> int:
        """How many parameters are free."""
        return int(np.count_nonzero(self.free))

    @functools.cached_property
    def moved(self) -> np.ndarray:
        """(n,) the parameters that are free and inside their bounds."""
        return self.free & (self.at_bound == 0)

    @property
    def has_model(self) -> bool:
        """Whether it can be asked at other parameters."""
        return self.residual_at is not None and self.jacobian_at is not None

    @functools.cached_property
    def directions(self) -> Directions | None:
        """What the free parameters' Jacobian determines; None where it is not known."""
        if self.R is None:
            return None
        places = (self.free & (self.lengths > 0)).nonzero()[0]
        lengths = self.lengths[places]
        _, values, rows = np.linalg.svd(self.R[:, places] / lengths)
        missing = np.zeros(len(rows) - len(values))
        return Directions(places, lengths, np.append(values, missing), rows)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """(n,) of the Jacobian's columns, which must be known."""
        return np.hypot.reduce(self.R, axis=0)  # no squares, which of 1e-180 would be 0

    @functools.cached_property
    def errors(self) -> np.ndarray:
        """(n,) standard errors of the free parameters; inf where the model does not respond."""
        d, out = self.directions, np.full(len(self.names), np.inf)
        out[d.places] = math.sqrt(self.noise) * d.inflations / d.lengths
        return out

    @functools.cached_property
    def space(self) -> ResidualSpace:
        """Of the residuals, which must be known; without a Jacobian as if nothing were fitted."""
        r, known = np.asarray(self.residuals, float), self.directions
        if self.jacobian is None:
            return ResidualSpace(r, np.zeros((r.size, 0)))
        good = known is not None and known.condition <= _WELL_CONDITIONED
        if not good or not self.moved[known.places].all():
            return ResidualSpace(r, orthonormal(self.jacobian[:, self.moved]))
        scaled = self.jacobian[:, known.places] / known.lengths
        return ResidualSpace(r, scaled @ (known.rows.T / known.values))

    @functools.cached_property
    def axis(self) -> Axis:
        """What the residuals, which must be known, are ordered by."""
        return Axis.of(np.size(self.residuals), self.x, self.fitted)

    @functools.cached_property
    def size(self) -> float:
        """Root mean square residual over the largest |y|; inf where that is not known."""
        if self.residuals is None and self.sums is not None:
            return self.unexplained
        if self.residuals is not None and self.space.rss == 0:
            return 0.0
        if self.y is None or self.fitted is None or not (largest := float(np.abs(self.y).max())):
            return math.inf
        plain = self.fitted - self.y
        return math.sqrt(float(plain @ plain) / plain.size) / largest

    @property
    def is_exact(self) -> bool:
        """Whether the residuals are rounding."""
        return self.size < _EXACT

    @property
    def unexplained(self) -> float:
        """Root mean square residual over the deviation of y, both weighted; nan if not known."""
        if self.total is None:
            return math.nan
        kept = self.residuals is not None
        rss = self.space.rss if kept else (self.sums or {}).get("chi_squared", math.nan)
        return math.sqrt(rss / self.total) if self.total else math.inf

    @property
    def r_squared(self) -> float | None:
        """None where the data are not known, do not vary beyond rounding, or a loss sees them."""
        return 1 - 2 * self.cost / self.total if self.total and self.plain else None

    @functools.cached_property
    def cosines(self) -> np.ndarray | None:
        """(n,) g_j / (|J_j| |r|), in which units play no part; 0 of dead and fixed parameters."""
        if self.gradient is None or self.R is None or not self.cost > 0:
            return None
        lengths = self.lengths * math.sqrt(2 * self.cost)
        size = lengths * np.abs(self.values)  # where that is rounding, so is the slope
        moving = self.moved & (lengths > 0)
        moving &= (size > 1e-10 * size.max(initial=0.0)) | (self.values == 0)
        return np.divide(self.gradient, lengths, out=np.zeros(size.size), where=moving)

    def named(self, chosen: np.ndarray) -> tuple[str, ...]:
        """The names of the parameters that are chosen, (n,) of bool."""
        return tuple(name for name, one in zip(self.names, chosen, strict=True) if one)


@dataclasses.dataclass(frozen=True)
class Directions:
    """Singular values and directions of a Jacobian whose columns are scaled to length 1."""

    places: np.ndarray  # (k,) of the free parameters whose column is not zero, among all n
    lengths: np.ndarray  # (k,) of their columns
    values: np.ndarray  # (k,) singular values, the largest first
    rows: np.ndarray  # (k, k) unit vectors of the scaled parameters, one a row

    @property
    def condition(self) -> float:
        """Largest over smallest singular value: 1 where no column says anything about another."""
        if not self.values.size:
            return 1.0
        return float(self.values[0] / self.values[-1]) if self.values[-1] > 0 else np.inf

    def lost(self, tolerance: float) -> int:
        """Number of singular values that are not above this share of the largest."""
        return int(np.count_nonzero(self.values <= tolerance * self.values[:1]))  # of the largest

    @functools.cached_property
    def inflations(self) -> np.ndarray:
        """(k,) errors over those that each parameter would have with the others known."""
        return self._over_values(self.rows)

    def error(self, combination: np.ndarray) -> float:
        """Standard error of g^T p, g (k,), for residuals of standard deviation 1."""
        return float(self._over_values(self.rows @ (combination / self.lengths)))

    def _over_values(self, parts: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            divided = (parts.T / self.values).T
        return np.hypot.reduce(np.where(np.isnan(divided), 0.0, divided), axis=0)
