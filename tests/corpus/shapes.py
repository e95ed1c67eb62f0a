"""Inputs and outputs of other shapes, frames, images, opaque calls, stubborn code."""

import ctypes
import ctypes.util
import math
import operator
from functools import reduce

import numpy as np
import pandas as pd

from tests.corpus.case import HOST, case

_side = np.linspace(-3, 3, 15)
PLANE = np.array(np.meshgrid(_side, _side)).reshape(2, -1)
GRID = np.array(np.meshgrid(_side, _side))
RUN = np.linspace(0, 8, 70)
FRAME = pd.DataFrame({"t": RUN, "dose": np.repeat([1.0, 2.0], 35)})
GROUPS = np.stack([RUN, np.repeat([0.0, 1.0], 35)])
SCRATCH = np.zeros(70)
LIBM = ctypes.CDLL(ctypes.util.find_library("m"))
LIBM.exp.restype, LIBM.exp.argtypes = ctypes.c_double, [ctypes.c_double]


def plane(xy, a, b, c):
    return a * xy[0] + b * xy[1] + c


def paraboloid_tuple(xy, a, b, x0, y0):
    x, y = xy
    return a * (x - x0) ** 2 + b * (y - y0) ** 2


def image_gaussian(xy, amp, x0, y0, sx, sy, theta, offset):
    x, y = xy
    c, s = np.cos(theta), np.sin(theta)
    u = c * (x - x0) + s * (y - y0)
    v = -s * (x - x0) + c * (y - y0)
    g = offset + amp * np.exp(-0.5 * ((u / sx) ** 2 + (v / sy) ** 2))
    return g.ravel()


def image_rings(xy, amp, r0, width):
    x, y = xy[0], xy[1]
    r = np.hypot(x, y)
    return (amp * np.exp(-(((r - r0) / width) ** 2))).flatten()


def image_separable(xy, a, sx, sy):
    x, y = xy[0, 0, :], xy[1, :, 0]
    return np.outer(np.exp(-((y / sy) ** 2)), a * np.exp(-((x / sx) ** 2))).ravel()


def rows_of_points(points, k, x0, y0):
    """One point per row."""
    centre = np.array([x0, y0])
    return k / (1 + np.linalg.norm(points - centre, axis=1) ** 2)


def frame_model(df, a, k):
    return a * df["dose"] * np.exp(-k * df["t"])


def frame_values(df, a, k):
    t = df["t"].values
    return a * df.dose.to_numpy() * np.exp(-k * t)


def two_datasets(x, a1, a2, tau):
    """Global fit: the amplitude belongs to the group, tau is shared."""
    t, group = x
    amp = np.where(group == 0, a1, a2)
    return amp * np.exp(-t / tau)


def grouped_index(x, tau, *amps):
    amps = np.array(amps)
    return amps[x[1].astype(int)] * np.exp(-x[0] / tau)


def quadric(x, *beta):
    basis = np.vstack([np.ones(x.shape[1]), x[0], x[1], x[0] * x[1], x[0] ** 2])
    return np.dot(np.array(beta), basis)


def design_matrix(x, a, b, w):
    columns = np.column_stack([np.sin(w * x), np.cos(w * x)])
    return columns @ np.array([a, b])


def complex_spiral(t, a, w, d):
    return a * np.exp((1j * w - d) * t)


def complex_split(t, a, w, d):
    z = np.zeros(len(t), dtype=complex)
    z.real = a * np.cos(w * t)
    z.imag = -a * np.sin(w * t)
    return z * np.exp(-d * t)


def vectorized_scalar(t, a, k):
    return a * math.exp(-k * t) if t >= 0 else 0.0


def vectorized_smooth(t, a, k):
    return a * math.exp(-k * t) * math.cos(t)


@np.vectorize
def decorated(t, a, k):
    return a / (1.0 + k * t * t)


def list_of_scalars(t, a, k):
    return [a * math.exp(-k * ti) + math.sqrt(a) for ti in t]


def libm_loop(t, a, k):
    return np.array([a * LIBM.exp(-k * ti) for ti in t])


def formatted(t, a, k):
    """Rounds its parameter through a string, as input files do."""
    k = float(f"{k:.12e}")
    return a * np.exp(-k * t)


def global_buffer(t, a, k):
    SCRATCH[:] = a
    SCRATCH[t > 2] = a * np.exp(-k * (t[t > 2] - 2))
    return SCRATCH.copy()


def swallows_errors(t, a, k):
    try:
        rate = k if k > 0 else 0.0
    except (TypeError, ValueError):
        rate = 1.0
    return a * np.exp(-rate * t)


def fixed_slices(t, low, high, slope):
    y = np.empty_like(t)
    y[:20] = low
    y[20:50] = np.linspace(low, high, 30)
    y[50:] = high + slope * (t[50:] - t[50])
    return y


def scaled_assignment(t, a, k, t0=3.05):
    y = a * np.exp(-k * t)
    y[t > t0] *= 0.5
    y[t <= t0] += 0.1
    return y


def running_total(t, a, b):
    return np.cumsum(a * np.sin(t) + b) * (t[1] - t[0])


def differences(t, a, k):
    return np.gradient(a * np.exp(-k * t), t)


def standardised(t, k, w):
    y = np.exp(-k * t) * np.cos(w * t)
    return (y - y.mean()) / y.std()


def floor_steps(t, a, b):
    return a * (t // 2) + b * (t % 2)


def integer_data(n, a, b):
    return a * n**2 + b * (n // 3) + (n % 2)


def reduced_sum(t, *p):
    terms = (c * t**i for i, c in enumerate(p))
    return reduce(operator.add, terms)


def horner(t, *p):
    y = 0
    for c in p:
        y = y * t + c
    return y


def clipped(t, a, top):
    return np.minimum(a * t, top)


def imports_inside(t, a, k):
    import numpy
    from scipy.special import expm1 as inner

    return -a * inner(-k * t) + numpy.zeros(3).sum()


def sorts_data(t, a, k):
    order = np.argsort(-t)
    back = np.empty_like(order)
    back[order] = np.arange(t.size)
    return (a * np.exp(-k * t[order]))[back]


def median_centred(t, a, w):
    y = a * np.sin(w * t)
    return y - np.median(y)


CASES = [
    case(plane, PLANE, (1, -0.5, 2), (0, 0, 0), 0.05),
    case(paraboloid_tuple, (PLANE[0], PLANE[1]), (1, 0.5, 0.3, -0.2), (0.5, 1, 0, 0), 0.05),
    case(image_gaussian, GRID, (3, 0.4, -0.3, 1, 0.6, 0.5, 0.2), (2, 0, 0, 1.2, 0.7, 0.3, 0), 0.03),
    case(image_rings, GRID, (2, 1.6, 0.5), (1.5, 1.4, 0.7), 0.03),
    case(image_separable, GRID, (2, 1.6, 0.8), (1.5, 1.2, 1), 0.02),
    case(rows_of_points, PLANE.T.copy(), (3, 0.4, -0.6), (2, 0.1, -0.1), 0.02),
    case(frame_model, FRAME, (2, 0.4), (1, 0.3), 0.02),
    case(frame_values, FRAME, (2, 0.4), (1, 0.3), 0.02),
    case(two_datasets, GROUPS, (2, 5, 3), (1, 3, 2), 0.02),
    case(grouped_index, GROUPS, (3, 2, 5), (2, 1, 3), 0.02),
    case(quadric, PLANE, (1, 0.5, -0.3, 0.2, 0.1), (0, 0, 0, 0, 0), 0.05),
    case(design_matrix, RUN, (1, 0.5, 2.1), (0.8, 0.3, 2), 0.02),
    case(complex_spiral, RUN, (2, 3, 0.2), (1.5, 2.9, 0.1), 0.02),
    case(complex_split, RUN, (2, 3, 0.2), (1.5, 2.9, 0.1), 0.02),
    case(np.vectorize(vectorized_scalar), RUN[::3] - 1.0, (2, 0.4), (1, 0.3), 0.02,
         name="vectorized_branch",
         concrete=True),
    case(np.vectorize(vectorized_smooth), RUN, (2, 0.4), (1, 0.3), 0.02, name="vectorized_smooth"),
    case(decorated, RUN, (2, 0.4), (1, 0.3), 0.02, name="vectorize_decorator"),
    case(list_of_scalars, RUN[::3], (2, 0.4), (1, 0.3), 0.02),
    case(libm_loop, RUN, (2, 0.4), (1, 0.3), 0.02, road=HOST, note="a C function"),
    case(formatted, RUN, (2, 0.4), (1, 0.3), 0.02, road=HOST),
    case(global_buffer, RUN, (2, 0.4), (1, 0.3), 0.02),
    case(swallows_errors, RUN, (2, 0.4), (1, 0.3), 0.02, road=HOST),
    case(fixed_slices, RUN, (1, 3, 0.5), (0, 2, 0), 0.05),
    case(scaled_assignment, RUN, (2, 0.4), (1, 0.3), 0.02),
    case(running_total, RUN, (1, 0.3), (0.5, 0), 0.02),
    case(differences, RUN, (2, 0.4), (1, 0.3), 0.01),
    case(standardised, RUN, (0.2, 1.5), (0.15, 1.4), 0.02),
    case(floor_steps, RUN, (1, 0.3), (0.5, 0), 0.02),
    case(integer_data, np.arange(40), (0.5, 2), (1, 1), 0.1),
    case(reduced_sum, RUN, (1, -0.5, 0.1), (0, 0, 0), 0.02),
    case(horner, RUN, (0.1, -0.5, 1), (0, 0, 0), 0.02),
    case(clipped, RUN, (1, 4.03), (0.8, 3.5), 0.02),
    case(imports_inside, RUN, (2, 0.4), (1, 0.3), 0.02),
    case(sorts_data, RUN, (2, 0.4), (1, 0.3), 0.02),
    case(median_centred, RUN, (2, 0.9), (1.5, 0.85), 0.02),
]  # fmt: skip
