r"""A least-squares problem as a textbook writes it: residual, Jacobian, loss; in NumPy.

Part of the reference (`old`), which shares no code with the engine. It passes over all data at once
and keeps the whole Jacobian. Derivatives of a model that is analytic come from the complex step,
exact to rounding; of another from central differences extrapolated to step 0 (Ridders).

References: W. H. Press et al., "Numerical Recipes", section 5.7; W. Squire, G. Trapp, "Using
complex variables to estimate derivatives of real functions", SIAM Review 40 (1998); B. Triggs et
al., "Bundle adjustment: a modern synthesis", 2000.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular

from nlsq.caching.memory_manager import manager

EPS = np.finfo(float).eps
LOSSES: dict[str, Callable] = {  # z -> rho, rho', rho''
    "linear": lambda z: (z, np.ones_like(z), np.zeros_like(z)),
    "soft_l1": lambda z: (2 * (np.sqrt(1 + z) - 1), (1 + z) ** -0.5, -0.5 * (1 + z) ** -1.5),
    "huber": lambda z: (
        np.where(z <= 1, z, 2 * np.sqrt(z) - 1),
        np.where(z <= 1, 1.0, np.maximum(z, 1) ** -0.5),
        np.where(z <= 1, 0.0, -0.5 * np.maximum(z, 1) ** -1.5),
    ),
    "cauchy": lambda z: (np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2),
    "arctan": lambda z: (np.arctan(z), 1 / (1 + z**2), -2 * z / (1 + z**2) ** 2),
}
# singular values below this share of the largest are noise, by where J comes from
RANK_TOLERANCES = {"2-point": 1e-7, "3-point": 1e-9, "extrapolated": 1e-10}


class Problem:
    """Minimise 1/2 sum C^2 rho(r_i^2 / C^2), r = W (f(x, p) - y).

    Parameters
    ----------
    f : callable
        The user's model f(x, a, b, ...).
    x : object
    y : ndarray (m,)
    weights : ndarray (m,) or None
    factor : ndarray (m, m) or None
        Lower Cholesky factor of the covariance of y.
    parameters : object with p0, lb, ub (n,)
    settings : object with jac, diff_step, loss, f_scale
    """

    def __init__(self, f, x, y, weights, factor, parameters, settings):
        self.f, self.x, self.y, self.weights, self.factor = f, x, y, weights, factor
        self.p0, self.lb, self.ub = parameters.p0, parameters.lb, parameters.ub
        self.loss = (
            partial(_users, settings.loss) if callable(settings.loss) else LOSSES[settings.loss]
        )
        self.f_scale = settings.f_scale
        self.derivative = Derivative(f, settings.jac, settings.diff_step, self.lb, self.ub)
        self.free = self.lb < self.ub
        manager.require(24 * y.size * (self.p0.size + 2), "The reference's Jacobian")

    @property
    def n_residuals(self) -> int:
        """Real residuals; a complex point counts twice, one of weight 0 not at all."""
        m = self.y.size if self.weights is None else np.count_nonzero(self.weights)
        return int(m) * (2 if np.iscomplexobj(self.y) else 1)

    def whiten(self, rows) -> np.ndarray:
        """W times (m,) or (m, n), complex rows as real ones below each other."""
        rows = np.array(rows)
        if self.factor is not None:
            rows = solve_triangular(self.factor, rows, lower=True)
        elif self.weights is not None:
            rows[self.weights == 0] = 0.0
            rows = (rows.T * self.weights).T
        return np.concatenate([rows.real, rows.imag]) if np.iscomplexobj(self.y) else rows

    def residual(self, p) -> np.ndarray:
        """r at p."""
        with np.errstate(all="ignore"):
            return self._residual_of(_flat(self.f, self.x, p))

    def _residual_of(self, f) -> np.ndarray:
        with np.errstate(all="ignore"):
            if f.size not in (1, self.y.size):
                raise ValueError(
                    f"The model returned {f.size} values for {self.y.size} data points; "
                    "f(x, *params) must return one value for each element of ydata."
                )
            if np.iscomplexobj(f) and not np.iscomplexobj(self.y):
                raise TypeError(
                    "The model returns complex values but ydata is real. Return its real part, "
                    "modulus or phase, or give complex ydata."
                )
            return self.whiten(f - self.y).astype(float)

    def jacobian(self, p) -> np.ndarray:
        """dr/dp at p, zero for fixed parameters."""
        with np.errstate(all="ignore"):
            J = np.where(self.free, self.derivative(self.x, *p), 0.0)
            J = np.broadcast_to(J, (self.y.size, p.size))
            return self.whiten(J).astype(float)

    def folded(self, p) -> tuple[float, np.ndarray, np.ndarray]:
        """(cost, r, J) at p with the loss folded into the rows of r and J (Triggs)."""
        r, J, C = self.residual(p), self.jacobian(p), self.f_scale
        rho, rho1, rho2 = self.loss((r / C) ** 2)
        s = np.sqrt(np.maximum(rho1 + 2 * rho2 * (r / C) ** 2, EPS))
        return 0.5 * C**2 * float(np.sum(rho)), rho1 / s * r, (J.T * s).T

    def cost(self, p) -> float:
        """The cost at p; NaN where the model has no value."""
        try:
            with np.errstate(all="ignore"):
                f = _flat(self.f, self.x, p)
        except Exception:  # the user's function refuses such parameters
            return np.nan
        r = self._residual_of(f)
        return 0.5 * self.f_scale**2 * float(np.sum(self.loss((r / self.f_scale) ** 2)[0]))


class Derivative:
    """df/dp (m, n) at any x, by the user's `jac` or by a scheme; called as `jac` is."""

    def __init__(self, f, jac, diff_step, lb, ub):
        self.f, self.jac, self.diff_step, self.lb, self.ub = f, jac, diff_step, lb, ub
        self.scheme = jac if isinstance(jac, str) else "extrapolated"

    def __call__(self, x, *params) -> np.ndarray:
        p = np.array(params, float)
        if callable(self.jac):
            return np.array(self.jac(x, *p))
        ways = {"cs": self._complex_step, "extrapolated": self._extrapolated}
        column = ways.get(self.scheme, self._difference)
        f0 = _flat(self.f, x, p)
        moving = (self.lb < self.ub) | (self.scheme == "cs")  # which needs no room
        columns = [column(x, p, j, f0) if moving[j] else 0.0 * f0 for j in range(p.size)]
        return np.stack(columns, axis=1)

    def choose(self, x, p) -> None:
        """Take the complex step where differences, which are right but blurred, agree at p.

        Only where the user did not say how to differentiate.
        """
        f0 = _flat(self.f, x, p)
        if self.jac is not None or np.iscomplexobj(f0):
            return
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an imaginary part that the model drops
            self.scheme = "extrapolated"
            plain = self(x, *p)
            try:
                _flat(self.f, x, p + 0j)
            except Exception:  # the user's function does not take complex numbers
                return
            self.scheme = "cs"
            exact = self(x, *p)
            noise = 1e-9 * np.abs(f0).max() / np.where(p == 0, 1.0, np.abs(p))
            agree = np.abs(exact - plain) <= 1e-5 * np.abs(plain).max(axis=0) + noise
        if not agree[:, self.lb < self.ub].all():
            self.scheme = "extrapolated"

    @property
    def rank_tolerance(self) -> float:
        """Singular values below this share of the largest are noise."""
        return 1e-13 if callable(self.jac) else RANK_TOLERANCES.get(self.scheme, 1e-13)

    def _at(self, x, p, j, value) -> np.ndarray:
        moved = p.astype(complex) if isinstance(value, complex) else p.copy()
        moved[j] = value
        return _flat(self.f, x, moved)

    def _complex_step(self, x, p, j, f0) -> np.ndarray:
        h = 1e-25 * (abs(p[j]) or 1.0)
        return np.imag(self._at(x, p, j, complex(p[j], h))) / h

    def _difference(self, x, p, j, f0) -> np.ndarray:
        """One-sided or central, as the user asks, into the bounds."""
        central = self.scheme == "3-point"
        if self.diff_step is None:
            h = EPS ** (1 / 3 if central else 1 / 2) * (abs(p[j]) or 1.0)
        else:
            h = np.broadcast_to(self.diff_step, p.shape)[j] * (abs(p[j]) or 1.0)
        up, down = p[j] + h, p[j] - h
        if up > self.ub[j]:
            up = p[j]
        if down < self.lb[j] or (up > p[j] and not central):
            down = p[j]
        return (self._at(x, p, j, up) - self._at(x, p, j, down)) / (up - down)

    def _extrapolated(self, x, p, j, f0) -> np.ndarray:
        """Central differences for steps halved down to 0; one-sided next to a bound."""
        low, high = p[j] - self.lb[j], self.ub[j] - p[j]
        h, power, side = 0.1 * (abs(p[j]) or 1.0), 2, 0.0
        if min(low, high) < 1e-3 * h:
            h, power, side = min(h, max(low, high)), 1, 1.0 if high >= low else -1.0
        else:
            h = min(h, low, high)

        def slope(h):
            if side:
                return (self._at(x, p, j, p[j] + side * h) - f0) / (side * h)
            return (self._at(x, p, j, p[j] + h) - self._at(x, p, j, p[j] - h)) / (2 * h)

        return _limit(slope, h, power)


def _users(loss: Callable, z) -> np.ndarray:
    values = np.asarray(loss(z))
    if values.shape != (3, *z.shape):
        raise ValueError(
            f"The return value of `loss` callable has wrong shape: {values.shape} for {z.size} "
            "residuals. The reference needs rho, rho' and rho'' (3, m), as SciPy does; with "
            "NLSQ_SELECTOR_IMPL=new and NLSQ_COVARIANCE_IMPL=new rho (m,) is enough."
        )
    return values


def _flat(f: Callable, x, p) -> np.ndarray:
    """The model's values at p, of whatever type, as (m,) or (1,)."""
    return np.asarray(f(x, *p)).ravel()


def _limit(slope: Callable[[float], np.ndarray], h: float, power: int) -> Any:
    """slope(h) for h -> 0 by Neville's table, where neighbours in it differ least.

    All elements from one place: far from a narrow peak large steps agree about nothing.
    """
    row = [slope(h)]
    best, error = row[0], np.inf
    for k in range(1, 28):
        new, least = [slope(h / 2**k)], np.inf
        for i, before in enumerate(row[:6]):
            weight = 2.0 ** (power * (i + 1))
            new.append((weight * new[i] - before) / (weight - 1))
            off = max(np.abs(new[i + 1] - old).max() for old in (new[i], before))
            least = min(least, off)
            if off < error:
                best, error = new[i + 1], off
        if error < 1e-7 * np.abs(best).max() and least > 10 * error:
            break  # rounding has taken over
        row = new
    return best
