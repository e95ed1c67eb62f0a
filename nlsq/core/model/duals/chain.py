"""The chain rule for elementwise operations: the value first, then the tangents beside it."""

from __future__ import annotations

import numpy as np

from nlsq.core.model.duals.dual import (
    DUALS,
    FUNCTIONS,
    Dual,
    count_scalar,
    full,
    name_of,
    observe,
    plain,
    refuse,
)
from nlsq.core.model.duals.elementwise import (
    ELEMENTWISE,
    PLAIN,
    REAL_ONLY,
    THREAD,
    joined,
    scaled,
)


def elementwise(ufunc, operation, args):
    """operation(*args), whose partial derivatives are those of the ufunc."""
    partials = ELEMENTWISE.get(ufunc)
    if partials is None:
        return stepped(ufunc, operation, args) if ufunc in PLAIN else _special(ufunc, args)
    values = [a.primal if type(a) in DUALS else _number(a) for a in args]
    value = operation(*values)
    if ufunc in REAL_ONLY and np.iscomplexobj(value):
        raise refuse(f"{name_of(ufunc)} of complex numbers has no derivative rule")
    return chained(ufunc, value, args, values, partials)


def _number(a):
    return np.asarray(a) if type(a) in (list, tuple) else a


def chained(ufunc, value, args, values, partials):
    """The dual number of this value by the chain rule."""
    if type(value) is not np.ndarray and isinstance(value, np.ndarray):  # * may not mean a product
        raise refuse(f"arithmetic of {type(value).__name__} has no derivative rule")
    if not isinstance(value, np.ndarray):
        count_scalar()
    return Dual(value, THREAD.quietly(_tangents, ufunc, value, args, values, partials))


def _tangents(ufunc, value, args, values, partials):
    rows = {}
    for i, a in enumerate(args):
        if type(a) not in DUALS or not (before := a.tangents):
            continue
        partial = partials[i]
        if partial is None:
            raise refuse(f"{name_of(ufunc)} has no derivative rule by its argument {i + 1}")
        if partial == 1:
            terms, a.owns_tangents = before, False  # shared from now on
        elif partial == -1:
            terms = {k: -t for k, t in before.items()}
        else:
            terms = scaled(before, partial(*values, value) if callable(partial) else partial)
        rows = joined(rows, terms)
    return rows


def stepped(ufunc, operation, args):
    """A comparison or another step: the plain result.

    == that holds is refused where the two sides move apart. It leads to a branch for one point
    alone (the limit of a formula, an answer kept from an earlier call), whose derivative is not the
    model's.
    """
    values = [plain(a) for a in args]
    result = operation(*values)
    for a in args:
        if type(a) in DUALS:
            observe(a)
    if ufunc in REAL_ONLY and np.iscomplexobj(result):
        raise refuse(f"{name_of(ufunc)} of complex numbers has no derivative rule")
    if ufunc is not np.equal and ufunc is not np.not_equal:
        return result
    equal = result if ufunc is np.equal else np.logical_not(result)
    numbers = all(isinstance(v, (np.ndarray, np.generic, float, int, complex)) for v in values)
    if np.any(equal) and numbers:
        difference = elementwise(np.subtract, lambda a, b: result, args)
        if any(np.any((t != 0) & equal) for t in difference.tangents.values()):
            raise refuse("a comparison of a parameter with == that holds has no derivative rule")
    return result


def _special(ufunc, args):
    from nlsq.core.model.duals.special import partials_of, sp

    values = [plain(a) for a in args]
    found = partials_of(ufunc, values)
    if found is None:
        raise refuse(f"{name_of(ufunc)} has no derivative rule")
    value = ufunc(*values)
    with sp.errstate(all="ignore"):
        if isinstance(value, tuple):
            return tuple(
                chained(ufunc, v, args, values, (lambda x, z, c=c: c(x, value),))
                for v, c in zip(value, found, strict=True)
            )
        return chained(ufunc, value, args, values, found) if found else value


def masked(ufunc, args, out, where):
    """A ufunc's call with out= or where=."""
    target = None if out is None else out[0]
    if target is None:
        raise refuse(f"{name_of(ufunc)} with where= and without out= leaves values undefined")
    if not isinstance(target, Dual):
        if ufunc in PLAIN or not any(isinstance(a, Dual) and a.tangents for a in args):
            return ufunc(*map(plain, args), out=target, where=plain(where))
        raise refuse(f"{name_of(ufunc)} writes a dual number into a plain array (out=)")
    with np.errstate(all="ignore"):  # where where= is false, too
        result = ufunc(*args)
    value = ufunc(*map(plain, args), out=target.primal.copy(), where=plain(where))
    mask = np.broadcast_to(plain(where), value.shape)
    rows = result.tangents if isinstance(result, Dual) else {}
    target[mask] = Dual(value[mask], {k: full(t, value.shape)[mask] for k, t in rows.items()})
    return target


def reduced(ufunc, method, args, out, where, settings):
    """ufunc.reduce and its kin, by the NumPy function that does the same."""
    if method == "outer" and out is None and where is True and not settings:
        a, b = args
        return ufunc(a[(..., *[None] * np.ndim(plain(b)))], b)
    rule = FUNCTIONS.get((ufunc, method))
    if rule is None or out is not None or where is not True:
        raise refuse(f"{name_of(ufunc)}.{method} has no derivative rule")
    return rule(*args, **settings)
