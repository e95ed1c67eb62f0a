"""`fit_many` on Dask: bits of one process whatever the blocks, the chunks and who dies."""

import functools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

from nlsq import fit_many
from nlsq.core.drive.batch import clusters, spread
from nlsq.session import batching
from nlsq.session.journal import Journal
from nlsq.session.settings import Settings

dask_array = pytest.importorskip("dask.array")
distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings(
    "ignore:Port .* is already in use", "ignore::ResourceWarning"
)

ROOT = Path(__file__).parent.parent
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers have no `tests`
B, M = 2000, 200  # four slabs of NumPy
T = np.linspace(0, 5, M)


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


def data(shape=(B,), m=M):
    rng = np.random.default_rng(3)
    p = rng.uniform([1, 0.5, -1], [4, 3, 1], (*shape, 3))
    y = decay(np.linspace(0, 5, m), *np.moveaxis(p, -1, 0)[..., None])
    return y + 0.02 * rng.normal(size=y.shape)


Y = data()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Two workers, which share the disk cache of programs with this process."""
    with (
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("NLSQ_DISABLE_PERSISTENT_CACHE", "0")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        with (
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None, processes=True
            ) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            yield client


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(spread, "_FIRST", 300 * M)
    monkeypatch.setattr(clusters, "_PATIENCE", 2)
    monkeypatch.setattr(spread, "_BYTES", 300 * 8 * M)


def broken():
    y = Y.copy()
    y[5], y[700, 3], y[1999] = np.nan, np.inf, 0.0
    return y


ROWS = {
    "plain": {},
    "its own x": {"x": np.broadcast_to(T, Y.shape) * np.linspace(0.9, 1.1, B)[:, None]},
    "sigma": {"sigma": np.linspace(0.5, 2, M), "absolute_sigma": True},
    "sigma of each, some bad": {"sigma": np.where(Y > 3.9, -1.0, 1 + 0.1 * np.abs(Y))},
    "bounds": {"bounds": ([0, 0.45, -0.99], [3.99, 9, np.inf])},
    "bounds of each": {"bounds": (0.0 * Y[:, :3] - 9, [9, 9, 9])},
    "fixed": {"fixed": {"c": Y[:, -1]}},
    "robust": {"loss": "soft_l1", "f_scale": 0.05},
    "a start of each": {"p0": np.stack([Y[:, 0], np.ones(B), Y[:, -1]], axis=1)},
    "starts by a function": {"p0": lambda x, y: np.array([y[0] - y[-1], 1.0, y[-1]])},
    "fits that fail": {"y": broken(), "max_nfev": 6},
    "points left out": {"y": broken(), "nan_policy": "omit"},
    "three axes": {"y": data((3, 70, 12)), "sigma": np.linspace(1, 2, 12 * M).reshape(12, M)},
    "lists of many lengths": {
        "x": [np.linspace(0, 5, 20 + i % 9) for i in range(400)],
        "y": [data((1,), 20 + i % 9)[0] + i % 3 for i in range(400)],
    },
}


def fitted(row, **more):
    given = {"x": T, "y": Y, "p0": [2.0, 1.0, 0.0]} | ROWS[row] | more
    return fit_many(decay, given.pop("x"), given.pop("y"), given.pop("p0"), **given)


def differences(one, other):
    assert one.messages == other.messages
    return [
        name
        for name, array in one._arrays.items()
        if not np.array_equal(array, other._arrays[name], equal_nan=True)
    ]


@pytest.mark.parametrize(
    ("row", "backend"),
    [*((row, "numpy") for row in ROWS), ("plain", "jax")],  # each row would be compiled
)
def test_the_bits_are_those_of_one_process(row, backend, client):
    one = fitted(row, backend=backend)
    assert not differences(one, fitted(row, backend=backend, client=client))
    assert (one.status > 0).any()


def lazy(chunks):
    return dask_array.from_array(Y, chunks=chunks)


CHUNKS = {
    "finer than blocks": (70, M),
    "coarser": (1100, M),
    "one chunk": (B, M),
    "cut along the points too": (400, 70),
    "some empty": ((0, 500, 0, 1500), (M,)),
}


@functools.cache
def plain(backend):
    return fitted("plain", backend=backend)


@pytest.mark.parametrize("chunks", CHUNKS)
@pytest.mark.parametrize("where", ["here", "workers"])
@pytest.mark.parametrize("backend", ["jax", "numpy"])
def test_dask_arrays_of_any_chunks(chunks, where, backend, client):
    on = client if where == "workers" else None
    found = fitted("plain", backend=backend, y=lazy(CHUNKS[chunks]), client=on)
    assert not differences(plain(backend), found)
    assert found[3].popt.tolist() == found.popt[3].tolist()


def test_workers_read_what_they_fit(client):
    caller = os.getpid()

    def chunk(block_info=None):
        low, high = block_info[None]["array-location"][0]
        assert low == 0 or os.getpid() != caller  # the first shows here what all are like
        return Y[low:high]

    y = dask_array.map_blocks(chunk, chunks=((500,) * 4, (M,)), dtype=float, meta=np.empty((0, 0)))
    found = fitted("plain", backend="jax", y=y, client=client.scheduler.address)
    assert not differences(plain("jax"), found)


def test_dask_backed_xarray_and_files(client, tmp_path):
    xarray = pytest.importorskip("xarray")
    y = xarray.DataArray(lazy((300, M)), dims=("pixel", "t"), coords={"t": T})
    found = fitted("plain", y=y, x=y.t.values, backend="jax", client=client, out=tmp_path / "fits")
    assert not differences(plain("jax"), found)
    assert (tmp_path / "fits" / "popt.npy").exists()


def test_a_killed_worker_loses_nothing(client):
    def slow(t, a, tau, c):
        import time

        time.sleep(1e-3)
        return a * np.exp(-t / tau) + c

    workers = client.run(os.getpid)
    one = fit_many(slow, T, Y[:1400], [2.0, 1.0, 0.0], backend="numpy")
    killer = threading.Timer(0.4, os.kill, (next(iter(workers.values())), signal.SIGKILL))
    killer.start()
    found = fit_many(slow, T, Y[:1400], [2.0, 1.0, 0.0], backend="numpy", client=client)
    killer.join()
    assert not differences(one, found)
    client.wait_for_workers(2, timeout=30)


def poisonous(low, high):
    def chunk(block_info=None):
        first = block_info[None]["array-location"][0][0]
        if low <= first < high:
            raise OSError(f"row {first} cannot be read")
        return Y[first : first + 250]

    return dask_array.map_blocks(
        chunk, chunks=((250,) * 8, (M,)), dtype=float, meta=np.empty((0, 0))
    )


def test_a_block_that_fails_spares_the_others(client):
    found = fitted("plain", backend="jax", y=poisonous(500, 750), client=client)
    bad = found.status == -12
    assert np.flatnonzero(bad).tolist() == list(range(500, 750))
    assert "row 500 cannot be read" in found.messages[-12] and "500 to" in found.messages[-12]
    assert np.isnan(found.popt[bad]).all()
    assert np.array_equal(found.pcov[~bad], plain("jax").pcov[~bad])


BAD = {
    "no scheduler": (
        lambda _: {"client": "tcp://127.0.0.1:9"}, ConnectionError, "tcp://127.0.0.1:9",
    ),
    "no client": (lambda _: {"client": 7}, TypeError, "address of a scheduler"),
    "a search": (lambda c: {"client": c, "multistart": True}, ValueError, "leave `client` out"),
    "all blocks fail": (
        lambda c: {"client": c, "backend": "jax", "y": blank_first()}, OSError, "cannot be read",
    ),
    "unknown chunks": (
        lambda _: {"y": lazy((300, M))[lazy((300, M))[:, 0] > 0]},
        ValueError,
        "compute_chunk_sizes",
    ),
    "no axis": (lambda _: {"y": dask_array.asarray(1.0)}, ValueError, "must not be empty"),
    "no rows": (lambda _: {"y": lazy((300, M))[:0]}, ValueError, "must not be empty"),
    "unequal axes": (
        lambda c: {"client": c, "sigma": np.ones((B + 1, M))}, ValueError, "do not broadcast",
    ),
}  # fmt: skip


def blank_first():
    """Its first row, which is looked at here, can be read, and nothing else."""
    return dask_array.concatenate([lazy((300, M))[:1], poisonous(0, B)[1:]]).rechunk((B, M))


@pytest.mark.parametrize("bad", BAD)
def test_bad_input(bad, client):
    make, kind, text = BAD[bad]
    began = time.monotonic()
    with pytest.raises(kind, match=text):
        fitted("plain", **make(client))
    assert time.monotonic() - began < 12


def test_a_model_that_cannot_be_sent(client):
    lock = threading.Lock()

    def held(t, a, tau, c):
        with lock:
            return a * np.exp(-t / tau) + c

    with pytest.raises(TypeError, match=r"'held' cannot be sent .* pickle '_thread.lock'"):
        fit_many(held, T, Y, [2, 1, 0], backend="numpy", client=client)


def test_other_workers_are_refused(client, monkeypatch):
    monkeypatch.setattr("nlsq.__version__", "0.0.7")
    with pytest.raises(
        RuntimeError, match=r"worker tcp://.* has nlsq 0\.1.*, this process 0\.0\.7"
    ):
        fitted("plain", client=client)
    monkeypatch.undo()
    monkeypatch.setenv("NLSQ_BACKEND", "numpy")
    with pytest.raises(RuntimeError, match="NLSQ_BACKEND None, this process numpy"):
        fitted("plain", client=client)


def test_the_time_limit_keeps_what_is_done(client):
    found = fitted("plain", backend="numpy", client=client, time_limit=1e-3)
    assert set(np.unique(found.status)) <= {-11, 1, 2, 3, 4} and (found.status == -11).any()


def test_a_model_of_main(client, tmp_path):
    script = tmp_path / "notebook.py"
    script.write_text(
        "import numpy as np\nfrom nlsq import fit_many\nHALF = 0.5\n"
        "def line(x, a, b):\n    return HALF * a * x + b\n"
        "x = np.arange(8.0)\ny = np.arange(1, 3001)[:, None] * x + 1\n"
        f"where = '{client.scheduler.address}'\n"
        "fits = fit_many(line, x, y, [1, 1], backend='numpy', client=where)\n"
        "print(fits.success.all(), abs(fits['a'] - 2 * np.arange(1, 3001)).max() < 1e-6)\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "True True", done.stderr


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ImportError, match=r"pip install 'nlsq\[dask\]'"):
        fitted("plain", client="tcp://127.0.0.1:9")


def test_the_accessor_keeps_dimensions_coordinates_and_attributes(client):
    xarray = pytest.importorskip("xarray")
    import nlsq.xarray  # noqa: F401

    y = np.moveaxis(data((30, 50)), -1, 0)  # points first
    image = xarray.DataArray(
        y,
        dims=("t", "row", "column"),
        coords={"t": T, "row": np.arange(30) * 0.1, "depth": ("column", np.arange(50.0))},
        attrs={"units": "V"},
    )
    image.row.attrs["units"] = "mm"
    c = xarray.DataArray(np.linspace(-0.1, 0.1, 50), dims="column")
    given = {"p0": {"a": 2.0, "tau": 1.0, "c": c}, "bounds": {"tau": (0.1, 99)}}
    sigma = xarray.DataArray(np.linspace(1, 2, M), dims="t")
    held = np.broadcast_to(c.values, (30, 50))
    one = fit_many(
        decay, T, np.moveaxis(y, 0, -1), {"a": 2.0, "tau": 1.0, "c": held},
        sigma.values, bounds=given["bounds"], backend="numpy",
    )  # fmt: skip
    for array, on in ((image, None), (image.chunk(row=7), None), (image.chunk(row=7), client)):
        found = array.nlsq.fit(decay, dim="t", sigma=sigma, backend="numpy", client=on, **given)
        assert found.tau.dims == ("row", "column") and found.attrs == {"units": "V"}
        assert found.row.attrs == {"units": "mm"} and "depth" in found.coords and "t" not in found
        assert np.array_equal(found.tau, one["tau"])
        assert np.array_equal(found.c_err, one.perr[..., 2])
        assert np.array_equal(found.status, one.status) and "1: `gtol`" in str(found.status.attrs)
    with pytest.raises(ValueError, match="no dimension 'time' to fit along; there are 't', 'row'"):
        image.nlsq.fit(decay, dim="time")


@pytest.mark.parametrize("kind", ["formula", "trusted", "confined"])
def test_the_program_fits_files_on_workers(kind, client, tmp_path, monkeypatch):
    monkeypatch.setattr(batching, "PORTION", 4)
    (tmp_path / "model.py").write_text(
        "import numpy as np\n\ndef decay(t, a, tau, c):\n    return a * np.exp(-t / tau) + c\n"
    )
    for i, y in enumerate(data((9,), 60)):
        np.savetxt(tmp_path / f"{i}.csv", np.stack([np.linspace(0, 5, 60), y], axis=1))
    (tmp_path / "9.csv").write_text("no numbers\n")
    model = {"formula": "a*exp(-x/tau)+c"}
    if kind != "formula":
        path = tmp_path / "model.py"
        model = {"path": path, "function": "decay", "trusted": kind == "trusted"}
    settings = Settings.model_validate(
        {"data": {"input_file": tmp_path / "0.csv"}, "model": model,
         "fitting": {"p0": {"a": 2, "tau": 1, "c": 0}}}
    )  # fmt: skip

    def fitted(journal, client=None):
        items = batching.find_items(sorted(tmp_path.glob("*.csv")), settings)
        rows = batching.fit_all(items, settings, Journal(journal, True), False, id, client)
        return dict(rows)

    alone, journal = fitted(None), tmp_path / "journal"
    assert fitted(journal, client) == alone
    assert [row["outcome"] for _, row in sorted(alone.items())] == ["converged"] * 9 + ["bad data"]
    assert fitted(journal, None) == alone  # of the journal
    assert len(journal.read_text().splitlines()) == 9
