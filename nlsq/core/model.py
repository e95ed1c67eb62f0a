"""The user's model, turned into something the engine can pass over data with.

Three roads, tried in this order; `ModelInfo` records which was taken and why the others were not:

jax    the function traces as it is (jax.numpy, or plain operators on its arguments);
numpy  it is NumPy/SciPy code and is carried to JAX by proxies (`nlsq.core.carry`); the translation
       is believed only after it reproduced the original at p0 and nearby (as is, on the first
       road, a function that catches exceptions and may have caught JAX's);
host   neither: it runs as it is, with the user's `jac` or finite differences.

On the first two roads derivatives are exact. Each is tried with the data as run-time arguments
first (one program for all data), then with the data fixed into the program, for models that branch
on the data. Whether f(x, p)[i] depends on point i alone (`pointwise`) decides whether the model may
be evaluated in blocks.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import inspect
import math
import threading
import types
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from nlsq.caching.unified_cache import UnifiedCache
from nlsq.config import double_precision
from nlsq.core import differences, programs
from nlsq.core.catching import may_catch_errors
from nlsq.core.given import fits, has_unit, model_value, refuse_value, wrong_value
from nlsq.core.identity import content_key, model_key
from nlsq.core.keys import alike

TRACE_BLOCKS = (1009, 2003)  # primes no table or quadrature rule has as its length
_SHORT = 251  # the shortest block, nearly
_CHECK_POINTS = 256
_CHECK_RTOL = 1e-8
# A user's function that meets a tracer or a proxy instead of numbers may raise anything at all; it
# is tried on nothing else, and the host road runs it with numbers and lets its errors through.
TRACE_ERRORS = (Exception,)
_resolutions = UnifiedCache("models", maxsize=256)
_tracing = threading.Lock()


@dataclasses.dataclass(frozen=True)
class ModelInfo:
    """How a model is evaluated.

    Attributes
    ----------
    road : str
        'jax' (traced as it is), 'numpy' (NumPy code carried to JAX) or 'host'.
    reason : str
        Why this road, and why not an earlier one.
    derivative : str
        How the Jacobian is made.
    pointwise : bool
        True when f(x, p)[i] is known to depend on the i-th point only.
    coupling : str
        What couples the points when `pointwise` is False.
    """

    road: str
    reason: str
    derivative: str
    pointwise: bool
    coupling: str = ""

    def describe(self) -> str:
        """One sentence for people."""
        where = {
            "jax": "runs in JAX as written",
            "numpy": "is NumPy code carried to JAX",
            "host": "runs on the host",
        }[self.road]
        text = f"The model {where} ({self.reason}); derivatives: {self.derivative}."
        if self.coupling:
            text += f" It is evaluated whole: {self.coupling}."
        return text


class Columns(dict):
    """Columns of a table by name, `table["t"]` or `table.t`, as arrays JAX can trace."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


_registering = threading.Lock()
_registered: list[type] = []


def _register_columns():
    import jax

    with _registering:
        if _registered:
            return
        _registered.append(Columns)

    jax.tree_util.register_pytree_node(
        Columns,
        lambda table: (tuple(table.values()), tuple(table)),
        lambda names, leaves: Columns(zip(names, leaves, strict=True)),
    )


class Abscissae:
    """xdata in both forms: as the user gave it, and as a pytree of arrays for JAX.

    Attributes
    ----------
    given : object
        What the host calls the model with.
    leaves, treedef
        Arrays of the pytree; `leaves` is None when xdata is not made of numeric arrays.
    axes : tuple
        Per leaf the axis that runs over the m points, or None.
    value_shape : tuple or None
        Shape that the model's values may have beside (m,): that of ydata with several axes, those
        of length 1 left out.
    """

    def __init__(self, xdata, m: int, y_shape: tuple[int, ...] = ()):
        self.given = xdata
        self.value_shape = None
        if len(y_shape) > 1 and len(shape := tuple(k for k in y_shape if k != 1)) > 1:
            self.value_shape = shape
        if type(xdata) is np.ndarray and xdata.dtype == np.float64:
            self.leaves, self.treedef = (xdata,), _leaf()
            self.axes = (_data_axis(xdata, m),)
            return
        import jax

        tree = xdata
        if hasattr(xdata, "columns") and hasattr(xdata, "to_numpy"):
            tree = _table(xdata)
        leaves, self.treedef = jax.tree.flatten(tree)
        units = any(has_unit(leaf) for leaf in leaves)  # they are the user's function's business
        arrays = [] if units else [np.asarray(leaf) for leaf in leaves]
        numeric = not units and all(a.dtype.kind in "fiubc" for a in arrays)
        self.leaves = tuple(_widened(a) for a in arrays) if numeric else None
        self.axes = tuple(_data_axis(a, m) for a in arrays) if numeric else ()

    def take(self, points: np.ndarray) -> Abscissae:
        """The abscissae of some of the points; `given` is left empty."""
        part = copy.copy(self)
        part.given = None
        part.leaves = tuple(
            a if axis is None else np.take(a, points, axis)
            for a, axis in zip(self.leaves, self.axes, strict=True)
        )
        return part

    def arrays(self):
        """What the user's function takes: as it was given, or of these points."""
        if self.given is not None or self.leaves is None:
            return self.given
        import jax

        return jax.tree.unflatten(self.treedef, self.leaves)

    @property
    def in_full(self) -> bool:
        """Whether the leaves are all there is to `given`: no index, unit or name beside them."""
        kinds = (np.ndarray, list, tuple, dict, type(None))
        return self.leaves is not None and type(self.given) in kinds

    @property
    def shapes(self) -> Hashable:
        """Shapes and types of the leaves: a program of this key traces once."""
        return tuple((a.shape, a.dtype.char) for a in self.leaves)

    @property
    def signature(self) -> Hashable:
        """What a traced model may depend on besides values and length."""
        if self.leaves is None:
            return ("opaque", type(self.given).__qualname__)
        form = () if self.value_shape is None else (self.value_shape,)
        shapes = tuple(
            (a.dtype.char, a.ndim, ax, *(s for i, s in enumerate(a.shape) if i != ax))
            for a, ax in zip(self.leaves, self.axes, strict=True)
        )
        return (self.treedef, shapes, *form)


@functools.cache
def _leaf():
    """The structure of a single array."""
    import jax

    return jax.tree.structure(0)


def _table(frame) -> Columns:
    _register_columns()
    return Columns((str(name), frame[name].to_numpy()) for name in frame.columns)


def _widened(array):
    """Single precision and small integers become double, as SciPy does with lists and arrays."""
    if array.dtype.kind == "f":
        return np.asarray(array, float)
    return array.astype(complex) if array.dtype.kind == "c" else array


def _data_axis(array, m: int):
    if array.ndim and array.shape[-1] == m:
        return array.ndim - 1
    return 0 if array.ndim and array.shape[0] == m else None


@dataclasses.dataclass(frozen=True)
class Resolution:
    """A model's road: facts only, since another model of the same key may be a mutable object."""

    info: ModelInfo
    data_fixed: bool = False  # the program holds the data
    complex_value: bool = False
    trace: Any = None  # of a pointwise model, with data of length TRACE_BLOCKS[0]
    # [shortest, longest, same]: lengths between which it was traced, and whether that agreed
    lengths: list = dataclasses.field(default_factory=lambda: [*TRACE_BLOCKS, True])


class Model:
    """A user's callable with its road; `predict` and `jacobian` evaluate it anywhere.

    Parameters
    ----------
    call : CurveCall or ResidualCall
        How the user's function is called.
    n : int
        Number of parameters.
    """

    def __init__(self, call, n: int, name: str):
        self.call = call
        self.evaluate = call.host
        self.n = n
        self.name = name
        self.key = self._settled = self._content()
        self.called = False  # since then, so that it may have changed itself
        self.resolution: Resolution | None = None
        self.program_key: Hashable = None
        self.jac: Callable | None = None
        self.rel_step = None
        self.bounds = (-np.inf, np.inf)

    @property
    def info(self) -> ModelInfo:
        """The road taken."""
        return self.resolution.info

    @property
    def on_host(self) -> bool:
        """True when the model cannot be traced."""
        return self.info.road == "host"

    def traceable(self, x: Abscissae | None = None) -> Callable:
        """call(x, params, points) for a program, made from this model's own function.

        x: the data, needed when they are fixed into the program.
        """
        self.called = True
        function = self.call.traced if self.info.road == "jax" else self.call.carried()
        function = _with_data(function, x.given) if self.resolution.data_fixed else function
        return _frozen(_sized(function, None if x is None else x.value_shape))

    def _content(self) -> Hashable:
        return (type(self.call).__name__, model_key(self.call.identity))

    def settle(self) -> None:
        """Take the function as it is now for what was fitted: one that counts its calls changed."""
        self._settled = self._content()

    def require_unchanged(self) -> None:
        """Raise when the user's function is not what was fitted any more.

        Raises
        ------
        RuntimeError
            What is evaluated later (residuals, bands) would belong to another model.
        """
        if not alike(self._content(), self._settled):
            raise RuntimeError(
                f"the model {self.name!r} has changed since the fit (a closure value, a global, a "
                "default or an attribute): read result.fun, result.jac and bands before changing "
                "it, or fit again"
            )

    def resolve(
        self, x: Abscissae, m: int, p0, complex_data: bool, n_points: int | None = None
    ) -> None:
        """Find the road for data of this form; p0 and nearby points test a translation.

        n_points: of all data, where x, of m points, is a sample of them.
        """

        def find():
            self.called = True
            return _find_road(self.call, x, m, p0)

        key = (self.key, self.n, x.signature, complex_data)
        found = _resolutions.get(key, find)
        if found.data_fixed:  # its program holds the data it was traced with
            key = (*key, content_key(tuple(x.leaves) if x.in_full else x.given))
            found = _resolutions.get(key, find)
        if found.info.pointwise and self._counts_points(found, x, n_points or m):
            found, key = (
                Resolution(_coupled(found.info, COUNT), False, found.complex_value),
                (*key, m),
            )
        self.resolution, self.program_key = found, key

    def _counts_points(self, found: Resolution, x: Abscissae, m: int) -> bool:
        """Whether the model does something else for m points, or for a block of them.

        A threshold, as in ``if len(x) > 1000``, shows only in traces on both sides of it: the model
        is traced at lengths near m and near the shortest block, once for a range of lengths.
        """
        for length in (unusual_length(min(m, _SHORT)), unusual_length(m)):
            shortest, longest, same = found.lengths
            if same and not shortest <= length <= longest:
                with _tracing:
                    self.called = True
                    same = _same_program(self.call, found, x, self.n, length)
                    shortest, longest, before = found.lengths
                    found.lengths[:] = min(shortest, length), max(longest, length), before and same
        return not found.lengths[2]

    def use_host(self, reason: str, derivative: str) -> None:
        """Take the host road because the user's options ask for it."""
        info = ModelInfo("host", reason, derivative, False, "")
        self.resolution, self.program_key = Resolution(info), None

    def predict(self, x, p) -> np.ndarray:
        """Model value (m,) at any x the user's function takes."""
        p = np.asarray(p, float)
        self.require_unchanged()
        with double_precision():
            if self.on_host or self.info.road == "numpy" or self.resolution.data_fixed:
                return self._value(x, p)
            ab = Abscissae(x, -1)
            if ab.leaves is None:
                return self._value(x, p)
            program = programs.value_program(self.program_key, self.traceable, ab)
            value = np.array(program(ab.leaves, p))
            self.settle()  # traced, it may have kept what it worked out
            return value

    def _value(self, x, p) -> np.ndarray:
        value = _flat(self.evaluate(x, p))
        self.settle()
        return value

    def jacobian(self, x, p) -> np.ndarray:
        """Derivatives by the parameters, (m, n), at any x the user's function takes."""
        p = np.asarray(p, float)
        self.require_unchanged()
        with double_precision():
            if self.jac is not None:
                J = np.array(self.jac(x, *p))
                self.settle()
                return J if np.iscomplexobj(J) else J.astype(float)
            ab = None if self.on_host else Abscissae(x, -1)
            if ab is None or ab.leaves is None or self.resolution.data_fixed:
                J = self.host_rows(x, p, self.predict(x, p), "3-point").T
                self.settle()
                return J
            program = programs.jacobian_program(self.program_key, self.traceable, ab)
            J = np.array(program(ab.leaves, p))
            self.settle()
            return J

    def host_rows(self, x, p, f0, scheme: str) -> np.ndarray:
        """Transposed Jacobian (n, m) on the host by finite differences."""
        return differences.jacobian(
            lambda q: _flat(self.evaluate(x, q)), p, f0, scheme, self.rel_step, *self.bounds
        )

    def twin(self) -> Model:
        """A model of the same function on the same road, which may then take another."""
        other = object.__new__(Model)
        other.__dict__.update(self.__dict__)
        return other

    def __reduce__(self):
        # A model travels as the user's function; the engine's programs do not.
        raise TypeError("a model holds compiled programs and is dropped when a result is pickled")


def _flat(value) -> np.ndarray:
    return model_value(value).ravel()


def parameter_names(f: Callable, n: int | None) -> tuple[str, ...]:
    """Names of the fit parameters from the signature; p0, p1, … where it has no names.

    Raises
    ------
    ValueError
        If `n` is None and the signature does not tell the number of parameters.
    TypeError
        If the model does not take `n` parameters.
    """
    positional, required, open_ended = _signature(f)
    if n is None:
        if len(positional) < 2:
            raise ValueError(
                "Unable to determine number of fit parameters. The model must be f(x, a, b, ...) "
                "with named parameters, or p0 must be given."
            )
        n = len(positional) - 1
    known = bool(positional) or open_ended
    if (
        n == 0
        or (known and not required <= n + 1)
        or (known and not open_ended and n + 1 > len(positional))
    ):
        takes = ", ".join(positional[1:]) or "none"
        raise TypeError(f"`p0` has {n} values, but the model takes {len(positional) - 1}: {takes}.")
    names = positional[1 : n + 1]
    return tuple(names) if len(names) == n else tuple(f"p{i}" for i in range(n))


def _signature(f: Callable) -> tuple[list[str], int, bool]:
    """(positional names, how many of them have no default, whether *args follow)."""
    if type(f) is types.FunctionType and not hasattr(f, "__wrapped__"):
        code = f.__code__
        names = list(code.co_varnames[: code.co_argcount])
        return names, len(names) - len(f.__defaults__ or ()), bool(code.co_flags & 0x04)
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return [], 0, True
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = sum(p.default is p.empty for p in named)
    return [p.name for p in named], required, any(p.kind is p.VAR_POSITIONAL for p in parameters)


# ---------------------------------------------------------------------------------------- roads


def _find_road(user, x: Abscissae, m: int, p0) -> Resolution:
    if x.leaves is None:
        reasons = [f"xdata of type {type(x.given).__name__} is not made of numeric arrays"]
        return _host(reasons)
    reasons: list[str] = []
    functions = {"jax": lambda: user.traced, "numpy": user.carried}
    with double_precision():
        for fixed in (False, True):
            attempt = _traced_with_data if fixed else _traced
            for road, function in functions.items():
                call = _with_data(function(), x.given) if fixed else function()
                call = _sized(call, x.value_shape)
                found = attempt(road, call, x, m, p0, reasons)
                if found is None:
                    continue
                believed = road == "jax" and not may_catch_errors(user.f)
                if believed or _reproduces(call, found, user.host, x, m, p0, reasons):
                    return found
    return _host(reasons)


def _host(reasons) -> Resolution:
    reason = "; ".join(dict.fromkeys(reasons))
    return Resolution(ModelInfo("host", reason, "finite differences", False))


def _with_data(function, xdata) -> Callable:
    return lambda _, params: function(xdata, params)


def _frozen(call) -> Callable:
    """`call` traced once for each form of its arguments.

    When JAX traces a program again (another setting, a cleared cache) the user's object may have
    changed, and the program's key is that of the object as it was.
    """
    import jax

    from nlsq.core import trigonometry

    traces: dict = {}

    def again(x, params, points):
        leaves, treedef = jax.tree.flatten((x, params))
        key = (treedef, points, *(jax.typeof(leaf) for leaf in leaves))
        if key not in traces:

            def flat(*leaves):
                return call(*jax.tree.unflatten(treedef, leaves), points)

            traces[key] = jax.make_jaxpr(flat)(*leaves)
        return trigonometry.evaluate(traces[key], *leaves)[0]

    return again


def _sized(function, shape: tuple | None = None) -> Callable:
    """call(x, params, points): model value as a float or complex vector of `points` elements.

    shape: `Abscissae.value_shape`.
    """
    import jax.numpy as jnp

    def call(x, params, points):
        value = function(x, params)
        refuse_value(value)
        value = jnp.asarray(value)
        if points is not None and not fits(value.shape, points, shape):
            raise wrong_value(value.shape, points, shape)
        value = jnp.ravel(value)
        if not jnp.issubdtype(value.dtype, jnp.inexact) or value.dtype in (
            jnp.float32, jnp.float16, jnp.bfloat16,
        ):  # fmt: skip
            value = value.astype(float)
        if points is not None and value.shape[0] != points:
            value = jnp.broadcast_to(value, (points,))
        return value

    return call


def _traced(road, call, x: Abscissae, m, p0, reasons) -> Resolution | None:
    """The road with data as arguments; pointwise where the jaxpr shows it."""
    import jax

    n = len(p0)
    coupling = "no axis of xdata has the length of ydata"
    if any(axis is not None for axis in x.axes):
        try:
            jaxpr, coupling = _pointwise_trace(call, x, n)
        except TRACE_ERRORS as error:
            coupling = f"it needs all points at once ({_first_line(error)})"
        if coupling is None:
            return Resolution(_info(road, reasons, ""), False, _complex(jaxpr), jaxpr)
    shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in x.leaves]
    try:
        jaxpr = _trace(call, x, shapes, n, m)
    except TRACE_ERRORS as error:
        reasons.append(f"{_ROAD_WORDS[road]}: {_first_line(error)}")
        return None
    return Resolution(_info(road, reasons, coupling), False, _complex(jaxpr))


def _pointwise_trace(call, x: Abscissae, n: int):
    """(jaxpr, what couples the points or None) of the model at lengths it cannot guess."""
    from nlsq.core.pointwise import couples_points, length_matters

    first, second = TRACE_BLOCKS
    jaxpr = _trace_at(call, x, n, first)
    coupling = couples_points(jaxpr, [*x.axes, *([None] * n)], first)
    if coupling is None and length_matters(jaxpr, _trace_at(call, x, n, second), TRACE_BLOCKS):
        coupling = COUNT
    return jaxpr, coupling


def _trace_at(call, x: Abscissae, n: int, length: int):
    """Closed jaxpr of the model with data of this length."""
    import jax

    shapes = [
        jax.ShapeDtypeStruct(_resized(a.shape, axis, length), a.dtype)
        for a, axis in zip(x.leaves, x.axes, strict=True)
    ]
    return _trace(call, x, shapes, n, length)


def _same_program(user, found: Resolution, x: Abscissae, n: int, length: int) -> bool:
    """Whether the model with data of this length is the program that was found."""
    from nlsq.core.pointwise import length_matters

    call = user.traced if found.info.road == "jax" else user.carried()
    call = _sized(call, x.value_shape)
    try:
        with double_precision():
            other = _trace_at(call, x, n, length)
    except TRACE_ERRORS:
        return False
    return not length_matters(found.trace, other, (TRACE_BLOCKS[0], length))


@functools.lru_cache
def unusual_length(m: int) -> int:
    """The smallest prime that is at least `m` and 31: a length that no constant of a model has.

    Examples
    --------
    >>> unusual_length(100), unusual_length(3)
    (101, 31)
    """
    m = max(m, 31)
    while any(m % k == 0 for k in range(2, math.isqrt(m) + 1)):
        m += 1
    return m


def _traced_with_data(road, call, x: Abscissae, m, p0, reasons) -> Resolution | None:
    """The road with the data fixed into the program, for models that branch on them."""
    try:
        jaxpr = _trace(call, None, [], len(p0), m)
    except TRACE_ERRORS as error:
        reasons.append(f"{_ROAD_WORDS[road]} with fixed data: {_first_line(error)}")
        return None
    coupling = "it needs the values of the data while it is traced"
    return Resolution(_info(road, reasons, coupling), True, _complex(jaxpr))


COUNT = "it depends on the number of points (len)"
_ROAD_WORDS = {"jax": "not traceable by JAX as it is", "numpy": "not carried from NumPy"}


def _trace(call, x: Abscissae | None, shapes, n, points):
    """Closed jaxpr of call(leaves..., p_1, ..., p_n); checks the number of values."""
    import jax

    def flat(*args):
        leaves, params = args[: len(shapes)], args[len(shapes) :]
        tree = None if x is None else jax.tree.unflatten(x.treedef, leaves)
        return call(tree, list(params), points)

    scalar = jax.ShapeDtypeStruct((), np.dtype(float))
    return jax.make_jaxpr(flat)(*shapes, *([scalar] * n))


def _complex(jaxpr) -> bool:
    return jaxpr.out_avals[0].dtype.kind == "c"


def _resized(shape, axis, length):
    return shape if axis is None else (*shape[:axis], length, *shape[axis + 1 :])


def _info(road, reasons, coupling) -> ModelInfo:
    reason = "; ".join(dict.fromkeys(reasons)) or "it traces as written"
    return ModelInfo(road, reason, "exact, by forward differentiation", not coupling, coupling)


def _coupled(info: ModelInfo, coupling: str) -> ModelInfo:
    return dataclasses.replace(info, pointwise=False, coupling=coupling)


def _first_line(error: BaseException) -> str:
    import jax

    if isinstance(error, jax.errors.TracerArrayConversionError):
        return "it passes its arguments to NumPy or another library that wants plain arrays"
    if isinstance(error, jax.errors.ConcretizationTypeError):
        return "it needs the plain value of an argument (`if`, `float()`, `int()`, a loop bound)"
    text = str(error).strip()
    line = text.splitlines()[0] if text else type(error).__name__
    return line if len(line) <= 160 else line[:157] + "..."


def _reproduces(call, found: Resolution, evaluate, x: Abscissae, m, p0, reasons) -> bool:
    """Compare a carried model with the original at p0 and two points nearby."""
    import jax

    leaves, part, points = x.leaves, None, m
    if found.info.pointwise:  # always the same number, so that one program serves every length
        part, points = np.linspace(0, m - 1, _CHECK_POINTS).astype(int), _CHECK_POINTS
        leaves = x.take(part).leaves
    n = len(p0)

    def value(leaves, p):
        tree = jax.tree.unflatten(x.treedef, leaves)
        return call(tree, [p[i] for i in range(n)], points)

    program = programs.compiled(value)
    rng = np.random.default_rng(0)
    for spread in (0.0, 1e-3, 1e-2):
        p = p0 * (1 + spread * rng.uniform(-1, 1, n))
        with np.errstate(all="ignore"):
            original = _flat(evaluate(x.given, p))
        if original.size == m and part is not None:
            original = original[part]
        difference = _difference(np.asarray(program(leaves, p)), original)
        if difference > _CHECK_RTOL:
            reasons.append(
                f"{_ROAD_WORDS[found.info.road]}: its values in JAX differ from those in NumPy by "
                f"{difference:.1e} of their range"
            )
            return False
    return True


def _difference(a, b) -> float:
    """Largest |a - b| relative to the range of b; inf when they are not finite alike."""
    b = np.broadcast_to(b, a.shape) if b.size == 1 else b
    if a.shape != b.shape:
        return np.inf
    finite = np.isfinite(b)
    if not np.array_equal(np.isfinite(a), finite):
        return np.inf
    if not finite.any():
        return 0.0
    scale = np.abs(b[finite]).max()
    return float(np.abs(a - b)[finite].max() / (scale if scale > 0 else 1.0))
