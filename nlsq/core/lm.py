r"""Levenberg-Marquardt step on the reduced system, after Moré (1978) and MINPACK's `lmder`.

The step p(lambda) solves min |R p + z|^2 + lambda |D p|^2, D the running maximum of the column
norms of J. lambda = 0 when the Gauss-Newton step satisfies |D p| <= Delta; else phi(lambda) =
|D p(lambda)| - Delta is driven to |phi| <= Delta / 10 by Newton's method on the secular equation,
each p(lambda) from the QR of [R; sqrt(lambda) D] and never from normal equations (`lmpar`). The
radius follows the gain ratio by Moré's own rule, with the cubic-interpolation cut after failure.

References: J. J. Moré, "The Levenberg-Marquardt algorithm: implementation and theory", 1978;
J. J. Moré, B. S. Garbow, K. E. Hillstrom, "User guide for MINPACK-1", ANL-80-74 (1980).
"""

from __future__ import annotations

from typing import NamedTuple

from nlsq.constants import EPS
from nlsq.core.algebra import dense, subproblem
from nlsq.core.algebra.namespace import cond, eye, no, where, while_loop, xp
from nlsq.interfaces.step_protocol import Proposal, StepProtocol

SECULAR_ITERATIONS = 10
TINY = 1e-300


class Prepared(NamedTuple):
    """What the steps from a point have in common."""

    R: object
    z: object
    D: object  # (n,)
    free: object
    gauss_newton: object  # (n,)


class LevenbergMarquardt(StepProtocol):
    """The method 'lm'; `alpha` is lambda."""

    ACCEPT_RATIO = 1e-4
    FACTOR = 100.0  # MINPACK's

    def start_radius(self, x, scale, cost, factor):
        """`factor` times |D x|, or times |r| where x = 0."""
        length = dense.norm(x / scale)
        return factor * where(length > 0, length, xp.sqrt(2 * cost))

    def propose(self, point, radius, alpha, scale, setup, bounded) -> Proposal:
        """A step from `point` by the damping of this radius."""
        return self.attempt(self.prepare(point, scale, setup, bounded), radius, alpha)

    def prepare(self, point, scale, setup, bounded) -> Prepared:
        """The Gauss-Newton step at `point`. `bounded` must be False."""
        if bounded:
            raise ValueError("Method 'lm' only works for unconstrained problems.")
        gauss_newton = _least_squares_triangular(point.R, point.z) * setup.free
        return Prepared(point.R, point.z, 1 / scale, setup.free, gauss_newton)

    def attempt(self, prepared: Prepared, radius, alpha) -> Proposal:
        """The damped step of this radius."""
        R, z, D, free, gauss_newton = prepared
        alpha, p = _lmpar(R, z, D, radius, alpha, gauss_newton)
        p = p * free
        q, w = dense.dot(R, p), dense.norm(D * p)
        predicted = 0.5 * dense.dot(q, q) + alpha * w**2
        return Proposal(p, w, predicted, xp.zeros_like(predicted), alpha)

    def land(self, x, step, lb, ub):
        """The trial point."""
        return x + step

    def update_radius(self, radius, alpha, proposal, actual, ratio, first):
        """Moré's rule; `first` bounds the radius by the length of the very first step."""
        radius = where(first, xp.minimum(radius, proposal.norm), radius)
        slope = 2 * proposal.predicted - proposal.alpha * proposal.norm**2  # |g . p|
        failed = where(actual >= 0, 0.5, 0.5 * slope / (slope - xp.minimum(actual, 0.0)))
        failed = where(xp.isfinite(failed), xp.clip(failed, 0.1, 0.5), 0.1)
        bad = failed * xp.minimum(radius, proposal.norm / 0.1)
        good = (proposal.alpha == 0) | (ratio >= 0.75)
        new = where(ratio <= 0.25, bad, where(good, proposal.norm / 0.5, radius))
        damped = where(ratio <= 0.25, proposal.alpha / failed, proposal.alpha)
        return new, where((ratio > 0.25) & good, 0.5 * proposal.alpha, damped)


def _least_squares_triangular(R, z):
    """Gauss-Newton step; columns from the first vanishing pivot on stay at 0, as in MINPACK."""
    diagonal = xp.abs(dense.diagonal(R))
    floor = R.shape[0] * EPS * xp.sqrt(xp.sum(R * R, axis=0))
    usable = xp.cumprod(where(diagonal > floor, 1.0, 0.0))
    keep = usable[:, None] * usable[None, :]
    T = where(keep > 0, R, eye(R.shape[0], R))
    return -dense.solve_upper(T, z * usable)


def _lmpar(R, z, D, radius, par, gauss_newton):
    n = z.shape[0]
    norm0 = dense.norm(D * gauss_newton)
    phi0 = norm0 - radius

    def damped(lam):
        rows = xp.concatenate([R, eye(n, R) * (xp.sqrt(lam) * D)])
        T, zt = dense.triangularise(rows, xp.concatenate([z, xp.zeros_like(z)]))
        return -dense.solve_upper(T, zt), T

    def newton_bound():
        """Lower bound phi(0) / |phi'(0)| when R is nonsingular, else 0."""
        v = D * (D * gauss_newton) / xp.maximum(norm0, TINY)
        w = dense.solve_upper(R, v, transpose=True)
        low = phi0 / xp.maximum(radius * dense.dot(w, w), TINY)
        regular = subproblem.regular(dense.diagonal(R))
        return where(regular & xp.isfinite(low), xp.maximum(low, 0.0), 0.0)

    def search():
        low = newton_bound()
        gnorm = dense.norm(dense.dot(R.T, z) / D)
        high = gnorm / xp.maximum(radius, TINY)
        high = where(high == 0, TINY / xp.minimum(radius, 0.1), high)
        start = xp.clip(par, low, high)
        start = where(start == 0, gnorm / xp.maximum(norm0, TINY), start)

        def iterate(carry):
            i, lam, lo, hi, _, _ = carry
            lam = where(lam == 0, xp.maximum(TINY, 0.001 * hi), lam)
            p, T = damped(lam)
            norm = dense.norm(D * p)
            phi = norm - radius
            v = D * (D * p) / xp.maximum(norm, TINY)
            w = dense.solve_upper(T, v, transpose=True)
            change = phi / xp.maximum(radius * dense.dot(w, w), TINY)
            lo = where(phi > 0, xp.maximum(lo, lam), lo)
            hi = where(phi < 0, xp.minimum(hi, lam), hi)
            done = (xp.abs(phi) <= 0.1 * radius) | (i + 1 == SECULAR_ITERATIONS)
            following = where(done, lam, xp.maximum(lo, lam + change))
            return i + 1, following, lo, hi, done, p

        carry = (xp.zeros((), int), start, low, high, xp.zeros((), bool), gauss_newton)
        _, lam, _, _, _, p = while_loop(lambda c: no(c[4]), iterate, carry)
        return lam, p

    inside = phi0 <= 0.1 * radius
    return cond(inside, lambda: (xp.zeros_like(par), gauss_newton), search)
