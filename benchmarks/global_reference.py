"""Find the global minima that `global_problems` states: ``python -m benchmarks.global_reference``.

Each problem is fitted by SciPy's `trf` with derivatives of three points, from starts uniform in the
box, from starts whose logarithms are uniform, and from the truth or the certified values where
there are any. The least sum of squares is written to ``global_minima.json``, unless what is there
is less; NIST's certified sums are compared.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator

import numpy as np
from rich.console import Console
from scipy.optimize import least_squares

from benchmarks.global_drawn import TRUE
from benchmarks.global_problems import MINIMA, NIST, PROBLEMS, Problem

_DECADES = 6  # below the end of the box, of starts whose logarithms are uniform
_ENOUGH = 40  # starts that reached the best, and
_FEWEST = 200  # starts of a kind
_CERTIFIED = {nist.name: nist for nist in NIST}


def fit(problem: Problem, p0, jac="3-point"):
    """SciPy's local fit in the box, or None where the model is not finite at the start."""
    scale = np.linalg.norm(problem.y)
    try:
        return least_squares(
            lambda p: (problem.f(problem.x, *p) - problem.y) / scale, p0, jac,
            (problem.lo, problem.hi), x_scale="jac", ftol=1e-13, xtol=1e-13, gtol=None,
            max_nfev=500,
        )  # fmt: skip
    except ValueError:
        return None


def logarithmic(problem: Problem, draw: np.random.Generator) -> np.ndarray:
    """A start (n,) with signs by chance and magnitudes uniform in their logarithm."""
    lo, hi = problem.lo, problem.hi
    negative = draw.uniform(lo, hi) < 0
    reach = np.where(negative, -lo, hi)
    nearest = np.where(negative, np.maximum(-hi, 0), np.maximum(lo, 0))
    nearest = np.maximum(nearest, reach * 10.0**-_DECADES)
    size = np.exp(draw.uniform(np.log(nearest), np.log(reach)))
    return np.clip(np.where(negative, -size, size), lo, hi)


def _known(problem: Problem) -> Iterator[np.ndarray]:
    if problem.name in TRUE:
        yield np.array(TRUE[problem.name], float)
    if problem.name in _CERTIFIED:
        yield _CERTIFIED[problem.name].certified
    if np.isfinite(problem.popt).all():
        yield problem.popt


def search(problem: Problem, starts: int, seconds: float, seed: int) -> dict:
    """The best end of all starts, and how often uniform starts reach it."""
    draw, ends = np.random.default_rng(seed), {"known": [], "uniform": [], "logarithmic": []}
    until = time.monotonic() + seconds
    for p0 in _known(problem):
        end = fit(problem, np.clip(p0, problem.lo, problem.hi))
        ends["known"].append((problem.sse(end.x), end.x))
    for i in range(starts):
        for kind in ("uniform", "logarithmic"):
            uniform = kind == "uniform"
            p0 = draw.uniform(problem.lo, problem.hi) if uniform else logarithmic(problem, draw)
            end = fit(problem, p0)
            ends[kind].append((problem.sse(end.x), end.x) if end else (np.inf, p0))
        best, popt = min((e for kind in ends.values() for e in kind), key=lambda e: e[0])
        reached = problem._replace(best=best, popt=popt).reached
        found = {kind: sum(reached(sse) for sse, _ in rows) for kind, rows in ends.items()}
        enough = i + 1 >= _FEWEST and found["uniform"] + found["logarithmic"] >= _ENOUGH
        if enough or time.monotonic() > until:
            break
    made = {kind: len(rows) for kind, rows in ends.items()}
    return {
        "best": best,
        "popt": list(popt),
        "share": round(found["uniform"] / made["uniform"], 5),
        "share_logarithmic": round(found["logarithmic"] / made["logarithmic"], 5),
        "starts": made["uniform"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.global_reference", description=__doc__.splitlines()[0]
    )
    parser.add_argument("names", nargs="*", help="of problems; default: all")
    parser.add_argument("--starts", type=int, default=1000, help="of each kind, at most (1000)")
    parser.add_argument("--seconds", type=float, default=60, help="for a problem, at most (60)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    console = Console()
    for name in options.names or PROBLEMS:
        problem = PROBLEMS[name]
        with np.errstate(all="ignore"):
            found = search(problem, options.starts, options.seconds, options.seed)
        known = json.loads(MINIMA.read_text()) if MINIMA.exists() else {}
        if found["best"] < problem.best * (1 - 1e-9):
            console.print(f"{name}: was {problem.best!r}", style="yellow")
        certified = f"; certified {_CERTIFIED[name].rss!r}" if name in _CERTIFIED else ""
        console.print(f"{name}: {found['best']!r}, share {found['share']}{certified}")
        known[name] = found
        lines = (f"{json.dumps(n)}: {json.dumps(known[n])}" for n in PROBLEMS if n in known)
        MINIMA.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
