"""A process that makes fits together with others, for `test_processes`: a line asks, one answers.

python tests/rank_worker.py      {"address": ..., "count": 2, "rank": 1, "job": {...}}
"""

import json
import os
import signal
import sys
import warnings

import jax
import numpy as np

import nlsq
from nlsq.streaming import ArraySource, CSVSource, HDF5Source, IterableSource, ParquetSource, shares
from nlsq.streaming.sources import Source

warnings.simplefilter("ignore")  # the tests are of errors and results
shares.ROUND = 1 << 16  # so that few points are several rounds


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


class Broken(Source):
    """A source that sends this process a signal at its k-th reading, or fails there."""

    def __init__(self, source, signal_number, at):
        self._source, self._signal, self._left = source, signal_number, at
        self.name, self.form, self.n_points = source.name, source.form, source.n_points

    def read_into(self, start, buffers):
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), self._signal)
        self._source.read_into(start, buffers)


def columns(path):
    with np.load(path) as held:
        return held["x"], held["y"], held["sigma"]


KINDS = {
    "arrays": lambda path: ArraySource(*columns(path)),
    "hdf5": lambda path: HDF5Source(path, "x", "y", "sigma"),
    "parquet": lambda path: ParquetSource(path, "x", "y", "sigma"),
    "csv": lambda path: CSVSource(path, "x", "y", "sigma"),
    "pieces": lambda path: IterableSource(
        [tuple(c[k : k + 40_000] for c in columns(path)) for k in range(0, 300_000, 40_000)]
    ),
    "path": lambda path: path,
}


def fitted(
    rank, data, kind="hdf5", model="decay", at=(), callback_at=None, stop_at=None, **options
):
    """What a fit came to, in numbers that show every bit."""
    source = KINDS[kind](data[rank] if isinstance(data, list) else data)
    for who, number, reading in at:
        source = Broken(source, getattr(signal, number), reading if who == rank else 0)
    if stop_at is not None and rank == 0:
        options["callback"] = lambda nit, *_: nit < stop_at
    if isinstance(options.get("p0"), dict):
        options["p0"] = options["p0"][str(rank)]
    options = {"bounds": ([0, 0, 0.0], [10, 10, 5]), "loss": "soft_l1"} | options
    result = nlsq.fit(decay, source, workflow="chunked", show_progress=False, **options)
    return {
        "bits": [np.asarray(a).tobytes().hex() for a in (result.popt, result.pcov, result.cost)],
        "popt": result.popt.tolist(),
        "counts": [result.nfev, result.nit, result.status, result.streaming["full_passes"]],
        "statistics": [float(v).hex() for v in result.moments.values()] + [result.rmse.hex()],
        "at_bound": [str(v) for v in np.asarray(result.active_mask)],
        "omitted": result.streaming["n_omitted"],
    }


def answer(asked):
    """What comes of a question, an error too."""
    try:
        nlsq.distributed.initialize(asked["address"], asked["count"], asked["rank"], timeout=20)
        try:
            return fitted(asked["rank"], **asked["job"])
        finally:
            nlsq.distributed.shutdown()
    except (Exception, KeyboardInterrupt) as error:
        return {"error": type(error).__name__, "message": str(error)}


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
