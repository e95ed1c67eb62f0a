"""Every class and function that the source names: imported from where it says, and used once."""

import ast
import contextlib
import importlib
import inspect
import io
import re

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse
from click.testing import CliRunner

import nlsq
from nlsq.core.problem.parameters import Parameters
from nlsq.global_optimization import CMAESConfig, GlobalOptimizationConfig
from nlsq.precision import ParameterNormalizer
from nlsq.streaming import ArraySource, DefenseLayerTelemetry
from tests.program import ROOT

T = np.linspace(0, 5, 60)
TRUE, P0 = np.array([2.0, 1.3]), [1.0, 1.0]
INF = np.full(2, np.inf)
CSV = "t,y\n" + "".join(f"{t},{2 * np.exp(-1.3 * t)}\n" for t in T)


def decay(t, a, k):
    return a * np.exp(-k * t)


Y = decay(T, *TRUE)
SLOPES = np.stack([Y / 2, -T * Y], 1)


@pytest.fixture(scope="module", autouse=True)
def by_numpy():
    """What does not ask for programs buys none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLSQ_BACKEND", "numpy")
        yield


# ------------------------------------------------------------------------------- kinds of uses


def right(found):
    """Whether a result, a tuple or parameters are the true ones."""
    p = found[0] if isinstance(found, tuple) else getattr(found, "popt", found)
    return np.allclose(p, TRUE, rtol=1e-6) and getattr(found, "success", True)


def fit(**options):
    return nlsq.curve_fit(decay, T, Y, **options)


def streamed(**options):
    config = nlsq.HybridStreamingConfig(warmup_iterations=0)
    return nlsq.fit(decay, (T, Y), p0=P0, workflow=config, show_progress=False, **options)


def runs_in(call, method, **options):
    """A use: the method of the class is called in a fit, which comes out right."""

    def use(cls):
        own, seen = inspect.getattr_static(cls, method), []

        def spy(*args, **kwargs):
            seen.append(args)
            return own(*args, **kwargs)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cls, method, spy)
            return right(call(**options)) and bool(seen)

    return use


def knows(*what):
    """A use: the protocol knows what is one, and what is none."""
    return lambda protocol: (
        all(isinstance(one() if callable(one) else one, protocol) for one in what)
        and not isinstance(object(), protocol)
    )


def made_by(module, method, *args):
    """A use: what an object of the module's class gives is of this class."""
    return lambda cls: isinstance(getattr(of(module)(), method)(*args), cls)


def prints(command, *arguments, text):
    """A use: the module's command prints this."""

    def use(module):
        done = CliRunner().invoke(getattr(module, command), arguments, catch_exceptions=False)
        return text in done.output and done.exit_code == 0

    return use


def of(path, *args):
    """The object of that name, or what it makes of these arguments."""
    module, _, name = path.partition(":")
    found = importlib.import_module(module)
    if name:
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(f"{module}.{name}")
        found = getattr(found, name)
    return found(*args) if args else found


# ------------------------------------------------------------------------------- longer uses


def warmed(cls):
    where = Parameters(np.array([-1.2, 1.0]), -INF, INF, ("a", "b"))
    config, scales = nlsq.HybridStreamingConfig(), ParameterNormalizer.identity(2)
    phase = cls(config, scales, DefenseLayerTelemetry())
    found = phase.run(lambda p: (scipy.optimize.rosen(p), scipy.optimize.rosen_der(p)), where, 1.0)
    return found.cost < 1.0


def recorded(cls):
    telemetry = cls()
    telemetry.record("step clipped", 3, 0.8, 0.5)
    return telemetry.counts() == {"step clipped": 1} and "iteration 3" in telemetry.summary()


def judged(cls):
    ends = np.array([[3.0, 1.3], TRUE, [2.0, 4.0]])
    selector = cls(ends, GlobalOptimizationConfig(elimination_rounds=1, batches_per_round=3))
    return right(selector.run_tournament([(T[k::3], Y[k::3]) for k in range(3)], decay)[0])


def validated(cls):
    with pytest.raises(ValueError, match="sigma"):
        cls().validate(T, Y, -T)
    return cls(nan_policy="omit").validate(T, np.where(T > 4, np.nan, Y)).n_points == (T <= 4).sum()


def kept(cls):
    cache = cls() if cls is nlsq.SmartCache else cls("test")
    cache.set("k", 3)
    return (cache.get("k"), cache.get("l", 4), cache.info().hits) == (3, 4, 1)


def pooled(cls):
    pool = cls()
    pool.release([first := pool.allocate((1000,), float)])
    return pool.held_bytes == 8192 and pool.allocate((999,), float).base is first.base


def refused(function):
    with open("model.py", "w") as file:
        file.write("import os\ndef f(x, a):\n    os.remove('x')\n")
    return not function("model.py").is_valid


def contained(function):
    with pytest.raises(nlsq.utils.input_error.InputError):
        function("../secret.py", ".")
    return True


def limited(function):
    with function(timeout=9.0) as limits:
        return "time" in limits


def logged(cls):
    log = cls("audit.log")
    log.log_export("fit.json", "result")
    return [event["event"] for event in log.events()] == ["export"]


def recovered(module):
    def solve(p0, **options):
        return scipy.optimize.least_squares(lambda p: decay(T, *p) - Y, p0, **options)

    state = {"x": P0, "p0": [9.0, 9.0]}
    helped, found = module.OptimizationRecovery().recover_from_failure("max_nfev", state, solve)
    return helped and right(found.x)


def stabilised(cls):
    guard, handler = cls.get_stability_guard(), cls.get_recovery_handler()
    found = cls.get_fallback_svd()(np.diag([3.0, 2.0]))
    return np.allclose(found.s, [3, 2]) and guard().check_residuals(Y) == () and handler()


def bounded(cls):
    lower, upper = cls(T, Y, P0, f=decay).infer()
    return (lower < TRUE).all() and (upper > TRUE).all()


def selected(cls):
    advice = cls().select_algorithm(cls().analyze_problem(decay, T, Y, P0))
    return right(getattr(nlsq, advice.call)(decay, T, Y, P0, **advice))


def transitions(cls):
    state = cls("sample", "a part of the points")
    state.advance("double", "it converged")
    with pytest.raises(ValueError, match="'exact'"):
        state.advance("single", "again")
    return [one.state for one in state.log] == ["sample", "double"]


def monitored(cls):
    monitor = cls()
    fit(callback=monitor.create_callback())
    return monitor.get_report().n_iterations > 2


def asked(cls):
    class Units:
        name = "units"

        def analyse(self, evidence):
            return [of("nlsq.diagnostics:Finding")("units", 1, f"{evidence.names[1]} is 1/s")]

    cls.register(Units())
    try:
        return "k is 1/s" in fit().diagnose().summary()
    finally:
        cls.unregister("units")


def advised(cls):
    with pytest.raises(TypeError, match="DiagnosticsConfig"):
        of("nlsq.core.factories:create_optimizer")(diagnostics_config=3)
    return cls.get_diagnostics_config()(correlation_threshold=0.9) and cls.get_convergence_monitor()


def warned(cls):
    with pytest.warns(cls, match="is free"):
        return np.isinf(nlsq.curve_fit(lambda t, a, b: (a + b) * t, T, Y).perr).all()


def printed(output):
    with contextlib.redirect_stdout(io.StringIO()) as text:
        output.print({}, fit())
    return text.getvalue()


def bands(result):
    return right(result) and result.confidence_intervals().shape == (2, 2)


NAMES = {
    # front doors
    "nlsq:curve_fit": lambda f: right(f(decay, T, Y)),
    "nlsq:fit": lambda f: right(f(decay, T, Y, memory_limit_gb=1.0)),
    "nlsq:curve_fit_large": lambda f: right(f(decay, T, Y, P0, memory_limit_gb=1.0)),
    "nlsq:CurveFit": lambda c: right(c(bounds=(0, 9)).curve_fit(decay, T, Y)),
    "nlsq:LeastSquares": lambda c: right(c().least_squares(lambda p: decay(T, *p) - Y, P0).x),
    "nlsq:LargeDatasetFitter": lambda c: right(c(4.0).fit(decay, T, Y)),
    "nlsq:functions": lambda m: right(nlsq.curve_fit(m.exponential, T, Y).popt ** [1, -1]),
    "nlsq.core.minpack:curve_fit": lambda f: f is nlsq.curve_fit,
    "nlsq.core.minpack:CurveFit": lambda c: c is nlsq.CurveFit,
    "nlsq.core.least_squares:LeastSquares": lambda c: c is nlsq.LeastSquares,
    "nlsq.core:workflow": lambda m: m.fit is nlsq.fit,
    # engine
    "nlsq.core.trf:TrustRegionReflective": runs_in(fit, "attempt"),
    "nlsq.core.least_squares:AutoDiffJacobian": lambda c: right(fit(jac=c())),
    "nlsq.core.loss_functions:LossFunctionsJIT": lambda c: (
        c().get_loss_function("huber")(np.array([4.0]), cost_only=True) == 3.0
    ),
    "nlsq.core.factories:create_optimizer": lambda f: right(f(p0=P0).curve_fit(decay, T, Y)),
    "nlsq.core.factories:configure_curve_fit": lambda f: right(f(bounds=(0, 9))(decay, T, Y)),
    "nlsq.core.adapters:CurveFitAdapter": lambda c: right(
        c(scipy.optimize.curve_fit, p0=P0).curve_fit(decay, T, Y)
    ),
    # orchestration
    "nlsq.core.orchestration:DataPreprocessor": runs_in(fit, "preprocess"),
    "nlsq.core.orchestration:OptimizationSelector": runs_in(fit, "select"),
    "nlsq.core.orchestration:CovarianceComputer": runs_in(fit, "compute"),
    "nlsq.core.orchestration:StreamingCoordinator": runs_in(fit, "decide"),
    "nlsq.core.feature_flags:FeatureFlags": lambda c: c.from_env().all_new,
    "nlsq.interfaces.orchestration_protocol:PreprocessedData": made_by(
        "nlsq.core.orchestration:DataPreprocessor", "preprocess", T, Y
    ),
    "nlsq.interfaces.orchestration_protocol:OptimizationConfig": made_by(
        "nlsq.core.orchestration:OptimizationSelector", "select", decay
    ),
    "nlsq.interfaces.orchestration_protocol:StreamingDecision": made_by(
        "nlsq.core.orchestration:StreamingCoordinator", "decide", 9, 8, True
    ),
    "nlsq.interfaces.orchestration_protocol:CovarianceResult": lambda c: (
        c(np.eye(2), np.eye(2), 2, 9, np.empty((0, 2)), INF < 0, [], np.diag([1e-9, 1e9]))
        .condition_number == 1.0
    ),
    # protocols
    "nlsq.interfaces:OptimizerProtocol": knows(of("nlsq.core.adapters:MinimizeAdapter")),
    "nlsq.interfaces:LeastSquaresOptimizerProtocol": knows(nlsq.LeastSquares),
    "nlsq.interfaces:CurveFitProtocol": knows(
        nlsq.CurveFit, of("nlsq.core.adapters:CurveFitAdapter")
    ),
    "nlsq.interfaces:CacheProtocol": knows(nlsq.SmartCache),
    "nlsq.interfaces:BoundedCacheProtocol": knows(nlsq.SmartCache),
    "nlsq.interfaces:DataSourceProtocol": knows(ArraySource(T, Y)),
    "nlsq.interfaces:StreamingDataSourceProtocol": knows([(T, Y)]),
    "nlsq.interfaces:JacobianProtocol": knows(of("nlsq.core.least_squares:AutoDiffJacobian")),
    "nlsq.interfaces:SparseJacobianProtocol": knows(
        of("nlsq.core.sparse_jacobian:SparseJacobianComputer")
    ),
    "nlsq.interfaces:ResultProtocol": knows(fit),
    "nlsq.interfaces:LeastSquaresResultProtocol": knows(
        fit, lambda: nlsq.least_squares(lambda x: x - 1, [0.0])
    ),
    "nlsq.interfaces:CurveFitResultProtocol": knows(fit),
    "nlsq.interfaces:DataPreprocessorProtocol": knows(
        of("nlsq.core.orchestration:DataPreprocessor"),
        of("nlsq.core.orchestration.old:DataPreprocessor"),
    ),
    "nlsq.interfaces:OptimizationSelectorProtocol": knows(
        of("nlsq.core.orchestration:OptimizationSelector"),
        of("nlsq.core.orchestration.old:OptimizationSelector"),
    ),
    "nlsq.interfaces:CovarianceComputerProtocol": knows(
        of("nlsq.core.orchestration:CovarianceComputer"),
        of("nlsq.core.orchestration.old:CovarianceComputer"),
    ),
    "nlsq.interfaces:StreamingCoordinatorProtocol": knows(
        of("nlsq.core.orchestration:StreamingCoordinator"),
        of("nlsq.core.orchestration.old:StreamingCoordinator"),
    ),
    # streaming
    "nlsq.streaming:AdaptiveHybridStreamingOptimizer": lambda c: right(
        c(nlsq.HybridStreamingConfig(warmup_iterations=0)).fit((T, Y), decay, P0)
    ),
    "nlsq.streaming:HybridStreamingConfig": lambda c: c.aggressive().max_warmup_step_size == 2.0,
    "nlsq.streaming:LargeDatasetFitter": lambda c: c is nlsq.LargeDatasetFitter,
    "nlsq.streaming.large_dataset:ChunkedOptimizer": lambda c: right(c(16).fit((T, Y), decay, P0)),
    "nlsq.streaming:DefenseLayerTelemetry": recorded,
    "nlsq.streaming.phases:WarmupPhase": warmed,
    "nlsq.streaming.phases:GaussNewtonPhase": runs_in(streamed, "run"),
    "nlsq.streaming.phases:CheckpointManager": runs_in(streamed, "load", checkpoint="run"),
    "nlsq.streaming.phases:PhaseOrchestrator": runs_in(streamed, "run"),
    # results
    "nlsq.result:OptimizeResult": lambda c: c(x=TRUE).x is TRUE,
    "nlsq.result:OptimizeResultV2": lambda c: right(c.from_result(fit()).x),
    "nlsq.result:CurveFitResult": lambda c: isinstance(fit(), c) and bands(fit()),
    "nlsq.result:OptimizeWarning": warned,
    # caching
    "nlsq.caching:UnifiedCache": kept,
    "nlsq.caching:SmartCache": kept,
    "nlsq.caching:MemoryManager": lambda c: c().fits(1) and not c().fits(1 << 60),
    "nlsq.caching:MemoryPool": pooled,
    "nlsq:get_cache_stats": lambda f: f()["hit_rate"] <= 1,
    "nlsq:get_memory_stats": lambda f: f()["usable_bytes"] > 0,
    # search
    "nlsq.global_optimization:CMAESOptimizer": lambda c: right(
        c(CMAESConfig(max_generations=30, seed=1)).fit(decay, T, Y, bounds=(0, 5))
    ),
    "nlsq.global_optimization:MultiStartOrchestrator": lambda c: right(c().fit(decay, T, Y)),
    "nlsq.global_optimization:TournamentSelector": judged,
    "nlsq.global_optimization:MethodSelector": lambda c: c().select("auto", [0, 0], [9, 5]),
    # configuration, checks
    "nlsq.config:JAXConfig": lambda c: c() is c(),
    "nlsq.config:MemoryConfig": lambda c: c(4, 0.5).usable_bytes == 2 * 10**9,
    "nlsq.config:LargeDatasetConfig": lambda c: c().strategy(10**9) == "streaming",
    "nlsq.utils.validators:InputValidator": validated,
    "nlsq.utils:safe_serialize": lambda m: (m.safe_loads(m.safe_dumps({"a": Y}))["a"] == Y).all(),
    "nlsq.cli:model_validation": lambda m: refused(m.validate_model),
    "nlsq.cli.model_validation:validate_path": contained,
    "nlsq.cli.model_validation:resource_limits": limited,
    "nlsq.cli.model_validation:AuditLogger": logged,
    # program
    "nlsq.cli.main": prints("cli", "--help", text="Fit a model to data."),
    "nlsq.cli.commands.fit": prints(
        "fit", "decay.csv", "-m", "a*exp(-k*t)", "--print", "csv", text="k,1.3"
    ),
    "nlsq.cli.commands.batch": prints(
        "batch", "decay.csv", "-m", "a*exp(-k*t)", text="1 converged"
    ),
    "nlsq.cli.commands.config": prints("config", "-o", "-", text="input_file"),
    "nlsq.cli.commands.info": prints("info", text="NumPy"),
    "nlsq.cli.data_loaders": lambda m: {"-x", "--delimiter"} <= {o.opts[0] for o in m.DATA},
    "nlsq.cli.model_registry": lambda m: "gaussian" in m.complete_model(None, None, "gau"),
    "nlsq.cli.workflow_runner": lambda m: of("nlsq.cli.commands.fit").run is m.run,
    "nlsq.cli.visualization": lambda m: m.parameter_table(fit(), [(1, 2), (3, 4)]).row_count == 2,
    "nlsq.cli.result_exporter": lambda m: "k,1.3" in printed(m.Output("csv")),
    "nlsq.cli.errors": lambda m: m.exit_code(m.NotConverged("it ended", "")) == 4,
    "nlsq.cli.templates": lambda m: prints("config", "model", "-o", "-", text="def ")(
        of("nlsq.cli.commands.config")
    ),
    # stability, precision, diagnostics, facades
    "nlsq.stability:NumericalStabilityGuard": lambda c: (
        c().check_parameters([np.nan]) and not c().check_parameters(TRUE)
    ),
    "nlsq.stability:recovery": recovered,
    "nlsq.stability:fallback": lambda m: right(
        m.FallbackOrchestrator().fit_with_fallback(decay, T, Y, p0=[1, -50]).result
    ),
    "nlsq.stability:svd_fallback": lambda m: np.allclose(
        m.compute_svd_with_fallback(np.diag([3.0, 2.0])).s, [3, 2]
    ),
    "nlsq.stability:robust_decomposition": lambda m: np.allclose(
        m.RobustDecomposition().solve_least_squares(SLOPES, SLOPES @ TRUE), TRUE
    ),
    "nlsq.precision:AlgorithmSelector": selected,
    "nlsq.precision.bound_inference:BoundInference": bounded,
    "nlsq.precision:PrecisionState": transitions,
    "nlsq.diagnostics:IdentifiabilityAnalyzer": lambda c: (
        [c().analyze(J).numerical_rank for J in (SLOPES, SLOPES @ np.ones((2, 2)))] == [2, 1]
    ),
    "nlsq.diagnostics:GradientMonitor": monitored,
    "nlsq.diagnostics:ParameterSensitivityAnalyzer": lambda c: (
        [c().analyze(J).sloppy_indices for J in (SLOPES, SLOPES @ [[1, 1], [0, 1e-4]])] == [[], [1]]
    ),
    "nlsq.diagnostics:HealthReport": lambda c: isinstance(report := fit().diagnose(), c)
    and len(report.summary().splitlines()) <= 12,
    "nlsq.diagnostics:PluginRegistry": asked,
    "nlsq.facades:StabilityFacade": stabilised,
    "nlsq.facades:DiagnosticsFacade": advised,
    "nlsq.precision:ParameterNormalizer": lambda c: c(TRUE, -INF, INF).normalize(TRUE).all(),
    "nlsq.facades:OptimizationFacade": lambda c: right(
        c.get_multistart_optimizer()().fit(decay, T, Y)
    ) and c.get_cmaes_optimizer(),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_the_source_does_its_work(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "decay.csv").write_text(CSV)
    assert NAMES[name](of(name))


def test_every_protocol_has_a_consumer_annotated_with_it():
    asked = set()
    for file in (ROOT / "nlsq").rglob("*.py"):
        text = file.read_text("utf-8")
        if "Protocol" not in text or file.parent.name == "interfaces":
            continue
        for node in ast.walk(ast.parse(text)):
            for field in ("annotation", "returns"):
                if (said := getattr(node, field, None)) is not None:
                    asked |= {name.id for name in ast.walk(said) if isinstance(name, ast.Name)}
    named = {name.partition(":")[2] for name in NAMES if name.endswith("Protocol")}
    assert len(named) == 16
    assert named <= asked


def test_the_page_has_every_name():
    text = (ROOT / "docs" / "names.md").read_text("utf-8")
    rows = re.findall(r"^\| `(.+?)` \| (?:`(.+?)`)? ?\|", text, re.M)
    assert len(rows) == len(set(rows))
    again = {"nlsq.core.minpack:curve_fit", "nlsq.core.minpack:CurveFit"}
    again |= {"nlsq.core.least_squares:LeastSquares", "nlsq.streaming:LargeDatasetFitter"}
    assert {f"{home}:{name}" if home else name for name, home in rows} == NAMES.keys() - again


# ----------------------------------------------------------------- what users bring themselves


class Central:
    """A Jacobian by differences, of any function."""

    def compute(self, fun, x, args=()):
        h = 1e-6 * np.eye(x.size)
        return np.stack([(fun(x + s, *args) - fun(x - s, *args)) / 2e-6 for s in h], 1)


class CentralSparse(Central):
    sparsity_pattern = None

    def compute_sparse(self, fun, x, args=()):
        return scipy.sparse.csr_array(self.compute(fun, x, args))


class Minimiser:
    """SciPy's simplex as a user wraps it."""

    def optimize(self, fun, x0, args=(), *, bounds, **options):
        self.saw = len(x0), len(bounds[0])
        return scipy.optimize.minimize(
            fun, x0, args, method="Nelder-Mead", bounds=np.transpose(bounds)
        )


class Solver:
    """SciPy's least squares as a user wraps it."""

    def least_squares(self, fun, x0, jac=None, bounds=None, args=(), **options):
        J = np.asarray(jac(x0))
        np.testing.assert_allclose(J, Central().compute(fun, np.asarray(x0)), atol=1e-5)
        return scipy.optimize.least_squares(fun, x0, jac, bounds, **options)


class Earlier:
    """A result of somebody's."""

    popt, pcov, success = np.array([1.9, 1.2]), np.eye(2), True

    def get(self, key, default=None):
        return default


NOISY = Y + 0.01 * np.cos(40 * T)
SIGMA = 0.5 + 0.1 * T
# what the call is asked for beside the user's own
ASKED = {
    "nothing": {},
    "sigma": {"sigma": SIGMA},
    "a covariance": {"sigma": np.diag(SIGMA**2) + 0.01},
    "weight 0": {"sigma": np.where(T > 4, np.inf, SIGMA)},
    "bounds": {"bounds": ([0, 0], [1.9, 9])},
    "fixed": {"fixed": {"k": 1.25}},
    "a loss": {"loss": "soft_l1", "f_scale": 0.01},
    "by name": {"p0": {"a": 1.5, "k": 1.1}},
}
OWN = {
    "a Jacobian": {"jac": Central()},
    "ours, to be plugged in": {"jac": of("nlsq.core.least_squares:AutoDiffJacobian")()},
    "a minimiser": {"method": Minimiser()},
    "a solver": {"method": Solver()},
    "our solver": {"method": nlsq.LeastSquares(method="dogbox")},
    "SciPy's minimiser": {"method": of("nlsq.core.adapters:MinimizeAdapter")(method="Powell")},
    "a result": {"p0": Earlier()},
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("own", OWN)
def test_what_a_user_brings_gives_the_same_fit(own, asked):
    start = {"p0": P0} | OWN[own] | ASKED[asked]
    expected = nlsq.curve_fit(decay, T, NOISY, **{"p0": P0} | ASKED[asked])
    found = nlsq.curve_fit(decay, T, NOISY, **start)
    np.testing.assert_allclose(found.popt, expected.popt, rtol=1e-7)
    np.testing.assert_allclose(found.pcov, expected.pcov, rtol=1e-5)
    assert (found.status > 0, found.at_bound) == (True, expected.at_bound)
    if own == "a minimiser":
        assert OWN[own]["method"].saw == (found.n_free,) * 2
        assert found.optimizer["name"] == "Minimiser"


CALLS = {
    "fit": lambda **how: nlsq.fit(decay, T, NOISY, **how),
    "in pieces": lambda **how: nlsq.fit(decay, (T, NOISY), workflow="chunked", **how),
    "CurveFit": lambda **how: nlsq.CurveFit(**how).curve_fit(decay, T, NOISY),
    "create_optimizer": lambda **how: of("nlsq.core.factories:create_optimizer")(**how).curve_fit(
        decay, T, NOISY
    ),
    "fit_many": lambda **how: nlsq.fit_many(decay, T, NOISY[None], progress=False, **how)[0],
    "least_squares": lambda p0, **how: nlsq.least_squares(
        lambda p, y: decay(T, *p) - y, p0, args=(NOISY,), **how
    ),
}
REFUSED = {  # by whom, with what reason
    ("in pieces", "a Jacobian"): (ValueError, "read in pieces"),
    ("fit_many", "a minimiser"): (TypeError, "'method'"),
    ("least_squares", "a minimiser"): (ValueError, "is a method of `curve_fit` and `fit`"),
}


@pytest.mark.parametrize("own", ["a Jacobian", "a minimiser"])
@pytest.mark.parametrize("call", CALLS)
def test_every_call_takes_it_or_says_why_not(call, own):
    how = {"p0": P0} | OWN[own]
    if (call, own) in REFUSED:
        error, words = REFUSED[call, own]
        with pytest.raises(error, match=words):
            CALLS[call](**how)
        return
    found = CALLS[call](**how)
    expected = nlsq.curve_fit(decay, T, NOISY, P0).popt
    np.testing.assert_allclose(getattr(found, "popt", found.get("x")), expected, rtol=1e-7)


def test_a_sparse_jacobian_of_a_users_own():
    def residuals(x, scale):
        return np.concatenate([x**2 - np.arange(1, 6), scale * np.diff(x)])

    pattern = np.vstack([np.eye(5), np.eye(4, 5) + np.eye(4, 5, 1)])
    computer = of("nlsq.core.sparse_jacobian:SparseJacobianComputer")
    expected = scipy.optimize.least_squares(residuals, np.ones(5), args=(0.1,), xtol=1e-12).x
    for jac in (CentralSparse(), computer(), computer(pattern)):
        found = nlsq.least_squares(residuals, np.ones(5), jac, args=(0.1,))
        assert scipy.sparse.issparse(found.jac)
        np.testing.assert_allclose(found.x, expected, rtol=1e-7)
        exact = Central().compute(residuals, expected, (0.1,))
        np.testing.assert_allclose(jac.compute(residuals, expected, (0.1,)), exact, atol=1e-7)


@pytest.mark.parametrize(
    ("x", "words"), [([1.0], "2 finite numbers"), ([np.nan, 1], "finite"), ([99, 1], "bounds")]
)
def test_where_a_minimiser_ends_is_checked(x, words):
    class Astray:
        def optimize(self, fun, x0, args=(), **options):
            return scipy.optimize.OptimizeResult(x=x, success=True, message="")

    with pytest.raises(ValueError, match=words):
        fit(method=Astray(), bounds=(0, 9))
    Astray.optimize = lambda *_, **__: {"x": x}
    with pytest.raises(TypeError, match="must return an object with x, success and message"):
        fit(method=Astray(), bounds=(0, 9))
    Astray.optimize = lambda self, fun, x0, **__: fun(x0[:1])
    with pytest.raises(ValueError, match="cannot reshape"):
        fit(method=Astray(), bounds=(0, 9))
    with pytest.raises(TypeError, match="'n_starts' is for our searches"):
        fit(method=Astray(), n_starts=5)


def test_a_minimiser_that_gives_up_is_told():
    simplex = of("nlsq.core.adapters:MinimizeAdapter")(method="Nelder-Mead", options={"maxiter": 2})
    with pytest.warns(nlsq.OptimizeWarning, match="MinimizeAdapter did not converge"):
        result = nlsq.curve_fit(decay, T, NOISY, P0, method=simplex)
    assert result.success and not result.optimizer["success"]
