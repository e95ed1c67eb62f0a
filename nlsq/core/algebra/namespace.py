"""The array namespace in which the loop is written: NumPy's functions, or JAX's where traced.

The rules of the loop exist once. Called with NumPy's arrays they run as they are read, and a
debugger stops in them. Called with JAX's they are traced into one program, of which each name here
takes what compiles best (see `traced`). JAX is loaded by whoever traces, never from here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

import numpy as np

_PLAIN = {np.ndarray, float, int, bool, np.float64, np.bool_, np.int64, type(None)}


def of_jax(values) -> bool:
    """Whether some of the values, or of those in their lists, are JAX's."""
    return "jax" in sys.modules and any(_is_jax(value) for value in values)


def _is_jax(value) -> bool:
    if type(value) in _PLAIN:
        return False
    if isinstance(value, list | tuple):
        return any(_is_jax(v) for v in value)
    return isinstance(value, sys.modules["jax"].Array)


def _traced():
    from nlsq.core.algebra import traced

    return traced


class _Either:
    """NumPy's functions, or JAX's of the same name where an argument is JAX's."""

    inf, nan = np.inf, np.nan

    def __getattr__(self, name: str) -> Callable:
        plain = getattr(np, name)

        def call(*args, **kwargs):
            if of_jax(args):
                return getattr(_traced().jnp, name)(*args, **kwargs)
            return plain(*args, **kwargs)

        setattr(self, name, call)
        return call


xp = _Either()


def where(condition, a, b):
    """`where` of the namespace of its arguments."""
    if of_jax((condition, a, b)):
        return _traced().where(condition, a, b)
    return np.where(condition, a, b)


def eye(n: int, like):
    """The unit matrix (n, n) in the namespace of `like`."""
    return (_traced().jnp if of_jax((like,)) else np).eye(n)


def select(condition, one, other):
    """`one` or `other`, NamedTuples of arrays alike, leaf by leaf."""
    if isinstance(one, tuple):
        leaves = (select(condition, a, b) for a, b in zip(one, other, strict=True))
        return type(one)(*leaves) if hasattr(one, "_fields") else tuple(leaves)
    return where(condition, one, other)


def once(*values):
    """The values, computed here and stored; a program would compute them for each of their uses."""
    if of_jax(values):
        return _traced().once(*values)
    return values if len(values) > 1 else values[0]


def cond(predicate, yes: Callable, no: Callable):
    """yes() or no(), as `jax.lax.cond` or by a plain truth value."""
    return choose(predicate, yes, no)()


def choose(predicate, yes: Callable, no: Callable) -> Callable:
    """`cond`, to be called: with a plain truth value it is `yes` or `no` itself."""
    if of_jax((predicate,)):
        return partial(_traced().jax.lax.cond, predicate, yes, no)
    return yes if predicate else no


def while_loop(unfinished: Callable, iterate: Callable, carry):
    """`jax.lax.while_loop`, or a plain loop where the carry is not JAX's."""
    if of_jax(carry):
        return _traced().jax.lax.while_loop(unfinished, iterate, carry)
    while unfinished(carry):
        carry = iterate(carry)
    return carry
