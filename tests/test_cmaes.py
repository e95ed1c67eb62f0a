"""CMA-ES: the sampler, its restarts and coordinates, and the search of `method='cmaes'`."""

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import nlsq
from nlsq.global_optimization import cmaes_config, evosax_adaptation
from nlsq.global_optimization.bipop import BIPOPRestarter
from nlsq.global_optimization.bounds_transform import (
    Coordinates,
    transform_from_bounds,
    transform_to_bounds,
)
from nlsq.global_optimization.checkpoint import (
    CheckpointFingerprintMismatch,
    CMAESPreempted,
    HPCCheckpointManager,
    SearchCheckpointWarning,
)
from nlsq.global_optimization.cmaes_config import CMAES_PRESETS, CMAESConfig
from nlsq.global_optimization.cmaes_diagnostics import CMAESDiagnostics
from nlsq.global_optimization.cmaes_optimizer import CMAESOptimizer
from nlsq.global_optimization.covariance_adaptation import CovarianceAdaptation, begin, constants
from nlsq.global_optimization.method_selector import MethodSelector
from nlsq.result import OptimizeWarning
from nlsq.utils.safe_serialize import safe_dumps, safe_loads


def cut_short():
    return pytest.warns(OptimizeWarning, match="ended the search")


# ------------------------------------------------------------------------------------ the sampler


def _turned(X):
    """Coordinates of which none is an axis."""
    Q, _ = np.linalg.qr(np.random.default_rng(9).normal(size=(X.shape[1],) * 2))
    return X @ Q


FUNCTIONS = {
    "sphere": lambda X: (X**2).sum(axis=1),
    "ellipsoid 1e6": lambda X: (_turned(X) ** 2 * np.logspace(0, 6, X.shape[1])).sum(axis=1),
    "ellipsoid 1e8": lambda X: (_turned(X) ** 2 * np.logspace(0, 8, X.shape[1])).sum(axis=1),
    "cigar": lambda X: X[:, 0] ** 2 + 1e6 * (X[:, 1:] ** 2).sum(axis=1),
    "rosenbrock": lambda X: (100 * (X[:, 1:] - X[:, :-1] ** 2) ** 2 + (1 - X[:, :-1]) ** 2).sum(
        axis=1
    ),
}


def _run(f, n=4, seed=0, popsize=8, sigma=1.0, most=1000, **settings):
    rng = np.random.default_rng(seed)
    settings = {"tol_fun": 1e-12, "tol_x": 1e-12, "target": 1e-8} | settings
    run = CovarianceAdaptation(begin(rng.uniform(-2, 2, n), sigma, popsize, rng), **settings)
    while run.stop() is None and run.state.generation < most:
        run.tell(f(run.ask()))
    return run


@pytest.mark.parametrize("name", ["ellipsoid 1e8", "cigar", "rosenbrock"])
def test_the_sampler_needs_no_more_evaluations_than_cma(name):
    cma = pytest.importorskip("cma")
    f, seeds = FUNCTIONS[name], range(3)
    ours = [_run(f, seed=s) for s in seeds]
    theirs = []
    for s in seeds:
        start = np.random.default_rng(s).uniform(-2, 2, 4)
        options = {"seed": s + 1, "verbose": -9, "ftarget": 1e-8, "popsize": 8, "maxiter": 1000}
        es = cma.CMAEvolutionStrategy(start, 1.0, options)
        while not es.stop():
            X = np.array(es.ask())
            es.tell(X, f(X))
        theirs.append((es.best.f <= 1e-8, es.countevals))
    assert sum(r.stop() == "target" for r in ours) >= sum(reached for reached, _ in theirs)
    mine = np.median([8 * r.state.generation for r in ours])
    assert mine <= 1.25 * np.median([count for _, count in theirs])


def test_weights_are_those_of_the_tutorial():
    # arXiv:1604.00772, table 1, worked by hand for n = 2, popsize 6
    c = constants(2, 6)
    raw = np.log(3.5) - np.log(np.arange(1, 7))
    assert c.positive == pytest.approx(raw[:3] / raw[:3].sum())
    assert c.mu_eff == pytest.approx(raw[:3].sum() ** 2 / (raw[:3] ** 2).sum())
    assert c.c_one == pytest.approx(2 / (3.3**2 + c.mu_eff))
    assert c.chi == pytest.approx(np.sqrt(np.pi / 2), rel=2e-3)  # E|N(0, I)| in the plane
    assert (c.negative <= 0).all() and c.c_one + c.c_mu <= 1


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_scales_change_nothing(factor):
    f = FUNCTIONS["ellipsoid 1e6"]
    seen = []
    for scale in (1.0, factor):
        run = CovarianceAdaptation(begin(np.full(3, scale), scale, 7, np.random.default_rng(1)))
        for _ in range(60):
            run.tell(f(run.ask() / scale))
        seen.append(run.state.best / scale)
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-6)


def _with_nan(X):
    costs = FUNCTIONS["sphere"](X)
    costs[::5] = [np.nan, np.inf, np.nan][X.shape[0] % 3]
    return costs


def test_one_candidate_that_fails_does_no_harm():
    assert _run(_with_nan).stop() == "target"


@pytest.mark.parametrize(
    "f, n, reason",
    [
        (lambda X: np.full(len(X), np.nan), 3, "no finite cost"),
        (lambda X: np.zeros(len(X)), 3, "target"),
        (lambda X: np.ones(len(X)), 3, "tol_fun"),
        (lambda X: -(X.sum(axis=1) ** 3), 2, "diverged"),
        (lambda X: (X[:, 0] - 3) ** 2 + 1, 1, "tol_fun"),
        (lambda X: np.random.default_rng().random(len(X)) + 1, 2, "stagnation"),
        (lambda X: X[:, 0] ** 2 + 1e18 * X[:, 1] ** 2 + 1, 2, "condition number"),
    ],
)
def test_what_ends_a_run(f, n, reason):
    run = _run(f, n=n, target=0.0 if reason != "diverged" else -np.inf, tol_fun=1e-300)
    if reason == "tol_fun":
        run = _run(f, n=n, target=0.0)
    assert run.stop() == reason


def test_all_nan_leaves_the_distribution_alone():
    run = CovarianceAdaptation(begin(np.ones(2), 0.5, 6, np.random.default_rng(0)))
    run.ask()
    run.tell(np.full(6, np.nan))
    assert run.state.sigma == 0.5
    np.testing.assert_array_equal(run.state.mean, [1, 1])
    with pytest.raises(RuntimeError, match="call ask"):
        run.tell(np.zeros(6))


def test_a_stored_run_goes_on_bit_by_bit():
    f = FUNCTIONS["rosenbrock"]
    whole = _run(f, most=60)
    run = CovarianceAdaptation(_run(f, most=0).to_dict(), tol_fun=1e-12, tol_x=1e-12)
    while run.state.generation < 60:
        run = CovarianceAdaptation(safe_loads(safe_dumps(run.to_dict())))
        run.tell(f(run.ask()))
    assert safe_dumps(run.to_dict()) == safe_dumps(whole.to_dict())


# ----------------------------------------------------------------------- restarts and coordinates


def test_bipop_spends_as_much_on_small_populations_as_on_large_ones():
    r = BIPOPRestarter(10, 5, max_restarts=6, seed=3)
    large, small = [], []
    while not r.exhausted:
        cost = min(100 * r.get_next_popsize(), r.budget)
        if r.regime == "small":
            small.append(r.popsize)
            assert 1e-2 <= r.step <= 1 and 10 <= r.popsize <= large[-1] / 2
            assert r.budget <= r.spent["large"] / 2
        elif r.regime == "large":
            large.append(r.popsize)
            assert r.step == 1
        r.register_restart(cost)
    assert large == [10 * 2**k for k in range(1, len(large) + 1)] and len(small) > len(large) > 2
    assert 0.3 * r.spent["large"] < r.spent["small"] <= 1.5 * r.spent["large"]
    r.reset()
    assert (r.regime, r.popsize, r.exhausted) == ("first", 10, False)


def test_the_best_of_runs():
    r = BIPOPRestarter(None, 3)
    assert r.get_next_popsize() == 7
    assert r.update_best([1.0], 5.0) and not r.update_best([2.0], 6.0)
    assert not r.update_best([2.0], np.nan)
    assert r.get_best() == (r.best_solution, 5.0) and r.best_solution.tolist() == [1.0]


INF = np.inf
BOUNDS = [  # lb, ub, likely from, to
    (0, 10, 0, 10),
    (-1e12, 1e-12, -1, 0),
    (1e-9, 1e9, 1e-9, 1e9),
    (0, INF, 1e-3, 1e3),
    (0, INF, 5, 6),
    (-INF, 3, -10, 3),
    (-INF, INF, -1e3, 1e3),
    (-INF, INF, 4, 5),
    (0, 1e300, 1e-12, 1e12),
    (-INF, INF, 0, 0),
    (-1e308, 1e308, -1e3, 1e3),
]


@pytest.mark.parametrize("lb, ub, low, high", BOUNDS)
def test_coordinates_stay_within_bounds_and_come_back(lb, ub, low, high):
    rng = np.random.default_rng(0)
    draws = (
        np.exp(rng.uniform(np.log(low), np.log(high), 99))
        if low > 0
        else rng.uniform(low, high, 99)
    )
    if (low, high) == (-1e3, 1e3):  # sizes whose sign is open
        draws = rng.choice([-1, 1], 99) * 10 ** rng.uniform(-3, 3, 99)
    if lb == 0:
        draws[::9] = 0.0  # solved, and on their bound
    where = Coordinates([lb], [ub], draws[:, None])
    U = np.concatenate([[-1e300, -50.0, 50.0, 1e300], rng.normal(0, 3, 50)])[:, None]
    P = where.to_parameters(U)
    assert np.isfinite(P).all() and P.min() >= lb and P.max() <= ub
    for p in draws[draws != lb]:
        u = where.from_parameters([p])
        assert abs(u[0]) < 60
        np.testing.assert_allclose(where.to_parameters(u[None])[0], p, rtol=1e-6, atol=1e-12)
    for bound in (lb, ub):
        if np.isfinite(bound):
            assert abs(where.from_parameters([bound])[0]) < (60 if abs(bound) < 1e308 else 2e6)


def test_the_sigmoid():
    x = np.linspace(-5, 5, 11)[:, None] * [1, 1]
    lb, ub = np.array([0.0, -1e6]), np.array([1.0, 1e6])
    bounded = transform_to_bounds(x, lb, ub)
    np.testing.assert_allclose(bounded[:, 0], 1 / (1 + np.exp(-x[:, 0])))
    np.testing.assert_allclose(transform_from_bounds(bounded, lb, ub), x, rtol=1e-9, atol=1e-9)
    assert np.isfinite(transform_from_bounds(lb, lb, ub)).all()
    assert transform_from_bounds([0.0, 1.7e308], -1.7e308, 1.7e308)[0] == 0  # the box overflows


# ------------------------------------------------------------------------ settings and what is told


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"popsize": 3}, "popsize must be a whole number of at least 4, got 3"),
        ({"popsize": 7.5}, "popsize must be a whole number"),
        ({"max_generations": 0}, "max_generations must be a whole number of at least 1"),
        ({"max_restarts": -1}, "max_restarts"),
        ({"seed": -1}, "seed must be a whole number of at least 0"),
        ({"sigma": 0}, "sigma must be a positive number"),
        ({"tol_fun": np.nan}, "tol_fun must be a positive number"),
        ({"time_limit": np.inf}, "time_limit must be a positive number"),
        ({"restart_strategy": "bippop"}, "did you mean 'bipop'"),
        ({"sampler": "lhs"}, "there are 'nlsq', 'evosax'"),
        ({"refine_with_nlsq": 1}, "refine_with_nlsq must be a bool"),
        ({"popsize": 20, "max_evaluations": 19}, "too few for one generation of 20"),
        ({"run_id": "a"}, "give checkpoint_dir"),
        ({"run_id": "a/b", "checkpoint_dir": "."}, "without folders"),
        ({"sampler": "evosax", "checkpoint_dir": "."}, "sampler='nlsq'"),
        ({"run_id": "", "checkpoint_dir": "."}, "run_id must be a file's name"),
        ({"run_id": "a\0b", "checkpoint_dir": "."}, "run_id must be a file's name"),
        ({"checkpoint_dir": ""}, "checkpoint_dir must name a folder"),
        ({"checkpoint_dir": 5}, "checkpoint_dir must be the path of a folder, got 5"),
        ({"checkpoint_dir": b"a"}, "checkpoint_dir must be the path of a folder"),
        ({"popsize": np.arange(2)}, "popsize must be a whole number"),
        ({"sampler": np.arange(2)}, "sampler cannot be"),
    ],
)
def test_settings_that_cannot_be(settings, said):
    with pytest.raises(TypeError if "path" in said else ValueError, match=said):
        CMAESConfig(**settings)


def test_numbers_of_numpy_are_numbers():
    config = CMAESConfig(sigma=np.float32(0.25), popsize=np.int64(9))
    assert (config.sigma, config.popsize) == (0.25, 9)


def test_presets():
    for name in CMAES_PRESETS:
        assert CMAESOptimizer.from_preset(name).config == CMAESConfig(**CMAES_PRESETS[name])
    assert CMAESConfig.from_preset("cmaes", seed=4).seed == 4
    with pytest.raises(ValueError, match="did you mean 'cmaes-fast'"):
        CMAESConfig.from_preset("cmaes_fast")
    with pytest.raises(TypeError, match="did you mean 'popsize'"):
        CMAESConfig.from_preset("cmaes", pop_size=8)
    with pytest.raises(TypeError, match="config must be a CMAESConfig"):
        CMAESOptimizer({"popsize": 8})


def test_diagnostics_are_stored_and_told():
    d = CMAESDiagnostics(fitness_history=[np.inf, 100.0, 1.0], best_fitness=1.0)
    assert CMAESDiagnostics.from_dict(d.to_dict()) == d
    assert d.get_fitness_improvement() == pytest.approx(0.99)
    assert d.get_convergence_rate() == pytest.approx(2.0)
    assert np.isnan(CMAESDiagnostics().get_convergence_rate())
    assert np.isnan(CMAESDiagnostics().get_fitness_improvement())
    with pytest.raises(ValueError, match="no field 'popsize'"):
        CMAESDiagnostics.from_dict({"popsize": 3})


def test_the_selector_says_why():
    select, x = MethodSelector().select, np.linspace(0, 10, 40)
    assert select("cmaes", [0], [1]) == "cmaes"
    smooth = select("auto", [0, 0.1], [5, 9], lambda x, a, w: a * np.sin(w * x), x)
    assert smooth == "global" and "smooth" in smooth.why
    for rough in (
        lambda x, a, at: a * (x > at),
        lambda x, a, n: a * x ** np.floor(n),
        lambda x, a, b: a * np.round(10 * b) + x,
    ):
        choice = select("auto", [0, 0.1], [5, 9], rough, x)
        assert choice == "cmaes" and "constant between jumps" in choice.why
    assert "factor of 1e+06" in select("auto", [0, 0], [1, 1e6]).why
    with pytest.raises(ValueError, match="did you mean 'cmaes'"):
        select("cmeas", [0], [1])
    with pytest.raises(ValueError, match="not above"):
        select("auto", [0, 2], [1, 1])


# ------------------------------------------------------------------------------------- the search

T = np.linspace(0, 10, 60)
NOISE = 0.02 * np.random.default_rng(5).normal(size=T.size)


def wave(t, a, w, c):
    return a * np.sin(w * t) + c


def stairs(t, a, k):
    """Steps of height a / 4."""
    return a * np.floor(4 * k * t) / 4


def two_peaks(t, a, m, s, b, n, r):
    return a * np.exp(-(((t - m) / s) ** 2)) + b * np.exp(-(((t - n) / r) ** 2))


PEAKS = two_peaks(T, 1, 3, 1, 2, 7, 1) + NOISE
WAVE = wave(T, 2.0, 4.7, 0.3) + NOISE


def _search(y=WAVE, f=wave, method="cmaes", **options):
    return nlsq.curve_fit(f, T, y, method=method, **options)


@pytest.mark.parametrize("method", ["cmaes", "cmaes-fast", "cmaes-global"])
@pytest.mark.parametrize("bounds", [None, ([0, 0, -5], [10, 10, 5]), ([-5, 0, 0.3], [5, 9, 0.3])])
def test_a_frequency_is_found_without_a_start(method, bounds):
    fixed = bounds is not None and bounds[1][2] == 0.3
    best = nlsq.curve_fit(wave, T, WAVE, [2, 4.7, 0.3], bounds=bounds or (-INF, INF))
    fit = _search(method=method, **({} if bounds is None else {"bounds": bounds}))
    assert fit.cost == pytest.approx(best.cost, rel=1e-9)
    assert abs(fit.popt[1]) == pytest.approx(best.popt[1], rel=1e-6)
    assert not fixed or fit.popt[2] == 0.3
    assert fit.cmaes_diagnostics.best_fitness == pytest.approx(best.cost, rel=1e-6)
    assert fit.minima[0].cost == pytest.approx(best.cost, rel=1e-6)


def test_steps_that_no_derivative_sees():
    y = stairs(T, 1.5, 0.6) + NOISE
    with pytest.warns(nlsq.OptimizeWarning, match="do not determine k"):
        fit = _search(
            y, stairs, bounds=([0, 0.1], [5, 2]), cmaes_config=CMAESConfig(max_restarts=3)
        )
    assert fit.cost <= 0.5 * ((stairs(T, 1.5, 0.6) - y) ** 2).sum()
    assert fit["a"] == pytest.approx(1.5, rel=0.01) and fit["k"] == pytest.approx(0.6, rel=0.01)


@pytest.mark.parametrize(
    "start, bounds",
    [
        ([0, 0, 0], ([0, 0, 0], [10, 10, 10])),  # on bounds
        ([1e-3, 10, 5], ([0, 0, 0], [10, 10, INF])),
        (None, (0, [1e12, 10, 1e12])),
    ],
)
def test_starts_on_bounds_and_far_boxes(start, bounds):
    best = nlsq.curve_fit(wave, T, WAVE, [2, 4.7, 0.3])
    fit = _search(p0=start, bounds=bounds)
    assert fit.cost == pytest.approx(best.cost, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-12, 1e12])
def test_a_search_of_data_in_other_units(scale):
    best = nlsq.curve_fit(wave, T, WAVE, [2, 4.7, 0.3])
    fit = _search(scale * WAVE)
    assert fit.cost == pytest.approx(scale**2 * best.cost, rel=1e-6)


def test_equal_seeds_give_equal_searches_and_p0_is_a_candidate():
    first, again, other = (_search(seed=s, sampler="nlsq") for s in (3, 3, 4))
    assert first.popt.tobytes() == again.popt.tobytes()
    histories = [r.cmaes_diagnostics.fitness_history for r in (first, again, other)]
    assert histories[0] == histories[1] != histories[2]
    assert np.allclose(first.popt, other.popt)
    given = _search(p0=[2, 4.7, 0.3])
    assert 4.7 in given.minima[0].starts[:, 1]


@pytest.mark.parametrize(
    "options, y",
    [
        (
            {"loss": "soft_l1", "f_scale": 0.1, "bounds": (0, 10)},
            WAVE + 15 * (np.arange(T.size) % 9 == 0),
        ),
        ({"sigma": np.linspace(0.01, 0.1, T.size)}, WAVE),
        ({"nan_policy": "omit"}, np.where(T > 9, np.nan, WAVE)),
        ({"fixed": ["a"], "p0": [2, 1, 0.3]}, WAVE),
    ],
)
def test_what_is_minimised_is_what_curve_fit_minimises(options, y):
    best = nlsq.curve_fit(wave, T, y, **options | {"p0": [2, 4.7, 0.3]})
    fit = _search(y, **options)
    assert fit.cost == pytest.approx(best.cost, rel=1e-9)


def test_exact_data_end_at_no_cost():
    fit = _search(wave(T, 2.0, 4.7, 0.3))
    assert fit.cost < 1e-20 and abs(fit.popt[1]) == pytest.approx(4.7)


def test_models_that_are_linear_flat_or_of_one_parameter():
    line = _search(3 * T + 1 + NOISE, lambda t, a, b: a * t + b)
    assert line.cmaes_diagnostics.convergence_reason == "the model is linear in all that is fitted"
    np.testing.assert_allclose(line.popt, np.polyfit(T, 3 * T + 1 + NOISE, 1))
    assert abs(_search(np.cos(3.3 * T), lambda t, w: np.cos(w * t)).popt[0]) == pytest.approx(3.3)


def test_a_model_that_fails_at_most_places():
    def picky(t, a, w):
        if not 4 < w < 6:
            raise ValueError("w is out of its range")
        return a * np.sin(w * t)

    fit = _search(2 * np.sin(5 * T), picky, p0=[1, 5.5], bounds=([0, 0], [9, 20]))
    np.testing.assert_allclose(fit.popt, [2, 5])
    assert fit.minima.n_failed > 0 and "out of its range" in fit.minima.first_failure

    def broken(t, a, w):
        return np.full(t.shape, np.nan) * a * w

    with pytest.raises(ValueError, match=r"fails at all of \d+ parameter vectors"):
        _search(f=broken, cmaes_config=CMAESConfig(max_restarts=1))


@pytest.mark.parametrize(
    "limits, reason",
    [
        ({"max_evaluations": 40}, "max_evaluations was reached"),
        ({"time_limit": 1e-6}, "the time limit"),
    ],
)
def test_budgets_keep_the_best(limits, reason):
    config = CMAESConfig(refine_with_nlsq=False, popsize=8, **limits)
    with cut_short() if "time_limit" in limits else contextlib.nullcontext():
        fit = _search(cmaes_config=config)
    d = fit.cmaes_diagnostics
    assert d.convergence_reason == reason
    assert 8 <= d.total_evaluations <= limits.get("max_evaluations", 80)
    assert fit.cost <= d.best_fitness * (1 + 1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"popsize": 16}, {"max_generations": 5}, {"sigma": 0.05}, {"tol_fun": 1e-2}, {"tol_x": 0.1},
        {"restart_strategy": "none"}, {"max_restarts": 0}, {"agreeing_runs": 1}, {"seed": 3},
        {"max_evaluations": 100}, {"refine_with_nlsq": True},
    ],
    ids=str,
)  # fmt: skip
def test_every_setting_counts(change):
    def course(**change):
        given = {"refine_with_nlsq": False, "agreeing_runs": 3, "max_restarts": 2} | change
        fit = _search(cmaes_config=CMAESConfig(**given))  # an end on the way is no other minimum
        told = fit.cmaes_diagnostics.to_dict()
        return {k: v for k, v in told.items() if k not in ("wall_time", "nlsq_refinement")}

    assert course(**change) != course()


def test_a_budget_too_small_for_one_generation():
    with pytest.raises(ValueError, match="max_evaluations=4 is too few for one generation"):
        _search(PEAKS, two_peaks, cmaes_config=CMAESConfig(max_evaluations=4))


@pytest.mark.parametrize(
    "options, error, said",
    [
        ({"n_starts": 9}, TypeError, "'n_starts' is for a search from many starts"),
        ({"sampler": "sobol"}, ValueError, "there are 'nlsq', 'evosax'"),
        ({"cmaes_config": {"popsize": 9}}, TypeError, "must be a CMAESConfig"),
        (
            {"method": "cmaes-fast", "cmaes_config": CMAESConfig()},
            TypeError,
            "give cmaes_config to 'cmaes'",
        ),
    ],
)
def test_options_of_another_search(options, error, said):
    with pytest.raises(error, match=said):
        _search(**options)


def test_evosax_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(cmaes_config.importlib.util, "find_spec", lambda name: None)
    assert not cmaes_config.is_evosax_available()
    with pytest.raises(ImportError, match=r"pip install nlsq\[global\]"):
        _search(sampler="evosax")


class Shrinking:
    """What of `evosax.algorithms.CMA_ES` 0.3 is called, around the best half."""

    def __init__(self, population_size, solution):
        self.shape = population_size, solution.size
        self.default_params = SimpleNamespace(replace=lambda **changes: SimpleNamespace(**changes))

    def init(self, key, mean, params):
        return SimpleNamespace(mean=mean, std=params.std_init, C=np.eye(mean.size))

    def ask(self, key, state, params):
        import jax

        draws = np.random.default_rng(np.array(jax.random.key_data(key))).standard_normal(
            self.shape
        )
        return state.mean + state.std * draws, state

    def tell(self, key, population, fitness, state, params):
        assert (np.diff(fitness) >= 0).all()
        state.mean, state.std = population[: self.shape[0] // 2].mean(axis=0), 0.8 * state.std
        return state, {}


def test_the_sampler_of_evosax_is_asked_and_told(monkeypatch):
    monkeypatch.setattr(cmaes_config.importlib.util, "find_spec", lambda name: True)
    monkeypatch.setattr(evosax_adaptation, "_algorithm", lambda: Shrinking)
    config = CMAESConfig(sampler="evosax", max_generations=40)
    fit = _search(cmaes_config=config)
    assert fit.cmaes_diagnostics.sampler == "evosax"
    assert abs(fit.popt[1]) == pytest.approx(4.7, rel=1e-2)


def test_ctrl_c_keeps_the_best():
    calls = iter(range(1, 10**9))

    def model(t, a, m, s, b, n, r):
        if next(calls) == 120:
            os.kill(os.getpid(), signal.SIGINT)
        return two_peaks(t, a, m, s, b, n, r)

    config = CMAESConfig(refine_with_nlsq=False, agreeing_runs=9)
    with cut_short():
        fit = _search(PEAKS, model, cmaes_config=config)
    assert fit.cmaes_diagnostics.convergence_reason == "an interruption"
    assert np.isfinite(fit.cost)


# ------------------------------------------------------------------------------------- checkpoints


def test_files_of_checkpoints(tmp_path):
    path, is_mine = tmp_path / "deep" / "a.checkpoint", {"data": "1"}
    manager = HPCCheckpointManager
    assert manager.load(path, is_mine) is None
    for generation in (1, 2):
        manager.save(path, {"generation": generation, "x": np.array([np.pi])}, is_mine)
    assert manager.load(path, is_mine)["generation"] == 2
    with pytest.raises(CheckpointFingerprintMismatch, match="other data"):
        manager.load(path, {"data": "2"})
    whole = path.read_bytes()
    for damaged in (whole[:-9], whole[:40] + b"\x00" + whole[41:], b"", b"{}"):
        path.write_bytes(damaged)
        with pytest.warns(SearchCheckpointWarning, match="goes on from the checkpoint before"):
            assert manager.load(path, is_mine)["generation"] == 1
    path.unlink()  # a save that was stopped between its two steps
    assert manager.load(path, is_mine)["generation"] == 1
    path.write_bytes(b"")
    manager.bak_path(path).write_bytes(b"")
    with pytest.raises(ValueError, match="begin anew"):
        manager.load(path, is_mine)
    path.with_name(f".{path.name}.12ab.tmp").touch()  # one whose writer was killed
    manager.remove(path)
    assert list(path.parent.iterdir()) == []


def _config(folder, **changes):
    return CMAESConfig(checkpoint_dir=folder, checkpoint_interval=3, agreeing_runs=1, **changes)


def test_a_changed_problem_under_a_checkpoint_loses_nothing(tmp_path):
    y = PEAKS
    stopped = _config(tmp_path, time_limit=1e-6)
    with cut_short():
        _search(y, two_peaks, cmaes_config=stopped)
    files = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert list(files) == ["cmaes.checkpoint"]
    for change, said in (
        ({"y": y + 1e-13}, "other data"),
        ({"f": lambda t, *p: two_peaks(t, *p), "p0": np.ones(6)}, "other model"),
        ({"bounds": (-INF, [9, INF, INF, INF, INF, INF])}, "other bounds or starts"),
        ({"cmaes_config": _config(tmp_path, seed=8)}, "other settings"),
    ):
        with pytest.raises(CheckpointFingerprintMismatch, match=said):
            _search(**{"y": y, "f": two_peaks, "cmaes_config": stopped} | change)
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == files
    resumed = _search(y, two_peaks, cmaes_config=_config(tmp_path))
    whole = _search(y, two_peaks, cmaes_config=_config(None))
    assert resumed.popt.tobytes() == whole.popt.tobytes()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("generation", [3, 9, 16])
def test_a_search_that_sigterm_ended_goes_on_bit_by_bit(tmp_path, monkeypatch, generation):
    settings = {"agreeing_runs": 9, "max_generations": 6, "max_restarts": 2}
    plain, calls = CovarianceAdaptation.ask, iter(range(99))

    def ask(self):
        if next(calls) == generation:
            os.kill(os.getpid(), signal.SIGTERM)
        return plain(self)

    with monkeypatch.context() as patched:
        patched.setattr(CovarianceAdaptation, "ask", ask)
        with pytest.raises(CMAESPreempted, match="same call goes on from its checkpoint") as ended:
            _search(PEAKS, two_peaks, cmaes_config=CMAESConfig(checkpoint_dir=tmp_path, **settings))
    assert ended.value.generation in (generation, generation + 1)
    resumed = _search(
        PEAKS, two_peaks, cmaes_config=CMAESConfig(checkpoint_dir=tmp_path, **settings)
    )
    whole = _search(PEAKS, two_peaks, cmaes_config=CMAESConfig(**settings))
    assert resumed.popt.tobytes() == whole.popt.tobytes()
    for name in ("fitness_history", "restart_history", "total_evaluations"):
        assert getattr(resumed.cmaes_diagnostics, name) == getattr(whole.cmaes_diagnostics, name)


def test_folders_that_cannot_hold_checkpoints(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    config = CMAESConfig(checkpoint_dir=tmp_path / "file", checkpoint_interval=1)
    with pytest.raises(ValueError, match="Give a folder that can be written to"):
        _search(cmaes_config=config)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(HPCCheckpointManager, "save", full)
    with pytest.warns(SearchCheckpointWarning, match="No space left on device") as told:
        _search(cmaes_config=dataclasses.replace(config, checkpoint_dir=tmp_path))
    assert len(told) == 1


CHILD = """
import os, signal, sys
import numpy as np
import nlsq
calls, (folder, last) = 0, sys.argv[1:]
def two_peaks(t, a, m, s, b, n, r):
    global calls
    calls += os.path.exists(os.path.join(folder, "cmaes.checkpoint"))
    if calls == int(last) > 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return a * np.exp(-(((t - m) / s) ** 2)) + b * np.exp(-(((t - n) / r) ** 2))
t = np.linspace(0, 10, 40)
config = nlsq.global_optimization.CMAESConfig(
    checkpoint_dir=folder, checkpoint_interval=3, refine_with_nlsq=False, max_generations=25,
    max_restarts=1)
fit = nlsq.curve_fit(two_peaks, t, two_peaks(t, 1, 3, 1, 2, 7, 1) + 0.02 * np.cos(9 * t),
                     method="cmaes", cmaes_config=config)
d = fit.cmaes_diagnostics
print(fit.popt.tobytes().hex(), fit.pcov.tobytes().hex(), d.fitness_history, d.restart_history)
"""


def _child(folder, last):
    environment = os.environ | {"PYTHONPATH": str(Path(nlsq.__file__).parent.parent)}
    command = [sys.executable, "-c", CHILD, str(folder), str(last)]  # calls after a checkpoint
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


def test_a_killed_search_goes_on_bit_by_bit(tmp_path):
    whole = _child(tmp_path / "whole", 0)
    assert whole.returncode == 0, whole.stderr
    assert _child(tmp_path / "killed", 14).returncode == -signal.SIGKILL
    assert list((tmp_path / "killed").iterdir())
    resumed = _child(tmp_path / "killed", 0)
    assert resumed.stdout == whole.stdout, resumed.stderr
    assert list((tmp_path / "killed").iterdir()) == []
