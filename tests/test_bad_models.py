"""A model's own mistakes: exceptions, NaN on the way, budgets. SciPy is the oracle."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import nlsq
from nlsq import curve_fit, fit_many, least_squares
from nlsq.result import FitError

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("quickly")]
X = np.linspace(0.0, 4.0, 20)
Y = 2.0 * np.exp(-0.7 * X) + 0.01 * np.sin(7 * X)
START = [-1.2, 1.0]


def decay(x, a, b):
    return a * np.exp(-b * x)


def rosenbrock(x):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


class OwnError(Exception):
    """Of no family that a tracer's mistakes belong to."""


@pytest.mark.parametrize("kind", [OwnError, KeyError, ValueError, RuntimeError, ZeroDivisionError])
@pytest.mark.parametrize("call", ["curve_fit", "least_squares", "jac", "later"])
def test_what_the_model_raises_comes_through_unchanged(kind, call):
    mine = kind("the user's own words")
    calls = []

    def raises(*_):
        raise mine

    def raises_later(x, a, b):
        calls.append(a)
        if len(calls) > 5:
            raise mine
        return a * np.exp(-b * x)

    with pytest.raises(kind) as caught:
        if call == "curve_fit":
            curve_fit(raises, X, Y, [1.0, 1.0])
        elif call == "jac":
            curve_fit(decay, X, Y, jac=raises)
        elif call == "later":
            curve_fit(raises_later, X, Y, [1.0, 1.0], jac="2-point")  # runs on the host
        else:
            least_squares(raises, START)
    assert caught.value is mine
    assert str(caught.value) == str(kind("the user's own words"))


def test_an_exception_on_the_way_comes_through():
    """The fit has to cross b = 3, where the model gives up."""

    def gives_up(x, a, b):
        if b > 3:
            raise OwnError("b is out of range")
        return a * np.exp(-b * x)

    y = 2 * np.exp(-5 * X)
    for call in (scipy.optimize.curve_fit, curve_fit):
        with pytest.raises(OwnError, match=r"^b is out of range$"):
            call(gives_up, X, y, [1.0, 1.0])


def test_a_model_that_refuses_tracers_with_its_own_exception_is_fitted():
    """SciPy only ever calls it with arrays and floats; so it may insist on them."""

    def strict(x, a, b):
        if type(x) is not np.ndarray or not isinstance(a, float):
            raise OwnError("arrays and floats, please")
        return a * np.exp(-b * x)

    expected, _ = scipy.optimize.curve_fit(strict, X, Y)
    result = curve_fit(strict, X, Y)
    assert result.model_info.road == "host"
    np.testing.assert_allclose(result.popt, expected, rtol=1e-6)


RNG = np.random.default_rng(5)
CALLS = []


def opaque(x, a, b):
    return np.fromiter((float(a) * np.exp(-float(b) * t) for t in x), float, x.size)


def in_numpy(x, a, b):
    return decay(x, a, b) + 1e-4 * RNG.normal(size=x.size)


def in_jax(x, a, b):
    return a * jnp.exp(-b * x) * (1 + 1e-4 * RNG.normal())


def on_the_host(x, a, b):
    return opaque(x, a, b) + 1e-4 * RNG.normal()


def drifting(x, a, b):
    CALLS.append(1)
    return opaque(x, a, b) * (1 + 1e-5 * len(CALLS))


@pytest.mark.parametrize("jac", [None, "2-point", "callable"])
@pytest.mark.parametrize("f", [in_numpy, in_jax, on_the_host, drifting])
def test_a_model_whose_values_change_from_call_to_call_is_refused(f, jac):
    rows = lambda x, a, b: np.stack([np.exp(-b * x), -a * x * np.exp(-b * x)], -1)  # noqa: E731
    with pytest.raises(ValueError, match="different values for the same parameters"):
        curve_fit(f, X, Y, [1.0, 1.0], jac=rows if jac == "callable" else jac)


@pytest.mark.parametrize("f", [in_numpy, on_the_host])
def test_so_it_is_in_every_call(f):
    for call in (
        lambda: fit_many(f, X, np.stack([Y, Y]), p0=[1.0, 1.0]),
        lambda: least_squares(lambda p: f(X, *p) - Y, [1.0, 1.0]),
        lambda: curve_fit(f, np.tile(X, 2000), np.tile(Y, 2000), [1.0, 1.0]),
        lambda: nlsq.fit(f, np.tile(X, 50), np.tile(Y, 50), p0=[1.0, 1.0], workflow="streaming"),
    ):
        with pytest.raises(ValueError, match=r"different values|cannot be shown"):
            call()


def test_a_model_that_seeds_its_noise_or_reuses_its_buffer_is_fitted():
    buffer = np.zeros(X.size)

    def seeded(x, a, b):
        return opaque(x, a, b) + 1e-4 * np.random.default_rng(1).normal(size=x.size)

    def reusing(x, a, b):
        buffer[:] = opaque(x, a, b)
        return buffer

    for f in (seeded, reusing):
        expected, _ = scipy.optimize.curve_fit(f, X, Y)
        result = curve_fit(f, X, Y)
        assert result.model_info.road == "host"
        np.testing.assert_allclose(result.popt, expected, rtol=1e-5)


def shifted_log(x, a, b):
    return a * np.log(x + b)


@pytest.mark.filterwarnings("ignore:invalid value encountered in log:RuntimeWarning")
@pytest.mark.parametrize("jac", [None, "3-point"], ids=["device", "host"])
@pytest.mark.parametrize("method", ["trf", "lm", "dogbox"])
def test_nan_at_a_trial_point_is_a_rejected_step(jac, method):
    """From here the first full step takes x + b below 0, where the logarithm is NaN."""
    x = np.linspace(0.0, 3.0, 30)
    y = 0.5 * np.log(x + 0.05)
    start = np.array([1.0, 2.0])
    J = np.column_stack([np.log(x + start[1]), start[0] / (x + start[1])])
    step = np.linalg.lstsq(J, y - start[0] * np.log(x + start[1]), rcond=None)[0]
    assert (start + step)[1] < 0  # the premise
    result = curve_fit(shifted_log, x, y, start, method=method, jac=jac)
    np.testing.assert_allclose(result.popt, [0.5, 0.05], rtol=1e-6)
    assert result.success
    assert np.all(np.isfinite(result.pcov))


def test_nan_in_the_jacobian_at_the_start_is_not_the_end():
    """sqrt has no derivative at 0; differences go on from there, as SciPy's."""
    with pytest.warns(nlsq.OptimizeWarning, match="only one combination of a, b"):
        result = curve_fit(lambda x, a, b: a * np.sqrt(b * b * x), X + 1, Y, [1.0, 0.0])
    assert result.model_info.road == "host"
    best = np.sqrt(X + 1) @ Y / np.sum(X + 1)
    assert result.popt[0] * abs(result.popt[1]) == pytest.approx(best, rel=1e-4)


def test_an_infinite_sigma_leaves_its_point_out():
    """1 / inf = 0 is a weight; SciPy's users mask points that way."""
    sigma = np.where(np.arange(20) % 5 == 0, np.inf, 0.1)
    spoiled = np.where(np.isinf(sigma), 1e3, Y)
    expected, _ = scipy.optimize.curve_fit(decay, X, spoiled, sigma=sigma)
    np.testing.assert_allclose(curve_fit(decay, X, spoiled, sigma=sigma).popt, expected, rtol=1e-6)


def test_a_whole_number_of_evaluations_may_be_a_float():
    """max_nfev=1e4 is how people write it, and SciPy takes it."""
    expected, _ = scipy.optimize.curve_fit(decay, X, Y, max_nfev=1e4, method="trf")
    np.testing.assert_allclose(curve_fit(decay, X, Y, max_nfev=1e4).popt, expected, rtol=1e-6)


# -------------------------------------------------------------------------------- not converged


@pytest.mark.parametrize("name", ["max_nfev", "maxfev"])
def test_a_spent_budget_is_scipys_runtime_error_with_the_result(name):
    method = {} if name == "maxfev" else {"method": "trf"}
    with pytest.raises(RuntimeError) as theirs:
        scipy.optimize.curve_fit(decay, X, Y, [5.0, 5.0], **{name: 3}, **method)
    with pytest.raises(
        FitError, match=r"^Optimal parameters not found: .*maximum number"
    ) as caught:
        curve_fit(decay, X, Y, [5.0, 5.0], **{name: 3})
    error = caught.value
    assert isinstance(error, RuntimeError)
    assert theirs.type is RuntimeError
    assert str(theirs.value).startswith("Optimal parameters not found: ")
    result = error.result
    assert result.success is False
    assert result.status == 0
    assert result.message in str(error)
    assert np.all(np.isfinite(result.x))
    start = 0.5 * np.sum((decay(X, 5.0, 5.0) - Y) ** 2)
    assert result.cost < start
    assert result.cost == pytest.approx(0.5 * np.sum((decay(X, *result.x) - Y) ** 2), rel=1e-9)


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_no_more_evaluations_than_allowed(budget):
    result = least_squares(rosenbrock, START, max_nfev=budget)
    assert result.status == 0
    assert not result.success
    assert result.nfev <= budget
