"""Settings: validation, scoping by block and thread, precision and device of our calls."""

import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

import nlsq
from nlsq import JAXConfig, LargeDatasetConfig, MemoryConfig, config, device
from nlsq.device import in_calling_thread

pytestmark = pytest.mark.core


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.setattr(JAXConfig, "_instance", None)
    for name in ("NLSQ_FORCE_CPU", "NLSQ_MEMORY_LIMIT_GB", "NLSQ_SKIP_GPU_CHECK"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "kind, keywords, error, message",
    [
        (MemoryConfig, {"memory_limit_gb": 0}, ValueError, "memory_limit_gb must be a positive"),
        (MemoryConfig, {"memory_limit_gb": "8"}, ValueError, "memory_limit_gb.*'8'"),
        (MemoryConfig, {"memory_limit_gb": float("nan")}, ValueError, "positive finite"),
        (MemoryConfig, {"safety_factor": 1.2}, ValueError, "at most 1"),
        (MemoryConfig, {"safety_factor": True}, ValueError, "safety_factor"),
        (MemoryConfig, {"auto_chunk_threshold_gb": -1}, ValueError, "auto_chunk_threshold_gb must"),
        (MemoryConfig, {"min_chunk_size": 0.5}, ValueError, "min_chunk_size must be a positive"),
        (MemoryConfig, {"min_chunk_size": 9, "max_chunk_size": 3}, ValueError, "not exceed"),
        (MemoryConfig, {"progress_reporting": 1}, ValueError, "progress_reporting must be True"),
        (MemoryConfig, {"chunk_size_mb": 4}, TypeError, "chunk_size_mb"),
        (LargeDatasetConfig, {"enable_automatic_solver_selection": 1}, TypeError, "True or False"),
        (LargeDatasetConfig, {"solver_selection_thresholds": [1]}, TypeError, "mapping"),
        (
            LargeDatasetConfig,
            {"solver_selection_thresholds": {"dirct": 5}},
            ValueError,
            "'dirct'.*direct",
        ),
        (
            LargeDatasetConfig,
            {"solver_selection_thresholds": {"direct": 1.5}},
            ValueError,
            "positive integer",
        ),
        (
            LargeDatasetConfig,
            {"solver_selection_thresholds": {"direct": 10**9}},
            ValueError,
            "direct < iterative < chunked",
        ),
    ],
)
def test_wrong_settings_say_what_is_wrong(kind, keywords, error, message):
    with pytest.raises(error, match=message):
        kind(**keywords)


def test_settings_cannot_change_after_validation():
    with pytest.raises(AttributeError):
        MemoryConfig().safety_factor = 5
    with pytest.raises(TypeError):
        LargeDatasetConfig().solver_selection_thresholds["direct"] = -1


@pytest.mark.parametrize("value", [MemoryConfig(4, 0.5), LargeDatasetConfig(False, {"direct": 5})])
def test_settings_pickle(value):
    assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize(
    "n_points, road",
    [
        (1, "direct"),
        (100_000, "direct"),
        (100_001, "iterative"),
        (10_000_000, "iterative"),
        (100_000_000, "chunked"),
        (100_000_001, "streaming"),
    ],
)
def test_roads_by_number_of_points(n_points, road):
    assert LargeDatasetConfig().strategy(n_points) == road
    assert (
        LargeDatasetConfig(enable_automatic_solver_selection=False).strategy(n_points) == "direct"
    )


def test_memory_limit_by_argument_variable_and_machine(monkeypatch):
    psutil = pytest.importorskip("psutil")
    free = psutil.virtual_memory().total
    assert 0 < MemoryConfig().limit_bytes <= free
    monkeypatch.setenv("NLSQ_MEMORY_LIMIT_GB", "2.5")
    assert MemoryConfig().limit_bytes == 2_500_000_000
    assert MemoryConfig(memory_limit_gb=4).limit_bytes == 4_000_000_000
    monkeypatch.setenv("NLSQ_MEMORY_LIMIT_GB", "lots")
    with pytest.raises(ValueError, match=r"NLSQ_MEMORY_LIMIT_GB.*'lots'"):
        _ = MemoryConfig().limit_bytes


def test_memory_limit_without_an_answer_from_the_system(monkeypatch):
    import psutil

    def broken():
        raise RuntimeError("no /proc")

    monkeypatch.setattr(psutil, "virtual_memory", broken)
    assert MemoryConfig().limit_bytes == 16_000_000_000


def test_require_names_the_limit_and_the_remedy():
    limit = MemoryConfig(memory_limit_gb=1, safety_factor=0.5)
    limit.require(500_000_000, "The Jacobian")
    with pytest.raises(MemoryError, match=r"The Jacobian takes 0.501 GB; 0.5 GB.*memory_context"):
        limit.require(500_500_001, "The Jacobian")


def test_contexts_nest_and_end():
    outer, inner = MemoryConfig(4), MemoryConfig(2)
    with nlsq.memory_context(outer) as given:
        assert given is outer
        with pytest.raises(KeyError), nlsq.memory_context(inner):
            assert nlsq.get_memory_config() is inner
            raise KeyError
        assert nlsq.get_memory_config() is outer
    assert nlsq.get_memory_config() == MemoryConfig()
    large = LargeDatasetConfig(False)
    with nlsq.large_dataset_context(large):
        assert nlsq.get_large_dataset_config() is large
    assert nlsq.get_large_dataset_config() == LargeDatasetConfig()
    with pytest.raises(TypeError, match="Expected a MemoryConfig"):
        nlsq.memory_context(large)


def test_contexts_do_not_reach_other_threads():
    seen = {}

    def other():
        seen["before"] = nlsq.get_memory_config()
        with nlsq.memory_context(MemoryConfig(1)):
            entered.set()
            leave.wait(10)

    entered, leave = threading.Event(), threading.Event()
    with nlsq.memory_context(MemoryConfig(3)):
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(10)
        assert nlsq.get_memory_config() == MemoryConfig(3)
        leave.set()
        thread.join()
    assert seen["before"] == MemoryConfig()


def test_limits_of_the_process():
    nlsq.set_memory_limits(6, safety_factor=0.25)
    assert nlsq.get_memory_config().usable_bytes == 1_500_000_000
    assert JAXConfig() is JAXConfig()


def test_double_precision_is_scoped():
    import jax
    import jax.numpy as jnp

    outside = jax.config.jax_enable_x64
    with JAXConfig.precision_context(False):
        with config.double_precision():
            assert jnp.arange(3.0).dtype == np.float64
        assert jnp.arange(3.0).dtype == np.float32
        assert not JAXConfig.is_x64_enabled()
    assert jax.config.jax_enable_x64 == outside


def test_force_cpu_moves_our_calls_off_the_gpu(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with config.double_precision():
        assert jax.config.jax_default_device is None
    monkeypatch.setenv("NLSQ_FORCE_CPU", "1")
    with config.double_precision():
        assert jax.config.jax_default_device == jax.devices("cpu")[0]
        assert jax.config.jax_enable_x64
    assert jax.config.jax_default_device is None
    monkeypatch.setenv("NLSQ_FORCE_CPU", "perhaps")
    with pytest.raises(ValueError, match=r"NLSQ_FORCE_CPU='perhaps'"):
        config.double_precision()


def test_small_programs_run_in_the_calling_thread_on_the_cpu_only(monkeypatch):
    def where():
        with in_calling_thread():
            return jax.jit(lambda x: x + 1)(1.0).device

    assert where().platform == "cpu" and where() not in jax.devices()
    with jax.default_device(jax.devices("cpu")[0]):
        assert where() not in jax.devices()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert where() in jax.devices()


def test_threads_that_come_together_share_a_device():
    device._synchronous_device.cache_clear()
    gate = threading.Barrier(8)

    def where():
        gate.wait()
        with in_calling_thread():
            return id(jax.config.jax_default_device)

    with ThreadPoolExecutor(8) as pool:
        assert len({f.result() for f in [pool.submit(where) for _ in range(8)]}) == 1


def test_threads_fit_at_the_same_time():
    x = np.linspace(0, 5, 100)

    def fit(a):
        return nlsq.curve_fit(lambda x, a, b: a * np.exp(-b * x), x, a * np.exp(-x), (2, 2)).popt

    with ThreadPoolExecutor(8) as pool:
        found = np.array(list(pool.map(fit, np.arange(1.0, 65.0))))
    np.testing.assert_allclose(found, np.stack([np.arange(1.0, 65.0), np.ones(64)], 1), rtol=1e-10)


def test_device_info_matches_jax():
    info = nlsq.get_device_info()
    assert info["jax_version"] == jax.__version__
    assert [d["id"] for d in info["devices"]] == [d.id for d in jax.devices()]
    assert info["gpu_available"] == (jax.default_backend() == "gpu")
    assert 0 < info["free_memory_bytes"] <= info["memory_bytes"]


def test_an_unused_gpu_is_reported(monkeypatch):
    monkeypatch.setattr(device, "_nvidia_gpus", lambda: ["NVIDIA A100"])
    with pytest.warns(UserWarning, match=r"NVIDIA A100.*NLSQ_SKIP_GPU_CHECK"):
        assert nlsq.check_gpu_availability() is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert nlsq.check_gpu_availability(warn=False) is False
        monkeypatch.setenv("NLSQ_SKIP_GPU_CHECK", "yes")
        assert nlsq.check_gpu_availability() is False
