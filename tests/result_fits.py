"""Results made by hand from SciPy's fits, for the tests of `nlsq.result`."""

import numpy as np
from scipy.optimize import curve_fit

from nlsq.result import CurveFitResult


class Model:
    """A model with its analytic derivative; counts its calls."""

    def __init__(self, f, jac, name="model"):
        self.f, self.jac, self.name, self.calls = f, jac, name, 0

    def predict(self, x, p):
        self.calls += 1
        return self.f(x, *p)

    def jacobian(self, x, p):
        return self.jac(x, *p)


def line(x, a, b):
    return a * x + b


def line_jac(x, a, b):
    return np.column_stack([x, np.ones_like(x)])


def decay(x, a, tau):
    return a * np.exp(-x / tau)


def decay_jac(x, a, tau):
    e = np.exp(-x / tau)
    return np.column_stack([e, a * e * x / tau**2])


LINE = Model(line, line_jac, "line")
DECAY = Model(decay, decay_jac, "decay")


def whiten(sigma, values):
    if sigma is None:
        return values
    if np.ndim(sigma) == 2:
        return np.linalg.solve(np.linalg.cholesky(sigma), values)
    return (values.T / sigma).T


def result_at(model, x, y, popt, pcov, names="ab", sigma=None, absolute_sigma=False, **fields):
    """A result with the given solution; `fields` replace or add to the usual ones."""
    popt, n = np.asarray(popt, dtype=float), len(popt)
    real = np.size(y) * (2 if np.iscomplexobj(y) else 1)
    fun = whiten(sigma, model.f(x, *popt) - y)
    record = {
        "x": popt,
        "pcov": np.asarray(pcov),
        "cost": 0.5 * float(np.vdot(fun, fun).real),
        "fun": fun,
        "jac": whiten(sigma, model.jac(x, *popt)),
        "active_mask": np.zeros(n, dtype=int),
        "nfev": 7,
        "njev": 6,
        "nit": 6,
        "status": 2,
        "message": "`ftol` termination condition is satisfied.",
        "success": True,
        "param_names": tuple(names),
        "bounds": (np.full(n, -np.inf), np.full(n, np.inf)),
        "fixed": (),
        "at_bound": (),
        "undetermined": (),
        "null_directions": (),
        "xdata": x,
        "ydata": y,
        "sigma": sigma,
        "absolute_sigma": absolute_sigma,
        "loss": "linear",
        "f_scale": 1.0,
        "method": "trf",
        "n_points": real,
        "dof": real - n,
        "warnings": (),
        "wall_time": 1.25e-3,
        "model": model,
        "pcov_determined": np.asarray(pcov),
    }
    return CurveFitResult(record | fields)


def fitted(model, x, y, p0=None, names="ab", sigma=None, absolute_sigma=False, **fields):
    """A result at SciPy's solution."""
    each = np.full(len(y), sigma) if np.ndim(sigma) == 0 and sigma is not None else sigma
    popt, pcov = curve_fit(
        model.f, x, y, p0, each, absolute_sigma, jac=model.jac, xtol=1e-14, ftol=1e-14
    )
    return result_at(model, x, y, popt, pcov, names, sigma, absolute_sigma, **fields)


def noisy_line(m=25, seed=1):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(-3, 7, m))
    return x, 1.7 * x - 4.0 + rng.normal(0, 0.8, m)
