"""What programs written for SciPy do to a fit: odd models and options, other JAX settings."""

import dataclasses
import importlib
import itertools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

import nlsq
from nlsq import curve_fit, least_squares
from nlsq.core.least_squares import AutoDiffJacobian
from nlsq.core.loss_functions import LossFunctionsJIT
from nlsq.core.model.rising import rises_around

pytestmark = [pytest.mark.core, pytest.mark.usefixtures("quickly")]

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
    from nlsq.core.model.identity import walk as identity

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


# ------------------------------------------------------------------------- SciPy's least_squares


def bend(x):
    return np.array([x[0] ** 2 + x[1] - 3, x[1] ** 2 - x[0] + 0.5, 0.1 * x[0] * x[1]])


def bend_jac(x):
    return np.array([[2 * x[0], 1], [-1, 2 * x[1]], [0.1 * x[1], 0.1 * x[0]]])


@pytest.mark.parametrize(
    ("f", "jac", "x0"),
    [
        (lambda x: x**2 - 2, lambda x: 2 * x[0], 1.0),
        (lambda x: x**2 - 2, lambda x: 2 * x, [1.0]),
        (lambda x: x[0] ** 2 - 2, lambda x: [[2 * x[0]]], [1.0]),
        (lambda x: x[0] + 2 * x[1] - 3, lambda x: [1.0, 2.0], [1.0, 0.5]),
        (lambda x: x[0] - np.array([1.0, 2, 6]), lambda x: np.ones(3), [0.0]),
        (bend, lambda x: bend_jac(x).tolist(), [1.0, 1.0]),
        (bend, lambda x: np.asfortranarray(bend_jac(x)), [1.0, 1.0]),
    ],
)
def test_jacobians_in_the_forms_that_programs_return(f, jac, x0):
    ours = least_squares(f, x0, jac)
    theirs = scipy.optimize.least_squares(f, x0, xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert ours.success and ours.jac.shape == (ours.fun.size, ours.x.size)
    np.testing.assert_allclose(ours.fun, theirs.fun, atol=1e-6)


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
@pytest.mark.parametrize("max_nfev", [1, 2, 3, 7, None])
def test_calls_are_counted_as_they_are_made(method, max_nfev):
    calls, derivatives = [], []

    def f(x):
        calls.append(x.copy())
        return bend(x)

    def jac(x):
        derivatives.append(x.copy())
        return bend_jac(x)

    result = least_squares(f, [6.0, -4.0], jac, method=method, max_nfev=max_nfev)
    assert result.nfev == len(calls) and result.njev <= len(derivatives)
    assert result.nfev <= (max_nfev or 99)
    np.testing.assert_array_equal(result.fun, bend(result.x))
    np.testing.assert_array_equal(result.jac, bend_jac(result.x))
    made = [tuple(x) for x in calls]
    assert all(a != b for a, b in itertools.pairwise(made))
    assert len(calls) == result.nfev  # to read the result calls nothing


def test_differences_are_not_counted_as_in_scipy():
    calls = []

    def f(x):
        calls.append(1)
        return bend(x)

    for method, workers in (
        ("trf", None),
        ("dogbox", map),
        ("trf", lambda f, p: [f(q) for q in p]),
    ):
        calls.clear()
        result = least_squares(f, [1.0, 1.0], "2-point", method=method, workers=workers)
        assert result.success and result.nfev < len(calls)


def test_processes_evaluate_differences():
    f = nlsq.models.get("exponential_decay")  # which another process finds soon
    alone, shared = (
        curve_fit(f, X, Y, [1.0, 1.0, 0.0], jac="3-point", workers=workers) for workers in (None, 2)
    )
    np.testing.assert_array_equal(alone.popt, shared.popt)
    np.testing.assert_array_equal(alone.pcov, shared.pcov)
    assert alone.nfev == shared.nfev
    exact = curve_fit(decay, X, Y, [1.0, 1.0], workers=2)  # begins no process
    assert "exact" in exact.model_info.derivative


def _cubic(z):
    rho = np.empty((3, z.size))
    t = 1 + z
    rho[0], rho[1], rho[2] = 3 * (t ** (1 / 3) - 1), t ** (-2 / 3), -2 / 3 * t ** (-5 / 3)
    return rho


def _cubic_for_arrays_only(z):
    assert type(z) is np.ndarray
    return _cubic(np.array(z.tolist()))


@pytest.mark.parametrize(
    ("loss", "road"),
    [
        (_cubic, "numpy"),
        (lambda z: np.stack([np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2]), "numpy"),
        (_cubic_for_arrays_only, "host"),
    ],
)
def test_losses_as_scipy_takes_them(loss, road):
    y = np.where(np.arange(60) % 11 == 0, Y + 1, Y)

    def f(p):
        return p[0] * np.exp(-p[1] * X) - y

    ours = least_squares(f, [1.0, 1.0], loss=loss, f_scale=0.05, backend="jax")
    theirs = scipy.optimize.least_squares(f, [1.0, 1.0], loss=loss, f_scale=0.05, ftol=1e-14)
    assert ours.model_info.road == road
    np.testing.assert_allclose(ours.x, theirs.x, rtol=1e-5)
    assert ours.cost <= theirs.cost * (1 + 1e-10)
    quickly = least_squares(f, [1.0, 1.0], loss=loss, f_scale=0.05)
    np.testing.assert_allclose(quickly.x, ours.x, rtol=1e-7)


@dataclasses.dataclass
class Cauchy:
    """A loss that has no hash."""

    scale: float

    def __call__(self, z):
        return self.scale * np.log1p(z)


@pytest.mark.parametrize("jac", [None, "3-point"])
def test_a_loss_without_a_hash(jac):
    y = np.where(np.arange(60) % 11 == 0, Y + 1, Y)
    own, known = (curve_fit(decay, X, y, jac=jac, loss=loss) for loss in (Cauchy(1.0), "cauchy"))
    np.testing.assert_allclose(own.popt, known.popt, rtol=1e-9)


def test_options_by_position():
    given = ([1.0, 1.0], "2-point", (-9, 9), "dogbox", 1e-9, None, 1e-9, 1.0, "huber", 0.5)
    ours = [least_squares(bend, *given), nlsq.LeastSquares().least_squares(bend, *given)]
    theirs = scipy.optimize.least_squares(bend, *given)
    for result in ours:
        np.testing.assert_allclose(result.x, theirs.x, atol=1e-5)
    with pytest.raises(TypeError, match=r"multiple values.*'ftol'"):
        least_squares(bend, [1, 1], None, (-9, 9), "trf", 1e-9, ftol=1e-8)
    with pytest.raises(TypeError, match="at most 21 positional"):
        least_squares(bend, *range(25))


def test_bounds_of_a_number_as_scipys_object():
    result = least_squares(bend, [1.0, 1.0], bounds=scipy.optimize.Bounds(0.0, 1.5))
    np.testing.assert_allclose(
        result.x, least_squares(bend, [1.0, 1.0], bounds=(0, 1.5)).x, rtol=1e-12
    )


# minima where the Jacobian vanishes and the residual does not: where, and one start
VANISHING = {
    "(x - 3)^2 + 5": (lambda x: (x - 3) ** 2 + 5, [1.0], [3.0]),
    "2 - cos x": (lambda x: 2 - np.cos(x), [1.0], [0.0]),
    "cosh": (lambda x: np.cosh(x - 0.7), [2.0], [0.7]),
    "two of one": (lambda x: np.array([x[0] ** 2 + 1, 3 * x[0] ** 2 + 2]), [1.5], [0.0]),
    "two of two": (
        lambda x: np.array([(x[0] - 1) ** 2 + 1, (x[1] + 2) ** 2 + 2]), [1.5, 0.3], [1.0, -2.0],
    ),
}  # fmt: skip
WAVE = np.linspace(0, 1, 20)
NO_MINIMA = {
    "a peak beside the data": (
        lambda p: p[0] * np.exp(-(((WAVE - p[1]) / 0.05) ** 2)) - np.exp(-((WAVE - 0.5) ** 2)),
        [1.0, 9.0],
    ),
    "no response": (lambda p: p[0] * np.exp(-1000 - p[1] ** 2) + 1 + 0 * WAVE, [1.0, 1.0]),
}


@pytest.mark.parametrize("name", VANISHING)
@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
def test_a_minimum_where_the_jacobian_vanishes_is_one(name, method):
    f, x0, minimum = VANISHING[name]
    result = least_squares(f, x0, "3-point", method=method)
    assert result.success and result.cost <= 0.5 * np.sum(f(np.array(minimum)) ** 2) * (1 + 1e-9)
    np.testing.assert_allclose(result.x, minimum, atol=1e-4)


def test_counts_of_a_fit_that_is_kept_stay():
    cache, f = nlsq.SmartCache(), lambda x: (x - 3) ** 2 + 5
    fits = [least_squares(f, [1.0], "3-point", cache=cache) for _ in range(3)]
    assert cache.info().hits == 2 and len({fit.nfev for fit in fits[1:]}) == 1


@pytest.mark.parametrize("name", NO_MINIMA)
def test_and_others_where_it_vanishes_are_not(name):
    f, x0 = NO_MINIMA[name]
    assert not least_squares(f, x0, "2-point").success


@pytest.mark.parametrize(
    ("cost", "x", "rises"),
    [
        (lambda x: 5 + (x[0] - 1) ** 2, [1.0], True),
        (lambda x: 5 + (x[0] - 1) ** 4, [1.0], True),
        (lambda x: 5 + (x[0] - 1) ** 2 + (x[1] - x[0]) ** 2, [1.0, 1.0], True),
        (lambda x: 5 + x[0], [-9.0], True),  # at its lower bound
        (lambda x: 5 - x[0] ** 2, [0.0], False),
        (lambda x: 5 + x[0] ** 2 - x[1] ** 2, [0.0, 0.0], False),
        (lambda x: 5 + x[0] ** 3, [0.0], False),
        (lambda x: 5 + (x[0] - 1) ** 2, [1.001], False),
        (lambda x: 5.0, [3.0], False),
        (lambda x: 5 + 1e-9 * np.sin(1e15 * x[0]), [1.0], False),
        (lambda x: np.nan, [1.0], False),
    ],
)
def test_whether_a_cost_rises_around_a_point(cost, x, rises):
    n = len(x)
    bounds = np.full(n, -9.0), np.full(n, 9.0)
    assert rises_around(cost, np.array(x), np.ones(n), *bounds) is rises


def test_one_number_stands_for_all_of_ydata():
    def residual(x, a, b):
        return decay(x, a, b) - Y

    one, many = curve_fit(residual, X, 0), curve_fit(residual, X, np.zeros(60))
    np.testing.assert_allclose(one.pcov, many.pcov, rtol=1e-12)
    assert one.n_points == 60


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


# ------------------------------------------------------- names of the source, of their own use


@pytest.mark.parametrize("sigma", [None, 2.0, "vector", "matrix"])
def test_an_exact_jacobian_of_its_own(sigma):
    x, p = np.linspace(0.1, 3.0, 7), np.array([2.0, 0.7])
    deviations = np.linspace(0.5, 2.0, 7)
    if sigma == "vector":
        sigma = deviations
    elif sigma == "matrix":
        sigma = np.diag(deviations**2) + 0.1
    plain = np.stack([np.exp(-p[1] * x), -p[0] * x * np.exp(-p[1] * x)], axis=1)
    L = np.eye(7)
    if sigma is not None:
        L = np.linalg.cholesky(sigma) if np.ndim(sigma) == 2 else np.eye(7) * sigma
    jac = AutoDiffJacobian().create_ad_jacobian(lambda x, a, b: a * np.exp(-b * x), 2, sigma)
    np.testing.assert_allclose(jac(x, *p), np.linalg.solve(L, plain), rtol=1e-13)
    with pytest.raises(TypeError, match="has 2 parameters, got 3"):
        jac(x, 1.0, 2.0, 3.0)


@pytest.mark.parametrize("name", ["soft_l1", "huber", "cauchy", "arctan"])
def test_losses_of_their_own_are_scipys(name):
    z = np.array([0.0, 0.3, 1.0, 1.5, 40.0])
    loss = LossFunctionsJIT().get_loss_function(name)
    expected = np.empty((3, z.size))
    scipys = importlib.import_module("scipy.optimize._lsq.least_squares")  # not the function
    getattr(scipys, name)(z, expected, False)
    np.testing.assert_allclose(loss(z), expected, rtol=1e-14)
    np.testing.assert_allclose(loss(z, cost_only=True), expected[0], rtol=1e-14)


def test_a_loss_that_is_none():
    assert LossFunctionsJIT().get_loss_function("linear") is None
    with pytest.raises(ValueError, match="'biweight'"):
        LossFunctionsJIT().get_loss_function("biweight")
