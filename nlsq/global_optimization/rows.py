"""Multi-start for many fits: where each data set's own fit begins, found when its slab is read.

1.  Each data set is fitted from p0, in lanes. Where that ends best, the fit begins there as ever.
2.  Data sets that share x, bounds and fixed values share their starts too (`shared_starts`), drawn
    from x and bounds alone. The best few for each data set are fitted, in lanes.
3.  A data set is searched by itself (`search`), as `curve_fit` does, where too few of these fits
    ended at its best minimum, where residuals of neighbouring points are alike, and where starts
    cannot be shared. Its best end so far is one of the starts.

What is found for a data set depends on nothing but its own data and the seed.
"""

from __future__ import annotations

import dataclasses
import pathlib
import threading
import time
from typing import Any

import numpy as np

from nlsq.core.drive import buying
from nlsq.core.drive.batch.interpreted import is_for
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.drive.batch.renting import account_of
from nlsq.core.drive.batch.results import fits_lanes
from nlsq.core.drive.batch.rows import Ragged, Slab
from nlsq.core.drive.batch.stacked import Stack, Unstackable
from nlsq.core.drive.buying import NOT_YET
from nlsq.core.drive.roads import choose_road
from nlsq.core.drive.tries import ROUNDED, alike
from nlsq.core.loop.status import Status
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.model import Model
from nlsq.core.problem.observations import Observations
from nlsq.global_optimization.config import GlobalOptimizationConfig
from nlsq.global_optimization.local import Ends, brief, joined, lanes
from nlsq.global_optimization.problem import Problem
from nlsq.global_optimization.projecting import project
from nlsq.global_optimization.ranges import Ranges
from nlsq.global_optimization.sampling import get_sampler, require_dimension
from nlsq.global_optimization.search import Search
from nlsq.global_optimization.shared_starts import SharedStarts
from nlsq.global_optimization.units import units_of
from nlsq.result.fits_minima import FIELDS
from nlsq.result.minima import CUT_SHORT
from nlsq.utils import interruption

_DRAWN, _FITTED = 256, 5  # starts that are shared, and that are fitted of them
_REDRAWN, _REFITTED = 32, 8  # the same of those of one data set
_LIKE = 3  # ends that these are like
_FEW = 48  # starts with more than which a search by itself follows, where need be
_AGREED, _SURE = 3, 6  # fits that have to end at the best minimum; where residuals are alike
_EXPLAINED = 0.5  # of the cost of a constant, that a fit may leave
_SAME, _NOTHING = 1e-6, 1e-14  # differences of two costs that are none: relative, and to a constant


class SearchedStarts:
    """Starts of many fits, each looked for when it is first read; takes the place of `Rows`.

    Parameters
    ----------
    many : Many
        With the starts as given.
    config : GlobalOptimizationConfig
    has_start : bool
        Whether these are more than defaults, so that others may be drawn around them.
    deadline : float
        Of `time.monotonic`; searches take half of the time that is left at each slab.
    folder : path, optional
        Where the evidence is written.

    Attributes
    ----------
    evidence : dict of str to ndarray (size,)
        `FIELDS` of each fit.
    """

    shared = False

    def __init__(
        self,
        many: Many,
        config: GlobalOptimizationConfig,
        has_start: bool,
        deadline: float,
        folder: pathlib.Path | None,
    ):
        self.many, self.config = many, config
        self._deadline = self._until = deadline
        self._centered = has_start and config.center_on_p0
        self.evidence = {
            name: _array(many.size, dtype, name, folder) for name, dtype in FIELDS.items()
        }
        self.evidence["minima_next"][:] = np.nan
        self._found = np.full((many.size, many.n), np.nan)
        self._known = np.zeros(many.size, bool)
        self._places = np.arange(many.size).reshape(many.shape)
        self._over = False  # nothing more is searched
        self._lock = threading.Lock()
        self._lanes: Any = None  # `Many` for lanes, None where there are none
        self._shared: Any = None  # `SharedStarts`, None where data sets share none
        self._model: Model | None = None  # whose road is chosen, for data of one x
        self._prepared = False
        self._own = 0  # starts that are drawn for one data set

    def read(self, key) -> np.ndarray:
        """The starts of a slab, (k, n)."""
        places = self._places[key].reshape(-1)
        with self._lock:
            if not (self._over or self._known[places].all()):
                self._search(key, places)
            found = self._found[places]
            given = ~self._known[places]
        if given.any():
            found[given] = self._read(key, places)[0].start[given]
        return found

    def one(self, index: tuple[int, ...]) -> np.ndarray:
        """The start of one fit, as given."""
        place = int(np.ravel_multi_index(index, self.many.shape))
        return self.many.read_one(place)[0].start[0]

    def close(self) -> None:
        """Search no more: what is read from now on is read to look at results."""
        self._over = True

    def _read(self, key, places: np.ndarray) -> tuple[Lot, np.ndarray]:
        y, m = self.many.y, self.many.m
        if isinstance(y, Ragged):
            m = max(1, int(y.lengths[np.atleast_1d(key)].max()))
        return self.many.read(Slab(places, key, m))

    # ------------------------------------------------------------------------------ searching

    def _search(self, key, places: np.ndarray) -> None:
        if interruption.heard():  # what was searched is still fitted
            if self._known[places].any():
                return
            raise KeyboardInterrupt
        now = time.monotonic()
        self._until = now + 0.5 * (self._deadline - now)  # the rest is for the fits
        lot, status = self._read(key, places)
        good = np.flatnonzero((status == int(Status.RUNNING)) & _has_numbers(lot))
        self._found[places] = lot.start
        self.evidence["minima_cut"][places[good]] = True  # until its search has come to its end
        if good.size and not self._is_late():
            if not self._prepared:
                self._prepare()
            with np.errstate(all="ignore"):
                self._search_lot(lot.take(good))
        if not interruption.heard():
            self._known[places] = True

    def _is_late(self) -> bool:
        return interruption.heard() or time.monotonic() > self._until

    def _prepare(self) -> None:
        """What all data sets have in common: lanes, units, shared starts; None where not."""
        many, self._prepared = self.many, True
        single = buying.account_of(many.model)
        if not (is_for(many) and fits_lanes(many)) or single.writes_jax:
            return
        if many.options.backend == "jax" or not account_of(many).lanes:
            return
        model = many.model.twin()
        model.interpret(NOT_YET, final=False)
        first = many.first()[1]
        if (np.array(many.free) & (first.lb >= first.ub)).any():
            return
        model.bounds = first.lb, first.ub
        self._lanes = dataclasses.replace(many, model=model, options=brief(many.options))
        if account_of(many).stacks and self._can_share():
            self._share(first)

    def _can_share(self) -> bool:
        many = self.many
        x = many.x if many.x_rows is None else None
        fixed = all(r.shared for j, r in many.given.items() if not many.free[j])
        around = self._centered and (
            callable(many.start) or not many.start.shared
            or not all(r.shared for r in many.given.values())
        )  # fmt: skip
        return (
            isinstance(x, np.ndarray) and x.dtype.kind in "fiu" and x.shape[-1:] == (many.m,)
            and np.isfinite(x).all() and many.lb.shared and many.ub.shared
            and fixed and not around
        )  # fmt: skip

    def _share(self, first) -> None:
        """Draw the starts that all share: from x and bounds, whatever the data."""
        many, config = self._lanes, self.config
        nothing = Observations(Abscissae(many.x, many.m), np.zeros(many.m), None, None, None)
        problem = Problem(many.model, nothing, first, many.options)
        rng = np.random.default_rng(config.seed)
        units = units_of(problem, rng)
        ranges = Ranges(problem, units)
        count, dims = min(-(-config.n_starts // 4), _DRAWN), ranges.drawn.size
        self._own = min(config.n_starts - count, _REDRAWN)
        if not (problem.in_columns and dims):
            return
        require_dimension(config.sampler, dims)
        cube = get_sampler(config.sampler)(count, dims, seed=[config.seed, 0])
        if self._centered:
            P = ranges.around(cube, first.p0, config.scale_factor)
        else:
            P = ranges.draw(cube, rng)
        shared = SharedStarts(problem, units, ranges, P)
        self._shared = shared if len(shared.P) else None

    def _search_lot(self, lot: Lot) -> None:
        k, flat = len(lot), self._flat(lot)
        ends = [Ends.at(lot.start[:0])] * k
        if self._lanes is not None:
            try:
                ends = self._in_lanes(lot)
                unsure = [i for i in range(k) if not self._is_sure(lot, i, ends[i], flat[i])]
                if unsure and self._shared is not None and self._own:
                    self._again(lot, unsure, ends)
            except Unstackable:
                self._lanes = self._shared = None
                ends = [Ends.at(lot.start[:0])] * k
        for i in range(k):
            if self._is_late():
                break
            self._decide(lot, i, ends[i], flat[i])
            self._known[lot.places[i]] = True

    def _in_lanes(self, lot: Lot) -> list[Ends]:
        """Ends of the fits of each data set from p0 and from shared starts."""
        first, shared = lanes(self._lanes, lot, Stack), self._shared
        if shared is None:
            return _of_each(first, len(lot))
        starts = shared.best(lot, _FITTED)
        more = shared.fits_from(self._lanes, lot, starts)
        parts = zip(_of_each(first, len(lot)), _of_each(more, len(lot)), strict=True)
        ends = [joined(pair) for pair in parts]
        self._clean(lot, ends)
        return ends

    def _again(self, lot: Lot, unsure: list[int], ends: list[Ends]) -> None:
        """Fit some data sets from starts of their own: from their data, and near their ends."""
        starts = np.stack([self._own_starts(lot, i, ends[i]) for i in unsure])
        part = lot.take(np.array(unsure))
        more = _of_each(self._shared.fits_from(self._lanes, part, starts), len(unsure))
        for i, found in zip(unsure, more, strict=True):
            ends[i] = joined((ends[i], found))
        cleaned = [ends[i] for i in unsure]
        self._clean(part, cleaned)

    def _own_starts(self, lot: Lot, i: int, ends: Ends) -> np.ndarray:
        """The best (s, n) of starts that are drawn for data set i."""
        config, shared = self.config, self._shared
        problem = self._problem(lot, i, self._lanes.model)
        ranges = Ranges(problem, shared.units)
        rng = np.random.default_rng([config.seed, 1])
        cube = get_sampler(config.sampler)(self._own, ranges.drawn.size, seed=[config.seed, 1])
        if self._centered:
            P = ranges.around(cube, lot.start[i], config.scale_factor)
        else:
            P = ranges.draw(cube, rng)
        known = np.argsort(ends.cost, kind="stable")[:_LIKE]
        known = known[np.isfinite(ends.cost[known])]
        if known.size and self._own > 1:
            P[::2] = ranges.vary(ends.x[known], P[::2], rng)
        P, cost = project(problem, shared.linear, P)
        return P[np.argsort(cost, kind="stable")[: min(_REFITTED, self._own)]]

    def _clean(self, lot: Lot, ends: list[Ends]) -> None:
        """Leave out aliases among the ends of each, and signs that say nothing."""
        ranges = self._shared.ranges
        for each in ends:
            each.cost[ranges.aliases(each.x, each.cost)] = np.inf
        best = [int(np.argmin(each.cost)) for each in ends]
        rows = np.array(
            [i for i, at in enumerate(best) if at > 0 and np.isfinite(ends[i].cost[at])]
        )
        if rows.size:
            x = np.stack([ends[i].x[best[i]] for i in rows])
            cost = np.array([ends[i].cost[best[i]] for i in rows])
            x = ranges.plain(x, cost, lambda P, at: self._shared.costs(lot.take(rows[at]), P))
            for i, plain in zip(rows, x, strict=True):
                ends[i].x[best[i]] = plain

    def _flat(self, lot: Lot) -> np.ndarray:
        """Costs (k,) of a constant, which a fit that explains something is well below."""
        w = np.ones((1, lot.m)) if lot.weights is None else np.atleast_2d(lot.weights)
        w = np.broadcast_to(w, lot.y.shape)
        loss, y = self.many.options.loss_function, np.where(w > 0, lot.y, np.nan)
        if loss is None:
            r = np.where(w > 0, (y - np.nanmean(y, axis=1, keepdims=True)) * w, 0.0)
            return 0.5 * np.square(np.abs(r)).sum(axis=1)
        r = np.where(w > 0, (y - np.nanmedian(y, axis=1, keepdims=True)) * w, 0.0)
        return scale_rows(loss, self.many.options.f_scale, r, r[:0, None], np)[0].sum(axis=-1)

    @property
    def _asks_for_more(self) -> bool:
        """Whether a data set of which the lanes are not sure is searched by itself."""
        return self._shared is None or self.config.n_starts > _FEW

    # ------------------------------------------------------------------------------- deciding

    def _decide(self, lot: Lot, i: int, ends: Ends, flat: float) -> None:
        """Write where the fit i of a lot begins, after a search of its own where need be."""
        place, costs, converged = lot.places[i], ends.cost, ends.converged
        self.evidence["minima_cut"][place] = False
        best, start = int(np.argmin(costs)) if costs.size else -1, lot.start[i]
        x = start
        if best >= 0 and np.isfinite(costs[best]):
            x = ends.x[best]
        if self._asks_for_more and not self._is_sure(lot, i, ends, flat):
            found = self._alone(lot, i, x)
            if found is not None:
                if costs.size == 0 or not costs[best] <= found[0].cost * (1 + _SAME):
                    x = found[0].params
                costs = np.concatenate([costs, found.costs])
                converged = np.concatenate([converged, found.places >= 0])
        limit = costs.min(initial=np.inf) * (1 + _SAME) + _NOTHING * flat
        if ends.cost.size and ends.cost[0] <= limit:
            x = start  # the fit from there finds it too, and is what it would be without a search
        self._found[place] = x
        self._note(place, costs, converged, limit)

    def _note(self, place: int, costs: np.ndarray, converged: np.ndarray, limit: float) -> None:
        reached = costs <= limit
        others = costs[converged & ~reached & np.isfinite(costs)]
        best = costs.min(initial=np.inf)
        self.evidence["minima_fits"][place] = len(costs)
        self.evidence["minima_best"][place] = int((reached & np.isfinite(costs)).sum())
        if others.size:
            with np.errstate(divide="ignore", over="ignore"):
                self.evidence["minima_next"][place] = others.min() / best - 1 if best else np.inf

    def _is_sure(self, lot: Lot, i: int, ends: Ends, flat: float) -> bool:
        """Whether the shared starts tell which minimum is the best of data set i."""
        if self._shared is None or not ends.cost.size:
            return False
        best = ends.cost.min()
        if not np.isfinite(best):
            return False
        if best <= ROUNDED * flat:
            return True
        reached = int((ends.cost <= best * (1 + _SAME) + _NOTHING * flat).sum())
        again = len(ends.cost) > 1 + min(_FITTED, self._shared.size)
        if reached < _AGREED or (again and reached >= _SURE):
            return reached >= _SURE
        if best > _EXPLAINED * flat:
            return False
        row = lot.take(np.array([i]))
        r = self._shared.residuals(row, ends.x[np.argmin(ends.cost)][None])[0]
        idle = None if row.weights is None else np.atleast_2d(row.weights)[0] == 0
        return not alike(r, self.many.x, idle)

    def _alone(self, lot: Lot, i: int, best: np.ndarray):
        """The minima of a search of one data set, None where the model has values nowhere."""
        many = self.many
        own_x = many.x_rows is not None or many.omit
        problem = self._problem(lot, i, None if own_x else self._model)
        self._model, problem.model = problem.model, problem.model.twin()  # which may change roads
        known = [lot.start[i]] if np.array_equal(best, lot.start[i]) else [lot.start[i], best]
        units = None if self._shared is None else self._shared.units
        search = Search(problem, self.config, np.stack(known), self._centered, units)
        search.run()
        self.evidence["minima_cut"][lot.places[i]] = search.stopped in CUT_SHORT
        return search.found().minima if np.isfinite(search.costs).any() else None

    def _problem(self, lot: Lot, i: int, model: Model | None) -> Problem:
        """Data set i to be searched; model: on its road, None to choose one."""
        many = self.many
        data = many.observations(int(lot.places[i]))
        parameters = many.parameters(lot.start[i], lot.lb[i], lot.ub[i])
        options = many.options
        if self._until < np.inf:
            options = dataclasses.replace(options, deadline=self._until)
        if model is None:
            model = many.model.twin()
            choose_road(model, data, parameters, options, at_once=True)
        return Problem(model, data, parameters, options)


def _array(size: int, dtype, name: str, folder: pathlib.Path | None) -> np.ndarray:
    """Zeros, in memory or in a file of the folder."""
    if folder is None:
        return np.zeros(size, dtype)
    path = folder / f"{name}.npy"
    path.unlink(missing_ok=True)  # results that map it keep what they have
    return np.lib.format.open_memmap(path, "w+", dtype, (size,))


def _has_numbers(lot: Lot) -> np.ndarray:
    """(k,) whether all points that count are finite."""
    good = np.isfinite(lot.y)
    if lot.x is not None:
        good &= np.isfinite(lot.x).reshape(len(lot), -1, lot.m).all(axis=1)
    if lot.weights is not None:
        good |= lot.weights == 0
    return good.all(axis=1)


def _of_each(ends: Ends, k: int) -> list[Ends]:
    """The ends of k data sets, as many of each."""
    s = len(ends.cost) // k
    return [Ends(*(v[i * s : i * s + s] for v in vars(ends).values())) for i in range(k)]
