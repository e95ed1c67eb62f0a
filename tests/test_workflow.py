"""Which road a fit takes, and what it will take in memory."""

import sys

import numpy as np
import pytest

import nlsq
from nlsq.config import LargeDatasetConfig
from nlsq.core.orchestration.streaming_coordinator import (
    BUCKETS,
    StreamingCoordinator,
    automatic_chunk_size,
)
from nlsq.streaming import ArraySource, LargeDatasetFitter, NpySource
from nlsq.utils.progress import ProgressLine

GB = 10**9
CONFIG = LargeDatasetConfig()
decide = StreamingCoordinator().decide


@pytest.mark.parametrize(
    ("n_points", "usable", "in_memory", "strategy"),
    [
        (10**3, 16 * GB, False, "direct"),
        (10**5, 10**3, False, "direct"),  # so few that memory is not asked
        (10**5 + 1, 10**3, False, "chunked"),
        (10**7, 16 * GB, False, "direct"),
        (10**7, GB // 10, False, "chunked"),  # does not fit
        (10**7 + 1, 16 * GB, False, "chunked"),
        (10**8, 16 * GB, False, "chunked"),
        (10**8 + 1, 16 * GB, False, "streaming"),
        (10**9, 16 * GB, True, "direct"),  # there already
        (None, 16 * GB, False, "chunked"),
    ],
)
def test_the_road_follows_size_and_memory(n_points, usable, in_memory, strategy):
    decision = decide(n_points, 16, in_memory, usable, CONFIG)
    assert decision.strategy == strategy
    assert decision.reason


def test_thresholds_and_wishes_count():
    config = LargeDatasetConfig(
        solver_selection_thresholds={"direct": 10, "iterative": 100, "chunked": 1000}
    )
    roads = [decide(m, 16, False, GB, config).strategy for m in (10, 100, 101, 1000, 1001)]
    assert roads == ["direct", "direct", "chunked", "chunked", "streaming"]
    tight = [decide(m, 16, False, 100, config).strategy for m in (10, 11, 100, 101, 1001)]
    assert tight == ["direct", "chunked", "chunked", "chunked", "streaming"]
    off = LargeDatasetConfig(enable_automatic_solver_selection=False)
    for m in (10, 10**6, 10**12, None):
        assert decide(m, 16, False, GB, off).strategy == "direct"
    assert decide(10, 16, False, GB, off, "chunked").strategy == "chunked"
    assert decide(10, 16, True, GB, CONFIG, "streaming").strategy == "streaming"
    asked = decide(10, 16, True, GB, CONFIG, "auto", "checkpoint")
    assert (asked.strategy, asked.reason) == ("chunked", "checkpoint was asked for")


def test_chunk_sizes_are_buckets_that_fit():
    for usable in np.geomspace(1e5, 1e12, 30):
        size = automatic_chunk_size(24, nlsq.MemoryConfig(usable / 1e9, 1.0))
        assert size in BUCKETS
        assert size == BUCKETS[0] or size * 24 * 64 <= usable
        limits = {"min_chunk_size": 3000, "max_chunk_size": 70_000}
        assert automatic_chunk_size(24, nlsq.MemoryConfig(usable / 1e9, 1.0, **limits)) == np.clip(
            size, 3000, 70_000
        )
    assert (*(1 << k for k in range(10, 18)), 2 * 131072, 4 * 131072) == BUCKETS


def line(x, a, b):
    return a * x + b


def data(m=5000):
    x = np.linspace(0, 1, m)
    return x, line(x, 2.0, 1.0) + 0.1 * np.random.default_rng(0).standard_normal(m)


def test_the_result_says_what_was_chosen_and_why():
    x, y = data()
    assert nlsq.fit(line, x, y).workflow["reason"] == "the data are in memory"
    assert nlsq.fit(line, ArraySource(x, y)).workflow["strategy"] == "direct"
    with nlsq.large_dataset_context(
        LargeDatasetConfig(
            solver_selection_thresholds={"direct": 10, "iterative": 100, "chunked": 1000}
        )
    ):
        result = nlsq.fit(line, ArraySource(x, y))
    assert result.workflow["reason"] == "5,000 points are more than 1,000"
    assert result.streaming["warmup_stopped_by"]
    assert nlsq.fit(line, x, y, chunk_size=1024).streaming["chunk_size"] == 1024


def test_paths_and_memory_limits(tmp_path):
    x, y = data(3_000_000)
    paths = [tmp_path / "x.npy", tmp_path / "y.npy"]
    for path, column in zip(paths, (x, y), strict=True):
        np.save(path, column)
    direct = nlsq.curve_fit(line, x, y)
    loaded = nlsq.fit(line, *paths)
    assert loaded.workflow["strategy"] == "direct"
    small = nlsq.fit(line, *paths, memory_limit_gb=0.055)
    assert small.workflow["strategy"] == "chunked"
    for result in (loaded, small, nlsq.fit(line, NpySource(*paths), workflow="streaming")):
        assert np.allclose(result.popt, direct.popt, rtol=1e-10, atol=0)
        assert np.allclose(result.pcov, direct.pcov, rtol=1e-10, atol=0)
    with pytest.raises(MemoryError, match="allowed"):
        nlsq.fit(line, *paths, memory_limit_gb=0.055, workflow="direct")


def test_the_fitter_keeps_its_limit():
    fitter = LargeDatasetFitter(memory_limit_gb=1.0)
    need = fitter.estimate_requirements(10**8, 5)
    assert need.data_bytes == 16 * 10**8
    assert need.strategy == "chunked"
    assert need.streamed_bytes < 0.1 * need.data_bytes
    x, y = data()
    result = fitter.fit(line, x, y, p0=[1, 1], workflow="chunked")
    assert result.workflow["usable_bytes"] == int(0.8 * GB)
    with pytest.raises(ValueError, match="memory_limit_gb"):
        LargeDatasetFitter(memory_limit_gb=-1)
    with pytest.raises(ValueError, match="n_points"):
        fitter.estimate_requirements(0, 5)


@pytest.mark.parametrize("gigabytes", [1e-6, 0.1, 64.0, 1e6])
@pytest.mark.parametrize("n_points", [10, 1 << 19, (1 << 19) + 1, 10**8])
def test_estimates_keep_the_limits_of_reading_and_memory(gigabytes, n_points):
    memory = nlsq.MemoryConfig(gigabytes)
    need = nlsq.estimate_memory_requirements(n_points, 3, memory=memory)
    assert need.recommended_chunk_size <= (1 << 16 if n_points <= 1 << 19 else 1 << 18)
    assert need.n_chunks * (1 << 18) >= n_points
    with nlsq.memory_context(memory):
        assert nlsq.estimate_memory_requirements(n_points, 3) == need
        assert LargeDatasetFitter().estimate_requirements(n_points, 3) == need
    assert LargeDatasetFitter(gigabytes).estimate_requirements(n_points, 3) == need


def test_larger_files_are_read_in_pieces_where_that_is_asked_for():
    for gigabytes, road in ((None, "direct"), (0.0079, "chunked"), (0.0081, "direct")):
        memory = nlsq.MemoryConfig(8.0, auto_chunk_threshold_gb=gigabytes)
        assert nlsq.estimate_memory_requirements(500_000, 3, memory=memory).strategy == road


def test_progress_is_not_drawn_where_nobody_wants_it(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with nlsq.memory_context(nlsq.MemoryConfig(progress_reporting=False)):
        assert not ProgressLine(None).shown and ProgressLine(True).shown
    assert ProgressLine(None).shown


def test_progress_is_drawn_when_asked(capsys):
    x, y = data()

    class Slow:
        n_points = x.size

        def get_chunk(self, start, end):
            import time

            time.sleep(0.3)
            return x[start:end], y[start:end]

    LargeDatasetFitter().fit_with_progress(line, Slow(), p0=[1, 1], workflow="chunked")
    shown = capsys.readouterr().err
    assert "pass 1" in shown
    assert "cost" in shown
    assert "/s" in shown
    nlsq.fit(line, Slow(), p0=[1, 1], workflow="chunked")
    assert capsys.readouterr().err == ""  # no terminal
