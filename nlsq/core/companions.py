"""What goes with a fit when it is asked for: each makes it in its own way, and tells of it.

    one.fit(fit, model, data, config)   the `Finished`, by fit(model, data, config), often or once
    one.tell(result)                    what became of it

The first goes around the others: a record for diagnoses, bounds that are inferred, processes for a
slow model, a search for the start; and last the guard (`nlsq.core.guarding`), which may repair
sigma too. A fit by itself has none of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from nlsq.core.model.model import Model
from nlsq.core.model.sharing import shared_out
from nlsq.core.problem.keywords import BOUNDING, asks_for_search
from nlsq.core.problem.observations import Observations
from nlsq.core.verdict.finished import Finished
from nlsq.interfaces.orchestration_protocol import OptimizationConfig
from nlsq.result import CurveFitResult


def companions(
    method: Any, jac: Any, has_start: bool, options: dict, diagnoses: bool, thresholds: Any
) -> tuple[list[Any], str | None, dict]:
    """(the companions that a call of `curve_fit` asks for, method and options of the fit itself).

    A TypeError or ValueError is for wishes that are wrong, or contradict each other.
    """
    found: list[Any] = []
    if diagnoses:
        found.append(Diagnosing(thresholds))
    if not options.keys().isdisjoint(BOUNDING):
        from nlsq.core.bounding import read_auto_bounds

        inferred, options = read_auto_bounds(method, options)
        found += [inferred] if inferred else []
    if options.get("workers"):
        found.append(Crew())
    if asks_for_search(method, options):
        from nlsq.global_optimization.strategies import SearchFirst, read_strategy

        strategy, method, options = read_strategy(method, options)
        if strategy is not None:
            found.append(SearchFirst(strategy, method, jac, has_start, options))
    return found, method, options


@dataclasses.dataclass
class Diagnosing:
    """A report on the health of a fit, for which its iterations are recorded."""

    thresholds: Any
    history: list = dataclasses.field(default_factory=list)

    def fit(
        self, fit: Callable, model: Model, data: Observations, config: OptimizationConfig
    ) -> Finished:
        """The fit, which writes its history."""
        return fit(model, data, config.with_settings(history=self.history))

    def tell(self, result: CurveFitResult) -> None:
        """Let a result have the report."""
        from nlsq.result.diagnosing import diagnose

        result["diagnostics"] = diagnose(result, self.thresholds, self.history)


class Crew:
    """The processes that evaluate a slow model, the same for a search and the fits."""

    def fit(
        self, fit: Callable, model: Model, data: Observations, config: OptimizationConfig
    ) -> Finished:
        """The fit, whose model they evaluate."""
        with shared_out(config.settings.workers) as crew:
            return fit(model, data, config.with_settings(workers=crew))

    def tell(self, result: CurveFitResult) -> None:
        """Nothing: the answer is the same to the last bit."""
