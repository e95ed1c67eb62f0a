"""Flow curves and moduli: x is the shear rate (or angular frequency), y the stress or viscosity."""

import numpy as np

from nlsq.models.guessing import Scan, inverse, line, scales, scan, values, widths
from nlsq.models.model import family, par

rheology = family("rheology")
_RATE = np.geomspace(0.01, 100, 60)
_WIDE = np.geomspace(1e-3, 1e3, 80)
_EXPONENT = values(*np.geomspace(0.1, 3, 40))
_TIME = inverse(scales(0.5, 2, 30))


@rheology(
    "Power-law fluid", "k*x**n", _RATE, Scan(n=_EXPONENT),
    k=par("consistency", "y/x**n", 1, 10), n=par("flow index", "", 0.3, 1.5, 0),
    reference="Ostwald, Kolloid-Z. 36, 99 (1925); de Waele (1923)",
)  # fmt: skip
def power_law_fluid(x, k, n):
    return k * x**n


@rheology(
    "Bingham fluid", "tau0 + eta*x", _RATE, Scan(),
    tau0=par("yield stress", "y", 1, 10, 0), eta=par("plastic viscosity", "y/x", 0.1, 1, 0),
    reference="Bingham, Fluidity and Plasticity (1922)",
)  # fmt: skip
def bingham(x, tau0, eta):
    return tau0 + eta * x


@rheology(
    "Herschel-Bulkley fluid", "tau0 + k*x**n", _RATE, Scan(n=_EXPONENT),
    tau0=par("yield stress", "y", 1, 10, 0), k=par("consistency", "y/x**n", 1, 5, 0),
    n=par("flow index", "", 0.3, 1, 0, 10),
    reference="Herschel & Bulkley, Kolloid-Z. 39, 291 (1926)",
)  # fmt: skip
def herschel_bulkley(x, tau0, k, n):
    return tau0 + k * x**n


@rheology(
    "Casson fluid", "(sqrt(tau0) + sqrt(eta*x))**2", _RATE, lambda model, x, y: _casson(x, y),
    tau0=par("yield stress", "y", 1, 10, 0), eta=par("Casson viscosity", "y/x", 0.1, 1, 0),
    reference="Casson, in Rheology of Disperse Systems, 84 (1959)",
)  # fmt: skip
def casson(x, tau0, eta):
    return (np.sqrt(tau0) + np.sqrt(eta * x)) ** 2


def _casson(x, y):
    """The square is linear in 1, sqrt(x) and x."""
    root = np.sqrt(np.maximum(x, 0))
    size = root.max() or 1.0
    tau0, _, eta = np.linalg.lstsq(np.vander(root / size, 3, increasing=True), y, rcond=None)[0]
    slope, level = line(root, np.sqrt(np.maximum(y, 0)))
    good = tau0 > 0 and eta > 0
    small = 1e-6 * np.abs(y).max() + 1e-300
    straight = [max(level, 0) ** 2 + small, max(slope, 0) ** 2 + small / size**2]
    starts = [straight] + ([[tau0, eta / size**2]] if good else [])
    return min(starts, key=lambda p: ((casson(np.maximum(x, 0), *p) - y) ** 2).sum())


@rheology(
    "Carreau fluid", "eta_inf + (eta0 - eta_inf)*(1 + (lam*x)**2)**((n - 1)/2)", _WIDE,
    Scan(lam=_TIME, n=values(*np.linspace(-0.5, 0.9, 12))),
    eta0=par("viscosity at rest", "y", 5, 20), eta_inf=par("viscosity at large rates", "y", 0.1, 1),
    lam=par("relaxation time", "1/x", 0.3, 10, 0), n=par("flow index", "", 0.1, 0.6, -3, 1),
    reference="Carreau, Trans. Soc. Rheol. 16, 99 (1972)",
)  # fmt: skip
def carreau(x, eta0, eta_inf, lam, n):
    return eta_inf + (eta0 - eta_inf) * (1 + (lam * x) ** 2) ** ((n - 1) / 2)


@rheology(
    "Cross fluid", "eta_inf + (eta0 - eta_inf)/(1 + (lam*x)**m)", _WIDE,
    Scan(lam=_TIME, m=values(*np.geomspace(0.2, 3, 12))),
    eta0=par("viscosity at rest", "y", 5, 20), eta_inf=par("viscosity at large rates", "y", 0.1, 1),
    lam=par("relaxation time", "1/x", 0.1, 10, 0), m=par("exponent", "", 0.5, 1.2, 0),
    reference="Cross, J. Colloid Sci. 20, 417 (1965)",
)  # fmt: skip
def cross(x, eta0, eta_inf, lam, m):
    return eta_inf + (eta0 - eta_inf) / (1 + (lam * x) ** m)


@rheology(
    "Maxwell storage modulus", "g*(x*tau)**2/(1 + (x*tau)**2)", _RATE, Scan(tau=_TIME),
    g=par("plateau", "y", 1, 10), tau=par("relaxation time", "1/x", 0.1, 10, 0),
    reference="Maxwell, Phil. Trans. 157, 49 (1867)",
)  # fmt: skip
def maxwell_storage(x, g, tau):
    square = (x * tau) ** 2
    return g * square / (1 + square)


@rheology(
    "Maxwell loss modulus", "g*x*tau/(1 + (x*tau)**2)", _RATE, Scan(tau=_TIME),
    g=par("plateau of the storage modulus", "y", 1, 10),
    tau=par("relaxation time", "1/x", 0.1, 10, 0),
    reference="Maxwell, Phil. Trans. 157, 49 (1867)",
)  # fmt: skip
def maxwell_loss(x, g, tau):
    return g * x * tau / (1 + (x * tau) ** 2)


@rheology(
    "Burgers creep", "j0 + j1*(1 - exp(-x/tau)) + x/eta", np.linspace(0, 20, 100),
    lambda model, x, y: _burgers(x, y),
    j0=par("instant compliance", "y", 1, 4), j1=par("delayed compliance", "y", 2, 8),
    tau=par("retardation time", "x", 0.8, 3, 0), eta=par("x/y of the flow", "x/y", 3, 10),
    rescale=(False, False),
    reference="Burgers, First Report on Viscosity and Plasticity (1935)",
)  # fmt: skip
def burgers(x, j0, j1, tau, eta):
    return j0 + j1 * (1 - np.exp(-x / tau)) + x / eta


def _burgers(x, y):
    def linear(x, j0, j1, tau, flow):
        return j0 - j1 * np.expm1(-x / tau) + flow * x

    axes = [None, None, widths(0.005, 2, 40)(x, y), None]
    j0, j1, tau, flow = scan(linear, axes, x, y)
    return [j0, j1, tau, 1 / flow if flow else np.nan]
