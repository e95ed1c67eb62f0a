"""Start-up: ``python -m benchmarks.cold``.

Processes of their own, in turns: one imports JAX and adds two arrays; one imports `nlsq` and fits
1 000 points with an empty cache of compiled programs; one does the same with the cache that an
earlier process filled. The cache is the one `nlsq` keeps for itself, in a directory that is thrown
away afterwards. Each number is the median of the runs' ratios, of elapsed time and of CPU time
(all threads); a target is met when both meet it. ``nlsq --help`` is CPU time alone.
"""

from __future__ import annotations

import argparse
import os
import resource
import site
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from rich.table import Table

from benchmarks.report import Target, console, print_targets

_ADD = "import jax; (jax.numpy.ones(2) + jax.numpy.ones(2)).block_until_ready()"
_FIT = """
import numpy as np
import nlsq

def decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c

t = np.linspace(0, 6, 1000)
y = decay(t, 2.5, 1.3, 0.5) + 0.03 * np.random.default_rng(0).standard_normal(t.size)
nlsq.curve_fit(decay, t, y, [1.8, 1.7, 0.7])
"""
_HELP = "from nlsq.cli.main import main; main(['--help'])"
EMPTY, FILLED, HELP = 2.5, 1.6, 0.3
# an installed package has its byte code, as JAX here has
_DROPPED = "JAX_COMPILATION_CACHE_DIR", "NLSQ_DISABLE_PERSISTENT_CACHE", "PYTHONDONTWRITEBYTECODE"


class Spent(NamedTuple):
    """Seconds of one process."""

    wall: float
    cpu: float


def spend(code: str, cache: str) -> Spent:
    """Run `code` in a process whose user cache is the directory `cache`; byte code is written."""
    environment = os.environ | {"HOME": cache, "XDG_CACHE_HOME": cache}
    environment |= {"PYTHONUSERBASE": site.getuserbase()}
    for name in _DROPPED:
        environment.pop(name, None)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.DEVNULL
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Spent(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cold", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    add, empty, filled, shown = "JAX adds", "fit, empty cache", "fit, filled cache", "nlsq --help"
    spent: dict[str, list[Spent]] = {name: [] for name in (add, empty, filled, shown)}
    with tempfile.TemporaryDirectory() as kept:
        for code in (_ADD, _FIT, _HELP):  # fills the cache, and Python's own of byte code
            spend(code, kept)
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as fresh:
                spent[add].append(spend(_ADD, fresh))
                spent[empty].append(spend(_FIT, fresh))
            spent[filled].append(spend(_FIT, kept))
            spent[shown].append(spend(_HELP, kept))

    table = Table(title=f"New processes, medians of {runs}")
    for heading in ("process", "elapsed s", "CPU s", "elapsed / adds", "CPU / adds"):
        table.add_column(heading, justify="left" if heading == "process" else "right")
    ratios: dict[str, Spent] = {}
    for name, values in spent.items():
        medians = [statistics.median(column) for column in zip(*values, strict=True)]
        pairs = zip(values, spent[add], strict=True)
        quotients = [(v.wall / a.wall, v.cpu / a.cpu) for v, a in pairs]
        ratios[name] = Spent(*(statistics.median(q) for q in zip(*quotients, strict=True)))
        cells = (*medians, *ratios[name])
        table.add_row(name, *(f"{value:.2f}" for value in cells))
    out = console()
    out.print(table)
    cpu = statistics.median(value.cpu for value in spent[shown])
    targets = [
        Target(f"{name} / {add}", most, max(ratios[name]), "the larger of elapsed and CPU")
        for name, most in ((empty, EMPTY), (filled, FILLED))
    ]
    print_targets([*targets, Target("nlsq --help, CPU s", HELP, cpu)], out)


if __name__ == "__main__":
    main()
