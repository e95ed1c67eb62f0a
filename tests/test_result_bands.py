"""Confidence and prediction bands against closed forms, at any scale, and honest where blind."""

import functools
import math

import numpy as np
import pytest
import uncertainties
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats
from uncertainties import umath

from nlsq import curve_fit
from nlsq.result import OptimizeWarning, StreamedFitResult, bands
from nlsq.result.profiles import profiles
from tests.result_fits import (
    DECAY,
    LINE,
    Model,
    decay,
    decay_jac,
    fitted,
    line,
    line_jac,
    noisy_line,
    result_at,
)

INF = np.inf


def regression_band(x, y, at, level, new_observation):
    """Working-Hotelling's pointwise formula: t s sqrt([1 +] 1/m + (x - mean)^2 / Sxx)."""
    m, fit = len(x), stats.linregress(x, y)
    middle = fit.intercept + fit.slope * at
    s = math.sqrt(((y - fit.intercept - fit.slope * x) ** 2).sum() / (m - 2))
    share = new_observation + 1 / m + (at - x.mean()) ** 2 / ((x - x.mean()) ** 2).sum()
    half = stats.t.ppf((1 + level) / 2, m - 2) * s * np.sqrt(share)
    return middle - half, middle + half


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_textbook_bands_of_a_line(level):
    x, y = noisy_line()
    fit, at = fitted(LINE, x, y), np.linspace(-10, 20, 7)
    lower, upper = fit.confidence_band(at, level)
    np.testing.assert_allclose([lower, upper], regression_band(x, y, at, level, 0), rtol=1e-6)
    pair = fit.prediction_interval(at, level)
    assert pair.lower.shape == (7,) and type(pair) is type(fit.confidence_band())
    np.testing.assert_allclose(pair, regression_band(x, y, at, level, 1), rtol=1e-6)
    at_data = fit.confidence_band(alpha=level)
    np.testing.assert_allclose(at_data, regression_band(x, y, x, level, 0), rtol=1e-6)
    np.testing.assert_array_equal(fit.predict(at), line(at, *fit.popt))
    np.testing.assert_array_equal(fit.predict(), fit.predictions)


@pytest.mark.parametrize(
    "at", [3.0, 3, [3.0], [3], (3,), np.float64(3), np.array(3), np.array([3])]
)
def test_forms_of_x(at):
    fit = fitted(LINE, *noisy_line())
    lower, upper = fit.confidence_band(at)
    assert lower.shape == upper.shape == (1,) and fit.prediction_interval(at).lower.shape == (1,)
    assert upper - lower == pytest.approx(np.subtract(*fit.confidence_band(np.array([3.0]))[::-1]))


@given(st.floats(-9, 9), st.floats(-9, 9))
def test_bands_do_not_depend_on_units(log_a, log_tau):
    """a = 1e9, tau = 2e-7 and all between: the band in units of a equals that of a = tau = 1."""
    A, T = 10.0**log_a, 10.0**log_tau
    u = np.linspace(0, 4, 30)
    y = decay(u, 1, 1) + 0.02 * np.cos(7 * u)
    unit = result_at(DECAY, u, y, [1, 1], _covariance(decay_jac(u, 1, 1), decay(u, 1, 1) - y))
    J, r = decay_jac(u * T, A, T), decay(u * T, A, T) - A * y
    scale = np.array([A, T])
    scaled = result_at(DECAY, u * T, A * y, scale, _covariance(J * scale, r, scale))
    at = np.array([0.0, 0.3, 2.0, 9.0])
    for method in ("confidence_band", "prediction_interval"):
        ours, expected = getattr(scaled, method)(at * T), getattr(unit, method)(at)
        np.testing.assert_allclose(np.divide(ours, A), expected, rtol=1e-9)


def _covariance(J, r, scale=1.0):
    """s^2 (J'J)^-1 of a Jacobian in units of `scale`, in units of one."""
    C = np.linalg.inv((J / np.abs(r).max()).T @ (J / np.abs(r).max()))
    s2 = ((r / np.abs(r).max()) ** 2).sum() / (len(r) - J.shape[1])
    return s2 * C * np.multiply.outer(scale, scale)


def test_band_of_a_fast_and_strong_decay():
    """The band from the analytic derivative, where a fixed difference step of 1e-8 fails."""
    a, tau = 1e9, 2e-7
    x = np.linspace(0, 1e-6, 40)
    fit = fitted(DECAY, x, decay(x, a, tau) * (1 + 0.01 * np.cos(5e7 * x)), p0=(a, tau))
    e = np.exp(-x / fit.x[1])
    g = np.stack([e, fit.x[0] * x * e / fit.x[1] ** 2])
    sd = np.sqrt(np.einsum("im,ij,jm->m", g, fit.pcov, g))
    lower, upper = fit.confidence_band(x)
    np.testing.assert_allclose(upper - lower, 2 * stats.t.ppf(0.975, 38) * sd, rtol=1e-6)
    assert (sd > 0).all() and (upper < 1.1e9).all()


# -- noise of a new observation ----------------------------------------------------------------


@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("kind", ["none", "scalar", "points", "matrix"])
def test_noise_variance(kind, absolute):
    x, y = noisy_line()
    s = {"none": None, "scalar": 0.8, "points": np.linspace(0.5, 1, 25)}.get(kind)
    each = (
        np.linspace(0.5, 1, 25)
        if kind == "matrix"
        else np.broadcast_to(1.0 if s is None else s, 25)
    )
    sigma = np.diag(each**2) if kind == "matrix" else s
    fit = fitted(LINE, x, y, sigma=sigma, absolute_sigma=absolute)
    t = stats.norm.ppf(0.975) if absolute else stats.t.ppf(0.975, 23)
    band = np.diff(np.array(fit.confidence_band()).T)[:, 0] / 2 / t
    new = np.subtract(*fit.prediction_interval()[::-1]) / 2 / t
    scale = 1.0 if absolute else fit.reduced_chi_squared
    np.testing.assert_allclose(new**2 - band**2, scale * each**2, rtol=1e-9)


def test_sigma_of_new_points_must_be_told():
    x, y = noisy_line()
    fit = fitted(LINE, x, y, sigma=np.linspace(0.5, 1, 25))
    at = np.array([1.0, 2.0])
    with pytest.raises(ValueError, match="sigma_new"):
        fit.prediction_interval(at)
    told = fit.prediction_interval(at, sigma_new=0.7)
    np.testing.assert_array_equal(told, fit.prediction_interval(at, sigma_new=[0.7, 0.7]))
    t, band = stats.t.ppf(0.975, 23), np.subtract(*fit.confidence_band(at)[::-1]) / 2
    expected = np.sqrt((band / t) ** 2 + 0.49 * fit.reduced_chi_squared)
    np.testing.assert_allclose((told.upper - told.lower) / 2, t * expected, rtol=1e-9)
    with pytest.raises(ValueError, match="3 values for 2 points"):
        fit.prediction_interval(at, sigma_new=[1, 1, 1])
    for bad in (0.0, -1.0, math.nan, np.ones((2, 2))):
        with pytest.raises(ValueError, match="sigma_new must be"):
            fit.prediction_interval(at, sigma_new=bad)


def test_complex_band_has_one_width_for_each_part():
    """Each part equals the band of the same fit written as stacked real data."""
    x = np.linspace(0, 2, 15)

    def f(x, a, w):
        return a * np.exp(1j * w * x)

    def jac(x, a, w):
        return np.stack([f(x, 1, w), 1j * x * f(x, a, w)], axis=1)

    y = f(x, 2, 3) + 0.1 * np.cos(9 * x) + 0.1j * np.sin(5 * x)
    J = np.concatenate([jac(x, 2, 3).real, jac(x, 2, 3).imag])
    stacked = Model(lambda x, *p: np.r_[f(x, *p).real, f(x, *p).imag], lambda x, *p: J)
    pcov = 0.01 * np.linalg.inv(J.T @ J)
    real = result_at(stacked, x, np.r_[y.real, y.imag], [2, 3], pcov)
    both = result_at(Model(f, jac), x, y, [2, 3], pcov)
    for ours, expected in (
        (both.confidence_band(), real.confidence_band()),
        (both.prediction_interval(), real.prediction_interval()),
    ):
        np.testing.assert_allclose(np.real(ours), np.array(expected)[:, :15], rtol=1e-12)
        np.testing.assert_allclose(np.imag(ours), np.array(expected)[:, 15:], rtol=1e-12)


# -- what the data do not determine ------------------------------------------------------------


def unit(**direction):
    norm = math.sqrt(sum(c * c for c in direction.values()))
    return {name: c / norm for name, c in direction.items()}


@pytest.mark.parametrize(("a", "b"), [(2.0, 3.0), (1e9, 2e-7), (-4e-5, 1e6)])
def test_product_of_parameters_has_the_band_of_the_product(a, b):
    """a*b*x: neither is determined, the curve is, as a regression through the origin says."""
    x = np.linspace(1, 3, 20)
    y = a * b * (x + 0.05 * np.cos(8 * x))
    product = Model(lambda x, a, b: a * b * x, lambda x, a, b: np.column_stack([b * x, a * x]))
    c = (x @ y) / (x @ x)
    a = c / b
    s2 = ((y - c * x) ** 2).sum() / 19
    pinv = np.outer([b, a], [b, a]) / (a * a + b * b) ** 2 * s2 / (x @ x)
    fit = result_at(
        product, x, y, [a, b], np.full((2, 2), INF), dof=19, undetermined=("a", "b"),
        null_directions=(unit(a=a, b=-b),), pcov_determined=pinv,
    )  # fmt: skip
    at = np.array([0.5, 2.0, 100.0])
    half = stats.t.ppf(0.975, 19) * math.sqrt(s2) * at / math.sqrt(x @ x)
    lower, upper = fit.confidence_band(at)
    np.testing.assert_allclose(upper - c * at, half, rtol=1e-6)
    np.testing.assert_allclose(c * at - lower, half, rtol=1e-6)
    np.testing.assert_array_equal(fit.perr, [INF, INF])


def test_band_opens_where_an_unseen_parameter_acts():
    """A step at x = 10 that the data (x < 7) never saw: finite before it, infinite beyond."""
    x, y = noisy_line()
    step = Model(
        lambda x, a, b, c: a * x + b + c * (x > 10),
        lambda x, a, b, c: np.column_stack([line_jac(x, a, b), x > 10]),
    )
    plain = fitted(LINE, x, y)
    determined = np.zeros((3, 3))
    determined[:2, :2] = plain.pcov
    pcov = np.where(np.eye(3) == 1, INF, 0.0)
    pcov[:2, :2] = plain.pcov
    pcov[:2, 2] = pcov[2, :2] = INF
    noise = 1e-17  # of the decomposition that found the direction
    fit = result_at(
        step, x, y, [*plain.popt, 1.0], pcov, "abc", dof=23, undetermined=("c",),
        null_directions=({"a": noise, "b": -noise, "c": 1.0},), pcov_determined=determined,
    )  # fmt: skip
    at = np.array([0.0, 5.0, 9.9, 10.1, 50.0])
    half = np.subtract(*fit.confidence_band(at)[::-1]) / 2
    expected = np.subtract(*plain.confidence_band(at)[::-1]) / 2
    np.testing.assert_allclose(half[:3], expected[:3], rtol=1e-9)
    np.testing.assert_array_equal(half[3:], [INF, INF])
    assert np.isfinite(np.array(fit.prediction_interval(at))[:, :3]).all()
    np.testing.assert_array_equal(fit.perr, [*plain.perr, INF])
    # The same without the covariance of the determined part: from the finite block of pcov.
    del fit["pcov_determined"]
    np.testing.assert_allclose(np.subtract(*fit.confidence_band(at)[::-1]) / 2, half, rtol=1e-9)


def test_without_degrees_of_freedom_the_band_is_infinite_unless_the_noise_is_known():
    x, y = np.array([0.0, 1.0]), np.array([2.0, 1.0])
    popt = [2.0, 1 / math.log(2)]
    C = np.linalg.inv(decay_jac(x, *popt).T @ decay_jac(x, *popt))
    unknown = result_at(DECAY, x, y, popt, np.full((2, 2), INF), pcov_determined=C)
    for pcov in (unknown.pcov, C):
        unknown["pcov"] = pcov
        lower, upper = unknown.confidence_band([0.5])
        assert (lower, upper) == (-INF, INF)
        np.testing.assert_array_equal(unknown.prediction_interval([0.5]), [[-INF], [INF]])
    known = result_at(DECAY, x, y, popt, C, sigma=1.0, absolute_sigma=True)
    lower, upper = known.confidence_band()
    np.testing.assert_allclose(upper - lower, 2 * stats.norm.ppf(0.975), rtol=1e-9)


def test_fixed_parameter_adds_nothing():
    x, y = noisy_line()
    fit = result_at(LINE, x, y, [1.7, -4.0], np.diag([0.01, 0.0]), fixed=("b",), dof=24)
    half = np.subtract(*fit.confidence_band([0.0, 2.0])[::-1]) / 2
    np.testing.assert_allclose(half, [0.0, stats.t.ppf(0.975, 24) * 0.2], rtol=1e-12)


@given(st.integers(0, 10**6))
def test_variance_is_never_negative_and_equals_the_quadratic_form(seed):
    rng = np.random.default_rng(seed)
    J, B = rng.normal(size=(6, 4)), rng.normal(size=(4, 3))  # rank 3: the worst for rounding
    scale = 10.0 ** rng.uniform(-8, 8, 4)
    C = (B @ B.T) * np.outer(scale, scale)
    variance = bands.curve_variance(J / scale, C)
    assert (variance >= 0).all()
    np.testing.assert_allclose(variance, ((J @ B) ** 2).sum(axis=1), rtol=1e-9, atol=1e-13)


# -- derived quantities --------------------------------------------------------------------------

DERIVED = {
    "product": (lambda a, tau: a * tau, lambda a, tau: a * tau),
    "formula": ("log(2)*tau + a^2/tau", lambda a, tau: math.log(2) * tau + a**2 / tau),
    "NumPy": (lambda tau, a: a * np.exp(-1 / tau), lambda a, tau: a * umath.exp(-1 / tau)),
    "math": (
        lambda tau: math.log(2) * math.sqrt(tau),
        lambda a, tau: math.log(2) * umath.sqrt(tau),
    ),
    "abs": (lambda tau: abs(-tau), lambda a, tau: tau),
    "branch": (lambda a, tau: a if a > 0 else tau, lambda a, tau: a),
    "any": (lambda **p: p["a"] / p["tau"], lambda a, tau: a / tau),
    "by position": (lambda tau, a, /, b=2.0: b * a - tau, lambda a, tau: 2 * a - tau),
    "partial": (functools.partial(lambda k, a: k * a, 3), lambda a, tau: 3 * a),
    "constant": (lambda: 2.5, lambda a, tau: 2.5 + 0 * a),
}


@pytest.fixture(scope="module")
def decaying():
    x = np.linspace(0, 5, 30)
    return fitted(DECAY, x, decay(x, 2.0, 1.3) + 0.02 * np.cos(9 * x), (1, 1), ("a", "tau"))


def test_derived_quantities_against_uncertainties(decaying):
    fit = decaying
    theirs = fit.correlated_values()
    expected = [oracle(*theirs) for _, oracle in DERIVED.values()]
    together = fit.derive(**{name: ours for name, (ours, _) in DERIVED.items()})
    t = stats.t.ppf(0.95, 28)
    for (name, ours), e in zip(together.items(), expected, strict=True):
        assert ours.value == pytest.approx(e.n, rel=1e-14), name
        assert ours.stderr == pytest.approx(e.s, rel=1e-11 if name == "math" else 1e-13), name
        np.testing.assert_allclose(ours.interval(0.9), e.n + np.array([-t, t]) * e.s, rtol=1e-9)
        with_tau = uncertainties.covariance_matrix([e, theirs[1]])[0][1]
        assert ours.covariance("tau") == pytest.approx(with_tau, rel=1e-9, abs=1e-18), name
        assert ours.covariance(fit.params["tau"]) == ours.covariance("tau")
    np.testing.assert_allclose(
        together.covariance, uncertainties.covariance_matrix(expected), rtol=1e-9, atol=1e-18
    )
    frame = together.to_dataframe()
    np.testing.assert_array_equal(frame["stderr"], [q.stderr for q in together.values()])
    assert str(together).splitlines()[2].split()[0] == "product" and "[" in str(together)
    assert fit.derive("2*a").name == "2*a" and str(fit.derive("2*a")).count("±") == 1


def test_a_derived_curve_has_the_confidence_band(decaying):
    at = np.array([0.5, 4.0])
    curve = decaying.derive(lambda a, tau: decay(at, a, tau))
    np.testing.assert_allclose(curve.interval().T, decaying.confidence_band(at), rtol=1e-12)
    both = decaying.derive(lambda a, tau: [a, tau])
    np.testing.assert_allclose(both.covariance(both), decaying.pcov, rtol=1e-12)
    np.testing.assert_allclose(both.covariance("a"), decaying.pcov[0], rtol=1e-12)
    assert list(decaying.derive(c=lambda a: [a, 2 * a]).to_dataframe().index) == ["c[0]", "c[1]"]


def test_derived_from_what_the_data_leave_open():
    """Of y = a b x only the product is known; c is fixed, d acts where there are no data."""
    x = np.arange(1.0, 9)
    y = 6 * x + np.cos(5 * x)
    with pytest.warns(optimize.OptimizeWarning):
        fit = curve_fit(
            lambda x, a, b, c, d: a * b * x + c + d * (x > 10), x, y, [2, 3, 0, 1],
            bounds=([-INF, -INF, 0, -INF], [INF, INF, 0, INF]),
        )  # fmt: skip
    slope = (x @ y) / (x @ x)
    product = fit.derive(p="a*b", a="a", ratio="a/b", c="3*c", d="d", q="a*b + d")
    assert product["p"].value == pytest.approx(slope)
    variance = ((y - slope * x) ** 2).sum() / 7 / (x @ x)
    assert product["p"].stderr == pytest.approx(math.sqrt(variance), rel=1e-6)
    errors = [product[name].stderr for name in ("a", "ratio", "c", "d", "q")]
    assert errors == [INF, INF, 0, INF, INF]
    assert product["p"].covariance("a") == INF and product["c"].covariance("a") == 0
    np.testing.assert_array_equal(product["ratio"].interval(), [-INF, INF])
    np.testing.assert_array_equal(product["c"].interval(), [0, 0])
    with pytest.raises(ValueError, match=r"errors of a, b, d are not finite.*do not determine"):
        fit.correlated_values()


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        (
            [lambda tua: tua],
            ValueError,
            "'tua' is no parameter; they are a, tau; did you mean 'tau'",
        ),
        (["a/tua"], ValueError, "a/tua: 'tua' is no parameter"),
        (["a/"], ValueError, "a/"),
        (["2*pi"], ValueError, "takes none of the parameters a, tau"),
        ([lambda *p: p[0]], TypeError, "does not tell which parameters it takes"),
        ([lambda p: p["a"]], ValueError, "'p' is no parameter"),
        ([lambda a: 1j * a], TypeError, "must give real numbers; it gave complex128"),
        ([lambda a: np.ma.array([a, 1], mask=[0, 1])], TypeError, "some that it gave are masked"),
        ([3.0], TypeError, "a function of parameters or a formula, not 3.0"),
        ([], TypeError, "one function or formula, or several"),
    ],
)
def test_what_cannot_be_derived(decaying, asked, error, says):
    with pytest.raises(error, match=says):
        decaying.derive(*asked)


def test_a_parameter_called_like_a_constant_is_no_part_of_a_formula():
    fit = fitted(LINE, *noisy_line(), names=("a", "e"))
    with pytest.raises(ValueError, match="in a formula e is the constant"):
        fit.derive("a*e")
    assert fit.derive("exp(a)").value == pytest.approx(math.exp(fit["a"]))
    assert fit.derive(lambda a, e: a * e).value == fit["a"] * fit["e"]


def test_quantities_of_two_fits_have_no_covariance(decaying):
    other = fitted(LINE, *noisy_line()).derive("a")
    with pytest.raises(ValueError, match="another fit"):
        decaying.derive("a").covariance(other)
    with pytest.raises(KeyError, match="'b' is no parameter"):
        decaying.derive("a").covariance("b")


# -- calibration ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "replicates"), [(0.0, 1), (3.0, 3), ([-8.0, 1.0, 6.5], 1), (0.0, INF)]
)
def test_a_straight_line_read_backwards_is_fiellers(y, replicates):
    x, data = noisy_line()
    fit = fitted(LINE, x, data)
    found = fit.solve_for(y, replicates=replicates)
    (a, b), m, s2 = fit.popt, len(x), fit.reduced_chi_squared
    np.testing.assert_allclose(found.value, (np.asarray(y) - b) / a, rtol=1e-12)
    Sxx, t = ((x - x.mean()) ** 2).sum(), stats.t.ppf(0.95, m - 2)
    slope, intercept = fit.correlated_values()
    columns = (np.ravel(found.stderr), found.interval(0.9).reshape(-1, 2), np.ravel(y))
    for stderr, interval, one in zip(*columns, strict=True):
        off, noise = one - data.mean(), s2 / replicates
        c = noise + s2 / m
        ends = np.roots([a**2 - t**2 * s2 / Sxx, -2 * a * off, off**2 - t**2 * c])
        np.testing.assert_allclose(interval, np.sort(ends) + x.mean(), rtol=1e-9)
        measured = uncertainties.ufloat(one, math.sqrt(noise)) if noise else one
        assert stderr == pytest.approx(((measured - intercept) / slope).s, rel=1e-9)


def test_a_curve_read_backwards_inverts_its_prediction_interval(decaying):
    found = decaying.solve_for(1.0)
    a, tau = decaying.correlated_values()
    noise = math.sqrt(decaying.reduced_chi_squared)
    oracle = tau * umath.log(a / uncertainties.ufloat(1.0, noise))
    assert found.value == pytest.approx(oracle.n, rel=1e-12)
    assert found.stderr == pytest.approx(oracle.s, rel=1e-9)
    for end, side in zip(found.interval(0.9), (0, 1), strict=True):
        assert decaying.prediction_interval(end, 0.9)[side] == pytest.approx(1.0, rel=1e-9)
    assert found.interval(0.9)[0] < found.value < found.interval(0.9)[1]
    assert str(found) == f"{found:}" and "±" in str(found)
    exact = decaying.solve_for(1.0, replicates=INF)
    assert decaying.confidence_band(exact.interval()[0]).lower == pytest.approx(1.0, rel=1e-9)
    again = decaying.solve_for(1.0, bracket=(0.1, 3), sigma_new=1.0)
    np.testing.assert_allclose(again.interval(), found.interval(0.95), rtol=1e-9)


def test_an_interval_without_an_end_on_the_plateau_and_with_one_where_the_model_ends():
    x = np.geomspace(0.1, 100, 40)
    hill = Model(
        lambda x, v, k: v * np.sqrt(x) / (k + np.sqrt(x)),
        lambda x, v, k: np.sqrt(x)[:, None] * np.stack([k + np.sqrt(x), -v + 0 * x], axis=1)
        / (k + np.sqrt(x))[:, None] ** 2,
    )  # fmt: skip
    fit = fitted(hill, x, hill.f(x, 3.0, 2.0) + 0.1 * np.cos(7 * x), (3, 2))
    found = fit.solve_for(2.95, bracket=(0.1, 1e5))
    low, high = found.interval()
    assert 0 < low < found.value < 1e5 and high == INF
    low, high = fit.solve_for(0.1, bracket=(1e-4, 1)).interval()
    assert low == pytest.approx(0, abs=1e-12) and 0.01 < high < 0.1


def test_solutions_that_are_not_one():
    x = np.linspace(0, 10, 50)
    wave = Model(lambda x, a, b: a * np.sin(x) + b / (x - 4.05), None)
    fit = result_at(
        Model(wave.f, lambda x, a, b: np.stack([np.sin(x), 1 / (x - 4.05)], axis=1)),
        x, wave.f(x, 2.0, 0.0), [2.0, 0.0], np.eye(2),
    )  # fmt: skip
    with pytest.raises(
        ValueError, match=r"is 1 at x = 0.523599, 2.61799, 6.80678, 8.90118. Give near="
    ):
        fit.solve_for(1.0)
    assert fit.solve_for(1.0, near=3).value == pytest.approx(5 * np.pi / 6, rel=1e-12)
    assert fit.solve_for(1.0, bracket=(6, 7)).value == pytest.approx(13 * np.pi / 6, rel=1e-12)
    with pytest.raises(ValueError, match=r"nowhere 5 for x from 0 to 10.* values are -1.9+ to 2"):
        fit.solve_for(5)
    pole = result_at(fit.model, x, wave.f(x, 0.0, 1.0), [0.0, 1.0], np.eye(2))
    with pytest.raises(ValueError, match="nowhere 0 "):  # it changes its sign at 4.05
        pole.solve_for(0.0)
    plane = Model(lambda x, a, b: a * x[0] + b * x[1], lambda x, a, b: x.T)
    two = fitted(plane, np.stack([x, x**2]), 2 * x + np.cos(x))
    with pytest.raises(ValueError, match="one real number x"):
        two.solve_for(1.0, bracket=(0, 2))
    sums = Model(lambda x, a, b: a * np.cumsum(x) + b, lambda x, a, b: line_jac(np.cumsum(x), a, b))
    with pytest.raises(ValueError, match="depends on that x alone"):
        result_at(sums, x, sums.f(x, 1, 0), [1, 0], np.eye(2)).solve_for(3.0)
    del fit["xdata"]
    assert fit.solve_for(1.0, bracket=(0, 1)).value == pytest.approx(np.pi / 6, rel=1e-12)
    with pytest.raises(ValueError, match="no data for solve_for to look over"):
        fit.solve_for(1.0)
    for wrong, says in (
        ({"y": np.nan}, "finite real numbers"), ({"y": 1j}, "finite real numbers"),
        ({"y": 1, "bracket": (3, 2)}, "in this order"), ({"y": 1, "bracket": 3}, "two numbers"),
        ({"y": 1, "replicates": 0}, "counts the"), ({"y": 1, "replicates": "2"}, "counts the"),
        ({"y": 1, "near": np.nan}, "near is the x"), ({"y": 1, "near": [1, 2]}, "near is the x"),
        ({"y": 1, "bracket": (None, 2)}, "two numbers, got None"),
        ({"y": np.ma.array([1, 2], mask=[0, 1])}, "finite real numbers for y, got .1 --"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=says):
            fit.solve_for(**wrong)


def test_a_fit_of_a_source_does_not_know_the_noise_elsewhere():
    fit = fitted(LINE, *noisy_line())
    gone = {"xdata", "ydata", "fun", "jac", "sigma"}
    fields = {k: fit[k] for k in set(fit.keys()) - gone}
    x, y = noisy_line()
    sums = {"chi_squared": fit.chi_squared}
    fields |= {"weighted": True, "moments": sums, "sample": {"xdata": x, "ydata": y, "sigma": None}}
    streamed = StreamedFitResult(fields)
    with pytest.raises(ValueError, match="sigma_new"):
        streamed.prediction_interval([1.0])
    told = streamed.prediction_interval([1.0], sigma_new=1.0)
    np.testing.assert_array_equal(told, fit.prediction_interval([1.0]))
    streamed["weighted"] = False
    assert streamed.solve_for(1.0).value == fit.solve_for(1.0).value
    with pytest.raises(ValueError, match="give the x of the curve"):
        streamed.predict()


# -- without the model -------------------------------------------------------------------------


def test_attached_function_gives_the_analytic_band_by_differences():
    for a, tau in ((1.0, 1.0), (1e9, 2e-7), (1e-12, 1e5)):
        x = np.linspace(0, 4 * tau, 40)
        fit = fitted(DECAY, x, decay(x, a, tau) * (1 + 0.01 * np.cos(40 * x / tau)), p0=(a, tau))
        expected = np.subtract(*fit.confidence_band(x)[::-1])
        fit.attach(decay)
        np.testing.assert_allclose(np.subtract(*fit.confidence_band(x)[::-1]), expected, rtol=1e-7)
        fit.attach(decay, decay_jac)
        np.testing.assert_allclose(np.subtract(*fit.confidence_band(x)[::-1]), expected, rtol=1e-12)


def test_differences_at_a_parameter_of_zero_and_with_unknown_errors():
    x, y = noisy_line()
    for pcov in (np.eye(2), np.full((2, 2), INF), np.zeros((2, 2))):
        fit = result_at(LINE, x, y, [0.0, 0.0], pcov).attach(line)
        np.testing.assert_allclose(fit.model.jacobian(x, fit.x), line_jac(x, 0, 0), rtol=1e-9)


def test_differences_at_a_narrow_peak_far_from_zero():
    """A line of width 1 at 1e6: a step relative to the position would jump over the peak."""
    x = 1e6 + np.linspace(-3, 3, 25)
    fit = result_at(
        Model(lambda x, a, c: a * np.exp(-((x - c) ** 2) / 2), lambda x, a, c: np.zeros((25, 2))),
        x, np.zeros(25), [2.0, 1e6 + 0.3], 1e-4 * np.eye(2),
    )  # fmt: skip
    e = np.exp(-((x - 1e6 - 0.3) ** 2) / 2)
    J = fit.attach(fit.model.f).model.jacobian(x, fit.x)
    np.testing.assert_allclose(J, np.column_stack([e, 2 * e * (x - 1e6 - 0.3)]), atol=1e-6)


def test_differences_where_a_wide_step_leaves_the_domain():
    x = np.linspace(0, 0.9999, 9)
    root = Model(lambda x, a, b: a * np.sqrt(b - x), lambda x, a, b: np.zeros((9, 2)))
    fit = result_at(root, x, np.zeros(9), [2.0, 1.0], np.eye(2)).attach(root.f)
    expected = np.column_stack([np.sqrt(1 - x), 1 / np.sqrt(1 - x)])
    np.testing.assert_allclose(fit.model.jacobian(x, fit.x), expected, rtol=1e-5)


def test_attach_refuses_what_is_not_the_model():
    fit = fitted(LINE, *noisy_line())
    with pytest.raises(ValueError, match="does not give the predictions"):
        fit.attach(lambda x, a, b: a * x - b)
    with pytest.raises(TypeError, match="attach takes"):
        fit.attach(3.0)
    with pytest.raises(TypeError, match="own jacobian"):
        fit.attach(LINE, line_jac)
    assert fit.attach(LINE) is fit and fit.model is LINE


# ------------------------------------------------------------------------------ profile intervals

RATE = np.linspace(0, 5, 30)
FALL = 3 * np.exp(-0.6 * RATE) + 0.2 * np.random.default_rng(2).normal(size=30)


def exponential(x, a, b):
    return a * np.exp(-b * x)


def separable_profile(level, sigma=None):
    """Ends of b: for each b the best a is known, so that chi-square crosses its limit by bisection.

    scipy.optimize knows nothing of our search.
    """
    w = np.ones(30) if sigma is None else 1 / sigma**2

    def square(b):
        e = np.exp(-b * RATE)
        return w @ (FALL - (w * e) @ FALL / ((w * e) @ e) * e) ** 2

    best = optimize.minimize_scalar(square, bounds=(0.4, 0.8), options={"xatol": 1e-12})
    noise = best.fun / 28 if sigma is None else 1.0
    q = stats.t.ppf((1 + level) / 2, 28) if sigma is None else stats.norm.ppf((1 + level) / 2)

    def rise(b):
        return square(b) - best.fun - q**2 * noise

    return [optimize.brentq(rise, *pair, xtol=1e-14) for pair in ((0, best.x), (best.x, 3))]


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_profile_of_a_separable_model(level):
    fit = curve_fit(exponential, RATE, FALL, p0=[1, 1])
    ends = fit.profile_intervals(level)[1]
    half = ends[1] - ends[0]
    np.testing.assert_allclose(ends, separable_profile(level), atol=1e-6 * half)
    sigma = 0.1 + 0.05 * RATE
    fit = curve_fit(exponential, RATE, FALL, p0=[1, 1], sigma=sigma, absolute_sigma=True)
    ends = fit.profile_intervals(alpha=level)[1]
    np.testing.assert_allclose(ends, separable_profile(level, sigma), atol=1e-6 * half)


@pytest.mark.parametrize("scale, level", [(1e-12, 0.2), (1.0, 0.95), (1e12, 0.999)])
def test_profiles_of_a_line_are_the_plain_intervals_in_any_units(scale, level):
    fit = curve_fit(lambda x, a, b: a + b * x, RATE, scale * FALL)
    plain = fit.confidence_intervals(level)
    np.testing.assert_allclose(fit.profile_intervals(level), plain, rtol=1e-6, atol=1e-8 * scale)


def test_profiles_end_at_bounds_at_values_and_nowhere():
    bounds = ([0, 0.55], [3.0, 0.62])
    fit = curve_fit(exponential, RATE, FALL, p0=[1, 0.6], bounds=bounds)
    (low, high), b = fit.profile_intervals()
    assert b.tolist() == [0.55, 0.62] and high == 3.0 and 2.5 < low < 2.9
    fixed = curve_fit(exponential, RATE, FALL, p0=[1, 0.6], fixed={"b": 0.6})
    assert fixed.profile_intervals()[1].tolist() == [0.6, 0.6]
    np.testing.assert_allclose(fixed.profile_intervals()[0], fixed.confidence_intervals()[0])
    # a saturation far beyond the data: 1/a may be zero, and then a has no end
    x = np.linspace(0.1, 2, 20)
    y = 0.3 * x + 0.02 * np.cos(37 * x)
    with pytest.warns(OptimizeWarning, match="do not determine a, k"):
        bent = curve_fit(lambda x, a, k: a * x / (k + x), x, y, p0=[5, 10], bounds=([0, 0], INF))
    assert (bent.profile_intervals()[:, 1] == INF).all()
    assert (bent.profile_intervals()[:, 0] > 0).all()


@pytest.mark.parametrize(
    "loss, y, words", [("huber", FALL, "robust"), ("linear", 0 * RATE, "measure the noise")]
)
def test_fits_without_profiles(loss, y, words):
    fit = curve_fit("a + b*x", RATE, y, loss=loss)
    with pytest.raises(ValueError, match=words):
        fit.profile_intervals()


def test_a_profile_that_finds_a_lower_minimum_says_where():
    fit = curve_fit(exponential, RATE, FALL, p0=[1, 1])
    fit["x"] = fit.popt + np.array([0.0, 0.2])  # as a fit that ended elsewhere would
    found = list(profiles(fit, 0.95))
    assert all(math.isnan(one.low) and "fit again from there" in one.note for one in found)
