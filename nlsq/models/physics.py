"""Laws of heat, light and circuits."""

import numpy as np

from nlsq.models.guessing import (
    Scan,
    frequencies,
    inverse,
    positions,
    scales,
    scan,
    span,
    values,
    widths,
)
from nlsq.models.model import family, par
from nlsq.models.oscillations import waves
from nlsq.models.special import expit

thermal = family("thermal")
optics = family("optics")
electronics = family("electronics")
_R = 8.31446261815324  # J/(mol K)
_KELVIN = np.linspace(280, 380, 60)


@thermal(
    "Arrhenius law", "a*exp(-ea/(8.31446261815324*x))", _KELVIN,
    lambda model, x, y: _arrhenius(model, x, y),
    a=par("rate at infinite temperature", "y", 1e8, 1e10, 0),
    ea=par("activation energy", "J/mol", 3e4, 8e4),
    about="x is the temperature in kelvin.",
    reference="Arrhenius, Z. Phys. Chem. 4, 226 (1889)",
)  # fmt: skip
def arrhenius(x, a, ea):
    return a * np.exp(-ea / (_R * x))


def _arrhenius(model, x, y):
    """About the largest 1/x, where the amplitude is a value of the data and cannot overflow."""
    u = 1 / x - (1 / x).mean()

    def local(u, level, slope):
        return level * np.exp(-slope * u)

    level, slope = scan(local, [None, np.linspace(-60, 60, 241) / span(1 / x)], u, y)
    return [level * np.exp(min(slope * (1 / x).mean(), 600)), slope * _R]


@thermal(
    "Vogel-Fulcher-Tammann", "y0*exp(b/(x - t0))", np.linspace(300, 400, 80),
    lambda model, x, y: _vogel(x, y),
    y0=par("value at infinite temperature", "y", 0.1, 1, 0), b=par("strength", "x", 300, 800, 0),
    t0=par("Vogel temperature", "x", 150, 230),
    about="A viscosity or relaxation time above the glass transition, x > t0.",
    reference="Vogel, Phys. Z. 22, 645 (1921); Fulcher (1925); Tammann & Hesse (1926)",
)  # fmt: skip
def vogel_fulcher_tammann(x, y0, b, t0):
    return y0 * np.exp(b / (x - t0))


def _vogel(x, y):
    first, wide = x[0], span(x)

    def local(x, level, fall, gap):
        """The value at the first point, the change of the exponent over the data, x[0] - t0."""
        return level * np.exp(-fall * (x - first) / (x - first + gap) * (wide + gap) / wide)

    axes = [None, np.linspace(0.2, 12, 40), wide * np.geomspace(0.1, 20, 20)]
    level, fall, gap = scan(local, axes, x, y)
    b = fall * gap * (wide + gap) / wide
    return [level * np.exp(-min(b / gap, 600)), b, first - gap]


@thermal(
    "Planck's law", "amp/(x**5*(exp(x0/x) - 1))", np.linspace(0.3, 5, 100),
    Scan(x0=scales(1, 10, 60)),
    amp=par("2 h c**2 times an area", "y*x**5", 1, 10), x0=par("h c/(k T)", "x", 3, 10, 0),
    rescale=(False, False), about="Black-body radiation over the wavelength.",
    reference="Planck, Ann. Phys. 4, 553 (1901)",
)  # fmt: skip
def planck(x, amp, x0):
    t = x0 / x
    return amp / x**5 * np.exp(-t) / -np.expm1(-t)


@thermal(
    "Schottky anomaly", "amp*(delta/x)**2*exp(delta/x)/(1 + exp(delta/x))**2",
    np.linspace(0.2, 10, 100), Scan(delta=scales(0.5, 5, 60)),
    amp=par("scale: N k", "y", 1, 10), delta=par("gap over k", "x", 2, 12, 0),
    about="The heat capacity of two levels.",
    reference="Schottky, Phys. Z. 23, 448 (1922)",
)  # fmt: skip
def schottky(x, amp, delta):
    t = delta / x
    return amp * t**2 * expit(t) * expit(-t)


@thermal(
    "Curie-Weiss law", "c/(x - theta) + chi0", np.linspace(50, 300, 80),
    Scan(theta=lambda x, y: x.min() - span(x) * np.geomspace(3, 0.02, 40)),
    c=par("Curie constant", "y*x", 50, 200), theta=par("Weiss temperature", "x", -50, 30),
    chi0=par("constant part", "y", -0.3, 0.3),
    about="A susceptibility in the paramagnetic range, x > theta.",
    reference="Weiss, J. Phys. Théor. Appl. 6, 661 (1907)",
)  # fmt: skip
def curie_weiss(x, c, theta, chi0):
    return c / (x - theta) + chi0


@thermal(
    "Langevin function", "m*(1/tanh(x/h) - h/x)", np.linspace(-10, 10, 80),
    Scan(h=scales(0.02, 3, 44)),
    m=par("saturation", "y", 1, 10), h=par("field scale kT/mu", "x", 0.5, 4, 0),
    about="The magnetisation of a paramagnet; superparamagnetic particles.",
    reference="Langevin, Ann. Chim. Phys. 5, 70 (1905)",
)  # fmt: skip
def langevin(x, m, h):
    t = x / h
    small = np.abs(t) < 0.01
    safe = np.where(small, 1.0, t)
    return m * np.where(small, t / 3 - t**3 / 45, 1 / np.tanh(safe) - 1 / safe)


@optics(
    "Malus's law", "amp*cos(x - x0)**2 + offset", np.linspace(0, 2 * np.pi, 73),
    lambda model, x, y: _malus(x, y),
    amp=par("polarised part", "y", 2, 10), x0=par("axis of the polariser", "rad", -1.5, 1.5),
    offset=par("unpolarised part", "y", 0, 2),
    about="x is an angle in radians.", reference="Malus, Mém. Soc. Arcueil 2, 143 (1809)",
)  # fmt: skip
def malus(x, amp, x0, offset):
    return amp * np.cos(x - x0) ** 2 + offset


def _malus(x, y):
    """Linear in the sine and cosine of the doubled angle."""
    columns = np.stack([np.cos(2 * x), np.sin(2 * x), np.ones_like(x)], axis=-1)
    c, s, level = np.linalg.lstsq(columns, y, rcond=None)[0]
    half = np.hypot(c, s)
    return [2 * half, np.arctan2(s, c) / 2, level - half]


@optics(
    "Gaussian beam", "w0*sqrt(1 + ((x - x0)/zr)**2)", np.linspace(-10, 10, 80),
    lambda model, x, y: _beam(x, y),
    w0=par("waist", "y", 1, 10, 0), x0=par("its place", "x", -4, 4),
    zr=par("Rayleigh range", "x", 1.5, 5, 0),
    reference="Kogelnik & Li, Appl. Opt. 5, 1550 (1966)",
)  # fmt: skip
def gaussian_beam(x, w0, x0, zr):
    return w0 * np.sqrt(1 + ((x - x0) / zr) ** 2)


def _beam(x, y):
    axes = [None, positions(32, 0.25)(x, y), widths(0.01, 2, 24)(x, y)]
    return scan(gaussian_beam.function, axes, x, y)


@optics(
    "Fabry-Perot transmission", "amp/(1 + finesse*sin(pi*(x - x0)/fsr)**2)",
    np.linspace(0, 10, 300),
    lambda model, x, y: _fabry_perot(model, x, y),
    amp=par("peak transmission", "y", 1, 10), finesse=par("coefficient of finesse", "", 2, 30, 0),
    x0=par("a resonance", "x", -0.5, 0.5), fsr=par("free spectral range", "x", 1, 4, 0),
    reference="Airy, Phil. Mag. 2, 20 (1833)",
)  # fmt: skip
def fabry_perot(x, amp, finesse, x0, fsr):
    return amp / (1 + finesse * np.sin(np.pi * (x - x0) / fsr) ** 2)


def _fabry_perot(model, x, y):
    """Period and resonance from the Fourier series that fits best."""

    def series(x, level, c1, s1, c2, s2, c3, s3, frequency):
        t = 2 * np.pi * frequency * x
        first, second = c1 * np.cos(t) + s1 * np.sin(t), c2 * np.cos(2 * t) + s2 * np.sin(2 * t)
        return level + first + second + c3 * np.cos(3 * t) + s3 * np.sin(3 * t)

    _, c, s, *_, frequency = waves(series, [None] * 7 + [frequencies(x, y)], x, y)
    fsr, x0 = 1 / frequency, np.arctan2(s, c) / (2 * np.pi * frequency)
    places, periods = x0 + fsr * np.linspace(-0.5, 0.5, 21), fsr * np.linspace(0.98, 1.02, 5)
    axes = [None, np.geomspace(0.5, 300, 6), places, periods]
    return waves(model.function, axes, x, y)


@optics(
    "Cauchy dispersion", "a + b/x**2 + c/x**4", np.linspace(0.4, 1.6, 60), Scan(),
    a=par("index at long waves", "y", 1.4, 1.7), b=par("first term", "y*x**2", 0.005, 0.02),
    c=par("second term", "y*x**4", 0, 0.001),
    reference="Cauchy, Mémoire sur la dispersion de la lumière (1836)",
)  # fmt: skip
def cauchy_dispersion(x, a, b, c):
    return a + b / x**2 + c / x**4


@optics(
    "Saturable absorption", "a0/(1 + x/saturation) + a1", np.geomspace(0.01, 100, 60),
    Scan(saturation=scales(n=44)),
    a0=par("absorption that saturates", "y", 1, 10),
    saturation=par("saturation intensity", "x", 0.3, 5, 0),
    a1=par("absorption that does not", "y", 0, 2),
)  # fmt: skip
def saturable_absorption(x, a0, saturation, a1):
    return a0 / (1 + x / saturation) + a1


@electronics(
    "Diode", "i0*(exp(x/vt) - 1)", np.linspace(-0.2, 0.7, 80),
    lambda model, x, y: _diode(x, y),
    i0=par("saturation current", "y", 1e-3, 1e-2, 0),
    vt=par("ideality times kT/e", "x", 0.08, 0.16, 0),
    reference="Shockley, Bell Syst. Tech. J. 28, 435 (1949)",
)  # fmt: skip
def diode(x, i0, vt):
    return i0 * np.expm1(x / vt)


def _diode(x, y):
    """By the current at the largest voltage, which cannot overflow."""
    top = np.abs(x).max() or 1.0

    def local(x, current, vt):
        return current * (np.exp((x - top) / vt) - np.exp(-top / vt))

    current, vt = scan(local, [None, top * np.geomspace(0.02, 5, 60)], x, y)
    return [current * np.exp(-top / vt), vt]


@electronics(
    "Charging capacitor", "v0*(1 - exp(-x/tau))", np.linspace(0, 10, 100),
    Scan(tau=widths(0.005, 5, 44)),
    v0=par("final voltage", "y", 1, 10), tau=par("time constant R C", "x", 0.5, 6, 0),
)  # fmt: skip
def rc_charge(x, v0, tau):
    return -v0 * np.expm1(-x / tau)


@electronics(
    "Low-pass filter", "gain/sqrt(1 + (x/cutoff)**2)", np.geomspace(0.01, 100, 60),
    Scan(cutoff=scales(n=44)),
    gain=par("gain at x = 0", "y", 1, 10), cutoff=par("cut-off frequency", "x", 0.1, 10, 0),
)  # fmt: skip
def low_pass(x, gain, cutoff):
    return gain / np.sqrt(1 + (x / cutoff) ** 2)


@electronics(
    "High-pass filter", "gain*(x/cutoff)/sqrt(1 + (x/cutoff)**2)", np.geomspace(0.01, 100, 60),
    Scan(cutoff=scales(n=44)),
    gain=par("gain at large x", "y", 1, 10), cutoff=par("cut-off frequency", "x", 0.1, 10, 0),
)  # fmt: skip
def high_pass(x, gain, cutoff):
    return gain * (x / cutoff) / np.sqrt(1 + (x / cutoff) ** 2)


@electronics(
    "Band-pass filter", "gain/sqrt(1 + quality**2*(x/x0 - x0/x)**2)", np.geomspace(0.05, 50, 100),
    Scan(x0=scales(0.5, 2, 40), quality=values(*np.geomspace(0.1, 50, 20))),
    gain=par("gain at the resonance", "y", 1, 10), x0=par("resonance", "x", 0.5, 5, 0),
    quality=par("quality factor", "", 0.5, 4, 0),
)  # fmt: skip
def band_pass(x, gain, x0, quality):
    return gain / np.sqrt(1 + quality**2 * (x / x0 - x0 / x) ** 2)


@electronics(
    "Debye relaxation, loss", "delta*x*tau/(1 + (x*tau)**2)", np.geomspace(0.01, 100, 80),
    Scan(tau=inverse(scales(n=44))),
    delta=par("dielectric strength", "y", 1, 10), tau=par("relaxation time", "1/x", 0.1, 10, 0),
    about="x is the angular frequency.", reference="Debye, Polar Molecules (1929)",
)  # fmt: skip
def debye_loss(x, delta, tau):
    return delta * x * tau / (1 + (x * tau) ** 2)
