"""What `fit_many` takes: shapes, files, gaps, starts; and what it says of bad input."""

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

import nlsq
from nlsq import CurveFits, curve_fit, fit_many
from nlsq.core.loop.status import Status

ROOT = Path(nlsq.__file__).parent.parent
_COMPILED = "/jax/core/compile/backend_compile_duration"
_log: list[str] = []
jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: _log.append(event))

pytestmark = pytest.mark.usefixtures("unpaid", "quickly")

T = np.linspace(0, 5, 50)
P0 = [1.5, 1.0, 0.3]


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


def plane(x, a, b):
    return a * x[0] + b * x[1] ** 2


def draw(shape, t=T, seed=0):
    rng = np.random.default_rng(seed)
    true = np.array([2, 1.3, 0.2]) * (1 + 0.3 * rng.uniform(-1, 1, (*np.atleast_1d(shape), 3)))
    y = decay(t, *np.moveaxis(true, -1, 0)[..., None])
    return y + 0.05 * rng.standard_normal(y.shape)


def assert_singly(fits, x, y, p0=P0, **options):
    """Each of the fits is that of `curve_fit`; x(i), y(i) are its data."""
    for i in range(len(fits)):
        single = curve_fit(decay, x(i), y(i), p0, **options)
        np.testing.assert_allclose(fits.popt[i], single.popt, rtol=1e-9)
        np.testing.assert_allclose(fits.pcov[i], single.pcov, rtol=1e-7)


# ---------------------------------------------------------------------------------------- shapes


def test_leading_axes_are_those_of_the_results():
    stack = draw((2, 3, 4))
    fits = fit_many(decay, T, stack, P0)
    assert fits.popt.shape == (2, 3, 4, 3)
    assert fits.pcov.shape == (2, 3, 4, 3, 3)
    assert fits.status.shape == fits["tau"].shape == (2, 3, 4)
    flat = fit_many(decay, T, stack.reshape(-1, 50), P0)
    np.testing.assert_array_equal(fits.popt.reshape(-1, 3), flat.popt)
    turned = np.ascontiguousarray(stack.transpose(3, 2, 0, 1)).transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(fit_many(decay, T, turned, P0).popt, fits.popt)
    np.testing.assert_array_equal(fits[1, 2, 3].popt, fits.popt[1, 2, 3])


def test_one_data_set_with_many_starts():
    y, rng = draw(1)[0], np.random.default_rng(1)
    starts = np.array(P0) * rng.uniform(0.5, 2, (30, 3))
    fits = fit_many(decay, T, y, starts)
    assert fits.shape == (30,)
    np.testing.assert_allclose(fits.popt, np.tile(curve_fit(decay, T, y, P0).popt, (30, 1)), 1e-9)
    one = fit_many(decay, T, y, P0)
    assert one.shape == ()
    np.testing.assert_allclose(one.popt, fits.popt[0], rtol=1e-9)


def test_whole_numbers():
    """x and y of integers are those of doubles: 1 / x, x ** -1, counts from a camera."""

    def inverse(x, a, b):
        return a * x**-1 + b

    x = np.arange(1, 9)
    y = np.array([[90, 55, 42, 35, 31, 28, 26, 25]] * 3, np.int16)
    fits = fit_many(inverse, x, y)
    np.testing.assert_allclose(fits.popt[2], curve_fit(inverse, x, y[2]).popt, rtol=1e-9)
    np.testing.assert_allclose(fits[0].popt, fits.popt[2])


def test_x_of_each_fit():
    shift = np.random.default_rng(0).uniform(0, 0.5, (8, 1))
    x = T + shift
    y = np.stack([draw(1, row, seed=i)[0] for i, row in enumerate(x)])
    assert_singly(fit_many(decay, x, y, P0), lambda i: x[i], lambda i: y[i])
    rng = np.random.default_rng(2)
    x2 = rng.normal(size=(6, 2, 30))
    y2 = np.stack([plane(x, 2.0, -1.0) for x in x2]) + 0.1 * rng.normal(size=(6, 30))
    fits = fit_many(plane, x2, y2)
    for i in range(6):
        np.testing.assert_allclose(fits.popt[i], curve_fit(plane, x2[i], y2[i]).popt, rtol=1e-9)
    # coordinates that happen to have the shape of y
    fits = fit_many(plane, x2[0], y2[:2], x_per_fit=False)
    np.testing.assert_allclose(fits.popt[1], curve_fit(plane, x2[0], y2[1]).popt, rtol=1e-9)


def test_starts_bounds_and_fixed_values_of_each_fit():
    y, rng = draw(12), np.random.default_rng(3)
    starts = np.array(P0) * rng.uniform(0.8, 1.2, (12, 3))
    low = np.column_stack([np.zeros(12), np.full(12, 0.1), rng.uniform(0.1, 0.3, 12)])
    starts[:, 2] = 0.5
    fits = fit_many(decay, T, y, starts, bounds=(low, np.full(3, 10.0)))
    for i in range(12):
        single = curve_fit(decay, T, y[i], starts[i], bounds=(low[i], 10))
        np.testing.assert_allclose(fits.popt[i], single.popt, rtol=1e-8)
        assert bool(single.at_bound) == bool(fits.active_mask[i].any())
    offsets = rng.uniform(0.1, 0.3, 12)
    fits = fit_many(decay, T, y, P0, fixed={"c": offsets})
    np.testing.assert_array_equal(fits["c"], offsets)
    np.testing.assert_array_equal(fit_many(decay, T, y, P0, fixed="c")["c"], 0.3)


def test_a_start_guessed_from_the_data():
    y = draw(10)
    seen = []

    def guess(x, y):
        seen.append((x, y))
        return [y[0] - y[-1], 1.0, y[-1]]

    assert_singly(fit_many(decay, T, y, guess), lambda i: T, lambda i: y[i])
    assert seen[0][0].shape == seen[0][1].shape == (50,)
    with pytest.raises(ValueError, match="must return 3 numbers"):
        fit_many(decay, T, y, lambda x, y: [1.0, 2.0])


# --------------------------------------------------------------------------------- gaps and lengths


def test_points_left_out():
    y, rng = draw(20), np.random.default_rng(4)
    y[rng.random(y.shape) < 0.15] = np.nan
    y[3] = np.nan
    fits = fit_many(decay, T, y, P0, nan_policy="omit")
    assert fits.status[3] == Status.TOO_FEW_POINTS
    assert np.isnan(fits.popt[3]).all()
    sigma = rng.uniform(0.05, 0.1, y.shape)
    weighted = fit_many(decay, T, y, P0, sigma, True, nan_policy="omit")
    for i in np.delete(np.arange(20), 3):
        here = ~np.isnan(y[i])
        single = curve_fit(decay, T[here], y[i][here], P0)
        np.testing.assert_allclose(fits.popt[i], single.popt, rtol=1e-9)
        np.testing.assert_allclose(fits.pcov[i], single.pcov, rtol=1e-7)
        assert fits.n_points[i] == here.sum()
        single = curve_fit(decay, T[here], y[i][here], P0, sigma[i][here], True)
        np.testing.assert_allclose(weighted.popt[i], single.popt, rtol=1e-9)
        np.testing.assert_allclose(weighted.pcov[i], single.pcov, rtol=1e-7)


def test_data_of_different_lengths():
    rng = np.random.default_rng(5)
    x = [np.linspace(0, 5, m) for m in rng.integers(4, 120, 40)]
    y = [draw(1, t, seed=i)[0] for i, t in enumerate(x)]
    p0 = [2.0, 1.3, 0.2]
    fits = fit_many(decay, x, y, p0)
    np.testing.assert_array_equal(fits.n_points, [len(t) for t in x])
    for i in np.flatnonzero(fits.success & (fits.n_points > 10)):
        single = curve_fit(decay, x[i], y[i], p0)
        np.testing.assert_allclose(fits.popt[i], single.popt, rtol=1e-8)
        np.testing.assert_allclose(fits[i].pcov, single.pcov, rtol=1e-6)
        assert fits[i].fun.shape == (len(x[i]),)


def test_fewer_points_than_parameters():
    fits = fit_many(decay, T[:2], draw(3)[:, :2], P0)
    assert (fits.status == Status.TOO_FEW_POINTS).all()


# ----------------------------------------------------------------------------------------- files


def test_data_and_results_in_files(tmp_path):
    y = draw((40, 60))
    expected = fit_many(decay, T, y, P0)
    np.save(tmp_path / "y.npy", y)
    mapped = np.load(tmp_path / "y.npy", mmap_mode="r")
    fits = fit_many(decay, T, mapped, P0, out=tmp_path / "results")
    np.testing.assert_array_equal(fits.popt, expected.popt)
    stored = CurveFits.load(tmp_path / "results")
    assert isinstance(stored.popt, np.memmap)
    np.testing.assert_array_equal(stored.pcov, expected.pcov)
    assert stored.param_names == ("a", "tau", "c")
    assert stored.shape == (40, 60)


def test_results_in_files_outlive_others_in_their_folder(tmp_path):
    first = fit_many(decay, T, draw(300), P0, out=tmp_path)
    kept, stored = np.array(first.popt), CurveFits.load(tmp_path)
    second = fit_many(decay, T, 2 * draw(20), P0, out=tmp_path)
    np.testing.assert_array_equal(first.popt, kept)
    np.testing.assert_array_equal(stored.popt, kept)
    np.testing.assert_array_equal(CurveFits.load(tmp_path).popt, second.popt)


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    y = draw((40, 60))
    with h5py.File(tmp_path / "y.h5", "w") as file:
        data = file.create_dataset("y", data=y)
        fits = fit_many(decay, T, data, P0)
    np.testing.assert_array_equal(fits.popt, fit_many(decay, T, y, P0).popt)


def test_zarr(tmp_path):
    zarr = pytest.importorskip("zarr")
    y = draw((40, 60))
    data = zarr.create_array(str(tmp_path / "y.zarr"), data=y, chunks=(16, 60, T.size))
    fits = fit_many(decay, T, data, P0)
    np.testing.assert_array_equal(fits.popt, fit_many(decay, T, y, P0).popt)


# -------------------------------------------------------------------------------------- compile


def test_other_data_compile_nothing():
    def model(t, a, tau, c):
        return a * np.exp(-t / tau) + 2 * c

    def run(fits, m, bound, p0):
        t = np.linspace(0, 5, m)
        return fit_many(model, t, draw(fits, t), p0, bounds=([0, 0, 0], [bound, 9, 9]))

    run(5, 50, 10.0, P0)
    before = _log.count(_COMPILED)
    for fits, m, bound in ((1, 50, 10.0), (3000, 50, 8.0), (40, 33, 7.0), (7, 64, 10.0)):
        assert run(fits, m, bound, np.full((fits, 3), 1.1)).success.all()
    assert _log.count(_COMPILED) == before


# ----------------------------------------------------------------------------------- bad for one


def test_what_is_wrong_with_one_is_its_status():
    y, low, high = draw(6), np.zeros((6, 3)), np.full((6, 3), 10.0)
    low[1, 0], low[2, 1], low[3, 2] = 11.0, np.nan, 2.0  # above, no bound, above the start
    fits = fit_many(decay, T, y, P0, bounds=(low, high))
    assert fits.status[[1, 2, 3]].tolist() == [
        Status.BAD_BOUNDS, Status.BAD_BOUNDS, Status.BAD_START
    ]  # fmt: skip
    assert fits.success[[0, 4, 5]].all()
    starts = np.tile(P0, (6, 1))
    starts[4, 0] = np.inf
    assert fit_many(decay, T, y, starts).status[4] == Status.BAD_START
    sigma = np.full(y.shape, 0.1)
    sigma[5, 7] = 0
    fits = fit_many(decay, T, y, P0, sigma)
    assert fits.status[5] == Status.BAD_SIGMA
    assert fits.success[:5].all()
    assert np.isnan(fits.popt[5]).all()
    assert "standard deviation" in fits[5].message


# ----------------------------------------------------------------------------------- bad for all


@pytest.mark.parametrize(
    ("error", "text", "change"),
    [
        (ValueError, "do not broadcast", {"p0": np.ones((4, 3))}),
        (ValueError, "returned 49 values for 50 data points", {"xdata": T[:-1]}),
        (ValueError, "49 values.* Each row of ydata .3, 50. is a data", {"xdata": T[:-1]}),
        (ValueError, r"To fit its columns: ydata\.T", {"ydata": draw(3).T}),
        (ValueError, r"likewise: xdata\.T", {"xdata": np.stack([T, T, T], 1)}),
        (ValueError, r"those of ydata: sigma\.T", {"sigma": np.ones((50, 3))}),
        (ValueError, "last axis of both", {"xdata": np.ones((3, 9)), "x_per_fit": True}),
        (ValueError, "does not fit 50 points", {"sigma": np.ones(49)}),
        (ValueError, r"`sigma` must be positive.*element 0", {"sigma": -0.1}),
        (ValueError, "infeasible", {"bounds": ([2, 0, 0], [3, 9, 9])}),
        (ValueError, "lower bound must be less", {"bounds": ([2, 0, 0], [1, 9, 9])}),
        (ValueError, "last axis of\\s+bounds", {"bounds": (np.zeros((3, 2)), np.ones((3, 2)))}),
        (ValueError, "no parameter of the model; did you mean 'tau'", {"fixed": {"tao": 1}}),
        (ValueError, "must not be empty", {"ydata": np.zeros((0, 50))}),
        (ValueError, "float64 or float32", {"dtype": np.int32}),
        (ValueError, "nan_policy", {"nan_policy": "raise"}),
        (TypeError, "Did you mean 'loss'", {"los": "huber"}),
        (TypeError, "'callback'; it is one of `curve_fit`", {"callback": print}),
        (TypeError, "must be numbers", {"p0": ["a", "b", "c"]}),
        (TypeError, "must be numbers", {"ydata": [["a"] * 50]}),
        (TypeError, "takes 3: a, tau, c", {"p0": [1.0, 2.0]}),
        (TypeError, "takes 1: p. Each is an argument of its own", {"f": lambda x, p: p[0] * x}),
        (TypeError, r"tau, c by keyword only: functools.partial holds 'a' .* Write lambda t, tau, "
         r"c: decay\(t, 2.5, tau, c\)", {"f": functools.partial(decay, a=2.5)}),
        (TypeError, r"a, b by keyword only: .* 'x' before.* lambda a, b: plane\(3, a, b\)",
         {"f": functools.partial(plane, x=3)}),
        (TypeError, r"k by keyword only\. Name them before the \*", {"f": lambda x, *, k: k * x}),
        (TypeError, "callable", {"f": 3}),
        (ValueError, "must be a list", {"ydata": [np.ones(3), np.ones(4)]}),
        (
            ValueError, r"xdata\[1\] has 3 points, ydata\[1\] 4",
            {"ydata": [np.ones(3), np.ones(4)], "xdata": [np.ones(3), np.ones(3)]},
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_all_is_an_error(error, text, change):
    call = {"f": decay, "xdata": T, "ydata": draw(3), "p0": P0} | change
    with pytest.raises(error, match=text):
        fit_many(**call)
    if "ydata.T" in text.replace("\\", ""):
        with pytest.raises(ValueError, match=r"fit_many.f, x, ydata\.T., a row each"):
            curve_fit(**call)


# -------------------------------------------------------------------------------------- stopping


def test_a_time_limit_leaves_the_rest():
    def slow(t, a, b):
        return a + b * t if a > -1e9 else t  # on the host

    fits = fit_many(slow, T, np.full((10**5, 50), 1 + T), [2, 1], time_limit=0.5)
    assert fits[0].model_info.road == "host"
    done = fits.success.sum()
    assert 0 < done < 10**5
    assert (fits.status[~fits.success] == Status.NOT_REACHED).all()
    assert np.isnan(fits.popt[~fits.success]).all()


_INTERRUPTED = """
import signal
import numpy as np
from nlsq import fit_many

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background shell ignores it
calls = 0

def model(t, a, b):
    global calls
    calls += 1
    if calls == 2000:
        print("RUNNING", flush=True)
    return a + b * t if a > -1e9 else t

t = np.linspace(0, 1, 20)
fits = fit_many(model, t, np.ones((10**5, 20)) + t, [1, 2], backend=BACKEND)
done = fits.success.sum()
print("DONE", 0 < done < 10**5, np.unique(fits.status[~fits.success]), fits.messages[-11])
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGINT cannot be sent to one process there")
@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_ctrl_c_returns_what_is_finished(backend):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED.replace("BACKEND", repr(backend))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
    ) as process:  # fmt: skip
        for line in process.stdout:
            if line.startswith("RUNNING"):
                process.send_signal(signal.SIGINT)
                break
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "DONE True [-11] Not fitted: the call was interrupted" in out
