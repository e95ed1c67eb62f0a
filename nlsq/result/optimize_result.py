"""Result containers without statistics: a dictionary with attributes, and a frozen record."""

from __future__ import annotations

import copy
import dataclasses
import os
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from nlsq.interfaces import LeastSquaresResultProtocol, ResultProtocol

if TYPE_CHECKING:
    from nlsq.diagnostics import DiagnosticsConfig
    from nlsq.diagnostics.health_report import HealthReport

_FIRST_IN_REPR = ("message", "success", "status", "cost", "fun", "x", "pcov", "nit", "nfev", "njev")


class _Lazy:
    """A field whose value is computed once, on first access."""

    __slots__ = ("_done", "_make", "_value")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make: Callable[[], Any] | None = make
        self._value: Any = None
        self._done = False

    def value(self) -> Any:
        if not self._done:
            assert self._make is not None
            self._value, self._done, self._make = self._make(), True, None
        return self._value


class OptimizeResult(dict):
    """Outcome of an optimisation: a dictionary whose keys are also attributes.

    Parameters
    ----------
    mapping : mapping or iterable of pairs, optional
        The fields.
    lazy : mapping of str to callable, optional
        Fields computed without arguments on first access, then kept. They count as present
        (``in``, ``len``, ``keys``) from the start and are computed when values are listed, copied
        to a plain ``dict``, pickled or serialised.
    **fields
        Further fields, as with ``dict``.

    Raises
    ------
    AttributeError
        On reading an attribute that is neither a method nor a field.

    Examples
    --------
    >>> from nlsq.result import OptimizeResult
    >>> result = OptimizeResult({"cost": 0.5}, lazy={"fun": lambda: [1.0]})
    >>> result.cost, result["fun"], "fun" in result
    (0.5, [1.0], True)
    """

    if TYPE_CHECKING:  # the fields that every solver sets; they are keys, not attributes
        x: np.ndarray
        cost: float
        fun: np.ndarray
        jac: Any
        grad: np.ndarray
        optimality: float
        active_mask: np.ndarray
        nfev: int
        njev: int
        nit: int
        status: int
        message: str
        success: bool

    def __init__(
        self,
        mapping: Any = (),
        /,
        *,
        lazy: Mapping[str, Callable[[], Any]] | None = None,
        **fields: Any,
    ) -> None:
        super().__init__()
        self.update(mapping, **fields)
        for name, make in (lazy or {}).items():
            super().__setitem__(name, _Lazy(make))

    # -- reading ---------------------------------------------------------------------------------

    def _field(self, key: Any) -> Any:  # also where square brackets mean something else
        value = super().__getitem__(key)
        if type(value) is _Lazy:
            value = value.value()
            super().__setitem__(key, value)
        return value

    __getitem__ = _field

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the field, or `default` when there is none."""
        try:
            return self[key]
        except KeyError:
            return default

    def __getattr__(self, name: str) -> Any:
        # Reached only when no method, property or instance variable has this name ...
        found = getattr(type(self), name, None)
        if isinstance(found, property):  # ... or when a property missed a field: let it say which
            return found.__get__(self)
        if not name.startswith("__") and dict.__contains__(self, name):
            return self._field(name)
        raise AttributeError(f"{type(self).__name__} has no field {name!r}", name=name, obj=self)

    def is_settled(self, key: Any) -> bool:
        """Whether the field is there and need not be computed any more."""
        return dict.__contains__(self, key) and type(super().__getitem__(key)) is not _Lazy

    def defer(self, key: str, make: Callable[[], Any]) -> None:
        """Let a field be ``make()``, called on first access."""
        super().__setitem__(key, _Lazy(make))

    def _settle(self) -> None:
        for key in list(dict.keys(self)):
            self._field(key)

    def keys(self) -> KeysView:  # type: ignore[override]
        """Names of the fields."""
        return super().keys()

    def values(self) -> ValuesView:  # type: ignore[override]
        """Values of the fields; computes the lazy ones."""
        self._settle()
        return super().values()

    def items(self) -> ItemsView:  # type: ignore[override]
        """Pairs (name, value); computes the lazy fields."""
        self._settle()
        return super().items()

    def __iter__(self) -> Iterator:
        # Defined here so that dict(result) and {**result} take the road through __getitem__.
        return iter(super().keys())

    def __dir__(self) -> list[str]:
        names = (key for key in list(self.keys()) if isinstance(key, str))
        return sorted({*super().__dir__(), *names})

    def __eq__(self, other: object) -> bool:
        self._settle()
        if isinstance(other, OptimizeResult):
            other._settle()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def diagnose(self, config: DiagnosticsConfig | None = None) -> HealthReport:
        """What is wrong with this fit, as far as residuals and Jacobian tell; see `CurveFitResult`.

        Examples
        --------
        >>> from nlsq import least_squares
        >>> found = least_squares(lambda p: [p[0] * p[1] - 2, p[0] * p[1] - 3, 0.1], [1.0, 2.0])
        >>> found.diagnose().findings[0].fact
        'p0, p1: only p0*p1 is determined'
        """
        from nlsq.result import diagnosing

        return diagnosing.diagnose_residuals(self, config)

    # -- changing --------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if hasattr(type(self), name) and name not in self:  # a property or method stays visible
            raise AttributeError(f"{name!r} of {type(self).__name__} cannot be set")
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no field {name!r}") from None

    def pop(self, key: Any, *default: Any) -> Any:
        """Remove a field and return its value."""
        value = super().pop(key, *default)
        return value.value() if type(value) is _Lazy else value

    def popitem(self) -> tuple[Any, Any]:
        """Remove the last field and return (name, value)."""
        key, value = super().popitem()
        return key, (value.value() if type(value) is _Lazy else value)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """Return the field, set to `default` first when there is none."""
        if not dict.__contains__(self, key):
            self[key] = default
        return self._field(key)

    def __or__(self, other: Any) -> Any:
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other: Any) -> Any:
        return {**other, **self}

    # -- copying and storing ---------------------------------------------------------------------

    def _raw_items(self) -> ItemsView:
        return super().items()

    def copy(self) -> Any:
        """Shallow copy of the same class; a lazy field stays lazy and is computed once for both."""
        twin = type(self)()
        for key, value in self._raw_items():
            dict.__setitem__(twin, key, value)
        twin.__dict__.update(self.__dict__)
        return twin

    __copy__ = copy

    def __deepcopy__(self, memo: dict) -> Any:
        twin = type(self)()
        memo[id(self)] = twin
        for key, value in self.items():
            # A model holds compiled functions and is never modified: shared, not copied.
            dict.__setitem__(twin, key, value if key == "model" else copy.deepcopy(value, memo))
        twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return twin

    def __reduce_ex__(self, protocol: Any) -> tuple:
        fields, extra = _serialization().pack(dict(self.items()), self.__dict__)
        return _rebuild, (type(self), fields, extra)

    def to_dict(self) -> dict[str, Any]:
        """Fields as plain JSON-safe objects; `from_dict` restores them bit by bit.

        Returns
        -------
        dict
            float64 arrays become nested lists with "nan", "inf", "-inf" as strings; other types
            carry a small tag. Functions cannot travel and are left out.
        """
        fields = dict(self.items())
        return _serialization().encode_result(type(self).__name__, fields, self.__dict__)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Any:
        """Rebuild a result from `to_dict`.

        Raises
        ------
        ValueError
            When `data` was not written by `to_dict` of this class.
        """
        fields, extra = _serialization().decode_result(cls.__name__, data)
        return _rebuild(cls, fields, extra)

    @overload
    def to_json(self, path: None = None, *, indent: int | None = None) -> str: ...
    @overload
    def to_json(self, path: str | os.PathLike, *, indent: int | None = None) -> None: ...
    def to_json(
        self, path: str | os.PathLike | None = None, *, indent: int | None = None
    ) -> str | None:
        """The result as strict JSON: text, or, with `path`, nothing but that file (UTF-8)."""
        text = _serialization().dump(self.to_dict(), path, indent)
        return text if path is None else None

    @classmethod
    def from_json(cls, source: str | os.PathLike) -> Any:
        """Rebuild a result from the text of `to_json`, or from the path of a file that holds it."""
        return cls.from_dict(_serialization().load(source))

    def __repr__(self) -> str:
        names = [str(key) for key in self.keys()]
        if not names:
            return f"{type(self).__name__}()"
        width = max(map(len, names)) + 1
        first = [n for n in _FIRST_IN_REPR if n in names]
        shown = dict(zip(names, super().values(), strict=True))
        lines = []
        with np.printoptions(linewidth=max(40, 76 - width), threshold=20, edgeitems=3, precision=4):
            for name in first + [n for n in names if n not in first]:
                value = shown[name]
                text = "<computed on first access>" if type(value) is _Lazy else repr(value)
                body = text.replace("\n", "\n" + " " * (width + 2))
                lines.append(f"{name:>{width}}: {body}")
        return "\n".join(lines)


def _serialization():
    from nlsq.result import serialization  # loads json, which few results need

    return serialization


def _rebuild(cls: type[OptimizeResult], fields: dict, extra: dict) -> OptimizeResult:
    fields, extra = _serialization().unpack(fields, extra)
    result = cls(fields)
    result.__dict__.update(extra)
    return result


# whose fields are keys: `isinstance` would look for attributes, and compute what is lazy
ResultProtocol.register(OptimizeResult)
LeastSquaresResultProtocol.register(OptimizeResult)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class OptimizeResultV2:
    """Frozen, slotted record of an optimisation, with reading access like a dictionary.

    Parameters
    ----------
    x : ndarray, shape (n,)
        Solution, in the units of the parameters.
    success : bool
        Whether a convergence test was met.
    cost : float
        Half the sum of squares (after the loss) at `x`.
    fun : ndarray, shape (m,)
        Residuals at `x`.
    jac : ndarray, shape (m, n), optional
        Jacobian of `fun` at `x`.
    grad : ndarray, shape (n,), optional
        Gradient of the cost at `x`.
    optimality : float, default 0.0
        Infinity norm of the (scaled) gradient.
    active_mask : ndarray of int, shape (n,), optional
        -1 at the lower bound, 1 at the upper bound, 0 inside.
    nfev, njev, nit : int, default 0
        Evaluations of the residuals, of the Jacobian, and iterations.
    status : int, default 0
        SciPy's code of the test that stopped the fit.
    message : str, default ""
        The same in words.
    pcov : ndarray, shape (n, n), optional
        Covariance of `x`.
    all_times : dict, optional
        Wall times in seconds by phase.

    Raises
    ------
    dataclasses.FrozenInstanceError
        On assignment.

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq.result import OptimizeResultV2
    >>> r = OptimizeResultV2(x=np.ones(1), success=True, cost=0.0, fun=np.zeros(3))
    >>> r["success"], r.get("missing", 0)
    (True, 0)
    """

    x: np.ndarray
    success: bool
    cost: float
    fun: np.ndarray
    jac: np.ndarray | None = None
    grad: np.ndarray | None = None
    optimality: float = 0.0
    active_mask: np.ndarray | None = None
    nfev: int = 0
    njev: int = 0
    nit: int = 0
    status: int = 0
    message: str = ""
    pcov: np.ndarray | None = None
    all_times: dict[str, float] | None = None

    def __getitem__(self, key: str) -> Any:
        if key in self.__dataclass_fields__:
            return getattr(self, key)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        return key in self.__dataclass_fields__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        return len(self.__dataclass_fields__)

    def get(self, key: str, default: Any = None) -> Any:
        """Return the field, or `default` when there is none."""
        return getattr(self, key) if key in self.__dataclass_fields__ else default

    def keys(self) -> KeysView[str]:
        """Names of the fields."""
        return self.to_dict().keys()

    def values(self) -> ValuesView[Any]:
        """Values of the fields."""
        return self.to_dict().values()

    def items(self) -> ItemsView[str, Any]:
        """Pairs (name, value)."""
        return self.to_dict().items()

    def to_dict(self) -> dict[str, Any]:
        """Fields as a new dictionary; the arrays are the same objects."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_result(cls, result: Mapping[str, Any]) -> OptimizeResultV2:
        """Take over the fields it knows from an `OptimizeResult` (computes the lazy ones).

        Raises
        ------
        ValueError
            When `x`, `success`, `cost` or `fun` is missing.
        """
        missing = [k for k in ("x", "success", "cost", "fun") if k not in result]
        if missing:
            raise ValueError(f"the result has no field {', '.join(missing)}")
        known: dict[str, Any] = {k: result.get(k) for k in cls.__dataclass_fields__ if k in result}
        return cls(**known)
