"""The array namespace in which the loop is written: NumPy's functions, or JAX's where traced.

The rules of the loop exist once. Called with NumPy's arrays they run as they are read, and a
debugger stops in them: a condition is then a plain truth value, which chooses a branch. Called with
JAX's arrays they are traced into one program, of which each name here takes what compiles best (see
`traced`). JAX is loaded by whoever traces, never from here.

Most arrays of the loop have a handful of elements, or one. Numbers are NumPy's scalars, which cost
a tenth of an array of one element; names that a pass uses often are written out for them.
"""

from __future__ import annotations

import functools
import math
import operator
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

_PLAIN = frozenset(
    {np.ndarray, float, int, bool, np.float64, np.bool_, np.int64, type(None), str, slice}
)
_TRUTHS = frozenset({bool, np.bool_})
# What becomes of a number: NumPy's divide by 0, and ~ of its truth values is `not`.
_NUMBER = {
    float: np.float64, int: np.int64, bool: np.bool_,
    np.float64: None, np.int64: None, np.bool_: None,
}  # fmt: skip


_INTEGERS = {i: np.int64(i) for i in range(-100, 1000)}  # to make one costs more than the rest
_FLOAT, _ARRAY, _DOUBLE = np.float64, np.ndarray, np.dtype(float)
_TRUE, _FALSE = np.True_, np.False_
MANY = 64  # numbers, from which on a NumPy call costs less than a turn for each


def _number(x):
    make = _NUMBER[type(x)]
    if make is None:
        return x
    return (_INTEGERS.get(x) if make is np.int64 else None) or make(x)


def is_short(a) -> bool:
    """Whether an array is a vector of so few numbers that Python's are quicker."""
    return a.ndim == 1 and a.size <= MANY


def of_jax(values) -> bool:
    """Whether some of the values, or of those in their lists, are JAX's."""
    for value in values:  # noqa: SIM110 (half the time of `any`, and called most)
        if type(value) not in _PLAIN and _is_jax(value):
            return True
    return False


def _is_jax(value) -> bool:
    if isinstance(value, list | tuple):
        return of_jax(value)
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(value, jax.Array)


def _traced():
    from nlsq.core.algebra import traced

    return traced


def _reduction(name: str, ufunc: np.ufunc, few: Callable | None = None) -> staticmethod:
    """NumPy's or JAX's reduction of this name, of an array; `few` is Python's, of a list."""

    def reduce(a, axis=None):
        if type(a) is _ARRAY:
            if few is not None and is_short(a):
                return _TRUE if few(a.tolist()) else _FALSE
            return ufunc.reduce(a, axis)
        return getattr(_traced().jnp if of_jax((a,)) else np, name)(a, axis=axis)

    return staticmethod(reduce)


def _larger(ufunc: np.ufunc, first: Callable) -> staticmethod:
    """`maximum` or `minimum`: a where first(a, b), or NaN where one is."""

    def choose(a, b):
        if type(a) is type(b) is _ARRAY:
            return ufunc(a, b)
        if type(a) in _NUMBER and type(b) in _NUMBER:
            chosen = a if first(a, b) or a != a else b
            return chosen if type(chosen) is _FLOAT else _number(chosen)
        return getattr(_traced().jnp, ufunc.__name__)(a, b) if of_jax((a, b)) else ufunc(a, b)

    return staticmethod(choose)


class _Either:
    """NumPy's functions, or JAX's of the same name where an argument is JAX's."""

    inf, nan = np.inf, np.nan

    def __getattr__(self, name: str) -> Callable:
        plain = getattr(np, name)

        def call(*args, **kwargs):
            if of_jax(args):
                return getattr(_traced().jnp, name)(*args, **kwargs)
            return plain(*args, **kwargs)

        setattr(self, name, call)
        return call

    sum = _reduction("sum", np.add)
    all, any = _reduction("all", np.logical_and, all), _reduction("any", np.logical_or, any)
    max, min = _reduction("max", np.maximum), _reduction("min", np.minimum)
    maximum = _larger(np.maximum, operator.ge)
    minimum = _larger(np.minimum, operator.le)

    @staticmethod
    def sqrt(x):
        """The square root; NaN of a negative number."""
        if type(x) is _FLOAT:
            return _FLOAT(math.sqrt(x) if x >= 0 else math.nan)
        return (_traced().jnp if of_jax((x,)) else np).sqrt(x)

    @staticmethod
    def zeros_like(a):
        """Zeros of the shape of a."""
        if type(a) is _FLOAT:
            return _FLOAT(0.0)
        return (_traced().jnp if of_jax((a,)) else np).zeros_like(a)

    @staticmethod
    def abs(x):
        """The absolute value."""
        return abs(x)

    @staticmethod
    def isfinite(x):
        """Whether x is finite."""
        if type(x) is _FLOAT:
            return _TRUE if math.isfinite(x) else _FALSE
        return (_traced().jnp if of_jax((x,)) else np).isfinite(x)


xp: Any = _Either()


def where(condition, a, b):
    """`where` of the namespace of its arguments; of a plain truth value `a` or `b` itself.

    What is the same for all of a few elements is `a` or `b` itself as well.
    """
    if type(condition) in _TRUTHS:
        chosen, other = (a, b) if condition else (b, a)
        kind = type(chosen)
        if kind not in _NUMBER:
            return chosen
        if type(other) in _NUMBER:
            return chosen if kind is _FLOAT else _number(chosen)
        if type(other) is _ARRAY:
            return np.full(other.shape, chosen)
    elif type(condition) is _ARRAY and type(b) in _PLAIN and type(a) in _PLAIN:
        whole = _whole(condition, a, b) if is_short(condition) else None
        return np.where(condition, a, b) if whole is None else whole
    if of_jax((condition, a, b)):
        return _traced().where(condition, a, b)
    return np.where(condition, a, b)


def _whole(condition: np.ndarray, a, b) -> np.ndarray | None:
    """`a` or `b` where the condition takes it everywhere, and the other has no other form."""
    truths = condition.tolist()
    if False not in truths:
        a, b = b, a
    elif True in truths:
        return None
    if type(b) is not _ARRAY or b.dtype is not _DOUBLE or b.shape != condition.shape:
        return None
    return b if type(a) is not _ARRAY or (a.dtype is _DOUBLE and a.shape == b.shape) else None


def eye(n: int, like):
    """The unit matrix (n, n) in the namespace of `like`."""
    return _traced().jnp.eye(n) if of_jax((like,)) else _eye(n)


@functools.lru_cache
def _eye(n: int) -> np.ndarray:
    unit = np.eye(n)
    unit.flags.writeable = False
    return unit


def select(condition, one, other):
    """`one` or `other`, NamedTuples of arrays alike, leaf by leaf."""
    if type(condition) in _TRUTHS:
        return one if condition else other
    if isinstance(one, tuple):
        leaves = (select(condition, a, b) for a, b in zip(one, other, strict=True))
        return type(one)(*leaves) if hasattr(one, "_fields") else tuple(leaves)
    return where(condition, one, other)


def once(*values):
    """The values, computed here and stored; a program would compute them for each of their uses."""
    if of_jax(values):
        return _traced().once(*values)
    return values if len(values) > 1 else values[0]


def no(condition):
    """`not`, of one or many; `~` of NumPy's truth values is slow."""
    return (_FALSE if condition else _TRUE) if type(condition) in _TRUTHS else ~condition


def either(condition, yes: Callable, no: Callable):
    """yes() or no(), of which a program computes both; for what is cheap."""
    if type(condition) in _TRUTHS:
        return yes() if condition else no()
    return select(condition, yes(), no())


def shortcut(usable, short: Callable, full: Callable):
    """short() where it is plainly `usable`, else full(), which is right always."""
    return short() if type(usable) in _TRUTHS and usable else full()


def cond(predicate, yes: Callable, no: Callable):
    """yes() or no(), as `jax.lax.cond` or by a plain truth value."""
    return choose(predicate, yes, no)()


def choose(predicate, yes: Callable, no: Callable) -> Callable:
    """`cond`, to be called: with a plain truth value it is `yes` or `no` itself."""
    if of_jax((predicate,)):
        return partial(_traced().jax.lax.cond, predicate, yes, no)
    return yes if predicate else no


def while_loop(unfinished: Callable, iterate: Callable, carry):
    """`jax.lax.while_loop`, or a plain loop where the carry is not JAX's."""
    if of_jax(carry):
        return _traced().jax.lax.while_loop(unfinished, iterate, carry)
    while unfinished(carry):
        carry = iterate(carry)
    return carry
