r"""Lanes whose residuals show that something is left to explain; `tries.is_suspicious` in lanes.

The share of the data's sum of squares that a fit leaves costs one look at y. Only where some lane
leaves much of it one more pass, over values alone, adds up sum r_i r_{i+1} and sum r_i^2.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from nlsq.core.batch import lanes
from nlsq.core.batch.lanes import Data, Form, Lanes, Numbers
from nlsq.core.tries import UNEXPLAINED, alike_limit


def is_suspicious(call: Callable, form: Form, data: Data, numbers: Numbers, state: Lanes):
    """(LANES,) bool: whether the single fit may find a better end, from where it begins."""
    much = 2 * state.cost > UNEXPLAINED * _spread(form, data, numbers)
    limit = alike_limit(numbers.m, jnp)

    def look():
        product, square = _neighbours(call, form, data, numbers, state.x)
        # points that are not in the order of x tell nothing: the single fit sorts them
        return much & ((product > limit * square) | (numbers.ordered == 0))

    return jax.lax.cond(jnp.any(much), look, lambda: much)


def _spread(form: Form, data: Data, numbers: Numbers):
    """Sum of squares of the whitened data about their mean."""
    first, nothing = data.y[0], jnp.zeros_like(data.y[0])

    def turn(i, sums):
        _, y, weights = lanes.point(data._replace(leaves=()), form._replace(axes=()), i)
        w = 1 if weights is None else jnp.where(weights[0] > 0, weights[0], 0)
        off = jnp.where(w > 0, y[0] - first, 0)
        plain, whole, once, twice = sums
        return plain + off, whole + w * w, once + w * w * off, twice + (w * off) ** 2

    plain, whole, once, twice = jax.lax.fori_loop(0, numbers.m, turn, (nothing,) * 4)
    mean = plain / numbers.m
    return twice - mean * (2 * once - mean * whole)


def _neighbours(call: Callable, form: Form, data: Data, numbers: Numbers, x: tuple):
    """(sum of the products of neighbouring residuals, sum of their squares)."""
    nothing = jnp.zeros_like(x[0])
    if not form.pointwise:
        r = lanes.residual(call, form, data, form.capacity, data.leaves, data.y, data.weights, x)
        return jnp.sum(r[1:] * r[:-1], 0), jnp.sum(r * r, 0)

    def turn(i, carry):
        last, product, square = carry
        r = lanes.residual(call, form, data, 1, *lanes.point(data, form, i), x)[0]
        return r, product + r * last, square + r * r

    return jax.lax.fori_loop(0, numbers.m, turn, (nothing, nothing, nothing))[1:]
