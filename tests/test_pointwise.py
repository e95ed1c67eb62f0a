"""The proof that a model is pointwise, against models whose answer is known.

The oracle is numerical: a pointwise model commutes with permuting and with selecting points.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlsq.core.model import by_numpy
from nlsq.core.model.pointwise import couples_points, length_matters
from nlsq.core.model.reading import asks_for_identity, asks_for_length
from tests.pointwise_models import (
    BLOCK,
    COUPLING,
    MIXING_STEPS,
    OWN_STEPS,
    POINTWISE,
    TWO_ROWS,
    T,
)

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("quickly")]

P = np.array([1.3, 0.7, 0.4])


def trace(f, m=BLOCK, rows=None):
    x = jax.ShapeDtypeStruct((m,) if rows is None else (rows, m), "float64")
    with jax.enable_x64(True):
        return jax.make_jaxpr(f)(x, jax.ShapeDtypeStruct((3,), "float64"))


@cache
def compiled(name):
    return jax.jit(POINTWISE.get(name) or TWO_ROWS[name])


def values(name, x):
    with jax.enable_x64(True):
        return np.broadcast_to(compiled(name)(x, P), x.shape[-1:])


@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_models_are_proved(name):
    assert couples_points(trace(POINTWISE[name]), [0, None], BLOCK) is None


@pytest.mark.parametrize("name", TWO_ROWS)
def test_pointwise_models_of_two_rows_are_proved(name):
    assert couples_points(trace(TWO_ROWS[name], rows=2), [1, None], BLOCK) is None


@pytest.mark.parametrize("name", COUPLING)
def test_coupling_models_are_refused_with_a_reason(name):
    f, word = COUPLING[name]
    reason = couples_points(trace(f), [0, None], BLOCK)
    assert reason is not None
    assert word in reason


@pytest.mark.parametrize("name", [*POINTWISE, *TWO_ROWS])
@settings(max_examples=5, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1))
def test_declared_pointwise_commutes_with_permutation_and_selection(name, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.05, 0.95, (12,) if name in POINTWISE else (2, 12))
    whole = values(name, x)
    for chosen in (rng.permutation(12), rng.choice(12, 12)):
        some = values(name, x[..., chosen])
        np.testing.assert_allclose(some, whole[chosen], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", [*POINTWISE, *TWO_ROWS])
def test_pointwise_models_do_not_depend_on_the_length(name):
    f, rows = (POINTWISE[name], None) if name in POINTWISE else (TWO_ROWS[name], 2)
    assert not length_matters(trace(f, 1009, rows), trace(f, 2003, rows), (1009, 2003))


@pytest.mark.parametrize(
    "f",
    [
        lambda x, p: x / len(x),
        lambda x, p: x / (2 * len(x)),
        lambda x, p: x * jnp.ones(2 * len(x)).sum(),
        lambda x, p: jnp.interp(x, jnp.linspace(0, 1, len(x) + 1), jnp.arange(len(x) + 1.0)),
        lambda x, p: x * np.arange(3.0 * len(x)).mean(),
        lambda x, p: jax.jit(lambda u: u + np.array([len(u), 1.0])[0] * 3)(x),
        lambda x, p: x + jnp.asarray(np.array([3.5 * len(x), 1.0]))[0],
        lambda x, p: x + jax.jit(lambda: jnp.asarray(np.array([3.5 * len(x), 1.0])))()[0],
        lambda x, p: jnp.searchsorted(jnp.asarray(T) * len(x) * 2, x),
    ],
)
def test_dependence_on_the_length_is_seen_in_two_traces(f):
    assert length_matters(trace(f, 1009), trace(f, 2003), (1009, 2003))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, len(OWN_STEPS) + len(MIXING_STEPS) - 1), min_size=1, max_size=4),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_random_programs_are_never_wrongly_declared_pointwise(steps, tame, seed):
    steps = [k % len(OWN_STEPS) for k in steps] if tame else steps

    def f(x, p):
        y = x[:, None] * p
        for k in steps:
            y = jnp.sin((OWN_STEPS + MIXING_STEPS)[k](y, p))
        return y.sum(axis=1)

    reason = couples_points(trace(f), [0, None], BLOCK)
    assert (reason is None) == all(k < len(OWN_STEPS) for k in steps)
    if reason is None:
        rng = np.random.default_rng(seed)
        x, chosen = rng.uniform(-1, 1, 7), rng.permutation(7)
        run = jax.jit(f)
        with jax.enable_x64(True):
            np.testing.assert_allclose(run(x[chosen], P), run(x, P)[chosen], rtol=1e-10, atol=1e-12)


def test_inputs_may_be_a_tree_with_data_on_different_axes():
    def f(x, p):
        return x["a"] * p[0] + x["b"][1] * x["c"][:, 0]

    shapes = {"a": (BLOCK,), "b": (2, BLOCK), "c": (BLOCK, 2)}
    leaves = {k: jax.ShapeDtypeStruct(s, "float32") for k, s in shapes.items()}
    jaxpr = jax.make_jaxpr(f)(leaves, jnp.ones(2))
    assert couples_points(jaxpr, [0, 1, 0, None], BLOCK) is None
    assert "not data" in couples_points(jaxpr, [0, None, 0, None], BLOCK)
    with pytest.raises(ValueError, match="no axis 0 of length 1009"):
        couples_points(jaxpr, [0, 0, 0, None], BLOCK)
    with pytest.raises(ValueError, match="3 data axes for 4 inputs"):
        couples_points(jaxpr, [0, 1, 0], BLOCK)


def test_mutable_arrays_are_not_believed():
    def f(x, p):
        total = jax.new_ref(jnp.zeros(()))
        total[...] = x.sum()
        return p[0] * x + total[...]

    assert couples_points(trace(f), [0, None], BLOCK) is not None


def test_data_that_is_square_is_refused():
    jaxpr = jax.make_jaxpr(lambda x: x.sum(0))(jnp.ones((BLOCK, BLOCK), "float32"))
    assert "pairs" in couples_points(jaxpr, [1], BLOCK)


@pytest.mark.parametrize("block", [64, 256, 1024])
def test_a_table_as_long_as_a_block_is_not_the_length(block):
    table = np.linspace(0, 1, block)

    def f(x, p):
        return jnp.interp(x, table, table**2) + p[0] * x**3

    assert not length_matters(trace(f, 1009), trace(f, block), (1009, block))
    assert length_matters(
        trace(lambda x, p: f(x, p) + (len(x) == block), 1009),
        trace(lambda x, p: f(x, p) + (len(x) == block), block),
        (1009, block),
    )


# ------------------------------------------------------------- what a model's code could ask for

TABLE = np.arange(5.0)


def scaled(x):
    return np.exp(-2 * x)


def long_enough(x):
    return len(x) > 100


BLIND = {
    "elementwise": lambda x, a, b: a * np.exp(-b * x) + np.where(x > 1, b, 0.0),
    "helper and table": lambda x, a: a * scaled(x) + TABLE[2],
    "terms": lambda x, *p: sum(p[2 * k] * x ** p[2 * k + 1] for k in range(len(p) // 2)),
    "jitted": jax.jit(lambda x, a: a * jnp.exp(x)),
    "partial": partial(lambda x, a, b: a * b * x, b=3.0),
    "default": lambda x, a, b=None: a * x if b is None else x,
}
ASKING = {
    "len": lambda x, a: a * x if len(x) > 100 else x,
    "len of both": lambda x, *p: p[0] * x * len(p) * len(x),
    "shape": lambda x, a: a * x.shape[0],
    "np.size": lambda x, a: a * np.size(x),
    "nbytes": lambda x, a: a * x.nbytes,
    "helper": lambda x, a: a * x if long_enough(x) else x,
    "text": lambda x, a: a * x * (str(x).count(" ")),
    "equal": lambda x, a: a * x + (TABLE.sum() if np.array_equal(x, TABLE) else 0),
    "unknown callable": lambda x, a: a * x * Unknown()(x),
}


class Unknown:
    def __call__(self, x):
        return len(x)


def catching(x, a):
    try:
        return x + TABLE * a
    except ValueError:
        return x * a


ASKING["caught"] = catching
size = 3.0
ASKING["attribute named as a global"] = lambda x, a: a * x.size + size


@pytest.mark.parametrize("name", [*BLIND, *ASKING])
def test_whether_a_model_could_ask_for_the_length(name):
    assert asks_for_length((BLIND | ASKING)[name]) == (name in ASKING)


def test_whether_a_model_compares_identities():
    def same(x, a):
        return a * x + (x is TABLE)

    def through(x, a):
        return same(x, a)

    assert all(map(asks_for_identity, (same, through, partial(same, a=1), jax.jit(same))))
    assert not any(map(asks_for_identity, [*BLIND.values(), ASKING["len"], Unknown()]))


# --------------------------------------------------------------------- programs run by NumPy


def test_numpy_runs_a_program_as_jax_does():
    def f(x, k, p):
        y = jnp.where(x > 0.5, jnp.exp(-p[0] * x), jnp.log1p(x) ** 2.5) + jax.nn.sigmoid(x)
        y = y + jnp.concatenate([x[:3], x[3:][::-1]]) + x**3 - jnp.sqrt(x) / (1 + jnp.abs(x))
        y = y * jnp.sum(jnp.stack([x, x.T]), axis=0) + jax.lax.rsqrt(x) + jnp.arctan2(x, p[1])
        y = y + jnp.interp(x, jnp.linspace(0, 1, 7), jnp.arange(7.0)) + jnp.cumsum(x)
        y = y + jax.lax.fori_loop(0, 3, lambda i, u: u + jnp.sin(u), x)
        y = y + k // 2 + jnp.maximum(k, 3) + ((k > 2) & ~(k == 4)) + x.astype("float32")
        return jnp.minimum(y, 40.0), jax.scipy.special.erf(x) + jnp.cos(x).real

    x, k = np.linspace(0.05, 0.95, 12), np.arange(12)
    with jax.enable_x64(True):
        found = by_numpy.evaluate(jax.make_jaxpr(f)(x, k, P), x, k, P)
        for ours, theirs in zip(found, jax.jit(f)(x, k, P), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-13)
            assert np.asarray(ours).dtype == theirs.dtype
