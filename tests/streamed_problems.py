"""Twenty fits of more points than one of the engine's chunks, as data: models, noise, options.

>>> len(PROBLEMS), PROBLEMS[0].name
(20, 'decay')
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tests.nist import PROBLEMS as STRD

M = 270_001  # more than the 2^18 points up to which a direct fit is one program


@dataclass(frozen=True)
class Streamed:
    """One fit: data(), model, start and options."""

    name: str
    model: Callable
    start: tuple
    make: Callable[[], tuple]
    options: dict = field(default_factory=dict)

    def data(self):
        """(x, y, sigma or None)."""
        return self.make()

    def __str__(self) -> str:
        return self.name


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def peak(x, h, x0, w, a, b):
    return h * np.exp(-0.5 * ((x - x0) / w) ** 2) + a + b * x


def plane_wave(u, a, k, w):
    return a * np.exp(-k * u[0]) * np.cos(w * u[1])


def _noise(size, scale, seed=1):
    return scale * np.random.default_rng(seed).standard_normal(size)


def _decay(noise=0.05, outliers=False, shuffled=False, two_levels=False):
    def make():
        x = np.linspace(0.0, 5.0, M)
        if shuffled:
            x = np.random.default_rng(2).permutation(x)
        sigma = np.where(x < 2.0, 0.02, 0.3) if two_levels else None
        y = decay(x, 2.5, 1.3, 0.5) + _noise(M, noise if sigma is None else sigma)
        if outliers:
            y[::40] += 2.0
        return x, y, sigma

    return make


def _peak():
    x = np.linspace(-5.0, 5.0, M)
    return x, peak(x, 3.0, 0.7, 0.8, 1.0, 0.1) + _noise(M, 0.1), None


def _plane_wave():
    u = np.stack([np.linspace(0, 3, M), np.linspace(0, 40, M)])
    return u, plane_wave(u, 2.0, 0.4, 1.1) + _noise(M, 0.1), None


def _tiled(problem, share=1e-3):
    """NIST's data again and again, with noise."""

    def make():
        times = -(-M // problem.y.size)
        x = np.tile(problem.x, times)[..., :M]
        y = np.tile(problem.y, times)[:M]
        return x, y + _noise(M, share * np.abs(problem.y).max()), None

    return make


def _nist(name, near=True):
    problem = next(p for p in STRD if p.name == name)
    start = tuple(problem.starts[1 if near else 0].tolist())
    return Streamed(f"NIST {name}", problem.model_numpy, start, _tiled(problem))


P0 = (1.25, 0.65, 0.25)
BOUNDS = ([0.0, 0.0, 0.0], [2.4, 5.0, 5.0])
PROBLEMS = [
    Streamed("decay", decay, P0, _decay()),
    Streamed("decay, shuffled", decay, P0, _decay(shuffled=True)),
    Streamed("decay, two noise levels", decay, P0, _decay(two_levels=True)),
    Streamed("decay, two noise levels, absolute", decay, P0, _decay(two_levels=True),
             {"absolute_sigma": True}),
    Streamed("decay, at a bound", decay, P0, _decay(), {"bounds": BOUNDS}),
    Streamed("decay, fixed", decay, (1.25, 0.65, 0.5), _decay(),
             {"bounds": ([0, 0, 0.5], [9, 9, 0.5])}),
    *(
        Streamed(f"decay, {loss}", decay, P0, _decay(outliers=True),
                 {"loss": loss, "f_scale": 0.1})
        for loss in ("soft_l1", "huber", "cauchy", "arctan")
    ),
    Streamed("decay, two noise levels, bounded, soft_l1", decay, P0, _decay(two_levels=True),
             {"bounds": BOUNDS, "loss": "soft_l1"}),
    Streamed("decay, dogbox", decay, P0, _decay(), {"bounds": BOUNDS, "method": "dogbox"}),
    Streamed("decay, lm", decay, P0, _decay(), {"method": "lm"}),
    Streamed("peak", peak, (2.0, 0.0, 1.2, 0.5, 0.0), _peak),
    Streamed("plane wave, two coordinates", plane_wave, (1.5, 0.5, 1.08), _plane_wave),
    _nist("Thurber"),
    _nist("MGH09"),
    _nist("Kirby2"),
    _nist("Eckerle4"),
    _nist("Hahn1"),
]  # fmt: skip
