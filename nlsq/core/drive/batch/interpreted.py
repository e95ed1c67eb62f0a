"""Fit all rows in plain NumPy: lanes as wide as a slab, those that are done taken out on the way.

The functions of `lanes` that a program is made of run here as they are read. What lanes cannot
judge goes to the engine of a single fit, as in `run`; so do fits whose Gram matrix has too few
digits.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable

import numpy as np

from nlsq.core.algebra.packing import leaves_of, like
from nlsq.core.drive import host
from nlsq.core.drive.batch import exact, lanes
from nlsq.core.drive.batch import state as states
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.drive.batch.renting import rents_alone
from nlsq.core.drive.batch.results import Results, limits
from nlsq.core.drive.batch.rows import Ragged, Slab, ragged_slabs, slabs
from nlsq.core.drive.batch.stacked import Stack, suspicious
from nlsq.core.drive.batch.state import (
    DONE,
    Data,
    Form,
    Numbers,
    answer_places,
    places,
    sizes,
)
from nlsq.core.drive.buying import NOT_YET
from nlsq.core.drive.roads import choose_road
from nlsq.core.loop import loop
from nlsq.core.loop.state import numbers, running, setup_packing, state_packing
from nlsq.core.problem.parameters import interior_starts
from nlsq.core.verdict.finished import Finished
from nlsq.utils import interruption

_ELEMENTS = 1 << 17  # points times fits of a slab
_FEW = 8  # fits, of which none is taken out


class Interpreted(Results):
    """One call's work in NumPy.

    Parameters
    ----------
    stack : type or None
        What makes the passes of lanes; None: the fits are made one by one.

    Raises (from `run`)
    ------
    Unstackable
        The model cannot be evaluated at many fits at once; what was written is to be dropped.
    """

    def __init__(self, many: Many, folder: pathlib.Path | None = None, stack: type | None = Stack):
        model = many.model.twin()
        model.interpret(NOT_YET, final=False)
        first = many.first()[1]
        model.bounds = first.lb, first.ub
        super().__init__(dataclasses.replace(many, model=model), folder)
        self._stack, self._as_given = stack, many
        widest = stack.WIDEST if stack else Stack.WIDEST
        self.width = min(max(_ELEMENTS // many.m, 1), widest)
        self._odd: list[Lot] = []  # which lanes cannot judge, or are not for

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
                self._fit_odd(advance)
            except KeyboardInterrupt:
                pass  # the status of the others says so
        self._blank_rest()

    def _slabs(self):
        many = self.many
        if isinstance(many.y, Ragged):
            return ragged_slabs(many.y.lengths, lambda m: sizes(int(m), True), self.width)
        return slabs(many.shape, self.width, many.m)

    def _fit(self, slab: Slab) -> int:
        """Fit a slab; how many fits were done."""
        many = self.many
        lot, count = self._read(slab)
        if self._stack is None:
            self._odd.append(lot)
            return count
        if many.bounded:
            closed = (np.array(many.free) & (lot.lb >= lot.ub)).any(axis=-1)
            if closed.any():
                self._odd.append(lot.take(np.flatnonzero(closed)))
                lot = lot.take(np.flatnonzero(~closed))
        if not len(lot):
            return count
        form = Form(many.free, many.bounded, "", (), False, None, lot.m, True)
        state, answers = self._lanes(lot, form)
        inexact, odd = self._write(lot, np.arange(len(lot)), state, answers, form)
        if odd.size:
            self._odd.append(lot.take(odd))
        count += len(lot) - len(inexact) - len(odd)
        return count + (self._finish(lot.take(inexact, state)) if inexact.size else 0)

    def _finish(self, lot: Lot) -> int:
        """Finish fits at a minimum with all digits, as `exact.finish`; how many."""
        many, method = self.many, exact.method_of(self.many)
        setups, states = exact.begun(many, lot, method)
        packing = state_packing(method)
        for i, (flat, vector) in enumerate(zip(setups, states, strict=True)):
            if self._over():
                return 0
            setup, state = numbers(setup_packing(method.n).tree(flat)), packing.tree(vector)
            evaluations = host.Evaluations(many.model.twin(), self._observations(lot, i), False)
            make_pass = host.whole_pass(evaluations, many.options, setup)
            while running(state):
                state = loop.advance(state, make_pass(state), setup, method, True)
            states[i] = packing.vector(state, np)
        plain, answers = exact.answers(many, lot, states, method)
        for name, values in answers.items():
            getattr(self.fields, name)[lot.places[plain]] = values
        if len(plain) < len(lot):
            self._odd.append(lot.take(np.setdiff1d(np.arange(len(lot)), plain)))
        return len(plain)

    def _fit_odd(self, advance: Callable[[int], None]) -> None:
        """Fit those that lanes cannot judge; many of them by programs, which are bought then."""
        if self._stack is None or rents_alone(self.many, sum(map(len, self._odd))):
            self._fit_each(advance)
            return
        many = self._as_given
        choose_road(many.model, *many.first(), many.options)
        interpreted, self.many = self.many, many
        try:
            self._fit_each(advance)
        finally:
            self.many = interpreted

    def _fit_each(self, advance: Callable[[int], None]) -> None:
        for lot in self._odd:
            advance(self._fit_alone(lot))
            interruption.check()

    def _task(self, lot: Lot, i: int) -> tuple:
        model, *rest = super()._task(lot, i)
        if self._stack is None:  # on the road of a fit by itself
            model = self._as_given.model.twin()
            choose_road(model, *rest, at_once=True)
        return model, *rest

    def _record(self, place: int, finished: Finished) -> None:
        super()._record(place, finished)
        if self._stack is None:
            self.many.model = finished.model  # which evaluates what is asked of the results

    def _lanes(self, lot: Lot, form: Form) -> tuple[np.ndarray, np.ndarray]:
        """(state, answers) of the lanes at their ends, as the program's."""
        at, stack = places(form.n), self._stack(self.many, lot, self._x.given)
        state, answers = to_ends(stack, form)
        r = stack.require_ends(state[list(at.x)], state[at.cost])
        left = suspicious(self.many, stack, r, state[at.cost]) & (state[at.status] > 0)
        state[at.left, left] = 1
        return state, answers


def to_ends(stack: Stack, form: Form, polished: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """(state, answers) of a stack's lanes at their ends, as the program's.

    polished: whether ends have all digits, or are left where the tests of convergence hold.

    Raises
    ------
    Unstackable
        The model cannot be evaluated at many fits at once.
    """
    lot, at, free = stack.lot, places(form.n), np.array(form.free)
    lb, ub = lot.lb[:, free].T, lot.ub[:, free].T
    x = lot.start[:, free]
    if form.bounded:
        x = interior_starts(x, lb.T, ub.T)
    state = np.empty((len(leaves_of(at)), len(lot)))
    answers = np.empty((len(leaves_of(answer_places(form))), len(lot)))
    states.start(state, x.T)
    at_work, deadline = np.arange(len(lot)), stack.many.options.deadline
    while at_work.size:
        leave = 3 * at_work.size // 4 if at_work.size > _FEW else 0
        leave, passes = (leave, 0) if polished else (at_work.size, 1)
        if deadline is not None:  # look at the clock
            leave, passes = at_work.size, 1
        shared = Numbers(lot.m, *limits(stack.many, form.n), leave, passes, 1.0)
        data = Data((), lot.y, None, (), lb[:, at_work], ub[:, at_work])
        rows = like(at, state[:, at_work])
        found, answer = lanes.fit_block(stack.reduce, form, data, shared, rows)
        state[:, at_work] = np.stack(leaves_of(found))
        answers[:, at_work] = np.stack(leaves_of(answer))
        going = np.flatnonzero(found.phase < (DONE if polished else states.POLISH))
        at_work, stack = at_work[going], stack.take(going)
        interruption.check()
        if deadline is not None and time.monotonic() > deadline:
            break
    return state, answers


def is_for(many: Many) -> bool:
    """Whether the fits are of a kind that NumPy takes as well as programs."""
    options = many.options
    plain = options.jac is None and not callable(options.loss) and many.dtype == np.float64
    divisible = many.x_rows is not None or isinstance(many.x, np.ndarray) or not many.omit
    return plain and divisible
