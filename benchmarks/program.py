"""Memory and processor time of `nlsq fit`, beside the same fit from Python.

    python -m benchmarks.program [1e6 2e7]

Each is run twice with one cache of programs, and the second run counts, with the bytecode of an
installed package at hand: of the process itself, the
most memory it held and the time of all its threads. The limits are 4 times the data + 300 MB and
1.3 times Python's processor time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

import nlsq

FROM_PYTHON = """
import h5py, numpy as np
from nlsq import curve_fit

def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c

with h5py.File("long.h5") as file:
    t, v = file["t"][:], file["v"][:]
print(curve_fit(decay, t, v, p0=[1, 1, 1]))
"""
MODEL_FILE = """
import numpy as np

def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c
"""
_PROGRAM = ("-m", "nlsq.cli.main", "fit")
_COLUMNS = ("-x", "t", "-y", "v", "-m")
CASES = {
    "from Python": ("-c", FROM_PYTHON),
    "formula, HDF5": (*_PROGRAM, "long.h5", *_COLUMNS, "a*exp(-t/tau)+c"),
    "formula, .npz": (*_PROGRAM, "long.npz", *_COLUMNS, "a*exp(-t/tau)+c"),
    "trusted file, HDF5": (*_PROGRAM, "long.h5", *_COLUMNS, "model.py:decay", "--trust"),
    "confined file, HDF5": (*_PROGRAM, "long.h5", *_COLUMNS, "model.py:decay"),
}


def measure(arguments: tuple[str, ...], folder: Path) -> tuple[float, float]:
    """Megabytes held at most, and seconds of the processor."""
    root = str(Path(nlsq.__file__).parent.parent)
    own = {"PYTHONPATH": root, "XDG_CACHE_HOME": str(folder / "cache"), "JAX_PLATFORMS": "cpu"}
    own["PYTHONDONTWRITEBYTECODE"] = ""
    with open(os.devnull, "w", encoding="utf-8") as nothing:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=os.environ | own, stdout=nothing
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments} ended with {process.returncode}")
    return used.ru_maxrss / 1024, used.ru_utime + used.ru_stime


def main(sizes: list[int]) -> None:
    """Print a table for each number of points."""
    for m in sizes:
        t = np.linspace(0, 8, m)
        v = 3 * np.exp(-t / 2) + 0.5 + 0.1 * np.random.default_rng(0).normal(size=m)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with h5py.File(folder / "long.h5", "w") as file:
                file["t"], file["v"] = t, v
            np.savez(folder / "long.npz", t=t, v=v)
            (folder / "model.py").write_text(MODEL_FILE)
            allowed = 4 * 16 * m / 1e6 + 300
            print(f"{m:,} points: {16 * m / 1e6:.0f} MB of data, {allowed:.0f} MB allowed")
            base = None
            for title, arguments in CASES.items():
                measure(arguments, folder)
                memory, seconds = measure(arguments, folder)
                base = base or seconds
                print(f"  {title:20} {memory:7.0f} MB {seconds:6.1f} s  {seconds / base:4.2f}")


if __name__ == "__main__":
    main([int(float(size)) for size in sys.argv[1:] or ("1e6", "2e7")])
