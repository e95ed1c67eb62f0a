"""The best of many minima: searches over many starts, each finished by the fit of `curve_fit`.

``curve_fit(f, x, y, method='global')`` is the call for most; `MultiStartOrchestrator` and
`CMAESOptimizer` keep a configuration.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlsq.global_optimization.cmaes_config import CMAES_PRESETS as CMAES_PRESETS
    from nlsq.global_optimization.cmaes_config import CMAESConfig as CMAESConfig
    from nlsq.global_optimization.cmaes_diagnostics import CMAESDiagnostics as CMAESDiagnostics
    from nlsq.global_optimization.cmaes_optimizer import CMAESOptimizer as CMAESOptimizer
    from nlsq.global_optimization.config import PRESETS as PRESETS
    from nlsq.global_optimization.config import GlobalOptimizationConfig as GlobalOptimizationConfig
    from nlsq.global_optimization.method_selector import MethodSelector as MethodSelector
    from nlsq.global_optimization.multi_start import (
        MultiStartOrchestrator as MultiStartOrchestrator,
    )
    from nlsq.global_optimization.sampling import get_sampler as get_sampler
    from nlsq.global_optimization.tournament import TournamentSelector as TournamentSelector

_HOME = {
    "CMAES_PRESETS": "cmaes_config",
    "CMAESConfig": "cmaes_config",
    "CMAESDiagnostics": "cmaes_diagnostics",
    "CMAESOptimizer": "cmaes_optimizer",
    "PRESETS": "config",
    "GlobalOptimizationConfig": "config",
    "MethodSelector": "method_selector",
    "MultiStartOrchestrator": "multi_start",
    "TournamentSelector": "tournament",
    "get_sampler": "sampling",
}


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


__all__ = sorted(_HOME)
