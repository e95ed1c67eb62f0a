"""The engine's own sine and cosine against NumPy's, and their place in a traced model."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nlsq import curve_fit
from nlsq.config import double_precision
from nlsq.core.model import trigonometry

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("compiled")]
ULP = 2.0**-52


def both(x):
    with double_precision():
        return [np.asarray(v) for v in jax.jit(trigonometry.sine_and_cosine)(x)]


@pytest.mark.parametrize("size", [1e-300, 1e-8, 1.0, 1e3, 1e6, 1.6e6])
def test_values(size):
    x = size * np.random.default_rng(0).uniform(-1, 1, 100_000)
    sine, cosine = both(x)
    assert np.abs(sine - np.sin(x)).max() <= ULP * min(1.0, size)
    assert np.abs(cosine - np.cos(x)).max() <= ULP


def test_quadrants():
    x = np.arange(-40, 41) * (np.pi / 4)
    sine, cosine = both(x)
    assert np.abs(sine - np.sin(x)).max() <= ULP
    assert np.abs(cosine - np.cos(x)).max() <= ULP


@pytest.mark.parametrize("odd", [1e9, 1e300, np.inf, np.nan])
def test_arguments_out_of_reach(odd):
    x = np.array([0.5, odd, -3.0])
    with np.errstate(invalid="ignore"):
        expected = np.sin(x), np.cos(x)
    for ours, theirs in zip(both(x), expected, strict=True):
        assert np.allclose(ours, theirs, rtol=0, atol=2 * ULP, equal_nan=True)


def test_no_points():
    assert both(np.zeros(0))[0].shape == (0,)


def test_derivatives():
    x = np.linspace(-9, 9, 101)
    with double_precision():
        for own, theirs in ((trigonometry.sine, jnp.sin), (trigonometry.cosine, jnp.cos)):
            for wrap in (lambda f: f, jax.grad, lambda f: jax.grad(jax.grad(f))):
                ours = [float(wrap(lambda t, f=own: f(t[None])[0])(t)) for t in x[::20]]
                assert np.allclose(ours, [wrap(theirs)(t) for t in x[::20]], rtol=0, atol=1e-15)


def _models():
    def plain(x, a, w, phi):
        return a * jnp.sin(w * x + phi) + jnp.cos(x) * phi

    def inside_jit(x, a, w, phi):
        return jax.jit(lambda x: a * jnp.sin(w * x) + jnp.cos(phi))(x)

    def inside_loops(x, a, w, phi):
        wave = jax.lax.fori_loop(0, 3, lambda i, v: v + jnp.sin(w * x * i), 0 * x)
        return jax.lax.cond(a > 0, lambda v: a * v, jnp.sin, wave) + phi

    def single(x, a, w, phi):
        return (a * jnp.sin((w * x + phi).astype("float32"))).astype("float64")

    def custom(x, a, w, phi):
        return a * jnp.sinc(w * x) + jnp.exp(1j * (x + phi)).real

    return [plain, inside_jit, inside_loops, single, custom]


@pytest.mark.parametrize("model", _models(), ids=lambda f: f.__name__)
def test_a_traced_model_keeps_its_values_and_derivatives(model):
    x, p = np.linspace(-4, 4, 257), (1.3, 2.1, 0.4)

    def run(f):
        return jax.jacfwd(lambda p: f(x, *p))(p), f(x, *p)

    with double_precision():
        program = jax.make_jaxpr(model)(x, *p)
        ours = jax.tree.leaves(run(lambda *v: trigonometry.evaluate(program, *v)[0]))
        for a, b in zip(ours, jax.tree.leaves(run(model)), strict=True):
            assert np.allclose(a, b, rtol=0, atol=1e-14)


def test_a_fit_of_fast_waves():
    """Phases of some 1e7, where the library's own functions take over."""
    x = np.linspace(1e6, 1e6 + 5, 400)
    y = 2.0 * np.sin(7.0 * x + 0.3)
    result = curve_fit(lambda x, a, phi: a * np.sin(7.0 * x + phi), x, y, [1.5, 0.5])
    assert np.allclose(result.popt, [2.0, 0.3], rtol=1e-9)
