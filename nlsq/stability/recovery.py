"""A failed optimisation is begun again by remedies in turn, and a record tells what each gave."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nlsq.stability.failure import KINDS, End, State
from nlsq.stability.remedies import STRATEGIES, Call, FallbackStrategy
from nlsq.utils.input_error import did_you_mean

_SAME = 1e-9  # relative difference of two costs that is none


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A remedy that was tried, what it changed, and what came of it: of the `kept` is the answer.

    The cost is that of the caller's own problem, inf where no end was reached; the evaluations are
    of all its fits, the status is of the last.
    """

    strategy: str
    changed: str
    gave: str
    cost: float
    status: int
    nfev: int
    kept: bool = False


@dataclasses.dataclass(frozen=True)
class FallbackRecord:
    """What was done about a fit that failed; ``result.fallback``.

    It says `why` the call as it was given failed, "" where it did not; the remedies that were
    `tried`, in their order; which of them gave the answer, None where that is the end of the call
    as it was given; how many `attempts` there were, that call among them; and whether a remedy
    mended the failure.

    Examples
    --------
    >>> FallbackRecord().describe()
    'no fallback was needed'
    """

    why: str = ""
    tried: tuple[Attempt, ...] = ()
    strategy_used: str | None = None
    attempts: int = 1
    recovered: bool = False

    def describe(self) -> str:
        """All of it in one sentence."""
        if not self.why:
            return "no fallback was needed"
        ends = itertools.groupby(self.tried, lambda one: one.gave + ", kept" * one.kept)
        told = "; ".join(f"{', '.join(one.changed for one in all_)}: {gave}" for gave, all_ in ends)
        end = "" if self.strategy_used else "; none gave a better end"
        return f"{self.why.rstrip('.')}. Tried {told or 'nothing'}{end}"

    __str__ = describe


class OptimizationRecovery:
    """Remedies in turn, up to `max_retries`, for an optimisation that failed, until one helps.

    The `strategies`, by default those of `remedies.STRATEGIES`, are sorted by their priority;
    `verbose` prints a line for each.

    Examples
    --------
    >>> from scipy.optimize import least_squares, rosen  # of which any will do
    >>> valley = lambda p: [10 * (p[1] - p[0] ** 2), 1 - p[0]]
    >>> failed = least_squares(valley, [-1.2, 1], max_nfev=8)
    >>> call = lambda p0, **how: least_squares(valley, p0, max_nfev=8, **how)
    >>> helped, result = OptimizationRecovery().recover_from_failure("max_nfev", failed, call)
    >>> helped, result.x.round(6).tolist(), result["fallback"].strategy_used
    (True, [1.0, 1.0], 'tolerances')
    """

    def __init__(
        self,
        max_retries: int = 3,
        strategies: Sequence[FallbackStrategy] | None = None,
        verbose: bool = False,
    ):
        if not max_retries >= 0:
            raise ValueError(f"max_retries counts remedies, got {max_retries!r}.")
        made = [make() for make in STRATEGIES] if strategies is None else strategies
        self.strategies = sorted(made, key=lambda strategy: -strategy.priority)
        self.max_retries, self.verbose = max_retries, verbose

    def recover_from_failure(
        self,
        failure_type: str,
        optimization_state: Any,
        optimization_func: Callable[..., Any],
        **kwargs: Any,
    ) -> tuple[bool, Any]:
        """(whether a remedy succeeded, its result or else the state): begin again until one does.

        In both ``["fallback"]`` is the record. `failure_type` is one of `failure.KINDS`; the state,
        a mapping, says where it stopped, ``x``, and where it began, ``p0``, if that is known.
        ``optimization_func(p0, **kwargs)`` returns a result as `scipy.optimize` does; remedies
        change its options.
        """
        if failure_type not in KINDS:
            near = did_you_mean(failure_type, KINDS, f"; known are {', '.join(KINDS)}.")
            raise ValueError(f"failure_type {failure_type!r} is no failure{near}")
        state = State({"success": False, "cost": np.nan} | dict(optimization_state))
        state["success"] = bool(state.success and failure_type == "unexplained")
        call = {"p0": np.asarray(state.get("p0", state.x), float), **kwargs}
        first = End(state, None, failure_type, f"{KINDS[failure_type]}.")
        end, record = self.mend(optimization_func, call, first)
        end.result["fallback"] = record
        return record.recovered, end.result

    def mend(
        self, fit: Callable, call: Call, first: End, began: float | None = None
    ) -> tuple[End, FallbackRecord]:
        """The best end of a fit that failed so at `first`, and the record of how it came about.

        ``fit(**call)`` is the caller's own problem, its ``p0`` and ``bounds`` in arrays; its
        ``time_limit`` is of everything since `began`, of `time.monotonic`, by default now.
        """
        limit, began = call.get("time_limit"), time.monotonic() if began is None else began

        def timed(**keywords: Any) -> Any:
            if limit is not None:
                left = limit - (time.monotonic() - began)
                keywords["time_limit"] = max(left, 1e-9)  # which ends it at once
            return fit(**keywords)

        ends, tried = [first], []
        ways = ((strategy, *way) for strategy in self.strategies if first.kind in strategy.against
                for way in strategy.ways(call, ends))  # fmt: skip
        for strategy, changed, keywords in itertools.islice(ways, self.max_retries):
            end, nfev = End.of(timed, keywords), 0
            if strategy.start_only:
                changed += ", as a start"
                if np.isfinite(end.result.get("x", np.nan)).all():
                    nfev = int(end.result.nfev)
                    end = End.of(timed, call | {"p0": np.asarray(end.result.x)})
            gave, result = _gave(end, first), end.result
            counts = int(result.status), nfev + int(result.nfev)
            tried.append(Attempt(strategy.name, changed, gave, end.cost, *counts))
            ends.append(end)
            if self.verbose:
                print(f"{changed}: {gave}.")
            if not end.kind:
                break
        end, used = ends[kept := _best(ends)], None
        if kept:
            tried[kept - 1] = dataclasses.replace(tried[kept - 1], kept=True)
            used = tried[kept - 1].strategy
        sound = kept > 0 and end.converged and not end.kind
        return end, FallbackRecord(first.why, tuple(tried), used, len(ends), sound)


def _gave(end: End, first: End) -> str:
    if end.converged and not end.kind:
        return f"converged (cost {end.cost:.4g})"
    if end.kind == first.kind and np.isclose(end.cost, first.cost, rtol=_SAME, atol=0):
        return "the same end"
    said = (end.why or str(end.result.message)).rstrip(".")
    return f"{said} (cost {end.cost:.4g})" if np.isfinite(end.cost) else said


def _best(ends: Sequence[End]) -> int:
    """The place of the end that answers: a sound one, else one that converged, of the least cost.

    Of equal ones it is the first, so that a failure which no remedy bettered is told as it was.
    """

    def rank(k: int) -> tuple[int, float]:
        end, margin = ends[k], 1 + _SAME * (k > 0)
        return (1 if end.kind else 0, end.cost * margin) if end.converged else (2, 0.0)

    return min(range(len(ends)), key=rank)
