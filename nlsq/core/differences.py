"""Finite differences for models that run on the host (jac='2-point', '3-point', 'cs').

Steps follow SciPy: h = eps^s max(1, |p|) sign(p), s = 1/2 (forward), 1/3 (central) and 1/2 for the
complex step, whose error does not depend on h; eps is that of the model's values, which may be in
single precision. Forward and central steps stay inside the bounds.

Reference: W. H. Press et al., "Numerical Recipes", section 5.7; W. Squire, G. Trapp, "Using complex
variables to estimate derivatives of real functions", SIAM Review 40 (1998).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

EPS = 2.220446049250313e-16
SCHEMES = ("2-point", "3-point", "cs")
_EXPONENT = {"2-point": 1 / 2, "3-point": 1 / 3, "cs": 1 / 2}
# of doubles, and the power of eps that it goes with
_RANK_TOLERANCE = {"2-point": (1e-7, 1 / 2), "3-point": (1e-9, 2 / 3)}


def precision(values) -> float:
    """The relative rounding error of a model's values, by their type."""
    return max(float(np.finfo(values.dtype).eps), EPS) if values.dtype.kind in "fc" else EPS


def rank_tolerance(scheme: str, eps: float) -> float:
    """Smallest singular value, relative to the largest, that rounding cannot fake."""
    tolerance, power = _RANK_TOLERANCE.get(scheme, (1e-13, 1))
    return tolerance * (eps / EPS) ** power


def steps(p, scheme: str, rel_step, lb, ub, eps: float = EPS):
    """Signed step per parameter, turned round or shortened where it would leave the bounds."""
    size = eps ** _EXPONENT[scheme]
    sign = np.where(p >= 0, 1.0, -1.0)
    if rel_step is None:
        h = size * sign * np.maximum(1.0, np.abs(p))
        # A parameter of 1e-7 must not be moved by 1e-8: scale by its own size unless it is 0.
        small = (np.abs(p) < 1) & (p != 0)
        h = np.where(small, size * p, h)
    else:
        h = rel_step * sign * np.where(p == 0, 1.0, np.abs(p))
    if scheme != "cs":  # a step the parameter can tell; one that is lost in it becomes the default
        taken = (p + h) - p
        if rel_step is not None:
            h = steps(p, scheme, None, lb, ub, eps)
        h = np.where(taken != 0, taken, h)
    if scheme == "2-point":
        outside = (p + h < lb) | (p + h > ub)
        h = np.where(outside, -h, h)
        room = np.where(h > 0, ub - p, p - lb)
        h = np.where(np.abs(h) > room, np.sign(h) * np.maximum(room, 0), h)
    return h


def jacobian(f: Callable, p, f0, scheme: str, rel_step, lb, ub):
    """Transposed Jacobian (n, m) of f: (n,) -> (m,) at p, where f(p) = f0.

    A fixed parameter (lb == ub) has a zero row and is not moved.
    """
    h = steps(p, scheme, rel_step, lb, ub, precision(f0))
    f0 = _double(f0)
    JT = np.zeros((p.size, f0.size), dtype=f0.dtype)
    for j in np.flatnonzero((lb < ub) & (h != 0)):
        JT[j] = _column(lambda q: _double(f(q)), p, f0, scheme, j, h[j], lb[j], ub[j])
    return JT


def _double(values):
    return values.astype(complex if values.dtype.kind == "c" else float, copy=False)


def _column(f, p, f0, scheme, j, h, lb, ub):
    def moved(t):
        q = p.astype(complex) if isinstance(t, complex) else p.copy()
        q[j] += t
        if not isinstance(t, complex):
            q[j] = min(max(q[j], lb), ub)  # p + 2 (b - p) / 2 may round past b
        return f(q)

    if scheme == "cs":
        return moved(1j * h).imag / h
    if scheme == "2-point":
        return (moved(h) - f0) / h
    if lb <= p[j] - h and p[j] - h <= ub and lb <= p[j] + h and p[j] + h <= ub:
        return (moved(h) - moved(-h)) / (2 * h)
    h = abs(h) if ub - p[j] >= p[j] - lb else -abs(h)  # one-sided, second order
    h = np.sign(h) * min(abs(h), 0.5 * max(ub - p[j], p[j] - lb))
    return (4 * moved(h) - 3 * f0 - moved(2 * h)) / (2 * h)
