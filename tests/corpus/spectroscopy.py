"""Line shapes and spectra."""

import math

import numpy as np
import scipy.special
from scipy import special
from scipy.signal import fftconvolve
from scipy.special import erf, erfc, erfcx, voigt_profile, wofz

from tests.corpus.case import case

SQRT2PI = np.sqrt(2 * np.pi)
FWHM = 2 * math.sqrt(2 * math.log(2))
KERNEL = np.exp(-0.5 * (np.arange(-12, 13) / 3.0) ** 2)
LINES = [1.2, 3.4, 5.1]

nm = np.linspace(-5, 5, 120)
wide = np.linspace(0, 10, 200)


def gaussian(x, amp, cen, wid):
    return amp * np.exp(-((x - cen) ** 2) / (2 * wid**2))


def lorentzian(x, amp, x0, gamma):
    return amp * gamma**2 / ((x - x0) ** 2 + gamma**2)


def gauss_linear(x, a, mu, s, slope, c):
    return gaussian(x, a, mu, s) + slope * x + c


def two_gaussians(x, a1, m1, s1, a2, m2, s2):
    return gaussian(x, a1, m1, s1) + gaussian(x, a2, m2, s2)


def many_peaks(x, *params):
    y = np.zeros_like(x)
    for i in range(0, len(params), 3):
        amp, ctr, wid = params[i : i + 3]
        y = y + amp * np.exp(-(((x - ctr) / wid) ** 2))
    return y


def many_peaks_in_place(x, base, *params):
    y = np.full(x.shape, base)
    for ctr, (a, w) in zip(LINES, np.reshape(params, (3, 2)), strict=False):
        y += a / (1 + ((x - ctr) / w) ** 2)
    return y


def voigt_wofz(x, amp, x0, sigma, gamma):
    z = (x - x0 + 1j * gamma) / (sigma * np.sqrt(2))
    return amp * np.real(wofz(z)) / (sigma * SQRT2PI)


def voigt_sum(x, area, x0, sigma, gamma, c):
    return area * voigt_profile(x - x0, sigma, gamma) + c


def pseudo_voigt(x, a, x0, fwhm, eta):
    sigma = fwhm / FWHM
    g = np.exp(-((x - x0) ** 2) / (2 * sigma**2)) / (sigma * SQRT2PI)
    lor = (fwhm / 2) / np.pi / ((x - x0) ** 2 + (fwhm / 2) ** 2)
    return a * (eta * lor + (1 - eta) * g)


def emg(x, area, mu, sigma, tau):
    """Exponentially modified Gaussian of a chromatogram."""
    arg = (sigma / tau - (x - mu) / sigma) / np.sqrt(2)
    return area / (2 * tau) * np.exp(0.5 * (sigma / tau) ** 2 - (x - mu) / tau) * erfc(arg)


def emg_scaled(x, h, mu, sigma, tau):
    z = (sigma / tau - (x - mu) / sigma) / math.sqrt(2)
    return h * np.exp(-0.5 * ((x - mu) / sigma) ** 2) * sigma / tau * erfcx(z)


def skewed(x, a, xi, omega, alpha):
    t = (x - xi) / omega
    return a * np.exp(-(t**2) / 2) * (1 + erf(alpha * t / np.sqrt(2)))


def fano(x, a, e0, width, q):
    eps = 2 * (x - e0) / width
    return a * (q + eps) ** 2 / (1 + eps**2)


def doniach_sunjic(x, a, e0, gamma, alpha):
    d = x - e0
    phase = np.pi * alpha / 2 + (1 - alpha) * np.arctan(d / gamma)
    return a * np.cos(phase) / (gamma**2 + d**2) ** ((1 - alpha) / 2)


def split_gaussian(x, a, m, left, right):
    return np.where(x < m, gaussian(x, a, m, left), gaussian(x, a, m, right))


def split_lorentz_masks(x, a, m, left, right):
    y = np.empty_like(x)
    low = x <= m
    y[low] = a / (1 + ((x[low] - m) / left) ** 2)
    y[~low] = a / (1 + ((x[~low] - m) / right) ** 2)
    return y


def irf_gaussian(x, a, tau, b, t0=2.02):
    """A decay convolved with a tabulated instrument response."""
    decay = np.where(x > t0, a * np.exp(-(x - t0) / tau), 0.0)
    return np.convolve(decay, KERNEL / KERNEL.sum(), mode="same") + b


def irf_fft(x, a, tau, b):
    full = fftconvolve(a * np.exp(-x / tau), KERNEL, mode="full")[: len(x)]
    return full / np.sum(KERNEL) + b


def irf_analytic(t, a, tau, t0, s):
    arg = (t - t0) / s - s / tau
    return a / 2 * np.exp(s**2 / (2 * tau**2) - (t - t0) / tau) * (1 + special.erf(arg / 2**0.5))


def normalised_spectrum(x, c, w, k):
    y = np.exp(-(((x - c) / w) ** 2)) + 0.2 * np.exp(-k * x)
    return y / y.max()


def unit_area(x, c, w, s):
    y = np.exp(-(np.abs((x - c) / w) ** s))
    return y / np.trapezoid(y, x)


def tauc(e, a, gap):
    return np.piecewise(e, [e < gap, e >= gap], [0.0, lambda v: a * (v - gap) ** 2])


def absorption_edge(e, step, e0, w, slope):
    return step * (0.5 + np.arctan((e - e0) / w) / np.pi) + slope * np.maximum(e - e0, 0)


def beer_lambert(c, eps, stray):
    t = 10 ** (-eps * c)
    return -np.log10((t + stray) / (1 + stray))


def raman_temperature(shift, a, temperature, scale):
    kt = 0.6950348 * temperature
    bose = 1 / np.expm1(shift / kt)
    return a * (bose + 1) * np.exp(-shift / scale)


def blackbody(wl, amp, temp):
    """Wavelength in micrometres, temperature in kK."""
    return amp / wl**5 / np.expm1(14.387769 / (wl * temp))


def airy_pattern(r, i0, a, x0):
    u = a * (r - x0)
    ratio = np.ones_like(u)
    far = np.abs(u) > 1e-8
    ratio[far] = 2 * scipy.special.j1(u[far]) / u[far]
    return i0 * ratio**2


def sinc_slit(x, a, w, x0, c):
    return a * np.sinc((x - x0) / w) ** 2 + c


def double_slit(x, a, w, d):
    return a * np.sinc(w * x) ** 2 * np.cos(np.pi * d * x) ** 2


def etalon(x, a, finesse, phase):
    return a / (1 + finesse * np.sin(np.pi * x + phase) ** 2)


def odmr(f, c, f0, split, w, base):
    def dip(at):
        return 1 / (1 + ((f - at) / w) ** 2)

    return base * (1 - c * (dip(f0 - split / 2) + dip(f0 + split / 2)))


CASES = [
    case(gaussian, nm, (3, 0.4, 0.9), (1, 0, 1), 0.05),
    case(lorentzian, nm, (2, -0.7, 0.6), (1, 0, 1), 0.03),
    case(gauss_linear, nm, (3, 0.4, 0.7, 0.1, 1), (2, 0, 1, 0, 0), 0.05),
    case(two_gaussians, nm, (3, -1.5, 0.6, 2, 1.2, 0.9), (2, -1, 1, 2, 1, 1), 0.04),
    case(many_peaks, wide, (3, 2, 0.6, 2, 5, 0.9, 4, 8, 0.5), (2, 2.2, 1, 2, 5.2, 1, 2, 8, 1),
         0.05),
    case(many_peaks_in_place, wide, (0.3, 2, 0.3, 1, 0.5, 3, 0.2), (0, 1, 0.5, 1, 0.5, 1, 0.5),
         0.03,
         bounds=(0, 10)),
    case(voigt_wofz, nm, (4, 0.3, 0.5, 0.4), (2, 0, 1, 0.3), 0.02),
    case(voigt_sum, nm, (4, 0.3, 0.5, 0.4, 0.2), (2, 0, 1, 0.3, 0), 0.02),
    case(pseudo_voigt, nm, (3, 0.2, 1.3, 0.4), (2, 0, 1, 0.5), 0.01),
    case(emg, wide, (5, 3, 0.5, 1.2), (4, 2.8, 0.7, 1), 0.02),
    case(emg_scaled, wide, (5, 3, 0.5, 1.2), (4, 2.8, 0.7, 1), 0.02),
    case(skewed, nm, (2, -0.5, 1.1, 2), (1, 0, 1, 1), 0.02),
    case(fano, nm, (1, 0.2, 0.9, 1.7), (1, 0, 1, 1), 0.03),
    case(doniach_sunjic, nm, (2, 0.1, 0.5, 0.12), (1, 0, 0.7, 0.05), 0.02),
    case(split_gaussian, nm, (3, 0.35, 0.6, 1.4), (2, 0.2, 1, 1), 0.03),
    case(split_lorentz_masks, nm, (3, 0.35, 0.6, 1.4), (2, 0.2, 1, 1), 0.03),
    case(irf_gaussian, wide, (4, 1.8, 0.2), (3, 1, 0), 0.02),
    case(irf_fft, wide, (4, 1.8, 0.3), (3, 1, 0), 0.02),
    case(irf_analytic, wide, (3, 2, 2, 0.4), (2, 1.5, 2.2, 0.5), 0.02),
    case(normalised_spectrum, wide, (4, 1.3, 0.4), (4.3, 1, 0.3), 0.01),
    case(unit_area, wide, (4.6, 1.5, 2.5), (4, 2, 2), 0.003),
    case(tauc, np.linspace(1, 4, 90), (1.3, 2.1), (1, 2), 0.02),
    case(absorption_edge, np.linspace(-4, 4, 90), (1, 0.2, 0.4, 0.05), (0.8, 0, 0.6, 0), 0.01),
    case(beer_lambert, np.linspace(0.05, 3, 40), (0.9, 0.01), (0.7, 0.02), 0.005,
         bounds=((0, 0), (5, 1))),
    case(raman_temperature, np.linspace(60, 900, 80), (2, 310, 500), (1, 250, 400), 0.01),
    case(blackbody, np.linspace(0.3, 3, 100), (1e3, 5.8), (800, 5), 0.05),
    case(airy_pattern, np.linspace(-6, 6, 121), (2, 1.3, 0.15), (1.5, 1.1, 0), 0.01),
    case(sinc_slit, nm, (2, 1.4, 0.2, 0.1), (1.5, 1.2, 0, 0), 0.02),
    case(double_slit, np.linspace(-2, 2, 160), (2, 0.5, 2.2), (1.5, 0.6, 2.15), 0.02),
    case(etalon, np.linspace(0, 3, 150), (2, 8, 0.4), (1.5, 5, 0.3), 0.02),
    case(odmr, np.linspace(2.8, 2.94, 160), (0.05, 2.87, 0.02, 0.003, 1), (0.03, 2.869, 0.022,
         0.004, 1),
         0.0008),
]  # fmt: skip
