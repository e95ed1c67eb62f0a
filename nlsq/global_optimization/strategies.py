"""Which search a call asks for, and how it runs before the fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from nlsq.core.drive.roads import choose_road
from nlsq.core.model.model import Model
from nlsq.core.model.sharing import OutOfTime, shared_out
from nlsq.core.problem.keywords import SEARCH, SEARCH_METHODS, is_optimizer
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.options import read_options
from nlsq.core.problem.parameters import Parameters
from nlsq.core.verdict.finished import Finished
from nlsq.global_optimization.cmaes_config import CMAES_PRESETS, CMAESConfig, read_config
from nlsq.global_optimization.config import PRESETS, GlobalOptimizationConfig
from nlsq.global_optimization.problem import Found, Problem
from nlsq.global_optimization.search import Search, nothing_found
from nlsq.interfaces.orchestration_protocol import OptimizationConfig
from nlsq.result import CurveFitResult
from nlsq.result.search_sentences import tell
from nlsq.utils import interruption
from nlsq.utils.input_error import did_you_mean
from nlsq.utils.progress import ProgressLine


class MultiStart:
    """The search from many starts.

    Parameters
    ----------
    config : GlobalOptimizationConfig
    needs_start : str
        The keyword of the call that means nothing without p0; empty where there is none.

    Examples
    --------
    >>> MultiStart(GlobalOptimizationConfig(n_starts=100)).config.n_fits
    16
    """

    def __init__(self, config: GlobalOptimizationConfig, needs_start: str = ""):
        self.config, self._needs_start = config, needs_start

    def find(self, problem: Problem, has_start: bool) -> Found:
        """The best start and the evidence; has_start: p0 was given, it is no default.

        Raises
        ------
        ValueError
            Starts around p0 were asked for, and it was not given; or the model fails at all starts.
        """
        if self._needs_start and not has_start:
            raise ValueError(
                f"{self._needs_start} is for starts around p0: give p0, or leave it out."
            )
        line = ProgressLine(None)
        with np.errstate(all="ignore"):  # far from the data much overflows
            problem.deadline = problem.options.deadline
            try:
                search = Search(problem, self.config, problem.p0[None], has_start)
                search.run(lambda: line.update(search.told, search.drawn, self.config.n_starts))
            except OutOfTime:
                return Found(problem.p0, nothing_found(problem, self.config))
            finally:
                line.close()
            return search.found()


class SearchFirst:
    """A companion of a fit (`nlsq.core.companions`): it looks for the start.

    The engine searches, also where the reference fits, for which it reads `method`, `jac` and
    `options`; has_start: p0 was given, it is no default.
    """

    def __init__(self, strategy: Any, method: str | None, jac: Any, has_start: bool, options: dict):
        self._strategy, self._has_start = strategy, has_start
        self._given = method, jac, options
        self._found: Any = None

    def fit(
        self, fit: Callable, model: Model, data: Observations, config: OptimizationConfig
    ) -> Finished:
        """The fit from the start that was found."""
        own, data.x.own = data.x.own, None
        with interruption.deferred():
            config = self._started(model, data, config)
        data.x.own = own
        return fit(model, data, config)

    def tell(self, result: CurveFitResult) -> None:
        """Let a result have the evidence."""
        tell(result, self._found.told())

    def _started(self, model: Model, data: Observations, config: OptimizationConfig):
        parameters, settings = config.parameters, config.settings
        if config.solver == "reference":
            parameters = Parameters(parameters.p0, parameters.lb, parameters.ub, parameters.names)
            method, jac, options = self._given
            settings = read_options("curve_fit", method, jac, parameters.bounded, options)
        choose_road(model, data, parameters, settings, at_once=True)
        with shared_out(settings.workers) as workers:  # one crew for all that is evaluated
            every = dataclasses.replace(settings, workers=workers)
            problem = Problem(model, data, parameters, every)
            self._found = self._strategy.find(problem, self._has_start)
        start = Parameters(self._found.p0, problem.lb, problem.ub, parameters.names)
        config = config._replace(parameters=start)
        # whose other tries are no better than what was searched
        return config.with_settings(tried_again=False) if config.solver == "engine" else config


def read_search_of_rows(
    options: dict[str, Any],
) -> tuple[GlobalOptimizationConfig | None, dict[str, Any]]:
    """(how `fit_many` searches or None, the options of its fits). Raises as `read_strategy`."""
    strategy, _, rest = read_strategy(None, options, "multistart=True")
    return (None if strategy is None else strategy.config), rest


def read_strategy(
    method: str | None,
    options: dict[str, Any],
    remedy: str = "method='global', multistart=True or method='cmaes'",
) -> tuple[Any, str | None, dict[str, Any]]:
    """(what looks for the start or None, method and options of the fit that follows).

    A strategy has ``find(problem, has_start)`` -> `Found`, and its `config`.

    Raises
    ------
    ValueError, TypeError
        Options of a search without one, or that contradict each other.
    """
    given = {k: v for k, v in options.items() if k in SEARCH}
    rest = {k: v for k, v in options.items() if k not in SEARCH}
    asked = {name: given.pop(name, False) for name in ("multistart", "global_search")}
    for name, value in asked.items():
        if not isinstance(value, bool):
            raise TypeError(f"{name} must be True or False, got {value!r}.")
    if is_optimizer(method):
        if others := [k for k in (*given, *asked) if given.get(k) is not None or asked.get(k)]:
            raise TypeError(f"{others[0]!r} is for our searches, not for method={method!r}.")
        from nlsq.global_optimization.users_optimizer import UsersOptimizer

        return UsersOptimizer(method), None, rest
    searches = isinstance(method, str) and method in SEARCH_METHODS
    if isinstance(config := given.get("search_config"), str):
        config = given["search_config"] = GlobalOptimizationConfig.from_preset(config)
    if not (config is None or isinstance(config, GlobalOptimizationConfig)):
        raise TypeError(
            f"search_config must be a GlobalOptimizationConfig or a preset's name, got {config!r}."
        )
    if not searches and not any(asked.values()) and given.get("search_config") is None:
        if named := [k for k in given if given[k] is not None]:
            raise TypeError(f"{named[0]!r} is for a search: add {remedy}, or leave it out.")
        return None, method, rest
    strategy = _strategy(method if searches else None, asked, given)
    return strategy, None if searches else method, rest


def searching(
    workflow: Any, method: str | None, options: dict[str, Any], roads: tuple[str, ...]
) -> tuple[Any, Any, dict[str, Any]]:
    """(road, method, options) of a `fit` whose workflow names a search.

    Raises
    ------
    ValueError
        It names nothing, or method another search.
    """
    presets = [name for name in PRESETS if name not in roads]
    if isinstance(workflow, GlobalOptimizationConfig):
        config = workflow
    elif workflow in presets:
        config = GlobalOptimizationConfig.from_preset(workflow)
    elif isinstance(workflow, CMAESConfig):
        if method is not None or options.get("cmaes_config") is not None:
            raise ValueError(f"workflow={workflow!r} is a search: leave the other one out.")
        return "auto", "cmaes", options | {"cmaes_config": workflow}
    elif workflow in CMAES_PRESETS:
        if method not in (None, workflow):
            raise ValueError(f"workflow={workflow!r} and method={method!r}: leave one of them out.")
        return "auto", workflow, options
    else:
        known = "auto", *roads, *presets, *CMAES_PRESETS
        near = did_you_mean(str(workflow), known, ".")
        raise ValueError(
            f"workflow must be one of {', '.join(map(repr, known))}, a HybridStreamingConfig, a "
            f"GlobalOptimizationConfig or a CMAESConfig, got {workflow!r}{near}"
        )
    if method in SEARCH_METHODS or options.get("search_config") is not None:
        raise ValueError(f"workflow={workflow!r} is a search: leave the other one out.")
    return "auto", method, options | {"search_config": config}


def _strategy(method: str | None, asked: dict[str, bool], given: dict[str, Any]):
    """What looks for the start."""
    if method in CMAES_PRESETS:
        if asked["multistart"] or asked["global_search"]:
            raise TypeError(f"method={method!r} and multistart=True are two searches; choose one.")
        from nlsq.global_optimization.cmaes_search import CovarianceSearch

        return CovarianceSearch(read_config(method, given))
    if given.pop("cmaes_config", None) is not None:
        raise TypeError("cmaes_config is for method='cmaes'.")
    config = given.pop("search_config", None)
    if config is None:
        known = method == "global" or asked["global_search"]
        config = GlobalOptimizationConfig(**PRESETS["global"] if known else {})
    config = config.with_overrides(**{k: v for k, v in given.items() if v is not None})
    if given.get("scale_factor") is not None and not config.center_on_p0:
        raise TypeError("scale_factor is for starts around p0: add center_on_p0=True.")
    return MultiStart(
        config, next((k for k in ("scale_factor", "center_on_p0") if given.get(k)), "")
    )
