"""Products with the Jacobian of the whitened, loss-scaled residual, without the Jacobian.

`Linearised` stands for r and J at one point. Forward products J v come from `jax.linearize`,
reverse products J^T u from its transpose. Data in blocks are linearised again, block by block, in
every product, so that memory stays that of one block; data taken as a whole are linearised once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from nlsq.core.loop.state import Method, Setup
from nlsq.core.loss_functions import scale_rows
from nlsq.core.passes import blocks

CHUNK = 16  # unit vectors pushed at once


class Task(NamedTuple):
    """What the compiled programs depend on; `key` stands for `call` and `loss`."""

    key: Hashable
    call: Callable
    layout: blocks.Layout
    loss: Callable | None
    method: Method


class Piece(NamedTuple):
    """One piece of data, linearised; the loss is folded in."""

    cost: Any
    r: Any  # (b,)
    forward: Callable  # (n,) -> (b,), product with J
    back: Callable  # (b,) -> (n,), product with its transpose


def _linearise(task: Task, setup: Setup, piece: blocks.Piece, x) -> Piece:
    # n scalars, not a vector: the transpose of taking a vector apart is n updates of a vector
    r, push = jax.linearize(lambda p: blocks.residual(task.call, task.layout, piece, p), list(x))
    pull = jax.linear_transpose(push, list(x))
    costs, scaled, s = scale_rows(task.loss, setup.f_scale, r, jnp.ones_like(r)[None], jnp)
    cost = 0.5 * r @ r if costs is None else jnp.sum(costs)
    free = setup.free
    return Piece(
        cost,
        scaled,
        lambda v: s[0] * push(list(free * v)),
        lambda u: free * jnp.stack(pull(s[0] * u)[0]),
    )


class Linearised:
    """Cost, gradient and products at x, summed over the data."""

    def __init__(self, task: Task, data: blocks.Data, setup: Setup, x):
        self._layout, self._data, self._n = task.layout, data, x.shape[0]
        self._at = lambda piece: _linearise(task, setup, piece, x)
        self._whole = None if task.layout.block else self._at(blocks.whole(task.layout, data))

    def _sum(self, part: Callable, zero):
        if self._whole is not None:
            return part(self._whole)
        return blocks.add_up(self._layout, self._data, lambda p: part(self._at(p)), zero)

    def cost_and_gradient(self):
        zero = jnp.zeros(()), jnp.zeros(self._n)
        return self._sum(lambda piece: (piece.cost, piece.back(piece.r)), zero)

    def product(self, v):
        """J^T J v (n,)."""
        return self._sum(lambda piece: piece.back(piece.forward(v)), jnp.zeros(self._n))

    def gram(self, S):
        """S J^T J S^T (k, k) for k directions S (k, n)."""

        def part(piece):
            W = jax.vmap(piece.forward)(S)
            return W @ W.T

        return self._sum(part, jnp.zeros((S.shape[0], S.shape[0])))

    def column_norms(self):
        """Norms of the columns of J (n,), from unit vectors in chunks."""

        def part(piece):
            def square(j):
                column = piece.forward(jnp.zeros(self._n).at[j].set(1.0))
                return column @ column

            return jax.lax.map(square, jnp.arange(self._n), batch_size=CHUNK)

        return jnp.sqrt(self._sum(part, jnp.zeros(self._n)))
