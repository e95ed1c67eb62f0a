"""Local fits from many starts: in lanes of NumPy where the model can, else one after the other."""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Sequence

import numpy as np

from nlsq.core.drive import buying
from nlsq.core.drive.batch.interpreted import is_for, to_ends
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.drive.batch.renting import account_of
from nlsq.core.drive.batch.results import fits_lanes
from nlsq.core.drive.batch.rows import Rows, Slab
from nlsq.core.drive.batch.stacked import Singly, Stack, Unstackable
from nlsq.core.drive.batch.state import Form, places
from nlsq.core.drive.buying import NOT_YET
from nlsq.core.drive.solve import solve
from nlsq.core.loop.status import Status
from nlsq.core.problem.options import Options
from nlsq.core.problem.parameters import Parameters
from nlsq.global_optimization.differing import Differing
from nlsq.global_optimization.problem import Problem
from nlsq.global_optimization.projecting import Projected, project
from nlsq.utils import interruption
from nlsq.utils.given import WrongValue

_SOON = 15  # passes of a fit by itself, after which lanes do better
_PASSES = 40  # of a local fit, after which it is left where it is


@dataclasses.dataclass
class Ends:
    """Where local fits ended.

    Attributes
    ----------
    x : ndarray (k, n)
    cost : ndarray (k,), inf where a fit failed
    converged : ndarray of bool (k,)
    nfev : ndarray of int (k,)
    """

    x: np.ndarray
    cost: np.ndarray
    converged: np.ndarray
    nfev: np.ndarray

    @classmethod
    def at(cls, starts: np.ndarray) -> Ends:
        """Nothing fitted yet."""
        k = len(starts)
        return cls(starts.copy(), np.full(k, np.inf), np.zeros(k, bool), np.zeros(k, int))


def joined(ends: Sequence[Ends]) -> Ends:
    """All of them as one."""
    if not ends:
        return Ends.at(np.empty((0, 1)))
    return Ends(*(np.concatenate(parts) for parts in zip(*map(_parts, ends), strict=True)))


def _parts(ends: Ends) -> tuple:
    return ends.x, ends.cost, ends.converged, ends.nfev


def fit_from(problem: Problem, starts: np.ndarray, linear: np.ndarray) -> Ends:
    """Local fits from starts (k, n); `linear`: the parameters that enter linearly."""
    ends, options = None, brief(problem.options)
    if options.loss_function is not None:
        linear = linear[:0]
    many = _many(problem, starts, options)
    if many is None or not fits_lanes(many):
        ends = _one_by_one(problem, starts, options)
    elif _is_interpreted(problem, many):
        ends = _by_duals(problem, many, linear)
    if ends is None:
        return _by_differences(problem, many, linear)
    problem.evaluations += int(ends.nfev.sum())
    return ends


def _is_interpreted(problem: Problem, many: Many) -> bool:
    """Whether lanes may evaluate the model by dual numbers."""
    if problem.x is None or buying.account_of(problem.model).writes_jax:
        return False
    return many.options.backend != "jax" and is_for(many)


def _by_duals(problem: Problem, many: Many, linear: np.ndarray) -> Ends | None:
    """The fits in lanes with exact derivatives; None where the model has none."""
    account = account_of(many)
    while account.lanes:
        kind = Stack if account.stacks and problem.in_columns else Singly
        try:
            if kind is Stack and len(linear):
                ends = _projected(problem, many, linear, Projected)
                ends.nfev *= 2  # calls of the model in a pass
                return ends
            return _in_lanes(problem, many, kind)
        except Unstackable:
            if kind is Singly:
                account.lanes = False
            account.stacks = False
    return None


def _by_differences(problem: Problem, many: Many, linear: np.ndarray) -> Ends:
    """The fits in lanes by curves of the problem, which counts them."""
    kind = functools.partial(Differing, problem)
    if len(linear):
        return _projected(problem, many, linear, kind, polished=False)
    return _in_lanes(problem, many, kind, polished=False)


def fit_one(problem: Problem, start: np.ndarray, linear: np.ndarray) -> Ends:
    """A local fit from one start (n,): by itself, and where that takes long in lanes."""
    ends = _one_by_one(problem, start[None], brief(problem.options, _SOON))
    problem.evaluations += int(ends.nfev[0])
    return ends if ends.converged[0] else fit_from(problem, start[None], linear)


def brief(options: Options, passes: int = _PASSES) -> Options:
    """Options of local fits, which say nothing and do not try again."""
    return dataclasses.replace(
        options, max_nfev=options.max_nfev or passes, tried_again=False,
        callback=None, verbose=0, cache=None,
    )  # fmt: skip


def _many(problem: Problem, starts: np.ndarray, options) -> Many | None:
    """The fits as those of one data set from many starts; None where they cannot be."""
    data, k = problem.data, len(starts)
    if data.factor is not None or data.is_complex or callable(options.jac):
        return None
    sigma = data.weights
    if sigma is not None:
        sigma = np.where(sigma > 0, 1 / np.where(sigma > 0, sigma, 1.0), np.inf)
    model = problem.model.twin()
    model.interpret(NOT_YET, final=False)
    model.bounds = problem.lb, problem.ub
    shape = (k,)
    return Many(
        model=model, names=problem.names, shape=shape, m=data.y.size, x=data.x.arrays(),
        x_rows=None, y=Rows(data.y, shape, 1),
        sigma=None if sigma is None else Rows(sigma, shape, 1),
        start=Rows(starts, shape, 1), given={}, lb=Rows(problem.lb, shape, 1),
        ub=Rows(problem.ub, shape, 1), bounded=problem.parameters.bounded,
        free=tuple(problem.free.tolist()), options=options, absolute_sigma=False, omit=False,
        dtype=np.dtype(float),
    )  # fmt: skip


def _projected(
    problem: Problem, many: Many, linear: np.ndarray, kind: Callable, polished: bool = True
) -> Ends:
    """The fits in lanes of the parameters that are not linear."""
    free = tuple(f and j not in linear for j, f in enumerate(many.free))
    if not any(free):
        ends = Ends.at(many.start.read((slice(0, many.size),)))
        ends.x, ends.cost = project(problem, linear, ends.x)
        ends.converged[:] = True
        return ends
    theta = dataclasses.replace(many, free=free)
    ends = _in_lanes(problem, theta, projecting_out(linear, kind), polished)
    ends.x, ends.cost = project(problem, linear, ends.x)
    return ends


def projecting_out(linear: np.ndarray, kind: Callable = Projected) -> Callable:
    """What makes lanes in which these parameters are solved in each pass."""

    def stack(*given):
        made = kind(*given)
        made.linear = linear
        return made

    return stack


def _in_lanes(problem: Problem, many: Many, kind: Callable, polished: bool = True) -> Ends:
    """The fits in lanes."""
    k = many.size
    lot, status = many.read(Slab(slice(0, k), (slice(0, k),), many.m))
    ends, good = Ends.at(lot.start), np.flatnonzero(status == int(Status.RUNNING))
    found = lanes(many, lot.take(good) if len(good) < k else lot, kind, polished)
    for name, values in vars(found).items():
        getattr(ends, name)[good] = values
    lost = int((~np.isfinite(ends.cost)).sum())
    if lost:
        problem.note_failure("its values are not finite", lost)
    return ends


def lanes(many: Many, lot: Lot, kind: Callable, polished: bool = True) -> Ends:
    """The fits of a lot in lanes that `kind` makes.

    Raises
    ------
    Unstackable
        The model cannot be evaluated at many fits at once.
    """
    ends, free = Ends.at(lot.start), np.flatnonzero(many.free)
    form = Form(many.free, many.bounded, "", (), False, None, lot.m, True)
    at, width = places(form.n), max(1, (1 << 17) // lot.m)
    deadline = many.options.deadline
    for first in range(0, len(lot), width):
        if first and deadline is not None and time.monotonic() > deadline:
            break  # the others stay where they are, and without a cost
        here = np.arange(first, min(first + width, len(lot)))
        with np.errstate(all="ignore"):
            state, _ = to_ends(kind(many, lot.take(here), many.x), form, polished)
        ends.x[np.ix_(here, free)] = state[list(at.x)].T
        cost = state[at.cost]
        ends.cost[here] = np.where(np.isfinite(cost), cost, np.inf)
        ends.converged[here] = (state[at.status] > 0) & (state[at.left] == 0)
        ends.nfev[here] = state[at.nfev]
    return ends


def _one_by_one(problem: Problem, starts: np.ndarray, options) -> Ends:
    """The fits by the engine of a single one; a start that the user's function refuses fails."""
    ends = Ends.at(starts)
    for i, start in enumerate(starts):
        interruption.check()
        if i and options.deadline is not None and time.monotonic() > options.deadline:
            break
        parameters = Parameters(start, problem.lb, problem.ub, problem.names)
        try:
            outcome = solve(problem.model, problem.data, parameters, options)
        except WrongValue as error:
            problem.note_failure(str(error).rstrip("."))
            continue
        except Exception as error:
            if not problem.model.take_refusal():
                raise
            problem.note_failure(f"{type(error).__name__}: {error}")
            continue
        if np.isfinite(outcome.cost):
            ends.x[i], ends.cost[i] = outcome.x, outcome.cost
        else:
            problem.note_failure("its values are not finite")
        ends.converged[i], ends.nfev[i] = outcome.status > 0, outcome.nfev
    return ends
