"""Find a model's road: whether and how it can be traced, and whether the trace is to be believed.

Three roads, tried in this order; `ModelInfo` records which was taken and why the others were not:

jax    the function traces as it is (jax.numpy, or plain operators on its arguments);
numpy  it is NumPy/SciPy code and is carried to JAX by proxies (`nlsq.core.model.carry`);
host   neither: it runs as it is, with the user's `jac` or finite differences.

On the first two roads derivatives are exact. Each is tried with the data as run-time arguments
first (one program for all data), then with the data fixed into the program, for models that branch
on the data, and is taken only where it reproduced the user's function (`believing`). A model may be
evaluated in blocks when f(x, p)[i] depends on point i alone (`pointwise`). That it does not depend
on the number of points is not shown by a few lengths: it is traced at those that the program will
use and at the user's own, unless its code has no way to ask (`reading`).
"""

from __future__ import annotations

import threading
from contextlib import nullcontext

import jax
import numpy as np

from nlsq.config import double_precision
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.believing import (
    POINTS,
    TRACE_ERRORS,
    Original,
    disbelief,
    same_among_all,
)
from nlsq.core.model.comparing import Unrepeatable
from nlsq.core.model.facts import COUNT, ModelInfo, Resolution
from nlsq.core.model.pointwise import count_equations, couples_points, length_matters
from nlsq.core.model.reading import (
    asks_for_identity,
    asks_for_length,
    catches_errors,
    measures_text,
)
from nlsq.core.model.tracing import (
    TOO_LONG,
    first_line,
    require_derivative,
    sized,
    texts_refused,
    trace,
    trace_at,
    with_data,
)

TRACE_BLOCKS = (1009, 2003)  # primes no table or quadrature rule has as its length
_FEW = 64  # points of the first trace; with POINTS it tells a loop over the points
_MANY_LENGTHS = 256  # more are not tried
_PROVED = 16  # lengths by traces; further ones by values
# Operations of a loop over the points, for which NumPy is soon as fast as what takes seconds to
# compile; other programs may be longer (`tracing`).
_MOST_UNROLLED = 256
_CATCHES = "it goes on after errors (`try`), and those of a trace are not those of numbers"
_LOOP = "a loop in Python over the points"
_SOME = "its values at some of the points are others than among all"
_ROAD_WORDS = {"jax": "not traceable by JAX as it is", "numpy": "not carried from NumPy"}
_tracing = threading.Lock()


def find_road(call, x: Abscissae, m: int, p0, coupling: str = "") -> Resolution:
    """The road of a model for data of this form.

    Parameters
    ----------
    call : CurveCall or ResidualCall
        How the user's function is called.
    p0 : ndarray
        The start; there and nearby a translation must reproduce the original.
    coupling : str
        Why the model is to be taken whole, where that is known.

    Raises
    ------
    Unrepeatable
        A ValueError: the user's function returns different values for the same parameters.
    """
    search = _Search(call, x, m, p0)
    if x.leaves is None:
        kind = type(x.given).__name__
        search.reasons.append(f"xdata of type {kind} is not made of numeric arrays")
        return search.host()
    if catches_errors(call.f):
        search.reasons.append(_CATCHES)
        return search.host()
    with double_precision(), _text_of(call):
        for fixed in (False, True):
            for road in ("jax", "numpy"):
                found = search.by_road(road, fixed, coupling)
                if found is not None:
                    return found
    return search.host()


def called(call, road: str, fixed: bool, xdata, shape: tuple | None):
    """call(x, params, points) for a road; shape: `Abscissae.value_shape`."""
    function = call.traced if road == "jax" else call.carried()
    return sized(with_data(function, xdata) if fixed else function, shape)


def same_program(call, found: Resolution, x: Abscissae, m: int, p0, lengths: set[int]) -> bool:
    """Whether a model that may ask for the length is one program with data of all these lengths.

    Data of many lengths, one after the other, are soon judged by values beside p0, since a trace
    takes longer than a small fit.
    """
    unknown = sorted(lengths - found.same_at.keys())
    if len(unknown) > _MANY_LENGTHS:
        return False
    original = Original(call.host, x, found.info.road == "jax")
    for length in unknown:
        proved = length == m and len(found.same_at) >= _PROVED
        found.same_at[length] = (
            proved and same_among_all(found.some, original, x, p0, _part(m))
        ) or _same_trace(call, found, x, len(p0), length)
    return all(found.same_at[length] for length in lengths)


def _same_trace(call, found: Resolution, x: Abscissae, n: int, length: int) -> bool:
    try:
        function = called(call, found.info.road, False, None, x.value_shape)
        with _tracing, double_precision(), _text_of(call):
            return _alike(found.trace, trace_at(function, x, n, length), length)
    except TRACE_ERRORS:
        return False


def _text_of(call):
    """What holds while a model is traced: no text of traced values for one that measures it."""
    return texts_refused() if measures_text(call.f) else nullcontext()


def _part(m: int) -> np.ndarray:
    """The points that a pointwise model is compared at; always as many, for one program."""
    return np.linspace(0, m - 1, POINTS).astype(int)


def _alike(first, other, length: int) -> bool:
    return not length_matters(first, other, (TRACE_BLOCKS[0], length))


class _Search:
    """One model's way over the roads."""

    def __init__(self, call, x: Abscissae, m: int, p0):
        self.call, self.x, self.m, self.p0 = call, x, m, p0
        self.reasons: list[str] = []
        self.identity = asks_for_identity(call.f)

    def host(self) -> Resolution:
        """The last road."""
        reason = "; ".join(dict.fromkeys(self.reasons))
        info = ModelInfo("host", reason, "finite differences", False)
        return Resolution(info, asks_for_identity=self.identity)

    def by_road(self, road: str, fixed: bool, coupling: str) -> Resolution | None:
        """The resolution, or None and a reason more."""
        try:
            call = called(self.call, road, fixed, self.x.given, self.x.value_shape)
            if fixed:
                coupling = "it needs the values of the data while it is traced"
            else:
                found = coupling or self._pointwise(road, call)
                if isinstance(found, Resolution):
                    return found
                coupling = found
            return self._whole(road, call, fixed, coupling)
        except Unrepeatable:
            raise
        except _Raised as raised:
            raise raised.error from None
        except TRACE_ERRORS as error:
            words = _ROAD_WORDS[road] + (" with fixed data" if fixed else "")
            self.reasons.append(f"{words}: {first_line(error)}")
            return None

    def _pointwise(self, road: str, call) -> Resolution | str:
        """The resolution of a pointwise model, or what couples its points."""
        x, n = self.x, len(self.p0)
        if all(axis is None for axis in x.axes):
            return "no axis of xdata has the length of ydata"
        try:
            few, some = (trace_at(call, x, n, length) for length in (_FEW, POINTS))
            more = count_equations(some) - count_equations(few)
            if more >= POINTS - _FEW:  # one or more for each point
                expected = count_equations(few) + more * (self.m - _FEW) // (POINTS - _FEW)
                if expected > _MOST_UNROLLED:
                    raise _TooLong(TOO_LONG.format(expected))
                return _LOOP
            first, second = (trace_at(call, x, n, length) for length in TRACE_BLOCKS)
        except (_TooLong, jax.errors.JAXTypeError):  # the latter at any length
            raise
        except TRACE_ERRORS as error:
            return f"it needs all points at once ({first_line(error)})"
        coupling = couples_points(first, [*x.axes, *([None] * n)], TRACE_BLOCKS[0])
        if coupling:
            return coupling
        others = {_FEW: few, POINTS: some, TRACE_BLOCKS[1]: second}
        if not all(_alike(first, other, length) for length, other in others.items()):
            return COUNT
        if self._check(road, some, _part(self.m), False):
            return _SOME
        return Resolution(
            self._info(road, ""), False, _complex(first), self.identity,
            asks_for_length=asks_for_length(self.call.f),
            trace=first, some=some, same_at=dict.fromkeys((*others, TRACE_BLOCKS[0]), True),
        )  # fmt: skip

    def _whole(self, road: str, call, fixed: bool, coupling: str) -> Resolution:
        """The resolution of a model that is taken whole; with fixed data they are part of it."""
        x = None if fixed else self.x
        shapes = [] if fixed else [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in x.leaves]
        program = trace(call, x, shapes, len(self.p0), self.m)
        self._check(road, program, None, fixed)
        return Resolution(self._info(road, coupling), fixed, _complex(program), self.identity)

    def _check(self, road: str, program, part, fixed: bool) -> bool:
        """Raise when a program is not to be believed; True when the points are not pointwise."""
        require_derivative(program, len(self.p0))
        original = Original(self.call.host, self.x, road == "jax")
        try:
            reason, coupled = disbelief(program, original, self.x, self.m, self.p0, part, fixed)
        except Unrepeatable:
            raise
        except TRACE_ERRORS as error:
            if part is not None:
                return True
            if road == "numpy":  # of numbers it is the user's own
                raise _Raised(error) from error
            return False
        if reason:
            raise _Disbelief(reason)
        return coupled

    def _info(self, road: str, coupling: str) -> ModelInfo:
        reason = "; ".join(dict.fromkeys(self.reasons)) or "it traces as written"
        derivative = "exact, by forward differentiation"
        return ModelInfo(road, reason, derivative, not coupling, coupling)


class _TooLong(ValueError):
    """A loop over the points that would compile for too long."""


class _Disbelief(ValueError):
    """A translation that does not reproduce the original."""


class _Raised(Exception):
    """What the user's function raised for numbers."""

    def __init__(self, error: BaseException):
        super().__init__()
        self.error = error


def _complex(program) -> bool:
    return program.out_avals[0].dtype.kind == "c"
