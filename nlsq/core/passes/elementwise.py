"""Which functions are elementwise arithmetic without tables.

That is what XLA's CPU backend can compile into one function (`traced.marked`).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

# Elementwise arithmetic, and what only moves numbers.
_KNOWN = frozenset(
    """abs acos acosh add add_any and asin asinh atan atan2 atanh bitcast_convert_type
    broadcast_in_dim cbrt ceil clamp closed_call cond convert_element_type copy cos cosh
    custom_jvp_call custom_vmap_call div dynamic_slice eq erf erf_inv erfc exp exp2
    expand_dims expm1 floor ge gt integer_pow is_finite jit le lgamma log log1p logistic
    lt max min mul ne neg nextafter not one_minus_square optimization_barrier or pjit pow
    reduce_max rem reshape round rsqrt select_n shift_left shift_right_logical sign sin
    sinh slice sqrt square squeeze stop_gradient sub tan tanh transpose xor""".split()
)
# Numbers of an array in such a function; XLA cuts loops over more in parts for several threads.
LARGEST = 1 << 11


def is_plain_with_derivatives(value: Callable, p, *operands) -> bool:
    """Whether value(p, *operands) and its derivatives along p are; p and operands are pytrees."""

    def both(p, *operands):
        return jax.jvp(lambda p: value(p, *operands), (p,), (p,))

    return _plain(jax.make_jaxpr(both)(p, *operands))


def is_plain_loss(f: Callable | None, dtype) -> bool:
    """Whether a loss is; see `loss_functions`."""
    return f is None or _plain(jax.make_jaxpr(lambda z: f(z, jnp))(jnp.zeros(1, dtype)))


def _plain(jaxpr) -> bool:
    """Of a jaxpr, closed or not, and those inside."""
    # a table is a constant of the whole or, by JAX's newer rules, a literal where it is used
    if any(getattr(c, "ndim", 0) for c in getattr(jaxpr, "consts", ())):
        return False
    for equation in jaxpr.eqns:
        if equation.primitive.name not in _KNOWN:
            return False
        if any(getattr(v.aval, "size", 1) > LARGEST for v in equation.outvars):
            return False
        if any(getattr(getattr(v, "val", None), "ndim", 0) for v in equation.invars):
            return False
        inner = jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr)
        if not all(_plain(part) for part in inner if _is_jaxpr(part)):
            return False
    return True


def _is_jaxpr(value) -> bool:
    return hasattr(value, "eqns")
