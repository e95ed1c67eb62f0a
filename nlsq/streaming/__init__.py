"""Data larger than memory: where they are read from, and how they are fitted with the same answer.

A fit of a source is the fit of every other data: the engine's loop over passes, each of which adds
the normal equations up over all points (`passes.reduction`). Only the passes differ: they read.

sources, file_sources, table_sources, iterable_source, opening   where points come from
feed            a source as the engine's chunks, read ahead; a file's first ones stay in memory
survey          what is known of the data: number, sample, and whether they are still the same
full_passes     chunks to all cores, sums in order
problem, phases, fitting                                the fit
phases.checkpoint                                       a fit that survives being killed
moments         statistics of all points
"""

from typing import TYPE_CHECKING

from nlsq.utils.lazily import lazily

if TYPE_CHECKING:
    from nlsq.streaming.adaptive_hybrid import (
        AdaptiveHybridStreamingOptimizer as AdaptiveHybridStreamingOptimizer,
    )
    from nlsq.streaming.file_sources import DatasetSource as DatasetSource
    from nlsq.streaming.file_sources import HDF5Source as HDF5Source
    from nlsq.streaming.file_sources import NpySource as NpySource
    from nlsq.streaming.file_sources import ZarrSource as ZarrSource
    from nlsq.streaming.hybrid_config import HybridStreamingConfig as HybridStreamingConfig
    from nlsq.streaming.iterable_source import IterableSource as IterableSource
    from nlsq.streaming.iterable_source import ProtocolSource as ProtocolSource
    from nlsq.streaming.large_dataset import ChunkedOptimizer as ChunkedOptimizer
    from nlsq.streaming.large_dataset import DatasetStats as DatasetStats
    from nlsq.streaming.large_dataset import LargeDatasetFitter as LargeDatasetFitter
    from nlsq.streaming.large_dataset import (
        estimate_memory_requirements as estimate_memory_requirements,
    )
    from nlsq.streaming.opening import as_source as as_source
    from nlsq.streaming.phases.checkpoint import CheckpointError as CheckpointError
    from nlsq.streaming.phases.checkpoint import CheckpointManager as CheckpointManager
    from nlsq.streaming.phases.checkpoint import CheckpointWarning as CheckpointWarning
    from nlsq.streaming.phases.gauss_newton import GaussNewtonPhase as GaussNewtonPhase
    from nlsq.streaming.phases.orchestrator import PhaseOrchestrator as PhaseOrchestrator
    from nlsq.streaming.phases.warmup import WarmupPhase as WarmupPhase
    from nlsq.streaming.sources import ArraySource as ArraySource
    from nlsq.streaming.sources import DataSourceError as DataSourceError
    from nlsq.streaming.sources import SequentialSource as SequentialSource
    from nlsq.streaming.sources import Source as Source
    from nlsq.streaming.table_sources import ArrowSource as ArrowSource
    from nlsq.streaming.table_sources import CSVSource as CSVSource
    from nlsq.streaming.table_sources import ParquetSource as ParquetSource
    from nlsq.streaming.telemetry import DefenseLayerTelemetry as DefenseLayerTelemetry

_HOME = {
    "AdaptiveHybridStreamingOptimizer": "adaptive_hybrid",
    "ArraySource": "sources",
    "ArrowSource": "table_sources",
    "CSVSource": "table_sources",
    "CheckpointError": "phases.checkpoint",
    "CheckpointManager": "phases.checkpoint",
    "CheckpointWarning": "phases.checkpoint",
    "ChunkedOptimizer": "large_dataset",
    "DataSourceError": "sources",
    "DatasetSource": "file_sources",
    "DatasetStats": "large_dataset",
    "DefenseLayerTelemetry": "telemetry",
    "GaussNewtonPhase": "phases.gauss_newton",
    "HDF5Source": "file_sources",
    "HybridStreamingConfig": "hybrid_config",
    "IterableSource": "iterable_source",
    "LargeDatasetFitter": "large_dataset",
    "NpySource": "file_sources",
    "ParquetSource": "table_sources",
    "PhaseOrchestrator": "phases.orchestrator",
    "ProtocolSource": "iterable_source",
    "SequentialSource": "sources",
    "Source": "sources",
    "WarmupPhase": "phases.warmup",
    "ZarrSource": "file_sources",
    "as_source": "opening",
    "estimate_memory_requirements": "large_dataset",
}
__all__ = sorted(_HOME)
__getattr__, __dir__ = lazily(__name__, _HOME)
