"""Continuous distributions of `scipy.stats`: their densities and distribution functions."""

from __future__ import annotations

import types
from typing import Any

import jax.numpy as jnp
import jax.scipy.special as js

from nlsq.core.model.carry import special
from nlsq.core.model.carry.proxy import Proxy, any_traced, unwrap, wrap
from nlsq.core.model.carry.state import refuse
from nlsq.core.model.laws import evaluated, given_by_name, standard_laws

_NUMBERS = types.SimpleNamespace(
    **{name: getattr(jnp, name) for name in "abs arctan2 exp expm1 inf log log1p where".split()},
    **{
        name: getattr(js, name)
        for name in "betainc betaln expit gammainc gammaincc gammaln ndtr xlog1py xlogy".split()
    },
    log_ndtr=special.log_ndtr,
)
_LAWS = standard_laws(_NUMBERS)


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
    if law is None or law.function(what) is None:
        refuse(f"scipy.stats.{original.name}.{what} has no JAX counterpart here")
    given = given_by_name(original.shapes, args, kwargs)
    given = {name: jnp.asarray(value, dtype=float) for name, value in given.items()}
    return evaluated(law, what, given, _NUMBERS)
