r"""Dogleg step in a rectangular trust region, on the reduced system (method 'dogbox').

The region |p_j| <= Delta D_j intersected with the bounds is a box again. In it the cost model
1/2 |R p + z|^2 is minimised along the dogleg from the Cauchy point to the Gauss-Newton step of the
free parameters; a parameter on a bound with -g pointing outwards is held. This follows SciPy's
`dogbox` with R and z in the place of J and r.

References: C. Voglis, I. E. Lagaris, "A rectangular trust region dogleg approach for unconstrained
and bound constrained nonlinear optimization", 2004; J. Nocedal, S. J. Wright, "Numerical
Optimization", 2nd ed., chapter 4.
"""

from __future__ import annotations

from typing import NamedTuple

from nlsq.constants import EPS
from nlsq.core.algebra import dense, geometry
from nlsq.core.algebra.namespace import where, xp
from nlsq.core.trf import TrustRegionReflective
from nlsq.interfaces.step_protocol import Proposal


class Prepared(NamedTuple):
    """What the steps from a point have in common."""

    point: object
    scale: object
    setup: object
    held: object  # (n,) bool: on a bound with -g pointing outwards, or fixed
    A: object  # (n, n)
    g: object  # (n,)
    newton: object  # (n,)


class Dogbox(TrustRegionReflective):
    """The method 'dogbox', for bounded and free problems alike; `alpha` is not used."""

    def start_radius(self, x, scale, cost, factor):
        """`factor` times the largest scaled component of x, or |r| where x = 0."""
        length = xp.max(xp.abs(x / scale))
        return factor * where(length > 0, length, xp.sqrt(2 * cost))

    def prepare(self, point, scale, setup, bounded) -> Prepared:
        """The gradient and the Gauss-Newton step of the parameters that may move."""
        x, R, z = point.x, point.R, point.z
        g = dense.dot(R.T, z)
        held = ((x <= setup.lb) & (g > 0)) | ((x >= setup.ub) & (g < 0)) | (setup.free == 0)
        A, g = where(held, 0.0, R), where(held, 0.0, g)
        newton = where(held, 0.0, _minimum_norm(A / _norms(A), z) / _norms(A))
        return Prepared(point, scale, setup, held, A, g, newton)

    def attempt(self, prepared: Prepared, radius, alpha) -> Proposal:
        """The dogleg in the box of this radius."""
        point, scale, setup, held, A, g, newton = prepared
        low = xp.maximum(setup.lb - point.x, -radius * scale)
        high = xp.minimum(setup.ub - point.x, radius * scale)
        fits = xp.all((newton >= low) & (newton <= high))
        w = dense.dot(A, g)
        step = where(fits, newton, dogleg(dense.dot(w, w), g, newton, low, high))
        step = where(held, 0.0, step)
        q = dense.dot(A, step)
        predicted = -xp.sum((point.z + 0.5 * q) * q)
        norm = xp.max(xp.abs(step / scale))
        return Proposal(step, norm, predicted, xp.zeros_like(predicted), alpha)

    def land(self, x, step, lb, ub):
        """The trial point; a component within rounding of a bound lies exactly on it."""
        trial = xp.clip(x + step, lb, ub)
        near = 4 * EPS * (xp.abs(x) + xp.abs(step))
        trial = where(trial - lb <= near, lb, trial)
        return where(ub - trial <= near, ub, trial)


def _norms(A):
    columns = xp.sqrt(xp.sum(A * A, axis=0))
    return where(columns > 0, columns, 1.0)


def _minimum_norm(A, z):
    W, s, V = dense.jacobi(A)
    keep = s > EPS * s.shape[0] * xp.max(s)
    return -dense.dot(V, where(keep, dense.dot(W.T, z) / where(keep, s, 1.0) ** 2, 0.0))


def dogleg(curvature, g, newton, low, high):
    """The step in the box [low, high] towards `newton`; curvature: |A g|^2."""
    wall, _ = geometry.stride_to_bound(xp.zeros_like(g), -g, low, high)
    wall = where(xp.isfinite(wall), wall, 0.0)
    t, _ = geometry.minimise_on_interval(
        0.5 * curvature, -dense.dot(g, g), 0.0 * wall, 0.0 * wall, wall
    )
    cauchy = -t * g
    leg = newton - cauchy
    stride, _ = geometry.stride_to_bound(cauchy, leg, low, high)
    step = xp.clip(cauchy + xp.clip(stride, 0.0, 1.0) * leg, low, high)
    # the wall that ended the stride is met but for rounding; short of it, the next step has no room
    near = 4 * EPS * (xp.abs(cauchy) + xp.abs(leg))
    step = where(step - low <= near, low, step)
    return where(high - step <= near, high, step)
