"""The model alone as compiled programs: its value and its Jacobian."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import jax
import jax.numpy as jnp

from nlsq.caching.programs import cache, compiled
from nlsq.core.passes import blocks


def value_program(key: Hashable, traceable: Callable, x) -> Callable:
    """Model value: (leaves, p) -> (m,) for abscissae of the form of `x`."""

    def build():
        call = traceable()

        def value(leaves, p):
            tree = jax.tree.unflatten(x.treedef, leaves)
            return call(tree, [p[i] for i in range(p.shape[0])], None)

        return compiled(value)

    return cache.get_or_make(("value", key, x.treedef, x.shapes), build)


def jacobian_program(key: Hashable, traceable: Callable, x) -> Callable:
    """Jacobian of the model: (leaves, p) -> (m, n) for abscissae of the form of `x`."""

    def build():
        call = traceable()

        def jacobian(leaves, p):
            directions = jnp.eye(p.shape[0])
            tree = jax.tree.unflatten(x.treedef, leaves)
            return blocks.value_and_rows(call, tree, p, directions)[1].T

        return compiled(jacobian)

    return cache.get_or_make(("jacobian", key, x.treedef, x.shapes), build)
