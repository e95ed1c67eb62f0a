"""The engine's own elementary functions against NumPy's, and their place in a traced model."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from nlsq import curve_fit
from nlsq.config import double_precision
from nlsq.core.algebra import traced
from nlsq.core.model.elementary import (
    exponential,
    inverse,
    logarithm,
    power,
    replacing,
    special,
    trigonometry,
)
from nlsq.core.passes.blocks import value_and_rows
from nlsq.xla import compiler_options

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("compiled")]
ULP = 2.0**-52
SPECIAL = np.array([
    0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -4.5, 1e300, -1e300, np.inf, -np.inf, np.nan,
    1 + ULP, 1 - ULP / 2, 2.0**53 - 1, -(2.0**53), 5e-324,
])  # fmt: skip


class Case(NamedTuple):
    """A function of ours, NumPy's, arguments, and how many units in the last place it may err."""

    ours: Callable
    oracle: Callable
    arguments: tuple
    ulps: float = 1.0


def _between(low, high):
    return np.random.default_rng(0).uniform(low, high, 20_000)


def _logarithmic(low, high):
    return np.exp(_between(np.log(low), np.log(high)))


def _lgamma_near_one(x):
    """Its series at 1, DLMF 5.7.3, of x a little more or less."""
    terms = [scipy.special.zeta(k) / k * (1 - x) ** k for k in range(20, 1, -1)]
    return np.euler_gamma * (1 - x) + sum(terms)


_erf = np.vectorize(math.erf, otypes=[float])
_X = _logarithmic(1e-300, 1e300)
CASES = {
    "log": Case(logarithm.log, np.log, (_logarithmic(5e-324, 1e308),)),
    "log near 1": Case(logarithm.log, np.log, (_between(0.7, 1.42),)),
    "log1p": Case(logarithm.log1p, np.log1p, (_between(-1, 1),)),
    "log1p of a little": Case(logarithm.log1p, np.log1p, (-_logarithmic(1e-300, 1),)),
    "log1p of much": Case(logarithm.log1p, np.log1p, (_logarithmic(0.1, 1e308),)),
    "power": Case(power.power, np.power, (_X, _between(-1, 1) * 700 / np.abs(np.log(_X)))),
    "power near 1": Case(power.power, np.power, (_between(0.7, 1.42), _between(-99, 99))),
    "power, large": Case(power.power, np.power, (_between(0.7, 1.42), _between(-1900, 1900)), 2),
    "power nearest 1": Case(power.power, np.power, (1 + _between(0, 1e-9), _between(0, 1e11))),
    "power, whole": Case(power.power, np.power, (_between(-9, 9), np.round(_between(-99, 99)))),
    "power, one exponent": Case(power.power, np.power, (_between(0, 9), 1.37)),
    "power, one base": Case(power.power, np.power, (2.5, _between(-99, 99))),
    "expm1": Case(exponential.expm1, np.expm1, (_between(-1.5, 1.5),), 1.5),
    "expm1 of a little": Case(exponential.expm1, np.expm1, (_logarithmic(1e-300, 1),), 1.5),
    "expm1 of much": Case(exponential.expm1, np.expm1, (_between(-700, 709),), 1.5),
    "arctan": Case(inverse.arctan, np.arctan, (_between(-4, 4),), 2),
    "arctan of all": Case(inverse.arctan, np.arctan, (_logarithmic(1e-300, 1e308),), 2),
    "arctan2": Case(inverse.arctan2, np.arctan2, (_between(-4, 4), _between(-4, 4)[::-1]), 2),
    "arctan2, large": Case(inverse.arctan2, np.arctan2, (_between(-8e307, 8e307), -1e308), 2),
    "arctan2, small": Case(inverse.arctan2, np.arctan2, (_logarithmic(1e-305, 1e-303), 2e-304), 2),
    "cbrt": Case(inverse.cbrt, np.cbrt, (_between(-9, 9),)),
    "cbrt of all": Case(inverse.cbrt, np.cbrt, (_logarithmic(5e-324, 1e308),)),
    "arcsin": Case(inverse.arcsin, np.arcsin, (_between(-1, 1),), 2),
    "arccos": Case(inverse.arccos, np.arccos, (_between(-1, 1),), 2),
    "arcsinh": Case(inverse.arcsinh, np.arcsinh, (_between(-4, 4),), 2),
    "arcsinh of all": Case(inverse.arcsinh, np.arcsinh, (_logarithmic(1e-300, 1e308),), 2),
    "arccosh": Case(inverse.arccosh, np.arccosh, (1 + _logarithmic(1e-16, 1e16),), 2.5),
    "arccosh of much": Case(inverse.arccosh, np.arccosh, (_logarithmic(1.1, 1e308),), 2),
    "erf": Case(special.erf, _erf, (_between(-1.5, 1.5),), 2),
    "erf of all": Case(special.erf, _erf, (_logarithmic(1e-300, 1e300),), 2),
    "lgamma": Case(special.lgamma, scipy.special.gammaln, (_between(2.5, 19),), 6),
    "lgamma of little": Case(
        special.lgamma, scipy.special.gammaln, (_logarithmic(1e-300, 0.7),), 6
    ),
    "lgamma of much": Case(special.lgamma, scipy.special.gammaln, (_logarithmic(8, 1e305),), 6),
    "lgamma near 1": Case(special.lgamma, _lgamma_near_one, (_between(0.95, 1.05),), 6),
    "arctanh": Case(inverse.arctanh, np.arctanh, (_between(-1, 1),), 2),
}


def both(x):
    with double_precision():
        return [np.asarray(v) for v in jax.jit(trigonometry.sine_and_cosine)(x)]


@pytest.mark.parametrize("size", [1e-300, 1e-8, 1.0, 1e3, 1e6, 1.6e6])
def test_values(size):
    x = size * np.random.default_rng(0).uniform(-1, 1, 100_000)
    sine, cosine = both(x)
    assert np.abs(sine - np.sin(x)).max() <= ULP * min(1.0, size)
    assert np.abs(cosine - np.cos(x)).max() <= ULP


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_to_the_last_place(case):
    """Beside 64 digits, where the processor has them."""
    with double_precision(), traced.as_one():
        found = np.asarray(
            jax.jit(case.ours, compiler_options=compiler_options(False))(*case.arguments)
        )
    digits = float if case.oracle is scipy.special.gammaln else np.longdouble
    expected = case.oracle(*(np.asarray(a, digits) for a in case.arguments))
    error = np.abs(found - expected) / np.spacing(np.abs(expected.astype(float)))
    assert error.max() <= case.ulps


ONES = (
    *("log", "log1p", "power", "expm1", "arctan", "arctan2", "cbrt"),
    *("arcsin", "arccos", "arcsinh", "arccosh", "arctanh", "erf"),
)


@pytest.mark.parametrize("name", ONES)
def test_where_there_is_no_number_or_no_rounding(name):
    """Zeros with their sign, infinities, NaN, the edges, and the smallest double."""
    case = CASES[name]
    alone = len(case.arguments) == 1
    arguments = np.meshgrid(*[SPECIAL if alone else SPECIAL[:-1]] * len(case.arguments))
    with double_precision(), traced.as_one():
        found = np.array(jax.jit(case.ours)(*arguments))
    with np.errstate(all="ignore"):
        expected = case.oracle(*arguments)
    for a in found, expected:  # XLA may take subnormal numbers for 0
        a[np.abs(a) < np.finfo(float).tiny] *= 0
    np.testing.assert_allclose(found, expected, rtol=2 * ULP, atol=0)
    numbers = ~np.isnan(expected)
    assert np.array_equal(np.signbit(found[numbers]), np.signbit(expected[numbers]))


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


def test_lgamma_at_its_poles_and_between_them():
    """Beside SciPy's, to some units of the larger of the terms that differ."""
    x = np.concatenate([SPECIAL, -_between(0, 20), 2 + _between(-0.3, 0.3)])
    with double_precision():
        found = np.asarray(jax.jit(special.lgamma)(x))
    assert np.all(found[x == -np.inf] == np.inf)  # as in C; SciPy's is negative
    found, x = (a[(x != -np.inf) & (x != 5e-324)] for a in (found, x))
    expected = scipy.special.gammaln(x)
    np.testing.assert_allclose(found, expected, rtol=4 * ULP, atol=64 * ULP)


RULES = {
    "sine": (trigonometry.sine, jnp.sin), "cosine": (trigonometry.cosine, jnp.cos),
    "log": (lambda x: logarithm.log(x + 10), lambda x: jnp.log(x + 10)),
    "log1p": (lambda x: logarithm.log1p(x / 10), lambda x: jnp.log1p(x / 10)),
    "expm1": (exponential.expm1, jnp.expm1),
    "arctan": (inverse.arctan, jnp.arctan), "arcsinh": (inverse.arcsinh, jnp.arcsinh),
    "erf": (lambda x: special.erf(x / 4), lambda x: jax.lax.erf(x / 4)),
    "lgamma": (lambda x: special.lgamma(x + 10), lambda x: jax.lax.lgamma(x + 10)),
    "arctan2": (lambda x: inverse.arctan2(x, 2 + x * x), lambda x: jnp.arctan2(x, 2 + x * x)),
    "cbrt": (lambda x: inverse.cbrt(x + 10), lambda x: jnp.cbrt(x + 10)),
    "arcsin": (lambda x: inverse.arcsin(x / 10), lambda x: jnp.arcsin(x / 10)),
    "arccos": (lambda x: inverse.arccos(x / 10), lambda x: jnp.arccos(x / 10)),
    "arccosh": (lambda x: inverse.arccosh(x + 11), lambda x: jnp.arccosh(x + 11)),
    "arctanh": (lambda x: inverse.arctanh(x / 10), lambda x: jnp.arctanh(x / 10)),
    "power": (lambda x: power.power(x + 10, 1.5 + x), lambda x: (x + 10) ** (1.5 + x)),
    "square": (lambda x: power.power(x, np.array([2.0])), lambda x: x**2),
}  # fmt: skip


@pytest.mark.parametrize(("own", "theirs"), RULES.values(), ids=RULES)
def test_derivatives(own, theirs):
    def slopes(f):
        first = jax.grad(f)
        return lambda x: (jax.vmap(first)(x), jax.vmap(jax.grad(first))(x))

    with double_precision(), traced.as_one():
        ours, expected = slopes(lambda t: own(t[None])[0]), slopes(theirs)
        found, expected = jax.jit(lambda x: (ours(x), expected(x)))(np.linspace(-9, 9, 7))
    np.testing.assert_allclose(found, expected, rtol=1e-14, atol=1e-15)


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

    def powers(x, a, w, phi):
        return a * jnp.log(9 + x) ** w + jax.vmap(lambda p: w ** (p * x))(jnp.stack([a, phi])).sum(
            0
        )

    return [powers, plain, inside_jit, inside_loops, single, custom]


@pytest.mark.parametrize("model", _models(), ids=lambda f: f.__name__)
def test_a_traced_model_keeps_its_values_and_derivatives(model):
    x, p = np.linspace(-4, 4, 257), (1.3, 2.1, 0.4)

    def run(f):
        return value_and_rows(lambda x, p, _: f(x, *p), x, np.array(p), np.eye(3))

    with double_precision():
        program = jax.make_jaxpr(model)(x, *p)
        replaced = lambda *v: replacing.evaluate(program, *v)[0]  # noqa: E731
        ours, theirs = jax.jit(lambda: (run(replaced), run(model)))()
    limit = 1e-6 if model.__name__ == "single" else 1e-14
    for a, b in zip(ours, theirs, strict=True):
        assert np.allclose(a, b, rtol=limit, atol=limit)


def test_many_elements_in_one_compiled_function():
    """Which may call nothing that XLA cuts in parts for several threads."""
    x = np.linspace(1, 9, 2048)

    def both(x):
        return special.lgamma(x), jax.vmap(special.lgamma)(x.reshape(16, 128))

    with double_precision():
        flat, rows = jax.jit(traced.marked(both))(x)
    np.testing.assert_allclose(flat, scipy.special.gammaln(x), rtol=1e-13, atol=1e-13)
    assert np.array_equal(flat, np.ravel(rows))


def test_a_fit_of_fast_waves():
    """Phases of some 1e7, where the library's own functions take over."""
    x = np.linspace(1e6, 1e6 + 5, 400)
    y = 2.0 * np.sin(7.0 * x + 0.3)
    result = curve_fit(lambda x, a, phi: a * np.sin(7.0 * x + phi), x, y, [1.5, 0.5])
    assert np.allclose(result.popt, [2.0, 0.3], rtol=1e-9)
