"""The phases of a streamed fit: normalise, warm up on a sample, pass over all data, finish."""

from typing import TYPE_CHECKING

from nlsq.utils.lazily import lazily

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
__getattr__, __dir__ = lazily(__name__, _HOME)
