"""Bounds inferred from data, advice on how to fit, and the record of a fit's precision."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import optimize

from nlsq.precision.bound_inference import (
    BoundInference,
    analyze_bounds_quality,
    infer_bounds,
    infer_bounds_for_multistart,
    merge_bounds,
)

INF = np.inf

# ------------------------------------------------------------------------------------- bounds

# name: (model, what each parameter is measured in as powers (of x, of y), true sizes in units of
# the span of x and of 1); a place is '@'
MODELS = {
    "decay": (lambda t, a, tau: a * np.exp(-t / tau), [(0, 1), (1, 0)], [1, 0.3]),
    "decay by rate": (lambda t, a, k, c: a * np.exp(-k * t) + c, [(0, 1), (-1, 0), (0, 1)],
                      [1, 3, 0.2]),
    "gaussian": (lambda x, a, mu, s: a * np.exp(-(((x - mu) / s) ** 2) / 2),
                 [(0, 1), "@", (1, 0)], [1, 0.4, 0.1]),
    "lorentzian": (lambda x, a, mu, w, c: a / (1 + ((x - mu) / w) ** 2) + c,
                   [(0, 1), "@", (1, 0), (0, 1)], [1, 0.6, 0.1, 0.3]),
    "logistic": (lambda t, K, r, t0: K / (1 + np.exp(-r * (t - t0))), [(0, 1), (-1, 0), "@"],
                 [1, 10, 0.5]),
    "michaelis": (lambda s, V, K: V * s / (K + s), [(0, 1), (1, 0)], [1, 0.3]),
    "hill": (lambda s, V, K, n: V * s**n / (K**n + s**n), [(0, 1), (1, 0), (0, 0)], [1, 0.4, 2]),
    "damped": (lambda t, a, k, w, p: a * np.exp(-k * t) * np.sin(w * t + p),
               [(0, 1), (-1, 0), (-1, 0), (0, 0)], [1, 2, 25, 0.5]),
    "stretched": (lambda t, a, tau, b: a * np.exp(-((t / tau) ** b)), [(0, 1), (1, 0), (0, 0)],
                  [1, 0.3, 0.7]),
    "root": (lambda x, D, c: np.sqrt(D * x) + c, [(-1, 2), (0, 1)], [1, 0.1]),
}  # fmt: skip


def of_units(model, sizes, ux, uy):
    """True values in units of x and y of these sizes."""
    measures = [(1, 0) if m == "@" else m for m in MODELS[model][1]]
    return np.array([s * ux**a * uy**b for s, (a, b) in zip(sizes, measures, strict=True)])


def answer(f, x, y, p):
    """SciPy's least squares answer from near the truth, and its standard errors."""
    size = np.where(p != 0, np.abs(p), 1)

    def residual(u):
        with np.errstate(all="ignore"):
            return np.nan_to_num((f(x, *(u * size)) - y) / np.ptp(y), nan=1e9, posinf=1e9)

    found = optimize.least_squares(residual, p / size, xtol=1e-15, ftol=1e-15, gtol=1e-15)
    _, S, Vt = np.linalg.svd(found.jac, full_matrices=False)
    if not S[-1] > 1e-10 * S[0]:
        return None
    errors = np.sqrt(((Vt.T / S) ** 2).sum(axis=1) * 2 * found.cost / (x.size - p.size))
    return found.x * size, errors * size


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
@given(
    model=st.sampled_from(sorted(MODELS)),
    decades=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    ux=st.floats(-12, 12), uy=st.floats(-12, 12),
    noise=st.sampled_from([0.0, 1e-6, 1e-3, 0.03, 0.2]),
    off=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
    m=st.sampled_from([15, 60, 300]), seed=st.integers(0, 99),
)  # fmt: skip
def test_inferred_bounds_contain_the_least_squares_answer(
    model, decades, ux, uy, noise, off, m, seed
):
    f, measures, sizes = MODELS[model]
    ux, uy = 10**ux, 10**uy
    factors = np.array([1.0 if i == "@" or i == (0, 0) else 10**d
                        for i, d in zip(measures, decades, strict=False)])  # fmt: skip
    truth = of_units(model, sizes * factors, ux, uy)
    x = np.linspace(0.01, 1, m) * ux
    y = f(x, *truth)
    y = y + noise * np.ptp(y) * np.random.default_rng(seed).standard_normal(m)
    if not np.ptp(y) > 1e-9 * np.abs(y).max():
        return  # nothing to fit
    found = answer(f, x, y, truth)
    p0 = truth * 10.0 ** np.array(off[: truth.size])
    low, high = infer_bounds(x, y, p0, f=f)
    assert (low <= p0).all() and (p0 <= high).all()
    if found is not None:
        p, error = found
        told = error < np.abs(p)
        assert ((low <= p) & (p <= high))[told].all(), (p, error, low, high)
