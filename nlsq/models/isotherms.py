"""Adsorption isotherms: what is bound (y) at a concentration or pressure (x)."""

import numpy as np

from nlsq.models.guessing import Scan, exchange, inverse, line, scales, values
from nlsq.models.model import family, par

isotherm = family("isotherms")
_C = np.geomspace(0.05, 50, 60)
_AFFINITY = inverse(scales(0.1, 10, 40))
_COARSE = inverse(scales(0.1, 10, 24))


@isotherm(
    "Langmuir", "qmax*k*x/(1 + k*x)", _C, Scan(k=_AFFINITY),
    qmax=par("capacity", "y", 1, 10), k=par("affinity", "1/x", 0.1, 3, 0),
    reference="Langmuir, J. Am. Chem. Soc. 40, 1361 (1918)",
)  # fmt: skip
def langmuir(x, qmax, k):
    return qmax * k * x / (1 + k * x)


@isotherm(
    "Freundlich", "k*x**(1/n)", _C, Scan(n=values(*np.geomspace(0.2, 20, 60))),
    k=par("amount at x = 1", "y/x**(1/n)", 1, 10), n=par("intensity", "", 1, 4, 0),
    reference="Freundlich, Z. Phys. Chem. 57, 385 (1907)",
)  # fmt: skip
def freundlich(x, k, n):
    return k * x ** (1 / n)


@isotherm(
    "Sips", "qmax*(k*x)**n/(1 + (k*x)**n)", _C,
    Scan(k=_COARSE, n=values(*np.geomspace(0.25, 4, 14))),
    qmax=par("capacity", "y", 1, 10), k=par("affinity", "1/x", 0.2, 2, 0),
    n=par("heterogeneity; 1 is Langmuir", "", 0.7, 1.5, 0),
    reference="Sips, J. Chem. Phys. 16, 490 (1948)",
)  # fmt: skip
def sips(x, qmax, k, n):
    power = (k * x) ** n
    return qmax * power / (1 + power)


@isotherm(
    "Tóth", "qmax*k*x/(1 + (k*x)**t)**(1/t)", np.geomspace(0.01, 100, 80),
    Scan(k=_COARSE, t=values(*np.geomspace(0.2, 5, 14))),
    qmax=par("capacity", "y", 1, 10), k=par("affinity", "1/x", 0.3, 3, 0),
    t=par("heterogeneity; 1 is Langmuir", "", 0.5, 1.5, 0, 20),
    reference="Tóth, Acta Chim. Acad. Sci. Hung. 69, 311 (1971)",
)  # fmt: skip
def toth(x, qmax, k, t):
    return qmax * k * x / (1 + (k * x) ** t) ** (1 / t)


@isotherm(
    "Temkin", "b*log(a*x)", _C, lambda model, x, y: _temkin(x, y),
    a=par("binding constant", "1/x", 25, 100, 0),
    b=par("RT over the heat of adsorption", "y", 0.5, 5),
    reference="Temkin & Pyzhev, Acta Physicochim. URSS 12, 327 (1940)",
)  # fmt: skip
def temkin(x, a, b):
    return b * np.log(a * x)


def _temkin(x, y):
    b, level = line(np.log(x), y)
    return [np.exp(np.clip(level / b, -600, 600)) if b else 1.0, b]


@isotherm(
    "Brunauer-Emmett-Teller", "vm*c*x/((1 - x)*(1 + (c - 1)*x))", np.linspace(0.03, 0.6, 60),
    Scan(c=values(*np.geomspace(0.5, 3000, 60))),
    vm=par("monolayer", "y", 1, 10), c=par("BET constant", "", 5, 60, 0), rescale=(False, True),
    about="x is the pressure relative to saturation.",
    reference="Brunauer, Emmett & Teller, J. Am. Chem. Soc. 60, 309 (1938)",
)  # fmt: skip
def bet(x, vm, c):
    return vm * c * x / ((1 - x) * (1 + (c - 1) * x))


@isotherm(
    "Dual-site Langmuir", "q1*k1*x/(1 + k1*x) + q2*k2*x/(1 + k2*x)", np.geomspace(1e-3, 1e3, 120),
    Scan(exchange((3, 1), [2, 3, 0, 1]), k1=_COARSE, k2=_COARSE),
    q1=par("capacity of the strong sites", "y", 3, 8), k1=par("their affinity", "1/x", 10, 50, 0),
    q2=par("capacity of the weak sites", "y", 3, 8), k2=par("their affinity", "1/x", 0.02, 0.1, 0),
    reference="Graham, J. Phys. Chem. 57, 665 (1953)",
)  # fmt: skip
def dual_site_langmuir(x, q1, k1, q2, k2):
    return q1 * k1 * x / (1 + k1 * x) + q2 * k2 * x / (1 + k2 * x)


@isotherm(
    "Redlich-Peterson", "k*x/(1 + (a*x)**g)", _C,
    Scan(a=inverse(scales(0.03, 10, 30)), g=values(0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1)),
    k=par("initial slope", "y/x", 1, 10), a=par("affinity", "1/x", 0.3, 3, 0),
    g=par("exponent; 1 is Langmuir", "", 0.6, 0.95, 0, 1),
    reference="Redlich & Peterson, J. Phys. Chem. 63, 1024 (1959)",
)  # fmt: skip
def redlich_peterson(x, k, a, g):
    return k * x / (1 + (a * x) ** g)


@isotherm(
    "Jovanović", "qmax*(1 - exp(-k*x))", _C, Scan(k=_AFFINITY),
    qmax=par("capacity", "y", 1, 10), k=par("affinity", "1/x", 0.1, 2, 0),
    reference="Jovanović, Kolloid-Z. 235, 1203 (1969)",
)  # fmt: skip
def jovanovic(x, qmax, k):
    return -qmax * np.expm1(-k * x)


@isotherm(
    "Dubinin-Radushkevich", "q*exp(-beta*x**2)", np.linspace(0, 20, 60),
    Scan(beta=lambda x, y: np.geomspace(0.01, 300, 50) / np.abs(x).max() ** 2),
    q=par("capacity", "y", 1, 10), beta=par("1/(2 E**2)", "1/x**2", 0.003, 0.05, 0),
    about="x is Polanyi's potential R T log(1 + 1/c).",
    reference="Dubinin & Radushkevich, Proc. Acad. Sci. USSR 55, 331 (1947)",
)  # fmt: skip
def dubinin_radushkevich(x, q, beta):
    return q * np.exp(-beta * x**2)
