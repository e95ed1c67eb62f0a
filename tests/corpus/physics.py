"""Solid state, particle, nuclear and laboratory physics."""

import cmath
import functools
import math

import numpy as np
from scipy import constants, integrate, optimize
from scipy.interpolate import CubicSpline
from scipy.special import ellipk, erf, gamma, i0, jv, spherical_jn

from tests.corpus.case import HOST, case

KB_EV = 8.617333262e-5
KT = 0.02585
t10 = np.linspace(0, 10, 120)
volts = np.linspace(0, 0.7, 60)


def exp_decay(t, a, tau, c):
    return a * np.exp(-t / tau) + c


def biexponential(t, a1, k1, a2, k2):
    return a1 * np.exp(-k1 * t) + a2 * np.exp(-k2 * t)


def stretched(t, a, tau, beta):
    return a * np.exp(-((t / tau) ** beta))


def damped_cosine(t, a, decay, omega, phi, c):
    return a * np.exp(-decay * t) * np.cos(omega * t + phi) + c


def chirp(t, a, f0, k):
    return a * np.sin(2 * np.pi * (f0 * t + 0.5 * k * t**2))


def rabi(t, vis, omega, t2):
    return 0.5 - 0.5 * vis * math.exp(0.0) * np.exp(-((t / t2) ** 2)) * np.cos(omega * t)


def ramsey(t, a, b, detuning, t2star, n):
    envelope = np.exp(-np.power(t / t2star, n))
    return a + b * envelope * np.cos(2 * np.pi * detuning * t)


def arrhenius(temp, log_a, ea):
    return math.exp(log_a) * np.exp(-ea / (KB_EV * temp))


def diode(v, i_s, n):
    return i_s * (np.exp(v / (n * KT)) - 1)


def solar_cell(v, iph, i_s, n, rsh):
    return iph - i_s * 1e-9 * np.expm1(v / (n * KT)) - v / rsh


def diode_series(v, i_s, rs):
    """The implicit diode equation, solved point by point."""

    def current(vi):
        return optimize.brentq(lambda i: i_s * 1e-6 * np.expm1((vi - i * rs) / KT) - i, -1, 50)

    return np.array([current(vi) for vi in v])


def malus(angle, i0_, phi, bg):
    return i0_ * np.cos(np.deg2rad(angle - phi)) ** 2 + bg


def pendulum_period(theta0, length, offset):
    k2 = np.sin((theta0 + offset) / 2) ** 2
    return 4 * np.sqrt(length / constants.g) * ellipk(k2)


def debye_heat(temp, theta, scale):
    def integrand(u):
        return u**4 * np.exp(u) / np.expm1(u) ** 2

    out = np.zeros(len(temp))
    for i, t in enumerate(temp):
        value, _ = integrate.quad(integrand, 0, theta / t)
        out[i] = scale * 9 * (t / theta) ** 3 * value
    return out


def debye_samples(temp, theta, scale):
    """The Debye integral by the trapezoidal rule on a grid that ends at theta / T."""
    u = np.linspace(1e-6, 1, 200)[:, None] * (theta / temp)
    f = u**4 * np.exp(u) / np.expm1(u) ** 2
    return scale * 9 * (temp / theta) ** 3 * np.trapezoid(f, u, axis=0)


def einstein_heat(temp, theta, n):
    r = theta / temp
    return 3 * n * constants.R * r**2 * np.exp(r) / (np.exp(r) - 1) ** 2


def curie_weiss(temp, c, theta, chi0):
    return c / (temp - theta) + chi0


def order_parameter(temp, m0, tc, beta):
    reduced = np.clip(1 - temp / tc, 0, None)
    m = np.zeros_like(temp)
    cold = reduced > 0
    m[cold] = m0 * reduced[cold] ** beta
    return m


def bcs_gap(temp, gap0, tc):
    inside = temp < tc
    safe = np.where(inside, temp, 0.5 * tc)
    return np.where(inside, gap0 * np.tanh(1.74 * np.sqrt(tc / safe - 1)), 0.0)


def brillouin(b, ms, scale, j=3.5):
    x = scale * b
    c1 = (2 * j + 1) / (2 * j)
    return ms * (c1 / np.tanh(c1 * x) - 1 / (2 * j) / np.tanh(x / (2 * j)))


def langevin(h, ms, a):
    out = np.zeros_like(h)
    nonzero = h != 0
    out[nonzero] = 1 / np.tanh(h[nonzero] / a) - a / h[nonzero]
    return ms * out


def hysteresis(h, ms, hc, w, chi):
    return ms * np.tanh((h - hc * np.sign(h)) / w) + chi * h


def kondo(temp, r0, q, kln, p):
    return r0 + q * temp**2 + kln * np.log(1 / temp) + p * temp**5


def breit_wigner(e, norm, m, width):
    g = np.sqrt(m**2 * (m**2 + width**2))
    k = 2 * np.sqrt(2) * m * width * g / (np.pi * np.sqrt(m**2 + g))
    return norm * k / ((e**2 - m**2) ** 2 + m**2 * width**2)


def crystal_ball(x, n, mean, sigma, alpha, power):
    t = (x - mean) / sigma
    a = np.power(power / alpha, power) * np.exp(-0.5 * alpha**2)
    b = power / alpha - alpha
    tail = t < -alpha
    y = np.exp(-0.5 * t**2)
    y[tail] = a / (b - t[tail]) ** power
    return n * y


def resonance_complex(f, a, f0, q, phase):
    return a * cmath.exp(1j * phase) / (1 + 2j * q * (f - f0) / f0)


def s21_notch(f, f0, ql, qc, phi):
    return 1 - (ql / qc) * np.exp(1j * phi) / (1 + 2j * ql * (f / f0 - 1))


def form_factor_sphere(q, scale, radius, bg):
    qr = q * radius
    return scale * (3 * (np.sin(qr) - qr * np.cos(qr)) / qr**3) ** 2 + bg


def guinier_porod(q, g, rg, d):
    q1 = np.sqrt(1.5 * d) / rg
    scale = g * np.exp(-(q1**2) * rg**2 / 3) * q1**d
    return np.where(q <= q1, g * np.exp(-(q**2) * rg**2 / 3), scale * q**-d)


def spherical_bessel(q, a, r):
    return a * spherical_jn(2, q * r) ** 2


def bessel_mode(r, a, k, n=2):
    return a * jv(n, k * r)


def von_mises(theta, n, mu, kappa):
    return n * np.exp(kappa * np.cos(theta - mu)) / (2 * np.pi * i0(kappa))


def gamma_spectrum(e, n, k, theta):
    return n * e ** (k - 1) * np.exp(-e / theta) / (gamma(k) * theta**k)


def diffusion_front(x, c0, d, x0, time=3.0):
    return c0 / 2 * (1 - erf((x - x0) / np.sqrt(4 * d * time)))


def template_shift(x, amp, shift, base):
    return amp * TEMPLATE(x - shift) + base


def decay_chain(t, n0, lam1, lam2):
    parent = n0 * np.exp(-lam1 * t)
    daughter = n0 * lam1 / (lam2 - lam1) * (np.exp(-lam1 * t) - np.exp(-lam2 * t))
    return lam1 * parent + lam2 * daughter


def power_law_branch(t, a, n):
    if n == 1:
        return a * np.log(t)
    return a * (t ** (1 - n) - 1) / (1 - n)


def driven_oscillator(omega, f, w0, g):
    return f / np.sqrt((w0**2 - omega**2) ** 2 + (g * omega) ** 2)


def thermometer(r, a, b, c):
    log_r = np.log(r)
    return 1 / np.polyval([c, 0.0, b, a], log_r)


TEMPLATE = CubicSpline(np.linspace(-6, 16, 60), np.exp(-0.3 * (np.linspace(-6, 16, 60) - 5) ** 2))
kohlrausch_fixed = functools.partial(stretched, beta=0.6)

CASES = [
    case(exp_decay, t10, (3, 2, 0.5), (1, 1, 0), 0.03),
    case(biexponential, t10, (3, 2, 1, 0.3), (2, 1.5, 1, 0.2), 0.01),
    case(stretched, t10[1:], (2, 3, 0.7), (1, 2, 1), 0.01, bounds=((0, 0, 0), (10, 20, 2))),
    case(kohlrausch_fixed, t10[1:], (2, 3), (1, 2), 0.01, name="partial_stretched"),
    case(damped_cosine, t10, (2, 0.2, 3, 0.4, 0.1), (1.5, 0.1, 2.9, 0.2, 0), 0.05),
    case(chirp, t10, (1.5, 0.4, 0.05), (1, 0.39, 0.052), 0.05),
    case(rabi, t10, (0.9, 4, 6), (0.8, 3.9, 5), 0.02),
    case(ramsey, t10[1:], (0.5, 0.4, 0.6, 5, 1.5), (0.5, 0.3, 0.61, 4, 1), 0.01,
         bounds=((0, 0, 0, 0.1, 0.3), (1, 1, 2, 30, 4))),
    case(arrhenius, np.linspace(300, 500, 40), (20, 0.5), (19, 0.48), 20),
    case(diode, volts, (1e-6, 1.9), (2e-6, 2), 1e-3, bounds=((1e-9, 1), (1e-4, 3))),
    case(solar_cell, volts, (0.035, 0.9, 1.5, 200), (0.03, 1, 1.52, 100), 1e-5,
         bounds=((0, 0.01, 1, 1), (1, 100, 2, 1e5))),
    case(diode_series, volts[::3], (1.2, 0.3), (1, 0.2), 1e-3, road=HOST,
         bounds=((0.1, 0.01), (10, 5))),
    case(malus, np.arange(0, 360, 10.0), (2, 33, 0.1), (1, 20, 0), 0.02),
    case(pendulum_period, np.linspace(0.1, 2, 30), (1.2, 0.05), (1, 0), 0.003),
    case(debye_heat, np.linspace(10, 300, 30), (320, 8.3), (250, 7), 0.05, road=HOST),
    case(debye_samples, np.linspace(10, 300, 30), (320, 8.3), (250, 7), 0.05),
    case(einstein_heat, np.linspace(20, 300, 40), (200, 1), (150, 0.8), 0.1),
    case(curie_weiss, np.linspace(50, 300, 40), (3, -12, 0.01), (2, 0, 0), 2e-4),
    case(order_parameter, np.linspace(1, 100, 80), (2, 77.3, 0.36), (1.5, 79, 0.4), 0.01,
         bounds=((0, 76, 0.1), (10, 90, 1))),
    case(bcs_gap, np.linspace(0.5, 9, 60), (1.4, 7.2), (1, 7.6), 0.02),
    case(brillouin, np.linspace(0.1, 7, 50), (7, 2.0), (6, 1.5), 0.02),
    case(langevin, np.linspace(-5, 5, 61), (3, 0.8), (2, 1), 0.02),
    case(hysteresis, np.linspace(-5, 5, 80), (3, 0.5, 1.2, 0.05), (2, 0.3, 1, 0), 0.02),
    case(kondo, np.linspace(1, 30, 60), (2, 1e-3, 0.1, 1e-8), (1, 1e-3, 0.05, 1e-8), 1e-3),
    case(breit_wigner, np.linspace(80, 102, 80), (5, 91.2, 2.5), (4, 91, 3), 0.01),
    case(crystal_ball, np.linspace(-8, 4, 120), (5, 0.2, 1, 1.3, 2.5), (4, 0, 1.2, 1.5, 2), 0.02,
         bounds=((0, -2, 0.1, 0.3, 1.05), (20, 2, 4, 4, 10))),
    case(resonance_complex, np.linspace(0.9, 1.1, 100), (2, 1.01, 40, 0.3), (1.5, 1.008, 30, 0),
         0.02,
         note="cmath.exp of a parameter, complex-valued"),
    case(s21_notch, np.linspace(4.99, 5.01, 120), (5.0005, 4e3, 6e3, 0.2), (5, 3e3, 5e3, 0), 0.005),
    case(form_factor_sphere, np.linspace(0.02, 2, 100), (3, 4, 0.01), (2, 3.8, 0), 0.005),
    case(guinier_porod, np.linspace(0.01, 1, 97), (5, 9, 3.6), (4, 10, 3.5), 0.01),
    case(spherical_bessel, np.linspace(0.1, 3, 60), (2, 2.5), (1.5, 2.4), 0.005, road=HOST),
    case(bessel_mode, np.linspace(0, 8, 80), (2, 1.3), (1.5, 1.25), 0.02),
    case(von_mises, np.linspace(-3, 3, 70), (4, 0.3, 2.2), (3, 0, 1), 0.02),
    case(gamma_spectrum, np.linspace(0.05, 10, 90), (5, 2.4, 1.1), (4, 2, 1), 0.02,
         bounds=((0, 0.5, 0.1), (20, 10, 5))),
    case(diffusion_front, np.linspace(-5, 5, 70), (2, 0.7, 0.3), (1, 0.5, 0), 0.02),
    case(template_shift, t10, (2, 0.8, 0.3), (1, 0, 0), 0.02),
    case(decay_chain, t10, (5, 0.4, 1.1), (4, 0.3, 1.3), 0.02),
    case(power_law_branch, t10[2:], (2, 0.6), (1, 0.5), 0.02, road=HOST),
    case(driven_oscillator, np.linspace(0.2, 3, 80), (2, 1.4, 0.3), (1.5, 1.3, 0.4), 0.03),
    case(thermometer, np.linspace(1e3, 3e4, 40), (1.1e-3, 2.3e-4, 1e-7), (1e-3, 2.5e-4, 8e-8),
         0.05),
]  # fmt: skip
