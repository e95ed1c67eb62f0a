"""Whatever comes in: no hang, no crash, no silent nonsense; and what units cannot change."""

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nlsq import OptimizeWarning, curve_fit, least_squares

pytestmark = pytest.mark.usefixtures("quickly")

LENGTHS = (3, 17, 40)
common = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    suppress_health_check=list(HealthCheck),
)
few = settings(common, max_examples=12)
WELCOME = (ValueError, TypeError, RuntimeError)  # what the documentation names


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def line(x, a, b):
    return a * x + b


T = np.linspace(0.0, 4.0, 40)
NOISE = 0.02 * np.random.default_rng(5).normal(size=40)
Y = decay(T, 2.0, 0.9, 0.4) + NOISE
START = np.array([5.0, 2.0, 0.0])

floats = st.floats(width=64)  # NaN, inf, denormals and 1e308 included
finite = st.floats(allow_nan=False, allow_infinity=False)
modest = st.floats(-1e3, 1e3)


def vectors(elements):
    return st.sampled_from(LENGTHS).flatmap(lambda m: arrays(float, m, elements=elements))


def fit(call):
    """(result or None, warnings) of a call that may raise what is documented, nothing else."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with np.errstate(all="ignore"):
            try:
                return call(), caught
            except WELCOME as error:
                assert str(error).strip()
                return None, caught


def assert_flagged(result, caught):
    """A converged result is finite; infinite variances are announced and named."""
    if result is None:
        return
    assert result.success or result.status == -6  # a start from which nothing moves
    assert np.all(np.isfinite(result.popt))
    assert np.isfinite(result.cost)
    assert not np.isnan(result.pcov).any()
    lb, ub = result.bounds
    assert np.all((lb <= result.popt) & (result.popt <= ub))
    infinite = np.isinf(np.diag(result.pcov))
    if infinite.any() or not np.isfinite(result.pcov).all():
        assert any(issubclass(w.category, OptimizeWarning) for w in caught)
        named = [name in result.undetermined for name in result.param_names]
        assert named == list(infinite) or result.dof <= 0
    assert np.all(np.diag(result.pcov) >= 0)


# ---------------------------------------------------------------------------- arbitrary input


@common
@given(st.data())
def test_arbitrary_data(data):
    y = data.draw(vectors(floats))
    x = data.draw(arrays(float, y.size, elements=floats))
    check = data.draw(st.booleans())
    assert_flagged(*fit(lambda: curve_fit(line, x, y, check_finite=check)))


@common
@given(st.data())
def test_arbitrary_finite_data_nonlinear(data):
    y = data.draw(vectors(finite))
    x = data.draw(arrays(float, y.size, elements=modest))
    assert_flagged(*fit(lambda: curve_fit(decay, x, y, [1.0, 0.1, 0.0])))


@common
@given(arrays(float, 3, elements=floats))
def test_arbitrary_start(p0):
    assert_flagged(*fit(lambda: curve_fit(decay, T, Y, p0)))


@common
@given(arrays(float, (2, 3), elements=floats), st.booleans())
def test_arbitrary_bounds(bounds, ordered):
    if ordered:
        bounds = np.sort(bounds, axis=0)
    assert_flagged(*fit(lambda: curve_fit(decay, T, Y, bounds=tuple(bounds))))


@common
@given(arrays(float, 40, elements=floats), st.booleans())
def test_arbitrary_sigma(sigma, absolute):
    call = lambda: curve_fit(decay, T, Y, START, sigma=sigma, absolute_sigma=absolute)  # noqa: E731
    assert_flagged(*fit(call))


@few
@given(st.sampled_from(["soft_l1", "cauchy"]), st.floats(1e-300, 1e300), vectors(finite))
def test_arbitrary_loss_scale(loss, f_scale, y):
    x = np.arange(y.size, dtype=float)
    assert_flagged(*fit(lambda: curve_fit(line, x, y, loss=loss, f_scale=f_scale)))


@few
@given(st.sampled_from(["lm", "dogbox"]), arrays(float, 3, elements=st.floats(-1e6, 1e6)))
def test_arbitrary_start_of_the_other_methods(method, p0):
    assert_flagged(*fit(lambda: curve_fit(decay, T, Y, p0, method=method)))


@common
@given(arrays(float, (3, 2), elements=floats), arrays(float, 2, elements=floats))
def test_arbitrary_residual_functions(matrix, x0):
    """A linear problem with any numbers in it, on the host."""

    def residual(p):
        return matrix @ p - 1.0

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            result = least_squares(residual, x0, jac="2-point")
        except WELCOME:
            return
    assert np.all(np.isfinite(result.x))
    if result.success:
        assert np.isfinite(result.cost)


# ------------------------------------------------------------------------------------- units

POWERS = st.sampled_from([1e-15, 1e-9, 1e-3, 1e3, 1e9, 1e15])
METHODS = {
    "trf": {},
    "bounds": {"bounds": ([0.0, 0.0, -1.0], [20.0, 10.0, 5.0])},
    "half-open bounds": {"bounds": ([0.0, 0.0, 0.0], [np.inf] * 3)},
    "lm": {"method": "lm"},
    "dogbox": {"method": "dogbox"},
}


def in_units(options, factors, y_unit, sigma):
    options = dict(options)
    if "bounds" in options:
        options["bounds"] = tuple(np.asarray(b) * factors for b in options["bounds"])
    if sigma:
        options["sigma"] = (0.01 + 0.01 * T) * y_unit
    return options


@pytest.fixture(scope="module")
def reference():
    return {
        (name, sigma): curve_fit(decay, T, Y, START + 0.1, **in_units(options, 1.0, 1.0, sigma))
        for name, options in METHODS.items()
        for sigma in ((False, True) if name == "trf" else (False,))
    }


@pytest.mark.parametrize(("name", "sigma"), [(n, False) for n in METHODS] + [("trf", True)])
@few
@given(x_unit=POWERS, y_unit=POWERS)
def test_units_do_not_change_the_fit(reference, name, sigma, x_unit, y_unit):
    factors = np.array([y_unit, 1 / x_unit, y_unit])
    options = in_units(METHODS[name], factors, y_unit, sigma)
    result = curve_fit(decay, T * x_unit, Y * y_unit, (START + 0.1) * factors, **options)
    expected = reference[name, sigma]
    np.testing.assert_allclose(result.popt / factors, expected.popt, rtol=1e-6)
    np.testing.assert_allclose(result.pcov / np.outer(factors, factors), expected.pcov, rtol=1e-5)
    assert result.at_bound == expected.at_bound


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_units_do_not_change_a_fit_by_differences(unit):
    factors = np.array([unit, 1 / unit, unit])
    expected = curve_fit(decay, T, Y, START, jac="3-point").popt
    result = curve_fit(decay, T * unit, Y * unit, START * factors, jac="3-point")
    np.testing.assert_allclose(result.popt / factors, expected, rtol=1e-6)


def test_a_small_parameter_is_not_at_its_bound_of_zero():
    """2 ns is not 0."""

    def fall(t, tau):
        return np.exp(-t / tau)

    t = np.linspace(0, 1e-8, 40)
    result = curve_fit(fall, t, fall(t, 2e-9), [1e-9], bounds=(0, np.inf))
    np.testing.assert_allclose(result.popt, 2e-9, rtol=1e-9)
    assert result.at_bound == ()
    assert result.active_mask.tolist() == [0]


# --------------------------------------------------------------------------------------- order


@few
@given(st.permutations(range(40)))
def test_the_order_of_points_does_not_matter(order):
    order = np.array(order)
    sigma = 0.01 + 0.01 * T
    a = curve_fit(decay, T, Y, START, sigma=sigma)
    b = curve_fit(decay, T[order], Y[order], START, sigma=sigma[order])
    np.testing.assert_allclose(b.popt, a.popt, rtol=1e-9)
    np.testing.assert_allclose(b.pcov, a.pcov, rtol=1e-9)
    np.testing.assert_allclose(b.fun, a.fun[order], rtol=0, atol=1e-9)


def test_a_covariance_sigma_is_permuted_with_its_points():
    order = np.random.default_rng(1).permutation(40)
    covariance = 1e-4 * (np.eye(40) + 0.5 * np.exp(-np.abs(T[:, None] - T)))
    a = curve_fit(decay, T, Y, START, sigma=covariance)
    b = curve_fit(decay, T[order], Y[order], START, sigma=covariance[np.ix_(order, order)])
    np.testing.assert_allclose(b.popt, a.popt, rtol=1e-9)
    np.testing.assert_allclose(b.pcov, a.pcov, rtol=1e-9)


# ------------------------------------------------------------------------------------- storage


@pytest.mark.parametrize(
    "options",
    [{}, {"sigma": 0.01 + 0.01 * T}, {"loss": "soft_l1"}, {"jac": "3-point"}],
    ids=["plain", "sigma", "loss", "differences"],
)
def test_results_own_writable_double_arrays(options):
    x, y, p0 = T.copy(), Y.copy(), START.copy()
    lb, ub = np.full(3, -9.0), np.full(3, 9.0)
    given_arrays = [x, y, p0, lb, ub, *(v for v in options.values() if isinstance(v, np.ndarray))]
    result = curve_fit(decay, x, y, p0, bounds=(lb, ub), **options)
    for name in ("popt", "x", "pcov", "fun", "jac", "grad", "p0", "xdata", "ydata", "sigma"):
        value = result[name]
        if value is None:
            continue
        assert type(value) is np.ndarray, name
        assert value.dtype == np.float64, name
        assert value.flags.writeable, name
        assert not any(np.shares_memory(value, given) for given in given_arrays), name
    for value in result.bounds:
        assert value.flags.writeable
        assert not any(np.shares_memory(value, given) for given in given_arrays)
    popt, pcov = result
    assert not np.shares_memory(popt, result.p0)
    popt[:] = 0
    assert np.array_equal(pcov, result.pcov)


def test_least_squares_results_own_writable_double_arrays():
    x0 = np.array([-1.2, 1.0])
    result = least_squares(lambda p: np.array([10 * (p[1] - p[0] ** 2), 1 - p[0]]), x0)
    for name in ("x", "fun", "jac", "grad"):
        value = result[name]
        assert type(value) is np.ndarray, name
        assert value.dtype == np.float64, name
        assert value.flags.writeable, name
        assert not np.shares_memory(value, x0), name
    assert x0.tolist() == [-1.2, 1.0]


def test_inputs_are_not_changed():
    x, y, p0, sigma = T.copy(), Y.copy(), START.copy(), 0.01 + 0.01 * T
    curve_fit(decay, x, y, p0, sigma=sigma, bounds=(-9, 9))
    assert np.array_equal(x, T)
    assert np.array_equal(y, Y)
    assert np.array_equal(p0, START)
    assert np.array_equal(sigma, 0.01 + 0.01 * T)
