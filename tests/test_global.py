"""`method='global'` and its kin: the right minimum from neither p0 nor bounds, and its evidence.

Right sums of squares come from NIST, from public reports (see `test_far_starts`), or from a fit
that begins at the parameters the data were made with.
"""

import math
import time
import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy import optimize

import nlsq
from nlsq import curve_fit
from nlsq.global_optimization import (
    PRESETS,
    CMAESConfig,
    GlobalOptimizationConfig,
    MultiStartOrchestrator,
    sampling,
)
from nlsq.global_optimization.problem import telling
from nlsq.global_optimization.projecting import Normal
from nlsq.result import OptimizeWarning
from tests.nist import PROBLEMS
from tests.test_far_starts import COVID, numbers

pytestmark = pytest.mark.core
T = np.linspace(0, 10, 120)


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def sine(t, a, f, phase, c):
    return a * np.sin(2 * np.pi * f * t + phase) + c


def peaks(x, a1, m1, s1, a2, m2, s2, a3, m3, s3):
    total = 0.0
    for a, m, s in ((a1, m1, s1), (a2, m2, s2), (a3, m3, s3)):
        total = total + a * np.exp(-0.5 * ((x - m) / s) ** 2)
    return total


def oscillations(t, a1, f1, k1, a2, f2, k2):
    return a1 * np.cos(f1 * t) * np.exp(-k1 * t) + a2 * np.cos(f2 * t) * np.exp(-k2 * t)


def hill(x, top, n, k):
    return top * x**n / (k**n + x**n)


def tetra(t, a1, l1, a2, l2):
    return a1 * np.exp(-np.exp(l1) * t) + a2 * np.exp(-np.exp(l2) * t)


def flip_flop(t, ka, cl, v):
    k = cl / v
    return np.log10(ka * 1000 / (v * (ka - k)) * (np.exp(-k * t) - np.exp(-ka * t)))


def lorentzian(x, x0, a, s):
    return a * s / ((x - x0) ** 2 + s**2)


def made(f, x, truth, noise, seed=3):
    """Data of a model, and the least sum of squares near what they were made with."""
    y = f(x, *truth) + noise * np.random.default_rng(seed).normal(size=x.size)
    near = optimize.least_squares(lambda p: f(x, *p) - y, truth, method="lm", xtol=1e-12)
    return f, x, y, 2 * near.cost


KERN = (
    numbers("0.8 11 12 16 32 37.8 44 48 56 64 88 96 112 128 144 176 192"),
    numbers(
        "0.94597685600279 0.95856916599601 0.96009142950541 0.96454515552826 0.97938932735214 "
        "0.98252400815195 0.98500175787242 0.98621192462708 0.98816995007392 0.98964101933472 "
        "0.99247255046129 0.99308203517541 0.99406737810867 0.99480702681278 0.99538268958706 "
        "0.99622916581118 0.99653501465135"
    ),
)
FAR_X = np.linspace(60, 3060, 200)
FAR_Y = 80 * np.exp(-FAR_X / 400) + 20 + 0.2 * np.random.default_rng(1).normal(size=200)
NARROW = np.linspace(-63.4, -62.4, 201)
NARROW_Y = lorentzian(NARROW, -62.905, 6e7, 0.021) + np.random.default_rng(0).normal(0, 3e6, 201)
TETRA = numbers("1 2 3 4 6 8 10 12 16"), numbers(".7 1.2 1.4 1.4 1.1 .8 .6 .5 .3")
FLIP = (
    numbers(".1 .2 .4 .6 1 2 3 6 12"),
    np.log10(numbers("4.91 8.65 12.4 18.7 24.3 24.5 18.4 4.66 .238")),
)
HILL = numbers("0 .1 .3 1 3 10 30 100"), numbers(".01 .03 .09 .26 .52 .76 .92 .97")
CASES = {
    "covid": (decay, np.arange(36, 73.0), COVID, 569924.5876),
    "kern": (decay, *KERN, 1.084738309e-5),
    "far-x": (lambda x, a, b, c: (a - c) * np.exp(-x / b) + c, FAR_X, FAR_Y, 6.809175636),
    "narrow": (lorentzian, NARROW, NARROW_Y, 1.655977548e15),
    "tetra": (tetra, *TETRA, 0.0100453142),
    "flip-flop": (flip_flop, *FLIP, 0.007349234082),
    "hill": (hill, *HILL, 5.517638612e-4),
    "sine": made(sine, T, (2.0, 1.83, 0.7, 5.0), 0.3),
    "peaks": made(peaks, T, (3, 2.2, 0.3, 1.5, 4.9, 0.5, 2.2, 7.6, 0.35), 0.05),
    "years": made(decay, np.arange(1990, 2021.0), (3 * math.exp(199), 0.1, 1.0), 0.01),
    "epoch": made(lorentzian, 1.7e9 + 6000 * T, (1.7e9 + 3e4, 4e3, 5e3), 0.01),
    "oscillations": made(oscillations, 2 * T, (2, 1.7, 0.12, 1.2, 4.3, 0.2), 0.05),
}
_HARD = "Lanczos3 MGH09 MGH10 MGH17 Eckerle4 BoxBOD Bennett5 Thurber".split()
CASES |= {p.name: (p.model_numpy, p.x, p.y, p.rss) for p in PROBLEMS if p.name in _HARD}


def search(name, **options):
    f, x, y, _ = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)  # the data leave much open
        return curve_fit(f, x, y, **{"method": "global", **options})


@pytest.mark.parametrize("name", CASES)
def test_the_global_minimum_is_found_from_nothing(name):
    right = CASES[name][3]
    result = search(name)
    assert 2 * result.cost == pytest.approx(right, rel=1e-6)
    assert result.success and result.minima[0].cost == pytest.approx(result.cost, rel=1e-6)
    assert result.minima.n_fits <= 256


def test_two_equal_minima_are_both_told():
    """Flip-flop kinetics: absorption and elimination can change places."""
    minima = search("flip-flop").minima
    assert len(minima) >= 2 and minima[1].equal
    found = sorted(tuple(m.params) for m in minima[:2])
    right = [(0.517895565, 9.877325751, 10.660837091), (0.926505658, 9.877325784, 19.072041755)]
    np.testing.assert_allclose(found, right, rtol=1e-5)


def test_labels_signs_and_turns_make_no_other_minimum():
    result = search("peaks")
    assert (result.popt[[2, 5, 8]] > 0).all()  # widths enter by their squares
    assert not any(minimum.equal for minimum in result.minima[1:])
    assert -math.pi <= search("sine").popt[2] <= math.pi
    exact = curve_fit(sine, T + 20, sine(T, 2.0, 1.83, 0.7, 5.0), method="global")
    assert exact["f"] > 0 and -math.pi <= exact.popt[2] <= math.pi


def test_the_result_is_that_of_the_fit_from_the_best_start():
    f, x, y, _ = CASES["sine"]
    result = search("sine")
    alone = curve_fit(f, x, y, p0=result.p0)
    for key in alone.keys() - {"wall_time", "model", "model_info"}:
        np.testing.assert_equal(result[key], alone[key], err_msg=key)


def test_the_reference_fits_from_what_the_engine_found(monkeypatch):
    monkeypatch.setenv("NLSQ_SELECTOR_IMPL", "old")
    assert 2 * search("kern").cost == pytest.approx(CASES["kern"][3], rel=1e-6)


@pytest.mark.parametrize("method", ["global", "multistart"])
def test_equal_seeds_give_equal_answers(method):
    first, again, other = (search("kern", method=method, seed=s) for s in (5, 5, 6))
    assert np.array_equal(first.popt, again.popt)
    assert np.array_equal(first.minima.costs, again.minima.costs)
    assert not np.array_equal(first.minima[0].starts, other.minima[0].starts)


def test_units_of_data_change_nothing():
    f, x, y, right = CASES["sine"]
    for scale in (1e-9, 1e9):
        result = curve_fit(f, x / scale, y * scale, method="global")
        assert 2 * result.cost == pytest.approx(right * scale**2, rel=1e-6)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e-300, 1e250])
def test_what_is_linear_is_solved_whatever_its_size(scale):
    x, free = np.linspace(0, 1, 30), np.array([-np.inf, np.inf])[:, None] * [1, 1]
    A = np.stack([np.exp(-x), np.ones(30)])
    b = 2 * np.exp(-x) + 1 + 0.1 * np.sin(9 * x)
    for limits in (free, [[-np.inf, 0], [1.5, np.inf]]):
        right = optimize.lsq_linear(A.T, b, limits, method="bvls", tol=1e-14)
        with np.errstate(over="ignore"):  # as in a search
            normal = Normal(A[:, None] * [[[scale]], [[1]]], b[None])
        beta = normal.solution(*(np.array(limit) / [scale, 1] for limit in limits))
        np.testing.assert_allclose(beta[0] * [scale, 1], right.x, rtol=1e-9)
        np.testing.assert_allclose(normal.residuals(beta)[0], right.fun, atol=1e-12)


def test_a_decay_from_long_ago_has_a_height_that_exponentials_reach():
    t, noise = np.linspace(500, 520, 50), np.random.default_rng(0).normal(size=(2, 50))
    y = 3 * np.exp(500 - t) + 1e-5 * noise  # exp(-500) squared is no number

    def ago(t, a, tau):
        return a * np.exp(-t / tau)

    right = [optimize.curve_fit(lambda t, a, tau: ago(t - 500, a, tau), t, v, [3, 1]) for v in y]
    with pytest.warns(OptimizeWarning, match="do not determine a"):  # its variance is no number
        single = curve_fit(ago, t, y[0], method="global")
    many = nlsq.fit_many(ago, t, y, global_search=True)
    found, wanted = [single["tau"], *many["tau"]], [right[k][0][1] for k in (0, 0, 1)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert (many.minima.n_best > 1).all() and single.minima[0].count > 1


WAYS = [
    {"sigma": np.full(120, 0.3), "absolute_sigma": True},
    {"sigma": np.where(np.arange(120) % 9, 0.3, np.inf)},
    {"sigma": 0.09 * (np.eye(120) + 0.1)},
    {"bounds": ([0, 0, -7, -np.inf], [10, 6, 7, np.inf])},
    {"bounds": {"f": (1.0, 3.0)}, "fixed": {"c": 5.0}},
    {"bounds": (-1.7e308, 1.7e308)},  # as wide as the numbers are, so that the box overflows
    {"bounds": (-1.7e308, 1.7e308), "method": "cmaes"},
    {"bounds": (-1.7e308, 1.7e308), "p0": [1, 1, 1, 1], "method": "multistart", "n_starts": 200},
    {"p0": [1, 1, 1, 1], "multistart": True, "method": None, "n_starts": 200},
    {"p0": {"f": 1.8}, "method": "multistart", "scale_factor": 0.1},
    {"loss": "soft_l1", "f_scale": 0.5},
    {"jac": "3-point"}, {"method": None, "global_search": True}, {"sampler": "sobol"},
    {"sampler": "halton", "n_starts": 300}, {"backend": "numpy"}, {"nan_policy": "omit"},
    {"search_config": GlobalOptimizationConfig.from_preset("thorough"), "method": None},
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way))
def test_every_way_to_ask_ends_where_the_fit_from_the_truth_does(way):
    f, x, y, _ = CASES["sine"]
    kept = {k: v for k, v in way.items() if k in ("sigma", "absolute_sigma", "loss", "f_scale")}
    fixed = {k: v for k, v in way.items() if k == "fixed"}
    right = curve_fit(f, x, y, p0=[2, 1.83, 0.7, 5], **kept, **fixed)
    result = search("sine", **way)
    assert result.cost == pytest.approx(right.cost, rel=1e-9)
    assert abs(result["f"]) == pytest.approx(right["f"], rel=1e-7)


@pytest.mark.parametrize(
    "workflow", ["fast", "robust", "global", MultiStartOrchestrator, CMAESConfig(seed=1)]
)
def test_presets_and_the_orchestrator(workflow):
    f, x, y, right = CASES["kern"]
    if workflow is MultiStartOrchestrator:
        result = workflow.from_preset("robust", nlsq.CurveFit(ftol=1e-10)).fit(f, x, y)
    else:
        result = nlsq.fit(f, x, y, workflow=workflow)
    assert 2 * result.cost == pytest.approx(right, rel=1e-6)
    assert GlobalOptimizationConfig.from_preset("robust").preset == "robust"


def picky(x, a, k):
    """As plain Python: refuses what it cannot do, and knows one number at a time."""
    if not 0 < k < 4:
        raise ValueError("k must be positive and small")
    return np.array([a * math.exp(-k * v) for v in x])


def test_failing_starts_neither_win_nor_end_the_search():
    x = np.linspace(0, 4, 25)
    result = curve_fit(picky, x, 3 * np.exp(-2 * x), method="multistart", n_starts=30)
    assert result.popt == pytest.approx([3, 2], rel=1e-6)
    assert result.minima.n_failed
    assert "ValueError: k must be positive and small" in result.minima.first_failure


def flat(x, a, k):
    return a * np.exp(-k * x["t"]) + x["c"]


FORMS = {
    "dict": (flat, {"t": T, "c": np.cos(T)}),
    "rows": (lambda x, a, k: flat({"t": x[:, 0], "c": x[:, 1]}, a, k), np.stack([T, T**2], 1)),
    "columns": (lambda x, a, k: flat({"t": x[0], "c": x[1]}, a, k), np.stack([T, T**2])),
    "none": (lambda x, a, k: flat({"t": T, "c": 1.0}, a, k), None),
    "masked": (lambda x, a, k: np.ma.masked_invalid(a * np.exp(-np.sqrt(k) * x)), T),
}


@pytest.mark.parametrize("method", ["global", "cmaes-fast"])
@pytest.mark.parametrize("form", FORMS)
def test_x_and_values_of_every_form(form, method):
    f, x = FORMS[form]
    result = curve_fit(f, x, np.asarray(f(x, 3.0, 0.5)), method=method)
    assert result.popt == pytest.approx([3, 0.5], rel=1e-4)


WRONG = [
    (
        lambda x, a, k: np.exp(-k * x)[: None if k > 0.5 else -1],
        ValueError,
        "values for .* data points",
    ),
    (lambda x, a, k: None, TypeError, "Is its `return` missing"),
    (lambda x, a, k: str(a), TypeError, "an array of numbers"),
    (lambda x, a, k: a * np.exp(1j * k * x), TypeError, "complex values but ydata is real"),
]


@pytest.mark.parametrize("method", ["global", "cmaes-fast"])
@pytest.mark.parametrize(("f", "error", "said"), WRONG)
def test_what_is_no_curve_is_refused_as_by_a_fit(f, error, said, method):
    with pytest.raises(error, match=said):
        curve_fit(f, T, T, method=method)


def test_starts_at_which_nothing_acts_are_not_enough():
    """Where exp(-k x) is 0 at all starts, each finds the constant, and no reason to stop."""
    with pytest.warns(OptimizeWarning, match="do not determine"):
        result = curve_fit(decay, T + 9e6, T, method="global", n_starts=64, bounds=(0.01, 9))
    assert result.minima.stopped == "all starts were used"


def short(x, a, k):
    """As an integrator that breaks off: too few values where it must."""
    y = np.array([a * math.exp(-k * v) for v in x])
    return y if 0 < k < 4 else y[:6]


def test_starts_at_which_values_are_missing_fail_alone():
    x = np.linspace(0, 4, 25)
    result = curve_fit(short, x, 3 * np.exp(-2 * x), method="multistart", n_starts=30)
    assert result.popt == pytest.approx([3, 2], rel=1e-6)
    assert "returned 6 values for 25" in result.minima.first_failure
    with pytest.raises(ValueError, match="returned 6 values"):
        curve_fit(lambda x, a, k: short(x, a, -1), x, x, method="global")


def test_a_minimum_among_many_that_was_seldom_found_is_a_doubt():
    """A chirp, whose minima are many: 60 starts find a wrong one."""
    t = np.linspace(0, 4, 500)

    def chirp(t, a, f, k, phase):
        return a * np.cos(2 * np.pi * (f * t + 0.5 * k * t * t) + phase)

    y = chirp(t, 1, 3.7, 2.2, 0.5) + 0.3 * np.random.default_rng(1).normal(size=500)
    with pytest.warns(OptimizeWarning, match=r"a better one may be left.*n_starts=[\d,]+"):
        result = curve_fit(chirp, t, y, method="global", n_starts=60)
    assert result.minima[0].count <= 2


def test_a_model_that_fails_everywhere_says_so_and_why():
    def never(x, a, k):
        return np.full(x.size, np.nan) * a * k

    with pytest.raises(ValueError, match=r"fails at all of .* starts.* not finite.*Give p0"):
        curve_fit(never, T, T, method="global")


def test_exact_and_linear_models():
    result = curve_fit(decay, T, decay(T, 2, 0.7, 1), method="global")
    assert result.popt == pytest.approx([2, 0.7, 1]) and result.cost < 1e-25
    line = curve_fit(lambda x, a, b: a * x + b, T, 3 * T + 1, method="global")
    assert line.popt == pytest.approx([3, 1]) and "linear" in line.minima.stopped


def test_long_data_are_searched_by_a_sample():
    t = np.linspace(0, 40, 10_000)
    y = sine(t, 2.0, 1.83, 0.7, 5.0) + np.random.default_rng(1).normal(size=t.size)
    result = curve_fit(sine, t, y, method="global")
    assert abs(result["f"]) == pytest.approx(1.83, abs=1e-3)
    assert result.minima[0].cost == pytest.approx(result.cost, rel=1e-9)


def test_a_peak_of_a_few_points_in_many_is_found():
    x, sigma = np.linspace(0, 100, m := 50_000), 100 * 6 / 50_000 / 2.355
    even = np.linspace(0, m - 1, 2048).round().astype(int)
    place = x[even[1300:1302]].mean() + 0.1 * sigma

    def peak(x, a, b, c, d):
        return a * np.exp(-0.5 * ((x - b) / c) ** 2) + d

    y = peak(x, 1, place, sigma, 0.2) + 0.01 * np.random.default_rng(3).normal(size=m)
    assert y[even].max() < 0.3  # which do not meet it
    result = curve_fit(peak, x, y, method="global", n_starts=48)
    right, _ = optimize.curve_fit(peak, x, y, [1, place, sigma, 0.2])
    assert 2 * result.cost == pytest.approx(np.sum((peak(x, *right) - y) ** 2), rel=1e-9)


def test_a_sample_is_of_all_data_and_holds_what_stands_out():
    y = np.random.default_rng(0).normal(size=50_000)
    y[31_414] = -50
    at = telling(y, 2048)
    assert 1900 < at.size <= 2048 and (np.diff(at) > 0).all() and (at[0], at[-1]) == (0, 49_999)
    assert np.diff(at).max() < 50 and set(range(31_400, 31_429)) <= set(at)
    for odd in (np.full(50_000, np.nan), y + 0j, y[:60]):
        at = telling(odd, 2048)
        assert at.size == min(2048, odd.size) and at[-1] == odd.size - 1


def test_a_time_limit_ends_the_search_with_the_best_so_far():
    f, x, y, _ = CASES["peaks"]
    with pytest.warns(OptimizeWarning, match=r"the time limit ended the search after .* starts"):
        result = curve_fit(f, x, y, method="global", time_limit=0.02, n_starts=10**6)
    assert result.minima.n_fits and result.minima.n_starts < 10**6


def test_no_local_fit_outlasts_the_time_limit_of_cmaes(monkeypatch):
    now = [0.0]  # a clock that goes on by a hundredth of a second at each call of the model
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def slow(x, a, w, p):
        now[0] += 0.01
        return a * np.sin(w * x + p) if w < 1e9 else np.zeros(x.size)

    x = np.linspace(0, 10, 60)
    y = 2 * np.sin(3.3 * x + 1) + np.sign(x - 5)
    now[0] = 0.0
    config = CMAESConfig(time_limit=4)
    with pytest.warns(OptimizeWarning, match="the time limit ended the search"):
        result = curve_fit(slow, x, y, method="cmaes", seed=1, cmaes_config=config)
    assert 4 < now[0] < 5 and result.minima.stopped == "the time limit"


def reluctant(t, a, k, c):
    """A model of one vector of parameters at a time, and not of all."""
    if k > 5:
        raise ValueError("too stiff")
    return a * np.exp(-float(k) * t) + c


@pytest.mark.parametrize("method", ["global", "cmaes"])
def test_workers_change_no_bit(method):
    asked = []

    def backwards(f, points):
        points = list(points)
        asked.append(len(points))
        return [f(p) for p in points[::-1]][::-1]

    y = decay(T, 2, 0.7, 1) + 0.01 * np.sin(40 * T)
    alone, shared = (
        curve_fit(reluctant, T, y, bounds=(0, 10), method=method, workers=workers)
        for workers in (None, backwards)
    )
    assert max(asked) > 3 and alone.nfev == shared.nfev
    for name in ("popt", "pcov"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(shared, name))
    for name in ("costs", "places", "n_failed", "first_failure", "n_evaluations", "stopped"):
        np.testing.assert_array_equal(getattr(alone.minima, name), getattr(shared.minima, name))
    assert alone.minima.first_failure == "ValueError: too stiff"


@pytest.mark.parametrize("limit", [60, 200, 300])
def test_a_slow_model_is_not_asked_after_the_time_limit(limit, monkeypatch):
    calls = []
    monkeypatch.setattr("time.monotonic", lambda: float(len(calls)))  # a second for each call

    def slow(t, a, k, c):
        calls.append(k)
        return reluctant(t, a, k, c)

    y, p0 = decay(T, 2, 0.7, 1), [1, 4, 4]
    with pytest.warns(OptimizeWarning, match="the time limit ended the search after"):
        result = curve_fit(slow, T, y, p0, bounds=(0, 10), method="global", time_limit=limit)
    assert len(calls) < limit + 60  # a pass of 13 lanes, and the fit from there
    assert 2 * result.cost <= np.square(reluctant(T, *p0) - y).sum()


def test_a_time_limit_before_any_local_fit_says_so():
    with pytest.warns(OptimizeWarning, match="the time limit ended the search after 0 starts"):
        result = curve_fit(
            reluctant, T, decay(T, 2, 0.7, 1), [1, 1, 1], method="global", time_limit=1e-9
        )
    assert result.status == -5 and not result.minima and result.minima.n_fits == 0
    np.testing.assert_array_equal(result.popt, 1)


BAD = [
    ({"n_starts": 0}, ValueError, "n_starts must be at least 1, got 0"),
    ({"n_starts": 2.5}, TypeError, "n_starts must be an integer"),
    ({"sampler": "sobal"}, ValueError, "'lhs', 'sobol', 'halton'"),
    ({"seed": -1}, ValueError, "seed must be at least 0"),
    ({"seed": None, "scale_factor": math.inf}, ValueError, "scale_factor must be positive"),
    ({"center_on_p0": 1}, TypeError, "center_on_p0 must be True or False"),
    ({"method": None, "n_starts": 5}, TypeError, "'n_starts' is for a search.*method='global'"),
    ({"method": "trf", "seed": 5}, TypeError, "'seed' is for a search"),
    ({"scale_factor": 2.0}, TypeError, "scale_factor.*add center_on_p0=True"),
    ({"method": "multistart", "scale_factor": 2.0}, ValueError, "scale_factor is .* give p0"),
    ({"center_on_p0": True}, ValueError, "center_on_p0 is for starts around p0: give p0"),
    ({"method": "cmaes", "multistart": True}, TypeError, "two searches"),
    ({"cmaes_config": object()}, TypeError, "method='cmaes'"),
    ({"search_config": 5}, TypeError, "must be a GlobalOptimizationConfig"),
    ({"search_config": "globl"}, ValueError, "did you mean 'global'"),
    ({"multistart": "yes"}, TypeError, "multistart must be True or False"),
    ({"method": "globl"}, ValueError, "[Dd]id you mean 'global'"),
    ({"method": np.arange(2)}, ValueError, "`method` must be"),
    ({"n_start": 5}, TypeError, "Did you mean 'n_starts'"),
]


@pytest.mark.parametrize(("given", "error", "said"), BAD)
def test_bad_input(given, error, said):
    with pytest.raises(error, match=said):
        search("kern", **given)


@pytest.mark.parametrize(("sampler", "most"), [("sobol", 21), ("halton", 20)])
def test_samplers_over_their_dimension(sampler, most):
    draw = sampling.get_sampler(sampler)
    assert draw(10, most, seed=0).shape == (10, most)
    with pytest.raises(ValueError, match=f"at most {most} parameters.*sampler='lhs'"):
        draw(10, most + 1)


@pytest.mark.parametrize("sampler", ["lhs", "sobol", "halton"])
def test_samples_fill_the_cube_evenly(sampler):
    """Their discrepancy, as SciPy measures it, is below that of random points."""
    from scipy.stats import qmc

    draw = sampling.get_sampler(sampler)
    points = draw(100, 3, seed=4)
    assert np.array_equal(points, draw(100, 3, seed=4))
    assert not np.array_equal(points, draw(100, 3, seed=5))
    assert points.min() >= 0 and points.max() < 1
    noise = np.random.default_rng(0).random((100, 3))
    assert qmc.discrepancy(points) < 0.6 * qmc.discrepancy(noise)
    if sampler != "lhs":
        assert np.array_equal(draw(64, 3, 64, seed=4), draw(128, 3, seed=4)[64:])


def test_boxes_for_samples():
    assert sampling.scale_samples_to_bounds([[0.0, 1.0]], [1, 2], [3, 4]).tolist() == [[1, 4]]
    with pytest.raises(ValueError, match=r"needs a box.*finite"):
        sampling.scale_samples_to_bounds([[0.5]], [0], [np.inf])
    inside = sampling.center_samples_around_p0(np.random.rand(50, 1), [9.0], 1.0, [0], [10])
    assert inside.min() >= 4 and inside.max() == 10


@pytest.mark.parametrize(
    "changes",
    [
        {"n_starts": 100}, {"sampler": "sobol"}, {"sampler": "halton"}, {"center_on_p0": False},
        {"scale_factor": 0.3}, {"elimination_rounds": 1}, {"elimination_fraction": 0.2},
        {"seed": 4},
    ],
    ids=str,
)  # fmt: skip
def test_every_setting_of_a_search_counts(changes):
    def evidence(**changes):
        config = GlobalOptimizationConfig(n_starts=64, seed=2).with_overrides(**changes)
        minima = search("sine", p0=[1, 1, 1, 1], method=None, search_config=config).minima
        return minima.n_starts, minima.n_fits, minima.costs.tolist()

    assert evidence(**changes) != evidence() == evidence(batches_per_round=9)


def test_presets_grow():
    sizes = [PRESETS[name]["n_starts"] for name in ("fast", "robust", "global", "thorough")]
    assert all(a < b for a, b in pairwise(sizes))
