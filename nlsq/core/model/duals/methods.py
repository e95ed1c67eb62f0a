"""The methods and attributes of dual arrays: NumPy's functions under their other name."""

from __future__ import annotations

import numpy as np

from nlsq.core.model.duals import nonlinear, operators, products  # noqa: F401 (the rules)
from nlsq.core.model.duals.dual import Dual, observe, refuse
from nlsq.core.model.duals.functions import linear

BY_FUNCTION = {
    name: getattr(np, name)
    for name in (
        *("sum", "mean", "prod", "std", "var", "max", "min", "cumsum", "cumprod", "clip", "dot"),
        *("ravel", "squeeze", "swapaxes", "diagonal", "trace", "take", "repeat", "conj"),
        *("conjugate", "round", "argmax", "argmin", "argsort", "nonzero", "any", "all"),
        "searchsorted",
    )
}
ATTRIBUTES = ("shape", "ndim", "size", "dtype", "nbytes", "itemsize", "strides", "flags")
LINEAR_ATTRIBUTES = ("T", "mT", "real", "imag")


def _reshape(self, *shape, **settings):
    return np.reshape(self, shape[0] if len(shape) == 1 else shape, **settings)


def _transpose(self, *axes):
    return np.transpose(self, (axes[0] if len(axes) == 1 else axes) or None)


def _copy(self, order="C"):
    return linear(self, self.primal.copy(order), lambda t: t.copy(order))


def _flatten(self, order="C"):
    return linear(self, self.primal.flatten(order), lambda t: t.flatten(order))


def _astype(self, dtype, *settings, **more):
    if np.iscomplexobj(self.primal) and np.dtype(dtype).kind != "c":
        raise refuse("a complex array's .astype(real) has no derivative rule")
    value = self.primal.astype(dtype, *settings, **more)
    if value.dtype.kind in "iub":  # steps: the derivative is 0 wherever it exists
        observe(self)
        return value
    if value.dtype.kind not in "fc":
        raise refuse(f"parameter.astype({dtype!r}) drops the derivative")
    return linear(self, value, lambda t: t) if value is not self.primal else self


def _is_integer(self):
    return self.primal.is_integer()


def _fill(self, value):
    self[...] = value


def _sort(self, axis=-1):
    self[...] = np.sort(self, axis=axis)


def _setter(part):
    def assign(self, value):
        part(self)[...] = value

    return assign


def _attach():
    for name, function in BY_FUNCTION.items():
        setattr(
            Dual,
            name,
            lambda self, *args, function=function, **kw: function(self, *args, **kw),
        )
    for name in ATTRIBUTES:
        setattr(Dual, name, property(lambda self, name=name: getattr(self.primal, name)))
    for name in LINEAR_ATTRIBUTES:

        def part(self, name=name):
            return linear(self, getattr(self.primal, name), lambda t: getattr(t, name))

        settable = name in ("real", "imag")
        setattr(Dual, name, property(part, _setter(part) if settable else None))
    for method in (_reshape, _transpose, _copy, _flatten, _astype, _is_integer, _fill, _sort):
        setattr(Dual, method.__name__[1:], method)


_attach()
