"""The fit by itself: by the engine or by the reference, as its configuration says."""

from __future__ import annotations

from nlsq.core.drive.roads import choose_road
from nlsq.core.drive.solve import solve
from nlsq.core.model.model import Model
from nlsq.core.orchestration.reference import solve_by_reference
from nlsq.core.problem.observations import Observations
from nlsq.core.verdict.finished import Finished
from nlsq.interfaces.orchestration_protocol import OptimizationConfig
from nlsq.utils import interruption


def fit_alone(model: Model, data: Observations, config: OptimizationConfig) -> Finished:
    """The fit without companions."""
    if config.solver == "reference":
        return solve_by_reference(model, data, config)
    given = config.parameters, config.settings
    with interruption.deferred():
        choose_road(model, data, *given, at_once=True)
        outcome = solve(model, data, *given)
        data.x.keep_copy()
        model.memo.x = data.x.given
    return Finished(model, data, *given, outcome)
