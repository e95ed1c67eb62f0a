"""The fit by itself: by the engine or by the reference, as its configuration says."""

from __future__ import annotations

from nlsq.core.drive.roads import choose_road
from nlsq.core.drive.solve import solve
from nlsq.core.loop.outcome import Outcome
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
    with interruption.deferred():
        given = on_its_road(model, data, config)
        return concluded(given, solve(*given))


def on_its_road(model: Model, data: Observations, config: OptimizationConfig) -> tuple:
    """What `solve` takes, once the road of the model is chosen."""
    given = model, data, config.parameters, config.settings
    choose_road(*given, at_once=True)
    return given


def concluded(given: tuple, outcome: Outcome) -> Finished:
    """The solved fit, which keeps its data."""
    model, data, *_ = given
    data.x.keep_copy()
    model.memo.x = data.x.given
    return Finished(*given, outcome)
