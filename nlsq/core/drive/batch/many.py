"""Many fits of one model as given, and lots of them, read and checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from nlsq.core.drive.batch.rows import Ragged, Rows, Slab, slabs
from nlsq.core.loop.status import Status
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations, parse_observations
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters

_POINTS = 1 << 20  # of a slab that is read for its sums


@dataclasses.dataclass
class Many:
    """Many fits of one model."""

    model: Model
    names: tuple[str, ...]
    shape: tuple[int, ...]  # of the fits
    m: int  # points of a fit; of the longest when they are ragged
    x: Any  # of all fits, or None
    x_rows: Rows | Ragged | None  # of each
    y: Rows | Ragged
    sigma: Rows | Ragged | None
    start: Any  # Rows, or what reads like them; or a function of a fit's data
    given: dict[int, Rows]  # starts, and values of fixed parameters, that outrank `start`
    lb: Rows
    ub: Rows
    bounded: bool
    free: tuple[bool, ...]
    options: Options
    absolute_sigma: bool
    omit: bool
    dtype: np.dtype
    evidence: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)  # of a search
    example: tuple | None = None  # (x, y, parameters) of the first fit, where these are a part
    threads: int | None = None  # that fit; None: as many as there are cores

    @property
    def size(self) -> int:
        """Number of fits."""
        return int(np.prod(self.shape))

    @cached_property
    def is_complex(self) -> bool:
        """Whether the dependent data are complex."""
        return np.iscomplexobj(self.y.one((0,) * len(self.shape)))

    def residuals(self, counts):
        """Numbers of real residuals of so many points: a complex point counts twice."""
        return counts * 2 if self.is_complex else counts

    def noise_variances(self, cost: np.ndarray, dof: np.ndarray) -> np.ndarray:
        """`record.noise_variance` of many fits."""
        if self.absolute_sigma:
            return np.ones(len(cost))
        return np.where(dof > 0, 2 * cost / np.where(dof > 0, dof, 1), np.inf)

    @property
    def n(self) -> int:
        """Number of parameters, the fixed ones included."""
        return len(self.names)

    def index(self, place: int) -> tuple[int, ...]:
        """Index of the fit at a place in C order."""
        return tuple(int(k) for k in np.unravel_index(place, self.shape))

    def observations(self, place: int) -> Observations:
        """The data of one fit."""
        index = self.index(place)
        x = self.x if self.x_rows is None else self.x_rows.one(index)
        sigma = None if self.sigma is None else self.sigma.one(index)
        policy = "omit" if self.omit else None
        return parse_observations(x, self.y.one(index), sigma, False, policy)

    def unchecked(self, place: int) -> Observations:
        """The data of one fit as they are, without their weights."""
        index = self.index(place)
        x = self.x if self.x_rows is None else self.x_rows.one(index)
        y = self.y.one(index)
        return Observations(Abscissae(x, y.size), y, None, None, None)

    def first(self) -> tuple[Observations, Parameters]:
        """One fit, the longest, which shows the form of all; its values may be bad."""
        if self.example is not None:
            x, y, parameters = self.example
            return Observations(Abscissae(x, y.size), y, None, None, None), parameters
        index = (0,) * len(self.shape)
        if isinstance(self.y, Ragged):
            index = (int(self.y.lengths.argmax()),)
        data = self.unchecked(int(np.ravel_multi_index(index, self.shape)))
        x, y = data.x.given, data.y
        lb, ub = self.lb.one(index), self.ub.one(index)
        start = self.start(x, y, lb, ub) if callable(self.start) else self.start.one(index)
        start = np.array(start, float)
        for j, values in self.given.items():
            start[j] = values.one(index)
        return data, self.parameters(start, lb, ub)

    def parameters(self, start, lb, ub) -> Parameters:
        """Start and bounds (n,) of one fit, what is fixed with equal bounds."""
        fixed = ~np.array(self.free)
        return Parameters(start, np.where(fixed, start, lb), np.where(fixed, start, ub), self.names)

    def read(self, slab: Slab) -> tuple[Lot, np.ndarray]:
        """(the fits of a slab, status of each): RUNNING where a fit can begin."""
        reader = _Reader(self, slab)
        reader.begin()
        return reader.lot(), reader.status

    def totals(self) -> np.ndarray:
        """Weighted sums of squares of the data about their weighted means (size,)."""
        out = np.empty(self.size)
        for slab in self._slabs():
            reader = _Reader(self, slab)
            weights = np.ones(1) if reader.weights is None else np.asarray(reader.weights, float)
            y = np.where(weights > 0, reader.y, 0.0)
            shares = np.broadcast_to(weights**2, y.shape)
            with np.errstate(all="ignore"):  # a fit without points, or with infinite ones: nan
                mean = (shares * y).sum(axis=-1) / shares.sum(axis=-1)
                out[slab.where] = (shares * np.abs(y - mean[:, None]) ** 2).sum(axis=-1)
        return out

    def _slabs(self) -> Iterator[Slab]:
        """Slabs of a size that memory does not feel."""
        most = max(1, _POINTS // self.m)
        if not isinstance(self.y, Ragged):
            return slabs(self.shape, most, self.m)
        order = np.argsort(self.y.lengths, kind="stable")
        parts = (order[first : first + most] for first in range(0, len(order), most))
        return (Slab(p, p, max(1, int(self.y.lengths[p].max()))) for p in parts)

    def read_one(self, place: int) -> tuple[Lot, Status]:
        """One fit, as `read` gives it."""
        index = self.index(place)
        ragged = isinstance(self.y, Ragged)
        key = np.array(index) if ragged else (*index[:-1], slice(index[-1], index[-1] + 1))
        m = max(int(self.y.lengths[index[0]]), 1) if ragged else self.m
        lot, status = self.read(Slab(slice(place, place + 1), key, m))
        return lot, Status(int(status[0]))


@dataclasses.dataclass
class Lot:
    """Some fits, a row each.

    Attributes
    ----------
    places : ndarray of int (k,)
        Among all fits in C order.
    counts : ndarray of int (k,)
        Points, those of weight 0 not among them.
    start, lb, ub : ndarray (k, n)
        Of all parameters.
    y : ndarray (k, m), 0 where there is no point
    weights : ndarray (k, m), 0 where there is no point; (m,) for all; or None
    x : ndarray (k, ..., m), or None when it is shared
    state : ndarray (s, k) or None
        Of lanes; None before their first pass.
    absent : ndarray (k, m) of bool or None
        Where there is no point; None when all have all.
    """

    places: np.ndarray
    counts: np.ndarray
    start: np.ndarray
    lb: np.ndarray
    ub: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    x: np.ndarray | None
    state: np.ndarray | None = None
    absent: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.places)

    @property
    def m(self) -> int:
        """Points of the longest."""
        return self.y.shape[-1]

    def take(self, which: np.ndarray, state: np.ndarray | None = None) -> Lot:
        """Those of the given indices."""
        weights = self.weights
        return Lot(
            *(getattr(self, name)[which] for name in ("places", "counts", "start", "lb", "ub")),
            self.y[which],
            weights if weights is None or weights.ndim == 1 else weights[which],
            None if self.x is None else self.x[which],
            None if state is None else np.take(state, which, axis=1),
            None if self.absent is None else self.absent[which],
        )

    @staticmethod
    def join(lots: list[Lot]) -> Lot:
        """All of them as one lot; ragged ones are made equally long."""
        if len(lots) == 1:
            return lots[0]
        m = max(lot.m for lot in lots)

        def rows(name, fill):
            arrays = [getattr(lot, name) for lot in lots]
            if arrays[0] is None or (arrays[0].ndim == 1 and name == "weights"):
                return arrays[0]
            return np.concatenate([_stretched(a, m, fill) for a in arrays])

        plain = (
            np.concatenate([getattr(lot, name) for lot in lots])
            for name in ("places", "counts", "start", "lb", "ub")
        )
        state = np.concatenate([lot.state for lot in lots], axis=1)
        return Lot(*plain, rows("y", True), rows("weights", True), rows("x", False), state)

    def split(self, parts: int) -> list[Lot]:
        """Up to `parts` lots of about equal size."""
        pieces = np.array_split(np.arange(len(self)), min(parts, len(self)))
        return [self.take(piece, self.state) for piece in pieces]


def _stretched(array: np.ndarray, m: int, zero: bool) -> np.ndarray:
    """`array` (..., m') made (..., m) with zeros or its last elements."""
    missing = m - array.shape[-1]
    if not missing:
        return array
    width = [(0, 0)] * (array.ndim - 1) + [(0, missing)]
    return np.pad(array, width, mode="constant" if zero else "edge")


class _Reader:
    """A slab's rows, read and checked."""

    def __init__(self, many: Many, slab: Slab):
        self.many, self.slab = many, slab
        key, m = slab.key, slab.m
        self.y = many.y.read(key)
        k = len(self.y)
        self.x = None if many.x_rows is None else many.x_rows.read(key)
        self.lb = np.broadcast_to(many.lb.read(key), (k, many.n))
        self.ub = np.broadcast_to(many.ub.read(key), (k, many.n))
        self.status = np.full(k, int(Status.RUNNING))
        self.counts = np.full(k, m) if self.absent is None else m - self.absent.sum(axis=-1)
        self.weights = self._weigh()
        if self.weights is not None:
            self.counts = np.broadcast_to(np.count_nonzero(self.weights, axis=-1), k)

    def begin(self) -> None:
        """Find the starts, and what cannot begin."""
        self.start = self._start()
        self._judge_start()

    def _judge_start(self) -> None:
        many, lb, ub, start = self.many, self.lb, self.ub, self.start
        good, enough = np.isfinite(start), sum(many.free)
        if many.bounded:
            bounded = np.isfinite(lb).any(axis=-1) | np.isfinite(ub).any(axis=-1)
            enough = np.where(bounded, 1, enough)
            good &= (start >= lb) & (start <= ub)
        self._reject(many.residuals(self.counts) < enough, Status.TOO_FEW_POINTS)
        self._reject(~good.all(axis=-1), Status.BAD_START)
        if many.bounded:
            self._reject(~(lb <= ub).all(axis=-1), Status.BAD_BOUNDS)

    def lot(self) -> Lot:
        many, absent = self.many, self.absent
        y, x = self.y, self.x
        if absent is not None:
            y = np.where(absent, 0.0, y)
            x = x if x is None else _filled(x, absent)
        if y.dtype.kind != "c":
            y = y.astype(many.dtype, copy=False)
        where = self.slab.where
        places = np.arange(where.start, where.stop) if isinstance(where, slice) else where
        return Lot(
            *(places, self.counts, self.start, self.lb, self.ub),
            *(y, self.weights, x, None, absent),
        )

    def _reject(self, rows, status: Status) -> None:
        self.status[rows] = int(status)

    @cached_property
    def absent(self) -> np.ndarray | None:
        """(k, m) True where a fit has no point; None when all have all."""
        many, slab = self.many, self.slab
        if not (isinstance(many.y, Ragged) or many.omit):
            return None
        absent = np.zeros(self.y.shape, bool)
        if isinstance(many.y, Ragged):
            absent |= np.arange(slab.m) >= many.y.lengths[slab.key][:, None]
        if many.omit:
            absent |= np.isnan(self.y)
            x = many.x if self.x is None else self.x
            if isinstance(x, np.ndarray) and x.shape[-1] == slab.m:
                missing = np.isnan(x)
                axes = tuple(range(0 if self.x is None else 1, missing.ndim - 1))
                absent |= missing.any(axis=axes)
        return absent

    def _weigh(self) -> np.ndarray | None:
        """(k, m) weights of each fit, (m,) of all, or None."""
        many, absent = self.many, self.absent
        if many.sigma is None:
            return None if absent is None else np.where(absent, 0.0, 1.0)
        sigma = many.sigma.read(self.slab.key)
        if many.sigma.shared and absent is None:
            return np.broadcast_to(1 / sigma[0], self.slab.m)
        sigma = np.broadcast_to(sigma, self.y.shape)
        if absent is not None:
            sigma = np.where(absent, 1.0, sigma)
        good = sigma > 0
        self._reject(~good.all(axis=-1), Status.BAD_SIGMA)
        weights = 1 / np.where(good, sigma, 1.0)
        return weights if absent is None else np.where(absent, 0.0, weights)

    def _start(self) -> np.ndarray:
        many = self.many
        k, n = len(self.y), many.n
        if callable(many.start):
            start = np.stack([self._guess(i) for i in range(k)])
        else:
            start = np.array(np.broadcast_to(many.start.read(self.slab.key), (k, n)), float)
        for j, values in many.given.items():
            start[:, j] = values.read(self.slab.key)
        return start

    def _guess(self, i: int) -> np.ndarray:
        many, n = self.many, self.many.n
        x, y = many.x if self.x is None else self.x[i], self.y[i]
        if self.counts[i] < y.size and isinstance(x, np.ndarray) and x.shape[-1] == y.size:
            here = self.weights[i if self.weights.ndim == 2 else slice(None)] > 0
            if here.sum() < n:  # not to be fitted
                return np.ones(n)
            x, y = x[..., here], y[here]
        try:
            return many.start(x, y, self.lb[i], self.ub[i])
        except ValueError as error:
            place = np.arange(many.size)[self.slab.where][i]
            raise ValueError(f"Fit {many.index(int(place))}: {error}") from error


def _filled(x: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """x (k, ..., m) with a point that is there, the first, in place of those that are not."""
    at = np.argmin(absent, axis=-1).reshape(-1, *[1] * (x.ndim - 1))
    here = np.take_along_axis(x, np.broadcast_to(at, (*x.shape[:-1], 1)), axis=-1)
    missing = absent.reshape(len(x), *[1] * (x.ndim - 2), -1)
    return np.where(missing, here, x)
