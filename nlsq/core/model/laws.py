"""The laws of `scipy.stats`' continuous distributions, over any namespace of functions.

`standard_laws(m)` takes a namespace with NumPy's elementary and SciPy's special functions, which
say what numbers go in: JAX's, or dual ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_ROOT_2PI = math.sqrt(2 * math.pi)


class Standard(NamedTuple):
    """A distribution at location 0 and scale 1: functions of z and of its shape parameters."""

    logpdf: Callable
    cdf: Callable | None = None
    sf: Callable | None = None
    lower: float = -np.inf
    upper: float = np.inf

    def function(self, what: str) -> Callable | None:
        """What pdf, logpdf, cdf or sf is made from; None where that is not known."""
        return (
            self.logpdf if what in ("pdf", "logpdf") else {"cdf": self.cdf, "sf": self.sf}.get(what)
        )


def standard_laws(m: Any) -> dict[str, Standard]:
    """The laws by SciPy's names."""

    def log_t(z, df):
        norm = m.gammaln((df + 1) / 2) - m.gammaln(df / 2) - m.log(df * math.pi) / 2
        return norm - (df + 1) / 2 * m.log1p(z**2 / df)

    return {
        "norm": Standard(lambda z: -(z**2) / 2 - math.log(_ROOT_2PI), m.ndtr, lambda z: m.ndtr(-z)),
        "expon": Standard(lambda z: -z, lambda z: -m.expm1(-z), lambda z: m.exp(-z), 0.0),
        "lognorm": Standard(
            lambda z, s: -((m.log(z) / s) ** 2) / 2 - m.log(s * z * _ROOT_2PI),
            lambda z, s: m.ndtr(m.log(z) / s),
            lambda z, s: m.ndtr(-m.log(z) / s),
            0.0,
        ),
        "gamma": Standard(
            lambda z, a: m.xlogy(a - 1, z) - z - m.gammaln(a),
            lambda z, a: m.gammainc(a, z),
            lambda z, a: m.gammaincc(a, z),
            0.0,
        ),
        "chi2": Standard(
            lambda z, k: m.xlogy(k / 2 - 1, z / 2) - z / 2 - m.gammaln(k / 2) - math.log(2),
            lambda z, k: m.gammainc(k / 2, z / 2),
            lambda z, k: m.gammaincc(k / 2, z / 2),
            0.0,
        ),
        "beta": Standard(
            lambda z, a, b: m.xlogy(a - 1, z) + m.xlog1py(b - 1, -z) - m.betaln(a, b),
            lambda z, a, b: m.betainc(a, b, z),
            lambda z, a, b: m.betainc(b, a, 1 - z),
            0.0,
            1.0,
        ),
        "weibull_min": Standard(
            lambda z, c: m.log(c) + m.xlogy(c - 1, z) - z**c,
            lambda z, c: -m.expm1(-(z**c)),
            lambda z, c: m.exp(-(z**c)),
            0.0,
        ),
        "cauchy": Standard(
            lambda z: -m.log(math.pi * (1 + z**2)),
            lambda z: m.arctan2(1.0, -z) / math.pi,
            lambda z: m.arctan2(1.0, z) / math.pi,
        ),
        "logistic": Standard(
            lambda z: -m.abs(z) - 2 * m.log1p(m.exp(-m.abs(z))),
            lambda z: m.expit(z),
            lambda z: m.expit(-z),
        ),
        "laplace": Standard(lambda z: -m.abs(z) - math.log(2)),
        "rayleigh": Standard(
            lambda z: m.log(z) - z**2 / 2,
            lambda z: -m.expm1(-(z**2) / 2),
            lambda z: m.exp(-(z**2) / 2),
            0.0,
        ),
        "maxwell": Standard(
            lambda z: 2 * m.log(z) - z**2 / 2 + math.log(math.sqrt(2 / math.pi)), lower=0.0
        ),
        "skewnorm": Standard(lambda z, a: m.log_ndtr(a * z) - z**2 / 2 + math.log(2 / _ROOT_2PI)),
        "t": Standard(log_t),
    }


def given_by_name(shapes: str | None, args: tuple, kwargs: dict) -> dict[str, Any]:
    """The arguments of a distribution's method, by their names in SciPy's order."""
    names = [s.strip() for s in (shapes or "").split(",") if s.strip()]
    names = ["x", *names, "loc", "scale"]
    given = {"loc": 0.0, "scale": 1.0, **dict(zip(names, args, strict=False)), **kwargs}
    return {name: given[name] for name in names}


def evaluated(law: Standard, what: str, given: dict[str, Any], m: Any) -> Any:
    """pdf, logpdf, cdf or sf for these arguments; m has `where`, too."""
    x, *shapes, loc, scale = given.values()
    z = (x - loc) / scale
    inside = (z >= law.lower) & (z <= law.upper)
    low = law.lower if np.isfinite(law.lower) else 0.0
    middle = 0.5 if np.isfinite(law.upper) else low + 1.0
    value = law.function(what)(m.where(inside, z, middle), *shapes)
    if what in ("pdf", "logpdf"):
        value = m.where(inside, value - m.log(scale), -m.inf)
        return m.exp(value) if what == "pdf" else value
    outside = (z > law.upper) == (what == "cdf")
    return m.where(inside, value, m.where(outside, 1.0, 0.0))
