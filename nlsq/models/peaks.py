"""Peaks, without a baseline: add one with ``"gaussian + linear"``.

`amp` is the height over zero unless the text says otherwise; a negative one is a dip.
"""

import numpy as np

from nlsq.models.guessing import Scan, positions, signed, summits, values, widths
from nlsq.models.model import family, par
from nlsq.models.special import erfc, erfcx, expit, voigt_profile

peak = family("peaks")
_X = np.linspace(0, 10, 101)


@peak(
    "Gaussian", "amp*exp(-(x - mu)**2/(2*sigma**2))", _X, Scan(mu=summits(), sigma=widths()),
    amp=par("height", "y", 1, 10), mu=par("centre", "x", 2, 8),
    sigma=par("standard deviation", "x", 0.15, 2, 0),
)  # fmt: skip
def gaussian(x, amp, mu, sigma):
    return amp * np.exp(-((x - mu) ** 2) / (2 * sigma**2))


@peak(
    "Lorentzian", "amp/(1 + ((x - x0)/gamma)**2)", _X, Scan(x0=summits(), gamma=widths()),
    amp=par("height", "y", 1, 10), x0=par("centre", "x", 2, 8),
    gamma=par("half width at half maximum", "x", 0.15, 2, 0),
    reference="Lorentz, Proc. Amst. Acad. Sci. 8, 591 (1906)",
)  # fmt: skip
def lorentzian(x, amp, x0, gamma):
    return amp / (1 + ((x - x0) / gamma) ** 2)


@peak(
    "Voigt", None, _X,
    Scan(x0=summits(8), sigma=widths(0.004, 0.4, 6), gamma=widths(0.002, 0.4, 5)),
    area=par("area under the peak", "y*x", 1, 10), x0=par("centre", "x", 2, 8),
    sigma=par("standard deviation of the Gaussian part", "x", 0.3, 1, 0),
    gamma=par("half width of the Lorentzian part", "x", 0.2, 1, 0),
    about="A Gaussian convolved with a Lorentzian, of given area.",
    reference="Voigt, Sitzungsber. Bayer. Akad. Wiss., 603 (1912)",
)  # fmt: skip
def voigt(x, area, x0, sigma, gamma):
    return area * voigt_profile(x - x0, sigma, gamma)


@peak(
    "Pseudo-Voigt",
    "amp*(eta/(1 + ((x - x0)/gamma)**2) + (1 - eta)*exp(-log(2)*((x - x0)/gamma)**2))",
    _X, Scan(x0=summits(16), gamma=widths(), eta=values(0, 0.25, 0.5, 0.75, 1)),
    amp=par("height", "y", 1, 10), x0=par("centre", "x", 2, 8),
    gamma=par("half width at half maximum", "x", 0.25, 1.5, 0),
    eta=par("Lorentzian part", "", 0.1, 0.9, 0, 1),
    about="The sum of a Gaussian and a Lorentzian of one width.",
    reference="Wertheim et al., Rev. Sci. Instrum. 45, 1369 (1974)",
)  # fmt: skip
def pseudo_voigt(x, amp, x0, gamma, eta):
    square = ((x - x0) / gamma) ** 2
    return amp * (eta / (1 + square) + (1 - eta) * np.exp(-np.log(2) * square))


@peak(
    "Skewed Gaussian", "amp*exp(-(x - x0)**2/(2*sigma**2))*erfc(-skew*(x - x0)/(sigma*sqrt(2)))",
    _X, Scan(x0=summits(16), sigma=widths(0.01, 1, 10), skew=signed(values(0.5, 1, 2, 4, 8))),
    amp=par("scale: 2 sigma sqrt(pi/2) amp is the area", "y", 1, 10), x0=par("location", "x", 3, 7),
    sigma=par("scale", "x", 0.6, 1.5, 0), skew=par("shape; 0 is a Gaussian", "", 1, 6),
    reference="Azzalini, Scand. J. Statist. 12, 171 (1985)",
)  # fmt: skip
def skewed_gaussian(x, amp, x0, sigma, skew):
    # at skew = 0 the fit has a saddle: the guess keeps away from it
    t = (x - x0) / sigma
    return amp * np.exp(-(t**2) / 2) * erfc(-skew * t / np.sqrt(2))


@peak(
    "Exponentially modified Gaussian",
    "area/(2*tau)*exp(sigma**2/(2*tau**2) - (x - mu)/tau)"
    "*erfc((sigma/tau - (x - mu)/sigma)/sqrt(2))",
    np.linspace(0, 20, 151), Scan(mu=summits(16), sigma=widths(0.005, 0.3, 8),
    tau=widths(0.005, 0.5, 8)),
    area=par("area under the peak", "y*x", 1, 10), mu=par("centre of the Gaussian", "x", 4, 8),
    sigma=par("its standard deviation", "x", 0.3, 1, 0),
    tau=par("time constant of the tail", "x", 0.6, 3, 0),
    about="A Gaussian with a tail, as chromatographs draw them.",
    reference="Grushka, Anal. Chem. 44, 1733 (1972)",
)  # fmt: skip
def exponentially_modified_gaussian(x, area, mu, sigma, tau):
    t = (x - mu) / sigma
    z = (sigma / tau - t) / np.sqrt(2)
    # erfc underflows on the left of the peak, exp overflows: erfcx is their product
    left = np.exp(-(t**2) / 2) * erfcx(np.maximum(z, 0))
    right = np.exp(sigma**2 / (2 * tau**2) - np.maximum(t, sigma / tau) * sigma / tau)
    return area / (2 * tau) * np.where(z > 0, left, right * erfc(np.minimum(z, 0)))


@peak(
    "Fano resonance", "amp*(q + (x - x0)/gamma)**2/(1 + ((x - x0)/gamma)**2)", _X,
    Scan(x0=summits(20),
    gamma=widths(0.01, 0.5, 10), q=signed(values(0.05, 0.3, 0.7, 1, 1.5, 3, 8))),
    amp=par("level far from the resonance", "y", 1, 10), x0=par("resonance", "x", 3.5, 6.5),
    gamma=par("half width", "x", 0.4, 1.2, 0), q=par("asymmetry", "", 0.3, 3),
    reference="Fano, Phys. Rev. 124, 1866 (1961)",
)  # fmt: skip
def fano(x, amp, x0, gamma, q):
    t = (x - x0) / gamma
    return amp * (q + t) ** 2 / (1 + t**2)


@peak(
    "Pearson VII", "amp/(1 + (2**(1/m) - 1)*((x - x0)/gamma)**2)**m", _X,
    Scan(x0=summits(), gamma=widths(), m=values(0.6, 1, 2, 4, 10)),
    amp=par("height", "y", 1, 10), x0=par("centre", "x", 2, 8),
    gamma=par("half width at half maximum", "x", 0.25, 1.5, 0),
    m=par("shape: 1 is a Lorentzian, infinity a Gaussian", "", 0.8, 4, 0.5, 1000),
    reference="Hall et al., J. Appl. Cryst. 10, 66 (1977)",
)  # fmt: skip
def pearson7(x, amp, x0, gamma, m):
    return amp / (1 + (2 ** (1 / m) - 1) * ((x - x0) / gamma) ** 2) ** m


@peak(
    "Moffat", "amp/(1 + ((x - x0)/alpha)**2)**beta", _X,
    Scan(x0=summits(), alpha=widths(0.005, 2), beta=values(0.6, 1, 2, 4, 10)),
    amp=par("height", "y", 1, 10), x0=par("centre", "x", 2, 8),
    alpha=par("core width", "x", 0.4, 2, 0),
    beta=par("slope of the wings", "", 1, 4, 0, 1000),
    about="The image of a star in a turbulent atmosphere.",
    reference="Moffat, Astron. Astrophys. 3, 455 (1969)",
)  # fmt: skip
def moffat(x, amp, x0, alpha, beta):
    return amp / (1 + ((x - x0) / alpha) ** 2) ** beta


@peak(
    "Split Gaussian", None, _X,
    Scan(x0=summits(16), left=widths(0.01, 0.7, 9), right=widths(0.01, 0.7, 9)),
    amp=par("height", "y", 1, 10), x0=par("summit", "x", 3, 7),
    left=par("standard deviation on the left", "x", 0.25, 1.5, 0),
    right=par("standard deviation on the right", "x", 0.25, 1.5, 0),
)  # fmt: skip
def split_gaussian(x, amp, x0, left, right):
    return amp * np.exp(-0.5 * ((x - x0) / np.where(x < x0, left, right)) ** 2)


@peak(
    "Split Lorentzian", None, _X,
    Scan(x0=summits(16), left=widths(0.01, 0.7, 9), right=widths(0.01, 0.7, 9)),
    amp=par("height", "y", 1, 10), x0=par("summit", "x", 3, 7),
    left=par("half width on the left", "x", 0.25, 1.5, 0),
    right=par("half width on the right", "x", 0.25, 1.5, 0),
)  # fmt: skip
def split_lorentzian(x, amp, x0, left, right):
    return amp / (1 + ((x - x0) / np.where(x < x0, left, right)) ** 2)


@peak(
    "Log-normal peak", "amp*exp(-(log(x/x0)/width)**2/2)", np.linspace(0.1, 20, 120),
    Scan(x0=summits(40), width=values(*np.geomspace(0.03, 2, 14))),
    amp=par("height", "y", 1, 10), x0=par("summit, x0 > 0", "x", 2, 8, 0),
    width=par("standard deviation of log(x)", "", 0.15, 0.8, 0),
    reference="Siano & Metzler, J. Chem. Phys. 51, 1856 (1969)",
)  # fmt: skip
def lognormal_peak(x, amp, x0, width):
    return amp * np.exp(-((np.log(x / x0) / width) ** 2) / 2)


@peak(
    "Squared hyperbolic secant", "amp/cosh((x - x0)/width)**2", _X,
    Scan(x0=summits(), width=widths()),
    amp=par("height", "y", 1, 10), x0=par("centre", "x", 2, 8),
    width=par("width: the half width at half maximum is 0.881 of it", "x", 0.15, 2, 0),
    about="The pulse of a mode-locked laser; a soliton.",
)  # fmt: skip
def sech2(x, amp, x0, width):
    t = 2 * (x - x0) / width
    return 4 * amp * expit(t) * expit(-t)


@peak(
    "Doniach-Šunjić line", None, np.linspace(0, 10, 151),
    Scan(x0=summits(20), gamma=widths(0.005, 0.3, 10), alpha=values(0, 0.1, 0.2, 0.35, 0.5)),
    amp=par("scale; the height when alpha is 0", "y", 1, 10), x0=par("line", "x", 3, 7),
    gamma=par("half width", "x", 0.2, 0.8, 0),
    alpha=par("asymmetry: the tail is at larger x", "", 0.05, 0.4, 0, 1),
    about="A photoemission line of a metal.",
    reference="Doniach & Šunjić, J. Phys. C 3, 285 (1970)",
)  # fmt: skip
def doniach_sunjic(x, amp, x0, gamma, alpha):
    t = (x - x0) / gamma
    angle = np.pi * alpha / 2 + (1 - alpha) * np.arctan(t)
    return amp * np.cos(angle) / (1 + t**2) ** ((1 - alpha) / 2)


@peak(
    "Slit diffraction", None, _X, Scan(x0=summits(32), width=widths(0.02, 1, 20)),
    amp=par("height", "y", 1, 10), x0=par("centre", "x", 3.5, 6.5),
    width=par("distance of the first zero", "x", 0.6, 2, 0),
    about="amp*sinc(pi*(x - x0)/width)**2: Fraunhofer diffraction at a slit.",
    reference="Born & Wolf, Principles of Optics, 8.5",
)  # fmt: skip
def sinc_squared(x, amp, x0, width):
    return amp * np.sinc((x - x0) / width) ** 2


@peak(
    "Dispersive Lorentzian", "amp*2*((x - x0)/gamma)/(1 + ((x - x0)/gamma)**2)", _X,
    Scan(x0=positions(48), gamma=widths(0.005, 0.7, 16)),
    amp=par("height of the extremes", "y", 1, 10), x0=par("resonance", "x", 3, 7),
    gamma=par("half width", "x", 0.15, 2, 0),
    about="The out-of-phase part of a resonance.",
)  # fmt: skip
def dispersive_lorentzian(x, amp, x0, gamma):
    t = (x - x0) / gamma
    return 2 * amp * t / (1 + t**2)


def _spot(model, xy, z):
    """Moments of what stands out over the level of most points."""
    offset = np.median(z)
    height = z[np.abs(z - offset).argmax()] - offset
    weight = np.clip((z - offset) * (np.sign(height) or 1.0), 0, None)
    weight = np.where(weight > 0.35 * abs(height), weight, 0) + 1e-300
    x0, y0 = (weight * xy).sum(axis=1) / weight.sum()
    wide = np.sqrt((weight * (xy - [[x0], [y0]]) ** 2).sum(axis=1) / weight.sum())
    wide = np.maximum(wide * 1.5, np.ptp(xy, axis=1) / 100 + 1e-300)
    return [height, x0, y0, *wide, offset]


@peak(
    "Gaussian in two dimensions",
    None, np.mgrid[0:10:20j, 0:10:20j].reshape(2, -1), _spot,
    amp=par("height", "y", 1, 10), x0=par("centre in x[0]", "x", 3, 7),
    y0=par("centre in x[1]", "x", 3, 7),
    sigma_x=par("standard deviation in x[0]", "x", 0.8, 2, 0),
    sigma_y=par("standard deviation in x[1]", "x", 0.8, 2, 0),
    offset=par("level", "y", 0, 2),
    about="A spot on a camera; x has shape (2, m).",
)  # fmt: skip
def gaussian_2d(x, amp, x0, y0, sigma_x, sigma_y, offset):
    square = ((x[0] - x0) / sigma_x) ** 2 + ((x[1] - y0) / sigma_y) ** 2
    return amp * np.exp(-square / 2) + offset
