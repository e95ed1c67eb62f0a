"""Decays and pulses."""

import numpy as np

from nlsq.models.guessing import Scan, exchange, rates, summits, values, widths
from nlsq.models.model import family, par
from nlsq.models.special import gammaln

decay = family("decays")
pulse = family("pulses")
_T = np.linspace(0, 10, 100)
_TAU = widths(0.01, 5, 30)


@decay(
    "Exponential decay with offset", "a*exp(-b*x) + c", _T, Scan(b=rates(0.05, 200, 40)),
    a=par("amplitude at x = 0", "y", 1, 10), b=par("rate", "1/x", 0.2, 4, 0),
    c=par("level at the end", "y", -2, 2),
)  # fmt: skip
def exponential_decay(x, a, b, c):
    return a * np.exp(-b * x) + c


@decay(
    "Exponential decay to zero", "amp*exp(-x/tau)", _T, Scan(tau=_TAU),
    amp=par("value at x = 0", "y", 1, 10), tau=par("time constant", "x", 0.3, 10, 0),
)  # fmt: skip
def exponential(x, amp, tau):
    return amp * np.exp(-x / tau)


@decay(
    "Two exponential decays", "a1*exp(-x/tau1) + a2*exp(-x/tau2) + c", np.linspace(0, 20, 200),
    Scan(exchange((1, 3), [2, 3, 0, 1, 4]), tau1=widths(0.005, 3, 22), tau2=widths(0.005, 3, 22)),
    a1=par("amplitude of the fast part", "y", 3, 10),
    tau1=par("its time constant", "x", 0.4, 0.8, 0),
    a2=par("amplitude of the slow part", "y", 3, 10), tau2=par("its time constant", "x", 4, 6, 0),
    c=par("level at the end", "y", -1, 1),
)  # fmt: skip
def biexponential(x, a1, tau1, a2, tau2, c):
    return a1 * np.exp(-x / tau1) + a2 * np.exp(-x / tau2) + c


@decay(
    "Two exponential decays to zero", "a1*exp(-x/tau1) + a2*exp(-x/tau2)", np.linspace(0, 20, 200),
    Scan(exchange((1, 3), [2, 3, 0, 1]), tau1=widths(0.005, 3, 22), tau2=widths(0.005, 3, 22)),
    a1=par("amplitude of the fast part", "y", 3, 10),
    tau1=par("its time constant", "x", 0.4, 0.8, 0),
    a2=par("amplitude of the slow part", "y", 3, 10), tau2=par("its time constant", "x", 4, 8, 0),
)  # fmt: skip
def double_exponential(x, a1, tau1, a2, tau2):
    return a1 * np.exp(-x / tau1) + a2 * np.exp(-x / tau2)


@decay(
    "Stretched exponential", "amp*exp(-(x/tau)**beta) + c", np.linspace(0, 20, 150),
    Scan(tau=widths(0.005, 2, 20), beta=values(0.2, 0.35, 0.5, 0.7, 0.85, 1, 1.3, 1.8)),
    amp=par("amplitude at x = 0", "y", 1, 10), tau=par("time constant", "x", 1, 4, 0),
    beta=par("stretching; 1 is an exponential", "", 0.5, 1, 0),
    c=par("level at the end", "y", -2, 2),
    reference="Kohlrausch, Ann. Phys. 167, 56 (1854); Williams & Watts, Trans. Faraday Soc. 66, 80 "
    "(1970)",
)  # fmt: skip
def stretched_exponential(x, amp, tau, beta, c):
    return amp * np.exp(-((x / tau) ** beta)) + c


@decay(
    "Power-law decay", "amp/(1 + x/tau)**p", np.linspace(0, 20, 150),
    Scan(tau=widths(0.003, 3, 24), p=values(0.3, 0.6, 1, 1.5, 2, 3, 5)),
    amp=par("value at x = 0", "y", 1, 10), tau=par("time constant", "x", 0.5, 3, 0),
    p=par("exponent", "", 0.7, 2, 0, 100),
    reference="Becquerel, C. R. Acad. Sci. 51, 921 (1860); Berberan-Santos et al., Chem. Phys. "
    "317, 57 (2005)",
)  # fmt: skip
def power_law_decay(x, amp, tau, p):
    return amp / (1 + x / tau) ** p


@decay(
    "Newton's law of cooling", "ambient + (initial - ambient)*exp(-x/tau)", _T, Scan(tau=_TAU),
    initial=par("temperature at x = 0", "y", 4, 10),
    ambient=par("temperature at the end", "y", 0, 2),
    tau=par("time constant", "x", 0.8, 4, 0),
    reference="Newton, Phil. Trans. 22, 824 (1701)",
)  # fmt: skip
def newton_cooling(x, initial, ambient, tau):
    return ambient + (initial - ambient) * np.exp(-x / tau)


@pulse(
    "Two-exponential pulse", "amp*(exp(-x/fall) - exp(-x/rise))", np.linspace(0, 20, 150),
    Scan(rise=widths(0.003, 1, 18), fall=widths(0.01, 3, 18)),
    amp=par("scale", "y", 1, 10), rise=par("time constant of the rise", "x", 0.4, 1, 0),
    fall=par("time constant of the fall", "x", 2, 6, 0),
    about="A detector's or a synapse's pulse that starts at x = 0.",
)  # fmt: skip
def exponential_pulse(x, amp, rise, fall):
    return amp * (np.exp(-x / fall) - np.exp(-x / rise))


@pulse(
    "Gamma variate", None, np.linspace(0, 20, 150),
    Scan(peak=summits(32), alpha=values(*np.geomspace(0.3, 30, 14))),
    amp=par("height", "y", 1, 10), peak=par("time of the maximum", "x", 2, 7, 0),
    alpha=par("shape: the larger, the narrower", "", 1, 6, 0),
    about="amp*(x/peak)**alpha*exp(alpha*(1 - x/peak)): a bolus passing by.",
    reference="Madsen, Phys. Med. Biol. 37, 1597 (1992)",
)  # fmt: skip
def gamma_variate(x, amp, peak, alpha):
    t = x / peak
    return amp * t**alpha * np.exp(alpha * (1 - t))


@pulse(
    "Maxwell-Boltzmann speeds", "area*sqrt(2/pi)*x**2/a**3*exp(-x**2/(2*a**2))", _T,
    Scan(a=widths(0.01, 2, 40)),
    area=par("area under the curve", "y*x", 1, 10), a=par("sqrt(kT/m)", "x", 0.8, 3, 0),
    reference="Maxwell, Phil. Mag. 19, 19 (1860)",
)  # fmt: skip
def maxwell_boltzmann(x, area, a):
    return area * np.sqrt(2 / np.pi) * x**2 / a**3 * np.exp(-(x**2) / (2 * a**2))


@pulse(
    "Rayleigh", "area*x/sigma**2*exp(-x**2/(2*sigma**2))", _T, Scan(sigma=widths(0.01, 2, 40)),
    area=par("area under the curve", "y*x", 1, 10), sigma=par("mode", "x", 0.8, 4, 0),
    reference="Rayleigh, Phil. Mag. 10, 73 (1880)",
)  # fmt: skip
def rayleigh(x, area, sigma):
    return area * x / sigma**2 * np.exp(-(x**2) / (2 * sigma**2))


@pulse(
    "Weibull distribution", "area*k/scale*(x/scale)**(k - 1)*exp(-(x/scale)**k)",
    np.linspace(0.1, 10, 100), Scan(scale=widths(0.02, 2, 28),
    k=values(*np.geomspace(0.6, 12, 14))),
    area=par("area under the curve", "y*x", 1, 10), scale=par("scale", "x", 2, 6, 0),
    k=par("shape", "", 1.3, 4, 0),
    reference="Weibull, J. Appl. Mech. 18, 293 (1951)",
)  # fmt: skip
def weibull_peak(x, area, scale, k):
    t = x / scale
    return area * k / scale * t ** (k - 1) * np.exp(-(t**k))


@pulse(
    "Gamma distribution", None, np.linspace(0.1, 20, 120),
    Scan(k=values(*np.geomspace(0.6, 40, 16)), theta=widths(0.003, 1, 24)),
    area=par("area under the curve", "y*x", 1, 10), k=par("shape", "", 1.5, 6, 0),
    theta=par("scale", "x", 0.6, 1.8, 0),
    about="area*x**(k - 1)*exp(-x/theta)/(Gamma(k)*theta**k).",
)  # fmt: skip
def gamma_distribution(x, area, k, theta):
    t = x / theta
    return area / theta * np.exp((k - 1) * np.log(t) - t - gammaln(k))
