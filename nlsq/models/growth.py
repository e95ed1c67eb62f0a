"""Growth curves and sigmoids."""

import numpy as np

from nlsq.models.decays import exponential_decay
from nlsq.models.guessing import Scan, positions, rates, values, widths
from nlsq.models.model import family, par
from nlsq.models.special import expit

growth = family("growth")
_T = np.linspace(0, 10, 100)
_MIDDLE = positions(28, 0.15)
_RATE = rates(0.5, 200, 16)


@growth(
    "Exponential growth with offset", "a*exp(b*x) + c", np.linspace(0, 5, 100),
    Scan(b=rates(0.05, 60, 36)),
    a=par("amplitude at x = 0", "y", 0.5, 3), b=par("rate", "1/x", 0.3, 1, 0),
    c=par("offset", "y", -1, 1),
)  # fmt: skip
def exponential_growth(x, a, b, c):
    return a * np.exp(b * x) + c


@growth(
    "Sigmoid", "L/(1 + exp(-k*(x - x0))) + b", _T, Scan(x0=_MIDDLE, k=_RATE),
    L=par("height of the step", "y", 2, 10), x0=par("middle", "x", 3, 7),
    k=par("steepness", "1/x", 0.7, 8, 0), b=par("level on the left", "y", -2, 2),
    about="The logistic function between two levels.",
)  # fmt: skip
def sigmoid(x, L, x0, k, b):
    return L * expit(k * (x - x0)) + b


@growth(
    "Logistic growth", "capacity/(1 + exp(-rate*(x - x0)))", _T, Scan(x0=_MIDDLE, rate=_RATE),
    capacity=par("carrying capacity", "y", 2, 10), x0=par("time of half the capacity", "x", 3, 7),
    rate=par("growth rate", "1/x", 0.6, 3, 0),
    reference="Verhulst, Corresp. Math. Phys. 10, 113 (1838)",
)  # fmt: skip
def logistic_growth(x, capacity, x0, rate):
    return capacity * expit(rate * (x - x0))


@growth(
    "Gompertz growth", "capacity*exp(-exp(-rate*(x - x0)))", _T,
    Scan(x0=_MIDDLE, rate=rates(0.5, 100, 18)),
    capacity=par("final size", "y", 2, 10), x0=par("time of the fastest growth", "x", 2, 6),
    rate=par("rate", "1/x", 0.5, 2, 0),
    reference="Gompertz, Phil. Trans. 115, 513 (1825); Winsor, PNAS 18, 1 (1932)",
)  # fmt: skip
def gompertz(x, capacity, x0, rate):
    return capacity * np.exp(-np.exp(-rate * (x - x0)))


@growth(
    "Gompertz growth by lag and slope", "top*exp(-exp(slope*exp(1)/top*(lag - x) + 1))", _T,
    lambda model, x, y: _zwietering(x, y),
    top=par("final size", "y", 4, 10, 0), slope=par("largest slope", "y/x", 1, 3, 0),
    lag=par("lag time", "x", 1, 4),
    reference="Zwietering et al., Appl. Environ. Microbiol. 56, 1875 (1990)",
)  # fmt: skip
def gompertz_lag(x, top, slope, lag):
    return top * np.exp(-np.exp(slope * np.e / top * (lag - x) + 1))


def _zwietering(x, y):
    capacity, x0, rate = Scan(x0=_MIDDLE, rate=rates(0.5, 100, 18))(gompertz, x, y)
    return [capacity, capacity * rate / np.e, x0 - 1 / rate]


@growth(
    "Richards growth", "capacity/(1 + nu*exp(-rate*(x - x0)))**(1/nu)", np.linspace(0, 12, 150),
    Scan(x0=positions(24, 0.15), rate=rates(0.7, 100, 14), nu=values(0.05, 0.3, 1, 2, 5)),
    capacity=par("final size", "y", 2, 10), x0=par("time of the fastest growth", "x", 4, 7),
    rate=par("rate", "1/x", 0.8, 2, 0),
    nu=par("shape: 1 is logistic, 0 Gompertz", "", 0.5, 2, 1e-3, 100),
    reference="Richards, J. Exp. Bot. 10, 290 (1959)",
)  # fmt: skip
def richards(x, capacity, x0, rate, nu):
    return capacity * np.exp(-np.logaddexp(0, np.log(nu) - rate * (x - x0)) / nu)


@growth(
    "Von Bertalanffy growth", "size*(1 - exp(-k*(x - x0)))", np.linspace(0.5, 10, 80),
    lambda model, x, y: _bertalanffy(x, y),
    size=par("final size", "y", 2, 10), k=par("rate", "1/x", 0.2, 1, 0),
    x0=par("age at size zero", "x", -1, 0.4),
    reference="von Bertalanffy, Hum. Biol. 10, 181 (1938)",
)  # fmt: skip
def von_bertalanffy(x, size, k, x0):
    return size * (1 - np.exp(-k * (x - x0)))


def _bertalanffy(x, y):
    start = x.min()
    lost, k, size = Scan(b=rates(0.05, 100, 40))(exponential_decay, x - start, y)
    gone = -lost / size if size else 1.0
    return [size, k, start + np.log(max(gone, 1e-3)) / k]


@growth(
    "Saturating growth", "a*(1 - exp(-b*x)) + c", _T, Scan(b=rates(0.05, 200, 40)),
    a=par("amplitude", "y", 1, 10), b=par("rate", "1/x", 0.25, 2, 0),
    c=par("value at x = 0", "y", -2, 2),
    about="First-order approach to a level.",
)  # fmt: skip
def saturating_growth(x, a, b, c):
    return a * (1 - np.exp(-b * x)) + c


@growth(
    "Weibull growth", "top - (top - bottom)*exp(-(x/scale)**k)", _T,
    Scan(scale=widths(0.02, 2, 22), k=values(*np.geomspace(0.4, 10, 12))),
    bottom=par("value at x = 0", "y", 0, 2), top=par("final value", "y", 4, 10),
    scale=par("time scale", "x", 2, 6, 0), k=par("shape", "", 1, 4, 0),
    reference="Weibull, J. Appl. Mech. 18, 293 (1951)",
)  # fmt: skip
def weibull_growth(x, bottom, top, scale, k):
    return top - (top - bottom) * np.exp(-((x / scale) ** k))


@growth(
    "Logarithmic growth", "a*log(x) + b", np.linspace(0.5, 20, 80), Scan(),
    a=par("change over a factor e", "y", 1, 5), b=par("value at x = 1", "y", -3, 3),
    rescale=(False, True),
)  # fmt: skip
def logarithmic(x, a, b):
    return a * np.log(x) + b
