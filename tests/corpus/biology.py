"""Growth, enzymes, pharmacology, physiology, epidemics, ecology."""

import functools
import math

import numpy as np
from scipy import integrate, stats
from scipy.special import expit, gammainc, gammaln, ndtr

from tests.corpus.case import HOST, case

days = np.linspace(0, 40, 60)
hours = np.linspace(0.1, 24, 50)
dose = np.logspace(-3, 2, 40)
DOSES = ((0.0, 100.0), (8.0, 50.0), (16.0, 50.0))
AGES = {"infant": 1.4, "adult": 1.0}


def logistic(t, k, r, t0):
    return k / (1 + np.exp(-r * (t - t0)))


def logistic_expit(t, low, high, r, t0):
    return low + (high - low) * expit(r * (t - t0))


def gompertz(t, a, mu, lag):
    return a * np.exp(-np.exp(mu * np.e / a * (lag - t) + 1))


def baranyi(t, y0, ymax, mu, lag):
    """Bacterial growth with an adjustment function, in log counts."""
    h0 = mu * lag
    a = t + np.log(np.exp(-mu * t) + np.exp(-h0) - np.exp(-mu * t - h0)) / mu
    return y0 + mu * a - np.log1p((np.exp(mu * a) - 1) / np.exp(ymax - y0))


def richards(t, k, r, t0, nu):
    return k * (1 + nu * np.exp(-r * (t - t0))) ** (-1 / nu)


def bertalanffy(age, linf, k, t0):
    return linf * (1 - np.exp(-k * (age - t0)))


def thermal_performance(temp, pmax, topt, tmax, width):
    rising = np.exp(-(((temp - topt) / (2 * width)) ** 2))
    falling = 1 - ((temp - topt) / (topt - tmax)) ** 2
    return pmax * np.where(temp < topt, rising, np.where(temp < tmax, falling, 0))


def growth_phases(t, lag, rate, stop, y0):
    return np.select(
        [t < lag, t < stop], [y0 + 0 * t, y0 + rate * (t - lag)], default=y0 + rate * (stop - lag)
    )


def dose_response(x, bottom, top, log_ec50, slope):
    return bottom + (top - bottom) / (1 + 10 ** ((log_ec50 - np.log10(x)) * slope))


def five_parameter(x, a, b, c, d, g):
    return d + (a - d) / (1 + (x / c) ** b) ** g


def probit(x, mu, sd, guess):
    return guess + (1 - guess) * ndtr((np.log10(x) - mu) / sd)


def weibull_psychometric(x, alpha, beta, lapse, gamma=0.5):
    return gamma + (1 - gamma - lapse) * (1 - np.exp(-((x / alpha) ** beta)))


def bateman(t, f_dose, ka, ke):
    return f_dose * ka / (ka - ke) * (np.exp(-ke * t) - np.exp(-ka * t))


def bateman_lag(t, f_dose, ka, ke, lag):
    tau = np.maximum(t - lag, 0)
    return bateman(tau, f_dose, ka, ke)


def infusion(t, rate, cl, v, stop=6.0):
    ke = cl / v
    conc = np.zeros_like(t)
    on = t <= stop
    conc[on] = rate / cl * (1 - np.exp(-ke * t[on]))
    conc[t > stop] = rate / cl * (1 - np.exp(-ke * stop)) * np.exp(-ke * (t[t > stop] - stop))
    return conc


def repeated_doses(t, v, ke):
    c = np.zeros(t.size)
    for start, amount in DOSES:
        since = t - start
        c += np.where(since >= 0, amount / v * np.exp(-ke * np.clip(since, 0, None)), 0.0)
    return c


def two_compartment(t, a, alpha, b, beta):
    return a * np.exp(-alpha * t) + b * np.exp(-beta * t)


def michaelis_elimination(t, c0, vmax, km):
    def rhs(time, c):
        return -vmax * c / (km + c)

    sol = integrate.solve_ivp(rhs, [0, 25], [c0], t_eval=t, rtol=1e-9, atol=1e-11)
    return sol.y.flatten()


def sir_infected(t, beta, gamma, i0):
    def rhs(y, time):
        s, i = y
        return [-beta * s * i, beta * s * i - gamma * i]

    return integrate.odeint(rhs, [1 - i0, i0], t, rtol=1e-9, atol=1e-11)[:, 1]


def sir_euler(t, beta, gamma, i0):
    s, i, out = 1 - i0, i0, []
    dt = t[1] - t[0]
    for _ in t:
        out.append(i)
        infections = beta * s * i * dt
        s, i = s - infections, i + infections - gamma * i * dt
    return np.array(out)


def cumulative_cases(t, total, shape, scale):
    return total * gammainc(shape, t / scale)


def incidence(t, n, shape, scale):
    log_pdf = (shape - 1) * np.log(t) - t / scale - gammaln(shape) - shape * np.log(scale)
    return n * np.exp(log_pdf)


def holling_two(n, a, h):
    return a * n / (1 + a * h * n)


def ricker(s, a, b):
    return a * s * np.exp(-b * s)


def monod_haldane(s, mu, ks, ki):
    return mu * s / (ks + s + s * s / ki)


def photosynthesis(i, pmax, alpha, theta, rd):
    a = alpha * i + pmax
    return (a - np.sqrt(a**2 - 4 * theta * alpha * i * pmax)) / (2 * theta) - rd


def light_inhibition(i, ps, alpha, beta):
    return ps * (1 - np.exp(-alpha * i / ps)) * np.exp(-beta * i / ps)


def allometric(mass, a, b):
    return a * np.power(mass, b)


def species_area(area, c, z):
    return [c * a**z for a in area]


def qpcr(cycle, base, top, ct, k):
    return base + (top - base) / (1 + math.exp(1.0) ** (-(cycle - ct) / k))


def frap(t, mobile, tau, bleach):
    y = np.ones_like(t)
    after = t >= 5.0
    y[after] = bleach + (mobile - bleach) * (1 - np.exp(-(t[after] - 5.0) / tau))
    return y


def alpha_synapse(t, g, tau, t0):
    s = t - t0
    return np.heaviside(s, 0.0) * g * s / tau * np.exp(1 - s / tau)


def action_potential(v, gmax, vhalf, k, erev):
    return gmax * (v - erev) / (1 + np.exp(-(v - vhalf) / k))


def goldman(v, p, ratio):
    u = v / 25.0
    return p * u * (1 - ratio * np.exp(-u)) / (1 - np.exp(-u))


def tuning_curve(theta, r0, rmax, kappa, mu):
    return r0 + rmax * np.exp(kappa * (np.cos(np.radians(theta - mu)) - 1))


def hemodynamic(t, a, p1, p2, ratio):
    return a * (stats.gamma.pdf(t, p1) - ratio * stats.gamma.pdf(t, p2))


def survival(t, scale, shape):
    return stats.weibull_min.sf(t, shape, scale=scale)


def crossover(t, a, b, switch):
    """Two growth laws that meet where a parameter says."""
    y = []
    for ti in t:
        if ti < switch:
            y.append(a * ti)
        else:
            y.append(a * switch + b * (ti - switch))
    return np.array(y)


@functools.cache
def _clearance(weight, exponent):
    return (weight / 70) ** exponent


def scaled_clearance(weights, cl, exponent):
    return cl * np.array([_clearance(w, exponent) for w in weights])


def age_factor(t, a, k, group="infant"):
    factor = AGES[group]
    return factor * a * np.exp(-k * factor * t)


CASES = [
    case(logistic, days, (5, 0.3, 18), (4, 0.2, 15), 0.05),
    case(logistic_expit, days, (0.3, 5, 0.3, 18), (0, 4, 0.2, 15), 0.05),
    case(gompertz, days, (4, 0.35, 6), (3, 0.3, 4), 0.03),
    case(baranyi, days, (2, 9, 0.5, 6), (2, 8, 0.4, 5), 0.03, bounds=((0, 4, 0.05, 0.1), (5, 15, 2,
         20))),
    case(richards, days, (5, 0.3, 18, 0.7), (4.5, 0.25, 17, 1), 0.02,
         bounds=((1, 0.01, 1, 0.05), (20, 2, 40, 5))),
    case(bertalanffy, np.arange(1.0, 25), (90, 0.2, -0.8), (80, 0.15, 0), 1),
    case(thermal_performance, np.linspace(5, 40, 70), (3, 28.2, 36.4, 6), (2.5, 27.6, 37, 5), 0.02),
    case(growth_phases, days, (8.1, 0.3, 24.3, 1), (7, 0.25, 26, 0.8), 0.05),
    case(dose_response, dose, (0.1, 2, 0.1, 1.3), (0, 1.5, 0, 1), 0.02),
    case(five_parameter, dose, (0.1, 1.2, 1.5, 2, 0.8), (0, 1, 1, 1.8, 1), 0.005,
         bounds=((-1, 0.1, 1e-3, 0.1, 0.1), (1, 5, 50, 10, 5))),
    case(probit, dose, (-0.2, 0.8, 0.05), (0, 1, 0.1), 0.01),
    case(weibull_psychometric, dose, (1.1, 1.6, 0.03), (0.8, 1.2, 0.05), 0.01,
         bounds=((0.01, 0.2, 0), (20, 6, 0.3))),
    case(bateman, hours, (10, 1.2, 0.15), (8, 1.5, 0.1), 0.05),
    case(bateman_lag, hours, (10, 1.2, 0.15, 0.83), (8, 1.5, 0.1, 0.6), 0.05),
    case(infusion, hours, (20, 3, 12), (15, 2, 10), 0.05),
    case(repeated_doses, hours, (12, 0.2), (10, 0.3), 0.05),
    case(two_compartment, hours, (6, 1.4, 3, 0.1), (5, 1, 2, 0.05), 0.02),
    case(michaelis_elimination, hours, (8, 1.2, 2), (7, 1, 1.5), 0.05, road=HOST),
    case(sir_infected, days, (0.6, 0.2, 0.01), (0.5, 0.15, 0.02), 0.003, road=HOST),
    case(sir_euler, days, (0.6, 0.2, 0.01), (0.5, 0.15, 0.02), 0.003,
         road=HOST, note="each step from the one before"),
    case(cumulative_cases, days[1:], (50, 4, 4.5), (40, 3, 5), 0.3, bounds=((1, 0.5, 0.5), (500,
         20, 50))),
    case(incidence, days[1:], (50, 4, 4.5), (40, 3, 5), 0.03, bounds=((1, 0.5, 0.5), (500, 20,
         50))),
    case(holling_two, np.linspace(1, 100, 40), (0.6, 0.08), (0.4, 0.1), 0.1),
    case(ricker, np.linspace(0.1, 10, 40), (3, 0.4), (2, 0.3), 0.05),
    case(monod_haldane, np.linspace(0.1, 30, 40), (1.2, 2, 15), (1, 1, 10), 0.005),
    case(photosynthesis, np.linspace(0, 2000, 50), (30, 0.06, 0.7, 1.5), (25, 0.05, 0.5, 1), 0.1,
         bounds=((5, 0.005, 0.05, 0), (80, 0.2, 0.99, 5))),
    case(light_inhibition, np.linspace(0, 2000, 50), (8, 0.03, 0.002), (6, 0.02, 0.001), 0.05),
    case(allometric, np.logspace(-2, 3, 40), (3.4, 0.74), (3, 0.8), 0.5),
    case(species_area, np.logspace(0, 3, 25), (4, 0.25), (3, 0.3), 0.1, note="returns a list"),
    case(qpcr, np.arange(1.0, 41), (0.1, 6, 24, 1.5), (0, 5, 22, 2), 0.03),
    case(frap, days, (0.85, 6, 0.2), (0.8, 5, 0.3), 0.01),
    case(alpha_synapse, days, (3, 5, 3.3), (2, 4, 3), 0.03),
    case(action_potential, np.linspace(-80, 60, 57), (2, -20, 8, 50), (1.5, -15, 10, 45), 0.8),
    case(goldman, np.linspace(-100, 100, 40), (1.5, 0.1), (1, 0.2), 0.03),
    case(tuning_curve, np.arange(0, 360, 8.0), (3, 20, 2.5, 130), (2, 15, 2, 120), 0.5),
    case(hemodynamic, np.linspace(0.1, 30, 80), (3, 6, 14, 0.3), (2.5, 5.5, 13, 0.25), 0.005,
         bounds=((0, 2, 8, 0), (10, 10, 22, 1))),
    case(survival, hours, (9, 1.7), (8, 1.3), 0.01, bounds=((0.5, 0.3), (50, 6))),
    case(crossover, days, (0.5, 0.1, 15.4), (0.4, 0.2, 13), 0.05, road=HOST),
    case(scaled_clearance, np.linspace(5, 120, 25), (4, 0.75), (3, 1), 0.05),
    case(age_factor, days, (3, 0.1), (2, 0.2), 0.03),
]  # fmt: skip
