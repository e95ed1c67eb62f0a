"""The derivatives of NumPy's array functions that are linear: tables of names and arguments.

The parameters are real, so a map that is linear over the real numbers (conj and real, too) is its
own derivative: it is applied to the tangents, one parameter at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

import numpy as np

from nlsq.core.model.duals.dual import (
    FUNCTIONS,
    Dual,
    View,
    bared,
    duals_in,
    full,
    holds_dual,
    lifted,
    name_of,
    observe,
    plain,
    refuse,
)
from nlsq.core.model.duals.elementwise import THREAD

# Each line: functions, then their arguments: the arrays, settings by position, by keyword only.
# A setting that is not named here is refused.

# linear in each array while the others are held
MULTILINEAR = """
sum mean cumsum             : a | axis dtype out | keepdims where
cumulative_sum              : x | | axis dtype include_initial out
reshape                     : a | shape order | newshape copy
ravel copy                  : a | order
transpose permute_dims      : a | axes
squeeze expand_dims         : a | axis
matrix_transpose            : x
flip                        : m | axis
fliplr flipud               : m
swapaxes                    : a | axis1 axis2
moveaxis                    : a | source destination
rollaxis                    : a | axis start
roll                        : a | shift axis
rot90                       : m | k axes
repeat                      : a | repeats axis
tile                        : A | reps
resize                      : a | new_shape
broadcast_to                : array | shape
take                        : a | indices axis out mode
take_along_axis             : arr | indices axis
delete                      : arr | obj axis
diagonal trace              : a | offset axis1 axis2
diag diagflat               : v | k
tril triu                   : m | k
diff                        : a | n axis
ediff1d                     : ary
trapezoid trapz             : y x | dx axis
real imag                   : val
conjugate                   : x
split array_split           : ary | indices_or_sections axis
hsplit vsplit dsplit        : ary | indices_or_sections
unstack                     : x | | axis
dot matmul inner outer kron vecdot matvec vecmat vdot : a b
tensordot                   : a b | axes
cross                       : a b | axisa axisb axisc axis
convolve                    : a v | mode
correlate                   : a v | mode
fft.fft fft.ifft fft.rfft fft.irfft fft.hfft fft.ihfft        : a | n axis norm out
fft.fft2 fft.ifft2 fft.rfft2 fft.irfft2                      : a | s axes norm out
fft.fftn fft.ifftn fft.rfftn fft.irfftn                      : a | s axes norm out
fft.fftshift fft.ifftshift  : x | axes
linalg.matrix_transpose     : x
linalg.outer linalg.matmul linalg.vecdot                     : x1 x2
linalg.cross                : x1 x2 | | axis
linalg.tensordot            : x1 x2 | | axes
linalg.trace linalg.diagonal : x | | offset
"""

# linear in all the arrays together
JOINT = """
concatenate concat          : arrays | axis out
stack                       : arrays | axis out
hstack vstack               : tup
dstack column_stack         : tup
block                       : arrays
append                      : arr values | axis
linspace                    : start stop | num endpoint | axis
"""

# each result is linear in the array at its place
EACH = "atleast_1d atleast_2d atleast_3d broadcast_arrays meshgrid"

# plain results: nothing to differentiate, or the derivative is 0 wherever it exists
PLAIN_FUNCTIONS = """
shape ndim size iscomplexobj isrealobj iscomplex isreal result_type can_cast common_type
argmax argmin nanargmax nanargmin argsort lexsort searchsorted digitize nonzero flatnonzero argwhere
count_nonzero any all isposinf isneginf shares_memory may_share_memory fix
"""


def found(name: str) -> Callable | None:
    """NumPy's function of this (dotted) name; None where this NumPy has none."""
    return reduce(lambda module, part: getattr(module, part, None), name.split("."), np)


def lines_of(table: str):
    """(function, arrays, positional, keywords) of each function in a table."""
    for line in table.strip().splitlines():
        names, arguments = line.split(" : ") if " : " in line else line.split(":")
        groups = [group.split() for group in arguments.split("|")] + [[], []]
        for function in filter(None, map(found, names.split())):
            yield function, *groups[:3]


def register(rule, function, arrays=(), positional=(), keywords=()) -> None:
    """Let rule(*arrays, **settings) answer for the function; refuse other arguments.

    The names are NumPy's, `arrays` and `positional` in NumPy's order. No setting may be a dual
    number.
    """
    allowed = {*positional, *keywords}
    count = len(arrays)

    def checked(*args, **settings):
        if not settings and len(args) == count:
            return rule(*args)
        for name in arrays[len(args) :]:  # arrays that were given by their names
            if name not in settings:
                break
            args = (*args, settings.pop(name))
        settings.update(zip(positional, args[count:], strict=False))
        settings = {k: bared(v) for k, v in settings.items()} if settings else {}
        if settings.get("out", 0) is None:
            del settings["out"]
        refused = [k for k in settings if k not in allowed or k == "out"]
        refused += [k for k, v in settings.items() if holds_dual(v)]
        if len(args) > count + len(positional):
            refused.append("so many arguments")
        if np.dtype(settings.get("dtype") or float).kind not in "fc":
            refused.append("an integer dtype")
        if refused:
            raise refuse(f"{name_of(function)} with {refused[0]} has no derivative rule")
        return rule(*args[:count], **settings)

    FUNCTIONS[function] = checked


def rule(function, arrays=None, positional="", keywords="", lists=False):
    """A decorator: the function below answers for the NumPy function; see `register`.

    arrays: None when it checks its arguments itself. lists: it takes lists of dual numbers as such.
    """

    def decorate(answer):
        if arrays is None:
            FUNCTIONS[function] = answer
        else:
            ready = answer if lists else lifting(answer)
            register(ready, function, arrays.split(), positional.split(), keywords.split())
        return answer

    return decorate


def sliced(a, k):
    """The tangent of a by k for arithmetic: any shape that broadcasts to a's."""
    return a.tangents.get(k, 0.0) if isinstance(a, Dual) else 0.0


def result(value, sources, row):
    """The dual number whose tangent by key k is row(k); sources: the dual numbers it comes from."""
    keys = {k for a in sources for k in a.tangents}
    return Dual(value, THREAD.quietly(_rows, keys, row))


def _rows(keys, row):
    return {k: row(k) for k in keys}


def row_of(a, k):
    """The tangent of a by k as an array of its shape, or None."""
    if not isinstance(a, Dual):
        return None
    rows, a.owns_tangents = a.tangents, False  # the tangent may be kept
    return full(rows[k], np.shape(a.primal)) if k in rows else None


def lifting(rule):
    """The rule with lists of dual numbers made arrays, as NumPy makes lists of numbers."""
    return lambda *args, **settings: rule(*map(lifted, args), **settings)


def linear(a, value, take):
    """The dual number (or a list of them) of value = take(a.primal), take being linear."""
    if isinstance(value, (list, tuple)):
        return type(value)(linear(a, v, lambda t, i=i: take(t)[i]) for i, v in enumerate(value))
    if isinstance(value, np.ndarray) and np.may_share_memory(value, a.primal):
        return View(value, a, take)
    return result(value, [a], lambda k: take(row_of(a, k)))


def multilinear(function):
    """The rule of a function that is linear in each array while the others are held."""

    def rule(*args, **settings):
        values = [plain(a) for a in args]
        value = function(*values, **settings)
        duals = [i for i, a in enumerate(args) if isinstance(a, Dual)]
        if len(args) == 1:
            return linear(args[0], value, lambda t: function(t, **settings))

        def row(k):
            terms = [(i, row_of(args[i], k)) for i in duals]
            terms = [
                function(*values[:i], t, *values[i + 1 :], **settings)
                for i, t in terms
                if t is not None
            ]
            return terms[0] if len(terms) == 1 else terms[0] + terms[1]

        return result(value, [args[i] for i in duals], row)

    return rule


def tangent_of(a, k):
    """The tangent by k of all that a holds: 0 where there is none."""
    if isinstance(a, Dual):
        t = row_of(a, k)
        return np.zeros_like(a.primal, float) if t is None else t
    if type(a) in (list, tuple):
        return type(a)(tangent_of(item, k) for item in a)
    return np.zeros(np.shape(a))


def joint(function):
    """The rule of a function that is linear in all its arrays together."""

    def rule(*args, **settings):
        if function is np.stack and not settings:
            return lifted([*args[0]])
        value = function(*plain(args), **settings)
        return result(
            value, [*duals_in(args)], lambda k: function(*tangent_of(args, k), **settings)
        )

    return rule


def each(function):
    """The rule of a function whose results are each linear in the array at its place."""

    def rule(*args, **settings):
        if holds_dual([*settings.values(), *(a for a in args if not isinstance(a, Dual))]):
            raise refuse(f"{name_of(function)} of lists of dual numbers has no derivative rule")
        values = plain(args)
        whole = function(*values, **settings)
        if isinstance(whole, np.ndarray):
            return linear(args[0], whole, lambda t: function(t, **settings))

        def take(i):
            return lambda t: function(*values[:i], t, *values[i + 1 :], **settings)[i]

        return type(whole)(
            linear(a, v, take(i)) if isinstance(a, Dual) else v
            for i, (a, v) in enumerate(zip(args, whole, strict=True))
        )

    return rule


def _plain_rule(function):
    def rule(*args, **settings):
        for a in duals_in(args):
            observe(a)
        return function(*plain(args), **{k: plain(v) for k, v in settings.items()})

    return rule


for _function, *_arguments in lines_of(MULTILINEAR):
    register(lifting(multilinear(_function)), _function, *_arguments)
for _function, *_arguments in lines_of(JOINT):
    register(joint(_function), _function, *_arguments)
for _function in filter(None, map(found, EACH.split())):
    FUNCTIONS[_function] = each(_function)
for _name in PLAIN_FUNCTIONS.split():
    if found(_name) is not None:
        FUNCTIONS[found(_name)] = _plain_rule(found(_name))
