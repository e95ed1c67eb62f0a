"""Steps and edges."""

import numpy as np

from nlsq.models.guessing import Scan, positions, widths
from nlsq.models.model import family, par
from nlsq.models.special import erf, expit

step = family("steps")
_X = np.linspace(0, 10, 101)
_EDGE = Scan(x0=positions(36, 0.05), width=widths(0.004, 0.7, 16))
_HEIGHT = par("height of the step", "y", 2, 10)
_PLACE = par("middle of the step", "x", 3, 7)
_OFFSET = par("level on the left", "y", -2, 2)


@step(
    "Error-function step", "amp*(1 + erf((x - x0)/(width*sqrt(2))))/2 + offset", _X, _EDGE,
    amp=_HEIGHT, x0=_PLACE, width=par("standard deviation of the blur", "x", 0.3, 1.5, 0),
    offset=_OFFSET,
)  # fmt: skip
def erf_step(x, amp, x0, width, offset):
    return amp * (1 + erf((x - x0) / (width * np.sqrt(2)))) / 2 + offset


@step(
    "Logistic step", "amp/(1 + exp(-(x - x0)/width)) + offset", _X, _EDGE,
    amp=_HEIGHT, x0=_PLACE, width=par("scale of the rise", "x", 0.2, 1, 0), offset=_OFFSET,
    about="The Fermi function upside down; `sigmoid` with width = 1/k.",
)  # fmt: skip
def logistic_step(x, amp, x0, width, offset):
    return amp * expit((x - x0) / width) + offset


@step(
    "Arctangent step", "amp*(0.5 + arctan((x - x0)/width)/pi) + offset", _X, _EDGE,
    amp=_HEIGHT, x0=_PLACE, width=par("half width of the edge", "x", 0.2, 0.8, 0), offset=_OFFSET,
    about="An absorption edge with a lifetime.",
    reference="Richtmyer, Barnes & Ramberg, Phys. Rev. 46, 843 (1934)",
)  # fmt: skip
def arctan_step(x, amp, x0, width, offset):
    return amp * (0.5 + np.arctan((x - x0) / width) / np.pi) + offset


@step(
    "Hyperbolic tangent step", "amp*tanh((x - x0)/width) + offset", _X, _EDGE,
    amp=par("half the height", "y", 2, 10), x0=_PLACE,
    width=par("scale of the rise", "x", 0.4, 2, 0),
    offset=par("level in the middle", "y", -2, 2),
)  # fmt: skip
def tanh_step(x, amp, x0, width, offset):
    return amp * np.tanh((x - x0) / width) + offset


@step(
    "Fermi function", "amp/(exp((x - mu)/kt) + 1)", _X,
    Scan(mu=positions(36, 0.05), kt=widths(0.004, 0.5, 16)),
    amp=par("level on the left", "y", 2, 10), mu=par("chemical potential", "x", 3, 7),
    kt=par("thermal energy", "x", 0.15, 1, 0),
    reference="Fermi, Z. Phys. 36, 902 (1926)",
)  # fmt: skip
def fermi(x, amp, mu, kt):
    return amp * expit((mu - x) / kt)


@step(
    "Rectangle with soft edges", "amp/2*(erf((x - left)/width) - erf((x - right)/width))", _X,
    Scan(
        lambda p: p if p[1] <= p[2] else p[[0, 2, 1, 3]] * [-1, 1, 1, 1],
        left=positions(18, 0.02), right=positions(18, 0.02), width=widths(0.01, 0.3, 5),
    ),
    amp=_HEIGHT, left=par("left edge", "x", 1.5, 4), right=par("right edge", "x", 6, 8.5),
    width=par("width of the edges", "x", 0.2, 1, 0),
    about="A slit or a gate seen through a Gaussian blur.",
)  # fmt: skip
def rectangle(x, amp, left, right, width):
    return amp / 2 * (erf((x - left) / width) - erf((x - right) / width))


@step(
    "Bent line", None, _X, Scan(x0=positions(32), width=widths(0.01, 0.3, 8)),
    level=par("value at the bend's corner", "y", -2, 2),
    left=par("slope on the left", "y/x", -1, 0),
    right=par("slope on the right", "y/x", 1, 3), x0=par("bend", "x", 3, 7),
    width=par("width of the bend", "x", 0.3, 1, 0),
    about="Two lines joined by a hyperbola: (right - left)/2*(sqrt(t**2 + width**2) + t) + "
    "left*t + level, t = x - x0.",
    reference="Griffiths & Miller, Biometrics 29, 281 (1973)",
)  # fmt: skip
def bent_line(x, level, left, right, x0, width):
    t = x - x0
    return level + left * t + (right - left) / 2 * (np.sqrt(t**2 + width**2) + t)
