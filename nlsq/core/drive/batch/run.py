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
import pathlib
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import jax
import numpy as np

from nlsq.config import double_precision
from nlsq.core.drive.batch import exact, program
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.drive.batch.operands import Operands, stretched
from nlsq.core.drive.batch.results import Results, fits_lanes, limits
from nlsq.core.drive.batch.rows import Ragged, Slab, ragged_slabs, slabs
from nlsq.core.drive.batch.state import DONE, LANES, Form, Sizes, places, sizes
from nlsq.core.model.identity.walk import model_key
from nlsq.core.passes.layout import LENGTHS
from nlsq.device import usable_cores
from nlsq.utils import interruption

_PART = 4  # of a slab: what waits is run on when there is as much
_CALL = 50  # passes over a block that take as long as a call of the program by itself
_SINGLE_RANGE = 1e9  # residuals beyond have squares that single precision cannot sum


def lengths_shown(many: Many) -> set[int]:
    """Numbers of points: of the fits, and those that programs show a pointwise model at once."""
    points = set(many.y.lengths.tolist()) if isinstance(many.y, Ragged) else {many.m}
    capacities = {sizes(m, True).capacity for m in points}
    return {1, *points, *capacities, *LENGTHS}


class Batch(Results):
    """One call's work by programs."""

    def __init__(self, many: Many, folder: pathlib.Path | None = None):
        super().__init__(many, folder)
        self._pointwise = many.model.info.pointwise
        x = self._x.given
        shared = isinstance(x, np.ndarray) and x.ndim == 1 and many.x_rows is None
        self._ordered = not shared or bool((x[1:] >= x[:-1]).all())
        self._in_lanes = (
            not many.model.on_host
            and many.options.backend != "numpy"
            and not (many.model.resolution.data_fixed and many.x_rows is not None)
            and (self._pointwise or not (many.omit or isinstance(many.y, Ragged)))
            and fits_lanes(many)
        )
        self._mine = threading.local()  # each thread has a device
        # by capacity: lots of fits that are running, after one call of the program and after more,
        # and of those at a minimum but not exact
        self._waiting: dict[int, list[Lot]] = defaultdict(list)
        self._hard: dict[int, list[Lot]] = defaultdict(list)
        self._inexact: dict[int, list[Lot]] = defaultdict(list)
        self._unread = self._busy = 0  # slabs; threads at one
        self._lock, self._at_hard = threading.Lock(), threading.Lock()

    def run(self, advance: Callable[[int], None], deadline: float) -> None:
        """Fit everything until `deadline` or Ctrl-C; advance(k) hears of k more fits."""
        self._deadline = deadline
        if self.many.options.backend == "numpy":  # here, where a debugger looks
            for slab in self._slabs(1):
                advance(self._fit_slab(slab))
            return
        devices = jax.devices()
        workers = self.many.threads or max(usable_cores(), len(devices))
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
        self._blank_rest()

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

    def _sizes(self, m: int) -> Sizes:
        return sizes(int(m), self._pointwise)

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
        lot, count = self._read(slab)
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
        run = program.exact_program(
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
        leave = LANES // 4 if blocks > 1 else 0  # what four blocks leave fills one
        rest = leave, _CALL // blocks, self._ordered
        return np.array([lot.m, *limits(self.many, n), *rest], float)
