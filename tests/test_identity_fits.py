"""A compiled program must not outlive the values it was traced with: fits with a known answer.

Each model is an amplitude times a constant times x, fitted to 6 x, so that the amplitude tells
which constant was used.
"""

import functools
import os
import threading
import types

import jax
import numpy as np
import pytest

from nlsq import cache_info, curve_fit

pytestmark = pytest.mark.core
X = np.linspace(1.0, 2.0, 12)
Y = 6.0 * X

RATE = 2.0


def fitted(model, x=X, **options) -> float:
    """The amplitude that takes the model to 6 x: 6 / (whatever the model multiplies by)."""
    return float(curve_fit(model, x, 6.0 * x, [1.0], **options).popt[0])


def reads_global(x, a):
    return a * x * RATE


def helper():
    return RATE


def reads_helper(x, a):
    return a * x * helper() ** 2


class Attribute:
    def __init__(self, k):
        self.k = k

    def model(self, x, a):
        return a * x * self.k / 3

    def __call__(self, x, a):
        return a * x * self.k / 5


def test_changed_closure_value_is_used():
    k = 2.0

    def model(x, a):
        return a * x * k

    assert fitted(model) == pytest.approx(3.0, rel=1e-12)
    k = 3.0
    assert fitted(model) == pytest.approx(2.0, rel=1e-12)


def test_changed_global_is_used(monkeypatch):
    assert fitted(reads_global) == pytest.approx(3.0, rel=1e-12)
    assert fitted(reads_helper) == pytest.approx(1.5, rel=1e-12)
    monkeypatch.setitem(globals(), "RATE", 4.0)
    assert fitted(reads_global) == pytest.approx(1.5, rel=1e-12)
    assert fitted(reads_helper) == pytest.approx(0.375, rel=1e-12)


def test_changed_default_argument_is_used():
    def model(x, a, k=2.0):
        return a * x * k * 7

    assert fitted(model) == pytest.approx(3 / 7, rel=1e-12)
    model.__defaults__ = (3.0,)
    assert fitted(model) == pytest.approx(2 / 7, rel=1e-12)


def test_changed_attribute_of_the_bound_object_is_used():
    thing = Attribute(2.0)
    assert fitted(thing.model) == pytest.approx(9.0, rel=1e-12)
    thing.k = 3.0
    assert fitted(thing.model) == pytest.approx(6.0, rel=1e-12)


def test_array_changed_in_place_is_used():
    table = np.full(X.size, 2.0)

    def model(x, a):
        return a * x * table

    assert fitted(model) == pytest.approx(3.0, rel=1e-12)
    table[:] = 3.0
    assert fitted(model) == pytest.approx(2.0, rel=1e-12)


def test_a_program_made_later_holds_the_values_of_its_own_fit():
    """Two equal models; the first then changes; the second asks for a program not yet made."""
    first, second = Attribute(2.0), Attribute(2.0)
    assert fitted(first) == pytest.approx(15.0, rel=1e-12)
    first.k = 3.0
    assert fitted(second, callback=lambda nit, cost, p, info: None) == pytest.approx(15, rel=1e-12)


def test_what_is_read_from_a_result_later_cannot_spoil_a_later_fit():
    """A lazy field is not evaluated with, nor a program stored for, a model that has changed."""
    first, second = Attribute(7.0), Attribute(7.0)
    result = curve_fit(first.model, X, Y, [1.0], backend="jax")
    first.k = 14.0
    with pytest.raises(RuntimeError, match="has changed since the fit"):
        _ = result.jac
    fresh = curve_fit(second.model, X, Y, [1.0])
    np.testing.assert_allclose(fresh.jac[:, 0], 7 / 3 * X, rtol=1e-12)
    np.testing.assert_allclose(fresh.fun, 0, atol=1e-12)


def test_lazy_fields_belong_to_the_model_that_was_fitted():
    k = 2.0

    def model(x, a):
        return a * x * k + 0 * a

    result = curve_fit(model, X, Y, [1.0], backend="jax")
    called = curve_fit(model, X, Y, [1.0], backend="numpy")
    k = 4.0
    np.testing.assert_allclose(called.fun, 0, atol=1e-12)  # what it was found with is kept
    with pytest.raises(RuntimeError, match="has changed since the fit"):
        _ = result.fun
    k = 2.0
    np.testing.assert_allclose(result.jac[:, 0], 2.0 * X, rtol=1e-12)
    np.testing.assert_allclose(result.fun, 0, atol=1e-12)


def test_changed_module_as_a_default_is_used():
    constants = types.ModuleType("constants")
    constants.k = 2.0

    def model(x, a, c=constants):
        return a * x * c.k * 11

    assert fitted(model) == pytest.approx(3 / 11, rel=1e-12)
    constants.k = 3.0
    assert fitted(model) == pytest.approx(2 / 11, rel=1e-12)


def test_another_partial_of_jax_is_another_model():
    def line(k, x, a):
        return k * a * x * 13

    def parabola(k, x, a):
        return k * a * x**2 * 13

    assert fitted(jax.tree_util.Partial(line, 2.0)) == pytest.approx(3 / 13, rel=1e-12)
    closed = 6 * (X**3).sum() / (X**4).sum()
    assert fitted(jax.tree_util.Partial(parabola, 1.0)) == pytest.approx(closed / 13, rel=1e-8)


def test_a_model_that_cannot_be_watched_is_fitted_anew(monkeypatch):
    lock, scale = threading.Lock(), [1.0]

    def model(x, a):
        with lock:
            return a * x * float(os.environ["NLSQ_RATE"]) * scale[0] + 0 * a

    monkeypatch.setenv("NLSQ_RATE", "2.0")
    assert fitted(model) == pytest.approx(3.0, rel=1e-12)
    monkeypatch.setenv("NLSQ_RATE", "3.0")
    result = curve_fit(model, X, Y, [1.0])
    assert result.popt[0] == pytest.approx(2.0, rel=1e-12)
    np.testing.assert_allclose(np.mean(result.prediction_interval(X), axis=0), Y, rtol=1e-12)
    made = cache_info()["programs"].misses
    np.testing.assert_allclose(np.mean(result.prediction_interval(X), axis=0), Y, rtol=1e-12)
    assert cache_info()["programs"].misses == made  # the fit keeps its programs
    scale[0] = 2.0
    with pytest.raises(RuntimeError, match="has changed since the fit"):
        result.prediction_interval(X)


class Remembering(Attribute):
    """Works a value out when it is first asked for, and keeps it."""

    @functools.cached_property
    def tripled(self):
        return 3 * self.k

    def model(self, x, a):
        return a * x * self.tripled * 17


def test_what_a_model_works_out_and_keeps_is_no_change():
    for thing in (Remembering(2.0), Remembering(2.0)):  # the second finds programs of the first
        result = curve_fit(thing.model, X, Y, [1.0])
        assert result.popt[0] == pytest.approx(1 / 17, rel=1e-12)
        for x in (X[:5], X):
            band = result.prediction_interval(x)
            np.testing.assert_allclose(np.mean(band, axis=0), 6 * x, rtol=1e-12)
