"""Many fits end where single fits end, from far starts: ``python -m benchmarks.far_starts``.

Ten models, one data set each; starts are drawn far from the truth, each parameter e^(1.2 N) times
its true value (a position anywhere in the data), without bounds and within wide ones. Each start is
fitted by `nlsq.curve_fit` and all of them by one `nlsq.fit_many`. Of the fits

same         end at the same cost to 1e-6, or both fail
status       both succeed or both fail
point        have the same parameters to 1e-6 of themselves (of standard errors, where those are
             larger), too
found        are at the least cost that any start reached, to 1e-6: one by one / many

Times are microseconds a fit, compiled: one by one, many, and a loop over SciPy's `curve_fit`.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.table import Table

from benchmarks.report import Target, console, print_targets

_SPREAD = 1.2
_WIDE = 1e3  # bounds from 1 / _WIDE to _WIDE times the truth
_SAME = 1e-6


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


def gaussians(x, *p):
    peaks = zip(p[::3], p[1::3], p[2::3], strict=True)
    return sum(a * np.exp(-0.5 * ((x - m) / s) ** 2) for a, m, s in peaks)


def two_gaussians(x, a, m, s, b, n, t):
    return gaussians(x, a, m, s, b, n, t)


def three_gaussians(x, a, m, s, b, n, t, c, o, u):
    return gaussians(x, a, m, s, b, n, t, c, o, u)


def lorentzian(x, a, m, w, c):
    return a / (1 + ((x - m) / w) ** 2) + c


def logistic(x, top, k, m):
    return top / (1 + np.exp(-k * (x - m)))


def hill(x, top, k, n):
    return top * x**n / (k**n + x**n)


def power(x, a, b, c):
    return a * x**b + c


def damped_sine(x, a, k, w, phase):
    return a * np.exp(-k * x) * np.sin(w * x + phase)


def stretched(x, a, tau, beta):
    return a * np.exp(-((x / tau) ** beta))


def rational(x, a, b, c, d):
    return (a + b * x) / (1 + c * x + d * x**2)


@dataclass(frozen=True)
class Problem:
    """A model, its true parameters, and which of them are positions."""

    f: Callable
    true: tuple[float, ...]
    places: tuple[int, ...] = ()
    noise: float = 0.05

    @property
    def x(self) -> np.ndarray:
        return np.linspace(0.1, 10, 60)

    def data(self) -> np.ndarray:
        rng = np.random.default_rng(0)
        return self.f(self.x, *self.true) + self.noise * rng.standard_normal(60)

    def starts(self, count: int, seed: int = 1) -> np.ndarray:
        """Far starts (count, n)."""
        rng, true = np.random.default_rng(seed), np.array(self.true)
        starts = true * np.exp(_SPREAD * rng.standard_normal((count, true.size)))
        for j in self.places:
            starts[:, j] = rng.uniform(0, 10, count)
        return starts

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        true = np.array(self.true)
        low, high = true / _WIDE, true * _WIDE
        for j in self.places:
            low[j], high[j] = -1, 11
        return low, high


PROBLEMS = (
    Problem(decay, (3, 0.8, 0.5)),
    Problem(two_gaussians, (3, 3, 0.7, 2, 6.5, 1), (1, 4)),
    Problem(three_gaussians, (3, 2, 0.5, 2, 4.5, 0.7, 2.5, 7.5, 0.6), (1, 4, 7)),
    Problem(lorentzian, (4, 5, 0.8, 0.5), (1,)),
    Problem(logistic, (5, 1.5, 4), (2,)),
    Problem(hill, (5, 3, 2)),
    Problem(power, (2, 1.4, 3), noise=0.1),
    Problem(damped_sine, (3, 0.2, 2, 0.5)),
    Problem(stretched, (3, 2, 0.7)),
    Problem(rational, (1, 2, 0.5, 0.3), noise=0.02),
)


@dataclass(frozen=True)
class Ends:
    """Where the fits of one problem ended, one by one and many, and microseconds a fit."""

    cost: np.ndarray  # (2, starts); inf where a fit failed
    success: np.ndarray
    popt: np.ndarray  # (2, starts, n)
    perr: np.ndarray  # (starts, n), one by one
    times: tuple[float, float, float]

    @property
    def same(self) -> np.ndarray:
        one, many = self.cost
        both = np.isfinite(one) & np.isfinite(many)
        with np.errstate(invalid="ignore"):
            return np.where(both, np.abs(many - one) <= _SAME * one, np.isinf(one) & np.isinf(many))

    @property
    def status(self) -> np.ndarray:
        return self.success[0] == self.success[1]

    @property
    def point(self) -> np.ndarray:
        one, many = self.popt
        with np.errstate(invalid="ignore"):
            size = np.maximum(np.abs(one), np.where(np.isfinite(self.perr), self.perr, 0))
            near = (np.abs(many - one) <= _SAME * size).all(axis=-1)
        return near | np.isinf(self.cost).all(axis=0)

    @property
    def found(self) -> np.ndarray:
        """Shares (2,) of the fits that reached the least cost."""
        return (self.cost <= self.cost.min() * (1 + _SAME)).mean(axis=1)


def measure(problem: Problem, count: int, bounded: bool) -> Ends:
    """Fit all starts of one problem, both ways."""
    from scipy.optimize import curve_fit as scipys

    from nlsq import FitError, curve_fit, fit_many

    f, x, y, starts = problem.f, problem.x, problem.data(), problem.starts(count)
    options = {"bounds": problem.bounds} if bounded else {}
    if bounded:
        starts = np.clip(starts, *problem.bounds)

    def one_by_one(fit, raised) -> list:
        found = []
        for p0 in starts:
            try:
                found.append(fit(f, x, y, p0, **options))
            except raised as error:
                found.append(getattr(error, "result", None))
        return found

    def timed(call: Callable):
        began = time.perf_counter()
        result = call()
        return result, (time.perf_counter() - began) / count * 1e6

    fit_many(f, x, y, starts, progress=False, **options)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        one_by_one(curve_fit, (FitError, ValueError))
        single, alone = timed(lambda: one_by_one(curve_fit, (FitError, ValueError)))
        many, together = timed(lambda: fit_many(f, x, y, starts, progress=False, **options))
        _, loop = timed(lambda: one_by_one(scipys, (RuntimeError, ValueError)))
    good = np.array([fit is not None and fit.success for fit in single])
    nothing = np.full(starts.shape[1], np.nan)
    return Ends(
        cost=np.array([
            [fit.cost if fit is not None else np.inf for fit in single],
            np.where(np.isnan(many.cost), np.inf, many.cost),
        ]),
        success=np.array([good, many.success]),
        popt=np.array([[nothing if fit is None else fit.x for fit in single], many.popt]),
        perr=np.array([nothing if fit is None else fit.perr for fit in single]),
        times=(alone, together, loop),
    )  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.far_starts", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--starts", type=int, default=100, help="of each model, free and bounded")
    parser.add_argument("--models", nargs="*", help="names of some of the models")
    arguments = parser.parse_args()
    table = Table(title="Per cent of the fits, and microseconds a fit")
    heads = ("same", "status", "point", "success", "found", "one by one", "many", "SciPy")
    for head in ("model", "", *heads):
        table.add_column(head, justify="right" if head in heads else "left")
    same = []
    for problem in PROBLEMS:
        if arguments.models and problem.f.__name__ not in arguments.models:
            continue
        for bounded in (False, True):
            ends = measure(problem, arguments.starts, bounded)
            same.append(ends.same)
            table.add_row(
                problem.f.__name__,
                "bounded" if bounded else "free",
                *(f"{100 * s.mean():.1f}" for s in (ends.same, ends.status, ends.point)),
                *(" / ".join(f"{100 * s:.0f}" for s in shares)
                  for shares in (ends.success.mean(axis=1), ends.found)),
                *(f"{t:.0f}" for t in ends.times),
            )  # fmt: skip
    out = console()
    out.print(table)
    other = 1 - np.concatenate(same).mean()
    print_targets([Target("fits that end at another cost", 0.01, other)], out)


if __name__ == "__main__":
    main()
