"""The table by which lower floors reach optimisation, stability and diagnostics.

What is named here is loaded when an accessor is called; this package loads nothing. It is for
modules that may not import the others: those below them, and those beside them.

Examples
--------
>>> OptimizationFacade.get_multistart_optimizer().__name__
'MultiStartOrchestrator'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from nlsq.global_optimization import CMAESOptimizer, MethodSelector, MultiStartOrchestrator


def _named(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(import_module(f"nlsq.{module}"), name)


class OptimizationFacade:
    """What searches for a global minimum: `nlsq.global_optimization`."""

    @staticmethod
    def get_cmaes_optimizer() -> type[CMAESOptimizer]:
        """The class `CMAESOptimizer`."""
        return _named("global_optimization:CMAESOptimizer")

    @staticmethod
    def get_multistart_optimizer() -> type[MultiStartOrchestrator]:
        """The class `MultiStartOrchestrator`."""
        return _named("global_optimization:MultiStartOrchestrator")

    @staticmethod
    def get_method_selector() -> type[MethodSelector]:
        """The class `MethodSelector`."""
        return _named("global_optimization:MethodSelector")


class StabilityFacade:
    """What keeps numbers sound: `nlsq.stability`."""

    @staticmethod
    def get_fallback_svd() -> Callable[..., tuple]:
        """The function `compute_svd_with_fallback`."""
        return _named("stability.svd_fallback:compute_svd_with_fallback")

    @staticmethod
    def get_stability_guard() -> type:
        """The class `NumericalStabilityGuard`."""
        return _named("stability:NumericalStabilityGuard")

    @staticmethod
    def get_recovery_handler() -> type:
        """The class `OptimizationRecovery`."""
        return _named("stability.recovery:OptimizationRecovery")


class DiagnosticsFacade:
    """What judges a fit: `nlsq.diagnostics`."""

    @staticmethod
    def get_convergence_monitor() -> type:
        """The class `GradientMonitor`."""
        return _named("diagnostics:GradientMonitor")

    @staticmethod
    def get_diagnostics_config() -> type:
        """The class `DiagnosticsConfig`."""
        return _named("diagnostics:DiagnosticsConfig")
