"""Many fits on a Dask cluster of this machine, against one process with one thread.

    taskset -c 0,1 python -m benchmarks.dask_batches             # 10^6 fits of 50 points
    taskset -c 0,1 python -m benchmarks.dask_batches --kills 20  # one killed in each run

The data are made by a seed, chunk by chunk, by whoever reads them. One process: this module again,
on one core, with one thread of XLA. Two workers: a core and a thread each, timed when they are new
(their programs come from the disk cache) and again when they are warm. Of warm calls the median of
some counts. The bits of all fields are compared.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

M, CHUNK = 50, 20_000
T = np.linspace(0, 5, M)
LIMIT, WARM = 1.15, 3
ONE_THREAD = {
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


def made(block_info=None):
    """A chunk of the data, by its place."""
    low, high = block_info[None]["array-location"][0]
    rng = np.random.default_rng([7, low])
    p = rng.uniform([1, 0.5, -1], [4, 3, 1], (high - low, 3))
    return decay(T, *p.T[..., None]) + 0.02 * rng.normal(size=(high - low, M))


def source(size: int):
    import dask.array as da

    chunks = [CHUNK] * (size // CHUNK) + [size % CHUNK] * bool(size % CHUNK)
    return da.map_blocks(made, chunks=(tuple(chunks), (M,)), dtype=float, meta=np.empty((0, 0)))


def fitted(size: int, client=None):
    from nlsq import fit_many

    began = time.perf_counter()
    fits = fit_many(decay, T, source(size), [2, 1, 0], backend="jax", client=client)
    return fits, time.perf_counter() - began


def alone(size: int, folder: str) -> None:
    """One process: cold, then warm; its fields into a file."""
    import dask

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    with dask.config.set(scheduler="synchronous"):
        fits, cold = fitted(size)
        warm = statistics.median(fitted(size)[1] for _ in range(WARM))
    fits.save(pathlib.Path(folder, "one.npz"))
    print(cold, warm)


def same(fits, one) -> bool:
    return all(
        np.array_equal(array, one._arrays[name], equal_nan=True)
        for name, array in fits._arrays.items()
    )


def kill_one(client, seconds: float) -> threading.Timer:
    pids = list(client.run(os.getpid).values())
    timer = threading.Timer(seconds, os.kill, (random.choice(pids), signal.SIGKILL))
    timer.start()
    return timer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--alone", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        alone(given.size, given.alone)
        return 0
    os.environ |= ONE_THREAD
    from distributed import Client, LocalCluster

    from nlsq import CurveFits

    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks.dask_batches", "--size", str(given.size)]
        told = subprocess.run(
            [*command, "--alone", folder], check=True, capture_output=True, text=True
        )
        first, one_process = map(float, told.stdout.split())
        one = CurveFits.load(pathlib.Path(folder, "one.npz"))
        print(f"one process, one thread: {first:.2f} s cold, {one_process:.2f} s warm")
        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
            Client(cluster) as client,
        ):
            good, cores = True, sorted(os.sched_getaffinity(0))
            for pid, core in zip(client.run(os.getpid).values(), cores, strict=False):
                os.sched_setaffinity(pid, [core])
            for state, against, times in (("new", first, 1), ("warm", one_process, WARM)):
                rounds = [fitted(given.size, client) for _ in range(times)]
                seconds = statistics.median(spent for _, spent in rounds)
                equal = all(same(fits, one) for fits, _ in rounds)
                ratio = seconds / (against / 2)
                good &= equal and (state == "new" or ratio <= LIMIT)
                print(f"two workers, {state}: {seconds:.2f} s, {ratio:.2f} of half of that time "
                      f"(limit {LIMIT}); bits {'equal' if equal else 'DIFFER'}")  # fmt: skip
            whole = 0
            for _ in range(given.kills):
                timer = kill_one(client, random.uniform(0.2, 0.8) * seconds)
                fits, _ = fitted(given.size, client)
                timer.join()
                whole += same(fits, one)
                client.wait_for_workers(2, timeout=60)
            if given.kills:
                print(f"one worker killed: {whole} of {given.kills} runs complete and equal")
            good &= whole == given.kills
    print("PASS" if good else "FAIL")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
