"""What is fitted: six models as data, three variants, and the referee's own answer to each.

A model is written once over an array module `xp` and made from it for each peer: ``make(np)`` is
what a user of SciPy writes, ``make(jax.numpy)`` what the JAX libraries take. Every peer gets the
same data and the same start, drawn once per model with every parameter 20-50 % off. For the
position of a peak that is 20-50 % of its width, since a start beside the peak finds another one.

free     noise of standard deviation `NOISE`, no bounds
bounded  the same data, every parameter kept within 60 % of its true value (start and answer inside)
robust   one point in twenty moved by 5 to 30 standard deviations; soft-L1 loss of scale `NOISE`
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

VARIANTS = ("free", "bounded", "robust")
NOISE = 0.03
_OUTLIERS = 0.05  # share of the points
_PIECE = 1 << 16  # points the referee evaluates at a time
_COMPLEX_STEP = 1e-30


def decay(xp):
    def f(t, a, tau, c):
        return a * xp.exp(-t / tau) + c

    return f


def gaussian(xp):
    def f(x, amplitude, centre, width, slope, offset):
        return amplitude * xp.exp(-(((x - centre) / width) ** 2)) + slope * x + offset

    return f


def double_decay(xp):
    def f(t, a, tau, b, theta, c):
        return a * xp.exp(-t / tau) + b * xp.exp(-t / theta) + c

    return f


def damped_sine(xp):
    def f(t, a, tau, w, phase, c):
        return a * xp.exp(-t / tau) * xp.sin(w * t + phase) + c

    return f


def lorentzians(xp):
    def f(x, *p):
        y = p[-1]
        for height, centre, width in zip(p[:-1:3], p[1:-1:3], p[2:-1:3], strict=True):
            y = y + height / (1 + ((x - centre) / width) ** 2)
        return y

    return f


def gaussians(xp):
    def f(x, *p):
        y = 0.0
        for height, centre, width in zip(p[::3], p[1::3], p[2::3], strict=True):
            y = y + height * xp.exp(-(((x - centre) / width) ** 2))
        return y

    return f


def gaussians_jacobian(x, *p):
    """Derivatives (m, n) of `gaussians`, as a user who cares for speed writes them."""
    J = np.empty((x.size, len(p)))
    for i in range(0, len(p), 3):
        height, centre, width = p[i : i + 3]
        u = (x - centre) / width
        J[:, i] = np.exp(-(u**2))
        J[:, i + 1] = 2 * height / width * u * J[:, i]
        J[:, i + 2] = u * J[:, i + 1]
    return J


@dataclass(frozen=True)
class Model:
    """A model with its true parameters.

    Attributes
    ----------
    make : callable
        make(xp) -> f(x, *params).
    true : tuple, length n
    span : (float, float)
        Interval of the abscissae.
    widths : dict
        Per index of a peak's position the width that its start is off by a share of; the width
        itself is the next parameter.
    jacobian : callable or None
        jacobian(x, *params) -> (m, n), for the peers that can be given one.
    seed : int
        Of the start: the first one, from 0 on, that leads every peer to the same minimum in all
        variants at 100, 1 000 and 10 000 points. Times of fits that end elsewhere say nothing.
    """

    name: str
    make: Callable
    true: tuple[float, ...]
    span: tuple[float, float]
    widths: dict[int, float]
    jacobian: Callable | None = None
    seed: int = 0

    @property
    def n(self) -> int:
        return len(self.true)

    @cached_property
    def scale(self) -> np.ndarray:
        """What "20-50 % off" is a share of, (n,)."""
        return np.array([self.widths.get(i, abs(v)) for i, v in enumerate(self.true)])

    @cached_property
    def start(self) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        off = rng.uniform(0.2, 0.5, self.n) * rng.choice([-1, 1], self.n)
        return self.true + off * self.scale


def _peaks(*peaks: tuple[float, float, float]) -> dict:
    """`true` and `widths` of peaks given as (height, centre, width)."""
    widths = {3 * i + 1: width for i, (_, _, width) in enumerate(peaks)}
    return {"true": sum(peaks, ()), "widths": widths}


_THREE = _peaks((3.0, 2.0, 0.5), (2.0, 4.5, 0.7), (2.5, 7.5, 0.6))
_THREE["true"] += (1.0,)
_TEN = _peaks(
    (2.0, 1.5, 0.50), (3.0, 3.0, 0.60), (2.5, 4.5, 0.45), (1.5, 6.0, 0.55), (3.0, 7.5, 0.60),
    (2.0, 9.0, 0.50), (2.5, 10.5, 0.65), (3.0, 12.0, 0.50), (1.5, 13.5, 0.55), (2.0, 15.0, 0.60),
)  # fmt: skip
MODELS = {
    "decay": Model("exponential decay", decay, (2.5, 1.3, 0.5), (0, 6), {}),
    "gaussian": Model("Gaussian on a slope", gaussian, (3, 2.4, 0.7, 0.1, 1), (0, 6), {1: 0.7}),
    "double": Model(
        "double exponential", double_decay, (2, 0.4, 1.5, 2.5, 0.3), (0, 10), {}, seed=1
    ),
    "sine": Model("damped sine", damped_sine, (2, 2.5, 2, 0.4, 0.1), (0, 6), {}, seed=1),
    "lorentzians": Model("three Lorentzians", lorentzians, span=(0, 10), **_THREE),
    "gaussians": Model(
        "ten Gaussians", gaussians, span=(0, 16.5), jacobian=gaussians_jacobian, seed=2, **_TEN
    ),
}


@dataclass(frozen=True)
class Problem:
    """One cell of the table: a model, a variant and data of m points; f may be replaced."""

    key: str
    model: Model
    variant: str
    f: Callable
    x: np.ndarray
    y: np.ndarray

    @property
    def p0(self) -> np.ndarray:
        return self.model.start

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        reach = 0.6 * self.model.scale
        return self.model.true - reach, self.model.true + reach

    @property
    def options(self) -> dict:
        """The variant in keywords of `curve_fit`, ours and SciPy's."""
        return {
            "free": {},
            "bounded": {"bounds": self.bounds},
            "robust": {"method": "trf", "loss": "soft_l1", "f_scale": NOISE},
        }[self.variant]


def make_problem(key: str, variant: str, m: int) -> Problem:
    """The problem of a model, a variant and a number of points; always the same data."""
    model = MODELS[key]
    rng = np.random.default_rng([m, zlib.crc32(key.encode())])
    f = model.make(np)
    x = np.linspace(*model.span, m)
    y = f(x, *model.true)
    y += NOISE * rng.standard_normal(m)
    if variant == "robust":
        moved = rng.choice(m, max(1, round(_OUTLIERS * m)), replace=False)
        y[moved] += NOISE * rng.uniform(5, 30, moved.size) * rng.choice([-1, 1], moved.size)
    return Problem(key, model, variant, f, x, y)


def _pieces(problem: Problem) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for i in range(0, problem.x.size, _PIECE):
        yield problem.x[i : i + _PIECE], problem.y[i : i + _PIECE]


def _loss(problem: Problem, r: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The loss at residuals r, its first and its second derivative."""
    if problem.variant != "robust":
        return 0.5 * r**2, r, np.ones_like(r)
    root = np.sqrt(1 + (r / NOISE) ** 2)
    return NOISE**2 * (root - 1), r / root, root**-3


def cost(problem: Problem, p) -> float:
    """The objective at p, half the sum of the squares or of the loss."""
    f = problem.model.make(np)
    return float(sum(_loss(problem, f(x, *p) - y)[0].sum() for x, y in _pieces(problem)))


def digits(problem: Problem, p, answer) -> float:
    """Digits of the worst parameter that agree with `answer`, 0 to 15.

    A width enters its model squared, so that its sign says nothing.
    """
    p = np.array(p, float)
    for i in problem.model.widths:
        p[i + 1] = abs(p[i + 1])
    error = np.abs(p / answer - 1).max()
    return float(np.clip(-np.log10(max(error, 1e-15)), 0, 15)) if np.isfinite(error) else 0.0


def _rows(model: Model, f: Callable, x, p) -> np.ndarray:
    """Jacobian (b, n): given, or by complex steps, which are exact to rounding."""
    if model.jacobian is not None:
        return model.jacobian(x, *p)
    steps = p + _COMPLEX_STEP * 1j * np.eye(model.n)
    return np.stack([f(x, *q).imag for q in steps], axis=1) / _COMPLEX_STEP


def reference(problem: Problem) -> np.ndarray:
    """The answer (n,) to rounding, by Newton steps from the true values until they shrink no more.

    Raises
    ------
    RuntimeError
        When they do not get there, or the answer of a bounded problem is outside the bounds.
    """
    f, n = problem.model.make(np), problem.model.n
    p, before = np.array(problem.model.true, float), np.inf
    for _ in range(60):
        H, g = np.zeros((n, n)), np.zeros(n)
        for x, y in _pieces(problem):
            _, slope, curvature = _loss(problem, f(x, *p) - y)
            J = _rows(problem.model, f, x, p)
            H += J.T @ (curvature[:, None] * J)
            g += J.T @ slope
        D = np.sqrt(np.diag(H))
        step = np.linalg.solve(H / (D[:, None] * D), g / D) / D
        length = np.abs(step / problem.model.scale).max()
        if length < 1e-9 and length > 0.5 * before:
            break
        p, before = p - step, length
    else:
        raise RuntimeError(f"no reference for {problem.model.name}, {problem.variant}")
    low, high = problem.bounds
    if problem.variant == "bounded" and not ((p > low) & (p < high)).all():
        raise RuntimeError(f"the answer of {problem.model.name} is outside its bounds")
    return p
