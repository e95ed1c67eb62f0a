"""One call of a carried model."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.core.model.carry import operators
from nlsq.core.model.carry.functions import to_jax
from nlsq.core.model.carry.proxy import Proxy
from nlsq.core.model.carry.rebuild import Rebuild
from nlsq.core.model.carry.state import NotCarried, enter, leave

operators.install()


class _Call:
    """Whatever the model raises, or swallows, on proxies leaves as NotCarried."""

    def __enter__(self) -> None:
        self.state, self.token = enter()

    def __exit__(self, kind, error, traceback) -> None:
        leave(self.token)
        failure = self.state.failure
        if error is not None and not isinstance(error, Exception):
            return  # Ctrl-C
        if failure is not None:
            raise failure from (None if error is failure else error)
        if error is not None and not isinstance(error, NotCarried):
            raise NotCarried(f"{type(error).__name__} while tracing: {_line(error)}") from error


def carry(f: Callable) -> Callable:
    """Carry a NumPy model to JAX.

    Parameters
    ----------
    f : callable
        ``f(x, *params)`` in NumPy and SciPy: a function, method, partial, ``numpy.vectorize``
        object or callable instance. It is not changed, nor is anything it reaches.

    Returns
    -------
    callable
        ``g(x, *params) -> jax.Array``, to be called under ``jax.jit``, ``jacfwd``, ``vmap``... in
        double precision. `params` are JAX values. `x` is an array, or a tuple, list or dict of
        arrays: JAX arrays are traced; NumPy arrays (and data frames) stay concrete, so that the
        model may branch on them and select from them.

    Raises
    ------
    NotCarried
        By ``g``, when the model needs the plain value of something traced: its ``reason`` is one
        line for the user. Raised also when the model's own ``try`` swallowed it.

    Examples
    --------
    >>> import jax, numpy as np
    >>> def decay(t, a, tau):
    ...     y = np.zeros_like(t)
    ...     y[t > 0] = a * np.exp(-t[t > 0] / tau)
    ...     return y
    >>> with jax.enable_x64(True):
    ...     g = jax.jit(carry(decay))
    ...     [round(float(v), 3) for v in g(np.array([-1.0, 0.0, 1.0]), 2.0, 1.0)]
    [0.0, 0.0, 0.736]
    """

    @functools.wraps(f, updated=())
    def carried(x: Any, *params: Any) -> jax.Array:
        with _Call():
            model = Rebuild()(f)
            result = model(_data(x), *(Proxy(jnp.asarray(p)) for p in params))
            return to_jax(result)

    return carried


def _line(error: BaseException) -> str:
    return (str(error).strip() or "no message").splitlines()[0]


def _data(x: Any) -> Any:
    """Proxies around the arrays of x; data frames and other objects pass as they are."""
    if isinstance(x, jax.Array):
        return Proxy(x)
    if isinstance(x, np.ndarray):
        return Proxy(x) if type(x) is np.ndarray and x.dtype.kind in "biufc" else x
    if type(x) in (list, tuple):
        return type(x)(map(_data, x))
    if type(x) is dict:
        return {key: _data(item) for key, item in x.items()}
    return x
