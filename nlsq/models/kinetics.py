"""Rates of reactions: enzymes (x is a concentration) and reactions in time (x is the time)."""

import numpy as np

from nlsq.models.guessing import Scan, rates, scales, scan, span, values, widths
from nlsq.models.model import family, par
from nlsq.models.special import exprel

kinetics = family("kinetics")
_S = np.geomspace(0.05, 50, 60)
_T = np.linspace(0, 10, 100)
_K = scales(n=44)


@kinetics(
    "Michaelis-Menten", "vmax*x/(km + x)", _S, Scan(km=_K),
    vmax=par("largest rate", "y", 1, 10), km=par("concentration of half of it", "x", 0.3, 10, 0),
    reference="Michaelis & Menten, Biochem. Z. 49, 333 (1913)",
)  # fmt: skip
def michaelis_menten(x, vmax, km):
    return vmax * x / (km + x)


@kinetics(
    "Substrate inhibition", "vmax*x/(km + x + x**2/ki)", _S,
    Scan(km=scales(0.3, 3, 24), ki=scales(0.3, 10, 24)),
    vmax=par("largest rate without inhibition", "y", 1, 10),
    km=par("Michaelis constant", "x", 0.3, 2, 0), ki=par("inhibition constant", "x", 5, 30, 0),
    reference="Haldane, Enzymes (1930)",
)  # fmt: skip
def substrate_inhibition(x, vmax, km, ki):
    return vmax * x / (km + x + x**2 / ki)


def _two_concentrations(names):
    """A grid over both constants, in the substrate and in the inhibitor."""

    def start(model, x, y):
        axes = dict(zip(names, (scales(n=24)(x[0], y), scales(n=24)(x[1], y)), strict=True))
        return scan(model.function, [axes.get(n) for n in model.names], x, y, model.bounds())

    return start


_MIX = np.array(np.meshgrid(np.geomspace(0.1, 30, 12), [0, 1, 3, 10])).reshape(2, -1)


@kinetics(
    "Competitive inhibition", None, _MIX, _two_concentrations(("km", "ki")),
    vmax=par("largest rate", "y", 1, 10), km=par("Michaelis constant", "x", 0.5, 5, 0),
    ki=par("inhibition constant", "x", 0.5, 5, 0),
    about="vmax*S/(km*(1 + I/ki) + S); x[0] is the substrate, x[1] the inhibitor.",
    reference="Cornish-Bowden, Fundamentals of Enzyme Kinetics",
)  # fmt: skip
def competitive_inhibition(x, vmax, km, ki):
    return vmax * x[0] / (km * (1 + x[1] / ki) + x[0])


@kinetics(
    "Non-competitive inhibition", None, _MIX, _two_concentrations(("km", "ki")),
    vmax=par("largest rate", "y", 1, 10), km=par("Michaelis constant", "x", 0.5, 5, 0),
    ki=par("inhibition constant", "x", 0.5, 5, 0),
    about="vmax*S/((km + S)*(1 + I/ki)); x[0] is the substrate, x[1] the inhibitor.",
    reference="Cornish-Bowden, Fundamentals of Enzyme Kinetics",
)  # fmt: skip
def noncompetitive_inhibition(x, vmax, km, ki):
    return vmax * x[0] / ((km + x[0]) * (1 + x[1] / ki))


@kinetics(
    "Tight binding", None, np.linspace(0, 10, 80),
    lambda model, x, y: _morrison(x, y),
    v0=par("rate without inhibitor", "y", 2, 10, 0), enzyme=par("active enzyme", "x", 1, 4, 0),
    ki=par("apparent inhibition constant", "x", 0.1, 1, 0),
    about="v0*(1 - (E + x + ki - sqrt((E + x + ki)**2 - 4*E*x))/(2*E)).",
    reference="Morrison, Biochim. Biophys. Acta 185, 269 (1969)",
)  # fmt: skip
def morrison(x, v0, enzyme, ki):
    total = enzyme + x + ki
    return v0 * (1 - (total - np.sqrt(total**2 - 4 * enzyme * x)) / (2 * enzyme))


def _morrison(x, y):
    axes = [None, scales(0.3, 3, 24)(x, y), scales(0.01, 3, 24)(x, y)]
    return scan(morrison.function, axes, x, y)


@kinetics(
    "First-order reaction", "initial*exp(-k*x)", _T, Scan(k=rates(0.05, 200, 40)),
    initial=par("concentration at x = 0", "y", 1, 10), k=par("rate constant", "1/x", 0.2, 2, 0),
)  # fmt: skip
def first_order(x, initial, k):
    return initial * np.exp(-k * x)


@kinetics(
    "Second-order reaction", "initial/(1 + k*initial*x)", _T,
    lambda model, x, y: _second_order(x, y),
    initial=par("concentration at x = 0", "y", 1, 10, 0),
    k=par("rate constant", "1/(y*x)", 0.05, 1, 0),
)  # fmt: skip
def second_order(x, initial, k):
    return initial / (1 + k * initial * x)


def _second_order(x, y):
    def hyperbola(x, initial, rate):
        return initial / (1 + rate * x)

    initial, rate = scan(hyperbola, [None, rates(0.02, 500, 40)(x, y)], x, y)
    return [initial, rate / initial if initial else 1 / span(x)]


@kinetics(
    "Pseudo-second-order adsorption", "k*q**2*x/(1 + k*q*x)", _T,
    lambda model, x, y: _pseudo_second_order(x, y),
    q=par("amount at equilibrium", "y", 1, 10, 0), k=par("rate constant", "1/(y*x)", 0.05, 1, 0),
    reference="Ho & McKay, Process Biochem. 34, 451 (1999)",
)  # fmt: skip
def pseudo_second_order(x, q, k):
    return k * q**2 * x / (1 + k * q * x)


def _pseudo_second_order(x, y):
    def saturation(x, q, rate):
        return q * rate * x / (1 + rate * x)

    q, rate = scan(saturation, [None, rates(0.02, 500, 40)(x, y)], x, y)
    return [q, rate / q if q else 1 / span(x)]


@kinetics(
    "Elovich", "log(1 + a*b*x)/b", _T, lambda model, x, y: _elovich(x, y),
    a=par("initial rate", "y/x", 2, 20, 0), b=par("slowing down", "1/y", 0.3, 2, 0),
    reference="Roginsky & Zeldovich, Acta Physicochim. URSS 1, 554 (1934)",
)  # fmt: skip
def elovich(x, a, b):
    return np.log1p(a * b * x) / b


def _elovich(x, y):
    def logarithm(x, size, rate):
        return size * np.log1p(rate * x)

    size, rate = scan(logarithm, [None, rates(0.01, 1e4, 40)(x, y)], x, y)
    return [size * rate, 1 / size if size else 1.0]


@kinetics(
    "Bateman", "dose*ka/(ka - ke)*(exp(-ke*x) - exp(-ka*x))", np.linspace(0, 20, 100),
    lambda model, x, y: _bateman(x, y),
    dose=par("amount at x = 0 of the parent", "y", 2, 10), ka=par("its rate", "1/x", 0.8, 2, 0),
    ke=par("rate of the product", "1/x", 0.08, 0.3, 0),
    about="A product that is made and lost; a drug that is taken up and excreted.",
    reference="Bateman, Proc. Camb. Phil. Soc. 15, 423 (1910)",
)  # fmt: skip
def bateman(x, dose, ka, ke):
    # exprel: also where both rates are one
    return dose * ka * x * np.exp(-np.minimum(ka, ke) * x) * exprel(-np.abs(ka - ke) * x)


def _bateman(x, y):
    """The two rates change places without changing the curve's form: the fast one makes."""
    fast, slow = rates(1.07, 300, 24)(x, y), rates(0.1, 60, 24)(x, y)
    dose, ka, ke = scan(bateman.function, [None, fast, slow], x, y)
    return [dose, ka, ke] if ka > ke else [dose * ka / ke, ke, ka]


@kinetics(
    "Avrami crystallisation", "amp*(1 - exp(-(x/tau)**n))", _T,
    Scan(tau=widths(0.02, 2, 24), n=values(*np.geomspace(0.5, 8, 14))),
    amp=par("final value", "y", 1, 10), tau=par("time scale", "x", 2, 6, 0),
    n=par("Avrami exponent", "", 1, 4, 0),
    reference="Avrami, J. Chem. Phys. 7, 1103 (1939)",
)  # fmt: skip
def avrami(x, amp, tau, n):
    return amp * (1 - np.exp(-((x / tau) ** n)))


@kinetics(
    "Slow-binding progress curve", "vs*x + (v0 - vs)*(1 - exp(-k*x))/k", np.linspace(0, 20, 100),
    Scan(k=rates(0.3, 100, 40)),
    v0=par("initial rate", "y/x", 2, 8), vs=par("final rate", "y/x", 0.2, 1),
    k=par("rate of the change", "1/x", 0.2, 0.8, 0),
    reference="Morrison & Walsh, Adv. Enzymol. 61, 201 (1988)",
)  # fmt: skip
def slow_binding(x, v0, vs, k):
    return vs * x + (v0 - vs) * -np.expm1(-k * x) / k
