"""Passes over the data inside a JAX program: residual and Jacobian rows, block by block.

A pointwise model is read in blocks that stay in cache; the number of blocks is a run-time value, so
one program serves every length up to the capacity of its buffers and never computes padding beyond
the last block. There the mask sets residual and Jacobian rows to exactly 0. A model that couples
points, or a full covariance of the data, is evaluated whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular

from nlsq.core.loss_functions import scale_rows
from nlsq.core.reduction import Summary, Sums, factor_jax, sums, triangular_inverse

SMALL_BLOCK, SMALL_CAPACITY = 256, 8192
BLOCK, CAPACITY = 4096, 1 << 20


class Layout(NamedTuple):
    """How data arrive; static and hashable. `block` 0 means whole, unpadded arrays."""

    block: int
    capacity: int
    axes: tuple  # per x leaf: the axis that runs over the points, None for a leaf without one
    treedef: Any
    weighted: bool
    whitened: bool  # a Cholesky factor of the data covariance is given
    paired: bool  # complex residuals count as (real, imaginary) pairs


class Data(NamedTuple):
    """Arrays of one fit, laid out as `Layout` says."""

    leaves: tuple
    y: Any
    weights: Any  # (capacity,) 1 / sigma, or an empty array
    cholesky: Any  # (m, m), or an empty array
    m: Any  # number of points, a scalar


def choose_layout(m: int, pointwise: bool, **facts) -> Layout:
    """Block size and capacity for m points. Lengths of one size class share a program."""
    if not pointwise or facts["whitened"]:
        return Layout(0, m, **facts)
    if m <= SMALL_CAPACITY:
        return Layout(SMALL_BLOCK, SMALL_CAPACITY, **facts)
    return Layout(BLOCK, -(-m // CAPACITY) * CAPACITY, **facts)


def value_and_rows(call: Callable, x, p, points=None):
    """Model value (b,) and transposed Jacobian (n, b).

    call(x, list of n scalars, points) -> (b,); `points` None leaves the length to the model.
    """
    n = p.shape[0]
    value, push = jax.linearize(lambda q: call(x, [q[i] for i in range(n)], points), p)
    return value, jax.vmap(push)(jnp.eye(n, dtype=p.dtype))


def residual_rows(call: Callable, layout: Layout, x, y, weights, cholesky, p):
    """Whitened residual (b,) and transposed Jacobian (n, b), before the loss."""
    value, JT = value_and_rows(call, x, p, y.shape[0])
    r = value - y
    if layout.weighted:
        r, JT = r * weights, JT * weights
    if layout.whitened:
        stacked = solve_triangular(cholesky, jnp.concatenate([r[None], JT]).T, lower=True).T
        r, JT = stacked[0], stacked[1:]
    if layout.paired:
        r = jnp.concatenate([r.real, r.imag])
        JT = jnp.concatenate([JT.real, JT.imag], axis=1)
    return r, JT


def make_reduce(call: Callable, layout: Layout, loss: Callable | None, data: Data, setup):
    """Return reduce(p, R_prev) -> Summary over all of `data`."""

    def rows_to_sums(r, JT, P):
        cost, r, JT = scale_rows(loss, setup.f_scale, r, JT * setup.free[:, None], jnp)
        return sums(cost, r, JT, P, jnp)

    def whole(p, P):
        x = jax.tree.unflatten(layout.treedef, data.leaves)
        r, JT = residual_rows(call, layout, x, data.y, data.weights, data.cholesky, p)
        return rows_to_sums(r, JT, P)

    def one_block(i, p, P):
        start = i * layout.block

        def cut(array, axis=0):
            return jax.lax.dynamic_slice_in_dim(array, start, layout.block, axis)

        leaves = [
            leaf if axis is None else cut(leaf, axis)
            for leaf, axis in zip(data.leaves, layout.axes, strict=True)
        ]
        weights = cut(data.weights) if layout.weighted else None
        x = jax.tree.unflatten(layout.treedef, leaves)
        r, JT = residual_rows(call, layout, x, cut(data.y), weights, None, p)
        inside = start + jnp.arange(layout.block) < data.m
        inside = jnp.concatenate([inside, inside]) if layout.paired else inside
        return rows_to_sums(jnp.where(inside, r, 0.0), jnp.where(inside, JT, 0.0), P)

    def blocked(p, P):
        n = p.shape[0]
        zero = jnp.zeros(())
        start = Sums(zero, jnp.zeros((n + 1, n + 1)))

        def add(i, total):
            return jax.tree.map(jnp.add, total, one_block(i, p, P))

        count = (data.m + layout.block - 1) // layout.block
        return jax.lax.fori_loop(0, count, add, start)

    def reduce(p, R_prev) -> Summary:
        P = triangular_inverse(R_prev)
        return factor_jax((blocked if layout.block else whole)(p, P), R_prev)

    return reduce
