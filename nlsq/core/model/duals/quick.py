"""The chain rule for usual numbers, with each ufunc's rule at hand.

Models spend nearly all of their time here, so nothing is looked up that is known beforehand. What
is not usual goes the way of `chain.elementwise`.
"""

from __future__ import annotations

import sys

import numpy as np

from nlsq.core.model.duals.chain import elementwise
from nlsq.core.model.duals.dual import DUALS, Dual, count_scalar, name_of, refuse
from nlsq.core.model.duals.elementwise import ELEMENTWISE, REAL_ONLY, STEEP, THREAD, joined, scaled

ARRAY, SCALAR = np.ndarray, np.float64  # the kinds of nearly all results
NUMBERS = frozenset({ARRAY, SCALAR, float, int})  # of nearly all plain operands


def quick(ufunc, operation=None):
    """The same as `elementwise` for usual numbers, as (f, reflected); None where there is no such.

    f(a) or f(a, b) of a dual number a, and reflected(b, a), which is f(a, b) of a dual number b.
    """
    partials = ELEMENTWISE.get(ufunc) or _partials_of_scipy(ufunc)
    if partials is None:
        return None
    operation = operation or ufunc
    if ufunc in REAL_ONLY:
        operation = _of_reals(ufunc, operation)
    if len(partials) == 1:
        return _of_one(ufunc, operation, partials[0]), None
    rules = [_rows_by(ufunc, i, partial) for i, partial in enumerate(partials)]
    return _of_two(ufunc, operation, *rules)


def _partials_of_scipy(ufunc):
    if "scipy.special" not in sys.modules or getattr(np, ufunc.__name__, None) is ufunc:
        return None
    from nlsq.core.model.duals.special import partials_of_numbers

    return partials_of_numbers(ufunc)


def _of_reals(ufunc, operation):
    def of_reals(*values):
        z = operation(*values)
        if np.iscomplexobj(z):
            raise refuse(f"{name_of(ufunc)} of complex numbers has no derivative rule")
        return z

    return of_reals


def _of_one(ufunc, operation, partial):
    steep = ufunc in STEEP

    def rows_of(rows, x, z):
        return scaled(rows, partial(x, z), steep)

    if not callable(partial):
        rows_of = _rows_by(ufunc, 0, partial)

    def operate(a):
        x = a.primal
        z = operation(x)
        if type(z) is ARRAY or (type(z) is SCALAR and not count_scalar()):
            return Dual(z, THREAD.quietly(rows_of, a.tangents, x, z))
        return elementwise(ufunc, lambda x: z, (a,))

    return operate


def _rows_by(ufunc, i, partial):
    """rows_of(rows, *values): the tangents behind a function of this partial derivative."""
    if partial is None:

        def refused(rows, *values):
            if rows:
                raise refuse(f"{name_of(ufunc)} has no derivative rule by its argument {i + 1}")
            return rows

        return refused
    if partial == 1:
        return lambda rows, *values: rows
    if partial == -1:
        return lambda rows, *values: {k: -t for k, t in rows.items()}
    if not callable(partial):
        return lambda rows, *values: scaled(rows, partial)
    if ufunc is np.multiply:
        return _by_first if i else _by_second
    if ufunc in STEEP:
        return lambda rows, x, y, z: scaled(rows, partial(x, y, z), _is_steep(y))
    return lambda rows, x, y, z: scaled(rows, partial(x, y, z), False)


def _by_first(rows, x, y, z):
    return scaled(rows, x, False)


def _by_second(rows, x, y, z):
    return scaled(rows, y, False)


def _is_steep(exponent):
    return not (isinstance(exponent, (int, float)) and exponent >= 1)


def _of_two(ufunc, operation, first, second):
    def of_both(rows, more, x, y, z):
        return joined(first(rows, x, y, z), second(more, x, y, z))

    def operate(a, b):
        kind = type(b)
        x = a.primal
        if kind in NUMBERS:
            z = operation(x, b)
            if type(z) is ARRAY or (type(z) is SCALAR and not count_scalar()):
                a.owns_tangents = False  # shared from now on, by a sum at least
                return Dual(z, THREAD.quietly(first, a.tangents, x, b, z))
        elif kind in DUALS:
            y = b.primal
            z = operation(x, y)
            if type(z) is ARRAY or (type(z) is SCALAR and not count_scalar()):
                a.owns_tangents = b.owns_tangents = False
                return Dual(z, THREAD.quietly(of_both, a.tangents, b.tangents, x, y, z))
        else:
            return elementwise(ufunc, operation, (a, b))
        return elementwise(ufunc, lambda x, y: z, (a, b))

    def reflected(b, a):
        if type(a) in NUMBERS:
            y = b.primal
            z = operation(a, y)
            if type(z) is ARRAY or (type(z) is SCALAR and not count_scalar()):
                b.owns_tangents = False
                return Dual(z, THREAD.quietly(second, b.tangents, a, y, z))
            return elementwise(ufunc, lambda x, y: z, (a, b))
        return elementwise(ufunc, operation, (a, b))

    return operate, reflected
