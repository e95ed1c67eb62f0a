"""Problems of `global_problems` whose data are drawn: what is fitted daily, the truth known."""

from __future__ import annotations

import numpy as np

_RNG7 = np.random.default_rng(7)


def _normal(x, a, m, s):
    return a * np.exp(-0.5 * ((x - m) / s) ** 2)


def two_gaussians(x, a1, m1, s1, a2, m2, s2, c):
    return _normal(x, a1, m1, s1) + _normal(x, a2, m2, s2) + c


def three_gaussians(x, a1, m1, s1, a2, m2, s2, a3, m3, s3):
    return _normal(x, a1, m1, s1) + _normal(x, a2, m2, s2) + _normal(x, a3, m3, s3)


def five_gaussians(x, a1, m1, s1, a2, m2, s2, a3, m3, s3, a4, m4, s4, a5, m5, s5):
    return three_gaussians(x, a1, m1, s1, a2, m2, s2, a3, m3, s3) + (
        _normal(x, a4, m4, s4) + _normal(x, a5, m5, s5)
    )


def six_gaussians(x, c, w, a1, m1, a2, m2, a3, m3, a4, m4, a5, m5, a6, m6):
    """Lines of a spectrometer: one width for all."""
    lines = ((a1, m1), (a2, m2), (a3, m3), (a4, m4), (a5, m5), (a6, m6))
    return c + sum(_normal(x, a, m, w) for a, m in lines)


def four_lorentzians(x, c, a1, m1, g1, a2, m2, g2, a3, m3, g3, a4, m4, g4):
    total = c + np.zeros_like(x)
    for a, m, g in ((a1, m1, g1), (a2, m2, g2), (a3, m3, g3), (a4, m4, g4)):
        total = total + a * g**2 / ((x - m) ** 2 + g**2)
    return total


def diffraction(x, b0, b1, eta, a1, m1, w1, a2, m2, w2, a3, m3, w3):
    """Three pseudo-Voigt reflections on a sloping background."""
    total = b0 + b1 * (x - 29)
    for a, m, w in ((a1, m1, w1), (a2, m2, w2), (a3, m3, w3)):
        u = ((x - m) / w) ** 2
        total = total + a * (eta / (1 + 4 * u) + (1 - eta) * np.exp(-4 * np.log(2) * u))
    return total


def fano(x, a, q, m, g, c):
    e = (x - m) / (g / 2)
    return a * (q + e) ** 2 / (1 + e**2) + c


def two_damped(t, a1, f1, k1, a2, f2, k2):
    return a1 * np.cos(f1 * t) * np.exp(-k1 * t) + a2 * np.cos(f2 * t) * np.exp(-k2 * t)


def sine(x, a, f, ph, c):
    return a * np.sin(2 * np.pi * f * x + ph) + c


def two_sines(x, a1, f1, p1, a2, f2, p2, c):
    return a1 * np.sin(2 * np.pi * f1 * x + p1) + a2 * np.sin(2 * np.pi * f2 * x + p2) + c


def damped_sine(t, a, k, f, ph, c):
    return a * np.exp(-k * t) * np.sin(2 * np.pi * f * t + ph) + c


def chirp(t, a, f, r, ph):
    return a * np.sin(2 * np.pi * (f * t + 0.5 * r * t**2) + ph)


def radial_velocity(t, k, period, ecc, omega, t0, gamma):
    """A star pulled by a planet on an ellipse; Kepler's equation by Newton's steps."""
    mean = 2 * np.pi * (t - t0) / period
    turn = mean + ecc * np.sin(mean)
    for _ in range(20):
        turn = turn - (turn - ecc * np.sin(turn) - mean) / (1 - ecc * np.cos(turn))
    half = np.sqrt((1 + ecc) / (1 - ecc)) * np.tan(turn / 2)
    return k * (np.cos(2 * np.arctan(half) + omega) + ecc * np.cos(omega)) + gamma


def two_decays(x, a, b, c, d, e):
    return a * np.exp(-b * x) + c * np.exp(-d * x) + e


def three_lifetimes(t, a1, t1, a2, t2, a3, t3):
    return a1 * np.exp(-t / t1) + a2 * np.exp(-t / t2) + a3 * np.exp(-t / t3)


def stretched(t, a, tau, beta, c):
    return a * np.exp(-((t / tau) ** beta)) + c


def dose_response(x, bottom, top, ec50, slope):
    return bottom + (top - bottom) / (1 + (ec50 / x) ** slope)


def two_sites(x, bottom, top, share, log1, log2):
    """Concentrations x as decimal logarithms."""
    high, low = 1 / (1 + 10 ** (x - log1)), 1 / (1 + 10 ** (x - log2))
    return bottom + (top - bottom) * (share * high + (1 - share) * low)


def melting(t, a, b, c, d, h, tm):
    """A protein that unfolds: two sloping lines, an equilibrium of enthalpy h (kJ/mol) between."""
    k = np.exp(h / 8.314e-3 * (1 / tm - 1 / t))
    return ((a + b * (t - 320)) + (c + d * (t - 320)) * k) / (1 + k)


def broken_stick(x, a, b1, b2, x0):
    return np.where(x < x0, a + b1 * (x - x0), a + b2 * (x - x0))


def chain(t, k1, k2, a0):
    """B of A -> B -> C, by an integrator as users reach for one."""
    from scipy.integrate import solve_ivp

    def rates(_, c):
        return [-k1 * c[0], k1 * c[0] - k2 * c[1]]

    found = solve_ivp(rates, (0, t[-1]), [a0, 0.0], "LSODA", t, rtol=1e-8, atol=1e-10)
    return found.y[1] if found.success else np.full(t.size, np.nan)


def lynx_and_hare(t, alpha, beta, gamma, delta):
    """Hares and lynxes (2 m,) by Lotka and Volterra from the counts of the first year."""
    from scipy.integrate import solve_ivp

    def rates(_, n):
        return [n[0] * (alpha - beta * n[1]), n[1] * (delta * n[0] - gamma)]

    found = solve_ivp(rates, (0, t[-1]), [30, 4], "LSODA", t, rtol=1e-7, atol=1e-7)
    return found.y.ravel() if found.success else np.full(2 * t.size, np.nan)


_HARES = """30 47.2 70.2 77.4 36.3 20.6 18.1 21.4 22 25.4 27.1 40.3 57 76.6 52.3 19.5 11.2 7.6 14.6
    16.2 24.7 """
_LYNXES = """4 6.1 9.8 35.2 59.4 41.7 19 13 8.3 9.1 7.4 8 12.3 19.5 45.7 51.1 29.7 15.8 9.7 10.1
    8.6"""


TRUE: dict[str, list[float]] = {}  # by name, of the cases drawn below


def _case(name: str, f, x, true, noise: float, seed, lo, hi, off=None):
    """A problem with normal noise, and with some rows off: {row: by how much}.

    A Generator as the seed goes on where the last problem left it.
    """
    y = f(x, *true) + noise * np.random.default_rng(seed).normal(size=x.size)
    for row, shift in (off or {}).items():
        y[row] += shift
    TRUE[name] = true
    return name, f, (x, y), lo, hi, "drawn"


def _uneven(end: float, count: int, seed: int) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).uniform(0, end, count))


_PI = np.pi
_TEN, _TWENTY = np.linspace(0, 10, 120), np.linspace(0, 20, 200)
_FINE = np.linspace(0, 10, 250)
_DOSES = np.repeat(10 ** np.linspace(-3, 3, 9), 2)
_FOUR = [0.4, 2, 1.6, 0.3, 3, 3.9, 0.25, 1.2, 5.1, 0.4, 2.2, 8, 0.2]
_FIVE = [3, 1.4, 0.25, 1.8, 3.1, 0.4, 2.5, 4.6, 0.3, 1.2, 6.4, 0.5, 2.8, 8.5, 0.3]
_SIX = [0.5, 0.18, 2, 1.1, 3.5, 2.0, 1.5, 3.7, 2.8, 4.4, 1, 6.6, 3, 8.8]
_REFLECTIONS = [40, -3, 0.5, 300, 28.4, 0.22, 180, 28.75, 0.25, 240, 29.3, 0.24]
CASES = [
    _case("two-gaussians", two_gaussians, _TEN, [3, 3.2, 0.4, 1.5, 5.1, 0.7, 0.3], 0.05, _RNG7,
          [0, 0, 0.05, 0, 0, 0.05, -1], [10, 10, 5, 10, 10, 5, 2]),
    _case("three-gaussians", three_gaussians, _TEN, [3, 2.2, 0.3, 1.5, 4.9, 0.5, 2.2, 7.6, 0.35],
          0.05, _RNG7, [0, 0, 0.05] * 3, [10, 10, 3] * 3),
    _case("two-damped-cosines", two_damped, _TWENTY, [2, 1.7, 0.12, 1.2, 4.3, 0.2], 0.05, _RNG7,
          [-5, 0, 0] * 2, [5, 8, 2] * 2),
    _case("four-lorentzians", four_lorentzians, _FINE, _FOUR, 0.05, 11,
          [-5, *[0, 0, 0.02] * 4], [5, *[20, 10, 5] * 4]),
    _case("five-gaussians", five_gaussians, _FINE, _FIVE, 0.05, 12,
          [0, 0, 0.05] * 5, [10, 10, 3] * 5),
    _case("six-lines", six_gaussians, _FINE, _SIX, 0.05, 13,
          [-5, 0.02, *[0, 0] * 6], [5, 2, *[20, 10] * 6]),
    _case("diffraction", diffraction, np.linspace(27, 31, 161), _REFLECTIONS, 6, 14,
          [0, -100, 0, *[0, 27, 0.02] * 3], [500, 100, 1, *[3000, 31, 2] * 3]),
    _case("fano", fano, np.linspace(50, 70, 120), [1.2, 2.5, 58.3, 0.8, 0.4], 0.1, 15,
          [0, -20, 50, 0.01, -10], [100, 20, 70, 20, 10]),
    _case("sine", sine, np.linspace(0, 10, 200), [1.3, 7.37, 0.8, 0.4], 0.3, 16,
          [0, 0, -_PI, -10], [20, 9.9, _PI, 10]),
    _case("sine-uneven", sine, _uneven(100, 60, 17), [2.2, 3.1416, -1, 5], 0.5, 17,
          [0, 0, -_PI, -50], [50, 5, _PI, 50]),
    _case("two-sines", two_sines, _TWENTY, [1.5, 1.31, 0.5, 0.9, 1.47, -1.2, 2], 0.2, 18,
          [0, 0, -_PI, 0, 0, -_PI, -10], [10, 4, _PI, 10, 4, _PI, 10]),
    _case("damped-sine", damped_sine, np.linspace(0, 5, 150), [4, 0.8, 6.2, 0.3, 1], 0.2, 19,
          [0, 0, 0, -_PI, -10], [50, 20, 14.5, _PI, 10]),
    _case("chirp", chirp, np.linspace(0, 5, 150), [1.4, 1.2, 0.9, 0.6], 0.15, 20,
          [0, 0, -5, -_PI], [10, 10, 5, _PI]),
    _case("radial-velocity", radial_velocity, _uneven(200, 40, 21),
          [57, 4.2308, 0.35, 1.1, 2.2, -12], 4, 22,
          [0, 1, 0, 0, 0, -100], [300, 100, 0.95, 2 * _PI, 4, 100]),
    _case("two-decays", two_decays, np.linspace(0, 10, 200), [3, 0.4, 5, 3.2, 1], 0.03, 23,
          [-100, 0, -100, 0, -100], [100, 100, 100, 100, 100]),
    _case("three-lifetimes", three_lifetimes, np.geomspace(0.01, 300, 120),
          [2, 0.1, 3, 2, 1.5, 40], 0.01, 24, [0, 1e-3] * 3, [100, 1e3] * 3),
    _case("stretched", stretched, np.geomspace(1e-3, 1e3, 60), [2, 3, 0.55, 0.3], 0.02, 25,
          [-100, 1e-3, 0.05, -100], [100, 1e5, 5, 100]),
    _case("outliers", dose_response, _DOSES, [5, 95, 0.7, 1.3], 3, 26,
          [-1e3, -1e3, 1e-6, -20], [1e3, 1e3, 1e6, 20], {2: 35, 9: 35, 15: 35}),
    _case("outliers-low", dose_response, _DOSES, [5, 95, 20, 2], 3, 27,
          [-1e3, -1e3, 1e-6, -20], [1e3, 1e3, 1e6, 20], {13: -60, 16: -60}),
    _case("two-sites", two_sites, np.linspace(-10, -2, 25), [3, 98, 0.4, -8, -5], 2, 28,
          [-500, -500, 0, -15, -15], [500, 500, 1, 0, 0]),
    _case("melting", melting, np.linspace(290, 350, 61), [-20, 0.02, -5, 0.03, 400, 328], 0.15, 29,
          [-1e3, -10, -1e3, -10, 0, 200], [1e3, 10, 1e3, 10, 3000, 500]),
    _case("broken-stick", broken_stick, np.linspace(0, 30, 60), [12, 1.4, -0.6, 18.3], 0.8, 30,
          [-1e3, -100, -100, 0], [1e3, 100, 100, 30]),
    _case("chain", chain, np.linspace(0.5, 15, 15), [0.9, 0.25, 10], 0.1, 31,
          [1e-3, 1e-3, 0], [100, 100, 1e3]),
    ("lynx-and-hare", lynx_and_hare, (np.arange(21.0), np.array((_HARES + _LYNXES).split(), float)),
     [0.01, 1e-3, 0.01, 1e-3], [3, 0.3, 3, 0.3], "Hudson's Bay Company, 1900 to 1920"),
]  # fmt: skip
