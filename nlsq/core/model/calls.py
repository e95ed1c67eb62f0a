"""How a user's function is called: f(x, *params) for curves, fun(params, *args) for residuals.

Each form has four callables of (x, params), params a sequence of n scalars: `host` with NumPy
values, `dual` with dual numbers, `traced` with JAX values, and `carried` for NumPy code over
proxies.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nlsq.core.model.duals import Dearer, NoRule, opening, rebuilt, value_and_tangents
from nlsq.core.model.duals.dual import lifted
from nlsq.utils.given import explained


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
    _way = 0  # for dual numbers: the function, then rebuilt, then with x open for them, too

    def __getstate__(self):
        # what was rebuilt has the name of the user's function, and is none that pickle finds
        return {k: v for k, v in vars(self).items() if k not in ("_way", "_rebuilt")}

    def tangents(self, x, params):
        """The value and the transposed Jacobian by dual numbers, as `value_and_tangents`.

        The function is rebuilt over stand-ins for NumPy from the first time on that it must be.
        """
        refusal = None
        for i, way in enumerate(self._ways()):
            try:
                found = value_and_tangents(way, x, params)
            except Dearer:
                raise
            except NoRule as error:
                refusal = error
                continue
            self._way += i
            return found
        raise refusal

    def _ways(self):
        if self._way == 0:
            yield self.dual
            self._rebuilt = rebuilt(self.f)
        if self._way <= 1:
            yield self.over(self._rebuilt)
        yield self.over(opening(self._rebuilt))


class CurveCall(_Call):
    """A model f(x, *params)."""

    def __init__(self, f: Callable):
        self.f = f
        self.identity = f

    def host(self, x, params):
        return _called(self.f, x, *params)

    def dual(self, x, params):
        return self.f(x, *params)

    def over(self, f: Callable) -> Callable:
        """`dual` with f in the place of the function."""
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

    def over(self, f: Callable) -> Callable:
        """`dual` with f in the place of the function."""
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
