"""Fits whose residuals are known to be good, or bad in one way: a table with fixed seeds."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nlsq import curve_fit

SEEDS = range(3)


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def peak(x, a, centre, width, c):
    return a * np.exp(-(((x - centre) / width) ** 2)) + c


def saturation(x, top, half):
    return top * x / (half + x)


def wave(x, a, f, c):
    return a * np.sin(f * x) + c


def plane(x, a, b, c):
    return a * x[0] + b * x[1] + c


def line(x, a, b):
    return a * x + b


TRUTH = {
    decay: (2.0, 1.0, 0.3), peak: (3.0, 2.0, 0.8, 1.0), saturation: (5.0, 2.0),
    wave: (2.0, 1.7, 0.5), plane: (1.0, -2.0, 3.0), line: (2.0, 1.0),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Case:
    """One row: the model, its points, what is added to its curve, and what is to be said."""

    name: str
    model: Callable
    x: np.ndarray
    noise: Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]  # x, f, rng
    codes: tuple[str, ...] = ()  # any of these; none: nothing is to be said
    options: dict[str, Any] = field(default_factory=dict)
    truth: tuple[float, ...] | None = None  # of the curve, where the model is not the true one
    curve: Callable | None = None

    def fit(self, seed: int):
        """The result of the fit of this seed's data."""
        rng = np.random.default_rng([seed, sum(map(ord, self.name))])
        p = np.array(TRUTH[self.model])
        f = self.model(self.x, *p) if self.curve is None else self.curve(self.x)
        y = f + self.noise(self.x, f, rng)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return curve_fit(self.model, self.x, y, **({"p0": 0.9 * p} | self.options))

    def __str__(self) -> str:
        return self.name


def normal(size):
    return lambda x, f, rng: size * rng.normal(size=f.size)


def _poisson(x, f, rng):
    return rng.poisson(f) - f


def _correlated(rho, size):
    def noise(x, f, rng):
        e = rng.normal(size=f.size)
        for i in range(1, e.size):
            e[i] = rho * e[i - 1] + np.sqrt(1 - rho**2) * e[i]
        return size * e

    return noise


def _outlying(where, by, size=0.05):
    def noise(x, f, rng):
        e = size * rng.normal(size=f.size)
        e[list(where)] += by * size
        return e

    return noise


def _and(term, size=0.05):
    return lambda x, f, rng: term(x) + size * rng.normal(size=f.size)


def _t(dof, size):
    return lambda x, f, rng: size * rng.standard_t(dof, f.size)


X = np.linspace(0, 5, 100)
FEW, MANY = np.linspace(0, 5, 8), np.linspace(0, 5, 5000)
THRICE = np.repeat(np.linspace(0.2, 6, 20), 3)
MIXED = np.random.default_rng(7).permutation(X)
GRID = np.stack([g.ravel() for g in np.meshgrid(np.linspace(0, 1, 12), np.linspace(0, 1, 10))])
SIGMA = 0.02 + 0.08 * np.linspace(0, 1, 100) ** 2
PATTERN = ("pattern", "neighbours")
FAR = ("outlier", "tails")

GOOD = (
    Case("8 points", decay, FEW, normal(0.05)),
    Case("12 points of a peak", peak, np.linspace(0, 4, 12), normal(0.05)),
    Case("100 points", decay, X, normal(0.05)),
    Case("5000 points", decay, MANY, normal(0.1)),
    Case("more noise than curve", peak, X, normal(2.0)),
    Case("sigma of each point", decay, X, lambda x, f, rng: SIGMA * rng.normal(size=100),
         options={"sigma": SIGMA}),
    Case("right sigma", decay, X, lambda x, f, rng: SIGMA * rng.normal(size=100),
         options={"sigma": SIGMA, "absolute_sigma": True}),
    Case("counts", peak, X, _poisson, curve=lambda x: peak(x, 900.0, 2.0, 0.8, 200.0),
         options={"sigma": np.sqrt(peak(X, 900.0, 2.0, 0.8, 200.0)), "absolute_sigma": True,
                  "p0": (800, 2.1, 0.9, 100)}),
    Case("decades of x", saturation, np.geomspace(0.01, 100, 30), normal(0.05)),
    Case("replicates", saturation, THRICE, normal(0.1)),
    Case("replicates, sorted by y too", saturation, THRICE,
         lambda x, f, rng: np.sort(0.1 * rng.normal(size=(20, 3)), axis=1).ravel()),
    Case("shuffled", wave, MIXED, normal(0.2)),
    Case("plane", plane, GRID, normal(0.2)),
    Case("robust loss", decay, X, normal(0.05), options={"loss": "soft_l1", "f_scale": 0.05}),
    Case("fixed parameter", decay, X, normal(0.05), options={"fixed": {"c": 0.3}}),
    Case("at a bound", decay, X, normal(0.05), options={"bounds": ([0, 0, 0.31], [9, 9, 9]),
                                                       "p0": (1, 1, 1)}),
    Case("large and tiny units", decay, X, lambda x, f, rng: 5e-10 * rng.normal(size=100),
         curve=lambda x: decay(x, 2e-8, 1.0, 1e-8), options={"p0": (1e-8, 0.8, 0)}),
    Case("rounded to integers", line, np.linspace(0, 97, 60),
         lambda x, f, rng: np.round(f + 3 * rng.normal(size=60)) - f),
    Case("without noise", decay, X, lambda x, f, rng: 0 * x),
    Case("zeros", line, X, lambda x, f, rng: -f),
    Case("without noise, weighted", decay, X, lambda x, f, rng: 0 * x, options={"sigma": SIGMA}),
)  # fmt: skip

BAD = (
    Case("missing bump", decay, X, _and(lambda x: 0.4 * np.exp(-((x - 3) ** 2))), PATTERN),
    Case("missing narrow line", decay, X, _and(lambda x: np.exp(-((x - 3) ** 2) / 0.02)), PATTERN),
    Case("missing ripple", decay, X, _and(lambda x: 0.2 * np.sin(9 * x)), PATTERN),
    Case("faint ripple, many points", decay, MANY, _and(lambda x: 0.05 * np.sin(5 * x), 0.1),
         PATTERN),
    Case("line for a curve", line, X, normal(0.05), PATTERN, curve=lambda x: decay(x, 2, 1, 0.3)),
    Case("wrong minimum", wave, X, normal(0.2), PATTERN, options={"p0": (1.0, 6.0, 0.0)}),
    Case("drift", wave, X, _and(lambda x: 0.3 * (x - 2.5)), PATTERN),
    Case("term of a plane", plane, GRID, lambda x, f, rng: 2 * x[0] * x[1] + 0.05 *
         rng.normal(size=f.size), PATTERN),
    Case("AR(1) noise", decay, X, _correlated(0.8, 0.1), PATTERN),
    Case("alternating noise", decay, X, _correlated(-0.7, 0.1), PATTERN),
    Case("shuffled, missing bump", decay, MIXED, _and(lambda x: 0.4 * np.exp(-((x - 3) ** 2))),
         PATTERN),
    Case("an outlier", decay, X, _outlying([40], 9), FAR),
    Case("an outlier of 12 points", saturation, np.linspace(0.2, 9, 12), _outlying([5], 14), FAR),
    Case("two outliers that hide each other", decay, X, _outlying([40, 43], 9), FAR),
    Case("outliers at the ends", peak, X, _outlying([0, 99], 9), FAR),
    Case("a weighted outlier", decay, X, lambda x, f, rng: SIGMA * (rng.normal(size=100) +
         8 * (x == X[10])), FAR, {"sigma": SIGMA}),
    Case("tails of Student's t", decay, np.linspace(0, 5, 300), _t(2, 0.05), FAR),
    Case("noise grows along x", decay, X, lambda x, f, rng: 0.02 * np.exp(0.5 * x) *
         rng.normal(size=100), ("spread",)),
    Case("noise of 10 % of y", decay, np.linspace(0, 5, 200), lambda x, f, rng: 0.1 * f *
         rng.normal(size=200), ("spread",)),
    Case("noise shrinks", line, X, lambda x, f, rng: 2 * np.exp(-0.5 * x) * rng.normal(size=100),
         ("spread",)),
    Case("wrong weights", peak, X, normal(0.1), ("spread",),
         {"sigma": 0.02 * np.exp(0.5 * X)}),
    Case("sigma twice too small", decay, X, normal(0.1), ("chi-squared",),
         {"sigma": np.full(100, 0.05), "absolute_sigma": True}),
    Case("sigma twice too large", decay, X, normal(0.05), ("chi-squared",),
         {"sigma": np.full(100, 0.1), "absolute_sigma": True}),
    Case("one point decides", line, np.append(np.linspace(0, 3, 24), 30.0),
         _outlying([24], 60, 0.1), ("influence",)),
)  # fmt: skip
