"""What the loop carries from pass to pass, all of it n-sized, and how it travels as one vector."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from nlsq.core.algebra.packing import Packing
from nlsq.core.loop.status import Status
from nlsq.interfaces.step_protocol import Proposal

ITERATE, POLISH, PREPARE, SHARPEN, DONE = range(5)
MEMORY = 4


class Setup(NamedTuple):
    """Numbers of one fit that a compiled program takes as arguments."""

    x0: object  # (n,), the user's start; the trial of the first pass may be another
    lb: object  # (n,)
    ub: object  # (n,)
    x_scale: object  # (n,); 0 means "from the Jacobian"
    free: object  # (n,) 1.0, or 0.0 for a fixed parameter
    ftol: object
    xtol: object
    gtol: object
    max_nfev: object
    f_scale: object
    factor: object
    trust: object  # a start other than x0 needs |z|^2 <= trust F there (see `holds`)


class Method(NamedTuple):
    """What a compiled program depends on besides the model: static and hashable."""

    name: str
    bounded: bool
    n: int


class Point(NamedTuple):
    """An accepted point."""

    x: object
    cost: object
    R: object
    P: object  # its inverse, the preconditioner of the next pass
    z: object
    norms: object  # column norms of R
    pivot: object
    dead: object
    dependent: object
    optimality: object
    face: object  # (n,) where the full Gauss-Newton step leads, bounds that it meets held


class Secants(NamedTuple):
    """History of the Gauss-Newton map while polishing: last point, its step, differences."""

    x: object  # (n,)
    step: object  # (n,)
    dx: object  # (MEMORY, n), newest first, zero rows where unused
    dstep: object  # (MEMORY, n)
    known: object  # bool: x and step are valid


class State(NamedTuple):
    """Everything the loop carries from pass to pass; n-sized."""

    point: Point
    trial: object
    proposal: Proposal
    radius: object
    alpha: object
    columns: object  # running maximum of the column norms of J
    phase: object
    status: object
    rounds: object  # passes in the present phase
    last: object  # scaled length of the last accepted step
    nfev: object
    njev: object
    nit: object
    renewals: object  # how often the scale and the radius were taken anew
    secants: Secants


def initial_state(x0, method: Method) -> State:
    """State before the first pass, in NumPy: nothing is known, the trial is x0."""
    n = method.n
    zero, count, no = np.zeros(()), np.zeros((), int), np.zeros((), bool)
    vector, none, history = np.zeros(n), np.zeros(n, bool), np.zeros((MEMORY, n))
    x, eye, unknown = np.array(x0, float), np.eye(n), np.full((), np.inf)
    return State(
        point=Point(x, unknown, eye, eye, vector, vector, zero, none, none, unknown, x),
        trial=x,
        proposal=Proposal(vector, zero, zero, zero, zero),
        radius=zero,
        alpha=zero,
        columns=vector,
        phase=count,
        status=np.full((), int(Status.RUNNING)),
        rounds=count,
        last=zero,
        nfev=count,
        njev=count,
        nit=count,
        renewals=count,
        secants=Secants(vector, vector, history, history, no),
    )


@functools.lru_cache
def state_packing(method: Method) -> Packing:
    """State <-> vector."""
    return Packing(initial_state(np.zeros(method.n), method))


@functools.lru_cache
def _start_template(method: Method) -> np.ndarray:
    return state_packing(method).vector(initial_state(np.zeros(method.n), method), np)


def start_vector(x0, method: Method, reached: Status = Status.RUNNING) -> np.ndarray:
    """`initial_state` as a vector; where another method has `reached` a minimum, at PREPARE."""
    vector, at = _start_template(method).copy(), state_packing(method).places
    vector[at.point.x] = vector[at.trial] = x0
    if reached is not Status.RUNNING:
        vector[at.phase], vector[at.status] = PREPARE, int(reached)
    return vector


def finishing_vector(x, method: Method, status: Status) -> np.ndarray:
    """The state from which ordinary passes make R at x, and polish a fit that converged."""
    start = start_vector(x, method)
    phase = state_packing(method).places.phase
    if status is Status.NOT_FINITE:
        start[phase] = DONE
    elif not status.converged:
        start[phase] = SHARPEN
    return start


def start_state(x0, method: Method) -> State:
    """`initial_state` for the loop in NumPy, numbers as its scalars."""
    template = _plain_template(method)
    return template._replace(point=template.point._replace(x=x0), trial=x0)


@functools.lru_cache
def _plain_template(method: Method) -> State:
    return state_packing(method).tree(_start_template(method))


@functools.lru_cache
def setup_packing(n: int) -> Packing:
    """Setup <-> vector."""
    return Packing(Setup(*[np.zeros(n)] * 5, *[np.zeros(())] * 7))


def numbers(setup: Setup) -> Setup:
    """The same, with NumPy's scalars for its numbers."""
    return Setup(*setup[:5], *map(np.float64, setup[5:]))


def running(state: State):
    """True while passes remain to be made."""
    return state.phase < DONE


def pack_setup(setup: Setup, m: int, *state: np.ndarray) -> np.ndarray:
    """Setup, number of points and, where given, the loop's state as one float64 vector."""
    return np.concatenate([*setup[:5], [*setup[5:], m], *state])


def unpack_setup(flat, n: int):
    """(Setup, m) from `pack_setup`'s vector, inside a program."""
    return setup_packing(n).tree(flat[:-1]), flat[-1].astype(int)
