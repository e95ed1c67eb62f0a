"""How a user's function is called: f(x, *params) for curves, fun(params, *args) for residuals.

Each form has four callables of (x, params), params a sequence of n scalars: `host` with NumPy
values, `dual` with dual numbers, `traced` with JAX values, and `carried` for NumPy code over
proxies.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nlsq.core.model.duals import Dearer, NoRule, rebuilt, value_and_tangents
from nlsq.core.model.duals.dual import lifted
from nlsq.core.model.given import explained


def _called(f: Callable, *args, **kwargs):
    try:
        return f(*args, **kwargs)
    except (TypeError, ValueError) as error:
        better = explained(error)
        if better is error:
            raise
        raise better from error


class _Call:
    f: Callable
    _over_stand_ins: Callable | None = None

    def tangents(self, x, params):
        """The value and the transposed Jacobian by dual numbers, as `value_and_tangents`.

        From the first time on that it must be, the function is rebuilt over stand-ins for NumPy.
        """
        if self._over_stand_ins is None:
            try:
                return value_and_tangents(self.dual, x, params)
            except Dearer:
                raise
            except NoRule:
                again = self.over(rebuilt)
            found = value_and_tangents(again, x, params)
            self._over_stand_ins = again
            return found
        return value_and_tangents(self._over_stand_ins, x, params)


class CurveCall(_Call):
    """A model f(x, *params)."""

    def __init__(self, f: Callable):
        self.f = f
        self.identity = f

    def host(self, x, params):
        return _called(self.f, x, *params)

    def dual(self, x, params):
        return self.f(x, *params)

    def over(self, rebuilt: Callable) -> Callable:
        """`dual` with the function rebuilt."""
        f = rebuilt(self.f)
        return lambda x, params: f(x, *params)

    def derivative(self, jac: Callable) -> Callable:
        """The user's jac(x, *params), called as jac(x, params)."""
        return lambda x, params: jac(x, *params)

    def traced(self, x, params):
        return self.f(x, *params)

    def carried(self) -> Callable:
        from nlsq.core.model.carry import carry

        g = carry(self.f)
        return lambda x, params: g(x, *params)


class ResidualCall(_Call):
    """A residual function fun(params, *args, **kwargs) with the parameters as one vector."""

    def __init__(self, fun: Callable, args: tuple, kwargs: dict):
        self.f, self.args, self.kwargs = fun, args, kwargs
        self.identity = (fun, args, kwargs)

    def host(self, x, params):
        return _called(self.f, np.array(params), *self.args, **self.kwargs)

    def dual(self, x, params):
        return self.f(lifted(params), *self.args, **self.kwargs)

    def over(self, rebuilt: Callable) -> Callable:
        """`dual` with the function rebuilt."""
        f = rebuilt(self.f)
        return lambda x, params: f(lifted(params), *self.args, **self.kwargs)

    def derivative(self, jac: Callable) -> Callable:
        """The user's jac(params, *args, **kwargs), called as jac(x, params)."""
        return lambda x, params: jac(np.array(params), *self.args, **self.kwargs)

    def traced(self, x, params):
        import jax.numpy as jnp

        return self.f(jnp.stack(params), *self.args, **self.kwargs)

    def carried(self) -> Callable:
        import jax.numpy as jnp

        from nlsq.core.model.carry import carry

        fun, args, kwargs = self.f, self.args, self.kwargs
        g = carry(lambda params: fun(params, *args, **kwargs))
        return lambda x, params: g(jnp.stack(params))
