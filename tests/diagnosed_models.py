"""Sixty models whose identifiability is known, for `test_diagnostics` and the table of the docs.

FINE: every parameter is known from the data (relative errors below 0.25 by SciPy's derivatives at
the truth, or an absolute one where the truth is 0), many of them sloppy, correlated or in awkward
units. REDUNDANT: some parameters act through fewer combinations, by algebra. TOGETHER: the data lie
where a combination alone acts (x far below a saturation, rates too close). ONE-SIDED: a parameter
beyond a limit changes nothing. LOST: starts from which a fit ends where a constant would do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

FINE, REDUNDANT, TOGETHER, ONE_SIDED, LOST = "fine", "redundant", "together", "one-sided", "lost"


@dataclasses.dataclass(frozen=True)
class Case:
    """A model, the truth and the noise; what is to be said of a fit from `start`.

    Attributes
    ----------
    said : tuple of str
        What must stand in facts, | between texts of which one is enough; () where nothing is an
        alarm.
    seeds : tuple of int
        Of the noise.
    """

    name: str
    kind: str
    model: Callable
    x: np.ndarray
    truth: tuple
    noise: float
    start: tuple | None = None
    said: tuple[str, ...] = ()
    seeds: tuple[int, ...] = (0, 1)

    def data(self, seed: int) -> np.ndarray:
        y = self.model(self.x, *self.truth)
        return y + self.noise * np.random.default_rng(seed).normal(size=self.x.size)


def x(low: float, high: float, count: int = 60) -> np.ndarray:
    return np.linspace(low, high, count)


def decay(t, a, k, c):
    return a * np.exp(-k * t) + c


def two(t, a1, k1, a2, k2):
    return a1 * np.exp(-k1 * t) + a2 * np.exp(-k2 * t)


def three(t, a1, k1, a2, k2, a3, k3):
    return two(t, a1, k1, a2, k2) + a3 * np.exp(-k3 * t)


def two_lives(t, a1, a2, t1, t2):
    return a1 * np.exp(-t / t1) + a2 * np.exp(-t / t2)


def saturation(x, vmax, km):
    return vmax * x / (km + x)


def rise(t, a, k):
    return a * (1 - np.exp(-k * t))


def hill(x, vmax, k, n):
    return vmax * x**n / (k**n + x**n)


def peak(x, a, m, s):
    return a * np.exp(-(((x - m) / s) ** 2) / 2)


def logistic(x, a, k, m):
    return a / (1 + np.exp(-k * (x - m)))


def sine(t, a, f, phase, c):
    return a * np.sin(f * t + phase) + c


def line(x, a, b):
    return a * x + b


def step(x, b, c, d):
    return b / (1 + np.exp(-(c + d * x)))


_TINY = 1e-12

FINE_CASES = [
    Case("line", FINE, line, x(0, 10), (2.0, 1.0), 0.1),
    Case("line over years", FINE, line, x(1990, 2020, 31), (0.5, -995.0), 0.2),
    Case("parabola", FINE, lambda x, a, b, c: a + b * x + c * x**2, x(-3, 3), (1, 2, -1), 0.1),
    Case("decay", FINE, lambda t, a, k: a * np.exp(-k * t), x(0, 4), (2.0, 1.0), 0.02),
    Case("decay, offset", FINE, decay, x(0, 5), (2.0, 1.0, 0.5), 0.02),
    Case("decay, offset of 0", FINE, decay, x(0, 6), (2.0, 1.0, 0.0), 0.02),
    Case("decay in tiny units", FINE, decay, x(0, 5), (2 * _TINY, 1.0, 0.5 * _TINY), 0.02 * _TINY,
         (_TINY, 2.0, _TINY)),
    Case("decay in huge times", FINE, decay, 1e12 * x(0, 5), (2.0, 1e-12, 0.5), 0.02,
         (1.0, 2e-12, 1.0)),
    Case("two decays", FINE, two, x(0, 8), (2.0, 3.0, 1.0, 0.3), 0.01, (1.0, 4.0, 1.0, 0.5)),
    Case("two decays, one negative", FINE, two, x(0, 9), (3.0, 0.3, -3.0, 2.0), 0.01,
         (2.0, 0.5, -2.0, 3.0)),
    Case("three decays, sloppy", FINE, three, x(0, 1.15, 48),
         (0.0951, 1.0, 0.8607, 3.0, 1.5576, 5.0), 1e-8, (0.1, 1.1, 0.9, 3.1, 1.5, 5.1)),
    Case("rise", FINE, rise, x(0, 5), (2.0, 1.0), 0.02),
    Case("rise to half, correlated", FINE, rise, x(0, 0.7), (2.0, 1.0), 0.002),
    Case("Michaelis and Menten", FINE, saturation, x(0.1, 20), (3.0, 4.0), 0.02),
    Case("Michaelis and Menten, half way", FINE, saturation, x(0.1, 4), (3.0, 4.0), 0.01),
    Case("Hill", FINE, hill, x(0.1, 10), (2.0, 3.0, 2.0), 0.01),
    Case("Gauss", FINE, peak, x(-5, 5), (3.0, 0.5, 1.0), 0.05),
    Case("two peaks that overlap", FINE,
         lambda x, a, m, s, b, q, w: peak(x, a, m, s) + peak(x, b, q, w), x(-5, 5, 120),
         (3.0, -0.8, 0.8, 2.0, 1.0, 0.7), 0.02),
    Case("Lorentz", FINE, lambda x, a, m, s: a * s / ((x - m) ** 2 + s**2), x(-5, 5),
         (2.0, 0.3, 0.8), 0.03),
    Case("logistic", FINE, logistic, x(-5, 5), (2.0, 1.5, 0.5), 0.02),
    Case("Gompertz", FINE, lambda t, a, b, k: a * np.exp(-b * np.exp(-k * t)), x(0, 8),
         (2.0, 4.0, 0.8), 0.02),
    Case("sine", FINE, sine, x(0, 10), (2.0, 1.7, 0.5, 1.0), 0.1, (1.5, 1.65, 0.3, 0.5)),
    Case("sine with a term that is 0", FINE,
         lambda t, a, b, c: a * np.sin(2 * t) + b * np.cos(2 * t) + c, x(0, 10), (2.0, 0.0, 1.0),
         0.1),
    Case("damped sine", FINE, lambda t, a, k, f, q: a * np.exp(-k * t) * np.sin(f * t + q),
         x(0, 10), (2.0, 0.3, 3.0, 0.4), 0.03, (1.5, 0.2, 2.9, 0.3)),
    Case("power law", FINE, lambda x, a, n: a * x**n, x(1, 10), (0.5, 1.7), 0.1),
    Case("stretched decay", FINE, lambda t, a, k, b: a * np.exp(-((k * t) ** b)), x(0.05, 6),
         (2.0, 1.0, 0.6), 0.005),
    Case("Arrhenius", FINE, lambda T, lna, e: lna - e / T, x(280, 360), (25.0, 6000.0), 0.02),
    Case("ratio of polynomials", FINE, lambda x, a, b, c: (a + b * x) / (1 + c * x), x(0, 10),
         (1.0, 3.0, 0.5), 0.01),
    Case("weak signal, many points", FINE, line, x(-1, 1, 2000), (0.4, 5.0), 1.0),
    Case("mean", FINE, lambda x, c: c + 0 * x, x(0, 1), (3.0,), 0.2),
]  # fmt: skip

BAD_CASES = [
    Case("a product", REDUNDANT, lambda t, a, b, k: a * b * np.exp(-k * t), x(0, 4), (2, 3, 1),
         0.02, said=("a, b: only a*b is determined",)),
    Case("a product begun at unequal values", REDUNDANT,
         lambda t, a, b, k: a * b * np.exp(-k * t), x(0, 4), (2, 3, 1), 0.02, (1.0, 4.0, 1.0),
         said=("a, b: only a*b is determined",)),
    Case("a quotient", REDUNDANT, lambda x, a, b, c: a / b * x + c, x(0, 5), (2, 4, 1), 0.02,
         (1.0, 3.0, 0.5), said=("a, b: only a/b is determined",)),
    Case("a sum", REDUNDANT, lambda t, a, k, q: a * np.exp(-(k + q) * t), x(0, 4), (2, 0.3, 0.5),
         0.02, (1.0, 0.2, 0.7), said=("k, q: only k + q is determined",)),
    Case("a difference", REDUNDANT, lambda x, a, b, c: a * x + b - c, x(0, 5), (2, 4, 1), 0.05,
         (1.0, 3.0, 1.0), said=("b, c: only b - c is determined",)),
    Case("a square", REDUNDANT, lambda x, a, b: a * b**2 * x, x(0, 5), (2, 3), 0.05, (1.0, 2.0),
         said=("a, b: only a*b**2 is determined",)),
    Case("three factors", REDUNDANT, lambda x, a, b, c: a * b * c * x, x(0, 5), (2, 3, 1), 0.05,
         (1.0, 2.0, 1.5), said=("a, b, c: only a*b*c is determined",)),
    Case("two products", REDUNDANT, lambda x, a, b, c, d: a * b * x + c * d, x(0, 5),
         (2, 3, 1, 2), 0.05, (1.0, 2.0, 1.0, 1.5),
         said=("a, b: only a*b is determined", "c, d: only c*d is determined")),
    Case("amplitude and shift", REDUNDANT, lambda t, a, t0: a * np.exp(-(t - t0) / 2.0), x(0, 4),
         (2, 3), 0.02, (1.0, 1.0), said=("a, t0: only a*exp(0.5*t0) is determined",)),
    Case("only through two quotients", REDUNDANT,
         lambda x, a, b, c: (a / c) * (1 - np.exp(-c * x / b)), x(0, 10), (2, 3, 1), 0.01,
         (1.0, 2.0, 0.7), said=("a, b, c: only a/c and b/c are determined",)),
    Case("the same line twice", REDUNDANT, lambda x, a, b, c: a * x + b * x + c, x(0, 5),
         (2, 3, 1), 0.05, (1.0, 2.5, 1.0), said=("a, b: only a + b is determined",)),
    Case("a radius", REDUNDANT, lambda x, a, b: np.hypot(a, b) * x, x(0, 5), (2, 3), 0.05,
         (1.0, 2.0), said=("a, b: only 1 combination",)),
    Case("a peak's height twice", REDUNDANT,
         lambda x, a, b, m, s: a / b * np.exp(-(((x - m) / s) ** 2)), x(-4, 4), (2, 3, 0.5, 1),
         0.02, (1.0, 2.0, 0.0, 1.0), said=("a, b: only a/b is determined",)),
    Case("a parameter that does nothing", REDUNDANT, lambda x, a, b: a * x + 0 * b, x(0, 5),
         (2, 3), 0.05, said=("b: the model does not respond",)),
    Case("saturation far away", TOGETHER, saturation, x(0, 0.02), (3, 5), 1e-4, (1.0, 2.0),
         said=("vmax, km: only vmax/km is known well",)),
    Case("saturation ten times beyond", TOGETHER, saturation, x(0.01, 0.5), (3, 5), 0.04,
         (2.0, 3.0), said=("vmax, km: only vmax/km is known well",)),
    Case("rise just begun", TOGETHER, rise, x(0, 0.05), (2, 1), 2e-3, (1.0, 2.0),
         said=("a, k: only a*k is known well",)),
    Case("rise just begun, in tiny units", TOGETHER, lambda t, a, k: rise(t, a, k),
         1e-12 * x(0, 0.05), (2e-12, 1e12), 2e-15, (1e-12, 2e12),
         said=("a, k: only a*k is known well",)),
    Case("rates too close", TOGETHER, two_lives, x(0.3, 10, 100),
         (3.0, -5.0, 2.0, 10.0), 0.2, (5.0, -5.0, 2.0, 5.0),
         said=("a1, a2: only a1 + a2 is known well",), seeds=(3, 10)),
    Case("offset hidden in a slow decay", TOGETHER, decay, x(0, 0.3), (2.0, 0.2, 1.0), 0.01,
         (1.5, 0.3, 1.2),
         said=("a, c: only a + c is known well|a, k: only a*k is known well|none alone",)),
    Case("offset hidden in a slow rise", TOGETHER,
         lambda t, a, k, c: c + a * (1 - np.exp(-k * t)), x(0, 0.1), (2.0, 0.5, 1.0), 2e-3,
         (1.5, 0.7, 1.2), said=("a, k: only a*k is known well",)),
    Case("Langmuir, dilute", TOGETHER, lambda p, q, b: q * b * p / (1 + b * p), x(0, 0.01),
         (4, 0.5), 1e-4, (2.0, 1.0), said=("q, b: only q*b is known well",)),
    Case("Monod, dilute, with an offset", TOGETHER,
         lambda s, mu, k, c: mu * s / (k + s) + c, x(0, 0.05), (1.0, 2.0, 0.2), 6e-4,
         (0.8, 1.0, 0.1), said=("mu, k: only mu/k is known well",)),
    Case("a step between two points", ONE_SIDED, step, x(0, 26, 27), (1.1, -191.0, 12.0), 0.03,
         (0.5, -48.0, 3.0), said=("d is bounded only from below",)),
    Case("a rate faster than the clock", ONE_SIDED, decay, np.append(0.0, x(1, 6, 40)),
         (2.0, 9.0, 0.5), 0.05, (1.0, 1.0, 1.0), said=("k is bounded only from below",)),
    Case("a plateau reached at once", ONE_SIDED, rise, x(0, 60, 31), (2.0, 4.0), 0.03,
         (1.0, 1.0), said=("k is bounded only from below",)),
    Case("a logistic between two points", ONE_SIDED, logistic, x(0, 26, 27), (1.1, 12.0, 15.5),
         0.03, (1.0, 4.0, 15.3), said=("k is bounded only from below",)),
    Case("frequency far off", LOST, sine, x(0, 60, 200), (2.0, 2.0, 0.5, 1.0), 0.1,
         (1.0, 4.0, 0.0, 0.0), said=("wrong model or minimum",)),
    Case("a peak looked for elsewhere", LOST, peak, x(-50, 50, 200), (3.0, 20.0, 0.5), 0.05,
         (1.0, -30.0, 0.5), said=("wrong model or minimum",)),
    Case("noise alone", LOST, line, x(0, 10, 40), (0.0, 1.0), 0.3,
         said=("wrong model or minimum",)),
]  # fmt: skip

CASES = FINE_CASES + BAD_CASES

# abscissae of a public report (StackOverflow 22376433)
SEO = np.array((
    "3 33 146 227 342 351 353 444 556 571 709 759 836 860 968 1056 1726 1846 1872 1986 2311 "
    "2366 2608 2676 3098 3278 3288 4434 5034 5049 5085 5089 5089 5097 5324 5389 5565 5623 "
    "6080 6380 6477 6740 7192 7447 7644 7837 7843 7922 8738 10089 10237 10258 10491 10625 "
    "10982 11175 11411 11442 11811 12559 12559 12791 13121 13486 14708 15251 15261 15277 "
    "15806 16185 16229 16358 17168 17458 17758 18287 18568 18728 19556 20567 21012 21308 "
    "23063 24127 25910 26770 27753 28460 28493 29361 30085 32408 35338 36799 37642 37654 "
    "37915 39715 40580 42015 42045 42188 42296 42296 45406 46653 47596 48296 49171 49416 "
    "50145 52042 52489 52875 53321 53443 54433 55381 56463 56485 56560 57042 62551 62651 "
    "62661 63732 64103 64893 71043 74364 75409 76057 81542 82702 84566 88682 "
    ).split(), float)  # fmt: skip
