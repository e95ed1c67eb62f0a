r"""Trust Region Reflective step on the reduced system.

Minimise 1/2 |r(x)|^2 with lb <= x <= ub. With g = R^T z, scale D (from `x_scale`) and the
Coleman-Li vector v (distance to the bound that -g points at), new variables x^ = d^{-1} x with
d = v^{1/2} D turn the first-order conditions into a smooth system whose Gauss-Newton model is

    1/2 |R d p^ + z|^2 + 1/2 p^T C p^,     C = diag(g dv D)  >= 0

R has the singular values and right vectors of J, so everything below is n-sized. The model is an
ordinary least-squares problem in the rows [R d; C^{1/2}]. A step that leaves the bounds is compared
with its reflection at the first bound hit and with the constrained Cauchy step, and the best of the
three is taken (SciPy's `trf_bounds`, which this follows).

References: M. A. Branch, T. F. Coleman, Y. Li, "A subspace, interior, and conjugate gradient method
for large-scale bound-constrained minimization problems", SIAM J. Sci. Comput. 21 (1999);
J. J. Moré, D. C. Sorensen, "Computing a trust region step", 1983.
"""

from __future__ import annotations

from typing import NamedTuple

from nlsq.core.algebra import dense, geometry, subproblem
from nlsq.core.algebra.namespace import cond, eye, no, shortcut, where, xp
from nlsq.interfaces.step_protocol import Proposal, StepProtocol


class Quadratic(NamedTuple):
    """A model g.s + 1/2 s.B.s of the cost, B known by its inner products."""

    g: object  # (n,)
    gram: object  # S (k, n) -> S B S^T (k, k)


class Prepared(NamedTuple):
    """What the steps from a point have in common: min |A p + z| in |p| <= radius, in hat space."""

    point: object
    setup: object
    A: object  # (k, n)
    z: object  # (k,)
    newton: object  # (n,) the Gauss-Newton step, NaN where A is not regular
    d: object  # (n,) user units of hat space
    g: object  # (n,) gradient in hat space, or None without bounds
    C: object  # (n,) the bounds' part of the model, or None


class TrustRegionReflective(StepProtocol):
    """The method 'trf'."""

    ACCEPT_RATIO = 0.0
    FACTOR = 1.0
    GROW, SHRINK = 2.0, 0.25

    def start_radius(self, x, scale, cost, factor):
        """`factor` times the scaled length of x, or of the residual where x = 0."""
        length = dense.norm(x / scale)
        return factor * where(length > 0, length, xp.sqrt(2 * cost))

    def propose(self, point, radius, alpha, scale, setup, bounded) -> Proposal:
        """A step from `point` by the damping of this radius."""
        return self.attempt(self.prepare(point, scale, setup, bounded), radius, alpha)

    def prepare(self, point, scale, setup, bounded) -> Prepared:
        """Take `point` (fields x, R, P, z, optimality) to hat space. `bounded` is static."""
        R, z = point.R, point.z
        if not bounded:
            A = R * scale
            newton = subproblem.gauss_newton(R, point.P, z) / scale * setup.free
            newton = where(subproblem.regular(dense.diagonal(A)), newton, xp.nan)
            return Prepared(point, setup, A, z, newton, scale, None, None)
        g = dense.dot(R.T, z)
        d, C = hat_space(point.x, g, scale, setup.lb, setup.ub)
        C = xp.maximum(C, 0.0)
        A, za = _with_diagonal(R * d, z, xp.sqrt(C))
        newton, diagonal = dense.least_squares(A, za)
        newton = where(subproblem.regular(diagonal), newton * setup.free, xp.nan)
        return Prepared(point, setup, A, za, newton, d, d * g, C)

    def attempt(self, prepared: Prepared, radius, alpha) -> Proposal:
        """The trust-region step, reflected at the bounds."""
        point, setup, A, z, newton, d, g, C = prepared
        p, alpha = subproblem.solve(A, z, newton, radius, alpha)
        if C is None:
            q = dense.dot(A, p)
            predicted = -xp.sum((z + 0.5 * q) * q)
            return Proposal(d * p, dense.norm(p), predicted, xp.zeros_like(predicted), alpha)
        Rd = point.R * d

        def gram(S):
            W = dense.dot(S, Rd.T)
            return dense.dot(W, W.T) + dense.dot(S * C, S.T)

        theta = xp.maximum(0.995, 1 - point.optimality)
        best, value = reflect(point.x, Quadratic(g, gram), p, d, radius, setup, theta)
        correction = 0.5 * xp.sum(C * best**2)
        return Proposal(d * best, dense.norm(best), -value, correction, alpha)

    def land(self, x, step, lb, ub):
        """The trial point, strictly inside the bounds."""
        return geometry.strictly_inside(x + step, lb, ub)

    def update_radius(self, radius, alpha, proposal, actual, ratio, first):
        """SciPy's rule: shrink to a quarter of a bad step, double after a good one at the edge."""
        wide = (ratio > 0.75) & (proposal.norm > 0.95 * radius)
        new = where(wide, self.GROW * radius, radius)
        new = where(ratio < 0.25, self.SHRINK * proposal.norm, new)
        return new, alpha * radius / new


def hat_space(x, g, scale, lb, ub):
    """Return (d, C), both (n,): x = d x^, and the diagonal that the bounds add to the model."""
    v, dv = geometry.coleman_li(x, g, lb, ub)
    d = xp.sqrt(where(dv != 0, v / scale, v)) * scale
    return d, g * dv * scale


def _with_diagonal(A, z, diagonal):
    """Rows [A; diag(diagonal)] and [z; 0]."""
    rows = xp.concatenate([A, eye(z.shape[0], A) * diagonal])
    return rows, xp.concatenate([z, xp.zeros_like(z)])


def reflect(x, model: Quadratic, p, d, radius, setup, theta):
    """Choose among the step, its reflection and the Cauchy step; all in hat space.

    Returns (step, value of the model at it). Vectors are (n,), or (n, lanes) as in `geometry`.
    """
    lb, ub, g = setup.lb, setup.ub, model.g
    trial = x + d * p
    inside = xp.all((trial >= lb) & (trial <= ub), axis=0)

    def dot(a, b):
        return xp.sum(a * b, axis=0)

    def straight():
        return p, dot(g, p) + 0.5 * model.gram(p[None])[0, 0]

    def crossing():
        stride, hits = geometry.stride_to_bound(x, d * p, lb, ub)
        mirrored = where(hits != 0, -p, p)
        at_bound = p * stride
        lines = at_bound, mirrored, -g
        slope, B = [dot(line, g) for line in lines], model.gram(xp.stack(lines))

        to_sphere = geometry.stride_to_sphere(at_bound, mirrored, radius)
        to_bound, _ = geometry.stride_to_bound(x + d * at_bound, d * mirrored, lb, ub)
        reach = xp.minimum(to_bound, to_sphere)
        low = (1 - theta) * stride / where(reach > 0, reach, 1.0)
        high = where(to_bound <= to_sphere, theta * to_bound, to_sphere)
        line = 0.5 * B[1, 1], slope[1] + B[0, 1], slope[0] + 0.5 * B[0, 0]
        t, reflected = geometry.minimise_on_interval(*line, low, high)
        usable = (reach > 0) & (low <= high)
        reflected = where(usable, reflected, xp.inf)

        shortened = theta * slope[0] + 0.5 * theta**2 * B[0, 0]

        norm_g = xp.sqrt(dot(g, g))
        sphere = radius / where(norm_g > 0, norm_g, 1.0)
        wall, _ = geometry.stride_to_bound(x, -d * g, lb, ub)
        limit = where(wall < sphere, theta * wall, sphere)
        line = 0.5 * B[2, 2], slope[2], xp.zeros_like(limit)
        tc, cauchy = geometry.minimise_on_interval(*line, 0.0 * limit, limit)

        chosen = geometry.least(
            (theta * at_bound, shortened),
            (at_bound + t * mirrored, reflected),
            (-tc * g, cauchy),
        )
        if not inside.ndim:
            return chosen
        return tuple(where(inside, a, b) for a, b in zip(straight(), chosen, strict=True))

    return cond(xp.all(inside), straight, crossing)


def to_face(point, scale, alpha) -> Proposal:
    """The step to `point.face` as a proposal."""
    step = point.face - point.x
    q = dense.dot(point.R, step)
    predicted = -xp.sum((point.z + 0.5 * q) * q)
    return Proposal(step, dense.norm(step / scale), predicted, xp.zeros_like(predicted), alpha)


WEAK = 1e-6


def gauss_newton_on_face(point, setup, unsafe, bounded):
    """Full Gauss-Newton step with the parameters that sit at a bound moved onto it.

    A parameter belongs to the face when its own one-dimensional Gauss-Newton step -g_j / |J_j|^2
    crosses the bound. Used to finish a converged fit, where the interior iterates of the
    reflective method only approach their bounds. While R is not exact (`unsafe`), parameters whose
    columns are nearly dependent on earlier ones stay where they are.
    """
    x, R, z, lb, ub = point.x, point.R, point.z, setup.lb, setup.ub

    def full():
        return subproblem.gauss_newton(R, point.P, z)

    def weakly():
        return unsafe & (xp.abs(dense.diagonal(R)) <= WEAK * point.norms)

    if not bounded:

        def careful():
            weak = weakly()

            def held():
                rows = _with_diagonal(where(weak, 0.0, R), z, 1.0 * weak)
                return where(weak, 0.0, dense.least_squares(*rows)[0])

            return cond(xp.any(weak), held, full)

        return x + shortcut(no(unsafe), full, careful) * setup.free
    weak = weakly()
    g = dense.dot(R.T, z)
    reach = xp.abs(g) / xp.maximum(point.norms**2, geometry.TINY)
    low = (g > 0) & (x - lb <= reach)
    high = (g < 0) & (ub - x <= reach)
    shift = where(low, lb - x, where(high, ub - x, 0.0)) * setup.free
    still = low | high | weak
    rows = _with_diagonal(where(still, 0.0, R), z + dense.dot(R, shift), 1.0 * still)
    step = where(still, shift, dense.least_squares(*rows)[0]) * setup.free
    # exactly on the bound: x + (lb - x) may round to its neighbour
    target = xp.clip(x + step, lb, ub)
    return where(low & (setup.free > 0), lb, where(high & (setup.free > 0), ub, target))
