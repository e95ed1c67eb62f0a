"""Fit all rows in plain NumPy: lanes as wide as a slab, those that are done taken out on the way.

The functions of `lanes` that a program is made of run here as they are read. What lanes cannot
judge goes to the engine of a single fit, as in `run`; so do fits whose Gram matrix has too few
digits.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from nlsq.config import backend
from nlsq.core.drive.batch import algebra, lanes
from nlsq.core.drive.batch import state as states
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.drive.batch.results import Results, fits_lanes, limits
from nlsq.core.drive.batch.rows import Ragged, Slab, ragged_slabs, slabs
from nlsq.core.drive.batch.stacked import Stack, suspicious
from nlsq.core.drive.batch.state import DONE, Data, Form, Numbers, answer_places, places, sizes
from nlsq.core.drive.roads import choose_road
from nlsq.core.problem.parameters import interior_starts
from nlsq.core.verdict.finished import Finished
from nlsq.utils import interruption

_ELEMENTS, _WIDEST = 1 << 17, 1 << 12  # points times fits of a slab, and fits
_FEW = 8  # fits, of which none is taken out
_PASSES = 4000  # of single fits, which take as long as a compiler
IN_NUMPY = "many fits at once in NumPy take less time than a compiler"


class Interpreted(Results):
    """One call's work in NumPy.

    Raises (from `run`)
    ------
    Unstackable
        The model cannot be evaluated at many fits at once; what was written is to be dropped.
    """

    def __init__(self, many: Many, folder: pathlib.Path | None = None, stack: type = Stack):
        model = many.model.twin()
        model.use_host(IN_NUMPY, "exact, by dual numbers")
        model.by_duals = model.interpreted = True
        first = many.first()[1]
        model.bounds = first.lb, first.ub
        super().__init__(dataclasses.replace(many, model=model), folder)
        self._stack, self._alone, self._passes = stack, None, 0
        self._as_given = many

    def run(self, advance: Callable[[int], None], deadline: float) -> None:
        """Fit everything until `deadline` or Ctrl-C; advance(k) hears of k more fits."""
        self._deadline = deadline
        with interruption.deferred(), np.errstate(all="ignore"):
            try:
                for slab in self._slabs():
                    if self._over():
                        break
                    advance(self._fit(slab))
                    interruption.check()
            except KeyboardInterrupt:
                pass  # the status of the others says so
        self._blank_rest()

    def _slabs(self):
        many = self.many
        if isinstance(many.y, Ragged):
            return ragged_slabs(many.y.lengths, lambda m: sizes(int(m), True), self._width(many.m))
        return slabs(many.shape, self._width(many.m), many.m)

    def _width(self, m: int) -> int:
        return min(max(_ELEMENTS // m, 1), _WIDEST)

    def _fit(self, slab: Slab) -> int:
        """Fit a slab; how many fits were done."""
        many = self.many
        lot, count = self._read(slab)
        if many.bounded:
            closed = (np.array(many.free) & (lot.lb >= lot.ub)).any(axis=-1)
            if closed.any():
                count += self._fit_alone(lot.take(np.flatnonzero(closed)))
                lot = lot.take(np.flatnonzero(~closed))
        if not len(lot):
            return count
        form = Form(many.free, many.bounded, "", (), False, None, lot.m, True)
        state, answers = self._lanes(lot, form)
        aside = self._write(lot, np.arange(len(lot)), state, answers, form)
        rest = np.concatenate(aside)
        return count + len(lot) - len(rest) + (self._fit_alone(lot.take(rest)) if rest.size else 0)

    def _task(self, lot: Lot, i: int) -> tuple:
        """As `Results._task`; of a model that runs in programs when NumPy has had its share."""
        task = super()._task(lot, i)
        if backend() == "numpy" or self._passes < _PASSES:
            return task
        many = self._as_given
        if self._alone is None:
            self._alone = many.model
            choose_road(self._alone, *many.first(), many.options)
        model = self._alone.twin()
        model.bounds = task[0].bounds
        return model, *task[1:]

    def _record(self, place: int, finished: Finished) -> None:
        super()._record(place, finished)
        self._passes += int(self.fields.nfev[place])

    def _lanes(self, lot: Lot, form: Form) -> tuple[np.ndarray, np.ndarray]:
        """(state, answers) of the lanes at their ends, as the program's."""
        at, free = places(form.n), np.array(form.free)
        lb, ub = lot.lb[:, free].T, lot.ub[:, free].T
        x = lot.start[:, free]
        if form.bounded:
            x = interior_starts(x, lb.T, ub.T)
        state = np.empty((len(algebra.leaves(at)), len(lot)))
        answers = np.empty((len(algebra.leaves(answer_places(form))), len(lot)))
        states.start(state, x.T)
        whole = stack = self._stack(self.many, lot, self._x.given)
        running = np.arange(len(lot))
        while running.size:
            leave = 3 * running.size // 4 if running.size > _FEW else 0
            numbers = Numbers(lot.m, *limits(self.many, form.n), leave, 0, 1.0)
            data = Data((), lot.y, None, (), lb[:, running], ub[:, running])
            rows = algebra.shaped(at, iter(state[:, running]))
            found, answer = lanes.fit_block(stack.reduce, form, data, numbers, rows)
            state[:, running] = np.stack(algebra.leaves(found))
            answers[:, running] = np.stack(algebra.leaves(answer))
            going = np.flatnonzero(found.phase < DONE)
            running, stack = running[going], stack.take(going)
            interruption.check()
        r = whole.require_ends(state[list(at.x)], state[at.cost])
        left = suspicious(self.many, whole, r, state[at.cost]) & (state[at.status] > 0)
        state[at.left, left] = 1
        return state, answers


def is_for(many: Many) -> bool:
    """Whether the fits are of a kind that NumPy's lanes are for."""
    options = many.options
    plain = options.jac is None and not callable(options.loss) and many.dtype == np.float64
    x = many.x
    divisible = many.x_rows is not None or isinstance(x, np.ndarray) or not many.omit
    return plain and divisible and fits_lanes(many)
