"""Which search a call asks for, and how it runs before the fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nlsq.core.drive.roads import choose_road
from nlsq.core.model.model import Model
from nlsq.core.problem.keywords import SEARCH, SEARCH_METHODS
from nlsq.core.problem.observations import Observations
from nlsq.core.problem.parameters import Parameters
from nlsq.global_optimization.config import PRESETS, GlobalOptimizationConfig
from nlsq.global_optimization.problem import Found, Problem
from nlsq.global_optimization.search import Search
from nlsq.interfaces.orchestration_protocol import OptimizationConfig
from nlsq.utils.input_error import did_you_mean
from nlsq.utils.progress import progress_bar

CMAES = ("cmaes", "cmaes-fast", "cmaes-global")


class MultiStart:
    """The search from many starts.

    Examples
    --------
    >>> MultiStart(GlobalOptimizationConfig(n_starts=100)).config.n_fits
    13
    """

    def __init__(self, config: GlobalOptimizationConfig):
        self.config = config

    def find(self, problem: Problem, has_start: bool) -> Found:
        """The best start and the evidence; has_start: p0 was given, it is no default."""
        search = Search(problem, self.config, problem.p0[None], has_start)
        with progress_bar(self.config.n_starts, "starts", None) as advance:
            search.run(advance)
        return search.found()


def read_search(
    method: str | None, has_start: bool, options: dict[str, Any]
) -> tuple[Callable | None, Any, dict[str, Any]]:
    """(the search or None, method and options of the fit that follows).

    The search is called as search(model, data, config) and gives what it `Found` and the
    configuration of the fit from there. Raises as `read_strategy`.
    """
    strategy, method, options = read_strategy(method, options)
    if strategy is None:
        return None, method, options

    def search(model: Model, data: Observations, config: OptimizationConfig):
        choose_road(model, data, config.parameters, config.settings, at_once=True)
        problem = Problem(model, data, config.parameters, config.settings)
        found = strategy.find(problem, has_start)
        start = Parameters(found.p0, problem.lb, problem.ub, config.parameters.names)
        return found, config._replace(parameters=start)

    return search, method, options


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
    searches = method in SEARCH_METHODS
    if not searches and not any(asked.values()) and given.get("search_config") is None:
        if named := [k for k in given if given[k] is not None]:
            raise TypeError(f"{named[0]!r} is for a search: add {remedy}, or leave it away.")
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
    elif workflow in CMAES:
        if method not in (None, workflow):
            raise ValueError(f"workflow={workflow!r} and method={method!r}: leave one of them out.")
        return "auto", workflow, options
    else:
        known = "auto", *roads, *presets, *CMAES
        near = did_you_mean(str(workflow), known, ".")
        raise ValueError(
            f"workflow must be one of {', '.join(map(repr, known))}, a HybridStreamingConfig or a "
            f"GlobalOptimizationConfig, got {workflow!r}{near}"
        )
    if method in SEARCH_METHODS or options.get("search_config") is not None:
        raise ValueError(f"workflow={workflow!r} is a search: leave the other one out.")
    return "auto", method, options | {"search_config": config}


def _strategy(method: str | None, asked: dict[str, bool], given: dict[str, Any]):
    """What looks for the start."""
    if method in CMAES:
        if asked["multistart"] or asked["global_search"]:
            raise TypeError(f"method={method!r} and multistart=True are two searches; choose one.")
        from nlsq.global_optimization.cmaes_search import CovarianceSearch, read_config

        return CovarianceSearch(read_config(method, given))
    if given.pop("cmaes_config", None) is not None:
        raise TypeError("cmaes_config is for method='cmaes'.")
    config = given.pop("search_config", None)
    if isinstance(config, str):
        config = GlobalOptimizationConfig.from_preset(config)
    elif config is None:
        known = method == "global" or asked["global_search"]
        config = GlobalOptimizationConfig(**PRESETS["global"] if known else {})
    elif not isinstance(config, GlobalOptimizationConfig):
        raise TypeError(
            f"search_config must be a GlobalOptimizationConfig or a preset's name, got {config!r}."
        )
    return MultiStart(config.with_overrides(**{k: v for k, v in given.items() if v is not None}))
