"""`curve_fit` again in other ways when it fails: ``curve_fit(..., fallback=True)``.

A remedy is tried only after a failure (`nlsq.stability.failure`), and none hides it: the record
says what was tried, why, and what came of it. The answer is always that of the caller's own
problem; where none is found, the failure is reported as it was.
"""

from __future__ import annotations

import dataclasses
import importlib
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from nlsq.stability.failure import End
from nlsq.stability.recovery import FallbackRecord, OptimizationRecovery
from nlsq.stability.remedies import AddParameterBoundsStrategy as AddParameterBoundsStrategy
from nlsq.stability.remedies import AdjustTolerancesStrategy as AdjustTolerancesStrategy
from nlsq.stability.remedies import AlternativeMethodStrategy as AlternativeMethodStrategy
from nlsq.stability.remedies import Call, FallbackStrategy
from nlsq.stability.remedies import PerturbInitialGuessStrategy as PerturbInitialGuessStrategy
from nlsq.stability.remedies import RescaleProblemStrategy as RescaleProblemStrategy
from nlsq.stability.remedies import UseRobustLossStrategy as UseRobustLossStrategy


@dataclasses.dataclass(frozen=True)
class FallbackResult:
    """A fit and the remedy that gave it, None where none was needed; see ``result.fallback``."""

    result: Any
    strategy_used: str | None = None
    attempts: int = 1


class FallbackOrchestrator:
    """A fit that is tried again in other ways when it fails.

    Its strategies and `verbose` are those of `OptimizationRecovery`; `max_attempts` counts remedies
    and the call as it was given.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 800, 40)
    >>> y = 3 * np.exp(-t / 90)
    >>> found = FallbackOrchestrator().fit_with_fallback(lambda t, a, k: a * np.exp(k * t), t, y)
    >>> found.strategy_used, found.result.popt.round(6)
    ('start', array([ 3.      , -0.011111]))
    """

    def __init__(
        self,
        strategies: Sequence[FallbackStrategy] | None = None,
        max_attempts: int = 10,
        verbose: bool = False,
    ):
        if not max_attempts >= 1:
            raise ValueError(f"max_attempts counts the call itself, got {max_attempts!r}.")
        self.recovery = OptimizationRecovery(max_attempts - 1, strategies, verbose)
        self._told = Counter(fits=0, failed=0, recovered=0, attempts=0)
        self._used: Counter[str] = Counter()

    def fit_with_fallback(self, f: Any, xdata: Any, ydata: Any, **kwargs: Any) -> FallbackResult:
        """`nlsq.curve_fit` of the same arguments, and again in other ways when it fails.

        Where no remedy helps, the failure of the call as it was given is raised; a note says what
        was tried, which also stands in its ``result.fallback``.
        """
        # the one door upward, and lazy: whoever calls this has no fit of his own at hand
        fit = importlib.import_module("nlsq").curve_fit
        result = self.fit_by(fit, f, xdata, ydata, kwargs)
        return FallbackResult(result, result.fallback.strategy_used, result.fallback.attempts)

    def fit_by(self, fit: Callable, f: Any, xdata: Any, ydata: Any, kwargs: Call) -> Any:
        """The result of a fit called as ``fit(f, xdata, ydata, **kwargs)``, with `fallback`."""
        if kwargs.get("full_output"):
            raise ValueError("full_output=True returns a tuple, which cannot tell what was tried.")

        def called(**call: Any) -> Any:  # this line is whose warnings go to the caller's
            return fit(f, xdata, ydata, **call)

        began = time.monotonic()
        end, record = End.of(called, kwargs, first=True), FallbackRecord()
        if end.kind:
            end, record = self.recovery.mend(called, resolved(kwargs, end.result), end, began)
        failed, mended = bool(record.why), record.recovered
        self._told.update(fits=1, failed=failed, recovered=mended, attempts=record.attempts)
        self._used.update([record.strategy_used] if record.strategy_used else ())
        end.result["fallback"] = record
        if end.error is not None:
            if record.tried:
                end.error.add_note(f"fallback: {record.describe()}")
            raise end.error
        for note in end.notes:
            if note.filename == __file__:  # where the fit was called: for the caller's caller
                warnings.warn(note.message, note.category, stacklevel=3)
            else:
                warnings.warn_explicit(note.message, note.category, note.filename, note.lineno)
        return end.result

    def get_statistics(self) -> dict[str, Any]:
        """How many fits there were, how many failed and were mended, and which remedies did it."""
        return {**self._told, "by_strategy": dict(self._used)}


def chosen(fallback: Any) -> FallbackOrchestrator:
    """What the option `fallback` of `curve_fit` asks for; a TypeError for what it must not be."""
    if fallback is True:
        return FallbackOrchestrator()
    if not isinstance(fallback, FallbackOrchestrator):
        raise TypeError(f"fallback must be a bool or a FallbackOrchestrator, got {fallback!r}.")
    return fallback


def resolved(call: Mapping[str, Any], result: Any) -> Call:
    """The keywords of a call with its start, its bounds and what is fixed in numbers."""
    plain = {k: v for k, v in call.items() if k not in ("p0", "bounds", "fixed")}
    p0, held = np.asarray(result.p0, float), set(result.get("fixed") or ())
    free = np.array([name not in held for name in result.param_names])
    lb, ub = (np.asarray(side, float) for side in result.bounds)
    lb, ub = np.where(free, lb, -np.inf), np.where(free, ub, np.inf)
    if np.isfinite([lb, ub]).any():
        plain["bounds"] = lb, ub
    if held:
        values = zip(result.param_names, p0.tolist(), strict=True)
        plain["fixed"] = {name: value for name, value in values if name in held}
    return plain | {"p0": p0}
