"""The cases of `tests.table`: one feature each, and some with all that can go together."""

from __future__ import annotations

import dataclasses
import math
import os
import zlib
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from nlsq.core.passes.layout import SIZES, TILE


def decay(x, a, b, c):
    return a * np.exp(-b * x) + c


def in_jax(x, a, b, c):
    return a * jnp.exp(-b * x) + c


def opaque(x, a, b, c):
    return np.fromiter((float(a) * math.exp(-float(b) * t) + float(c) for t in x), float, len(x))


def coupled(x, a, b, c):
    y = np.exp(-b * x)
    return a * y / np.mean(y) + c


def two_rows(x, a, b, c):
    return a * np.exp(-b * x[0]) + c * x[1]


def product(x, a, b):
    return a * b * x


def wave(x, a, b, c):
    return a * np.exp((1j * b - c) * x)


def wave_of_two(x, a, b, c):
    return a * np.exp(1j * b * x[0] - c * x[1])


@dataclasses.dataclass(frozen=True)
class Case:
    """One fit. `fixed` parameters stay at p0; `plain` is how the reference is told of the data.

    `not_unique` are the fields that may be another's on another road.
    """

    f: Callable
    x: Any
    y: Any
    p0: tuple
    sigma: Any = None
    options: dict = dataclasses.field(default_factory=dict)
    fixed: tuple = ()
    plain: dict = dataclasses.field(default_factory=dict)
    not_unique: set = dataclasses.field(default_factory=set)


SEED = int(os.environ.get("NLSQ_TABLE_SEED", "0"))  # another one draws other noise
M = 700  # of a case: several blocks, and several chunks of the roads that have chunks
TRUE, P0 = (2.5, 1.3, 0.5), (1.5, 0.9, 0.2)
BOUNDS = {
    "inactive": ((0, 0, 0), (9, 9, 9)),
    "active low": ((0, 0, 0.6), (9, 9, 9)),
    "active high": ((0, 0, 0), (2.4, 9, 9)),
    "huge": ((-1e300, 0, -1e300), (1e300, np.inf, 1e300)),
    "two active": ((0, 1.4, 0), (2.6, 9, 9)),
}
LOSSES = ("soft_l1", "huber", "cauchy", "arctan")
BLOCK = SIZES[0][0]
P0_AT_BOUND = (1.5, 1.5, 0.7)
CHUNK = 128  # of the roads that have some
LENGTHS = {  # at and around every boundary; 3 points leave no freedom
    "none": [3], "tile": [TILE - 1, TILE, TILE + 1], "block": [BLOCK - 1, BLOCK, BLOCK + 1],
    "chunk": [4 * CHUNK - 1, 4 * CHUNK, 4 * CHUNK + 1],
}  # fmt: skip


def _case(name: str, m: int = M, f: Callable = decay, true=TRUE, **changes) -> Case:
    """Noise of 2 % that depends on the name, and two levels of it for sigma."""
    rng = np.random.default_rng(zlib.crc32(name.encode()) + SEED)
    x = np.linspace(0.0, 4.0, m)
    x = np.stack([x, np.cos(x)]) if f in (two_rows, wave_of_two) else x
    y = np.asarray(f(x, *true))
    noise = rng.standard_normal((2, m)).T @ [1, 1j] if np.iscomplexobj(y) else None
    y = y + 0.05 * (rng.standard_normal(m) if noise is None else noise)
    made = Case(f, x, y, P0[: len(true)])
    return dataclasses.replace(made, **{
        key: value(made) if callable(value) and key not in ("f",) else value
        for key, value in changes.items()
    })  # fmt: skip


def _levels(case: Case) -> np.ndarray:
    return np.where(np.arange(case.y.size) % 3 == 0, 0.03, 0.07)


def _some_infinite(case: Case) -> np.ndarray:
    return np.where(np.arange(case.y.size) % 50 == 7, np.inf, _levels(case))


def _matrix(case: Case) -> np.ndarray:
    distance = np.subtract.outer(np.arange(case.y.size), np.arange(case.y.size))
    return np.diag(_levels(case) ** 2) + 5e-4 * np.exp(-np.abs(distance))


def _outliers(case: Case) -> np.ndarray:
    return case.y + 2.0 * (np.arange(case.y.size) % 40 == 3)


def _holes(case: Case) -> np.ndarray:
    return np.where(np.arange(case.y.size) % 90 == 4, np.nan, case.y)


def _holes_too(case: Case) -> np.ndarray:
    return _outliers(dataclasses.replace(case, y=_holes(case)))


def _hidden(case: Case) -> np.ndarray:
    return np.arange(case.y.size) % 60 == 11


def _masked(case: Case) -> np.ma.MaskedArray:
    return np.ma.array(np.where(_hidden(case), 1e6, case.y), mask=_hidden(case))


def _scaled(name: str, x: float, y: float) -> Case:
    """x and y, and with them p, of other units."""
    case = _case(name)
    units = np.array([y, 1 / x, y])
    return dataclasses.replace(case, x=x * case.x, y=y * case.y, p0=tuple(units * P0))


def _shuffled(name: str) -> Case:
    case = _case(name)
    order = np.random.default_rng(SEED).permutation(M)
    return dataclasses.replace(case, x=case.x[order], y=case.y[order])


def _single(name: str) -> Case:
    case = _case(name)
    return dataclasses.replace(case, x=case.x.astype(np.float32), y=case.y.astype(np.float32))


WAVE = {"f": wave, "true": (2.0, 3.0, 0.4), "p0": (1.8, 3.1, 0.3)}
ABSOLUTE = {"absolute_sigma": True}
KINDS: dict[str, dict] = {
    "decay": {},
    "complex": WAVE,
    "two rows": {"f": two_rows},
    "complex, two rows": {**WAVE, "f": wave_of_two},
    "in jax.numpy": {"f": in_jax},
    "not traceable": {"f": opaque, "m": 120},
    "coupled": {"f": coupled},
    "rank": {
        "f": product, "true": (2.0, 1.5), "p0": (1.0, 2.0),
        "not_unique": {"x", "popt", "jac", "null_directions", "pcov_determined"},
    },
}  # fmt: skip
SIGMAS: dict[str, dict] = {
    "sigma, a number": {"sigma": 0.05, "options": ABSOLUTE},
    "sigma, a vector": {"sigma": _levels},
    "sigma, a vector, absolute": {"sigma": _levels, "options": ABSOLUTE},
    "sigma, a matrix": {"m": 120, "sigma": _matrix},
    "sigma, a matrix, absolute": {"m": 120, "sigma": _matrix, "options": ABSOLUTE},
    "weight 0": {"sigma": _some_infinite},
    "masked": {
        "y": _masked,
        "plain": lambda c: {"y": _masked(c).data, "sigma": np.where(_hidden(c), np.inf, 1.0)},
    },
    "omit": {"y": _holes, "options": {"nan_policy": "omit"}},
}  # fmt: skip
LIMITS: dict[str, dict] = {
    **{
        f"bounds {name}": {"options": {"bounds": bounds}, "p0": P0_AT_BOUND}
        for name, bounds in BOUNDS.items()
    },
    "fixed": {"fixed": ("c",), "p0": (1.5, 0.9, 0.48)},
    "two fixed": {"fixed": ("b", "c"), "p0": (1.5, 1.25, 0.48)},
}
ROBUST: dict[str, dict] = {
    loss: {"y": _outliers, "options": {"loss": loss, "f_scale": 0.1}} for loss in LOSSES
}


def _together(*features: dict) -> dict:
    """Several features in one case."""
    made: dict = {}
    for feature in features:
        options = made.get("options", {}) | feature.get("options", {})
        made = made | feature | {"options": options}
    return made


def packed() -> dict[str, Case]:
    """Few cases with all that can go together, so that few programs are compiled.

    Which goes with which, the seed says.
    """
    two = "complex, two rows"
    forms = ("decay", "weight 0"), ("in jax.numpy", "omit"), (two, "sigma, a vector")
    losses, limits = list(ROBUST), list(LIMITS)
    made = {}
    for k, (kind, sigma) in enumerate(forms):
        loss = losses[(k + SEED) % len(losses)]
        wide = {
            "y": _outliers,
            "options": {"loss": loss, "f_scale": 2.0},
        }  # a residual is some sigma
        if sigma == "omit":
            wide = _together(wide, {"y": _holes_too, "sigma": 0.05, "options": ABSOLUTE})
        for limit in limits[(k + SEED) % 2 :: 2] if kind != two else ["fixed"]:
            limited = LIMITS[limit] if kind != two else {"fixed": ("b",)}
            name = ", ".join((kind, sigma, loss, limit))
            parts = KINDS[kind], SIGMAS[sigma], limited, wide
            made[name] = _case(name, **_together(*parts))
    return made


def _cases() -> dict[str, Case]:
    rows = KINDS | SIGMAS | LIMITS | ROBUST
    rows["coupled, sigma"] = _together(KINDS["coupled"], SIGMAS["sigma, a matrix"])
    rows["not traceable, sigma, soft_l1, bounds"] = _together(
        KINDS["not traceable"], SIGMAS["sigma, a vector"], LIMITS["bounds active low"],
        {"y": _outliers, "options": {"loss": "soft_l1", "f_scale": 2.0}},
    )  # fmt: skip
    rows["complex, weight 0"] = _together(WAVE, SIGMAS["weight 0"], {"options": ABSOLUTE})
    made = {name: _case(name, **changes) for name, changes in rows.items()}
    made |= {"shuffled": _shuffled("shuffled"), "float32": _single("float32")}
    for x, y in ((1e12, 1.0), (1e-12, 1.0), (1.0, 1e12), (1.0, 1e-12), (1e12, 1e-12)):
        name = f"x of {x:g}, y of {y:g}"
        made[name] = _scaled(name, x, y)
    for m in {m for lengths in LENGTHS.values() for m in lengths}:
        noise = {"cost", "misfit", "chi_squared", "rmse", "mae", "aic", "bic"}
        rounding = noise if m == 3 else set()
        made[f"{m} points"] = _case(f"{m}", m=m, not_unique=rounding)
    return made | packed()


CASES = _cases()
