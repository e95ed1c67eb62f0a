"""What one call of a carried model remembers: refusals, the operation count, shared results."""

from __future__ import annotations

import contextvars
import linecache
import sys
from collections.abc import Hashable
from typing import Any, NoReturn

MAX_OPERATIONS = 1000
MAX_CHAIN = 2000
_PACKAGE = __name__.rpartition(".")[0]
_LIBRARIES = {"numpy", "scipy", "pandas", "numba", "statistics", "fractions", "decimal", "random"}


class NotCarried(TypeError):
    """The NumPy model cannot be carried to JAX; `reason` says why in one line."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class State:
    """Bookkeeping of one call: `failure` outlives a `try/except` in the model."""

    def __init__(self) -> None:
        self.failure: NotCarried | None = None
        self.operations = 0
        self.shared: dict[Hashable, tuple[Any, Any]] = {}
        self._depth: dict[int, int] = {}  # ids stay valid: `shared` keeps the values

    def depth(self, value: Any) -> int:
        """How many operations in a row lead to a value."""
        return self._depth.get(id(value), 0)

    def follow(self, values: tuple, result: Any) -> None:
        deepest = 1 + max(map(self.depth, values))
        for item in result if isinstance(result, tuple) else (result,):
            self._depth[id(item)] = deepest

    def count(self) -> None:
        self.operations += 1
        if self.operations > MAX_OPERATIONS:
            refuse(
                f"the model makes more than {MAX_OPERATIONS} array operations in one call "
                "(a Python loop over the points?), too many to compile"
            )


_CURRENT: contextvars.ContextVar[State | None] = contextvars.ContextVar("carry", default=None)


def current() -> State:
    """The state of the call in progress (a fresh one outside of any call)."""
    return _CURRENT.get() or State()


def enter() -> tuple[State, contextvars.Token]:
    state = State()
    return state, _CURRENT.set(state)


def leave(token: contextvars.Token) -> None:
    _CURRENT.reset(token)


def refuse(reason: str) -> NoReturn:
    """Raise NotCarried, and remember it in case the model catches it."""
    error = NotCarried(reason)
    state = _CURRENT.get()
    if state is not None and state.failure is None:
        state.failure = error
    raise error


def caller() -> str:
    """Who asked: the library function the model called, else the model's own source line."""
    frame = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame = frame.f_back
    if frame is None:
        return "the model"
    top = _top(frame)
    if top in _LIBRARIES:
        while frame.f_back is not None and _top(frame.f_back) == top:
            frame = frame.f_back
        return public_name(frame.f_globals["__name__"], frame.f_code.co_name.strip("_"))
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    return f"`{line}`" if line else f"{frame.f_code.co_name}()"


def public_name(module: str, name: str) -> str:
    """Where users import it from: scipy.integrate._ivp.ivp.solve_ivp is scipy.integrate's."""
    parts = [part for part in module.split(".") if not part.startswith("_")]
    for depth in range(1, len(parts) + 1):
        home = ".".join(parts[:depth])
        if hasattr(sys.modules.get(home), name):
            return f"{home}.{name}"
    return ".".join([*parts, name])


def _top(frame: Any) -> str:
    return frame.f_globals.get("__name__", "").partition(".")[0]
