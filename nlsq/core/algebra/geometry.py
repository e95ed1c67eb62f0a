"""Bounds geometry and one-dimensional quadratics shared by the trust-region methods.

All functions are pure, n-sized and shape-static, so that they run inside a compiled loop as well as
on NumPy's arrays. Vectors are (n,), or (n, lanes) of fits side by side; what is a number of one fit
is then (lanes,).
"""

from __future__ import annotations

import numpy as np

from nlsq.core.algebra.namespace import is_short, where, xp

TINY = 1e-300
FAR = 1e20  # times |x|, and times 1: a bound so far off is none


def stride_to_bound(x, s, lb, ub):
    """Return (t, hits): the largest t >= 0 with lb <= x + t s <= ub, and which bound stops it.

    hits: (n,) -1 / 0 / 1 for lower / none / upper.
    """
    moving = s != 0
    safe = where(moving, s, 1.0)
    strides = where(moving, xp.maximum((lb - x) / safe, (ub - x) / safe), xp.inf)
    t = xp.min(strides, axis=0)
    return t, where(strides == t, xp.sign(s), 0.0)


def stride_to_sphere(p, s, radius):
    """The positive t with |p + t s| = radius, for |p| <= radius (0 when s is zero)."""
    a = xp.sum(s * s, axis=0)
    b = xp.sum(p * s, axis=0)
    c = xp.minimum(xp.sum(p * p, axis=0) - radius**2, 0.0)
    root = xp.sqrt(xp.maximum(b * b - a * c, 0.0))
    q = -(b + where(b >= 0, root, -root))
    t1 = q / where(a == 0, 1.0, a)
    t2 = c / where(q == 0, 1.0, q)
    return where(a == 0, 0.0, xp.maximum(t1, t2))


def minimise_on_interval(a, b, c, low, high):
    """Minimiser and minimum of a t^2 + b t + c on [low, high]."""
    vertex = -0.5 * b / where(a == 0, 1.0, a)
    vertex = where((a > 0) & (vertex > low) & (vertex < high), vertex, low)
    return least(*((t, t * (a * t + b) + c) for t in (low, high, vertex)))


def least(*candidates):
    """The (argument, value) of the least value, the first of equal ones."""
    argument, value = candidates[0]
    for other, its_value in candidates[1:]:
        better = its_value < value
        argument, value = where(better, other, argument), where(better, its_value, value)
    return argument, value


def strictly_inside(x, lb, ub):
    """Move components that touch or pass a bound to its neighbouring float inside."""
    inner = where(x <= lb, xp.nextafter(lb, ub), x)
    inner = where(inner >= ub, xp.nextafter(ub, lb), inner)
    middle = lb + 0.5 * (ub - lb)  # only for bounds so tight that no float lies between
    return where((inner < lb) | (inner > ub), middle, inner)


def coleman_li(x, g, lb, ub):
    """Coleman-Li scaling v (n,) and dv/dx: distance to the bound that -g points at, else 1.

    A bound that is out of reach scales nothing: beside one at 1e30, a step in the other parameters
    would be too short to count.
    """
    far = FAR * xp.maximum(xp.abs(x), 1.0)
    to_upper = (g < 0) & (ub - x < far)
    to_lower = (g > 0) & (x - lb < far)
    v = where(to_upper, ub - x, where(to_lower, x - lb, 1.0))
    dv = where(to_upper, -1.0, where(to_lower, 1.0, 0.0))
    return v, dv


def scaled_optimality(x, g, columns, cost, lb, ub, bounded=True):
    """Scale-free first-order optimality in [0, 1].

    For a free parameter the cosine |g_j| / (|J_j| |r|) between residual and Jacobian column
    (MINPACK's test); for one next to the bound that -g points at also the reachable share of the
    cost, |g_j| v_j / |r|^2, whichever is smaller. Unlike SciPy's absolute `gtol` test it does not
    change when data or parameters change their unit. |r|^2 is twice the cost: the loss-scaled
    residual of an outlier can be arbitrarily large. `bounded` is static.
    """
    rss = 2 * cost
    rnorm = xp.sqrt(rss)
    if not bounded and type(g) is np.ndarray and is_short(g):
        pairs = zip(g.tolist(), columns.tolist(), strict=True)
        measure = max(abs(slope) / max(column * rnorm, TINY) for slope, column in pairs)
        return where(rss == 0, 0.0, np.float64(measure))
    measure = xp.abs(g) / xp.maximum(columns * rnorm, TINY)
    if bounded:
        v, dv = coleman_li(x, g, lb, ub)
        share = xp.abs(g) * v / xp.maximum(rss, TINY)
        measure = where(dv == 0, measure, xp.minimum(measure, share))
    return where(rss == 0, 0.0, xp.max(measure, axis=0))
