"""A pass over the points of a block: residuals and the Gram matrix of [J r], pair by pair."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from nlsq.core.algebra.namespace import once
from nlsq.core.drive.batch import algebra
from nlsq.core.drive.batch.state import Data, Form, Numbers
from nlsq.core.loss_functions import scale_rows

UNROLL, UNROLLED = 4, 5  # points in one turn of the loop over them, up to 5 parameters


def reduce(call: Callable, form: Form, loss, data: Data, numbers: Numbers, trial):
    """(cost, g, G) of every lane at `trial`, from one pass over its points.

    The model sees one point at a time, of all lanes; a model that couples points sees all.
    """
    n, dtype = form.n, data.y.dtype

    def rows(leaves, y, weights, points, inside):
        """Whitened residual and derivatives (n + 1 of them), each (points, LANES)."""

        def value(fit):
            return _value(call, form, data, points, leaves, fit)

        f, push = jax.linearize(value, trial)
        nothing = jnp.zeros_like(trial[0])
        unit = [tuple(jnp.ones_like(t) if i == j else nothing for i, t in enumerate(trial))
                for j in range(n)]  # fmt: skip
        found = [push(u) for u in unit] + [f - y]
        if weights is not None:
            found = [jnp.where(weights > 0, row * weights, 0) for row in found]
        if inside is not None:
            found = [jnp.where(inside, row, 0) for row in found]
        return once(*found)  # each is read many times: compute it once

    def add(total, found):
        cost, triangle = total
        if loss is not None:
            *KT, r = found
            costs, r, KT = scale_rows(loss, numbers.f_scale, r, jnp.stack(KT), jnp)
            cost, found = cost + jnp.sum(costs, 0).astype(dtype), [*KT, r]
        products = (found[i] * found[j] for i, j in algebra.pairs(n + 1))
        return cost, tuple(t + jnp.sum(p, 0) for t, p in zip(triangle, products, strict=True))

    nothing = jnp.zeros_like(trial[0])
    total = nothing, (nothing,) * len(algebra.pairs(n + 1))
    if form.pointwise:
        unroll = UNROLL if n <= UNROLLED else 1  # the program grows with n^2

        def turn(k, total):
            for place in range(unroll):
                i = k * unroll + place
                total = add(total, rows(*point(data, form, i), 1, i < numbers.m))
            return total

        total = jax.lax.fori_loop(0, (numbers.m + unroll - 1) // unroll, turn, total)
    else:
        total = add(total, rows(data.leaves, data.y, data.weights, form.capacity, None))
    cost, triangle = total
    size = len(algebra.pairs(n))
    if loss is None:
        cost = 0.5 * triangle[-1]
    return cost, triangle[size : size + n], triangle[:size]


def point(data: Data, form: Form, i):
    """(leaves, y, weights) of one point of all lanes."""
    leaves = tuple(
        leaf if axis is None
        else jax.lax.dynamic_slice_in_dim(leaf, i, 1, axis)
        for leaf, axis in zip(data.leaves, form.axes, strict=True)
    )  # fmt: skip
    y, weights = jax.lax.dynamic_slice_in_dim(data.y, i, 1), data.weights
    if weights is not None:
        weights = jax.lax.dynamic_slice_in_dim(weights, i, 1)
    return leaves, y, weights


def _value(call: Callable, form: Form, data: Data, points: int, leaves: tuple, fit: tuple):
    """The model (points, LANES) at the fitted parameters `fit`."""
    axes = tuple(-1 if form.per_fit_x else None for _ in leaves)

    def one(leaves, params):
        x = jax.tree.unflatten(form.treedef, leaves)
        return call(x, list(params), points).astype(data.y.dtype)

    fitted, fixed = iter(fit), iter(data.fixed)
    params = tuple(next(fitted if free else fixed) for free in form.free)
    return jax.vmap(one, in_axes=(axes, 0), out_axes=-1)(leaves, params)


def residual(call: Callable, form: Form, data: Data, points: int, leaves, y, weights, fit: tuple):
    """Whitened residual (points, LANES)."""
    r = _value(call, form, data, points, leaves, fit) - y
    return r if weights is None else jnp.where(weights > 0, r * weights, 0)
