"""The dual number: a value as NumPy computes it, and its derivatives by the parameters."""

from __future__ import annotations

import operator
import sys
import threading

import numpy as np

from nlsq.core.model.duals.elementwise import ELEMENTWISE, PLAIN, QUIET, REAL_ONLY, plus, times

# whole rules, by NumPy function or ufunc: called as rule(*args, **kwargs); see functions.py
FUNCTIONS: dict = {}
# the refusals of the evaluations that run, by thread, innermost last
_running: dict[int, list[list[NoRule]]] = {}


class NoRule(TypeError):
    """The model uses something that has no derivative rule; the message names it."""


def refuse(reason: str) -> NoRule:
    """The error to raise; it is kept, since the model may catch it and go on with a wrong value."""
    error = NoRule(reason)
    mine = _running.get(threading.get_ident())
    # a thread that the model started belongs to some evaluation: any may be it
    for evaluations in [mine] if mine else list(_running.values()):
        for refusals in evaluations:
            refusals.append(error)
    return error


class Evaluation:
    """A context in which a refusal is raised at the end, whatever the model made of it."""

    def __enter__(self) -> None:
        self.refusals: list[NoRule] = []
        _running.setdefault(threading.get_ident(), []).append(self.refusals)

    def __exit__(self, kind, error, traceback) -> None:
        mine = _running[threading.get_ident()]
        mine.pop()
        if not mine:
            del _running[threading.get_ident()]
        if isinstance(error, NoRule) or not (error is None or isinstance(error, Exception)):
            return
        if self.refusals:
            raise self.refusals[0] from error
        if isinstance(error, (TypeError, AttributeError)):  # foreign code that knows only numbers
            raise NoRule(f"the model does not accept dual numbers: {error}") from error


def name_of(function) -> str:
    """How a user writes this NumPy or SciPy function."""
    module = getattr(function, "__module__", None)
    if isinstance(function, np.ufunc):
        name = function.__name__
        module = "np" if getattr(np, name, None) is function else ""
        if not module and getattr(sys.modules.get("scipy.special"), name, None) is function:
            module = "scipy.special"
        return f"{module}.{name}" if module else name
    return f"{module}.{function.__name__}".replace("numpy", "np", 1)


def full(t, shape):
    """A tangent as an array (a view) of its value's shape."""
    return t if np.shape(t) == shape else np.broadcast_to(t, shape)


class Dual:
    """A value (a NumPy scalar or array) with tangents.

    `rows` maps the key of a parameter to the tangent by it, which broadcasts to the value's shape;
    a parameter without a row has the tangent 0. `owned` says that the rows are full arrays that
    nothing else uses, so that an assignment may write into them.
    """

    __slots__ = ("owned", "rows", "value")
    __array_priority__ = 1000.0

    def __init__(self, value, rows):
        self.value = value
        self.rows = rows
        self.owned = False

    @property
    def __class__(self):  # a model that asks `isinstance(a, float)` takes its usual branch
        return type(self.value)

    def __array_ufunc__(self, ufunc, method, *args, out=None, where=True, **settings):
        if method != "__call__":
            return reduced(ufunc, method, args, out, where, settings)
        if settings:
            raise refuse(f"{name_of(ufunc)} with {', '.join(settings)}= has no derivative rule")
        if out is not None or where is not True:
            return _masked(ufunc, args, out, where)
        rule = FUNCTIONS.get(ufunc)
        return rule(*args) if rule else elementwise(ufunc, ufunc, args)

    def __array_function__(self, function, types, args, settings):
        rule = FUNCTIONS.get(function)
        if rule is None:
            raise refuse(f"{name_of(function)} has no derivative rule")
        return rule(*args, **settings)

    def __getitem__(self, index):
        value = self.value[index]
        if isinstance(value, np.ndarray) and np.may_share_memory(value, self.value):
            return View(value, self, lambda t: t[index])
        shape = self.value.shape
        # an entry of a constant tangent is that constant
        return Dual(
            value,
            {k: t if np.ndim(t) == 0 else full(t, shape)[index] for k, t in self.rows.items()},
        )

    def __setitem__(self, index, new):
        value = plain(new)
        fresh = new.rows if isinstance(new, Dual) else {}
        self.value[index] = value
        for key, target in self.writable(fresh).items():
            t = full(fresh[key], np.shape(value)) if key in fresh else 0.0
            target[index] = t if np.iscomplexobj(target) else np.real(t)

    def writable(self, keys) -> dict:
        """The rows as arrays that may be written into, with one for each of these keys."""
        dtype = np.result_type(self.value, np.float64)
        if not self.owned:
            rows = {k: np.empty_like(self.value, dtype) for k in self.rows}
            for k, t in rows.items():
                t[...] = self.rows[k]
            self.rows, self.owned = rows, True
        for k in keys:
            if k not in self.rows:
                self.rows[k] = np.zeros_like(self.value, dtype)
        return self.rows

    def __len__(self):
        return len(self.value)

    def __iter__(self):
        iter(self.value)  # NumPy's error for a scalar
        return (self[i] for i in range(len(self.value)))

    def __contains__(self, item):
        return plain(item) in self.value

    def __bool__(self):
        return (
            not compared(np.equal, operator.eq, (self, 0))
            if np.size(self.value) == 1
            else bool(self.value)
        )

    def __repr__(self):
        return f"<dual number {self.value!r} at {id(self):#x}>"

    def __round__(self, digits=None):
        return round(self.value, digits)

    def __floor__(self):
        return self.value.__floor__()

    def __ceil__(self):
        return self.value.__ceil__()

    def __trunc__(self):
        return self.value.__trunc__()

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __getattr__(self, name):
        if hasattr(type(self.value), name):
            raise refuse(f"a parameter's .{name} has no derivative rule")
        raise AttributeError(f"{type(self.value).__name__!r} object has no attribute {name!r}")


class View(Dual):
    """A part of another dual array that shares its memory, as in NumPy; its rows are parts, too."""

    __slots__ = ("parent", "take")

    def __init__(self, value, parent, take):
        self.value = value
        self.parent = parent
        self.take = take

    @property
    def rows(self):
        self.parent.owned = False  # what reads these rows may keep them
        shape = self.parent.value.shape
        return {k: self.take(full(t, shape)) for k, t in self.parent.rows.items()}

    @property
    def owned(self):
        return self.parent.owned

    @owned.setter
    def owned(self, owned):
        self.parent.owned = owned

    def writable(self, keys) -> dict:
        whole = self.parent.writable(keys)
        rows = {k: self.take(t) for k, t in whole.items()}
        if not all(np.may_share_memory(rows[k], t) for k, t in whole.items()):
            raise refuse("an assignment into this view of an array has no derivative rule")
        return rows


def plain(a):
    """The value of a dual number, in lists and tuples too; anything else as it is."""
    if isinstance(a, Dual):
        return a.value
    if type(a) in (list, tuple):
        return type(a)(map(plain, a))
    return a


def elementwise(ufunc, operation, args):
    """operation(*args), whose partial derivatives are those of the ufunc."""
    values = [a.value if isinstance(a, Dual) else a for a in args]
    if ufunc is np.equal or ufunc is np.not_equal:
        return compared(ufunc, operation, args)
    partials = ELEMENTWISE.get(ufunc)
    if partials is None and ufunc not in PLAIN:
        return _special(ufunc, args, values)
    value = operation(*values)
    if ufunc in REAL_ONLY and np.iscomplexobj(value):
        raise refuse(f"{name_of(ufunc)} of complex numbers has no derivative rule")
    if partials is None:
        return value
    return chained(ufunc, value, args, values, partials)


def chained(ufunc, value, args, values, partials):
    """The dual number of this value by the chain rule."""
    if ufunc in QUIET and (
        all(isinstance(v, float) for v in values)
        or (partials[0] == 1 and not all(isinstance(a, Dual) for a in args))
    ):
        return _chained(ufunc, value, args, values, partials)
    values = [np.asarray(v) if isinstance(v, (list, tuple)) else v for v in values]
    with np.errstate(all="ignore"):
        return _chained(ufunc, value, args, values, partials)


def _chained(ufunc, value, args, values, partials):
    rows: dict = {}
    for i, (a, partial) in enumerate(zip(args, partials, strict=True)):
        before = a.rows if isinstance(a, Dual) else None
        if not before or partial == 0:
            continue
        if partial is None:
            raise refuse(f"{name_of(ufunc)} has no derivative rule by its argument {i + 1}")
        if partial == 1:
            terms, a.owned = before, False
        elif partial == -1:
            terms = {k: -t for k, t in before.items()}
        else:
            c = partial(*values, value) if callable(partial) else partial
            terms = {k: times(t, c) for k, t in before.items()}
        if rows:
            terms = {k: plus(rows[k], t) if k in rows else t for k, t in terms.items()}
        rows = {**rows, **terms} if rows else terms
    return Dual(value, rows)


def _special(ufunc, args, values):
    from nlsq.core.model.duals.special import partials_of

    found = partials_of(ufunc, values)
    if found is None:
        raise refuse(f"{name_of(ufunc)} has no derivative rule")
    value = ufunc(*values)
    if isinstance(value, tuple):
        return tuple(
            chained(ufunc, v, args, values, (lambda x, z, c=c: c(x, value),))
            for v, c in zip(value, found, strict=True)
        )
    return chained(ufunc, value, args, values, found) if found else value


def _masked(ufunc, args, out, where):
    """A ufunc's call with out= or where=."""
    target = None if out is None else out[0]
    if where is not True and target is None:
        raise refuse(f"{name_of(ufunc)} with where= and without out= leaves values undefined")
    if target is not None and not isinstance(target, Dual):
        if ufunc in PLAIN or not any(isinstance(a, Dual) and a.rows for a in args):
            return ufunc(*map(plain, args), out=target, where=plain(where))
        raise refuse(f"{name_of(ufunc)} writes a dual number into a plain array (out=)")
    with np.errstate(all="ignore"):  # where where= is false, too
        result = ufunc(*args)
    value = target.value.copy()
    value = ufunc(*map(plain, args), out=value, where=plain(where))
    mask = np.broadcast_to(plain(where), value.shape)
    rows = result.rows if isinstance(result, Dual) else {}
    chosen = Dual(value[mask], {k: full(t, value.shape)[mask] for k, t in rows.items()})
    target[mask] = chosen
    return target


def reduced(ufunc, method, args, out, where, settings):
    """ufunc.reduce and its kin, by the NumPy function that does the same."""
    if method == "outer" and out is None and not settings:
        a, b = args
        return ufunc(a[(..., *[None] * np.ndim(plain(b)))], b)
    rule = FUNCTIONS.get((ufunc, method))
    if rule is None or out is not None or where is not True:
        raise refuse(f"{name_of(ufunc)}.{method} has no derivative rule")
    return rule(*args, **settings)


def _operators():
    names = {
        "add": np.add,
        "sub": np.subtract,
        "mul": np.multiply,
        "truediv": np.divide,
        "pow": np.power,
        "mod": np.remainder,
        "floordiv": np.floor_divide,
        "matmul": np.matmul,
        "divmod": np.divmod,
    }
    for name, ufunc in names.items():
        operation = divmod if name == "divmod" else getattr(operator, name)
        setattr(Dual, f"__{name}__", _binary(ufunc, operation, False))
        setattr(Dual, f"__r{name}__", _binary(ufunc, operation, True))
        if name != "divmod":
            setattr(Dual, f"__i{name}__", _in_place(operation))
    comparisons = {
        **{"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal},
        **{"eq": np.equal, "ne": np.not_equal},
    }
    for name, ufunc in comparisons.items():
        setattr(Dual, f"__{name}__", _comparison(ufunc, getattr(operator, name)))
    for name, ufunc in (("neg", np.negative), ("pos", np.positive), ("abs", np.absolute)):
        setattr(Dual, f"__{name}__", _unary(ufunc, getattr(operator, name)))


def _unary(ufunc, operation):
    def operate(self):
        whole = FUNCTIONS.get(ufunc)
        return whole(self) if whole else elementwise(ufunc, operation, (self,))

    return operate


def _binary(ufunc, operation, reflected):
    def operate(self, other, modulo=None):
        if modulo is not None or not isinstance(
            other, (Dual, np.ndarray, np.generic, float, int, complex, list, tuple)
        ):
            return NotImplemented
        args = (other, self) if reflected else (self, other)
        whole = FUNCTIONS.get(ufunc)
        return whole(*args) if whole else elementwise(ufunc, operation, args)

    return operate


def _in_place(operation):
    def operate(self, other):
        result = operation(self, other)
        if not isinstance(self.value, np.ndarray):
            return result
        if not np.can_cast(np.asarray(plain(result)).dtype, self.value.dtype, "same_kind"):
            raise TypeError("an array in place cannot hold the result's type")
        self[...] = result
        return self

    return operate


def _comparison(ufunc, operation):
    return lambda self, other: compared(ufunc, operation, (self, other))


def compared(ufunc, operation, args):
    """A comparison of values; == that holds is refused where the two sides move apart.

    It leads to a branch for one point alone (the limit of a formula, an answer kept from an earlier
    call), whose derivative is not the model's.
    """
    values = [plain(a) for a in args]
    result = operation(*values)
    if ufunc not in (np.equal, np.not_equal):
        return result
    equal = result if ufunc is np.equal else np.logical_not(result)
    if np.any(equal) and all(isinstance(v, (np.ndarray, np.generic, float, int)) for v in values):
        difference = elementwise(np.subtract, lambda a, b: result, args)
        if any(np.any((t != 0) & equal) for t in difference.rows.values()):
            raise refuse("a comparison of a parameter with == that holds has no derivative rule")
    return result


def _refusals():
    reasons = {
        "__float__": "float(parameter), or a function that takes Python's floats (math.*),",
        "__int__": "int(parameter)",
        "__complex__": "complex(parameter)",
        "__hash__": "a parameter as a key (a dictionary, a set, functools.cache)",
        "__str__": "a parameter as text",
        "__format__": "a parameter as text",
        "__reduce_ex__": "a pickled parameter",
        "__array__": "np.array or np.asarray of a parameter, or an assignment into a plain array,",
        "item": "parameter.item()",
        "tolist": "parameter.tolist()",
    }
    for name, what in reasons.items():

        def method(self, *args, what=what, **kwargs):
            raise refuse(f"{what} drops the derivative")

        setattr(Dual, name, method)


_operators()
_refusals()
