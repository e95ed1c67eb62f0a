"""Fits that lanes brought to their minimum, but for which the Gram matrix has too few digits.

The loop of a single fit takes them from there, as it takes any fit: passes with a preconditioner
until R is exact, Gauss-Newton steps, R again (`loop`, PREPARE to SHARPEN). WIDTH fits share a call,
since a call of its own would cost each of them some hundred times its arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nlsq.core.drive.batch.fields import COUNTS
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.drive.batch.operands import Operands
from nlsq.core.drive.batch.state import Form, places
from nlsq.core.loop.state import (
    DONE,
    Method,
    pack_setup,
    setup_packing,
    start_vector,
    state_packing,
)
from nlsq.core.loop.status import Status
from nlsq.core.problem.parameters import interior_start
from nlsq.core.problem.setup import make_setup
from nlsq.core.verdict import covariance
from nlsq.core.verdict.finished import active_mask

WIDTH = 64
ENOUGH = WIDTH


def method_of(many: Many) -> Method:
    """One for all fits, so that none depends on another's bounds."""
    return Method(many.options.method, many.bounded or not all(many.free), many.n)


def begun(many: Many, lot: Lot, method: Method) -> tuple[np.ndarray, np.ndarray]:
    """(setups, states), a row for each fit that lanes brought to a minimum, packed."""
    at, free, k = places(sum(many.free)), np.array(many.free), len(lot)
    start = lot.start.copy()
    start[:, free] = lot.state[list(at.x)].T
    first = make_setup(many.parameters(start[0], lot.lb[0], lot.ub[0]), many.options)
    setups = np.tile(pack_setup(first, lot.m)[:-1], (k, 1))
    states = np.tile(start_vector(first.x0, method, Status.FTOL), (k, 1))
    into, of = setup_packing(method.n).places, state_packing(method).places
    rows = zip(start, lot.lb, lot.ub, strict=True)
    x0 = np.stack([interior_start(many.parameters(*row)) for row in rows])
    setups[:, into.x0] = states[:, of.point.x] = states[:, of.trial] = x0
    setups[:, into.lb] = np.where(free, lot.lb, -np.inf)
    setups[:, into.ub] = np.where(free, lot.ub, np.inf)
    states[:, of.status] = lot.state[at.status]
    return setups, states


def finish(run: Callable, many: Many, form: Form, leaves: tuple, lot: Lot) -> np.ndarray:
    """Last states (k, s) of up to WIDTH fits that lanes brought to a minimum, by their program."""
    method, k = method_of(many), len(lot)
    setups, states = (np.resize(a, (WIDTH, a.shape[1])) for a in begun(many, lot, method))
    states[k:, state_packing(method).places.phase] = DONE
    with Operands(lot, form, WIDTH, np.dtype(float)) as given:
        leaves = leaves if lot.x is None else (given.x,)
        made = run(leaves, given.y, given.weights, np.array(lot.m), setups, states)
        return np.array(made)[:k]  # waits for it


def answers(many: Many, lot: Lot, states: np.ndarray, method: Method):
    """(plain, fields by name of those): the fits of which the data determine all parameters."""
    at, free = state_packing(method).places, np.array(many.free)
    n, point = int(free.sum()), at.point
    before = places(n)
    for name in COUNTS:
        states[:, getattr(at, name)] += lot.state[getattr(before, name)]
    zero = ((states[:, point.dead] > 0) | (states[:, point.dependent] > 0))[:, free].any(axis=1)
    plain = np.flatnonzero(~zero & (states[:, at.nit] > 0) & (states[:, at.status] > 0))
    R = states[plain, point.R].reshape(-1, method.n, method.n)[:, :, free]
    D = np.sqrt((R * R).sum(axis=1))
    _, w, VT = np.linalg.svd(R / D[:, None], full_matrices=False)
    full = w[:, -1] > covariance.RANK_TOLERANCE * w[:, 0]
    plain, inverse = plain[full], (VT / w[..., None] / D[:, None])[full]
    states, cost = states[plain], states[plain, point.cost]
    scale = many.noise_variances(cost, lot.counts[plain] - n)
    known = np.isfinite(scale)
    pcov = np.zeros((len(plain), method.n, method.n))
    C = np.swapaxes(inverse, 1, 2) @ inverse * np.where(known, scale, 1.0)[:, None, None]
    pcov[:, np.outer(free, free)] = np.where(known[:, None], C.reshape(len(plain), n * n), np.inf)
    size = (many.options.xtol or 0.0) * np.sqrt(2 * cost)[:, None]
    x, columns = states[:, point.x], states[:, at.columns]
    active = active_mask(x, lot.lb[plain], lot.ub[plain], free, columns, size)
    return plain, {
        "popt": x, "pcov": pcov, "cost": cost, "status": states[:, at.status], "rank": n,
        "active_mask": active, **{name: states[:, getattr(at, name)] for name in COUNTS},
    }  # fmt: skip
