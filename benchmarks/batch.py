"""Many small fits in one call: ``python -m benchmarks.batch``.

Times per fit, medians of interleaved rounds, double precision: `nlsq.fit_many`, a loop over
`scipy.optimize.curve_fit` (defaults) and optimistix' Levenberg-Marquardt under `jax.vmap` in one
`jax.jit`. Beside them

limit        evaluations times the fused pass of all lanes, by the kernel's own `reduce`
bad          the same fits with 1 % bad ones: without a number (NaN), constant, noise alone, or with
             one point far off
growth       time per fit, and memory beyond the data (each in its own process), from 10^3 to 10^6
             fits
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from unittest import mock

import numpy as np
from rich.table import Table

from benchmarks.report import Target, console, print_targets

_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
_SAMPLE = 200  # fits of the loop
_GROWTH = (10**3, 10**4, 10**5, 10**6)


def decay(xp):
    def f(t, a, tau, c):
        return a * xp.exp(-t / tau) + c

    return f


def gaussian(xp):
    def f(x, amplitude, x0, y0, width, offset):
        square = (x[0] - x0) ** 2 + (x[1] - y0) ** 2
        return amplitude * xp.exp(-square / (2 * width**2)) + offset

    return f


@dataclass(frozen=True)
class Problem:
    """A model, its abscissae and what its data are drawn from."""

    name: str
    make: Callable
    x: np.ndarray
    centre: np.ndarray  # true parameters vary around it
    spread: float
    p0: np.ndarray
    noise: float
    wanted: float  # times a loop over SciPy

    @property
    def label(self) -> str:
        return f"{self.name}, {self.centre.size} parameters, {self.x.shape[-1]} points"

    def data(self, fits: int) -> np.ndarray:
        rng = np.random.default_rng(0)
        true = self.centre * (1 + self.spread * rng.uniform(-1, 1, (fits, self.centre.size)))
        y = self.make(np)(self.x, *true.T[..., None])
        return y + self.noise * rng.standard_normal(y.shape)


def _spot(side: int, wanted: float) -> Problem:
    x = np.mgrid[:side, :side].reshape(2, -1).astype(float)
    c = (side - 1) / 2
    centre, p0 = np.array([5, c, c, 1, 1.0]), np.array([4, c, c, 1.2, 0.5])
    return Problem("2-D Gaussian", gaussian, x, centre, 0.2, p0, 0.1, wanted)


PROBLEMS = (
    Problem(
        "decay", decay, np.linspace(0, 5, 50), np.array([2, 1.3, 0.1]), 0.3,
        np.array([1.5, 1.0, 0.3]), 0.05, 60,
    ),
    _spot(5, 130),
    _spot(10, 45),
)  # fmt: skip


def fit_many(problem: Problem, y: np.ndarray):
    from nlsq import fit_many

    return fit_many(problem.make(np), problem.x, y, problem.p0, progress=False)


def scipy_loop(problem: Problem, y: np.ndarray) -> None:
    from scipy.optimize import curve_fit

    f = problem.make(np)
    for row in y:
        curve_fit(f, problem.x, row, problem.p0)


def optimistix(problem: Problem) -> Callable[[np.ndarray], object]:
    """A call for batches, compiled; use it inside `jax.enable_x64`."""
    import jax
    import jax.numpy as jnp
    import optimistix as optx

    f, solver = problem.make(jnp), optx.LevenbergMarquardt(rtol=1e-8, atol=1e-8)

    def residual(p, data):
        x, y = data
        return f(x, *p) - y

    def one(p0, x, y):
        return optx.least_squares(residual, solver, p0, (x, y), max_steps=1000, throw=False).value

    program = jax.jit(jax.vmap(one, in_axes=(None, None, 0)))
    p0, x = jnp.asarray(problem.p0), jnp.asarray(problem.x)
    return lambda y: program(p0, x, y).block_until_ready()


def fused_pass(problem: Problem, y: np.ndarray) -> float:
    """Seconds for one pass of all lanes over `y`, all cores busy, by the kernel's own `reduce`."""
    import jax

    from nlsq.caching import programs
    from nlsq.config import double_precision
    from nlsq.core.algebra import traced
    from nlsq.core.drive.batch import passes, program, run
    from nlsq.core.drive.batch.state import LANES, Data, Numbers
    from nlsq.device import usable_cores

    caught: dict[str, object] = {}
    make = program.slab_program

    def catch(key, model, form, loss, slab, dtype):
        caught.update(call=model(), form=form)
        return make(key, model, form, loss, slab, dtype)

    with mock.patch.object(run.program, "slab_program", catch):
        fit_many(problem, y[:1])
    call, form = caught["call"], caught["form"]
    numbers = Numbers(problem.x.shape[-1], *[0.0] * 7)
    turns, cores = 1000, usable_cores()

    def block(x, y, trial):
        data = Data((x,), y, None, (), None, None)

        def once(_, trial):
            cost, g, G = passes.reduce(call, form, None, data, numbers, tuple(trial))
            # each pass waits for the last, and uses all sums: XLA leaves out what nobody reads
            return trial * (1 - 1e-18 * sum([cost, *g, *G]))

        return jax.lax.fori_loop(0, turns, once, trial)

    with double_precision():
        run_block = programs.compiled(traced.marked(block))
        x = np.pad(problem.x, [(0, 0)] * (problem.x.ndim - 1) + [(0, 4)], mode="edge")
        rows = np.pad(y[:LANES].T, [(0, 4), (0, 0)])
        trial = np.repeat(problem.p0[:, None], LANES, 1)

        def busy(_):
            with double_precision():
                return run_block(x, rows, trial).block_until_ready()

        busy(0)
        with ThreadPoolExecutor(cores) as pool:
            began = time.perf_counter()
            list(pool.map(busy, range(3 * cores)))
            seconds = time.perf_counter() - began
    return seconds / (3 * cores * turns * LANES) * len(y)


def spoil(problem: Problem, y: np.ndarray) -> np.ndarray:
    """`y` with 1 % bad fits, of four kinds."""
    rng, y = np.random.default_rng(1), y.copy()
    nan, constant, noise, spike = np.array_split(rng.permutation(len(y))[: len(y) // 100], 4)
    y[nan, 0] = np.nan
    y[constant] = 1.0
    y[noise] = problem.noise * rng.standard_normal((noise.size, y.shape[1]))
    y[spike, 3] += 100 * problem.noise
    return y


def compare(problem: Problem, fits: int, rounds: int) -> dict[str, float]:
    """Medians in seconds per fit, and quotients of the same round."""
    import jax

    y = problem.data(fits)
    bad, few, some = spoil(problem, y), y[:_SAMPLE], y[: fits // 10]
    with jax.enable_x64(True):
        batched = optimistix(problem)
        batched(some)
    peers = {
        "nlsq": (lambda: fit_many(problem, y), fits),
        "bad": (lambda: fit_many(problem, bad), fits),
        "SciPy": (lambda: scipy_loop(problem, few), len(few)),
        "optimistix": (lambda: batched(some), len(some)),
    }
    peers["nlsq"][0](), peers["bad"][0]()
    times: dict[str, list[float]] = {name: [] for name in peers}
    passes = []
    for _ in range(rounds):
        for name, (call, count) in peers.items():
            with warnings.catch_warnings(), jax.enable_x64(name == "optimistix"):
                warnings.simplefilter("ignore")
                began = time.perf_counter()
                call()
                times[name].append((time.perf_counter() - began) / count)
        passes.append(fused_pass(problem, y) / fits)
    result = fit_many(problem, y)
    found = {name: statistics.median(values) for name, values in times.items()}
    limits = [p * float(result.nfev.mean()) for p in passes]
    found["limit"] = statistics.median(limits)
    for name, other in (("SciPy", times["SciPy"]), ("optimistix", times["optimistix"])):
        found[f"/ {name}"] = _quotient(times["nlsq"], other)
    found["bad / good"] = _quotient(times["bad"], times["nlsq"])
    found["/ limit"] = _quotient(times["nlsq"], limits)
    found["converged"] = float(result.success.mean())
    return found


def _quotient(a: list[float], b: list[float]) -> float:
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def grow(fits: int) -> None:
    """In a process of its own: megabytes beyond data and results."""
    problem = PROBLEMS[0]
    fit_many(problem, problem.data(2000))
    y = problem.data(fits)

    def peak() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT / 1e6

    before = peak()
    result = fit_many(problem, y)
    results = sum(array.nbytes for array in result._arrays.values()) / 1e6
    print(max(peak() - before - results, 0.0))


def growth(rounds: int) -> dict[int, list[float]]:
    """Seconds per fit in each round, by the number of fits; a round takes them in turns."""
    y = PROBLEMS[0].data(_GROWTH[-1])
    times: dict[int, list[float]] = {fits: [] for fits in _GROWTH}
    for _ in range(rounds):
        for fits, found in times.items():
            calls = max(10**5 // fits, 1)
            began = time.perf_counter()
            for _ in range(calls):
                fit_many(PROBLEMS[0], y[:fits])
            found.append((time.perf_counter() - began) / (calls * fits))
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.batch", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--fits", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--grow", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.grow:
        grow(arguments.grow)
        return
    table, targets = Table(title=f"{arguments.fits:,} fits, microseconds per fit"), []
    heads = ("nlsq", "SciPy", "optimistix", "limit")
    for head in ("problem", *heads, "SciPy / nlsq", "optimistix / nlsq", "nlsq / limit", "1 % bad"):
        table.add_column(head, justify="left" if head == "problem" else "right")
    for problem in PROBLEMS:
        found = compare(problem, arguments.fits, arguments.rounds)
        table.add_row(
            problem.label,
            *(f"{found[name] * 1e6:.2f}" for name in heads),
            *(f"{1 / found[f'/ {name}']:.0f}" for name in ("SciPy", "optimistix")),
            f"{found['/ limit']:.2f}",
            f"{found['bad / good']:.2f}",
        )
        note = f"{1 / found['/ SciPy']:.0f} times faster, {problem.wanted:g} wanted"
        targets += [
            Target(f"{problem.label} / SciPy loop", 1 / problem.wanted, found["/ SciPy"], note),
            Target(f"{problem.label} / optimistix under vmap", 0.1, found["/ optimistix"]),
            Target(f"{problem.label}, 1 % bad fits / none", 1.3, found["bad / good"]),
            Target(f"{problem.label} / limit", 2.5, found["/ limit"]),
        ]
    out = console()
    out.print(table)
    times, beyond = growth(arguments.rounds), {}
    for fits, seconds in times.items():
        command = [sys.executable, "-m", "benchmarks.batch", "--grow", str(fits)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        beyond[fits] = float(text)
        each = statistics.median(seconds) * 1e6
        out.print(f"{fits:>9,} fits: {each:6.2f} µs per fit, {beyond[fits]:.0f} MB beyond")
    small, large = times[_GROWTH[1]], times[_GROWTH[-1]]
    targets += [
        Target("time per fit, 10⁴ / 10⁶ fits", 1.5, _quotient(small, large)),
        Target("memory beyond data and results, 10⁶ fits, MB", 300, beyond[10**6]),
    ]
    print_targets(targets, out)


if __name__ == "__main__":
    main()
