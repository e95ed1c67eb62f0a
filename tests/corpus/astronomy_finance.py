"""Astronomy, geodesy, finance, social science."""

import numpy as np
import scipy
from scipy.integrate import quad
from scipy.interpolate import UnivariateSpline
from scipy.special import ndtr
from scipy.stats import lognorm, norm

from tests.corpus.case import HOST, case

C_KMS = 299792.458
phase = np.linspace(0, 1, 80)
radius = np.linspace(0.2, 20, 60)
years = np.linspace(0.25, 30, 50)
strikes = np.linspace(70, 130, 40)
grid = np.linspace(0, 30, 90)
TWO_LINES = np.exp(-0.2 * (grid - 9) ** 2) + 0.6 * np.exp(-((grid - 18) ** 2))
SPECTRUM = UnivariateSpline(grid, TWO_LINES, s=0)


def sersic(r, ie, re, n):
    b = 2 * n - 1 / 3 + 4 / (405 * n)
    return ie * np.exp(-b * ((r / re) ** (1 / n) - 1))


def king(r, k, rc, rt):
    inside = r < rt
    edge = 1 / np.sqrt(1 + (rt / rc) ** 2)
    y = k * (1 / np.sqrt(1 + (r / rc) ** 2) - edge) ** 2
    return np.where(inside, y, 0)


def moffat(r, i0, alpha, beta, sky):
    return i0 * (1 + (r / alpha) ** 2) ** -beta + sky


def nfw_rotation(r, v200, c):
    x = r / 10
    mass = np.log1p(c * x) - c * x / (1 + c * x)
    return v200 * np.sqrt(mass / x / (np.log1p(c) - c / (1 + c)))


def kepler_rv(ph, k, e, omega, gamma):
    """Radial velocity; Kepler's equation by ten Newton steps."""
    m = 2 * np.pi * ph
    ecc = m + e * np.sin(m)
    for _ in range(10):
        ecc = ecc - (ecc - e * np.sin(ecc) - m) / (1 - e * np.cos(ecc))
    nu = 2 * np.arctan2(np.sqrt(1 + e) * np.sin(ecc / 2), np.sqrt(1 - e) * np.cos(ecc / 2))
    return gamma + k * (np.cos(nu + omega) + e * np.cos(omega))


def kepler_while(ph, k, e, gamma):
    m = 2 * np.pi * ph
    ecc = m.copy()
    step = np.ones_like(m)
    while np.max(np.abs(step)) > 1e-12:
        step = (ecc - e * np.sin(ecc) - m) / (1 - e * np.cos(ecc))
        ecc -= step
    return gamma + k * np.cos(ecc)


def transit_box(ph, depth, t0, duration, ingress):
    z = np.abs(ph - t0)
    return 1 - depth * np.clip((duration / 2 - z) / ingress + 0.5, 0, 1)


def transit_masks(ph, depth, t0, width, u):
    flux = np.ones(len(ph))
    z = (ph - t0) / width
    inside = np.abs(z) < 1
    mu = np.sqrt(1 - z[inside] ** 2)
    flux[inside] -= depth * (1 - u * (1 - mu))
    return flux


def supernova(t, a, t0, rise, fall):
    return a * np.exp(-(t - t0) / fall) / (1 + np.exp(-(t - t0) / rise))


def hubble_distance(z, h0, om):
    out = [quad(lambda u: 1 / np.sqrt(om * (1 + u) ** 3 + 1 - om), 0, zi)[0] for zi in z]
    return 5 * np.log10((1 + z) * C_KMS / h0 * np.array(out)) + 25


def hubble_grid(z, h0, om):
    u = np.linspace(0, z, 200)
    chi = scipy.integrate.trapezoid(1 / np.sqrt(om * (1 + u) ** 3 + 1 - om), u, axis=0)
    return 5 * np.log10((1 + z) * C_KMS / h0 * chi) + 25


def schechter(mag, phi, mstar, alpha):
    ratio = 10 ** (0.4 * (mstar - mag))
    return 0.4 * np.log(10) * phi * ratio ** (alpha + 1) * np.exp(-ratio)


def band_grb(e, a, alpha, beta, e0):
    brk = (alpha - beta) * e0
    low = a * (e / 100) ** alpha * np.exp(-e / e0)
    high = a * (brk / 100) ** (alpha - beta) * np.exp(beta - alpha) * (e / 100) ** beta
    return np.where(e < brk, low, high)


def redshifted_template(w, amp, z, base):
    return amp * SPECTRUM(w / (1 + z)) + base


def extinction(w, a, r):
    x = 1 / w
    return a * (0.574 * x**1.61 - 0.527 * x**1.61 / r)


def extinction_branchy(w, a, r):
    """Cardelli-like: another polynomial for each wavelength range."""
    k = np.empty(len(w))
    for i, x in enumerate(1 / w):
        if x < 1.1:
            k[i] = 0.574 * x**1.61 - 0.527 * x**1.61 / r
        else:
            y = x - 1.82
            k[i] = 1 + 0.177 * y - 0.504 * y**2 + (1.413 * y + 2.283 * y**2) / r
    return a * k


def light_curve(t, *p):
    total = p[0] * np.ones_like(t)
    for a, b, n in zip(p[1::2], p[2::2], range(1, 9), strict=False):
        total += a * np.cos(n * t) + b * np.sin(n * t)
    return total


def nelson_siegel(t, b0, b1, b2, tau):
    u = t / tau
    load = (1 - np.exp(-u)) / u
    return b0 + b1 * load + b2 * (load - np.exp(-u))


def svensson_masked(t, b0, b1, tau):
    load = np.ones_like(t)
    np.divide(1 - np.exp(-t / tau), t / tau, out=load, where=t > 0)
    return b0 + b1 * load


def black_scholes(k, vol, rate, spot=100.0, expiry=0.5):
    root = vol * np.sqrt(expiry)
    d1 = (np.log(spot / k) + (rate + vol**2 / 2) * expiry) / root
    return spot * norm.cdf(d1) - k * np.exp(-rate * expiry) * norm.cdf(d1 - root)


def svi(k, a, b, rho, m, sigma):
    u = np.log(k / 100)
    return a + b * (rho * (u - m) + np.sqrt((u - m) ** 2 + sigma**2))


def bachelier(k, vol, forward):
    d = (forward - k) / vol
    return (forward - k) * ndtr(d) + vol * np.exp(-(d**2) / 2) / np.sqrt(2 * np.pi)


def income_density(x, n, mu, s):
    return n * lognorm.pdf(x, s, scale=np.exp(mu))


def pareto_tail(x, n, alpha, xm):
    return np.where(x >= xm, n * alpha * xm**alpha / x ** (alpha + 1), 0.0)


def bass(t, m, p, q):
    e = np.exp(-(p + q) * t)
    return m * (1 - e) / (1 + q / p * e)


def learning_curve(n, first, rate):
    return first * n ** np.log2(rate)


def discounting(delay, k, s):
    return 1.0 / (1.0 + k * delay) ** s


def seasonal_trend(t, a, b, amp, shift, knee):
    trend = a + b * np.maximum(0.0, t - knee)
    return trend + amp * np.sin(2 * np.pi * (t - shift) % (2 * np.pi))


def drawdown(t, a, rate):
    path = 1 + a * np.sin(t) * np.exp(-rate * t)
    return path / np.maximum.accumulate(path)


def cumulative_return(t, mu, amp):
    return np.cumprod(1 + mu * 0.01 + amp * 0.01 * np.cos(t))


CASES = [
    case(sersic, radius, (3, 6, 2.2), (2, 5, 2), 0.02, bounds=((0, 0.5, 0.4), (30, 40, 9))),
    case(king, radius, (5, 2, 16.3), (4, 1.5, 17), 0.01),
    case(moffat, radius, (8, 4, 2.5, 0.3), (6, 3, 2, 0), 0.03),
    case(nfw_rotation, radius, (160, 9), (140, 7), 1, bounds=((10, 1), (500, 40))),
    case(kepler_rv, phase, (50, 0.3, 0.8, 5), (45, 0.2, 0.7, 0), 1,
         bounds=((0, 0, -3, -50), (200, 0.9, 4, 50))),
    case(kepler_while, phase, (50, 0.3, 5), (45, 0.2, 0), 1, road=HOST,
         bounds=((0, 0, -50), (200, 0.9, 50))),
    case(transit_box, phase, (0.01, 0.503, 0.2, 0.05), (0.008, 0.49, 0.22, 0.06), 3e-4),
    case(transit_masks, phase, (0.01, 0.503, 0.1531, 0.4), (0.008, 0.5, 0.155, 0.3), 3e-4),
    case(supernova, grid, (8, 9, 1.2, 7), (6, 8, 1.5, 5), 0.05),
    case(hubble_distance, np.linspace(0.02, 1.4, 30), (70, 0.3), (65, 0.4), 0.02, road=HOST,
         bounds=((30, 0.01), (120, 0.99))),
    case(hubble_grid, np.linspace(0.02, 1.4, 40), (70, 0.3), (65, 0.4), 0.02,
         bounds=((30, 0.01), (120, 0.99))),
    case(schechter, np.linspace(-23, -16, 50), (1.5, -20.5, -1.1), (1, -20, -1), 0.01),
    case(band_grb, np.logspace(1, 4, 60), (1, -0.9, -2.3, 200), (0.8, -1, -2, 250), 1e-3),
    case(redshifted_template, grid, (2, 0.03, 0.1), (1.5, 0.02, 0), 0.02),
    case(extinction, np.linspace(0.9, 3.3, 40), (2, 3.1), (1.5, 4), 0.005),
    case(extinction_branchy, np.linspace(0.4, 3.3, 40), (2, 3.1), (1.5, 4), 0.01, concrete=True),
    case(light_curve, grid, (10, 1, 0.5, 0.3, -0.2), (9, 0, 0, 0, 0), 0.02),
    case(nelson_siegel, years, (4, -2, 1.5, 2.5), (3.5, -1, 1, 2), 0.01),
    case(svensson_masked, years, (4, -2, 2.5), (3, -1, 2), 0.01, note="out= and where="),
    case(black_scholes, strikes, (0.25, 0.03), (0.3, 0.02), 0.02),
    case(svi, strikes, (0.03, 0.2, -0.4, 0.05, 0.15), (0.02, 0.25, -0.3, 0, 0.2), 2e-5),
    case(bachelier, strikes, (12, 101), (10, 100), 0.02),
    case(income_density, np.linspace(0.1, 8, 80), (5, 0.4, 0.6), (4, 0.2, 0.8), 0.02),
    case(pareto_tail, np.linspace(1, 12, 78), (5, 1.8, 2.05), (4, 1.5, 2.06), 0.01,
         bounds=((0.1, 0.3, 2.04), (50, 6, 2.1))),
    case(bass, years, (100, 0.02, 0.4), (90, 0.03, 0.3), 0.5),
    case(learning_curve, np.arange(1.0, 60), (100, 0.82), (90, 0.9), 0.5),
    case(discounting, years, (0.4, 0.8), (0.3, 1), 0.01),
    case(seasonal_trend, years, (2, 0.3, 1, 0.05, 11.1), (1.5, 0.2, 0.8, 0.04, 10), 0.05),
    case(drawdown, years, (0.3, 0.1), (0.25, 0.12), 0.002),
    case(cumulative_return, years, (1.2, 4), (1, 3), 0.005),
]  # fmt: skip
