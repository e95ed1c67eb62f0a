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
from nlsq.core.reduction import Sums, sums

SMALL_BLOCK, SMALL_CAPACITY = 256, 1 << 15
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
    weights: Any  # (capacity,) 1 / sigma, or None
    cholesky: Any  # (m, m), or None
    m: Any  # number of points, a scalar


def choose_layout(m: int, pointwise: bool, **facts) -> Layout:
    """Block size and capacity for m points. Lengths of one size class share a program."""
    if not pointwise or facts["whitened"]:
        return Layout(0, m, **facts)
    if m <= SMALL_CAPACITY:
        return Layout(SMALL_BLOCK, SMALL_CAPACITY, **facts)
    return Layout(BLOCK, -(-m // CAPACITY) * CAPACITY, **facts)


class Piece(NamedTuple):
    """The data of one block, or all of them."""

    x: Any
    y: Any
    weights: Any
    cholesky: Any
    inside: Any  # (b,) bool per residual, False in padding; None where there is no padding


def whole(layout: Layout, data: Data) -> Piece:
    """All data as one piece."""
    x = jax.tree.unflatten(layout.treedef, data.leaves)
    return Piece(x, data.y, data.weights, data.cholesky, None)


def block(layout: Layout, data: Data, i) -> Piece:
    """The i-th block of pointwise data."""
    start = i * layout.block

    def cut(array, axis=0):
        return jax.lax.dynamic_slice_in_dim(array, start, layout.block, axis)

    leaves = [
        leaf if axis is None else cut(leaf, axis)
        for leaf, axis in zip(data.leaves, layout.axes, strict=True)
    ]
    weights = cut(data.weights) if layout.weighted else None
    inside = start + jnp.arange(layout.block) < data.m
    inside = jnp.concatenate([inside, inside]) if layout.paired else inside
    return Piece(jax.tree.unflatten(layout.treedef, leaves), cut(data.y), weights, None, inside)


def add_up(layout: Layout, data: Data, part: Callable, zero):
    """Sum of part(piece), a pytree like `zero`, over all data."""
    if not layout.block:
        return part(whole(layout, data))

    def add(i, total):
        return jax.tree.map(jnp.add, total, part(block(layout, data, i)))

    return jax.lax.fori_loop(0, (data.m + layout.block - 1) // layout.block, add, zero)


def evaluate(call: Callable, x, p, points=None):
    """Model value (b,) at the parameter vector p (n,).

    call(x, list of n scalars, points) -> (b,); `points` None leaves the length to the model.
    """
    return call(x, [p[i] for i in range(p.shape[0])], points)


def value_and_rows(call: Callable, x, p, points=None):
    """Model value (b,) and transposed Jacobian (n, b)."""
    value, push = jax.linearize(lambda q: evaluate(call, x, q, points), p)
    return value, jax.vmap(push)(jnp.eye(p.shape[0], dtype=p.dtype))


def whiten(layout: Layout, piece: Piece, rows):
    """Real whitened rows (..., b') of differences (..., b); padding becomes exactly 0."""
    if layout.weighted:
        rows = rows * piece.weights
    if layout.whitened:
        rows = solve_triangular(piece.cholesky, rows.T, lower=True).T
    if layout.paired:
        rows = jnp.concatenate([rows.real, rows.imag], axis=-1)
    return rows if piece.inside is None else jnp.where(piece.inside, rows, 0.0)


def residual(call: Callable, layout: Layout, piece: Piece, params):
    """Whitened residual (b',) for n scalars, before the loss."""
    value = call(piece.x, params, piece.y.shape[0])
    return whiten(layout, piece, value - piece.y)


def residual_rows(call: Callable, layout: Layout, piece: Piece, p):
    """Whitened residual (b',) and transposed Jacobian (n, b'), before the loss."""
    value, JT = value_and_rows(call, piece.x, p, piece.y.shape[0])
    return whiten(layout, piece, value - piece.y), whiten(layout, piece, JT)


def make_reduce(call: Callable, layout: Layout, loss: Callable | None, data: Data, setup):
    """Return reduce(p, P) -> Sums over all of `data`, for a preconditioner P (n, n)."""

    def reduce(p, P) -> Sums:
        def part(piece):
            r, JT = residual_rows(call, layout, piece, p)
            cost, r, JT = scale_rows(loss, setup.f_scale, r, JT * setup.free[:, None], jnp)
            return sums(cost, r, JT, P, jnp)

        n = p.shape[0]
        zero = Sums(None if loss is None else jnp.zeros(()), jnp.zeros((n + 1, n + 1)))
        return add_up(layout, data, part, zero)

    return reduce
