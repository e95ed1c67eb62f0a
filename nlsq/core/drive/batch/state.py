"""What a block of lanes carries from pass to pass, and what its program depends on."""

from __future__ import annotations

import functools
import itertools
from typing import Any, NamedTuple

import numpy as np

from nlsq.core.algebra.packing import like
from nlsq.core.drive.batch import algebra
from nlsq.core.loop.status import Status

LANES = 128
ITERATE, POLISH, DONE = range(3)
_SMALLEST_CAPACITY = 16
_SLAB_POINTS = 1 << 19
_MOST_BLOCKS = 64


class Sizes(NamedTuple):
    """Of the buffers; lengths and numbers of fits of one size class share a program."""

    capacity: int  # points
    slab: int  # fits


def sizes(m: int, pointwise: bool) -> Sizes:
    """For fits of m points."""
    capacity = max(_SMALLEST_CAPACITY, 1 << (m - 1).bit_length()) if pointwise else m
    blocks = min(max(_SLAB_POINTS // (capacity * LANES), 1), _MOST_BLOCKS)
    # odd: rows of the state that are a power of two apart would share a few sets of the caches
    return Sizes(capacity, ((blocks - 1) | 1) * LANES)


class Form(NamedTuple):
    """What a lanes program depends on besides the model and the loss: static and hashable."""

    free: tuple  # one bool per parameter of the model: whether it is fitted
    bounded: bool
    weighted: str  # "" | "shared" | "lanes": weights (capacity,) or one row for each lane
    axes: tuple  # per x leaf: the axis of the points, None for a leaf without one
    per_fit_x: bool  # each lane has abscissae of its own
    treedef: Any
    capacity: int  # points in the buffers
    pointwise: bool

    @property
    def n(self) -> int:
        """Number of fitted parameters."""
        return sum(self.free)


class Numbers(NamedTuple):
    """Run-time numbers that all lanes share."""

    m: Any  # points
    ftol: Any
    xtol: Any
    gtol: Any
    max_nfev: Any
    f_scale: Any
    leave: Any  # a block returns when no more lanes than this are running,
    patience: Any  # after as many passes more
    ordered: Any  # 1.0: the points are in the order in which neighbours are alike


class Data(NamedTuple):
    """A block's data, lanes along the last axis."""

    leaves: tuple  # with the lanes as last axis when each has its own
    y: Any  # (capacity, LANES)
    weights: Any  # (capacity, LANES), (capacity, 1) or None
    fixed: tuple  # values (LANES,) of the parameters that are not fitted
    lb: Any  # (n, LANES), or None
    ub: Any


class Lanes(NamedTuple):
    """State of a block; every array (LANES,), vectors as tuples of n, matrices of pairs."""

    x: tuple
    cost: Any
    g: tuple
    G: tuple  # lower triangle of J^T J, row by row
    scale: tuple  # D^2
    radius: Any
    alpha: Any
    trial: tuple
    norm: Any  # as in `Proposal`, like the next two
    predicted: Any
    correction: Any
    error: Any  # relative, of the step
    phase: Any
    status: Any
    nfev: Any
    njev: Any
    nit: Any
    rounds: Any  # passes in the present phase
    last: Any  # scaled length of the last accepted step
    optimality: Any
    left: Any  # 1.0: to the engine of the single fit, from the start
    known: Any  # 1.0: `before` and `step` hold the last point of the polish and its step
    before: tuple
    step: tuple


class Answer(NamedTuple):
    """What a block knows about its fits beside the state."""

    pivot: Any
    inverse: tuple  # lower triangle of (J^T J)^{-1}
    active: tuple  # -1 / 0 / 1 per parameter: at its lower bound, inside, at its upper bound


def start(state: np.ndarray, x: np.ndarray) -> None:
    """Make `state` (size, lanes) that before the first pass, for starts x (n, lanes)."""
    at = places(len(x))
    state[:] = 0
    state[list(at.x)] = state[list(at.trial)] = x
    state[at.cost] = state[at.optimality] = np.inf
    state[at.status] = int(Status.RUNNING)


@functools.lru_cache
def places(n: int) -> Lanes:
    """Rows of the state vectors, by name."""
    vector, triangle = (0,) * n, (0,) * len(algebra.pairs(n))
    form = Lanes(*(
        vector if name in ("x", "g", "scale", "trial", "before", "step")
        else triangle if name == "G" else 0
        for name in Lanes._fields
    ))  # fmt: skip
    return like(form, itertools.count())


def answer_places(form: Form) -> Answer:
    """Rows of the answers, by name."""
    triangle = len(algebra.pairs(form.n))
    active = range(1 + triangle, 1 + triangle + form.n) if form.bounded else ()
    return Answer(0, tuple(range(1, 1 + triangle)), tuple(active))
