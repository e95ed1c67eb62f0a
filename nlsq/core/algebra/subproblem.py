"""The trust-region subproblem: `solve` on a triangular system, `steihaug` on products.

    minimise  1/2 |A p + z|^2   subject to  |p| <= Delta

A (m, n) is the (scaled, possibly augmented) factor R and z the matching Q^T r. When the
Gauss-Newton step fits into the region it is the answer. Otherwise p(alpha) =
-(A^T A + alpha I)^{-1} A^T z with |p(alpha)| = Delta; from A V = W, V orthogonal and the columns
of W too, of norms s (the SVD), with u = W^T z,  |p(alpha)|^2 = sum (u_i / (s_i^2 + alpha))^2, and
alpha is found by the safeguarded Newton iteration on 1/|p| (Moré 1978; SciPy's
`solve_lsq_trust_region`), from alpha = 0 on where there is no last one: from the left it converges
without overshooting. Singular values of rounding size do not take part.

`steihaug` minimises g.p + 1/2 p.B p in |p| <= Delta for a B known by its products only: conjugate
gradients from p = 0, whose iterates grow in norm, cut where their path leaves the region.

References: J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory", 1978;
T. Steihaug, "The conjugate gradient method and trust regions in large scale optimization", 1983.
"""

from __future__ import annotations

from collections.abc import Callable

from nlsq.constants import EPS
from nlsq.core.algebra import dense, geometry
from nlsq.core.algebra.namespace import cond, no, where, while_loop, xp

SECULAR_ITERATIONS = 10
SECULAR_RTOL = 0.01


def gauss_newton(R, P, z):
    """-R^{-1} z from the inverse P, refined once: as accurate as substitution."""
    step = -dense.dot(P, z)
    return step - dense.dot(P, z + dense.dot(R, step))


def regular(diagonal):
    """Whether a triangular matrix with this diagonal may be inverted."""
    size = xp.abs(diagonal)
    return xp.min(size) > size.shape[0] * EPS * xp.max(size)


def solve(A, z, newton, radius, alpha):
    """Return (p, alpha). A: (m, n); alpha: last Levenberg-Marquardt parameter.

    newton: the Gauss-Newton step, taken when it fits into the region; NaN where A is not `regular`.
    """

    def inside():
        return newton, xp.zeros_like(alpha)

    def boundary():
        return _on_boundary(A, z, radius, alpha)

    return cond(dense.norm(newton) <= radius, inside, boundary)


def _on_boundary(A, z, radius, alpha):
    W, s, V = dense.jacobi(A)
    keep = s > EPS * s.shape[0] * xp.max(s)
    squares = where(keep, s * s, 1.0)
    u = where(keep, xp.sum(W * z[:, None], axis=0), 0.0)

    def components(a):
        q = u / (squares + a)
        return q, dense.norm(q)

    def iterate(carry):
        i, a, lo, hi, _ = carry
        outside = (a < lo) | (a > hi)
        a = where(outside, xp.maximum(0.001 * hi, xp.sqrt(lo * hi)), a)
        q, norm = components(a)
        phi = norm - radius
        ratio = -phi * norm / xp.sum(q * q / (squares + a))
        hi = where(phi < 0, a, hi)
        lo = xp.maximum(lo, a - ratio)
        following = a - (phi + radius) * ratio / radius
        return i + 1, following, lo, hi, xp.abs(phi) < SECULAR_RTOL * radius

    def unfinished(carry):
        return (carry[0] < SECULAR_ITERATIONS) & no(carry[4])

    zero = xp.zeros_like(alpha)
    # a singular A whose minimum-norm solution is inside must not be stretched onto the boundary
    short = components(zero)[1] <= radius
    high = dense.norm(u) / radius
    start = xp.zeros((), int), alpha, zero, high, short
    a = while_loop(unfinished, iterate, start)[1]
    a = where(short, 0.0, a)
    q, norm = components(a)
    # SciPy's last touch: the norm is exactly Delta, which stops a drift of the radius
    return -dense.dot(V, q) * where(short, 1.0, radius / norm), a


def steihaug(product: Callable, g, radius, tolerance, maxiter):
    """Minimise g.p + 1/2 p.B p in |p| <= radius by truncated conjugate gradients.

    product(p) = B p, positive semidefinite. Returns (p, B p + g, number of products).
    """

    def unfinished(carry):
        *_, count, done = carry
        return no(done) & (count < maxiter)

    def iterate(carry):
        p, r, q, count, _ = carry
        Bq = product(q)
        curvature, rr = q @ Bq, r @ r
        t = rr / where(curvature > 0, curvature, 1.0)
        inside = (curvature > 0) & (dense.norm(p + t * q) < radius)
        t = where(inside, t, geometry.stride_to_sphere(p, q, radius))
        p, r = p + t * q, r + t * Bq
        done = no(inside) | (dense.norm(r) <= tolerance)
        return p, r, (r @ r / rr) * q - r, count + 1, done

    start = xp.zeros_like(g), g, -g, 0, dense.norm(g) == 0
    p, r, _, count, _ = while_loop(unfinished, iterate, start)
    return p, r, count
