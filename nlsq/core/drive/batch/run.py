"""Fit all rows: slabs to threads, their fits to lanes, and to the single fit's engine what is left.

A thread reads a slab and runs its fits in lanes until most are done. The others wait until those
of some slabs fill a part of one, so that a few hard fits never hold up the rest. So do
those for which lanes have too few digits (`lanes.Answer.pivot`); `exact` takes them from where they
ended. When no slab is left to read, each thread that becomes free takes its share of those that
wait. The engine of a single fit takes, from their start, those of which lanes cannot judge
(`lanes.Lanes.left`; a fit that did not converge, a start at which only the derivative is not
finite, a flat model). What the engine is asked is what `curve_fit` asks, so that a fit has one
answer.
"""

from __future__ import annotations

import itertools
import math
import pathlib
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from types import SimpleNamespace

import jax
import numpy as np

from nlsq.config import double_precision
from nlsq.core.drive.batch import algebra, exact, lanes, program
from nlsq.core.drive.batch.exact import noise_variances
from nlsq.core.drive.batch.fields import COUNTS, Fields
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.drive.batch.operands import Operands, stretched
from nlsq.core.drive.batch.rows import Ragged, Slab, ragged_slabs, slabs
from nlsq.core.drive.batch.state import DONE, LANES, Form, places
from nlsq.core.drive.solve import solve
from nlsq.core.loop.status import Status
from nlsq.core.loss_functions import scale_rows
from nlsq.core.model.identity.walk import model_key
from nlsq.core.passes.layout import LENGTHS
from nlsq.core.problem.observations import Observations
from nlsq.core.verdict.covariance import Spectrum
from nlsq.core.verdict.finished import Finished
from nlsq.core.verdict.record import (
    NO_FREEDOM,
    Verdict,
    covariance_of,
    judge,
    noise_variance,
    record,
)
from nlsq.core.verdict.response import ROUNDING, WIDE
from nlsq.device import usable_cores
from nlsq.interfaces.orchestration_protocol import CovarianceResult
from nlsq.result import CurveFitResult
from nlsq.utils import interruption

# More parameters or points than this are the single fit's business: its passes are long enough.
MOST_PARAMETERS, MOST_POINTS = 12, 1 << 12
_PART = 4  # of a slab: what waits is run on when there is as much
_CALL = 50  # passes over a block that take as long as a call of the program by itself
_SHORT = 30  # steps after which a fit that needs more digits has not lost its way
_SINGLE_RANGE = 1e9  # residuals beyond have squares that single precision cannot sum
_LEAST_TOLERANCE = {np.dtype(np.float64): 0.0, np.dtype(np.float32): 1e-6}


def lengths_shown(many: Many) -> set[int]:
    """Numbers of points: of the fits, and those that programs show a pointwise model at once."""
    points = set(many.y.lengths.tolist()) if isinstance(many.y, Ragged) else {many.m}
    capacities = {program.sizes(m, True).capacity for m in points}
    return {1, *points, *capacities, *LENGTHS}


def _improbable(state, done, answers, scale, form: Form) -> np.ndarray:
    """(k,) where `response` would take a closer look, for the lanes `done`."""
    at, found = places(form.n), program.answer_places(form)
    diagonal = [row for row, (i, j) in enumerate(algebra.pairs(form.n)) if i == j]
    hidden, answer = 2 * state[at.cost, done], np.zeros(len(done), bool)
    each = [(state[x, done] ** 2, diagonal[i]) for i, x in enumerate(at.x)]
    extents = [state[at.G[row], done] * square for square, row in each]
    for extent in extents:
        hidden += extent
    hidden *= ROUNDING**2
    with np.errstate(invalid="ignore"):
        for extent, (square, row) in zip(extents, each, strict=True):
            wide = answers[found.inverse[row]] * scale > WIDE**2 * square
            answer |= wide | (extent < hidden)
    return answer & np.isfinite(scale)


class Batch:
    """One call's work."""

    def __init__(self, many: Many, folder: pathlib.Path | None = None):
        self.many = many
        self.fields = Fields(many.size, many.n, folder)
        data, _ = many.first()
        self._x = data.x
        self._pointwise = many.model.info.pointwise
        x = data.x.given
        shared = isinstance(x, np.ndarray) and x.ndim == 1 and many.x_rows is None
        self._ordered = not shared or bool((x[1:] >= x[:-1]).all())
        self._in_lanes = (
            not many.model.on_host
            and many.options.backend != "numpy"
            and not (many.model.resolution.data_fixed and many.x_rows is not None)
            and (self._pointwise or not (many.omit or isinstance(many.y, Ragged)))
            and sum(many.free) <= MOST_PARAMETERS
            and many.m <= MOST_POINTS
            and not np.iscomplexobj(data.y)
        )
        self._stop = threading.Event()
        self._mine = threading.local()  # each thread has a device
        # by capacity: lots of fits that are running, after one call of the program and after more,
        # and of those at a minimum but not exact
        self._waiting: dict[int, list[Lot]] = defaultdict(list)
        self._hard: dict[int, list[Lot]] = defaultdict(list)
        self._inexact: dict[int, list[Lot]] = defaultdict(list)
        self._unread = self._busy = 0  # slabs; threads at one
        self._deadline = math.inf
        self._lock, self._at_hard = threading.Lock(), threading.Lock()

    def run(self, advance: Callable[[int], None], deadline: float) -> None:
        """Fit everything until `deadline` or Ctrl-C; advance(k) hears of k more fits."""
        self._deadline = deadline
        if self.many.options.backend == "numpy":  # here, where a debugger looks
            for slab in self._slabs(1):
                advance(self._fit_slab(slab))
            return
        devices = jax.devices()
        workers = max(usable_cores(), len(devices))
        turn = itertools.cycle(devices)

        def begin():
            self._mine.device = next(turn)

        pool = ThreadPoolExecutor(workers, initializer=begin)
        with interruption.deferred(), pool:
            try:
                read = list(self._slabs(workers))
                self._unread = len(read)
                pending = {pool.submit(self._fit_slab, slab) for slab in read}
                while pending:
                    done, pending = wait(pending, 0.2, FIRST_COMPLETED)
                    interruption.check()
                    for future in done:
                        advance(future.result())
            except KeyboardInterrupt:
                pass  # the status of the others says so
            finally:
                self._stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
        self.fields.blank(np.flatnonzero(self.fields.status == int(Status.NOT_REACHED)))

    def _over(self) -> bool:
        """Whether to begin nothing more."""
        return self._stop.is_set() or time.monotonic() > self._deadline

    def _slabs(self, workers: int):
        many = self.many
        share = -(-many.size // workers)
        most = max(-(-share // LANES) * LANES, LANES) if self._in_lanes else max(share // 8, 1)
        if isinstance(many.y, Ragged):
            return ragged_slabs(many.y.lengths, self._sizes, most)
        slab = self._sizes(many.m).slab
        if self._in_lanes and share > slab:  # as many for each thread, all of one size
            slab = -(-share // -(-share // slab) // LANES) * LANES
        return slabs(many.shape, min(most, slab), many.m)

    def _sizes(self, m: int) -> program.Sizes:
        return program.sizes(int(m), self._pointwise)

    # ------------------------------------------------------------------------ a thread's work

    def _fit_slab(self, slab: Slab) -> int:
        """Fit a slab, and some of those that wait; how many fits were done."""
        with self._lock:
            self._unread, self._busy = self._unread - 1, self._busy + 1
        try:
            return 0 if self._over() else self._read_and_fit(slab)
        finally:
            with self._lock:
                self._busy -= 1

    def _read_and_fit(self, slab: Slab) -> int:
        fields = self.fields
        lot, status = self.many.read(slab)
        fields.n_points[lot.places] = self.many.residuals(lot.counts)
        failed = status != int(Status.RUNNING)
        if failed.any():
            fields.status[lot.places[failed]] = status[failed]
            fields.blank(lot.places[failed])
            lot = lot.take(np.flatnonzero(~failed))
        count = int(failed.sum())
        if not self._in_lanes:
            return count + self._fit_alone(lot)
        alone = np.zeros(len(lot), bool)
        if self.many.bounded:
            alone |= (np.array(self.many.free) & (lot.lb >= lot.ub)).any(axis=-1)
        if self.many.dtype == np.float32:
            size = np.abs(lot.y if lot.weights is None else lot.y * lot.weights)
            size = np.fmax.reduce(size, axis=-1)
            alone |= (size < 1 / _SINGLE_RANGE) | (size > _SINGLE_RANGE)
        if alone.any():
            count += self._fit_alone(lot.take(np.flatnonzero(alone)))
            lot = lot.take(np.flatnonzero(~alone))
        if len(lot):
            count += self._fit_lanes(lot)
        while not self._over() and (done := self._fit_waiting()) is not None:
            count += done
        return count

    def _fit_waiting(self) -> int | None:
        """Fit some of those that wait, how many were done; None when it is not yet their turn.

        The hard ones first, since the last of them decide when all are done; but by one thread,
        as those that others leave can join them.
        """
        if self._at_hard.acquire(blocking=False):
            try:
                if (lot := self._draw(self._hard, LANES)) is not None:
                    return self._fit_lanes(lot)
            finally:
                self._at_hard.release()
        for waiting in (self._waiting, self._hard):
            if (lot := self._draw(waiting, LANES)) is not None:
                return self._fit_lanes(lot)
        if (lot := self._draw(self._inexact, exact.WIDTH, exact.ENOUGH)) is not None:
            return self._finish(lot)
        return None

    def _draw(self, waiting: dict[int, list[Lot]], block: int, enough: int = 0) -> Lot | None:
        """Lots that wait, if they fill a part of a slab or are `enough` fits.

        When all slabs are read, a thread's share of what is left, but not less than a block.
        """
        with self._lock:
            for lots in waiting.values():
                if count := self._share(lots, block, enough):
                    drawn = lots[:count]
                    del lots[:count]
                    break
            else:
                return None
        return Lot.join(drawn)

    def _share(self, lots: list[Lot], block: int, enough: int) -> int:
        """How many of the lots `_draw` may take."""
        if not lots:
            return 0
        sums, slab = np.cumsum([len(lot) for lot in lots]), self._sizes(lots[0].m).slab
        least = enough or slab // _PART
        if self._unread and sums[-1] < least:
            return 0
        share = least if self._unread else max(-(-sums[-1] // self._busy), block)
        return max(min(np.searchsorted(sums, share) + 1, (sums <= slab).sum()), 1)

    def _fit_lanes(self, lot: Lot) -> int:
        """Run a lot until few of its fits are running, which then wait; how many are done."""
        form = self._form(lot)
        with double_precision(), jax.default_device(self._mine.device):
            state, answers = self._run(lot, form)
        running = state[places(form.n).phase, : len(lot)] < DONE
        done, left = np.flatnonzero(~running), np.flatnonzero(running)
        inexact, odd = self._write(lot, done, state, np.take(answers, done, axis=1), form)
        if odd.size:
            self._fit_alone(lot.take(odd))
        running_on = self._waiting if lot.state is None else self._hard
        for kind, waiting in ((left, running_on), (inexact, self._inexact)):
            if kind.size:
                waits = lot.take(kind, state)
                with self._lock:
                    waiting[self._sizes(lot.m).capacity].append(waits)
        return len(done) - len(inexact)

    def _finish(self, lot: Lot) -> int:
        """Finish fits at a minimum with all digits; how many."""
        many, form, fields = self.many, self._form(lot), self.fields
        method = exact.method_of(many)
        run = exact.exact_program(
            (many.model.program_key, model_key(many.options.loss)),
            lambda: many.model.traceable(self._x),
            form, many.options.loss_function, method,
        )  # fmt: skip
        leaves = self._leaves(form) if lot.x is None else ()
        count = 0
        for piece in lot.split(-(-len(lot) // exact.WIDTH)):
            if self._over():
                return count
            with double_precision(), jax.default_device(self._mine.device):
                states = exact.finish(run, many, form, leaves, piece)
            plain, answers = exact.answers(many, piece, states, method)
            for name, values in answers.items():
                getattr(fields, name)[piece.places[plain]] = values
            rest = np.setdiff1d(np.arange(len(piece)), plain)
            count += len(plain) + self._fit_alone(piece.take(rest))
        return count

    def _run(self, lot: Lot, form: Form) -> tuple[np.ndarray, np.ndarray]:
        """(state, answers) of a lot's lanes after one call of the program; a slab long."""
        many, slab = self.many, self._sizes(lot.m).slab
        run = program.slab_program(
            (many.model.program_key, model_key(many.options.loss)),
            lambda: many.model.traceable(self._x),
            form, many.options.loss_function, slab, many.dtype,
        )  # fmt: skip
        blocks = -(-len(lot) // LANES)
        with Operands(lot, form, slab, many.dtype) as given:
            leaves = self._leaves(form) if lot.x is None else (given.x,)
            made = run(
                leaves, given.y, given.weights, given.fixed, given.lb, given.ub,
                self._numbers(lot, form.n, blocks), given.state, blocks,
            )  # fmt: skip
            state, answers = map(np.asarray, made)  # waits for them
        return state, answers

    def _form(self, lot: Lot) -> Form:
        many = self.many
        fixed = many.model.resolution.data_fixed
        return Form(
            free=many.free,
            bounded=many.bounded,
            weighted="" if lot.weights is None else ("lanes", "shared")[lot.weights.ndim == 1],
            axes=() if fixed else self._x.axes,
            per_fit_x=lot.x is not None,
            treedef=jax.tree.structure(None) if fixed else self._x.treedef,
            capacity=self._sizes(lot.m).capacity,
            pointwise=self._pointwise,
        )

    def _leaves(self, form: Form) -> tuple:
        return tuple(
            leaf if axis is None else stretched(leaf, axis, form.capacity)
            for leaf, axis in zip(self._x.leaves, form.axes, strict=False)
        )

    def _numbers(self, lot: Lot, n: int, blocks: int) -> np.ndarray:
        many, options = self.many, self.many.options
        tolerances = (
            max(t or 0.0, _LEAST_TOLERANCE[many.dtype])
            for t in (options.ftol, options.xtol, options.gtol)
        )
        budget = options.max_nfev or 200 * (n + 1)
        leave = LANES // 4 if blocks > 1 else 0  # what four blocks leave fills one
        rest = options.f_scale, leave, _CALL // blocks, self._ordered
        return np.array([lot.m, *tolerances, budget, *rest], float)

    def _write(self, lot: Lot, done, state, answers, form: Form):
        """Results of the lanes `done` into the fields, but for two kinds, of which the indices.

        Fits whose Gram matrix has too few digits, and fits of which lanes cannot judge.
        """
        many, fields = self.many, self.fields
        at, found = places(form.n), program.answer_places(form)
        status, cost = state[at.status, done].astype(int), state[at.cost, done].astype(float)
        eps = np.finfo(many.dtype).eps
        sharp = eps <= lanes.ACCURACY[many.dtype] * answers[found.pivot] ** 2
        invalid = status == int(Status.NOT_FINITE)
        odd = (state[at.left, done] > 0) | (status <= 0) & (~invalid | np.isfinite(cost))
        odd |= (status > 0) & ~(eps <= lanes.LOST[many.dtype] * answers[found.pivot] ** 2)
        scale = noise_variances(many, cost, lot.counts[done] - form.n)
        odd |= (status > 0) & _improbable(state, done, answers, scale, form)
        inexact = (status > 0) & ~sharp & ~odd
        odd |= inexact & (state[at.nit, done] > _SHORT)  # too few digits for so long a way
        inexact &= ~odd
        aside = done[inexact], done[odd]
        if (keep := ~(inexact | odd)).sum() < len(done):
            done, answers = done[keep], answers[:, keep]
            rest = status, cost, sharp, invalid, scale
            status, cost, sharp, invalid, scale = (a[keep] for a in rest)

        place, free = lot.places[done], np.flatnonzero(many.free)
        n, k = len(free), len(place)
        popt = lot.start[done]
        popt[:, free] = state[list(at.x)][:, done].T
        known = sharp & np.isfinite(scale)
        scale[~known] = 1.0
        inverse = np.where(known, answers[list(found.inverse)] * scale, np.inf)
        pcov = inverse[algebra.triangle_of_square(n)].T.reshape(k, n, n)
        if n < many.n:
            inner, pcov = pcov, np.zeros((k, many.n, many.n))
            pcov[:, free[:, None], free] = inner
        popt[invalid], pcov[invalid], cost[invalid] = np.nan, np.nan, np.nan
        fields.popt[place], fields.pcov[place], fields.cost[place] = popt, pcov, cost
        fields.status[place], fields.rank[place] = status, np.where(invalid, 0, n)
        for name in COUNTS:
            getattr(fields, name)[place] = state[getattr(at, name), done]
        for j, row in zip(free, found.active, strict=False):
            fields.active_mask[place, j] = answers[row]
        return aside

    def _fit_alone(self, lot: Lot) -> int:
        """Fits one by one, by the engine of `curve_fit`; how many."""
        for i in range(len(lot)):
            if self._over():
                return i
            task = self._task(lot, i)
            self._record(lot.places[i], Finished(*task, solve(*task)))
        return len(lot)

    def _task(self, lot: Lot, i: int) -> tuple:
        """What the engine of a single fit is asked: model, data, parameters, options."""
        many = self.many
        data = self._observations(lot, i)
        parameters = many.parameters(lot.start[i], lot.lb[i], lot.ub[i])
        model = many.model.twin()  # a fit may change the road of its own
        model.bounds = (parameters.lb, parameters.ub)
        if not (model.on_host or model.info.pointwise) and many.x_rows is not None:
            model.resolve(data.x, data.y.size, parameters.p0, np.iscomplexobj(data.y))
        return model, data, parameters, many.options

    def _record(self, place: int, finished: Finished) -> None:
        """Results of the single fit's engine into the fields."""
        fields, outcome = self.fields, finished.outcome
        found = covariance_of(finished, self.many.absolute_sigma)
        verdict = judge(finished, found)
        fields.status[place] = int(verdict.status)
        if verdict.status is Status.NOT_FINITE:
            fields.blank(place)
            return
        fields.popt[place], fields.pcov[place] = outcome.x, found.pcov
        fields.cost[place], fields.rank[place] = outcome.cost, found.rank
        fields.active_mask[place] = verdict.active
        for name in COUNTS:
            getattr(fields, name)[place] = getattr(outcome, name)
        if len(found.null_directions):
            fields.null_directions[int(place)] = found.null_directions

    def _observations(self, lot: Lot, i: int) -> Observations:
        if lot.x is not None or lot.counts[i] < lot.m:
            return self.many.observations(int(lot.places[i]))
        weights = lot.weights
        if weights is not None and weights.ndim == 2:
            weights = weights[i]
        weights = None if weights is None else np.asarray(weights, float)
        y = lot.y[i] if np.iscomplexobj(lot.y) else np.asarray(lot.y[i], float)
        return Observations(self._x, y, None, weights, None)

    # ------------------------------------------------------------------------------- one result

    def result(self, place: int) -> CurveFitResult:
        """The fit at `place` as `curve_fit` would return it."""
        many, fields = self.many, self.fields
        lot, fit = many.read_one(place)
        status = Status(int(fields.status[place]))
        data = (many.observations if fit is Status.RUNNING else many.unchecked)(place)
        parameters = many.parameters(lot.start[0], lot.lb[0], lot.ub[0])
        x, pcov = np.array(fields.popt[place]), np.array(fields.pcov[place])
        counts = {name: int(getattr(fields, name)[place]) for name in COUNTS}
        outcome = SimpleNamespace(x=x, cost=float(fields.cost[place]), tries=(), **counts)
        finished = _Written(many.model, data, parameters, many.options, outcome)
        null = fields.null_directions.get(place, np.zeros((0, many.n)))
        rank = int(fields.rank[place])
        dof = int(fields.n_points[place]) - rank
        scale = noise_variance(outcome.cost, dof, many.absolute_sigma)
        determined = pcov if math.isfinite(scale) else np.zeros_like(pcov)
        if len(null):
            J = finished.jacobian()
            spectrum = Spectrum(np.linalg.qr(J, mode="r"), ~J.any(axis=0), parameters.free > 0)
            _, determined = spectrum.covariance(scale)
        notes = [NO_FREEDOM] if status.converged and not math.isfinite(scale) else []
        active = np.array(fields.active_mask[place], int)
        undetermined = np.isinf(np.diag(pcov)) & bool(math.isfinite(scale))
        found = CovarianceResult(pcov, determined, rank, dof, null, undetermined, notes, None)
        verdict = Verdict(status, found, active, notes)
        return record(finished, verdict, many.absolute_sigma, None)


class _Written(Finished):
    """A fit of which the results are known, and not the state of an engine."""

    def __post_init__(self):
        """Nothing: the verdict says how it ended."""

    def gradient(self) -> np.ndarray:
        """J^T r of the loss-scaled rows."""
        r, loss = self.residual(), self.options.loss_function
        if loss is not None:
            with double_precision():
                _, r, _ = scale_rows(loss, self.options.f_scale, r, np.zeros((1, r.size)), np)
        return self.parameters.free * (self.jacobian().T @ np.asarray(r))
