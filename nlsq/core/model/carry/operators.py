"""The operators and array methods of proxies, all of them NumPy functions underneath."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.core.model.carry import functions, ufuncs
from nlsq.core.model.carry.proxy import Proxy
from nlsq.core.model.carry.selection import Selected
from nlsq.core.model.carry.values import cast

_BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
    "floordiv": np.floor_divide, "mod": np.remainder, "pow": np.power, "matmul": np.matmul,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor, "divmod": np.divmod,
    "lshift": np.left_shift, "rshift": np.right_shift,
}  # fmt: skip
_COMPARE = {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
}  # fmt: skip
_UNARY = {"neg": np.negative, "pos": np.positive, "abs": np.absolute, "invert": np.invert}
_METHODS = """sum prod mean std var max min argmax argmin cumsum cumprod dot clip round ptp all
any argsort searchsorted take repeat squeeze swapaxes diagonal trace nonzero compress""".split()


def _operand(other: Any) -> Any:
    if isinstance(other, (list, tuple)):
        return functions.STRUCTURE[np.asarray](other)
    if hasattr(other, "__pandas_priority__") and not isinstance(other, (Proxy, Selected)):
        return np.asarray(other)
    return other


def _binary(ufunc: np.ufunc) -> Callable:
    return lambda self, other: ufuncs.apply(ufunc, "__call__", (self, _operand(other)), {})


def _reflected(ufunc: np.ufunc) -> Callable:
    return lambda self, other: ufuncs.apply(ufunc, "__call__", (_operand(other), self), {})


def _in_place(ufunc: np.ufunc) -> Callable:
    def method(self, other):
        result = ufuncs.apply(ufunc, "__call__", (self, _operand(other)), {})
        if isinstance(self, Selected) or self.ndim == 0:
            return result
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise TypeError(f"cannot cast {result.dtype} to {self.dtype} in place")
        if result.shape != self.shape:
            raise ValueError(f"in place: {result.shape} does not fit {self.shape}")
        self.assign(cast(result.value, self.dtype))
        return self

    return method


def _unary(ufunc: np.ufunc) -> Callable:
    return lambda self: ufuncs.apply(ufunc, "__call__", (self,), {})


def _method(func: Callable) -> Callable:
    return lambda self, *args, **kwargs: functions.apply(func, (self, *args), kwargs)


def install() -> None:
    """Give Proxy and Selected NumPy's protocols, Python's operators and the array methods."""
    for cls in (Proxy, Selected):
        cls.__array_ufunc__ = lambda self, ufunc, method, *args, **kwargs: ufuncs.apply(
            ufunc, method, args, kwargs
        )
        cls.__array_function__ = lambda self, func, types, args, kwargs: functions.apply(
            func, args, kwargs
        )
        for name, ufunc in _BINARY.items():
            setattr(cls, f"__{name}__", _binary(ufunc))
            setattr(cls, f"__r{name}__", _reflected(ufunc))
            setattr(cls, f"__i{name}__", _in_place(ufunc))
        for name, ufunc in _COMPARE.items():
            setattr(cls, f"__{name}__", _binary(ufunc))
        for name, ufunc in _UNARY.items():
            setattr(cls, f"__{name}__", _unary(ufunc))
        for name in _METHODS:
            setattr(cls, name, _method(getattr(np, name)))
        cls.__round__ = lambda self, digits=0: functions.apply(np.round, (self, digits), {})
        cls.conj = cls.conjugate = _unary(np.conjugate)
