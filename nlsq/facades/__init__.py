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
from typing import Any


def _of(module: str, name: str) -> Any:
    def get() -> Any:
        return getattr(import_module(f"nlsq.{module}"), name)

    get.__doc__ = f"`nlsq.{module}.{name}`."
    return staticmethod(get)


class OptimizationFacade:
    """What searches for a global minimum: `nlsq.global_optimization`."""

    get_cmaes_optimizer = _of("global_optimization", "CMAESOptimizer")
    get_multistart_optimizer = _of("global_optimization", "MultiStartOrchestrator")
    get_method_selector = _of("global_optimization", "MethodSelector")


class StabilityFacade:
    """What keeps numbers sound: `nlsq.stability`."""

    get_fallback_svd = _of("stability.svd_fallback", "compute_svd_with_fallback")
    get_stability_guard = _of("stability", "NumericalStabilityGuard")
    get_recovery_handler = _of("stability.recovery", "OptimizationRecovery")


class DiagnosticsFacade:
    """What judges a fit: `nlsq.diagnostics`."""

    get_convergence_monitor = _of("diagnostics", "GradientMonitor")
    get_diagnostics_config = _of("diagnostics", "DiagnosticsConfig")
