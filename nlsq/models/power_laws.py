"""Power laws and rational functions."""

import numpy as np

from nlsq.models.guessing import Scan, rates, scales, scan, values
from nlsq.models.model import family, par

power = family("power laws")
_X = np.geomspace(0.2, 20, 80)
_EXPONENT = values(*np.linspace(-4, 4, 65))


@power(
    "Power law", "a*x**b", _X, Scan(b=_EXPONENT),
    a=par("value at x = 1", "y/x**b", 1, 10), b=par("exponent", "", -2, 2.5),
)  # fmt: skip
def power_law(x, a, b):
    return a * x**b


@power(
    "Power law with offset", "a*x**b + c", _X, Scan(b=values(*np.linspace(-4.03, 4, 61))),
    a=par("change at x = 1", "y/x**b", 1, 10), b=par("exponent", "", 0.5, 2.5),
    c=par("offset", "y", -3, 3),
)  # fmt: skip
def power_law_offset(x, a, b, c):
    return a * x**b + c


@power(
    "Power law with a cut-off", "a*x**b*exp(-x/cutoff)", _X,
    Scan(b=values(*np.linspace(-3, 4, 36)), cutoff=scales(1, 10, 24)),
    a=par("scale at x = 1", "y/x**b", 1, 10), b=par("exponent", "", -0.5, 2),
    cutoff=par("cut-off", "x", 2, 8, 0),
    reference="Schechter, Astrophys. J. 203, 297 (1976)",
)  # fmt: skip
def power_law_cutoff(x, a, b, cutoff):
    return a * x**b * np.exp(-x / cutoff)


@power(
    "Broken power law", "amp*(x/x0)**a/((1 + (x/x0)**4)/2)**((a - b)/4)", _X,
    Scan(x0=scales(0.7, 1.4, 16), a=values(*np.linspace(-3, 3, 9)),
    b=values(*np.linspace(-4, 3, 9))),
    amp=par("value at the break", "y", 1, 10), x0=par("break", "x", 1, 5, 0),
    a=par("exponent below", "", 0.5, 2), b=par("exponent above", "", -2, -0.3),
    about="With a smooth break, of about a third of a decade.",
)  # fmt: skip
def broken_power_law(x, amp, x0, a, b):
    t = x / x0
    return amp * t**a / ((1 + t**4) / 2) ** ((a - b) / 4)


@power(
    "Hyperbola", "a/(1 + b*x)", np.linspace(0, 10, 80), Scan(b=rates(0.02, 500, 44)),
    a=par("value at x = 0", "y", 1, 10), b=par("rate", "1/x", 0.2, 3, 0),
    reference="Mazur, in Quantitative Analyses of Behavior 5, 55 (1987)",
)  # fmt: skip
def hyperbola(x, a, b):
    return a / (1 + b * x)


@power(
    "Rational function", "(a + b*x)/(1 + c*x)", np.linspace(0, 10, 80),
    Scan(c=rates(0.02, 500, 44)),
    a=par("value at x = 0", "y", -2, 2), b=par("c times the value at the end", "y/x", 2, 8),
    c=par("rate", "1/x", 0.2, 2, 0),
    about="The Padé approximant of order 1/1, without a pole at x > 0.",
)  # fmt: skip
def rational(x, a, b, c):
    return (a + b * x) / (1 + c * x)


@power(
    "Rational function of degree two", "(a + b*x)/(1 + c*x + d*x**2)", np.linspace(0, 10, 120),
    lambda model, x, y: _rational2(model, x, y),
    a=par("value at x = 0", "y", 0.5, 3), b=par("slope of the numerator", "y/x", 1, 4),
    c=par("linear term", "1/x", 0, 0.3, 0), d=par("quadratic term", "1/x**2", 0.05, 0.3, 0),
)  # fmt: skip
def rational2(x, a, b, c, d):
    return (a + b * x) / (1 + c * x + d * x**2)


def _rational2(model, x, y):
    size = np.abs(x).max() or 1.0
    c = np.concatenate([[0.0], np.geomspace(0.05, 200, 18)]) / size
    d = np.concatenate([[0.0], np.geomspace(0.05, 3000, 26)]) / size**2
    return scan(model.function, [None, None, c, d], x, y, model.bounds())
