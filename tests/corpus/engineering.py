"""Materials, control, electronics, fluids, heat, vibration, geoscience."""

import functools
from dataclasses import dataclass, field

import numpy as np
from scipy import signal, special
from scipy.interpolate import interp1d
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import brentq
from scipy.signal import lfilter

from tests.corpus.case import HOST, case

strain = np.linspace(0, 0.2, 60)
seconds = np.linspace(0, 12, 90)
hertz = np.logspace(-1, 3, 70)
depth = np.linspace(0.5, 40, 50)
TIMES = np.linspace(0, 12, 90)
KNOT_X = np.array([0.0, 2.0, 5.0, 8.0, 12.0])
GAIN_TABLE = interp1d([0, 3, 6, 12], [1.0, 1.8, 2.2, 2.4])


def ramberg_osgood(stress, e, k, n):
    return stress / e + k * (stress / 300) ** n


def ramberg_inverse(eps, e, k, n):
    def stress(ep):
        return brentq(lambda s: s / e + k * (s / 300) ** n - ep, 0, 2000)

    return np.vectorize(stress)(eps)


def bilinear(eps, e1, e2, eps_y):
    return np.where(eps < eps_y, e1 * eps, e1 * eps_y + e2 * (eps - eps_y))


def johnson_cook(eps, a, b, n, c, rate=100.0):
    return (a + b * eps**n) * (1 + c * np.log(rate))


def mooney_rivlin(stretch, c1, c2):
    return 2 * (stretch - 1 / stretch**2) * (c1 + c2 / stretch)


def prony(t, g_inf, *terms):
    g = g_inf
    for gi, tau in zip(terms[::2], terms[1::2], strict=False):
        g = g + gi * np.exp(-t / tau)
    return g


def carreau(rate, eta0, eta_inf, lam, n):
    return eta_inf + (eta0 - eta_inf) * (1 + (lam * rate) ** 2) ** ((n - 1) / 2)


def herschel_bulkley(rate, tau0, k, n):
    return tau0 + k * rate**n


def wlf(temp, c1, c2, tr):
    return -c1 * (temp - tr) / (c2 + temp - tr)


def second_order_step(t, k, wn, zeta):
    wd = wn * np.sqrt(1 - zeta**2)
    phi = np.arccos(zeta)
    return k * (1 - np.exp(-zeta * wn * t) / np.sqrt(1 - zeta**2) * np.sin(wd * t + phi))


def step_any_damping(t, k, wn, zeta):
    if zeta < 1:
        return second_order_step(t, k, wn, zeta)
    root = np.sqrt(zeta**2 - 1)
    p1, p2 = wn * (zeta - root), wn * (zeta + root)
    return k * (1 + (p1 * np.exp(-p2 * t) - p2 * np.exp(-p1 * t)) / (p2 - p1))


def first_order_delay(t, k, tau, delay):
    active = t > delay
    return np.where(active, k * (1 - np.exp(-(t - delay) / tau)), 0.0)


def bode_gain(f, k, f0, q):
    s = 1j * f / f0
    return 20 * np.log10(np.abs(k / (s**2 + s / q + 1)))


def transfer_complex(f, k, tau, delay):
    s = 2j * np.pi * f
    return k * np.exp(-s * delay) / (1 + tau * s)


def lowpass_recursion(t, alpha, gain):
    """A digital low-pass on a square wave, sample by sample."""
    drive = gain * np.sign(np.sin(t))
    y = [0.0]
    for u in drive[1:]:
        y.append(y[-1] + alpha * (u - y[-1]))
    return np.asarray(y)


def lfilter_response(t, b0, a1):
    drive = np.sign(np.sin(t))
    return lfilter([b0], [1.0, -a1], drive)


def smoothed_edge(t, height, at, width):
    return gaussian_filter1d(height / (1 + np.exp(-(t - at) / width)), 3)


def linear_spline(t, *heights):
    return np.interp(t, KNOT_X, heights)


def shifted_lookup(t, scale, offset):
    return scale * GAIN_TABLE(t) + offset


def calibrated(t, gain, stretch):
    grid = np.linspace(0, 12 * stretch, 30)
    return np.interp(t, grid, gain * np.sin(grid / stretch), left=0.0, right=0.0)


def steinhart(r, a, b, c):
    lr = np.log(r)
    return 1.0 / (a + b * lr + c * lr**3) - 273.15


def callendar(t, r0, a, b):
    return r0 * (1 + a * t + b * t * t)


def fin_temperature(x, theta, m, length=40.0):
    return theta * np.cosh(m * (length - x)) / np.cosh(m * length)


def semi_infinite(x, ts, ti, alpha):
    return ts + (ti - ts) * special.erf(x / (2 * np.sqrt(alpha)))


def log_law(z, u_star, z0):
    return u_star / 0.41 * np.log(z / z0)


def spalding_profile(z, u, delta, n):
    return u * np.minimum(z / delta, 1.0) ** (1 / n)


def pump_curve(q, h0, a, b):
    return np.polyval([-a, b, h0], q)


def colebrook(re, roughness, scale):
    f = 0.02 * np.ones_like(re)
    for _ in range(12):
        f = (-2 * np.log10(roughness / 3.7 + 2.51 / (re * np.sqrt(f)))) ** -2
    return scale * f


def van_genuchten(h, tr, ts, alpha, n):
    m = 1 - 1 / n
    return tr + (ts - tr) / (1 + (alpha * h) ** n) ** m


def theis_bessel(r, q, lam):
    return q * special.k0(r / lam)


def variogram(h, nugget, sill, span):
    hr = h / span
    g = np.piecewise(hr, [hr <= 1, hr > 1], [lambda u: 1.5 * u - 0.5 * u**3, 1.0])
    return nugget + sill * g


def matern(h, sill, span):
    u = np.sqrt(3) * h / span
    return sill * (1 - (1 + u) * np.exp(-u))


def coulomb_friction(v, fc, fs, vs, sigma):
    return np.sign(v) * (fc + (fs - fc) * np.exp(-((v / vs) ** 2))) + sigma * v


def magic_formula(slip, b, c, d, e):
    return d * np.sin(c * np.arctan(b * slip - e * (b * slip - np.arctan(b * slip))))


def fatigue(n, a, b, limit):
    return np.maximum(a * n**b, limit)


def battery_ocv(soc, e0, k, a, b):
    return e0 - k / soc + a * np.exp(-b * (1 - soc))


def peukert(i, c, k):
    return c / np.float64(i) ** k if np.ndim(i) == 0 else c / i**k


def pwm(t, amp, freq, duty_shape):
    return amp * signal.square(2 * np.pi * freq * t) * np.exp(-duty_shape * t)


class Oscillator:
    """Callable with state: keeps the last curve, as instrument scripts do."""

    def __init__(self, offset):
        self.offset = offset
        self.last = None
        self.window = np.hanning(90)

    def envelope(self, t, tau):
        env = np.zeros(t.shape)
        env[:] = np.exp(-t / tau)
        return env * (1 + 0.1 * self.window)

    def __call__(self, t, a, w, tau):
        self.last = a * np.cos(w * t) * self.envelope(t, tau) + self.offset
        return self.last

    def shifted(self, t, a, w, tau, phase):
        return a * np.cos(w * t + phase) * self.envelope(t, tau)


@dataclass
class Sensor:
    ranges: list = field(default_factory=lambda: [4.0, 8.0])

    @property
    def middle(self):
        return sum(self.ranges) / len(self.ranges)

    @staticmethod
    def saturate(u, limit):
        return limit * np.tanh(u / limit)

    def respond(self, t, gain, limit):
        return self.saturate(gain * (t - self.middle), limit)


def make_model(order):
    weights = 1.0 / np.arange(1, order + 1)

    def fourier(t, a, w):
        total = 0.0
        for k, weight in enumerate(weights, start=1):
            total = total + weight * np.sin(k * w * t)
        return a * total

    return fourier


CASES = [
    case(ramberg_osgood, np.linspace(10, 400, 50), (2e3, 0.02, 5), (1.8e3, 0.03, 4), 5e-4),
    case(ramberg_inverse, strain[1::3], (2e3, 0.02, 5), (1.9e3, 0.025, 4.5), 1, road=HOST,
         bounds=((500, 1e-3, 2), (8e3, 0.5, 10))),
    case(bilinear, strain, (2000, 150, 0.053), (1800, 100, 0.05), 1),
    case(johnson_cook, strain[1:], (350, 275, 0.36, 0.02), (300, 250, 0.3, 0.02), 1,
         bounds=((0, 0, 0.05, 0.0199), (900, 900, 1, 0.0201)), note="A, B and C scale together"),
    case(mooney_rivlin, np.linspace(1.05, 3, 40), (0.3, 0.1), (0.2, 0.2), 0.01),
    case(prony, seconds, (1, 2, 0.5, 1.5, 5), (0.8, 1.5, 0.7, 1, 4), 0.002),
    case(carreau, np.logspace(-2, 4, 50), (120, 2, 1.5, 0.4), (100, 1, 1, 0.5), 0.1,
         bounds=((1, 0, 0.01, 0.05), (1e3, 20, 50, 1))),
    case(herschel_bulkley, np.linspace(0.1, 50, 40), (4, 2, 0.6), (3, 1, 0.7), 0.05,
         bounds=((0, 0, 0.1), (50, 50, 2))),
    case(wlf, np.linspace(110, 200, 40), (16, 52, 105), (16, 50, 104), 0.02,
         bounds=((1, 10, 103), (40, 100, 109))),
    case(second_order_step, seconds, (2, 2.5, 0.3), (1.8, 2.3, 0.4), 0.02,
         bounds=((0, 0.1, 0.01), (10, 20, 0.99))),
    case(step_any_damping, seconds, (2, 2.5, 0.3), (1.8, 2.3, 0.4), 0.02, road=HOST,
         bounds=((0, 0.1, 0.01), (10, 20, 5))),
    case(first_order_delay, seconds, (2, 1.5, 1.03), (1.5, 1, 0.97), 0.02),
    case(bode_gain, hertz, (3, 20, 2.5), (2, 18, 2), 0.1),
    case(transfer_complex, hertz[:40], (2, 0.3, 0.004), (1.5, 0.2, 0.002), 0.01),
    case(lowpass_recursion, seconds, (0.2, 1.5), (0.3, 1), 0.02,
         road=HOST, note="each step from the one before"),
    case(lfilter_response, seconds, (0.3, 0.8), (0.4, 0.6), 0.02, road=HOST),
    case(smoothed_edge, seconds, (2, 5, 0.4), (1.5, 5.3, 0.6), 0.02, road=HOST),
    case(linear_spline, seconds, (1, 3, 2, 4, 0), (1, 1, 1, 1, 1), 0.05),
    case(shifted_lookup, seconds, (1.5, 0.2), (1, 0), 0.02),
    case(calibrated, seconds, (2, 1.04), (1.5, 1.01), 0.01),
    case(steinhart, np.linspace(1e3, 3e4, 40), (1.1e-3, 2.4e-4, 8e-8), (1e-3, 2.5e-4, 1e-7), 0.05),
    case(callendar, np.linspace(0, 400, 40), (100, 3.9e-3, -5.8e-7), (90, 4e-3, 0), 0.02),
    case(fin_temperature, depth, (60, 0.08), (50, 0.1), 0.3),
    case(semi_infinite, depth, (80, 20, 60), (70, 25, 40), 0.3),
    case(log_law, depth, (0.4, 0.03), (0.3, 0.05), 0.02, bounds=((0.01, 1e-4), (3, 0.4))),
    case(spalding_profile, depth, (12, 25.3, 6.5), (10, 24.2, 7), 0.05),
    case(pump_curve, np.linspace(0, 10, 30), (50, 0.3, 0.5), (40, 0.2, 0), 0.2),
    case(colebrook, np.logspace(4, 7, 40), (1e-3, 1.1), (5e-4, 1), 2e-5, bounds=((1e-6, 0.1),
         (0.05, 5))),
    case(van_genuchten, np.logspace(-1, 4, 50), (0.08, 0.43, 0.036, 1.56), (0.05, 0.4, 0.05, 1.4),
         0.002,
         bounds=((0, 0.2, 1e-3, 1.05), (0.2, 0.7, 1, 5))),
    case(theis_bessel, depth, (2, 15), (1.5, 12), 0.01),
    case(variogram, depth, (0.3, 2, 22.3), (0.2, 1.5, 20.7), 0.03),
    case(matern, depth, (2, 9), (1.5, 7), 0.02),
    case(coulomb_friction, np.linspace(-2, 2, 60), (1, 1.6, 0.3, 0.2), (0.8, 1.4, 0.4, 0.1), 0.02),
    case(magic_formula, np.linspace(-0.3, 0.3, 60), (10, 1.6, 1, 0.3), (9, 1.5, 0.9, 0.2), 0.005),
    case(fatigue, np.logspace(3, 7, 50), (2000, -0.13, 300), (1800, -0.12, 280), 3),
    case(battery_ocv, np.linspace(0.05, 1, 40), (3.8, 0.02, 0.3, 8), (3.7, 0.01, 0.2, 6), 0.002),
    case(peukert, np.linspace(0.5, 20, 30), (50, 1.15), (40, 1.1), 0.1),
    case(pwm, seconds, (2, 0.31, 0.1), (1.5, 0.31, 0.2), 0.05, road=HOST,
         bounds=((0, 0.3099, 0), (5, 0.3101, 1))),
    case(Oscillator(0.2), seconds, (2, 2.1, 5), (1.5, 2, 4), 0.02, name="callable_object"),
    case(Oscillator(0.2).shifted, seconds, (2, 2.1, 5, 0.3), (1.5, 2, 4, 0), 0.02,
         name="bound_method"),
    case(Sensor().respond, seconds, (0.8, 1.5), (0.6, 1), 0.02, name="dataclass_method"),
    case(make_model(5), seconds, (2, 0.8), (1.5, 0.82), 0.02, name="closure_fourier"),
    case(lambda t, a, k: a * (1 - np.exp(-k * t)), seconds, (2, 0.5), (1, 1), 0.02,
         name="a_lambda"),
    case(functools.partial(fin_temperature, length=45.0), depth, (60, 0.08), (50, 0.1), 0.3,
         name="partial_keyword"),
]  # fmt: skip
