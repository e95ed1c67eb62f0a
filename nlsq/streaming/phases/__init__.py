"""The phases of a streamed fit: normalise, warm up on a sample, pass over all data, finish."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlsq.streaming.phases.checkpoint import CheckpointManager as CheckpointManager
    from nlsq.streaming.phases.gauss_newton import GaussNewtonPhase as GaussNewtonPhase
    from nlsq.streaming.phases.orchestrator import PhaseOrchestrator as PhaseOrchestrator
    from nlsq.streaming.phases.searching import SearchPhase as SearchPhase
    from nlsq.streaming.phases.warmup import WarmupPhase as WarmupPhase

_HOME = {
    "CheckpointManager": "checkpoint",
    "GaussNewtonPhase": "gauss_newton",
    "PhaseOrchestrator": "orchestrator",
    "SearchPhase": "searching",
    "WarmupPhase": "warmup",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
