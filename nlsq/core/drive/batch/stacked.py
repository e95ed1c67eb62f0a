"""A pass over many fits in plain NumPy: the user's function is called once for all of them.

The parameters are dual numbers whose values are columns (k, 1), a row for each fit; beside them x
broadcasts, so that the values are (k, m) and carry their derivatives. That is right where the
function is elementwise in its parameters and does not look at their shape. A branch on a parameter
or a missing rule raises, but a maximum over the points, or a guard `if np.any(tau < 0)`, would mix
the fits in silence. So it is not believed: in each pass the user's function is called as SciPy
calls it for some of the fits, at the end for each of them, and where a value differs nothing of
what was found is kept (`Unstackable`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nlsq.core.drive import tries
from nlsq.core.drive.batch import algebra
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model.duals import NoRule, value_and_tangents
from nlsq.utils.given import model_value

_WATCHED = 3  # fits whose values are compared in a pass
_SAME = 1e-9  # difference, relative to a fit's largest value, that rounding may make
_SAME_SLOPE = 1e-8


class Unstackable(Exception):
    """The model at many fits at once is not what it is fit by fit; the message says how so."""


class Stack:
    """The data of some fits, and the model at all of them.

    Parameters
    ----------
    many : Many
        Its model has exact derivatives by dual numbers.
    lot : Lot
    x : object
        What the user's function takes where all fits share it.
    """

    WIDEST = 1 << 12  # fits

    def __init__(self, many: Many, lot: Lot, x: Any):
        self.many, self.lot, self._shared = many, lot, x
        self._free = np.array(many.free)
        self._fixed = {j: column(lot.start[:, j]) for j in np.flatnonzero(~self._free)}
        self._x = x if lot.x is None else np.moveaxis(lot.x, 0, -2)
        self._robust = many.options.loss_function, many.options.f_scale
        self._passes = 0

    def take(self, kept: np.ndarray) -> Stack:
        """The fits of these indices."""
        part = copy.copy(self)
        part.lot = self.lot.take(kept)
        part._fixed = {j: v[kept] if np.ndim(v) else v for j, v in self._fixed.items()}
        part._x = self._shared if part.lot.x is None else np.moveaxis(part.lot.x, 0, -2)
        return part

    def reduce(self, trial: tuple) -> tuple:
        """(cost, g, G) of every fit at `trial`, as `passes.reduce`."""
        p = np.stack(trial)
        values, slopes = self._called(p)
        self._watch(p, values, slopes)
        lot, loss, f_scale = self.lot, *self._robust
        rows = [*slopes, values - lot.y]
        if lot.weights is not None:
            rows = [np.where(lot.weights > 0, row * lot.weights, 0.0) for row in rows]
        cost = None
        if loss is not None:
            costs, r, K = scale_rows(loss, f_scale, rows[-1], np.stack(rows[:-1]), np)
            cost, rows = costs.sum(axis=-1), [*K, r]
        n = len(trial)
        triangle = [np.einsum("km,km->k", rows[i], rows[j]) for i, j in algebra.pairs(n + 1)]
        size = len(algebra.pairs(n))
        cost = 0.5 * triangle[-1] if cost is None else cost
        return cost, tuple(triangle[size : size + n]), tuple(triangle[:size])

    def _called(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The model (k, m) at p (n, k), and its derivatives (n, k, m)."""

        return self.evaluated(self._merged, p)

    def evaluated(self, merged: Callable, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The model (k, m) where merged(dual numbers of p (n, k)) gives its parameters; slopes."""

        def call(x, free):
            return self.many.model.call.dual(x, merged(free))

        try:
            values, slopes = value_and_tangents(call, self._x, p[..., None].copy())
        except NoRule as refusal:
            raise Unstackable(str(refusal)) from None
        except Exception as error:  # the user's function, which takes one fit at a time
            raise Unstackable(f"it raises {type(error).__name__}: {error}") from error
        shape = self.lot.y.shape
        if values.dtype.kind not in "fiub" or values.ndim > 2:
            raise Unstackable(f"its values are {values.dtype} of shape {values.shape}")
        try:
            values = np.broadcast_to(values.astype(float, copy=False), shape)
        except ValueError:
            raise Unstackable(f"its values have the shape {values.shape}, not {shape}") from None
        slopes = slopes.reshape(len(p), *[1] * (3 - slopes.ndim), *slopes.shape[1:])
        return values, np.broadcast_to(slopes, (len(p), *shape))

    def _merged(self, free) -> list:
        values = iter(free)
        return [next(values) if f else self._fixed[j] for j, f in enumerate(self._free)]

    # ------------------------------------------------------------------------------ not believed

    def _watch(self, p: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> None:
        """Compare some fits' values, and at first derivatives, with the user's function alone."""
        k = len(self.lot)
        chosen = sorted({(self._passes + j * k // _WATCHED) % k for j in range(_WATCHED)})
        self._require_same(values, self._alone(p, chosen), chosen)
        if not self._passes:
            params = self._params(p)
            for i in chosen:
                self._require_slopes(i, params[i], slopes[:, i])
        self._passes += 1

    def _alone(self, p: np.ndarray, chosen: Sequence[int]) -> np.ndarray:
        """What the user's function gives for each of the chosen fits (c, m); 0 for no point."""
        lot, evaluate, params = self.lot, self.many.model.evaluate, self._params(p)
        found = np.zeros((len(chosen), lot.m))
        try:
            for row, i in zip(found, chosen, strict=True):
                here = self._here(i)
                row[here] = _real(evaluate(self._abscissae(i, here), params[i]))
        except Unstackable:
            raise
        except Exception as error:  # the user's function, or values that are not one for each point
            raise Unstackable(f"for one fit {type(error).__name__}: {error}") from error
        return found

    def _params(self, p: np.ndarray) -> np.ndarray:
        """All parameters (k, N), with p (n, k) those that are fitted."""
        params = self.lot.start.copy()
        params[:, self._free] = p.T
        return params

    def _here(self, i: int):
        """What picks the points that a fit has from its row."""
        absent = self.lot.absent
        return ~absent[i] if absent is not None and absent[i].any() else slice(None)

    def _abscissae(self, i: int, here) -> Any:
        x = self._shared if self.lot.x is None else self.lot.x[i]
        return x if isinstance(here, slice) else x[..., here]

    def _require_same(self, values: np.ndarray, alone: np.ndarray, chosen: Sequence[int]) -> None:
        """Raise where values (k, m) of the chosen fits are not what they are alone (c, m)."""
        values, absent = values[chosen], self.lot.absent
        same = values == alone
        if absent is not None:
            same |= absent[chosen]
        if not same.all():
            size = np.abs(alone).max(axis=-1, where=np.isfinite(alone), initial=0.0)
            same |= np.abs(values - alone) <= _SAME * size[:, None]
            same |= np.isnan(values) & np.isnan(alone)
        if not same.all():
            raise Unstackable("its values at many fits are others than fit by fit")

    def _require_slopes(self, i: int, params: np.ndarray, slopes: np.ndarray) -> None:
        """Raise where a fit's derivatives (n, m) are not what they are alone."""
        model, here = self.many.model, self._here(i)
        x = self._abscissae(i, here)
        alone = _real(model.evaluate(x, params))
        if not np.isfinite(alone).all():
            return
        try:
            J = model.host_jacobian(x, params, alone, "2-point").T[self._free]
        except NoRule as refusal:
            raise Unstackable(f"for one fit: {refusal}") from None
        if not model.by_duals:
            raise Unstackable(f"for one fit: {model.info.derivative}")
        found, finite = slopes[:, here], np.isfinite(J)
        size = np.abs(J).max(axis=1, where=finite, initial=0.0)[:, None]
        same = (np.abs(found - J) <= _SAME_SLOPE * size) | ~(finite | np.isfinite(found))
        if not same.all():
            raise Unstackable("its derivatives at many fits are others than fit by fit")

    def require_ends(self, p: np.ndarray, cost: np.ndarray) -> np.ndarray:
        """Residuals (k, m) of the user's function alone at the ends p (n, k), whitened.

        Raises
        ------
        Unstackable
            A value at many fits at once, or a cost there, is another.
        """
        lot, loss, f_scale = self.lot, *self._robust
        alone = self._alone(p, range(len(lot)))
        self._require_same(self._called(p)[0], alone, slice(None))
        weights = 1.0 if lot.weights is None else lot.weights
        r = np.where(weights > 0, (alone - lot.y) * weights, 0.0)
        if loss is None:
            costs = 0.5 * np.einsum("km,km->k", r, r)
        else:
            costs = scale_rows(loss, f_scale, r, r[:0, None], np)[0].sum(axis=-1)
        size = np.abs(np.where(weights > 0, alone * weights, 0.0)).max(axis=-1)
        near = np.abs(np.sqrt(costs) - np.sqrt(cost)) <= _SAME * size * np.sqrt(lot.m)
        if not (near | (costs == cost) | ~np.isfinite(cost)).all():
            raise Unstackable("its cost at the end of a fit is another than on the way there")
        return r


class Singly(Stack):
    """The same by a call for each fit, for a model that cannot be evaluated at many at once."""

    WIDEST = 1 << 8  # so that Ctrl-C and the time limit are soon heard

    def _called(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        model, lot = self.many.model, self.lot
        params = self._params(p)
        values, slopes = np.zeros(lot.y.shape), np.zeros((len(p), *lot.y.shape))
        try:
            for i, row in enumerate(values):
                here = self._here(i)
                x = self._abscissae(i, here)
                row[here] = _real(model.evaluate(x, params[i]))
                J = model.host_jacobian(x, params[i], row[here], "2-point")
                if not model.by_duals:
                    raise Unstackable(model.info.derivative)
                slopes[:, i, here] = J.T[self._free]
        except Unstackable:
            raise
        except Exception as error:  # the user's function, or values that are not one for each point
            raise Unstackable(f"for one fit {type(error).__name__}: {error}") from error
        return values, slopes

    def _watch(self, p: np.ndarray, values: np.ndarray, slopes: np.ndarray) -> None:
        """Nothing: these are the user's own."""


def suspicious(many: Many, stack: Stack, r: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """(k,) bool: as `tries.is_suspicious` of an end that converged, by its whitened residuals."""
    lot = stack.lot
    weights = np.ones(lot.y.shape) if lot.weights is None else np.broadcast_to(lot.weights, r.shape)
    counts = weights > 0
    mean = (lot.y * counts).sum(axis=-1) / np.maximum(counts.sum(axis=-1), 1)
    spread = np.square(np.where(counts, (lot.y - mean[:, None]) * weights, 0.0)).sum(axis=-1)
    found = 2 * cost > tries.UNEXPLAINED * spread
    for i in np.flatnonzero(found):
        x = stack.many.x if lot.x is None else lot.x[i]
        found[i] = 2 * cost[i] > spread[i] or tries.alike(r[i], x, ~counts[i])
    return found


def _real(value: Any) -> np.ndarray:
    """What the user's function returned for one fit, (m,) or (1,)."""
    array = model_value(value).ravel()
    if array.dtype.kind == "c":
        raise Unstackable("its values are complex")
    return array


def column(values: np.ndarray):
    """One number where all are equal, so that the model may branch on it; else a column."""
    return values[0] if (values == values[0]).all() else values[:, None]
