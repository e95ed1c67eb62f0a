"""A fit of data that are read in pieces is the fit of the data in memory."""

import itertools
import re
import resource

import h5py
import numpy as np
import psutil
import pytest
from scipy import stats

import nlsq
from nlsq.core.drive.sampling import sample_size
from nlsq.core.problem.observations import sample_places
from nlsq.result import StreamedFitResult
from nlsq.streaming import (
    AdaptiveHybridStreamingOptimizer,
    ArraySource,
    HDF5Source,
    NpySource,
)
from nlsq.streaming.feed import KEPT, bytes_to_keep
from nlsq.streaming.sources import DataSourceError
from tests.streamed_problems import P0, PROBLEMS, M, decay

pytestmark = pytest.mark.usefixtures("compiled")  # whose bits are compared

CHUNK_SIZES = 1_000, 7_919, 65_536, M
# the features of a fit are those of `tests.table`; here are many points, and hard problems
LONG = [p for p in PROBLEMS if p.name in (
    "decay, two noise levels, bounded, soft_l1", "plane wave, two coordinates",
    "NIST Thurber", "NIST Hahn1",
)]  # fmt: skip


def close(a, b, rtol):
    """Agreement relative to the errors' scale, element by element."""
    return np.abs(a - b).max() <= rtol * np.abs(b).max() and np.allclose(a, b, rtol, rtol * 1e-3)


@pytest.mark.parametrize("problem", LONG, ids=str)
def test_every_road_gives_one_answer(problem):
    x, y, sigma = problem.data()
    direct = nlsq.curve_fit(problem.model, x, y, problem.start, sigma, **problem.options)
    for size in CHUNK_SIZES:
        streamed = nlsq.fit(
            problem.model, x, y, problem.start, sigma,
            workflow="chunked", chunk_size=size, **problem.options,
        )  # fmt: skip
        assert np.array_equal(streamed.popt, direct.popt)
        assert np.array_equal(streamed.pcov, direct.pcov)
        assert streamed.nfev == direct.nfev
    warm = nlsq.fit(
        problem.model, x, y, problem.start, sigma, workflow="streaming", **problem.options
    )
    assert close(warm.popt, direct.popt, 1e-10)
    assert close(warm.pcov, direct.pcov, 1e-10)


@pytest.fixture(scope="module")
def small():
    """Fewer points than one chunk."""
    x = np.linspace(0, 5, 30_000)
    return x, decay(x, 2.5, 1.3, 0.5) + 0.05 * np.random.default_rng(0).standard_normal(x.size)


def test_residuals_that_are_not_kept_are_judged_by_their_sums(small):
    x, y = small
    wavy = y + 0.02 * np.sin(3 * x)
    pattern = {"neighbours"}
    for data, unit, codes in ((y, 1, set()), (wavy, 1, pattern), (wavy, 1e-90, pattern)):
        start = P0[0] * unit, P0[1], P0[2] * unit
        streamed = nlsq.fit(decay, x, data * unit, start, workflow="chunked")
        u = nlsq.curve_fit(decay, x, data * unit, start).fun / unit
        said = streamed.moments
        assert said["skewness"] == pytest.approx(stats.skew(u), abs=1e-6)
        assert said["kurtosis"] == pytest.approx(stats.kurtosis(u, fisher=False), rel=1e-6)
        # Pairs over the borders of blocks are left out.
        assert len(u) - 30 < said["pairs"] < len(u)
        assert said["correlation"] == pytest.approx(u[1:] @ u[:-1] / (u @ u), abs=2e-3)
        assert said["changes"] == pytest.approx(np.sum(u[1:] * u[:-1] < 0), abs=30)
        found = {f.code for f in streamed.diagnose().findings}
        assert found & {"neighbours", "tails", "skewed"} == codes


def test_statistics_are_those_of_all_points(small):
    x, y = small
    sigma = 0.04 + 0.02 * np.cos(x) ** 2
    options = {"sigma": sigma, "loss": "soft_l1"}
    direct = nlsq.curve_fit(decay, x, y, P0, **options)
    streamed = nlsq.fit(decay, x, y, P0, workflow="chunked", **options)
    fields = "sample", "moments", "weighted"
    renamed = StreamedFitResult({**streamed, "param_names": fields})  # which hide no field
    assert renamed["moments"] == streamed["b"] and "a sigma for each" in renamed.summary()
    for name in ("chi_squared", "reduced_chi_squared", "r_squared", "adj_r_squared", "rmse", "mae",
                 "aic", "aicc", "bic", "dof", "n_points"):  # fmt: skip
        assert getattr(streamed, name) == pytest.approx(getattr(direct, name), rel=1e-12), name
        assert getattr(renamed, name) == getattr(streamed, name), name
    band = streamed.confidence_band(x[:10]), direct.confidence_band(x[:10])
    assert np.allclose(*band, rtol=1e-10)
    assert "a sigma for each point" in streamed.summary()
    assert "R²" in streamed.summary()


def test_what_is_as_long_as_the_data_is_not_there(small):
    result = nlsq.fit(decay, *small, P0, workflow="chunked")
    for name in ("predictions", "residuals", "xdata", "fun", "jac"):
        with pytest.raises(AttributeError, match=name):
            getattr(result, name)
    with pytest.raises(ValueError, match="give the x"):
        result.confidence_band()
    _, axes = result.plot()
    legend = axes[0].get_legend().get_texts()
    assert any("of 30,000 points" in text.get_text() for text in legend)


@pytest.mark.parametrize("workflow", ["chunked", "streaming"])
def test_points_without_a_number_are_left_out_and_counted(workflow):
    x, y, sigma = PROBLEMS[2].data()
    y[5::1000] = np.nan
    x[-1] = np.nan
    direct = nlsq.curve_fit(decay, x, y, P0, sigma, nan_policy="omit")
    source = ArraySource(x, y, sigma)
    streamed = nlsq.fit(decay, source, p0=P0, nan_policy="omit", workflow=workflow)
    assert streamed.streaming["n_omitted"] == np.isnan(x + y).sum()
    assert streamed.n_points == direct.n_points
    assert close(streamed.popt, direct.popt, 1e-10)
    if workflow == "chunked":
        assert np.array_equal(streamed.pcov, direct.pcov)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("y", np.nan, "y is nan in row 20001"), ("x", np.inf, "x is inf in row 20001"),
     ("sigma", 0.0, "sigma is 0.0 in row 20001"), ("sigma", np.nan, "sigma is nan")],
)  # fmt: skip
def test_what_is_no_number_is_named_by_its_row(small, column, value, message):
    data = {"x": small[0].copy(), "y": small[1].copy(), "sigma": np.ones(small[0].size)}
    data[column][20_001] = value
    source = ArraySource(**data, rows=slice(1, None, 2))
    with pytest.raises(DataSourceError, match=message):
        nlsq.fit(decay, source, p0=P0, workflow="chunked")


def test_rows_and_stride(small):
    x, y = small
    rows = slice(100, -50, 3)
    direct = nlsq.curve_fit(decay, x[rows], y[rows], P0)
    streamed = nlsq.fit(decay, ArraySource(x, y, rows=rows), p0=P0, workflow="chunked")
    assert np.array_equal(streamed.popt, direct.popt)


def test_chunks_of_the_users_own():
    x, y, _ = PROBLEMS[0].data()
    edges = [0, 17, 100_000, 100_001, 250_000, M]
    pieces = [(x[a:b], y[a:b]) for a, b in itertools.pairwise(edges)]
    direct = nlsq.curve_fit(decay, x, y, P0)
    streamed = nlsq.fit(decay, pieces, p0=P0)
    assert streamed.workflow["strategy"] == "chunked"
    assert np.array_equal(streamed.popt, direct.popt)
    assert np.array_equal(streamed.pcov, direct.pcov)
    also = nlsq.curve_fit(decay, pieces, p0=P0)  # the same road from the front door
    assert np.array_equal(also.pcov, direct.pcov)


def test_an_object_that_gives_chunks(small):
    x, y = small

    class Mine:
        n_points = x.size

        def get_chunk(self, start, end):
            return x[start:end], y[start:end]

    direct = nlsq.curve_fit(decay, x, y, P0)
    assert np.array_equal(nlsq.fit(decay, Mine(), p0=P0).popt, direct.popt)
    assert np.array_equal(nlsq.curve_fit(decay, Mine(), p0=P0).popt, direct.popt)


@pytest.mark.parametrize(
    "model",
    [
        lambda x, a, b, c: np.cumsum(a * np.exp(-b * x)) + c,
        lambda x, a, b, c: a * (x - np.mean(x)) + b * x**2 + c,
        lambda x, a, b, c: a * x / len(x) + b * x**2 + c,
    ],
)
def test_models_that_couple_points_are_refused(small, model):
    with pytest.raises(ValueError, match="couples its points"):
        nlsq.fit(model, *small, P0, workflow="chunked")


def test_models_on_the_host_are_refused(small):
    with pytest.raises(ValueError, match="runs on the host"):
        nlsq.fit(decay, *small, P0, workflow="chunked", jac="2-point")


def test_data_that_change_between_passes_are_noticed(small):
    x, y = small[0].copy(), small[1].copy()

    def write(iteration, cost, params, info):
        y[20_000] += 1e-9

    with pytest.raises(DataSourceError, match="have changed"):
        nlsq.fit(decay, x, y, P0, workflow="chunked", callback=write)


class Counted(ArraySource):
    """Arrays that count how many points were read in ranges."""

    count = 0

    def read_into(self, start, buffers):
        self.count += len(buffers.y)
        super().read_into(start, buffers)


@pytest.fixture
def far_apart(monkeypatch):
    """As if the sample of any data were far apart, so that it is read alone."""
    monkeypatch.setattr("nlsq.streaming.survey.FAR", 1)


@pytest.mark.parametrize("problem", [PROBLEMS[0], PROBLEMS[4], PROBLEMS[10]], ids=str)
def test_a_sample_that_is_read_alone_is_the_same(problem, far_apart):
    x, y, sigma = problem.data()
    source = Counted(x, y, sigma)
    direct = nlsq.curve_fit(problem.model, x, y, problem.start, sigma, **problem.options)
    alone = nlsq.fit(problem.model, source, p0=problem.start, workflow="chunked", **problem.options)
    assert np.array_equal(alone.popt, direct.popt)
    assert np.array_equal(alone.pcov, direct.pcov)
    assert source.count == M * alone.streaming["full_passes"]  # and none before
    assert alone.rmse == pytest.approx(direct.rmse, rel=1e-12)


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize(
    ("column", "value"),
    [("x", np.nan), ("x", np.inf), ("y", np.nan), ("y", -np.inf), ("sigma", np.nan),
     ("sigma", 0.0), ("sigma", -0.3), ("sigma", -np.inf), ("sigma", -1e308)],
)  # fmt: skip
def test_the_first_pass_finds_what_is_no_number(far_apart, sampled, column, value):
    x, y, _ = PROBLEMS[0].data()
    data = {"x": x, "y": y, "sigma": np.ones(M)}
    places = sample_places(M, sample_size(M))
    row = int(places[-9]) if sampled else int(np.setdiff1d(np.arange(M - 1000, M), places)[7])
    data[column][row] = value
    with pytest.raises(DataSourceError, match=re.escape(f"{column} is {value} in row {row}.")):
        nlsq.fit(decay, ArraySource(**data), p0=P0, workflow="chunked")


def test_what_is_infinite_is_fitted_when_that_is_asked_for(far_apart):
    x, y, _ = PROBLEMS[0].data()
    x[-1] = np.inf

    def settled(x, a, c):
        return a * np.exp(-x) + c

    options = {"p0": [1.0, 1.0], "check_finite": False}
    direct = nlsq.curve_fit(settled, x, y, **options)
    streamed = nlsq.fit(settled, ArraySource(x, y), workflow="chunked", **options)
    assert np.array_equal(streamed.popt, direct.popt)
    assert np.array_equal(streamed.pcov, direct.pcov)


def test_data_that_change_after_the_first_pass_are_noticed(far_apart):
    x, y, _ = PROBLEMS[0].data()

    def write(iteration, cost, params, info):
        y[-1] += 1e-9

    with pytest.raises(DataSourceError, match=f"to {M - 1} have changed"):
        nlsq.fit(decay, ArraySource(x, y), p0=P0, workflow="chunked", callback=write)


POINT = 16  # bytes of x and y
CHUNK = 65_536  # points in a chunk of M


def npy_files(folder):
    """The first problem's data in files."""
    x, y, _ = PROBLEMS[0].data()
    np.save(folder / "x.npy", x)
    np.save(folder / "y.npy", y)
    return NpySource(folder / "x.npy", folder / "y.npy")


def compressed(folder):
    x, y, _ = PROBLEMS[0].data()
    with h5py.File(folder / "data.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(10_000,), compression="lzf")
        file.create_dataset("y", data=y, chunks=(10_000,), compression="lzf")
    return HDF5Source(folder / "data.h5")


@pytest.mark.parametrize("write", [npy_files, compressed])
@pytest.mark.parametrize("kept", [0, 3, 5])
def test_chunks_that_stay_in_memory_are_read_once(tmp_path, monkeypatch, write, kept):
    source, read = write(tmp_path), []
    monkeypatch.setattr("nlsq.streaming.feed.KEPT", kept * POINT * (CHUNK + 8))
    into = source.read_into
    source.read_into = lambda start, buffers: (read.append(len(buffers.y)), into(start, buffers))
    direct = nlsq.curve_fit(decay, *PROBLEMS[0].data()[:2], P0)
    streamed = nlsq.fit(decay, source, p0=P0, workflow="chunked")
    assert np.array_equal(streamed.popt, direct.popt)
    assert np.array_equal(streamed.pcov, direct.pcov)
    often = streamed.streaming["full_passes"] - 1
    assert sum(read) == 2 * M + often * max(M - kept * CHUNK, 0)  # and the first reading
    assert streamed.rmse == pytest.approx(direct.rmse, rel=1e-12)


@pytest.mark.parametrize("kept", [False, True])
def test_a_file_that_changes_is_noticed_unless_it_is_not_read_again(tmp_path, monkeypatch, kept):
    """Stores through a map do not move a file's times."""
    source = npy_files(tmp_path)
    x, y, _ = PROBLEMS[0].data()
    direct = nlsq.curve_fit(decay, x, y, P0)
    monkeypatch.setattr("nlsq.streaming.feed.KEPT", 3 * POINT * (CHUNK + 8))
    written = np.load(tmp_path / "y.npy", mmap_mode="r+")
    written[:] = y

    def change(iteration, cost, params, info):
        written[0 if kept else -1] = 100.0 + iteration

    def fit():
        return nlsq.fit(decay, source, p0=P0, workflow="chunked", callback=change)

    if kept:
        streamed = fit()
        assert np.array_equal(streamed.popt, direct.popt)
        with pytest.raises(DataSourceError, match="to 65535 have changed"):
            _ = streamed.r_squared  # which reads the file again
    else:
        with pytest.raises(DataSourceError, match=f"to {M - 1} have changed"):
            fit()


def test_a_file_that_is_renamed_is_read_to_the_end(tmp_path):
    source = npy_files(tmp_path)

    def rename(iteration, cost, params, info):
        for name in "xy":
            if (tmp_path / f"{name}.npy").exists():
                (tmp_path / f"{name}.npy").rename(tmp_path / f"old-{name}.npy")

    streamed = nlsq.fit(decay, source, p0=P0, workflow="chunked", callback=rename)
    assert np.array_equal(streamed.popt, nlsq.curve_fit(decay, *PROBLEMS[0].data()[:2], P0).popt)


def test_what_is_kept_fits_into_the_limits(monkeypatch):
    used = psutil.Process().memory_info().vms
    for limit, most in ((used + 4 * 10**8, 10**8), (used // 2, 0), (resource.RLIM_INFINITY, KEPT)):
        monkeypatch.setattr(resource, "getrlimit", lambda which, limit=limit: (limit, limit))
        assert bytes_to_keep(0) <= most
    with nlsq.memory_context(nlsq.MemoryConfig(memory_limit_gb=0.1, safety_factor=0.4)):
        assert bytes_to_keep(0) == 10**7
        assert bytes_to_keep(20_000_000) == 5 * 10**6


def test_no_memory_to_keep_chunks_in_is_no_failure(tmp_path, monkeypatch):
    def refuse(size):
        raise MemoryError

    monkeypatch.setattr("nlsq.streaming.feed.aligned", refuse)
    streamed = nlsq.fit(decay, npy_files(tmp_path), p0=P0, workflow="chunked")
    assert np.array_equal(streamed.popt, nlsq.curve_fit(decay, *PROBLEMS[0].data()[:2], P0).popt)


def test_a_source_that_ends_early_is_noticed():
    x, y, _ = PROBLEMS[0].data()
    x, y = x[: 4 * 65536], y[: 4 * 65536]

    def gone(iteration, cost, params, info):
        y[3 * 65536 :] = np.nan

    with pytest.raises(DataSourceError, match="196608 points now, 262144"):
        nlsq.fit(decay, x, y, P0, workflow="chunked", nan_policy="omit", callback=gone)


def test_settings_of_the_full_passes_count(small):
    config = nlsq.HybridStreamingConfig(gauss_newton_max_iterations=1)
    with pytest.raises(nlsq.FitError, match="maximum number"):
        nlsq.fit(decay, *small, P0, workflow=config)
    assert nlsq.fit(decay, *small, P0, workflow=config, max_nfev=100).success


def test_a_bad_start_names_the_row(small):
    x, y = small

    def root(x, a, b, c):
        with np.errstate(invalid="ignore"):
            return a * np.sqrt(x - b) + c

    with pytest.raises(ValueError, match="nan in row 0 of the arrays"):
        nlsq.fit(root, x, y, (1.0, 1.0, 0.0), workflow="chunked")


def test_failing_and_honest(small):
    x, y = small
    with pytest.raises(nlsq.FitError, match="maximum number"):
        nlsq.fit(decay, x, y, P0, workflow="chunked", max_nfev=2)
    with pytest.warns(nlsq.OptimizeWarning):
        result = nlsq.fit(lambda x, a, b: a * b * x, x, 3 * x, (1, 1), workflow="chunked")
    assert np.isinf(result.perr).all()
    assert result.undetermined == ("a", "b")


def test_callback_and_time_limit_stop(small):
    result = nlsq.fit(decay, *small, P0, workflow="chunked", callback=lambda *state: False)
    assert (result.status, result.success) == (-2, False)
    assert np.array_equal(result.popt, P0)
    result = nlsq.fit(decay, *small, P0, workflow="chunked", time_limit=1e-9)
    assert result.status == -5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_size": 0}, "chunk_size"),
        ({"chunk_size": 10.5}, "chunk_size"),
        ({"resume": True}, "checkpoint"),
        ({"checkpoint_interval": 5.0}, "checkpoint_interval needs"),
        ({"workflow": "stream"}, "workflow"),
        ({"workflow": "chunked", "tr_solver": "cg"}, "tr_solver"),
        ({"workflow": "chunked", "cache": nlsq.SmartCache()}, "cache"),
        ({"workflow": "direct", "chunk_size": 1000}, "chunk_size"),
        ({"workflow": "chunked", "nan_policy": "drop"}, "nan_policy"),
        ({"workflow": "chunked", "sigma": np.eye(30_000, 3)}, "covariance matrix"),
    ],
)
def test_bad_options(small, options, message):
    with pytest.raises(ValueError, match=message):
        nlsq.fit(decay, *small, P0, **options)


def test_unknown_keywords_are_errors(small):
    with pytest.raises(TypeError, match="Did you mean 'f_scale'"):
        nlsq.fit(decay, *small, P0, workflow="chunked", fscale=2.0)
    with pytest.raises(TypeError, match=r"^fit\(\).*Did you mean 'chunk_size'"):
        nlsq.fit(decay, *small, P0, chunksize=2000)
    with pytest.raises(TypeError, match="ydata must not be given"):
        nlsq.fit(decay, ArraySource(*small), small[1])
    with pytest.raises(TypeError, match="checkpoint must be the path"):
        nlsq.fit(decay, *small, P0, checkpoint=True)
    with pytest.raises(ValueError, match="full_output"):
        nlsq.curve_fit(decay, ArraySource(*small), full_output=True)


def test_hdf5_from_the_front_doors(tmp_path):
    import h5py

    x, y, sigma = PROBLEMS[2].data()
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file.create_dataset("t", data=x, chunks=(50_000,), compression="gzip")
        file["group/v"], file["s"] = y, sigma
    source = HDF5Source(tmp_path / "run.h5", x="t", y="group/v", sigma="s")
    direct = nlsq.curve_fit(decay, x, y, P0, sigma)
    loaded = nlsq.fit(decay, source, p0=P0)
    assert loaded.workflow["strategy"] == "direct"
    for result in (
        loaded,
        nlsq.fit(decay, source, p0=P0, workflow="chunked"),
        nlsq.curve_fit(decay, source, p0=P0),
    ):
        assert np.array_equal(result.popt, direct.popt)
        assert np.array_equal(result.pcov, direct.pcov)
    config = nlsq.streaming.HybridStreamingConfig(gauss_newton_tol=1e-10)
    optimizer = AdaptiveHybridStreamingOptimizer(config)
    for given in (source, (x, y, sigma)):
        assert close(optimizer.fit(given, decay, P0).popt, direct.popt, 1e-10)


def test_results_travel(small, tmp_path):
    import pickle

    result = nlsq.fit(decay, *small, P0, workflow="chunked")
    restored = pickle.loads(pickle.dumps(result))
    assert restored.rmse == result.rmse
    again = type(result).from_json(result.to_json())
    assert again.r_squared == result.r_squared
    assert np.array_equal(again.pcov, result.pcov)
