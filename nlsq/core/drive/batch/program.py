"""The compiled program of many fits: blocks of LANES fits, one after the other, up to SLAB of them.

One program serves any number of fits, any number of points up to the capacity of its buffers, any
data, starts and bounds. The number of blocks is a run-time value. On the CPU a block is one
compiled function (`traced.one_kernel` says why) where the model is elementwise arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import jax
import jax.numpy as jnp

from nlsq.caching.programs import cache, compiled
from nlsq.core.algebra import traced
from nlsq.core.drive.batch import lanes, passes, unexplained
from nlsq.core.drive.batch.state import LANES, Data, Form, Numbers, answer_places, places
from nlsq.core.loop import loop
from nlsq.core.loop.state import Method, running, setup_packing, state_packing
from nlsq.core.loss_functions import scale_rows
from nlsq.core.passes import blocks, elementwise
from nlsq.core.passes.reduction import sums


def slab_program(key: Hashable, model: Callable, form: Form, loss, slab: int, dtype) -> Callable:
    """(leaves, y, weights, fixed, lb, ub, numbers, state, blocks) -> (state, answers).

    leaves as the model wants them, with a leading axis of fits when each has its own; y (slab,
    capacity); weights the same, (capacity,) or None; fixed, lb, ub (k, slab) or None; state (s,
    slab) as `lanes.start` makes it; answers (a, slab) as `answer_places` names them. model() makes
    the traceable call.
    """

    def build():
        block = _block(model(), form, loss, dtype)

        def run(leaves, y, weights, fixed, lb, ub, numbers, state, blocks):
            def body(b, carry):
                state, answers = carry

                def cut(array, axis):
                    return jax.lax.dynamic_slice_in_dim(array, b * LANES, LANES, axis)

                x = leaves
                if form.per_fit_x:
                    x = tuple(jnp.moveaxis(cut(leaf, 0), 0, -1) for leaf in leaves)
                w = weights
                if form.weighted:
                    w = cut(weights, 0).T if form.weighted == "lanes" else weights[:, None]
                rest = [None if a is None else cut(a, 1) for a in (fixed, lb, ub)]
                new, found = block(x, cut(y, 0).T, w, *rest, numbers, cut(state, 1))
                at = 0, b * LANES
                return (
                    jax.lax.dynamic_update_slice(state, new, at),
                    jax.lax.dynamic_update_slice(answers, found, at),
                )

            rows = answer_places(form)
            answers = jnp.zeros((jax.tree.structure(rows).num_leaves, slab), dtype)
            return jax.lax.fori_loop(0, blocks, body, (state, answers))

        return compiled(run, unrolled=True)

    return cache.get_or_make(("slab", key, form, slab, str(dtype)), build)


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

    return cache.get_or_make(("exact", key, form, method), build)


def _block(call: Callable, form: Form, loss, dtype) -> Callable:
    structure = jax.tree.structure(places(form.n))

    def block(leaves, y, weights, fixed, lb, ub, numbers, state):
        numbers = Numbers(numbers[0].astype(int), *numbers[1:].astype(dtype))
        fixed = () if fixed is None else tuple(fixed)
        data = Data(leaves, y, weights, fixed, lb, ub)
        rows = jax.tree.unflatten(structure, list(state))

        def reduce(trial):
            return passes.reduce(call, form, loss, data, numbers, trial)

        rows, answer = lanes.fit_block(reduce, form, data, numbers, rows)
        suspicious = unexplained.is_suspicious(call, form, data, numbers, rows)
        rows = rows._replace(left=jnp.where(suspicious & (rows.status > 0), 1, rows.left))
        answers = [a.astype(dtype) for a in jax.tree.leaves(answer)]
        return jnp.stack(jax.tree.leaves(rows)), jnp.stack(answers)

    def fit(*operands):
        plain = form.pointwise and jax.default_backend() == "cpu"
        if plain and _elementwise(call, form, operands) and elementwise.is_plain_loss(loss, dtype):
            return traced.marked(block)(*operands)
        return block(*operands)

    return fit


def _elementwise(call: Callable, form: Form, operands) -> bool:
    """Whether the model at one point is nothing but elementwise arithmetic, without tables."""
    leaves, y = operands[:2]

    def one(params, leaves):
        x = jax.tree.unflatten(
            form.treedef,
            [
                leaf if axis is None else jax.lax.slice_in_dim(leaf, 0, 1, axis=axis)
                for leaf, axis in zip((_first(a, form) for a in leaves), form.axes, strict=True)
            ],
        )
        return call(x, list(params), 1)

    start = tuple(jnp.zeros((), y.dtype) for _ in form.free)
    return elementwise.is_plain_with_derivatives(one, start, leaves)


def _first(leaf, form: Form):
    return leaf[..., 0] if form.per_fit_x else leaf
