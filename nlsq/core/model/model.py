"""The user's model, turned into something the engine can pass over data with.

How it is evaluated, its road, is found by `resolving`, once for all fits of equal models and forms
of data.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
from collections.abc import Callable, Hashable, Iterable
from typing import Any

import numpy as np

from nlsq.caching.unified_cache import UnifiedCache
from nlsq.config import double_precision, in_double
from nlsq.core.model import comparing, differences
from nlsq.core.model.abscissae import Abscissae
from nlsq.core.model.duals import Dearer, NoRule
from nlsq.core.model.facts import COUNT, ModelInfo, Resolution, TraceFailed
from nlsq.core.model.identity.keys import alike
from nlsq.core.model.identity.walk import content_key, model_key
from nlsq.core.model.jacobians import Pattern
from nlsq.core.model.reading import asks_for_identity
from nlsq.core.model.sharing import Attempt, Raised
from nlsq.core.model.unrolling import unrolled
from nlsq.core.passes.layout import LENGTHS
from nlsq.utils.given import model_value

_resolutions = UnifiedCache("models", maxsize=256)


class Memo:
    """What the user's own functions gave on the host at the last points, and how often they ran.

    Nothing is asked twice at the same point, so that `calls` is what SciPy counts as nfev. Calls
    for differences are not counted, as there.
    """

    def __init__(self, x=None):
        self.x = x  # what `values` belong to
        self.calls = 0
        self.repeats = False  # the function gave the same values again
        self.values: dict[bytes, np.ndarray] = {}
        self.rows: dict[tuple, Any] = {}  # of the last point, by it and the scheme

    def value(self, p: np.ndarray, make: Callable) -> np.ndarray:
        """make(), called once for each point."""
        key = p.tobytes()
        found = self.values.get(key)
        if found is None:
            self.calls += 1
            found = self.values[key] = make()
        return found

    def jacobian(self, p: np.ndarray, scheme: str, make: Callable) -> Any:
        """make(), called once for each point and scheme."""
        key = p.tobytes(), scheme
        found = self.rows.get(key)
        if found is None:
            found = make()
            self.rows = {key: found}
        return found

    def known(self, p: np.ndarray) -> Any:
        """A Jacobian at p, by whatever scheme; None where there is none."""
        return next((J for (key, _), J in self.rows.items() if key == p.tobytes()), None)

    def take_count(self) -> int:
        """Calls since this was last asked."""
        count, self.calls = self.calls, 0
        return count

    def forget_others(self, *points: np.ndarray) -> None:
        """Keep the values at these points only."""
        kept = {np.asarray(p).tobytes() for p in points}
        self.values = {key: f for key, f in self.values.items() if key in kept}


BY_DUALS = "exact, by dual numbers"
OTHER_VALUES = "its values for dual numbers are others"


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
        self.attempt = Attempt(call)  # evaluates it anywhere
        self.refused = False  # whether a function of the user's raised when it was last called
        self.n = n
        self.name = name
        self.key = self._settled = self._content()
        self._trusted = False  # whether the derivatives by dual numbers were compared
        self.by_duals = False  # whether its derivatives on the host are exact
        self.interpreted = False  # a program could evaluate it too
        self._final = True  # whether it stays so without exact derivatives
        self.called = False  # since then, so that it may have changed itself
        self.resolution: Resolution | None = None
        self.program_key: Hashable = None
        self.jac: Callable | None = None
        self.memo = Memo()
        self.account: Any = None  # of what its fits have cost, see `drive.buying`
        self.pattern: Pattern | None = None  # of a sparse Jacobian, for differences
        self.mapped: Callable = map  # evaluates what differences need
        self.rel_step = None
        self.precision = differences.EPS  # of values on the host
        self.bounds = (-np.inf, np.inf)

    @property
    def info(self) -> ModelInfo:
        """The road taken."""
        return self.resolution.info

    @property
    def on_host(self) -> bool:
        """True when the model cannot be traced."""
        return self.info.road == "host"

    @property
    def differs(self) -> bool:
        """Whether its derivatives are differences on the host."""
        return self.on_host and self.jac is None

    def evaluate(self, x, p):
        """What the user's function gives."""
        self.refused = True
        value = in_double(self.call.host, x, p)
        self.refused = False
        return value

    def derivative(self, x, p):
        """What the user's `jac` gives."""
        self.refused = True
        J = in_double(self.jac, x, p)
        self.refused = False
        return J

    def take_refusal(self) -> bool:
        """Whether the user's function raised what was caught; the next error is another."""
        refused, self.refused = self.refused, False
        return refused

    def traceable(self, x: Abscissae | None = None) -> Callable:
        """call(x, params, points) for a program, made from this model's own function.

        x: the data, needed when they are fixed into the program.
        """
        from nlsq.core.model.resolving import called  # here and below: it loads JAX
        from nlsq.core.model.tracing import frozen

        self.called = True
        fixed = self.resolution.data_fixed
        given, shape = (None, None) if x is None else (x.given, x.value_shape)
        return frozen(called(self.call, self.info.road, fixed, given if fixed else None, shape))

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
        self,
        x: Abscissae,
        m: int,
        p0,
        complex_data: bool,
        n_points: int | None = None,
        lengths: Iterable[int] = LENGTHS,
    ) -> None:
        """Find the road for data of this form; p0 and nearby points test a translation.

        n_points: of all data, where x, of m points, is a sample of them.
        lengths: numbers of points that a program for a pointwise model shows it at once.
        """
        made: list[Resolution] = []

        def find(coupling="") -> Resolution:
            from nlsq.core.model.resolving import find_road

            self.called = True
            made.append(find_road(self.call, x, m, p0, coupling))
            return made[-1]

        key = (self.key, self.n, x.signature, complex_data)
        found = _resolutions.get_or_make(key, find)
        look = _resolutions.get_or_make
        if found.asks_for_identity:  # it may answer otherwise for another array of this form
            self.show_own(x)
            found, look = find(), lambda _, make: make()
        if not found.info.pointwise and found.info.road != "host":  # what it was for other data
            key = (*key, x.shapes)
            if found.data_fixed:
                key = (*key, content_key(tuple(x.leaves) if x.in_full else x.given))
            found = look(key, lambda: made[-1] if made else find())
        if found.info.pointwise and found.asks_for_length:
            from nlsq.core.model.resolving import same_program

            points = {*lengths, n_points or m}
            if not same_program(self.call, found, x, m, p0, points):
                key = (*key, m, COUNT)
                found = look(key, lambda: find(COUNT))
        self.resolution, self.program_key = found, key
        x.own = None

    def show_own(self, x: Abscissae) -> None:
        """Let the model be called with the user's own array, if it may ask whether it is that."""
        if x.own is not None and asks_for_identity(self.call.f):
            x.show_own(for_good=True)
        x.own = None

    def use_host(self, reason: str, derivative: str) -> None:
        """Take the host road because the user's options ask for it."""
        info = ModelInfo("host", reason, derivative, False, "")
        self.interpreted = self.by_duals = False
        self.resolution, self.program_key = Resolution(info), None

    def interpret(self, reason: str, final: bool, pointwise: bool = False) -> None:
        """Evaluate by NumPy what a program could evaluate, perhaps.

        final: differences take over where dual numbers have no rule, instead of `NoRule`.
        """
        self.resolution = Resolution(ModelInfo("host", reason, BY_DUALS, pointwise))
        self.interpreted = self.by_duals = True
        self._final = final

    def acts_pointwise(self, x: Abscissae, p: np.ndarray) -> bool:
        """Whether values at every other point are those among all, at parameters met before."""
        values = self.memo.values.get(p.tobytes())
        if values is None or values.size < 2 or not x.axes or x.axes[0] is None:
            return False
        part = np.arange(0, values.size, 2)
        given = x.some(part)
        if given is None:
            return False
        try:
            with np.errstate(all="ignore"):
                some = _flat(self.evaluate(given, p))
        except Exception:
            if not self.take_refusal():  # the user's function, which wants all points
                raise
            return False
        among = values[part]
        return some.size == among.size and comparing.difference(some, among) <= 1e-12

    def predict(self, x, p) -> np.ndarray:
        """Model value (m,) at any x the user's function takes."""
        p = np.asarray(p, float)
        if x is self.memo.x and (known := self.memo.values.get(p.tobytes())) is not None:
            return known.copy()
        self.require_unchanged()
        with double_precision():
            if self.on_host or self.info.road == "numpy" or self.resolution.data_fixed:
                return self._value(x, p)
            ab = Abscissae(x, -1)
            if ab.leaves is None:
                return self._value(x, p)
            from nlsq.core.model.programs import value_program

            program = value_program(self.program_key, self.traceable, ab)
            try:
                value = np.array(program(ab.leaves, p))
            except TraceFailed:
                return self._value(x, p)
            self.settle()  # traced, it may have kept what it worked out
            return value

    def _value(self, x, p) -> np.ndarray:
        value = _flat(self.evaluate(x, p))
        self.settle()
        return value

    def jacobian(self, x, p) -> Any:
        """Derivatives by the parameters, (m, n), at any x the user's function takes.

        An array, but where the user's `jac` or a pattern makes it sparse or a LinearOperator.
        """
        p = np.asarray(p, float)
        if x is self.memo.x and (known := self.memo.known(p)) is not None:
            return _copy(known)
        self.require_unchanged()
        with double_precision():
            if self.jac is not None:
                J = self.derivative(x, p)
                self.settle()
                return _copy(J)
            ab = None if self.on_host else Abscissae(x, -1)
            if ab is not None and ab.leaves is not None and not self.resolution.data_fixed:
                from nlsq.core.model.programs import jacobian_program

                program = jacobian_program(self.program_key, self.traceable, ab)
                try:
                    J = np.array(program(ab.leaves, p))
                    self.settle()
                    return J
                except TraceFailed:
                    pass
            J = self.host_jacobian(x, p, self.predict(x, p), "3-point")
            self.settle()
            return J

    def host_jacobian(self, x, p, f0, scheme: str) -> Any:
        """Jacobian (m, n) on the host: sparse where the pattern is known."""
        if self.by_duals and (JT := self._tangents(x, p, f0)) is not None:
            return JT.T
        if self.pattern is None:
            return self._differences(differences.jacobian, x, p, f0, scheme).T
        return self._differences(differences.sparse_jacobian, x, p, f0, scheme, self.pattern)

    def _tangents(self, x, p, f0) -> np.ndarray | None:
        """Transposed Jacobian (n, m) by dual numbers; None from the first time on that they fail.

        The value beside them must be the model's, f0.
        """
        try:
            value, JT = self.call.tangents(x, p)
        except Dearer as refusal:
            reason, self._final = str(refusal), True
        except NoRule as refusal:
            reason = str(refusal)
        except Exception as error:  # the user's function, which took plain numbers
            reason = f"with dual numbers it raises {type(error).__name__}"
        else:
            value = np.ravel(model_value(value))
            alike = value.size in (1, f0.size) and (value == f0).all()
            if alike or (value.size in (1, f0.size) and ((value == f0) | (value != value)).all()):
                JT = JT.reshape(len(JT), -1)
                if value.size != f0.size:
                    JT = np.broadcast_to(JT, (len(JT), f0.size))
                if self._trusted or self._agrees(x, p, JT, f0):
                    return JT
                reason = "those of dual numbers are others"
            else:
                reason = OTHER_VALUES
        self.refuse_duals(x, p, reason)
        return None

    def refuse_duals(self, x, p, reason: str) -> None:
        """Take differences from now on, where that is final.

        Raises
        ------
        NoRule
            A program may do better.
        """
        self.by_duals = self.interpreted = False
        if not self._final:
            package = unrolled(lambda: self.evaluate(x, p))
            if not package:
                raise NoRule(reason)
            own = (getattr(self.call.f, "__module__", None) or "").partition(".")[0]
            reason = "it has a long loop in Python"
            if package not in (own, "__main__"):
                reason = f"it takes thousands of steps in Python, most of them inside {package}"
        info = dataclasses.replace(self.info, derivative=f"finite differences: {reason}")
        self.resolution = dataclasses.replace(self.resolution, info=info)

    def with_tangents(self, x, p) -> tuple[np.ndarray, np.ndarray] | None:
        """Values and Jacobian by dual numbers that were compared before; None where they fail."""
        if not (self.by_duals and self._trusted):
            return None
        try:
            value, JT = self.call.tangents(x, p)
        except Exception:  # the caller goes on with plain numbers, and then says why
            return None
        if value.ndim != 1 or value.dtype != np.float64 or JT.shape != (len(JT), value.size):
            return None
        return value.copy(), JT.T  # it may be a buffer that is used again

    def _agrees(self, x, p, JT, f0) -> bool:
        """Whether differences along one direction are those of the tangents; asked once.

        Steps of 1e-5, or of 1e-8 where the model bends within those.
        """
        self._trusted = any(self._agrees_within(x, p, JT, f0, step) for step in (1e-5, 1e-8))
        return self._trusted

    def _agrees_within(self, x, p, JT, f0, step: float) -> bool:
        """By central differences, and to one side: at 0 |a| has the former and no derivative."""
        h = step * np.where(p == 0, 1.0, np.abs(p)) * np.cos(np.arange(p.size) + 1.0)
        h = np.where(np.less(*self.bounds), h, 0.0)
        inside = [np.clip(q, *self.bounds) for q in (p + h, p - h)]
        with np.errstate(all="ignore"):
            high, low = (_flat(self.evaluate(x, q)) for q in inside)
            size = np.abs(h) @ np.abs(JT) + 1e-8 * (np.abs(high) + np.abs(low))
            gaps = [
                (high - low) - (inside[0] - inside[1]) @ JT,
                (high - f0) - (inside[0] - p) @ JT,
            ]
            most = 0.01 * size.max(initial=0)
            return not any((np.abs(gap) > most)[np.isfinite(gap)].any() for gap in gaps)

    def _differences(self, jacobian: Callable, x, p, f0, scheme: str, *pattern) -> Any:
        given = p, f0, scheme, self.rel_step, *self.bounds, *pattern
        if self.mapped is not map:
            return jacobian(functools.partial(self.attempt, x, None), *given, self._shared_out)
        self.refused = True
        J = jacobian(lambda q: _flat(self.call.host(x, q)), *given)
        self.refused = False
        return J

    def _shared_out(self, f: Callable, points: Iterable) -> list[np.ndarray]:
        """The values at these points, which others evaluate."""
        values = []
        for value in self.mapped(f, points):
            if isinstance(value, Raised):
                self.refused = value.refused
                raise value.error
            values.append(_flat(value))
        return values

    def twin(self) -> Model:
        """A model of the same function on the same road, which may then take another."""
        other = object.__new__(Model)
        other.__dict__.update(self.__dict__)
        other.memo = Memo()
        return other

    @property
    def function(self) -> Callable:
        """The user's own."""
        return self.call.f

    def __reduce__(self):
        # A model travels as the user's function, where that is one by its name; the engine's
        # programs do not, nor an object that may hold whatever the user has.
        f = self.call.f
        named = (types.FunctionType, types.BuiltinFunctionType, np.ufunc)
        if not isinstance(f, named) and not isinstance(getattr(f, "__wrapped__", None), named):
            raise TypeError(f"a {type(f).__name__} stays behind, a function travels")
        return _travelled, (type(self.call), f, self.n, self.name)


def _travelled(call: type, f: Callable, n: int, name: str) -> Model:
    """A model that came with a pickled result: evaluated by NumPy."""
    model = Model(call(f), n, name)
    model.interpret("it came with its result", final=True)
    return model


def _copy(J) -> Any:
    if not hasattr(J, "astype"):  # a LinearOperator, or a list
        return J if hasattr(J, "matvec") else np.array(J, float)
    return J.astype(complex if J.dtype.kind == "c" else float)


def _flat(value) -> np.ndarray:
    return np.array(model_value(value)).ravel()  # a copy: it may be a buffer that is used again


def parameter_names(f: Callable, n: int | None) -> tuple[str, ...]:
    """Names of the fit parameters from the signature; p0, p1, … where it has no names.

    Raises
    ------
    ValueError
        If `n` is None and the signature does not tell the number of parameters.
    TypeError
        If the model does not take `n` parameters, or some of them by keyword only.
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
        packed = len(positional) < 3 and n > 1
        hint = " Each is an argument of its own, f(x, a, b, ...)." * packed
        raise TypeError(
            f"`p0` has {n} values, but the model takes {len(positional) - 1}: {takes}.{hint}"
        )
    names = positional[1 : n + 1]
    return tuple(names) if len(names) == n else tuple(f"p{i}" for i in range(n))


def _signature(f: Callable) -> tuple[list[str], int, bool]:
    """(positional names, how many of them have no default, whether *args follow)."""
    if type(f) is types.FunctionType and not hasattr(f, "__wrapped__"):
        code = f.__code__
        if not code.co_kwonlyargcount:
            names = list(code.co_varnames[: code.co_argcount])
            return names, len(names) - len(f.__defaults__ or ()), bool(code.co_flags & 0x04)
    try:
        parameters = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return [], 0, True
    keyed = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.default is p.empty]
    if keyed and not hasattr(f, "__wrapped__"):  # whose wrapper may give them
        raise TypeError(_by_keyword(f, keyed))
    named = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = sum(p.default is p.empty for p in named)
    return [p.name for p in named], required, any(p.kind is p.VAR_POSITIONAL for p in parameters)


def _by_keyword(f: Callable, keyed: list[str]) -> str:
    """What to say of a model whose arguments `keyed` cannot be given by place."""
    what = f"The model takes {', '.join(keyed)} by keyword only"
    if not isinstance(f, functools.partial):
        return f"{what}. Name them before the *: f(x, a, b, ...)."
    held, name = f.keywords, getattr(f.func, "__name__", "f")
    every = list(inspect.signature(f.func).parameters.values())[len(f.args) :]
    free = ", ".join(p.name for p in every if p.name not in held)
    call = [f"{a!r:.20}" for a in f.args]
    for p in every:
        value = f"{held[p.name]!r:.20}" if p.name in held else p.name
        call.append(f"{p.name}={value}" if p.kind is p.KEYWORD_ONLY else value)
    return (
        f"{what}: functools.partial holds {', '.join(map(repr, held))} before them. Write lambda "
        f"{free}: {name}({', '.join(call)})."
    )
