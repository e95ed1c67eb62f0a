"""`LargeDatasetFitter`: fits within a memory limit, and what they will take."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from numbers import Integral
from typing import Any

from nlsq.config import MemoryConfig, get_large_dataset_config, get_memory_config
from nlsq.core.orchestration.streaming_coordinator import StreamingCoordinator, automatic_chunk_size
from nlsq.core.passes.layout import BLOCK, CHUNKS
from nlsq.core.workflow import fit
from nlsq.device import usable_cores
from nlsq.result import CurveFitResult
from nlsq.streaming.fitting import Reading
from nlsq.streaming.full_passes import buffer_bytes


@dataclasses.dataclass(frozen=True)
class DatasetStats:
    """What a fit takes, in bytes and points.

    Attributes
    ----------
    n_points, n_params : int
    data_bytes : int
        All of x, y and sigma in memory.
    streamed_bytes : int
        Buffers and working space of a fit that reads the data in pieces.
    recommended_chunk_size : int
        Points to read at once; a fit reads no more than the engine's chunk.
    n_chunks : int
        Chunks that the engine adds up in a pass.
    strategy, reason : str
        The road that `nlsq.fit` would take with data that are not in memory.
    """

    n_points: int
    n_params: int
    data_bytes: int
    streamed_bytes: int
    recommended_chunk_size: int
    n_chunks: int
    strategy: str
    reason: str


def estimate_memory_requirements(
    n_points: int,
    n_params: int,
    coordinates: int = 1,
    weighted: bool = False,
    memory: MemoryConfig | None = None,
) -> DatasetStats:
    """What a fit of so many points takes.

    Parameters
    ----------
    n_points, n_params : int
    coordinates : int
        Numbers in x per point (default 1).
    weighted : bool
        Whether there is a sigma for each point (default False).
    memory : MemoryConfig, optional
        Default: the settings in force here (`nlsq.memory_context`), else the free memory.

    Examples
    --------
    >>> need = estimate_memory_requirements(10**8, 3, memory=MemoryConfig(8.0))
    >>> need.data_bytes, need.streamed_bytes < 10**8
    (1600000000, True)
    """
    counts = {"n_points": n_points, "n_params": n_params, "coordinates": coordinates}
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be a positive whole number, got {value!r}.")
    memory = memory or get_memory_config()
    point = 8 * (coordinates + 1 + weighted)
    capacity = next(size for size, most in CHUNKS if n_points <= most)
    working = usable_cores() * BLOCK * 8 * (2 * n_params + coordinates + 4)
    decision = StreamingCoordinator().decide(
        n_points, point, False, memory.held_bytes, get_large_dataset_config()
    )
    return DatasetStats(
        n_points,
        n_params,
        n_points * point,
        buffer_bytes(point, capacity) + working,
        min(automatic_chunk_size(point, memory), capacity),
        -(-n_points // capacity),
        decision.strategy,
        decision.reason,
    )


class ChunkedOptimizer:
    """Fits sources in passes over pieces of the data, with no warm-up: the road 'chunked'.

    Parameters
    ----------
    chunk_size : int, optional
        Points read at once; default by the memory.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.linspace(0, 4, 40_000)
    >>> optimizer = ChunkedOptimizer(chunk_size=8192)
    >>> data = x, 2 * np.exp(-x)
    >>> optimizer.fit(data, lambda x, a, k: a * np.exp(-k * x), [1, 2]).popt.round(6).tolist()
    [2.0, 1.0]
    """

    def __init__(self, chunk_size: int | None = None):
        Reading(chunk_size)  # refuses what is no size
        self.chunk_size = chunk_size

    def fit(
        self, data_source: Any, func: Callable | str, p0: Any = None, **options: Any
    ) -> CurveFitResult:
        """Fit `func`; arguments as of `AdaptiveHybridStreamingOptimizer.fit`."""
        own = {"workflow": "chunked", "chunk_size": self.chunk_size}
        return fit(func, data_source, p0=p0, **own | options)

    def __repr__(self) -> str:
        return f"ChunkedOptimizer(chunk_size={self.chunk_size!r})"


class LargeDatasetFitter:
    """Fits data of any size within a memory limit.

    Parameters
    ----------
    memory_limit_gb : float, optional
        Memory a fit may plan with, in 1e9 bytes; default as `MemoryConfig` in force.
    multistart : bool
        Look for the global minimum, from many starts (default False).
    n_starts, sampler : int, str, optional
        Of that search, as in `curve_fit`.

    Examples
    --------
    >>> import numpy as np
    >>> fitter = LargeDatasetFitter(memory_limit_gb=4.0)
    >>> x = np.linspace(0, 4, 40_000)
    >>> popt, pcov = fitter.fit(lambda x, a, k: a * np.exp(-k * x), x, 2 * np.exp(-x), p0=[1, 2])
    >>> popt.round(6).tolist()
    [2.0, 1.0]
    """

    def __init__(
        self,
        memory_limit_gb: float | None = None,
        *,
        multistart: bool = False,
        n_starts: int | None = None,
        sampler: str | None = None,
    ):
        self._limit = MemoryConfig(memory_limit_gb).memory_limit_gb
        search = {"multistart": multistart, "n_starts": n_starts, "sampler": sampler}
        self._search = {k: v for k, v in search.items() if v is not None and v is not False}
        if not multistart and self._search:
            raise TypeError(f"{next(iter(self._search))!r} is for a search: add multistart=True.")

    @property
    def memory(self) -> MemoryConfig:
        """What a fit may plan with."""
        now = get_memory_config()
        limit = self._limit
        return now if limit is None else dataclasses.replace(now, memory_limit_gb=limit)

    def estimate_requirements(self, n_points: int, n_params: int, **form: Any) -> DatasetStats:
        """See `estimate_memory_requirements`."""
        return estimate_memory_requirements(n_points, n_params, memory=self.memory, **form)

    def fit(
        self, f: Callable | str, xdata: Any, ydata: Any = None, p0: Any = None, **options: Any
    ) -> CurveFitResult:
        """`nlsq.fit` within the limit; the same arguments, by name too."""
        kept = {"memory_limit_gb": self._limit, **self._search}
        return fit(f, xdata, ydata, p0, **kept | options)

    def fit_with_progress(
        self, f: Callable | str, xdata: Any, ydata: Any = None, p0: Any = None, **options: Any
    ) -> CurveFitResult:
        """`fit` with a progress line, on a terminal or not."""
        return self.fit(f, xdata, ydata, p0, **options | {"show_progress": True})

    def __repr__(self) -> str:
        kept = {"memory_limit_gb": self._limit, **self._search}
        return f"LargeDatasetFitter({', '.join(f'{k}={v!r}' for k, v in kept.items())})"
