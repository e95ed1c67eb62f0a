"""The dual number: a value as NumPy computes it, and its derivatives by the parameters."""

from __future__ import annotations

import sys
import threading

import numpy as np

# whole rules, by NumPy function or ufunc: called as rule(*args, **settings)
FUNCTIONS: dict = {}
# the evaluations that run, by thread, innermost last
_running: dict[int, list[Evaluation]] = {}


class NoRule(TypeError):
    """The model uses something that has no derivative rule; the message names it."""


def refuse(reason: str) -> NoRule:
    """The error to raise; it is kept, since the model may catch it and go on with a wrong value."""
    error = NoRule(reason)
    for evaluation in _evaluations():
        evaluation.refusals.append(error)
    return error


def observe(a) -> None:
    """Note that the model used only the plain value of a dual number, in a comparison or a step."""
    if a.rows:
        for evaluation in _evaluations():
            evaluation.observed.update(a.rows)


def _evaluations():
    """Those of this thread; of a thread that a model started, all: it may belong to any."""
    mine = _running.get(threading.get_ident())
    return mine or [e for evaluations in list(_running.values()) for e in evaluations]


class Evaluation:
    """A context in which a refusal is raised at the end, whatever the model made of it."""

    def __enter__(self) -> Evaluation:
        self.refusals: list[NoRule] = []
        self.observed: set = set()  # keys of the parameters that `observe` met
        _running.setdefault(threading.get_ident(), []).append(self)
        return self

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
        if hasattr(type(self.value), name) and not name.startswith("__"):
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


DUALS = frozenset({Dual, View})  # type(a) in DUALS is the quickest test
