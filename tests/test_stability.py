"""The numerical guard: fits that fail without it, fits it must not touch, and its services.

The data are exact curves, so that the right answer is the truth they were made with. All units
between 1e-12 and 1e12 and the starts that users give (1 for each parameter, or a typical slip).
"""

import dataclasses
import pickle
import warnings

import numpy as np
import pytest

import nlsq
from nlsq import curve_fit, stability
from nlsq.result import FitError, OptimizeWarning
from nlsq.stability import Hazard, StabilityReport
from tests.nist import PROBLEMS

pytestmark = pytest.mark.filterwarnings("ignore::scipy.optimize.OptimizeWarning")


@pytest.fixture(scope="module", autouse=True)
def by_numpy():
    """What does not ask for programs buys none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLSQ_BACKEND", "numpy")
        yield


# --------------------------------------------------------------------------- 50 fits that fail


def rate(t, a, k):
    return a * np.exp(-k * t)


def growth(t, a, k):
    return a * np.exp(k * t)


def growth_on(t, a, k, c):
    return a * np.exp(k * t) + c


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


def rise(t, a, tau):
    return a * (1 - np.exp(-t / tau))


def two_decays(t, a, s, b, u):
    return a * np.exp(-t / s) + b * np.exp(-t / u)


def gauss(x, h, m, w):
    return h * np.exp(-0.5 * ((x - m) / w) ** 2)


def lorentz(x, h, m, w):
    return h * w**2 / ((x - m) ** 2 + w**2)


def logistic(x, top, k, m):
    return top / (1 + np.exp(-k * (x - m)))


def hill(c, top, k, n):
    return top * c**n / (k**n + c**n)


def sine(t, a, f, phase):
    return a * np.sin(2 * np.pi * f * t + phase)


def cosh(x, a, k):
    return a * np.cosh(k * x)


def log_from(x, a, x0, c):
    return a * np.log(x - x0) + c


def root_from(x, a, x0):
    return a * np.sqrt(x - x0)


def root_to(x, a, x0):
    return a * np.sqrt(x0 - x)


def power_from(x, a, b, x0):
    return a * (x - x0) ** b


def power_to(x, a, b, x0):
    return a * (x0 - x) ** -b


def arccos(x, a, w, b):
    return a * np.arccos(x / w) + b


def arctanh(x, a, w):
    return a * np.arctanh(x / w)


def power(x, a, b):
    return a * x**b


def planck(wave, a, temperature):
    return a / wave**5 / np.expm1(1.4388 / (wave * temperature))


def diode(volts, i0, n):
    return i0 * np.expm1(volts / (n * 0.02585))


def gompertz(t, a, b, c):
    return a * np.exp(-b * np.exp(-c * t))


def weibull(t, a, scale, k):
    return a * (1 - np.exp(-((t / scale) ** k)))


def stretched(t, a, tau, b):
    return a * np.exp(-((t / tau) ** b))


def both_ways(x, a, k, b):
    return a * np.exp(k * x) + b * np.exp(-k * x)


def viscosity(T, a, b, T0):
    return a * np.exp(b / (T - T0))


def plane_decay(X, a, b, c):
    return a * np.exp(-b * X[0] - c * X[1])


def decay_and_line(X, a, b, k):
    return a * np.exp(-k * X[0]) + b * X[1]


def arrhenius(X, a, n, E):
    return a * X[0] ** n * np.exp(-E / X[1])


U = np.linspace(0, 1, 60)
ONES = None  # the default start
UNIT_FREE = {  # model: x and truth, where x is in units of sx and y in units of sy
    decay: (5 * U, lambda sx, sy: (2 * sy, 1.3 * sx, 0.5 * sy)),
    gauss: (8 * U, lambda sx, sy: (3 * sy, 3.7 * sx, 0.8 * sx)),
    lorentz: (8 * U, lambda sx, sy: (3 * sy, 3.7 * sx, 0.8 * sx)),
    logistic: (10 * U, lambda sx, sy: (2 * sy, 1.1 / sx, 4.5 * sx)),
    two_decays: (9 * U, lambda sx, sy: (2 * sy, 0.7 * sx, sy, 3.1 * sx)),
    rise: (5 * U, lambda sx, sy: (2 * sy, 1.3 * sx)),
    hill: (5 * U + 0.1, lambda sx, sy: (2 * sy, 1.4 * sx, 1.7)),
    sine: (4 * U, lambda sx, sy: (2 * sy, 0.8 / sx, 0.4)),
    rate: (4 * U, lambda sx, sy: (2.5 * sy, 1.2 / sx)),
}


def in_units(model, sx, sy):
    x, truth = UNIT_FREE[model]
    return model, sx * x, truth(sx, sy), ONES


def unlike(x, by):
    """Two coordinates, the second but for a share `by` the first."""
    return np.array([x, x * (1 + by * np.sin(np.arange(x.size)))])


T = np.linspace(280, 400, 50)
W = np.linspace(1, 5, 40)
FAILING = {  # name: model, x, truth, start
    # units of 1e-12 and 1e12
    **{f"{f.__name__}, x in {sx:g}, y in {sy:g}": in_units(f, sx, sy)
       for f in (decay, gauss, two_decays, rise, hill)
       for sx, sy in ((1e-12, 1e12), (1e12, 1e-12))},
    **{f"{f.__name__}, x in 1e+12, y in 1e-12": in_units(f, 1e12, 1e-12) for f in (logistic, sine)},
    # bad scales: starts of 1 for x in thousands and millions, or in millionths
    **{f"{f.__name__}, x in {sx:g}": in_units(f, sx, 1.0)
       for f, sx in ((decay, 1e-6), (decay, 1e3), (gauss, 1e-6), (gauss, 1e6), (lorentz, 1e6),
                     (logistic, 1e6), (sine, 1e-3), (sine, 1e3), (two_decays, 1e6), (rate, 1e6))},
    "logistic, years": (logistic, np.linspace(1960, 2020, 61), (10, 0.08, 1995), ONES),
    "a pole among the data": (viscosity, T, (1e-3, 900, 160), (1, 1, 300)),
    # overflow and NaN at the start
    "exp to 800": (growth, 800 * U, (2, 0.01), ONES),
    "exp, k = 10": (growth, 100 * U, (2, 0.05), (1, 10)),
    "exp on a constant": (growth_on, 20 * U, (2, 0.3, 1), (1, 100, 1)),
    "exp, wrong sign": (growth, 1e4 * U, (2, -0.001), (1, 0.5)),
    "exp, years": (growth, np.linspace(1960, 2020, 61), (1e-16, 0.02), ONES),
    "cosh": (cosh, 2000 * U - 1000, (2, 0.003), ONES),
    "log beyond its place": (log_from, U + 0.5, (2, 0.1, 1), (1, 1, 1)),
    "root beyond its place": (root_from, 5 * U + 0.5, (2, 0.3), ONES),
    "root before its end": (root_to, 5 * U, (2, 7), ONES),
    "power beyond its place": (power_from, 4 * U + 0.6, (2, 1.4, 0.2), ONES),
    "power before its end": (power_to, 4 * U, (2, 0.4, 5), ONES),
    "arccos outside": (arccos, 5 * U, (2, 6, 1), ONES),
    "arctanh outside": (arctanh, 5 * U, (2, 6), ONES),
    "a high power": (power, 1e3 * U + 1, (2, 3), (1, 150)),
    "diode": (diode, np.linspace(0, 20, 60), (1e-9, 25.0), ONES),
    "Planck": (planck, np.linspace(0.2e-4, 3e-4, 60), (1e-5, 5000), ONES),
    "Gompertz, wrong sign": (gompertz, 100 * U, (5, 3, 0.06), (1, 1, -10)),
    "Weibull, wrong sign": (weibull, 1e3 * U + 1, (5, 300, 1.4), (1, -1, 0.5)),
    "stretched, wrong sign": (stretched, 1e3 * U + 1, (5, 300, 0.7), (1, -1, 0.7)),
    # coordinates that are nearly copies of each other
    "twins, thousands": (plane_decay, unlike(1e3 * W, 1e-3), (3, 2e-4, 1e-4), ONES),
    "twins, millions": (plane_decay, unlike(1e6 * W, 1e-3), (3, 2e-7, 1e-7), ONES),
    "twins, 1e9": (plane_decay, unlike(1e9 * W, 1e-2), (3, 2e-10, 1e-10), ONES),
    "twins, one linear": (decay_and_line, unlike(1e4 * W, 1e-3), (3, 2e-4, 1e-4), ONES),
    "temperature twice": (arrhenius, np.array([T, T]), (1e4, 1.0, 3e3), ONES),
}  # fmt: skip
# points whose errors are nearly copies: a covariance of y without a Cholesky factor
KERNELS = {"a smooth kernel": 1.0, "a smoother kernel": 2.0}


def ending(model, x, y, start, truth, **how):
    """Whether a fit ended right, and its result or None."""
    try:
        result = curve_fit(model, x, y, start, **how)
    except (FitError, ValueError):
        return False, None
    popt = result.popt
    if model is two_decays and popt[1] > popt[3]:
        popt = popt[[2, 3, 0, 1]]
    return bool(result.success and np.allclose(popt, truth, rtol=1e-6, atol=0)), result


#: Of the 50, those that stay what they are: nothing shows at their start, and the fits fail openly.
BEYOND = {"a pole among the data", "temperature twice", "sine, x in 0.001"}


def test_of_50_failing_fits_40_are_turned_into_right_ones():
    assert len(FAILING) + len(KERNELS) == 50
    assert len(FAILING.keys() - BEYOND) + len(KERNELS) >= 40  # each of which is a test below


@pytest.mark.parametrize("name", [name for name in FAILING if name not in BEYOND])
def test_a_failing_fit_becomes_a_right_one(name):
    model, x, truth, start = FAILING[name]
    with np.errstate(all="ignore"):
        right, fit = ending(model, x, model(x, *truth), start, truth, stability="auto")
    assert right
    found = fit.stability.of("start") or fit.stability.findings[0]
    done = {action.kind: action for action in fit.stability.actions}
    # without it the model has no value at the start, or the fit leaves most of the cost
    assert found.kind == "start" or done["start"].number < 1e-6
    assert done["start"].reason and "found in the units of x and y" in done["start"].text
    assert not fit.undetermined


@pytest.mark.parametrize("name", KERNELS)
def test_a_singular_covariance_gets_a_factor(name):
    x, truth = 5 * U, (2, 1.3, 0.5)
    K, y = np.exp(-0.5 * ((x[:, None] - x) / KERNELS[name]) ** 2), decay(x, *truth)
    for mode in (False, "check"):
        assert ending(decay, x, y, ONES, truth, sigma=K, stability=mode) == (False, None)
    right, fit = ending(decay, x, y, ONES, truth, sigma=K, stability="auto")
    (action,) = fit.stability.actions
    assert right and action.kind == "sigma"
    assert action.number == pytest.approx(1e-10)  # the variances are 1
    np.testing.assert_allclose(fit.sigma, K + 1e-10 * np.eye(60), rtol=0, atol=1e-16)
    with pytest.raises(ValueError, match="positive definite"):  # which is no covariance at all
        curve_fit(decay, x, y, sigma=K - 0.5, stability="auto")


# ---------------------------------------------------------------------- fits that do not need it

NOISE = 0.01 * np.random.default_rng(4).normal(size=60)
SUSPECT = {  # healthy ones, with noise, whose start is not of the size of x or y all the same
    "rise, x in 1e-06": (rise, 1e-6), "hill, x in 1e-06": (hill, 1e-6),
    "two decays": (two_decays, 1.0), "rate, x in 1e-09": (rate, 1e-9),
}  # fmt: skip


def assert_same(one, other):
    for a, b in ((one.popt, other.popt), (one.pcov, other.pcov)):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=0)
    assert (one.status, one.dof, one.nfev) == (other.status, other.dof, other.nfev)
    assert one.reduced_chi_squared == pytest.approx(other.reduced_chi_squared, rel=1e-10)


@pytest.mark.parametrize("start", [0, 1], ids=["far", "near"])
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_nothing_changes_for_nist(problem, start):
    if start == 0 and problem.name in ("Bennett5", "MGH10"):
        pytest.skip("a second of iterations")
    given = problem.model_numpy, problem.x, problem.y, problem.starts[start]
    fit = curve_fit(*given, stability="auto")
    assert_same(fit, curve_fit(*given))
    assert not fit.stability.actions


@pytest.mark.parametrize("name", SUSPECT)
def test_a_suspected_start_that_works_keeps_its_answer(name):
    model, sx = SUSPECT[name]
    _, x, truth, _ = in_units(model, sx, 1.0)
    y = model(x, *truth) + NOISE
    fit = curve_fit(model, x, y, stability="auto")
    assert_same(fit, curve_fit(model, x, y))
    assert not fit.stability.ok and not fit.stability.actions


# ----------------------------------------------------------------------------------- what is found


def found(model=decay, x=5 * U, truth=(2, 1.3, 0.5), start=(2.0, 1.0, 1.0), **how):
    """The findings at a start by kind."""
    with np.errstate(all="ignore"):
        y = model(x, *truth)
        try:
            fit = curve_fit(model, x, y, start, stability="check", **how)
        except FitError as error:
            fit = error.result
    return {finding.kind: finding for finding in fit.stability.findings}


def line(x, a, b):
    return a + b * x


def plane(X, a, b):
    return a * X[0] + b * X[1]


SIGMA = np.where(U < 0.1, 1e-8, 1.0)
FOUND = {  # how, kinds that are found, and the number of the last
    "nothing": ({}, set(), None),
    "small x": ({"x": 5e-7 * U, "truth": (2, 1e-7, 0.5), "start": (2, 1e-7, 1), "model": decay},
                {"x scale", "parameter scales"}, 2e7),
    "years": ({"model": line, "x": 2000 + U, "truth": (1, 2), "start": (1, 1)},
              {"x offset", "units"}, 2001),
    "tall y": ({"model": line, "x": U, "truth": (1e7, 2e7), "start": (1, 1)}, {"y scale"}, 3e7),
    "twice": ({"x": np.repeat(5 * U[::2], 2)}, {"duplicated points"}, 30),
    "steep sigma": ({"sigma": SIGMA}, {"sigma"}, 1e8),
    "alike": ({"model": plane, "x": unlike(W, 1e-3), "truth": (1, 2), "start": (1, 1)},
              {"collinear x"}, None),
    "the same": ({"model": plane, "x": np.array([W, 2 * W]), "truth": (1, 2), "start": (1, 1)},
                 {"collinear x", "condition"}, None),
    "near an edge": ({"model": root_from, "x": 5 * U + 0.5, "truth": (2, 0.2), "start": (2, 0.48)},
                     {"edge"}, 1),
    "fixed": ({"model": plane, "x": np.array([W, 2 * W]), "truth": (1, 2), "start": (1, 1),
               "fixed": ["a"]}, {"collinear x"}, 1.0),
    "idle": ({"start": (2.0, 1e9, 1.0)}, {"idle parameter", "parameter scales", "condition"}, None),
}  # fmt: skip


@pytest.mark.parametrize("what", FOUND)
def test_what_is_found(what):
    how, kinds, number = FOUND[what]
    seen = found(**how)
    assert seen.keys() == kinds
    if number is not None:
        assert list(seen.values())[-1].number == pytest.approx(number, rel=1e-12)
    assert all(f.text.endswith(".") and f.level in stability.looks.LEVELS for f in seen.values())


def test_a_dependence_is_named_and_its_condition_measured():
    x = unlike(W, 1e-3)
    x = np.array([x[0], x[0] + 1e-13 * np.cos(W)])
    seen = found(plane, x, (1, 2), (1, 1))["condition"]
    unit = x / np.linalg.norm(x, axis=1)[:, None]
    assert seen.parameters == ("a", "b") and seen.level == "fault"
    assert seen.number == pytest.approx(np.linalg.cond(unit.T), rel=0.1)


def test_a_bad_end_is_explained_and_a_good_one_only_reported():
    x, y = 1e6 * W, 3 * np.exp(-2e-7 * (1e6 * W))
    with pytest.warns(OptimizeWarning, match="condition: the model does not depend on a or k"):
        fit = curve_fit(rate, x, y, stability="check")
    assert not fit.success and fit.is_settled("stability")
    good = curve_fit(rate, x, y, [3, 2e-7], stability="check")
    assert good.success and not good.warnings and not good.is_settled("stability")
    assert good.stability.ok and good.stability.n_points == W.size
    with pytest.raises(ValueError, match="With a=1, k=1 the model gives inf") as caught:
        curve_fit(growth, x, growth(x, 1, 1e-7), stability="check")
    report = caught.value.result.stability
    assert report.of("start") and caught.value.__notes__[0] == str(report)
    assert "stability='auto'" in caught.value.__notes__[1]
    assert "stability='auto'" in caught.value.result.diagnose().alarms[0].remedy


def test_what_is_reported_can_be_kept_and_read():
    model, x, truth, start = FAILING["exp to 800"]
    fit = curve_fit(model, x, model(x, *truth), start, stability="auto")
    assert (
        str(fit.stability)
        == repr(fit.stability)
        == (
            "stability='auto', 60 points looked at: 1 finding, 1 action\n"
            "  ! start: the model is not finite, or too large, at 34 of 60 points with a=1, k=1.\n"
            "  > start: a=1 -> 2, k=1 -> 0.01, found in the units of x and y. Reason: the model is "
            "not finite, or too large, at 34 of 60 points with a=1, k=1."
        )
    )
    assert "guard   start: a=1 -> 2, k=1 -> 0.01, found" in fit.summary()
    assert pickle.loads(pickle.dumps(fit)).stability == fit.stability
    again = nlsq.CurveFitResult.from_json(fit.to_json())
    assert again.summary() == fit.summary()
    stored = again.stability
    assert str(stored) == str(fit.stability) and stored.findings[0].number == 34
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.stability.mode = "check"
    np.testing.assert_allclose(fit.p0, truth, rtol=1e-3)  # where the fit that is kept began


def test_a_given_scale_goes_with_the_start_it_was_for():
    model, x, truth, start = FAILING["decay, x in 1e+12, y in 1e-12"]
    right, fit = ending(model, x, model(x, *truth), start, truth, x_scale=[1, 1, 1],
                        stability="auto")  # fmt: skip
    assert right and [action.kind for action in fit.stability.actions] == ["start", "x_scale"]


def test_the_word_is_refused_where_nothing_would_be_done():
    y = decay(5 * U, 2, 1.3, 0.5)
    with pytest.raises(ValueError, match=r"must be False, 'check' or 'auto', got 'chek'.* 'check'"):
        curve_fit(decay, 5 * U, y, stability="chek")
    for call, how in ((curve_fit, {}), (nlsq.fit, {"workflow": "chunked"})):
        with pytest.raises(ValueError, match="looks at data in memory"):
            call(decay, (5 * U, y), stability="auto", **how)
    for call in (nlsq.fit_many, nlsq.least_squares):
        with pytest.raises(TypeError, match=r"'stability'. It is one of `curve_fit`"):
            call(decay, 5 * U, y, stability="auto")
    assert nlsq.fit(decay, 5 * U, y, stability="check").stability.ok
    assert nlsq.CurveFit(stability="check").curve_fit(decay, 5 * U, y).stability.ok
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLSQ_SELECTOR_IMPL", "old")
        with pytest.raises(ValueError, match="NLSQ_SELECTOR_IMPL"):
            curve_fit(decay, 5 * U, y, stability="check")


def test_a_search_that_is_asked_for_is_not_made_twice():
    model, x, truth, start = FAILING["decay, x in 1e-06"]
    right, fit = ending(model, x, model(x, *truth), start, truth, method="global", stability="auto")
    assert right and not fit.stability.actions


def test_long_data_are_sampled():
    x = np.linspace(0, 5, 20_000)
    fit = curve_fit(decay, x, decay(x, 2, 1.3, 0.5), [2, 1, 1], stability="check")
    assert 4000 < fit.stability.n_points <= 4096 and not fit.stability.findings  # each once


# --------------------------------------------------------------------------------- the services


def test_conditions_and_correlations():
    x = np.array([2020.0, 2021.0])
    c = x.mean() / np.sqrt((x**2).mean())  # of the vectors 1 and x
    condition = stability.estimate_condition_number
    assert condition(x) == pytest.approx(np.sqrt((1 + c) / (1 - c)), rel=1e-6)
    assert condition([3.0, 3.0, 3.0]) > 1e7 and condition([0.0, 0.0]) == np.inf
    X = np.random.default_rng(0).normal(size=(3, 50))
    X[2] = 1e9 * (X[0] + 0.1 * X[1])
    pairs = stability.detect_collinearity(X)[1]
    R = np.corrcoef(X)
    assert [(i, j) for i, j, _ in pairs] == [(0, 2)]
    assert pairs[0][2] == pytest.approx(R[0, 2], rel=1e-12)
    assert not stability.detect_collinearity(X, 0.999)[0]
    assert stability.detect_parameter_scale_mismatch([1, 2e6]) == (True, 2e6)
    assert stability.detect_parameter_scale_mismatch([0, -5.0]) == (False, 1.0)


A = np.random.default_rng(1).normal(size=(4, 4))
SYSTEMS = {  # symmetric matrices, and the matrix that solves
    "positive": (A @ A.T, np.linalg.inv),
    "indefinite": (A + A.T, np.linalg.inv),
    "rank 2": (A[:, :2] @ A[:, :2].T, np.linalg.pinv),
    "nothing": (np.zeros((4, 4)), np.linalg.pinv),
}


@pytest.mark.parametrize("what", SYSTEMS)
def test_a_symmetric_system_is_solved_whatever_its_rank(what):
    M, inverse = SYSTEMS[what]
    b = M @ np.arange(1.0, 5)
    x = stability.solve_with_cholesky_fallback(M, b)
    np.testing.assert_allclose(x, inverse(M) @ b, rtol=1e-7, atol=1e-12)
    w = np.linalg.eigvalsh(stability.stability_guard.regularize_hessian(M, 1e-3))
    assert w[0] >= 1e-3 * np.abs(np.linalg.eigvalsh(M)).max() * (1 - 1e-9) and w[0] > 0


def test_a_jacobian_with_which_a_step_can_be_computed():
    guard = stability.NumericalStabilityGuard()
    J = np.random.default_rng(2).normal(size=(20, 3))
    fixed, findings = guard.check_and_fix_jacobian(J)
    assert findings == () and (fixed == J).all()
    J[:, 2] = 2 * J[:, 1]
    J[4, 0] = np.nan
    fixed, findings = guard.check_and_fix_jacobian(J)
    assert [f.kind for f in findings] == ["not finite", "condition"] and fixed.shape == (23, 3)
    assert np.linalg.cond(fixed / np.linalg.norm(fixed, axis=0)) < 1e6
    assert (fixed[4] == 0).all() and np.isnan(J[4, 0])
    few = stability.NumericalStabilityGuard(max_jacobian_elements_for_svd=10)
    assert few.check_and_fix_jacobian(fixed[:, 1:])[1] == ()
    assert few.check_and_fix_jacobian(J[:, 1:])[1][0].number == np.inf


def test_numbers_that_cannot_be_computed_with_are_found():
    guard = stability.stability_guard
    bad = [1.0, np.nan, np.inf, 1e200, -1e-200, 0.0]
    kinds = ["NaN", "infinite", "too large to be squared", "too small to be squared"]
    for check in (guard.detect_numerical_issues, guard.check_residuals):
        assert [f.kind for f in check(bad)] == kinds and check([0.0, 1.0]) == ()
    assert [f.kind for f in guard.check_gradient([1.0, 1e-13])] == ["gradient scales"]
    assert [f.kind for f in guard.check_parameters([1.0, 1e-7])] == ["parameter scales"]


def test_saturating_functions_are_numpys_where_those_are_finite():
    g, x = stability.stability_guard, np.geomspace(1e-3, 1e3, 50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, far in (("exp", [-1e9, 1e9]), ("log", [-1.0, 0.0]), ("sqrt", [-1.0, -1e-300])):
            safe, plain = getattr(g, f"safe_{name}"), getattr(np, name)
            part = x[x < 700]
            assert (safe(part) == plain(part)).all() and np.isfinite(safe(np.array(far))).all()
        np.testing.assert_allclose(g.safe_power(x, 2.5), x**2.5, rtol=1e-13)
        assert np.isfinite(g.safe_power(np.array([-2.0, 0.0, 1e300]), 3.0)).all()
        assert (g.safe_divide(x, -x) == -1).all()
        assert np.isfinite(g.safe_divide(np.array([1.0, -1.0, 0.0]), 0.0)).all()
        assert g.safe_norm([3e200, 4e200]) == pytest.approx(5e200, rel=1e-15)
        assert g.safe_norm([3e-200, 4e-200]) == pytest.approx(5e-200, rel=1e-15, abs=0)
        assert g.safe_norm(x, 1) == pytest.approx(np.linalg.norm(x, 1), rel=1e-14)


def test_a_model_of_saturating_functions_can_start_anywhere():
    def safe(t, a, k):
        return a * stability.stability_guard.safe_exp(k * t)

    t = 800 * U
    with pytest.raises(ValueError, match="not finite"):
        curve_fit(growth, t, growth(t, 2, 0.01), [1, 2])
    fit = curve_fit(safe, t, growth(t, 2, 0.01), [1, 0.1])
    np.testing.assert_allclose(fit.popt, [2, 0.01], rtol=1e-9)


def test_a_problem_is_checked_and_its_data_brought_to_size():
    t = np.append(1e9 * U, np.nan)
    y = np.append(growth(1e9 * U, 2e-9, 3e-9), 1.0)
    seen = stability.check_problem_stability(t[:-1], y[:-1], [1, 1], growth)
    assert [f.kind for f in seen.findings] == ["x scale", "y scale", "units", "start"]
    assert stability.check_problem_stability(t, y).findings[0].kind == "NaN"
    x1, y1, p0, done = stability.apply_automatic_fixes(t, y, [1, 1])
    assert p0 == [1, 1] and done["left_out"] == 1 and len(done["actions"]) == 2
    assert 0.5 <= x1.max() <= 1 and 0.5 <= y1.max() <= 1
    assert (x1 * done["x_unit"] == t[:-1]).all() and (y1 * done["y_unit"] == y[:-1]).all()
    popt = curve_fit(growth, x1, y1, p0).popt * [done["y_unit"], 1 / done["x_unit"]]
    np.testing.assert_allclose(popt, [2e-9, 3e-9], rtol=1e-9)
    assert stability.apply_automatic_fixes(t, y, rescale_data=False)[3]["x_unit"] == 1.0
    none = StabilityReport("check", (Hazard("sigma", "", 1.0),), (), 60)
    assert stability.apply_automatic_fixes(t, y, None, none)[3]["actions"] == ()
