"""Stage 3: the road through the data, by their size and the memory.

direct      all data in memory, `curve_fit`
chunked     data read in pieces in every pass; begins as a direct fit of long data does
streaming   the same after a warm-up by L-BFGS on a sample, for starts that are far
"""

from __future__ import annotations

from nlsq.config import LargeDatasetConfig, MemoryConfig
from nlsq.interfaces.orchestration_protocol import StreamingDecision

STRATEGIES = ("direct", "chunked", "streaming")
BUCKETS = tuple(1 << k for k in range(10, 20))  # 1024 ... 131072, and 2 and 4 times that
_SHARE = 64  # of the memory that a chunk read at once may take


class StreamingCoordinator:
    """Decides from sizes and settings alone.

    Examples
    --------
    >>> decide = StreamingCoordinator().decide
    >>> decide(10**9, 16, False, 8 * 10**9, LargeDatasetConfig()).strategy
    'streaming'
    >>> decide(5 * 10**6, 16, False, 8 * 10**9, LargeDatasetConfig()).reason
    'the data take 0.08 GB of the 8 GB allowed'
    """

    __slots__ = ()

    def decide(
        self,
        n_points: int | None,
        bytes_per_point: int | None,
        in_memory: bool,
        usable_bytes: int | None = None,
        config: LargeDatasetConfig | None = None,
        workflow: str = "auto",
        needs_source: str = "",
    ) -> StreamingDecision:
        """Choose a road; a pure function.

        Parameters
        ----------
        n_points : int or None
        bytes_per_point : int or None
            Of x, y and sigma; None where the data are in memory and nobody asks.
        in_memory : bool
            Whether the data are arrays already.
        usable_bytes : int, optional
            Memory that a fit may plan with; needed for data that are not in memory, as `config`.
        config : LargeDatasetConfig, optional
            Sizes from which on data that are not in memory stay where they are.
        workflow : str
            'auto', or the road the user asks for.
        needs_source : str
            What the user asked for that only roads other than the direct one have.
        """
        size = n_points * bytes_per_point if n_points and bytes_per_point else None
        if in_memory and workflow == "auto" and not needs_source:
            why = "the data are in memory"
            return StreamingDecision("direct", why, n_points, size, usable_bytes, True)

        def choose(strategy: str, reason: str) -> StreamingDecision:
            return StreamingDecision(strategy, reason, n_points, size, usable_bytes, True)

        if workflow != "auto":
            return choose(workflow, "it was asked for")
        if needs_source:
            return choose("chunked", f"{needs_source} was asked for")
        if not config.enable_automatic_solver_selection:
            return choose("direct", "enable_automatic_solver_selection is False")
        if n_points is None:
            return choose("chunked", "the number of points is not known before the data are read")
        named = config.strategy(n_points)
        if named == "direct":
            limit = config.solver_selection_thresholds["direct"]
            return choose("direct", f"{n_points:,} points are no more than {limit:,}")
        share = f"the data take {size / 1e9:.2g} GB of the {usable_bytes / 1e9:.3g} GB allowed"
        if named == "iterative" and size <= usable_bytes:
            return choose("direct", share)
        if named == "streaming":
            limit = config.solver_selection_thresholds["chunked"]
            return choose("streaming", f"{n_points:,} points are more than {limit:,}")
        return choose("chunked", share if size > usable_bytes else f"{n_points:,} points are many")


def automatic_chunk_size(bytes_per_point: int, memory: MemoryConfig) -> int:
    """Points read at once: the largest bucket that takes at most a 64th of the memory.

    Examples
    --------
    >>> automatic_chunk_size(16, MemoryConfig(8)), automatic_chunk_size(16, MemoryConfig(0.001))
    (524288, 1024)
    """
    usable = memory.usable_bytes
    fits = [b for b in BUCKETS if b * bytes_per_point * _SHARE <= usable]
    size = fits[-1] if fits else BUCKETS[0]
    return min(max(size, memory.min_chunk_size), memory.max_chunk_size)
