"""Telling the ends of many local fits apart: one minimum, twins of equal curves, or a valley.

Ends of unequal cost are different minima. Of those of equal cost, the curve (the model at the data,
in units of the noise) and its derivative J at the best of them decide:

- an end is the same minimum when J says that the way to it does not move the curve;
- or when it has the same curve, and its values in another order, with other signs, as the rest to
  1, or turned by half a period, are that minimum: other labels of the same curve (two peaks that
  changed places, a width below zero, a phase);
- or when it has the same curve and J is rank deficient: some way leaves the curve as it is, so the
  ends lie in a valley and not apart;
- otherwise it is another minimum: with an equal curve twins, as flip-flop kinetics have, or the
  aliases of a frequency.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

SAME_COST = 1e-6  # relative
_SAME_VALUE = 1e-5  # relative, of a parameter: nobody need look at the curve
_CLOSE = 1e-6  # of curves, in units of their variation ...
_WITHIN = (
    3e-3  # ... or of the norm of the residuals: ends of this cost may be so far from each other
)
_WAY = 30.0  # times as long may a way be whose ends have the same curve: the model is not linear
_COLLINEAR = 1e-6  # singular value of columns of length 1
_SPREAD = 1e-2  # relative: ends of a valley are farther apart than those of a point
_SMALL = 1e-4  # of its scale: a parameter that may as well be 0
_TINY = float(np.finfo(float).tiny)
_STEP = float(np.finfo(float).eps ** (1 / 3))
_ROUNDING = 64 * float(np.finfo(float).eps)
_RELABELLED = ((1.0, 0.0), (-1.0, 0.0), (-1.0, 1.0))  # v; -v; 1 - v, the other one's share

Curve = Callable[[np.ndarray], np.ndarray]


def distinct(
    ends: np.ndarray, costs: np.ndarray, starts: np.ndarray, curve: Curve
) -> list[tuple[np.ndarray, bool, bool]]:
    """Groups of ends that are one minimum, the best first.

    Parameters
    ----------
    ends : ndarray, shape (k, n)
    costs : ndarray, shape (k,)
        Half the sums of squares; finite.
    starts : ndarray, shape (k, n)
        Whose values tell how large a parameter may be that ended at 0.
    curve : callable
        Parameters (n,) -> values of the model at the data (m,), divided by sigma; NaN where it
        fails.

    Returns
    -------
    list of (indices, valley, equal)
        The first index is the best of its group; valley: whether the ends of the group lie along a
        line or surface of one curve; equal: whether the cost is that of the first group.
    """
    order = np.argsort(costs, kind="stable")
    scales = np.median(np.abs(starts), axis=0) if len(starts) else np.zeros(ends.shape[1:])
    scales = np.where(scales > 0, scales, 1.0)
    out: list[tuple[np.ndarray, bool, bool]] = []
    with np.errstate(all="ignore"):  # of ends beyond all bounds
        for rank, members in enumerate(_of_equal_cost(order, costs, ends, curve)):
            while members.size:
                point = _Point(ends[members], costs[members[0]], scales, curve)
                out.append((members[point.same], point.valley, rank == 0))
                members = members[~point.same]
    return out


def _of_equal_cost(
    order: np.ndarray, costs: np.ndarray, ends: np.ndarray, curve: Curve
) -> Iterator[np.ndarray]:
    """Indices of neighbours in cost, as far as no gap parts them."""
    if len(order) < 2:
        yield from [order] if order.size else []
        return
    values = costs[order]
    gaps, wide = np.diff(values), SAME_COST * values[1:]
    if (gaps > wide).any():  # a cost near 0 is rounding, of the size that the curve says
        wide = wide + 0.5 * _floor(curve(ends[order[0]])) ** 2
    yield from np.split(order, np.flatnonzero(gaps > wide) + 1)


def _floor(values: np.ndarray) -> float:
    """Distance of curves that is nothing beside the curve's own variation, and its rounding."""
    parts = _real(values)
    if not np.isfinite(parts).all():
        return 0.0
    spread = np.linalg.norm(parts - parts.mean()) if parts.size else 0.0
    return float(_CLOSE * spread + _ROUNDING * np.linalg.norm(parts))


def _real(values: np.ndarray) -> np.ndarray:
    flat = np.ravel(values)
    return np.concatenate([flat.real, flat.imag]) if np.iscomplexobj(flat) else flat


def _alike(ends: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(k,) Whether the values are the same to a few digits; an end is like itself."""
    return (np.abs(ends - end) <= _SAME_VALUE * np.abs(end)).all(axis=1)


class _Point:
    """The first of some ends of equal cost, and which of the others are the same minimum.

    Curves are in units of their largest value, parameters in units of their own: of any size.
    """

    def __init__(self, ends: np.ndarray, cost: float, scales: np.ndarray, curve: Curve) -> None:
        self.at, self.valley = ends[0], False
        self._curve, self._scales = curve, np.maximum(scales, np.abs(self.at))
        self.same = _alike(ends, self.at)
        if self.same.all():
            return
        values = _real(curve(self.at))
        self._unit = max(float(np.abs(values).max(initial=0.0)), _TINY)
        if not np.isfinite(self._unit):
            return
        self._values = values / self._unit
        self._close = _WITHIN * np.sqrt(2 * cost) / self._unit + _floor(self._values)
        self._units = np.maximum(np.abs(self.at), _SMALL * self._scales)
        self._moved = np.ptp(ends, axis=0) > 0
        self._slopes = np.linalg.qr(self._derivative(), mode="r")
        self._norms = np.linalg.norm(self._slopes, axis=0)
        self._deficient = self._is_deficient()
        self.same |= self._ways(ends) <= self._close
        self._look_at_the_others(ends)
        held = ends[self.same]
        sizes = np.abs(held).max(axis=0)  # one of 0 is not spread but rounded
        apart = (np.ptp(held, axis=0) > _SPREAD * sizes) & (sizes > _CLOSE * self._scales)
        self.valley = bool(self._deficient and apart.any())

    def _derivative(self) -> np.ndarray:
        """J (m, n) by the parameters that differ between the ends, in their units; 0 else."""
        out = np.zeros((self._values.size, self.at.size))
        for i in np.flatnonzero(self._moved):
            sides = []
            for step in (_STEP, -_STEP):
                p = self.at.copy()
                p[i] += step * self._units[i]
                values = _real(self._curve(p)) / self._unit
                if np.isfinite(values).all():
                    sides.append((p[i], values))
            if len(sides) == 1:  # the model ends here: a side is enough
                sides.append((self.at[i], self._values))
            if sides and (step := (sides[0][0] - sides[1][0]) / self._units[i]):
                out[:, i] = (sides[0][1] - sides[1][1]) / step
        return np.where(np.isfinite(out), out, 0.0)

    def _is_deficient(self) -> bool:
        """Whether some change of the parameters that differ leaves the curve as it is."""
        norms, reach = self._norms[self._moved], (self._scales / self._units)[self._moved]
        if (norms * reach <= self._close).any():
            return True
        unit = self._slopes[:, self._moved] / norms
        values = np.linalg.svd(unit, compute_uv=False)
        return bool(len(values) < unit.shape[1] or values[-1] <= _COLLINEAR)

    def _ways(self, ends: np.ndarray) -> np.ndarray:
        """(k,) How far J lets the curve move on the way to each end."""
        return np.linalg.norm(((ends - self.at) / self._units) @ self._slopes.T, axis=1)

    def _look_at_the_others(self, ends: np.ndarray) -> None:
        """Ask the curve of each end that is elsewhere, once of those that are alike."""
        left = np.flatnonzero(~self.same)
        while left.size:
            end = ends[left[0]]
            alike = _alike(ends[left], end)
            near = self._away(end) <= 2 * self._close
            if near and self._deficient:
                self.same[left[alike]] = True
            elif near:
                columns, signs, shifts = self._labels(end)
                ways = self._ways(ends[left][:, columns] * signs + shifts)
                if ways[0] <= _WAY * self._close:
                    alike |= ways <= self._close
                    self.same[left[alike]] = True
            left = left[~alike]

    def _away(self, p: np.ndarray) -> float:
        """How far the curve is from that at this point; NaN where the model fails."""
        return float(np.linalg.norm(_real(self._curve(p)) / self._unit - self._values))

    def _labels(self, end: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Order (n,) of the values of an end, signs and shifts, that come nearest to here."""
        from scipy.optimize import linear_sum_assignment

        told = np.array([end * sign + shift for sign, shift in _RELABELLED])
        away = np.abs(told[:, None] - self.at[:, None])  # (labels, n here, n there)
        away *= (self._norms / self._units)[:, None]
        # As many values as can be are to be found again, in their own places where that is open.
        far = _WAY * self._close
        cost = np.minimum(away.min(axis=0), far) + far / 1e3 * ~np.eye(end.size, dtype=bool)
        rows, columns = linear_sum_assignment(np.where(np.isnan(cost), far, cost))
        chosen = away.argmin(axis=0)[rows, columns]
        signs, shifts = np.array(_RELABELLED)[chosen].T
        for i in np.flatnonzero(away[chosen, rows, columns] > self._close):
            for sign, shift in _RELABELLED:
                turn = self.at[i] - (end[columns[i]] * sign + shift)
                if self._is_turn(i, turn):
                    signs[i], shifts[i] = sign, shift + turn
                    break
        return columns, signs, shifts

    def _is_turn(self, i: int, half: float) -> bool:
        """Whether a parameter comes back to the same curve after twice this: it is a phase."""
        p = self.at.copy()
        p[i] += 2 * half
        return self._away(p) <= self._close
