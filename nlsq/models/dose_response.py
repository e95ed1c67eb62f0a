"""Dose-response curves; x is a concentration, or its decimal logarithm where the name says so."""

import numpy as np

from nlsq.models.guessing import Scan, exchange, positions, scales, scan, values
from nlsq.models.model import family, par
from nlsq.models.special import expit

dose = family("dose response")
_DOSE = np.geomspace(0.01, 100, 60)
_LOG = np.linspace(-9, -3, 60)
_SLOPE = values(*np.geomspace(0.25, 6, 14))
_LN10 = np.log(10)


def _rise(x, half, slope):
    """x**slope/(half**slope + x**slope), also at x = 0."""
    power = (x / half) ** slope
    return power / (1 + power)


@dose(
    "Hill equation", "top*x**slope/(ec50**slope + x**slope)", _DOSE,
    Scan(ec50=scales(), slope=_SLOPE),
    top=par("largest effect", "y", 2, 10), ec50=par("dose of half the effect", "x", 0.3, 10, 0),
    slope=par("Hill coefficient", "", 0.7, 2.5, 0),
    reference="Hill, J. Physiol. 40, iv (1910)",
)  # fmt: skip
def hill(x, top, ec50, slope):
    return top * _rise(x, ec50, slope)


@dose(
    "Emax model", "bottom + emax*x/(ec50 + x)", _DOSE, Scan(ec50=scales(n=40)),
    bottom=par("effect without a dose", "y", -1, 1), emax=par("largest change", "y", 2, 10),
    ec50=par("dose of half the effect", "x", 0.3, 10, 0),
    reference="Holford & Sheiner, Clin. Pharmacokinet. 6, 429 (1981)",
)  # fmt: skip
def emax(x, bottom, emax, ec50):
    return bottom + emax * x / (ec50 + x)


@dose(
    "Four-parameter logistic", "bottom + (top - bottom)/(1 + (x/ec50)**(-slope))", _DOSE,
    Scan(ec50=scales(), slope=_SLOPE),
    bottom=par("response without a dose", "y", 0, 2),
    top=par("response to a large dose", "y", 4, 10),
    ec50=par("dose of half the response", "x", 0.3, 10, 0),
    slope=par("Hill slope", "", 0.7, 2.5, 0),
    reference="Finney, Int. Stat. Rev. 47, 1 (1979)",
)  # fmt: skip
def four_parameter_logistic(x, bottom, top, ec50, slope):
    return bottom + (top - bottom) * _rise(x, ec50, slope)


@dose(
    "Five-parameter logistic", "bottom + (top - bottom)/(1 + (x/c)**(-slope))**s", _DOSE,
    Scan(c=scales(0.1, 10, 18), slope=values(*np.geomspace(0.3, 5, 9)),
    s=values(0.2, 0.5, 1, 2, 5)),
    bottom=par("response without a dose", "y", 0, 2),
    top=par("response to a large dose", "y", 4, 10),
    c=par("scale of the dose; ec50 when s is 1", "x", 0.5, 5, 0),
    slope=par("slope", "", 1, 2.5, 0), s=par("asymmetry", "", 0.5, 2, 0, 100),
    reference="Gottschalk & Dunn, Anal. Biochem. 343, 54 (2005)",
)  # fmt: skip
def five_parameter_logistic(x, bottom, top, c, slope, s):
    return bottom + (top - bottom) * _rise(x, c, slope) ** s


@dose(
    "Log(agonist) against response", "bottom + (top - bottom)/(1 + 10**((log_ec50 - x)*slope))",
    _LOG, Scan(log_ec50=positions(36, 0.1), slope=_SLOPE),
    bottom=par("lower plateau", "y", 0, 2), top=par("upper plateau", "y", 4, 10),
    log_ec50=par("log10 of the dose of half the response", "x", -7.5, -4.5),
    slope=par("Hill slope", "1/x", 0.6, 2, 0), rescale=(False, True),
    about="x is log10 of the concentration.",
)  # fmt: skip
def log_agonist(x, bottom, top, log_ec50, slope):
    return bottom + (top - bottom) * expit(_LN10 * (x - log_ec50) * slope)


@dose(
    "Log(inhibitor) against response", "bottom + (top - bottom)/(1 + 10**((x - log_ic50)*slope))",
    _LOG, Scan(log_ic50=positions(36, 0.1), slope=_SLOPE),
    bottom=par("lower plateau", "y", 0, 2), top=par("upper plateau", "y", 4, 10),
    log_ic50=par("log10 of the dose of half the inhibition", "x", -7.5, -4.5),
    slope=par("Hill slope", "1/x", 0.6, 2, 0), rescale=(False, True),
    about="x is log10 of the concentration.",
)  # fmt: skip
def log_inhibitor(x, bottom, top, log_ic50, slope):
    return bottom + (top - bottom) * expit(_LN10 * (log_ic50 - x) * slope)


@dose(
    "Inhibition by half-dose", "top/(1 + (x/ic50)**slope)", _DOSE,
    Scan(ic50=scales(), slope=_SLOPE),
    top=par("response without inhibitor", "y", 2, 10),
    ic50=par("dose that leaves half", "x", 0.3, 10, 0), slope=par("Hill slope", "", 0.7, 2.5, 0),
    reference="Chou, Pharmacol. Rev. 58, 621 (2006)",
)  # fmt: skip
def inhibition(x, top, ic50, slope):
    return top / (1 + (x / ic50) ** slope)


@dose(
    "Biphasic dose response", "bottom + a1*x/(k1 + x) + a2*x/(k2 + x)",
    np.geomspace(1e-3, 1e3, 120),
    Scan(exchange((2, 4), [0, 3, 4, 1, 2]), k1=scales(n=26), k2=scales(n=26)),
    bottom=par("response without a dose", "y", 0, 1), a1=par("effect at the first site", "y", 3, 8),
    k1=par("half dose of the first site", "x", 0.02, 0.1, 0),
    a2=par("effect at the second site", "y", 3, 8),
    k2=par("half dose of the second site", "x", 10, 50, 0),
)  # fmt: skip
def biphasic_dose_response(x, bottom, a1, k1, a2, k2):
    return bottom + a1 * x / (k1 + x) + a2 * x / (k2 + x)


@dose(
    "Hormesis", "top*(1 + boost*x)/(1 + (x/c)**slope)", _DOSE,
    lambda model, x, y: _hormesis(model, x, y),
    top=par("response without a dose", "y", 3, 8), boost=par("initial rise", "1/x", 0.3, 1),
    c=par("scale of the inhibiting dose", "x", 3, 10, 0), slope=par("slope", "", 1.8, 3, 0),
    reference="Brain & Cousens, Weed Res. 29, 93 (1989)",
)  # fmt: skip
def hormesis(x, top, boost, c, slope):
    return top * (1 + boost * x) / (1 + (x / c) ** slope)


def _hormesis(model, x, y):
    def linear(x, top, rise, c, slope):
        return (top + rise * x) / (1 + (x / c) ** slope)

    axes = [None, None, scales()(x, y), np.geomspace(1, 6, 12)]
    top, rise, c, slope = scan(linear, axes, x, y)
    return [top, rise / top if top else 0.0, c, slope]
