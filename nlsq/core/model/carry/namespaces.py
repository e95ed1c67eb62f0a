"""Stand-ins for the modules, builtins and function objects a model reaches by name.

They behave as the originals and hand anything that holds a proxy to the tables. Arrays they
create are proxies too, so that `out = np.zeros(n); out[...] = a * x` works: `out` turns into a
traced value when one is assigned.
"""

from __future__ import annotations

import builtins
import cmath
import functools
import math
import types
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nlsq.core.model.carry import functions, special, ufuncs
from nlsq.core.model.carry.proxy import Proxy, any_traced, raw, touches, unwrap, wrap
from nlsq.core.model.carry.scipy_functions import Maker
from nlsq.core.model.carry.selection import Selected
from nlsq.core.model.carry.state import NotCarried, current, refuse
from nlsq.core.model.carry.values import is_traced, join

_LOOP_LIMIT = 400


def _special(name: str) -> Callable:
    return lambda x: Proxy(special.UFUNCS[name](raw(x)))


_MATH = {
    "acos": np.arccos, "acosh": np.arccosh, "asin": np.arcsin, "asinh": np.arcsinh,
    "atan": np.arctan, "atanh": np.arctanh, "atan2": np.arctan2, "fabs": np.fabs,
    "pow": np.power, "erf": _special("erf"), "erfc": _special("erfc"),
    "gamma": _special("gamma"), "lgamma": _special("gammaln"), "phase": np.angle,
}  # fmt: skip
_MATH_SAME = """ceil copysign cos cosh degrees exp exp2 expm1 floor fmod hypot isfinite isinf isnan
log10 log1p log2 radians sin sinh sqrt tan tanh trunc cbrt""".split()


def untype(value: Any) -> Any:
    """The real type behind a type stand-in, also inside tuples and dicts."""
    if isinstance(value, (TypeStandIn, Maker)):
        return value.original
    if type(value) in (list, tuple):
        return type(value)(untype(v) for v in value)
    if type(value) is dict:
        return {k: untype(v) for k, v in value.items()}
    return value


class FunctionStandIn:
    """A NumPy or SciPy function that notices proxies in any argument, also inside lists."""

    def __init__(self, original: Callable):
        self.original = original
        functools.update_wrapper(self, original, updated=())

    def __call__(self, *args, **kwargs):
        args, kwargs = untype(args), untype(kwargs)
        if touches(args, kwargs):
            return functions.apply(self.original, args, kwargs)
        return wrap(self.original(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


class UfuncStandIn:
    """A ufunc that also takes lists holding proxies."""

    def __init__(self, original: np.ufunc):
        self.original = original

    def _run(self, method: str, args: tuple, kwargs: dict) -> Any:
        args, kwargs = untype(args), untype(kwargs)
        if not touches(args, kwargs):
            return wrap(getattr(self.original, method)(*args, **kwargs))
        args = tuple(
            functions.STRUCTURE[np.asarray](a) if isinstance(a, (list, tuple)) else a for a in args
        )
        return ufuncs.apply(self.original, method, args, kwargs)

    def __call__(self, *args, **kwargs):
        return self._run("__call__", args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in ("reduce", "accumulate", "outer", "at", "reduceat"):
            return lambda *args, **kwargs: self._run(name, args, kwargs)
        return getattr(self.original, name)


class TypeStandIn:
    """`float`, `numpy.float64`...: converts proxies, and serves as a dtype."""

    def __init__(self, original: type):
        self.original = original
        self.dtype = np.dtype(original)

    def __call__(self, *args, **kwargs):
        if args and isinstance(args[0], Proxy) and args[0].traced:
            if args[0].size != 1 and issubclass(self.original, (float, complex)):
                raise TypeError("only length-1 arrays can be converted to Python scalars")
            return args[0].astype(self.dtype)
        return self.original(*unwrap(args), **kwargs)

    def __eq__(self, other):
        return self.original == untype(other)

    def __hash__(self):
        return hash(self.original)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.original, name)


class ScalarFunction:
    """A function of `math` or `cmath`: scalars only, traced ones included."""

    def __init__(self, original: Callable, counterpart: Any, complex_: bool):
        self.original, self.counterpart, self.complex = original, counterpart, complex_
        self.__name__ = original.__name__

    def __call__(self, *args):
        if not any_traced(args):
            return self.original(*unwrap(args))
        if any(isinstance(a, Selected) or np.size(raw(a)) != 1 for a in args):
            raise TypeError("only length-1 arrays can be converted to Python scalars")
        if self.counterpart is None:
            name = f"{'cmath' if self.complex else 'math'}.{self.__name__}"
            refuse(f"{name} was called on a value that depends on the parameters")
        values = [jnp.asarray(raw(a)).reshape(()) for a in args]
        values = [v + 0j if self.complex else v for v in values]
        return self.counterpart(*map(Proxy, values))


def _log(x, base=None):
    return np.log(x) if base is None else np.log(x) / np.log(base)


def scalar_module(module: types.ModuleType) -> dict[str, Any]:
    """The stand-ins of `math` or `cmath`, by name."""
    table = {**{name: getattr(np, name) for name in _MATH_SAME}, **_MATH, "log": _log}
    return {
        name: ScalarFunction(item, table.get(name), module is cmath)
        for name, item in vars(module).items()
        if callable(item) and not name.startswith("_")
    }


class Vectorized:
    """`numpy.vectorize`: by vmap where the function does not branch, else point by point."""

    def __init__(self, pyfunc=None, otypes=None, doc=None, excluded=None, cache=False, **kwargs):
        self.pyfunc, self.otypes = pyfunc, otypes
        if excluded or kwargs.get("signature"):
            refuse("numpy.vectorize with `excluded` or `signature` is not carried")

    def __call__(self, *args, **kwargs):
        if self.pyfunc is None:  # used as @np.vectorize(otypes=...)
            return Vectorized(args[0], self.otypes)
        names, args = list(kwargs), [*args, *kwargs.values()]
        values = [unwrap(a) for a in args]
        values = [v if is_traced(v) else np.asarray(v) for v in values]
        shape = np.broadcast_shapes(*(v.shape for v in values))

        def scalar(*items):
            split = len(items) - len(names)
            return self.pyfunc(*items[:split], **dict(zip(names, items[split:], strict=True)))

        flat = _mapped(scalar, values, shape)
        if flat is None:
            flat = self._point_by_point(scalar, values, shape)
        result = flat.reshape(shape)
        return Proxy(result if self.otypes is None else result.astype(np.dtype(self.otypes[0])))

    def _point_by_point(self, scalar: Callable, values: list, shape: tuple) -> Any:
        size = math.prod(shape)
        if size > _LOOP_LIMIT and any_traced(values):
            refuse(f"the function under numpy.vectorize branches on its argument at {size} points")
        flat = [(jnp if is_traced(v) else np).broadcast_to(v, shape).reshape(-1) for v in values]
        out = []
        for i in range(size):
            out.append(raw(scalar(*(Proxy(f[i]) if is_traced(f) else f[i] for f in flat))))
            if i > _LOOP_LIMIT and is_traced(out[-1]):
                refuse(
                    f"the function under numpy.vectorize branches on its argument at {size} points"
                )
        return join(out) if any_traced(out) else np.asarray(out)


def _mapped(scalar: Callable, values: list, shape: tuple) -> Any:
    """The function under `vmap`, or None when it needs to know its arguments."""
    state = current()
    shared, state.shared = state.shared, {}

    def one(*items):
        return jnp.asarray(raw(scalar(*map(Proxy, items))))

    try:
        if not shape:
            return one(*map(jnp.asarray, values)).reshape(1)
        axes = [0 if v.ndim else None for v in values]
        flat = [jnp.broadcast_to(v, shape).reshape(-1) if v.ndim else v for v in values]
        return jax.vmap(one, axes)(*flat)
    except (NotCarried, TypeError):
        state.failure = None
        return None
    finally:
        state.shared = shared


# -- builtins -----------------------------------------------------------------------------------
def _isinstance(item: Any, kinds: Any) -> bool:
    kinds = untype(kinds)
    if not isinstance(item, Proxy):
        return isinstance(item, kinds)
    stands_for = item.dtype.type if item.ndim == 0 else np.ndarray
    return isinstance(item, kinds) or issubclass(stands_for, kinds)


def _extreme(original: Callable, ufunc: np.ufunc) -> Callable:
    def handler(*args, **kwargs):
        items = list(args[0]) if len(args) == 1 else list(args)
        if kwargs or not any_traced(items) or any(np.ndim(raw(i)) for i in items):
            return original(items, **kwargs)
        return functools.reduce(UfuncStandIn(ufunc), items)

    return handler


BUILTINS: dict[str, Any] = {
    "isinstance": _isinstance,
    "max": _extreme(builtins.max, np.maximum),
    "min": _extreme(builtins.min, np.minimum),
    "float": TypeStandIn(float),
    "complex": TypeStandIn(complex),
}


class _Rows:
    """`np.r_` and `np.c_` where proxies take part."""

    def __init__(self, original: Any, stack: Callable):
        self.original, self.stack = original, stack

    def __getitem__(self, key: Any) -> Any:
        if not touches(key):
            return wrap(self.original[key])
        parts = key if isinstance(key, tuple) else (key,)
        parts = [wrap(self.original[p]) if isinstance(p, slice) else p for p in parts]
        asarray = functions.STRUCTURE[np.asarray]
        parts = [asarray(p) if not isinstance(p, Proxy) else p for p in parts]
        parts = [p.reshape(-1) if p.ndim == 0 else p for p in parts]
        return functions.apply(self.stack, (parts,), {})


SPECIAL_OBJECTS: dict[int, Any] = {
    id(np.vectorize): Vectorized,
    id(np.r_): _Rows(np.r_, np.concatenate),
    id(np.c_): _Rows(np.c_, np.column_stack),
    id(np.float64): TypeStandIn(np.float64),
    id(np.complex128): TypeStandIn(np.complex128),
    id(math.fsum): lambda items: functions.apply(np.sum, (list(items),), {}),
}
