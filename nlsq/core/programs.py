"""Compiled programs: one per model content, layout and method; shared by every fit that agrees.

`fit_program` runs a whole fit in one call, `pass_program` makes one pass (the host driver), and
`step_program` is the n-sized part of the loop, which knows nothing of the model. Numbers travel as
two flat vectors, one in and one out, so that a small fit is one dispatch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.caching.disk import Program
from nlsq.caching.unified_cache import UnifiedCache
from nlsq.core import loop, passes
from nlsq.core.loop import Method, Setup
from nlsq.core.reduction import Sums

cache = UnifiedCache("programs", maxsize=128)
# With every |R_jj| above this share of its column the smallest singular value is far from zero.
_SAFE_DIAGONAL = 1e-3
_LEAST_SQUARE = 1e-200  # of R_jj, as a share of 1 + the cost
_TERMS = 8  # of a sum in one call


def compiled(f: Callable, unrolled: bool = False) -> Callable:
    """`jax.jit` with our disk cache and, on the CPU, options of XLA's.

    unrolled: much of it is straight code on vectors of some hundred numbers. LLVM's first level of
    optimisation compiles such in 0.6 of the time, and what it makes takes 1.02 times as long; a
    pass over 10^6 points would take 1.5 times as long.

    Vectors as wide as the processor's, where XLA stops at 256 bits: with AVX-512 a pass takes 0.7
    to 0.8 of the time. And without JAX 0.10's fusion emitters, with which a fit's program takes 2.1
    times as long to compile (3.7 s of CPU against 1.8 s) and a pass over 10^6 points 1.8 times as
    long; JAX 0.12 has neither the option nor the old emitters.
    """
    options: dict[str, Any] = {}
    if jax.default_backend() == "cpu" and jax.__version_info__ < (0, 13):  # as far as is known
        options["xla_cpu_prefer_vector_width"] = 512
        if unrolled:
            options["xla_backend_optimization_level"] = 1
        if jax.__version_info__ < (0, 11):
            options["xla_cpu_use_fusion_emitters"] = False
    return Program(jax.jit(f, compiler_options=options))


def pack_setup(setup: Setup, m: int, *state: np.ndarray) -> np.ndarray:
    """Setup, number of points and, where given, the loop's state as one float64 vector."""
    return np.concatenate([*setup[:5], [*setup[5:], m], *state])


def unpack_setup(flat, n: int):
    """(Setup, m) from `pack_setup`'s vector, inside a program."""
    return loop.setup_packing(n).tree(flat[:-1]), flat[-1].astype(int)


class Outcome:
    """A finished fit's numbers, from the vector of its last state."""

    def __init__(self, vector: np.ndarray, method: Method):
        at = loop.state_packing(method).places
        p = at.point
        vector = vector.copy()  # JAX's memory is read-only
        n = method.n
        self.x, self.z, self.norms = vector[p.x], vector[p.z], vector[p.norms]
        self.columns = vector[at.columns]
        self.R, self.P = vector[p.R].reshape(n, n), vector[p.P].reshape(n, n)
        flags = vector[p.dead.start : p.dependent.stop].astype(bool)  # they are neighbours
        self.dead, self.dependent = flags[:n], flags[n:]
        number = vector.item
        self.cost, self.pivot, self.optimality = (
            number(p.cost),
            number(p.pivot),
            number(p.optimality),
        )
        self.status, self.nfev = int(number(at.status)), int(number(at.nfev))
        self.njev, self.nit = int(number(at.njev)), int(number(at.nit))
        self.tries: tuple = ()  # see `tries.Tally`, as for the next
        self.own_nit: int | None = None  # of the try that was kept, where `nit` is of all
        # far from singular, and no column next to 0, whose variance would overflow; in plain
        # numbers, since every NumPy call costs a small fit microseconds
        self.lengths = self.norms.tolist()
        long = zip(vector[p.R][:: n + 1].tolist(), self.lengths, strict=True)
        # some parameter changes nothing, by itself or beside others
        self.lost = True in flags.tolist()
        least = _LEAST_SQUARE * (1 + self.cost)
        self.regular = not self.lost and False not in [
            abs(r) > _SAFE_DIAGONAL * d and r * r > least for r, d in long
        ]

    @property
    def gradient(self) -> np.ndarray:
        """g = R^T z (n,)."""
        return self.R.T @ self.z

    @property
    def moved(self) -> bool:
        """Whether the fit left its start."""
        return (self.nit if self.own_nit is None else self.own_nit) > 0


def fit_program(key: Hashable, model: Callable, layout, loss, method: Method) -> Callable:
    """Whole fit: (leaves, y, weights, cholesky, flat setup and state) -> flat state.

    model() makes the traceable call when there is no program of this key yet.
    """

    def build():
        call, size = model(), loop.state_packing(method).size

        def fit(leaves, y, weights, cholesky, flat):
            constants, vector = flat[:-size], flat[-size:]
            setup, m = unpack_setup(constants, method.n)
            data = passes.Data(leaves, y, weights, cholesky, m)
            reduce = passes.make_reduce(call, layout, loss, data, setup)
            return loop.device_fit(reduce, constants[:-1], vector, method)

        return compiled(fit)

    return cache.get(("fit", key, layout, method), build)


def pass_program(key: Hashable, call: Callable, layout, loss, method: Method) -> Callable:
    """One pass: (leaves, y, weights, cholesky, (m, starts), flat setup, flat state) -> Sums.

    m and starts as in `passes.Data`; the m of the flat setup does not count. Of a state that is
    done no block is read.
    """
    n, packing = method.n, loop.state_packing(method)

    def build():
        def one_pass(leaves, y, weights, cholesky, places, flat, vector) -> Sums:
            (setup, _), state = unpack_setup(flat, n), packing.tree(vector)
            m, starts = places
            data = passes.Data(
                leaves, y, weights, cholesky, jnp.where(loop.running(state), m, 0), starts
            )
            reduce = passes.make_reduce(call, layout, loss, data, setup)
            return reduce(state.trial, state.point.P)

        return compiled(one_pass)

    return cache.get(("pass", key, layout, n), build)


def add_up(totals: list[Sums]) -> Sums:
    """The sum from the first to the last, which XLA takes when they have arrived."""

    def build():
        return compiled(lambda totals: functools.reduce(partial(jax.tree.map, jnp.add), totals))

    program = cache.get(("sum", jax.tree.structure(totals[0]), totals[0].G.shape), build)
    nothing = jax.tree.map(lambda a: np.zeros(a.shape), totals[0])
    while len(totals) > 1:
        first = totals[:_TERMS] + [nothing] * (_TERMS - len(totals))
        totals = [program(first), *totals[_TERMS:]]
    return totals[0]


def value_program(key: Hashable, traceable: Callable, x) -> Callable:
    """Model value: (leaves, p) -> (m,) for abscissae of the form of `x`."""

    def build():
        call = traceable()

        def value(leaves, p):
            tree = jax.tree.unflatten(x.treedef, leaves)
            return call(tree, [p[i] for i in range(p.shape[0])], None)

        return compiled(value)

    return cache.get(("value", key, x.treedef, x.shapes), build)


def jacobian_program(key: Hashable, traceable: Callable, x) -> Callable:
    """Jacobian of the model: (leaves, p) -> (m, n) for abscissae of the form of `x`."""

    def build():
        call = traceable()

        def jacobian(leaves, p):
            directions = jnp.eye(p.shape[0])
            tree = jax.tree.unflatten(x.treedef, leaves)
            return passes.value_and_rows(call, tree, p, directions)[1].T

        return compiled(jacobian)

    return cache.get(("jacobian", key, x.treedef, x.shapes), build)


def step_program(method: Method) -> Callable:
    """The model-free step of the loop: (flat state, sums, flat setup) -> flat state.

    A state that is done stays as it is.
    """
    phase = loop.state_packing(method).places.phase

    def build():
        def step(vector, total, flat):
            new = loop.device_step(vector, total, flat[:-1], method)
            return jnp.where(vector[phase] < loop.DONE, new, vector)

        return compiled(step)

    return cache.get(("step", method), build)
