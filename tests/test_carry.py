"""Models carried from NumPy to JAX: the corpus against NumPy, and the corners of the proxy."""

from __future__ import annotations

import functools
import math
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, interpolate, special
from scipy.integrate import solve_ivp

from nlsq.core.model.carry import NotCarried, carry
from tests.corpus import CARRIED, CASES, HOST

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("compiled", "quickly")]
X = np.linspace(0.5, 4.0, 8)


@pytest.fixture(autouse=True)
def _double_precision():
    with jax.enable_x64(True):
        yield


def points(case, count=20):
    """Parameters within 2 % of the truth, inside the bounds."""
    rng = np.random.default_rng(7)
    p = np.array(case.p_true) * (1 + 0.02 * rng.uniform(-1, 1, (count, len(case.p_true))))
    return p if case.bounds is None else np.clip(p, *map(np.asarray, case.bounds))


def model(case, p):
    return np.ravel(np.asarray(case.f(case.x, *p)))


def both_roads(f, *p, x=X):
    """The model's value by NumPy, and carried with x traced and with x concrete."""
    want = np.asarray(f(x, *p))
    g = carry(f)
    traced = jax.jit(g)(x, *p)
    concrete = jax.jit(lambda *q: g(x, *q))(*p)
    return want, np.asarray(traced), np.asarray(concrete)


def assert_carried(f, *p, x=X):
    for got in (both := both_roads(f, *p, x=x))[1:]:
        np.testing.assert_allclose(got, both[0], rtol=1e-13, atol=1e-14)


def reason(f, *p, x=X):
    with pytest.raises(NotCarried) as caught:
        jax.eval_shape(lambda *q: carry(f)(x, *q), *p)
    assert "\n" not in caught.value.reason
    return caught.value.reason


# -- the corpus -----------------------------------------------------------------------------------
def test_corpus_is_large_and_distinct():
    assert len({case.name for case in CASES}) == len(CASES) >= 130


@pytest.mark.parametrize("case", [c for c in CASES if c.road == CARRIED], ids=str)
def test_carried_model_equals_numpy(case):
    """Its derivatives are those of a fit, which `tests.test_corpus` compares."""
    g, p = carry(case.f), points(case)

    def values(x, p):
        return jax.lax.map(lambda q: jnp.ravel(g(x, *q)), p)

    if case.concrete or hasattr(case.x, "columns"):
        value = jax.jit(lambda p: values(case.x, p))(p)
    else:
        value = jax.jit(values)(case.x, p)
        assert jax.eval_shape(lambda p: values(case.x, p), p).shape == value.shape
    want = np.stack([model(case, q) for q in p])
    np.testing.assert_allclose(value, want, rtol=0, atol=1e-11 * np.abs(want).max())
    assert value.dtype == want.dtype


@pytest.mark.parametrize("case", [c for c in CASES if c.road == HOST], ids=str)
def test_host_model_says_why(case):
    for concrete in (False, True):
        with pytest.raises(NotCarried) as caught:
            if concrete:
                jax.eval_shape(lambda *p: carry(case.f)(case.x, *p), *case.p_true)
            else:
                jax.eval_shape(carry(case.f), case.x, *case.p_true)
        assert 10 < len(caught.value.reason) < 250 and "\n" not in caught.value.reason


# -- assignment and views -------------------------------------------------------------------------
def by_masks(x, a, b):
    y = np.zeros_like(x)
    low = x < b
    y[low] = a * np.log(x[low])
    y[~low] += 1.0
    y[x >= b] *= x[x >= b] ** 2
    return y


def by_slices(x, a, b):
    out = np.empty((2, len(x)))
    out[0, :] = a
    out[1] = b * x
    out[:, 0] = 7.0
    row = out[1]
    row[2:4] = a
    out.T[5] = (b, a)
    flat = out.reshape(-1)
    flat[3] = -1.0
    return out


def by_rows(x, a, b):
    y = np.zeros(len(x))
    y[0] = a
    for i in range(1, 5):
        y[i] = y[i - 1] * b
    y[-1] = y.sum()
    return y


def aliases(x, a, b):
    y = x
    y += 1.0
    first = y[0]
    y *= a
    return x + first * b


def fills(x, a, b):
    y = np.full_like(x, b)
    z = y.copy()
    y.fill(a)
    np.multiply(y, b, out=z)
    return np.add.outer(y[:2], z).ravel()


@pytest.mark.parametrize("f", [by_masks, by_slices, by_rows, fills], ids=lambda f: f.__name__)
def test_assignment_follows_numpy(f):
    assert_carried(f, 1.7, 2.2)


def test_in_place_arithmetic_reaches_every_alias():
    want = aliases(X.copy(), 1.7, 2.2)
    np.testing.assert_allclose(carry(aliases)(X, 1.7, 2.2), want, rtol=1e-15)
    np.testing.assert_array_equal(X, np.linspace(0.5, 4.0, 8))


def test_integer_arrays_stay_integer():
    def f(n, a):
        y = np.zeros_like(n)
        y[2] = a
        return y + n // 2 + n % 3 + (n - 4) ** 3

    n = np.arange(8)
    want, *carried = both_roads(f, 2.9, x=n)
    for got in carried:
        assert got.dtype == want.dtype == np.int64
        np.testing.assert_array_equal(got, want)


def test_masked_selection_is_differentiable_outside_the_domain():
    def f(x, a, t):
        y = np.zeros_like(x)
        y[x > t] = a * np.sqrt(x[x > t] - t)
        return y.sum() + x[x > t].mean() + x[x <= t].max()

    gradient = jax.grad(lambda p: carry(f)(jnp.asarray(X), *p))(jnp.array([2.0, 2.1]))
    inside = X[X > 2.1]
    np.testing.assert_allclose(gradient[0], np.sqrt(inside - 2.1).sum(), rtol=1e-13)
    np.testing.assert_allclose(gradient[1], -(1 / np.sqrt(inside - 2.1)).sum(), rtol=1e-13)


# -- what is refused ------------------------------------------------------------------------------
def test_branch_on_a_parameter_is_refused_in_words():
    def f(x, a):
        return a * x if a > 0 else x

    assert "branches" in reason(f, 1.0) and "a * x if a > 0" in reason(f, 1.0)


def test_a_swallowed_refusal_still_counts():
    def f(x, a):
        try:
            return a * x if a > 0 else x
        except Exception:
            return x

    assert "branches" in reason(f, 1.0)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda x, a: x * int(a), "plain number"),
        (lambda x, a: x[: int(a)], "plain number"),
        (lambda x, a: x * {a: 1.0}[a], "hash"),
        (lambda x, a: x[a * x > 2], "mask"),
        (lambda x, a: x * integrate.quad(lambda u: a * u, 0, 1)[0], "scipy.integrate.quad"),
        (lambda x, a: solve_ivp(lambda t, y: -a * y, (0, 1), [a]).y, "scipy.integrate.solve_ivp"),
        (lambda x, a: np.unique(a * x), "numpy.unique"),
        (lambda x, a: special.airy(a * x)[0], "scipy.special.airy"),
        (lambda x, a: special.jv(a, x), "whole orders"),
        (lambda x, a: math.factorial(a) * x, "math.factorial"),
        (lambda x, a: np.arange(0, a, 0.1), "numpy.arange"),
        (lambda x, a: x.no_such_method(), "no_such_method"),
    ],
)
def test_refusals_name_the_cause(f, words):
    assert words in reason(f, 2.0)


def test_a_long_recursion_is_refused_before_it_compiles():
    def f(x, a):
        y = [a]
        for _ in range(200):
            y.append(y[-1] * 0.9 + a)
        return np.array(y)

    assert "Python loop" in reason(f, 1.0)


# -- rebuilding the model -------------------------------------------------------------------------
TABLE = np.array([1.0, 2.0, 4.0, 8.0])
BUFFER = np.zeros(8)
COUNT = 0


def module_state(x, a):
    global COUNT
    COUNT += 1
    BUFFER[:] = a * x
    return BUFFER + TABLE[np.searchsorted(x, 2.0) % 4]


def test_globals_are_read_and_never_written():
    before = dict(vars(types)), COUNT, BUFFER.copy()
    value = carry(module_state)(X, 3.0)
    np.testing.assert_array_equal(BUFFER, before[2])
    assert before[1] == COUNT
    np.testing.assert_allclose(value, module_state(X, 3.0))


def test_objects_are_read_and_never_written():
    class Model:
        scale = 2.0

        def __init__(self):
            self.history = []
            self.weights = np.ones(8)

        def helper(self, x):
            out = np.zeros(len(x))
            out[:] = x * self.scale
            return out

        def __call__(self, x, a):
            self.last = a
            self.history.append(a)
            self.weights[0] = a
            return self.helper(x) * a + self.weights

    made = Model()
    value = np.asarray(carry(made)(X, 3.0))
    assert made.history == [] and not hasattr(made, "last") and (made.weights == 1).all()
    np.testing.assert_allclose(value, Model()(X, 3.0))
    bound = np.asarray(carry(Model().__call__)(X, 3.0))
    np.testing.assert_allclose(bound, value)


def test_a_changed_global_is_seen_at_the_next_trace(monkeypatch):
    g = carry(module_state)
    first = np.asarray(g(X, 1.0))
    monkeypatch.setattr(f"{__name__}.TABLE", TABLE * 10)
    np.testing.assert_allclose(np.asarray(g(X, 1.0)) - X, 10 * (first - X))


def test_closures_defaults_partials_and_recursion():
    weights = {"k": 3.0, "f": lambda u: u**2}

    def power(u, n):
        return u if n == 1 else u * power(u, n - 1)

    def f(x, a, b=2.0, *, c=1.0):
        return weights["k"] * power(x, 3) * a + weights["f"](b) + math.exp(-a) * c

    assert_carried(functools.partial(f, c=4.0), 1.5, 2.5)
    assert_carried(functools.partial(f, b=1.0), 1.5)
    assert_carried(lambda x, a: max(a, 0.0) * x + float(a) + min(a, 1.0), 1.5)
    assert_carried(lambda x, a: np.r_[a, x[1:]] + np.array([a, 1.0] * 4), 1.5)


# -- functions ------------------------------------------------------------------------------------
FUNCTIONS = [
    lambda x, a: np.interp(a * x, x, np.sin(x), left=0.0),
    lambda x, a: np.convolve(a * x, [0.25, 0.5, 0.25], "same"),
    lambda x, a: np.select([x < 1, x < a], [a * x, x**2], default=-1.0),
    lambda x, a: np.piecewise(x, [x < 2], [lambda u: a * u, lambda u: u**a]),
    lambda x, a: np.gradient(a * x**2, x) + np.trapezoid(a * x, x) + np.ptp(a * x),
    lambda x, a: np.linspace(0, a, 8) + np.cumsum(a * x) + np.polyval([a, 1, 0], x),
    lambda x, a: np.fft.irfft(np.fft.rfft(a * x) * np.exp(-0.1j)),
    lambda x, a: np.linalg.solve(np.diag(a + x), x) + np.linalg.norm(a * x),
    lambda x, a: np.einsum("i,j->ij", x, a * x).mean(axis=0) + np.outer(x, a * x)[1],
    lambda x, a: np.roll(a * x, 2)[::-1] + np.flip(x) + np.tile(a * x[:2], 4),
    lambda x, a: np.nan_to_num(a * np.where(x > 1, np.nan, x), nan=3.0),
    lambda x, a: np.abs(1 / (1 + 1j * a * x)) + np.angle(np.exp(1j * a * x)),
    lambda x, a: np.hypot(a, x) + np.arctan2(a, x) + np.heaviside(x - a, 0.5) + np.sinc(a * x),
    lambda x, a: np.polynomial.polynomial.polyval(x, [a, 1, a]),
    lambda x, a: np.polynomial.chebyshev.chebval(x / 4, [a, 1, a, 0.3]),
    lambda x, a: (-(x**2)) ** 3 + (-x) ** 2.0 + np.float64(a) ** -1 + x**0.5,
    lambda x, a: np.sum([a * x, x], axis=0) + np.max([a, 1.0]) + np.stack([x, a * x]).std(axis=0),
    lambda x, a: np.where(x > a, x, 0).clip(0.2) + np.clip(x, None, a) + (a * x).round(2),
    lambda x, a: interpolate.CubicSpline(X, np.sin(X))(x * a / 2, 1),
    lambda x, a: integrate.cumulative_trapezoid(a * x, x, initial=0) + special.logsumexp(a * x),
    lambda x, a: np.sort(np.cos(a * x)) + np.median(a * x) + np.diff(a * x, prepend=0.0),
    lambda x, a: x[np.argsort(-x)] * a + x[(-a * x).argsort()] + np.sort(-x, kind="stable"),
    lambda x, a: np.array([[a, 0], [1, a]]) @ np.array([x, a * x])[:, :8],
    lambda x, a: sum(c * x**k for k, c in enumerate([a, 1, 2])) + divmod(a * x, 0.7)[1],
    lambda x, a: np.add.reduce(a * x) + np.multiply.accumulate(a * x) * 1e-3,
]


@pytest.mark.parametrize("f", FUNCTIONS, ids=range(len(FUNCTIONS)))
def test_numpy_function(f):
    for got in (both := both_roads(f, 1.7))[1:]:
        np.testing.assert_allclose(got, both[0], rtol=1e-12, atol=1e-13)


def test_power_at_zero():
    def f(x, a, b):
        return x**a + x**2 * b + x**2.0 + np.power(x, 1)

    x = jnp.array([0.0, 1.0, 2.0])
    slope = jax.jacfwd(lambda p: carry(f)(x, *p))(jnp.array([1.5, 1.0]))
    np.testing.assert_allclose(slope[:, 0], [0.0, 0.0, 2**1.5 * np.log(2)], atol=1e-15)
    inner = jax.jvp(lambda u: carry(f)(u, 1.5, 1.0), (x,), (jnp.ones(3),))[1]
    np.testing.assert_allclose(inner, 1.5 * np.sqrt(x) + 4 * x + 1, rtol=1e-14)


def test_vectorize_with_a_branch_on_data():
    @np.vectorize
    def f(t, a):
        return a * math.exp(-t) if t < 2 else a / t

    want = f(X, 2.0)
    np.testing.assert_allclose(jax.jit(lambda a: carry(f)(X, a))(2.0), want, rtol=1e-15)
