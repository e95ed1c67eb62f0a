"""Compiled programs: one per model content, layout and method; shared by every fit that agrees.

`fit_program` runs a whole fit in one call, `pass_program` makes one pass (the host driver), and
`step_program` is the n-sized part of the loop, which knows nothing of the model. Numbers travel as
two flat vectors, one in and one out, so that a small fit is one dispatch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.caching.recent import Recent
from nlsq.core import loop, passes
from nlsq.core.loop import Method, Setup, State
from nlsq.core.reduction import Summary

_programs = Recent(maxsize=128)
_VECTORS = ("x0", "lb", "ub", "x_scale", "free")
_SCALARS = ("ftol", "xtol", "gtol", "max_nfev", "f_scale", "factor")


def compiled(f: Callable) -> Callable:
    """`jax.jit`, without JAX 0.10's fusion emitters on the CPU.

    Measured on two x86 cores: with them a fit's program takes 2.1 times as long to compile (3.7 s
    of CPU against 1.8 s) and a pass over 10^6 points 1.8 times as long. JAX 0.12 has neither the
    option nor the old emitters.
    """
    old_cpu = jax.__version_info__ < (0, 11) and jax.default_backend() == "cpu"
    return jax.jit(f, compiler_options={"xla_cpu_use_fusion_emitters": False} if old_cpu else None)


def pack_setup(setup: Setup, m: int) -> np.ndarray:
    """Setup and number of points as one float64 vector."""
    vectors = [getattr(setup, name) for name in _VECTORS]
    scalars = [getattr(setup, name) for name in _SCALARS]
    return np.concatenate([*vectors, [*scalars, m]])


def unpack_setup(flat, n: int):
    """(Setup, m) from `pack_setup`'s vector, inside a program."""
    fields = {name: flat[i * n : (i + 1) * n] for i, name in enumerate(_VECTORS)}
    rest = flat[len(_VECTORS) * n :]
    fields |= {name: rest[i] for i, name in enumerate(_SCALARS)}
    return Setup(**fields), rest[len(_SCALARS)].astype(int)


class Outcome:
    """A finished fit's numbers on the host."""

    def __init__(self, flat: np.ndarray, n: int):
        vectors = flat[: 5 * n].reshape(5, n)
        self.x, self.z, self.columns = (np.array(vectors[i]) for i in (0, 1, 4))
        self.dead, self.dependent = vectors[2] > 0, vectors[3] > 0
        self.R = np.array(flat[5 * n : 5 * n + n * n].reshape(n, n))
        rest = flat[5 * n + n * n :].tolist()
        self.cost, self.pivot, self.optimality = rest[:3]
        self.status, self.nfev, self.njev, self.nit = (int(v) for v in rest[3:])


def pack_outcome(state: State):
    """State -> flat float64 vector, inside a program; `Outcome` reads it."""
    p = state.point
    scalars = (
        p.cost, p.pivot, p.optimality, state.status, state.nfev, state.njev, state.nit,
    )  # fmt: skip
    scalars = jnp.stack([jnp.asarray(v, float) for v in scalars])
    masks = (p.dead.astype(float), p.dependent.astype(float))
    return jnp.concatenate([p.x, p.z, *masks, state.columns, p.R.ravel(), scalars])


def fit_program(key: Hashable, call: Callable, layout, loss, method: Method) -> Callable:
    """Whole fit: (leaves, y, weights, cholesky, flat setup) -> flat outcome."""

    def build():
        def fit(leaves, y, weights, cholesky, flat):
            setup, m = unpack_setup(flat, method.n)
            data = passes.Data(leaves, y, weights, cholesky, m)
            reduce = passes.make_reduce(call, layout, loss, data, setup)
            return pack_outcome(loop.device_fit(reduce, setup, method))

        return compiled(fit)

    return _programs.get(("fit", key, layout, method), build)


def pass_program(key: Hashable, call: Callable, layout, loss, n: int) -> Callable:
    """One pass: (leaves, y, weights, cholesky, flat setup, p, R_prev) -> Summary."""

    def build():
        def one_pass(leaves, y, weights, cholesky, flat, p, R_prev) -> Summary:
            setup, m = unpack_setup(flat, n)
            data = passes.Data(leaves, y, weights, cholesky, m)
            return passes.make_reduce(call, layout, loss, data, setup)(p, R_prev)

        return compiled(one_pass)

    return _programs.get(("pass", key, layout, n), build)


def value_program(key: Hashable, traceable: Callable, x) -> Callable:
    """Model value: (leaves, p) -> (m,) for abscissae of the form of `x`."""

    def build():
        call = traceable()

        def value(leaves, p):
            tree = jax.tree.unflatten(x.treedef, leaves)
            return call(tree, [p[i] for i in range(p.shape[0])], None)

        return compiled(value)

    return _programs.get(("value", key, x.treedef, x.shapes), build)


def jacobian_program(key: Hashable, traceable: Callable, x) -> Callable:
    """Jacobian of the model: (leaves, p) -> (m, n) for abscissae of the form of `x`."""

    def build():
        call = traceable()

        def jacobian(leaves, p):
            return passes.value_and_rows(call, jax.tree.unflatten(x.treedef, leaves), p)[1].T

        return compiled(jacobian)

    return _programs.get(("jacobian", key, x.treedef, x.shapes), build)


def step_program(method: Method) -> Callable:
    """The model-free step of the loop: (state, summary, flat setup) -> state."""

    def build():
        def step(state, summary, flat):
            return loop.advance(state, summary, unpack_setup(flat, method.n)[0], method)

        return compiled(step)

    return _programs.get(("step", method), build)


def start_program(method: Method) -> Callable:
    """flat setup -> the state before the first pass."""

    def build():
        return compiled(lambda flat: loop.initial_state(unpack_setup(flat, method.n)[0], method))

    return _programs.get(("start", method), build)


def outcome_program() -> Callable:
    """state -> flat outcome."""
    return _programs.get(("outcome",), lambda: compiled(pack_outcome))
