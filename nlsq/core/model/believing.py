"""Whether a traced model may be believed: does it give what the user's own function gives?

What the user's function returns for the user's own data is the truth. So both are evaluated at p0
and nearby: the function with NumPy's arrays and numbers, as SciPy's call gives them, once on all
data and for the rest on some of the points, and the traced program by NumPy.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from nlsq.config import double_precision
from nlsq.core.model import by_numpy
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.comparing import ROUNDING, difference, require_same, tolerance

POINTS = 256  # that a pointwise model is compared at
_MOST = 1 << 20  # points up to which the user's function is evaluated on all of them
_SPREADS = (0.0, 1e-3, 1e-2)
# A user's function that meets a tracer or a proxy instead of numbers may raise anything at all; it
# is tried on nothing else, and the host road runs it with numbers and lets its errors through.
TRACE_ERRORS = (Exception,)
_NOT_TRACED = (
    "The loss {} can be traced by JAX neither as it is nor carried from NumPy. Write it in "
    "jax.numpy, or let it return rho, rho' and rho'' as a (3, m) array."
)
_SQUARES = np.array([0.0, 1e-3, 0.5, 1.0, 2.0, 30.0])  # where losses are compared


class Original:
    """The user's function as it is, at the user's own data.

    Parameters
    ----------
    evaluate : callable
        evaluate(x, params) with NumPy's arrays and numbers.
    in_jax : bool
        It may call jax.numpy; then it is traced with those arrays and numbers and run by NumPy,
        since each operation would otherwise be compiled.
    """

    def __init__(self, evaluate: Callable, x: Abscissae, in_jax: bool):
        self._evaluate, self._x, self._in_jax = evaluate, x, in_jax
        # JAX's own trace is the function at all parameters if it is at one
        self.spreads = _SPREADS[:1] if in_jax else _SPREADS

    def values(self, p, part: np.ndarray | None) -> np.ndarray:
        """Its values at all points, or some."""
        given = self._x.given if part is None else self._x.some(part)
        if given is None:
            values = _flat(self._call(self._x.given, p))
            return values if part is None else values[part]
        return _flat(self._call(given, p))

    def _call(self, given, p):
        if self._in_jax:
            try:
                return _staged(lambda: self._evaluate(given, p))
            except TRACE_ERRORS:  # what is wrong with it shows when it runs
                pass
        with np.errstate(all="ignore"):
            return self._evaluate(given, p)


def _staged(function: Callable):
    """What function() returns, with the operations of JAX in it run by NumPy."""
    plain = []

    def run():
        value = function()
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value)):
            return jax.numpy.asarray(value)
        plain.append(value)
        return None

    program = jax.make_jaxpr(run)()
    return plain[0] if plain else by_numpy.evaluate(program)[0]


def _flat(value) -> np.ndarray:
    return np.array(value).ravel()  # a copy: a model may return the same buffer each time


def disbelief(program, original: Original, x: Abscissae, m: int, p0, part, fixed: bool):
    """(why a program is not believed or "", whether some points have other values among all).

    Parameters
    ----------
    program : ClosedJaxpr
        Of the leaves of x at the points `part`, or at all (None), and the parameters.
    fixed : bool
        The data are part of it.

    Raises
    ------
    Unrepeatable
        When the user's function returns different values for the same parameters.
    """
    leaves = () if fixed else x.leaves if part is None else x.take(part).leaves
    rng = np.random.default_rng(0)
    for spread in original.spreads:
        p = p0 * (1 + spread * rng.uniform(-1, 1, len(p0)))
        try:
            own = original.values(p, part)
        except TRACE_ERRORS:
            if not spread:
                raise
            continue  # the user's bounds may end at p0
        if not spread:
            again = original.values(p, None if m <= _MOST else part)
            again = again if part is None or again.size != m else again[part]
            if part is None:
                require_same(again, own)
            elif difference(again, own) > tolerance(own):
                require_same(original.values(p, part), own)
                return "", True
        try:
            found = np.asarray(by_numpy.evaluate(program, *leaves, *p)[0])
        except TRACE_ERRORS as error:
            return f"an operation of its translation fails ({str(error).splitlines()[0]})", False
        gap = difference(found, own)
        if gap > tolerance(own):
            return (
                f"its values in JAX differ from those in NumPy by {gap:.1e} of their range",
                False,
            )
    return "", False


def traced_loss(loss: Callable) -> Callable:
    """A user's loss for JAX: as it is, or carried from NumPy where that gives the same values.

    Raises
    ------
    TypeError
        Neither works.
    """
    from nlsq.core.model.carry import carry  # which few fits need

    for candidate in (loss, carry(loss)):
        try:
            with double_precision():
                program = jax.make_jaxpr(candidate)(_SQUARES)
                found = np.asarray(by_numpy.evaluate(program, _SQUARES)[0])
            own = found if candidate is loss else np.asarray(loss(_SQUARES))
        except TRACE_ERRORS:
            continue
        if found.shape == own.shape and difference(found, own) <= ROUNDING:
            return candidate
    raise TypeError(_NOT_TRACED.format(getattr(loss, "__name__", repr(loss))))


def same_among_all(program, original: Original, x: Abscissae, p0, part) -> bool:
    """Whether a program of the points `part` gives what the user's function gives among all.

    At a point beside p0, where no parameter is 0. False in doubt.
    """
    rng = np.random.default_rng(0)
    p = p0 * (1 + 1e-3 * rng.uniform(0.5, 1, len(p0))) + 1e-3 * (p0 == 0)
    try:
        own = original.values(p, None)
        found = np.asarray(by_numpy.evaluate(program, *x.take(part).leaves, *p)[0])
    except TRACE_ERRORS:
        return False
    own = own if own.size == 1 else own[part]
    return bool(np.isfinite(own).all()) and difference(found, own) <= tolerance(own)
