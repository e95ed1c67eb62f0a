"""Finite differences for models that run on the host (jac='2-point', '3-point', 'cs').

Steps follow SciPy: h = eps^s max(1, |p|) sign(p), s = 1/2 (forward), 1/3 (central) and 1/2 for the
complex step, whose error does not depend on h; eps is that of the model's values, which may be in
single precision. Forward and central steps stay inside the bounds.

Reference: W. H. Press et al., "Numerical Recipes", section 5.7; W. Squire, G. Trapp, "Using complex
variables to estimate derivatives of real functions", SIAM Review 40 (1998).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.constants import EPS
from nlsq.utils import interruption

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
        default = steps(p, scheme, None, lb, ub, eps)
        h = rel_step * sign * np.where(p == 0, 1.0, np.abs(p))
        h = np.where(np.isnan(rel_step), default, h)  # of a parameter that was given none
    if scheme != "cs":  # a step the parameter can tell; one that is lost in it becomes the default
        taken = (p + h) - p
        if rel_step is not None:
            h = default
        h = np.where(taken != 0, taken, h)
    if scheme == "2-point":
        outside = (p + h < lb) | (p + h > ub)
        h = np.where(outside, -h, h)
        room = np.where(h > 0, ub - p, p - lb)
        h = np.where(np.abs(h) > room, np.sign(h) * np.maximum(room, 0), h)
    return h


def jacobian(f: Callable, p, f0, scheme: str, rel_step, lb, ub, mapped: Callable = map):
    """Transposed Jacobian (n, m) of f: (n,) -> (m,) at p, where f(p) = f0.

    A fixed parameter (lb == ub) has a zero row and is not moved. mapped(f, points) evaluates.
    """
    moves = _Moves(p, f0, scheme, rel_step, lb, ub)
    JT = np.zeros((p.size, f0.size), dtype=moves.f0.dtype)
    columns = [j for j, moving in enumerate(moves.moving.tolist()) if moving]
    for j, values in zip(columns, moves.evaluated(f, columns, mapped), strict=True):
        JT[j] = moves.slope(values, j)
    return JT


def sparse_jacobian(
    f: Callable, p, f0, scheme: str, rel_step, lb, ub, pattern, mapped: Callable = map
):
    """The Jacobian (m, n) as a CSR matrix; pattern: `jacobians.Pattern`."""
    moves = _Moves(p, f0, scheme, rel_step, lb, ub)
    groups = [np.flatnonzero((pattern.groups == k) & moves.moving) for k in range(pattern.count)]
    entries = np.zeros(pattern.rows.size)
    of_entry = pattern.groups[pattern.columns]
    for k, values in enumerate(moves.evaluated(f, groups, mapped)):
        mine = np.flatnonzero((of_entry == k) & moves.moving[pattern.columns])
        entries[mine] = moves.slope(values, pattern.columns[mine], pattern.rows[mine])
    return pattern.matrix(entries)


class _Moves:
    """Where a function is evaluated for its differences at p, and what they make of the values."""

    def __init__(self, p, f0, scheme: str, rel_step, lb, ub):
        h = steps(p, scheme, rel_step, lb, ub, precision(f0))
        self.p, self.f0, self.scheme = p, _double(f0), scheme
        self.moving = (lb < ub) & (h != 0)
        self.central: Any = True  # whether, or where, there is room on both sides
        shifts = [h]
        if scheme == "3-point":
            size = abs(h)
            central = (lb <= p - size) & (p + size <= ub)
            if central.all():
                shifts = [h, -h]
            else:  # one-sided, second order
                side = np.where(ub - p >= p - lb, size, -size)
                side = np.sign(side) * np.minimum(size, 0.5 * np.maximum(ub - p, p - lb))
                h, self.central = np.where(central, h, side), central
                shifts = [h, np.where(central, -h, 2 * h)]
        self.h = h
        if scheme == "cs":
            self._moved = [p + 1j * h]
        else:  # p + 2 (b - p) / 2 may round past b
            self._moved = [np.clip(p + shift, lb, ub) for shift in shifts]

    def evaluated(self, f: Callable, groups, mapped: Callable):
        """For each group of columns, moved together, the values at each of the shifts."""

        def points():
            for columns in groups:
                for moved in self._moved:
                    q = self.p.astype(moved.dtype)
                    q[columns] = moved[columns]
                    yield q

        values = iter(mapped(f, points()))
        for _ in groups:
            interruption.check()  # the user's function may be slow
            yield [_double(next(values)) for _ in self._moved]

    def slope(self, values, columns, rows=slice(None)):
        """Derivatives by a column, or those of the entries at (rows, columns)."""
        h, f0 = self.h[columns], self.f0[rows]
        first, *rest = (v[rows] for v in values)
        if self.scheme == "cs":
            return first.imag / h
        if self.scheme == "2-point":
            return (first - f0) / h
        if self.central is not True:
            first = np.where(self.central[columns], first, 4 * first - 3 * f0)
        return (first - rest[0]) / (2 * h)


def _double(values):
    return values.astype(complex if values.dtype.kind == "c" else float, copy=False)
