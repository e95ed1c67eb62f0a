"""Statistics of a fit against closed forms of linear regression and SciPy's distributions."""

import math

import lmfit
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

import nlsq
from nlsq import curve_fit
from nlsq.result import statistics
from tests.result_fits import DECAY, LINE, Model, decay, fitted, line, noisy_line, result_at


@pytest.fixture
def data():
    return noisy_line()


def test_simple_regression_against_linregress(data):
    fit, oracle = fitted(LINE, *data), stats.linregress(*data)
    np.testing.assert_allclose(fit.popt, [oracle.slope, oracle.intercept], rtol=1e-9)
    np.testing.assert_allclose(fit.perr, [oracle.stderr, oracle.intercept_stderr], rtol=1e-7)
    assert fit.stderr is not fit.perr and (fit.stderr == fit.perr).all()
    assert fit.r_squared == pytest.approx(oracle.rvalue**2, rel=1e-12)
    m = len(data[0])
    assert fit.adj_r_squared == pytest.approx(1 - (1 - oracle.rvalue**2) * (m - 1) / (m - 2))
    t = stats.t.ppf(0.95, m - 2)
    expected = np.column_stack([fit.popt - t * fit.perr, fit.popt + t * fit.perr])
    np.testing.assert_allclose(fit.confidence_intervals(0.9), expected, rtol=1e-12)


def test_parameters_by_name_against_lmfit(data):
    x, y = data[0], decay(data[0], 2.0, 3.0) + 0.01 * data[1]
    theirs = lmfit.Model(decay).fit(y, x=x, a=lmfit.Parameter("a", 1, min=0, max=50), tau=4)
    fit = curve_fit(decay, x, y, p0=[1, 4], bounds=([0, -np.inf], [50, np.inf]))
    assert list(fit.params) == list(theirs.params) and len(fit.params) == 2
    t = stats.t.ppf(0.95, len(x) - 2)
    for name, expected in theirs.params.items():
        p = fit.params[name]
        assert p.value == pytest.approx(expected.value, rel=1e-4)
        assert p.stderr == pytest.approx(expected.stderr, rel=1e-3)
        assert p.bounds == (expected.min, expected.max)
        assert (p.start, p.fixed, p.at_bound) == (expected.init_value, False, False)
        assert float(p) == np.asarray(p) == p.value == fit[name] and p.name == name
        np.testing.assert_allclose(p.interval(0.9), p.value + np.array([-t, t]) * p.stderr)
        assert f"{p:.3f}" == f"{p.value:.3f} ± {p.stderr:.3f}"
    frame = fit.params.to_dataframe()
    np.testing.assert_array_equal(frame["stderr"], fit.perr)
    np.testing.assert_array_equal(frame[["lower", "upper"]], fit.confidence_intervals())
    assert frame.loc["a", "max"] == 50 and not frame["fixed"].any()


@pytest.mark.parametrize(
    ("value", "stderr", "text"),
    [(2.34567, 0.0312, "2.346 ± 0.031"), (-4.0, 0.0, "-4 ± 0"), (3.1, math.inf, "3.100 ± inf")],
)
def test_a_parameter_as_text(value, stderr, text):
    fit = nlsq.result.CurveFitResult(x=np.array([value]), pcov=np.array([[stderr**2]]), dof=9)
    assert str(fit.params["p0"]) == f"{fit.params['p0']}" == text


def test_correlation_of_slope_and_intercept(data):
    x = data[0]
    expected = -x.mean() / math.sqrt((x**2).mean())
    C = fitted(LINE, *data).correlation
    np.testing.assert_allclose(C, [[1, expected], [expected, 1]], rtol=1e-7)


def test_correlation_survives_tiny_and_huge_variances():
    scale = np.array([1e-150, 1e150])
    pcov = np.outer(scale, scale) * [[1, 0.5], [0.5, 1]]
    np.testing.assert_allclose(statistics.correlation(pcov), [[1, 0.5], [0.5, 1]])
    nan, inf = np.nan, np.inf
    C = statistics.correlation(np.array([[4.0, 0, inf], [0, 0, 0], [inf, 0, inf]]))
    np.testing.assert_array_equal(C, [[1, nan, nan], [nan, nan, nan], [nan, nan, nan]])


def test_sums_of_residuals(data):
    x, y = data
    fit = fitted(LINE, x, y)
    r = y - line(x, *fit.popt)
    np.testing.assert_array_equal(fit.residuals, r)
    np.testing.assert_array_equal(fit.predictions, line(x, *fit.popt))
    assert fit.chi_squared == pytest.approx(math.fsum(r**2), rel=1e-12)
    assert fit.reduced_chi_squared == pytest.approx(math.fsum(r**2) / 23, rel=1e-12)
    assert fit.rmse == pytest.approx(math.sqrt(math.fsum(r**2) / 25), rel=1e-12)
    assert fit.mae == pytest.approx(math.fsum(abs(r)) / 25, rel=1e-12)


def test_predictions_cost_one_model_call_and_follow_a_new_solution(data):
    model = Model(LINE.f, LINE.jac)
    fit = fitted(model, *data)
    _ = fit.predictions, fit.residuals, fit.rmse, fit.mae, fit.summary()
    assert model.calls == 1
    fit["x"] = np.zeros(2)
    np.testing.assert_array_equal(fit.predictions, np.zeros(25))


def test_information_criteria_rank_by_the_normal_likelihood(data):
    """Differences between two models equal those of -2 ln L with the maximum-likelihood noise."""
    x, y = data
    constant = Model(lambda x, a: a + 0 * x, lambda x, a: np.ones((len(x), 1)))
    small, large = fitted(constant, x, y, names="a"), fitted(LINE, x, y)
    deviance = [
        -2 * stats.norm.logpdf(f.residuals, scale=math.sqrt((f.residuals**2).mean())).sum()
        for f in (small, large)
    ]
    drop = deviance[0] - deviance[1]
    assert small.aic - large.aic == pytest.approx(drop - 2 * 1, rel=1e-10)
    assert small.bic - large.bic == pytest.approx(drop - math.log(25), rel=1e-10)
    assert large.aicc - large.aic == pytest.approx(2 * 3 * 4 / (25 - 3 - 1))


def test_weighted_statistics_equal_repeated_points():
    """A point of weight k (sigma = 1/sqrt k) counts like k equal points."""
    x, y, k = np.arange(5.0), np.array([1.0, 2.9, 5.2, 6.8, 9.3]), np.array([1, 2, 3, 2, 1])
    weighted = fitted(LINE, x, y, sigma=1 / np.sqrt(k))
    repeated = fitted(LINE, np.repeat(x, k), np.repeat(y, k))
    for name in ("chi_squared", "r_squared"):
        assert getattr(weighted, name) == pytest.approx(getattr(repeated, name), rel=1e-9)


def test_covariance_sigma_equals_its_diagonal_and_the_textbook_gls_formula():
    x, y = noisy_line(12)
    s = np.linspace(0.5, 2, 12)
    one, two = (fitted(LINE, x, y, sigma=v, absolute_sigma=True) for v in (s, np.diag(s**2)))
    for name in ("chi_squared", "r_squared", "adj_r_squared", "rmse", "mae", "aic", "bic"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), rel=1e-9)

    S = np.outer(s, s) * 0.6 ** abs(np.subtract.outer(range(12), range(12)))
    full, inverse, ones = fitted(LINE, x, y, sigma=S), np.linalg.inv(S), np.ones(12)
    mean = ones @ inverse @ y / (ones @ inverse @ ones)
    r, d = full.residuals, y - mean
    expected = 1 - (r @ inverse @ r) / (d @ inverse @ d)
    assert full.r_squared == pytest.approx(expected, rel=1e-10)


def test_known_noise_uses_the_normal_distribution():
    fit = fitted(LINE, *noisy_line(5), sigma=0.8, absolute_sigma=True)
    half = np.diff(fit.confidence_intervals(0.9))[:, 0] / 2
    np.testing.assert_allclose(half, stats.norm.ppf(0.95) * fit.perr, rtol=1e-12)


@given(st.floats(0.001, 0.999), st.integers(1, 1300) | st.integers(1300, 10**9))
def test_quantile_against_scipy_stats(level, dof):
    expected = stats.t.ppf((1 + level) / 2, dof)
    assert statistics.quantile(level, dof, normal=False) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("level", [0, 1, -0.1, 95, math.nan, "0.9", [0.9, 0.95]])
def test_level_outside_its_range(level):
    fit = fitted(LINE, *noisy_line())
    for name in ("level", "alpha"):
        with pytest.raises(ValueError, match="confidence level"):
            fit.confidence_intervals(**{name: level})
    with pytest.raises(ValueError, match=r"between 0 and 1 .* not None"):
        fit.params["a"].interval(None)


@pytest.mark.parametrize(
    "ask",
    [
        lambda fit, **how: fit.confidence_intervals(**how),
        lambda fit, **how: fit.confidence_band(**how),
        lambda fit, **how: fit.prediction_interval(**how),
        lambda fit, **how: fit.quantile(**how),
        lambda fit, **how: fit.summary(**how),
        lambda fit, **how: fit.plot(**how)[1][0].get_legend_handles_labels()[1],
    ],
)
def test_alpha_is_another_name_of_the_level(data, ask):
    fit = fitted(LINE, *data)
    np.testing.assert_array_equal(ask(fit, alpha=0.9), ask(fit, level=0.9))
    np.testing.assert_array_equal(ask(fit, level=0.95), ask(fit))
    with pytest.raises(ValueError, match=r"alpha is the confidence level here.*say level=0\.95"):
        ask(fit, alpha=0.05)
    with pytest.raises(TypeError, match="give level alone"):
        ask(fit, level=0.95, alpha=0.9)


def test_complex_points_count_real_and_imaginary_parts():
    x = np.linspace(0, 2, 20)
    rng = np.random.default_rng(3)
    wave = Model(
        lambda x, a, w: a * np.exp(1j * w * x),
        lambda x, a, w: np.stack([np.exp(1j * w * x), 1j * x * a * np.exp(1j * w * x)], axis=1),
    )
    y = wave.f(x, 2.0, 3.0) + rng.normal(0, 0.1, 20) + 1j * rng.normal(0, 0.1, 20)
    fit = result_at(wave, x, y, [2.0, 3.0], np.eye(2))
    parts = np.concatenate([fit.residuals.real, fit.residuals.imag])
    centred = np.concatenate([(y - y.mean()).real, (y - y.mean()).imag])
    assert fit.chi_squared == pytest.approx((parts**2).sum())
    assert fit.rmse == pytest.approx(math.sqrt((parts**2).mean()))
    assert fit.mae == pytest.approx(abs(parts).mean())
    assert fit.r_squared == pytest.approx(1 - (parts**2).sum() / (centred**2).sum())
    assert fit.dof == 38
    # Two parameters, two means (real and imaginary): nothing to correct for.
    assert fit.adj_r_squared == pytest.approx(fit.r_squared)
    del fit["dof"], fit["n_points"]
    assert (fit.n_points, fit.dof) == (40, 38)


@pytest.mark.parametrize("means", [1, 2])
@pytest.mark.parametrize("n_points, free", [(20, 0), (20, 1), (20, 2), (20, 19), (4, 3)])
def test_adjusted_r_squared_is_never_above_r_squared(means, n_points, free):
    for r2 in (-3.0, 0.0, 0.5, 0.9999, 1.0):
        assert statistics.adjusted_r_squared(r2, n_points, n_points - free, means) <= r2


# ------------------------------------------------------------------------ points of weight 0

POINTS, STEPS = noisy_line(40), np.arange(40)
OUT = np.isin(STEPS % 7, (2, 5))
FIELDS = (
    "n_points dof rank cost chi_squared reduced_chi_squared r_squared adj_r_squared rmse mae aic"
    " aicc bic"
).split()


def _left_out(road, x, y, out, f=line):
    """A fit of `f` in which the points `out` have weight 0."""
    nan = np.where(out, np.nan, y)
    masked, of_x = np.ma.array(nan, mask=out), np.ma.array(np.where(out, np.nan, x), mask=out)
    infinite = np.where(out, np.inf, 1.0)
    unchecked = {"sigma": infinite, "check_finite": False}
    options = {"p0": [1.0, 1.0]}
    pieces = options | {"workflow": "chunked"}
    return {
        "nan in y": lambda: curve_fit(f, x, nan, **unchecked, **options),
        "nan in x": lambda: curve_fit(f, of_x.data, nan, **unchecked, **options),
        "masked x": lambda: curve_fit(f, of_x, y, **options),
        "masked sigma": lambda: curve_fit(
            f, x, y, sigma=np.ma.array(np.ones(y.size), mask=out), **options
        ),
        "host": lambda: curve_fit(f, of_x.data, nan, jac="3-point", **unchecked, **options),
        "cg": lambda: curve_fit(f, of_x.data, nan, tr_solver="cg", **unchecked, **options),
        "nan in pieces": lambda: nlsq.fit(f, of_x.data, nan, **unchecked, **pieces),
        "lanes": lambda: nlsq.fit_many(f, x, [nan, y], sigma=[infinite] * 2, **options)[0],
        "masked lanes": lambda: nlsq.fit_many(f, x, np.ma.stack([masked] * 2), **options)[1],
    }[road]()


ROADS = ("nan in y", "nan in x", "masked x", "masked sigma", "host", "cg", "nan in pieces",
         "lanes", "masked lanes")  # fmt: skip


@pytest.fixture(scope="module")
def kept():
    x, y = (v[~OUT] for v in POINTS)
    return curve_fit(line, x, y, [1.0, 1.0])


@pytest.mark.parametrize("road", ROADS)
def test_a_point_of_weight_0_is_left_out(road, kept):
    """In every number and on every road, whatever y, x and the model are there."""
    fit = _left_out(road, *POINTS, OUT)
    popt, pcov = optimize.curve_fit(line, *(v[~OUT] for v in POINTS))
    np.testing.assert_allclose(fit.popt, popt, rtol=1e-7)
    np.testing.assert_allclose(fit.pcov, pcov, rtol=1e-6)
    assert fit.n_points == np.sum(~OUT) and fit.dof == np.sum(~OUT) - 2
    for name in FIELDS:
        assert getattr(fit, name) == pytest.approx(getattr(kept, name), rel=1e-8), name


def test_an_image_is_masked_pixel_by_pixel():
    """Two-dimensional y has no axis to cut: the model sees all of the grid."""
    v, u = np.mgrid[-1:1:8j, -1:1:9j]
    pixels = 2.0 + 0.7 * u + 0.05 * np.cos(9 * v)
    hidden = np.hypot(u - 0.3, v) < 0.4
    spoiled = np.where(hidden, np.nan, pixels)

    def plane(grid, a, b):
        return a + b * grid[0]

    slope = stats.linregress(u[~hidden], pixels[~hidden])
    for data, options in (
        (np.ma.array(spoiled, mask=hidden), {}),
        (spoiled, {"nan_policy": "omit"}),
    ):
        fit = curve_fit(plane, (u, v), data, jac="3-point", **options)
        np.testing.assert_allclose(fit.popt, [slope.intercept, slope.slope], rtol=1e-7)
        errors = [slope.intercept_stderr, slope.stderr]
        np.testing.assert_allclose(fit.perr, errors, rtol=1e-6)


def test_no_degrees_of_freedom_gives_no_numbers():
    x, y = np.array([0.0, 1.0]), np.array([2.0, 1.0])
    fit = result_at(DECAY, x, y, [2.0, 1 / math.log(2)], np.full((2, 2), np.inf))
    assert fit.dof == 0
    assert math.isnan(fit.reduced_chi_squared) and math.isnan(fit.adj_r_squared)
    assert fit.aicc == math.inf
    np.testing.assert_array_equal(fit.confidence_intervals(), [[-np.inf, np.inf]] * 2)
    np.testing.assert_array_equal(fit.perr, [np.inf, np.inf])


def test_fixed_parameters_are_not_counted_and_have_no_interval():
    x, y = noisy_line()
    fit = result_at(LINE, x, y, [1.7, -4.0], np.diag([0.01, 0.0]), fixed=("b",), dof=24)
    assert fit.n_free == 1
    np.testing.assert_array_equal(fit.confidence_intervals()[1], [-4.0, -4.0])
    assert fit.aic == pytest.approx(25 * math.log(fit.chi_squared / 25) + 2)


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_constant_and_shifted_data(offset):
    x = np.linspace(0, 1, 9)
    flat = result_at(LINE, x, np.full(9, offset), [0.0, offset], np.eye(2))
    assert math.isnan(flat.r_squared)
    miss = result_at(LINE, x, np.full(9, 2.0), [1.0, 2.0], np.eye(2))
    assert miss.r_squared == -math.inf
    noisy = fitted(LINE, x, offset + x + 0.1 * np.cos(9 * x))
    assert noisy.r_squared == pytest.approx(
        fitted(LINE, x, x + 0.1 * np.cos(9 * x)).r_squared, rel=1e-6
    )


def test_perfect_fit():
    x = np.linspace(0.0, 4.0, 8)
    fit = result_at(DECAY, x, decay(x, 2.0, 1.0), [2.0, 1.0], np.zeros((2, 2)))
    assert (fit.chi_squared, fit.r_squared, fit.aic, fit.bic) == (0.0, 1.0, -math.inf, -math.inf)
