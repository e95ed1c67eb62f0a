r"""Lanes whose residuals show that something is left to explain; `tries.is_suspicious` in lanes.

The share of the data's sum of squares that a fit leaves costs one look at y. Only where some lane
leaves much of it one more pass, over values alone, adds up sum r_i r_{i+1} and sum r_i^2.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from nlsq.core.drive.batch import passes
from nlsq.core.drive.batch.state import Data, Form, Lanes, Numbers
from nlsq.utils.unexplained import UNEXPLAINED, alike_limit


def is_suspicious(call: Callable, form: Form, data: Data, numbers: Numbers, state: Lanes):
    """(LANES,) bool: whether the single fit may find a better end, from where it begins."""
    spread = _spread(form, data, numbers)
    much, worse = 2 * state.cost > UNEXPLAINED * spread, 2 * state.cost > spread

    def look():
        product, square, count, ordered = _neighbours(call, form, data, numbers, state.x)
        alike = product > alike_limit(count, jnp) * square
        return much & (alike | worse | (ordered == 0))  # the single fit puts them in order

    return jax.lax.cond(jnp.any(much), look, lambda: much)


def _spread(form: Form, data: Data, numbers: Numbers):
    """Sum of squares of the whitened data about their mean."""
    first, nothing = data.y[0], jnp.zeros_like(data.y[0])

    def turn(i, sums):
        _, y, weights = passes.point(data._replace(leaves=()), form._replace(axes=()), i)
        w = 1 if weights is None else jnp.where(weights[0] > 0, weights[0], 0)
        off = jnp.where(w > 0, y[0] - first, 0)
        count, plain, whole, once, twice = sums
        count = count + jnp.where(w > 0, 1, 0).astype(y.dtype)
        return count, plain + off, whole + w * w, once + w * w * off, twice + (w * off) ** 2

    count, plain, whole, once, twice = jax.lax.fori_loop(0, numbers.m, turn, (nothing,) * 5)
    mean = plain / jnp.maximum(count, 1)
    return twice - mean * (2 * once - mean * whole)


def _neighbours(call: Callable, form: Form, data: Data, numbers: Numbers, x: tuple):
    """(sum of the products of neighbouring residuals, of their squares, points, in order of x).

    Points without weight are no neighbours. Where each fit has one row of abscissae of its own,
    each knows whether they rise.
    """
    nothing = jnp.zeros_like(x[0])
    if not form.pointwise:
        r = passes.residual(call, form, data, form.capacity, data.leaves, data.y, data.weights, x)
        return jnp.sum(r[1:] * r[:-1], 0), jnp.sum(r * r, 0), numbers.m, nothing + numbers.ordered
    own = form.per_fit_x and len(data.leaves) == 1 and data.leaves[0].ndim == 2

    def turn(i, carry):
        last, before, product, square, count, rises = carry
        leaves, y, weights = passes.point(data, form, i)
        r = passes.residual(call, form, data, 1, leaves, y, weights, x)[0]
        counts = jnp.ones_like(r) if weights is None else jnp.where(weights[0] > 0, nothing + 1, 0)
        if own:
            here = leaves[0][0].astype(r.dtype)
            rises = jnp.where((counts > 0) & (here < before), 0, rises)
            before = jnp.where(counts > 0, here, before)
        last, product = jnp.where(counts > 0, r, last), product + r * last
        return last, before, product, square + r * r, count + counts, rises

    start = nothing, nothing - jnp.inf, nothing, nothing, nothing, nothing + 1
    found = jax.lax.fori_loop(0, numbers.m, turn, start)
    _, _, product, square, count, rises = found
    return product, square, count, rises if own else nothing + numbers.ordered
