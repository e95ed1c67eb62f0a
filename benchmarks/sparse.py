"""Large sparse problems beside SciPy's least_squares: ``python -m benchmarks.sparse``.

Broyden's tridiagonal equations in 10⁵ unknowns, by a sparse Jacobian or its pattern. Each fit runs
in a process of its own, in turns with its peer. Time is that of the processor, the median of warm
fits; memory is what the first fit adds to the resident memory after a small one.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from scipy import sparse

from benchmarks.report import Target, console, print_targets

MOST = 1.2  # times SciPy's
CASES = {
    "jac": ("jac",),
    "jac, bounds": ("jac", "bounds"),
    "jac, soft_l1": ("jac", "loss"),
    "jac, dogbox, bounds": ("jac", "dogbox", "bounds"),
    "pattern": ("pattern",),
    "pattern, 3-point, bounds": ("pattern", "3-point", "bounds"),
}


def problem(n: int, parts: tuple) -> tuple:
    """(fun, x0, options) of a case."""
    one, band = np.ones(n - 1), {"offsets": [-1, 0, 1], "format": "csr"}

    def fun(x):
        f = (3 - x) * x + 1
        f[1:] -= x[:-1]
        f[:-1] -= 2 * x[1:]
        return f

    known = {
        "jac": {"jac": lambda x: sparse.diags_array([-one, 3 - 2 * x, -2 * one], **band)},
        "pattern": {"jac_sparsity": sparse.diags_array([one, np.ones(n), one], **band)},
        "bounds": {"bounds": (np.full(n, -2.0), np.full(n, -0.3))},
        "loss": {"loss": "soft_l1"},
        "dogbox": {"method": "dogbox"},
        "3-point": {"jac": "3-point"},
    }
    options: dict = {}
    for part in parts:
        options |= known[part]
    return fun, -np.ones(n), options


def measure(who: str, case: str, n: int, fits: int) -> dict:
    """Fit in this process: seconds of the processor, MB added, and how the fit ended."""
    if who == "scipy":
        from scipy.optimize import least_squares
    else:
        from nlsq import least_squares

    fun, x0, options = problem(100, CASES[case])
    least_squares(fun, x0, **options)
    fun, x0, options = problem(n, CASES[case])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result, seconds = least_squares(fun, x0, **options), []
    added = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    for _ in range(fits):
        started = time.process_time()
        least_squares(fun, x0, **options)
        seconds.append(time.process_time() - started)
    return {
        "seconds": statistics.median(seconds), "MB": added, "nfev": result.nfev,
        "cost": float(result.cost), "success": bool(result.success),
    }  # fmt: skip


def main() -> None:
    """Measure all cases and print their ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sparse", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--unknowns", type=int, default=10**5)
    parser.add_argument("--fits", type=int, default=5)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(*arguments.one, arguments.unknowns, arguments.fits)))
        return
    out, targets = console(), []
    for case in CASES:
        found = {}
        for who in ("scipy", "nlsq"):
            size = "--unknowns", str(arguments.unknowns), "--fits", str(arguments.fits)
            command = [sys.executable, "-m", "benchmarks.sparse", "--one", who, case, *size]
            answer = subprocess.run(command, capture_output=True, text=True, check=True)
            found[who] = json.loads(answer.stdout.splitlines()[-1])
            out.print(f"{case:26}{who:6}", *(f"{k} {v:.3g} " for k, v in found[who].items()))
        ours, theirs = found["nlsq"], found["scipy"]
        for name in ("seconds", "MB"):
            targets.append(Target(f"{case}: {name} / SciPy's", MOST, ours[name] / theirs[name]))
    print_targets(targets, out)


if __name__ == "__main__":
    main()
