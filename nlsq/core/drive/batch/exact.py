"""Fits that lanes brought to their minimum, but for which the Gram matrix has too few digits.

The loop of a single fit takes them from there, as it takes any fit: passes with a preconditioner
until R is exact, Gauss-Newton steps, R again (`loop`, PREPARE to SHARPEN). WIDTH fits share a call,
since a call of its own would cost each of them some hundred times its arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.caching.programs import cache, compiled
from nlsq.core.drive.batch.fields import COUNTS
from nlsq.core.drive.batch.many import Lot, Many
from nlsq.core.drive.batch.operands import Operands
from nlsq.core.drive.batch.state import Form, places
from nlsq.core.loop import loop
from nlsq.core.loop.state import (
    DONE,
    Method,
    pack_setup,
    running,
    setup_packing,
    start_vector,
    state_packing,
)
from nlsq.core.loop.status import Status
from nlsq.core.loss_functions import scale_rows
from nlsq.core.passes import blocks
from nlsq.core.passes.reduction import sums
from nlsq.core.problem.parameters import interior_start
from nlsq.core.problem.setup import make_setup
from nlsq.core.verdict import covariance
from nlsq.core.verdict.finished import active_mask

WIDTH = 64
ENOUGH = WIDTH


def method_of(many: Many) -> Method:
    """One for all fits, so that none depends on another's bounds."""
    return Method(many.options.method, many.bounded or not all(many.free), many.n)


def exact_program(key: Hashable, model: Callable, form: Form, loss, method: Method) -> Callable:
    """(leaves, y, weights, m, flat setups, flat states) -> flat states, of WIDTH fits.

    leaves, y and weights as for `program.slab_program`, the others a row for each fit.
    """

    def build():
        call, packing = model(), state_packing(method)

        def one(leaves, y, weights, m, flat, vector):
            setup = setup_packing(method.n).tree(flat)
            inside = jnp.arange(form.capacity) < m
            if form.weighted:
                inside &= weights > 0
            layout = blocks.Layout(
                0, form.capacity, form.axes, form.treedef, bool(form.weighted), False, False
            )
            x = jax.tree.unflatten(form.treedef, leaves)
            piece = blocks.Piece(x, y, weights, None, inside)

            def advance(vector):
                state = packing.tree(vector)
                directions = state.point.P.T * setup.free
                rows = blocks.residual_rows(call, layout, piece, state.trial, directions)
                total = sums(*scale_rows(loss, setup.f_scale, *rows, jnp), jnp)
                return packing.vector(loop.advance(state, total, setup, method, True), jnp)

            return jax.lax.while_loop(lambda v: running(packing.tree(v)), advance, vector)

        own_x, own_weights = 0 if form.per_fit_x else None, 0 if form.weighted == "lanes" else None
        run = jax.vmap(one, (own_x, 0, own_weights, None, 0, 0))
        return compiled(run, unrolled=True)

    return cache.get(("exact", key, form, method), build)


def finish(run: Callable, many: Many, form: Form, leaves: tuple, lot: Lot) -> np.ndarray:
    """Last states (k, s) of up to WIDTH fits that lanes brought to a minimum."""
    method, at = method_of(many), places(form.n)
    start, free = lot.start.copy(), np.array(many.free)
    start[:, free] = lot.state[list(at.x)].T
    first = make_setup(many.parameters(start[0], lot.lb[0], lot.ub[0]), many.options)
    setups = np.tile(pack_setup(first, lot.m)[:-1], (WIDTH, 1))
    states = np.tile(start_vector(first.x0, method, Status.FTOL), (WIDTH, 1))
    into, of = setup_packing(method.n).places, state_packing(method).places
    k = len(lot)
    rows = zip(start, lot.lb, lot.ub, strict=True)
    x0 = np.stack([interior_start(many.parameters(*row)) for row in rows])
    setups[:k, into.x0] = states[:k, of.point.x] = states[:k, of.trial] = x0
    setups[:k, into.lb] = np.where(free, lot.lb, -np.inf)
    setups[:k, into.ub] = np.where(free, lot.ub, np.inf)
    states[:k, of.status], states[k:, of.phase] = lot.state[at.status], DONE
    with Operands(lot, form, WIDTH, np.dtype(float)) as given:
        leaves = leaves if lot.x is None else (given.x,)
        made = run(leaves, given.y, given.weights, np.array(lot.m), setups, states)
        states = np.array(made)[:k]  # waits for it
    for name in COUNTS:
        states[:, getattr(of, name)] += lot.state[getattr(at, name)]
    return states


def answers(many: Many, lot: Lot, states: np.ndarray, method: Method):
    """(plain, fields by name of those): the fits of which the data determine all parameters."""
    at, free = state_packing(method).places, np.array(many.free)
    n, point = int(free.sum()), at.point
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
