"""Compiled programs: one per model content, layout and method; shared by every fit that agrees.

`fit_program` runs a whole fit in one call, `pass_program` makes one pass (the host driver), and
`step_program` is the n-sized part of the loop, which knows nothing of the model. Numbers travel as
two flat vectors, one in and one out, so that a small fit is one dispatch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.caching.lowered import lowered
from nlsq.caching.programs import cache, compiled
from nlsq.core.algebra import traced
from nlsq.core.algebra.traced import SMALL
from nlsq.core.loop.loop import advance
from nlsq.core.loop.state import DONE, Method, running, setup_packing, state_packing, unpack_setup
from nlsq.core.passes import blocks
from nlsq.core.passes.reduction import Sums

_TERMS = 8  # of a sum in one call


def fit_program(key: Hashable, model: Callable, layout, loss, method: Method) -> Callable:
    """Whole fit: (leaves, y, weights, cholesky, flat setup and state) -> flat state.

    model() makes the traceable call when there is no program of this key yet.
    """

    def build():
        call, size = model(), state_packing(method).size

        def fit(leaves, y, weights, cholesky, flat):
            constants, vector = flat[:-size], flat[-size:]
            setup, m = unpack_setup(constants, method.n)
            data = blocks.Data(leaves, y, weights, cholesky, m)
            reduce = blocks.make_reduce(call, layout, loss, data, setup)
            return device_fit(reduce, constants[:-1], vector, method)

        return compiled(fit)

    return cache.get_or_make(("fit", key, layout, method), build)


def pass_program(key: Hashable, call: Callable, layout, loss, method: Method) -> Callable:
    """One pass: (leaves, y, weights, cholesky, (m, starts), flat setup, flat state) -> Sums.

    m and starts as in `blocks.Data`; the m of the flat setup does not count. A finished state
    reads no more blocks.
    """
    n, packing = method.n, state_packing(method)

    def build():
        def one_pass(leaves, y, weights, cholesky, places, flat, vector) -> Sums:
            (setup, _), state = unpack_setup(flat, n), packing.tree(vector)
            m, starts = places
            data = blocks.Data(
                leaves, y, weights, cholesky, jnp.where(running(state), m, 0), starts
            )
            reduce = blocks.make_reduce(call, layout, loss, data, setup)
            return reduce(state.trial, state.point.P)

        return compiled(one_pass)

    return cache.get_or_make(("pass", key, layout, n), build)


def add_up(totals: list[Sums]) -> Sums:
    """The sum from the first to the last, which XLA takes when they have arrived."""

    def build():
        return compiled(lambda totals: functools.reduce(partial(jax.tree.map, jnp.add), totals))

    program = cache.get_or_make(("sum", jax.tree.structure(totals[0]), totals[0].G.shape), build)
    nothing = jax.tree.map(lambda a: np.zeros(a.shape), totals[0])
    while len(totals) > 1:
        first = totals[:_TERMS] + [nothing] * (_TERMS - len(totals))
        totals = [program(first), *totals[_TERMS:]]
    return totals[0]


def step_program(method: Method) -> Callable:
    """The model-free step of the loop: (flat state, sums, flat setup) -> flat state.

    A finished state stays as it is.
    """
    phase = state_packing(method).places.phase

    def build():
        def step(vector, total, flat):
            new = device_step(vector, total, flat[:-1], method)
            return jnp.where(vector[phase] < DONE, new, vector)

        return compiled(step)

    return cache.get_or_make(("step", method), build)


def device_step(vector, total: Sums, constants, method: Method):
    """`advance` from state vector to state vector, compiled as one function where n allows."""
    packing, setups = state_packing(method), setup_packing(method.n)

    def step(vector, total, constants):
        state = advance(packing.tree(vector), total, setups.tree(constants), method)
        return packing.vector(state, jnp)

    operands = vector, total, constants
    step = traced.one_kernel(step, method.n)
    if method.n < SMALL:  # no library is called
        step = lowered(step, repr(method), Path(__file__).parents[1], *operands)
    return step(*operands)


def device_fit(reduce, constants, vector, method: Method):
    """Whole fit as one traced program, from state vector to state vector. reduce(x, P) -> Sums.

    The state travels as one vector: XLA copies every carried array by itself, and a compiled
    function (`one_kernel`) must not hand an operand back unchanged.
    """
    packing = state_packing(method)

    def body(vector):
        state = packing.tree(vector)
        return device_step(vector, reduce(state.trial, state.point.P), constants, method)

    return jax.lax.while_loop(lambda vector: running(packing.tree(vector)), body, vector)
