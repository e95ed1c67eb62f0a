"""Kinetics, electrochemistry, equilibria, adsorption, thermodynamics."""

import math

import numpy as np
from scipy.constants import N_A, R
from scipy.integrate import cumulative_trapezoid, odeint, solve_ivp
from scipy.linalg import expm
from scipy.optimize import fsolve
from scipy.special import erfc, exp1, lambertw

from tests.corpus.case import HOST, case

F = 96485.33212
T0 = 298.15
minutes = np.linspace(0, 20, 60)
freq = np.logspace(-1, 5, 70)
conc = np.linspace(0.05, 12, 50)


def first_order(t, c0, k):
    return c0 * np.exp(-k * t)


def second_order(t, c0, k):
    return c0 / (1 + k * c0 * t)


def nth_order(t, c0, k, n):
    return (c0 ** (1 - n) + (n - 1) * k * t) ** (1 / (1 - n))


def consecutive(t, a0, k1, k2):
    return a0 * k1 / (k2 - k1) * (np.exp(-k1 * t) - np.exp(-k2 * t))


def consecutive_safe(t, a0, k1, k2):
    if abs(k1 - k2) < 1e-9:
        return a0 * k1 * t * np.exp(-k1 * t)
    return consecutive(t, a0, k1, k2)


def reversible_ode(t, k1, k2, a0):
    def rhs(time, y):
        return [-k1 * y[0] + k2 * y[1], k1 * y[0] - k2 * y[1]]

    return solve_ivp(rhs, (0, t[-1]), [a0, 0.0], t_eval=t, rtol=1e-9, atol=1e-11).y[0]


def autocatalysis_odeint(t, k, a0):
    def rate(a, time):
        return -k * a * (1.05 * a0 - a)

    return odeint(rate, a0, t, rtol=1e-10, atol=1e-10).ravel()


def rate_matrix(t, k1, k2, k3):
    """A -> B <-> C by the matrix exponential on an even grid."""
    m = np.array([[-k1, 0, 0], [k1, -k2, k3], [0, k2, -k3]])
    step = expm(m * (t[1] - t[0]))
    state = np.array([1.0, 0.0, 0.0])
    out = np.empty((len(t), 3))
    for i in range(len(t)):
        out[i] = state
        state = step @ state
    return out[:, 1]


def euler_loop(t, k, n, c0):
    c = np.zeros(len(t))
    c[0] = c0
    for i in range(1, len(t)):
        c[i] = c[i - 1] - (t[i] - t[i - 1]) * k * c[i - 1] ** n
    return c


def michaelis_menten(s, vmax, km):
    return vmax * s / (km + s)


def substrate_inhibition(s, vmax, km, ki):
    return vmax * s / (km + s + s**2 / ki)


def progress_curve(t, s0, vmax, km):
    arg = s0 / km * np.exp((s0 - vmax * t) / km)
    return km * np.real(lambertw(arg))


def hill(c, top, ec50, n):
    return top * c**n / (ec50**n + c**n)


def langmuir(p, qmax, b):
    return qmax * b * p / (1 + b * p)


def freundlich(p, k, n):
    return k * p ** (1 / n)


def sips(p, q, b, n):
    bp = (b * p) ** (1.0 / n)
    return q * bp / (1 + bp)


def bet(p, vm, c):
    return vm * c * p / ((1 - p) * (1 + (c - 1) * p))


def dubinin(p, w0, e):
    return w0 * np.exp(-((R * 77 * np.log(1 / p) / (e * 1000)) ** 2))


def randles(f, rs, rct, cdl):
    w = 2 * np.pi * f
    return rs + rct / (1 + 1j * w * rct * cdl)


def randles_warburg(f, rs, rct, q, alpha, aw):
    s = 2j * np.pi * f
    z_cpe = 1 / (q * s**alpha)
    z_far = rct + aw / np.sqrt(s)
    return rs + z_cpe * z_far / (z_cpe + z_far)


def impedance_stacked(f, rs, r1, c1):
    z = rs + 1 / (1 / r1 + 2j * np.pi * f * c1)
    return np.hstack([z.real, -z.imag])


def impedance_bode(f, rs, r1, c1):
    z = rs + r1 / (1 + 2j * np.pi * f * r1 * c1)
    return np.concatenate((np.log10(np.abs(z)), np.angle(z)))


def nernst(ratio, e0, n):
    return e0 + R * T0 / (n * F) * np.log(ratio)


def butler_volmer(eta, i0, alpha):
    f = F / (R * T0)
    return i0 * (np.exp(alpha * f * eta) - np.exp(-(1 - alpha) * f * eta))


def tafel_abs(eta, log_i0, b):
    return np.log10(np.abs(10**log_i0 * 2 * np.sinh(eta / b)))


def cottrell(t, k, tau):
    return k / np.sqrt(np.pi * t) * erfc(np.sqrt(t) / tau)


def titration(v, ca, pka, va=25.0, cb=0.1):
    """pH of a weak acid against strong base: a root for every volume."""

    def excess(h, vi):
        alpha = 10**-pka / (10**-pka + h)
        return h + cb * vi / (va + vi) - 1e-14 / h - ca * va / (va + vi) * alpha

    out = []
    for vi in v:
        low, high = 0.0, 14.0
        for _ in range(60):
            middle = (low + high) / 2
            if excess(10**-middle, vi) > 0:
                low = middle
            else:
                high = middle
        out.append(low)
    return np.array(out)


def buffer_species(ph, total, pk1, pk2):
    h, k1, k2 = 10.0**-ph, 10.0**-pk1, 10.0**-pk2
    fractions = np.array([h * h, k1 * h, k1 * k2 + 0 * h])
    fractions /= fractions.sum(axis=0)
    return total * fractions[1]


def binding_quadratic(lig, bmax, kd, p=1.0):
    b = p + lig + kd
    return bmax * (b - np.sqrt(b**2 - 4 * p * lig)) / (2 * p)


def binding_fsolve(lig, bmax, kd):
    free = fsolve(lambda u: u + u / (kd + u) - lig, lig / 2)
    return bmax * free / (kd + free)


def antoine(t, a, b, c):
    return 10 ** (a - b / (t + c))


def vant_hoff(t, dh, ds):
    return np.exp(-dh * 1000 / (R * t) + ds / R)


def eyring(t, dh, ds):
    return np.log(t) + 23.76 - dh * 1e3 / (R * t) + ds / R


def melting(t, dh, tm, f_low, f_high):
    k = np.exp(dh * 1e3 / R * (1 / tm - 1 / t))
    theta = 1 / (1 + k)
    return f_low * theta + f_high * (1 - theta)


def redlich_kister(x, a0, a1, a2):
    return x * (1 - x) * sum(a * (2 * x - 1) ** k for k, a in enumerate((a0, a1, a2)))


def lennard_jones(r, eps, sigma):
    sr6 = (sigma / r) ** 6
    return 4 * eps * (sr6**2 - sr6)


def morse(r, de, a, re, e0):
    return de * (1 - np.exp(-a * (r - re))) ** 2 + e0


def tga_kissinger(temp, log_a, ea, m0):
    """Mass loss at constant heating rate, integrated along the ramp."""
    k = np.exp(log_a) * np.exp(-ea * 1e3 / (R * temp))
    return m0 * np.exp(-cumulative_trapezoid(k, temp, initial=0) / 10)


def well_function(t, q, s):
    return q * exp1(s / t)


def dls_cumulant(tau, beta, g, mu2, base):
    return base + beta * (math.exp(0) * np.exp(-g * tau) * (1 + mu2 / 2 * tau**2)) ** 2


def molecules(n, a, b):
    return a * n + b * np.log(N_A) / 50


CASES = [
    case(first_order, minutes, (2, 0.3), (1, 0.2), 0.01),
    case(second_order, minutes, (2, 0.3), (1, 0.2), 0.01),
    case(nth_order, minutes, (2, 0.2, 1.7), (1.8, 0.2, 1.5), 0.005,
         bounds=((0.1, 0.001, 1.05), (10, 2, 4))),
    case(consecutive, minutes, (2, 0.6, 0.2), (1.5, 0.8, 0.1), 0.01),
    case(consecutive_safe, minutes, (2, 0.6, 0.2), (1.5, 0.8, 0.1), 0.01, road=HOST),
    case(reversible_ode, minutes[1:], (0.3, 0.1, 2), (0.2, 0.2, 1.5), 0.01, road=HOST),
    case(autocatalysis_odeint, minutes, (0.3, 1.2), (0.25, 1.1), 0.005, road=HOST),
    case(rate_matrix, minutes, (0.5, 0.3, 0.1), (0.4, 0.2, 0.2), 0.003,
         road=HOST, note="each step from the one before"),
    case(euler_loop, minutes, (0.2, 1.4, 2), (0.15, 1.2, 1.8), 0.005,
         bounds=((0, 0.5, 0.1), (0.5, 2.5, 5)),
         road=HOST, note="each step from the one before"),
    case(michaelis_menten, conc, (4, 2), (3, 1), 0.03),
    case(substrate_inhibition, conc, (6, 2, 8), (5, 1, 10), 0.03),
    case(progress_curve, minutes, (5, 0.6, 1.5), (4.8, 0.5, 1), 0.01,
         bounds=((0.1, 0.01, 0.1), (20, 5, 10))),
    case(hill, conc, (3, 4, 2.3), (2, 3, 1.5), 0.02, bounds=((0, 0, 0.2), (10, 20, 8))),
    case(langmuir, conc, (3, 0.4), (2, 1), 0.02),
    case(freundlich, conc, (1.3, 2.1), (1, 1.5), 0.02, bounds=((0, 0.3), (10, 10))),
    case(sips, conc, (3, 0.4, 1.3), (2.5, 0.5, 1), 0.005, bounds=((0, 0.01, 0.3), (20, 5, 5))),
    case(bet, np.linspace(0.02, 0.5, 30), (12, 80), (10, 50), 0.1),
    case(dubinin, np.logspace(-5, -0.5, 30), (0.4, 3), (0.3, 2.5), 0.003),
    case(randles, freq, (10, 100, 1e-4), (8, 80, 2e-4), 0.5),
    case(randles_warburg, freq, (10, 100, 1e-4, 0.9, 30), (8, 80, 2e-4, 0.85, 20), 0.2,
         bounds=((1, 10, 1e-6, 0.5, 1), (50, 500, 1e-2, 1, 200))),
    case(impedance_stacked, freq, (10, 100, 1e-4), (8, 80, 2e-4), 0.5),
    case(impedance_bode, freq, (10, 100, 1e-4), (8, 80, 2e-4), 0.005,
         bounds=((1, 10, 1e-6), (50, 500, 1e-2))),
    case(nernst, np.logspace(-3, 3, 30), (0.77, 1.02), (0.5, 2), 0.001),
    case(butler_volmer, np.linspace(-0.1, 0.1, 41), (1.2, 0.45), (1, 0.5), 0.05),
    case(tafel_abs, np.linspace(0.02, 0.3, 30), (-3, 0.05), (-2.5, 0.06), 0.01),
    case(cottrell, np.linspace(0.1, 10, 50), (2, 3), (1, 2), 0.01),
    case(titration, np.linspace(1, 40, 25), (0.12, 4.76), (0.1, 5), 0.01, road=HOST,
         note="bisection on a parameter"),
    case(buffer_species, np.linspace(1, 13, 60), (1.5, 4.2, 8.9), (1, 4, 9), 0.01),
    case(binding_quadratic, np.linspace(0, 6, 40), (2, 0.3), (1.5, 0.5), 0.01,
         bounds=((0, 0.001), (10, 10))),
    case(binding_fsolve, np.linspace(0.2, 6, 25), (2, 0.3), (1.5, 0.5), 0.01, road=HOST,
         bounds=((0, 0.01), (10, 10))),
    case(antoine, np.linspace(10, 90, 40), (8.07, 1730, 233), (8, 1700, 230), 0.2),
    case(vant_hoff, np.linspace(280, 340, 30), (-20, -50), (-18, -45), 0.05),
    case(eyring, np.linspace(280, 360, 30), (60, -40), (50, -20), 0.02),
    case(melting, np.linspace(290, 350, 60), (200, 322, 0.2, 0.9), (150, 320, 0, 1), 0.01),
    case(redlich_kister, np.linspace(0.02, 0.98, 40), (1200, -300, 90), (1000, 0, 0), 5),
    case(lennard_jones, np.linspace(3.2, 8, 50), (1.2, 3.4), (1, 3.3), 0.01),
    case(morse, np.linspace(0.5, 4, 60), (4.5, 1.9, 0.75, -4), (4, 1.5, 0.8, -3.5), 0.02),
    case(tga_kissinger, np.linspace(400, 700, 80), (18, 110, 1), (17, 105, 0.9), 0.003),
    case(well_function, np.linspace(0.5, 30, 40), (2, 0.7), (1, 1), 0.02, bounds=((0, 1e-3), (9,
         9))),
    case(dls_cumulant, np.linspace(0.01, 4, 60), (0.8, 1.2, 0.3, 0.02), (0.7, 1, 0.1, 0), 0.002),
    case(molecules, np.linspace(0, 9, 20), (2, 1), (1, 0), 0.05),
]  # fmt: skip
