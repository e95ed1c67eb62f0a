"""What programs written for SciPy do to a fit: odd models and options, other JAX settings."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import nlsq
from nlsq import curve_fit, least_squares

pytestmark = pytest.mark.core

X = np.linspace(0.05, 4.0, 60)
Y = 2.5 * np.exp(-0.8 * X) + 0.02 * np.random.default_rng(3).standard_normal(60)


def decay(x, a, b):
    return a * np.exp(-b * x)


@pytest.mark.parametrize(
    ("method", "n"), [("trf", 1), ("trf", 15), ("trf", 16), ("trf", 17), ("lm", 15), ("dogbox", 16)]
)
def test_every_number_of_parameters_fits(n, method):
    x = np.linspace(-1, 1, 400)

    def chebyshev(x, *c):
        return sum(ck * jnp.cos(k * jnp.arccos(x)) for k, ck in enumerate(c))

    c = 1 / (1 + np.arange(n))
    y = np.polynomial.chebyshev.chebval(x, c) + 0.01 * np.sin(37 * x)
    bounds = (-2, 2) if method == "trf" and n > 1 else (-np.inf, np.inf)
    result = curve_fit(chebyshev, x, y, np.full(n, 0.5), method=method, bounds=bounds)
    expected = np.polynomial.chebyshev.chebfit(x, y, n - 1)
    np.testing.assert_allclose(result.popt, expected, atol=1e-9)


def test_a_program_that_is_traced_again_keeps_its_model():
    class Line:
        def __init__(self, slope):
            self.slope = slope

        def __call__(self, x, a):
            return a * x * self.slope

    line = Line(2.0)
    x = np.arange(1.0, 9.0)
    assert curve_fit(line, x, 6 * x)[0][0] == pytest.approx(3)
    line.slope = 3.0
    jax.clear_caches()
    assert curve_fit(Line(2.0), x, 6 * x)[0][0] == pytest.approx(3)
    with jax.default_matmul_precision("highest"):
        assert curve_fit(Line(2.0), x, 6 * x)[0][0] == pytest.approx(3)


def test_a_file_named_like_a_standard_module_is_the_users(tmp_path, monkeypatch):
    (tmp_path / "profile.py").write_text(
        "class Peak:\n    gain = 2.0\ndef model(x, a):\n    return a * x * Peak.gain\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "profile", raising=False)
    from nlsq.core import identity

    identity.is_standard.cache_clear()
    import profile

    x = np.arange(1.0, 9.0)
    assert curve_fit(profile.model, x, 6 * x)[0][0] == pytest.approx(3)
    profile.Peak.gain = 3.0
    assert curve_fit(profile.model, x, 6 * x)[0][0] == pytest.approx(2)
    identity.is_standard.cache_clear()


def test_a_model_that_counts_its_calls_has_not_changed():
    calls = []

    def counting(x, a, b):
        calls.append(1)
        return a * np.exp(-b * x)

    for options in ({}, {"jac": "2-point"}):
        *_, infodict, _, _ = curve_fit(counting, X, Y, full_output=True, **options)
        assert infodict["fvec"].shape == X.shape
        result = curve_fit(counting, X, Y, **options)
        assert result.fun.shape == X.shape and result.jac.shape == (60, 2)
        assert result.fun is result.fun


def test_complex_derivatives_are_not_cut():
    z = 2 * np.exp(1.3j * X)

    def wave(x, a, b):
        return a * np.exp(1j * b * x)

    def rows(x, a, b):
        return np.stack([np.exp(1j * b * x), 1j * a * x * np.exp(1j * b * x)], axis=1)

    result = curve_fit(wave, X, z, (1.8, 1.2), jac=rows)
    gram = result.jac.T @ result.jac
    exact = curve_fit(wave, X, z, (1.8, 1.2)).jac
    np.testing.assert_allclose(gram, exact.T @ exact, rtol=1e-9)
    with pytest.raises(ValueError, match="real model"):
        curve_fit(wave, X, z, (1.8, 1.2), jac="cs")
    with pytest.raises(TypeError, match="complex"):
        curve_fit(wave, X, z.real, (1.8, 1.2), jac="2-point")


def test_a_fit_stopped_before_its_covariance_is_accurate_says_so():
    x = np.linspace(100, 101, 50)

    def cubic(x, a, b, c, d):
        return a + b * x + c * x**2 + d * x**3

    y = np.cos(x)
    with pytest.warns(nlsq.OptimizeWarning, match="stopped"):
        result = curve_fit(cubic, x, y, callback=lambda *_: False)
    assert np.isinf(result.perr).all()


@pytest.mark.parametrize(
    "options",
    [
        {"diag": [1, 1], "x_scale": [1, 1]},
        {"epsfcn": 1e-8, "diff_step": 1e-4},
        {"maxfev": 10, "max_nfev": 10},
    ],
)
def test_two_names_of_one_option_are_not_both_taken(options):
    with pytest.raises(TypeError, match="both"):
        curve_fit(decay, X, Y, **options)


def test_options_as_scipy_programs_write_them():
    expected = scipy.optimize.curve_fit(decay, X, Y)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for options in (
            {"method": "lm", "maxfev": 0, "gtol": 0.0},
            {"method": "lm", "factor": 100},
            {"method": "lm", "factor": 0.1},
            {"diff_step": 1e-20},
        ):
            np.testing.assert_allclose(curve_fit(decay, X, Y, **options)[0], expected, rtol=1e-6)
    with pytest.raises(ValueError, match="max_nfev"):
        curve_fit(decay, X, Y, max_nfev=np.inf)
    with pytest.raises(ValueError, match="diag"):
        curve_fit(decay, X, Y, diag=[0, 1])
    with pytest.raises(ValueError, match="factor"):
        curve_fit(decay, X, Y, factor=True)


def test_kept_options_take_no_surplus():
    fitter = nlsq.CurveFit()
    with pytest.raises(TypeError, match="positional"):
        fitter.curve_fit(decay, X, Y, *[None] * 10)
    with pytest.raises(TypeError, match="multiple values"):
        fitter.curve_fit(decay, X, Y, [1, 1], p0=[2, 2])


def test_empty_least_squares():
    with pytest.raises(ValueError, match="x0"):
        least_squares(lambda x: x, [])
    with pytest.raises(ValueError, match="at least one residual"):
        least_squares(lambda x: x[:0], [1.0], jac="2-point")


def test_a_program_with_strict_promotion_rules():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        popt, _ = curve_fit(decay, X, Y, bounds=(0, 10))
    np.testing.assert_allclose(popt, scipy.optimize.curve_fit(decay, X, Y)[0], rtol=1e-6)


def test_changing_popt_does_not_change_the_rest():
    result = curve_fit(decay, X, Y)
    expected = decay(X, *result.popt) - Y
    result.popt[0] = 99
    np.testing.assert_allclose(result.fun, expected, atol=1e-12)


def test_missing_values_in_a_table_are_omitted():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"t": X.copy()})
    frame.loc[5, "t"] = np.nan
    fit = curve_fit(lambda df, a, b: a * np.exp(-b * df["t"]), frame, Y, nan_policy="omit")
    keep = np.arange(60) != 5
    expected = scipy.optimize.curve_fit(decay, X[keep], Y[keep])[0]
    np.testing.assert_allclose(fit.popt, expected, rtol=1e-6)
    with pytest.raises(ValueError, match="shape"):
        curve_fit(decay, X, np.where(keep, Y, np.nan), sigma=np.ones((3, 60)), nan_policy="omit")
