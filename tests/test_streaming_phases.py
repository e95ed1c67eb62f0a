"""The warm-up and its guards, the settings, and the scales of parameters."""

import dataclasses

import numpy as np
import pytest
from scipy import optimize

import nlsq
from nlsq.core.problem.parameters import Parameters
from nlsq.precision import ParameterNormalizer
from nlsq.streaming import DefenseLayerTelemetry, HybridStreamingConfig, WarmupPhase

pytestmark = pytest.mark.usefixtures("compiled")  # whose bits are compared

FREE = np.full(2, np.inf)


def rosenbrock(p):
    """(value, gradient) of the valley whose minimum is 0 at (1, 1)."""
    return float(optimize.rosen(p)), optimize.rosen_der(p)


def warm(config=None, p0=(-1.2, 1.0), cost=rosenbrock, lb=-FREE, ub=FREE, variation=1e9):
    parameters = Parameters(np.array(p0, float), np.array(lb), np.array(ub), ("a", "b"))
    config = config or HybridStreamingConfig(enable_warm_start_detection=False)
    telemetry = DefenseLayerTelemetry()
    normal = ParameterNormalizer.identity(2)
    return WarmupPhase(config, normal, telemetry).run(cost, parameters, variation), telemetry


def settings(**changes):
    return HybridStreamingConfig(enable_warm_start_detection=False, **changes)


def test_it_descends_as_far_as_scipys():
    tight = settings(
        active_switching_criteria=("gradient",), gradient_norm_threshold=1e-8,
        cost_increase_tolerance=0.0, warmup_iterations=500,
    )  # fmt: skip
    result, _ = warm(tight)
    assert np.allclose(result.params, 1.0, atol=1e-4)
    scipy = optimize.minimize(rosenbrock, (-1.2, 1.0), jac=True, method="L-BFGS-B")
    assert result.evaluations < 4 * scipy.nfev


@pytest.mark.parametrize("name", ["gradient", "plateau", "step"])
def test_each_criterion_ends_it(name):
    loose = {
        "gradient": {"gradient_norm_threshold": 1e3},
        "plateau": {"loss_plateau_threshold": 0.99, "max_warmup_step_size": 0.01},
        "step": {"step_size_threshold": 10.0},
    }
    result, _ = warm(settings(active_switching_criteria=(name,), **loose[name]))
    assert result.reason == name
    result, _ = warm(settings(active_switching_criteria=(), warmup_iterations=7, **loose[name]))
    assert (result.reason, result.iterations) == ("iterations", 7)


def test_a_good_start_is_left_alone():
    config = HybridStreamingConfig(warm_start_threshold=0.01)
    result, telemetry = warm(config, p0=(1.05, 1.1), variation=1e3)
    assert result.reason == "warm start"
    assert result.params.tolist() == [1.05, 1.1]
    assert telemetry.counts() == {"warm start": 1}
    off = dataclasses.replace(config, enable_warm_start_detection=False)
    assert warm(off, p0=(1.05, 1.1), variation=1e3)[0].iterations > 0


def test_steps_are_clipped():
    result, telemetry = warm(settings(max_warmup_step_size=0.01, warmup_iterations=5))
    assert np.linalg.norm(result.params - (-1.2, 1.0)) <= 0.05 + 1e-12
    assert telemetry.counts()["step clipped"] == 5
    _, telemetry = warm(settings(enable_step_clipping=False, warmup_iterations=5))
    assert "step clipped" not in telemetry.counts()


def test_a_rising_cost_is_refused():
    guarded, telemetry = warm(settings(cost_increase_tolerance=0.0))
    assert (np.diff(guarded.cost_history) <= 0).all()
    assert telemetry.counts()["cost went up"] > 0
    free, telemetry = warm(settings(enable_cost_guard=False, warmup_iterations=30))
    assert "cost went up" not in telemetry.counts()
    assert free.cost == min(free.cost_history)  # the best point, not the last


PRESETS = {  # what a warm-up by it does: longest step, largest rise of the cost, whether it ran
    "conservative": (0.1, 0.0, True),
    "aggressive": (2.0, 0.05, True),
    "memory_optimized": (0.5, 0.05, True),
    "scientific_default": (0.5, 0.05, True),
    "defense_strict": (0.05, 0.0, False),
    "defense_relaxed": (2.0, 0.5, True),
    "defense_disabled": (np.inf, np.inf, True),
}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_do_as_they_say(name):
    longest, rise, ran = PRESETS[name]
    config = getattr(HybridStreamingConfig, name)(warmup_iterations=60)
    seen = []

    def cost(p):
        seen.append(p)
        return rosenbrock(p)

    result, _ = warm(config, cost=cost, variation=1e9)
    assert result.reason == "warm start" or name == "defense_disabled"
    start = rosenbrock((-1.2, 1.0))[0]
    assert (warm(config, variation=20 * start)[0].iterations > 0) is ran
    seen.clear()
    result, telemetry = warm(config, cost=cost, variation=1.0)
    costs = np.array(result.cost_history)
    assert (costs[1:] <= np.minimum.accumulate(costs)[:-1] * (1 + rise)).all()
    assert result.cost < 1e-2 * start or name == "defense_strict"
    if name == "defense_disabled":
        assert not telemetry.counts().keys() & {"step clipped", "cost went up", "warm start"}
    else:
        points = [np.array([-1.2, 1.0])] + [p for p in seen if rosenbrock(p)[0] in set(costs)]
        assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() <= longest * (1 + 1e-9)


def test_where_the_model_is_not_finite_it_turns_back():
    def log(p):
        if p[0] <= 0:
            return np.nan, np.full(2, np.nan)
        return float(p[0] - np.log(p[0]) + p[1] ** 2), np.array([1 - 1 / p[0], 2 * p[1]])

    result, telemetry = warm(
        settings(lbfgs_initial_step_size=5.0, max_warmup_step_size=9.0), (3.0, 0.1), log
    )
    assert np.allclose(result.params, (1, 0), atol=1e-2)
    assert telemetry.counts()["not finite"] > 0
    result, _ = warm(settings(), (-1.0, 0.0), log)
    assert result.reason == "not finite"
    assert result.params.tolist() == [-1.0, 0.0]


def test_it_stays_inside_the_bounds():
    result, _ = warm(settings(), lb=[-2.0, -1.0], ub=[0.5, 3.0], p0=(-1.0, 1.0))
    assert (result.params <= [0.5, 3.0]).all()
    assert result.cost < rosenbrock(np.array([-1.0, 1.0]))[0]


def test_from_far_away_the_warm_up_helps():
    """From this start Gauss-Newton on the sample alone ends in a flat place."""
    x = np.linspace(0, 10, 60_000)

    def peak(x, h, x0, streaming):  # the name of a field, which stays one
        return h * np.exp(-0.5 * ((x - x0) / streaming) ** 2)

    y = peak(x, 3.0, 6.0, 1.0) + 0.1 * np.random.default_rng(0).standard_normal(x.size)
    result = nlsq.fit(peak, x, y, (1.0, 4.0, 2.0), workflow="streaming")
    assert np.abs((result.popt - (3.0, 6.0, 1.0)) / result.perr).max() < 5
    assert result.streaming["warmup_iterations"] > 0
    assert result.streaming["full_passes"] <= 6 and result["streaming"] == result.popt[2]


def test_a_warm_up_loses_no_minimum_that_the_direct_fit_finds():
    """Many minima: gradient descent from this start ends in another one than Gauss-Newton."""
    x = np.linspace(0, 10, 60_000)

    def wave(x, a, f, p):
        return a * np.sin(2 * np.pi * f * x + p)

    y = wave(x, 1.5, 1.7, 0.3) + 0.1 * np.random.default_rng(3).standard_normal(x.size)
    p0 = (1.0, 1.5, 0.0)
    direct = nlsq.curve_fit(wave, x, y, p0)
    warm = nlsq.fit(wave, x, y, p0, workflow="streaming")
    assert warm.cost == pytest.approx(direct.cost, rel=1e-12)
    assert not warm.streaming["warmup_led_to_lower_cost"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"warmup_iterations": -1}, {"warmup_iterations": 1.5}, {"normalize": 1},
        {"normalization_strategy": "z"}, {"active_switching_criteria": ("cost",)},
        {"active_switching_criteria": "step"}, {"lbfgs_history_size": 0},
        {"max_warmup_step_size": float("nan")}, {"gauss_newton_max_iterations": 0},
        {"chunk_size": 0}, {"chunk_size": 1e5}, {"resume": True}, {"checkpoint_dir": 3},
        {"active_switching_criteria": None}, {"active_switching_criteria": (["step"],)},
        {"lbfgs_initial_step_size": 0}, {"max_warmup_step_size": 0.0}, {"checkpoint_dir": ""},
        {"trust_region_initial": 0}, {"trust_region_initial": "a"}, {"warm_start_threshold": 1.5},
        {"gauss_newton_tol": 10**400}, {"checkpoint_interval": -1},
    ],
)  # fmt: skip
def test_settings_are_checked(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        HybridStreamingConfig(**wrong)


@pytest.mark.parametrize(
    "name", [field.name for field in dataclasses.fields(HybridStreamingConfig)]
)
def test_every_setting_refuses_what_is_of_no_use(name):
    for value in (object(), [1], {"a": 1}, -1, float("nan"), b"x", 1 + 2j):
        with pytest.raises(ValueError, match=name):
            HybridStreamingConfig(**{name: value})


def test_unknown_settings_are_errors():
    with pytest.raises(TypeError, match="warmup_iteration"):
        HybridStreamingConfig(warmup_iteration=3)


def test_every_setting_is_read_somewhere():
    import inspect

    from nlsq.streaming import fitting
    from nlsq.streaming.phases import orchestrator, warmup

    modules = (fitting, orchestrator, warmup)
    text = "".join(inspect.getsource(module) for module in modules)
    text += inspect.getsource(HybridStreamingConfig.loop_options).replace("self.", "config.")
    for field in dataclasses.fields(HybridStreamingConfig):
        assert f"config.{field.name}" in text or f"hybrid.{field.name}" in text, field.name


def test_normalizer_goes_both_ways():
    rng = np.random.default_rng(0)
    p0, lb = rng.normal(size=5) * 1e6, np.array([-np.inf, -1e7, -3.0, -np.inf, -1e9])
    ub = np.array([np.inf, 1e7, 5.0, 3.0, 1e9])
    p0[2] = 1.0
    for strategy in ("auto", "bounds", "p0"):
        normal = ParameterNormalizer(p0, lb, ub, strategy)
        p = rng.normal(size=5) * 1e5
        assert np.allclose(normal.denormalize(normal.normalize(p)), p, rtol=1e-12)
        g, h = rng.normal(size=5), 1e-3 * rng.normal(size=5)
        moved = normal.denormalize(normal.normalize(p) + h) - p
        assert normal.gradient(g) @ h == pytest.approx(g @ moved, rel=1e-6)
    bounds = ParameterNormalizer(p0, lb, ub, "bounds")
    assert bounds.normalize(ub)[2] == 1.0
    assert bounds.normalize(lb)[2] == 0.0
    with pytest.raises(ValueError, match="strategy"):
        ParameterNormalizer(p0, lb, ub, "log")


def test_unknown_layers_are_errors():
    with pytest.raises(ValueError, match="warm start"):
        DefenseLayerTelemetry().record("gut feeling", 1, 0.0, 0.0)
