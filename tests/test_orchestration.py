"""The stages of a fit: the engine's and the reference's say the same, and the flags choose them."""

import ast
import dataclasses
import os
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.optimize

import nlsq
from benchmarks.nist import ERROR_DIGITS, GOOD_VALUE_DIGITS, score
from nlsq import OptimizeWarning, curve_fit, interfaces
from nlsq.config import LargeDatasetConfig
from nlsq.core import orchestration
from nlsq.core.adapters import CurveFitAdapter
from nlsq.core.factories import configure_curve_fit, create_optimizer
from nlsq.core.feature_flags import COMPONENTS, FeatureFlags, variable
from nlsq.core.orchestration import old
from nlsq.interfaces import CurveFitProtocol
from tests.nist import PROBLEMS
from tests.test_nist import DIGITS_IN_THE_DATA

ALL_OLD = FeatureFlags(**{f"{component}_impl": "old" for component in COMPONENTS})


@pytest.fixture
def choose(monkeypatch):
    """choose(flags) sets the environment variables that say so."""

    def choose(flags: FeatureFlags) -> None:
        for name, value in flags.to_env_dict().items():
            monkeypatch.setenv(name, value)

    return choose


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def product(x, a, b, c):
    return a * b * np.exp(-c * x)


def wave(x, a, b, c):
    return a * np.exp((1j * b - c) * x)


def kink(x, a, b, c):
    return a * abs(x - b) + c


RNG = np.random.default_rng(3)
M = 60
X = np.linspace(0, 4, M)
Y = decay(X, 2.5, 1.3, 0.5) + 0.05 * RNG.standard_normal(M)
SIGMA = 0.05 * (1 + X / 4)
COVARIANCE = np.diag(SIGMA**2) + 2e-4 * np.exp(-abs(X[:, None] - X))
Y_COMPLEX = wave(X, 2.0, 3.0, 0.4) + 0.02 * (RNG.standard_normal((2, M)).T @ [1, 1j])
HOLES = {"x": np.where(np.arange(M) == 9, np.nan, X), "y": np.where(np.arange(M) == 4, np.nan, Y)}
SOME_IDLE = np.where(np.arange(M) % 25 == 5, np.inf, SIGMA)
OUTLIER = Y + 3.0 * (np.arange(M) == 11)
MANY = np.linspace(0, 4, 40_000)

# name: (model, x, y, options)
FITS = {
    "lists, no start": (decay, X.tolist(), Y.tolist(), {}),
    "a number as sigma, no freedom": (decay, X[:3], Y[:3], {"sigma": 0.3}),
    "weight 0, NaN, bounds active and equal": (
        decay, HOLES["x"], HOLES["y"],
        {"sigma": SOME_IDLE, "nan_policy": "omit", "absolute_sigma": True, "p0": [1, 1, 0.5],
         "bounds": ([0, 0, 0.5], [10, 1.2, 0.5])},
    ),
    "covariance, NaN": (
        decay, HOLES["x"], HOLES["y"], {"sigma": COVARIANCE, "nan_policy": "omit"}
    ),
    "complex": (wave, X, Y_COMPLEX, {"sigma": SIGMA, "p0": [1, 3.2, 0.2]}),
    "loss, 1e-12 of the unit": (
        decay, X, 1e-12 * OUTLIER,
        {"loss": "huber", "sigma": 1e-12 * SIGMA, "p0": [1e-12, 1, 1e-12]},
    ),
}  # fmt: skip
# what tells how the answer was found, or is compared otherwise
ROADS = {"model", "model_info", "wall_time", "nfev", "njev", "nit", "status", "message", "tries",
         "optimality", "grad"}  # fmt: skip


def assert_same(found, expected, rtol):
    assert found.keys() == expected.keys()
    assert found.success == expected.success
    for name in expected.keys() - ROADS:
        a, b = found[name], expected[name]
        if isinstance(b, np.ndarray) and b.dtype.kind in "fc":
            size = np.abs(b[np.isfinite(b)]).max(initial=0.0)
            # residuals are differences of numbers of the data's size
            least = 1e-14 * np.abs(expected.ydata).max() if name in ("fun", "residuals") else 0.0
            np.testing.assert_allclose(a, b, rtol, rtol * size + least, err_msg=name)
        elif isinstance(b, float):
            assert a == pytest.approx(b, rel=rtol), name
        else:
            np.testing.assert_equal(a, b, err_msg=name)


@pytest.mark.filterwarnings("ignore:Covariance of the parameters")
@pytest.mark.parametrize("name", FITS)
def test_old_and_new_give_the_same_result(name, choose):
    f, x, y, options = FITS[name]
    expected = curve_fit(f, x, y, **options)
    for component in COMPONENTS:
        choose(FeatureFlags(**{f"{component}_impl": "old"}))
        assert_same(curve_fit(f, x, y, **options), expected, 1e-9)
    choose(ALL_OLD)
    result = curve_fit(f, x, y, **options)
    assert "NLSQ_SELECTOR_IMPL" in result.model_info.reason
    assert_same(result, expected, 1e-9)


def test_the_reference_fits_from_where_a_search_ends(choose):
    expected = curve_fit(decay, X, Y, method="global")
    choose(ALL_OLD)
    result = curve_fit(decay, X, Y, method="global")
    assert "NLSQ_SELECTOR_IMPL" in result.model_info.reason
    np.testing.assert_allclose(result.popt, expected.popt, rtol=1e-9)
    np.testing.assert_allclose(result.pcov, expected.pcov, rtol=1e-9)
    np.testing.assert_array_equal(result.minima[0].starts, expected.minima[0].starts)


def test_the_reference_finds_what_is_not_determined(choose):
    with pytest.warns(OptimizeWarning, match="a, b"):
        expected = curve_fit(product, X, Y, p0=[1, 2, 1])
    choose(FeatureFlags(covariance_impl="old"))
    with pytest.warns(OptimizeWarning, match="a, b"):
        result = curve_fit(product, X, Y, p0=[1, 2, 1])
    direction, same = (
        [d["a"], d["b"]] for (d,) in (result.null_directions, expected.null_directions)
    )
    np.testing.assert_allclose(np.abs(direction), np.abs(same), rtol=1e-9)
    for name in ("pcov", "pcov_determined"):
        np.testing.assert_allclose(result[name], expected[name], rtol=1e-9)
    assert (result.rank, result.dof, result.undetermined) == (2, M - 2, ("a", "b"))
    choose(ALL_OLD)
    with pytest.warns(OptimizeWarning, match="a, b"):
        alone = curve_fit(product, X, Y, p0=[1, 2, 1])
    exact, _ = curve_fit(lambda x, a, c: a * np.exp(-c * x), X, Y)
    np.testing.assert_allclose([alone.popt[:2].prod(), alone.popt[2]], exact, rtol=1e-9)


@pytest.mark.parametrize("start", [0, 1], ids=["far", "near"])
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_the_reference_reaches_certified_digits(problem, start, choose):
    choose(ALL_OLD)
    found = score(curve_fit, problem.model_numpy, problem, problem.starts[start])
    assert not found.failed
    assert found.values >= GOOD_VALUE_DIGITS
    assert found.errors >= DIGITS_IN_THE_DATA.get(problem.name, ERROR_DIGITS)


def test_without_a_sample_many_points_give_the_same(choose):
    y = decay(MANY, 2.5, 1.3, 0.5) + 0.05 * np.cos(1e4 * MANY)
    expected = curve_fit(decay, MANY, y)
    choose(FeatureFlags(streaming_impl="old"))
    assert_same(curve_fit(decay, MANY, y), expected, 1e-10)
    result = nlsq.fit(decay, MANY, y, workflow="chunked")
    assert result.workflow["sampled"] is False
    assert "sample" not in result.streaming["phase_seconds"]
    np.testing.assert_allclose(result.popt, expected.popt, rtol=1e-10)


@pytest.mark.parametrize("n_points", [None, 10, 11, 100, 101, 1000, 1001])
@pytest.mark.parametrize("asked", [("auto", ""), ("auto", "checkpoint"), ("chunked", "")])
@pytest.mark.parametrize("enabled", [True, False])
def test_both_coordinators_take_the_same_road(n_points, asked, enabled):
    limits = {"direct": 10, "iterative": 100, "chunked": 1000}
    config = LargeDatasetConfig(enabled, limits)
    for in_memory in (True, False):
        for usable in (0, 10**9):
            given = n_points, 16, in_memory, usable, config, *asked
            mine, other = (
                home.StreamingCoordinator().decide(*given) for home in (orchestration, old)
            )
            assert mine._replace(reason="", sampled=False) == other._replace(reason="")


@pytest.mark.parametrize("name", ["DataPreprocessor", "OptimizationSelector",
                                  "StreamingCoordinator", "CovarianceComputer"])  # fmt: skip
def test_both_implementations_satisfy_their_protocol(name):
    for home in (orchestration, old):
        assert isinstance(getattr(home, name)(), getattr(interfaces, f"{name}Protocol"))


def test_the_condition_number_is_that_of_the_scaled_jacobian():
    result = curve_fit(decay, X, Y)
    J = result.jac / np.linalg.norm(result.jac, axis=0)
    for computer in (orchestration.CovarianceComputer(), old.CovarianceComputer()):
        seen = []

        class Watched:
            def compute(self, finished, absolute_sigma, computer=computer, seen=seen):
                seen.append(computer.compute(finished, absolute_sigma))
                return seen[0]

        taken = orchestration.stages.NEW._replace(covariance=Watched())
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nlsq.core.minpack.stages_for", lambda *_: taken)  # noqa: B023
            curve_fit(decay, X, Y)
        assert seen[0].condition_number == pytest.approx(np.linalg.cond(J), rel=1e-9)


def test_the_reference_imports_nothing_of_the_engine():
    folder = Path(old.__file__).parent
    for name in ("old", "old_solver", "textbook"):
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            for module in names:
                assert not module.startswith(("jax", "nlsq.core")) or "orchestration." in module
                assert module.rpartition(".")[2] not in ("stages", "reference")


# ------------------------------------------------------------------------------------- the flags


def test_flags_are_read_at_every_call(monkeypatch):
    for component in COMPONENTS:
        monkeypatch.delenv(variable(component), raising=False)
    assert FeatureFlags.from_env() == FeatureFlags()
    assert FeatureFlags.from_env().all_new
    monkeypatch.setenv("NLSQ_COVARIANCE_IMPL", " OLD ")
    assert FeatureFlags.from_env() == FeatureFlags(covariance_impl="old")
    monkeypatch.setenv("NLSQ_REFACTOR_ROLLOUT_PERCENT", "30")
    flags = FeatureFlags.from_env()
    assert flags == FeatureFlags(covariance_impl="old", rollout_percent=30)
    assert not flags.all_new
    for name, value in flags.to_env_dict().items():
        monkeypatch.setenv(name, value)
    assert FeatureFlags.from_env() == flags
    with pytest.raises(dataclasses.FrozenInstanceError):
        flags.rollout_percent = 5


@pytest.mark.parametrize(
    ("name", "value", "choices"),
    [(variable(component), "newest", "'old', 'new' or 'auto'") for component in COMPONENTS]
    + [
        ("NLSQ_REFACTOR_ROLLOUT_PERCENT", value, "0 to 100")
        for value in ("101", "-1", "half", "50.5")
    ],
)
def test_wrong_flags_are_named(name, value, choices, monkeypatch):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name} must be .*{choices}, got .*{value}"):
        curve_fit(decay, X, Y)


@pytest.mark.parametrize("percent", [0, 1, 30, 99, 100])
def test_the_roll_out_takes_its_share_and_keeps_its_choice(percent):
    flags = FeatureFlags(rollout_percent=percent)
    calls = [f"models.f{i}:100" for i in range(2000)]
    for component in COMPONENTS:
        chosen = [flags.should_use_new(component, call) for call in calls]
        assert np.mean(chosen) == pytest.approx(percent / 100, abs=0.04)
        assert chosen == [flags.should_use_new(component, call) for call in calls]
        wider = FeatureFlags(rollout_percent=min(percent + 20, 100))
        grown = [wider.should_use_new(component, call) for call in calls]
        assert all(new for new, before in zip(grown, chosen, strict=True) if before)
    assert FeatureFlags(selector_impl="old", rollout_percent=100).get_impl("selector") == "old"
    assert FeatureFlags(selector_impl="new", rollout_percent=0).get_impl("selector") == "new"


def test_a_roll_out_of_nothing_is_the_reference(choose):
    choose(FeatureFlags(rollout_percent=0))
    assert "NLSQ_SELECTOR_IMPL" in curve_fit(decay, X, Y).model_info.reason


# -------------------------------------------------------------------------- the reference's options


def test_the_reference_honours_what_it_takes(choose, capsys):
    choose(ALL_OLD)
    plain = curve_fit(decay, X, Y)
    exact = lambda x, a, b, c: np.stack(  # noqa: E731
        [np.exp(-b * x), -a * x * np.exp(-b * x), np.ones_like(x)], axis=1
    )
    for options, accuracy in [
        ({"method": "lm"}, 1e-10), ({"method": "dogbox"}, 1e-10), ({"jac": exact}, 1e-10),
        ({"x_scale": [1, 2, 3]}, 1e-10), ({"diag": [1, 2, 3]}, 1e-10), ({"jac": "cs"}, 1e-10),
        ({"jac": "3-point"}, 1e-8), ({"epsfcn": 1e-14}, 1e-5), ({"tr_solver": "lsmr"}, 1e-10),
        ({"bounds": [(None, 9), (0, None), (0, 9)]}, 1e-10), ({"gtol": None, "maxfev": 50}, 1e-10),
    ]:  # fmt: skip
        result = curve_fit(decay, X, Y, **options)
        np.testing.assert_allclose(result.popt, plain.popt, rtol=accuracy)
        np.testing.assert_allclose(result.pcov, plain.pcov, rtol=accuracy)
    seen = []
    stopped = curve_fit(decay, X, Y, callback=lambda nit, *_: seen.append(nit) or nit < 2)
    assert (seen, stopped.status, stopped.success) == ([0, 1, 2], -2, False)
    slow = lambda x, *p: time.sleep(0.02) or decay(x, *p)  # noqa: E731
    assert curve_fit(slow, X, Y, p0=[1, 1, 1], time_limit=0.05).status == -5
    with pytest.raises(nlsq.FitError, match="maximum number"):
        curve_fit(decay, X, Y, max_nfev=2)
    curve_fit(decay, X, Y, verbose=2)
    assert "final cost" in capsys.readouterr().out
    assert len(curve_fit(decay, X, Y, full_output=True)) == 5


@pytest.mark.parametrize("bounds", [(-np.inf, np.inf), ([0, 1.0, 0], [1.0, 2, 3])])
def test_the_reference_needs_no_complex_step(bounds, choose):
    y = kink(X, 1.1, 1.234, 0.1) + 0.1 * np.cos(9 * X)
    tight = {"bounds": bounds, "ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}
    expected = scipy.optimize.curve_fit(kink, X, y, [0.5, 1.5, 0.3], **tight)
    choose(ALL_OLD)
    result = curve_fit(kink, X, y, [0.5, 1.5, 0.3], bounds=bounds)
    assert "extrapolated" in result.model_info.derivative
    for found, wanted in zip(result, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"cache": nlsq.SmartCache()}, ValueError, "`cache` is an option of the engine"),
        ({"factor": 2.0}, ValueError, "NLSQ_SELECTOR_IMPL=new"),
        ({"tr_solver": "cg"}, ValueError, "`tr_solver` is an option of the engine"),
        ({"maxfew": 9}, TypeError, "maxfev"),
        ({"loss": "hubert"}, ValueError, "`loss` must be one of"),
        ({"ftol": -1.0}, ValueError, "at least 0"),
        ({"method": "newton"}, ValueError, "`method` must be"),
        ({"p0": [1, 1]}, TypeError, "`p0` has 2 values"),
        ({"p0": [1, 1, 9], "bounds": (0, 5)}, ValueError, "within the bounds"),
        ({"loss": np.log1p}, ValueError, "rho, rho' and rho''"),
        ({"sigma": np.zeros(M)}, ValueError, "`sigma` must be positive"),
        ({"sigma": np.ones(7)}, ValueError, "incorrect shape"),
        ({"sigma": -COVARIANCE}, ValueError, "positive definite"),
    ],
)
def test_the_reference_refuses_the_rest(options, error, words, choose):
    choose(ALL_OLD)
    with pytest.raises(error, match=words):
        curve_fit(decay, X, Y, **options)


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (X, np.ma.array(Y, mask=X > 3), "plain numbers"),
        (X, [], "empty"),
        (HOLES["x"], Y, "infs or NaNs: `xdata`"),
        (X, X.astype("datetime64[s]"), "plain numbers"),
    ],
)
def test_the_reference_refuses_such_data(x, y, words, choose):
    choose(FeatureFlags(preprocessor_impl="old"))
    with pytest.raises((ValueError, TypeError), match=words):
        curve_fit(decay, x, y)


def test_what_stays_on_disk_is_not_for_the_reference(choose):
    choose(FeatureFlags(covariance_impl="old"))
    with pytest.raises(ValueError, match="NLSQ_COVARIANCE_IMPL=old: the reference fits data in"):
        nlsq.fit(decay, (X, Y), workflow="chunked")
    assert os.environ["NLSQ_COVARIANCE_IMPL"] == "old"


# ------------------------------------------------------------------------- adapters and factories


def test_fitters_of_every_shape_agree():
    expected = curve_fit(decay, X, Y, sigma=SIGMA, p0=[1, 1, 1])
    for fitter in (
        CurveFitAdapter(scipy.optimize.curve_fit, p0=[9, 9, 9], ftol=1e-14, xtol=1e-14),
        create_optimizer(p0=[9, 9, 9]),
        create_optimizer(workflow="direct"),
        nlsq.CurveFit(p0=[1, 1, 1]),
    ):
        assert isinstance(fitter, CurveFitProtocol)
        for fit in (fitter.curve_fit, configure_curve_fit(fitter)):
            popt, pcov = fit(decay, X, Y, sigma=SIGMA, p0=[1, 1, 1])
            np.testing.assert_allclose(popt, expected.popt, rtol=1e-6)
            np.testing.assert_allclose(pcov, expected.pcov, rtol=1e-6)
    cached = configure_curve_fit(enable_caching=True)
    assert cached(decay, X, Y).nfev == cached(decay, X, Y).nfev
    for make in (create_optimizer, configure_curve_fit):
        with pytest.raises(TypeError, match="'bounds'"):
            make(bound=(0, 1))
    with pytest.raises(TypeError, match="method curve_fit"):
        configure_curve_fit(print)
    with pytest.raises(TypeError, match="callable"):
        CurveFitAdapter(3)
