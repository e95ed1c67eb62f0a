"""One fit on several processes: the bits of one, whoever is killed; errors that name the rank."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet
import pytest

from nlsq.distributed import LostRank, facts, launchers
from nlsq.distributed.ranks import joined
from tests.program import ROOT

M = 300_000  # 5 chunks
WORKERS = 4


def free():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


# ----------------------------------------------------------------------------- ranks as threads


def in_threads(count, work, address=None, timeout=10.0):
    """What work(ranks) gives, or raises, on each rank."""
    address, found = address or free(), [None] * count

    def run(rank):
        try:
            ranks = joined(address, count, rank, timeout)
            try:
                found[rank] = work(ranks)
            finally:
                ranks.close()
        except (Exception, KeyboardInterrupt) as error:
            found[rank] = error

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    return found


def test_200_reductions_are_numpys():
    rng = np.random.default_rng(1)
    shapes = [tuple(rng.integers(1, 9, rng.integers(0, 3))) for _ in range(200)]
    terms = [rng.standard_normal((3, *s)) * 10.0 ** rng.integers(-300, 300) for s in shapes]
    terms[7][1], terms[8][0] = np.inf, -0.0

    def sums(ranks):
        each = (ranks.each(lambda t=t: t[ranks.rank]) for t in terms)
        return [(of[0] + of[1]) + of[2] for of in each]

    for found in in_threads(3, sums):
        for total, t in zip(found, terms, strict=True):
            assert np.asarray(total).tobytes() == np.add.reduce(t, axis=0).tobytes()


def test_an_error_of_one_rank_is_that_of_all():
    def fails(ranks):
        with ranks.together():
            return ranks.each(lambda: [1, 1 / 0][ranks.rank == 1])

    def leaves(ranks):
        with ranks.together():
            if ranks.rank == 1:
                raise ValueError("row 5")
            return ranks.first(lambda: 3)

    def goes_on(ranks):
        for work in (fails, leaves):
            with pytest.raises((ZeroDivisionError, ValueError)):
                work(ranks)
        with ranks.together():
            return ranks.each(lambda: ranks.rank)

    assert {type(e) for e in in_threads(3, fails)} == {ZeroDivisionError}
    assert {str(e) for e in in_threads(3, leaves)} == {"row 5"}
    assert in_threads(3, goes_on) == [[0, 1, 2]] * 3


def test_a_rank_that_leaves_is_named():
    def work(ranks):
        with ranks.together():
            return None if ranks.rank == 1 else ranks.each(lambda: 0)

    for error in in_threads(3, work)[::2]:
        assert isinstance(error, LostRank) and "rank 1 (process" in str(error)


def test_different_versions_and_flags_are_refused(monkeypatch):
    def one(true=facts.facts):
        told, mine = true(), threading.current_thread() is threads[-1]
        told["alike"] |= {"numpy": "1.0", "NLSQ_X": "5"} if mine else {}
        return told

    threads = []
    monkeypatch.setattr("nlsq.distributed.ranks.facts", one)
    start = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda t: (note(t, threads), start(t)))
    for error in in_threads(3, lambda ranks: None):
        assert isinstance(error, ValueError)
        assert "numpy differs (rank 0, 1: " in str(error) and "rank 2: 1.0" in str(error)
        assert "NLSQ_X differs (rank 0, 1: none; rank 2: 5)" in str(error)


def note(thread, threads):
    if thread.name != "nlsq-ranks":
        threads.append(thread)


def test_who_does_not_come_is_named():
    with pytest.raises(LostRank, match=r"3 processes these did not come .*rank 1, 2"):
        joined(free(), 3, 0, 0.3)
    with pytest.raises(LostRank, match="Rank 0 does not listen"):
        joined(free(), 3, 1, 0.3)


def test_a_stranger_is_not_heard():
    address = free()
    host, port = address.split(":")

    def knock():
        for _ in range(100):
            try:
                with socket.create_connection((host, int(port))) as stranger:
                    stranger.sendall(b"GET / HTTP/1.1\r\nHost: there\r\n\r\n" + bytes(64))
                return
            except OSError:
                time.sleep(0.01)

    stranger = threading.Thread(target=knock)
    stranger.start()
    assert in_threads(2, lambda ranks: ranks.each(lambda: 4), address) == [[4, 4]] * 2
    stranger.join()


PLACES = [
    ({"OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_SIZE": "4", "OMPI_COMM_WORLD_RANK": "2"},
     ("127.0.0.1:42019", 4, 2)),
    ({"PMI_SIZE": "2", "PMI_RANK": "1", "JAX_COORDINATOR_ADDRESS": "node:99"}, ("node:99", 2, 1)),
    ({"JAX_NUM_PROCESSES": "3", "JAX_PROCESS_ID": "0", "JAX_COORDINATOR_ADDRESS": "n:1"},
     ("n:1", 3, 0)),
    ({"SLURM_JOB_ID": "77", "SLURM_STEP_NODELIST": "node[3-4]", "SLURM_NTASKS": "8",
      "SLURM_PROCID": "5", "SLURM_LOCALID": "1"}, ("node3", 8, 5)),
]  # fmt: skip


@pytest.mark.parametrize("told, expected", PLACES)
def test_what_a_launcher_says(told, expected, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("SLURM_", "OMPI_", "PMI_", "JAX_", "KUBERNETES_")):
            monkeypatch.delenv(name)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    address, count, rank = launchers.place(None, None, None)
    assert (count, rank) == expected[1:] and address.startswith(expected[0])


BAD = [
    ((None, None, None), "Nothing says the coordinator_address, num_processes, process_id"),
    (("here", 2, 0), "'host:port', got 'here'"),
    (("here:1", 2, 2), "less than num_processes, 2; got 2"),
    (("here:1", 0, 0), "num_processes must be a whole number, 1 or more; got 0"),
    (("here:1", 2, True), "process_id must be a whole number"),
]


@pytest.mark.parametrize("given, message", BAD)
def test_a_place_that_is_none(given, message, monkeypatch):
    for name in list(os.environ):
        if name.startswith(("SLURM_", "OMPI_", "PMI_", "JAX_")):
            monkeypatch.delenv(name)
    with pytest.raises(ValueError, match=message):
        launchers.place(*given)


# ------------------------------------------------------------------------------------ processes


class Workers:
    """Processes that make fits together; those that were killed are started again."""

    def __init__(self, cache):
        self._env = os.environ | {"PYTHONPATH": str(ROOT), "NLSQ_CACHE_DIR": str(cache)}
        self._env.pop("NLSQ_DISABLE_PERSISTENT_CACHE", None)  # one compiles for all
        self.running = [self._started(rank) for rank in range(WORKERS)]
        self._ended = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.running + self._ended:
            process.kill()
            process.wait()
            process.stdin.close()
            process.stdout.close()

    def fit(self, count, first=0, **job):
        """What each of `count` processes answers; minus the signal where one was killed."""
        for number, process in enumerate(self.running):
            if process.poll() is not None:
                self._ended.append(process)
                self.running[number] = self._started(number)
        chosen = self.running[first : first + count]
        asked = {"address": free(), "count": count, "job": job}
        for rank, process in enumerate(chosen):
            process.stdin.write(json.dumps(asked | {"rank": rank}) + "\n")
            process.stdin.flush()
        said = [process.stdout.readline() for process in chosen]
        return [
            json.loads(line) if line else process.wait(10)
            for line, process in zip(said, chosen, strict=True)
        ]

    def _started(self, number):
        return subprocess.Popen(
            [sys.executable, "tests/rank_worker.py", "2" if number == 1 else "1"],
            cwd=ROOT, text=True, env=self._env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    with Workers(tmp_path_factory.mktemp("programs")) as group:
        yield group


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of the same points: a decay to 0, where c is at its bound."""
    place, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(3)
    x, sigma = rng.uniform(0, 4, M), rng.uniform(0.01, 0.03, M)
    y = 2.5 * np.exp(-1.3 * x) - 0.01 + sigma * rng.standard_normal(M)
    sigma[::1000] = np.inf
    bad = y.copy()
    bad[290_123] = bad[290_500] = np.nan  # in the last chunk
    bad[70_000] = np.nan
    for name, values in (("good", y), ("bad", bad), ("other", y + 1)):
        with h5py.File(place / f"{name}.h5", "w") as file:
            file.update({"x": x, "y": values, "sigma": sigma})
        np.savez(place / f"{name}.npz", x=x, y=values, sigma=sigma)
    table = pa.table({"x": x, "y": y, "sigma": sigma})
    pa.parquet.write_table(table, place / "good.parquet", row_group_size=35_000)
    with h5py.File(place / "short.h5", "w") as file:
        file.update({"x": x[:100_000], "y": y[:100_000], "sigma": sigma[:100_000]})
    return place


def alike(answers):
    first, *others = answers
    assert "error" not in first, first
    assert all(other == first for other in others)
    return first


@pytest.fixture(scope="module")
def one(workers, folder):
    """The fit in one process."""
    (found,) = workers.fit(1, data=f"{folder}/good.h5", p0=P0)
    assert found["popt"][2] == 0 and found["at_bound"][2] == "-1"
    return found


P0 = [1.0, 1.0, 0.1]
ROADS = [  # processes, kind of source, file
    (2, "hdf5", "good.h5"),
    (4, "arrays", "good.npz"),
    (3, "pieces", "good.npz"),
    (3, "parquet", "good.parquet"),
]


@pytest.mark.parametrize("count, kind, name", ROADS)
def test_the_bits_are_those_of_one(workers, folder, one, count, kind, name):
    assert alike(workers.fit(count, data=f"{folder}/{name}", kind=kind, p0=P0)) == one


def test_several_devices_alone(workers, folder, one):
    """Rank 1 of all other tests has them too."""
    assert workers.fit(1, first=1, data=f"{folder}/good.h5", p0=P0) == [one]


def test_more_processes_than_chunks(workers, folder):
    job = {
        "data": f"{folder}/short.h5",
        "p0": P0,
        "time_limit": 60.0,
        "checkpoint": f"{folder}/few",
    }
    (alone,) = workers.fit(1, **job)
    assert alike(workers.fit(4, **job)) == alone


def test_omitted_points(workers, folder):
    job = {"data": f"{folder}/bad.npz", "kind": "arrays", "nan_policy": "omit", "p0": P0}
    (alone,) = workers.fit(1, **job)
    assert alone["omitted"] == 3 and alike(workers.fit(2, **job)) == alone


REFUSED = [  # what differs, job, the error of all
    ("a NaN", {"data": "bad.h5"}, "DataSourceError: {0}/bad.h5: y is nan in row 70000."),
    ("a NaN of a file read with checkpoints", {"data": "bad.h5", "checkpoint": "{0}/nan"},
     "DataSourceError: {0}/bad.h5: y is nan in row 70000."),
    ("a file", {"data": ["good.h5", "none.h5"], "kind": "path", "p0": P0},
     "FileNotFoundError: rank 1 (process "),
    ("points", {"data": ["good.h5", "short.h5"]},
     "the number of points differs (rank 0: 300000; rank 1: 100000)"),
    ("values", {"data": ["good.h5", "other.h5"]}, "the data differs (rank 0: "),
    ("p0", {"data": "good.h5", "p0": {"0": [1.0, 1.0, 0.0], "1": [2.0, 1.0, 0.0]}},
     "p0 differs (rank 0: [['a', 'k', 'c'], [1.0, 1.0, 0.0]]; rank 1: "),
]  # fmt: skip


@pytest.mark.parametrize("what, job, message", REFUSED, ids=[row[0] for row in REFUSED])
def test_what_is_refused_is_refused_by_all(workers, folder, what, job, message):
    data = job["data"]
    data = [f"{folder}/{n}" for n in data] if isinstance(data, list) else f"{folder}/{data}"
    more = {k: v.format(folder) if isinstance(v, str) else v for k, v in job.items()}
    first, second = workers.fit(2, **{"p0": P0} | more | {"data": data})
    said = f"{first['error']}: {first['message']}"
    assert message.format(folder) in said
    assert (second["error"], second["message"]) == (first["error"], first["message"])


KILLED = [  # processes, who is killed at which reading, processes of the resumed fit
    (2, [(1, "SIGKILL", 27)], 3),
    (3, [(0, "SIGKILL", 20)], 1),
]


@pytest.mark.parametrize("count, at, then", KILLED)
def test_a_killed_rank_is_named_and_the_fit_resumed(workers, folder, one, count, at, then):
    keep = {"checkpoint": f"{folder}/killed{count}", "checkpoint_interval": 0.0}
    job = {"data": f"{folder}/good.npz", "kind": "arrays", "p0": P0, **keep}
    who, *_ = at[0]
    found = workers.fit(count, at=at, **job)
    assert found[who] == -signal.SIGKILL
    for rank, answer in enumerate(found):
        if rank != who:
            assert answer["error"] == "LostRank"
            assert f"rank {who} (process" in answer["message"]
            assert f"Its checkpoint is in {keep['checkpoint']}" in answer["message"]
    other = {"data": f"{folder}/other.npz", "kind": "arrays", "p0": P0, **keep, "resume": True}
    if then > 1:
        refused = workers.fit(then, **other)
        assert {answer["error"] for answer in refused} == {"CheckpointError"}
        assert "the data are not those of the checkpoint" in refused[-1]["message"]
    resumed = alike(workers.fit(then, **job, resume=True))
    resumed["counts"][3] = one["counts"][3]  # fewer passes were left
    assert resumed == one


def test_ctrl_c_on_one_rank_stops_all(workers, folder, one):
    keep = {"checkpoint": f"{folder}/stopped", "checkpoint_interval": 0.0}
    job = {"data": f"{folder}/good.npz", "kind": "arrays", "p0": P0, **keep}
    stopped = alike(workers.fit(2, at=[(1, "SIGINT", 27)], **job))
    assert stopped["counts"][2] == -4
    resumed = alike(workers.fit(1, **job, resume=True))
    assert resumed["bits"] == one["bits"]


def test_a_callback_of_the_first_stops_all(workers, folder):
    found = alike(workers.fit(2, data=f"{folder}/good.h5", p0=P0, stop_at=1))
    assert found["counts"][1:3] == [1, -2]


# ---------------------------------------------------------------------------------- the program


def program(folder, *arguments):
    """The program `nlsq` with a file of points."""
    given = ["fit", "good.h5", "-x", "x", "-y", "y", "--yerr", "sigma", "-m", "a*exp(-k*x)+c",
             "--p0", "1,1,0.1", "--bounds", "c=0:", *arguments]  # fmt: skip
    env = os.environ | {"PYTHONPATH": str(ROOT), "NLSQ_CACHE_DIR": f"{folder}/programs"}
    env.pop("NLSQ_DISABLE_PERSISTENT_CACHE", None)
    return subprocess.Popen(
        [sys.executable, "-m", "nlsq.cli.main", *given], cwd=folder, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def test_the_program_starts_processes(folder):
    said, error = program(folder, "--processes", "2", "--print", "csv", "-q").communicate(
        timeout=60
    )
    alone, _ = program(folder, "--workflow", "chunked", "--print", "csv", "-q").communicate(
        timeout=60
    )
    assert said == alone and said.count("\n") > 3 and not error


def test_the_program_names_who_was_killed_and_leaves_nobody(folder):
    running = program(folder, "--processes", "2", "--set", "fitting.max_nfev=1")
    children = []
    while len(children) < 2:
        time.sleep(0.01)
        children = [child.pid for child in psutil.Process(running.pid).children()]
    os.kill(children[1], signal.SIGKILL)
    _, error = running.communicate(timeout=60)
    assert running.returncode == 6
    assert f"rank 1 (process {children[1]}) was killed by SIGKILL" in error
    assert not any(psutil.pid_exists(pid) for pid in children)
