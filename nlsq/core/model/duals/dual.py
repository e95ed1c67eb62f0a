"""The dual number: a value as NumPy computes it, and its derivatives by the parameters."""

from __future__ import annotations

import sys
import threading

import numpy as np

from nlsq.core.model.duals.elementwise import THREAD

# whole rules, by NumPy function or ufunc: called as rule(*args, **settings)
FUNCTIONS: dict = {}
# the evaluations that run in all threads
_running: list[Evaluation] = []


class NoRule(TypeError):
    """The model uses something that has no derivative rule; the message names it."""


class Dearer(NoRule):
    """Differences cost less than dual numbers."""


def refuse(reason: str, kind: type[NoRule] = NoRule) -> NoRule:
    """The error to raise; it is kept, since the model may catch it and go on with a wrong value."""
    error = kind(reason)
    for evaluation in _evaluations():
        evaluation.refusals.append(error)
    return error


def count_scalar() -> None:
    """Note an operation on a single number; refuse a model that goes on and on with them.

    With tangents an array's operation costs a few times as much as without, but a number's twenty
    times, for which the plain model can be called often.
    """
    THREAD.scalars -= 1
    if THREAD.scalars < 0:
        reason = "a loop in Python over many numbers (the points?) has cheaper differences"
        raise refuse(reason, Dearer)


def observe(a) -> None:
    """Note that the model used only the plain value of a dual number, in a comparison or a step."""
    if a.tangents:
        for evaluation in _evaluations():
            evaluation.observed.update(a.tangents)


def _evaluations():
    """Those of this thread; of a thread that a model started, all: it may belong to any."""
    return [e for e in _running if e.thread == threading.get_ident()] or list(_running)


class Evaluation:
    """A context in which a refusal is raised at the end, whatever the model made of it."""

    def __init__(self, scalars: int = sys.maxsize):
        self.scalars = scalars
        self.thread = threading.get_ident()
        self.refusals: list[NoRule] = []
        self.observed: set = set()  # keys of the parameters that `observe` met

    def __enter__(self) -> Evaluation:
        _running.append(self)
        self.scalars, THREAD.scalars = THREAD.scalars, self.scalars
        return self

    def __exit__(self, kind, error, traceback) -> None:
        _running.remove(self)
        THREAD.scalars = self.scalars
        if error is None and not self.refusals:
            return
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
    """A tangent as an array of its value's shape, or as NumPy's scalar."""
    if type(t) is float:
        return np.full(shape, t) if shape else np.float64(t)
    return t if t.shape == shape else np.broadcast_to(t, shape)


class Dual:
    """A value (`primal`, a NumPy scalar or array) with tangents.

    `tangents` maps the key of a parameter to the tangent by it, which broadcasts to the value's
    shape, so that one which is the same at all points may be a float; a parameter without an entry
    has the tangent 0. `owns_tangents` says that they are full arrays that nothing else uses, so
    that an assignment may write into them. Without tangents it is a number like any other, into
    which parameters may be written.
    """

    __slots__ = ("owns_tangents", "primal", "tangents")
    __array_priority__ = 1000.0

    def __init__(self, value, rows):
        self.primal = value
        self.tangents = rows
        self.owns_tangents = False

    @property
    def __class__(self):  # a model that asks `isinstance(a, float)` takes its usual branch
        return type(self.primal)

    def __getitem__(self, index):
        value = self.primal[index]
        if isinstance(value, np.ndarray) and np.may_share_memory(value, self.primal):
            return View(value, self, lambda t: t[index])
        shape, scalar = self.primal.shape, not isinstance(value, np.ndarray)
        rows = {}
        for k, t in self.tangents.items():
            if type(t) is not float:  # an entry of a constant tangent is that constant
                t = full(t, shape)[index]
                if scalar and t.dtype == float:
                    t = float(t)
            if not scalar or t:  # most of an array of parameters depends on one of them
                rows[k] = t
        if scalar and not rows:
            return value
        if scalar:
            count_scalar()
        return Dual(value, rows)

    def __setitem__(self, index, new):
        new = lifted(new)
        value = plain(new)
        if np.ndim(value) == 0:
            count_scalar()
        fresh = new.tangents if isinstance(new, Dual) else {}
        self.primal[index] = value
        if type(self) is Dual and _is_all(index):
            self.tangents, self.owns_tangents = {}, True  # nothing is left of what was there
        for key, target in self.writable(fresh).items():
            t = fresh.get(key, 0.0)
            if type(t) is not float and t.dtype.kind == "c" and target.dtype.kind != "c":
                t = t.real
            target[index] = t

    def writable(self, keys) -> dict:
        """The rows as arrays that may be written into, with one for each of these keys."""
        dtype = complex if self.primal.dtype.kind == "c" else float
        if not self.owns_tangents:
            rows = {k: np.empty_like(self.primal, dtype) for k in self.tangents}
            for k, t in rows.items():
                t[...] = self.tangents[k]
            self.tangents, self.owns_tangents = rows, True
        for k in keys:
            if k not in self.tangents:
                self.tangents[k] = np.zeros_like(self.primal, dtype)
        return self.tangents

    def __len__(self):
        return len(self.primal)

    def __iter__(self):
        iter(self.primal)  # NumPy's error for a scalar
        return (self[i] for i in range(len(self.primal)))

    def __contains__(self, item):
        return any(item == a for a in self)

    def __repr__(self):
        return f"<dual number {self.primal!r} at {id(self):#x}>"

    def __round__(self, digits=None):
        if digits is not None and digits > 0:  # a key of a cache, mostly
            raise refuse("a parameter rounded to some digits has no derivative rule")
        observe(self)
        return round(self.primal, digits)

    def __floor__(self):
        observe(self)
        return self.primal.__floor__()

    def __ceil__(self):
        observe(self)
        return self.primal.__ceil__()

    def __trunc__(self):
        observe(self)
        return self.primal.__trunc__()

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __getattr__(self, name):
        if hasattr(type(self.primal), name) and not name.startswith("__"):
            if not self.tangents and name not in ("view", "flat", "base", "data", "ctypes"):
                return getattr(self.primal, name)
            raise refuse(f"a parameter's .{name} has no derivative rule")
        raise AttributeError(f"{type(self.primal).__name__!r} object has no attribute {name!r}")


class View(Dual):
    """A part of another dual array that shares its memory, as in NumPy; its rows are parts, too."""

    __slots__ = ("known", "part", "rows", "whole")

    def __init__(self, primal, whole, part):
        self.primal = primal
        self.whole = whole
        self.part = part
        self.known = None

    @property
    def tangents(self):
        whole = self.whole.tangents
        self.whole.owns_tangents = False  # who reads these rows may keep them: a write makes others
        if whole is not self.known:
            shape = self.whole.primal.shape
            self.rows = {k: self.part(full(t, shape)) for k, t in whole.items()}
            self.known = whole
        return self.rows

    @property
    def owns_tangents(self):
        return self.whole.owns_tangents

    @owns_tangents.setter
    def owns_tangents(self, owned):
        self.whole.owns_tangents = owned

    def writable(self, keys) -> dict:
        tangents = self.whole.writable(keys)
        rows = {k: self.part(t) for k, t in tangents.items()}
        if not all(np.may_share_memory(rows[k], t) for k, t in tangents.items()):
            raise refuse("an assignment into this view of an array has no derivative rule")
        return rows


def _is_all(index) -> bool:
    return index is Ellipsis or (type(index) is slice and index == slice(None))


def plain(a):
    """The value of a dual number, in lists and tuples too; anything else as it is."""
    if isinstance(a, Dual):
        return a.primal
    if type(a) in (list, tuple):
        return type(a)(map(plain, a))
    return a


def duals_in(a):
    """The dual numbers in a (nested) list."""
    if isinstance(a, Dual):
        yield a
    elif type(a) in (list, tuple):
        for item in a:
            yield from duals_in(item)


def carries(a) -> bool:
    """Whether a is, or is a list that holds, a dual number with tangents."""
    return any(d.tangents for d in duals_in(a))


def bared(a):
    """The plain value of what carries no tangents; anything else as it is."""
    return a if carries(a) else plain(a)


def arrays_in(a):
    """The arrays in a (nested) list."""
    if isinstance(a, np.ndarray):
        yield a
    elif type(a) in (list, tuple):
        for item in a:
            yield from arrays_in(item)


def is_open(a) -> bool:
    """Whether dual numbers may be written into what NumPy made, once it is a dual array."""
    return type(a) is np.ndarray and a.dtype.kind in "fc"


def holds_dual(a) -> bool:
    """Whether a is, or is a list that holds, a dual number."""
    return next(duals_in(a), None) is not None


def lifted(a):
    """A (nested) list of numbers that holds dual numbers as one dual array; others as they are."""
    if type(a) not in (list, tuple) or not holds_dual(a):
        return a
    items = [lifted(item) for item in a]
    value = np.stack([plain(item) for item in items])
    rows: dict = {}
    for i, item in enumerate(items):
        for k, t in item.tangents.items() if isinstance(item, Dual) else ():
            if k not in rows:
                rows[k] = np.zeros(value.shape, complex if value.dtype.kind == "c" else float)
            rows[k][i] = t
    return Dual(value, rows)


DUALS = frozenset({Dual, View})  # type(a) in DUALS is the quickest test
