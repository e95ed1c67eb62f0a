"""Diffusion: recovery, correlation, displacement, fronts."""

import numpy as np

from nlsq.models.guessing import Scan, positions, scales, values, widths
from nlsq.models.model import family, par
from nlsq.models.special import erfc, i0e, i1e

transport = family("transport")
_T = np.linspace(0.05, 20, 120)
_LAG = np.geomspace(1e-3, 1e3, 100)


@transport(
    "FRAP, uniform disk", None, _T, Scan(tau=widths(0.005, 5, 40)),
    f0=par("level after bleaching", "y", 0, 2), f1=par("recovery", "y", 2, 10),
    tau=par("diffusion time w**2/(4 D)", "x", 0.5, 5, 0),
    about="f0 + f1*exp(-2*tau/x)*(I0(2*tau/x) + I1(2*tau/x)), x > 0.",
    reference="Soumpasis, Biophys. J. 41, 95 (1983)",
)  # fmt: skip
def frap(x, f0, f1, tau):
    t = 2 * tau / x
    return f0 + f1 * (i0e(t) + i1e(t))


@transport(
    "Diffusion front", "c0/2*erfc((x - x0)/width)", np.linspace(0, 10, 100),
    Scan(x0=positions(32, 0.1), width=widths(0.01, 1.5, 18)),
    c0=par("concentration behind the front", "y", 1, 10), x0=par("place of the front", "x", 3, 7),
    width=par("2 sqrt(D t)", "x", 0.4, 3, 0),
    reference="Crank, The Mathematics of Diffusion, 2.2",
)  # fmt: skip
def diffusion_front(x, c0, x0, width):
    return c0 / 2 * erfc((x - x0) / width)


@transport(
    "Diffusion from a surface", "c0*erfc(x/width)", np.linspace(0, 10, 100),
    Scan(width=widths(0.005, 5, 44)),
    c0=par("concentration at the surface", "y", 1, 10), width=par("2 sqrt(D t)", "x", 0.8, 8, 0),
    reference="Crank, The Mathematics of Diffusion, 3.2",
)  # fmt: skip
def surface_diffusion(x, c0, width):
    return c0 * erfc(x / width)


@transport(
    "FCS in two dimensions", "g0/(1 + x/tau) + c", _LAG, Scan(tau=scales(n=44)),
    g0=par("amplitude: 1/number", "y", 1, 10), tau=par("diffusion time", "x", 0.05, 5, 0),
    c=par("level at the end", "y", -1, 1),
    reference="Magde, Elson & Webb, Phys. Rev. Lett. 29, 705 (1972)",
)  # fmt: skip
def fcs_2d(x, g0, tau, c):
    return g0 / (1 + x / tau) + c


@transport(
    "FCS in three dimensions", "g0/((1 + x/tau)*sqrt(1 + x/(kappa**2*tau)))", _LAG,
    Scan(tau=scales(n=32), kappa=values(1, 2, 4, 8)),
    g0=par("amplitude: 1/number", "y", 1, 10), tau=par("diffusion time", "x", 0.05, 5, 0),
    kappa=par("height over width of the volume", "", 1.5, 3, 1, 20),
    reference="Aragón & Pecora, J. Chem. Phys. 64, 1791 (1976)",
)  # fmt: skip
def fcs_3d(x, g0, tau, kappa):
    return g0 / ((1 + x / tau) * np.sqrt(1 + x / (kappa**2 * tau)))


@transport(
    "Anomalous diffusion", "d*x**alpha + noise", _T, Scan(alpha=values(*np.geomspace(0.1, 3, 40))),
    d=par("2 dimensions D", "y/x**alpha", 1, 10),
    alpha=par("exponent; 1 is Brownian", "", 0.4, 1.6, 0),
    noise=par("twice the localisation variance", "y", 0, 2),
    about="The mean square displacement.",
    reference="Metzler & Klafter, Phys. Rep. 339, 1 (2000)",
)  # fmt: skip
def anomalous_diffusion(x, d, alpha, noise):
    return d * x**alpha + noise


@transport(
    "Confined diffusion", "size*(1 - exp(-x/tau)) + noise", _T, Scan(tau=widths(0.005, 5, 40)),
    size=par("plateau", "y", 1, 10), tau=par("time to meet the walls", "x", 1, 6, 0),
    noise=par("twice the localisation variance", "y", 0, 1),
    about="The mean square displacement in a corral.",
    reference="Saxton & Jacobson, Annu. Rev. Biophys. 26, 373 (1997)",
)  # fmt: skip
def confined_diffusion(x, size, tau, noise):
    return -size * np.expm1(-x / tau) + noise


@transport(
    "Stejskal-Tanner", "s0*exp(-x*d)", np.linspace(0, 4, 60),
    Scan(d=lambda x, y: np.geomspace(0.02, 100, 44) / np.abs(x).max()),
    s0=par("signal at b = 0", "y", 1, 10), d=par("diffusion coefficient", "1/x", 0.2, 2, 0),
    about="x is the b-value.",
    reference="Stejskal & Tanner, J. Chem. Phys. 42, 288 (1965)",
)  # fmt: skip
def stejskal_tanner(x, s0, d):
    return s0 * np.exp(-x * d)


@transport(
    "Cottrell current", "k/sqrt(x) + background", _T, Scan(),
    k=par("n F A c sqrt(D/pi)", "y*x**0.5", 1, 10), background=par("other currents", "y", -1, 1),
    rescale=(False, True),
    reference="Cottrell, Z. Phys. Chem. 42, 385 (1903)",
)  # fmt: skip
def cottrell(x, k, background):
    return k / np.sqrt(x) + background
