"""One model function as a scientist wrote it, with seeded data to fit."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

CARRIED, HOST = "numpy", "host"


@dataclass(frozen=True)
class Case:
    """A model, its data and a start from which SciPy's `curve_fit` finds `p_true`.

    `noise` is the standard deviation of the added normal noise; `road` is the road the model must
    take: ``"numpy"`` when it is carried to JAX, ``"host"`` when it cannot be. A carried model with
    ``concrete=True`` is carried only while the data are concrete (it branches on them).
    """

    name: str
    f: Callable
    x: Any
    p_true: tuple[float, ...]
    p0: tuple[float, ...]
    noise: float
    road: str = CARRIED
    bounds: tuple[Any, Any] | None = None
    concrete: bool = False
    note: str = ""

    def data(self) -> tuple[Any, np.ndarray]:
        """``(x, y)``, the same at every call; y is raveled."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        y = np.ravel(np.asarray(self.f(self.x, *self.p_true)))
        error = rng.normal(size=y.shape)
        if np.iscomplexobj(y):
            error = error + 1j * rng.normal(size=y.shape)
        return self.x, y + self.noise * error

    def __str__(self) -> str:
        return self.name


def case(f: Callable, x: Any, p_true, p0, noise: float, **options) -> Case:
    """A case named after its function."""
    name = options.pop("name", None) or f.__name__
    return Case(name, f, x, tuple(map(float, p_true)), tuple(map(float, p0)), noise, **options)
