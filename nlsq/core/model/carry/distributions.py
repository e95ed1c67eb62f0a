"""Continuous distributions of `scipy.stats`: their densities and distribution functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import jax.scipy.special as js
import numpy as np

from nlsq.core.model.carry import special
from nlsq.core.model.carry.proxy import Proxy, any_traced, unwrap, wrap
from nlsq.core.model.carry.state import refuse

_ROOT_2PI = math.sqrt(2 * math.pi)


class Standard(NamedTuple):
    """A distribution at location 0 and scale 1: functions of z and of its shape parameters."""

    logpdf: Callable
    cdf: Callable | None = None
    sf: Callable | None = None
    lower: float = -np.inf
    upper: float = np.inf


def _t_logpdf(z, df):
    norm = js.gammaln((df + 1) / 2) - js.gammaln(df / 2) - jnp.log(df * math.pi) / 2
    return norm - (df + 1) / 2 * jnp.log1p(z**2 / df)


_LAWS: dict[str, Standard] = {
    "norm": Standard(lambda z: -(z**2) / 2 - math.log(_ROOT_2PI), js.ndtr, lambda z: js.ndtr(-z)),
    "expon": Standard(lambda z: -z, lambda z: -jnp.expm1(-z), lambda z: jnp.exp(-z), 0.0),
    "lognorm": Standard(
        lambda z, s: -((jnp.log(z) / s) ** 2) / 2 - jnp.log(s * z * _ROOT_2PI),
        lambda z, s: js.ndtr(jnp.log(z) / s),
        lambda z, s: js.ndtr(-jnp.log(z) / s),
        0.0,
    ),
    "gamma": Standard(
        lambda z, a: js.xlogy(a - 1, z) - z - js.gammaln(a),
        lambda z, a: js.gammainc(a, z),
        lambda z, a: js.gammaincc(a, z),
        0.0,
    ),
    "chi2": Standard(
        lambda z, k: js.xlogy(k / 2 - 1, z / 2) - z / 2 - js.gammaln(k / 2) - math.log(2),
        lambda z, k: js.gammainc(k / 2, z / 2),
        lambda z, k: js.gammaincc(k / 2, z / 2),
        0.0,
    ),
    "beta": Standard(
        lambda z, a, b: js.xlogy(a - 1, z) + js.xlog1py(b - 1, -z) - js.betaln(a, b),
        lambda z, a, b: js.betainc(a, b, z),
        lambda z, a, b: js.betainc(b, a, 1 - z),
        0.0,
        1.0,
    ),
    "weibull_min": Standard(
        lambda z, c: jnp.log(c) + js.xlogy(c - 1, z) - z**c,
        lambda z, c: -jnp.expm1(-(z**c)),
        lambda z, c: jnp.exp(-(z**c)),
        0.0,
    ),
    "cauchy": Standard(
        lambda z: -jnp.log(math.pi * (1 + z**2)),
        lambda z: jnp.arctan2(1.0, -z) / math.pi,
        lambda z: jnp.arctan2(1.0, z) / math.pi,
    ),
    "logistic": Standard(
        lambda z: -jnp.abs(z) - 2 * jnp.log1p(jnp.exp(-jnp.abs(z))),
        lambda z: js.expit(z),
        lambda z: js.expit(-z),
    ),
    "laplace": Standard(lambda z: -jnp.abs(z) - math.log(2)),
    "rayleigh": Standard(
        lambda z: jnp.log(z) - z**2 / 2,
        lambda z: -jnp.expm1(-(z**2) / 2),
        lambda z: jnp.exp(-(z**2) / 2),
        0.0,
    ),
    "maxwell": Standard(
        lambda z: 2 * jnp.log(z) - z**2 / 2 + math.log(math.sqrt(2 / math.pi)), lower=0.0
    ),
    "skewnorm": Standard(lambda z, a: special.log_ndtr(a * z) - z**2 / 2 + math.log(2 / _ROOT_2PI)),
    "t": Standard(_t_logpdf),
}


class Distribution:
    """A `scipy.stats` distribution whose density takes traced arguments."""

    def __init__(self, original: Any, args: tuple = (), kwargs: dict | None = None):
        self._original, self._args, self._kwargs = original, args, kwargs or {}

    def __call__(self, *args, **kwargs) -> Distribution:
        return Distribution(self._original, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        def run(*args, **kwargs):
            args, kwargs = (*args, *self._args), {**kwargs, **self._kwargs}
            if any_traced(args, kwargs):
                return Proxy(_evaluate(self._original, name, unwrap(args), unwrap(kwargs)))
            return wrap(getattr(self._original, name)(*unwrap(args), **unwrap(kwargs)))

        return run


def _evaluate(original: Any, what: str, args: tuple, kwargs: dict) -> Any:
    law = _LAWS.get(original.name)
    functions = {} if law is None else {"pdf": law.logpdf, "logpdf": law.logpdf}
    if law is not None and law.cdf is not None:
        functions.update(cdf=law.cdf, sf=law.sf)
    if what not in functions:
        refuse(f"scipy.stats.{original.name}.{what} has no JAX counterpart here")
    names = [s.strip() for s in (original.shapes or "").split(",") if s.strip()]
    names = ["x", *names, "loc", "scale"]
    given = {"loc": 0.0, "scale": 1.0, **dict(zip(names, args, strict=False)), **kwargs}
    given = {name: jnp.asarray(value, dtype=float) for name, value in given.items()}
    z = (given["x"] - given["loc"]) / given["scale"]
    inside = (z >= law.lower) & (z <= law.upper)
    low = law.lower if np.isfinite(law.lower) else 0.0
    middle = 0.5 if np.isfinite(law.upper) else low + 1.0
    value = functions[what](jnp.where(inside, z, middle), *(given[n] for n in names[1:-2]))
    if what in ("pdf", "logpdf"):
        value = jnp.where(inside, value - jnp.log(given["scale"]), -jnp.inf)
        return jnp.exp(value) if what == "pdf" else value
    outside = (z > law.upper) == (what == "cdf")
    return jnp.where(inside, value, jnp.where(outside, 1.0, 0.0))
