"""What `benchmarks.global` fits: models as users write them, data, wide boxes, the global minimum.

The minima come from outside: a multi-start with SciPy's `trf` (`benchmarks.global_reference`, which
writes ``global_minima.json``: the least sum of squares, where it lies, and the share of the starts,
uniform in the box, that ended there), compared with NIST's certified values and with those of the
public reports. A box spans decades about the answer and is not centred on it. MGH n are the
problems of Moré, Garbow and Hillstrom (1981); their 15 is NIST's MGH09, 10 MGH10, 17 MGH17.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import global_drawn as drawn
from tests.nist import PROBLEMS as NIST

MINIMA = Path(__file__).with_name("global_minima.json")
_ZERO = 1e-14  # of y's own sum of squares: below it a sum of squares is 0


class Problem(NamedTuple):
    """One problem with its answer.

    Attributes
    ----------
    name : str
    f : callable
        f(x, *params), in NumPy.
    x : (m,) or (2, m)
    y : (m,)
    lo, hi : (n,)
        The box.
    best : float
        The sum of squares at the global minimum in the box.
    popt : (n,)
        A global minimum.
    minima : int
        How many there are; those that swap labels, as of two peaks, count once.
    share : float
        Of SciPy's `trf` fits, scaled by the Jacobian, from starts uniform in the box, those that
        end there.
    source : str
    rtol : float
        Excess of the sum of squares, relative, up to which a point counts as the minimum.
    """

    name: str
    f: Callable[..., np.ndarray]
    x: np.ndarray
    y: np.ndarray
    lo: np.ndarray
    hi: np.ndarray
    best: float
    popt: np.ndarray
    minima: int
    share: float
    source: str
    rtol: float

    def sse(self, p) -> float:
        """The sum of squares at p (n,); infinite where the model is not finite."""
        with np.errstate(all="ignore"):
            value = float(np.sum((self.f(self.x, *p) - self.y) ** 2))
        return value if np.isfinite(value) else np.inf

    def reached(self, sse: float) -> bool:
        """Whether a sum of squares is that of the global minimum, or less."""
        return sse <= max(self.best * (1 + self.rtol), _ZERO * float(np.sum(self.y**2)))


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(), float)


def offset_decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def saturating(x, a, b, c):
    return a - b * np.exp(-c * x)


def relaxing(x, a, b, c):
    return (a - c) * np.exp(-x / b) + c


def sine(x, a, f, ph, o):
    return a * np.sin(2 * np.pi * f * x + ph) + o


def hill(x, t, n, k):
    return t * x**n / (k**n + x**n)


def redundant(x, a, b, c, d):
    return (a / c) * (1 - np.exp(-c * x / b)) ** d


def cancelling(x, a, b, c):
    return a * (1 - np.exp(-x / b)) + c


def logistic(x, b, c, d):
    return b / (1 + np.exp(-(c + d * x)))


def air_mass(z, a, b):
    return a / np.cos(np.radians(z)) + b


def two_lifetimes(x, a1, a2, t1, t2):
    return a1 * np.exp(-x / t1) + a2 * np.exp(-x / t2)


def lorentzian(x, x0, a, s):
    return a * s / ((x - x0) ** 2 + s**2)


def tetra(t, a1, l1, a2, l2):
    return a1 * np.exp(-np.exp(l1) * t) + a2 * np.exp(-np.exp(l2) * t)


def flip_flop(t, ka, cl, v):
    k = cl / v
    return np.log10(ka * 1000 / (v * (ka - k)) * (np.exp(-k * t) - np.exp(-ka * t)))


def osborne2(t, a, b, c, d, e, f, g, h, i, j, k):
    peaks = b * np.exp(-f * (t - i) ** 2) + c * np.exp(-g * (t - j) ** 2)
    return a * np.exp(-e * t) + peaks + d * np.exp(-h * (t - k) ** 2)


def biexp6(t, x1, x2, x3, x4, x5, x6):
    return x3 * np.exp(-x1 * t) - x4 * np.exp(-x2 * t) + x6 * np.exp(-x5 * t)


def jennrich_sampson(i, a, b):
    return np.exp(i * a) + np.exp(i * b)


def bard(u, a, b, c):
    v = 16 - u
    return a + u / (v * b + np.minimum(u, v) * c)


def michaelis_menten(s, v, k):
    return v * s / (k + s)


def _kern():
    x = _numbers(".8 11 12 16 32 37.8 44 48 56 64 88 96 112 128 144 176 192")
    return x, _numbers("""0.94597685600279 0.95856916599601 0.96009142950541 0.96454515552826
        0.97938932735214 0.98252400815195 0.98500175787242 0.98621192462708 0.98816995007392
        0.98964101933472 0.99247255046129 0.99308203517541 0.99406737810867 0.99480702681278
        0.99538268958706 0.99622916581118 0.99653501465135""")


def _covid():
    return np.arange(36, 73.0), _numbers("""4 4 4 6 6 13 22 22 26 28 38 48 55 65 65 92 112 134
        171 210 267 307 353 436 669 669 818 1029 1219 1405 1617 1791 2032 2032 2182 2298 2389""")


def _qtt():
    half = _numbers("""3.14159274 2.82743335 2.51327419 2.1991148 1.88495564 1.57079637 1.2566371
        .94247782 .62831855 .31415927""")
    x = np.concatenate([-half, [0], half[::-1]])
    return x, _numbers(""".36166668 .37 .38499999 .435 .51666665 .58999997 .61166668 .66500002
        .75 .77999997 .78333336 .80500001 .74166667 .7183333 .64833331 .57999998 .47333333
        .43666667 .36500001 .34833333 .34""")


def _redundant():
    x = _numbers("""3 33 146 227 342 351 353 444 556 571 709 759 836 860 968 1056 1726 1846 1872
        1986 2311 2366 2608 2676 3098 3278 3288 4434 5034 5049 5085 5089 5089 5097 5324 5389
        5565 5623 6080 6380 6477 6740 7192 7447 7644 7837 7843 7922 8738 10089 10237 10258 10491
        10625 10982 11175 11411 11442 11811 12559 12559 12791 13121 13486 14708 15251 15261
        15277 15806 16185 16229 16358 17168 17458 17758 18287 18568 18728 19556 20567 21012
        21308 23063 24127 25910 26770 27753 28460 28493 29361 30085 32408 35338 36799 37642
        37654 37915 39715 40580 42015 42045 42188 42296 42296 45406 46653 47596 48296 49171
        49416 50145 52042 52489 52875 53321 53443 54433 55381 56463 56485 56560 57042 62551
        62651 62661 63732 64103 64893 71043 74364 75409 76057 81542 82702 84566 88682""")
    return x, np.arange(1.0, x.size + 1)


def _step():
    y = np.zeros(27)
    y[5] = 0.26899724779580747
    y[16:] = _numbers("""0.7596293832300737 1.2214165441700262 1.044997340851686
        .7705897033203687 1.280988851538506 1.4403870545862594 1.439644250890874
        1.280013863325763 .9349706185969648 .7035165962457238 .914155421685926""")
    return np.arange(27.0), y


def _air_mass():
    return np.arange(0, 51, 5.0), _numbers("""1.54378e-5 1.54341e-5 1.55381e-5 1.54877e-5
        1.55381e-5 1.56225e-5 1.56568e-5 1.56822e-5 1.58282e-5 1.60016e-5 1.62545e-5""")


def _tetra():
    return _numbers("1 2 3 4 6 8 10 12 16"), _numbers(".7 1.2 1.4 1.4 1.1 .8 .6 .5 .3")


def _flip_flop():
    t = _numbers(".1 .2 .4 .6 1 2 3 6 12")
    return t, np.log10(_numbers("4.91 8.65 12.4 18.7 24.3 24.5 18.4 4.66 .238"))


def _hill():
    return _numbers("0 .1 .3 1 3 10 30 100"), _numbers(".01 .03 .09 .26 .52 .76 .92 .97")


def _lmfit64(seed):
    x = np.linspace(0.3, 10, 100)
    noise = 0.2 * np.random.default_rng(seed).normal(size=100)
    return x, 3 * np.exp(-x / 2) - 5 * np.exp(-x / 10) + noise


def _narrow():
    x = np.linspace(-63.4, -62.4, 201)
    noise = np.random.default_rng(0).normal(0, 3e6, 201)
    return x, 6e7 * 0.021 / ((x + 62.905) ** 2 + 0.021**2) + noise


def _so68903961():
    x = np.linspace(0, 4, 50)
    noise = 0.2 * np.random.default_rng(2).normal(size=50)
    return x, saturating(x, 823.5, 5.3, 8.2) + noise


def _far():
    x = np.linspace(60, 3060, 200)
    return x, relaxing(x, 100, 400, 20) + 0.2 * np.random.default_rng(1).normal(size=200)


def _osborne2():
    return 0.1 * np.arange(65), _numbers("""1.366 1.191 1.112 1.013 .991 .885 .831 .847 .786
        .725 .746 .679 .608 .655 .616 .606 .602 .626 .651 .724 .649 .649 .694 .644 .624 .661
        .612 .558 .533 .495 .5 .423 .395 .375 .372 .391 .396 .405 .428 .429 .523 .562 .607 .653
        .672 .708 .633 .668 .645 .632 .591 .559 .597 .625 .739 .71 .729 .72 .636 .581 .428 .292
        .162 .098 .054""")


def _bard():
    return np.arange(1, 16.0), _numbers(""".14 .18 .22 .25 .29 .32 .35 .39 .37 .58 .73 .96 1.34
        2.1 4.39""")


def _puromycin():
    x = np.repeat(_numbers(".02 .06 .11 .22 .56 1.1"), 2)
    return x, _numbers("76 47 97 107 123 139 159 152 191 201 207 200")


def _indometh():
    return _numbers(".25 .5 .75 1 1.25 2 3 4 5 6 8"), _numbers(
        "1.5 .94 .78 .48 .37 .19 .12 .11 .08 .07 .05"
    )


_PI = np.pi
_TENTHS = 0.1 * np.arange(1, 14)
# name, model, (x, y), lower and upper ends of the box, source
_PUBLIC = [
    ("covid", offset_decay, _covid(), [-1e3, -1, -3e3], [1e3, 1, 3e3], "StackOverflow 61452274"),
    ("kern", offset_decay, _kern(), [-10, 0, -2], [10, 10, 2], "SciPy-User 2012-01-09"),
    ("so68903961", saturating, _so68903961(), [-1e3, -1e3, 0], [2e3, 1e3, 100],
     "StackOverflow 68903961"),
    ("far-x", relaxing, _far(), [-1e3, 1, -1e3], [1e3, 1e4, 1e3], "reports of far x"),
    ("qtt809", sine, _qtt(), [0, 0, -_PI, -1], [1, 1.5, _PI, 2], "qtt#809"),
    ("hill-0", hill, _hill(), [0, 0.1, 1e-3], [5, 8, 1e3], "Hill's equation with x = 0"),
    ("redundant", redundant, _redundant(), [1, 1, 1e-3, 0.01], [1e4, 1e6, 1e3, 10],
     "StackOverflow 22376433"),
    ("cancelling", cancelling, (_numbers("77.87 87.76 68.6 66.29"), _numbers("1 1 .8 .6")),
     [0, 0.1, -1e9], [1e9, 1e3, 0], "R-help"),
    ("step", logistic, _step(), [0, -1e3, -60], [10, 1e3, 60], "scipy#5980"),
    ("air-mass", air_mass, _air_mass(), [-1, -1], [1, 1], "LsqFit.jl#103"),
    ("lmfit64-0", two_lifetimes, _lmfit64(0), [-50, -50, 0.01, 0.01], [50, 50, 100, 100],
     "lmfit#64"),
    ("lmfit64-1", two_lifetimes, _lmfit64(1), [-50, -50, 0.01, 0.01], [50, 50, 100, 100],
     "lmfit#64"),
    ("scipy19459", lorentzian, _narrow(), [-70, 0, 1e-3], [-60, 1e9, 10], "scipy#19459"),
    ("tetra", tetra, _tetra(), [-50, -5, -50, -5], [50, 5, 50, 5], "R, nlsCompare: Tetra_1"),
    ("flip-flop", flip_flop, _flip_flop(), [0.01, 0.1, 0.1], [100, 1e3, 1e3], "CGNM"),
    ("osborne-2", osborne2, _osborne2(), [0] * 11, [10] * 8 + [7] * 3, "MGH 19"),
    ("biexp6", biexp6, (_TENTHS, biexp6(_TENTHS, 1, 10, 1, 5, 4, 3)), [0] * 6, [20] * 6,
     "MGH 18"),
    ("jennrich-sampson", jennrich_sampson, (np.arange(1, 11.0), 2 + 2 * np.arange(1, 11.0)),
     [-10, -10], [10, 10], "MGH 6"),
    ("bard", bard, _bard(), [-10, -10, -10], [10, 10, 10], "MGH 8"),
    ("puromycin", michaelis_menten, _puromycin(), [0, 0], [1e5, 1e3], "Bates and Watts (1988)"),
    ("indometh", tetra, _indometh(), [-50, -10, -50, -10], [50, 5, 50, 5], "R: Indometh, 1"),
]  # fmt: skip

_NIST = {
    "Lanczos3": ([0] * 6, [10] * 6),
    "MGH09": ([-5] * 4, [5] * 4),
    "Misra1a": ([0, 0], [1e5, 1]),
    "Chwirut2": ([0, 0, 0], [10, 1, 1]),
    "Gauss3": ([0, 0, 0, 0, 1, 0, 0, 1], [500, 1, 500, 250, 200, 500, 250, 200]),
    "Kirby2": ([-100, -10, -1, -0.1, -0.01], [100, 10, 1, 0.1, 0.01]),
    "Hahn1": (
        [-10, -1, -0.1, -1e-3, -0.1, -0.01, -1e-4],
        [100, 1, 0.1, 1e-3, 0.1, 0.01, 1e-4],
    ),
    "MGH17": ([-100, -100, -100, 0, 0], [100, 200, 100, 1, 1]),
    "Roszman1": ([-10, -1e-3, 0, -4000], [10, 1e-3, 1e5, 1000]),
    "ENSO": (
        [-50, -10, -10, 2, -10, -10, 2, -10, -10],
        [50, 10, 10, 200, 10, 10, 200, 10, 10],
    ),
    "Thurber": ([0] * 7, [1e4, 1e4, 1e4, 1e3, 10, 10, 10]),
    "MGH10": ([0, 0, 1], [10, 1e5, 1e4]),
    "BoxBOD": ([0, 0], [1e4, 100]),
    "Rat43": ([0, 0, 0, 0.01], [1e4, 100, 50, 20]),
    "Eckerle4": ([0, 0.1, 300], [100, 100, 600]),
    "Bennett5": ([-1e5, 0, 0.1], [0, 1e3, 10]),
}
_RTOL = {"cancelling": 1e-5}  # its model loses eight digits
_EQUAL = {"flip-flop": 2}


def _made() -> dict[str, Problem]:
    cases = [*_PUBLIC, *drawn.CASES]
    for nist in NIST:
        if nist.name in _NIST:
            cases.append((nist.name, nist.model_numpy, (nist.x, nist.y), *_NIST[nist.name], "NIST"))
    known = json.loads(MINIMA.read_text()) if MINIMA.exists() else {}
    made = {}
    for name, f, (x, y), lo, hi, source in cases:
        answer = known.get(name, {"best": np.nan, "popt": [np.nan] * len(lo), "share": np.nan})
        made[name] = Problem(
            name, f, x, y, np.array(lo, float), np.array(hi, float), answer["best"],
            np.array(answer["popt"]), _EQUAL.get(name, 1), answer["share"], source,
            _RTOL.get(name, 1e-6),
        )  # fmt: skip
    return made


PROBLEMS = _made()
