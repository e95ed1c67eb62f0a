"""The limit line: what one pass over the data costs, below which no fit can get.

cost pass   one jitted pass of sum (f - y)^2 over the same data, already in JAX's memory, in double
            precision; compiled as JAX does by default and as `nlsq` does, the faster of the two.
fused pass  one pass of residual, Jacobian and normal equations: the very program and arguments of
            the last pass of an `nlsq` fit of the same problem, caught on their way.

``python -m benchmarks.limit`` prints both per point, their ratio, and the peak memory of a fit in a
process of its own.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

import numpy as np

from benchmarks.problems import MODELS, VARIANTS, Problem, make_problem

_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


_in_use = ExitStack()  # of passes


def cost_pass(problem: Problem) -> Callable[[], object]:
    """One pass of sum (f - y)^2 at the start; call it inside `jax.enable_x64`."""
    import jax
    import jax.numpy as jnp

    from nlsq.caching import programs

    f = problem.model.make(jnp)

    def cost(p, x, y):
        return jnp.sum((f(x, *p) - y) ** 2)

    data = [jnp.asarray(a) for a in (problem.p0, problem.x, problem.y)]
    calls = [_ready(compiled(cost), data) for compiled in (jax.jit, programs.compiled)]
    return min(calls, key=_quickest)


def fused_pass(problem: Problem) -> Callable[[], object]:
    """One pass of `nlsq`'s own at the last point of its fit; call it inside `jax.enable_x64`."""
    import nlsq
    from nlsq.core.drive import compiled

    caught: dict[str, object] = {}
    make, drive = compiled.over_chunks, compiled.drive_passes

    def catch_data(*arguments):
        caught["data"] = arguments
        return make(*arguments)

    def catch_state(run, *arguments, **options):
        def spied(state):
            caught["run"], caught["state"] = run, state
            return run(state)

        return drive(spied, *arguments, **options)

    with (
        mock.patch.object(compiled, "over_chunks", catch_data),
        mock.patch.object(compiled, "drive_passes", catch_state),
    ):
        # a time limit puts the loop on the host, where passes are programs of their own
        nlsq.curve_fit(
            problem.f, problem.x, problem.y, problem.p0, time_limit=1e9, **problem.options
        )
    if not caught:
        raise RuntimeError(f"the fit of {problem.model.name} made no pass to catch")
    run, state = caught["run"], caught["state"]
    if "data" in caught:  # the chunks were closed with the fit
        run = _in_use.enter_context(make(*caught["data"]))
    return _ready(run, [state])


def _ready(program: Callable, arguments) -> Callable[[], object]:
    """A call that waits for its result; compiled."""
    import jax

    def call():
        return jax.block_until_ready(program(*arguments))

    call()
    return call


def _quickest(call: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def close() -> None:
    """Let go of the data of all passes that were prepared."""
    _in_use.close()


LINES = {"cost pass": cost_pass, "fused pass": fused_pass}


_CHILD = """
import resource, sys
import numpy as np, psutil
import nlsq
from benchmarks.problems import make_problem
key, variant, folder, unit = sys.argv[1:]
small = make_problem(key, variant, 2**19 + 1)
nlsq.curve_fit(small.f, small.x, small.y, small.p0, **small.options)
before = psutil.Process().memory_info().rss
x, y = np.load(folder + "/x.npy"), np.load(folder + "/y.npy")
nlsq.curve_fit(small.f, x, y, small.p0, **small.options)
try:  # on Linux ru_maxrss begins with the parent's
    status = open("/proc/self/status").read()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
except OSError:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * int(unit)
print((peak - before - x.nbytes - y.nbytes) / 1e6)
"""


def peak_memory(problem: Problem) -> float:
    """MB that a process holds at most beyond the data while it fits them.

    Counted from where the process stood after a fit of 2^19 + 1 points, for which it compiled the
    programs of all longer ones (the compiler takes some 300 MB for a moment).
    """
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "x.npy"), problem.x)
        np.save(Path(folder, "y.npy"), problem.y)
        command = [sys.executable, "-c", _CHILD, problem.key, problem.variant, folder, str(_UNIT)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return float(done.stdout)


def main() -> None:
    """Print the passes' times."""
    import jax
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(prog="python -m benchmarks.limit", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10**6, 10**7])
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["decay"])
    parser.add_argument("--variant", choices=VARIANTS, default="free")
    parser.add_argument("--seconds", type=float, default=2.0, help="per line")
    arguments = parser.parse_args()
    table = Table(title="One pass over the data")
    for heading in ("model", "points", *(f"{name}, ns/point" for name in LINES), "ratio",
                    "peak memory − data, MB"):  # fmt: skip
        table.add_column(heading, justify="left" if heading == "model" else "right")
    for key in arguments.models:
        for m in arguments.sizes:
            problem = make_problem(key, arguments.variant, m)
            with jax.enable_x64(True):
                calls = [prepare(problem) for prepare in LINES.values()]
                times: list[list[float]] = [[] for _ in calls]
                until = time.perf_counter() + arguments.seconds
                while time.perf_counter() < until or len(times[0]) < 3:
                    for call, taken in zip(calls, times, strict=True):
                        start = time.perf_counter()
                        call()
                        taken.append(time.perf_counter() - start)
            close()
            ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
            per_point = [f"{statistics.median(taken) / m * 1e9:.2f}" for taken in times]
            memory = f"{peak_memory(problem):.0f}"
            table.add_row(problem.model.name, f"{m}", *per_point, f"{ratio:.2f}", memory)
    Console().print(table)


if __name__ == "__main__":
    main()
