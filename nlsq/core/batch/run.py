"""Fit all rows: slabs to threads, their fits to lanes, and to the single fit's engine what is left.

A thread takes a slab, checks its rows, and runs its fits in lanes; those still running when most
are done are gathered into fewer blocks, so that a few hard fits do not hold up the others. Then the
engine of a single fit takes, from their own start, the fits for which lanes have too few digits
(`lanes.Answer.pivot`) or no say (a start at which only the derivative is not finite). What the
engine is asked is exactly what `curve_fit` asks, so that a fit has one answer.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from itertools import islice
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np

from nlsq.caching.memory_manager import manager
from nlsq.config import double_precision
from nlsq.core.batch import lanes, program
from nlsq.core.batch.lanes import DONE, LANES
from nlsq.core.batch.rows import Ragged, Rows, Slab, ragged_slabs, slabs
from nlsq.core.covariance import Spectrum
from nlsq.core.finish import Finished
from nlsq.core.identity import model_key
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model import Abscissae, Model
from nlsq.core.problem import Observations, Parameters, parse_observations
from nlsq.core.record import NO_FREEDOM, Verdict, judge, noise_variance, record
from nlsq.core.solve import Options, solve
from nlsq.core.status import Status
from nlsq.device import usable_cores
from nlsq.result import CurveFitResult

# More parameters or points than this are the single fit's business: its passes are long enough.
MOST_PARAMETERS, MOST_POINTS = 12, 1 << 12
# Relative error of a covariance that lanes may have; the error is about eps / pivot^2.
_ACCURACY = {np.dtype(np.float64): 1e-11, np.dtype(np.float32): 1e-3}
_LEAST_TOLERANCE = {np.dtype(np.float64): 0.0, np.dtype(np.float32): 1e-6}


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
    start: Rows | Callable
    fixed: dict[int, Rows]  # values of fixed parameters other than their start
    lb: Rows
    ub: Rows
    bounded: bool
    free: tuple[bool, ...]
    options: Options
    absolute_sigma: bool
    omit: bool
    dtype: np.dtype

    @property
    def size(self) -> int:
        """Number of fits."""
        return int(np.prod(self.shape))

    @property
    def n(self) -> int:
        """Number of parameters, the fixed ones included."""
        return len(self.names)

    def observations(self, index: tuple[int, ...]) -> Observations:
        """The data of one fit."""
        x = self.x if self.x_rows is None else self.x_rows.one(index)
        sigma = None if self.sigma is None else self.sigma.one(index)
        policy = "omit" if self.omit else None
        return parse_observations(x, self.y.one(index), sigma, False, policy)

    def first(self) -> tuple[Observations, Parameters]:
        """One fit, which shows the form of all; its values may be bad."""
        index = (0,) * len(self.shape)
        x = self.x if self.x_rows is None else self.x_rows.one(index)
        y = self.y.one(index)
        data = Observations(Abscissae(x, y.size), y, None, None, None)
        start = self.start(x, y) if callable(self.start) else self.start.one(index)
        start = np.array(start, float)
        for j, values in self.fixed.items():
            start[j] = values.one(index)
        return data, self.parameters(start, self.lb.one(index), self.ub.one(index))

    def parameters(self, start, lb, ub) -> Parameters:
        """Start and bounds (n,) of one fit, what is fixed with equal bounds."""
        fixed = ~np.array(self.free)
        return Parameters(start, np.where(fixed, start, lb), np.where(fixed, start, ub), self.names)


class Fields:
    """Results of all fits, one row each, in memory or in .npy files of a folder."""

    def __init__(self, size: int, n: int, folder=None):
        self.undetermined: dict[int, np.ndarray] = {}  # null directions of the fits that have some
        shapes = {
            "popt": (np.float64, (n,)), "pcov": (np.float64, (n, n)), "cost": (np.float64, ()),
            "status": (np.int16, ()), "nfev": (np.int32, ()), "njev": (np.int32, ()),
            "nit": (np.int32, ()), "n_points": (np.int32, ()), "rank": (np.int16, ()),
            "active_mask": (np.int8, (n,)),
        }  # fmt: skip
        for name, (dtype, tail) in shapes.items():
            if folder is None:
                array = np.empty((size, *tail), dtype)
            else:
                path = folder / f"{name}.npy"
                array = np.lib.format.open_memmap(path, "w+", dtype, (size, *tail))
            setattr(self, name, array)
        self._names = tuple(shapes)
        self.status[:] = int(Status.INTERRUPTED)
        self.popt[:] = self.cost[:] = self.pcov[:] = np.nan
        for name in ("nfev", "njev", "nit", "n_points", "rank", "active_mask"):
            getattr(self, name)[:] = 0

    def arrays(self) -> dict[str, np.ndarray]:
        """By name."""
        return {name: getattr(self, name) for name in self._names}


class _Written(Finished):
    """A fit of which its results are known, and not the state of its engine."""

    def gradient(self) -> np.ndarray:
        """J^T r of the loss-scaled rows."""
        r, loss = self.residual(), self.options.loss_function
        if loss is not None:
            with double_precision():
                _, r, _ = scale_rows(loss, self.options.f_scale, r, np.zeros((1, r.size)), np)
        return self.jacobian().T @ np.asarray(r)


class Batch:
    """One call's work."""

    def __init__(self, many: Many, folder=None):
        self.many = many
        self.fields = Fields(many.size, many.n, folder)
        self.stop = threading.Event()
        self.pointwise = many.model.info.pointwise
        data, _ = many.first()
        self.x = data.x
        self.in_lanes = (
            not many.model.on_host
            and not (many.model.resolution.data_fixed and many.x_rows is not None)
            and not (isinstance(many.y, Ragged) and not self.pointwise)
            and sum(many.free) <= MOST_PARAMETERS
            and many.m <= MOST_POINTS
            and not np.iscomplexobj(data.y)
        )

    def run(self, advance: Callable[[int], None], deadline: float) -> Status | None:
        """Fit everything; advance(k) hears of k more fits. Returns why it stopped early."""
        workers = max(usable_cores(), len(jax.devices()))
        work, pending, stopped = self._slabs(workers), set(), None
        with ThreadPoolExecutor(workers) as pool:
            try:
                for slab in islice(work, 2 * workers):
                    pending.add(pool.submit(self._fit, slab))
                while pending:
                    done, pending = wait(pending, 0.2, FIRST_COMPLETED)
                    for future in done:
                        advance(future.result())
                        for slab in islice(work, 1):
                            pending.add(pool.submit(self._fit, slab))
                    if time.monotonic() > deadline:
                        stopped = Status.TIME_LIMIT
                        break
            except KeyboardInterrupt:
                stopped = Status.INTERRUPTED
            finally:
                self.stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
        return stopped

    def _slabs(self, workers: int):
        many = self.many
        share = -(-many.size // workers)
        most = max(-(-share // LANES) * LANES, LANES) if self.in_lanes else max(share // 8, 1)

        def sizes(m):
            return program.sizes(int(m), self.pointwise)

        if isinstance(many.y, Ragged):
            return ragged_slabs(many.y.lengths, sizes, most)
        return slabs(many.shape, min(most, sizes(many.m).slab), many.m)

    def result(self, place: int) -> CurveFitResult:
        """The fit at `place` as `curve_fit` would return it."""
        many, fields = self.many, self.fields
        index = np.unravel_index(place, many.shape)
        rows = _Slab(many, Slab(slice(place, place + 1), _key(many, index), many.m), ())
        status = Status(int(fields.status[place]))
        data = many.observations(index) if rows.status[0] == Status.RUNNING else many.first()[0]
        parameters = many.parameters(rows.start[0], rows.lb[0], rows.ub[0])
        counts = {name: int(getattr(fields, name)[place]) for name in ("nfev", "njev", "nit")}
        x, pcov = np.array(fields.popt[place]), np.array(fields.pcov[place])
        outcome = SimpleNamespace(x=x, cost=float(fields.cost[place]), **counts)
        finished = _Written(many.model, data, parameters, many.options, outcome)
        null = fields.undetermined.get(place, np.zeros((0, many.n)))
        dof = int(fields.n_points[place]) - int(fields.rank[place])
        scale = noise_variance(outcome.cost, dof, many.absolute_sigma)
        determined, notes = (
            pcov,
            [] if math.isfinite(scale) or not status.converged else [NO_FREEDOM],
        )
        if len(null):
            J = finished.jacobian()
            spectrum = Spectrum(np.linalg.qr(J, mode="r"), ~J.any(axis=0), parameters.free > 0)
            _, determined = spectrum.covariance(scale)
        active = np.array(fields.active_mask[place], int)
        rank = int(fields.rank[place])
        verdict = Verdict(status, pcov, determined, rank, dof, null, active, notes)
        return record(finished, verdict, many.absolute_sigma, 0.0)

    # ------------------------------------------------------------------------------ one slab

    def _fit(self, slab: Slab) -> int:
        if self.stop.is_set():
            return 0
        devices = jax.devices()
        device = devices[threading.get_ident() % len(devices)] if len(devices) > 1 else devices[0]
        with double_precision(), jax.default_device(device):
            return self._fit_rows(_Slab(self.many, slab, self.x.leaves))

    def _fit_rows(self, rows: _Slab) -> int:
        fields, where = self.fields, rows.slab.where
        places = np.arange(self.many.size)[where]
        failed = rows.status != int(Status.RUNNING)
        fields.n_points[where] = rows.counts
        alone = ~failed
        if self.in_lanes:
            fixed = np.array(self.many.free) & (rows.lb >= rows.ub)
            chosen = np.flatnonzero(~failed & ~fixed.any(axis=-1))
            hard = self._fit_lanes(rows, chosen, places)
            alone[chosen] = hard
        count = 0
        for i in np.flatnonzero(alone):
            if self.stop.is_set():
                break
            self._fit_alone(rows, i, int(places[i]))
            count += 1
        fields.status[places[failed]] = rows.status[failed]
        return len(places) - int(alone.sum()) + count

    def _fit_lanes(self, rows: _Slab, chosen: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Fit rows in lanes and write them down; which of `chosen` are for the engine."""
        many, hard = self.many, np.zeros(len(chosen), bool)
        form, run, size = self._program(rows)
        buffers = _Buffers(rows, form, size, chosen)
        left = np.arange(len(chosen))
        at, answers_at = lanes.places(form.n), program.answer_places(form)
        options = many.options
        tolerances = [
            max(t or 0.0, _LEAST_TOLERANCE[many.dtype])
            for t in (options.ftol, options.xtol, options.gtol)
        ]
        budget = options.max_nfev or 200 * (form.n + 1)
        try:
            while left.size:
                blocks = -(-left.size // LANES)
                leave = LANES // 4 if blocks > 2 else 0
                numbers = np.array([rows.slab.m, *tolerances, budget, options.f_scale, leave])
                state, answers = run(*buffers.operands(left.size, blocks, numbers))
                state = np.asarray(state)[:, : left.size]
                answers = np.asarray(answers)[:, : left.size]
                running = state[at.phase] < DONE
                done = ~running
                answer = jax.tree.map(lambda row, a=answers, d=done: a[row, d], answers_at)
                found = jax.tree.map(lambda row, s=state, d=done: s[row, d], at)
                hard[left[done]] = self._write(
                    rows, chosen[left[done]], places[chosen[left[done]]], found, answer
                )
                left = left[running]
                buffers.keep(np.flatnonzero(running), state)
        finally:
            buffers.release()
        return hard

    def _program(self, rows: _Slab):
        many, model = self.many, self.many.model
        size = program.sizes(rows.slab.m, self.pointwise)
        fixed = model.resolution.data_fixed
        form = lanes.Form(
            free=many.free,
            bounded=many.bounded,
            weighted="" if rows.weights is None else ("lanes", "shared")[rows.weights.ndim == 1],
            axes=() if fixed else self.x.axes,
            per_fit_x=many.x_rows is not None,
            treedef=jax.tree.structure(None) if fixed else self.x.treedef,
            capacity=size.capacity,
            pointwise=self.pointwise,
        )
        key = (model.program_key, model_key(many.options.loss))
        run = program.slab_program(
            key, lambda: model.traceable(self.x), form, many.options.loss_function, size.slab,
            many.dtype,
        )  # fmt: skip
        return form, run, size

    def _write(self, rows: _Slab, row, place, found: lanes.Lanes, answer: lanes.Answer):
        """Results of lanes into the fields; which of them the engine must fit."""
        many, fields = self.many, self.fields
        free = np.flatnonzero(many.free)
        n, k = len(free), len(place)
        status = found.status.astype(int)
        eps = np.finfo(many.dtype).eps
        exact = (answer.pivot > 0) & (eps / _positive(answer.pivot) ** 2 <= _ACCURACY[many.dtype])
        converged = status > 0
        hard = (converged & ~exact) | (status == int(Status.NO_PROGRESS))
        hard |= (status == int(Status.NOT_FINITE)) & np.isfinite(found.cost)

        popt = rows.start[row]
        popt[:, free] = np.stack(found.x, axis=-1)
        cost = found.cost.astype(float)
        dof = rows.counts[row] - n
        scale = np.ones(k)
        if not many.absolute_sigma:
            scale = np.where(dof > 0, 2 * cost / np.where(dof > 0, dof, 1), np.inf)
        known = exact & np.isfinite(scale)
        scale[~known] = 1.0
        pcov = np.zeros((k, many.n, many.n))
        for (i, j), values in zip(lanes.pairs(n), answer.inverse, strict=True):
            values = np.where(known, values * scale, np.inf)
            pcov[:, free[i], free[j]] = pcov[:, free[j], free[i]] = values
        invalid = status == int(Status.NOT_FINITE)
        popt[invalid], pcov[invalid], cost[invalid] = np.nan, np.nan, np.nan
        fields.popt[place], fields.pcov[place], fields.cost[place] = popt, pcov, cost
        fields.status[place], fields.rank[place] = status, np.where(invalid, 0, n)
        for name in ("nfev", "njev", "nit"):
            getattr(fields, name)[place] = getattr(found, name)
        for j, active in zip(free, answer.active, strict=False):
            fields.active_mask[place, j] = active
        return hard

    def _fit_alone(self, rows: _Slab, i: int, place: int) -> None:
        """One fit by the engine of `curve_fit`."""
        many, fields = self.many, self.fields
        index = np.unravel_index(place, many.shape)
        data = many.observations(index)
        parameters = many.parameters(rows.start[i], rows.lb[i], rows.ub[i])
        model = copy.copy(many.model)  # a fit may change the road of its own
        if not model.on_host and (model.resolution.data_fixed and many.x_rows is not None):
            model.resolve(data.x, data.y.size, parameters.p0, np.iscomplexobj(data.y))
        outcome = solve(model, data, parameters, many.options)
        finished = Finished(model, data, parameters, many.options, outcome)
        verdict = judge(finished, many.absolute_sigma)
        fields.status[place] = int(verdict.status)
        if verdict.status is Status.NOT_FINITE:
            fields.popt[place] = fields.pcov[place] = fields.cost[place] = np.nan
            return
        fields.popt[place], fields.pcov[place] = outcome.x, verdict.pcov
        fields.cost[place], fields.rank[place] = outcome.cost, verdict.rank
        fields.active_mask[place] = verdict.active
        for name in ("nfev", "njev", "nit"):
            getattr(fields, name)[place] = getattr(outcome, name)
        if len(verdict.null_directions):
            fields.undetermined[place] = verdict.null_directions


def _key(many: Many, index):
    """What selects one fit, as a slab's key does."""
    if isinstance(many.y, Ragged):
        return np.array([index[0]])
    return (*index[:-1], slice(index[-1], index[-1] + 1))


def _positive(values):
    return np.where(values > 0, values, 1.0)


class _Slab:
    """A slab's rows, read and checked; `status` is RUNNING where a fit can begin."""

    def __init__(self, many: Many, slab: Slab, leaves: tuple):
        self.many, self.slab, self.x_leaves = many, slab, leaves
        key, m = slab.key, slab.m
        self.y = many.y.read(key)
        k = len(self.y)
        self.x = None if many.x_rows is None else many.x_rows.read(key)
        self.lb = np.broadcast_to(many.lb.read(key), (k, many.n))
        self.ub = np.broadcast_to(many.ub.read(key), (k, many.n))
        self.status = np.full(k, int(Status.RUNNING))
        absent = _absent(many, slab, self)
        self.counts = np.full(k, m) if absent is None else m - absent.sum(axis=-1)
        self.absent = absent
        self.weights = self._weigh(many, key, absent)
        self.start = self._start(many, key)
        n = sum(many.free)
        unbounded = ~np.isfinite(self.lb).any() and ~np.isfinite(self.ub).any()
        few = self.counts < n if unbounded or absent is not None else self.counts < 1
        self._reject(few, Status.TOO_FEW_POINTS)
        inside = (self.start >= self.lb) & (self.start <= self.ub) | ~np.array(many.free)
        self._reject(~(np.isfinite(self.start) & inside).all(axis=-1), Status.BAD_START)
        self._reject(~(self.lb <= self.ub).all(axis=-1), Status.BAD_BOUNDS)

    def _reject(self, rows, status: Status) -> None:
        self.status[rows] = int(status)

    def _weigh(self, many: Many, key, absent):
        """(k, m) weights of each fit, (m,) of all, or None."""
        if many.sigma is None:
            return None if absent is None else np.where(absent, 0.0, 1.0)
        sigma = many.sigma.read(key)
        if many.sigma.shared and absent is None:
            return np.broadcast_to(1 / sigma[0], self.slab.m)
        sigma = np.broadcast_to(sigma, self.y.shape)
        if absent is not None:
            sigma = np.where(absent, 1.0, sigma)
        good = sigma > 0
        self._reject(~good.all(axis=-1), Status.BAD_SIGMA)
        weights = 1 / np.where(good, sigma, 1.0)
        return weights if absent is None else np.where(absent, 0.0, weights)

    def _start(self, many: Many, key) -> np.ndarray:
        k, n = len(self.y), many.n
        if callable(many.start):
            start = self._guesses(many, k, n)
        else:
            start = np.array(np.broadcast_to(many.start.read(key), (k, n)), float)
        for j, values in many.fixed.items():
            start[:, j] = values.read(key)
        return start

    def _guesses(self, many: Many, k: int, n: int) -> np.ndarray:
        start = np.empty((k, n))
        for i in range(k):
            x = many.x if self.x is None else self.x[i]
            y, here = self.y[i], slice(None)
            if self.absent is not None:
                here = ~self.absent[i]
                whole = isinstance(x, np.ndarray) and x.shape[-1:] == here.shape
                x = x[..., here] if whole else x
                y = y[here] if whole else y
            guess = np.asarray(many.start(x, y), float)
            if guess.shape != (n,):
                raise ValueError(
                    f"p0(x, y) must return {n} numbers, one for each of {', '.join(many.names)}; it "
                    f"returned an array of shape {guess.shape}."
                )
            start[i] = guess
        return start


def _absent(many: Many, slab: Slab, rows: _Slab):
    """(k, m) True where a fit has no point; None when all have all."""
    if not (isinstance(many.y, Ragged) or many.omit):
        return None
    absent = np.zeros(rows.y.shape, bool)
    if isinstance(many.y, Ragged):
        absent |= np.arange(slab.m) >= many.y.lengths[slab.key][:, None]
    if many.omit:
        absent |= np.isnan(rows.y)
        x = many.x if rows.x is None else rows.x
        if isinstance(x, np.ndarray) and x.shape[-1] == slab.m:
            missing = np.isnan(x)
            axes = tuple(range(0 if rows.x is None else 1, missing.ndim - 1))
            absent |= missing.any(axis=axes)
    return absent


class _Buffers:
    """A slab's fits as operands of the program; those still running move up when others are done.

    Rows of the model's points lie along the first axis, lanes' numbers along the last.
    """

    def __init__(self, rows: _Slab, form: lanes.Form, size: program.Sizes, chosen: np.ndarray):
        many, m, self._taken = rows.many, rows.slab.m, []
        dtype, free = many.dtype, np.array(form.free)
        self._phase = lanes.places(form.n).phase

        def points(array):
            """(slab, ..., capacity) of (k, ..., m), the points beyond m of any value."""
            array = array[chosen]
            buffer = self._allocate((size.slab, *array.shape[1:-1], size.capacity), dtype)
            buffer[: len(chosen), ..., :m] = array
            return buffer

        def numbers(array):
            """(n, slab) of (k, n)."""
            buffer = self._allocate((array.shape[1], size.slab), dtype)
            buffer[:, : len(chosen)] = array[chosen].T
            return buffer

        y = rows.y if rows.absent is None else np.where(rows.absent, 0.0, rows.y)
        self._y = points(y)
        self._weights = None
        if form.weighted == "lanes":
            self._weights = points(rows.weights)
        elif form.weighted:
            self._weights = _stretched(rows.weights, -1, size.capacity).astype(dtype)
        if form.per_fit_x:
            x = rows.x if rows.absent is None else _filled(rows.x, rows.absent)
            self._leaves = (points(x),)
        else:
            self._leaves = tuple(
                leaf if axis is None else _stretched(leaf, axis, size.capacity)
                for leaf, axis in zip(rows.x_leaves, form.axes, strict=True)
            )
        self._fixed = None if free.all() else numbers(rows.start[:, ~free])
        self._lb = self._ub = None
        if form.bounded:
            self._lb, self._ub = numbers(rows.lb[:, free]), numbers(rows.ub[:, free])
        self._state = numbers(lanes.start(rows.start[:, free].T.astype(dtype)).T)

    def _allocate(self, shape, dtype) -> np.ndarray:
        self._taken.append(manager.pool.allocate(shape, dtype))
        return self._taken[-1]

    def operands(self, count: int, blocks: int, numbers: np.ndarray) -> tuple:
        """What the program takes for the first `count` fits."""
        beyond = slice(count, blocks * LANES)
        self._state[:, beyond] = self._state[:, :1]
        self._state[self._phase, beyond] = DONE
        rest = self._fixed, self._lb, self._ub
        return self._leaves, self._y, self._weights, *rest, numbers, self._state, blocks

    def keep(self, left: np.ndarray, state: np.ndarray) -> None:
        """Go on with the fits `left`, from `state`."""
        for buffer in self._taken:
            if buffer is self._state:
                buffer[:, : left.size] = state[:, left]
            elif buffer is self._fixed or buffer is self._lb or buffer is self._ub:
                buffer[:, : left.size] = buffer[:, left]
            else:
                buffer[: left.size] = buffer[left]

    def release(self) -> None:
        """Give the buffers back."""
        manager.pool.release(self._taken)


def _stretched(array: np.ndarray, axis: int, length: int) -> np.ndarray:
    """`array` with its last element along `axis` repeated up to `length`."""
    missing = length - array.shape[axis]
    if not missing:
        return np.ascontiguousarray(array)
    last = np.take(array, [-1], axis)
    return np.concatenate([array, np.repeat(last, missing, axis)], axis)


def _filled(x: np.ndarray, absent: np.ndarray) -> np.ndarray:
    """x (k, ..., m) with a point that is there, the first, in place of those that are not."""
    first = np.argmin(absent, axis=-1)
    at = first.reshape(-1, *[1] * (x.ndim - 1))
    here = np.take_along_axis(x, np.broadcast_to(at, (*x.shape[:-1], 1)), axis=-1)
    missing = absent.reshape(len(x), *[1] * (x.ndim - 2), -1)
    return np.where(missing, here, x)
