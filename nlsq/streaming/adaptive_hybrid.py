"""`AdaptiveHybridStreamingOptimizer`: a source fitted in four phases.

0 `ParameterNormalizer`   parameters to a common scale
1 `WarmupPhase`           L-BFGS on a sample in memory, then the engine's own fit to that sample
2 `GaussNewtonPhase`      the engine's loop, a pass over all data per evaluation
3 finalisation            values and covariance in the user's units, from the last pass's R

Only phase 2 decides the answer; it is that of `curve_fit` on the same data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nlsq.core.problem.parameters import UNBOUNDED
from nlsq.distributed import current
from nlsq.result import StreamedFitResult
from nlsq.streaming.fitting import Reading, fit_source
from nlsq.streaming.hybrid_config import HybridStreamingConfig


class AdaptiveHybridStreamingOptimizer:
    """Fits sources with the settings of a configuration.

    Parameters
    ----------
    config : HybridStreamingConfig, optional

    Examples
    --------
    >>> import numpy as np
    >>> from nlsq.streaming import AdaptiveHybridStreamingOptimizer, ArraySource
    >>> x = np.linspace(0, 4, 50_000)
    >>> y = 2.5 * np.exp(-1.3 * x) + 0.01 * np.cos(1e4 * x)
    >>> optimizer = AdaptiveHybridStreamingOptimizer()
    >>> result = optimizer.fit(ArraySource(x, y), lambda x, a, k: a * np.exp(-k * x), [1, 1])
    >>> result.popt.round(4).tolist()
    [2.5, 1.3]
    >>> result.streaming["warmup_stopped_by"] in ("gradient", "plateau", "step")
    True
    """

    def __init__(self, config: HybridStreamingConfig | None = None):
        if not isinstance(config, HybridStreamingConfig | None):
            raise TypeError(f"config must be a HybridStreamingConfig, got {config!r}.")
        self.config = config or HybridStreamingConfig()

    def fit(
        self,
        data_source: Any,
        func: Callable | str,
        p0: Any = None,
        bounds: Any = UNBOUNDED,
        absolute_sigma: bool = False,
        callback: Callable | None = None,
        verbose: int = 0,
        **options: Any,
    ) -> StreamedFitResult:
        """Fit `func` to a source; further options as of `curve_fit`, which outrank the config's.

        Parameters
        ----------
        data_source : source
            As `xdata` of `nlsq.fit`, with sigma where it has one; arrays as a tuple (x, y) or
            (x, y, sigma).
        func, p0, bounds, absolute_sigma, callback, verbose
            As in `curve_fit`.
        """
        with current().together():
            return fit_source(
                "AdaptiveHybridStreamingOptimizer.fit", func, data_source, p0, bounds=bounds,
                absolute_sigma=absolute_sigma, hybrid=self.config,
                reading=Reading.merged({}, self.config),
                **{"callback": callback, "verbose": verbose} | options,
            )  # fmt: skip

    def __repr__(self) -> str:
        return f"AdaptiveHybridStreamingOptimizer({self.config!r})"
