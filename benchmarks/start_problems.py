"""What `starts` fits: everyday models, their data in many units, and starts that are far off.

A model is written as a user of SciPy writes it, in NumPy, and only with functions that take complex
numbers, from which its derivatives come. Its parameters say which powers of the units of y and x
they carry, so that one problem can be asked in every unit.

A unit is a word:

``1e-15``       y is multiplied by it, truth and starts go with it: the same problem to a solver
                that does not mind units
``x1e6``        the same with x (but for the power law, where starts with another exponent than
                the truth's are much further off)
``forgot1e-9``  y is multiplied, the starts are not: they are those of the problem in units of 1
``wide``        x reaches to 10⁴ and the starts lie about 1, as those of someone who knows nothing
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

SPREAD = 1.2  # standard deviation of the logarithm of start / truth
_WIDE = 1e4
_COMPLEX_STEP = 1e-20  # a share of the parameter
_STEP = 1e-6
_POWERS = {
    "1": (0, 0),
    "y": (1, 0),
    "x": (0, 1),
    "yx": (1, 1),
    "1/x": (0, -1),
    "1/y": (-1, 0),
    "1/yx": (-1, -1),
    "y/x": (1, -1),
    "y/x^1.4": (1, -1.4),
    "y/x^3": (1, -3),
}


@dataclass(frozen=True)
class Model:
    """A model with its true parameters.

    Attributes
    ----------
    f : callable
        f(x, *params).
    true : tuple, length n
    x : (m,)
    noise : float
        Standard deviation.
    units : str
        Of the parameters, in words of those of y and x.
    """

    f: Callable
    true: tuple[float, ...]
    x: np.ndarray
    noise: float
    units: str

    def powers(self) -> np.ndarray:
        """Powers of the units of y and x in each parameter's own, (2, n)."""
        return np.array([_POWERS[word] for word in self.units.split()], float).T


def michaelis_menten(x, v, k, c):
    return v * x / (k + x) + c


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def growth(x, a, b):
    return a * np.exp(b * x)


def gaussian(x, a, m, s, c):
    return a * np.exp(-0.5 * ((x - m) / s) ** 2) + c


def logistic(x, a, k, m):
    return a / (1 + np.exp(-k * (x - m)))


def hill(x, v, k, n):
    return v * x**n / (k**n + x**n)


def power(x, a, b, c):
    return a * x**b + c


def two_decays(x, a, b, c, d):
    return a * np.exp(-b * x) + c * np.exp(-d * x)


def lorentzian(x, a, m, g, c):
    return a * g**2 / ((x - m) ** 2 + g**2) + c


def arrhenius(x, a, e):
    return a * np.exp(-e / x)


def stretched(x, a, tau, beta, c):
    return a * np.exp(-((x / tau) ** beta)) + c


def damped_sine(x, a, tau, w, phase):
    return a * np.exp(-x / tau) * np.sin(w * x + phase)


def sine(x, a, w, phase, c):
    return a * np.sin(w * x + phase) + c


def two_gaussians(x, a, m, s, b, n, t):
    return a * np.exp(-0.5 * ((x - m) / s) ** 2) + b * np.exp(-0.5 * ((x - n) / t) ** 2)


def pseudo_voigt(x, a, m, w, eta, c):
    u = ((x - m) / w) ** 2
    return a * (eta / (1 + u) + (1 - eta) * np.exp(-np.log(2) * u)) + c


def gompertz(x, a, b, k):
    return a * np.exp(-b * np.exp(-k * x))


def weibull(x, a, b, k, d):
    return a - b * np.exp(-((k * x) ** d))


def rational(x, a, b, c):
    return (1 + a * x) / (b + c * x)


def log_law(x, a, b, c):
    return a + b * np.log(1 + x / c)


def arctan_step(x, a, m, w, c):
    return a * np.arctan((x - m) / w) + c


def tanh_step(x, a, k, m, c):
    return a * np.tanh(k * (x - m)) + c


def sech_squared(x, a, m, w):
    return a / np.cosh((x - m) / w) ** 2


def rise_and_decay(x, a, slow, fast):
    return a * (np.exp(-x / slow) - np.exp(-x / fast))


def planck(x, a, b):
    return a * x**3 / (np.exp(b * x) - 1)


def two_sites(x, a, k, b, h):
    return a * x / (k + x) + b * x / (h + x)


def gaussian_on_line(x, a, m, s, b, c):
    return a * np.exp(-0.5 * ((x - m) / s) ** 2) + b * x + c


def quadratic_over_line(x, a, b, c, d):
    return (a * x**2 + b * x + c) / (x + d)


def competition(x, top, bottom, k):
    return bottom + (top - bottom) / (1 + x / k)


def morse(x, depth, k, m, c):
    return depth * (1 - np.exp(-k * (x - m))) ** 2 + c


def antoine(x, a, b, c):
    return a - b / (x + c)


def substrate_inhibition(x, v, k, i):
    return v * x / (k + x + x**2 / i)


def _grid(low: float, high: float, m: int) -> np.ndarray:
    return np.linspace(low, high, m)


MODELS = {
    "Michaelis-Menten": Model(michaelis_menten, (5, 2, 1), _grid(0.1, 10, 50), 0.05, "y x y"),
    "decay": Model(decay, (3, 0.8, 0.5), _grid(0, 6, 60), 0.05, "y 1/x y"),
    "decay, x 10 to 20": Model(decay, (20, 0.3, 1), _grid(10, 20, 50), 0.01, "y 1/x y"),
    "decay, x 36 to 72": Model(decay, (500, 0.1, 2), _grid(36, 72, 40), 0.1, "y 1/x y"),
    "growth": Model(growth, (2, 0.3), _grid(0, 10, 60), 0.1, "y 1/x"),
    "Gaussian": Model(gaussian, (4, 5, 1, 0.5), _grid(0, 10, 80), 0.05, "y x x y"),
    "Gaussian on a line": Model(
        gaussian_on_line, (3, 4, 0.7, 0.2, 1), _grid(0, 10, 80), 0.05, "y x x y/x y"
    ),
    "two Gaussians": Model(
        two_gaussians, (3, 3, 0.8, 2, 6.5, 1), _grid(0, 10, 100), 0.04, "y x x y x x"
    ),
    "Lorentzian": Model(lorentzian, (4, 5, 0.8, 0.5), _grid(0, 10, 80), 0.05, "y x x y"),
    "pseudo-Voigt": Model(
        pseudo_voigt, (4, 5, 1.2, 0.4, 0.5), _grid(0, 10, 100), 0.03, "y x x 1 y"
    ),
    "sech squared": Model(sech_squared, (3, 4, 1.5), _grid(0, 10, 60), 0.05, "y x x"),
    "logistic": Model(logistic, (5, 1.5, 4), _grid(0, 10, 60), 0.05, "y 1/x x"),
    "tanh step": Model(tanh_step, (2, 1.2, 5, 3), _grid(0, 10, 60), 0.05, "y 1/x x y"),
    "arctan step": Model(arctan_step, (1.5, 4, 0.7, 2), _grid(0, 10, 60), 0.05, "y x x y"),
    "Gompertz": Model(gompertz, (5, 6, 0.7), _grid(0, 10, 60), 0.05, "y 1 1/x"),
    "Weibull growth": Model(weibull, (5, 4, 0.3, 2), _grid(0.1, 8, 60), 0.05, "y y 1/x 1"),
    "Hill": Model(hill, (5, 3, 2), _grid(0.1, 10, 60), 0.05, "y x 1"),
    "power": Model(power, (2, 1.4, 3), _grid(0.1, 10, 60), 0.1, "y/x^1.4 1 y"),
    "stretched": Model(stretched, (3, 2, 0.7, 0.5), _grid(0.05, 10, 80), 0.02, "y x 1 y"),
    "two decays": Model(two_decays, (3, 0.3, 2, 2), _grid(0, 10, 100), 0.02, "y 1/x y 1/x"),
    "rise and decay": Model(rise_and_decay, (4, 3, 0.8), _grid(0, 12, 70), 0.03, "y x x"),
    "damped sine": Model(damped_sine, (3, 4, 2, 0.5), _grid(0, 10, 100), 0.05, "y x 1/x 1"),
    "sine": Model(sine, (2, 1.3, 0.6, 1), _grid(0, 8, 60), 0.05, "y 1/x 1 y"),
    "Arrhenius": Model(arrhenius, (50, 900), _grid(250, 400, 40), 0.05, "y x"),
    "Antoine": Model(antoine, (8, 1700, -40), _grid(280, 380, 40), 0.01, "y yx x"),
    "Planck": Model(planck, (5, 1.5), _grid(0.1, 8, 60), 0.03, "y/x^3 1/x"),
    "rational": Model(rational, (0.6, 2, 0.15), _grid(0, 10, 50), 0.01, "1/x 1/y 1/yx"),
    "quadratic over line": Model(
        quadratic_over_line, (0.5, 1, 8, 2), _grid(0, 10, 60), 0.03, "y/x y yx x"
    ),
    "logarithm": Model(log_law, (1, 2, 0.8), _grid(0, 10, 50), 0.05, "y y x"),
    "two sites": Model(two_sites, (3, 0.3, 4, 6), np.geomspace(0.03, 60, 60), 0.03, "y x y x"),
    "competition": Model(competition, (10, 2, 3), np.geomspace(0.01, 1000, 50), 0.1, "y y x"),
    "substrate inhibition": Model(
        substrate_inhibition, (6, 1.5, 8), _grid(0.1, 30, 60), 0.05, "y x x"
    ),
    "Morse": Model(morse, (4, 1.1, 1.5, -4), _grid(0.8, 5, 60), 0.05, "y 1/x x y"),
}


@dataclass(frozen=True)
class Problem:
    """A model's data in a unit.

    Attributes
    ----------
    key, unit : str
    factor : float
        Of y; costs are compared in units of its square.
    x, y : (m,)
    true : (n,)
    starts : (number of starts, n)
    """

    key: str
    unit: str
    factor: float
    x: np.ndarray
    y: np.ndarray
    true: np.ndarray
    starts: np.ndarray

    @property
    def f(self) -> Callable:
        return MODELS[self.key].f

    @cached_property
    def _floor(self) -> float:
        """Cost of residuals that are the rounding of y."""
        return 0.5 * self.y.size * (4 * np.finfo(float).eps * np.abs(self.y).max()) ** 2

    def cost(self, p) -> float:
        """Half the sum of squares, in units of `factor`²; infinite where it is no number."""
        with np.errstate(all="ignore"):
            value = 0.5 * float(np.sum(((self.f(self.x, *p) - self.y) / self.factor) ** 2))
        return value if np.isfinite(value) else np.inf

    def jacobian(self, p) -> np.ndarray:
        """Derivatives (m, n) by the parameters in units of themselves (of the truth if larger).

        By complex steps, and by differences where an intermediate number overflows.
        """
        p, size = np.asarray(p, float), np.maximum(np.abs(p), np.abs(self.true))
        steps = np.diag(size)
        with np.errstate(all="ignore"):
            exact = [self.f(self.x, *(p + 1j * _COMPLEX_STEP * s)).imag for s in steps]
            J = np.stack(exact, axis=1) / _COMPLEX_STEP
            if not np.isfinite(J).all():
                ends = [[self.f(self.x, *(p + k * _STEP * s)) for s in steps] for k in (1, -1)]
                differences = np.subtract(*ends).T / (2 * _STEP)
                J = np.where(np.isfinite(J), J, differences)
        return J

    def judge(self, p) -> tuple[float, np.ndarray]:
        """The largest scaled gradient |Jⱼᵀr| / (|Jⱼ| |r|), and which parameters (n,) are dead.

        A parameter is dead where a change as large as itself does not move the model by the
        rounding of y. A gradient that is no number is infinite.
        """
        r = self.f(self.x, *p) - self.y
        J = self.jacobian(p)
        size = np.abs(J).max(axis=0)
        dead = size <= np.finfo(float).eps * np.abs(self.y).max()
        if 0.5 * np.sum(r**2) <= self._floor or dead.all():
            return 0.0, dead
        J, r = J[:, ~dead] / size[~dead], r / np.abs(r).max()
        slopes = np.abs(J.T @ r) / (np.linalg.norm(J, axis=0) * np.linalg.norm(r))
        return float(np.where(np.isfinite(slopes), slopes, np.inf).max()), dead


def rng(key: str, seed: int, *more: int) -> np.random.Generator:
    """The generator of a model; the same in every run."""
    return np.random.default_rng([seed, zlib.crc32(key.encode()), *more])


def make_problem(key: str, unit: str, starts: int, seed: int) -> Problem:
    """The data of a model in a unit, and `starts` starts of which the first is 1 everywhere.

    Raises
    ------
    ValueError
        For a unit that cannot be read.
    """
    model = MODELS[key]
    u, v = _factors(unit, model)
    true = np.array(model.true, float)
    y = model.f(model.x, *true) + model.noise * rng(key, seed).normal(size=model.x.size)
    off = np.exp(SPREAD * rng(key, seed, 1).normal(size=(starts - 1, true.size)))
    by_y, by_x = np.array([[u], [v]]) ** model.powers()
    if unit == "wide":
        drawn, by_start = off, 1.0
    else:
        drawn, by_start = true * off, by_x if unit.startswith("forgot") else by_x * by_y
    first = np.vstack([np.ones(true.size), drawn]) * by_start
    return Problem(key, unit, u, model.x * v, y * u, true * by_x * by_y, first)


def _factors(unit: str, model: Model) -> tuple[float, float]:
    """What y and x are multiplied by."""
    if unit == "wide":
        return 1.0, _WIDE / np.abs(model.x).max()
    try:
        if unit.startswith("x"):
            return 1.0, float(unit.removeprefix("x"))
        return float(unit.removeprefix("forgot")), 1.0
    except ValueError:
        raise ValueError(
            f"The unit {unit!r} cannot be read; units are 1e-15, x1e6, forgot1e-9 and wide."
        ) from None
