"""The trust-region subproblem: `solve` on a triangular system, `steihaug` on products.

    minimise  1/2 |A p + z|^2   subject to  |p| <= Delta

A (n, n) is the (scaled, possibly augmented) factor R and z the matching Q^T r. When the
Gauss-Newton step -A^{-1} z fits into the region it is the answer. Otherwise p(alpha) =
-(A^T A + alpha I)^{-1} A^T z with |p(alpha)| = Delta; from A V = W, V orthogonal and the columns
of W too, of norms s (the SVD), with u = W^T z,  |p(alpha)|^2 = sum (u_i / (s_i^2 + alpha))^2, and
alpha is found by the safeguarded Newton iteration on 1/|p| (Moré 1978; SciPy's
`solve_lsq_trust_region`).

`steihaug` minimises g.p + 1/2 p.B p in |p| <= Delta for a B known by its products only: conjugate
gradients from p = 0, whose iterates grow in norm, cut where their path leaves the region.

References: J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory", 1978;
T. Steihaug, "The conjugate gradient method and trust regions in large scale optimization", 1983.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from nlsq.core import dense, geometry

EPS = 2.220446049250313e-16
SECULAR_ITERATIONS = 10
SECULAR_RTOL = 0.01


def gauss_newton(R, P, z):
    """-R^{-1} z from the inverse P, refined once: as accurate as substitution."""
    step = -dense.dot(P, z)
    return step - dense.dot(P, z + dense.dot(R, step))


def solve(A, z, newton, radius, alpha):
    """Return (p, alpha). A: (n, n) upper triangular; alpha: last Levenberg-Marquardt parameter.

    newton: the Gauss-Newton step -A^{-1} z, taken when A is regular and it fits into the region.
    """
    n = z.shape[0]
    norm = jnp.linalg.norm(newton)
    diagonal = jnp.abs(jnp.diagonal(A))
    regular = jnp.min(diagonal) > n * EPS * jnp.max(diagonal)

    def inside():
        return newton, jnp.zeros_like(alpha)

    def boundary():
        return _on_boundary(A, z, radius, alpha)

    return jax.lax.cond(regular & (norm <= radius), inside, boundary)


def _on_boundary(A, z, radius, alpha):
    W, s, V = dense.jacobi(A)
    suf = dense.dot(W.T, z)
    largest, smallest = jnp.max(s), jnp.min(s)
    tiny = jnp.finfo(s.dtype).tiny

    def phi_and_derivative(a):
        denominator = jnp.maximum(s**2 + a, tiny)
        q = suf / denominator
        norm = jnp.maximum(jnp.linalg.norm(q), tiny)
        return norm - radius, -jnp.sum(suf**2 / denominator**3) / norm

    full_rank = smallest > EPS * s.shape[0] * largest
    phi0, slope0 = phi_and_derivative(jnp.zeros_like(alpha))
    lower = jnp.where(full_rank, -phi0 / slope0, 0.0)
    lower = jnp.where(jnp.isfinite(lower), jnp.maximum(lower, 0.0), 0.0)
    upper = jnp.linalg.norm(suf) / radius
    start = jnp.where(alpha > 0, alpha, jnp.where(full_rank, lower, 0.0))
    reset = lambda lo, hi: jnp.maximum(0.001 * hi, jnp.sqrt(lo * hi))  # noqa: E731
    start = jnp.where(start == 0, reset(lower, upper), start)

    def iterate(carry):
        i, a, lo, hi, _ = carry
        a = jnp.where((a < lo) | (a > hi), reset(lo, hi), a)
        phi, slope = phi_and_derivative(a)
        hi = jnp.where(phi < 0, a, hi)
        ratio = phi / slope
        lo = jnp.maximum(lo, a - ratio)
        a_next = a - (phi + radius) * ratio / radius
        return i + 1, a_next, lo, hi, jnp.abs(phi) < SECULAR_RTOL * radius

    def unfinished(carry):
        return (carry[0] < SECULAR_ITERATIONS) & ~carry[4]

    _, a, _, _, _ = jax.lax.while_loop(
        unfinished, iterate, (jnp.zeros((), int), start, lower, upper, jnp.zeros((), bool))
    )
    p = -dense.dot(V, suf / jnp.maximum(s**2 + a, tiny))
    # SciPy's last touch: the norm is exactly Delta, which stops a drift of the radius.
    norm = jnp.linalg.norm(p)
    p = jnp.where(norm > 0, p * (radius / jnp.maximum(norm, tiny)), p)
    # Full rank and a Gauss-Newton step inside the region was handled by the caller; a singular A
    # whose minimum-norm solution is inside must not be stretched onto the boundary.
    cut = s > EPS * s.shape[0] * largest
    least = -dense.dot(V, jnp.where(cut, suf / jnp.where(cut, s, 1.0) ** 2, 0.0))
    short = jnp.linalg.norm(least) <= radius
    return jnp.where(short, least, p), jnp.where(short, 0.0, a)


def steihaug(product: Callable, g, radius, tolerance, maxiter):
    """Minimise g.p + 1/2 p.B p in |p| <= radius by truncated conjugate gradients.

    product(p) = B p, positive semidefinite. Returns (p, B p + g, number of products).
    """

    def unfinished(carry):
        *_, count, done = carry
        return ~done & (count < maxiter)

    def iterate(carry):
        p, r, q, count, _ = carry
        Bq = product(q)
        curvature, rr = q @ Bq, r @ r
        t = rr / jnp.where(curvature > 0, curvature, 1.0)
        inside = (curvature > 0) & (jnp.linalg.norm(p + t * q) < radius)
        t = jnp.where(inside, t, geometry.stride_to_sphere(p, q, radius))
        p, r = p + t * q, r + t * Bq
        done = ~inside | (jnp.linalg.norm(r) <= tolerance)
        return p, r, (r @ r / rr) * q - r, count + 1, done

    start = jnp.zeros_like(g), g, -g, jnp.zeros((), int), jnp.linalg.norm(g) == 0
    p, r, _, count, _ = jax.lax.while_loop(unfinished, iterate, start)
    return p, r, count
