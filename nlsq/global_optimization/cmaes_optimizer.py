"""`CMAESOptimizer`: a search by CMA-ES with its settings kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from nlsq.core.minpack import curve_fit
from nlsq.global_optimization.checkpoint import CMAESPreempted
from nlsq.global_optimization.cmaes_config import CMAESConfig

if TYPE_CHECKING:
    from nlsq.result import CurveFitResult

__all__ = ["CMAESOptimizer", "CMAESPreempted"]


class CMAESOptimizer:
    """Fits from the best point that CMA-ES finds, for models that are rough or discontinuous.

    For smooth ones ``method='global'`` needs fewer evaluations.

    Parameters
    ----------
    config : CMAESConfig, optional

    Examples
    --------
    >>> import numpy as np
    >>> t = np.linspace(0, 10, 80)
    >>> search = CMAESOptimizer.from_preset("cmaes", seed=1)
    >>> fit = search.fit(lambda t, a, w: a * np.sin(w * t), t, 2 * np.sin(5 * t))
    >>> fit.popt.round(6).tolist(), fit.cmaes_diagnostics.total_generations > 0
    ([2.0, 5.0], True)
    """

    def __init__(self, config: CMAESConfig | None = None):
        if config is not None and not isinstance(config, CMAESConfig):
            raise TypeError(f"config must be a CMAESConfig, got {config!r}.")
        self.config = CMAESConfig() if config is None else config

    @classmethod
    def from_preset(cls, preset_name: str, **changes: Any) -> CMAESOptimizer:
        """With the settings of a preset, 'cmaes-fast', 'cmaes' or 'cmaes-global', and changes."""
        return cls(CMAESConfig.from_preset(preset_name, **changes))

    def fit(
        self,
        f: Callable | str,
        xdata: Any,
        ydata: Any,
        p0: Any = None,
        bounds: Any = None,
        sigma: Any = None,
        **kwargs: Any,
    ) -> CurveFitResult:
        """`curve_fit` with ``method='cmaes'`` and these settings.

        Returns
        -------
        CurveFitResult
            ``minima`` has the evidence and ``cmaes_diagnostics`` the course of the search.
        """
        if bounds is not None:
            kwargs["bounds"] = bounds
        return curve_fit(
            f, xdata, ydata, p0, sigma, method="cmaes", cmaes_config=self.config, **kwargs
        )

    def __repr__(self) -> str:
        return f"CMAESOptimizer({self.config!r})"
